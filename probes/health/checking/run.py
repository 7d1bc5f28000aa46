"""Single checks carried out: OPTIONS to the places of a route in turn, and test calls, each bounded and by itself.

One endpoint serves all routes with the same TLS settings; all names are looked up by one of them, so that they share
what DNS has said.
"""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import trio

from probes.calls.limit import Limiter
from probes.calls.run import call_config, place_call
from probes.calls.script import CallScript
from probes.checks import options
from probes.checks.io import Query
from probes.health import observe
from probes.health.asking.run import Asker
from probes.health.naming.run import Names
from probes.health.observe import Subject, Tried
from probes.health.terms import Check, Kind
from probes.health.trunk import Route, Trunk, WatchError
from probes.product import PRODUCT
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.errors import FailureReason, LocalError, TransportFailure, own_fault
from sipcore.resolve.target import Hop
from sipcore.stack_config import StackConfig
from sipcore.transports.base import TlsConfig, TransportConfig
from sipcore.transports.handshake import check_tls
from sipcore.transports.lookup import LookupConfig

KEPT = 120.0
"""Seconds for which a connection is kept without a check: what comes later finds many translators that have forgotten
it, and say nothing (RFC 5626 §4.4.1 has keep-alives within that)."""
TLS_OF_NONE = TlsConfig(resume=False)
"""The settings of routes without TLS, and of whoever looks names up."""


@asynccontextmanager
async def open_checks(
    trunks: Sequence[Trunk], lookup: LookupConfig, limiter: Limiter, at_once: int
) -> AsyncIterator["Checks"]:
    """Everything that checks of these trunks need, until the block ends. Raises WatchError for a route whose settings
    of TLS cannot be used.
    """
    for trunk in trunks:
        for route in trunk.routes:
            _check_tls(trunk, route)
    slowest = max((trunk.rules.timeout for trunk in trunks), default=0.0)
    async with AsyncExitStack() as opened:
        askers: dict[TlsConfig, Asker] = {}
        for tls in dict.fromkeys([TLS_OF_NONE, *(_tls_of(route) for trunk in trunks for route in trunk.routes)]):
            # A check's own time ends before that of its connection: it is the one that is told.
            transports = TransportConfig(tls=tls, connect_timeout=slowest + 1.0, idle_timeout=KEPT)
            stack = StackConfig(product=PRODUCT, tracing=False)
            config = EndpointConfig(transports, lookup, stack, garbage_fails=True)
            askers[tls] = Asker(await opened.enter_async_context(Endpoint(config)))
        async with trio.open_nursery() as nursery:
            yield Checks(askers, Names(askers[TLS_OF_NONE].endpoint, nursery), limiter, at_once)
            nursery.cancel_scope.cancel()


class Checks:
    """Carries out checks: `at_once` OPTIONS at a time, and test calls as the limiter lets them."""

    def __init__(self, askers: dict[TlsConfig, Asker], names: Names, limiter: Limiter, at_once: int) -> None:
        self._askers = askers
        self._names = names
        self._limiter = limiter
        self._turns = trio.Semaphore(at_once)
        self._missed: dict[tuple[str, str], frozenset[observe.Place]] = {}
        """Of each route, the places that DNS has put first and that did not answer then, until they do."""
        self._hung_up = trio.Event()

    async def carry_out(self, trunk: Trunk, route: Route, kind: Kind) -> Check:
        """One check, as soon as it has its turn. Whatever happens is in it, a mistake of this program as well."""
        subject = Subject(trunk.name, route.name, trunk.rules, time.time(), kind)
        try:
            if kind is Kind.CALL and route.call is not None:
                return await self._call(subject, route.call, route.tls)
            async with self._turns:
                return await self._ask(replace(subject, at=time.time()), route)
        except Exception as error:  # noqa: BLE001  # it costs this check, and no other one
            what = f"the {kind.value} to route {route.name} of trunk {trunk.name}"
            self._askers[_tls_of(route)].endpoint.note_fault(error, what)
            return observe.of_own(subject, own_fault().message)

    async def _ask(self, subject: Subject, route: Route) -> Check:
        """OPTIONS to what comes first and, while there is time, where a client goes then (RFC 3263 §4.3)."""
        seconds = subject.rules.timeout
        named = await self._names.find(route.destination, seconds)
        missed = self._missed.get((subject.trunk, subject.route), frozenset())
        hops = observe.missed_first(named.hops, missed)
        if not hops:
            return observe.of_nowhere(subject, named.failure or _nowhere(route))
        asker, end = self._askers[_tls_of(route)], trio.current_time() + seconds
        tried: list[Tried] = []
        while hops and (left := end - trio.current_time()) > 0:
            query = self._query(route, hops[0], observe.share_of(left, len(hops)))
            one = await asker.ask(query)
            if one.is_stale:  # a translator forgot the connection, as some do within a minute: calls open their own
                one, end = replace(await asker.ask(query), is_anew=True), end + query.timeout
            tried.append(one)
            hops = observe.next_places(tried[-1], hops[1:])
        self._missed[subject.trunk, subject.route] = observe.missed_after(missed, tried, named.hops)
        return observe.of_places(subject, tried, named.failure.message if named.failure else "")

    def _query(self, route: Route, hop: Hop, seconds: float) -> Query:
        return options.plan(route.destination.uri(hop.transport, hop.remote), hop, seconds)

    async def _call(self, subject: Subject, script: CallScript, tls: TlsConfig) -> Check:
        """A test call, once the limiter admits it; whoever cancels it has it hung up first."""
        while (seconds := self._limiter.admit(trio.current_time())) is not None:
            with trio.move_on_after(seconds or 1.0):  # others may count their calls by the same limiter
                await self._hung_up.wait()
        subject = replace(subject, at=time.time())
        try:
            config = call_config(tls)
            result = await place_call(script, replace(config, lookup=self._names.endpoint.config.lookup))
        except LocalError as error:
            return observe.of_own(subject, error.message)
        finally:
            self._limiter.release()
            self._hung_up.set()
            self._hung_up = trio.Event()
        return observe.of_call(subject, result)


def _check_tls(trunk: Trunk, route: Route) -> None:
    """Raises WatchError for a route that may need TLS, with settings that cannot be used."""
    try:
        if _has_tls(route):
            check_tls(route.tls)
    except LocalError as error:
        raise WatchError(f"route {route.name} of trunk {trunk.name}: {error.message}") from error


def _has_tls(route: Route) -> bool:
    transport = route.destination.transport
    return transport is None or transport.secure


def _tls_of(route: Route) -> TlsConfig:
    """The settings of TLS that the checks of a route go by: each connection shows its peer's certificate."""
    return replace(route.tls, resume=False) if _has_tls(route) else TLS_OF_NONE


def _nowhere(route: Route) -> TransportFailure:
    return TransportFailure(FailureReason.UNRESOLVABLE, f"no address for {route.destination}", section="RFC 3263 §4")
