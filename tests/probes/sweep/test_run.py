"""Sweeps over loopback: every manner of host, each of which is told once, and books that balance."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from probes.product import PRODUCT
from probes.result import Reach
from probes.sweep import run
from probes.sweep.answers import REFLECTED
from probes.sweep.found import Found
from probes.sweep.match import NOT_FITTING, Matcher
from probes.sweep.order import Shuffle, State
from probes.sweep.pace import MAX_RATE
from probes.sweep.ranges import Range, Targets
from probes.sweep.run import Sweep, SweepConfig
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.resolve.target import Hop, SocketAddress
from sipcore.transports.udp import UdpSocket
from tests.machine import needs_ipv6
from tests.probes.discovery.network import free_port, ok
from tests.probes.sweep.hosts import hosts

RATE = 5000.0
HOSTS = "127.0.0.0/28"


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms: no test waits for its timeouts."""
    return MockClock(autojump_threshold=0.05)


class Swept:
    """A sweep that has run, and what it told."""

    def __init__(self, port: int, *ranges: str, state: State | None = None, deadline: float = 4.0) -> None:
        self.told: list[Found] = []
        self.targets = Targets(map(Range.parse, ranges or (HOSTS,)), [port])
        state = state or State("", 1)
        config = SweepConfig(RATE, deadline, state.seed, state.index, state.done)
        self.sweep = Sweep(self.targets, config, self.told.append)

    async def run(self) -> "Swept":
        with trio.fail_after(60):
            await self.sweep.run()
        tally = self.sweep.tally
        assert tally.asked == tally.answered + tally.not_sip + tally.refused + tally.silent == tally.places
        assert len(self.told) == len({found.remote for found in self.told}) == tally.asked - tally.silent
        assert tally.done == tally.places
        return self

    @property
    def only(self) -> Found:
        (found,) = self.told
        return found


async def test_every_host_that_answers_is_told(clock: MockClock) -> None:
    seen: list[tuple[bytes, str]] = []

    def respond(data: bytes, host: str) -> bytes:
        seen.append((data, host))
        return ok(data, "Server: kamailio (5.6.3 (x86_64/linux))")

    async with hosts(respond) as port:
        swept = await Swept(port).run()
    assert sorted(found.remote.host for found in swept.told) == sorted(f"127.0.0.{number}" for number in range(16))
    assert len(seen) == 16
    for data, host in seen:
        request = parse_message(data)
        assert isinstance(request, Request)
        assert (request.uri_text, request.headers.get("User-Agent")) == (f"sip:{host}:{port}", PRODUCT)
    for found in swept.told:
        assert (found.reach, found.status, found.reason, found.requests) == (Reach.ANSWERED, 200, "OK", 1)
        assert (found.banner, found.kind, found.detail) == ("kamailio (5.6.3 (x86_64/linux))", 0, "")
        assert found.rtt is not None
    (kind,) = swept.sweep.kinds()
    assert (kind.places, kind.system and kind.system.product) == (16, "Kamailio")


async def test_lost_requests_are_repeated(clock: MockClock) -> None:
    met: dict[str, list[bytes]] = {}

    def respond(data: bytes, host: str) -> bytes | None:
        met.setdefault(host, []).append(data)
        return ok(data) if len(met[host]) > int(host.rpartition(".")[2]) else None

    async with hosts(respond) as port:
        swept = await Swept(port, "127.0.0.0-127.0.0.4").run()
    assert {found.remote.host: found.requests for found in swept.told} == {f"127.0.0.{n}": n + 1 for n in range(4)}
    assert all((found.rtt is None) == (found.requests > 1) for found in swept.told)
    assert all(len(set(requests)) == 1 for requests in met.values())
    tally = swept.sweep.tally
    assert (tally.answered, tally.silent, tally.retransmitted) == (4, 1, 0 + 1 + 2 + 3 + 3)


