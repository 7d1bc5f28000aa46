"""A trunk's page as values: how it is, how it was, and what is known of its routes."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from probes.health.alerts import Alert
from probes.health.board import TrunkState
from probes.health.days import Part
from probes.health.recent import Recent
from probes.health.terms import Check
from probes.health.uptime import Incident, RouteUptime
from probes.report.html import took
from probes.report.times import span
from probes.report.uptime_text import percentage
from probes.report.watch_text import outcome
from probes.trunks.model import Trunk
from probes.trunks.problem import Gravity, Problem
from probes.web.pages import charts, tones
from probes.web.pages.facts import Group, groups_of
from probes.web.pages.overview import RouteLine, route_lines
from probes.web.pages.past import PastUptimes, spent_in
from probes.web.pages.places import place_told
from probes.web.pages.render import sentence
from probes.web.pages.tones import Badge
from sipcore.value import value

WINDOWS = (1, 7, 30, 90)
"""Days of which availability is told, the present one among them; there is a bar for each of the longest."""
MOST_CHECKS = 15
"""Checks that are shown, the last ones."""
MOST_INCIDENTS = 20
NEARLY_ALL = 0.95
"""Which part of a window is known where nothing is said of the rest."""


_TONES = {Gravity.ERROR: "bad", Gravity.WARNING: "fair"}


@value
class CheckLine:
    """One check."""

    at: float
    route: str
    kind: str
    tone: str
    word: str
    rtt: str
    told: str


@value
class IncidentLine:
    """A time for which the trunk, or one route, was down."""

    since: float
    until: float | None
    whom: str
    lasted: str
    why: str


@value
class RouteHistory:
    """How well a route was over the longest window."""

    name: str
    available: str
    checks: str
    median: str
    p95: str
    answered: str
    failures: str


@value
class Past:
    """What a history knows of a trunk."""

    bars: Markup
    first: float
    """When the bars begin, in seconds since 1970."""
    available: tuple[tuple[str, str], ...]
    """Of each window: how long it is, and how much of it is known where that is not nearly all; and how available the
    trunk was."""
    routes: tuple[RouteHistory, ...]
    incidents: tuple[IncidentLine, ...]
    checks: tuple[CheckLine, ...]


@value
class ProblemLine:
    """What is odd about a configuration."""

    tone: str
    word: str
    what: str
    cure: str
    place: str
    """In the words of the form."""


@value
class TrunkView:
    """All that the page shows beside its past."""

    id: str
    name: str
    description: str
    provider: str
    badge: Badge
    since: float | None
    active: str
    held: bool
    routes: tuple[RouteLine, ...]
    choices: tuple[str, ...]
    """Routes that calls can be made to take by hand."""
    alerts: tuple[Alert, ...]
    groups: tuple[Group, ...]
    created_at: float
    updated_at: float
    revision: int
    can_call: bool
    """Whether there is a gateway to place a test call over."""


def trunk_view(
    trunk: Trunk, state: TrunkState | None, alerts: Sequence[Alert], recent: Recent, now: float
) -> TrunkView:
    """A trunk as it is; `alerts` are its open ones."""
    up = [route.route for route in state.routes if route.health.value != "unreachable"] if state is not None else []
    several = state is not None and len(state.routes) > 1
    return TrunkView(
        id=trunk.id,
        name=trunk.name or trunk.id,
        description=trunk.description,
        provider=trunk.provider,
        badge=tones.badge_of_trunk(state),
        since=tones.since_of(state) if state is not None else None,
        active=(state.active or "") if state is not None else "",
        held=state is not None and state.held,
        routes=route_lines(state, recent, now),
        choices=tuple(name for name in up if state is not None and name != state.active) if several else (),
        alerts=tuple(alerts),
        groups=groups_of(trunk),
        created_at=trunk.created_at,
        updated_at=trunk.updated_at,
        revision=trunk.revision,
        can_call=trunk.outbound is not None and bool(trunk.outbound.gateways),
    )


def problem_lines(problems: Iterable[Problem]) -> tuple[ProblemLine, ...]:
    """What is odd about a configuration that was saved."""
    return tuple(
        ProblemLine(_TONES[each.gravity], each.gravity.value, each.cause, sentence(each.cure), place_told(each.field))
        for each in problems
    )


def past_of(found: PastUptimes) -> Past:
    """What is known of the past, as it is shown."""
    return Past(
        bars=charts.days(found.days),
        first=found.days[0].since,
        available=tuple((_window(found, length), _available(found.days[-length:])) for length in WINDOWS),
        routes=tuple(_route(each) for each in found.week.routes),
        incidents=tuple(_incident(each, found.at) for each in found.incidents[:MOST_INCIDENTS]),
        checks=tuple(check_line(check) for check in reversed(found.checks[-MOST_CHECKS:])),
    )


def _window(found: PastUptimes, length: int) -> str:
    days = found.days[-length:]
    spent = spent_in(days)
    known, whole = spent.up + spent.unreachable, found.at - days[0].since
    name = "today" if length == 1 else f"{length} days"
    return name if known >= NEARLY_ALL * whole else f"{name}, {span(known, 1)} known"


def _available(days: Sequence[Part]) -> str:
    return _short(spent_in(days).availability)


def _short(availability: float | None) -> str:
    return percentage(availability).removeprefix("up ") if availability is not None else "–"


def check_line(check: Check) -> CheckLine:
    """A check as it is shown."""
    return CheckLine(
        at=check.at,
        route=tones.name_of_route(check.route),
        kind="test call" if check.kind.value == "call" else check.kind.value,
        tone=tones.tone_of_verdict(check.verdict),
        word=check.verdict.value if check.verdict.value != "own" else "not carried out",
        rtt=took(check.rtt),
        told=outcome(check),
    )


def _incident(incident: Incident, until: float) -> IncidentLine:
    status = f" ({incident.status})" if incident.status else ""
    return IncidentLine(
        since=incident.since,
        until=incident.until,
        whom=tones.name_of_route(incident.route) or "the whole trunk",
        lasted=span((incident.until or until) - incident.since),
        why=f"{incident.detail or incident.reason}{status}",
    )


def _route(route: RouteUptime) -> RouteHistory:
    times = route.round_trips
    ratio = route.answer_seizure_ratio
    reasons = ", ".join(f"{reason} ×{count}" for reason, count in route.reasons)
    return RouteHistory(
        name=tones.name_of_route(route.route),
        available=_short(route.spent.availability),
        checks=f"{route.checks}",
        median=took(times.median) if times is not None else "–",
        p95=took(times.p95) if times is not None else "–",
        answered=f"{ratio:.0f} % of {route.calls}" if ratio is not None else "–",
        failures=reasons or "none",
    )
