"""The habits of an endpoint found out: a few more requests to a place that has answered, all side by side."""

import secrets
import socket
from collections.abc import Sequence
from dataclasses import replace

import trio

from probes.checks.io import Observation, ProbeIO, Query
from probes.discovery.habits.judge import (
    SIZES,
    Habits,
    answered_sizes,
    asked_for,
    for_itself,
    no_further,
    padded,
    registrations,
)
from probes.result import Attempt
from sipcore.errors import ParseError
from sipcore.media.stun import StunMessage, StunType
from sipcore.resolve.target import SocketAddress
from sipcore.trace import Direction, MessageTrace

PATIENCE = 0.4
"""Seconds for a habit, or four round trips where those are longer: what is not answered by then, but was before, is not
answered at all, or is lost."""
MAX_PATIENCE = 2.0
_PING, _PONG = b"\r\n\r\n", b"\r\n"
"""RFC 5626 §4.4.1."""


class HabitsOf:
    """Finds out the habits of one destination at the places that answered, each habit once."""

    def __init__(self, io: ProbeIO, *, challenge: bool) -> None:
        self.found = Habits()
        self._io = io
        self._challenge = challenge
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
                ("forwards", self._forwards, True),
                ("challenge", self._challenges, self._challenge),
            ):
                if fits and name not in self._done:
                    self._done.add(name)
                    nursery.start_soon(habit, attempt, seconds)

    async def _sizes(self, attempt: Attempt, seconds: float) -> None:
        sent = [one for one in attempt.records if isinstance(one, MessageTrace) and one.direction is Direction.SENT]
        head = len(sent[0].data) if sent else 400
        queries = [padded(attempt.uri, attempt.hop, seconds, size, head) for size in SIZES]
        seen = await _all(self._io, queries)
        self.found = replace(self.found, sent_sizes=SIZES, answered_sizes=answered_sizes(SIZES, seen))

    async def _forwards(self, attempt: Attempt, seconds: float) -> None:
        queries = [no_further(attempt, seconds)]
        if attempt.uri.user is not None:
            queries.append(for_itself(attempt, seconds))
        far, *own = await _all(self._io, queries)
        self.found = replace(self.found, far=far.response, own=own[0].response if own else None)

    async def _challenges(self, attempt: Attempt, seconds: float) -> None:
        seen = await self._io.ask(registrations(attempt, seconds))
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
    """What comes of some queries, asked side by side, in their order."""
    seen: dict[int, Observation] = {}

    async def ask(number: int, query: Query) -> None:
        seen[number] = await io.ask(query)

    async with trio.open_nursery() as nursery:
        for number, query in enumerate(queries):
            nursery.start_soon(ask, number, query)
    return [seen[number] for number in range(len(queries))]
