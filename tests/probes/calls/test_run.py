"""Test calls against a callee on loopback: what is in the result, whatever the callee does."""

import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from probes.calls.run import place_call
from probes.calls.script import CallScript
from probes.calls.talk.run import LATE
from probes.destination import Destination
from probes.product import PRODUCT
from probes.result import CallKind, CallResult, CallStatus, TimelineEntry
from sipcore.endpoint.call import HANG_UP_TIMEOUT, IncomingCall
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.events import CallConfirmed
from sipcore.message.parser import parse_message
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.sdp.attributes import PCMA
from sipcore.sdp.build import audio_description
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.terms import SDP
from sipcore.trace import MessageTrace
from sipcore.transports.base import TransportConfig
from sipcore.transports.connections import Transports
from tests.probes.discovery.network import HOST, ok, silent, tcp, udp

ANSWER = bytes(audio_description(address="127.0.0.1", port=40000, session_id=1, session_version=1, codecs=[PCMA]))
Answer = Callable[[IncomingCall], Awaitable[None]]


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms: no test waits for its timeouts."""
    return MockClock(autojump_threshold=0.05)


@asynccontextmanager
async def callee(answer: Answer) -> AsyncIterator[Destination]:
    """Somebody who answers calls on a free port."""
    binds = ((Transport.UDP, SocketAddress("127.0.0.1", 0)),)
    config = EndpointConfig(transports=TransportConfig(bind=binds), takes_incoming=True)
    async with Endpoint(config) as endpoint, trio.open_nursery() as nursery:

        async def take() -> None:
            async for incoming in endpoint.incoming():
                assert isinstance(incoming, IncomingCall)
                nursery.start_soon(answer, incoming)

        nursery.start_soon(take)
        address = endpoint.transports.local_address(Transport.UDP)
        assert address
        yield Destination(address.host, address.port, user="bob")
        nursery.cancel_scope.cancel()


async def accept(call: IncomingCall) -> None:
    call.ring()
    call.accept(body=ANSWER, content_type=SDP)
    await call.over()


async def ring(call: IncomingCall) -> None:
    call.ring()
    await call.over()


async def refuse(call: IncomingCall) -> None:
    call.reject(488, fields=[("Warning", '304 callee.example "no codec in common"')])


async def accept_and_hang_up(call: IncomingCall) -> None:
    call.accept(body=ANSWER, content_type=SDP)
    async for _ in call:
        await call.hang_up()


async def place(answer: Answer, **script: object) -> CallResult:
    with trio.fail_after(20):
        async with callee(answer) as destination:
            return await place_call(CallScript(destination, **{"hold": 0.1, **script}))  # type: ignore[arg-type]


async def test_an_answered_call() -> None:
    result = await place(accept)
    assert (result.status, result.kind, result.codec) == (CallStatus.CONNECTED, CallKind.CONNECTED, "PCMA")
    assert (result.final_status, result.reason) == (200, "OK")
    assert result.post_dial_delay is not None
    assert result.answer_time is not None
    assert result.duration is not None
    assert 0 <= result.post_dial_delay <= result.answer_time
    assert result.duration >= 0.1
    sent, rang, answered = (
        next(entry.offset_ms for entry in result.timeline if entry.label == label)
        for label in ("INVITE", "180 Ringing", "200 OK")
    )
    counted = (result.invited, result.post_dial_delay, result.answer_time)
    assert [seconds * 1000 for seconds in counted] == pytest.approx([sent, rang - sent, answered - sent])
    steps = [step for step in result.transitions if step.machine == result.transitions[0].machine]
    assert [step.after for step in steps] == [step.before for step in steps[1:]] + [steps[-1].after]
    assert result.start is not None
    assert all(step.at >= result.start for step in steps)
    own = [step for step in result.transitions if step.machine == "caller"]
    assert [step.before for step in own] == ["", *(step.after for step in own[:-1])]
    assert own[-1].after == "TERMINATED"
    script = [step for step in result.transitions if step.machine == "test call"]
    assert [step.input for step in script][-2:] == ["TIME_UP", "OVER"]
    passed = ["INITIATED", *(step.after for step in script if step.after != step.before)]
    assert passed == [event.name.upper() for event in result.events]
    invite = next(entry.record for entry in result.timeline if entry.label == "INVITE")
    assert isinstance(invite, MessageTrace)
    assert {step.call_id for step in result.transitions if not step.key} == {parse_message(invite.data).call_id}
    assert [entry.label for entry in result.timeline if entry.event is None] == [
        *("initiated", "INVITE", "180 Ringing", "200 OK", "ACK", "BYE", "200 OK", "completed"),
    ]
    assert result.hop is not None
    assert result.hop.local is not None


async def test_a_call_nobody_answers() -> None:
    result = await place(ring, ring_timeout=0.2)
    assert (result.status, result.kind) == (CallStatus.NO_ANSWER, CallKind.NOT_ANSWERED)
    assert result.answer_time is None
    assert "rang" in result.why
    assert [entry.label for entry in result.timeline][-2:] == ["ACK", "completed"]


async def test_a_refused_call() -> None:
    result = await place(refuse)
    assert (result.status, result.kind, result.final_status) == (CallStatus.FAILED, CallKind.REJECTED, 488)
    assert "no codec in common" in result.advice


async def test_the_callee_hangs_up_first() -> None:
    result = await place(accept_and_hang_up, hold=10)
    assert result.kind is CallKind.CONNECTED
    assert "hung up there" in result.why


async def test_nothing_listens() -> None:
    with trio.fail_after(5):
        result = await place_call(CallScript(Destination("127.0.0.1", 9, Transport.TCP)))
    assert (result.status, result.kind) == (CallStatus.FAILED, CallKind.REFUSED)
    assert result.advice


async def test_something_else_listens() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.setblocking(False)

        async def answer() -> None:
            await trio.lowlevel.wait_readable(peer)
            _, sender = peer.recvfrom(65536)
            peer.sendto(b"HTTP/1.1 400 Bad Request\r\n\r\n", sender)

        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(answer)
                result = await place_call(CallScript(Destination("127.0.0.1", peer.getsockname()[1], Transport.UDP)))
    assert (result.status, result.kind) == (CallStatus.FAILED, CallKind.NOT_SIP)


async def test_a_name_without_an_address() -> None:
    with trio.fail_after(20):
        result = await place_call(CallScript(Destination("callee.invalid", 5060, Transport.UDP)))
    assert (result.status, result.kind, result.hop) == (CallStatus.FAILED, CallKind.UNRESOLVABLE, None)


async def test_a_given_hop_skips_the_lookup() -> None:
    with trio.fail_after(20):
        async with callee(accept) as where:
            hop = Hop(Transport.UDP, SocketAddress(where.host, where.port or 0))
            result = await place_call(CallScript(Destination("callee.invalid", user="bob"), hold=0), hop=hop)
    assert result.kind is CallKind.CONNECTED


async def test_each_line_is_told_as_it_happens() -> None:
    lines: list[TimelineEntry] = []
    with trio.fail_after(20):
        async with callee(accept) as destination:
            result = await place_call(CallScript(destination, hold=0.05), on_entry=lines.append)
    assert sorted(lines, key=lambda entry: entry.offset_ms) == list(result.timeline)


async def test_an_unknown_codec_is_the_callers_mistake() -> None:
    with pytest.raises(LocalError, match="choose from PCMU"):
        await place_call(CallScript(Destination("127.0.0.1"), codecs=("MP3",)))


async def dialled(respond: Callable[[bytes], bytes | None], **script: float) -> CallResult:
    """The result of calling somebody at a UDP port who answers each datagram as told."""
    async with udp(respond) as port:
        return await place_call(CallScript(Destination(HOST, port, Transport.UDP), **script))  # type: ignore[arg-type]


async def test_silence_is_no_ringing(clock: MockClock) -> None:
    started = trio.current_time()
    result = await dialled(lambda _: None, ring_timeout=2)
    assert (result.status, result.kind) == (CallStatus.FAILED, CallKind.NO_ANSWER)
    assert result.why == "no answer at all within 2 s"
    assert trio.current_time() - started == pytest.approx(2 + LATE, abs=0.3)


async def test_a_first_ringing_that_comes_late_is_cancelled(clock: MockClock) -> None:
    asked: list[bytes] = []

    def respond(data: bytes) -> bytes | None:
        asked.append(data.split()[0])
        late = len(asked) == 3  # the INVITE after 1.5 s
        return ok(data, status="180 Ringing") if late else ok(data) if asked[-1] == b"CANCEL" else None

    result = await dialled(respond, ring_timeout=1)
    assert b"CANCEL" in asked
    assert result.status is not CallStatus.CONNECTED


async def test_trying_is_no_silence(clock: MockClock) -> None:
    result = await dialled(lambda data: ok(data, status="100 Trying") if data.startswith(b"INVITE") else None)
    assert (result.status, result.kind) == (CallStatus.NO_ANSWER, CallKind.NOT_ANSWERED)
    assert "trying" in result.why


async def test_a_call_is_held_until_somebody_hangs_up(clock: MockClock) -> None:
    def respond(data: bytes) -> bytes | None:
        contact = f"Contact: <sip:{HOST}:9>"
        return ok(data, contact) if data.startswith(b"INVITE") else None

    started = trio.current_time()
    result = await dialled(respond, hold=1)
    assert (result.status, result.kind) == (CallStatus.CONNECTED, CallKind.NO_MEDIA)
    assert result.media_problem == "the peer has described no session"
    assert result.duration == pytest.approx(1, abs=0.5)
    assert "held for 1.0 s" in result.why
    assert trio.current_time() - started < 1 + HANG_UP_TIMEOUT + 1


async def test_a_peer_that_takes_no_audio_leaves_the_call_without_media(clock: MockClock) -> None:
    """RFC 3264 §6: a stream is rejected by port 0."""
    session = f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n"

    def respond(data: bytes) -> bytes | None:
        fields = (f"Contact: <sip:{HOST}:9>", f"Content-Type: {SDP}")
        return ok(data, *fields, body=session.encode()) if data.startswith(b"INVITE") else None

    result = await dialled(respond, hold=2)
    assert (result.kind, result.media_problem) == (CallKind.NO_MEDIA, "no audio was agreed on")
    assert result.findings[0].code == "media-refused"
    brief = await dialled(respond, hold=0.1)
    assert brief.kind is CallKind.CONNECTED


MALFORMED: dict[str, Callable[[bytes], bytes]] = {
    "a provisional response": lambda invite: ok(invite, status="183 X").replace(b"From: ", b"From: <<<", 1),
    "a request": lambda _: b"NOTIFY sip:x SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKa\r\nCSeq: 1 NOTIFY\r\n\r\n",
    "no SIP": lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


@pytest.mark.parametrize("kind", MALFORMED)
async def test_garbage_does_not_end_a_call_that_rings(kind: str, clock: MockClock) -> None:
    """Or the phone would ring on: nobody would cancel."""
    asked: list[bytes] = []
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        await peer.bind((HOST, 0))

        async def answer() -> None:
            while True:
                data, sender = await peer.recvfrom(65535)
                asked.append(data.split()[0])
                if asked[-1] == b"INVITE":
                    await peer.sendto(ok(data, status="180 Ringing"), sender)
                    await peer.sendto(MALFORMED[kind](data), sender)
                elif asked[-1] == b"CANCEL":
                    await peer.sendto(ok(data), sender)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            destination = Destination(HOST, peer.getsockname()[1], Transport.UDP)
            result = await place_call(CallScript(destination, ring_timeout=1))
            nursery.cancel_scope.cancel()
    assert (result.status, result.kind) == (CallStatus.NO_ANSWER, CallKind.NOT_ANSWERED)
    assert "rang" in result.why
    assert b"CANCEL" in asked


async def test_a_call_goes_to_the_next_hop_only_if_nothing_rang(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"rings": 0, "other": 0}

    def answer_as(name: str) -> Callable[[bytes], bytes]:
        def respond(data: bytes) -> bytes:
            asked[name] += 1
            return ok(data, status="404 Not Found")

        return respond

    async def ring_and_vanish(stream: trio.abc.Stream) -> None:
        asked["rings"] += 1
        await stream.send_all(ok(bytes(await stream.receive_some()), status="180 Ringing"))
        await stream.aclose()

    async with tcp(ring_and_vanish) as rings, udp(answer_as("other")) as other:
        first = Hop(Transport.TCP, SocketAddress(HOST, rings))
        second = Hop(Transport.UDP, SocketAddress(HOST, other))

        async def locate(*_: object) -> list[Hop]:
            return [first, second]

        monkeypatch.setattr(Endpoint, "locate", locate)
        with trio.fail_after(20):
            result = await place_call(CallScript(Destination("callee.invalid")))
    assert asked == {"rings": 1, "other": 0}
    assert result.kind is CallKind.NO_ANSWER
    assert result.hop
    assert result.hop.transport is Transport.TCP


@pytest.mark.parametrize(("resets", "told"), [(False, "the peer closed the connection"), (True, "the peer reset the")])
async def test_who_closes_a_connection_without_an_answer_is_there(resets: bool, told: str) -> None:
    """It is no fault of routes or filters, as discovery says of the same peer."""

    async def leave(stream: trio.abc.Stream) -> None:
        assert isinstance(stream, trio.SocketStream)
        await stream.receive_some()
        if resets:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await stream.aclose()

    async with tcp(leave) as port:
        result = await place_call(CallScript(Destination.parse(f"sip:bob@{HOST}:{port};transport=tcp")))
    assert result.kind is CallKind.NO_ANSWER
    assert told in result.why
    assert [finding.code for finding in result.findings] == ["open-but-silent"]


async def test_a_call_goes_to_the_next_hop_when_nobody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    async with udp(lambda data: ok(data, status="404 Not Found")) as port:
        hops = [Hop(Transport.TCP, SocketAddress(HOST, 9)), Hop(Transport.UDP, SocketAddress(HOST, port))]

        async def locate(*_: object) -> list[Hop]:
            return hops

        monkeypatch.setattr(Endpoint, "locate", locate)
        with trio.fail_after(20):
            result = await place_call(CallScript(Destination("callee.invalid")))
    assert result.final_status == 404


def describing(**changes: Any) -> Answer:  # noqa: ANN401  # the arguments of a description
    """Who answers with another description than usual."""

    async def answer(call: IncomingCall) -> None:
        given: dict[str, Any] = {"address": HOST, "port": 40000, "session_id": 1, "session_version": 1}
        call.accept(body=bytes(audio_description(**({"codecs": [PCMA]} | given | changes))), content_type=SDP)
        await call.over()

    return answer


async def test_an_answer_that_cannot_be_used_is_told() -> None:
    result = await place(describing(port=0), digits="1")
    assert (result.status, result.media, result.media_problem) == (
        *(CallStatus.CONNECTED, None, "no audio was agreed on"),
    )
    assert "no media" in [entry.label for entry in result.timeline]


async def test_digits_that_cannot_be_sent_are_told() -> None:
    result = await place(describing(telephone_event=None), digits="1")
    assert "no DTMF" in [entry.label for entry in result.timeline]
    assert result.media is not None
    assert result.media.digits_echoed is None


async def test_the_callee_moves_its_media() -> None:
    async def move(call: IncomingCall) -> None:
        call.accept(body=ANSWER, content_type=SDP)
        async for event in call:
            if isinstance(event, CallConfirmed):
                nursery.start_soon(call.change, SessionDescription.parse(ANSWER.replace(b"40000", b"40002")))

    async with trio.open_nursery() as nursery:
        result = await place(move, hold=0.4)
        nursery.cancel_scope.cancel()
    assert result.media is not None
    assert result.media.measured.announced.port == 40002


@pytest.mark.parametrize(("transport", "reached"), [(Transport.UDP, False), (Transport.TCP, True)])
async def test_a_call_is_repeated_once(transport: Transport, reached: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """An INVITE that left counts, a connection that did not come about does not."""
    async with udp(lambda data: ok(data, status="404 Not Found")) as port:
        closed = [Hop(transport, SocketAddress(HOST, number)) for number in (9, 9)]

        async def locate(*_: object) -> list[Hop]:
            return [*closed, Hop(Transport.UDP, SocketAddress(HOST, port))]

        monkeypatch.setattr(Endpoint, "locate", locate)
        with trio.fail_after(20):
            result = await place_call(CallScript(Destination("callee.invalid")))
    invites = sum(entry.label == "INVITE" for entry in result.timeline)
    assert (result.final_status == 404, invites) == (reached, 1 if reached else 2)


async def test_who_calls_names_itself() -> None:
    asked: list[bytes] = []

    def respond(data: bytes) -> bytes:
        asked.append(data)
        return ok(data, status="486 Busy Here")

    with trio.fail_after(20):
        await dialled(respond)
    assert f"User-Agent: {PRODUCT}\r\n".encode() in asked[0]


async def test_an_address_with_a_zone_is_called_there(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[Hop] = []

    async def prepare(_: Transports, hop: Hop) -> Hop:
        prepared.append(hop)
        raise TransportFailure(FailureReason.UNREACHABLE, "no such interface")

    monkeypatch.setattr(Transports, "prepare", prepare)
    result = await place_call(CallScript(Destination.parse("sip:bob@[fe80::1%eth9]:5070")))
    assert result.kind is CallKind.UNREACHABLE
    assert [hop.remote for hop in prepared] == [SocketAddress("fe80::1%eth9", 5070)]


async def test_a_call_over_a_websocket_goes_to_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    binds = ((Transport.WS, SocketAddress(HOST, 0)),)
    config = EndpointConfig(transports=TransportConfig(bind=binds))
    with trio.fail_after(20):
        async with Endpoint(config) as endpoint:
            address = endpoint.transports.local_address(Transport.WS)
            assert address
            result = await place_call(CallScript(Destination.parse(f"ws://bob@{address}/sip")))
    assert result.final_status == 480
    assert result.hop
    assert (result.hop.transport, result.hop.path) == (Transport.WS, "/sip")


async def test_who_has_it_stop_gets_what_there_is() -> None:
    asked: list[bytes] = []
    stop = trio.Event()

    def respond(data: bytes) -> bytes | None:
        asked.append(data.split()[0])
        if asked[-1] == b"ACK":
            stop.set()
            return None
        return ok(data, f"Contact: <{data.split()[1].decode()}>")

    async with udp(respond) as port:
        result = await place_call(CallScript(Destination(HOST, port, Transport.UDP), hold=20), stop=stop)
    assert asked == [b"INVITE", b"ACK", b"BYE"]
    assert (result.kind, result.final_status) == (CallKind.CONNECTED, 200)
    assert result.why.endswith(" s, interrupted here")
    assert result.ended_by


async def test_who_has_it_stop_before_it_began_gets_that() -> None:
    stop = trio.Event()
    stop.set()
    async with udp(silent) as port:
        result = await place_call(CallScript(Destination(HOST, port, Transport.UDP)), stop=stop)
    assert (result.kind, result.status, result.findings) == (CallKind.INTERRUPTED, CallStatus.FAILED, ())


async def test_who_cancels_has_the_call_hung_up() -> None:
    asked: list[bytes] = []

    def respond(data: bytes) -> bytes | None:
        asked.append(data.split()[0])
        if asked[-1] == b"ACK":
            scope.cancel()
            return None
        return ok(data, f"Contact: <{data.split()[1].decode()}>")

    started = trio.current_time()
    async with udp(respond) as port:
        with trio.CancelScope() as scope:
            await place_call(CallScript(Destination(HOST, port, Transport.UDP), hold=20))
    assert scope.cancelled_caught
    assert asked == [b"INVITE", b"ACK", b"BYE"]
    assert trio.current_time() - started < HANG_UP_TIMEOUT, "the answer to the BYE was not taken"
