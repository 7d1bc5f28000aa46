"""Connections over real loopback sockets: framing, coalescing, keep-alive, idling, and peers that misbehave."""

import errno
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from sipcore.deviation import Deviation
from sipcore.errors import FailureReason, ParseError, TransportFailure
from sipcore.message.framing import MAX_HEAD
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.transports import connections, tcp
from sipcore.transports.base import TransportConfig, socket_address
from sipcore.transports.connections import Transports, open_transports
from tests.sipcore.transports.recorder import LOOPBACK, OK, OPTIONS, Recorder

TCP = Transport.TCP
LONG = 1e6


class Peer:
    """A plain TCP listener, and the streams of those who connected."""

    def __init__(self, listener: trio.SocketListener) -> None:
        self._listener = listener
        self.address = socket_address(listener.socket.getsockname())
        self.hop = Hop(TCP, self.address)

    async def accept(self) -> trio.SocketStream:
        with trio.fail_after(LONG):
            return await self._listener.accept()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    assert isinstance(listener, trio.SocketListener)
    async with listener:
        yield Peer(listener)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@asynccontextmanager
async def serving(recorder: Recorder, **options: float) -> AsyncIterator[tuple[Transports, SocketAddress]]:
    """Transports that listen on TCP, and where."""
    config = TransportConfig(bind=((TCP, LOOPBACK),), **options)  # type: ignore[arg-type]
    async with open_transports(config, recorder) as transports:
        address = transports.local_address(TCP)
        assert address is not None
        yield transports, address


async def connect(address: SocketAddress) -> trio.SocketStream:
    return await trio.open_tcp_stream(address.host, address.port)


async def receive_exactly(stream: trio.SocketStream, size: int) -> bytes:
    data = b""
    with trio.fail_after(LONG):
        while len(data) < size:
            chunk = await stream.receive_some(size - len(data))
            assert chunk, f"closed after {data!r}"
            data += chunk
    return data


async def test_request_and_response(recorder: Recorder) -> None:
    server = Recorder()
    async with serving(server) as (transports, address), open_transports(TransportConfig(), recorder) as client:
        server.answer_over = transports
        hop = await client.prepare(Hop(TCP, address, why="a test"))
        assert hop.local is not None
        client.send(hop, OPTIONS)
        response = await recorder.message()
        assert response.data == OK
        assert response.flow == Flow(TCP, hop.local, address, response.flow.serial)
        assert not response.stamp.kernel
        assert server.messages[0].data == OPTIONS
        assert server.messages[0].flow.remote == hop.local
        assert server.messages[0].notes == ()
    assert recorder.events() == ["opened", "closed"]
    assert server.events() == ["accepted", "closed"]
    assert recorder.ended == []


