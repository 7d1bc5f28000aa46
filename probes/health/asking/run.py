"""Places asked over one endpoint, for months: each with its own evidence, over connections that are kept.

A connection is opened anew where it is gone, where nothing comes over it any more, and, with TLS, after an hour, so
that the peer's certificate is seen. What comes of a query that is over counts for no other one.
"""

from collections import OrderedDict
from dataclasses import dataclass, field, replace

import trio

from probes.checks import options
from probes.checks.io import Observation, Query, TlsFacts
from probes.health.observe import Tried
from probes.ping.run import call_id_of, cancel_after
from probes.result import Attempt, Reach, flow_events_in
from sipcore.endpoint.endpoint import Endpoint
from sipcore.errors import LocalError, NotAllowed, TransportFailure
from sipcore.events import Exchange
from sipcore.outgoing import Order
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.trace import Direction, FlowTrace, MessageTrace, TraceRecord
from sipcore.transports.certificates import UNREADABLE
from sipcore.transports.tls_failure import TlsFailure

FRESH = 3600.0
"""Seconds after which a connection with TLS is opened anew: no later than that a certificate is seen that was put in
the place of another."""
MAX_OVER = 4096
"""Queries that are over and still known by their Call-IDs: those of some minutes, late answers come within one."""
MAX_RECEIVED, MAX_RECEIVED_BYTES = 16, 65_536
"""Messages kept of one query, as long as they have no more bytes."""
_ENDED = ("closed", "failed")
_Key = tuple[Transport, SocketAddress, str | None, str]


@dataclass(slots=True)
class _Asking:
    """One query under way."""

    hop: Hop
    started: float
    records: list[TraceRecord] = field(default_factory=list)
    flow: Flow | None = None
    """What it was sent over."""
    heard: bool = False
    """Whether anything came over that since."""
    received: int = 0
    received_bytes: int = 0


