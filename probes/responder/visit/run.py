"""One call at the responder: the steps of its plan taken in their time, and the media sockets behind it."""

import math
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Protocol

import trio

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
from probes.result import CallMedia
from sipcore.auth.server import Accepted
from sipcore.dialogs.effects import EndReason
from sipcore.endpoint.call import IncomingCall
from sipcore.endpoint.endpoint import Endpoint
from sipcore.endpoint.media.leg import Leg
from sipcore.endpoint.media.media import Media
from sipcore.errors import LocalError, SipError
from sipcore.events import CallChanged
from sipcore.media.report import MediaEvent, MediaEventKind
from sipcore.media.session import MediaPlan
from sipcore.media.terms import Keying
from sipcore.message.method import INVITE
from sipcore.resolve.target import SocketAddress
from sipcore.sdp.build import SDP, telephone_event_codec
from sipcore.sdp.description import SessionDescription

GOODBYE_SECONDS = 1.0
"""How long a call may take to be hung up when the responder stops: two retransmissions of the BYE."""
RTCP_INTERVAL = 1.0
"""Seconds between reports: callers that test are not there for the five of RFC 3550 §6.2."""
DEFAULT_EVENT = 101
"""The payload type of telephone events in an offer."""


class Host(Protocol):
    """What a visit needs of the responder."""

    @property
    def endpoint(self) -> Endpoint:
        """Where the call came in."""

    @property
    def media(self) -> Media:
        """What opens media sockets."""

    @property
    def persona(self) -> Persona:
        """Who answers."""

    @property
    def longest(self) -> float:
        """Seconds after which a call is hung up here."""

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
        self._lines: ExitStack
        self._leg: Leg | None = None
        self._first: dict[MediaEventKind, float] = {}

    async def run(self) -> None:
        """Take the steps of the plan until the call is over, and report it."""
        with ExitStack() as self._lines:
            try:
                with trio.move_on_after(self._host.longest):
                    await self._take_steps()
            finally:
                await self._end()

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
                    await self._follow()
            case Reply(status, fields):
                self._refuse(status, fields)
            case Provisional(status, describes):
                body = self._describe() if describes else b""
                if not call.is_over and (body or not describes):
                    call.ring(status, fields=host.fields((), None, b""), body=body, content_type=SDP if body else "")
            case Accept():
                body = self._describe()
                if not call.is_over:
                    call.accept(fields=host.fields((), self._accepted, body), body=body, content_type=SDP)
                    self._status, self._answered = OK, trio.current_time()
            case HangUp():
                await call.hang_up()

    async def _follow(self) -> None:
        """Until the call is over, have its media follow what the caller changes: whether it is held, and the address.

        What cannot be followed is told at the end, and changes nothing.
        """
        async for event in self._call:
            leg = self._leg
            if isinstance(event, CallChanged) and leg is not None and leg.agreed is not None:
                try:
                    leg.start(SessionDescription.parse(self._call.remote, []))
                except SipError as error:
                    self._why = str(error)

    def _refuse(self, status: int, fields: Sequence[Field]) -> None:
        if not self._call.is_over:  # it may have been refused for its offer already
            self._status = status
            self._call.reject(status, fields=self._host.fields(fields, None, b""))

    def _describe(self) -> bytes:
        """The session description, made once, with the media sockets behind it. Refuses the call where it cannot be."""
        if self._description:
            return self._description
        plan, host = self._plan, self._host
        try:
            leg = self._leg = Leg(
                host.media,
                self._call.flow.local.host,
                host.persona.wishes,
                host.endpoint.tokens,
                self._hear,
                echo=True,
                rtcp_interval=RTCP_INTERVAL,
            )
            self._lines.enter_context(leg)
            if plan.offer is None or plan.choice is None:
                # The answer comes in the ACK; until then, whatever comes is sent back to wherever it comes from.
                self._description = bytes(leg.offer())
                leg.line.start(self._anywhere())
            else:
                self._description = bytes(leg.answer(plan.offer, plan.choice))
                leg.start(plan.offer)
        except (SipError, OSError) as error:
            self._why = str(error)
            self._description = b""
            self._refuse(UNAVAILABLE if isinstance(error, OSError) else NOT_ACCEPTABLE, ())
        return self._description

    def _anywhere(self) -> MediaPlan:
        """What to send back where nobody has said what comes, nor from where."""
        codecs = self._host.persona.codecs
        events = telephone_event_codec(DEFAULT_EVENT, codecs)
        return MediaPlan(
            SocketAddress(self._call.flow.remote.host, 0), codecs[0], events, others=tuple(codecs[1:]), echo=True
        )

    async def _end(self) -> None:
        """Leave no call open, whatever is cancelled around, and tell what became of it."""
        call = self._call
        with trio.CancelScope(shield=True, deadline=trio.current_time() + GOODBYE_SECONDS):
            if not call.is_over:
                await call.hang_up()
        caller, called = parties(call.invite)
        when, began = self._began
        seconds = trio.current_time() - began
        status, outcome, codec = self._outcome()
        answered, reason = self._answered, call.end_reason
        self._host.report(
            Happening(
                when,
                INVITE,
                caller,
                called,
                call.flow,
                status,
                outcome,
                codec,
                seconds,
                answered - began if answered is not None else None,
                reason.value if reason else "",
                self._measured(),
            )
        )

    def _hear(self, event: MediaEvent) -> None:
        self._first.setdefault(event.kind, event.at - self._began[1])

    def _measured(self) -> CallMedia | None:
        """What became of the audio; nothing is listened to, since what is sent back here is no known signal."""
        leg = self._leg
        if leg is None or leg.line.session is None:
            return None
        leg.line.finish()
        plan = leg.agreed.plan if leg.agreed is not None else leg.line.session.plan
        return CallMedia(
            leg.line.result(),
            plan.codec.encoding,
            plan.ptime,
            (leg.agreed.keying if leg.agreed is not None else Keying.NONE).value,
            leg.line.address,
            self._first.get(MediaEventKind.FIRST_SENT),
            self._first.get(MediaEventKind.FIRST_RECEIVED),
        )

    def _outcome(self) -> tuple[int | None, str, str]:
        reason, now = self._call.end_reason, trio.current_time()
        how = reason.value if reason else "still being hung up"
        if self._answered is not None:
            choice = self._plan.choice
            codec = choice.codec.encoding if choice else ""
            told = [codec, f"{how} after {now - self._answered:.1f} s", self._why]
            return OK, ", ".join(part for part in told if part), codec
        if self._status is not None:
            return self._status, self._why, ""
        if reason is EndReason.REJECTED:
            return TEMPORARILY_UNAVAILABLE, self._why or "the responder stopped", ""
        return REQUEST_TERMINATED, f"{how} after {now - self._began[1]:.1f} s", ""
