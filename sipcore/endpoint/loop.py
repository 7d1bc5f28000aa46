"""The loop that drives a `Stack` over the transports: it keeps the time, sends, looks up, and tells what is traced."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import get_ident
from typing import TypeVar

import trio

from sipcore.deviation import Deviation
from sipcore.endpoint.faults import Faults
from sipcore.errors import FailureReason, LocalError, NotAllowed, SipError, TransportFailure, own_fault
from sipcore.events import Event, Output, Prepare, RequestEvent, RequestSent, Resolve, ResponseReceived, StopResolving
from sipcore.message.message import Request, Response
from sipcore.recovery import described
from sipcore.resolve.records import Answer, Question, Result
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.stack import Stack
from sipcore.trace import (
    Direction,
    FaultTrace,
    MessageTrace,
    ResolveTrace,
    Stamp,
    TraceRecord,
)
from sipcore.transactions.effects import Transmit
from sipcore.transactions.timers import NEVER
from sipcore.transports.base import closed
from sipcore.transports.connections import Transports
from sipcore.transports.lookup import Lookup

UNKNOWN = SocketAddress("0.0.0.0", 0)  # noqa: S104  # a value to show, nothing is bound
"""The local address in the trace of a message whose hop was not prepared."""

_OF_REQUESTS = (RequestSent, ResponseReceived)
"""RequestEvent, asked for first: to tell it from all that is traced takes longer than to act on it."""

T = TypeVar("T")


class Loop:
    """One stack on its transports. Its events go to `take`, what is traced to the subscribers."""

    def __init__(
        self,
        stack: Stack,
        lookup: Lookup,
        take: Callable[[Event, float], None],
        take_of_request: Callable[[RequestEvent], None],
        *,
        tracing: bool,
    ) -> None:
        """What requests come to goes to `take_of_request`, all else to `take`. `tracing` is whether subscribers are
        told of what happens inside the stack, too.
        """
        self.stack = stack
        self.stack.tracing = False  # until somebody subscribes
        self.faults = Faults()
        self.broken: BaseException | None = None
        """What a subscriber, or another listener, raised: the block is cancelled then."""
        self._closed = True  # until it is started
        self._thread = 0
        """Where it was started: trio wakes nobody in another thread."""
        self.transports: Transports
        """Unset until the loop is started."""
        self._tracing = tracing
        self._lookup = lookup
        self._take = take
        self._take_of_request = take_of_request
        self._sent_at: dict[bytes, Callable[[float], None]] = {}
        self._subscribers: list[Callable[[TraceRecord], None]] = []
        self._flow_watchers: list[Callable[[Flow], None]] = []
        self.clock = trio.current_time
        """Gives the time."""
        self._lookups: dict[int, set[trio.CancelScope]] = {}
        """What is being looked up, by the ticket of the request that it is for."""
        self._preparing: dict[Hop, list[tuple[int, str]]] = {}
        """What waits for a connection that is being opened: tickets, and why each goes there."""
        self._wake = trio.Event()
        self._due = NEVER
        self._pumping = False
        self._nursery: trio.Nursery
        self._block: trio.CancelScope

    def start(self, transports: Transports, nursery: trio.Nursery, block: trio.CancelScope) -> None:
        """Take the open transports and begin to keep time; `block` is cancelled when a subscriber raises."""
        self.transports = transports
        self._nursery = nursery
        self._block = block
        self._closed = False
        self._thread = get_ident()
        self.clock = trio.lowlevel.current_clock().current_time  # without looking up whose clock it is each time
        nursery.start_soon(self._keep_time)

    @property
    def begun(self) -> bool:
        """Whether it was started, which may be long ago."""
        return hasattr(self, "transports")

    def close(self) -> None:
        """Do nothing more: what still comes in is not answered, and whoever asks for something gets a LocalError."""
        self._closed = True

    def require_open(self) -> None:
        """Raises LocalError once the endpoint is closed, and in another thread than its own."""
        if self._closed or get_ident() != self._thread:
            raise self._unusable()

    def require_here(self) -> None:
        """Raises LocalError in another thread than its own: trio would wake nobody there."""
        if get_ident() != self._thread:
            raise self._elsewhere()

    def _unusable(self) -> LocalError:
        return closed() if self._closed else self._elsewhere()

    def _elsewhere(self) -> LocalError:
        text = "the endpoint was opened in another thread: use it there, from here by trio.from_thread.run"
        return LocalError(text, section="RFC 3261 §18")

    def act(self, action: Callable[[Stack, float], T]) -> T:
        """Have `action` do something with the stack now, and carry out what comes of it.

        Raises LocalError as `require_open` does.
        """
        if self._closed or get_ident() != self._thread:
            raise self._unusable()
        now = self.clock()
        result = action(self.stack, now)
        self.pump(now)
        return result

    def ready(self, hop: Hop) -> Hop | None:
        """A hop for datagrams with the local end that the kernel chooses; None for others, or if it cannot be used."""
        if hop.transport.reliable or hop.local is not None:
            return None
        try:
            return self.transports.prepared(hop)
        except SipError:
            return None

    def tell_when_sent(self, data: bytes, tell: Callable[[float], None]) -> None:
        """Call `tell` with the time at which these bytes leave, which are about to."""
        self._sent_at[data] = tell

    def subscribe(self, subscriber: Callable[[TraceRecord], None]) -> Callable[[], None]:
        """Have `subscriber` called with every trace record from now on; gives a function that ends it."""
        self.require_open()
        self._subscribers.append(subscriber)
        self.stack.tracing = self._tracing
        return _once(lambda: self._unsubscribe(subscriber))

    def _unsubscribe(self, subscriber: Callable[[TraceRecord], None]) -> None:
        if subscriber in self._subscribers:  # else it has raised something since
            self._subscribers.remove(subscriber)
        self.stack.tracing = self._tracing and bool(self._subscribers)

    def watch_flows(self, watcher: Callable[[Flow], None]) -> Callable[[], None]:
        """Have `watcher` called with each flow that ends (`Transports.ping`, too); gives a function that ends it."""
        self.require_open()
        watching = self.heeding(watcher)
        self._flow_watchers.append(watching)
        return _once(lambda: self._flow_watchers.remove(watching))

    def heeding(self, listener: Callable[[T], None]) -> Callable[[T], None]:
        """`listener`, which an owner has given: what it raises ends the block as well, and is no fault of a transport's
        or a peer's.
        """

        def heed(told: T) -> None:
            try:
                listener(told)
            except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever it is, it ends the block, not a transport
                self._break(error)

        return heed

    # What the transports tell (transports.base.Sink)

    def received(
        self,
        data: bytes,
        flow: Flow,
        stamp: Stamp,
        notes: tuple[Deviation, ...],
        message: Request | Response | None = None,
    ) -> None:
        """One message came in. What comes after the endpoint's end and before its sockets' is left alone."""
        if self._closed:
            return
        if self._subscribers:
            self.publish(MessageTrace(stamp.at, Direction.RECEIVED, flow, data, stamp.kernel, notes=notes))
        now = self.clock()
        try:
            self.stack.receive(data, flow, stamp, now, message)
        except Exception as error:  # noqa: BLE001  # see Faults
            self._recover(error, now)
        self.pump(now)

    def flow_failed(self, flow: Flow, failure: TransportFailure) -> None:
        """A connection ended, or a flow of datagrams has: but requests over those have timers of their own."""
        if flow.transport is not Transport.UDP:
            self._tell(lambda now: self.stack.flow_failed(flow, failure, now))
        for watcher in tuple(self._flow_watchers):
            watcher(flow)

    def listening(self, transport: Transport, at: SocketAddress) -> None:
        """Peers can connect."""
        self.stack.listen(transport, at)

    def is_awaited(self, flow: Flow) -> bool:
        """Whether a connection is needed still."""
        return self.stack.is_awaited(flow)

    def unreachable(self, remote: SocketAddress, failure: TransportFailure) -> None:
        """ICMP came back."""
        self._tell(lambda now: self.stack.unreachable(remote, failure, now))

    def fault(self, error: Exception, what: str) -> None:
        """A connection, or a datagram, was given up over a mistake of this program."""
        self.note_fault(error, what)

    def note_fault(self, error: Exception, what: str) -> FaultTrace:
        """Count, trace and log a mistake of this program; gives what was told of it."""
        told = self.faults.record(error, what, self.clock())
        self.publish(told)
        return told

    def trace(self, record: TraceRecord) -> None:
        """Something happened to a connection."""
        self.publish(record)

    async def _keep_time(self) -> None:
        while True:
            due = self.stack.next_timeout()
            self._due = NEVER if due is None else due
            self.stack.soonest.at = NEVER
            self._wake = trio.Event()
            with trio.move_on_at(self._due):
                await self._wake.wait()
            now = self.clock()
            if now >= self._due:
                self._tell(self.stack.handle_timeout)

    def pump(self, now: float) -> None:
        """Carry out what the stack asks for, until it asks for nothing more. Not re-entered: the outer run goes on.

        Once closed, what it asks for is left.
        """
        if self._pumping or self._closed:
            return
        self._pumping = True
        try:
            waiting = self.stack.outputs
            while waiting:
                output = waiting.popleft()
                try:
                    if isinstance(output, Transmit):
                        self._transmit(output)
                    elif isinstance(output, _OF_REQUESTS):
                        self._take_of_request(output)
                    else:
                        self._carry_out(output, now)
                except Exception as error:  # noqa: BLE001  # see Faults
                    self._recover(error, now, output)
        finally:
            self._pumping = False
        if self.stack.soonest.at < self._due:
            self._wake.set()

    def _tell(self, tell: Callable[[float], None]) -> None:
        """Tell the stack that something has happened, and carry out what comes of it."""
        now = self.clock()
        self._attempt(tell, now)
        self.pump(now)

    def _attempt(self, tell: Callable[[float], None], now: float) -> None:
        try:
            tell(now)
        except Exception as error:  # noqa: BLE001  # see Faults
            self._recover(error, now)

    def _recover(self, error: Exception, now: float, output: Output | None = None) -> None:
        """This program has made a mistake: tell of it, and give up what it was made over, and nothing else.

        To give that up may fail as well. Each time less is left to be done, so it comes to an end.
        """
        fault: Exception | None = error
        while fault is not None:
            what = described(self.stack.doing if output is None else output)
            self.publish(self.faults.record(fault, what, now))
            try:
                self.stack.recover(now, output)
            except Exception as another:  # noqa: BLE001  # see Faults
                fault, output = another, None
            else:
                fault = None

    def _carry_out(self, output: Resolve | StopResolving | TraceRecord | Event, now: float) -> None:
        """Do what is asked for less often than for each request."""
        if isinstance(output, Resolve):
            question = output.question
            if isinstance(question, Prepare):
                self._prepare(output.ticket, question.hop, now)
            else:
                scope = trio.CancelScope()  # made here, so that it may be given up before its task has begun
                self._lookups.setdefault(output.ticket, set()).add(scope)
                self._nursery.start_soon(self._look_up, output.ticket, question, scope)
        elif isinstance(output, StopResolving):
            for scope in self._lookups.get(output.ticket, ()):
                scope.cancel()
        elif isinstance(output, TraceRecord):
            self.publish(output)
        else:
            self._take(output, now)

    def _transmit(self, output: Transmit) -> None:
        _, to, data, attempt = output
        tell = self._sent_at.pop(data, None) if self._sent_at else None
        try:
            at = self.transports.send(to, data)
        except TransportFailure as failure:
            self.stack.transport_failed(output, failure.kept(), self.clock())
            return
        if tell is not None:
            tell(at)
        if self._subscribers:
            flow = to if isinstance(to, Flow) else Flow(to.transport, to.local or UNKNOWN, to.remote)
            self.publish(MessageTrace(at, Direction.SENT, flow, data, attempt=attempt))

    def _prepare(self, ticket: int, hop: Hop, now: float) -> None:
        waiting = self._preparing.get(replace(hop, why="")) if self._preparing else None
        if waiting is not None:  # the connection may be there by now, but those that wait for it go first
            waiting.append((ticket, hop.why))
            return
        try:
            prepared = self.transports.prepared(hop)
        except SipError as error:
            self.stack.resolved(ticket, as_failure(error), now)
            return
        if prepared is not None:
            self.stack.resolved(ticket, prepared, now, reused=True)
            return
        place = replace(hop, why="")
        self._preparing[place] = [(ticket, hop.why)]
        self._nursery.start_soon(self._prepare_slowly, place)

    async def _prepare_slowly(self, place: Hop) -> None:
        """Prepare a hop for all that wait for it, which go out in their order: an ACK before the INVITE after it."""
        result: Hop | TransportFailure
        try:
            result = await self.transports.prepare(place)
        except SipError as error:
            result = as_failure(error)
        now = self.clock()
        for ticket, why in self._preparing.pop(place):
            told = result if isinstance(result, TransportFailure) else replace(result, why=why)
            self._attempt(partial(self.stack.resolved, ticket, told), now)
        self.pump(now)

    async def _look_up(self, ticket: int, question: Question, scope: trio.CancelScope) -> None:
        result: Result | TransportFailure
        with scope:
            try:
                result = await self.ask(question)
            except Exception as error:  # noqa: BLE001  # see Faults: what comes of DNS is as much a peer's as all else
                self.fault(error, str(question))
                result = own_fault()
            finally:
                under_way = self._lookups[ticket]
                under_way.remove(scope)
                if not under_way:
                    del self._lookups[ticket]
            self._tell(partial(self.stack.resolved, ticket, result))

    async def ask(self, question: Question) -> Result:
        """Look something up."""
        result = await self._lookup.ask(question)
        self.publish(ResolveTrace(self.clock(), str(question), *_told(result)))
        return result

    def publish(self, record: TraceRecord) -> None:
        """Tell the subscribers. What one of them raises ends the block that the endpoint is open for."""
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(record)
            except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever it is, it ends the block, not a transport
                self._unsubscribe(subscriber)
                self._break(error)

    def _break(self, error: BaseException) -> None:
        self.broken = self.broken or error
        self._block.cancel()


def _once(end: Callable[[], None]) -> Callable[[], None]:
    """`end`, which does nothing when it is called again."""
    left = [end]

    def call() -> None:
        if left:
            left.pop()()

    return call


def as_failure(error: SipError) -> TransportFailure:
    """A hop that cannot be prepared, as a failure of that hop: unusable TLS settings must neither end the endpoint nor
    keep a request from its next hop. `blamed` tells whose fault it is.
    """
    if isinstance(error, TransportFailure):
        return error.kept()
    if isinstance(error, NotAllowed):
        return error.as_failure()
    failure = TransportFailure(FailureReason.UNREACHABLE, error.message, section=error.section)
    failure.__cause__ = error
    return failure.kept()


def _told(result: Result) -> tuple[tuple[str, ...], str]:
    """A lookup's result as the trace tells it: the records with their TTL, or the error."""
    if isinstance(result, Answer):
        return tuple(f"{record} ({result.ttl:.0f} s, {result.source})" for record in result.records), ""
    return (), str(result)
