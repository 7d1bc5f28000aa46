"""A watch over real sockets, by a clock that jumps: what it asks, when, what it tells, and how it ends."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from probes.health.asking.run import Asker
from probes.health.checking.run import Checks
from probes.health.observe import Subject
from probes.health.run import Watch, WatchConfig
from probes.health.terms import Change, Check, Happening, Health, Switch, SwitchCause, Verdict
from probes.health.trunk import Route, Rules, WatchError
from sipcore.errors import own_fault
from sipcore.transports.base import TlsConfig
from tests.conftest import Injected
from tests.probes.discovery.network import HOST, free_port, ok, saying, silent, tcp, udp
from tests.probes.health.watching import Peer, Told, once, route, trunk, watch


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms."""
    return MockClock(autojump_threshold=0.05)


def is_check(happening: Happening) -> bool:
    return isinstance(happening, Check)


async def test_a_route_that_answers(clock: MockClock) -> None:
    peer = Peer()
    async with udp(peer) as port:
        told = await watch([trunk(route(port))], 35)
    assert told.story == ["main healthy"]
    assert [(each.verdict, each.status, each.place) for each in told.checks] == [
        (Verdict.GOOD, 200, f"udp {HOST}:{port}")
    ] * 4
    first, *others = told.seconds(is_check)
    assert first < 0.5
    assert others == pytest.approx([first + 10, first + 20, first + 30], abs=0.2)
    assert len({line for data in peer.asked for line in data.split(b"\r\n") if line.startswith(b"Call-ID")}) == 4


async def test_a_route_that_goes_down_and_comes_up(clock: MockClock) -> None:
    """Within the times of the rules: in doubt at once, down by the third miss, up by the second answer."""
    peer, told = Peer(), Told()
    async with udp(peer) as port, trio.open_nursery() as nursery:
        nursery.start_soon(Watch([trunk(route(port))], told).run)
        await trio.sleep(15)
        peer.respond = silent
        await trio.sleep(20)
        peer.respond = ok
        await trio.sleep(20)
        nursery.cancel_scope.cancel()
    assert told.story == [
        *("main healthy", "main degraded", "main unreachable", "failover to None"),
        *("main healthy", "failback to main"),
    ]
    doubted, down = told.seconds(lambda each: isinstance(each, Change))[1:3]
    assert doubted == pytest.approx(21.0, abs=0.3)  # the check at 20, given up after its second
    assert down == pytest.approx(25.0, abs=0.6)  # checks each 2 s from then on
    up = told.seconds(lambda each: isinstance(each, Change))[3]
    assert 35 < up < 35 + 10 + 2 + 0.5  # the next check of a route that is down, and one more
    assert [each.reason for each in told.checks if each.verdict is Verdict.SILENT] == ["silent"] * (
        len(told.checks) - sum(each.verdict is Verdict.GOOD for each in told.checks)
    )


async def test_a_route_that_never_answered_is_unknown(clock: MockClock) -> None:
    async with udp(silent) as port:
        told = await watch([trunk(route(port))], 45)
    assert told.story == ["main unknown"]
    assert {each.verdict for each in told.checks} == {Verdict.SILENT}


async def test_a_closed_port_counts_from_the_beginning(clock: MockClock) -> None:
    told = await watch([trunk(route(free_port()))], 12)
    assert told.story == ["main degraded", "main unreachable", "failover to None"]
    assert {each.reason for each in told.checks} == {"refused"}


async def test_failover_and_back(clock: MockClock) -> None:
    first, second, told = Peer(), Peer(), Told()
    async with udp(first) as one, udp(second) as two, trio.open_nursery() as nursery:
        watching = Watch([trunk(route(one), route(two, "backup"))], told)
        nursery.start_soon(watching.run)
        await trio.sleep(15)
        first.respond = silent
        await trio.sleep(20)
        assert watching.states()[0].active == "backup"
        first.respond = ok
        await trio.sleep(20)
        nursery.cancel_scope.cancel()
    switches = [(each.before, each.after, each.cause) for each in told.switches]
    assert switches == [("main", "backup", SwitchCause.FAILOVER), ("backup", "main", SwitchCause.FAILBACK)]
    # Each switch comes right after the change that it follows from, and that after its check.
    kinds = [type(each) for each in told.all]
    for at in (number for number, kind in enumerate(kinds) if kind is Switch):
        assert kinds[at - 2 : at + 1] == [Check, Change, Switch]


