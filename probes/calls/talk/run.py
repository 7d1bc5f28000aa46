"""One call to one hop, from its INVITE to its end: the edge that takes the steps of `machine` in their time."""

import math
from dataclasses import replace

import trio

from probes.calls import verdict
from probes.calls.machine import NAME, CallState, Happening, Step, advance
from probes.calls.script import CallScript
from probes.calls.story import Story
from probes.calls.verdict import Verdict
from probes.result import CallMedia, CallMediaPart
from sipcore.auth.session import AuthSession
from sipcore.dialogs.dialog import DialogId
from sipcore.dialogs.effects import EndReason
from sipcore.dialogs.session import description_of
from sipcore.endpoint.call import HANG_UP_TIMEOUT, Call
from sipcore.endpoint.endpoint import Endpoint
from sipcore.endpoint.media.leg import Leg
from sipcore.endpoint.media.media import Media
from sipcore.errors import LocalError, SipError, TransportFailure
from sipcore.events import CallAnswered, CallChanged, CallEvent, CallFailed, CallProgress
from sipcore.media.report import MediaEvent, MediaEventKind, MediaResult
from sipcore.media.terms import keying_of
from sipcore.media.total import MediaPart
from sipcore.message.message import Response
from sipcore.message.method import INVITE
from sipcore.message.status import TRYING
from sipcore.outgoing import Order
from sipcore.resolve.target import Hop
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.terms import SDP

RTCP_INTERVAL = 1.0
"""Seconds between reports: a test call is too short for the five of RFC 3550 §6.2, and two parties at this pace stay
within the twentieth of the bandwidth that reports may have."""
LATE = 1.0
"""Seconds that a call without any answer waits for a 1xx once it is given up, since it can be cancelled from then on
only (RFC 3261 §9.1). Round trips are shorter, and the INVITE is repeated meanwhile: a phone may ring for nobody."""
LINGER = 0.2
"""Seconds that the ports stay open behind the end of a call, to tell whether the peer goes on sending."""


