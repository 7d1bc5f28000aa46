"""A watch in words: what is watched, a line for each change, and how everything is.

A line begins with the time of day and whom it is about, so that a log can be searched by them; what may be longer
stands last. A trunk with one route is called by its own name alone.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import tzinfo

from rich.text import Text

from probes.health.alerts import Alert, AlertKind, Severity
from probes.health.board import RouteState, TrunkState
from probes.health.difference import Difference
from probes.health.terms import Change, Check, Happening, Health, Kind, Switch, SwitchCause, Verdict
from probes.health.trunk import Route, Trunk
from probes.registration.plan import RegistrationProbe
from probes.report.lines import WIDTH, wrapped
from probes.report.ping_text import UNBROKEN
from probes.report.safe_text import printable
from probes.report.times import clock, date_and_clock, day, duration, every, span

STYLES = {
    Health.HEALTHY: "green",
    Health.DEGRADED: "yellow",
    Health.UNREACHABLE: "bold red",
    Health.UNKNOWN: "yellow",
    Health.UNCHECKED: "dim",
}
_VERDICT_STYLES = {Verdict.GOOD: "green", Verdict.BAD: "red", Verdict.OWN: "magenta"}
"""Those of the others are that of doubt."""
_SEVERITY_STYLES = {Severity.WARNING: "yellow", Severity.CRITICAL: "bold red"}
_DOUBT = "yellow"
_OfTrunk = tuple[TrunkState, RouteState]
_WORST = (Health.UNREACHABLE, Health.DEGRADED, Health.UNKNOWN, Health.UNCHECKED)
"""What is told first where there is no room for all."""
_TAKES, _NO_ROUTE = "takes calls", "no route"
_ALERT, _READ_AGAIN = "alert", "read again"
_FAILING = "failing"
"""What is not down yet, since it failed once, where nobody goes on to look."""
_STATE = max(map(len, (*(health.value for health in Health), _TAKES, _NO_ROUTE)))
"""Columns of how a route is."""
_LABEL = 30
"""Columns of whom a line is about, at most: what is longer pushes the rest of its own line."""
_ROOM = 24
"""Columns that a text needs beside whom it is about, at the least: where a name leaves fewer, it begins beneath."""
_AGAIN = "the same again"
"""What is told on a screen where the line above says it."""
_CLOCK = 10
"""Columns of the time of day, and where the later lines of a text begin."""
_NAMES = 8
"""Names of trunks that are told in one line, of each kind of change."""
_MAX_TEXT = 400
"""Characters of what a peer may make as long as it likes."""
_DAY = 86_400
OF_KIND = {Kind.OPTIONS: "", Kind.CALL: "test call: ", Kind.REGISTRATION: "registration: "}
"""What stands before what a check has found."""
_SHORT = {Kind.CALL: "call", Kind.REGISTRATION: "registration"}
"""Where there is no room for more; also the reasons by which these fail as a rule."""
_HEADS = ("for", "says", "time", "cert", "place")
_TO_THE_RIGHT = frozenset({"for", "time", "cert"})
_TAKEN = "▶ "
"""What stands before the route that calls take, where there is a choice."""


class Labels:
    """How the routes of some trunks are called, in a column that fits all of them."""

    def __init__(self, trunks: Sequence[Trunk | TrunkState]) -> None:
        self._alone = {_name_of(trunk) for trunk in trunks if len(trunk.routes) == 1}
        self._titles = {_name_of(trunk): trunk.title for trunk in trunks if trunk.title}
        self._columns = 0
        names = [self.of(_name_of(trunk), _route_name(route)) for trunk in trunks for route in trunk.routes]
        self._columns = min(max(map(len, names), default=0), _LABEL)

    def is_alone(self, trunk: str) -> bool:
        """Whether the trunk has one route, so that there is no choice to tell of."""
        return trunk in self._alone

    def of(self, trunk: str, route: str) -> str:
        """What a route is called, filled up to the column's width."""
        name = self._titles.get(trunk, trunk)
        told = name if trunk in self._alone or not route else f"{name} {route}"
        return printable(told).ljust(self._columns)


