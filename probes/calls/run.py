"""Placing a test call: the edge that carries out a `CallScript` and collects what happens."""

import socket
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import trio

from probes.calls import verdict
from probes.calls.script import CallScript
from probes.calls.verdict import Verdict
from probes.product import PRODUCT
from probes.result import CallKind, CallResult, CallStatus, TimelineEntry
from probes.timeline import entry_of, mark
from sipcore.auth.session import AuthSession
from sipcore.dialogs.effects import EndReason
from sipcore.endpoint.call import Call
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig, open_endpoint
from sipcore.errors import LocalError, ParseError, TransportFailure
from sipcore.events import CallAnswered, CallFailed, CallProgress
from sipcore.message.message import Response
from sipcore.message.method import INVITE
from sipcore.outgoing import Order
from sipcore.resolve.plan import Plan
from sipcore.resolve.target import Hop
from sipcore.sdp.build import SDP, audio_description
from sipcore.sdp.codecs import codecs_named
from sipcore.sdp.description import SessionDescription
from sipcore.stack import StackConfig
from sipcore.trace import TraceRecord
from sipcore.transports.base import TlsConfig, TransportConfig

OnEntry = Callable[[TimelineEntry], None]


def call_config(tls: TlsConfig | None = None) -> EndpointConfig:
    """What test calls are placed with, unless told otherwise: as `sipprobe`, with the TLS settings given."""
    transports = TransportConfig() if tls is None else TransportConfig(tls=tls)
    return EndpointConfig(transports=transports, stack=StackConfig(product=PRODUCT))


async def place_call(
    script: CallScript, config: EndpointConfig | None = None, on_entry: OnEntry | None = None, hop: Hop | None = None
) -> CallResult:
    """Place the call and give its result; `on_entry` is called with each line of the timeline as it happens.

    A `hop` skips locating the destination, `config` replaces `call_config`. Whatever the network does is in the result;
    raises LocalError for a script that cannot be carried out. Who cancels it has the call hung up properly first.
    """
    codecs_named(script.codecs)  # which raises for unknown ones before anything is opened
    given_up = trio.CancelScope()
    result: CallResult | None = None
    failure: LocalError | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_pass_on_cancellation, given_up)
        with trio.CancelScope(shield=True):
            try:
                result = await _place_call(script, config or call_config(), on_entry, hop, given_up)
            except LocalError as error:
                failure = error  # raised below, outside of the nursery, which would wrap it in a group
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    assert result is not None  # noqa: S101  # who was cancelled does not come here
    return result


async def _pass_on_cancellation(scope: trio.CancelScope) -> None:
    """Whatever cancels `place_call` is to end the call and leave the transports, which hanging up needs."""
    try:
        await trio.sleep_forever()
    finally:
        scope.cancel()


async def _place_call(
    script: CallScript, config: EndpointConfig, on_entry: OnEntry | None, hop: Hop | None, given_up: trio.CancelScope
) -> CallResult | None:
    """The call's result; None when it was given up."""
    result = None
    async with open_endpoint(replace(config, garbage_fails=True)) as endpoint:
        run = _Run(script, endpoint, on_entry)
        unsubscribe = endpoint.subscribe(run.take)
        try:
            with given_up:
                result = await run.call(hop)
        finally:
            unsubscribe()
    return result


