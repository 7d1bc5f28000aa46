"""A watch whose trunks change while it runs, over real sockets, by a clock that jumps."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from probes.health.run import Watch
from probes.health.terms import CHANGED, Check, Happening, Health, Kind, SwitchCause
from probes.health.trunk import Rules, Trunk, WatchError
from probes.result import CallResult
from sipcore.dialogs.effects import EndReason
from sipcore.transports.base import TlsConfig
from tests.probes.discovery.network import HOST, free_port, ok, saying, silent, tcp, udp
from tests.probes.health.test_calls import callee, calling
from tests.probes.health.watching import RULES, Peer, Told, route, trunk


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms."""
    return MockClock(autojump_threshold=0.05)


@asynccontextmanager
async def running(*trunks: Trunk) -> AsyncIterator[tuple[Watch, Told]]:
    """A watch that runs until the block ends."""
    told = Told()
    watching = Watch(trunks, told)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watching.run)
        yield watching, told
        nursery.cancel_scope.cancel()


def of(name: str, told: Told) -> list[float]:
    """When checks of this route were told."""
    return told.seconds(lambda each: isinstance(each, Check) and each.route == name)


class Connections:
    """A TCP peer that counts its connections, and those that are open."""

    def __init__(self) -> None:
        self.accepted = self.open = 0

    @asynccontextmanager
    async def served(self) -> AsyncIterator[int]:
        async def serve(stream: trio.abc.Stream) -> None:
            with self._counted():
                await saying(ok)(stream)

        async with tcp(serve) as port:
            yield port

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.accepted += 1
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1


async def test_what_stays_goes_on_untouched_beside_what_is_added(clock: MockClock) -> None:
    peer = Connections()
    async with (
        peer.served() as kept,
        udp(ok) as added,
        running(trunk(route(kept, scheme="tcp"), name="old")) as (watching, told),
    ):
        await trio.sleep(14)
        old = watching.trunks[0]
        found = watching.change([trunk(route(added, "new"), name="new"), old])
        assert (found.added, found.changed, found.removed) == (("new",), (), ())
        await trio.sleep(20)
        assert peer.accepted == peer.open == 1
    first, *others = of("main", told)
    assert others == pytest.approx([first + 10, first + 20, first + 30], abs=0.3)
    assert of("new", told) == pytest.approx([14.0, 24.0], abs=0.5)
    assert [state.trunk for state in watching.states()] == ["new", "old"]
    assert told.story == ["main healthy", "new healthy"]


async def test_it_begins_and_goes_on_without_trunks(clock: MockClock) -> None:
    async with udp(ok) as port, running() as (watching, told):
        await trio.sleep(100)
        assert (told.all, watching.states()) == ([], ())
        watching.change([trunk(route(port))])
        await trio.sleep(5)
        watching.change([])
        await trio.sleep(100)
    assert told.story == ["main healthy"]
    assert of("main", told) == pytest.approx([100.0], abs=0.5)


async def test_a_route_that_leads_elsewhere_is_checked_there_at_once(clock: MockClock) -> None:
    peer = Peer(silent)
    async with (
        udp(ok) as port,
        udp(peer) as dead,
        running(trunk(route(dead), route(port, "backup"))) as (watching, told),
    ):
        peer.respond = ok
        await trio.sleep(5)
        peer.respond = silent
        await trio.sleep(25)
        assert watching.states()[0].active == "backup"
        watching.change([trunk(route(port), route(port, "backup"))])
        await trio.sleep(1)
        assert watching.states()[0].active == "main"
    assert told.story[-3:] == ["main unchecked", "main healthy", "failback to main"]
    assert told.changes[-2].check.reason == CHANGED
    assert len(of("main", told)) > 3


@pytest.mark.parametrize("after", [[], [trunk(route(1, "other"))]])
async def test_a_check_under_way_for_what_is_removed_is_dropped(after: list[Trunk], clock: MockClock) -> None:
    async with udp(silent) as port, running(trunk(route(port))) as (watching, told):
        await trio.sleep(0.5)  # it is given a second
        watching.change(after)
        await trio.sleep(5)
    assert of("main", told) == []
    assert [each for each in told.all if isinstance(each, Check) and each.route != "other"] == []


async def test_a_check_under_way_for_what_was_put_in_again_counts_for_the_new_one_only(clock: MockClock) -> None:
    peer = Peer(silent)
    async with udp(peer) as port, running(trunk(route(port))) as (watching, told):
        await trio.sleep(0.5)
        watching.change([])
        watching.change([trunk(route(port))])
        peer.respond = ok
        await trio.sleep(5)
    assert told.story == ["main healthy"]
    assert [each.reason for each in told.checks] == ["answered"]


async def test_the_connection_of_a_removed_route_is_closed_and_that_of_another_one_there_is_not(
    clock: MockClock,
) -> None:
    alone, shared = Connections(), Connections()
    async with alone.served() as one, shared.served() as two:
        routes = [route(one, scheme="tcp"), route(two, "both", scheme="tcp"), route(two, "too", scheme="tcp")]
        async with running(trunk(*routes)) as (watching, _):
            await trio.sleep(5)
            assert (alone.open, shared.open) == (1, 1)
            watching.change([trunk(routes[1])])
            await trio.sleep(1)
            assert (alone.open, shared.open) == (0, 1)
            watching.change([trunk(route(free_port(), "both"))])
            await trio.sleep(1)
            assert shared.open == 0