class WatchText:
    """What happens in a watch of some trunks, line by line, each in at most `width` columns.

    Times are those of `zone`, None being this machine's. Checks are told where they are asked for.
    """

    def __init__(
        self, trunks: Sequence[Trunk], width: int = UNBROKEN, zone: tzinfo | None = None, *, checks: bool = False
    ) -> None:
        self._name(trunks)
        self.width = width
        """Where lines are broken: a terminal's may change."""
        self._zone = zone
        self._checks = checks
        self._told: dict[tuple[str, str], str] = {}
        """What the check found that was told last of a route, by the names of trunk and route."""
        self._day = ""

    def _name(self, trunks: Sequence[Trunk]) -> None:
        self._labels = Labels(trunks)
        self._routes = {trunk.name: {route.name for route in trunk.routes} for trunk in trunks}

    def change(self, trunks: Sequence[Trunk], at: float, text: str) -> list[Text]:
        """Other trunks are watched from now on, as the text says."""
        self._name(trunks)
        return [*self._new_day(at), *self._line(at, self._labels.of("", ""), _READ_AGAIN, "bold", text)]

    def lines(self, happening: Happening) -> list[Text]:
        """What to print of something that happened: where a day begins, that first."""
        match happening:
            case Check():
                told = [self._check(happening)] if self._checks else []
            case Change():
                told = [self._change(happening)]
            case Switch():
                told = [] if self._labels.is_alone(happening.trunk) else [self._switch(happening)]
        return [line for lines in told for line in [*self._new_day(happening.at), *lines]]

    def alert(self, alert: Alert) -> list[Text]:
        """What people are told."""
        style = _SEVERITY_STYLES.get(alert.severity, "")
        line = self._line(alert.at, self._labels.of(alert.trunk, alert.route), _ALERT, style, alert.text)
        return [*self._new_day(alert.at), *line]

    def _check(self, check: Check) -> list[Text]:
        style = _VERDICT_STYLES.get(check.verdict, _DOUBT)
        return self._line(
            check.at, self._labels.of(check.trunk, check.route), check.verdict.value, style, outcome(check)
        )

    def _change(self, change: Change) -> list[Text]:
        lasted = change.at - change.since
        before = f"after {span(lasted)} {change.before.value}: " if change.before is not Health.UNCHECKED else ""
        of, found = (change.trunk, change.route), outcome(change.check)
        label = self._labels.of(*of)
        text = before + (_AGAIN if self.width < UNBROKEN and self._told.get(of) == found else found)
        self._told[of] = found
        return self._line(change.at, label, change.after.value, STYLES[change.after], text)

    def _switch(self, switch: Switch) -> list[Text]:
        label = self._labels.of(switch.trunk, switch.after or "")
        if switch.after is None:
            text = f"{switch.before} is down, and no other is left" if switch.before else "none is left"
            return self._line(switch.at, label, _NO_ROUTE, STYLES[Health.UNREACHABLE], text)
        return self._line(switch.at, label, _TAKES, "bold", _why_switched(switch, self._routes.get(switch.trunk, ())))

    def _line(self, at: float, label: str, word: str, style: str, text: str) -> list[Text]:
        head = f"{clock(at, self._zone):<{_CLOCK}}{label}  "
        first = f"{head}{word:<{_STATE}}  "
        if self.width - len(first) >= _ROOM:
            lines = wrapped(_cut(text), self.width, first, " " * _CLOCK) or [Text(head + word)]
        else:  # beneath it, so that no word is broken
            lines = [Text(head + word), *wrapped(_cut(text), self.width, " " * _CLOCK, " " * _CLOCK)]
        if style and lines[0].plain.startswith(head + word):
            lines[0].stylize(style, len(head), len(head) + len(word))
        return lines

    def _new_day(self, at: float) -> list[Text]:
        today = day(at, self._zone)
        if today == self._day:
            return []
        self._day = today
        return [Text(today, style="bold")]


def begin_lines(trunks: Sequence[Trunk], width: int = UNBROKEN) -> list[Text]:
    """What is about to be watched, a line for each route."""
    labels = Labels(trunks)
    return [
        line
        for trunk in trunks
        for route in trunk.routes
        for line in wrapped(_plan(trunk, route), width, f"{labels.of(trunk.name, route.name)}  ", " " * _CLOCK)
    ]


