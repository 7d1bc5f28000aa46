"""The incidents of one route: which there are, how long each is waited with, and which of them hide others."""

from collections.abc import Iterator

from probes.health.alerts import AlertKind, AlertRules
from probes.health.incidents import Incident, Pace
from probes.health.terms import Check, Happening
from probes.health.troubles import Troubles
from probes.health.trunk import Route, Trunk

MINUTE = 60.0
_K = AlertKind
OF_ROUTE = (_K.DOWN, _K.CALL, _K.REGISTRATION, _K.FAILURE_RATE, _K.SLOW, _K.CERTIFICATE, _K.DEGRADED)
"""The incidents of a route, in the order in which they are told."""
_HIDDEN_BY = {
    _K.CALL: (_K.DOWN,),
    _K.REGISTRATION: (_K.DOWN,),
    _K.FAILURE_RATE: (_K.DOWN,),
    _K.SLOW: (_K.DOWN,),
    _K.DEGRADED: (_K.DOWN, _K.CALL, _K.REGISTRATION, _K.FAILURE_RATE, _K.SLOW, _K.CERTIFICATE),
}
"""What is not told of a route while something graver or more exact is. All of it but certificates is hidden while the
whole trunk is down, and so is a route that is."""


class RouteIncidents:
    """The incidents of one route."""

    def __init__(self, route: Route, trunk: Trunk, rules: AlertRules) -> None:
        self.name = route.name
        self.troubles = Troubles(rules, trunk.rules.certificate_days)
        self.incidents = {kind: Incident(pace(kind, rules)) for kind in OF_ROUTE}
        self.shown: dict[AlertKind, Happening] = {}
        """What has begun or ended each incident."""
        self.check: Check | None = None
        """The last one."""
        self._told = _told(route, trunk, rules)

    def is_hidden(self, kind: AlertKind) -> bool:
        """Whether something else that is told of this route says more than that."""
        return any(self.incidents[graver].is_on for graver in _HIDDEN_BY.get(kind, ()))

    def tells(self, kind: AlertKind) -> bool:
        """Whether anybody looks for that: else its end would never be seen."""
        return kind in self._told

    def follow(self, route: Route, trunk: Trunk, rules: AlertRules, now: float) -> Iterator[AlertKind]:
        """Go by these rules from now on; what is no longer looked for, and forgotten."""
        before, self._told = self._told, _told(route, trunk, rules)
        self.troubles.follow(rules, trunk.rules.certificate_days)
        for kind, incident in self.incidents.items():
            incident.follow(pace(kind, rules), now)
        for kind in before - self._told:
            self.incidents[kind] = Incident(pace(kind, rules))
            self.shown.pop(kind, None)
            yield kind


def pace(kind: AlertKind, rules: AlertRules) -> Pace:
    """How long an incident of a kind is waited with."""
    repeat = rules.repeat_minutes * MINUTE
    if kind in (_K.DOWN, _K.ALL_DOWN):
        return Pace(rules.unreachable_minutes * MINUTE, repeat, counts_untold=True)
    if kind is _K.DEGRADED:
        return Pace(rules.degraded_minutes * MINUTE, repeat)
    return Pace(repeat=0.0 if kind is _K.CERTIFICATE else repeat)


def _told(route: Route, trunk: Trunk, rules: AlertRules) -> frozenset[AlertKind]:
    """What is told of a route, by its rules and by how it is checked."""
    looked_for = {
        _K.DOWN: True,
        _K.CALL: route.call is not None,
        _K.REGISTRATION: route.registration is not None,
        _K.FAILURE_RATE: rules.failure_rate_percent > 0,
        _K.SLOW: rules.response_time_ms > 0,
        _K.CERTIFICATE: trunk.rules.certificate_days > 0,
        _K.DEGRADED: rules.degraded_minutes > 0,
    }
    return frozenset(kind for kind, is_looked_for in looked_for.items() if is_looked_for)
