"""`sipprobe watch`: the trunks of a file, checked at their intervals: how each route is, and what changes."""

import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probes.cli.common import (
    LATER,
    Nameservers,
    Printer,
    make_console,
    nameservers,
    run_to_the_end,
    run_until_stopped,
    stop,
    tell,
)
from probes.cli.exit_codes import ExitCode
from probes.cli.printing import print_event
from probes.cli.streams import is_abandoned
from probes.cli.watch_codes import exit_code
from probes.cli.watch_file import read_plan

if TYPE_CHECKING:
    from rich.text import Text

    from probes.health.alerts import Alert
    from probes.health.file import WatchFile
    from probes.health.run import WatchConfig
    from probes.health.terms import Happening
    from probes.store.store import Store

LOOK = 1.0
"""Seconds between two looks at what has trouble, and at what the table shows."""
REPEAT = 600.0
"""Seconds after which it is told again how much a trouble costs that lasts."""
AROUND = 8
"""Lines of a terminal that the table leaves to what happens."""


def watch(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="TOML file with the trunks; docs/examples/trunks.toml has each key.")
    ],
    once: Annotated[
        bool, typer.Option("--once", help="Check every route once, print how all are, and end: for cron and CI.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Say what FILE means, and what is odd about it; nothing is sent.")
    ] = False,
    store: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep the history there, and not where FILE says.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell each check, and not only changes.")] = False,
    nameserver: Nameservers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Watch SIP trunks: how each route is, what changes, and why.

    Each route gets an OPTIONS at its interval, and a test call, or a test of a registration, where FILE says so. So
    many failures in a row mean that it is down; calls then take the next route that is up. A store keeps the history:
    it outlives a restart, and `sipprobe uptime` tells what it comes to. --once uses none unless --store names one, and
    alerts nobody.

    SIGHUP has FILE read again, but for its store, where there is no terminal: what changed is told, and one that cannot
    be used changes nothing. Ctrl-C is the end that is meant; the exit code tells of the trunks all the same.

    Exit code 0: each trunk has a route that works. Else what fits the worst trunk: 1: it refuses; 3: no address; 4:
    nothing listens; 5: no route; 6: silence; 7: TLS failed; 8: not SIP; 9: credentials; 10 to 13: of its test call.
    """
    from probes.health.run import WatchConfig
    from sipcore.transports.lookup import LookupConfig

    if once and check:
        stop(ExitCode.USAGE, "--check sends nothing, and --once checks: leave one of them out")
    plan = read_plan(file)
    path = store if store is not None else file.parent / plan.store if plan.store and not once else None
    if check:
        _explain(plan, path)
        raise typer.Exit(ExitCode.OK)
    with ExitStack() as opened:
        history = opened.enter_context(_kept_at(path)) if path is not None else None
        config = WatchConfig(lookup=LookupConfig(nameservers=nameservers(nameserver)))
        run = _Run(file, plan, config, history, as_json=as_json, verbose=verbose, alerts=not once)
        if once:
            run_to_the_end(run.once)
        else:
            run_until_stopped(run.until_stopped, run.reload)
    raise typer.Exit(run.end())


@contextmanager
def _kept_at(path: Path) -> "Iterator[Store]":
    """The history for as long as the block lasts. That its last lines cannot be written says nothing of the trunks."""
    from probes.health.trunk import WatchError
    from probes.store.store import Store

    store = Store.open(path)
    try:
        yield store
    finally:
        try:
            store.close()
        except WatchError as error:
            tell(error.message)


def _explain(plan: "WatchFile", path: Path | None) -> None:
    """Print what the file means. Raises WatchError for channels that cannot be used."""
    from probes.report.lines import listed
    from probes.report.watch_plan import plan_lines

    if plan.channels:
        from probes.cli.watch_alerts import open_alarms

        open_alarms(plan, None, lambda _: None, tell)
    printer = Printer(make_console())
    names = [
        channel.name if channel.trunks is None else f"{channel.name} (of {listed(channel.trunks) or 'no trunk'})"
        for channel in plan.channels
    ]
    for line in plan_lines(plan.trunks, str(path) if path is not None else "", names, _width(printer)):
        printer.line(line)
    printer.close()


def _width(printer: Printer) -> int:
    """Where lines are broken: nowhere but on a terminal."""
    from probes.report.ping_text import UNBROKEN

    return printer.console.width if printer.console.is_terminal else UNBROKEN


class _Run:
    """One run of the verb: the watch, its history, and what is printed of it."""

    def __init__(
        self,
        file: Path,
        plan: "WatchFile",
        config: "WatchConfig",
        store: "Store | None",
        *,
        as_json: bool,
        verbose: bool,
        alerts: bool,
    ) -> None:
        from probes.cli.watch_alerts import open_alarms
        from probes.health.run import Watch
        from probes.report.watch_text import WatchText

        self._file, self._plan = file, plan
        self._store = store
        self._as_json = as_json
        self._verbose = verbose
        self._printer = Printer(make_console())
        self._text = WatchText(plan.trunks, _width(self._printer), checks=verbose)
        self._watch = Watch(plan.trunks, self._show, config)
        self._alarms = open_alarms(plan, store, self._show_alert, self._tell_trouble) if alerts else None
        self._trouble, self._told = "", 0.0
        """What trouble of the store was told last, and when."""
        self._is_quiet = False
        """Whether nothing is told in words before the end."""

    async def until_stopped(self) -> None:
        """Watch; whatever ends it, how all routes are is printed."""
        self._begin()
        try:
            await self._during(self._watch.run)
        finally:
            self._summary(lasting=True)

    def reload(self) -> None:
        """Read the file again, and tell what is different; where it cannot be used, all stays as it was."""
        from probes.health.checking.run import require_usable
        from sipcore.errors import LocalError

        try:
            plan = read_plan(self._file)
            require_usable(plan.trunks)
            if self._alarms is not None:
                self._alarms.change(plan.trunks, plan.channels, of_trunk=dict(plan.alerts))
        except LocalError as error:
            self._tell_trouble(f"{error.message}; what was watched goes on")
            return
        before, self._plan = self._plan, plan
        self._show_reload(before)

    def _show_reload(self, before: "WatchFile") -> None:
        """Watch what the file says now, and tell what is different from before."""
        from probes.health.difference import difference
        from probes.report.watch_json import reload_data
        from probes.report.watch_text import difference_text

        plan, now = self._plan, time.time()
        found = difference(before.trunks, plan.trunks)
        rules = dict(before.alerts)
        are_alerts_same = all(rules.get(name, each) == each for name, each in plan.alerts)
        others = [] if before.channels == plan.channels and are_alerts_same else ["alerts"]
        if self._as_json:
            print_event(reload_data(plan.trunks, found, others, now))
        else:
            self._lines(self._text.change(plan.trunks, now, f"{self._file}: {difference_text(found, others)}"))
        if before.store != plan.store:
            self._tell_trouble(f"{self._file} names another store, which is used from the next start on")
        self._watch.change(plan.trunks)

    async def once(self) -> bool:
        """Check every route once, and print how it is."""
        self._is_quiet = not self._verbose
        self._begin()
        await self._during(self._watch.check_once)
        self._summary(lasting=self._store is not None)
        return True

    def end(self) -> ExitCode:
        """The exit code; ends the program when not everything could be printed."""
        from probes.report.watch_text import failure_line

        self._printer.close()
        states = self._watch.states()
        if self._as_json or not self._printer.console.is_terminal:
            tell(failure_line(states))
        return exit_code(states)

    async def _during(self, watching: "Callable[[], Awaitable[None]]") -> None:
        """Watch, with a table beneath what is told where that is a terminal."""
        import trio

        from probes.cli.under_way import shown_meanwhile

        console = None if self._as_json else self._printer.console
        with trio.CancelScope() as self._scope:
            async with shown_meanwhile(console, self._table, LOOK), trio.open_nursery() as nursery:
                nursery.start_soon(self._look_after)
                if self._alarms is not None:
                    nursery.start_soon(self._alarms.run)
                await watching()
                nursery.cancel_scope.cancel()
        self._look()

    async def _look_after(self) -> None:
        """Tell of trouble, as long as there is somebody to tell."""
        import trio

        while True:
            await trio.sleep(LOOK)
            self._look()
            if is_abandoned() or self._printer.has_failed:
                self._scope.cancel()

    def _look(self) -> None:
        """Tell what trouble the store has, from time to time while it lasts, and that it is over."""
        trouble, now = self._store.trouble if self._store is not None else "", time.monotonic()
        if trouble == self._trouble or (trouble and self._trouble and now < self._told + REPEAT):
            return
        self._trouble, self._told = trouble, now
        self._tell_trouble(trouble or "the history is kept again")

    def _tell_trouble(self, text: str) -> None:
        """Tell what keeps the watch from keeping its history, or from telling people; it goes on."""
        from probes.report.lines import wrapped
        from probes.report.watch_json import trouble_data

        console = self._printer.console
        if self._as_json:
            print_event(trouble_data(time.time(), text))
        if self._as_json or not console.is_terminal or not sys.stderr.isatty():
            tell(text)
        else:  # what is not written by the console would be drawn over by the table
            self._lines(wrapped(text, console.width, "sipprobe: ", LATER, "yellow"))

    def _table(self, _: float, width: int) -> "Sequence[Text]":
        """How all routes are, as far as there is room beneath what is told."""
        from rich.text import Text

        from probes.report.watch_text import state_lines

        rows = max(self._printer.console.height - AROUND, 1)
        return [Text(), *state_lines(self._watch.states(), time.time(), width, rows)]

    def _begin(self) -> None:
        """Tell what is watched, and what is known of it from the history."""
        from probes.report.watch_json import begin_data
        from probes.report.watch_text import begin_lines, known_lines

        known = self._store.last() if self._store is not None else ()
        self._watch.restore(known)
        if self._alarms is not None:
            self._alarms.restore(known)
        states, now = self._watch.states(), time.time()
        if self._as_json:
            print_event(begin_data(self._plan.trunks, states, now))
        elif not self._is_quiet:
            width = _width(self._printer)
            self._lines([*begin_lines(self._plan.trunks, width), *known_lines(states, now, width)])

    def _show(self, happening: "Happening") -> None:
        from probes.report.watch_json import happening_data

        if self._store is not None:
            self._store.add(happening)
        if self._as_json:
            print_event(happening_data(happening))
        elif not self._is_quiet:
            self._text.width = _width(self._printer)
            self._lines(self._text.lines(happening))
        if self._alarms is not None:
            self._alarms.take(happening)

    def _show_alert(self, alert: "Alert") -> None:
        from probes.report.watch_json import alert_event
        from probes.report.watch_text import tells_more

        if self._as_json:
            print_event(alert_event(alert))
        elif self._verbose or tells_more(alert):
            self._lines(self._text.alert(alert))

    def _lines(self, lines: "Iterable[Text]") -> None:
        for line in lines:
            self._printer.line(line)

    def _summary(self, *, lasting: bool) -> None:
        """How all routes are in the end, and what is wrong with them."""
        from rich.text import Text

        from probes.report.watch_json import states_data
        from probes.report.watch_text import state_lines, trouble_lines

        states, now = self._watch.states(), time.time()
        if self._as_json:
            print_event(states_data(states, now))
            return
        wrong = trouble_lines(states, _width(self._printer))
        table = state_lines(states, now, _width(self._printer), lasting=lasting)
        self._lines([*([] if self._is_quiet else [Text()]), *table, *([Text(), *wrong] if wrong else [])])
