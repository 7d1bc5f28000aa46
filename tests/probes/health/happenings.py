"""A watch without checks: what the routes of a trunk do, told as a board tells it."""

from probes.calls.script import CallScript
from probes.destination import Destination
from probes.health.alerter import Alerter
from probes.health.alerts import Alert, AlertRules
from probes.health.terms import Change, Check, Happening, Health, Kind, Switch, SwitchCause, Verdict
from probes.health.trunk import Route, Rules, Trunk
from probes.registration.plan import RegistrationProbe
from sipcore.transports.base import TlsConfig

START = 1_700_000_000.0
VERDICTS = {Health.HEALTHY: Verdict.GOOD, Health.DEGRADED: Verdict.POOR, Health.UNREACHABLE: Verdict.BAD}
REASONS = {Health.HEALTHY: "answered", Health.DEGRADED: "maintenance", Health.UNREACHABLE: "refused"}


def trunk_of(*routes: str, name: str = "carrier", rules: Rules | None = None) -> Trunk:
    places = [(route, Destination.parse(f"sip:{route}.example.com")) for route in routes]
    made = tuple(Route(route, place, TlsConfig(), *_tests(place)) for route, place in places)
    return Trunk(name, made, rules or Rules())


def _tests(place: Destination) -> tuple[CallScript, RegistrationProbe]:
    whom = Destination.parse(f"sip:100@{place.host}")
    return CallScript(whom), RegistrationProbe(whom)


def check_of(route: str, at: float, verdict: Verdict = Verdict.GOOD, **fields: object) -> Check:
    given = {"kind": Kind.OPTIONS, "reason": "answered", "trunk": "carrier"} | fields
    return Check(route=route, at=at, verdict=verdict, **given)  # type: ignore[arg-type]


class Scene:
    """One trunk, its routes, and an alerter; time is what is passed."""

    def __init__(self, *routes: str, rules: AlertRules | None = None, trunk: Trunk | None = None) -> None:
        self.trunk = trunk or trunk_of(*routes)
        self.rules = rules or AlertRules()
        self.alerter = Alerter([self.trunk], self.rules)
        self.now = START
        self.told: list[Alert] = []
        self.history: list[Change | Switch] = []
        self.health = {route.name: Health.HEALTHY for route in self.trunk.routes}
        self.since = dict.fromkeys(self.health, START)
        self.active: str | None = self.trunk.routes[0].name

    def take(self, happening: Happening) -> None:
        self.told += self.alerter.take(happening, self.now)
        if not isinstance(happening, Check):
            self.history.append(happening)

    def wait(self, seconds: float) -> None:
        """Time passes, and what is due meanwhile is told when it is due."""
        until = self.now + seconds
        while (due := self.alerter.next_timeout()) is not None and due <= until:
            self.now = max(self.now, due)
            self.told += self.alerter.handle_timeout(self.now)
        self.now = until

    def becomes(self, route: str, health: Health, **fields: object) -> None:
        """A check changes the health of a route, and calls take the best one that is up."""
        given = {"reason": REASONS[health], "place": f"udp 192.0.2.1:{5060}"} | fields
        check = check_of(route, self.now, VERDICTS[health], **given)
        self.take(check)
        if health is not self.health[route]:
            change = Change(self.trunk.name, route, self.now, self.health[route], health, self.since[route], check)
            self.health[route], self.since[route] = health, self.now
            self.take(change)
            self._settle()

    def _settle(self) -> None:
        up = [name for name, health in self.health.items() if health is not Health.UNREACHABLE]
        best = up[0] if up else None
        if best != self.active:
            is_lost = self.active is not None and self.health[self.active] is Health.UNREACHABLE
            cause = SwitchCause.FAILOVER if is_lost else SwitchCause.FAILBACK
            before, self.active = self.active, best
            self.take(Switch(self.trunk.name, self.now, before, best, cause))

    def drops(self, route: str) -> None:
        self.becomes(route, Health.UNREACHABLE)

    def rises(self, route: str) -> None:
        self.becomes(route, Health.HEALTHY)

    def restart(self, *, told: list[Alert] | None = None) -> None:
        """Another run, which knows the last change and switch, and what was not told as over."""
        self.wait(0)
        self.alerter = Alerter([self.trunk], self.rules)
        last: dict[tuple[type, str], Change | Switch] = {}
        for happening in self.history:
            last[type(happening), getattr(happening, "route", "")] = happening
        known = sorted(last.values(), key=lambda happening: happening.at)
        self.told += self.alerter.restore(self.open() if told is None else told, known, self.now)

    def open(self) -> list[Alert]:
        """The last alert of each incident that was not told as over."""
        last = {alert.incident: alert for alert in self.told}
        return [alert for alert in last.values() if alert.phase.value in ("begun", "lasts")]

    @property
    def words(self) -> list[str]:
        """What was told, briefly."""
        return [f"{alert.kind.value} {alert.phase.value} {alert.route}".strip() for alert in self.told]
