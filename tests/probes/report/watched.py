"""Trunks, and what a watch of them may have told."""

from probes.calls.script import CallScript
from probes.destination import Destination
from probes.health.alerts import Alert, AlertKind, Phase, Severity
from probes.health.board import RouteState, TrunkState
from probes.health.terms import Change, Check, Happening, Health, Kind, Switch, SwitchCause, Verdict
from probes.health.trunk import Route, Trunk
from sipcore.value import value

BEGIN = 1_767_225_600.0
"""The first second of 2026."""
DAY = 86_400
CALLED = "sip:echo@sbc2.carrier.example:5070;transport=tcp"
CARRIER = Trunk(
    "carrier",
    (
        Route("primary", Destination.parse("tls://sbc1.carrier.example")),
        Route(
            "backup",
            Destination.parse("sip:sbc2.carrier.example:5070;transport=tcp"),
            call=CallScript(Destination.parse(CALLED)),
        ),
    ),
)
OFFICE = Trunk("office", (Route("sip:pbx.example.com", Destination.parse("sip:pbx.example.com")),))
TRUNKS = (CARRIER, OFFICE)
RESET = "refused: nothing listens there (TCP reset); is the server running, and is this its port?"
NO_ANSWER = "no answer within 4 s; many drop OPTIONS: a test call tells more"


@value
class At:
    """So many seconds after the beginning, at a route: what checks of it may have found."""

    seconds: float
    trunk: str = "carrier"
    route: str = "primary"

    @property
    def at(self) -> float:
        return BEGIN + self.seconds

    def good(self, rtt: float | None = 0.0123, place: str = "tls 192.0.2.1:5061", ends: float | None = None) -> Check:
        found = (Verdict.GOOD, "answered", "200 OK", 200, rtt, place, ends)
        return Check(self.trunk, self.route, Kind.OPTIONS, self.at, *found)

    def refused(self) -> Check:
        found = (Verdict.BAD, "refused", RESET, None, None, "tls 192.0.2.1:5061")
        return Check(self.trunk, self.route, Kind.OPTIONS, self.at, *found)

    def silent(self) -> Check:
        found = (Verdict.SILENT, "silent", NO_ANSWER, None, None, "udp 192.0.2.9:5060")
        return Check(self.trunk, self.route, Kind.OPTIONS, self.at, *found)

    def slow(self) -> Check:
        found = (
            Verdict.POOR,
            "slow",
            "200 OK; 812 ms after the request, slow from 500 ms on",
            200,
            0.812,
            "tls 192.0.2.1:5061",
        )
        return Check(self.trunk, self.route, Kind.OPTIONS, self.at, *found)

    def call(self, verdict: Verdict, reason: str, detail: str = "", status: int | None = None) -> Check:
        found = (verdict, reason, detail, status, None, "tcp [2001:db8::7]:5070")
        return Check(self.trunk, self.route, Kind.CALL, self.at, *found)

    def registration(self, verdict: Verdict, reason: str, detail: str = "", status: int | None = None) -> Check:
        found = (verdict, reason, detail, status, None, "tls 192.0.2.1:5061")
        return Check(self.trunk, self.route, Kind.REGISTRATION, self.at, *found)

    def change(self, before: Health, after: Health, since: float, check: Check) -> Change:
        return Change(self.trunk, self.route, self.at, before, after, BEGIN + since, check)

    def switch(self, before: str | None, after: str | None, cause: SwitchCause = SwitchCause.FAILOVER) -> Switch:
        return Switch(self.trunk, self.at, before, after, cause)


OFFICE_AT = At(400, "office", "sip:pbx.example.com")
HAPPENINGS: tuple[Happening, ...] = (
    At(0).good(),
    At(0).change(Health.UNCHECKED, Health.HEALTHY, 0, At(0).good()),
    At(300).change(Health.HEALTHY, Health.DEGRADED, 0, At(300).refused()),
    At(358).change(Health.DEGRADED, Health.UNREACHABLE, 300, At(358).refused()),
    At(358).switch("primary", "backup"),
    OFFICE_AT.silent(),
    OFFICE_AT.change(Health.UNCHECKED, Health.UNKNOWN, 400, OFFICE_AT.silent()),
    At(450, route="backup").call(Verdict.BAD, "call", "486 Busy Here: try another number", 486),
    At(460).switch("backup", None),
    At(DAY + 60).change(Health.UNREACHABLE, Health.HEALTHY, 358, At(DAY + 60).good()),
    At(DAY + 60).switch(None, "primary"),
    At(DAY + 90).switch("primary", "backup", SwitchCause.BY_HAND),
    At(DAY + 99).switch("backup", "primary", SwitchCause.FAILBACK),
)


def _state(route: str, health: Health, since: float, misses: int, check: Check) -> RouteState:
    """That of a route that has had no test call."""
    return RouteState(route, health, since, misses, check, options=check)


BACKUP = At(360, route="backup").good(place="tcp 192.0.2.2:5070", ends=BEGIN + 43 * DAY)
STATES = (
    TrunkState(
        "carrier",
        "backup",
        (
            _state("primary", Health.UNREACHABLE, BEGIN + 358, 7, At(420).refused()),
            _state("backup", Health.HEALTHY, BEGIN, 0, BACKUP),
        ),
    ),
    TrunkState(
        "office", OFFICE_AT.route, (_state(OFFICE_AT.route, Health.UNKNOWN, BEGIN + 400, 0, OFFICE_AT.silent()),)
    ),
)
UNCHECKED = (TrunkState("office", OFFICE_AT.route, (RouteState(OFFICE_AT.route, Health.UNCHECKED, None, 0, None),)),)
ALERT = Alert(
    *("a1", "i1", BEGIN + 9, BEGIN + 2, None, "carrier", "primary"),
    *(AlertKind.FAILURE_RATE, Phase.BEGUN, Severity.WARNING, "carrier, primary: 3 of 10 checks failed"),
)