class Talk:
    """One call while it lasts, and what is known of it afterwards. Times are on trio's clock."""

    def __init__(self, script: CallScript, endpoint: Endpoint, media: Media, story: Story) -> None:
        self._script = script
        self._endpoint = endpoint
        self._media = media
        self._story = story
        self._state = CallState.INITIATED
        self._deadline = math.inf
        self._heard = False
        self._at: dict[Happening, float] = {}
        self._early = False
        self._gave_up = False
        self._failed: CallFailed | None = None
        self._call: Call
        self._id: DialogId
        """What it is known by in traces: whoever answers, so without remote tag."""
        self._leg: Leg
        self._send, self._receive = trio.open_memory_channel[Happening](math.inf)
        self.first_ring: float | None = None
        self.answered: float | None = None
        self.ended: float | None = None
        self.final: Response | None = None
        self._is_followed = False
        self.interrupted: float | None = None
        """When it was given up here by whoever placed it; None if it was not."""
        self.media: CallMedia | None = None
        self.media_problem = ""

    async def run(self, hop: Hop) -> Verdict:
        """Call over a hop that is prepared. Raises TransportFailure when nothing came back, so that the next may be
        tried, and LocalError where there are no ports for media.
        """
        assert hop.local is not None  # noqa: S101  # it is prepared
        script = self._script
        try:
            leg = Leg(
                self._media,
                hop.local.host,
                script.wishes,
                self._endpoint.tokens,
                self._hear,
                on_fault=self._story.take,
                refusal=self._endpoint.config.transports.refusal,
                rtcp_interval=RTCP_INTERVAL,
            )
        except OSError as error:
            raise LocalError(f"no ports for media: {error.strerror}", section="RFC 3550 §11") from error
        with leg as self._leg:
            async with self._endpoint.call(self._order(hop)) as self._call:
                self._call.patience = LATE
                try:
                    await self._follow()
                finally:
                    await self._conclude()
        return self._verdict()

    @property
    def held(self) -> float | None:
        """Seconds from the answer until somebody hung up."""
        return None if self.answered is None or self.ended is None else self.ended - self.answered

    @property
    def end_reason(self) -> EndReason | None:
        """How the dialog ended."""
        return self._call.end_reason

    async def _conclude(self) -> None:
        """Hang up, and measure the media: of a call that is given up, too."""
        if not self._is_followed:
            self.interrupted = trio.current_time()
            self._story.tell("interrupted", self.interrupted)
        with trio.CancelScope(shield=True):
            await self._call.hang_up()
            # That may have taken its time: how the call ended is known only now.
            self._move(Happening.OVER)
            media = await measured(self._leg, self._story, answered=self.answered is not None, early=self._early)
            self.media = replace(media, digits=self._script.digits) if media is not None else None

    def _order(self, hop: Hop) -> Order:
        script, endpoint = self._script, self._endpoint
        invite = endpoint.new_request(
            INVITE,
            script.uri(hop),
            from_=script.sender,
            fields=script.fields,
            body=bytes(self._leg.offer()),
            content_type=SDP,
        )
        self._id = DialogId(invite.call_id, invite.from_tag or "", "")
        return Order(invite, hop, endpoint.config.stack.user, AuthSession(script.account) if script.account else None)

    async def _follow(self) -> None:
        """Take what happens, one after the other, until the call is over, or is to be hung up."""
        self._deadline = trio.current_time() + self._script.ring_timeout
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read)
            while self._state not in (CallState.HANGING_UP, CallState.COMPLETED):
                happening = Happening.TIME_UP
                with trio.move_on_at(self._deadline):
                    happening = await self._receive.receive()
                if happening is Happening.TIME_UP:
                    self._deadline = math.inf
                self._move(happening)
            nursery.cancel_scope.cancel()
        self._is_followed = True

    async def _read(self) -> None:
        async for event in self._call:
            happening = self._happening(event)
            if happening is not None:
                self._send.send_nowait(happening)
        self._send.send_nowait(Happening.OVER)

    def _happening(self, event: CallEvent) -> Happening | None:
        """What an event means to the script; what it says is kept."""
        match event:
            case CallProgress(response=response, stamp=stamp):
                self._notice()
                happening = self._progress(response)
                self._at.setdefault(happening, stamp.at)
                if happening is not Happening.TRYING:
                    self.first_ring = self.first_ring or stamp.at
                return happening
            case CallAnswered(response=response, stamp=stamp):
                self._notice()
                self.answered = self._at[Happening.ANSWERED] = stamp.at
                self.final = response
                return Happening.ANSWERED
            case CallFailed():
                self._failed, self.final = event, event.response
                return Happening.FAILED
            case CallChanged(local=False):
                self._agree()
        return None

    def _notice(self) -> None:
        """Somebody is there, who is expected to answer a CANCEL or BYE, too."""
        self._heard = True
        self._call.patience = HANG_UP_TIMEOUT

    def _progress(self, response: Response) -> Happening:
        if response.status == TRYING:
            return Happening.TRYING
        early = self._script.early_media and description_of(response)
        return Happening.EARLY_MEDIA if early else Happening.RINGING

    def _move(self, happening: Happening) -> None:
        before = self._state
        self._state, steps = advance(before, happening)
        if self._endpoint.trace_switch.on:
            cell = self._state, steps
            self._endpoint.publish(self._id.transition(trio.current_time(), NAME, happening, before, cell))
        if self._state not in (before, CallState.COMPLETED):  # which comes with the result, after the last hop
            self._story.reach(self._state, self._at.get(happening, trio.current_time()))
        if self._state in (CallState.HANGING_UP, CallState.COMPLETED) and self.ended is None:
            self.ended = trio.current_time()
        for step in steps:
            self._take(step)

    def _take(self, step: Step) -> None:
        script, now = self._script, trio.current_time()
        match step:
            case Step.LISTEN:
                self._agree()
                self._early = self._leg.agreed is not None
            case Step.TALK:
                self._agree()
                if self._story.first(MediaEventKind.FIRST_RECEIVED) is not None:
                    self._send.send_nowait(Happening.MEDIA)
            case Step.DIAL:
                self._dial()
            case Step.WAIT:
                self._deadline = (self.answered or now) + script.talk_time
            case Step.GIVE_UP:
                self._gave_up = True
                self._story.tell("given up", now, f"after {script.ring_timeout:g} s")
            case Step.HANG_UP:
                self._leg.line.finish()  # the rest is done by leaving the block of the call

    # Media

    def _hear(self, event: MediaEvent) -> None:
        self._story.hear(event)
        if event.kind is MediaEventKind.FIRST_RECEIVED:
            self._at[Happening.MEDIA] = event.at
            self._send.send_nowait(Happening.MEDIA)

    def _agree(self) -> None:
        """Begin media by the descriptions in force, or go on by them; one that cannot be used is told."""
        if self._call.is_over:
            return
        try:
            remote = self._call.remote
            if not remote:
                self.media_problem = "the peer has described no session"
                return
            follow(self._leg, remote, self._call.local)
            self.media_problem = ""
        except SipError as error:
            self.media_problem = error.message
            self._story.tell("no media", trio.current_time(), error.message)

    def _dial(self) -> None:
        if self._script.digits and self._leg.agreed is not None:
            try:
                self._leg.line.press(self._script.digits)
            except LocalError as error:
                self._story.tell("no DTMF", trio.current_time(), error.message)

    # The end

    def _verdict(self) -> Verdict:
        """Raises TransportFailure when nothing came back."""
        failed = self._failed
        if failed is not None and failed.response is None and isinstance(failed.failure, TransportFailure):
            raise failed.failure
        if failed is not None and failed.response is not None:
            return verdict.of_response(failed.response, failed.failure)
        if self._gave_up and self.answered is None:
            return verdict.of_silence(self._script.ring_timeout, heard=self._heard, rang=self.first_ring is not None)
        if self.answered is None:
            return verdict.of_ended(self.end_reason or EndReason.CANCELLED, 0.0)
        return verdict.of_ended(self.end_reason or EndReason.BYE_UNANSWERED, self.held or 0.0)


