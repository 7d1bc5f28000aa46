"""How well trunks were over a window of time, out of their history, in memory that does not grow with it."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from probes.health.stretches import Stretch, in_order, stretches, together
from probes.health.terms import Change, Check, Health, Kind, Verdict
from probes.health.trunk import Rules, WatchError
from probes.ping.round_trips import RoundTrips, Spread
from sipcore.value import value

GAP_INTERVALS = 3.0
"""Intervals without a check after which nobody vouches for a route: one may be late, and one lost with the process."""
MAX_INCIDENTS = 100
"""Incidents that are told of a route, and of a trunk, the last ones: all of them are counted."""
AHEAD = 86_400.0
"""Seconds after a window in which it is looked up whether a doubt at its end was one: test calls are hours apart."""
TOP = 5
"""Reasons and statuses of failures that are told, the most frequent first."""
T = TypeVar("T")


@value
class Spent:
    """For how many seconds something was how. Together they are the window."""

    healthy: float = 0.0
    degraded: float = 0.0
    """Checks that failed and were not enough to bring it down are in here."""
    unreachable: float = 0.0
    """From the first of the failed checks on that brought it down."""
    unknown: float = 0.0
    """It is silent and always was; or its first checks failed, and it is not decided whether it is down."""
    unchecked: float = 0.0
    unwatched: float = 0.0
    """While nothing was watched: the watch was off, or its host could check nothing."""

    @property
    def up(self) -> float:
        """Seconds for which it is known to have been up."""
        return self.healthy + self.degraded

    @property
    def availability(self) -> float | None:
        """Per cent of the time of which it is known whether it was up or down; None where it never is."""
        known = self.up + self.unreachable
        return 100 * (self.up / known) if known else None


@value
class Incident:
    """A time for which a route or a trunk was down."""

    trunk: str
    route: str
    """Empty where all routes of the trunk were."""
    since: float
    """When the first of the checks that brought it down failed, in seconds since 1970; of a trunk, those of the route
    that went last. It may be before the window. Where it was down when that began, it is the last of them."""
    down: float
    """From when on it counts as down: `since`, or when the window began."""
    until: float | None
    """When it was no longer down; None where nothing better was known by the end of the window."""
    seconds: float
    """For how long of that it was down in the window, times that nobody watched left out."""
    kind: Kind
    """What found it, with the reason, the detail and the status of the first check that failed."""
    reason: str
    detail: str
    status: int | None


@value
class RouteUptime:
    """How well a route was."""

    route: str
    spent: Spent
    checks: int
    """OPTIONS, test calls and tests of a registration that were made, those left out which could not be carried out."""
    round_trips: Spread | None
    """Of OPTIONS; None where none was measured."""
    reasons: tuple[tuple[str, int], ...]
    """Why checks failed, and how often, the most frequent first; among them silence where it is no failure, since the
    route never answers."""
    statuses: tuple[tuple[int, int], ...]
    """The statuses of failed checks, likewise."""
    calls: int
    """Test calls that were made."""
    calls_answered: int
    """Test calls with a 2xx."""
    calls_good: int
    """Test calls that went as they should."""
    incidents: tuple[Incident, ...]
    """The last ones, in order."""
    incident_count: int
    registrations: int = 0
    """Tests of a registration that were made."""
    registrations_good: int = 0
    """Those that went as they should."""

    @property
    def answer_seizure_ratio(self) -> float | None:
        """Per cent of test calls that were answered (ITU-T E.411); None without any."""
        return 100 * (self.calls_answered / self.calls) if self.calls else None


@value
class TrunkUptime:
    """How well a trunk was: up while any of its routes is, down while all that were watched are known to be."""

    trunk: str
    since: float
    until: float
    spent: Spent
    routes: tuple[RouteUptime, ...]
    incidents: tuple[Incident, ...]
    """Times for which no route was up; the last ones, in order."""
    incident_count: int


class History(Protocol):
    """What is known of the past, in the order of time and read as it is asked for. `probes.store` has one."""

    def checks(self, since: float, until: float, trunk: str = "", route: str = "") -> Iterator[Check]:
        """The checks of a route from `since` on and before `until`."""

    def changes(self, since: float, until: float, trunk: str = "", route: str = "") -> Iterator[Change]:
        """Likewise, the changes of its health."""

    def changes_before(self, at: float, trunk: str = "", route: str = "") -> tuple[Change, ...]:
        """The last change before `at`."""


def longest_gap(rules: Rules) -> float:
    """For how many seconds a check vouches for a route, so that more without one was not watched."""
    return GAP_INTERVALS * rules.interval + rules.timeout


def trunk_uptime(
    history: History, trunk: str, routes: Sequence[str], since: float, until: float, gap: float
) -> TrunkUptime:
    """How well a trunk was from `since` to `until`, in seconds since 1970. `gap` is `longest_gap` of its rules.

    Raises WatchError for a window that has no length, and for no routes.
    """
    if not since < until:
        raise WatchError(f"a window from {since:g} to {until:g}: it has to end after it begins")
    if not routes:
        raise WatchError(f"trunk {trunk}: name its routes")
    tallies = [_RouteTally(trunk, route, since) for route in routes]
    courses = [tally.course(history, until, gap) for tally in tallies]
    whole = _Tally(trunk, "")
    for stretch in together(courses, gap):
        whole.add(stretch)
    incidents = whole.incidents()
    made = tuple(tally.uptime() for tally in tallies)
    return TrunkUptime(trunk, since, until, whole.spent(), made, incidents, whole.incident_count)


class _Tally:
    """Adds up stretches."""

    def __init__(self, trunk: str, route: str) -> None:
        self._trunk, self._route = trunk, route
        self._seconds: dict[Health | None, float] = dict.fromkeys((*Health, None), 0.0)
        self._incidents: deque[Incident] = deque(maxlen=MAX_INCIDENTS)
        self._open: _Open | None = None
        self.incident_count = 0

    def add(self, stretch: Stretch) -> None:
        """One more."""
        self._seconds[stretch.health] += stretch.seconds
        if stretch.health is Health.UNREACHABLE and stretch.why is not None:
            self._open = self._open or self._begun(stretch, stretch.why)
            self._open.seconds += stretch.seconds
        elif stretch.health is not None:
            self._close(stretch.since)

    def spent(self) -> Spent:
        """What they come to."""
        seconds = {health.value: self._seconds[health] for health in Health}
        return Spent(**seconds, unwatched=self._seconds[None])

    def incidents(self) -> tuple[Incident, ...]:
        """The last incidents; the one that goes on is over for the tally."""
        self._close(None)
        return tuple(self._incidents)

    def _begun(self, stretch: Stretch, why: Check) -> "_Open":
        self.incident_count += 1
        return _Open(stretch.since, why)

    def _close(self, until: float | None) -> None:
        if self._open is None:
            return
        incident, self._open = self._open, None
        self._incidents.append(incident.closed(self._trunk, self._route, until))


class _Open:
    """An incident that goes on."""

    def __init__(self, down: float, why: Check) -> None:
        self._down, self._why = down, why
        self.seconds = 0.0

    def closed(self, trunk: str, route: str, until: float | None) -> Incident:
        """As it was."""
        why = self._why
        found = why.kind, why.reason, why.detail, why.status
        return Incident(trunk, route, why.at, self._down, until, self.seconds, *found)


class _RouteTally(_Tally):
    """Counts the checks of a route as well."""

    def __init__(self, trunk: str, route: str, since: float) -> None:
        super().__init__(trunk, route)
        self._since = since
        self._round_trips = RoundTrips()
        self._reasons: Counter[str] = Counter()
        self._statuses: Counter[int] = Counter()
        self._checks = self._calls = self._answered = self._good = 0
        self._registrations = self._registered = 0

    def course(self, history: History, until: float, gap: float) -> Iterator[Stretch]:
        """The stretches of the route, each counted as it passes."""
        of = self._trunk, self._route
        before = next(iter(history.changes_before(self._since, *of)), None)
        # What came before the window vouches for its beginning.
        checks = self._counted(history.checks(self._since - gap, until + AHEAD, *of), until)
        changes = history.changes(self._since, until + AHEAD, *of)
        for stretch in stretches(in_order(checks, changes), self._since, until, gap, before):
            self.add(stretch)
            yield stretch

    def uptime(self) -> RouteUptime:
        """What it comes to."""
        incidents = self.incidents()
        calls = self._calls, self._answered, self._good
        top = _top(self._reasons), _top(self._statuses)
        spread = self._round_trips.spread
        return RouteUptime(
            self._route,
            self.spent(),
            self._checks,
            spread,
            *top,
            *calls,
            incidents,
            self.incident_count,
            self._registrations,
            self._registered,
        )

    def _counted(self, checks: Iterable[Check], until: float) -> Iterator[Check]:
        for check in checks:
            if self._since <= check.at < until and check.verdict is not Verdict.OWN:
                self._count(check)
            yield check

    def _count(self, check: Check) -> None:
        self._checks += 1
        if check.kind is Kind.CALL:
            self._calls += 1
            self._answered += check.status is not None and 200 <= check.status <= 299
            self._good += check.verdict is Verdict.GOOD
        elif check.kind is Kind.REGISTRATION:
            self._registrations += 1
            self._registered += check.verdict is Verdict.GOOD
        elif check.rtt is not None:
            self._round_trips.add(check.rtt)
        if check.verdict in (Verdict.BAD, Verdict.SILENT):
            self._reasons[check.reason] += 1
            if check.status is not None and check.status >= 300:  # a success explains no failure
                self._statuses[check.status] += 1


def _top(counts: Counter[T]) -> tuple[tuple[T, int], ...]:
    return tuple(counts.most_common(TOP))