async def test_a_connection_is_reused(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        first = await client.prepare(peer.hop)
        assert client.prepared(peer.hop) == first
        assert await client.prepare(peer.hop) == first
        assert recorder.events() == ["opened"]


async def test_who_waits_at_once_shares_a_connection(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        hops: list[Hop] = []

        async def prepare() -> None:
            hops.append(await client.prepare(peer.hop))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(prepare)
        assert len(hops) == 5
        assert len({hop.local for hop in hops}) == 1
        assert recorder.events() == ["opened"]


async def test_one_who_gives_up_waiting_does_not_stop_the_others(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.prepare(peer.hop)
        hop = await client.prepare(peer.hop)
        assert hop.local is not None


async def test_what_is_sent_in_one_turn_leaves_together(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        hop = await client.prepare(peer.hop)
        for _ in range(100):
            client.send(hop, OPTIONS)
        async with await peer.accept() as stream:
            assert await stream.receive_some(1 << 20) == OPTIONS * 100


async def test_messages_may_come_in_pieces_and_together(recorder: Recorder) -> None:
    async with serving(recorder) as (_, address), await connect(address) as stream:
        data = OPTIONS * 3
        for begin in range(0, len(data), 50):
            await stream.send_all(data[begin : begin + 50])
            await trio.testing.wait_all_tasks_blocked()
        await recorder.message(3)
        assert [message.data for message in recorder.messages] == [OPTIONS] * 3


async def test_a_missing_length_is_noted(recorder: Recorder) -> None:
    async with serving(recorder) as (_, address), await connect(address) as stream:
        await stream.send_all(b"OPTIONS sip:a SIP/2.0\r\n\r\n")
        assert (await recorder.message()).notes == (Deviation.WITHOUT_LENGTH,)


async def test_a_ping_is_answered(recorder: Recorder) -> None:
    async with serving(recorder) as (_, address), await connect(address) as stream:
        await stream.send_all(b"\r\n\r\n")
        assert await receive_exactly(stream, 2) == b"\r\n"
        assert recorder.messages == []


async def flow_to(client: Transports, peer: Peer, recorder: Recorder) -> tuple[Flow, trio.SocketStream]:
    """A connection to a peer, known by a message that came over it."""
    await client.prepare(peer.hop)
    stream = await peer.accept()
    await stream.send_all(OPTIONS)
    return (await recorder.message()).flow, stream


async def test_an_answered_ping_keeps_the_connection(recorder: Recorder, peer: Peer, patient_clock: MockClock) -> None:
    recorder.patience = LONG
    async with open_transports(TransportConfig(), recorder) as client:
        flow, stream = await flow_to(client, peer, recorder)
        async with stream:
            client.ping(flow)
            client.ping(flow)
            assert await receive_exactly(stream, 8) == b"\r\n\r\n" * 2
            await stream.send_all(b"\r\n" * 2)
            await trio.sleep(2 * tcp.PONG_TIMEOUT)
            assert recorder.ended == []


async def test_an_unanswered_ping_ends_it(recorder: Recorder, peer: Peer, patient_clock: MockClock) -> None:
    recorder.patience = LONG
    async with open_transports(TransportConfig(), recorder) as client:
        flow, stream = await flow_to(client, peer, recorder)
        async with stream:
            begin = trio.current_time()
            client.ping(flow)
            ended, failure = await recorder.end()
            assert ended == flow
            assert (failure.reason, failure.section) == (FailureReason.TIMED_OUT, "RFC 5626 §4.4.1")
            assert trio.current_time() - begin == pytest.approx(tcp.PONG_TIMEOUT)
            with pytest.raises(TransportFailure, match="gone"):
                client.ping(flow)


async def test_an_idle_connection_is_closed(recorder: Recorder, peer: Peer, patient_clock: MockClock) -> None:
    recorder.patience = LONG
    async with open_transports(TransportConfig(idle_timeout=160.0), recorder) as client:
        begin = trio.current_time()
        flow, stream = await flow_to(client, peer, recorder)
        async with stream:
            await trio.sleep(100)
            client.send(flow, OPTIONS)
            ended, failure = await recorder.end()
            assert ended == flow
            assert failure.reason is FailureReason.CLOSED
            assert "idle for 160 s" in failure.message
            # It may be closed a sixteenth early, and counts from the last message.
            assert 250 <= trio.current_time() - begin <= 260
            assert recorder.events() == ["opened", "closed"]
            with pytest.raises(TransportFailure) as caught:
                client.send(flow, OPTIONS)
            assert caught.value.reason is FailureReason.CLOSED
            again = await client.prepare(peer.hop)
            assert again.local != flow.local


@pytest.mark.parametrize("begun", [OPTIONS[:-1], b"OPTIONS", OPTIONS.replace(b": 0", b": 9") + b"half"])
async def test_a_half_message_is_waited_for_so_long(recorder: Recorder, patient_clock: MockClock, begun: bytes) -> None:
    recorder.patience = LONG
    async with serving(recorder) as (_, address), await connect(address) as stream:
        await stream.send_all(OPTIONS + begun)
        begin = trio.current_time()
        _, failure = await recorder.end()
        assert failure.reason is FailureReason.TIMED_OUT
        assert "begun and not ended" in failure.message
        assert trio.current_time() - begin == pytest.approx(tcp.MESSAGE_TIMEOUT, abs=1)


async def test_trickling_does_not_help(recorder: Recorder, patient_clock: MockClock) -> None:
    recorder.patience = LONG

    async def trickle(stream: trio.SocketStream) -> None:
        for letter in b"OPTIONS sip:a SIP/2.0\r\n":
            await stream.send_all(bytes([letter]))
            await trio.sleep(tcp.MESSAGE_TIMEOUT / 4)

    async with serving(recorder) as (_, address), await connect(address) as stream:
        with pytest.raises(trio.BrokenResourceError):
            await trickle(stream)
        assert recorder.ended[0][1].reason is FailureReason.TIMED_OUT
        assert recorder.messages == []


async def test_whole_messages_in_between_do(recorder: Recorder, patient_clock: MockClock) -> None:
    recorder.patience = LONG
    async with serving(recorder) as (_, address), await connect(address) as stream:
        await stream.send_all(OPTIONS[:10])
        for _ in range(4):
            await trio.sleep(0.75 * tcp.MESSAGE_TIMEOUT)
            await stream.send_all(OPTIONS[10:] + OPTIONS[:10])
        await recorder.message(4)
        assert recorder.ended == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "an HTTP request"),
        (b"\x16\x03\x01\x00\xf0\x01", "a TLS handshake"),
        (b"hello\r\n", "not a SIP start line"),
        (b"OPTIONS sip:a SIP/2.0\r\nX: " + b"y" * MAX_HEAD, "header fields beyond"),
        (OPTIONS.replace(b": 0", b": 99999999"), "a body beyond"),
        (OPTIONS.replace(b": 0", b": zero"), "not a number"),
    ],
)
async def test_garbage_ends_the_connection_and_no_other(recorder: Recorder, data: bytes, words: str) -> None:
    async with serving(recorder) as (_, address), await connect(address) as good, await connect(address) as bad:
        await good.send_all(OPTIONS)
        await bad.send_all(data)
        _, failure = await recorder.end()
        assert failure.reason is FailureReason.GARBAGE
        assert words in failure.message
        assert isinstance(failure.__cause__, ParseError)
        await good.send_all(OPTIONS)
        await recorder.message(2)
        assert len(recorder.ended) == 1
        assert recorder.events().count("failed") == 1


async def test_messages_before_garbage_are_delivered(recorder: Recorder) -> None:
    async with serving(recorder) as (_, address), await connect(address) as stream:
        await stream.send_all(OPTIONS + b"\x00")
        await recorder.end()
        assert [message.data for message in recorder.messages] == [OPTIONS]


async def test_the_peer_closes(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        flow, stream = await flow_to(client, peer, recorder)
        await stream.aclose()
        assert (await recorder.end())[0] == flow
        assert recorder.ended[0][1].reason is FailureReason.CLOSED
        assert recorder.events() == ["opened", "closed"]


async def test_the_peer_closes_in_the_middle_of_a_message(recorder: Recorder) -> None:
    async with serving(recorder) as (_, address):
        async with await connect(address) as stream:
            await stream.send_all(OPTIONS[:20])
        _, failure = await recorder.end()
        assert "in the middle of a message" in failure.message


def reset(stream: trio.SocketStream) -> None:
    """Close with a RST instead of a FIN."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
    stream.socket.close()


async def test_the_peer_resets(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        _, stream = await flow_to(client, peer, recorder)
        reset(stream)
        _, failure = await recorder.end()
        assert failure.reason is FailureReason.RESET
        assert recorder.events() == ["opened", "failed"]


async def test_what_the_peer_said_before_it_reset_is_read(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        flow, stream = await flow_to(client, peer, recorder)
        await stream.send_all(OK)
        reset(stream)
        client.send(flow, OPTIONS)  # the writer meets the reset first
        await recorder.end()
        assert [message.data for message in recorder.messages] == [OPTIONS, OK]


async def test_a_peer_that_does_not_read_is_given_up(
    recorder: Recorder, peer: Peer, patient_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "MAX_QUEUE", 100_000)
    recorder.patience = LONG

    async def flood(client: Transports, flow: Flow) -> None:
        while True:
            client.send(flow, bytes(50_000))
            await trio.testing.wait_all_tasks_blocked()

    async with open_transports(TransportConfig(), recorder) as client:
        flow, stream = await flow_to(client, peer, recorder)
        async with stream:
            with pytest.raises(TransportFailure, match="too slowly") as caught:
                await flood(client, flow)
            assert caught.value.reason is FailureReason.TIMED_OUT
            assert recorder.ended == []
            begin = trio.current_time()
            _, failure = await recorder.end()
            assert failure.reason is FailureReason.TIMED_OUT
            assert "reads nothing" in failure.message
            assert trio.current_time() - begin == pytest.approx(tcp.WRITE_TIMEOUT, abs=1)


async def test_a_peer_that_reads_slowly_gets_everything(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        flow, stream = await flow_to(client, peer, recorder)
        sent = b""
        async with stream:
            for number in range(5000):
                data = b"%05d" % number * 4000
                try:
                    client.send(flow, data)
                except TransportFailure:
                    break
                sent += data
                await trio.testing.wait_all_tasks_blocked()
            assert await receive_exactly(stream, len(sent)) == sent


async def test_pings_by_the_million_are_bounded(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "MAX_QUEUE", 10)
    async with serving(recorder) as (_, address), await connect(address) as stream:
        await stream.send_all(b"\r\n\r\n" * 1000)
        _, failure = await recorder.end()
        assert "too slowly" in failure.message


async def test_closing_is_silent_here_and_orderly_there(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        flow, stream = await flow_to(client, peer, recorder)
        async with stream:
            client.send(flow, OK)
            client.close(flow)
            assert await receive_exactly(stream, len(OK)) == OK
            assert await stream.receive_some() == b""
        assert recorder.ended == []
        client.close(flow)
        with pytest.raises(TransportFailure) as caught:
            client.send(flow, OK)
        assert caught.value.reason is FailureReason.CLOSED


async def test_nothing_is_taken_from_a_connection_that_was_closed(recorder: Recorder) -> None:
    async with serving(recorder) as (transports, address), await connect(address) as stream:
        recorder.close_over = transports
        await stream.send_all(OPTIONS * 3)
        await recorder.until(lambda: recorder.events()[-1:] == ["closed"])
        assert len(recorder.messages) == 1


async def test_leaving_sends_what_is_queued(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        hop = await client.prepare(peer.hop)
        client.send(hop, OPTIONS)
    async with await peer.accept() as stream:
        assert await receive_exactly(stream, len(OPTIONS)) == OPTIONS
        assert await stream.receive_some() == b""
    assert recorder.events() == ["opened", "closed"]


async def test_two_connections_between_the_same_addresses_are_told_apart(recorder: Recorder) -> None:
    async with serving(recorder) as (transports, address):
        flows = []
        for number in range(2):
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(("127.0.0.3", 40_000))
                sock.connect((address.host, address.port))
                sock.sendall(OPTIONS)
                flows.append((await recorder.message(number + 1)).flow)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
            await recorder.end(number + 1)
        assert flows[0].remote == flows[1].remote
        assert flows[0].serial != flows[1].serial
        with pytest.raises(TransportFailure, match="gone"):
            transports.send(flows[0], OK)


async def test_refused(recorder: Recorder) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        nowhere = socket_address(sock.getsockname())
    async with open_transports(TransportConfig(), recorder) as client:
        with pytest.raises(TransportFailure) as caught:
            await client.prepare(Hop(TCP, nowhere))
        assert caught.value.reason is FailureReason.REFUSED
        with pytest.raises(TransportFailure):
            await client.prepare(Hop(TCP, nowhere))
    assert recorder.events() == ["failed", "failed"]


async def test_no_answer(recorder: Recorder, patient_clock: MockClock) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        hop = Hop(TCP, socket_address(full.getsockname()))
        # The queue of those not accepted is full after one; who comes then is not answered at all.
        with socket.create_connection(full.getsockname()), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(full.getsockname())
            async with open_transports(TransportConfig(connect_timeout=3.0), recorder) as client:
                begin = trio.current_time()
                with pytest.raises(TransportFailure) as caught:
                    await client.prepare(hop)
                assert caught.value.reason is FailureReason.TIMED_OUT
                assert "no answer within 3 s" in caught.value.message
                assert trio.current_time() - begin == pytest.approx(3.0, abs=0.5)


async def test_a_local_host_is_connected_from(recorder: Recorder, peer: Peer) -> None:
    wanted = Hop(TCP, peer.address, SocketAddress("127.0.0.5", 0))
    async with open_transports(TransportConfig(), recorder) as client:
        plain = await client.prepare(peer.hop)
        hop = await client.prepare(wanted)
        assert hop.local is not None
        assert plain.local is not None
        assert (plain.local.host, hop.local.host) == ("127.0.0.1", "127.0.0.5")
        assert client.prepared(hop) == hop
        with pytest.raises(TransportFailure) as caught:
            await client.prepare(Hop(TCP, peer.address, SocketAddress("192.0.2.1", 0)))
        assert caught.value.reason is FailureReason.UNREACHABLE


async def test_no_more_than_so_many_connections(recorder: Recorder) -> None:
    async with serving(recorder, max_connections=1) as (_, address), await connect(address) as first:
        await first.send_all(OPTIONS)
        await recorder.message()
        async with await connect(address) as second:
            with trio.fail_after(LONG):
                assert await second.receive_some() == b""
        await first.send_all(OPTIONS)
        await recorder.message(2)


def failing_once(number: int, real: Callable[..., object]) -> Callable[..., object]:
    """`real`, but for a first call that fails with an error of the kernel."""
    failed = False

    def call(*arguments: object) -> object:
        nonlocal failed
        if not failed:
            failed = True
            raise OSError(number, "told to")
        return real(*arguments)

    return call


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ECONNABORTED])
async def test_accepting_goes_on_after_an_error(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, patient_clock: MockClock, number: int
) -> None:
    recorder.patience = LONG
    monkeypatch.setattr(connections.tcp, "accept", failing_once(number, tcp.accept))
    begin = trio.current_time()
    async with serving(recorder) as (_, address), await connect(address) as stream:
        await stream.send_all(OPTIONS)
        await recorder.message()
        paused = trio.current_time() - begin >= connections.ACCEPT_PAUSE
        assert paused is (number == errno.EMFILE)


def test_a_socket_that_cannot_be_prepared_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    with tcp.listen(LOOPBACK) as listener, socket.create_connection(listener.getsockname()):
        listener.setblocking(True)
        monkeypatch.setattr(tcp, "_prepare", failing_once(errno.EINVAL, tcp._prepare))
        with pytest.raises(OSError, match="told to"):
            tcp.accept(listener)


class Stubborn:
    """A socket that raises, for the first calls of a method, what it is told to."""

    def __init__(self, sock: socket.socket, **errors: list[OSError]) -> None:
        self._sock = sock
        self._errors = errors

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)

    def fileno(self) -> int:
        return self._sock.fileno()

    def recv(self, size: int) -> bytes:
        self._trip("recv")
        return self._sock.recv(size)

    def send(self, data: bytes) -> int:
        self._trip("send")
        return self._sock.send(data)

    def _trip(self, name: str) -> None:
        if self._errors.get(name):
            raise self._errors[name].pop()


class Handshake:
    """An engine whose handshake is a word each way; any other word of the peer fails it."""

    established = False
    closed = False

    def __init__(self) -> None:
        self._out = b"hello"

    def receive(self, data: bytes) -> bytes:
        if data not in (b"", b"hello"):
            raise TransportFailure(FailureReason.TLS, "not a hello")
        self.established = data == b"hello"
        return b""

    def send(self, data: bytes) -> None:
        raise NotImplementedError

    def outgoing(self) -> bytes:
        data, self._out = self._out, b""
        return data

    def close(self) -> None:
        self._out = b""

    def explain(self, failure: TransportFailure) -> TransportFailure:
        return TransportFailure(FailureReason.TLS, f"explained: {failure.message}")


@asynccontextmanager
async def pair(**errors: list[OSError]) -> AsyncIterator[tuple[socket.socket, socket.socket]]:
    """Two joined sockets, the first of them stubborn."""
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        yield Stubborn(left, **errors), right  # type: ignore[misc]


async def test_a_handshake_waits_for_the_socket() -> None:
    async with pair(recv=[BlockingIOError()], send=[BlockingIOError()]) as (left, right):
        right.sendall(b"hello")
        assert await tcp.establish(left, Handshake(), Hop(TCP, LOOPBACK)) == b""
        assert right.recv(100) == b"hello"


async def test_a_handshake_that_fails_is_explained() -> None:
    async with pair(recv=[ConnectionResetError(errno.ECONNRESET, "reset")]) as (left, right):
        right.sendall(b"hello")
        with pytest.raises(TransportFailure, match="explained: .* reset"):
            await tcp.establish(left, Handshake(), Hop(TCP, LOOPBACK))


async def test_a_farewell_that_cannot_be_said_is_dropped() -> None:
    async with pair(send=[BrokenPipeError()]) as (left, _):
        await tcp._send_farewell(left, b"goodbye")


def make_connection(sock: socket.socket, recorder: Recorder) -> tcp.Connection:
    flow = Flow(TCP, LOOPBACK, LOOPBACK, 1)
    return tcp.Connection(sock, flow, flow.hop, recorder, idle_timeout=10)


async def test_being_woken_for_nothing_does_no_harm(recorder: Recorder, nursery: trio.Nursery) -> None:
    async with pair(recv=[BlockingIOError()]) as (left, right):
        nursery.start_soon(make_connection(left, recorder).run)
        right.sendall(OPTIONS)
        await recorder.message()
        right.shutdown(socket.SHUT_WR)
        await recorder.end()


async def test_a_connection_ends_once(recorder: Recorder, nursery: trio.Nursery) -> None:
    async with pair() as (left, right):
        connection = make_connection(left, recorder)
        nursery.start_soon(connection.run)
        await trio.testing.wait_all_tasks_blocked()
        right.shutdown(socket.SHUT_WR)
        connection.close()
        with pytest.raises(TransportFailure, match="was closed here"):
            connection.send(OPTIONS)
        connection._fail(TransportFailure(FailureReason.RESET, "too late"))
        await recorder.until(recorder.events)
        assert recorder.events() == ["closed"]
        assert recorder.ended == []


async def test_a_failed_write_is_left_to_the_reader(recorder: Recorder) -> None:
    async with pair() as (left, right):
        connection = make_connection(left, recorder)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.run)
            await trio.testing.wait_all_tasks_blocked()
            right.shutdown(socket.SHUT_RD)
            connection.send(OPTIONS)
            await trio.testing.wait_all_tasks_blocked()
            right.sendall(OK)
            right.shutdown(socket.SHUT_WR)
            await recorder.end()
    assert [message.data for message in recorder.messages] == [OK]
    assert recorder.ended[0][1].reason is FailureReason.CLOSED
