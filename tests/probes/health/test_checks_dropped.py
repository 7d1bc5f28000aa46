"""Checks that are dropped in the very moment in which a place has answered, or has not: nothing of them stays."""

import pytest
import trio

from probes.calls.limit import Limiter
from probes.checks.io import Query
from probes.destination import Destination
from probes.health.asking.run import Asker
from probes.health.checking.run import Checks, open_checks
from probes.health.naming.run import Named, Names
from probes.health.observe import Tried
from probes.health.run import CALLS
from probes.health.terms import Due, Kind
from probes.health.trunk import Route, Trunk
from probes.result import Attempt, Reach
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports.lookup import LookupConfig

PLACES = tuple(Hop(Transport.UDP, SocketAddress("127.0.0.1", port)) for port in (5060, 5070))
ROUTE = Route("main", Destination.parse("udp://127.0.0.1"))
TRUNK = Trunk("acme", (ROUTE,))


@pytest.mark.parametrize("count", [1, 2])
async def test_a_check_that_is_dropped_as_a_place_is_done_leaves_nothing_behind(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope, asked = trio.CancelScope(), list[Hop]()

    async def find(*_: object) -> Named:
        await trio.lowlevel.checkpoint()
        return Named(PLACES[:count])

    async def ask(_: Asker, query: Query) -> Tried:
        await trio.lowlevel.checkpoint()
        asked.append(query.hop)
        scope.cancel()  # by somebody whose turn came first; the task of the check is about to run already
        checks.leave([Due(TRUNK.name, ROUTE.name, Kind.OPTIONS)])
        return Tried(Attempt(query.hop, query.uri, Reach.SILENT))

    monkeypatch.setattr(Names, "find", find)
    monkeypatch.setattr(Asker, "ask", ask)
    checks: Checks
    async with open_checks(LookupConfig(hosts_file=""), Limiter(CALLS), 1) as checks:
        with scope:
            await checks.carry_out(TRUNK, ROUTE, Kind.OPTIONS)
        assert asked == [PLACES[0]]
        assert scope.cancelled_caught
        assert not checks._reached
        assert not checks._missed