async def test_other_settings_are_used_and_the_connections_of_those_before_are_closed(clock: MockClock) -> None:
    """More time needs another endpoint; what is under way with less is not cut off by that."""
    peer, slow = Connections(), Rules(interval=10.0, retry=2.0, timeout=3.0)
    async with peer.served() as port, udp(ok, delay=1.5) as late:
        before = [route(port, scheme="tcp"), route(late, "late")]
        async with running(trunk(*before)) as (watching, told):
            await trio.sleep(10.5)
            assert watching.states()[0].routes[1].health is Health.UNKNOWN
            watching.change([trunk(*before, rules=slow)])
            await trio.sleep(15)
            assert (peer.accepted, peer.open) == (2, 1)
    assert [each.health for each in watching.states()[0].routes] == [Health.HEALTHY, Health.HEALTHY]
    assert {each.reason for each in told.checks if each.route == "main"} == {"answered"}


async def test_a_change_is_all_or_nothing(clock: MockClock) -> None:
    unusable = route(5061, "tls", scheme="tls", tls=TlsConfig(ca_file="/nowhere"))
    async with udp(ok) as port, running(trunk(route(port))) as (watching, told):
        await trio.sleep(5)
        before = watching.trunks, watching.states()
        with pytest.raises(WatchError, match="two trunks are named acme"):
            watching.change([trunk(route(1)), trunk(route(2))])
        with pytest.raises(WatchError, match="route tls of trunk other: the trusted roots of /nowhere cannot be read"):
            watching.change([trunk(route(1, "new")), trunk(unusable, name="other")])
        assert (watching.trunks, watching.states()) == before
        await trio.sleep(10)
    assert len(of("main", told)) == 2


async def test_before_and_after_it_runs(clock: MockClock) -> None:
    async with udp(ok) as port:
        told = Told()
        watching = Watch([trunk(route(free_port(), "old"))], told)
        watching.change([trunk(route(port))])
        with trio.move_on_after(5):
            await watching.run()
        assert (told.story, of("old", told)) == (["failover to main", "main healthy"], [])
        watching.change([trunk(route(port), name="other")])
        await watching.check_once()
        assert [state.trunk for state in watching.states()] == ["other"]
    assert told.story[2:] == ["main healthy"]


async def change_it(watching: Watch, trunks: list[Trunk]) -> None:
    await trio.sleep(1)
    watching.change(trunks)


async def test_while_all_is_checked_once(clock: MockClock) -> None:
    """What is removed is not waited for; what leads elsewhere is checked there; what is added was not meant."""
    told = Told()
    async with udp(ok) as port, udp(silent) as mute, trio.open_nursery() as nursery:
        watching = Watch([trunk(route(mute), route(mute, "gone"), rules=Rules(timeout=30.0))], told)
        nursery.start_soon(change_it, watching, [trunk(route(port), route(port, "added"), rules=Rules(timeout=30.0))])
        with trio.fail_after(5):
            await watching.check_once()
    assert [(each.route, each.reason) for each in told.checks] == [("main", "answered")]


async def test_whoever_is_told_may_change_the_watch(clock: MockClock) -> None:
    told = Told()

    def tell(happening: Happening) -> None:
        told(happening)
        if isinstance(happening, Check) and len(watching.trunks) == 1:
            watching.change([trunk(route(port, "second"), name="second"), *watching.trunks])

    async with udp(ok) as port:
        watching = Watch([trunk(route(port))], tell)
        with trio.move_on_after(5):
            await watching.run()
    assert told.story == ["main healthy", "second healthy"]


@pytest.mark.parametrize("begin", [Watch.run, Watch.check_once])
async def test_whoever_is_told_may_take_out_or_lead_elsewhere_what_it_is_told_of(
    begin: Callable[[Watch], Awaitable[None]], clock: MockClock
) -> None:
    told = Told()

    def tell(happening: Happening) -> None:
        told(happening)
        if len(told.checks) == 1:
            watching.change([trunk(route(other))])
        elif len(told.checks) == 2:
            watching.change([])

    async with udp(ok) as port, udp(ok) as other:
        watching = Watch([trunk(route(port))], tell)
        with trio.move_on_after(30):
            await begin(watching)
    assert [each.place for each in told.checks] == [f"udp {HOST}:{port}", f"udp {HOST}:{other}"]
    assert watching.states() == ()


async def test_calls_leave_a_route_that_is_removed(clock: MockClock) -> None:
    async with udp(ok) as port, running(trunk(route(port), route(port, "backup"))) as (watching, told):
        await trio.sleep(5)
        watching.change([trunk(route(port, "backup"))])
        assert watching.states()[0].active == "backup"
    assert [(each.before, each.after, each.cause) for each in told.switches] == [
        ("main", "backup", SwitchCause.FAILOVER)
    ]


async def test_a_test_call_of_what_is_removed_is_hung_up_and_not_told() -> None:
    calls, answered = list[CallResult](), trio.Event()
    async with callee(calls, answered) as port:
        called = replace(route(port), call=calling(port, hold=30.0))
        async with running(trunk(called, rules=RULES)) as (watching, told):
            with trio.fail_after(10):
                await answered.wait()
            watching.change([trunk(route(port, "other"))])
            await trio.sleep(2)
            assert [call.ended_by for call in calls] == [EndReason.REMOTE_HANG_UP.value]
    assert [each for each in told.checks if each.kind is Kind.CALL] == []