def follow(leg: Leg, remote: bytes, local: bytes) -> None:
    """Begin media by the descriptions of both sides that are in force, or go on by them. Raises what `Leg.start` does,
    and ParseError for what cannot be read: a mistake of this program over what a peer wants costs that media alone.
    """
    with leg.line.guarding("the descriptions in force"):
        leg.start(SessionDescription.parse(remote, []), SessionDescription.parse(local, []) if local else None)


async def measured(leg: Leg, story: Story, *, answered: bool, early: bool, listens: bool = True) -> CallMedia | None:
    """What became of the media of a call that is over, as the peer knows; None where none was agreed on.

    `listens` is whether what came is searched for what was sent.
    """
    agreed, line = leg.agreed, leg.line
    if agreed is None:
        return None
    line.finish()
    over = line.result().unexpected.after_end
    if answered and line.result().sources:
        await trio.sleep(LINGER)
    heard = await line.listen() if listens else None
    result, parts = line.result(heard), line.parts(heard)
    return CallMedia(
        result,
        agreed.plan.codec.encoding,
        agreed.plan.ptime,
        agreed.keying.value,
        line.address,
        story.first(MediaEventKind.FIRST_SENT),
        story.first(MediaEventKind.FIRST_RECEIVED),
        early,
        result.unexpected.after_end - over,
        last=_last(result, story.start),
        parts=tuple(_part(part, story.start) for part in parts) if len(parts) > 1 else (),
    )


def _part(part: MediaPart, start: float) -> CallMediaPart:
    plan = part.plan
    return CallMediaPart(part.began - start, plan.codec.encoding, plan.ptime, keying_of(plan).value, part.measured)


def _last(result: MediaResult, start: float) -> float | None:
    """When the last packet of either stream was, in seconds since the call began."""
    ends = [result.sent.last_at, result.received.last_at if result.received else None]
    return max((at - start for at in ends if at is not None), default=None)
