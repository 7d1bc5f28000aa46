"""`ProbeIO` over an endpoint: queries are sent, and all that belongs to them kept, late answers and odd ones too."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import trio

from probes.checks.io import Observation, Query, TlsFacts
from probes.discovery.candidates import Key
from probes.discovery.habits.judge import CALL
from probes.discovery.outcome import Asked
from probes.fingerprint.deep import Ask, Sender
from probes.result import received_in
from sipcore.endpoint.endpoint import ANONYMOUS, Endpoint, EndpointConfig
from sipcore.errors import NotAllowed, TransportFailure
from sipcore.events import CallAnswered, CallFailed, Exchange
from sipcore.message.address import Address
from sipcore.message.given import address_given
from sipcore.message.message import Request
from sipcore.message.method import INVITE, REGISTER
from sipcore.message.uri import SipUri
from sipcore.outgoing import Order
from sipcore.resolve.target import Flow, Hop
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.terms import SDP
from sipcore.stack_config import StackConfig
from sipcore.trace import FlowTrace, MessageTrace, TraceRecord
from sipcore.transports.base import Refusal, TlsConfig, TransportConfig

NOBODY = "anonymous"
"""Whose registrations are asked for where no user is named."""
HANG_UP = 0.4
"""Seconds that hanging up takes at most, once the time for the call is over."""

MAX_KEPT = 200
"""Messages of one query that are kept: a request and its answer are repeated ten times each at most in the time that a
query has, and a peer that floods shows in these as well."""
MAX_KEPT_BYTES = 512 * 1024
"""Bytes of them: eight of the largest datagrams."""


@dataclass(slots=True)
class _Asking:
    """One query under way, or over, and what was seen of it."""

    purpose: str
    hop: Hop
    request: Request
    call_id: bytes
    waiting: trio.CancelScope
    about: str = ""
    records: list[TraceRecord] = field(default_factory=list)
    exchange: Exchange | None = None
    failure: TransportFailure | None = None
    kept: int = 0
    """Bytes of the messages among the records."""

    @property
    def place(self) -> Key:
        return self.hop.transport, self.hop.remote

    def keep(self, message: MessageTrace) -> None:
        """Take a message for evidence, unless there is more than enough of it."""
        size = self.kept + len(message.data)
        if len(self.records) < MAX_KEPT and size <= MAX_KEPT_BYTES:
            self.records.append(message)
            self.kept = size


def endpoint_config(tls: TlsConfig, product: str, seconds: float, refusal: Refusal | None = None) -> EndpointConfig:
    """How to ask as `product`, "" for nobody, where an attempt takes `seconds` at most. `refusal` says where to not."""
    # An attempt's own time ends before the transport gives its connection up: it is the one that is told.
    transports = TransportConfig(tls=replace(tls, verify=False), connect_timeout=seconds + 1.0, refusal=refusal)
    return EndpointConfig(transports, stack=StackConfig(product=product, tracing=False), garbage_fails=True)


class EndpointIO:
    """Sends queries, and keeps their traces apart."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._asked: list[_Asking] = []
        endpoint.subscribe(self._take)

    async def ask(self, query: Query) -> Observation:
        """Send the query and wait for its final response, as long as it says. Whatever happens is a value."""
        hop, started = query.hop, trio.current_time()
        # RFC 3261 §10.2: what a REGISTER has as Contact is registered.
        asked = self._awaited(query.purpose, self._request(query), hop)
        await self._send(asked, query.timeout, contact=query.method != REGISTER)
        exchange = asked.exchange
        return Observation(
            query,
            waited=trio.current_time() - started,
            response=exchange.response if exchange else None,
            failure=asked.failure,
            rtt=exchange.rtt if exchange else None,
            kernel_stamped=exchange.stamp.kernel if exchange else False,
            tls=self._tls_facts(exchange.hop if exchange else hop),
            records=tuple(asked.records),
            unfinished=self._endpoint.transports.unfinished(hop),
        )

    async def send(self, ask: Ask, hop: Hop, seconds: float) -> tuple[TraceRecord, ...]:
        """Send a request of somebody's own making, and give what was seen of it until its final response."""
        asked = self._awaited(ask.name, ask.request, hop, ask.why)
        await self._send(asked, seconds, contact=ask.contact)
        return tuple(asked.records)

    async def call(self, uri: SipUri, hop: Hop, seconds: float, offer: SessionDescription) -> tuple[TraceRecord, ...]:
        """Call, and give what was seen until the answer. However far it comes, the call is hung up then.

        Where nothing came back there is nothing to cancel (RFC 3261 §9.1): the INVITE is given up, and whoever has it
        all the same knows by its Expires when to stop ringing (§13.2.1). Where a BYE is not answered, since the Contact
        leads nowhere, that is waited for as long as `seconds` last.
        """
        endpoint, end = self._endpoint, trio.current_time() + seconds
        expires = [("Expires", str(max(math.ceil(seconds), 1)))]
        invite = endpoint.new_request(INVITE, uri, fields=expires, body=bytes(offer), content_type=SDP)
        asked = self._awaited(CALL, invite, hop)
        async with endpoint.call(Order(invite, hop, endpoint.config.stack.user, any_size=True)) as call:
            try:
                with trio.move_on_after(seconds):
                    async for event in call:
                        if isinstance(event, CallAnswered | CallFailed):
                            break
            finally:
                call.patience = max(end - trio.current_time(), HANG_UP) if received_in(asked.records) else 0.0
            return tuple(asked.records)

    @property
    def sender(self) -> Sender:
        """Who asks, for those who make their requests themselves."""
        config = self._endpoint.config
        return Sender(address_given(config.identity or ANONYMOUS), self._endpoint.tokens, config.stack.product)

    def hurry(self, place: Key, seconds: float) -> None:
        """Wait no longer than `seconds` from now for answers from a place."""
        for asked in self._asked:
            if asked.place == place:
                asked.waiting.deadline = min(asked.waiting.deadline, trio.current_time() + seconds)

    def records(self, place: Key) -> tuple[TraceRecord, ...]:
        """What was seen of the first query to a place by now: late and repeated answers are among it."""
        return next((tuple(asked.records) for asked in self._asked if asked.place == place), ())

    def exchanges(self) -> list[Asked]:
        """Everything that was asked by now, and every message that came of it."""
        return [
            Asked(asked.purpose, asked.hop, messages, asked.about)
            for asked in self._asked
            if (messages := tuple(one for one in asked.records if isinstance(one, MessageTrace)))
        ]

    async def _send(self, asked: _Asking, seconds: float, *, contact: bool) -> None:
        user = self._endpoint.config.stack.user if contact else None
        asked.waiting.deadline = trio.current_time() + seconds
        with asked.waiting:
            try:
                asked.exchange = await self._endpoint.request(Order(asked.request, asked.hop, user, any_size=True))
            except TransportFailure as error:
                asked.failure = error.kept()
            except NotAllowed as error:
                asked.failure = error.as_failure()

    def _awaited(self, purpose: str, request: Request, hop: Hop, about: str = "") -> _Asking:
        asked = _Asking(purpose, hop, request, request.call_id.encode(), trio.CancelScope(), about)
        self._asked.append(asked)
        return asked

    def _request(self, query: Query) -> Request:
        endpoint, uri = self._endpoint, query.uri
        if query.method == REGISTER:
            # RFC 3261 §10.2: the Request-URI is the registrar's.
            whose = Address(uri if uri.user else replace(uri, user=NOBODY))
            request = endpoint.new_request(
                query.method, replace(uri, user=None), to=whose, from_=whose, fields=query.fields
            )
        else:
            request = endpoint.new_request(query.method, uri, fields=query.fields)
        if query.max_forwards is not None:
            request = request.with_header("Max-Forwards", query.max_forwards)
        return request

    def _take(self, record: TraceRecord) -> None:
        match record:
            case MessageTrace(flow=flow, data=data):
                for asked in self._owners(flow, data):
                    asked.keep(record)
            case FlowTrace(hop=hop):
                for asked in self._at((hop.transport, hop.remote)):
                    asked.records.append(record)

    def _owners(self, flow: Flow, data: bytes) -> Iterable[_Asking]:
        """Whose message that is: by its Call-ID, wherever it comes from.

        One that has none, or another, is taken for an answer to the first query to that place that waits for one.
        """
        owner = next((asked for asked in self._asked if asked.call_id in data), None)
        if owner is not None:
            return [owner]
        there = self._at((flow.transport, flow.remote))
        return [asked for asked in there if asked.exchange is None and asked.failure is None][:1] or there[:1]

    def _at(self, place: Key) -> list[_Asking]:
        return [asked for asked in self._asked if asked.place == place]

    def _tls_facts(self, hop: Hop) -> TlsFacts | None:
        session = self._endpoint.transports.tls_session(hop)
        if session is None:
            return None
        return TlsFacts(str(session), session.faults, session.certificate_requested)
