"""One place tried: a request, and where it stays silent, what tells a filter, loss, or a server of TLS from nobody."""

from collections.abc import Sequence
from dataclasses import replace

import trio

from probes.checks import options
from probes.checks.io import Query
from probes.checks.run import TlsSockets
from probes.checks.tls import SHOW, TlsQuestion
from probes.destination import Destination
from probes.discovery.asking.run import EndpointIO
from probes.discovery.candidates import Candidate, Key
from probes.discovery.places import Places
from probes.discovery.retry import is_worth_retrying, may_be_filtered, speaking_tls, what_was_left_out
from probes.result import Attempt, Reach
from sipcore.resolve.target import Transport
from sipcore.transports.base import Refusal, TlsConfig

QUIET = 0.4
"""The part of the time after which silence is taken for one: three requests were sent over UDP by then, and another one
has time for as many."""
REPEATED = 1.2
"""Seconds for the first request once more, where only the inconspicuous one was answered: by then it was sent twice."""
_INCONSPICUOUS, _REPEATED = "inconspicuous", "repeated"
"""The purposes of the second request to a place that stays silent, and of the one that tells a filter from loss."""


class Attempts:
    """Tries the places of one destination. The second, inconspicuous request goes by `inconspicuous`, all else by `io`.

    With `retry` false the first request is all there is. All times of ends are by the clock.
    """

    def __init__(
        self,
        destination: Destination,
        io: EndpointIO,
        inconspicuous: EndpointIO,
        places: Places,
        tls: TlsConfig,
        *,
        retry: bool,
        refusal: Refusal | None = None,
    ) -> None:
        self._refusal = refusal
        self._destination = destination
        self._io = io
        self._inconspicuous = inconspicuous
        self._places = places
        self._tls = tls
        self._retry = retry
        self._lost: set[Key] = set()
        self._given_up: set[Key] = set()

    async def carry_out(self, candidate: Candidate, end: float) -> Attempt:
        """What one place does with a request until `end`; where it stays silent, with an inconspicuous one too."""
        seconds = max(end - trio.current_time(), 0.0)  # this process may have been stopped since `end` was set
        query = options.plan(candidate.uri, candidate.hop, seconds)
        over = trio.Event()
        found: list[Attempt] = []

        async def look_again() -> None:
            with trio.move_on_after(seconds * QUIET):
                await over.wait()
            if self._is_worth_a_second_look(candidate, found):
                second = await self._inconspicuously(candidate, query, end)
                if second is not None:
                    found.insert(0, second)
                    nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            if self._retry:
                nursery.start_soon(look_again)
            found.append(options.judge(await options.act(self._io, query)))
            over.set()
            if not self._retry or not self._is_worth(found[0]):
                nursery.cancel_scope.cancel()
        return await self._over_tls(found[0], end)

    def hurry(self, place: Key, seconds: float) -> None:
        """Wait no longer than that for what a place was asked so far."""
        for io in (self._io, self._inconspicuous):
            io.hurry(place, seconds)

    def give_up_soon(self, candidate: Candidate, seconds: float) -> None:
        """Wait no longer than that for a place, and look at it only once."""
        self._given_up.add(candidate.key)
        self.hurry(candidate.key, seconds)

    def with_evidence(self, attempt: Attempt, candidate: Candidate) -> Attempt:
        """An attempt with all that is known of it by now: answers that came late, and every reason to try the place."""
        first = self._io.records(candidate.key)
        by_another = attempt.detail == options.ONLY_CALLS or candidate.key in self._lost
        current = () if by_another else self._inconspicuous.records(candidate.key) if attempt.only else first
        return replace(
            attempt,
            # What DNS told later may be one more reason for a place that was being tried already.
            hop=replace(attempt.hop, why=candidate.hop.why),
            published=candidate.published,
            records=current or attempt.records,
            ignored=first if attempt.only or by_another else (),
        )

    def _is_worth_a_second_look(self, candidate: Candidate, found: Sequence[Attempt]) -> bool:
        """Whether silence may be a filter's doing, by what came of the first request, or by what was seen so far."""
        if found:
            return self._is_worth(found[0])
        return may_be_filtered(self._io.records(candidate.key), candidate.hop)

    def _is_worth(self, attempt: Attempt) -> bool:
        is_given_up = (attempt.hop.transport, attempt.hop.remote) in self._given_up
        return not is_given_up and is_worth_retrying(attempt, self._places.at(attempt.hop.remote))

    async def _inconspicuously(self, candidate: Candidate, query: Query, end: float) -> Attempt | None:
        """What the second request shows of a place that kept silent; None where it keeps silent again."""
        rest = end - trio.current_time()
        if rest <= 0:
            return None
        again = replace(query, timeout=rest, purpose=_INCONSPICUOUS)
        second = options.judge(await options.act(self._inconspicuous, again))
        if second.response is None:
            return None
        only = what_was_left_out(self._io.records(candidate.key), candidate.hop)
        return await self._repeated(candidate, query, end) or replace(second, only=only)

    async def _repeated(self, candidate: Candidate, query: Query, end: float) -> Attempt | None:
        """The same request once more, if it is answered: then no filter kept the first one back, but loss, or a peer
        that closes some connections.
        """
        seconds = min(end - trio.current_time(), REPEATED)
        if seconds <= 0:
            return None
        again = replace(query, timeout=seconds, purpose=_REPEATED)
        attempt = options.judge(await options.act(self._io, again))
        if attempt.response is None:
            return None
        self._lost.add(candidate.key)
        return attempt

    async def _over_tls(self, attempt: Attempt, end: float) -> Attempt:
        """The same attempt, unless its port of TCP speaks TLS and that is not tried there anyway."""
        hop, rest = attempt.hop, end - trio.current_time()
        is_silent = hop.transport is Transport.TCP and attempt.reach is Reach.SILENT and rest > 0
        if not is_silent or not self._retry or self._places.is_tried((Transport.TLS, hop.remote)):
            return attempt
        secured = replace(hop, transport=Transport.TLS, tls_name=self._destination.server)
        question = TlsQuestion(secured, rest, rest)
        handshakes = await TlsSockets(self._tls, self._refusal).carry_out(question, lambda _: (SHOW,))
        return speaking_tls(attempt) if any(one.cipher for one in handshakes) else attempt
