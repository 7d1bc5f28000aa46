"""UDP over real loopback sockets."""

import errno
import socket
import time
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from sipcore.errors import FailureReason, TransportFailure
from sipcore.media.stun import Attr, StunMessage, StunType, read_xor_address, xor_address
from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.transports import ancillary as kernel
from sipcore.transports import udp
from sipcore.transports.base import socket_address, socket_family, socket_name
from sipcore.transports.bindings import Bindings
from sipcore.transports.udp import UdpSocket
from tests.conftest import Injected
from tests.machine import needs_ipv6
from tests.sipcore.transports.recorder import LOOPBACK, OPTIONS, Recorder

linux = pytest.mark.skipif(not kernel.LINUX, reason="Linux gives this, other systems do not")
BUFFER = 1 << 20


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    """A plain socket to exchange datagrams with."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(socket_name(LOOPBACK))
        sock.settimeout(5)
        yield sock


def open_socket(
    nursery: trio.Nursery, recorder: Recorder, address: SocketAddress = LOOPBACK, buffer: int = BUFFER
) -> UdpSocket:
    sock = UdpSocket(address, buffer, recorder)
    nursery.start_soon(run, sock)
    return sock


async def run(sock: UdpSocket) -> None:
    try:
        await sock.run()
    finally:
        sock.close()


def closed_port(host: str = LOOPBACK.host) -> SocketAddress:
    """Where nothing listens."""
    address = SocketAddress(host, 0)
    with socket.socket(socket_family(address), socket.SOCK_DGRAM) as sock:
        sock.bind(socket_name(address))
        return socket_address(sock.getsockname())


async def test_datagrams_go_both_ways(nursery: trio.Nursery, recorder: Recorder, peer: socket.socket) -> None:
    sock = open_socket(nursery, recorder)
    remote = SocketAddress(*peer.getsockname())
    sock.send(OPTIONS, remote)
    assert peer.recvfrom(2000) == (OPTIONS, socket_name(sock.local))
    peer.sendto(b"one", socket_name(sock.local))
    peer.sendto(b"two!!", socket_name(sock.local))
    second = await recorder.message(2)
    assert [message.data for message in recorder.messages] == [b"one", b"two!!"]
    assert second.flow == Flow(Transport.UDP, sock.local, remote)
    assert second.flow is recorder.messages[0].flow
    assert second.notes == ()


@linux
async def test_the_kernel_takes_the_time(nursery: trio.Nursery, recorder: Recorder, peer: socket.socket) -> None:
    sock = open_socket(nursery, recorder)
    await trio.testing.wait_all_tasks_blocked()
    for count in range(1, 20):
        before = trio.current_time()
        peer.sendto(OPTIONS, socket_name(sock.local))
        after = trio.current_time()
        time.sleep(0.03)  # noqa: ASYNC251  # a loop that is busy: the datagram lies there unread
        stamp = (await recorder.message(count)).stamp
        assert stamp.kernel
        # The two clocks are read one after the other, which a busy machine may do apart; and the kernel takes the time
        # of reading for a datagram that came before it began to take times, which it does a little after it was asked.
        if before - 0.01 < stamp.at < after + 0.01:
            return
    pytest.fail("the time of reading was taken each time")


@linux
async def test_a_stamp_is_not_believed_when_the_wall_clock_was_set(
    nursery: trio.Nursery, recorder: Recorder, peer: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    sock = open_socket(nursery, recorder)
    ahead = time.time_ns() + 3600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: ahead)
    peer.sendto(OPTIONS, socket_name(sock.local))
    stamp = (await recorder.message()).stamp
    assert not stamp.kernel
    assert abs(stamp.at - trio.current_time()) < 1


@linux
async def test_a_wildcard_socket_tells_and_uses_the_real_local_address(
    nursery: trio.Nursery, recorder: Recorder, peer: socket.socket
) -> None:
    sock = open_socket(nursery, recorder, SocketAddress("0.0.0.0", 0))
    assert sock.wildcard
    peer.sendto(OPTIONS, ("127.0.0.2", sock.local.port))
    flow = (await recorder.message()).flow
    assert flow.local == SocketAddress("127.0.0.2", sock.local.port)
    sock.send(b"answer", flow.remote, flow.local)
    assert peer.recvfrom(2000) == (b"answer", ("127.0.0.2", sock.local.port))


@needs_ipv6
async def test_ipv6(nursery: trio.Nursery, recorder: Recorder) -> None:
    sock = open_socket(nursery, recorder, SocketAddress("::", 0))
    sock.send(OPTIONS, SocketAddress("::1", sock.local.port), SocketAddress("::1", sock.local.port))
    flow = (await recorder.message()).flow
    assert flow.remote == SocketAddress("::1", sock.local.port)
    if kernel.LINUX:
        assert flow.local == flow.remote


async def test_more_than_a_batch_arrives_in_order(
    nursery: trio.Nursery, recorder: Recorder, peer: socket.socket
) -> None:
    sock = open_socket(nursery, recorder)
    texts = [b"message %d" % number for number in range(3 * udp.BATCH)]
    for text in texts:
        peer.sendto(text, socket_name(sock.local))
    await recorder.message(len(texts))
    assert [message.data for message in recorder.messages] == texts


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"\r\n", b"\0\0\0\0", b"\0"])
async def test_keep_alives_are_no_messages(
    nursery: trio.Nursery, recorder: Recorder, peer: socket.socket, data: bytes
) -> None:
    sock = open_socket(nursery, recorder)
    peer.sendto(data, socket_name(sock.local))
    peer.sendto(OPTIONS, socket_name(sock.local))
    assert (await recorder.message()).data == OPTIONS


@linux
async def test_the_kernel_tells_when_a_datagram_left(
    nursery: trio.Nursery, recorder: Recorder, peer: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udp, "MAX_DELAY", float("inf"))  # a busy machine counts as well
    sock = open_socket(nursery, recorder)
    remote = SocketAddress(*peer.getsockname())
    before = trio.current_time()
    left = sock.send(OPTIONS, remote)
    after = trio.current_time()
    assert before < left < after
    assert sock._delay > 0
    sock._stamp_next = float("inf")
    between = trio.current_time()
    assert sock.send(OPTIONS, remote) >= between + sock._delay
    await trio.testing.wait_all_tasks_blocked()
    assert recorder.lost == []


@pytest.mark.parametrize(
    ("age", "left", "delay"),
    [
        (30_000, 99.99997, 10e-6 / 8),  # of what began 40 us ago
        (None, 99.99996, 0.0),
        (50_000, 99.99996, 0.0),  # before it began: another one's
        (-1, 99.99996, 0.0),
    ],
)
def test_a_stamp_is_taken_for_the_datagram_that_it_is_of(
    recorder: Recorder, age: int | None, left: float, delay: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    sock = UdpSocket(LOOPBACK, BUFFER, recorder)
    wall = 1_700_000_000 * 10**9
    monkeypatch.setattr(udp, "both_clocks", lambda: (100.0, wall))
    monkeypatch.setattr(sock, "_drain_errors", lambda: None if age is None else wall - age)
    assert sock._left_at(100.0 - 40e-6) == pytest.approx(left, abs=1e-9)
    assert sock._delay == pytest.approx(delay, abs=1e-9)
    assert sock._stamp_next > 100.0
    sock.close()


def test_another_process_in_between_is_not_expected_again(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    sock = UdpSocket(LOOPBACK, BUFFER, recorder)
    monkeypatch.setattr(udp, "both_clocks", lambda: (100.0, 0))
    monkeypatch.setattr(sock, "_drain_errors", lambda: 0)
    assert sock._left_at(99.0) == 100.0
    assert sock._delay == 0.0
    sock.close()


@linux
@pytest.mark.parametrize("wildcard", [False, True])
@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=needs_ipv6)])
async def test_icmp_is_told_at_once_by_destination(
    nursery: trio.Nursery, recorder: Recorder, host: str, wildcard: bool
) -> None:
    local = {"127.0.0.1": "0.0.0.0", "::1": "::"}[host] if wildcard else host
    sock = open_socket(nursery, recorder, SocketAddress(local, 0))
    nowhere = closed_port(host)
    sock.send(OPTIONS, nowhere)
    remote, failure = await recorder.loss()
    assert remote == nowhere
    assert failure.reason is FailureReason.REFUSED
    assert f"{host} says by ICMP: port unreachable" in failure.message


@linux
async def test_icmp_for_one_does_not_harm_what_goes_to_another(
    nursery: trio.Nursery, recorder: Recorder, peer: socket.socket
) -> None:
    sock = open_socket(nursery, recorder)
    nowhere, remote = closed_port(), SocketAddress(*peer.getsockname())
    for number in range(10):
        # The error of the first is pending on the socket when the second is sent, and would be raised there.
        sock.send(OPTIONS, nowhere)
        sock.send(b"%d" % number, remote)
    assert [peer.recv(100) for _ in range(10)] == [b"%d" % number for number in range(10)]
    await recorder.loss()
    assert {lost for lost, _ in recorder.lost} == {nowhere}


@linux
async def test_errors_do_not_keep_datagrams_from_coming(
    nursery: trio.Nursery, recorder: Recorder, peer: socket.socket
) -> None:
    sock = open_socket(nursery, recorder)
    sock.send(OPTIONS, closed_port())
    peer.sendto(OPTIONS, socket_name(sock.local))
    assert (await recorder.message()).data == OPTIONS
    await recorder.loss()


async def test_a_datagram_that_cannot_fit_is_refused(nursery: trio.Nursery, recorder: Recorder) -> None:
    sock = open_socket(nursery, recorder)
    with pytest.raises(TransportFailure) as caught:
        sock.send(bytes(udp.MAX_DATAGRAM), closed_port())
    assert caught.value.reason is FailureReason.TOO_LARGE


async def test_the_kernel_forbids_broadcast(nursery: trio.Nursery, recorder: Recorder) -> None:
    sock = open_socket(nursery, recorder)
    with pytest.raises(TransportFailure) as caught:
        sock.send(OPTIONS, SocketAddress("255.255.255.255", 5060))
    assert caught.value.reason is FailureReason.PROHIBITED


async def test_a_zone_that_does_not_exist_is_unreachable(nursery: trio.Nursery, recorder: Recorder) -> None:
    sock = open_socket(nursery, recorder)
    with pytest.raises(TransportFailure) as caught:
        sock.send(OPTIONS, SocketAddress("fe80::1%no-such-interface", 5060))
    assert caught.value.reason is FailureReason.UNREACHABLE


@linux
async def test_datagrams_that_found_no_room_are_counted(
    nursery: trio.Nursery, recorder: Recorder, peer: socket.socket
) -> None:
    sock = UdpSocket(LOOPBACK, 4096, recorder)
    for _ in range(200):
        peer.sendto(bytes(1000), socket_name(sock.local))
    nursery.start_soon(run, sock)
    await recorder.message()
    taken = 0
    while taken < len(recorder.messages):
        taken = len(recorder.messages)
        await trio.testing.wait_all_tasks_blocked(0.01)
    # The count comes with the next datagram that finds room.
    peer.sendto(OPTIONS, socket_name(sock.local))
    await recorder.until(lambda: recorder.messages[-1].data == OPTIONS)
    assert sock.dropped == 200 - taken > 0


async def test_flows_are_forgotten_when_there_are_too_many(
    nursery: trio.Nursery, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udp, "MAX_REMOTES", 3)
    sock = open_socket(nursery, recorder)
    for number in range(10):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.sendto(OPTIONS, socket_name(sock.local))
        await recorder.message(number + 1)
        assert len(sock._flows) <= 3


class Stubborn:
    """A socket whose send buffer is full for the first few times."""

    def __init__(self, sock: socket.socket, errors: list[int]) -> None:
        self._sock = sock
        self._errors = errors

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)

    def fileno(self) -> int:
        return self._sock.fileno()

    def sendto(self, data: bytes, name: tuple[object, ...]) -> int:
        self._refuse()
        return self._sock.sendto(data, name)

    def sendmsg(self, *message: object) -> int:
        self._refuse()
        return self._sock.sendmsg(*message)  # type: ignore[arg-type]

    def _refuse(self) -> None:
        if self._errors:
            raise OSError(self._errors.pop(0), "told to")


def make_stubborn(sock: UdpSocket, *errors: int) -> None:
    sock._socket = Stubborn(sock._socket, list(errors))  # type: ignore[assignment]


async def test_a_full_send_buffer_is_waited_for(nursery: trio.Nursery, recorder: Recorder, peer: socket.socket) -> None:
    sock = open_socket(nursery, recorder)
    remote = SocketAddress(*peer.getsockname())
    make_stubborn(sock, errno.EAGAIN, errno.EAGAIN)
    sock.send(b"one", remote)
    sock.send(b"two", remote)
    await trio.testing.wait_all_tasks_blocked()
    assert {peer.recv(100), peer.recv(100)} == {b"one", b"two"}
    assert sock.unsent == 0


async def test_the_queue_has_an_end(
    nursery: trio.Nursery, recorder: Recorder, peer: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udp, "MAX_QUEUE", 2)
    sock = open_socket(nursery, recorder)
    make_stubborn(sock, errno.EAGAIN)
    for _ in range(5):
        sock.send(OPTIONS, SocketAddress(*peer.getsockname()))
    assert sock.unsent == 3


async def test_a_queued_datagram_may_fail_too(nursery: trio.Nursery, recorder: Recorder) -> None:
    sock = open_socket(nursery, recorder)
    make_stubborn(sock, errno.EAGAIN, errno.EPERM)
    sock.send(OPTIONS, SocketAddress("127.0.0.1", 5060))
    remote, failure = await recorder.loss()
    assert (remote.port, failure.reason) == (5060, FailureReason.PROHIBITED)


async def test_the_kernel_may_drop_what_it_cannot_hold(nursery: trio.Nursery, recorder: Recorder) -> None:
    sock = open_socket(nursery, recorder)
    make_stubborn(sock, errno.ENOBUFS, errno.ENOBUFS)
    sock.send(OPTIONS, SocketAddress("127.0.0.1", 5060))
    assert sock.unsent == 1


async def test_without_an_error_queue_nothing_is_told(
    nursery: trio.Nursery, recorder: Recorder, peer: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "LINUX", False)
    sock = open_socket(nursery, recorder)
    sock.send(OPTIONS, closed_port())
    peer.sendto(OPTIONS, socket_name(sock.local))
    stamp = (await recorder.message()).stamp
    assert not stamp.kernel
    assert recorder.lost == []


@linux
async def test_the_error_queue_is_emptied_in_turns(
    nursery: trio.Nursery, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udp, "BATCH", 1)
    sock = UdpSocket(LOOPBACK, BUFFER, recorder)
    nowhere = closed_port()
    for _ in range(3):
        sock.send(OPTIONS, nowhere)
    nursery.start_soon(run, sock)
    await recorder.loss(3)


@pytest.mark.parametrize("linux", [True, False])
def test_being_woken_for_nothing_does_no_harm(recorder: Recorder, linux: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    sock = UdpSocket(LOOPBACK, BUFFER, recorder)
    monkeypatch.setattr(kernel, "LINUX", linux)
    monkeypatch.setattr(trio, "current_time", lambda: 0.0)
    sock._drain_untrusted()
    sock.close()
    assert recorder.messages == []


def test_a_socket_that_cannot_be_bound_is_closed(recorder: Recorder, peer: socket.socket) -> None:
    with pytest.raises(OSError, match="in use"):
        UdpSocket(SocketAddress(*peer.getsockname()), BUFFER, recorder)


async def test_a_mistake_of_this_program_costs_the_datagram_alone(
    nursery: trio.Nursery, recorder: Recorder, peer: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise Injected

    monkeypatch.setattr(Bindings, "receive_untrusted", broken)
    sock = UdpSocket(LOOPBACK, BUFFER, recorder, keep_alives=True)
    nursery.start_soon(run, sock)
    await trio.testing.wait_all_tasks_blocked()
    peer.sendto(StunMessage(StunType.REQUEST, bytes(12)).encode(), socket_name(sock.local))
    peer.sendto(OPTIONS, socket_name(sock.local))
    await recorder.message()
    assert [what for _, what in recorder.faults] == [f"a datagram to {sock.local}"]


async def test_stun_on_the_same_socket(nursery: trio.Nursery, recorder: Recorder, peer: socket.socket) -> None:
    """RFC 5626 §8: asked, it answers; it asks, and tells when it is seen at another address than before."""
    sock = UdpSocket(LOOPBACK, BUFFER, recorder, keep_alives=True)
    nursery.start_soon(run, sock)
    await trio.testing.wait_all_tasks_blocked()
    peer.sendto(StunMessage(StunType.REQUEST, bytes(12)).encode(), socket_name(sock.local))
    await trio.testing.wait_all_tasks_blocked(0.05)
    reply = StunMessage.parse(peer.recv(2000))
    here = SocketAddress(*peer.getsockname())
    assert read_xor_address(reply.get(Attr.XOR_MAPPED_ADDRESS) or b"", bytes(12)) == here
    flow = Flow(Transport.UDP, sock.local, here)
    for mapped in (LOOPBACK, SocketAddress("192.0.2.1", 9)):
        sock.ping(flow)
        asked = StunMessage.parse(peer.recv(2000))
        attribute = (Attr.XOR_MAPPED_ADDRESS, xor_address(mapped, asked.transaction))
        peer.sendto(StunMessage(StunType.SUCCESS, asked.transaction, (attribute,)).encode(), socket_name(sock.local))
        await trio.testing.wait_all_tasks_blocked(0.05)
    await recorder.until(lambda: recorder.ended)
    assert [ended for ended, _ in recorder.ended] == [flow]
    assert not recorder.messages


async def test_a_ping_that_nobody_answers(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, peer: socket.socket
) -> None:
    recorder = Recorder(patience=60)
    sock = UdpSocket(LOOPBACK, BUFFER, recorder, keep_alives=True)
    nursery.start_soon(run, sock)
    flow = Flow(Transport.UDP, sock.local, SocketAddress(*peer.getsockname()))
    begin = trio.current_time()
    sock.ping(flow)
    await recorder.until(lambda: recorder.ended)
    assert trio.current_time() - begin == pytest.approx(39.5, abs=0.1)
    assert len({peer.recv(2000) for _ in range(7)}) == 1
