"""The habits of an endpoint found out: a few more requests to a place that has answered, all side by side."""

import secrets
import socket
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import trio

from probes.checks.io import Observation, ProbeIO, Query
from probes.discovery.habits.judge import (
    CALL,
    SIZES,
    Habits,
    asked_for,
    for_itself,
    learnt,
    measured,
    no_further,
    padded,
    registrations,
    silent_offer,
    small,
)
from probes.fingerprint.deep import Ask, Sender, heard_in, plan
from probes.result import Attempt, sent_in
from sipcore.errors import ParseError
from sipcore.media.stun import StunMessage, StunType
from sipcore.message.message import Response
from sipcore.message.uri import SipUri
from sipcore.resolve.target import Hop, SocketAddress
from sipcore.sdp.description import SessionDescription
from sipcore.trace import TraceRecord

PATIENCE = 0.4
"""Seconds for a habit, or four round trips where those are longer: what is not answered by then, but was before, is not
answered at all, or is lost."""
MAX_PATIENCE = 2.0
PATIENCE_FOR_ODDITIES = 1.2
"""Seconds at least for the requests of deep mode: silence is an answer there, so that a lost one gets another chance,
and servers get the time to look up a domain that does not exist."""
APART = 0.002
"""Seconds between two of the requests that are sent side by side, so that the last one is the last that arrives."""
USUAL_SIZE = 400
"""Bytes of a request without anything that makes it large, where none was seen to be measured."""
_PING, _PONG = b"\r\n\r\n", b"\r\n"
"""RFC 5626 §4.4.1."""


class HabitsIO(ProbeIO, Protocol):
    """What habits need of the network beyond queries. What comes back is what was seen of the request."""

    @property
    def sender(self) -> Sender:
        """Who asks."""

    async def send(self, ask: Ask, hop: Hop, seconds: float) -> tuple[TraceRecord, ...]:
        """Send a request as it is, and wait for its final response."""

    async def call(self, uri: SipUri, hop: Hop, seconds: float, offer: SessionDescription) -> tuple[TraceRecord, ...]:
        """Call, and hang up with the answer, or after so many seconds without one."""


class HabitsOf:
    """Finds out the habits of one destination at the places that answered, each habit once."""

    def __init__(self, io: HabitsIO, *, challenge: bool = False, deep: bool = False) -> None:
        self.found = Habits()
        self._io = io
        self._challenge = challenge
        self._deep = deep
        self._done: set[str] = set()

    async def find_out(self, attempt: Attempt) -> None:
        """Try at this place what was not tried yet and can be tried there."""
        seconds = min(max(PATIENCE, 4 * (attempt.rtt or 0.0)), MAX_PATIENCE)
        hop = attempt.hop
        async with trio.open_nursery() as nursery:
            for name, habit, fits in (
                ("sizes", self._sizes, not hop.transport.reliable),
                ("stun", self._stun, not hop.transport.reliable),
                ("crlf", self._crlf, hop.transport.reliable and not hop.transport.secure and not hop.path),
                ("deep", self._oddities, self._deep),
                # Of these, deep mode asks the same.
                ("forwards", self._forwards, not self._deep or attempt.uri.user is not None),
                ("challenge", self._challenges, self._challenge and not self._deep),
            ):
                if fits and name not in self._done:
                    self._done.add(name)
                    nursery.start_soon(habit, attempt, seconds)

    async def call(self, attempt: Attempt, seconds: float) -> tuple[TraceRecord, ...]:
        """Call where a request was sent, whether it was answered or not; nothing without an answer in `seconds`."""
        sent = sent_in(attempt.records)
        if not sent:
            return ()
        offer = silent_offer(sent[0].flow.local.host, secrets.randbelow(2**31))
        records = await self._io.call(attempt.uri, attempt.hop, seconds, offer)
        heard = heard_in(records)
        if not heard:
            return ()
        self.found = learnt(self.found, attempt, {CALL: heard})
        return records

    async def _sizes(self, attempt: Attempt, seconds: float) -> None:
        sent = sent_in(attempt.records)
        head = len(sent[0].data) if sent else USUAL_SIZE
        queries = {size: padded(attempt.uri, attempt.hop, seconds, size, head) for size in SIZES}
        seen = dict(zip(queries, await _once(self._io, list(queries.values())), strict=True))
        lost = {size: queries[size] for size, one in seen.items() if one.response is None}
        if lost:
            again = await _once(self._io, [*lost.values(), small(attempt, seconds)])
            if again.pop().response is None:
                return  # whoever does not answer a small one now either was asked too much
            seen.update(zip(lost, again, strict=True))
        self.found = measured(self.found, seen)

    async def _oddities(self, attempt: Attempt, seconds: float) -> None:
        heard: dict[str, Sequence[Response]] = {}

        async def ask(one: Ask) -> None:
            patience = max(seconds, PATIENCE_FOR_ODDITIES)
            heard[one.name] = heard_in(await self._io.send(one, attempt.hop, patience))

        asks = plan(attempt.uri, self._io.sender)
        async with trio.open_nursery() as nursery:
            for one in asks:
                nursery.start_soon(ask, one)
        self.found = learnt(self.found, attempt, {one.name: heard[one.name] for one in asks})

    async def _forwards(self, attempt: Attempt, seconds: float) -> None:
        queries = [no_further(attempt, seconds)]
        if attempt.uri.user is not None and not self._deep:
            queries.append(for_itself(attempt, seconds))
        far, *own = await _all(self._io, queries)
        self.found = replace(self.found, far=far.response, own=own[0].response if own else self.found.own)

    async def _challenges(self, attempt: Attempt, seconds: float) -> None:
        (seen,) = await _all(self._io, [registrations(attempt, seconds)])
        self.found = replace(self.found, authentication=asked_for(seen))

    async def _stun(self, attempt: Attempt, seconds: float) -> None:
        found = False
        with trio.move_on_after(seconds):
            found = await answers_stun(attempt.hop.remote)
        self.found = replace(self.found, stun=found)

    async def _crlf(self, attempt: Attempt, seconds: float) -> None:
        found = False
        with trio.move_on_after(seconds):
            found = await answers_ping(attempt.hop.remote)
        self.found = replace(self.found, crlf=found)


