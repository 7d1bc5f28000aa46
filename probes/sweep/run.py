"""A sweep carried out: OPTIONS to many places over one UDP socket for each address family, answers told as they come.

Nothing but the OPTIONS is sent, each place getting the same bytes again until it answers (RFC 3261 §17.1.2.1), never
faster than the rate, in an order that spreads the load over networks. What is held in memory depends on the rate and
the deadline, and not on how many places there are.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import field
from math import inf

import trio

from probes.checks.options import REACH
from probes.product import PRODUCT
from probes.reach import ReachPolicy, refusal_of
from probes.result import Reach
from probes.sweep.found import Found, Kind, Kinds, Tally
from probes.sweep.match import KEY_SIZE, Match, Matcher
from probes.sweep.order import SEED_BITS, Shuffle, State
from probes.sweep.pace import Rate, Receipt, Waits, Window
from probes.sweep.ranges import Targets, host_at, spread
from sipcore.deviation import Deviation
from sipcore.errors import TransportFailure
from sipcore.message.address import Address
from sipcore.message.build import Identity, Template, request
from sipcore.message.fields.via import via_for
from sipcore.message.message import Request, Response
from sipcore.message.method import OPTIONS
from sipcore.message.uri import SipUri
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.trace import Stamp, TraceRecord
from sipcore.transports.ancillary import short_of_buffer
from sipcore.transports.base import RECEIVE_BUFFER, WILDCARD_IPV4, WILDCARD_IPV6, route_host
from sipcore.transports.gate import gate_of
from sipcore.transports.udp import UdpSocket
from sipcore.value import value

DEFAULT_RATE = 1000.0
"""Datagrams a second: some 4 Mbit/s, which a branch office's line and its firewall still bear."""
DEFAULT_DEADLINE = 4.0
"""Seconds for each place, as discovery has it: four requests by then, at 0, 0.5, 1.5 and 3.5 s."""
SENDER = Address(SipUri("anonymous.invalid", "anonymous"), '"Anonymous"')
"""From, as every probe has it (RFC 3261 §8.1.1.3); taking it from the endpoint would load all of the engine."""
PAUSE = 0.001
"""Seconds between two looks at what is due, as fine as the operating system's timers are."""
LINGER = 0.2
"""Seconds in the end in which answers still count as late ones, where some place was given up."""
TURN = 32
"""Requests sent before answers are looked at again: some half a millisecond."""
MAX_ROUTES = 1024
"""Addresses of a family that are tried for a way there, until one has one: some 20 ms where none has."""


