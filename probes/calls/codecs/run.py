"""Asking an endpoint which codecs it accepts: the edge that carries out the offers of `checks.codecs`.

The ports that offers name are bound for as long as the calls last, so that nothing answers with ICMP what the peer
sends there; nothing is sent from them.
"""

import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import field, replace
from functools import partial

import trio

from probes.calls.number import require_callable
from probes.calls.run import call_config, to_its_end
from probes.calls.story import Story
from probes.calls.talk.run import LATE
from probes.checks.codecs import (
    DEFAULT_RING_TIME,
    DEFAULT_TIMEOUT,
    Asking,
    Offer,
    Question,
    Reply,
    Standing,
    Way,
    act,
    description,
)
from probes.checks.codecs_answer import NO_DESCRIPTION, Security, read_untrusted
from probes.checks.codecs_judge import CodecReport, judge
from probes.destination import Destination
from probes.locate import locate
from sipcore.auth.choice import Account
from sipcore.auth.session import AuthSession
from sipcore.dialogs.session import description_of
from sipcore.endpoint.call import HANG_UP_TIMEOUT, Call
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.endpoint.loop import as_failure
from sipcore.endpoint.media.dtls import DtlsIdentity
from sipcore.endpoint.media.leg import MAX_SESSION_ID
from sipcore.endpoint.media.media import Line, Media, open_media
from sipcore.errors import LocalError, NotAllowed, ParseError, TransportFailure, require_times
from sipcore.events import CallAnswered, CallChanged, CallEnded, CallEvent, CallFailed, CallProgress, CallUnchanged
from sipcore.media.ice import new_credentials
from sipcore.media.terms import Encryption, Keying, Terms, Wishes, new_terms
from sipcore.message.address import Address
from sipcore.message.message import Response
from sipcore.message.method import INVITE, UPDATE
from sipcore.message.registry import ALLOW
from sipcore.outgoing import Order
from sipcore.resolve.target import Hop, SocketAddress
from sipcore.sdp.codecs import codecs_named
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.terms import SDP
from sipcore.stack import Stack
from sipcore.value import value

MAX_PLACES = 2
"""Addresses that are called one after the other where nothing comes back: as many as a test call tries."""
_ACCEPT = (("Accept", SDP),)

OnReply = Callable[[Reply], None]


@value
class CodecProbe:
    """Whom to ask, as whom, and for what. Times are in seconds.

    Raises LocalError for whom must not be called, and for times that are none.
    """

    destination: Destination
    asking: Asking = field(default_factory=Asking)
    caller: Address | None = None
    """From; None calls anonymously."""
    account: Account | None = None
    """Credentials for a challenge; they stay within the destination's realm."""
    ring_time: float = DEFAULT_RING_TIME
    """How long a call may ring until it is cancelled."""
    timeout: float = DEFAULT_TIMEOUT
    """How long to wait for any response to an INVITE, and for the final one to an offer inside a call."""
    allowed: frozenset[str] = frozenset()
    """Kinds of numbers that are called although they usually are not: `emergency`, `premium`."""

    def __post_init__(self) -> None:
        require_times(self, "ring_time", "timeout")
        if self.destination.user:
            require_callable(self.destination.user, self.allowed)


async def probe_codecs(
    probe: CodecProbe, config: EndpointConfig | None = None, on_reply: OnReply | None = None, hop: Hop | None = None
) -> CodecReport:
    """Ask, and judge what came of it; `on_reply` is called with each reply as it comes.

    A `hop` skips locating the destination, `config` replaces `call_config`. Whatever the network does is in the
    report; raises LocalError for what cannot be sent. Who cancels it has the call hung up properly first.
    """
    return await to_its_end(partial(_probe, probe, config or call_config(), on_reply or (lambda _: None), hop))


async def _probe(
    probe: CodecProbe, config: EndpointConfig, on_reply: OnReply, hop: Hop | None, given_up: trio.CancelScope
) -> CodecReport | None:
    """The report, with all that was sent and came back; None when it was given up."""
    config = replace(config, garbage_fails=True)
    async with Endpoint(config) as endpoint, open_media() as media:
        story = Story(trio.current_time())
        unsubscribe = endpoint.subscribe(story.take)
        try:
            with given_up:
                report = await _report(probe, endpoint, media, story, on_reply, hop)
                return replace(report, timeline=story.timeline, epoch_ns=endpoint.epoch_ns)
        finally:
            unsubscribe()
    return None


