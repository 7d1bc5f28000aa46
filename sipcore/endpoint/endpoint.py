"""The awaitable user agent: one loop that drives a `Stack` over the transports, and an API of plain coroutines on it.

    async with Endpoint(EndpointConfig()) as endpoint:
        exchange = await endpoint.options(parse_uri("sip:example.com"))
        print(exchange.response.status, exchange.rtt)

Everything runs in the caller's trio run and ends with the block. Nothing is global: any number of endpoints may live in
one process.
"""

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import trio

from sipcore.endpoint.call import Call, IncomingCall
from sipcore.endpoint.incoming import Incoming, IncomingRequest, refuse
from sipcore.endpoint.loop import Loop
from sipcore.endpoint.placing import Placing
from sipcore.endpoint.transfer import Transfer
from sipcore.endpoint.waiter import Waiter
from sipcore.errors import FailureReason, LocalError, TransportFailure, require_kind
from sipcore.events import (
    CallEvent,
    CallNotified,
    CallReceived,
    Event,
    Exchange,
    GarbageReceived,
    ReferLapsed,
    RequestEvent,
    RequestFailed,
    RequestReceived,
    RequestSent,
    ResponseReceived,
)
from sipcore.message.address import Address
from sipcore.message.build import Draft, Fields, Identity, require_further
from sipcore.message.build import request as build_request
from sipcore.message.given import address_given, uri_given
from sipcore.message.message import Request
from sipcore.message.method import OPTIONS
from sipcore.message.uri import Place, SipUri, Uri
from sipcore.outgoing import Order, target_of
from sipcore.resolve.plan import Plan
from sipcore.resolve.records import Question
from sipcore.resolve.target import Flow, Hop, SocketAddress
from sipcore.stack import Stack
from sipcore.stack_config import StackConfig
from sipcore.tokens import RandomBytes, Tokens, pooled
from sipcore.trace import FaultTrace, TraceRecord, TraceSwitch, TransitionTrace
from sipcore.transports.base import TransportConfig, closed, was_closed
from sipcore.transports.connections import Transports, open_transports
from sipcore.transports.lookup import Lookup, LookupConfig
from sipcore.transports.shelter import open_shelter
from sipcore.value import maker, value

if TYPE_CHECKING:
    from sipcore.auth.session import AuthSession
    from sipcore.endpoint.registration import Registering
    from sipcore.registration.binding import Registration

ANONYMOUS = Address(SipUri("anonymous.invalid", "anonymous"), '"Anonymous"', spec="sip:anonymous@anonymous.invalid")
"""Who an endpoint without an identity is (RFC 3323 §4.1.1.3)."""
INCOMING_BACKLOG = 128
"""Incoming requests and calls that wait to be taken; the next one is answered 503 (RFC 3261 §21.5.4)."""

HOW_TO_ORDER = "Order(endpoint.new_request(method, uri), uri)"
"""For whoever gives something else in its place."""
MAX_ASKED = 1024
"""URIs whose OPTIONS is remembered, some 3 kB each; forgotten all at once beyond that."""

_make_order = maker(Order)
_OF_REFERS = (CallNotified, ReferLapsed)

T = TypeVar("T")


@value
class EndpointConfig:
    """Everything an endpoint is told once. `identity` is who it says it is; None: anonymous (RFC 3323 §4.1)."""

    transports: TransportConfig = field(default_factory=TransportConfig)
    """Where it listens, and with which TLS; by default a free port is taken when it is first needed."""
    lookup: LookupConfig = field(default_factory=LookupConfig)
    """How DNS is asked."""
    stack: StackConfig = field(default_factory=StackConfig)
    """What it can do, by which names, and with which timers."""
    identity: Address | Uri | str | None = None
    random_bytes: RandomBytes = field(default=secrets.token_bytes, repr=False)
    """Where tags, branches and keys come from: so many bytes that nobody can guess."""
    incoming_backlog: int = INCOMING_BACKLOG
    """How many incoming requests and calls may wait to be taken; the next one is answered 503."""
    takes_incoming: bool = False
    """Whether somebody reads `Endpoint.incoming`. If not, OPTIONS is answered 200 and everything else refused.

    Calls and OPTIONS come in then, and what `StackConfig.methods` names besides; what it does not is answered 405."""
    garbage_fails: bool = False
    """Whether bytes that are no SIP message fail what is awaited from their sender. A probe wants to know; a service
    must not let whoever can forge a datagram end its calls."""


