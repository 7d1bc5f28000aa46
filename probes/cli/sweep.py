"""`sipprobe sweep`: which of many addresses speak SIP over UDP."""

import os
import socket
import stat
import sys
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probes.cli.common import make_console, run_to_the_end, seconds, stop, tell, why_unreadable
from probes.cli.exit_codes import ExitCode
from probes.cli.ports import ports, read_ports
from probes.cli.printing import json_text
from probes.cli.saving import write_whole
from probes.cli.streams import is_abandoned

if TYPE_CHECKING:
    import trio
    from rich.progress import Progress

    from probes.sweep.found import Found, Tally
    from probes.sweep.order import State
    from probes.sweep.ranges import Range, Targets
    from probes.sweep.run import Sweep, SweepConfig
    from sipcore.errors import TransportFailure

REFRESH = 0.1
"""Seconds between two prints of what was found meanwhile: one for each place would slow the sweep down."""
SAVE_PAUSE = 1.0
"""Seconds between two writes of the state: what is lost with a machine that fails is asked again."""
MAX_NAMES = 256
"""Host names that are looked up, one after the other; each may take seconds. More of them had better be addresses."""
STDIN = "-"

Ports = Annotated[list[str] | None, ports("5060")]
Rate = Annotated[
    float,
    typer.Option(metavar="NUMBER", min=0.1, max=50_000, help="Datagrams a second at most, repetitions included."),
]


def sweep(
    ranges: Annotated[
        list[str],
        typer.Argument(
            metavar="RANGES...",
            help="192.0.2.7, 192.0.2.0/24, 192.0.2.1-9, 2001:db8::/120, host names, lists, - for standard input.",
        ),
    ],
    port: Ports = None,
    rate: Rate = 1000.0,
    timeout: Annotated[float, seconds("Seconds to wait for each place.", most=32.0)] = 4.0,
    exclude: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="File with ranges to leave out; may be repeated.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep the state in FILE, and go on from there if it exists.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER", min=0, max=(1 << 32) - 1, help="Ask in the order of an earlier sweep, which printed it."
        ),
    ] = None,
    yes_large: Annotated[
        bool, typer.Option("--yes-large", help="Yes, more than 256 addresses in a row are meant.")
    ] = False,
    show_all: Annotated[
        bool, typer.Option("--all", help="Print places that refuse or cannot be reached, too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for each line.")] = False,
) -> None:
    """Find out which of many addresses speak SIP over UDP.

    Every address is sent one OPTIONS request of some 400 bytes, repeated after 0.5, 1.5 and 3.5 seconds while it does
    not answer, in random order, never faster than --rate. Nothing else is sent, and nothing to multicast or broadcast
    addresses. Host names are looked up before. Probe only networks that you run or are allowed to probe: to others
    this is a scan, and in many places an offence.

    Ctrl-C stops it and writes a state that --resume goes on from, with the same RANGES.

    Exit code 0: something answered; 2: a mistake in RANGES or FILE; 4: refused, or unreachable, and no answer; 5: no
    way there; 6: silence; 8: answers, but none of them SIP; 130: stopped.
    """
    from probes.sweep.run import SweepConfig, random_seed
    from sipcore.resolve.target import DEFAULT_PORT

    targets = _targets(ranges, read_ports(port or ()) or (DEFAULT_PORT,), exclude or [], yes_large=yes_large)
    state = _read_state(resume, targets) if resume is not None else None
    config = SweepConfig(rate, timeout, random_seed() if seed is None else seed)
    if state is not None:
        config = SweepConfig(rate, timeout, state.seed, state.index, state.done)
    run = _Run(targets, config, _Output(as_json=as_json, show_all=show_all), resume)
    run.begin()
    run_to_the_end(run.everything)
    run.check()
    raise typer.Exit(exit_code(run.sweep.tally))


def exit_code(tally: "Tally") -> ExitCode:
    """What a sweep means to a script."""
    if tally.answered:
        return ExitCode.OK
    if tally.not_sip:
        return ExitCode.NOT_SIP
    return ExitCode.REFUSED if tally.refused else ExitCode.NO_ANSWER


