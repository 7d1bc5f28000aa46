"""One call at the responder: the steps of its plan taken in their time, the media behind it, and what became of it."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import trio

from probes.calls import verdict
from probes.calls.judge.conclude import concluded
from probes.calls.judge.facts import facts_of
from probes.calls.machine import NAME, CallState, Happening, advance
from probes.calls.story import Story
from probes.calls.talk.run import LINGER, RTCP_INTERVAL, follow, measured
from probes.destination import Destination
from probes.responder.personas import (
    AGENT,
    INCOMPATIBLE_PROTOCOL,
    INTERNAL_ERROR,
    NOT_ACCEPTABLE,
    OK,
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
from probes.result import CallKind, CallMedia, CallResult, CallRole, CallStatus
from sipcore.auth.server import Accepted
from sipcore.dialogs.dialog import DialogId
from sipcore.dialogs.effects import EndReason
from sipcore.endpoint.call import IncomingCall
from sipcore.endpoint.endpoint import Endpoint
from sipcore.endpoint.media.leg import Leg
from sipcore.endpoint.media.media import Media
from sipcore.errors import LocalError, SipError, own_fault
from sipcore.events import CallChanged, CallConfirmed
from sipcore.media.report import MediaEvent, MediaEventKind
from sipcore.media.sound import Sweep
from sipcore.message.fields.reason import warning_of
from sipcore.message.uri import SipUri
from sipcore.sdp.terms import SDP


class Host(Protocol):
    """What a visit needs of the responder."""

    @property
    def endpoint(self) -> Endpoint:
        """Where the call came in."""

    @property
    def media(self) -> Media:
        """What opens media sockets."""

    @property
    def epoch_ns(self) -> int:
        """What makes dates out of times, as in `CallResult`."""

    def fields(
        self, persona: Persona, fields: Sequence[Field], accepted: Accepted | None, body: bytes
    ) -> Sequence[Field]:
        """The header fields of a response with `body` of a persona."""


class Visit:
    """One call while it lasts, and its `result`. Times are on trio's clock."""

    def __init__(self, host: Host, call: IncomingCall, persona: Persona, plan: CallPlan, story: Story) -> None:
        self._host = host
        self._call = call
        self._persona = persona
        self._plan = plan
        self._story = story
        self._accepted: Accepted | None = None
        self._state = CallState.INITIATED
        self._description = b""
        self._leg: Leg | None = None
        self._problem = plan.problem
        self._early = False
        self._rang: float | None = None
        self._answered: float | None = None
        self._confirmed = False
        self.result: CallResult | None = None

    async def run(self, accepted: Accepted | None) -> None:
        """Take the steps of the plan until the call is over; `accepted` is who has proven to be the caller."""
        self._accepted = accepted
        if not self._call.is_over:
            self._call.adopt(self._persona.manner_of)
        try:
            with trio.move_on_after(self._persona.longest):
                await self._take_steps()
        finally:
            with trio.CancelScope(shield=True):  # no call is left open, whatever is cancelled around
                await self._end()

    async def _take_steps(self) -> None:
        """A step that this call does not allow, or over which this program makes a mistake, ends this call, and no
        other one.
        """
        try:
            for step in self._plan.steps:
                if not self._call.is_over:
                    await self._take(step)
        except LocalError as error:
            self._problem = error.message
        except Exception as error:  # noqa: BLE001  # see Faults
            self._problem = own_fault().message
            self._story.take(self._host.endpoint.note_fault(error, self._call.invite.start_line))
            if self._answered is None:
                self._refuse(INTERNAL_ERROR, ())

    async def _take(self, step: Step) -> None:
        call, host, own = self._call, self._host, self._persona.headers
        match step:
            case Wait(seconds):
                with trio.move_on_after(math.inf if seconds is None else seconds):
                    await self._follow()
            case Reply(status, fields):
                self._refuse(status, fields)
            case Provisional(status, describes, reliably):
                body = self._describe() if describes else b""
                if not call.is_over and (body or not describes):
                    told, kind = host.fields(self._persona, own, None, b""), SDP if body else ""
                    call.ring(status, reliably=reliably, fields=told, body=body, content_type=kind)
                    self._rang = self._rang or trio.current_time()
                    self._early = self._early or bool(body)
                    self._move(Happening.EARLY_MEDIA if body else Happening.RINGING)
            case Accept():
                body = self._describe()
                if not call.is_over:
                    call.accept(
                        fields=host.fields(self._persona, own, self._accepted, body), body=body, content_type=SDP
                    )
                    self._answered = trio.current_time()
                    self._move(Happening.ANSWERED)
                    if self._story.first(MediaEventKind.FIRST_RECEIVED) is not None:
                        self._move(Happening.MEDIA)
            case HangUp():
                await self._hang_up()

    async def _follow(self) -> None:
        """Until the call is over, have its media follow what the caller answers, and changes: whether it is held, and
        the address. What cannot be followed is told at the end, and changes nothing.
        """
        async for event in self._call:
            if isinstance(event, CallConfirmed):
                self._confirmed = True
            if self._leg is None or not isinstance(event, CallChanged | CallConfirmed):
                continue
            if isinstance(event, CallChanged) or self._leg.agreed is None:
                self._agree(self._leg)
            if isinstance(event, CallConfirmed):
                self._dial(self._leg)

    def _agree(self, leg: Leg) -> None:
        """Begin media by the caller's description, or go on by it."""
        if self._call.is_over:
            return
        try:
            remote = self._call.remote
            if not remote:
                self._problem = "the caller has described no session"
                return
            follow(leg, remote, self._call.local)
        except SipError as error:
            self._problem = error.message
            self._story.tell("no media", trio.current_time(), error.message)

    def _dial(self, leg: Leg) -> None:
        if not self._persona.digits or leg.agreed is None:
            return
        try:
            leg.line.press(self._persona.digits)
        except LocalError as error:
            self._story.tell("no DTMF", trio.current_time(), error.message)

    def _refuse(self, status: int, fields: Sequence[Field]) -> None:
        if not self._call.is_over:  # it may have been refused for its offer already
            self._call.reject(
                status, fields=self._host.fields(self._persona, (*fields, *self._persona.headers), None, b"")
            )

    def _describe(self) -> bytes:
        """The session description, made once, with the media sockets behind it. Refuses the call where it cannot be."""
        if self._description:
            return self._description
        plan, host = self._plan, self._host
        try:
            leg = self._leg = Leg(
                host.media,
                self._call.flow.local.host,
                self._persona.wishes,
                host.endpoint.tokens,
                self._hear,
                on_fault=self._story.take,
                echo=not self._persona.digits,
                sweep=Sweep.CALLEE,
                rtcp_interval=RTCP_INTERVAL,
            )
            if plan.offer is None or plan.choice is None:
                self._description = bytes(leg.offer())  # the answer comes in the ACK
            else:
                self._description = bytes(leg.answer(plan.offer, plan.choice))
                leg.start(plan.offer)
        except (SipError, OSError) as error:
            self._problem = error.message if isinstance(error, SipError) else str(error)
            self._description = b""
            if isinstance(error, OSError):
                self._refuse(UNAVAILABLE, ())
            else:
                self._refuse(NOT_ACCEPTABLE, (("Warning", warning_of(INCOMPATIBLE_PROTOCOL, AGENT, error.message)),))
        return self._description

    def _hear(self, event: MediaEvent) -> None:
        self._story.hear(event)
        if event.kind is MediaEventKind.FIRST_RECEIVED and self._answered is not None:
            self._move(Happening.MEDIA, event.at)

    def _move(self, happening: Happening, at: float | None = None) -> None:
        """The same table as that of a call placed here; what is to be done on the way is the plan's here."""
        before = self._state
        self._state, steps = advance(before, happening)
        endpoint, invite = self._host.endpoint, self._call.invite
        if endpoint.trace_switch.on:
            known_by, cell = DialogId(invite.call_id, "", invite.from_tag or ""), (self._state, steps)
            endpoint.publish(known_by.transition(trio.current_time(), NAME, happening, before, cell))
        if self._state not in (before, CallState.COMPLETED):
            self._story.reach(self._state, trio.current_time() if at is None else at)

    # The end

    async def _hang_up(self) -> None:
        self._move(Happening.TIME_UP)
        if self._leg is not None:
            self._leg.line.finish()
        await self._call.hang_up()

    async def _end(self) -> None:
        """Hang up where nobody has, stay for what comes right behind the end, and judge it all."""
        if not self._call.is_over:
            await self._hang_up()
        ended = trio.current_time()
        self._confirmed = self._confirmed or self._call.end_reason not in (None, EndReason.NO_ACK)
        media = await self._measured()
        result = replace(self._told(ended), media=media, codec=media.codec if media else "")
        self.result = concluded(result, self._persona.expect)

    async def _measured(self) -> CallMedia | None:
        """What became of the audio; what is sent back here is no known signal that could be searched for."""
        leg, answered = self._leg, self._answered is not None
        media = None
        if leg is not None:
            with leg:
                listens = bool(self._persona.digits)
                media = await measured(leg, self._story, answered=answered, early=self._early, listens=listens)
        if media is not None:
            media = replace(media, digits=self._persona.digits)
        if media is None or not media.measured.sources:
            await trio.sleep(LINGER)  # for the ACK of a refusal
        return media

    def _told(self, ended: float) -> CallResult:
        """The call as it was, not judged yet."""
        story, flow = self._story, self._call.flow
        start, rang, answered = story.start, self._rang, self._answered
        uri = self._call.invite.from_.uri
        user = uri.decoded_user if isinstance(uri, SipUri) else None
        progress, reason = rang or answered, self._call.end_reason
        if reason is None and answered is not None:
            reason = EndReason.BYE_UNANSWERED if self._confirmed else EndReason.NO_ACK
        result = CallResult(
            destination=Destination(flow.remote.host, flow.remote.port, flow.transport, user),
            hop=replace(flow.hop, why=""),
            status=CallStatus.PENDING,
            kind=CallKind.NO_ANSWER,
            why="",
            role=CallRole.CALLEE,
            post_dial_delay=progress - start if progress else None,
            ring_time=(answered or ended) - rang if rang else None,
            answer_time=answered - start if answered is not None else None,
            duration=ended - answered if answered is not None else None,
            epoch_ns=self._host.epoch_ns,
            media_problem=self._problem,
            ended_by=reason.value if reason is not None else "",
        )
        final = facts_of(replace(result, timeline=story.timeline)).final
        status = final[1].status if final is not None else None
        seconds = ended - (answered if answered is not None else start)
        outcome = verdict.of_incoming(status if answered is None else OK, reason, seconds, self._problem)
        story.tell("completed", ended, outcome.status.value)
        story.reach(CallState.COMPLETED, ended, outcome.status.value)
        return replace(
            result,
            status=outcome.status,
            kind=outcome.kind,
            why=outcome.why,
            advice=outcome.advice,
            final_status=status,
            reason=final[1].reason if final is not None else "",
            timeline=story.timeline,
            events=story.events,
            transitions=story.transitions,
        )