def known_lines(
    states: Sequence[TrunkState], now: float, width: int = UNBROKEN, zone: tzinfo | None = None
) -> list[Text]:
    """What is known of earlier: how each route was when it was last looked at, and which one calls took."""
    labels, lines = Labels(states), []
    for trunk in states:
        for route in trunk.routes:
            if route.since is None or route.health is Health.UNCHECKED:
                continue
            since = f"since {date_and_clock(route.since, zone)} ({span(now - route.since)})"
            takes = "; takes calls" if trunk.active == route.route and len(trunk.routes) > 1 else ""
            head = f"{labels.of(trunk.trunk, route.route)}  "
            told = wrapped(f"{since}{takes}", width, f"{head}{route.health.value:<{_STATE}}  ", " " * _CLOCK)
            told[0].stylize(STYLES[route.health], len(head), len(head) + len(route.health.value))
            lines += told
    return lines


def state_lines(
    states: Sequence[TrunkState], now: float, width: int = WIDTH, rows: int | None = None, *, lasting: bool = True
) -> list[Text]:
    """How all routes are, as a table, in the order of the trunks; of more than `rows`, those that are not healthy, or
    the worst of them. `▶` marks the route
    that calls take. What is not `lasting` was looked at once: then it is not told since when it is so, and one failure
    is all that there is to tell.
    """
    routes = [(trunk, route) for trunk in states for route in trunk.routes]
    shown = routes if rows is None or len(routes) <= rows else _worst(routes, rows)
    labels = Labels(states)
    cells = [_cells(route, now, lasting=lasting) for _, route in shown]
    columns = [max(map(len, column)) if any(column[1:]) else 0 for column in zip(_HEADS, *cells, strict=True)]
    marks = any(len(trunk.routes) > 1 for trunk in states)
    blank = " " * len(_TAKEN) * marks
    lines = [Text(_row(f"{blank}{labels.of('', '')}  {'':<{_STATE}}", _HEADS, columns), style="dim")]
    for (trunk, route), row in zip(shown, cells, strict=True):
        mark = _TAKEN if len(trunk.routes) > 1 and trunk.active == route.route else blank
        head = f"{mark}{labels.of(trunk.trunk, route.route)}  "
        word, style = route.health.value, STYLES[route.health]
        if not lasting and route.health is Health.DEGRADED and not works(route):
            word, style = _FAILING, STYLES[Health.UNREACHABLE]
        line = Text(_row(f"{head}{word:<{_STATE}}", row, columns))
        line.stylize(style, len(head), len(head) + len(word))
        lines.append(line)
    if len(shown) < len(routes):
        more = f"and {len(routes) - len(shown):,} more" if shown else f"{len(routes):,} routes"
        wrong = sum(route.health is not Health.HEALTHY for _, route in routes)
        how = ", all healthy" if wrong == len(shown) else ""
        lines = [*(lines if shown else []), Text(f"{blank}{more}{how}", style="dim")]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines


def trouble_lines(states: Sequence[TrunkState], width: int = UNBROKEN) -> list[Text]:
    """What is wrong with the routes by their last checks, and what to try; nothing where all is well."""
    labels = Labels(states)
    return [
        line
        for trunk in states
        for route in trunk.routes
        for check in route.checks
        if check.verdict is not Verdict.GOOD
        for line in wrapped(_cut(outcome(check)), width, f"{labels.of(trunk.trunk, route.route)}  ", " " * _CLOCK)
    ]


def failure_line(states: Sequence[TrunkState]) -> str:
    """For standard error: which trunks have no route that works, and why; empty where each has one."""
    told = [
        f"{printable(trunk.title or trunk.trunk)} has no route that works ({', '.join(_why_not(trunk))})"
        for trunk in states
        if not any(works(route) for route in trunk.routes)
    ]
    return "; ".join(told)


def difference_text(found: Difference, others: Sequence[str] = ()) -> str:
    """What is different in trunks, and what else is, in a line: `added a; removed b, c`."""
    parts = [("added", found.added), ("changed", (*found.changed, *others)), ("removed", found.removed)]
    told = [f"{word} {_some(names)}" for word, names in parts if names]
    return "; ".join(told) or "nothing is different"


def _some(names: Sequence[str]) -> str:
    """As many of some names as a line has room for."""
    more = f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else ""
    return ", ".join(map(printable, names[:_NAMES])) + more


def tells_more(alert: Alert) -> bool:
    """Whether an alert is about what no change of health and no switch has told."""
    return alert.kind in (AlertKind.FAILURE_RATE, AlertKind.SLOW, AlertKind.CERTIFICATE)


def works(state: RouteState) -> bool:
    """Whether calls may be expected to get through: it is healthy, or it is not down, and what was asked of it last was
    answered.
    """
    verdicts = [check.verdict for check in state.checks]
    answered = Verdict.BAD not in verdicts and (Verdict.GOOD in verdicts or Verdict.POOR in verdicts)
    return state.health is Health.HEALTHY or (answered and state.health is not Health.UNREACHABLE)


