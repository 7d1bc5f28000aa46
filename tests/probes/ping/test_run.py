"""Pings over real sockets, by a clock that jumps: loss, silence, connections that end, and names that change."""

from collections.abc import Callable, Iterable

import pytest
import trio
from trio.testing import MockClock

from probes.destination import Destination
from probes.ping import run as module
from probes.ping.results import Connected, Disconnected, Happening, Late, Ping, Renamed, Returned, Unnamed
from probes.ping.run import PingConfig, Pings
from probes.result import Reach
from sipcore.endpoint.endpoint import Endpoint
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.resolve.target import Hop, SocketAddress, Transport
from tests.probes.discovery.network import HOST, Respond, free_port, ok, saying, silent, tcp, udp

QUICK = PingConfig(interval=1.0, timeout=4.0, count=3)


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms."""
    return MockClock(autojump_threshold=0.05)


def dropping(*numbers: int) -> Respond:
    """A peer that does not get the datagrams with these numbers, counted from 1."""
    came = iter(range(1, 1_000_000))
    return lambda data: None if next(came) in numbers else ok(data)


async def ping(target: str, config: PingConfig = QUICK) -> tuple[Pings, list[Happening]]:
    told: list[Happening] = []
    pings = Pings(Destination.parse(target), config, told.append)
    await pings.run()
    return pings, told


def pings_in(told: Iterable[Happening]) -> list[Ping]:
    return [each for each in told if isinstance(each, Ping)]


async def test_answers(clock: MockClock) -> None:
    async with udp(ok) as port:
        pings, told = await ping(f"{HOST}:{port}")
    assert [(each.number, each.is_answered, each.source) for each in pings_in(told)] == [
        (number, True, SocketAddress(HOST, port)) for number in (1, 2, 3)
    ]
    assert all(each.attempt.kernel_stamped and each.rtt is not None for each in pings_in(told))
    tally = pings.tally
    assert (tally.answered, tally.lost, tally.awaited, tally.statuses) == (3, 0, 0, ((200, "OK", 3),))
    assert tally.duration == pytest.approx(2.0, abs=0.1)


async def test_a_datagram_that_is_lost_is_told(clock: MockClock) -> None:
    async with udp(dropping(2)) as port:
        pings, told = await ping(f"{HOST}:{port}")
    first, second, third = pings_in(told)
    assert [each.attempt.retransmissions for each in (first, second, third)] == [0, 1, 0]
    assert second.rtt is None
    assert second.took == pytest.approx(0.5, abs=0.1)  # Timer E
    tally = pings.tally
    assert (tally.lost, tally.repeated, tally.retransmissions) == (0, 1, 1)
    assert tally.round_trips is not None
    assert (tally.round_trips.count, tally.round_trips.most < 0.1) == (2, True)


async def test_silence(clock: MockClock) -> None:
    """Pings go on while others are waited for, and each is given its time."""
    async with udp(silent) as port:
        pings, told = await ping(f"{HOST}:{port}")
    assert [each.attempt.reach for each in pings_in(told)] == [Reach.NO_ANSWER] * 3
    assert [each.attempt.retransmissions for each in pings_in(told)] == [3, 3, 3]
    assert pings.tally.duration == pytest.approx(6.0, abs=0.3)
    assert pings.tally.advice


async def test_a_closed_port(clock: MockClock) -> None:
    _, told = await ping(f"{HOST}:{free_port()}")
    assert [each.attempt.reach for each in pings_in(told)] == [Reach.REFUSED] * 3


async def test_what_answers_is_not_sip(clock: MockClock) -> None:
    async with udp(lambda _: b"HTTP/1.0 400 Bad Request\r\n\r\n") as port:
        _, told = await ping(f"{HOST}:{port}")
    assert [each.attempt.reach for each in pings_in(told)] == [Reach.NOT_SIP] * 3


async def test_a_server_that_goes_away_and_comes_back(clock: MockClock) -> None:
    up = True

    async def come_and_go() -> None:
        nonlocal up
        await trio.sleep(2.5)
        up = False
        await trio.sleep(10)
        up = True

    async with udp(lambda data: ok(data) if up else None) as port, trio.open_nursery() as nursery:
        nursery.start_soon(come_and_go)
        pings, told = await ping(f"{HOST}:{port}", PingConfig(count=20))
    back = [each for each in told if isinstance(each, Returned)]
    assert len(back) == 1
    assert back[0].lost >= 5
    assert pings.tally.lost + pings.tally.answered == 20


async def test_an_answer_that_comes_too_late(clock: MockClock) -> None:
    async with udp(ok, delay=1.5) as port:
        pings, told = await ping(f"{HOST}:{port}", PingConfig(interval=3, timeout=1, count=2))
    late = [each for each in told if isinstance(each, Late)]
    assert [each.number for each in late][:1] == [1]
    assert late[0].seconds == pytest.approx(1.5, abs=0.2)
    assert (pings.tally.lost, pings.tally.late) == (2, len(late))


async def test_answers_that_come_again_answer_no_other_ping(clock: MockClock) -> None:
    """Each request of a ping is answered, long after it was given up: the pings behind it are lost all the same."""
    async with udp(ok, delay=1.5) as port:
        pings, told = await ping(f"{HOST}:{port}", PingConfig(interval=0.5, timeout=1, count=6))
    assert [each.is_answered for each in pings_in(told)] == [False] * 6
    late = [each.number for each in told if isinstance(each, Late)]
    assert late == sorted(set(late))
    assert late[0] == 1
    assert pings.tally.lost == 6


async def test_an_answer_that_comes_twice_answers_one_ping(clock: MockClock) -> None:
    """The second time when the next ping, which is lost, is under way."""
    came: dict[bytes, bytes] = {}

    def respond(data: bytes) -> bytes | None:
        call = next(line for line in data.split(b"\r\n") if line.startswith(b"Call-ID"))
        came.setdefault(call, data)
        return ok(next(iter(came.values())))  # whatever is asked, the first request is answered

    async with udp(respond) as port:
        _, told = await ping(f"{HOST}:{port}", PingConfig(interval=1, timeout=3, count=3))
    assert [each.is_answered for each in pings_in(told)] == [True, False, False]
    assert not any(isinstance(each, Late) for each in told)


async def test_the_beginning_of_an_answer_is_no_silence(clock: MockClock) -> None:
    async with tcp(saying(lambda data: ok(data)[:40])) as port:
        pings, told = await ping(f"tcp://{HOST}:{port}", PingConfig(count=1))
    (attempt,) = (each.attempt for each in pings_in(told))
    assert attempt.reach is Reach.NOT_SIP
    assert attempt.detail.startswith("the answer has no end: 40 bytes came")
    assert pings.tally.reaches == ((Reach.NOT_SIP, 1),)


async def test_a_connection_is_kept(clock: MockClock) -> None:
    async with tcp(saying(ok)) as port:
        pings, told = await ping(f"tcp://{HOST}:{port}")
    connected = [each for each in told if not isinstance(each, Ping)]
    assert [type(each) for each in connected] == [Connected]
    assert isinstance(connected[0], Connected)
    assert (connected[0].again, connected[0].seconds is not None) == (False, True)
    assert (pings.tally.answered, pings.tally.connections, pings.tally.disconnections) == (3, 1, 0)


async def test_a_connection_that_ends_is_opened_again_and_told(clock: MockClock) -> None:
    async def answer_once(stream: trio.abc.Stream) -> None:
        data = await stream.receive_some()
        await stream.send_all(ok(bytes(data)))
        await trio.sleep(0.5)
        await stream.aclose()

    async with tcp(answer_once) as port:
        pings, told = await ping(f"tcp://{HOST}:{port}")
    assert [type(each) for each in told][:5] == [Connected, Ping, Disconnected, Connected, Ping]
    assert [each.again for each in told if isinstance(each, Connected)] == [False, True, True]
    ended = next(each for each in told if isinstance(each, Disconnected))
    assert ended.why == "the peer closed the connection"
    assert (pings.tally.answered, pings.tally.connections) == (3, 3)


async def test_a_connection_over_which_nothing_comes_is_open_but_silent(clock: MockClock) -> None:
    """It was opened by another ping, so that this one has not seen how."""
    answers = iter([ok])

    def respond(data: bytes) -> bytes | None:
        answer = next(answers, None)
        return answer(data) if answer else None

    async with tcp(saying(respond)) as port:
        _, told = await ping(f"tcp://{HOST}:{port}", PingConfig(count=2))
    assert [each.attempt.reach for each in pings_in(told)] == [Reach.ANSWERED, Reach.SILENT]


async def test_a_connection_over_which_nothing_comes_any_more_is_given_up(clock: MockClock) -> None:
    """As after a firewall has forgotten it: the kernel would repeat what it sends for a quarter of an hour."""

    async def answer_once(stream: trio.abc.Stream) -> None:
        data = await stream.receive_some()
        await stream.send_all(ok(bytes(data)))
        while await stream.receive_some():
            pass

    async with tcp(answer_once) as port:
        pings, told = await ping(f"tcp://{HOST}:{port}", PingConfig(interval=5.0, count=4))
    assert [each.is_answered for each in pings_in(told)] == [True, False, True, False]
    assert "given up here" in next(each.why for each in told if isinstance(each, Disconnected))
    assert (pings.tally.connections, pings.tally.disconnections) == (2, 2)
    assert pings._left == set()


async def test_a_connection_over_which_others_are_answered_is_kept(clock: MockClock) -> None:
    came = iter(range(1, 100))

    async with tcp(saying(lambda data: None if next(came) == 2 else ok(data))) as port:
        pings, told = await ping(f"tcp://{HOST}:{port}", PingConfig(interval=1.0, count=8))
    assert [each.number for each in pings_in(told) if not each.is_answered] == [2]
    assert (pings.tally.connections, pings.tally.disconnections) == (1, 0)


@pytest.fixture
def hops(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What DNS says, one after the other; the last one stays."""

    def say(*answers: list[Hop] | None) -> None:
        left = list(answers)

        async def locate(_: Destination, __: Endpoint) -> list[Hop]:
            found = left.pop(0) if len(left) > 1 else left[0]
            if found is None:
                raise TransportFailure(FailureReason.UNRESOLVABLE, "no address")
            return found

        monkeypatch.setattr(module, "locate", locate)

    return say


