"""One call at the responder: the steps of its plan taken in their time, and the media sockets behind it."""

import errno
import math
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Protocol

import trio

from probes.responder.answer import SDP, Place, answer_to, offer_of
from probes.responder.happening import Happening, parties
from probes.responder.personas import (
    NOT_ACCEPTABLE,
    OK,
    REQUEST_TERMINATED,
    TEMPORARILY_UNAVAILABLE,
    UNAVAILABLE,
    Accept,
    CallPlan,
    Field,
    HangUp,
    Persona,
    Provisional,
    Reply,
    Step,
    Wait,
)
from sipcore.auth.server import Accepted
from sipcore.dialogs.session import EndReason
from sipcore.endpoint.call import IncomingCall
from sipcore.endpoint.endpoint import Endpoint
from sipcore.errors import LocalError
from sipcore.message.method import INVITE

MAX_CALL_SECONDS = 3600.0
"""After which a call is hung up here, so that callers who vanish do not stay for ever."""
GOODBYE_SECONDS = 1.0
"""How long a call may take to be hung up when the responder stops: two retransmissions of the BYE."""
MAX_SESSION_ID = 2**31
"""Session ids are drawn below it: some peers read them as 32 bits with a sign."""
PORT_ATTEMPTS = 20
"""Half of all free ports are odd: one run in a million finds no even one."""
MAX_PACKET = 2048
"""Bytes of a media packet: more than any Ethernet frame brings."""
RTP_HEADER, RTP_VERSION = 12, 2
"""RFC 3550 §5.1."""


class Host(Protocol):
    """What a visit needs of the responder."""

    @property
    def endpoint(self) -> Endpoint:
        """Where the call came in."""

    @property
    def persona(self) -> Persona:
        """Who answers."""

    def report(self, happening: Happening) -> None:
        """Tell what became of the call."""

    def fields(self, fields: Sequence[Field], accepted: Accepted | None, body: bytes) -> Sequence[Field]:
        """The header fields of a response with `body`."""


class Visit:
    """One call while it lasts."""

    def __init__(self, host: Host, call: IncomingCall, plan: CallPlan, accepted: Accepted | None, why: str) -> None:
        self._host = host
        self._call = call
        self._plan = plan
        self._accepted = accepted
        self._why = why
        self._began = datetime.now(UTC), trio.current_time()
        self._answered: float | None = None
        self._status: int | None = None
        self._description = b""
        self._nursery: trio.Nursery
        self._sockets: ExitStack

    async def run(self) -> None:
        """Take the steps of the plan until the call is over, and report it."""
        with ExitStack() as self._sockets:
            async with trio.open_nursery() as self._nursery:
                try:
                    with trio.move_on_after(MAX_CALL_SECONDS):
                        await self._take_steps()
                finally:
                    await self._end()
                    self._nursery.cancel_scope.cancel()

    async def _take_steps(self) -> None:
        """A step that this call does not allow ends this call, and no other one."""
        try:
            for step in self._plan.steps:
                if not self._call.is_over:
                    await self._take(step)
        except LocalError as error:
            self._why = str(error)

    async def _take(self, step: Step) -> None:
        call, host = self._call, self._host
        match step:
            case Wait(seconds):
                with trio.move_on_after(math.inf if seconds is None else seconds):
                    await call.over()
            case Reply(status, fields):
                self._refuse(status, fields)
            case Provisional(status, describes):
                body = await self._describe() if describes else b""
                if not call.is_over and (body or not describes):
                    call.ring(status, fields=host.fields((), None, b""), body=body, content_type=SDP if body else "")
            case Accept():
                body = await self._describe()
                if not call.is_over:
                    call.accept(fields=host.fields((), self._accepted, body), body=body, content_type=SDP)
                    self._status, self._answered = OK, trio.current_time()
            case HangUp():
                await call.hang_up()

    def _refuse(self, status: int, fields: Sequence[Field]) -> None:
        if not self._call.is_over:  # the caller may have given up while media sockets were being opened
            self._status = status
            self._call.reject(status, fields=self._host.fields(fields, None, b""))

    async def _describe(self) -> bytes:
        """The session description, made once, with the media sockets behind it. Refuses the call where it cannot be."""
        if self._description:
            return self._description
        plan, address = self._plan, self._call.flow.local.host
        try:
            echo = await Echo.open(address, self._sockets, sends=plan.choice is None or plan.choice.direction.sends)
            place = Place(address.partition("%")[0], echo.port, self._host.endpoint.tokens.number(MAX_SESSION_ID))
            if plan.offer is None or plan.choice is None:
                description = offer_of(self._host.persona.codecs, place)
            else:
                description = answer_to(plan.offer, plan.choice, place)
        except (LocalError, OSError) as error:
            self._why = str(error)
            self._refuse(NOT_ACCEPTABLE if isinstance(error, LocalError) else UNAVAILABLE, ())
            return b""
        self._nursery.start_soon(echo.run)
        self._description = bytes(description)
        return self._description

    async def _end(self) -> None:
        """Leave no call open, whatever is cancelled around, and tell what became of it."""
        call = self._call
        with trio.CancelScope(shield=True, deadline=trio.current_time() + GOODBYE_SECONDS):
            if not call.is_over:
                self._host.endpoint.hang_up(call.number)
                await call.over()
        caller, called = parties(call.invite)
        when, began = self._began
        seconds = trio.current_time() - began
        status, outcome, codec = self._outcome()
        self._host.report(Happening(when, INVITE, caller, called, call.flow, status, outcome, codec, seconds))

    def _outcome(self) -> tuple[int | None, str, str]:
        reason, now = self._call.end_reason, trio.current_time()
        how = reason.value if reason else "still being hung up"
        if self._answered is not None:
            choice = self._plan.choice
            codec = choice.codec.encoding if choice else ""
            return OK, f"{f'{codec}, ' if codec else ''}{how} after {now - self._answered:.1f} s", codec
        if self._status is not None:
            return self._status, self._why, ""
        if reason is EndReason.REJECTED:
            return TEMPORARILY_UNAVAILABLE, self._why or "the responder stopped", ""
        return REQUEST_TERMINATED, f"{how} after {now - self._began[1]:.1f} s", ""