@pytest.mark.parametrize(
    ("refusals", "story"),
    [
        ((), ["main degraded", "backup healthy"]),
        ((403, 503), ["main degraded", "backup healthy", "main unreachable", "failover to backup"]),
        (None, ["main degraded", "backup healthy", "main unreachable", "failover to backup"]),
    ],
)
async def test_calls_leave_a_route_that_takes_none_unless_the_rules_say_otherwise(
    refusals: tuple[int, ...] | None, story: list[str], clock: MockClock
) -> None:
    busy = Peer(lambda data: ok(data, status="503 Service Unavailable"))
    rules = Rules(interval=10.0, retry=2.0, timeout=1.0, misses=3)
    rules = rules if refusals is None else replace(rules, refusals=refusals)
    async with udp(busy) as one, udp(ok) as two:
        told = await watch([trunk(route(one), route(two, "backup"), rules=rules)], 30)
    assert sorted(told.story[:2]) == sorted(story[:2])
    assert told.story[2:] == story[2:]


async def test_who_asks_to_be_left_alone_is_and_calls_leave_it_at_once(clock: MockClock) -> None:
    """RFC 3261 §21.5.4: no request before Retry-After is over, and others go elsewhere."""
    peer, told = Peer(lambda data: ok(data, "Retry-After: 25", status="503 Service Unavailable")), Told()
    rules = Rules(interval=10.0, retry=2.0, timeout=1.0, misses=3)
    async with udp(peer) as one, udp(ok) as two, trio.open_nursery() as nursery:
        nursery.start_soon(Watch([trunk(route(one), route(two, "backup"), rules=rules)], told).run)
        await trio.sleep(20)
        assert [each.reason for each in told.checks if each.route == "main"] == ["maintenance"]
        peer.respond = ok
        await trio.sleep(20)
        nursery.cancel_scope.cancel()
    assert sorted(told.story[:3]) == ["backup healthy", "failover to backup", "main unreachable"]
    assert told.story[3:] == ["main healthy", "failback to main"]
    first, second, third = [at for at, each in told.timed if isinstance(each, Check) and each.route == "main"][:3]
    assert second - first == pytest.approx(25.0, abs=0.5)
    assert third - second == pytest.approx(2.0, abs=0.5)  # it is coming up


async def test_once(clock: MockClock) -> None:
    async with udp(ok) as port, udp(silent) as other:
        told = await once([trunk(route(port), route(other, "backup")), trunk(route(port), name="other")])
    assert sorted((each.trunk, each.route, each.verdict.value) for each in told.checks) == [
        ("acme", "backup", "silent"),
        ("acme", "main", "good"),
        ("other", "main", "good"),
    ]


# Connections


async def test_a_connection_is_kept_between_checks(clock: MockClock) -> None:
    accepted = 0

    async def serve(stream: trio.abc.Stream) -> None:
        nonlocal accepted
        accepted += 1
        await saying(ok)(stream)

    async with tcp(serve) as port:
        told = await watch([trunk(route(port, scheme="tcp"))], 45)
    assert (len(told.checks), accepted) == (5, 1)
    assert told.story == ["main healthy"]


async def test_a_connection_that_the_peer_has_closed_is_opened_anew(clock: MockClock) -> None:
    async def answer_once(stream: trio.abc.Stream) -> None:
        await stream.send_all(ok(bytes(await stream.receive_some())))
        await trio.sleep(0.5)
        await stream.aclose()

    async with tcp(answer_once) as port:
        told = await watch([trunk(route(port, scheme="tcp"))], 35)
    assert [each.verdict for each in told.checks] == [Verdict.GOOD] * 4


async def test_a_connection_is_not_kept_for_longer_than_translators_do(clock: MockClock) -> None:
    """One that has been forgotten on the way would be taken for a route that is silent."""
    accepted = 0

    async def serve(stream: trio.abc.Stream) -> None:
        nonlocal accepted
        accepted += 1
        with trio.move_on_after(200):
            await saying(ok)(stream)
        await trio.sleep_forever()  # it takes what comes, and says nothing

    async with tcp(serve) as port:
        told = await watch([trunk(route(port, scheme="tcp"), rules=Rules(interval=250))], 800)
    assert [each.verdict for each in told.checks] == [Verdict.GOOD] * 4
    assert accepted == 4