class Asker:
    """Asks places over one endpoint, which verifies certificates as it is told and resumes no sessions."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Take an open endpoint; it tells of mistakes in here as of its own."""
        self.endpoint = endpoint
        self._asked: dict[str, _Asking] = {}
        self._over: OrderedDict[str, None] = OrderedDict()
        self._flows: dict[_Key, list[FlowTrace]] = {}
        """What happened to each connection that is there, from its opening on."""
        endpoint.subscribe(self._take)

    async def ask(self, query: Query) -> Tried:
        """Send a query, and wait for its final response as long as it says. Whatever happens is a value, settings of
        TLS that cannot be used as well.
        """
        endpoint, key = self.endpoint, _key_of(query.hop)
        self._renew(query.hop, key)
        kept = self._flows.get(key)
        request = endpoint.new_request(query.method, query.uri, fields=query.fields)
        asking = _Asking(query.hop, trio.current_time(), [*self._flows.get(key, ())])
        self._asked[request.call_id] = asking
        order = Order(request, query.hop, endpoint.config.stack.user, any_size=True)
        try:
            exchange, failure = await self._exchange(order, query.timeout)
        finally:
            del self._asked[request.call_id]
            self._forget(request.call_id)
        if isinstance(failure, NotAllowed):
            failure = failure.as_failure()
        if isinstance(failure, LocalError):
            return Tried(Attempt(query.hop, query.uri, Reach.FAILED, failure.message))
        is_same = kept is not None and kept is self._flows.get(key)
        is_dead = exchange is None and self._leave_dead_connection(asking)
        seen = self._observation(query, asking, exchange, failure)
        late = max(seen.waited - query.timeout, 0.0)
        return Tried(options.judge(seen), self._certificate_ends(seen), late, is_stale=is_same and is_dead)

    async def _exchange(
        self, order: Order, seconds: float
    ) -> tuple[Exchange | None, TransportFailure | LocalError | None]:
        """What came of a request until its time was up: neither where that is nothing."""
        exchange: Exchange | None = None
        failure: TransportFailure | LocalError | None = None
        async with trio.open_nursery() as waiting:
            waiting.start_soon(cancel_after, seconds, waiting.cancel_scope)
            try:
                exchange = await self.endpoint.request(order)
            except (TransportFailure, LocalError) as error:
                failure = error.kept()
            waiting.cancel_scope.cancel()
        return exchange, failure

    def _observation(
        self, query: Query, asking: _Asking, exchange: Exchange | None, failure: TransportFailure | None
    ) -> Observation:
        transports = self.endpoint.transports
        is_secured = "secured" in flow_events_in(asking.records)  # else what is known is of a connection before
        session = transports.tls_session(query.hop) if is_secured else None
        facts = TlsFacts(str(session), session.faults, session.certificate_requested) if session is not None else None
        return Observation(
            query,
            trio.current_time() - asking.started,
            response=exchange.response if exchange else None,
            failure=failure,
            rtt=exchange.rtt if exchange else None,
            kernel_stamped=exchange.stamp.kernel if exchange else False,
            tls=facts,
            records=tuple(asking.records),
            unfinished=transports.unfinished(query.hop),
        )

    def _certificate_ends(self, seen: Observation) -> float | None:
        """When the certificate ends that the peer has shown, also where it was refused for that."""
        if isinstance(seen.failure, TlsFailure):
            chain = tuple(seen.failure.chain)
        else:
            session = self.endpoint.transports.tls_session(seen.query.hop) if seen.tls is not None else None
            chain = session.chain if session is not None else ()
        try:
            return chain[0].not_valid_after_utc.timestamp() if chain else None
        except UNREADABLE:
            return None

    # Connections

    def leave(self, hop: Hop) -> None:
        """Close the connection to a place that nobody asks any more; nothing where there is none."""
        self._close(hop, _key_of(hop))

    def _renew(self, hop: Hop, key: _Key) -> None:
        """Have a connection opened anew that has TLS and was opened long ago, unless somebody is using it."""
        flow = self._flows.get(key)
        if not flow or not hop.transport.secure or trio.current_time() - flow[0].at < FRESH:
            return
        if not any(_key_of(asking.hop) == key for asking in self._asked.values()):
            self._close(hop, key)

    def _leave_dead_connection(self, asking: _Asking) -> bool:
        """Give up a connection over which nothing came since a request was sent that has had all its time; whether it
        was one.
        """
        flow = asking.flow
        if flow is None or not flow.transport.reliable or asking.heard:
            return False
        self._close(replace(asking.hop, local=flow.local), _key_of(asking.hop))
        return True

    def _close(self, hop: Hop, key: _Key) -> None:
        """Close a connection in order. It is known for open no more: that it has ended is told when another one may
        have been opened.
        """
        self._flows.pop(key, None)
        self.endpoint.transports.close(hop)

    def _forget(self, call_id: str) -> None:
        """A query is over: what comes of it from now on is late, or repeated."""
        self._over[call_id] = None
        if len(self._over) > MAX_OVER:
            self._over.popitem(last=False)

    # What the endpoint tells

    def _take(self, record: TraceRecord) -> None:
        try:
            match record:
                case MessageTrace(direction=Direction.SENT):
                    self._sent(record)
                case MessageTrace():
                    self._received(record)
                case FlowTrace(hop=hop) if not hop.accepted:
                    self._follow(record, _key_of(hop))
        except Exception as error:  # noqa: BLE001  # it would end the endpoint, and with it all checks
            self.endpoint.note_fault(error, "a record of the trace")

    def _sent(self, record: MessageTrace) -> None:
        asking = self._asked.get(call_id_of(record.data))
        if asking is not None:
            asking.flow, asking.heard = record.flow, False
            asking.records.append(record)

    def _received(self, record: MessageTrace) -> None:
        """A message came: to the query that it answers, or else, as it may be no message, to the oldest one there."""
        flow, call_id = record.flow, call_id_of(record.data)
        there = [each for each in self._asked.values() if each.hop.remote == flow.remote]
        for each in there:
            each.heard = each.heard or (each.flow is not None and each.flow.local == flow.local)
        asking = self._asked.get(call_id) or next(iter(there), None)
        if asking is None or call_id in self._over:
            return
        asking.received += 1
        asking.received_bytes += len(record.data)
        if asking.received <= MAX_RECEIVED and asking.received_bytes <= MAX_RECEIVED_BYTES:
            asking.records.append(record)

    def _follow(self, record: FlowTrace, key: _Key) -> None:
        """Something happened to a connection: to all that are under way there, and to those that will use it."""
        if record.event in _ENDED:
            if not record.detail:
                return  # closed here
            self._flows.pop(key, None)
        elif record.event == "opened":
            self._flows[key] = [record]
        else:
            self._flows.setdefault(key, []).append(record)
        for asking in self._asked.values():
            if _key_of(asking.hop) == key:
                asking.records.append(record)


def _key_of(hop: Hop) -> _Key:
    """What makes a connection to a place one."""
    return hop.transport, hop.remote, hop.tls_name, hop.path
