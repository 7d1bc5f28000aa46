"""DNS as values: resolvers that are tables, and the reports that come of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from probes.checks.dns.judge import DnsReport, judge
from probes.checks.dns.plan import MAX_QUERIES, Alias, DnsQuestion, Query, Reply, plan
from probes.destination import Destination
from sipcore.resolve.records import Address, LookupFault, Naptr, Record, Srv
from sipcore.resolve.target import SocketAddress

FIRST, SECOND = SocketAddress("192.0.2.53", 53), SocketAddress("2001:db8::53", 53)
TTL = 300.0

Told = Sequence[Record] | LookupFault | Reply
"""Records, a fault, or a reply whose query does not count."""
Zone = dict[str, Told]
"""What a resolver says to a question, written as in `SRV _sip._udp.example.com`; NODATA to any other."""

V4: Zone = {"A h1.example.com": (Address("192.0.2.1"),), "A h2.example.com": (Address("192.0.2.2"),)}
GOOD: Zone = {
    "NAPTR example.com": (
        Naptr(10, 50, "s", "SIPS+D2T", "", "_sips._tcp.example.com"),
        Naptr(20, 50, "s", "SIP+D2U", "", "_sip._udp.example.com"),
    ),
    "SRV _sips._tcp.example.com": (Srv(10, 0, 5061, "h1.example.com"), Srv(20, 0, 5061, "h2.example.com")),
    "SRV _sip._udp.example.com": (Srv(10, 25, 5060, "h1.example.com"), Srv(10, 75, 5060, "h2.example.com")),
    **V4,
    "AAAA h1.example.com": (Address("2001:db8::1"),),
    "A example.com": (Address("192.0.2.80"),),
}


@dataclass
class Table:
    """Resolvers by their address, each with what it says at first, and `later` where that is something else."""

    zones: Mapping[SocketAddress, Zone]
    later: Mapping[SocketAddress, Zone] = field(default_factory=dict)
    asked: list[Query] = field(default_factory=list)

    def ask(self, query: Query, at: float) -> Reply:
        self.asked.append(query)
        zones = self.later if query.again and query.resolver in self.later else self.zones
        told = zones[query.resolver].get(str(query.question), LookupFault.NODATA)
        if isinstance(told, Reply):
            return replace(told, query=query, at=at, took=0.01)
        if isinstance(told, LookupFault):
            return Reply(query, at, 0.01, fault=told)
        return Reply(query, at, 0.01, tuple(told), TTL)

    async def carry_out(self, question: DnsQuestion, planned: object) -> tuple[Reply, ...]:
        return self.replies(question)

    def replies(self, question: DnsQuestion) -> tuple[Reply, ...]:
        """All that `plan` asks for, a query each hundredth of a second."""
        seen: dict[Query, Reply] = {}
        while len(seen) < MAX_QUERIES:
            wanted = [query for query in plan(question, tuple(seen.values())) if query not in seen]
            if not wanted:
                break
            for query in wanted[: MAX_QUERIES - len(seen)]:
                pause = question.pause if query.again else 0.0
                seen[query] = self.ask(query, 0.01 * len(seen) + pause)
        return tuple(seen.values())


def report(
    zone: Zone,
    target: str = "example.com",
    pause: float = 0.0,
    *,
    second: Zone | None = None,
    later: Zone | None = None,
) -> DnsReport:
    """A report on what one resolver says; `second` is what another one says, `later` what the first says after that."""
    zones = {FIRST: zone} | ({} if second is None else {SECOND: second})
    changed = {} if later is None else {FIRST: later}
    question = DnsQuestion(Destination.parse(target), tuple(zones), pause=pause)
    return judge(question, Table(zones, changed).replies(question))


def reply(*records: Record, fault: LookupFault | None = None, aliases: Sequence[str] = (), **facts: object) -> Reply:
    """A reply to be put into a zone; `aliases` are the names of a chain."""
    chain = tuple(Alias(name, target) for name, target in pairwise(aliases))
    absent = fault or (None if records else LookupFault.NODATA)
    ttl = TTL if records else 0.0
    return Reply(NOBODY, records=records, ttl=ttl, aliases=chain, fault=absent, **facts)  # type: ignore[arg-type]


NOBODY: Query = None  # type: ignore[assignment]  # filled in when the reply is given
