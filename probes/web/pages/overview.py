"""The overview as values: each trunk with its routes, the worst first."""

from collections import Counter
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from probes.health.alerts import Alert
from probes.health.board import RouteState, TrunkState
from probes.health.recent import Recent
from probes.report.html import took
from probes.report.watch_text import outcome
from probes.trunks.model import Trunk
from probes.web.pages import charts, tones
from probes.web.pages.tones import Badge
from sipcore.value import value

MOST_ROUTES = 4
"""Routes of one trunk that are shown here; its own page has all of them."""


@value
class RouteLine:
    """A route as it is."""

    name: str
    """What the watch calls it."""
    title: str
    badge: Badge
    since: float | None
    told: str
    """What the last check found."""
    checked_at: float | None
    rtt: str
    spark: Markup
    is_active: bool
    misses: int


@value
class TrunkLine:
    """A trunk as it is."""

    id: str
    name: str
    provider: str
    badge: Badge
    since: float | None
    active: str
    """The route that calls take, empty for none."""
    routes: tuple[RouteLine, ...]
    more: int
    """Routes that are not shown."""
    alerts: int
    words: str
    """By which it is found."""


@value
class Overview:
    """All that the page shows. `counts` are of all trunks, by the word of their badge, the worst first."""

    trunks: tuple[TrunkLine, ...]
    counts: tuple[tuple[Badge, int], ...]
    total: int
    query: str
    state: str


def overview(
    trunks: Sequence[tuple[Trunk, TrunkState | None]],
    alerts: Sequence[Alert],
    recent: Recent,
    now: float,
    query: str = "",
    state: str = "",
) -> Overview:
    """Of some trunks with how they are, those that a `query` finds, in a `state` by its word; empty for all. `alerts`
    are the open ones.
    """
    open_ = Counter(alert.trunk for alert in alerts)
    lines = [_line(trunk, known, open_, recent, now) for trunk, known in trunks]
    counted = Counter(line.badge for line in lines)
    words = query.lower().split()
    found = [line for line in lines if state in ("", line.badge.word) and all(word in line.words for word in words)]
    found.sort(key=lambda line: (tones.rank(line.badge), -line.alerts, line.name.lower(), line.id))
    counts = tuple((badge, counted[badge]) for badge in tones.WORST_FIRST if counted[badge])
    return Overview(tuple(found), counts, len(lines), query, state)


def _line(trunk: Trunk, state: TrunkState | None, alerts: Mapping[str, int], recent: Recent, now: float) -> TrunkLine:
    badge = tones.badge_of_trunk(state)
    routes = route_lines(state, recent, now)
    name = trunk.name or trunk.id
    known = " ".join(
        [name, trunk.provider, trunk.id, trunk.description, badge.word, *(route.title for route in routes)]
    )
    return TrunkLine(
        id=trunk.id,
        name=name,
        provider=trunk.provider,
        badge=badge,
        since=tones.since_of(state) if state is not None else None,
        active=(state.active or "") if state is not None else "",
        routes=routes[:MOST_ROUTES],
        more=max(0, len(routes) - MOST_ROUTES),
        alerts=alerts.get(state.trunk if state is not None else trunk.id, 0),
        words=known.lower(),
    )


def route_lines(state: TrunkState | None, recent: Recent, now: float) -> tuple[RouteLine, ...]:
    """The routes of a trunk, best first; none for one that is not watched."""
    if state is None:
        return ()
    return tuple(_route(state, route, recent, now) for route in state.routes)


def _route(trunk: TrunkState, route: RouteState, recent: Recent, now: float) -> RouteLine:
    check = route.check
    answered = route.options
    return RouteLine(
        name=route.route,
        title=tones.name_of_route(route.route),
        badge=tones.badge_of_route(route),
        since=route.since,
        told=outcome(check) if check is not None else "",
        checked_at=check.at if check is not None else None,
        rtt=took(answered.rtt) if answered is not None else "",
        spark=charts.spark(recent.slots(trunk.trunk, route.route, now)),
        is_active=trunk.active == route.route and len(trunk.routes) > 1,
        misses=route.misses,
    )
