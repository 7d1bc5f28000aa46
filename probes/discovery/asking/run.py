"""`ProbeIO` over an endpoint: queries are sent, and all that belongs to them kept, late answers and odd ones too."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import trio

from probes.checks.io import Observation, Query, TlsFacts
from sipcore.endpoint.endpoint import Endpoint
from sipcore.errors import TransportFailure
from sipcore.events import Exchange
from sipcore.message.address import Address
from sipcore.message.message import Request
from sipcore.message.method import REGISTER
from sipcore.outgoing import Order
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.trace import FlowTrace, MessageTrace, TraceRecord

Key = tuple[Transport, SocketAddress]
"""A place."""
NOBODY = "anonymous"
"""Whose registrations are asked for where no user is named."""


@dataclass(slots=True)
class _Asked:
    """One query under way, or over, and what was seen of it."""

    place: Key
    call_id: bytes
    waiting: trio.CancelScope
    records: list[TraceRecord] = field(default_factory=list)


class EndpointIO:
    """Sends queries, and keeps their traces apart."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._asked: list[_Asked] = []
        endpoint.subscribe(self._take)

    async def ask(self, query: Query) -> Observation:
        """Send the query and wait for its final response, as long as it says. Whatever happens is a value."""
        hop, endpoint = query.hop, self._endpoint
        request = self._request(query)
        asked = _Asked((hop.transport, hop.remote), request.call_id.encode(), trio.CancelScope())
        self._asked.append(asked)
        # RFC 3261 §10.2: what a REGISTER has as Contact is registered.
        contact = None if query.method == REGISTER else endpoint.config.stack.user
        exchange: Exchange | None = None
        failure: TransportFailure | None = None
        started = trio.current_time()
        asked.waiting.deadline = started + query.timeout
        with asked.waiting:
            try:
                exchange = await endpoint.send(Order(request, hop, contact, any_size=True))
            except TransportFailure as error:
                failure = error
        return Observation(
            query,
            waited=trio.current_time() - started,
            response=exchange.response if exchange else None,
            failure=failure,
            rtt=exchange.rtt if exchange else None,
            kernel_stamped=exchange.stamp.kernel if exchange else False,
            tls=self._tls_facts(exchange.hop if exchange else hop),
            records=tuple(asked.records),
        )

    def hurry(self, place: Key, seconds: float) -> None:
        """Wait no longer than `seconds` from now for answers from a place."""
        for asked in self._asked:
            if asked.place == place:
                asked.waiting.deadline = min(asked.waiting.deadline, trio.current_time() + seconds)

    def records(self, place: Key) -> tuple[TraceRecord, ...]:
        """What was seen of the first query to a place by now: late and repeated answers are among it."""
        return next((tuple(asked.records) for asked in self._asked if asked.place == place), ())

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
                    asked.records.append(record)
            case FlowTrace(hop=hop):
                for asked in self._at((hop.transport, hop.remote)):
                    asked.records.append(record)

    def _owners(self, flow: Flow, data: bytes) -> Iterable[_Asked]:
        """Whose message that is: by its Call-ID, wherever it comes from; else the first query's to that place."""
        owner = next((asked for asked in self._asked if asked.call_id in data), None)
        return [owner] if owner is not None else self._at((flow.transport, flow.remote))[:1]

    def _at(self, place: Key) -> list[_Asked]:
        return [asked for asked in self._asked if asked.place == place]

    def _tls_facts(self, hop: Hop) -> TlsFacts | None:
        session = self._endpoint.transports.tls_session(hop)
        if session is None:
            return None
        return TlsFacts(str(session), session.faults, session.certificate_requested)
