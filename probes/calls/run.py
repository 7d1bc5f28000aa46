"""Placing a test call: the edge that carries out a `CallScript` and collects what happens."""

import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import trio

from probes.calls import verdict
from probes.calls.script import CallScript
from probes.calls.verdict import Verdict
from probes.result import CallKind, CallResult, CallStatus, TimelineEntry
from probes.timeline import entry_of, mark
from sipcore.auth.session import AuthSession
from sipcore.dialogs.session import EndReason
from sipcore.endpoint.call import Call
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig, open_endpoint
from sipcore.errors import LocalError, ParseError, TransportFailure
from sipcore.events import CallAnswered, CallFailed, CallProgress
from sipcore.message.message import Response
from sipcore.message.method import INVITE
from sipcore.outgoing import Order
from sipcore.resolve.target import Hop
from sipcore.sdp.attributes import G722, G729, PCMA, PCMU, Codec
from sipcore.sdp.build import audio_description
from sipcore.sdp.description import SessionDescription
from sipcore.trace import TraceRecord

CODECS: dict[str, Codec] = {"PCMU": PCMU, "PCMA": PCMA, "G722": G722, "G729": G729}
"""What a call can offer, by the names of RFC 3551."""
SDP = "application/sdp"

OnEntry = Callable[[TimelineEntry], None]


async def place_call(
    script: CallScript, config: EndpointConfig | None = None, on_entry: OnEntry | None = None, hop: Hop | None = None
) -> CallResult:
    """Place the call and give its result; `on_entry` is called with each line of the timeline as it happens.

    A `hop` skips locating the destination. Whatever the network does is in the result; raises LocalError for a script
    that cannot be carried out.
    """
    for name in script.codecs:
        if name not in CODECS:
            raise LocalError(f"no codec {name}; there are {', '.join(CODECS)}", section="RFC 3551 §4.5")
    async with open_endpoint(replace(config or EndpointConfig(), garbage_fails=True)) as endpoint:
        run = _Run(script, endpoint, on_entry)
        unsubscribe = endpoint.subscribe(run.take)
        try:
            return await run.call(hop)
        finally:
            unsubscribe()


