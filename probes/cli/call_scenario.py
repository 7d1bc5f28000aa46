"""`--scenario FILE`: the calls of a file, one after the other, with one summary and one exit code.

`sipprobe call` places those that are to be placed. What is common to it and `sipprobe respond` is here.
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import typer

from probes.cli.call_codes import exit_code
from probes.cli.common import (
    PASSWORD_VARIABLE,
    Printer,
    make_console,
    read_content,
    read_headers,
    read_password,
    run_interruptible,
    stop,
    why_unreadable,
)
from probes.cli.exit_codes import ExitCode
from probes.cli.printing import print_event
from probes.cli.saving import HepSender, sender_to

if TYPE_CHECKING:
    import trio

    from probes.calls.scenario import PasswordOf, PlannedCall
    from probes.calls.story import OnEntry
    from probes.result import CallResult
    from sipcore.endpoint.endpoint import EndpointConfig

OPTIONS = {
    **{name: name for name in ("target", "transport", "asserted", "privacy", "number_format", "user", "realm")},
    **{name: name for name in ("ptime", "encryption", "keys", "ice", "dtmf", "prack", "session_timer", "ring_timeout")},
    **{name: name for name in ("hold", "max_hold", "hang_up", "expect", "allow", "password_file")},
    "caller": "from",
    "header": "headers",
    "codec": "codecs",
    "no_early_media": "early_media",
}
"""The options that stand above what the file says, and its keys for them."""
_GIVEN = "COMMANDLINE"
T = TypeVar("T")
FOR_ONE_CALL = {"save_to": "--save", "html": "--html", "with_media": "--with-media", "with_tls": "--with-tls"}
"""Options that would have each call overwrite what the one before has left."""


def overriding(context: typer.Context, options: Mapping[str, str] = OPTIONS) -> dict[str, object]:
    """Those of the `options` that were given on the command line, as a scenario has them; ends the program for those
    that it cannot have.
    """
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name: context.params[name] for name, source in sources.items() if source and source.name == _GIVEN}
    for name, option in FOR_ONE_CALL.items():
        if name in given:
            stop(ExitCode.USAGE, f"{option} is for one call; use --json with --scenario")
    found = {options[name]: _as_toml(name, value) for name, value in given.items() if name in options}
    if "user" in found and "password_file" not in found:
        found["password_env"] = PASSWORD_VARIABLE
    return found


def _as_toml(name: str, value: object) -> object:
    """What an option holds, as a scenario has it."""
    if name == "no_early_media":
        return not value
    if name == "header" and isinstance(value, list | tuple):
        told: dict[str, list[str]] = {}
        for field, text in read_headers(value):
            told.setdefault(field, []).append(text)
        return told
    if isinstance(value, list | tuple):
        return [str(each) for each in value]
    return str(value) if isinstance(value, str | Path) else value


def run_scenario(
    file: Path, context: typer.Context, config: "EndpointConfig", collector: str, *, as_json: bool
) -> NoReturn:
    """Place the calls of `file` and print them, and end with the exit code of the first that is not as it should be.

    The options in the `context` of the command stand above what the file says.
    """
    from probes.calls.scenario import read_scenario

    changes = overriding(context)
    calls = read_file(file, lambda text: read_scenario(text, str(file), passwords_for(file), changes))
    told = SeriesTold(len(calls), sender_to(collector), as_json=as_json)
    _, end = run_interruptible(lambda stop: told.during(partial(_place, calls, config, told, stop)))
    told.end(end)


def passwords_for(file: Path) -> "PasswordOf":
    """Where the passwords come from that a scenario names: the environment, and files beside it."""
    from sipcore.errors import LocalError

    def password_of(way: str, told: str) -> str:
        if way.endswith("_file"):
            return read_password("", file.parent / told)
        if told not in os.environ:
            text = f"the environment has no variable {told}, which {way} names"
            raise LocalError(text, section="RFC 3261 §22.2")
        return os.environ[told]

    return password_of


def read_file(file: Path, read: Callable[[str], T]) -> T:
    """What `read` makes of a scenario; ends the program when it cannot be used."""
    from probes.entries import EntryError

    try:
        return read(read_content(file).decode())
    except UnicodeDecodeError as error:
        stop(ExitCode.USAGE, f"cannot read {file}: {why_unreadable(error)}")
    except EntryError as error:
        stop(ExitCode.USAGE, error.message)


async def _place(
    calls: "tuple[PlannedCall, ...]",
    config: "EndpointConfig",
    told: "SeriesTold",
    stop: "trio.Event",
    on_entry: "OnEntry | None",
) -> None:
    """Each call in its turn, told as it happens, until they are told to stop."""
    from probes.calls.run import place_call

    for call in calls:
        told.begin(call.name)
        told.over(await place_call(call.script, config, on_entry, stop=stop))
        if stop.is_set():
            break


class SeriesTold:
    """What is told of the calls of a scenario: each as it happens, and all of them at the end."""

    def __init__(self, count: int, sender: HepSender | None, *, as_json: bool) -> None:
        from probes.cli.live import Live

        self.as_json = as_json
        self._count = count
        self._sender = sender
        self._printer = Printer(make_console())
        self._live = Live(self._printer)
        self._codes: list[ExitCode] = []
        self._lines: list[str] = []
        self._name = ""

    def begin(self, name: str) -> None:
        """It is the turn of a call."""
        self._name = name
        self._live.begin()
        if not self.as_json:
            self._printer.line(f"call {len(self._codes) + 1} of {self._count}: {name}")

    async def during(self, work: "Callable[[OnEntry | None], Awaitable[T]]") -> T:
        """Do something that has the calls in it, and show their lines as they happen."""
        return await (work(None) if self.as_json else self._live.during(work))

    def over(self, result: "CallResult") -> None:
        """It is over."""
        from probes.report.call_text import result_lines
        from probes.report.safe_text import printable

        self._live.flush()
        code = exit_code(result)
        self._codes.append(code)
        problem = result.unmet or result.why
        self._lines.append(printable(f"{'ok' if code is ExitCode.OK else 'failed':<8}{self._name}: {problem}"))
        if self._sender is not None:
            self._sender.send(result.records, result.epoch_ns)
        if self.as_json:
            print_event(_data(self._name, result, code))
            return
        for line in (*result_lines(result, self._printer.console.width), ""):
            self._printer.line(line)

    def end(self, interrupt: Callable[[], None] = lambda: None) -> NoReturn:
        """The summary, and the exit code of the first call that is not as it should be, unless `interrupt` ends it."""
        good, count = self._codes.count(ExitCode.OK), len(self._codes)
        left = self._count - count
        if self.as_json:
            print_event({"event": "summary", "calls": count, "ok": good, "failed": count - good, "omitted": left})
        else:
            from probes.report.lines import folded

            omitted = f", and {left} {'was' if left == 1 else 'were'} not placed" if left else ""
            for line in (*self._lines, f"{good} of {count} calls are as they should be{omitted}"):
                for part in folded(line, self._printer.console.width):
                    self._printer.line(part)
            self._printer.close()
        if self._sender is not None:
            self._sender.close()
        interrupt()
        raise typer.Exit(next((code for code in self._codes if code is not ExitCode.OK), ExitCode.OK))


def _data(name: str, result: "CallResult", code: ExitCode) -> dict[str, object]:
    from probes.report.call_json import call_data
    from sipcore.errors import encodable

    return {"event": "call", "name": encodable(name), "exit_code": int(code), **call_data(result)}