class _Run:
    """One call in progress: what it has collected so far."""

    def __init__(self, script: CallScript, endpoint: Endpoint, on_entry: OnEntry | None) -> None:
        self._script = script
        self._endpoint = endpoint
        self._on_entry = on_entry
        self._start = trio.current_time()
        self._epoch_ns = time.time_ns() - round(self._start * 1e9)
        self._timeline: list[TimelineEntry] = []
        self._first_ring: float | None = None
        self._answered: float | None = None
        self._ended: float | None = None
        self._heard = False
        self._final: Response | None = None

    def take(self, record: TraceRecord) -> None:
        """A trace record: a line of the timeline, if people need to see it."""
        entry = entry_of(record, self._start)
        if entry is not None:
            self._add(entry)

    async def call(self, hop: Hop | None) -> CallResult:
        """Try the hops in order until one gives an answer, whatever it says, or somebody's phone has rung.

        RFC 3263 §4.3 would have a 503 go on to the next hop, too; to a test of a destination it is the result.
        """
        self._add(mark("initiated", self._start, self._start, str(self._script.destination)))
        try:
            hops = [hop] if hop else await self._locate()
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
                if self._first_ring is not None:
                    break  # a second call beside one that may still ring would be one too many
        return self._result(outcome, hop)

    async def _locate(self) -> list[Hop]:
        """Where to call, best first. Raises TransportFailure when nowhere."""
        destination, endpoint = self._script.destination, self._endpoint
        if destination.is_numeric:
            # Nothing is to be asked, and the address may have a zone, which no URI can hold (RFC 4007 §6).
            hops = Plan(destination.target, chance=lambda: 0.0).hops()
        else:
            hops = await endpoint.locate(destination.uri())
        return [replace(hop, path=destination.path) if hop.transport.websocket else hop for hop in hops]

    async def _try(self, hop: Hop) -> Verdict:
        """Call over one hop. Raises TransportFailure when nothing came back, so that the next one may be tried."""
        assert hop.local is not None  # it is prepared  # noqa: S101
        family = socket.AF_INET6 if hop.local.is_ipv6 else socket.AF_INET
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as media:
            # The media port is bound before it is offered, so that what the peer sends is not answered with ICMP.
            media.bind((hop.local.host, 0))
            order = self._order(hop, media.getsockname()[1])
            async with self._endpoint.call(order) as call:
                outcome = await self._follow(call)
            # Leaving the block has hung up, which may have taken its time: how the call ended is known only now.
            return outcome or verdict.of_ended(call.end_reason or EndReason.BYE_UNANSWERED, self._held or 0.0)

    def _order(self, hop: Hop, media_port: int) -> Order:
        assert hop.local is not None  # noqa: S101  # as above
        script, endpoint = self._script, self._endpoint
        offer = audio_description(
            address=hop.local.host.partition("%")[0],
            port=media_port,
            session_id=endpoint.tokens.number(2**31),
            session_version=1,
            codecs=codecs_named(script.codecs),
        )
        invite = endpoint.new_request(
            INVITE,
            script.destination.uri(hop.transport, hop.remote),
            from_=script.caller,
            body=bytes(offer),
            content_type=SDP,
        )
        auth = AuthSession(script.account) if script.account else None
        return Order(invite, hop, endpoint.config.stack.user, auth)

    async def _follow(self, call: Call) -> Verdict | None:
        """Wait for the answer and hold; None when the call was answered. Hanging up is left to the caller."""
        with trio.move_on_after(self._script.ring_timeout) as ringing:
            outcome = await self._await_answer(call)
            if outcome is not None:
                return outcome
        if ringing.cancelled_caught:
            self._add(mark("given up", trio.current_time(), self._start, f"after {self._script.ring_timeout:g} s"))
            rang = self._first_ring is not None
            return verdict.of_silence(self._script.ring_timeout, heard=self._heard, rang=rang)
        with trio.move_on_after(self._script.hold):
            await call.over()
        self._ended = trio.current_time()
        return None

    @property
    def _held(self) -> float | None:
        """Seconds from the answer until somebody hung up."""
        return None if self._answered is None or self._ended is None else self._ended - self._answered

    async def _await_answer(self, call: Call) -> Verdict | None:
        """None once the call is answered; the verdict when it will not be. Raises TransportFailure for no response."""
        async for event in call:
            match event:
                case CallProgress(response=response, stamp=stamp):
                    self._heard = True
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
            duration=self._held,
            codec=_negotiated(self._final),
            epoch_ns=self._epoch_ns,
        )


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
