"""The awaitable user agent: one loop that drives a `Stack` over the transports, and an API of plain coroutines on it.

    async with open_endpoint(EndpointConfig()) as endpoint:
        exchange = await endpoint.options(parse_uri("sip:example.com"))
        print(exchange.response.status, exchange.rtt)

Everything runs in the caller's trio run and ends with the block. Nothing is global: any number of endpoints may live in
one process.
"""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from sipcore.auth.session import AuthSession
from sipcore.deviation import Deviation
from sipcore.endpoint.call import Call, CallEvent, IncomingCall
from sipcore.endpoint.waiter import Waiter
from sipcore.errors import FailureReason, SipError, TransportFailure
from sipcore.events import (
    CallAnswered,
    CallConfirmed,
    CallEnded,
    CallFailed,
    CallProgress,
    CallReceived,
    Exchange,
    GarbageReceived,
    Output,
    Prepare,
    RequestFailed,
    RequestReceived,
    RequestSent,
    Resolve,
    ResponseReceived,
)
from sipcore.message.address import Address
from sipcore.message.build import Draft, Fields, Identity
from sipcore.message.build import request as build_request
from sipcore.message.build import response as build_response
from sipcore.message.message import Request, Response
from sipcore.message.method import OPTIONS
from sipcore.message.uri import Place, SipUri, Uri
from sipcore.outgoing import Order, target_of
from sipcore.resolve.plan import Answer, Plan, Question, Result
from sipcore.resolve.target import Flow, Hop, SocketAddress
from sipcore.stack import ALLOW, Stack, StackConfig
from sipcore.tokens import RandomBytes, Tokens, pooled
from sipcore.trace import Direction, MessageTrace, ResolveTrace, Stamp, TraceRecord
from sipcore.transactions.effects import Transmit
from sipcore.transactions.key import AnyServerKey
from sipcore.transports.base import TransportConfig
from sipcore.transports.connections import Transports, open_transports
from sipcore.transports.lookup import Lookup, LookupConfig

ANONYMOUS = Address(SipUri("anonymous.invalid", "anonymous"), '"Anonymous"')
"""Who an endpoint without an identity is (RFC 3323 §4.1.1.3)."""
UNKNOWN = SocketAddress("0.0.0.0", 0)  # noqa: S104  # a value to show, nothing is bound
"""The local address in the trace of a message whose hop was not prepared."""
INCOMING_BACKLOG = 128
"""Incoming requests and calls that wait to be taken; the next one is answered 503 (RFC 3261 §21.5.4)."""

MAX_ASKED = 1024
"""URIs whose OPTIONS is remembered, some 3 kB each; forgotten all at once beyond that."""


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """Everything an endpoint is told once. `identity` is who it says it is; None: anonymous (RFC 3323 §4.1)."""

    transports: TransportConfig = field(default_factory=TransportConfig)
    lookup: LookupConfig = field(default_factory=LookupConfig)
    stack: StackConfig = field(default_factory=StackConfig)
    identity: Address | None = None
    random_bytes: RandomBytes = field(default=secrets.token_bytes, repr=False)
    takes_incoming: bool = False
    """Whether somebody reads `Endpoint.incoming`. If not, OPTIONS is answered 200 and everything else refused."""
    garbage_fails: bool = False
    """Whether bytes that are no SIP message fail what is awaited from their sender. A probe wants to know; a service
    must not let whoever can forge a datagram end its calls."""


class IncomingRequest:
    """A request that is no call's, to be answered with `respond`."""

    def __init__(self, endpoint: "Endpoint", received: RequestReceived) -> None:
        self._endpoint = endpoint
        self._key = received.key
        self.request = received.request
        self.flow = received.flow
        self.stamp = received.stamp

    def respond(
        self, status: int, *, reason: str = "", fields: Fields = (), body: bytes = b"", content_type: str = ""
    ) -> None:
        """Send a response; a final one ends the matter."""
        built = build_response(
            self.request,
            status,
            reason,
            tag=self._endpoint.tokens.tag(),
            fields=fields,
            body=body,
            content_type=content_type,
        )
        self._endpoint.respond(self._key, built)


Incoming = IncomingCall | IncomingRequest


@asynccontextmanager
async def open_endpoint(config: EndpointConfig | None = None) -> AsyncIterator["Endpoint"]:
    """Open an endpoint for the length of the block; everything it started is over when the block ends.

    Raises LocalError when an address in the configuration cannot be bound.
    """
    config = config or EndpointConfig()
    endpoint = Endpoint(config)
    failure: BaseException | None = None
    async with open_transports(config.transports, endpoint) as transports, trio.open_nursery() as nursery:
        endpoint.start(transports, nursery)
        try:
            yield endpoint
        except Exception as error:  # noqa: BLE001  # carried past the nursery, which would wrap it in a group
            failure = error
        finally:
            nursery.cancel_scope.cancel()
    if endpoint.broken is not None:
        raise endpoint.broken
    if failure is not None:
        raise failure


