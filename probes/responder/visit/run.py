"""One call at the responder: the steps of its plan taken in their time, and the media sockets behind it."""

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
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
from sipcore.auth.server import Accepted
from sipcore.dialogs.effects import EndReason
from sipcore.endpoint.call import IncomingCall
from sipcore.endpoint.endpoint import Endpoint
from sipcore.endpoint.media.media import Media
from sipcore.errors import LocalError, ParseError
from sipcore.media.session import MediaPlan
from sipcore.message.method import INVITE
from sipcore.resolve.target import SocketAddress
from sipcore.sdp.build import SDP, audio_description, origin_of
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.negotiation import Place, agree, answer_to

MAX_CALL_SECONDS = 3600.0
"""After which a call is hung up here, so that callers who vanish do not stay for ever."""
GOODBYE_SECONDS = 1.0
"""How long a call may take to be hung up when the responder stops: two retransmissions of the BYE."""
MAX_SESSION_ID = 2**31
"""Session ids are drawn below it: some peers read them as 32 bits with a sign."""


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

    async def run(self) -> None:
        """Take the steps of the plan until the call is over, and report it."""
        with ExitStack() as self._lines:
            try:
                with trio.move_on_after(MAX_CALL_SECONDS):
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
                    await call.over()
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

    def _refuse(self, status: int, fields: Sequence[Field]) -> None:
        if not self._call.is_over:  # it may have been refused for its offer already
            self._status = status
            self._call.reject(status, fields=self._host.fields(fields, None, b""))

    def _describe(self) -> bytes:
        """The session description, made once, with the media sockets behind it. Refuses the call where it cannot be."""
        if self._description:
            return self._description
        address = self._call.flow.local.host
        try:
            line = self._lines.enter_context(self._host.media.open(address))
            description = self._description_for(Place(address.partition("%")[0], line.address.port))
            line.start(self._echo(description))
        except (LocalError, ParseError, OSError) as error:
            self._why = str(error)
            self._refuse(UNAVAILABLE if isinstance(error, OSError) else NOT_ACCEPTABLE, ())
            return b""
        self._description = bytes(description)
        return self._description

    def _echo(self, description: SessionDescription) -> MediaPlan:
        """Send back what comes: where the offer says, or, where there is none, to wherever it comes from."""
        plan = self._plan
        if plan.offer is None or plan.choice is None:
            anywhere = SocketAddress(self._call.flow.remote.host, 0)
            codec, *others = self._host.persona.codecs
            events = description.media[0].codecs[-1]
            return MediaPlan(anywhere, codec, events, others=tuple(others), echo=True)
        stream = agree(description, plan.offer)[plan.choice.stream]
        if stream is None:
            raise LocalError("the offer names no address for media", section="RFC 8866 §5.7")
        return replace(MediaPlan.of(stream), echo=True)

    def _description_for(self, place: Place) -> SessionDescription:
        """The answer, or an offer where the INVITE brought none (RFC 3261 §13.2.1). Raises LocalError."""
        plan, session_id = self._plan, self._host.endpoint.tokens.number(MAX_SESSION_ID)
        if plan.offer is None or plan.choice is None:
            codecs = self._host.persona.codecs
            return audio_description(
                address=place.address, port=place.port, session_id=session_id, session_version=1, codecs=codecs
            )
        return answer_to(plan.offer, [(plan.choice, place)], origin_of(place.address, session_id))

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
