"""Pings carried out: OPTIONS to a destination at an interval, and what happens told as it does, for minutes or months.

pings = Pings("sip.example.com", PingConfig(count=3), print)
await pings.run()
print(pings.tally)

Each ping is one transaction (RFC 3261 §17.1.2): over UDP its request is repeated until it is answered. Connections are
kept, and opened again by the ping that finds its connection gone; one over which nothing comes any more is given up,
since a router that has forgotten it may let the kernel wait for a quarter of an hour. DNS is asked beside it, so that
no ping waits for it.
"""

import itertools
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import trio

from probes.checks import options
from probes.checks.io import Observation, Query, TlsFacts
from probes.destination import Destination
from probes.locate import locate
from probes.ping.places import MAX_PLACES, Key, Places, key_of
from probes.ping.results import (
    MAX_COUNTED,
    Connected,
    Counts,
    Disconnected,
    Happening,
    Late,
    Ping,
    Renamed,
    Tally,
    Unnamed,
)
from probes.product import PRODUCT
from probes.reach import ReachPolicy, refusal_of
from probes.result import received_in
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.errors import LocalError, NotAllowed, TransportFailure, require_counts
from sipcore.message.method import OPTIONS
from sipcore.outgoing import Order
from sipcore.resolve.target import Flow, Hop
from sipcore.stack_config import StackConfig
from sipcore.trace import Direction, FlowTrace, MessageTrace, TraceRecord
from sipcore.transports.base import IDLE_TIMEOUT, TlsConfig, TransportConfig
from sipcore.transports.handshake import check_tls
from sipcore.transports.lookup import LookupConfig
from sipcore.value import value

DEFAULT_INTERVAL = 1.0
"""Seconds from one ping to the next, as `ping` has it."""
DEFAULT_TIMEOUT = 4.0
"""Seconds for each ping, as discovery has it: four requests by then over UDP, at 0, 0.5, 1.5 and 3.5 s."""
MAX_AWAITED = 1024
"""Pings under way at once: what a peer that is silent for long makes this side keep."""
RELOCATE = 5.0
"""Seconds at least between two looks at what DNS names; its answers are kept for their TTL anyway."""
MAX_OVER = 1024
"""Pings that are over and still known by their Call-IDs, so that what comes of them is taken for nothing else."""
MAX_RECEIVED, MAX_RECEIVED_BYTES = 16, 65_536
"""Messages kept of one ping, as long as they have no more bytes: an answer may be preceded by others, and a peer that
floods shows in these as well.
"""
GRACE = 0.1
"""Seconds by which the end of a ping's time is met too late where this program was stopped, or kept from running, and
for which it then reads what came meanwhile before it gives the ping up.
"""
_ENDED = ("closed", "failed")
_call_id = re.compile(rb"^(?:Call-ID|i)[ \t]*+:[ \t]*+(\S++)", re.IGNORECASE | re.MULTILINE).search


@value
class PingConfig:
    """How to ping. Times are in seconds."""

    interval: float = DEFAULT_INTERVAL
    """From one ping to the next, answered or not."""
    timeout: float = DEFAULT_TIMEOUT
    """Until a ping is given up."""
    count: int | None = None
    """How many, to each place where all are asked; None: until cancelled."""
    every_place: bool = False
    """Whether all places that DNS names are asked each time; one of them if not, as long as it answers."""
    tls: TlsConfig = field(default_factory=TlsConfig)
    """Which certificates are trusted, and which one is shown."""
    lookup: LookupConfig = field(default_factory=LookupConfig)
    """How DNS is asked."""
    reach: ReachPolicy | None = None
    """Which addresses may be reached; all of them without one."""


@dataclass(slots=True)
class _Asking:
    """One ping under way."""

    number: int
    at: float
    hop: Hop
    started: float
    records: list[TraceRecord] = field(default_factory=list)
    sent_at: float | None = None
    flow: Flow | None = None
    """What it was sent over."""
    received: int = 0
    received_bytes: int = 0


@value
class _Over:
    """A ping that was given up; what comes of it is late. `since` is when it was sent, or begun if it never was."""

    number: int
    since: float