async def _report(
    probe: CodecProbe, endpoint: Endpoint, media: Media, story: Story, on_reply: OnReply, hop: Hop | None
) -> CodecReport:
    """What the first place says that says anything, else the last one."""
    try:
        hops = [hop] if hop is not None else await locate(probe.destination, endpoint)
    except TransportFailure as failure:
        return judge(probe.destination.uri(), None, (), probe.asking, failure.kept())
    for candidate in hops[:MAX_PLACES]:
        async with AsyncExitStack() as exits:
            asker = _Asker(probe, endpoint, media, candidate, story, on_reply)
            exits.push_async_callback(asker.close)
            replies = await act(asker, probe.asking)
        report = judge(asker.uri, asker.hop, replies, probe.asking)
        if any(reply.statuses for reply in replies):
            break
    return report


class _Asker:
    """One place that is asked (`checks.codecs.OfferIO`), with the one call that is there at a time."""

    def __init__(
        self, probe: CodecProbe, endpoint: Endpoint, media: Media, hop: Hop, story: Story, on_reply: OnReply
    ) -> None:
        self._probe = probe
        self._story = story
        self._endpoint = endpoint
        self._media = media
        self._on_reply = on_reply
        self._auth = AuthSession(probe.account) if probe.account else None
        self._identity: DtlsIdentity | None = None
        self._line: Line | None = None
        self._session_id = endpoint.tokens.number(MAX_SESSION_ID)
        self._exits = AsyncExitStack()
        self._call: Call | None = None
        self._standing = Standing.OVER
        self._rings_until = 0.0
        self._allows_update = False
        self.hop = hop
        self.uri = probe.destination.uri(hop.transport, hop.remote)

    async def ask(self, question: Question) -> Reply:
        """Make the offer and see what comes of it; for an INVITE, any call before it ends first."""
        if question.way is Way.INVITE:
            await self._exits.aclose()
        started = trio.current_time()
        self._story.tell("asked", started, str(question))  # all of them are the same INVITEs to look at
        reply = Reply(question, 0.0, Standing.OVER)
        reply = await (self._invite(reply) if question.way is Way.INVITE else self._change(reply))
        reply = replace(reply, took=trio.current_time() - started)
        if reply.standing is Standing.OVER:
            await self._exits.aclose()  # which hangs up
        self._on_reply(reply)
        return reply

    async def close(self) -> None:
        """Hang up, and give the ports back."""
        await self._exits.aclose()
        if self._line is not None:
            self._line.close()

    # Before the answer

    async def _invite(self, reply: Reply) -> Reply:
        try:
            self.hop = await self._endpoint.transports.prepare(self.hop)
        except (TransportFailure, NotAllowed) as failure:
            return replace(reply, failure=as_failure(failure))
        offered = self._offered(reply.question.offer)
        self._call = await self._exits.enter_async_context(self._endpoint.call(self._order(offered)))
        self._call.patience = LATE
        self._standing, self._allows_update = Standing.EARLY, False
        now = trio.current_time()
        self._rings_until, until = now + self._probe.ring_time, now + self._probe.timeout
        while True:
            event = await self._next(until)
            reply = _with_status(reply, event)
            match event:
                case CallProgress(response=response):
                    until = self._rings_until
                    self._allows_update = self._allows_update or UPDATE in _allowed(response)
                    if description_of(response):
                        self._standing = self._early()
                        # An offer of the peer is not taken: hanging up refuses it (RFC 3261 §13.2.2.4).
                        standing = self._standing if offered is not None else Standing.OVER
                        return replace(_answered(reply, response, offered), standing=standing)
                case CallAnswered(response=response):
                    self._standing = Standing.UP
                    standing = Standing.UP if offered is not None else Standing.OVER
                    return replace(_answered(reply, response, offered), standing=standing)
                case CallFailed(response=refusal, failure=cause):
                    return replace(reply, response=refusal, failure=cause)
                case None | CallEnded():
                    return reply

    async def _pick_up(self, reply: Reply) -> Reply:
        """Wait until the call is answered; the reply tells that it is over where it is not."""
        while self._standing is not Standing.UP:
            event = await self._next(self._rings_until)
            reply = _with_status(reply, event)
            match event:
                case CallAnswered():
                    self._standing = Standing.UP
                case CallFailed(response=refusal, failure=cause):
                    return replace(reply, response=refusal, failure=cause)
                case None | CallEnded():
                    return reply
        return replace(reply, standing=Standing.UP)

    def _early(self) -> Standing:
        """Whether the session can be changed before the call is answered: with its answer acknowledged by PRACK."""
        call = self._call
        if call is None or not self._allows_update:
            return Standing.EARLY
        try:
            free = self._endpoint.act(lambda stack, _: stack.session(call.number).exchange.may_offer)
        except LocalError:  # a 1xx without a tag makes no dialog
            return Standing.EARLY
        return Standing.CHANGEABLE if free else Standing.EARLY

    # Inside the call

    async def _change(self, reply: Reply) -> Reply:
        call = self._call
        if reply.question.way is Way.REINVITE:
            reply = await self._pick_up(reply)
            if reply.standing is not Standing.UP:
                return reply
        if call is None or call.is_over:
            return replace(reply, standing=Standing.OVER)
        offered = self._offered(reply.question.offer)
        method = UPDATE if reply.question.way is Way.UPDATE else INVITE

        def send(stack: Stack, now: float) -> None:
            body = stack.session(call.number).next_offer(offered) if offered is not None else b""
            stack.change(call.number, body, now, method=method)

        try:
            self._endpoint.act(send)
        except LocalError:  # the peer is changing the session itself just now
            return replace(reply, standing=self._standing)
        return await self._changed(reply, offered)

    async def _changed(self, reply: Reply, offered: SessionDescription | None) -> Reply:
        """Wait for what comes of a re-INVITE or UPDATE; a call in which nothing does is given up."""
        until = trio.current_time() + self._probe.timeout
        if self._standing is not Standing.UP:
            until = min(until, self._rings_until)
        while True:
            event = await self._next(until)
            match event:
                case CallChanged(message=Response() as response, local=True):
                    return replace(_answered(reply, response, offered), standing=self._standing)
                case CallUnchanged(response=refusal, failure=cause):
                    return replace(reply, response=refusal, failure=cause, standing=self._standing)
                case CallProgress():
                    reply = _with_status(reply, event)
                case CallAnswered():
                    self._standing = Standing.UP
                case None | CallEnded() | CallFailed():
                    return replace(reply, standing=Standing.OVER)

    async def _next(self, until: float) -> CallEvent | None:
        """The next event of the call; None when there is none by then, or never will be."""
        event = None
        with trio.move_on_at(until):
            if self._call is not None and (event := await anext(aiter(self._call), None)) is not None:
                self._call.patience = HANG_UP_TIMEOUT  # somebody is there, who will answer a CANCEL or BYE, too
        return event

    # What is sent

    def _order(self, offered: SessionDescription | None) -> Order:
        probe, endpoint = self._probe, self._endpoint
        body = bytes(offered) if offered is not None else b""
        invite = endpoint.new_request(
            INVITE, self.uri, from_=probe.caller, body=body, content_type=SDP if body else "", fields=_ACCEPT
        )
        return Order(invite, self.hop, endpoint.config.stack.user, self._auth)

    def _offered(self, offer: Offer) -> SessionDescription | None:
        """The offer as it is sent; None for none. Raises LocalError where there are no ports."""
        if not offer.codecs:
            return None
        return description(offer, self._place(), self._session_id, self._terms(offer))

    def _place(self) -> SocketAddress:
        if self._line is None:
            assert self.hop.local is not None  # noqa: S101  # it is prepared
            try:
                self._line = self._media.open(self.hop.local.host)
            except OSError as error:
                raise LocalError(f"no ports for media: {error.strerror}", section="RFC 3550 §11") from error
        return self._line.address

    def _terms(self, offer: Offer) -> Terms:
        security, codecs = offer.security, codecs_named(offer.codecs)
        if security is Security.NONE:
            return Terms()
        if security is Security.SDES:
            return new_terms(Wishes(codecs, Encryption.REQUIRE), secrets.token_bytes, None, None)
        self._identity = self._identity or DtlsIdentity.make()
        wishes = Wishes(codecs, Encryption.REQUIRE, Keying.DTLS)
        ice = new_credentials(self._endpoint.tokens) if security is Security.WEBRTC else None
        return new_terms(wishes, secrets.token_bytes, self._identity.fingerprint, ice)


def _with_status(reply: Reply, event: CallEvent | None) -> Reply:
    """With the status of a response to the INVITE, where that is what came."""
    if isinstance(event, CallProgress | CallAnswered | CallFailed) and event.response is not None:
        return replace(reply, statuses=(*reply.statuses, event.response.status))
    return reply


def _answered(reply: Reply, response: Response, offered: SessionDescription | None) -> Reply:
    """With what a response says of the session: an answer, or, where nothing was offered, an offer."""
    body = description_of(response)
    if body:
        return replace(reply, response=response, answer=read_untrusted(body, offered))
    return replace(reply, response=response, answer=NO_DESCRIPTION if offered is not None else None)


def _allowed(response: Response) -> tuple[str, ...]:
    try:
        return response[ALLOW]
    except ParseError:
        return ()
