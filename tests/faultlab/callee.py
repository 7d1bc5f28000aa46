"""A callee of the fault lab that is none of ours: it answers calls and media as its manner says, well or badly."""

import re
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import trio

from sipcore.resolve.target import SocketAddress
from tests.faultlab.peers import Asked, answer

REPEATS = (0.5, 1.0, 2.0, 4.0, 4.0, 4.0)
"""Seconds between two copies of a final response that nobody acknowledges (RFC 3261 §13.3.1.4)."""
SDP = """\
v=0
o=callee 1 1 IN IP4 {host}
s=-
c=IN IP4 {host}
t=0 0
m=audio {port} RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
"""
_RTP = struct.Struct("!BBHII")
Packets = Callable[["Echo", bytes], Sequence[bytes]]
"""What is sent for a packet that came."""


@dataclass(slots=True)
class Echo:
    """The stream back of one call."""

    sent: int = 0
    came: int = 0
    timestamp: int = 1000
    held: bytes = b""

    def packet(self, payload: bytes, kind: int = 0, ticks: int | None = None, timestamp: int | None = None) -> bytes:
        """The next packet."""
        data = _RTP.pack(0x80, kind, (100 + self.sent) & 0xFFFF, timestamp or self.timestamp, 4711) + payload
        self.sent += 1
        if timestamp is None:
            self.timestamp += len(payload) if ticks is None else ticks
        return data


def echo(stream: Echo, came: bytes) -> list[bytes]:
    """Sends back what comes, events included."""
    _, kind, _, stamp, _ = _RTP.unpack_from(came)
    return [stream.packet(came[12:], kind, timestamp=stamp)]


def mute(_: Echo, __: bytes) -> list[bytes]:
    """Sends nothing."""
    return []


def silence(stream: Echo, came: bytes) -> list[bytes]:
    """Sends as much silence as comes sound."""
    return [stream.packet(b"\xff" * len(came[12:]))] if came[1] & 127 == 0 else []