def at(port: int) -> Hop:
    return Hop(Transport.UDP, SocketAddress(HOST, port))


async def test_dns_names_another_place(hops: Callable[..., None], clock: MockClock) -> None:
    async with udp(ok) as first, udp(ok) as second:
        hops([at(first)], [at(second)])
        pings, told = await ping("sip.test", PingConfig(count=9))
    changes = [each for each in told if isinstance(each, Renamed)]
    assert [(each.came, each.went) for each in changes] == [((at(second),), (at(first),))]
    assert {each.source for each in pings_in(told)} == {SocketAddress(HOST, first), SocketAddress(HOST, second)}
    assert pings.tally.answered == 9


async def test_dns_that_fails_meanwhile_is_told_once_and_changes_nothing(
    hops: Callable[..., None], clock: MockClock
) -> None:
    async with udp(ok) as port:
        hops([at(port)], None, None, [at(port)])
        pings, told = await ping("sip.test", PingConfig(count=20))
    assert [each.why for each in told if isinstance(each, Unnamed)] == ["no address", ""]
    assert pings.tally.answered == 20


async def test_dns_that_fails_at_the_beginning(hops: Callable[..., None], clock: MockClock) -> None:
    hops(None)
    with pytest.raises(TransportFailure):
        await ping("sip.test")


