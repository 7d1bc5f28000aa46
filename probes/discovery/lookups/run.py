"""What DNS has for a destination, asked for while its places are tried: each answer may name more of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import trio

from probes.checks.dns.judge import DnsReport, judge, told
from probes.checks.dns.plan import DEFAULT_PAUSE, REPEAT, DnsQuestion, Query, Reply, plan
from probes.checks.dns.run import DnsSockets, system_resolvers
from probes.destination import Destination
from probes.discovery.candidates import Candidate, Scope, candidates, is_without_records
from sipcore.resolve.records import Answer, Question, RecordType, Result
from sipcore.transports.lookup import Lookup, LookupConfig, read_hosts

PATIENCE = 0.9
"""The part of all the time that one answer is waited for at most: it must be over a little before the end."""
GRACE = 2 * REPEAT
"""Seconds that the other resolvers get once one has told all there is: enough for one whose first datagram was lost."""
_FAMILIES = (RecordType.A, RecordType.AAAA)


class Lookups:
    """Asks DNS for a destination, and knows what it told so far. `timeout` is the whole discovery's, in seconds."""

    def __init__(
        self, destination: Destination, scope: Scope, config: LookupConfig, timeout: float, *, deep: bool
    ) -> None:
        self.report: DnsReport | None = None
        """The whole ladder, once it is over; None for an address."""
        self._destination = destination
        self._scope = scope
        self._config = config
        self._timeout = timeout
        self._deep = deep
        self._results: dict[Question, Result] = {}

    @property
    def results(self) -> tuple[Result, ...]:
        """What was told so far, in the order in which it came."""
        return tuple(self._results.values())

    def candidates(self) -> tuple[Candidate, ...]:
        """The places that are worth trying by now."""
        return candidates(self._destination, self._scope, self._results)

    async def carry_out(self, end: float, take: Callable[[Sequence[Result]], None]) -> None:
        """Ask for everything until `end`, by the clock, unless the destination is an address.

        `take` gets the results that are new, as they come. Whatever happens is a result.
        """
        if self._destination.is_numeric:
            return
        question = self._question(end)

        def take_and_plan(replies: Sequence[Reply]) -> Sequence[Query]:
            take(self._learn(told(question, replies)))
            return plan(question, replies)

        replies = await DnsSockets(read_hosts(self._config.hosts_file)).carry_out(question, take_and_plan)
        take(self._learn(told(question, replies)))
        self.report = judge(question, replies)
        if not self._config.nameservers and not self.candidates():
            with trio.move_on_at(end):
                await self._ask_system(take)

    def _question(self, end: float) -> DnsQuestion:
        config, destination = self._config, self._destination
        if not self._scope.follows_srv or is_without_records(destination.server):
            # What is asked then are its addresses, as for a destination with a port (RFC 3263 §4.2).
            destination = replace(destination, port=destination.port or self._scope.ports[0])
        resolvers = config.nameservers or system_resolvers()
        # What deep mode asks for takes at least as long as it takes DNS to be asked again.
        pause = min(DEFAULT_PAUSE, self._timeout / 2) if self._deep else 0.0
        patience = min(config.lifetime, self._timeout * PATIENCE)
        left = max(end - trio.current_time(), 0.0)  # this process may have been stopped since `end` was set
        return DnsQuestion(destination, resolvers, patience, pause, left - pause, GRACE)

    def _learn(self, replies: Mapping[Question, Reply]) -> list[Result]:
        """The results that are new, or other ones than before."""
        new = [asked for asked, reply in replies.items() if self._results.get(asked) != reply.result]
        self._results.update((asked, replies[asked].result) for asked in new)
        return [self._results[asked] for asked in new]

    async def _ask_system(self, take: Callable[[Sequence[Result]], None]) -> None:
        """The system's own resolver, which has search domains, multicast DNS and the like."""
        lookup = Lookup(self._config)
        for family in _FAMILIES:
            result = await lookup.ask(Question(family, self._destination.target.host))
            if isinstance(result, Answer):
                self._results[result.question] = result
                take([result])