class Pings:
    """Pings to one destination: `run` carries them out; meanwhile, and afterwards, `tally` tells what became of them.

    `tell` is called with all that happens; it must neither block nor raise.
    """

    def __init__(self, target: Destination | str, config: PingConfig, tell: Callable[[Happening], None]) -> None:
        """Raises LocalError for a configuration that cannot be used, DestinationError for text that is no target."""
        if not (0 < config.interval < math.inf and 0 < config.timeout < math.inf):
            text = f"{config.interval} s and {config.timeout} s: interval and timeout are above 0"
            raise LocalError(text, section="RFC 3261 §17.1.2.1")
        if config.count is not None:
            require_counts(config, "count", least=1)
        awaited = config.timeout / config.interval * (MAX_PLACES if config.every_place else 1)
        if awaited > MAX_AWAITED:
            text = f"{awaited:.0f} pings would be under way at once: raise the interval, or lower the timeout"
            raise LocalError(text, section="RFC 3261 §17.1.2.1")
        self._destination = Destination.of(target)
        self._config = config
        self._tell = tell
        self._counts = Counts()
        self._asked: dict[str, _Asking] = {}
        self._over: OrderedDict[str, _Over | None] = OrderedDict()
        """By Call-ID; None where the answer came, so that all others are repetitions of it."""
        self._flows: dict[Key, list[TraceRecord]] = {}
        self._connected: set[Key] = set()
        self._heard_at: dict[Key, float] = {}
        """When something came over a connection to a place last."""
        self._left: set[Flow] = set()
        """The connections that were given up, until they have ended."""
        self._sent = 0
        self._started = self._ended = 0.0
        self._endpoint: Endpoint
        self._places: Places

    @property
    def tally(self) -> Tally:
        """What became of everything so far."""
        return self._counts.tally(self._ended - self._started, self._sent)

    async def run(self) -> None:
        """Ping until there were enough, or until cancelled. Raises TransportFailure when the destination has no
        address to begin with, and LocalError for settings of TLS that cannot be used.
        """
        config = self._config
        if self._destination.transport is None or self._destination.transport.secure:
            check_tls(config.tls)
        transports = TransportConfig(
            tls=config.tls,
            connect_timeout=config.timeout + 1.0,  # the ping's own time ends first: it is the one that is told
            idle_timeout=max(IDLE_TIMEOUT, 2 * config.interval + config.timeout),
            refusal=refusal_of(config.reach),
        )
        stack = StackConfig(product=PRODUCT, tracing=False)
        async with Endpoint(EndpointConfig(transports, config.lookup, stack, garbage_fails=True)) as self._endpoint:
            self._started = self._ended = trio.current_time()
            self._endpoint.subscribe(self._take)
            self._places = Places(await locate(self._destination, self._endpoint), every=config.every_place)
            try:
                await self._ping_on()
            finally:
                self._ended = trio.current_time()

    async def _ping_on(self) -> None:
        """Begin a ping at each interval. Who was stopped for a while goes on from then, and makes up for nothing."""
        config = self._config
        async with trio.open_nursery() as nursery:
            if not self._destination.is_numeric:
                nursery.start_soon(self._locate_again)
            async with trio.open_nursery() as pinging:
                due = trio.current_time()
                for number in itertools.count(1):
                    for hop in self._places.next_hops():
                        self._sent += 1
                        pinging.start_soon(self._ping, number, hop)
                    if number == config.count:
                        break
                    due += config.interval
                    await trio.sleep_until(due)
                    if trio.current_time() - due > config.interval:
                        due = trio.current_time()
            nursery.cancel_scope.cancel()

    async def _locate_again(self) -> None:
        """Ask DNS from time to time."""
        failed = False
        while True:
            await trio.sleep(max(self._config.interval, RELOCATE))
            try:
                hops = await locate(self._destination, self._endpoint)
            except TransportFailure as failure:
                if not failed:
                    self._happen(Unnamed(time.time(), failure.message))
                failed = True
                continue
            if failed:
                self._happen(Unnamed(time.time(), ""))
            failed = False
            came, went = self._places.name(hops)
            if came or went:
                self._happen(Renamed(time.time(), came, went))

    # One ping

    async def _ping(self, number: int, hop: Hop) -> None:
        endpoint, destination = self._endpoint, self._destination
        query = options.plan(destination.uri(hop.transport, hop.remote), hop, self._config.timeout)
        request = endpoint.new_request(OPTIONS, query.uri, fields=query.fields)
        asking = _Asking(number, time.time(), hop, trio.current_time())
        asking.records += self._flows.get(key_of(hop), ())
        self._asked[request.call_id] = asking
        order = Order(request, hop, endpoint.config.stack.user, any_size=True)
        try:
            seen = await self._observed(order, query, asking)
        finally:
            del self._asked[request.call_id]
        attempt = options.judge(seen)
        if attempt.response is None:
            self._places.fail(hop)
            self._leave_dead_connection(asking)
        self._end(request.call_id, asking, is_answered=attempt.response is not None)
        came = received_in(asking.records)
        source = came[-1].flow.remote if attempt.response is not None and came else None
        self._happen(Ping(number, asking.at, replace(attempt, records=()), source))

    def _end(self, call_id: str, asking: _Asking, *, is_answered: bool) -> None:
        """A ping is over: remember it for what may still come of it."""
        since = asking.started if asking.sent_at is None else asking.sent_at
        self._over[call_id] = None if is_answered else _Over(asking.number, since)
        if len(self._over) > MAX_OVER:
            self._over.popitem(last=False)

    def _leave_dead_connection(self, asking: _Asking) -> None:
        """Give up a connection over which nothing came since a ping was sent that has had all its time."""
        flow, key = asking.flow, key_of(asking.hop)
        if flow is None or not flow.transport.reliable or flow in self._left or key not in self._flows:
            return
        if asking.sent_at is not None and self._heard_at.get(key, 0.0) < asking.sent_at:
            self._left.add(flow)
            self._happen(Disconnected(time.time(), asking.hop, "given up here, since no message comes over it"))
            self._endpoint.transports.close(replace(asking.hop, local=flow.local))

    async def _observed(self, order: Order, query: Query, asking: _Asking) -> Observation:
        """Send it, and see what comes of it until its time is up."""
        exchange, failure = None, None
        async with trio.open_nursery() as waiting:
            waiting.start_soon(cancel_after, query.timeout, waiting.cancel_scope)
            try:
                exchange = await self._endpoint.request(order)
            except TransportFailure as error:
                failure = error.kept()
            except NotAllowed as error:
                failure = error.as_failure()
            waiting.cancel_scope.cancel()
        return Observation(
            query,
            trio.current_time() - asking.started,
            response=exchange.response if exchange else None,
            failure=failure,
            rtt=exchange.rtt if exchange else None,
            kernel_stamped=exchange.stamp.kernel if exchange else False,
            tls=None if exchange else self._tls_facts(query.hop),  # told once, when the connection is there
            records=tuple(asking.records),
            unfinished=self._endpoint.transports.unfinished(query.hop),
        )

    def _tls_facts(self, hop: Hop) -> TlsFacts | None:
        session = self._endpoint.transports.tls_session(hop)
        return TlsFacts(str(session), session.faults, session.certificate_requested) if session is not None else None

    # What the endpoint tells

    def _take(self, record: TraceRecord) -> None:
        match record:
            case MessageTrace(direction=Direction.SENT):
                asking = self._asked.get(call_id_of(record.data))
                if asking is not None:
                    asking.sent_at = record.at if asking.sent_at is None else asking.sent_at
                    asking.flow = record.flow
                    asking.records.append(record)
            case MessageTrace():
                self._receive(record)
            case FlowTrace(hop=hop) if not hop.accepted:
                self._follow(record, key_of(hop))

    def _receive(self, record: MessageTrace) -> None:
        """A message came: to the ping that it answers, or else, since it may be no message, to the oldest one there.
        One that answers a ping that is over tells nothing of any other.
        """
        call_id = call_id_of(record.data)
        if record.flow.transport.reliable:
            self._heard_at[record.flow.transport, record.flow.remote] = record.at
        if call_id in self._over:
            late, self._over[call_id] = self._over[call_id], None
            if late is not None:
                self._happen(Late(time.time(), late.number, record.at - late.since))
            return
        there = (each for each in self._asked.values() if each.hop.remote == record.flow.remote)
        asking = self._asked.get(call_id) or next(there, None)
        if asking is None:
            return
        asking.received += 1
        asking.received_bytes += len(record.data)
        if asking.received <= MAX_RECEIVED and asking.received_bytes <= MAX_RECEIVED_BYTES:
            asking.records.append(record)

    def _follow(self, record: FlowTrace, key: Key) -> None:
        """Something happened to a connection: to all pings that are under way there, and to those that will use it."""
        hop, flow = record.hop, self._flows.setdefault(key, [])
        was_ready = _is_ready(hop, flow)
        if record.event == "opened":
            flow.clear()
        flow.append(record)
        there = [each for each in self._asked.values() if key_of(each.hop) == key]
        for asking in there:
            asking.records.append(record)
        if record.event in _ENDED:
            del self._flows[key]
            self._heard_at.pop(key, None)
            self._left = {flow for flow in self._left if (flow.transport, flow.remote) != key}
            if was_ready and record.detail:  # what is ended here is ended without a word
                self._happen(Disconnected(time.time(), hop, record.detail.removeprefix(f"{hop}: ")))
        elif not was_ready and _is_ready(hop, flow):
            waiting = min((each.started for each in there if each.sent_at is None), default=None)
            agreed = next((one.detail for one in flow if isinstance(one, FlowTrace) and one.event == "secured"), "")
            seconds = None if waiting is None else record.at - waiting
            self._happen(Connected(time.time(), hop, seconds, agreed, again=key in self._connected))
            if len(self._connected) < MAX_COUNTED:
                self._connected.add(key)

    def _happen(self, happening: Happening) -> None:
        """Count it, and tell of it."""
        self._ended = trio.current_time()
        before = self._counts.take(happening)
        if before is not None:
            self._tell(before)
        self._tell(happening)


async def cancel_after(seconds: float, scope: trio.CancelScope) -> None:
    """Cancel what has had its time; who slept through the end of it first reads what came meanwhile."""
    due = trio.current_time() + seconds
    await trio.sleep_until(due)
    if trio.current_time() - due > GRACE:
        await trio.sleep(GRACE)
    scope.cancel()


def _is_ready(hop: Hop, flow: list[TraceRecord]) -> bool:
    """Whether requests can be sent over a connection of which that has happened."""
    last = "upgraded" if hop.transport.websocket else "secured" if hop.transport.secure else "opened"
    return any(isinstance(one, FlowTrace) and one.event == last for one in flow)


def call_id_of(data: bytes) -> str:
    """The Call-ID of a message as it came, which may be none; "" where it has none that can be seen."""
    found = _call_id(data)
    return found[1].decode("utf-8", "surrogateescape") if found else ""