class Endpoint:
    """A user agent. Made by `open_endpoint`."""

    def __init__(self, config: EndpointConfig) -> None:
        self.config = config
        self.tokens = Tokens(pooled(config.random_bytes))
        self._stack = Stack(config.stack, self.tokens)
        self._stack.tracing = False  # until somebody subscribes
        self._lookup = Lookup(config.lookup)
        self._waiters: dict[int, Waiter] = {}
        self._beginning: dict[bytes, Waiter] = {}
        """Who waits for an answer to what is about to be sent."""
        self._asked: dict[str, Request | Draft] = {}
        self._calls: dict[int, Call | IncomingCall] = {}
        self._incoming_send, self._incoming = trio.open_memory_channel[Incoming](INCOMING_BACKLOG)
        self._subscribers: list[Callable[[TraceRecord], None]] = []
        self._wake = trio.Event()
        self._due: float | None = None
        self._pumping = False
        self.broken: BaseException | None = None
        """What a subscriber raised: the block is cancelled then, and raises it when its calls are hung up."""
        self._transports: Transports
        self._nursery: trio.Nursery

    def start(self, transports: Transports, nursery: trio.Nursery) -> None:
        """Take the open transports and begin to keep time; `open_endpoint` calls it."""
        self._transports = transports
        self._nursery = nursery
        nursery.start_soon(self._keep_time)

    # The API

    @property
    def transports(self) -> Transports:
        """The sockets, for what only they know: bound addresses, TLS sessions."""
        return self._transports

    def subscribe(self, subscriber: Callable[[TraceRecord], None]) -> Callable[[], None]:
        """Have `subscriber` called with every trace record from now on; gives a function that ends it."""
        self._subscribers.append(subscriber)
        self._stack.tracing = self.config.stack.tracing
        return lambda: self._unsubscribe(subscriber)

    def _unsubscribe(self, subscriber: Callable[[TraceRecord], None]) -> None:
        self._subscribers.remove(subscriber)
        self._stack.tracing = self.config.stack.tracing and bool(self._subscribers)

    async def locate(self, uri: Uri) -> list[Hop]:
        """Where a request for `uri` would go, best first (RFC 3263 §4). Raises TransportFailure when nowhere."""
        plan = Plan(target_of(uri), chance=lambda: self.tokens.number(2**32) / 2**32)

        async def ask(question: Question) -> None:
            plan.answer(await self._ask(question))

        while not plan.done:
            async with trio.open_nursery() as nursery:
                for question in plan.next_questions():
                    nursery.start_soon(ask, question)
        if not plan.hops():
            raise plan.failure()
        return plan.hops()

    def new_request(
        self,
        method: str,
        uri: Uri,
        *,
        to: Address | None = None,
        from_: Address | None = None,
        fields: Fields = (),
        body: bytes = b"",
        content_type: str = "",
    ) -> Request:
        """A request outside of any dialog with fresh From tag and Call-ID (RFC 3261 §8.1.1); Via is put on later."""
        sender = from_ or self.config.identity or ANONYMOUS
        fitted = uri.fitted_to(Place.TO) if isinstance(uri, SipUri) else uri
        identity = Identity(sender.with_tag(self.tokens.tag()), to or Address(fitted), self.tokens.call_id())
        product = (("User-Agent", self.config.stack.product),) if self.config.stack.product else ()
        return build_request(method, uri, identity, fields=[*fields, *product], body=body, content_type=content_type)

    async def send(self, order: Order) -> Exchange:
        """Send a request and wait for its final response.

        Raises TransportFailure when no hop gave one, with the last hop's reason. Cancelling it gives the request up.
        """
        now = trio.current_time()
        waiter = Waiter()
        ticket = self._stack.request(order, now)
        self._waiters[ticket] = waiter
        self._pump(now)
        try:
            await waiter.wait()
        finally:
            if waiter.final is None:
                del self._waiters[ticket]
                self._stack.abandon(ticket, trio.current_time())
                self._pump()
        return waiter.exchange()

    async def options(self, uri: Uri, *, hop: Hop | None = None, auth: AuthSession | None = None) -> Exchange:
        """Ask what a peer can do (RFC 3261 §11). Raises as `send` does."""
        return await self.send(Order(self._options(uri), hop or uri, self.config.stack.user, auth))

    def _options(self, uri: Uri) -> Request:
        """An OPTIONS. For a URI that is asked again and again it is not built anew each time."""
        name = str(uri)
        known = self._asked.get(name)
        if isinstance(known, Draft):
            return known.request(self.tokens.tag(), self.tokens.call_id())
        request = self.new_request(OPTIONS, uri, fields=[("Accept", "application/sdp")])
        if len(self._asked) >= MAX_ASKED:
            self._asked.clear()
        self._asked[name] = request if known is None else Draft(request)
        return request

    @asynccontextmanager
    async def call(self, order: Order) -> AsyncIterator[Call]:
        """Place a call with the order's INVITE; it is hung up properly when the block ends, however it ends."""
        number = self._stack.call(order, trio.current_time())
        call = Call(self, number)
        self._calls[number] = call
        self._pump()
        try:
            yield call
        finally:
            await call.hang_up()
            self._calls.pop(number, None)

    def incoming(self) -> trio.MemoryReceiveChannel[Incoming]:
        """Requests and calls that come in, to be iterated over (`takes_incoming` must be set)."""
        return self._incoming

    def respond(self, key: AnyServerKey, response: Response) -> None:
        """Answer an incoming request."""
        self._stack.respond(key, response, trio.current_time())
        self._pump()

    # What calls need (endpoint.call.Driver)

    def hang_up(self, number: int) -> None:
        """End a call in the way its state asks for."""
        self._stack.hang_up(number, trio.current_time())
        self._pump()

    def ring(self, number: int, status: int, fields: Fields, body: bytes, content_type: str) -> None:
        """Send a 1xx to a call that came in."""
        self._stack.ring(number, status, trio.current_time(), fields=fields, body=body, content_type=content_type)
        self._pump()

    def accept(self, number: int, fields: Fields, body: bytes, content_type: str) -> None:
        """Answer a call that came in."""
        self._stack.accept(number, trio.current_time(), fields=fields, body=body, content_type=content_type)
        self._pump()

    def reject(self, number: int, status: int, reason: str, fields: Fields) -> None:
        """Refuse a call that came in."""
        self._stack.reject(number, status, trio.current_time(), reason=reason, fields=fields)
        self._pump()

    # What the transports tell (transports.base.Sink)

    def received(self, data: bytes, flow: Flow, stamp: Stamp, notes: tuple[Deviation, ...]) -> None:
        """One message came in."""
        if self._subscribers:
            self._publish(MessageTrace(stamp.at, Direction.RECEIVED, flow, data, stamp.kernel, notes=notes))
        now = trio.current_time()
        self._stack.receive(data, flow, stamp, now)
        self._pump(now)

    def flow_failed(self, flow: Flow, failure: TransportFailure) -> None:
        """A connection ended."""
        self._stack.flow_failed(flow, failure, trio.current_time())
        self._pump()

    def unreachable(self, remote: SocketAddress, failure: TransportFailure) -> None:
        """ICMP came back."""
        self._stack.unreachable(remote, failure, trio.current_time())
        self._pump()

    def trace(self, record: TraceRecord) -> None:
        """Something happened to a connection."""
        self._publish(record)

    # The loop

    async def _keep_time(self) -> None:
        while True:
            self._due = self._stack.next_timeout()
            self._wake = trio.Event()
            with trio.move_on_at(self._due if self._due is not None else float("inf")):
                await self._wake.wait()
            now = trio.current_time()
            if self._due is not None and now >= self._due:
                self._stack.handle_timeout(now)
                self._pump()

    def _pump(self, now: float | None = None) -> None:
        """Carry out what the stack asks for, until it asks for nothing more. Not re-entered: the outer run goes on.

        `now` spares a look at the clock where the caller has just had one.
        """
        if self._pumping:
            return
        self._pumping = True
        try:
            while outputs := self._stack.drain():
                if now is None:
                    now = trio.current_time()
                for output in outputs:
                    self._carry_out(output, now)
        finally:
            self._pumping = False
        due = self._stack.next_timeout()
        if due is not None and (self._due is None or due < self._due):
            self._wake.set()

    def _carry_out(self, output: Output, now: float) -> None:
        match output:  # the first three are all that a request which is answered comes to
            case Transmit():
                self._transmit(output)
            case RequestSent() | ResponseReceived() | RequestFailed():
                self._tell_waiter(output)
            case Resolve(ticket, question):
                if isinstance(question, Prepare):
                    self._prepare(ticket, question.hop, now)
                else:
                    self._nursery.start_soon(self._look_up, ticket, question)
            case CallProgress() | CallAnswered() | CallConfirmed() | CallFailed() | CallEnded():
                self._tell_call(output)
            case CallReceived() | RequestReceived():
                self._take_in(output)
            case GarbageReceived():
                self._take_garbage(output)
            case _:
                self._publish(output)

    def _transmit(self, output: Transmit) -> None:
        key, to, data, attempt = output
        beginning = self._beginning.pop(data, None) if self._beginning else None
        try:
            at = self._transports.send(to, data)
        except TransportFailure as failure:
            self._stack.transport_failed(key, failure, trio.current_time())
            return
        if beginning is not None:
            beginning.sent_at = at
        if self._subscribers:
            flow = to if isinstance(to, Flow) else Flow(to.transport, to.local or UNKNOWN, to.remote)
            self._publish(MessageTrace(at, Direction.SENT, flow, data, attempt=attempt))

    def _prepare(self, ticket: int, hop: Hop, now: float) -> None:
        try:
            prepared = self._transports.prepared(hop)
        except SipError as error:
            self._stack.resolved(ticket, _as_failure(error), now)
            return
        if prepared is not None:
            self._stack.resolved(ticket, prepared, now)
        else:
            self._nursery.start_soon(self._prepare_slowly, ticket, hop)

    async def _prepare_slowly(self, ticket: int, hop: Hop) -> None:
        result: Hop | TransportFailure
        try:
            result = await self._transports.prepare(hop)
        except SipError as error:
            result = _as_failure(error)
        self._stack.resolved(ticket, result, trio.current_time())
        self._pump()

    async def _look_up(self, ticket: int, question: Question) -> None:
        result = await self._ask(question)
        self._stack.resolved(ticket, result, trio.current_time())
        self._pump()

    async def _ask(self, question: Question) -> Result:
        result = await self._lookup.ask(question)
        self._publish(ResolveTrace(trio.current_time(), str(question), *_told(result)))
        return result

    def _tell_waiter(self, output: RequestSent | ResponseReceived | RequestFailed) -> None:
        waiter = self._waiters.get(output.ticket)
        if waiter is None:
            return
        if isinstance(output, RequestSent):
            waiter.request, waiter.hop = output.request, output.hop
            self._beginning[bytes(output.request)] = waiter
        elif isinstance(output, ResponseReceived) and output.response.is_provisional:
            waiter.provisional.append(output.response)
        else:
            del self._waiters[output.ticket]
            waiter.finish(output)

    def _tell_call(self, event: CallEvent) -> None:
        call = self._calls.get(event.call)
        if call is not None:
            call.deliver(event)
            if call.is_over:
                del self._calls[event.call]

    def _take_garbage(self, garbage: GarbageReceived) -> None:
        if not self.config.garbage_fails or garbage.is_request:
            return
        flow = garbage.flow
        text = f"{flow.remote} answers with something that is not SIP: {garbage.error}"
        failure = TransportFailure(FailureReason.GARBAGE, text, section=garbage.error.section)
        self._stack.garbage(flow, failure, trio.current_time())

    def _take_in(self, event: CallReceived | RequestReceived) -> None:
        incoming: Incoming
        if isinstance(event, CallReceived):
            incoming = IncomingCall(self, event)
            self._calls[event.call] = incoming
        else:
            incoming = IncomingRequest(self, event)
        if not self.config.takes_incoming:
            _refuse(incoming, self.config.stack.product)
            return
        try:
            self._incoming_send.send_nowait(incoming)
        except trio.WouldBlock:
            _refuse(incoming, self.config.stack.product, 503)

    def _publish(self, record: TraceRecord) -> None:
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(record)
            except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever it is, it ends the block, not a transport
                self._unsubscribe(subscriber)
                self.broken = self.broken or error
                self._nursery.cancel_scope.cancel()


