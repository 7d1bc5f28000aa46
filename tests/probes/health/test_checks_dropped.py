"""Checks at awkward moments: dropped as a place has answered, or has not, of which nothing stays; and in a program that
was stopped for longer than a check may take.
"""

from itertools import count as counting

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
from probes.health.terms import Due, Kind, Verdict
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


async def test_a_program_that_was_stopped_for_longer_than_a_check_may_take_asks_one_place_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, stops = list[Hop](), counting(1)

    async def find(*_: object) -> Named:
        await trio.lowlevel.checkpoint()
        return Named(PLACES)

    async def ask(_: Asker, query: Query) -> Tried:
        await trio.lowlevel.checkpoint()
        asked.append(query.hop)
        return Tried(Attempt(query.hop, query.uri, Reach.REFUSED))

    monkeypatch.setattr(Names, "find", find)
    monkeypatch.setattr(Asker, "ask", ask)
    begin = trio.current_time()
    async with open_checks(LookupConfig(hosts_file=""), Limiter(CALLS), 1) as checks:
        monkeypatch.setattr(trio, "current_time", lambda: begin + 3600 * next(stops))  # stopped before each look at it
        check = await checks.carry_out(TRUNK, ROUTE, Kind.OPTIONS)
        monkeypatch.undo()
    assert asked == [PLACES[0]]
    assert (check.verdict, check.reason) == (Verdict.BAD, "refused")