def outcome(check: Check) -> str:
    """What a check found, in a sentence."""
    what = OF_KIND[check.kind]
    told = check.detail or check.reason
    if check.verdict is not Verdict.GOOD:
        where = f"{check.place}: " if check.place not in told else ""
        return f"{what}{where}{told}"
    took = f" in {duration(check.rtt, fine=True)}" if check.rtt is not None else ""
    where = f", {check.place}" if check.place else ""
    return f"{what}{told}{took}{where}"


def _why_not(trunk: TrunkState) -> Iterator[str]:
    """A word or two on each of its routes, by the last checks."""
    for route in trunk.routes:
        name = f"{printable(route.route)}: " if len(trunk.routes) > 1 else ""
        yield f"{name}{_says(route) or route.health.value}"


def _says(route: RouteState) -> str:
    """What the last checks came to: a status, or why there is none, and of the others than OPTIONS that too where they
    failed.
    """
    told = []
    for check in route.checks:
        has_failed_after_all = check.verdict is Verdict.BAD and check.status is not None and check.status < 300
        word = check.reason if check.status is None or has_failed_after_all else str(check.status)
        if check.kind is Kind.OPTIONS:
            told.append(word)
        elif check.verdict is not Verdict.GOOD or route.options is None:
            what = _SHORT[check.kind]
            told.append(word if word == what else f"{what} {word}")
    return ", ".join(told)


def _why_switched(switch: Switch, routes: Collection[str]) -> str:
    if switch.before is None:
        return "by hand" if switch.cause is SwitchCause.BY_HAND else "it is the first that is up again"
    match switch.cause:
        case SwitchCause.FAILOVER:
            return f"instead of {switch.before}, which is {'down' if switch.before in routes else 'no longer watched'}"
        case SwitchCause.FAILBACK:
            return f"again, instead of {switch.before}"
        case SwitchCause.BY_HAND:
            return (
                "by hand, and keeps them" if switch.before == switch.after else f"by hand, instead of {switch.before}"
            )


def _plan(trunk: Trunk, route: Route) -> str:
    rules = trunk.rules
    call = f", a call to {route.call.destination} every {every(rules.call_interval)}" if route.call else ""
    of = route.registration
    registered = f", {tested(of)} every {every(rules.registration_interval)}" if of else ""
    return f"OPTIONS to {route.destination} every {every(rules.interval)}{call}{registered}"


def tested(probe: RegistrationProbe) -> str:
    """What a test of a registration looks at."""
    return f"whether {probe.destination.aor} {'is registered' if probe.expects_contact else 'can register'}"


def _worst(routes: Sequence[_OfTrunk], rows: int) -> list[_OfTrunk]:
    """So many of them at most, those in the worst states, in their order; none that is healthy."""
    wrong = [each for each in routes if each[1].health is not Health.HEALTHY]
    ranked = sorted(range(len(wrong)), key=lambda place: _WORST.index(wrong[place][1].health))
    return [wrong[place] for place in sorted(ranked[:rows])]


def _cells(route: RouteState, now: float, *, lasting: bool) -> tuple[str, ...]:
    check = next(iter(route.checks), None)
    told = lasting and route.since is not None and route.health is not Health.UNCHECKED
    lasted = span(now - route.since, units=1) if told and route.since is not None else ""
    if check is None:
        return (lasted, "", "", "", "")
    took = duration(check.rtt, fine=True) if check.rtt is not None else ""
    ends = check.certificate_ends
    days = f"{(ends - now) / _DAY:.0f} d" if ends is not None else ""
    return (lasted, _says(route), took, days, check.place)


def _row(head: str, cells: Sequence[str], columns: Sequence[int]) -> str:
    """A row; columns without width are left out."""
    padded = [
        cell.rjust(width) if name in _TO_THE_RIGHT else cell.ljust(width)
        for name, cell, width in zip(_HEADS, cells, columns, strict=True)
        if width
    ]
    return "  ".join([head, *padded]).rstrip()


def _name_of(trunk: Trunk | TrunkState) -> str:
    return trunk.name if isinstance(trunk, Trunk) else trunk.trunk


def _route_name(route: Route | RouteState) -> str:
    return route.name if isinstance(route, Route) else route.route


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"