def _as_failure(error: SipError) -> TransportFailure:
    """A hop that cannot be prepared, as a failure of that hop: unusable TLS settings must not end the endpoint."""
    if isinstance(error, TransportFailure):
        return error
    failure = TransportFailure(FailureReason.UNREACHABLE, error.message, section=error.section)
    failure.__cause__ = error
    return failure


def _told(result: Result) -> tuple[tuple[str, ...], str]:
    """A lookup's result as the trace tells it: the records with their TTL, or the error."""
    if isinstance(result, Answer):
        return tuple(f"{record} ({result.ttl:.0f} s, {result.source})" for record in result.records), ""
    return (), str(result)


def _refuse(incoming: Incoming, product: str, overload: int | None = None) -> None:
    """Turn away what nobody here wants, or, when too much waits already, all of it with `overload` (§21.5.4).

    OPTIONS is answered even if nobody reads what comes in, since it asks for nothing (RFC 3261 §11.2).
    """
    server = [("Server", product)] if product else []
    if isinstance(incoming, IncomingCall):
        incoming.reject(overload or 480)
    elif overload is not None:
        incoming.respond(overload, fields=server)
    else:
        allow = ("Allow", ", ".join(ALLOW))
        incoming.respond(200 if incoming.request.method == OPTIONS else 405, fields=[allow, *server])