def random_seed() -> int:
    """A seed for the order of a sweep."""
    return int.from_bytes(os.urandom(SEED_BITS // 8))


@value
class SweepConfig:
    """How to sweep: datagrams a second, retransmissions included, and seconds for each place.

    `seed` decides the order. All before place `begin` of it is left out, and what `done` has bits for from there on:
    together they resume a sweep (`State`).
    """

    rate: float = DEFAULT_RATE
    """Datagrams a second at most."""
    deadline: float = DEFAULT_DEADLINE
    """Seconds until a place that does not answer is given up."""
    seed: int = field(default_factory=random_seed)
    begin: int = 0
    done: bytes = b""
    reach: ReachPolicy | None = None
    """Which addresses may be reached; all of them without one."""


class Sweep:
    """One sweep: `run` carries it out; meanwhile, and when it was cancelled, `state` and `tally` tell how far it came.

    `on_found` is called with each place that answers or cannot be reached; it must neither block nor raise.
    """

    def __init__(self, targets: Targets, config: SweepConfig, on_found: Callable[[Found], None]) -> None:
        """Raises LocalError when the configuration cannot be used."""
        self._targets = targets
        self._digest = targets.digest
        self._config = config
        self._tell = on_found
        waits = Waits.within(config.deadline)
        self._rate = Rate(config.rate, 0.0)
        self._window = Window(targets.count, waits, config.rate, config.begin, config.done)
        self._places = targets.count - State("", config.seed, config.begin, config.done).count
        self._matcher = Matcher(targets, Shuffle(targets.count, config.seed), os.urandom(KEY_SIZE))
        self._kinds = Kinds()
        self._receipts: Counter[Receipt] = Counter()
        self._reaches: Counter[Reach] = Counter()
        self._elsewhere = self._strangers = 0
        self._sockets: dict[bool, UdpSocket] = {}
        self._templates: dict[bool, Template] = {}
        self._over = trio.Event()
        self._gate = gate_of(refusal_of(config.reach))

    async def run(self) -> None:
        """Ask every place until it answers or its time is over. Raises TransportFailure when no way leads anywhere."""
        failures: list[TransportFailure] = []
        try:
            for ipv6 in (False, True):
                self._open(ipv6, failures)
            if not self._sockets:
                raise failures[0]
            async with trio.open_nursery() as nursery:
                for sock in self._sockets.values():
                    nursery.start_soon(sock.run)
                await self._ask()
                nursery.cancel_scope.cancel()
        finally:
            for sock in self._sockets.values():
                sock.close()

    @property
    def state(self) -> State:
        """What resumes it: places that have neither answered nor been given up are asked again, and no others."""
        return State(self._digest, self._config.seed, self._window.index, self._window.done)

    @property
    def tally(self) -> Tally:
        """What became of everything so far."""
        window, receipts, reaches = self._window, self._receipts, self._reaches
        return Tally(
            self._places,
            window.asked,
            window.retransmitted,
            reaches[Reach.ANSWERED],
            reaches[Reach.NOT_SIP],
            sum(count for reach, count in reaches.items() if reach not in (Reach.ANSWERED, Reach.NOT_SIP)),
            window.silent,
            receipts[Receipt.LATE],
            self._elsewhere,
            receipts[Receipt.REPEATED],
            receipts[Receipt.DUPLICATED],
            receipts[Receipt.PROVISIONAL],
            receipts[Receipt.FORGOTTEN],
            self._strangers,
            sum(sock.dropped for sock in self._sockets.values()),
            sum(sock.unsent for sock in self._sockets.values()),
            short_of_buffer(RECEIVE_BUFFER, min((sock.receive_buffer for sock in self._sockets.values()), default=inf)),
        )

    def kinds(self) -> Sequence[Kind]:
        """The kinds of answers that came, each with the product that it shows."""
        return self._kinds.identified()

    def _open(self, ipv6: bool, failures: list[TransportFailure]) -> None:
        """Open a socket for the addresses of a family, if there are any that a way leads to.

        The requests name one local address, and any will do: answers come back by `received` and `rport` (RFC 3581 §4).
        """
        ranges = [each for each in self._targets.ranges if (":" in host_at(each.first)) == ipv6]
        for host in spread(ranges, MAX_ROUTES):
            try:
                local = route_host(Hop(Transport.UDP, SocketAddress(host, self._targets.ports[0])))
            except TransportFailure as failure:
                failures.append(failure)
                continue
            anywhere = SocketAddress(WILDCARD_IPV6 if ipv6 else WILDCARD_IPV4, 0)
            sock = UdpSocket(anywhere, RECEIVE_BUFFER, self, sent_stamps=False)
            self._sockets[ipv6] = sock
            self._templates[ipv6] = template(local, sock.local.port)
            return

    async def _ask(self) -> None:
        window, rate = self._window, self._rate
        while True:
            now = trio.current_time()
            indexes = window.next_requests(now, min(TURN, rate.room(now)))
            for index in indexes:
                self._send(index)
            rate.take(len(indexes), trio.current_time())
            for index in window.given_up(trio.current_time()):
                self._only_provisional(index)
            if window.is_over:
                break
            if len(indexes) == TURN:
                await trio.lowlevel.checkpoint()
                continue
            with trio.move_on_at(max(window.next_timeout(rate.next_at()), now + PAUSE)):
                await self._over.wait()
        if window.silent:
            await trio.sleep(LINGER)

    def _send(self, index: int) -> None:
        matcher = self._matcher
        remote = matcher.place(index)
        ipv6 = remote.is_ipv6
        try:
            if self._gate is not None:
                self._gate.require_datagram(remote)
            sock = self._sockets[ipv6]
            data = self._templates[ipv6].render(matcher.target(index, remote))
            self._window.sent(index, sock.send(data, remote))
        except KeyError:
            self._refused(index, remote, Reach.UNREACHABLE, "no way to this address family")
        except TransportFailure as failure:
            self._refused(index, remote, REACH[failure.reason], _detail(failure, remote))

    def received(
        self,
        data: bytes,
        flow: Flow,
        stamp: Stamp,
        notes: tuple[Deviation, ...],  # noqa: ARG002
        message: Request | Response | None = None,  # noqa: ARG002
    ) -> None:
        """`Sink`: a datagram came."""
        match = self._matcher.match_untrusted(data, flow.remote)
        if match is None:
            self._strangers += 1
            return
        index, answer = match.index, match.answer
        was_refused = self._window.was_refused(index)
        receipt = self._window.receive(index, provisional=answer is not None and answer.is_provisional)
        if receipt is Receipt.UNASKED:
            self._strangers += 1
            return
        self._receipts[receipt] += 1
        if receipt is Receipt.FIRST or receipt is Receipt.LATE:
            if was_refused:  # by somebody who was wrong
                self._reaches[Reach.REFUSED] -= 1
            self._first(match, stamp, is_late=receipt is Receipt.LATE)
            if self._window.is_over:
                self._over.set()

    def unreachable(self, remote: SocketAddress, failure: TransportFailure) -> None:
        """`Sink`: ICMP told that a place cannot be reached."""
        index = self._matcher.index_of(remote)
        if index is not None:
            self._refused(index, remote, REACH[failure.reason], _detail(failure, remote))

    def flow_failed(self, flow: Flow, failure: TransportFailure) -> None:
        """`Sink`: never called, as there are no connections."""

    def listening(self, transport: Transport, at: SocketAddress) -> None:
        """`Sink`: never called, as nobody can connect."""

    def is_awaited(self, flow: Flow) -> bool:  # noqa: ARG002  # a Sink
        """`Sink`: never called, as there are no connections."""
        return False

    def fault(self, error: Exception, what: str) -> None:  # noqa: ARG002  # a Sink
        """`Sink`: a sweep ends with it, and can be resumed; it may come from whoever is told what was found."""
        raise error

    def trace(self, record: TraceRecord) -> None:
        """`Sink`: never called, as there are no connections."""

    def _first(self, match: Match, stamp: Stamp, *, is_late: bool) -> None:
        requests = self._window.requests(match.index)
        rtt = max(0.0, stamp.at - self._window.sent_at(match.index)) if requests == 1 else None
        answer = match.answer
        reach = Reach.NOT_SIP if answer is None else Reach.ANSWERED
        self._reaches[reach] += 1
        self._elsewhere += match.elsewhere is not None
        self._tell(
            Found(
                match.remote,
                reach,
                requests,
                rtt,
                stamp.kernel,
                answer.status if answer else None,
                answer.reason if answer else "",
                answer.banner if answer else "",
                self._kinds.add(answer, match.remote) if answer else None,
                match.detail,
                match.elsewhere,
                is_late,
            )
        )

    def _only_provisional(self, index: int) -> None:
        self._reaches[Reach.ANSWERED] += 1
        remote, requests = self._matcher.place(index), self._window.requests(index)
        self._tell(Found(remote, Reach.ANSWERED, requests, detail="only a provisional answer came"))

    def _refused(self, index: int, remote: SocketAddress, reach: Reach, detail: str) -> None:
        receipt = self._window.refuse(index)
        if receipt is Receipt.FIRST or receipt is Receipt.LATE:
            self._reaches[reach] += 1
            requests = self._window.requests(index)
            self._tell(Found(remote, reach, requests, detail=detail, is_late=receipt is Receipt.LATE))
            if self._window.is_over:
                self._over.set()


def _detail(failure: TransportFailure, remote: SocketAddress) -> str:
    """What happened, without saying again where."""
    return failure.message.removeprefix(f"udp {remote}: ").removeprefix(f"{remote.host} says by ")


def template(local: str, port: int) -> Template:
    """The OPTIONS that every place gets, sent from a local address and port."""
    anyone = SipUri("invalid")
    fields = (("Accept", "application/sdp"), ("User-Agent", PRODUCT))
    identity = Identity(SENDER.with_tag("tag"), Address(anyone), "call-id")
    via = via_for(Transport.UDP.value, local, port, "branch")
    return Template(request(OPTIONS, anyone, identity, via=via, fields=fields))