def noise(stream: Echo, came: bytes) -> list[bytes]:
    """Sends a sound that is not what came."""
    level = (0x10, 0x90)[stream.sent % 2]
    return [stream.packet(bytes([level, level ^ 0x21]) * (len(came[12:]) // 2))] if came[1] & 127 == 0 else []


def longer(stream: Echo, came: bytes) -> list[bytes]:
    """Makes one packet of two."""
    if came[1] & 127:
        return []
    stream.held += came[12:]
    if len(stream.held) < 320:
        return []
    payload, stream.held = stream.held, b""
    return [stream.packet(payload)]


def hasty(stream: Echo, came: bytes) -> list[bytes]:
    """Has a clock that runs too fast by 1 %."""
    return [stream.packet(came[12:], ticks=162 if stream.sent % 2 else 161)] if came[1] & 127 == 0 else []


def as_type(kind: int) -> Packets:
    """Sends back with another payload type."""
    return lambda stream, came: [stream.packet(came[12:], kind)] if came[1] & 127 == 0 else []


def without_digits(stream: Echo, came: bytes) -> list[bytes]:
    """Loses telephone events."""
    return [] if came[1] & 127 == 101 else echo(stream, came)


def ending_after(count: int) -> Packets:
    """Stops in the middle."""
    return lambda stream, came: echo(stream, came) if stream.sent < count else []


def beginning_after(count: int) -> Packets:
    """Lets so many packets come before it sends any."""

    def send(stream: Echo, came: bytes) -> list[bytes]:
        stream.came += 1
        return echo(stream, came) if stream.came > count else []

    return send


def pausing(count: int, length: int) -> Packets:
    """Sends nothing for the length of some packets in the middle, and goes on with the next number."""

    def send(stream: Echo, came: bytes) -> list[bytes]:
        stream.came += 1
        return [] if count < stream.came <= count + length else echo(stream, came)

    return send


def restarting(stream: Echo, came: bytes) -> list[bytes]:
    """Jumps in its sequence numbers, as media proxies do that fail over."""
    if stream.sent == 20:
        stream.sent += 20_000
    return [stream.packet(came[12:])] if came[1] & 127 == 0 else []


def masked(stream: Echo, came: bytes) -> list[bytes]:
    """Draws a source number for every packet."""
    packets = echo(stream, came)
    return [each[:8] + struct.pack("!I", 4711 + stream.sent) + each[12:] for each in packets]


def standing(stream: Echo, came: bytes) -> list[bytes]:
    """Has a clock that does not run."""
    return [stream.packet(came[12:], timestamp=1000)] if came[1] & 127 == 0 else []


def stuttering(stream: Echo, came: bytes) -> list[bytes]:
    """Gives all packets the same number."""
    packets = echo(stream, came)
    return [each[:2] + struct.pack("!H", 100) + each[4:] for each in packets]


def garbage(_: Echo, __: bytes) -> list[bytes]:
    """Sends what has the first bits of RTP and is none."""
    return [b"\x80\x00\x01"]


Final = tuple[str, tuple[str, ...]]
"""A status line and header fields."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How calls are dealt with. Times are in seconds.

    `finals` are the final responses to one INVITE after the other, the last for all further ones; none with `never`.
    `before` are provisional responses, `early` those with a description. `edit` changes the description, with `bare`
    there is none. `bye` is the answer to BYE, `cancel` that to CANCEL, "" for none. `hangs_up` is when a BYE is sent,
    with `bye_fields`.
    """

    finals: tuple[Final, ...] = (("200 OK", ()),)
    before: tuple[str, ...] = ("100 Trying",)
    early: bool = False
    never: bool = False
    delay: float = 0.05
    contact: str | None = None
    deaf: bool = False
    """Whether no ACK is heard."""
    bye: str = "200 OK"
    cancel: str = "200 OK"
    rings_on: bool = False
    """Whether a CANCEL ends nothing."""
    hangs_up: float | None = None
    bye_fields: tuple[str, ...] = ()
    edit: Callable[[str], str] = str
    bare: bool = False
    packets: Packets = echo
    elsewhere: bool = False
    """Whether media is sent from another port than it is received at."""
    after_bye: bool = False
    """Whether media goes on after the end."""
    closed: bool = False
    """Whether nobody listens at the port for media."""


@dataclass(slots=True)
class _Call:
    invite: Asked
    numbers: int = 0
    acknowledged: trio.Event = field(default_factory=trio.Event)
    over: trio.Event = field(default_factory=trio.Event)
    answered: bool = False


class Callee:
    """One callee at one port, for as long as `serve` runs."""

    def __init__(self, manner: Manner, at: SocketAddress) -> None:
        self._manner = manner
        self._at = at
        self._calls: dict[str, _Call] = {}
        self._seen: set[tuple[str, str]] = set()
        self._sock: trio.socket.SocketType
        self._nursery: trio.Nursery

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer until cancelled."""
        with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as self._sock:
            await self._sock.bind((self._at.host, self._at.port))
            task_status.started()
            async with trio.open_nursery() as self._nursery:
                while True:
                    data, name = await self._receive(self._sock)
                    if data.strip():
                        self._take(Asked(data, SocketAddress(name[0], name[1]), self._at, 0))

    @staticmethod
    async def _receive(sock: trio.socket.SocketType) -> tuple[bytes, tuple[str, int]]:
        while True:
            try:
                return await sock.recvfrom(65535)
            except ConnectionError:  # an ICMP error of something that was sent before
                continue

    def _take(self, asked: Asked) -> None:
        method, call_id = asked.text.partition(" ")[0], asked.field("Call-ID")
        call = self._calls.get(call_id)
        if method == "INVITE":
            call = self._calls.setdefault(call_id, _Call(asked))
            key = call_id, asked.field("CSeq")
            if key not in self._seen:
                self._seen.add(key)
                call.invite, call.acknowledged = asked, trio.Event()
                self._nursery.start_soon(self._invited, call, call.numbers)
                call.numbers += 1
        elif call is not None and method == "ACK" and not (self._manner.deaf and call.answered):
            call.acknowledged.set()
        elif method == "CANCEL":
            if self._manner.cancel:
                self._send(answer(asked, status=self._manner.cancel), asked)
            if call is not None and not call.answered and not self._manner.rings_on:
                self._nursery.start_soon(self._final, call, answer(call.invite, status="487 Request Terminated"))
        elif method == "BYE":
            if self._manner.bye:
                self._send(answer(asked, status=self._manner.bye), asked)
            if call is not None:
                call.over.set()
        elif method == "OPTIONS":
            self._send(answer(asked), asked)

    def _send(self, data: bytes, to: Asked) -> None:
        self._nursery.start_soon(self._send_to, data, (to.source.host, to.source.port))

    async def _send_to(self, data: bytes, name: tuple[str, int]) -> None:
        try:
            await self._sock.sendto(data, name)
        except OSError:
            return

    async def _invited(self, call: _Call, number: int) -> None:
        manner = self._manner
        status, fields = manner.finals[min(number, len(manner.finals) - 1)]
        answers = status.startswith("2")
        port = 0
        if (answers or manner.early) and not manner.bare:
            port = await self._nursery.start(partial(self._media, call))
        for before in manner.before:
            if not (number and before.startswith("18")):
                described = manner.early and not before.startswith("100")
                self._send(self._answer(call.invite, before, (), port if described else 0), call.invite)
        await trio.sleep(manner.delay)
        if manner.never or call.over.is_set():
            return
        call.answered = answers
        await self._final(call, self._answer(call.invite, status, fields, port if answers else 0))
        if answers and manner.hangs_up is not None:
            await trio.sleep(manner.hangs_up)
            self._send(self._bye(call.invite), call.invite)

    async def _final(self, call: _Call, data: bytes) -> None:
        """Send a final response until it is acknowledged."""
        acknowledged = call.acknowledged
        for pause in REPEATS:
            self._send(data, call.invite)
            with trio.move_on_after(pause):
                await acknowledged.wait()
                return
            if call.over.is_set():
                return

    def _answer(self, asked: Asked, status: str, fields: tuple[str, ...], port: int) -> bytes:
        if not port:
            return answer(asked, *fields, status=status, contact=self._manner.contact)
        body = self._manner.edit(SDP.format(host=self._at.host, port=port)).replace("\n", "\r\n").encode()
        told = (*fields, "Content-Type: application/sdp")
        return answer(asked, *told, status=status, contact=self._manner.contact, body=body)

    def _bye(self, asked: Asked) -> bytes:
        contact = re.search(r"<([^>]+)>", asked.field("Contact"))
        uri = contact[1] if contact else f"sip:{asked.source.host}:{asked.source.port}"
        head = [
            f"BYE {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self._at.host}:{self._at.port};branch=z9hG4bKbye{id(asked)}",
            f"From: {asked.field('To')};tag=exemplar",
            f"To: {asked.field('From')}",
            f"Call-ID: {asked.field('Call-ID')}",
            "CSeq: 1 BYE",
            "Max-Forwards: 70",
            *self._manner.bye_fields,
            "Content-Length: 0",
        ]
        return "\r\n".join(head).encode() + b"\r\n\r\n"

    async def _media(self, call: _Call, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Take media, and send what the manner makes of it."""
        family, kind = socket.AF_INET, socket.SOCK_DGRAM
        with trio.socket.socket(family, kind) as sock, trio.socket.socket(family, kind) as other:
            await sock.bind((self._at.host, 0))
            await other.bind((self._at.host, 0))
            port = sock.getsockname()[1]
            if self._manner.closed:
                sock.close()
                task_status.started(port)
                return
            task_status.started(port)
            stream, names = Echo(), [("", 0)]
            async with trio.open_nursery() as nursery:
                for heard in (sock, other):
                    nursery.start_soon(self._echo, heard, other if self._manner.elsewhere else sock, stream, names)
                await call.over.wait()
                nursery.cancel_scope.cancel()
            while self._manner.after_bye and names[-1][1]:
                await trio.sleep(0.01)
                await sock.sendto(stream.packet(b"\xff" * 160), names[-1])

    async def _echo(
        self,
        heard: trio.socket.SocketType,
        sock: trio.socket.SocketType,
        stream: Echo,
        names: list[tuple[str, int]],
    ) -> None:
        """Send what the manner makes of what comes to one socket, from another."""
        while True:
            data, names[-1] = await self._receive(heard)
            if len(data) > 12 and 128 <= data[0] <= 191 and not 192 <= data[1] <= 223:
                for packet in self._manner.packets(stream, data):
                    await sock.sendto(packet, names[-1])
