"""How health is shown: a tone, which is a colour and a sign, and a word, so that nothing is told by colour alone."""

from collections.abc import Sequence

from probes.destination import DestinationError
from probes.health.alerts import Alert, Phase, Severity
from probes.health.board import RouteState, TrunkState
from probes.health.terms import Health, Verdict
from probes.trunks.model import Gateway
from sipcore.value import value


@value
class Badge:
    """A tone and a word."""

    tone: str
    word: str


_ROUTES = {
    Health.HEALTHY: Badge("good", "healthy"),
    Health.DEGRADED: Badge("fair", "degraded"),
    Health.UNREACHABLE: Badge("bad", "down"),
    Health.UNKNOWN: Badge("none", "silent"),
    Health.UNCHECKED: Badge("none", "not checked yet"),
}
DOWN, DEGRADED, BACKUP, UNKNOWN, HEALTHY, UNWATCHED = (
    Badge("bad", "down"),
    Badge("fair", "degraded"),
    Badge("fair", "on a backup route"),
    Badge("none", "unknown"),
    Badge("good", "healthy"),
    Badge("none", "not watched"),
)
WORST_FIRST = (DOWN, DEGRADED, BACKUP, UNKNOWN, UNWATCHED, HEALTHY)
"""What a trunk may be, in the order in which somebody should look at it."""
_VERDICTS = {
    Verdict.GOOD: "good",
    Verdict.POOR: "fair",
    Verdict.SILENT: "none",
    Verdict.BAD: "bad",
    Verdict.OWN: "none",
}
_SEVERITIES = {Severity.CRITICAL: "bad", Severity.WARNING: "fair", Severity.INFO: "note"}


def badge_of_route(state: RouteState) -> Badge:
    """How a route is."""
    return _ROUTES[state.health]


def badge_of_health(health: Health) -> Badge:
    """How a route is that has this health."""
    return _ROUTES[health]


def badge_of_trunk(state: TrunkState | None) -> Badge:
    """How calls over a trunk fare; None is for one that is not watched. A backup that is down worsens nothing by
    itself: calls fare well until the first route goes, so that the trunk is degraded.
    """
    if state is None or not state.routes:
        return UNWATCHED
    healths = [route.health for route in state.routes]
    if all(health is Health.UNREACHABLE for health in healths):
        return DOWN
    if all(health in (Health.UNKNOWN, Health.UNCHECKED) for health in healths):
        return UNKNOWN
    if state.active != state.routes[0].route and not state.held:
        return BACKUP
    return DEGRADED if {Health.DEGRADED, Health.UNREACHABLE} & set(healths) else HEALTHY


def since_of(state: TrunkState) -> float | None:
    """Since when a trunk is as it is, in seconds since 1970: since the last change of one of its routes."""
    return max((route.since for route in state.routes if route.since is not None), default=None)


def tone_of_verdict(verdict: Verdict) -> str:
    """How good what a check found is."""
    return _VERDICTS[verdict]


def tone_of_alert(alert: Alert) -> str:
    """How much an alert matters; what is over is good."""
    return "good" if alert.until is not None else _SEVERITIES[alert.severity]


def rank(badge: Badge) -> int:
    """The lower, the worse."""
    return WORST_FIRST.index(badge)


def open_alerts(alerts: Sequence[Alert]) -> tuple[Alert, ...]:
    """Of alerts, newest first, the last one of each incident that goes on, in that order."""
    last: dict[str, Alert] = {}
    for alert in alerts:
        last.setdefault(alert.incident, alert)
    return tuple(alert for alert in last.values() if alert.phase in (Phase.BEGUN, Phase.LASTS))


def name_of_route(name: str) -> str:
    """A route's name as people read it: where it is a URI, as that of a gateway is, what it says without its syntax."""
    try:
        return gateway_text(Gateway.parse(name)) if name.startswith("sip:") else name
    except DestinationError:
        return name


def gateway_text(gateway: Gateway) -> str:
    """A gateway as people write it: `tls://host:port`, or `host:port` where DNS is to find the transport."""
    host = f"[{gateway.host}]" if ":" in gateway.host else gateway.host
    place = host if gateway.port is None else f"{host}:{gateway.port}"
    return place if gateway.transport is None else f"{gateway.transport.value.lower()}://{place}"