class _Run:
    """One call in progress: what it has collected so far."""

    def __init__(self, script: CallScript, endpoint: Endpoint, on_entry: OnEntry | None) -> None:
        self._script = script
        self._endpoint = endpoint
        self._on_entry = on_entry
        self._start = trio.current_time()
        self._timeline: list[TimelineEntry] = []
        self._first_ring: float | None = None
        self._answered: float | None = None
        self._final: Response | None = None

    def take(self, record: TraceRecord) -> None:
        """A trace record: a line of the timeline, if people need to see it."""
        entry = entry_of(record, self._start)
        if entry is not None:
            self._add(entry)

    async def call(self, hop: Hop | None) -> CallResult:
        """Try the hops in order until one gives an answer, whatever it says (RFC 3263 §4.3)."""
        self._add(mark("initiated", self._start, self._start, str(self._script.destination)))
        try:
            hops = [hop] if hop else await self._endpoint.locate(self._script.destination.uri())
        except TransportFailure as failure:
            return self._result(verdict.of_failure(failure), None)
        outcome = Verdict(CallStatus.FAILED, CallKind.UNRESOLVABLE, "nowhere to call")
        for candidate in hops:
            hop = candidate
            try:
                hop = await self._endpoint.transports.prepare(candidate)
                outcome = await self._try(hop)
                break
            except TransportFailure as failure:
                outcome = verdict.of_failure(failure)
        return self._result(outcome, hop)

    async def _try(self, hop: Hop) -> Verdict:
        """Call over one hop. Raises TransportFailure when nothing came back, so that the next one may be tried."""
        assert hop.local is not None  # it is prepared  # noqa: S101
        family = socket.AF_INET6 if hop.local.is_ipv6 else socket.AF_INET
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as media:
            # The media port is bound before it is offered, so that what the peer sends is not answered with ICMP.
            media.bind((hop.local.host, 0))
            order = self._order(hop, media.getsockname()[1])
            async with self._endpoint.call(order) as call:
                return await self._follow(call)

    def _order(self, hop: Hop, media_port: int) -> Order:
        assert hop.local is not None  # noqa: S101  # as above
        script, endpoint = self._script, self._endpoint
        offer = audio_description(
            address=hop.local.host,
            port=media_port,
            session_id=endpoint.tokens.number(2**31),
            session_version=1,
            codecs=[CODECS[name] for name in script.codecs],
        )
        invite = endpoint.new_request(
            INVITE, script.destination.uri(), from_=script.caller, fields=_FIELDS, body=bytes(offer), content_type=SDP
        )
        auth = AuthSession(script.account) if script.account else None
        return Order(invite, hop, endpoint.config.stack.user, auth)

    async def _follow(self, call: Call) -> Verdict:
        """Wait for the answer, hold, hang up."""
        with trio.move_on_after(self._script.ring_timeout) as ringing:
            outcome = await self._await_answer(call)
            if outcome is not None:
                return outcome
        if ringing.cancelled_caught:
            self._add(mark("given up", trio.current_time(), self._start, f"after {self._script.ring_timeout:g} s"))
            await call.hang_up()
            return verdict.of_silence(self._script.ring_timeout, rang=self._first_ring is not None)
        with trio.move_on_after(self._script.hold):
            await call.over()
        held = trio.current_time() - (self._answered or trio.current_time())
        await call.hang_up()
        return verdict.of_ended(call.end_reason or EndReason.BYE_UNANSWERED, held)

    async def _await_answer(self, call: Call) -> Verdict | None:
        """None once the call is answered; the verdict when it will not be. Raises TransportFailure for no response."""
        async for event in call:
            match event:
                case CallProgress(response=response, stamp=stamp):
                    if response.status > 100 and self._first_ring is None:
                        self._first_ring = stamp.at
                case CallAnswered(response=response, stamp=stamp):
                    self._answered = stamp.at
                    self._final = response
                    return None
                case CallFailed(response=None, failure=TransportFailure() as failure):
                    raise failure
                case CallFailed(response=Response() as response, failure=cause):
                    self._final = response
                    return verdict.of_response(response, cause)
        return verdict.of_ended(call.end_reason or EndReason.CANCELLED, 0.0)

    def _add(self, entry: TimelineEntry) -> None:
        self._timeline.append(entry)
        if self._on_entry is not None:
            self._on_entry(entry)

    def _result(self, outcome: Verdict, hop: Hop | None) -> CallResult:
        self._add(mark("completed", trio.current_time(), self._start, outcome.status.value))
        progress = self._first_ring or self._answered
        return CallResult(
            destination=self._script.destination,
            hop=hop,
            status=outcome.status,
            kind=outcome.kind,
            why=outcome.why,
            advice=outcome.advice,
            final_status=self._final.status if self._final else None,
            reason=self._final.reason if self._final else "",
            # By time: what was read together was stamped together, and answered in between.
            timeline=tuple(sorted(self._timeline, key=lambda entry: entry.offset_ms)),
            post_dial_delay=progress - self._start if progress else None,
            answer_time=self._answered - self._start if self._answered else None,
            duration=trio.current_time() - self._answered if self._answered else None,
            codec=_negotiated(self._final),
        )


_FIELDS = (("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS"),)


def _negotiated(response: Response | None) -> str:
    """The codec that the answer names first (RFC 3264 §6.1), "" without one that can be read."""
    if response is None or not response.is_success or not response.body:
        return ""
    try:
        description = SessionDescription.parse(response.body, [])
        audio = next((media for media in description.media if media.media == "audio" and not media.is_rejected), None)
        return audio.codecs[0].encoding if audio and audio.codecs else ""
    except ParseError:
        return ""
