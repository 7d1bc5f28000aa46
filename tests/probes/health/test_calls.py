"""Test calls of a watch: what they say beside OPTIONS, that they are few at a time, and that they are hung up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from probes.calls.expect import Expectation
from probes.calls.limit import Limits
from probes.calls.script import CallScript
from probes.destination import Destination
from probes.health.checking import run as module
from probes.health.run import Watch, WatchConfig
from probes.health.terms import Check, Happening, Kind, Verdict
from probes.health.trunk import Rules
from probes.responder.happening import Happening as Visited
from probes.responder.personas import Persona
from probes.responder.run import open_responder
from probes.result import CallKind, CallResult, TimelineEntry
from sipcore.dialogs.effects import EndReason
from sipcore.endpoint.endpoint import EndpointConfig
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.transports.base import TlsConfig
from tests.probes.discovery.network import HOST, free_port, ok, silent, udp
from tests.probes.health.watching import Told, once, route, trunk, watch

RULES = Rules(interval=20.0, retry=5.0, timeout=1.0, recoveries=1, call_interval=60.0)


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms; media would wait for the real one."""
    return MockClock(autojump_threshold=0.05)


@pytest.fixture
def going(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Calls that take as long as they are held, and are no more than that: how many there were, each time one began."""
    under_way: list[int] = []
    counted: list[int] = []

    async def place(script: CallScript, config: EndpointConfig) -> CallResult:
        under_way.append(1)
        counted.append(len(under_way))
        await trio.sleep(script.hold)
        under_way.pop()
        kind = CallKind.CONNECTED
        return CallResult(script.destination, None, kind.status, kind, "answered")

    monkeypatch.setattr(module, "place_call", place)
    return counted


@asynccontextmanager
async def callee(calls: list[CallResult] | None = None, answered: trio.Event | None = None) -> AsyncIterator[int]:
    """Somebody who answers calls, and keeps what became of them."""

    def look(entry: TimelineEntry) -> None:
        if answered is not None and entry.label == "ACK":
            answered.set()

    def keep(visit: Visited) -> None:
        if visit.result is not None and calls is not None:
            calls.append(visit.result)

    async with open_responder(Persona(), [(Transport.UDP, SocketAddress(HOST, 0))], keep, on_entry=look) as responder:
        yield responder.address(Transport.UDP).port


def is_call(happening: Happening) -> bool:
    return isinstance(happening, Check) and happening.kind is Kind.CALL


def calling(port: int, user: str = "echo", hold: float = 0.2, ring_timeout: float = 5.0) -> CallScript:
    return CallScript(Destination.parse(f"sip:{user}@{HOST}:{port}"), hold=hold, ring_timeout=ring_timeout)


async def test_options_and_a_call() -> None:
    async with callee() as port:
        told = await once([trunk(replace(route(port), call=calling(port)), rules=RULES)])
    by_kind = {each.kind: each for each in told.checks}
    assert by_kind[Kind.OPTIONS].verdict is Verdict.GOOD
    call = by_kind[Kind.CALL]
    assert (call.verdict, call.reason, call.status, call.place) == (
        *(Verdict.GOOD, "answered", 200),
        f"udp {HOST}:{port}",
    )
    assert call.call is not None
    assert call.call.kind is CallKind.CONNECTED


async def test_a_route_that_drops_options_is_healthy_by_its_call() -> None:
    async with callee() as port, udp(silent) as deaf:
        told = await once([trunk(replace(route(deaf), call=calling(port, hold=1.5)), rules=RULES)])
    assert told.story == ["main unknown", "main healthy"]


async def test_a_call_that_fails_is_told_with_its_result() -> None:
    async with callee() as port:
        busy = calling(port, "busy")
        told = await once([trunk(replace(route(port), call=busy), rules=RULES)])
        (call,) = (each for each in told.checks if each.kind is Kind.CALL)
        assert (call.verdict, call.reason, call.status) == (Verdict.BAD, "call", 486)
        expected = replace(busy, expect=Expectation.parse("486"))
        told = await once([trunk(replace(route(port), call=expected), rules=RULES)])
        (call,) = (each for each in told.checks if each.kind is Kind.CALL)
        assert (call.verdict, call.reason) == (Verdict.GOOD, "answered")


async def test_a_call_that_cannot_be_placed_here_is_an_own_fault() -> None:
    script = replace(calling(free_port()), destination=Destination.parse(f"sip:echo@{HOST}:1;transport=tls"))
    broken = replace(route(free_port(), tls=TlsConfig(certificate=b"none")), call=script)
    told = await once([trunk(broken, rules=RULES)])
    (call,) = (each for each in told.checks if each.kind is Kind.CALL)
    assert (call.verdict, call.reason) == (Verdict.OWN, "own")
    assert "certificate" in call.detail


async def test_calls_go_through_the_limits(going: list[int], clock: MockClock) -> None:
    """Over all trunks: one at a time here, and two in any minute."""
    config = WatchConfig(calls=Limits(at_once=1, per_period=2, period=60.0))
    async with udp(ok) as peer:
        called = replace(route(peer), call=calling(peer, hold=1.0))
        told = await once([trunk(called, rules=RULES, name=f"t{number}") for number in range(3)], config)
    first, second, third = told.seconds(is_call)
    assert (second - first, third - first) == pytest.approx((1.0, 60.0), abs=0.3)
    assert going == [1, 1, 1]


async def test_no_more_than_four_calls_at_once(going: list[int], clock: MockClock) -> None:
    async with udp(ok) as peer:
        called = replace(route(peer), call=calling(peer, hold=5.0))
        await once([trunk(called, rules=RULES, name=f"t{number}") for number in range(9)])
    assert (max(going), len(going)) == (4, 9)


@pytest.mark.parametrize("runs", [False, True])
async def test_the_calls_of_one_trunk_come_one_after_the_other(runs: bool, going: list[int], clock: MockClock) -> None:
    async with udp(ok) as peer:
        routes = [replace(route(peer, name), call=calling(peer, hold=30.0)) for name in ("one", "two")]
        trunks = [trunk(*routes, rules=RULES)]
        told = await (watch(trunks, 100) if runs else once(trunks))
    first, second, *_ = told.seconds(is_call)
    assert second - first > 29
    assert set(going) == {1}


async def test_calls_have_an_interval_of_their_own(going: list[int], clock: MockClock) -> None:
    async with udp(ok) as peer:
        told = await watch([trunk(replace(route(peer), call=calling(peer)), rules=RULES)], 130)
    kinds = [each.kind for each in told.checks]
    assert (kinds.count(Kind.CALL), kinds.count(Kind.OPTIONS)) == (3, 7)


async def test_a_call_under_way_is_hung_up_when_the_watch_is_cancelled() -> None:
    calls: list[CallResult] = []
    answered = trio.Event()
    async with callee(calls, answered) as port, udp(ok) as peer, trio.open_nursery() as nursery:
        watching = Watch([trunk(replace(route(peer), call=calling(port, hold=500.0)), rules=RULES)], Told())
        nursery.start_soon(watching.run)
        with trio.fail_after(10):
            await answered.wait()
        assert calls == []
        nursery.cancel_scope.cancel()
    assert [(call.kind, call.ended_by) for call in calls] == [(CallKind.CONNECTED, EndReason.REMOTE_HANG_UP.value)]