async def test_the_next_place_has_its_turn_when_one_is_silent(hops: Callable[..., None], clock: MockClock) -> None:
    async with udp(silent) as dead, udp(ok) as alive:
        hops([at(dead), at(alive)])
        pings, told = await ping("sip.test", PingConfig(interval=5, count=3))
    assert [each.is_answered for each in pings_in(told)] == [False, True, True]
    assert len(pings.tally.places) == 2


async def test_every_place_each_time(hops: Callable[..., None], clock: MockClock) -> None:
    async with udp(silent) as dead, udp(ok) as alive:
        hops([at(dead), at(alive)])
        pings, _ = await ping("sip.test", PingConfig(interval=5, count=3, every_place=True))
    assert sorted((each.answered, each.lost) for each in pings.tally.places) == [(0, 3), (3, 0)]


async def test_who_is_cancelled_leaves_a_sum(clock: MockClock) -> None:
    async with udp(silent) as port:
        pings = Pings(Destination.parse(f"{HOST}:{port}"), PingConfig(), lambda _: None)
        with trio.move_on_after(2.5):
            await pings.run()
    tally = pings.tally
    assert (tally.answered, tally.lost, tally.awaited) == (0, 0, 3)
    assert tally.duration == pytest.approx(2.5, abs=0.1)


async def test_who_was_stopped_makes_up_for_nothing(clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with Ctrl-Z: a burst of all that was left out would tell nothing."""

    def respond(data: bytes) -> bytes:
        if clock.current_time() < 10:
            clock.jump(100.0)
        return ok(data)

    async with udp(respond) as port:
        pings, _ = await ping(f"{HOST}:{port}", PingConfig(count=3))
    assert pings.tally.duration == pytest.approx(101.0, abs=0.2)


async def test_what_came_while_this_side_was_stopped_is_an_answer(clock: MockClock) -> None:
    """Its time is over when it goes on; the answer lies there nevertheless, and was not late."""

    def respond(data: bytes) -> bytes:
        if clock.current_time() < 10:
            clock.jump(20.0)
        return ok(data)

    async with udp(respond) as port:
        pings, told = await ping(f"{HOST}:{port}", PingConfig(count=3))
    assert [each.is_answered for each in pings_in(told)] == [True, True, True]
    assert pings.tally.late == 0


async def test_what_is_kept_of_silence_has_an_end(clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_OVER", 5)
    async with udp(silent) as port:
        pings, _ = await ping(f"{HOST}:{port}", PingConfig(interval=1, timeout=1, count=20))
    assert (len(pings._over), pings._asked, pings._flows) == (5, {}, {})


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (PingConfig(interval=0), "above 0"),
        (PingConfig(timeout=float("inf")), "above 0"),
        (PingConfig(interval=0.1, timeout=32, every_place=True), "5120 pings would be under way at once"),
        (PingConfig(count=0), "count is 1 or more, not 0"),  # None is for ever
        (PingConfig(count=-1), "count is 1 or more, not -1"),
    ],
)
def test_a_configuration_that_cannot_be_used(config: PingConfig, told: str) -> None:
    with pytest.raises(LocalError, match=told):
        Pings(Destination.parse(HOST), config, lambda _: None)