class Endpoint:
    """A user agent, open for the length of a block; everything it started is over when the block ends.

    It works on while the block is cancelled, so that calls and registrations come to a proper end. What other tasks
    still await of it then fails with a TransportFailure, and whatever is asked of it afterwards with a LocalError, as
    does what is asked in another thread.
    Beginning the block raises LocalError when an address in the configuration cannot be bound, and for an endpoint that
    was opened before.
    """

    def __init__(self, config: EndpointConfig | None = None) -> None:
        """Nothing is bound before the block begins."""
        config = config or EndpointConfig()
        self.config = config
        self._block = self._opened()
        self._begun = False
        self.tokens = Tokens(pooled(config.random_bytes))
        guarded = config.transports.refusal is not None  # then nobody else may say where something is to be sent
        stack = Stack(replace(config.stack, obeys_maddr=False) if guarded else config.stack, self.tokens)
        self.loop = Loop(stack, Lookup(config.lookup), self._take, self._tell_waiter, tracing=config.stack.tracing)
        self._waiters: dict[int, Waiter] = {}
        self._asked: dict[str, Request | Draft] = {}
        self._calls: dict[int, Call | IncomingCall] = {}
        self.transfers: dict[int, Transfer] = {}
        self._leaving = False
        self._leavers: set[Callable[[], Awaitable[None]]] = set()
        self._locating: set[trio.CancelScope] = set()
        self._incoming_send, self._incoming = trio.open_memory_channel[Incoming](config.incoming_backlog)

    async def __aenter__(self) -> Self:
        if self._begun:
            raise LocalError("an endpoint is opened once: make another one", section="RFC 3261 §18")
        self._begun = True
        await self._block.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._block.__aexit__(kind, error, traceback)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[None]:
        failure: BaseException | None = None
        config = self.config.transports
        if config.on_wire is not None:
            config = replace(config, on_wire=self.loop.heeding(config.on_wire))
        async with open_transports(config, self.loop) as transports, open_shelter() as nursery:
            try:
                with trio.CancelScope() as block:
                    self.loop.start(transports, nursery, block)
                    try:
                        yield
                    except Exception as error:  # noqa: BLE001  # carried past the nurseries, which would wrap it in a group
                        failure = error
            finally:
                await self.leave()
        if self.loop.broken is not None:
            raise self.loop.broken
        if failure is not None:
            raise failure

    # The API

    @property
    def transports(self) -> Transports:
        """The sockets, for what only they know: bound addresses, TLS sessions. Raises LocalError before the block,
        and where that could not begin.
        """
        if not self.loop.begun:
            raise closed()
        return self.loop.transports

    @property
    def faults(self) -> int:
        """How often this program has made a mistake of its own, each of which has cost one message, request or call.

        They are told as `FaultTrace`; each kind is logged once, with its traceback. Please report them.
        """
        return self.loop.faults.count

    def note_fault(self, error: Exception, what: str) -> FaultTrace:
        """Count, trace and log what a program has caught while it dealt with something that came in, as if it were a
        mistake in here; `what` is the start line of the message, as a rule. Gives what subscribers were told.
        """
        return self.loop.note_fault(error, what)

    def subscribe(self, subscriber: Callable[[TraceRecord], None]) -> Callable[[], None]:
        """Have `subscriber` called with every trace record from now on; gives a function that ends it.

        Messages are in them as they are on the wire, credentials and keys included. What it raises ends the block.
        """
        return self.loop.subscribe(subscriber)

    @property
    def epoch_ns(self) -> int:
        """What makes dates out of the times of trace records: nanoseconds from 1970, UTC, to where those begin, as the
        two clocks stand to each other now.
        """
        return time.time_ns() - round(trio.current_time() * 1e9)

    @property
    def trace_switch(self) -> TraceSwitch:
        """Whether machines tell their transitions to subscribers, for those that are driven beside the stack."""
        return self.loop.stack.trace_switch

    def publish(self, record: TransitionTrace) -> None:
        """Tell the subscribers of what such a machine did."""
        self.loop.publish(record)

    async def locate(self, uri: Uri | str) -> list[Hop]:
        """Where a request for `uri` would go, best first (RFC 3263 §4). Raises TransportFailure when nowhere, and
        LocalError for what is no URI, as all below that take one.
        """
        with self._until_closed():
            return await self._locate(uri)

    async def _locate(self, uri: Uri | str) -> list[Hop]:
        plan = Plan(target_of(uri), chance=self.tokens.chance)

        async def ask(question: Question) -> None:
            plan.answer(await self.loop.ask(question))

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
        uri: Uri | str,
        *,
        to: Address | Uri | str | None = None,
        from_: Address | Uri | str | None = None,
        fields: Fields = (),
        body: bytes = b"",
        content_type: str = "",
    ) -> Request:
        """A request outside of any dialog with fresh From tag and Call-ID (RFC 3261 §8.1.1); Via is put on later.

        A User-Agent among `fields` takes the place of the product's name. Raises LocalError for what cannot be sent,
        and for what a request has in any case, as its Call-ID.
        """
        uri, sender = uri_given(uri), address_given(from_ or self.config.identity or ANONYMOUS)
        fitted = uri.fitted_to(Place.TO) if isinstance(uri, SipUri) else uri
        callee = address_given(to) if to else Address(fitted)
        identity = Identity(sender.with_tag(self.tokens.tag()), callee, self.tokens.call_id())
        told = list(fields)
        require_further(told, "a request", "use request.with_header to put another in its place")
        if self.config.stack.product and "user-agent" not in {name.lower() for name, _ in told}:
            told.append(("User-Agent", self.config.stack.product))
        return build_request(method, uri, identity, fields=told, body=body, content_type=content_type)

    async def request(self, order: Order) -> Exchange:
        """Send a request and wait for its final response.

        Raises TransportFailure when no hop gave one, with the last hop's reason, LocalError when the settings of TLS or
        WebSocket cannot be used for it. Cancelling it gives the request up.
        """
        require_kind(order, Order, HOW_TO_ORDER, section="RFC 3261 §8.1.1")
        return await self.exchange(lambda stack, now: stack.request(order, now))

    async def options(self, uri: Uri | str, *, hop: Hop | None = None, auth: "AuthSession | None" = None) -> Exchange:
        """Ask what a peer can do (RFC 3261 §11). Raises as `request` does."""
        ready = self.loop.ready(hop) if isinstance(hop, Hop) else None
        request, user = self._options(uri), self.config.stack.user
        order = _make_order(request, hop or uri, user, auth, prepared=ready)
        return await self.exchange(lambda stack, now: stack.request(order, now))

    def _options(self, uri: Uri | str) -> Request:
        """An OPTIONS. For a URI that is asked again and again it is not built anew each time."""
        name = str(uri)
        known = self._asked.get(name)
        if isinstance(known, Draft):
            return known.request(*self.tokens.tag_and_call_id())
        request = self.new_request(OPTIONS, uri, fields=[("Accept", "application/sdp")])
        if len(self._asked) >= MAX_ASKED:
            self._asked.clear()
        self._asked[name] = request if known is None else Draft(request)
        return request

    @contextmanager
    def _until_closed(self) -> Iterator[None]:
        """Break off what the block awaits when the endpoint is closed, and raise TransportFailure then."""
        self.loop.require_open()
        with trio.CancelScope() as scope:
            self._locating.add(scope)
            try:
                yield
            finally:
                self._locating.remove(scope)
        if scope.cancelled_caught:
            raise was_closed()

    def call(self, order: Order, *, redirects: int = 0) -> AbstractAsyncContextManager[Call]:
        """Place a call with the order's INVITE; it is hung up properly when the block ends, however it ends.

        `redirects` is how many other places a 3xx may send it on to: anywhere the callee names, so 0 unless trusted.
        """

        def place(stack: Stack, now: float) -> Call:
            self._require_staying()
            require_kind(order, Order, HOW_TO_ORDER, section="RFC 3261 §8.1.1")
            placed = Call(self, stack.call(order, now, redirects=redirects))
            self._calls[placed.number] = placed
            return placed

        return Placing(lambda: self.loop.act(place))

    def register(
        self,
        registration: "Registration",
        *,
        auth: "AuthSession | None" = None,
        user: str = "",
        hop: Hop | None = None,
        fields: Fields = (),
    ) -> AbstractAsyncContextManager["Registering"]:
        """Keep a registration for the length of a block; see `endpoint.registration.keep_registered`."""
        from sipcore.endpoint.registration import keep_registered  # loaded by those only who register

        return keep_registered(self, registration, auth=auth, user=user, hop=hop, fields=fields)

    async def leave(self) -> None:
        """Hang up what is still up, take registrations back, and close the endpoint for whoever still awaits something.

        What came in and nobody has taken is refused, for its sender learns it no other way. Whoever answers a call
        should hang it up, but may have been cancelled before; `patience` is what is waited.
        """
        self._leaving = True
        self._incoming_send.close()
        self._refuse_untaken()
        try:
            with trio.CancelScope(shield=True):
                async with trio.open_nursery() as nursery:
                    for call in tuple(self._calls.values()):
                        nursery.start_soon(call.hang_up)
                    for leave in tuple(self._leavers):
                        nursery.start_soon(leave)
        finally:
            self._close()

    def _refuse_untaken(self) -> None:
        """Answer the requests that wait to be taken; calls are hung up with all others."""
        with suppress(trio.EndOfChannel, trio.ClosedResourceError):
            while True:
                incoming = self._incoming.receive_nowait()
                if isinstance(incoming, IncomingRequest):
                    refuse(incoming, self.loop.stack.manner, 503)

    def _close(self) -> None:
        """Finish whatever is still awaited: nothing more will come of it."""
        self.loop.close()
        failure = was_closed()
        for ticket, waiter in self._waiters.items():
            waiter.finish(RequestFailed(ticket, failure))
        self._waiters.clear()
        for call in self._calls.values():
            call.close(failure)
        self._calls.clear()
        for transfer in self.transfers.values():
            transfer.close(failure)
        for scope in self._locating:
            scope.cancel()

    def on_leaving(self, leave: Callable[[], Awaitable[None]]) -> Callable[[], None]:
        """Have `leave` awaited when the block ends, while everything works still; gives a function that ends it.

        Raises LocalError when that is too late, or too early.
        """
        self._require_staying()
        self._leavers.add(leave)
        return lambda: self._leavers.discard(leave)

    def _require_staying(self) -> None:
        """Raises LocalError outside of the block, which has ended once it is left: what begins then would not be ended
        properly.
        """
        self.loop.require_open()
        if self._leaving:
            raise closed()

    def incoming(self) -> trio.MemoryReceiveChannel[Incoming]:
        """Requests and calls that come in, to be iterated over (`takes_incoming` must be set); it ends with the block.

        Whoever closes it, as `async with` does, takes nothing more: what comes in then is answered as if
        `takes_incoming` were not set.
        """
        if self.loop.begun:
            self.loop.require_here()
        return self._incoming

    def told(self, hop: Hop) -> SocketAddress:
        """The local address of a prepared hop that peers are told, in Via and Contact (RFC 3261 §18.1.1)."""
        return self.loop.stack.told(hop)

    def watch_flows(self, watcher: Callable[[Flow], None]) -> Callable[[], None]:
        """Have `watcher` called with each flow that ends (`Transports.ping`, too); gives a function that ends it.

        What it raises ends the block.
        """
        return self.loop.watch_flows(watcher)

    # What calls need (endpoint.call.Driver)

    def require_here(self) -> None:
        """Raises LocalError in another thread than its own."""
        self.loop.require_here()

    def act(self, action: Callable[[Stack, float], T]) -> T:
        """Have `action` do something with the stack, at the time that it is told, and carry out what comes of it."""
        return self.loop.act(action)

    async def exchange(self, send: Callable[[Stack, float], int]) -> Exchange:
        """Have `send` send a request, and wait for its final response. Raises as `request` does."""
        waiter, loop = Waiter(), self.loop
        loop.require_open()
        now = loop.clock()
        ticket = send(loop.stack, now)
        self._waiters[ticket] = waiter
        loop.pump(now)
        try:
            await waiter.wait()
        finally:
            if waiter.final is None:
                del self._waiters[ticket]
                loop.act(lambda stack, now: stack.abandon(ticket, now))
        return waiter.exchange()

    # What the loop tells

    def _take(self, output: Event, now: float) -> None:
        match output:
            case RequestFailed():
                self._tell_waiter(output)
            case CallReceived() | RequestReceived():
                self._take_in(output)
            case GarbageReceived():
                self._take_garbage(output, now)
            case _:
                self._tell_call(output)

    def _tell_waiter(self, output: RequestEvent | RequestFailed) -> None:
        waiter = self._waiters.get(output.ticket)
        if waiter is None:
            return
        if isinstance(output, RequestSent):
            waiter.request, waiter.hop = output.request, output.hop
            self.loop.tell_when_sent(bytes(output.request), waiter.sent)
        elif isinstance(output, ResponseReceived) and output.response.status < 200:
            waiter.progress(output.response)
        else:
            del self._waiters[output.ticket]
            waiter.finish(output)

    def _tell_call(self, event: CallEvent) -> None:
        if isinstance(event, _OF_REFERS) and event.refer in self.transfers:
            self.transfers[event.refer].take(event)
        call = self._calls.get(event.call)
        if call is not None:
            call.deliver(event)
            if call.is_over:
                del self._calls[event.call]

    def _take_garbage(self, garbage: GarbageReceived, now: float) -> None:
        if not self.config.garbage_fails or garbage.is_request:
            return
        flow = garbage.flow
        text = f"{flow.remote} answers with something that is not SIP: {garbage.error}"
        failure = TransportFailure(FailureReason.GARBAGE, text, section=garbage.error.section)
        self.loop.stack.garbage(garbage.data, flow, failure, now)

    def _take_in(self, event: CallReceived | RequestReceived) -> None:
        incoming: Incoming
        if isinstance(event, CallReceived):
            incoming = IncomingCall(self, event)
            self._calls[event.call] = incoming
        else:
            incoming = IncomingRequest(self, event, self.tokens.tag())
        if self._leaving or not self.config.takes_incoming:
            refuse(incoming, self.loop.stack.manner)
            return
        try:
            self._incoming_send.send_nowait(incoming)
        except trio.WouldBlock:
            refuse(incoming, self.loop.stack.manner, 503)
        except trio.BrokenResourceError:  # the channel is closed: nobody listens any more
            refuse(incoming, self.loop.stack.manner)