async def test_a_buffer_that_the_kernel_does_not_grant_is_told(
    clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Datagrams are lost sooner then: whoever lowers the rate for that may raise the limit as well."""
    assert (await Swept(1, "127.0.0.1").run()).sweep.tally.lost == 0
    monkeypatch.setattr(run, "RECEIVE_BUFFER", 2**30)
    tally = (await Swept(1, "127.0.0.1").run()).sweep.tally
    if not tally.short_of_buffer:
        pytest.skip("the kernel grants any buffer here")
    assert "of 1073741824" not in tally.short_of_buffer
    assert "and 1073741824 were asked for" in tally.short_of_buffer


async def test_nothing_listens(clock: MockClock) -> None:
    swept = await Swept(free_port(), "127.0.0.1").run()
    assert swept.only.reach is Reach.REFUSED
    assert swept.only.detail == "ICMP: port unreachable: nothing listens there"
    assert swept.sweep.tally.refused == 1


@pytest.mark.parametrize(
    ("said", "reach", "status", "detail"),
    [
        (lambda data: ok(data, status="503 Not Now"), Reach.ANSWERED, 503, ""),
        (lambda data: ok(data).replace(b"z9hG4bK", b"z9hG4bKx"), Reach.ANSWERED, 200, NOT_FITTING),
        (lambda data: b"HTTP/1.1 400 Bad Request\r\n\r\n", Reach.NOT_SIP, None, "28 bytes: HTTP/1.1 400 Bad Request"),
        (lambda data: data, Reach.NOT_SIP, None, REFLECTED),
        (lambda data: ok(data, status="180 Ringing"), Reach.ANSWERED, None, "only a provisional answer came"),
        (lambda data: [ok(data, status="100 Trying"), ok(data)], Reach.ANSWERED, 200, ""),
    ],
)
async def test_a_manner_of_answering(clock: MockClock, said: object, reach: Reach, status: int, detail: str) -> None:
    assert callable(said)
    async with hosts(lambda data, _: said(data)) as port:
        swept = await Swept(port, "127.0.0.7").run()
    found = swept.only
    assert (found.reach, found.status, found.detail) == (reach, status, detail)
    assert found.remote == SocketAddress("127.0.0.7", port)


async def test_answers_come_twice_and_from_elsewhere(clock: MockClock) -> None:
    def respond(data: bytes, _: str) -> Iterable[bytes]:
        return [ok(data)] * 3

    async with hosts(respond, answering_from="127.0.0.99") as port:
        swept = await Swept(port, "127.0.0.7-8").run()
    assert {found.elsewhere for found in swept.told} == {SocketAddress("127.0.0.99", port)}
    assert {found.remote.host for found in swept.told} == {"127.0.0.7", "127.0.0.8"}
    tally = swept.sweep.tally
    # The sweep ends with the last first answer, and need not take what comes after it.
    assert (tally.answered, tally.elsewhere) == (2, 2)
    assert 2 <= tally.duplicated <= 4


@asynccontextmanager
async def answering_after(seconds: float) -> AsyncIterator[int]:
    """The port of a host, 127.0.0.1, that takes its time."""

    async def answer(data: bytes, remote: tuple[object, ...]) -> None:
        await trio.sleep(seconds)
        await sock.sendto(ok(data), remote)

    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("127.0.0.1", 0))
        async with trio.open_nursery() as nursery:

            async def serve() -> None:
                while True:
                    nursery.start_soon(answer, *await sock.recvfrom(65535))

            nursery.start_soon(serve)
            yield sock.getsockname()[1]
            nursery.cancel_scope.cancel()


async def test_late_answers_are_told_as_such(clock: MockClock) -> None:
    """Something else is waited for when the answer comes: the rate lets the second place be asked after 2 s."""
    told: list[Found] = []
    async with answering_after(1.0) as port:
        targets = Targets([Range.parse("127.0.0.1"), Range.parse("127.0.0.255")], [port])
        first = next(seed for seed in range(99) if _first(targets, seed) == "127.0.0.1")
        sweep = Sweep(targets, SweepConfig(0.5, 0.5, first), told.append)
        await sweep.run()
    late = next(found for found in told if found.remote.host == "127.0.0.1")
    assert (late.reach, late.is_late) == (Reach.ANSWERED, True)
    assert sweep.tally.late == 1


async def test_answers_of_those_asked_last_may_be_late_too(clock: MockClock) -> None:
    async with answering_after(0.6) as port:
        swept = await Swept(port, "127.0.0.1", deadline=0.5).run()
    assert (swept.only.is_late, swept.sweep.tally.late, swept.sweep.tally.silent) == (True, 1, 0)


def _first(targets: Targets, seed: int) -> str:
    """The place that is asked first."""
    return Matcher(targets, Shuffle(targets.count, seed), b"").place(0).host


async def test_what_strangers_send_is_counted_and_no_more(clock: MockClock) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as stranger:
        await stranger.bind(("127.0.0.1", 0))
        sent: list[bytes] = []

        async def meddle(data: bytes) -> None:
            request = parse_message(data)
            assert isinstance(request, Request)
            for said in (b"", b"nonsense", b"SIP/2.0 200 OK\r\n\r\n"):
                await stranger.sendto(b"%s-" % said, ("127.0.0.1", request.via.port))

        async with trio.open_nursery() as nursery:

            def respond(data: bytes, _: str) -> None:
                if not sent:
                    sent.append(data)
                    nursery.start_soon(meddle, data)

            async with hosts(respond) as port:
                swept = await Swept(port, "127.0.0.7", deadline=1.0).run()
    assert swept.told == []
    assert (swept.sweep.tally.strangers, swept.sweep.tally.silent) == (3, 1)


async def test_a_sweep_is_stopped_and_resumed(clock: MockClock) -> None:
    """What answered, or was refused, before it was stopped is not asked again; what was waited for is."""
    asked: list[str] = []
    silent: set[str] = {f"127.0.0.{number}" for number in range(0, 16, 3)}

    def respond(data: bytes, host: str) -> bytes | None:
        asked.append(host)
        return None if host in silent else ok(data)

    async with hosts(respond) as port:
        first = Swept(port)
        with trio.move_on_after(1.0):
            await first.run()
        state = first.sweep.state
        assert (state.seed, state.targets) == (1, first.targets.digest)
        told = {found.remote.host for found in first.told}
        assert told == {f"127.0.0.{number}" for number in range(16)} - silent
        assert first.sweep.tally.done == len(told) == state.count
        asked.clear()
        second = await Swept(port, state=state, deadline=0.1).run()
    assert sorted(asked) == sorted(silent)
    assert (second.told, second.sweep.tally.places, second.sweep.tally.silent) == ([], len(silent), len(silent))


async def test_nothing_is_left_to_do(clock: MockClock) -> None:
    async with hosts(lambda data, host: ok(data)) as port:
        first = await Swept(port).run()
        second = await Swept(port, state=first.sweep.state).run()
        third = await Swept(port, state=State("", 1, 0, b"\xff\xff")).run()
    assert (second.sweep.tally.asked, third.sweep.tally.asked) == (0, 0)


async def test_a_broadcast_address_is_told_as_forbidden(clock: MockClock) -> None:
    """The kernel knows which one is its networks', and lets nobody send there who has not asked for it."""
    swept = await Swept(free_port(), "127.255.255.254-127.255.255.255").run()
    assert {found.remote.host: found.reach for found in swept.told} == {
        "127.255.255.254": Reach.REFUSED,
        "127.255.255.255": Reach.UNREACHABLE,
    }
    with pytest.raises(TransportFailure, match="or it is a broadcast address"):
        await Swept(5060, "127.255.255.255").sweep.run()


async def test_the_first_address_may_be_the_networks(clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_the_first(hop: Hop) -> str:
        if hop.remote.host == "127.0.0.0":
            raise TransportFailure(FailureReason.PROHIBITED, "a firewall forbids it, or it is a broadcast address")
        return "127.0.0.1"

    monkeypatch.setattr(run, "route_host", not_the_first)
    async with hosts(lambda data, host: ok(data)) as port:
        assert (await Swept(port).run()).sweep.tally.answered == 16


@pytest.mark.parametrize("without", [[f"192.0.2.{2 * number}" for number in range(40)], ["192.0.2.0/24"]])
async def test_a_way_is_looked_for_beyond_the_first(
    without: list[str], clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine has a route to the last address alone; the others are told as unreachable, each by itself."""

    def only_the_last(hop: Hop) -> str:
        if hop.remote.host != "203.0.113.9":
            raise TransportFailure(FailureReason.UNREACHABLE, f"{hop}: no route to the network")
        return "127.0.0.1"

    def send(self: object, data: bytes, remote: SocketAddress) -> float:
        raise TransportFailure(FailureReason.UNREACHABLE, f"udp {remote}: no route to the network")

    monkeypatch.setattr(run, "route_host", only_the_last)
    monkeypatch.setattr(UdpSocket, "send", send)
    swept = await Swept(5060, *without, "203.0.113.9").run()
    assert len(swept.told) == swept.targets.count
    assert {found.detail for found in swept.told} == {"no route to the network"}


async def test_what_comes_from_a_place_that_was_not_asked_yet(clock: MockClock) -> None:
    """The second is asked after two seconds; what comes from there before is nobody's answer."""
    said: list[bytes] = []

    def respond(data: bytes, host: str) -> bytes | None:
        said.append(data)
        return b"nonsense" if len(said) == 1 else None

    targets = [Range.parse("127.0.0.1"), Range.parse("127.0.0.255")]
    async with hosts(respond, answering_from="127.0.0.255") as port:
        places = Targets(targets, [port])
        first = next(seed for seed in range(99) if _first(places, seed) == "127.0.0.1")
        told: list[Found] = []
        sweep = Sweep(places, SweepConfig(0.5, 0.1, first), told.append)
        await sweep.run()
    assert (told, sweep.tally.strangers, sweep.tally.silent) == ([], 1, 2)


async def test_an_answer_counts_more_than_a_refusal(clock: MockClock) -> None:
    """Somebody on the way said that nothing listens there, and was wrong."""

    def respond(data: bytes, host: str) -> bytes:
        swept.sweep.unreachable(SocketAddress(host, port), TransportFailure(FailureReason.REFUSED, "refused"))
        return ok(data)

    async with hosts(respond) as port:
        swept = Swept(port, "127.0.0.7-8")
        await swept.sweep.run()
    assert {found.reach for found in swept.told} == {Reach.REFUSED, Reach.ANSWERED}
    assert (swept.sweep.tally.answered, swept.sweep.tally.refused) == (2, 0)


async def test_as_fast_as_can_be(clock: MockClock) -> None:
    """More is due at once than is sent before answers are looked at."""
    told: list[Found] = []
    async with hosts(lambda data, _: ok(data)) as port:
        sweep = Sweep(Targets([Range.parse("127.0.0.0/24")], [port]), SweepConfig(MAX_RATE), told.append)
        await sweep.run()
    assert len(told) == sweep.tally.answered == 256


@needs_ipv6
async def test_both_families_in_one_sweep(clock: MockClock) -> None:
    with trio.socket.socket(trio.socket.AF_INET6, trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("::1", 0))

        async def serve() -> None:
            while True:
                data, remote = await sock.recvfrom(65535)
                await sock.sendto(ok(data), remote)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            swept = await Swept(sock.getsockname()[1], "::1", "127.0.0.1").run()
            nursery.cancel_scope.cancel()
    reached = {found.remote.host: found.reach for found in swept.told}
    assert reached == {"::1": Reach.ANSWERED, "127.0.0.1": Reach.REFUSED}


async def test_no_way_to_one_family(clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    def only_ipv4(hop: Hop) -> str:
        if hop.remote.is_ipv6:
            raise TransportFailure(FailureReason.UNREACHABLE, "no route to the network")
        return "127.0.0.1"

    monkeypatch.setattr(run, "route_host", only_ipv4)
    swept = await Swept(free_port(), "2001:db8::1", "127.0.0.1").run()
    assert {found.remote.host: found.reach for found in swept.told} == {
        "2001:db8::1": Reach.UNREACHABLE,
        "127.0.0.1": Reach.REFUSED,
    }
    with pytest.raises(TransportFailure, match="no route"):
        await Swept(5060, "2001:db8::1").sweep.run()


async def test_what_the_kernel_refuses_to_send(clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object, data: bytes, remote: SocketAddress) -> float:
        raise TransportFailure(FailureReason.PROHIBITED, f"udp {remote}: the local firewall forbids it")

    monkeypatch.setattr(UdpSocket, "send", refuse)
    swept = await Swept(5060, "127.0.0.7").run()
    assert (swept.only.reach, swept.only.detail) == (Reach.UNREACHABLE, "the local firewall forbids it")


@pytest.mark.parametrize("config", [SweepConfig(rate=0.0), SweepConfig(rate=1e9), SweepConfig(deadline=99.0)])
def test_what_cannot_be_swept(config: SweepConfig) -> None:
    with pytest.raises(LocalError):
        Sweep(Targets([Range.parse("127.0.0.1")], [5060]), config, lambda _: None)