class Echo:
    """Two UDP sockets for a call: RTP goes back to where it comes from, RTCP is taken so that no ICMP goes back.

    Only RTP, and only to the first sender: whoever forges packets must not make two echoes talk to each other.
    """

    def __init__(self, rtp: trio.socket.SocketType, rtcp: trio.socket.SocketType, sends: bool) -> None:
        self._rtp = rtp
        self._rtcp = rtcp
        self._sends = sends
        self.port: int = rtp.getsockname()[1]

    @classmethod
    async def open(cls, host: str, keeper: ExitStack, *, sends: bool) -> "Echo":
        """Bind an even port and the next one (RFC 3550 §11), until `keeper` closes. Raises OSError without any."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        for _ in range(PORT_ATTEMPTS):
            with ExitStack() as sockets:
                rtp, rtcp = (sockets.enter_context(trio.socket.socket(family, socket.SOCK_DGRAM)) for _ in range(2))
                await rtp.bind((host, 0))
                port = rtp.getsockname()[1]
                if port % 2 == 0 and await _is_bound(rtcp, (host, port + 1)):
                    keeper.enter_context(sockets.pop_all())
                    return cls(rtp, rtcp, sends)
        raise OSError(errno.EADDRINUSE, "no two free ports in a row for media")

    async def run(self) -> None:
        """Echo until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._swallow)
            await self._send_back()

    async def _send_back(self) -> None:
        peer = None
        while True:
            data, sender = await self._rtp.recvfrom(MAX_PACKET)
            if len(data) >= RTP_HEADER and data[0] >> 6 == RTP_VERSION and peer in (None, sender):
                peer = sender
                if self._sends:
                    try:
                        await self._rtp.sendto(data, sender)
                    except OSError:
                        continue  # the peer's port is gone already; the call's end is on its way

    async def _swallow(self) -> None:
        while True:
            await self._rtcp.recvfrom(MAX_PACKET)


async def _is_bound(sock: trio.socket.SocketType, address: tuple[str, int]) -> bool:
    try:
        await sock.bind(address)
    except OSError:
        return False
    return True