async def answers_stun(remote: SocketAddress) -> bool:
    """Whether a Binding request to a SIP port is answered (RFC 5626 §4.4.2), for as long as it is waited for."""
    family = socket.AF_INET6 if remote.is_ipv6 else socket.AF_INET
    transaction = secrets.token_bytes(12)
    with trio.socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            await sock.connect((remote.host, remote.port))
            await sock.send(StunMessage(StunType.REQUEST, transaction).encode())
            while True:
                try:
                    answer = StunMessage.parse(await sock.recv(2048))
                except ParseError:
                    continue  # somebody who does not know STUN complains in SIP
                if answer.transaction == transaction:
                    return answer.type == StunType.SUCCESS
        except OSError:
            return False


async def answers_ping(remote: SocketAddress) -> bool:
    """Whether CRLFCRLF over a connection of its own is answered by CRLF (RFC 5626 §4.4.1)."""
    try:
        async with await trio.open_tcp_stream(remote.host, remote.port) as stream:
            await stream.send_all(_PING)
            return (await stream.receive_some(len(_PONG))) == _PONG
    except (OSError, trio.BrokenResourceError):
        return False


async def _all(io: ProbeIO, queries: Sequence[Query]) -> list[Observation]:
    """What comes of some queries, asked side by side, in their order; those without an answer are asked once more.

    No request is repeated in its time, which is short: what is not answered twice is hardly lost by chance.
    """
    seen: dict[int, Observation] = {}

    async def ask(number: int, query: Query) -> None:
        seen[number] = await io.ask(query)
        if seen[number].response is None:
            seen[number] = await io.ask(query)

    async with trio.open_nursery() as nursery:
        for number, query in enumerate(queries):
            nursery.start_soon(ask, number, query)
    return [seen[number] for number in range(len(queries))]


async def _once(io: ProbeIO, queries: Sequence[Query]) -> list[Observation]:
    """What comes of some queries, in their order, each asked a moment after the one before it."""
    seen: dict[int, Observation] = {}

    async def ask(number: int, query: Query) -> None:
        await trio.sleep(number * APART)
        seen[number] = await io.ask(query)

    async with trio.open_nursery() as nursery:
        for number, query in enumerate(queries):
            nursery.start_soon(ask, number, query)
    return [seen[number] for number in range(len(queries))]