async def test_a_connection_over_which_nothing_comes_any_more_is_given_up(clock: MockClock) -> None:
    async def answer_once(stream: trio.abc.Stream) -> None:
        await stream.send_all(ok(bytes(await stream.receive_some())))
        async for _ in stream:
            pass

    async with tcp(answer_once) as port:
        told = await watch([trunk(route(port, scheme="tcp"))], 25)
    # A translator on the way that forgets connections is no failure of the route.
    assert told.story == ["main healthy"]
    assert [(each.verdict, each.reason, "over a new connection" in each.detail) for each in told.checks] == [
        (Verdict.GOOD, "answered", False),
        (Verdict.GOOD, "answered", True),
        (Verdict.GOOD, "answered", True),
    ]


async def test_what_is_silent_over_a_new_connection_as_well_is_silent(clock: MockClock) -> None:
    peer, accepted = Peer(), 0

    async def serve(stream: trio.abc.Stream) -> None:
        nonlocal accepted
        accepted += 1
        async for data in stream:
            if (answer := peer(bytes(data))) is not None:
                await stream.send_all(answer)

    told = Told()
    async with tcp(serve) as port, trio.open_nursery() as nursery:
        nursery.start_soon(Watch([trunk(route(port, scheme="tcp"))], told).run)
        await trio.sleep(5)
        peer.respond = silent
        await trio.sleep(20)
        nursery.cancel_scope.cancel()
    assert [each.verdict for each in told.checks] == [Verdict.GOOD, *[Verdict.SILENT] * 3]
    assert told.story == ["main healthy", "main degraded", "main unreachable", "failover to None"]
    assert (len(peer.asked), accepted) == (5, 4)  # only what was kept is asked again


# Bounds, and what goes wrong here


