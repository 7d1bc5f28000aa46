"""`sipprobe call --scenario FILE`: the calls of a file, one after the other, with one summary and one exit code."""

import json
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from probes.cli.call_codes import exit_code
from probes.cli.common import PASSWORD_VARIABLE, Printer, make_console, read_password, run_to_the_end, stop
from probes.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from probes.calls.scenario import PlannedCall
    from probes.result import CallResult
    from sipcore.transports.base import TlsConfig

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
FOR_ONE_CALL = {"save_to": "--save", "html": "--html", "with_media": "--with-media", "with_tls": "--with-tls"}
"""Options that would have each call overwrite what the one before has left."""


def overriding(context: typer.Context) -> dict[str, object]:
    """The options that were given on the command line, as a scenario has them; ends the program for those it cannot."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name: context.params[name] for name, source in sources.items() if source and source.name == _GIVEN}
    for name, option in FOR_ONE_CALL.items():
        if name in given:
            stop(ExitCode.USAGE, f"{option} is for one call; use --json with --scenario")
    found = {OPTIONS[name]: _as_toml(name, value) for name, value in given.items() if name in OPTIONS}
    if "user" in found and "password_file" not in found:
        found["password_env"] = PASSWORD_VARIABLE
    return found


def _as_toml(name: str, value: Any) -> object:  # noqa: ANN401  # whatever an option holds
    if name == "no_early_media":
        return not value
    if name == "header":
        told: dict[str, list[str]] = {}
        for line in value:
            field, _, content = line.partition(":")
            told.setdefault(field.strip(), []).append(content.strip())
        return told
    if isinstance(value, list | tuple):
        return [str(each) for each in value]
    return str(value) if isinstance(value, str | Path) else value


def run_scenario(file: Path, context: typer.Context, tls: "TlsConfig", *, as_json: bool) -> NoReturn:
    """Place the calls of `file` and print them, and end with the exit code of the first that is not as it should be.

    The options in the `context` of the command stand above what the file says.
    """
    calls = _read(file, overriding(context))
    codes = run_to_the_end(partial(_place, calls, tls, as_json))
    failed = [code for code in codes if code is not ExitCode.OK]
    raise typer.Exit(failed[0] if failed else ExitCode.OK)


def _read(file: Path, changes: Mapping[str, object]) -> "tuple[PlannedCall, ...]":
    from probes.calls.scenario import ScenarioError, read_scenario
    from sipcore.errors import LocalError

    def password_of(way: str, told: str) -> str:
        if way == "password_file":
            return read_password("", file.parent / told)
        if told not in os.environ:
            text = f"the environment has no variable {told}, which password_env names"
            raise LocalError(text, section="RFC 3261 §22.2")
        return os.environ[told]

    try:
        return read_scenario(file.read_bytes().decode(), str(file), password_of, changes)
    except (OSError, UnicodeDecodeError) as error:
        stop(ExitCode.USAGE, f"cannot read {file}: {error}")
    except ScenarioError as error:
        stop(ExitCode.USAGE, error.message)


async def _place(calls: "tuple[PlannedCall, ...]", tls: "TlsConfig", as_json: bool) -> list[ExitCode]:
    """Each call in its turn, told as it happens, and the summary."""
    from probes.calls.run import call_config, place_call
    from probes.report.call_text import entry_line, result_lines

    printer = Printer(make_console())
    codes: list[ExitCode] = []
    told: list[str] = []
    for number, call in enumerate(calls, 1):
        if not as_json:
            printer.line(f"call {number} of {len(calls)}: {call.name}")
        show = None if as_json else lambda entry: printer.line(entry_line(entry))
        result = await place_call(call.script, call_config(tls), show)
        code = exit_code(result)
        codes.append(code)
        told.append(_outcome(call, result, code))
        if as_json:
            typer.echo(json.dumps(_data(call, result, code), ensure_ascii=False))
        else:
            for line in (*result_lines(result), ""):
                printer.line(line)
    good = codes.count(ExitCode.OK)
    if as_json:
        typer.echo(json.dumps({"event": "summary", "calls": len(codes), "ok": good, "failed": len(codes) - good}))
    else:
        for line in (*told, f"{good} of {len(codes)} calls are as they should be"):
            printer.line(line)
        printer.close()
    return codes


def _outcome(call: "PlannedCall", result: "CallResult", code: ExitCode) -> str:
    from probes.report.safe_text import printable

    problem = result.unmet or result.why
    return printable(f"{'ok' if code is ExitCode.OK else 'failed':<8}{call.name}: {problem}")


def _data(call: "PlannedCall", result: "CallResult", code: ExitCode) -> dict[str, object]:
    from probes.report.call_json import call_data
    from probes.report.safe_text import encodable

    return {"event": "call", "name": encodable(call.name), "exit_code": int(code), **call_data(result)}
