"""Single checks carried out: OPTIONS to the places of a route in turn, test calls, and tests of registrations, each
bounded and by itself.

One endpoint serves all routes with the same TLS settings and as much time; all names are looked up by one of them, so
that they share what DNS has said.
"""

import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

import trio

from probes.calls.limit import Limiter
from probes.calls.run import call_config, place_call
from probes.calls.script import CallScript
from probes.checks import options
from probes.checks.io import Query
from probes.destination import Destination
from probes.health import observe
from probes.health.asking.run import Asker
from probes.health.difference import TLS_OF_NONE, has_tls, tls_of
from probes.health.naming.run import Names
from probes.health.observe import Subject, Tried
from probes.health.terms import Check, Due, Kind
from probes.health.trunk import DEFAULT_TIMEOUT, Route, Trunk, WatchError
from probes.product import PRODUCT
from probes.reach import ReachPolicy, refusal_of
from probes.registration.plan import RegistrationProbe
from probes.registration.run import probe_registration
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.errors import FailureReason, LocalError, TransportFailure, own_fault
from sipcore.resolve.target import Hop, SocketAddress
from sipcore.stack_config import StackConfig
from sipcore.transports.base import TlsConfig, TransportConfig
from sipcore.transports.handshake import check_tls
from sipcore.transports.lookup import LookupConfig
from sipcore.value import value

KEPT = 120.0
"""Seconds for which a connection is kept without a check: what comes later finds many translators that have forgotten
it, and say nothing (RFC 5626 §4.4.1 has keep-alives within that)."""
MAX_REGISTRATIONS = 8
"""Tests of a registration under way at once, at most: each has an endpoint of its own."""


@value
class _Settings:
    """What routes have in common that are asked over one endpoint."""

    tls: TlsConfig = TLS_OF_NONE
    timeout: float = DEFAULT_TIMEOUT


_OF_NAMES = _Settings()
"""Those of whoever looks names up."""


@value
class _Reached:
    """Where a route was asked, over the endpoint for its settings."""

    destination: Destination
    settings: _Settings
    hops: frozenset[Hop]


@value
class _Busy:
    """What an address said that asked to be left alone, `until` a time of trio's clock."""

    until: float
    tried: Tried