async def test_no_more_checks_than_allowed_are_under_way(clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    going = most = 0
    ask = Checks._ask

    async def counted(self: Checks, subject: Subject, of: Route) -> Check:
        nonlocal going, most
        going += 1
        most = max(most, going)
        try:
            return await ask(self, subject, of)
        finally:
            going -= 1

    monkeypatch.setattr(Checks, "_ask", counted)
    async with udp(silent) as port:
        trunks = [trunk(*(route(port, f"r{number}") for number in range(12)))]
        told = await once(trunks, WatchConfig(at_once=5))
    assert (most, len(told.checks)) == (5, 12)


async def test_a_check_that_overruns_its_interval_is_not_begun_twice(clock: MockClock) -> None:
    rules = Rules(interval=1.0, retry=1.0, timeout=3.5)
    peer = Peer(silent)
    async with udp(peer) as port:
        told = await watch([trunk(route(port), rules=rules)], 12.2)
    assert told.seconds(is_check) == pytest.approx([3.6, 7.6, 11.6], abs=0.6)


async def test_an_answer_that_comes_too_late_answers_no_later_check(clock: MockClock) -> None:
    rules = Rules(interval=1.0, retry=1.0, timeout=0.9)
    async with udp(ok, delay=1.3) as port:
        told = await watch([trunk(route(port), rules=rules)], 6)
    assert {each.verdict for each in told.checks} == {Verdict.SILENT}
    assert len(told.checks) >= 4


async def test_nothing_follows_from_silence_while_this_program_was_stopped(clock: MockClock) -> None:
    """The clock goes on by a minute before the check has its next turn, as after SIGSTOP; so does the schedule."""
    peer, told = Peer(), Told()
    async with udp(peer) as port, trio.open_nursery() as nursery:
        nursery.start_soon(Watch([trunk(route(port))], told).run)
        await trio.sleep(5)
        peer.respond = silent
        await trio.sleep(5.5)
        clock.jump(60.0)
        await trio.sleep(0.3)
        assert [(each.verdict, each.reason) for each in told.checks] == [
            (Verdict.GOOD, "answered"),
            (Verdict.OWN, "own"),
        ]
        peer.respond = ok
        await trio.sleep(25)
        nursery.cancel_scope.cancel()
    assert told.story == ["main healthy"]
    assert len(told.checks) <= 5  # what was missed is not made up for


@pytest.fixture
def mistaken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Routes whose checks meet with a mistake of this program."""
    routes: list[str] = []
    ask = Checks._ask

    async def mistake(self: Checks, subject: Subject, of: Route) -> Check:
        if of.name in routes:
            raise Injected("a mistake")
        return await ask(self, subject, of)

    monkeypatch.setattr(Checks, "_ask", mistake)
    return routes


async def test_a_mistake_costs_one_check(
    mistaken: list[str], clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    mistaken.append("main")
    async with udp(ok) as port:
        told = await watch([trunk(route(port), route(port, "backup"))], 25)
    own = [each for each in told.checks if each.verdict is Verdict.OWN]
    assert {(each.route, each.reason, each.detail) for each in own} == {("main", "own", own_fault().message)}
    assert len(own) == 3
    assert told.story == ["backup healthy"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]  # once, with its traceback
    assert "route main of trunk acme" in caplog.text


@pytest.mark.parametrize("kind", [Check, Change])
@pytest.mark.parametrize("begin", [Watch.run, Watch.check_once])
async def test_what_tell_raises_ends_it(
    begin: Callable[[Watch], Awaitable[None]], kind: type, clock: MockClock
) -> None:
    class Full(Exception):
        pass

    def tell(happening: Happening) -> None:
        if isinstance(happening, kind):
            raise Full

    async with udp(ok) as port, udp(silent) as other:
        watching = Watch([trunk(route(port), route(other, "backup"))], tell)
        with pytest.raises(Full):
            await begin(watching)


async def test_what_tell_does_to_the_watch_is_told_behind(clock: MockClock) -> None:
    told: list[Happening] = []

    def tell(happening: Happening) -> None:
        if isinstance(happening, Check) and not told:
            watching.switch("acme", "backup")
        told.append(happening)

    async with udp(ok) as port:
        watching = Watch([trunk(route(port), route(port, "backup"))], tell)
        await watching.check_once()
    assert [type(each) for each in told[:3]] == [Check, Change, Switch]


async def test_switching_by_hand() -> None:
    told = Told()
    watching = Watch([trunk(route(5060), route(5062, "backup"))], told)
    watching.switch("acme", "backup")
    assert [(each.after, each.cause) for each in told.switches] == [("backup", SwitchCause.BY_HAND)]
    for names in (("acme", "none"), ("none", "main")):
        with pytest.raises(WatchError, match="take"):
            watching.switch(*names)


async def test_what_was_known_holds_after_a_restart(clock: MockClock) -> None:
    """A route that has answered before is not merely unknown when it is silent."""
    peer = Peer()
    async with udp(peer) as port:
        before = await once([trunk(route(port))])
        peer.respond = silent
        told = Told()
        watching = Watch([trunk(route(port))], told)
        watching.restore(before.all)
        assert watching.states()[0].routes[0].health is Health.HEALTHY
        with trio.move_on_after(12):
            await watching.run()
    assert told.story == ["main degraded", "main unreachable", "failover to None"]


@pytest.mark.parametrize(
    ("made", "match"),
    [
        (lambda: Watch([trunk(route(1)), trunk(route(1))], print), "two trunks are named acme"),
        (lambda: Watch([], print, WatchConfig(at_once=0)), "give 1 or more"),
    ],
)
def test_what_cannot_be_watched(made: Callable[[], Watch], match: str) -> None:
    with pytest.raises(WatchError, match=match):
        made()


@pytest.mark.parametrize("begin", [Watch.run, Watch.check_once])
async def test_tls_that_cannot_be_used_is_told_at_once(begin: Callable[[Watch], Awaitable[None]]) -> None:
    unusable = route(5061, scheme="tls", tls=TlsConfig(ca_file="/nowhere"))
    with pytest.raises(WatchError, match="route main of trunk acme: the trusted roots of /nowhere cannot be read"):
        await begin(Watch([trunk(route(5060, "plain"), unusable)], print))
    # A route without TLS needs none.
    await Watch([trunk(route(free_port(), tls=TlsConfig(ca_file="/nowhere")))], Told()).check_once()


async def test_a_watch_runs_once_at_a_time(clock: MockClock) -> None:
    async with udp(ok) as port, trio.open_nursery() as nursery:
        watching = Watch([trunk(route(port))], Told())
        nursery.start_soon(watching.run)
        await trio.sleep(1)
        with pytest.raises(WatchError, match="runs already"):
            await watching.run()
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await trio.sleep(1)
            with trio.move_on_after(1):
                await watching.run()  # it has ended


async def test_no_trunks_at_all(clock: MockClock) -> None:
    assert (await watch([], 100)).all == []
    assert (await once([])).all == []


async def test_a_mistake_of_whoever_listens_ends_nothing(
    clock: MockClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def mistake(*_: object) -> None:
        raise Injected("a mistake")

    monkeypatch.setattr(Asker, "_received", mistake)
    async with udp(ok) as port:
        told = await watch([trunk(route(port))], 25)
    assert [each.verdict for each in told.checks] == [Verdict.GOOD] * 3