class _Output:
    """Prints places, in words or as data, a tenth of a second's worth at a time."""

    def __init__(self, *, as_json: bool, show_all: bool) -> None:
        self._as_json = as_json
        self._show_all = show_all
        self._lines: list[str] = []
        self.console = make_console() if sys.stdout.isatty() else None
        """Where lines are cut; there is none, and nothing of rich is loaded, where nobody looks."""
        self.failure: OSError | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing can be printed any more, or nobody reads it."""
        return self.failure is not None or is_abandoned()

    def found(self, found: "Found") -> None:
        """A place to print."""
        from probes.report.sweep_json import found_data
        from probes.report.sweep_text import found_line
        from probes.result import Reach

        if self._show_all or found.reach in (Reach.ANSWERED, Reach.NOT_SIP):
            self._lines.append(json_text(found_data(found)) if self._as_json else found_line(found))

    def summary(self, sweep: "Sweep", elapsed: float, *, complete: bool) -> None:
        """What became of all, to print last."""
        from probes.report.sweep_json import kind_data, tally_data
        from probes.report.sweep_text import sweep_lines

        tally, kinds = sweep.tally, sweep.kinds()
        if self._as_json:
            self._lines += [json_text(kind_data(kind)) for kind in kinds]
            self._lines.append(json_text(tally_data(tally, sweep.state.seed, elapsed, complete=complete)))
        else:
            lines = sweep_lines(tally, kinds, sweep.state.seed, elapsed)
            self._lines += [""] if kinds else []
            self._lines += lines if self.console is None else _folded(lines, self.console.width)

    def flush(self, bar: "_Bar | None" = None) -> None:
        """Print what is there, not into a bar. After the first failure nothing is printed any more."""
        text, self._lines = "\n".join(self._lines), []
        if not text or self.failure is not None:
            return
        if bar is not None and self.console is not None:
            bar.hide()
        try:
            if self.console is not None and not self._as_json:
                self.console.print(text, no_wrap=True, overflow="ellipsis")
            else:
                sys.stdout.write(f"{text}\n")
                sys.stdout.flush()
        except OSError as error:
            self.failure = error


def _folded(lines: Iterable[str], width: int) -> Iterator[str]:
    """The same lines, broken where a terminal ends."""
    from probes.report.lines import folded

    for line in lines:
        yield from [part.plain for part in folded(line, width)] or [""]


class _Run:
    """One run of the verb: the sweep, its state in a file, and what is seen of it meanwhile."""

    def __init__(self, targets: "Targets", config: "SweepConfig", output: _Output, file: Path | None) -> None:
        from probes.sweep.run import Sweep

        self.sweep = Sweep(targets, config, output.found)
        self._state = self.sweep.state
        """As far as what was found is printed."""
        self._output = output
        self._file = file
        self._failure: TransportFailure | None = None

    def begin(self) -> None:
        """End the program when the state could not be kept, before anything is sent."""
        if self._file is not None:
            try:
                self._save(self._file)
            except OSError as error:
                stop(ExitCode.USAGE, f"cannot write {self._file}: {error.strerror}")

    async def everything(self) -> None:
        """Sweep; whatever ends it, what was found is printed, and what is left to do is kept."""
        import trio

        from sipcore.errors import TransportFailure

        started, complete = trio.current_time(), False
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch, nursery.cancel_scope)
                try:
                    await self.sweep.run()
                    complete = True
                except TransportFailure as failure:
                    self._failure = failure
                nursery.cancel_scope.cancel()
        finally:
            self._end(trio.current_time() - started, complete=complete)

    def check(self) -> None:
        """End the program when nothing could be sent, or not everything printed."""
        if self._failure is not None:
            stop(ExitCode.UNREACHABLE, self._failure.message)
        failure = self._output.failure
        if failure is not None:
            stop(ExitCode.FAILED, f"cannot write the result: {failure.strerror}")

    async def _watch(self, scope: "trio.CancelScope") -> None:
        """Print and save from time to time; stop the sweep when nobody reads what it finds."""
        import trio

        bar = _Bar()
        save_at = trio.current_time() + SAVE_PAUSE
        try:
            while True:
                await trio.sleep(REFRESH)
                self._output.flush(bar)
                if self._output.is_over:
                    break
                bar.show(self.sweep.tally)
                if trio.current_time() >= save_at:
                    save_at = trio.current_time() + SAVE_PAUSE
                    self._save_meanwhile()
        finally:
            bar.hide()
        scope.cancel()

    def _save_meanwhile(self) -> None:
        """Write what is done with by now, so that a machine which fails loses little."""
        self._state = self.sweep.state
        if self._file is not None:
            try:
                self._save(self._file)
            except OSError:
                pass  # the last time tells of it

    def _end(self, elapsed: float, *, complete: bool) -> None:
        self._output.summary(self.sweep, elapsed, complete=complete)
        self._output.flush()
        if self._failure is not None:
            return
        if not self._output.is_over:
            self._state = self.sweep.state
        # What was found and could not be printed is not done with.
        if not complete or self._output.is_over:
            self._keep(self._file or Path(f"sweep-{self._state.seed:08x}.resume"))
        elif self._file is not None:
            self._file.unlink(missing_ok=True)

    def _keep(self, file: Path) -> None:
        """Leave the state behind, and tell how to go on; nothing may be raised while a signal is being obeyed."""
        try:
            self._save(file)
        except OSError as error:
            tell(f"stopped; cannot write {file}: {error.strerror}")
        else:
            tell(f"stopped; go on with the same ranges and --resume {file}")

    def _save(self, file: Path) -> None:
        """Write the state so that there is always a whole one."""
        write_whole(file, f"{self._state}\n".encode())


class _Bar:
    """A bar with an estimate, on standard error where that is a terminal; gone while something else is printed.

    There is none where standard output is a pipe: whoever reads it may print to the same terminal at any time.
    """

    def __init__(self) -> None:
        self._bar: Progress | None = None
        if not sys.stderr.isatty() or _is_piped():
            return
        from rich import progress
        from rich.console import Console

        self._bar = progress.Progress(
            progress.BarColumn(20),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.description}"),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("")

    def show(self, tally: "Tally") -> None:
        """Draw it as it stands."""
        from probes.report.sweep_text import progress_text

        if self._bar is None:
            return
        self._bar.start()
        text = progress_text(tally)
        self._bar.update(self._task, description=text, total=tally.places, completed=tally.done, refresh=True)

    def hide(self) -> None:
        """Take it off the screen."""
        if self._bar is not None:
            self._bar.stop()


def _is_piped() -> bool:
    """Whether another program reads standard output."""
    try:
        mode = os.fstat(sys.stdout.fileno()).st_mode
    except (OSError, ValueError):  # it is no file, or closed
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _targets(words: list[str], ports: tuple[int, ...], exclude: list[Path], *, yes_large: bool) -> "Targets":
    """What to probe; ends the program when it cannot be read, or is not to be probed."""
    from probes.sweep.ranges import LargeRangeError, RangeError, Targets

    try:
        lookup = _Lookup()
        excluded = [each for file in exclude for each in _read_ranges(file, lookup)]
        return Targets(_ranges(words, lookup), ports, excluded, allow_large=yes_large)
    except LargeRangeError as error:
        stop(ExitCode.USAGE, f"{error.message}: say --yes-large if you may probe all of them")
    except RangeError as error:
        stop(ExitCode.USAGE, error.message)
    except UnicodeDecodeError:
        stop(ExitCode.USAGE, "cannot read standard input: it is no text")


class _Lookup:
    """Looks host names up as everything else on this machine does, no more than MAX_NAMES of them."""

    def __init__(self) -> None:
        self._left = MAX_NAMES

    def __call__(self, name: str) -> list[str]:
        from probes.sweep.ranges import RangeError, shown

        self._left -= 1
        if self._left < 0:
            raise RangeError(f"more than {MAX_NAMES} host names; give their addresses")
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        except socket.gaierror as error:
            raise RangeError(f"{shown(name)} is no address, and as a host name: {error.strerror}") from None
        except UnicodeError:
            raise RangeError(f"{shown(name)} is neither an address nor a host name") from None
        return [str(address[0]) for *_, address in found]


def _ranges(words: Iterable[str], lookup: _Lookup) -> "Iterator[Range]":
    from probes.sweep.ranges import ranges_in, ranges_of

    for word in words:
        if word == STDIN:
            if isinstance(sys.stdin, TextIOWrapper):
                sys.stdin.reconfigure(errors="strict")  # where the locale is C, what is no text would come through
            yield from ranges_of(sys.stdin, "standard input", lookup)
        else:
            yield from ranges_in(word, lookup)


def _read_ranges(file: Path, lookup: _Lookup) -> "Iterator[Range]":
    from probes.sweep.ranges import ranges_of

    try:
        with file.open() as lines:
            yield from ranges_of(lines, str(file), lookup)
    except (OSError, UnicodeDecodeError) as error:
        stop(ExitCode.USAGE, f"cannot read {file}: {why_unreadable(error)}")


def _read_state(file: Path, targets: "Targets") -> "State | None":
    """The state in a file, None where there is no file yet; ends the program when it is of something else."""
    from probes.sweep.order import MAX_STATE, State, StateError

    try:
        with file.open() as source:
            state = State.parse(source.read(MAX_STATE))
        state.check(targets.digest, targets.count)
    except FileNotFoundError:
        return None
    except StateError as error:
        stop(ExitCode.USAGE, f"{file} is {error.message}")
    except (OSError, UnicodeDecodeError) as error:
        stop(ExitCode.USAGE, f"cannot read {file}: {why_unreadable(error)}")
    return state