class _Shared:
    """An asker with its endpoint, open for as long as somebody may use it."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self.over = trio.Event()
        self._users = 0
        self._is_needed = True

    @contextmanager
    def in_use(self) -> Iterator[Asker]:
        """It stays open until the block ends."""
        self._users += 1
        try:
            yield self.asker
        finally:
            self._users -= 1
            self._close_if_idle()

    def leave(self) -> None:
        """Nobody begins to use it any more."""
        self._is_needed = False
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if not self._users and not self._is_needed:
            self.over.set()


def require_usable(trunks: Iterable[Trunk]) -> None:
    """Raises WatchError for a route whose settings of TLS cannot be used."""
    usable = set[TlsConfig]()
    for trunk in trunks:
        for route in trunk.routes:
            if not has_tls(route) or route.tls in usable:
                continue
            try:
                check_tls(route.tls)
            except LocalError as error:
                raise WatchError(f"route {route.name} of trunk {trunk.name}: {error.message}") from error
            usable.add(route.tls)


@asynccontextmanager
async def open_checks(
    lookup: LookupConfig, limiter: Limiter, at_once: int, reach: ReachPolicy | None = None, *, goes_on: bool = True
) -> AsyncIterator["Checks"]:
    """What carries out checks until the block ends. Nothing is sent where `reach` does not allow it. Where the watch
    does not go on, nobody is told that a route is left alone for a time.
    """
    async with trio.open_nursery() as endpoints:
        async with trio.open_nursery() as lookups:
            checks = Checks(lookup, endpoints, limiter, at_once, reach, goes_on=goes_on)
            await checks.open(lookups)
            yield checks
            lookups.cancel_scope.cancel()
        endpoints.cancel_scope.cancel()


class Checks:
    """Carries out checks: `at_once` OPTIONS at a time, MAX_REGISTRATIONS tests of a registration, and test calls as the
    limiter lets them.
    """

    def __init__(
        self,
        lookup: LookupConfig,
        endpoints: trio.Nursery,
        limiter: Limiter,
        at_once: int,
        reach: ReachPolicy | None = None,
        *,
        goes_on: bool = True,
    ) -> None:
        self._lookup = lookup
        self._goes_on = goes_on
        self._reach = reach
        self._endpoints = endpoints
        self._shared: dict[_Settings, _Shared] = {}
        self._opening = trio.Lock()
        self._limiter = limiter
        self._turns = trio.Semaphore(at_once)
        self._registering = trio.Semaphore(MAX_REGISTRATIONS)
        self._missed: dict[tuple[str, str], frozenset[observe.Place]] = {}
        """Of each route, the places that DNS has put first and that did not answer then, until they do."""
        self._busy: dict[tuple[str, str], dict[SocketAddress, _Busy]] = {}
        """Of each route, the addresses that asked to be left alone, each until its own time, while others did not."""
        self._reached: dict[tuple[str, str], _Reached] = {}
        """Where each route was asked last."""
        self._hung_up = trio.Event()

    async def open(self, lookups: trio.Nursery) -> None:
        """To be called first: names are looked up in that nursery."""
        self._names = Names((await self._asker(_OF_NAMES)).asker.endpoint, lookups)

    def leave(self, outdated: Iterable[Due]) -> None:
        """Routes are no more, or are asked for something else: close what none of the others needs."""
        left = [
            last
            for due in outdated
            if due.kind is Kind.OPTIONS and (last := self._reached.pop((due.trunk, due.route), None)) is not None
        ]
        if not left:
            return
        self._missed = {names: missed for names, missed in self._missed.items() if names in self._reached}
        self._busy = {names: busy for names, busy in self._busy.items() if names in self._reached}
        self._names.keep({last.destination for last in self._reached.values()})
        needed = {(last.settings, hop) for last in self._reached.values() for hop in last.hops}
        for settings, hop in {(last.settings, hop) for last in left for hop in last.hops} - needed:
            if settings in self._shared:
                self._shared[settings].asker.leave(hop)
        self._close_unneeded()

    def _close_unneeded(self) -> None:
        """Close endpoints over which no route was asked last, once no check under way uses them any more."""
        for settings in self._shared.keys() - {_OF_NAMES, *(last.settings for last in self._reached.values())}:
            self._shared.pop(settings).leave()

    async def _asker(self, settings: _Settings) -> _Shared:
        """Whom routes with these settings are asked by: one for all of them, from the first check on."""
        async with self._opening:
            if settings not in self._shared:
                self._shared[settings] = await self._endpoints.start(self._serve, settings)
            return self._shared[settings]

    async def _serve(self, settings: _Settings, task_status: trio.TaskStatus[_Shared]) -> None:
        # A check's own time ends before that of its connection: it is the one that is told.
        transports = TransportConfig(
            tls=settings.tls, connect_timeout=settings.timeout + 1.0, idle_timeout=KEPT, refusal=refusal_of(self._reach)
        )
        config = EndpointConfig(
            transports, self._lookup, StackConfig(product=PRODUCT, tracing=False), garbage_fails=True
        )
        async with Endpoint(config) as endpoint:
            shared = _Shared(Asker(endpoint))
            task_status.started(shared)
            await shared.over.wait()

    async def carry_out(self, trunk: Trunk, route: Route, kind: Kind) -> Check:
        """One check, as soon as it has its turn. Whatever happens is in it, a mistake of this program as well."""
        subject = Subject(trunk.name, route.name, trunk.rules, time.time(), kind, self._goes_on)
        try:
            if kind is Kind.CALL and route.call is not None:
                return await self._call(subject, route.call, route.tls)
            if kind is Kind.REGISTRATION and route.registration is not None:
                async with self._registering:
                    return await self._register(replace(subject, at=time.time()), route.registration, route.tls)
            async with self._turns:
                return await self._ask(replace(subject, at=time.time()), route)
        except Exception as error:  # noqa: BLE001  # it costs this check, and no other one
            what = f"the {kind.value} to route {route.name} of trunk {trunk.name}"
            self._names.endpoint.note_fault(error, what)
            return observe.of_own(subject, own_fault().message)

    async def _ask(self, subject: Subject, route: Route) -> Check:
        """OPTIONS to what comes first and, while there is time, where a client goes then (RFC 3263 §4.3)."""
        seconds, names = subject.rules.timeout, (subject.trunk, subject.route)
        named = await self._names.find(route.destination, seconds)
        missed = self._missed.get(names, frozenset())
        hops = observe.missed_first(named.hops, missed)
        if not hops:
            return observe.of_nowhere(subject, named.failure or _nowhere(route))
        settings = _Settings(tls_of(route), seconds)
        busy = self._left_alone(names, hops)
        with (await self._asker(settings)).in_use() as asker:
            end, tried, asked = trio.current_time() + seconds, list[Tried](), frozenset[Hop]()
            last, left = self._reached.get(names), seconds
            while hops and left > 0:  # one is asked in any case, even where this program was stopped for a while here
                if hops[0].remote in busy:
                    tried.append(busy[hops[0].remote].tried)
                    hops = observe.next_places(tried[-1], hops[1:])
                    continue
                query, asked = self._query(route, hops[0], observe.share_of(left, len(hops))), asked | {hops[0]}
                self._reached[names] = _Reached(route.destination, settings, asked)
                if last is not None and last.settings != settings:
                    self._close_unneeded()
                one = await asker.ask(query)
                if one.is_stale:  # a translator forgot the connection, as some do within a minute: calls open their own
                    one, end = replace(await asker.ask(query), is_anew=True), end + query.timeout
                # It may be dropped when the answer is there already: what was left by then is not to be noted again.
                await trio.lowlevel.checkpoint_if_cancelled()
                tried.append(one)
                if (wait := observe.asked_wait(subject, one)) > 0:
                    busy[hops[0].remote] = _Busy(trio.current_time() + wait, one)
                hops, left = observe.next_places(tried[-1], hops[1:]), end - trio.current_time()
        self._busy[names] = busy
        self._missed[names] = observe.missed_after(missed, tried, named.hops)
        return observe.of_places(subject, tried, named.failure.message if named.failure else "")

    def _left_alone(self, names: tuple[str, str], hops: Iterable[Hop]) -> dict[SocketAddress, _Busy]:
        """The addresses of a route that are not asked now, since they asked for that and somebody else did not: what
        they said counts until then. None where all did, since the route as a whole is left alone for that.
        """
        now = trio.current_time()
        busy = {remote: said for remote, said in self._busy.get(names, {}).items() if said.until > now}
        return busy if any(hop.remote not in busy for hop in hops) else {}

    def _query(self, route: Route, hop: Hop, seconds: float) -> Query:
        return options.plan(route.destination.uri(hop.transport, hop.remote), hop, seconds)

    async def _call(self, subject: Subject, script: CallScript, tls: TlsConfig) -> Check:
        """A test call, once the limiter admits it; whoever cancels it has it hung up first."""
        while (seconds := self._limiter.admit(trio.current_time())) is not None:
            with trio.move_on_after(seconds or 1.0):  # others may count their calls by the same limiter
                await self._hung_up.wait()
        subject = replace(subject, at=time.time())
        try:
            result = await place_call(script, self._config(tls))
        except LocalError as error:
            return observe.of_own(subject, error.message)
        finally:
            self._limiter.release()
            self._hung_up.set()
            self._hung_up = trio.Event()
        return observe.of_call(subject, result)

    async def _register(self, subject: Subject, probe: RegistrationProbe, tls: TlsConfig) -> Check:
        """A test of a registration; whoever cancels it has its contact removed first."""
        try:
            report = await probe_registration(probe, self._config(tls))
        except LocalError as error:
            return observe.of_own(subject, error.message)
        return observe.of_registration(subject, report)

    def _config(self, tls: TlsConfig) -> EndpointConfig:
        """What a check needs that has an endpoint of its own."""
        return replace(call_config(tls, self._reach), lookup=self._names.endpoint.config.lookup)


def _nowhere(route: Route) -> TransportFailure:
    return TransportFailure(FailureReason.UNRESOLVABLE, f"no address for {route.destination}", section="RFC 3263 §4")
