"""A service made of values, for pages: what it knows is given, and nothing is sent anywhere."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from probes.health.alerts import Alert, AlertKind, Phase, Severity
from probes.health.board import RouteState, TrunkState
from probes.health.terms import Change, Check, Health, Kind, Verdict
from probes.health.trunk import Route, Rules
from probes.health.trunk import Trunk as WatchedTrunk
from probes.service.config import ServiceConfig
from probes.service.directory import Directory
from probes.service.job import CallJob, CallRequest, DiscoveryJob, DiscoveryRequest, JobState, UnknownJob
from probes.service.keys import Keys
from probes.store.store import Store
from probes.trunks.model import Gateway, Outbound, Trunk

NOW = 1_767_225_600.0 + 40 * 86_400 + 50_000
ACME = "acme"
Job = CallJob | DiscoveryJob


class History:
    """Checks of each route, one in ten minutes, with an outage some days ago and one that goes on."""

    look: Any
    transact: Any

    def __init__(self, outages: dict[str, tuple[tuple[float, float], ...]] | None = None, now: float = NOW) -> None:
        self.outages, self.now = outages or {}, now
        self.routes: list[tuple[str, str]] = []

    def _is_down(self, route: str, at: float) -> bool:
        return any(begin <= at < end for begin, end in self.outages.get(route, ()))

    def checks(self, since: float, until: float, trunk: str = "", route: str = "") -> Iterator[Check]:
        if not trunk:
            for one, other in self.routes:
                yield from self.checks(since, until, one, other)
            return
        begin = max(since, self.now - 30 * 86_400, 0.0)
        for number in range(math.ceil(begin / 600), math.ceil(min(until, self.now) / 600)):
            at = number * 600.0
            for each in [route] if route else [name for own, name in self.routes if own == trunk]:
                yield check(trunk, each, at, is_down=self._is_down(each, at))

    def changes(self, since: float, until: float, trunk: str = "", route: str = "") -> Iterator[Change]:
        for at, before, after in self._changes(route):
            if since <= at < until:
                yield Change(
                    trunk, route, at, before, after, at, check(trunk, route, at, is_down=after is Health.UNREACHABLE)
                )

    def changes_before(self, at: float, trunk: str = "", route: str = "") -> tuple[Change, ...]:
        return tuple(self.changes(0.0, at, trunk, route))[-1:]

    def _changes(self, route: str) -> Iterator[tuple[float, Health, Health]]:
        yield self.now - 75 * 86_400, Health.UNCHECKED, Health.HEALTHY
        for begin, end in self.outages.get(route, ()):
            yield begin, Health.HEALTHY, Health.UNREACHABLE
            if end < self.now:
                yield end, Health.UNREACHABLE, Health.HEALTHY


def check(trunk: str, route: str, at: float, *, is_down: bool = False, kind: Kind = Kind.OPTIONS) -> Check:
    if is_down:
        told = "refused: nothing listens there (TCP reset); is the server running, and is this its port?"
        return Check(trunk, route, kind, at, Verdict.BAD, "refused", told, None, None, "tls 192.0.2.1:5061")
    rtt = 0.021 + 0.006 * math.sin(at / 5400) + 0.004 * math.sin(at / 700 + len(route))
    return Check(trunk, route, kind, at, Verdict.GOOD, "answered", "200 OK", 200, rtt, "tls 192.0.2.1:5061")


class Watching:
    """What is watched, and how it is."""

    def __init__(self) -> None:
        self.listeners: set[Any] = set()
        self.known: dict[str, TrunkState] = {}
        self.told: list[Alert] = []
        self.switched: list[tuple[str, str]] = []

    def alerts(self, tenant: str) -> tuple[Alert, ...]:
        return tuple(self.told) if tenant == ACME else ()

    def switch(self, tenant: str, name: str, route: str) -> None:
        self.switched.append((name, route))

    def watched(self, tenant: str) -> tuple[WatchedTrunk, ...]:
        return tuple(
            WatchedTrunk(
                name,
                tuple(Route(each.route, Gateway.parse(each.route).destination()) for each in state.routes),
                Rules(interval=600.0),
            )
            for name, state in self.known.items()
            if tenant == ACME
        )


class Jobs:
    """Discoveries or calls that were given."""

    def __init__(self) -> None:
        self.known: dict[str, Job] = {}
        self.jobs = self
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[object] = []
        self.failure: Exception | None = None

    async def start(self, tenant: str, request: CallRequest | DiscoveryRequest) -> Job:
        if self.failure is not None:
            raise self.failure
        self.asked.append(request)
        if isinstance(request, CallRequest):
            job: Job = CallJob("tc_1", tenant, request.to, JobState.RUNNING, NOW)
        else:
            job = DiscoveryJob("disc_1", tenant, str(request.destination), JobState.RUNNING, NOW)
        return self.known.setdefault(job.id, job)

    async def get(self, tenant: str, job_id: str) -> Job:
        if job_id not in self.known or self.known[job_id].tenant != tenant:
            raise UnknownJob("there is no job of this id")
        return self.known[job_id]

    async def recent(
        self, tenant: str, *_: object, trunk_id: str | None = None, limit: int = 50, before: str = ""
    ) -> tuple[Job, ...]:
        return tuple(each for each in self.known.values() if each.tenant == tenant)[:limit]

    def told(self, job: Job) -> Sequence[dict[str, Any]]:
        return self.events.get(job.id, [])


class Fake:
    """What pages ask of a service."""

    def __init__(self, store: Store) -> None:
        self.config = ServiceConfig(store.path)
        self.store = History()
        self.store.look, self.store.transact = store.look, store.transact
        self.directory = Directory.open(store, clock=lambda: NOW)
        self.keys = Keys(store)
        self.watching = Watching()
        self.discoveries, self.calls = Jobs(), Jobs()

    def health(self, tenant: str) -> tuple[TrunkState, ...]:
        return tuple(self.watching.known.values()) if tenant == ACME else ()

    def health_of(self, tenant: str, of: str) -> TrunkState | None:
        return self.watching.known.get(of) if tenant == ACME else None

    async def add(self, name: str, healths: Sequence[Health], *, active: int | None = 0, **told: Any) -> Trunk:  # noqa: ANN401
        """A trunk whose routes are so."""
        gateways = tuple(
            Gateway.parse(f"tls://sbc{number}.{_host(name)}.example.com", number - 1)
            for number in range(1, len(healths) + 1)
        )
        outbound = told.pop("outbound", Outbound())
        trunk = await self.directory.add_trunk(
            ACME, Trunk(name=name, outbound=replace(outbound, gateways=gateways), **told)
        )
        routes = tuple(
            route_state(trunk.id, str(gateway), health) for gateway, health in zip(gateways, healths, strict=True)
        )
        self.store.routes += [(trunk.id, route.route) for route in routes]
        taken = routes[active].route if active is not None and routes else None
        if routes:
            self.watching.known[trunk.id] = TrunkState(trunk.id, taken, routes)
        return trunk


def route_state(trunk: str, route: str, health: Health) -> RouteState:
    last = check(trunk, route, NOW - 20, is_down=health in (Health.UNREACHABLE, Health.DEGRADED))
    if health is Health.UNCHECKED:
        return RouteState(route, health, None, 0, None)
    return RouteState(route, health, NOW - 7200, 7 if health is Health.UNREACHABLE else 0, last, options=last)


def alert(trunk: str, text: str, *, phase: Phase = Phase.BEGUN, severity: Severity = Severity.CRITICAL) -> Alert:
    until = NOW - 60 if phase is Phase.ENDED else None
    kind = AlertKind.DOWN
    lines = ("Calls take the backup now.", "Nothing listens at 192.0.2.1:5061: is the server running?")
    return Alert(
        f"a{text}{phase}", f"i{text}", NOW - 90, NOW - 120, until, trunk, "", kind, phase, severity, text, lines
    )


def _host(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower()).strip("-")
