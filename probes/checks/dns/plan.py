"""What does DNS have for a SIP destination? Found out by asking everything that RFC 3263 has a client ask, and more.

A client stops where it knows enough; here each rung of the ladder is asked for (NAPTR, SRV, A and AAAA), of each
resolver, and a while later again, so that what is wrong shows wherever it is.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from probes.destination import Destination
from sipcore.resolve.records import (
    Address,
    Answer,
    LookupFailure,
    LookupFault,
    Naptr,
    Question,
    Record,
    RecordType,
    Result,
    Srv,
)
from sipcore.resolve.target import SocketAddress, Transport, is_numeric
from sipcore.value import value

MAX_QUERIES = 256
"""Queries that one report makes, of all resolvers together: a domain with NAPTR and three SRV sets of four targets each
takes some 30 for one of them, and as many again."""
MAX_RESOLVERS = 4
"""Resolvers that are asked: a system has three at most, and a few public ones tell whether they agree."""
MAX_FOLLOWED = 16
"""Records followed of one NAPTR or SRV answer: few carriers publish more, and a hostile zone may list thousands."""
MAX_ALIASES = 16
"""CNAME records that are followed to one answer: the most patient resolvers, dnspython among them, stop there."""
USUAL_ALIASES = 8
"""CNAME records that every resolver follows to one answer; from about ten on the first ones give up."""
DEFAULT_TIMEOUT = 4.0
"""Seconds for one answer: four datagrams are sent by then."""
REPEAT = 0.4
"""Seconds until a datagram is sent again, and each time twice as many until the next, in case one is lost. A resolver
that has to ask far away takes as long now and then, and knows a repeated question when it sees one."""
DEFAULT_PAUSE = 1.0
"""Seconds until everything is asked again: what changes within that, for a longer TTL, is not to be relied on."""

DEFAULT_DEADLINE = 20.0
"""Seconds for all of it, the pause not counted: four resolvers that are all silent take as long for a few questions."""

PREFIXES = {
    Transport.UDP: "_sip._udp",
    Transport.TCP: "_sip._tcp",
    Transport.TLS: "_sips._tcp",
    Transport.WS: "_sip._ws",
    Transport.WSS: "_sips._ws",
}
"""Where SRV records stand (RFC 3263 §4.1). The last two follow its pattern: RFC 7118 §5.5 reckons with SRV records for
WebSockets, but gives no names for them, so that few clients look there."""
SERVICES = {
    "SIP+D2U": Transport.UDP,
    "SIP+D2T": Transport.TCP,
    "SIPS+D2T": Transport.TLS,
    "SIP+D2W": Transport.WS,
    "SIPS+D2W": Transport.WSS,
}
"""RFC 3263 §4.1 and RFC 7118 §10.2."""
SCTP_SERVICES = frozenset({"SIP+D2S", "SIPS+D2S"})
"""Those of RFC 3263 §4.1 and RFC 4168 §6 for SCTP, which is not spoken here."""
FAMILIES = (RecordType.AAAA, RecordType.A)


@value
class Query:
    """One question to one resolver, for the first time or again."""

    question: Question
    resolver: SocketAddress
    again: bool = False


@value
class Alias:
    """A CNAME record on the way to an answer."""

    name: str
    target: str

    def __str__(self) -> str:
        return f"{self.name} -> {self.target}"


@value
class Reply:
    """What came of a query: `records` with their `ttl`, or the `fault` for which there are none, with its `detail`.

    `at` is when it came, since the first was asked; `took` how long; `ttl` how long it holds: all in seconds. `aliases`
    led to the records. `truncated` is whether they did not fit into a datagram. `source` is who told: DNS, or a hosts
    file.
    """

    query: Query
    at: float = 0.0
    took: float = 0.0
    records: tuple[Record, ...] = ()
    ttl: float = 0.0
    aliases: tuple[Alias, ...] = ()
    fault: LookupFault | None = None
    detail: str = ""
    truncated: bool = False
    source: str = "DNS"

    @property
    def result(self) -> Result:
        """The same as RFC 3263 needs it."""
        question = self.query.question
        if self.fault is not None:
            return LookupFailure(question, self.fault, self.detail)
        return Answer(question, self.records, self.ttl, self.source)

    @property
    def chain(self) -> tuple[str, ...]:
        """The names that the aliases lead through, in lower case; one that comes twice is where a loop closes."""
        names = [alias.name for alias in self.aliases[:1]] + [alias.target for alias in self.aliases]
        return tuple(name.lower() for name in names)

    @property
    def loops(self) -> bool:
        """Whether the aliases lead back to a name that they came from."""
        return len(set(self.chain)) < len(self.chain)

    @property
    def told(self) -> bool:
        """Whether it says what there is, or that there is nothing; a failure says neither."""
        return self.fault in (None, LookupFault.NXDOMAIN, LookupFault.NODATA)


Plan = Callable[[Sequence[Reply]], Sequence[Query]]


@value
class DnsQuestion:
    """Which destination to ask for, and whom. Of each question, the first resolver that answers makes the ladder, as a
    system's resolvers are asked in turn.

    `timeout` is for one answer, `pause` until everything is asked again, 0 for never, and `deadline` for all of it but
    the pause; `grace` is what the other resolvers get at least once one has told all, with an address: all in seconds.
    """

    destination: Destination
    resolvers: tuple[SocketAddress, ...]
    timeout: float = DEFAULT_TIMEOUT
    pause: float = DEFAULT_PAUSE
    deadline: float = DEFAULT_DEADLINE
    grace: float = math.inf


class DnsIO(Protocol):
    """The network, as this check sees it."""

    async def carry_out(self, question: DnsQuestion, plan: Plan) -> tuple[Reply, ...]:
        """Make each query that `plan` names, given the replies so far, once; side by side, until it names no more, or
        MAX_QUERIES were made, or the deadline is there. One to be made again is made `pause` seconds after its first
        reply; one whose resolver is not waited for any more counts as timed out. Whatever happens is a value.
        """


def plan(question: DnsQuestion, seen: Sequence[Reply]) -> tuple[Query, ...]:
    """The queries worth making given the replies that were seen. More knowledge only ever adds to them."""
    wanted = list(dict.fromkeys(_questions(question.destination, seen)))
    resolvers = question.resolvers[:MAX_RESOLVERS]
    queries = [Query(one, resolver) for resolver in resolvers for one in wanted]
    if question.pause:
        queries += [Query(reply.query.question, reply.query.resolver, again=True) for reply in seen if _is_worth(reply)]
    return tuple(queries)


async def act(io: DnsIO, question: DnsQuestion) -> tuple[Reply, ...]:
    """Have them made, and see what comes back."""
    return await io.carry_out(question, lambda seen: plan(question, seen))


def normal(question: Question) -> Question:
    """The same question as it is asked here: DNS does not mind the case (RFC 1035 §2.3.3), nor a final dot."""
    return Question(question.type, question.name.rstrip(".").lower())


def first_questions(destination: Destination) -> tuple[Question, ...]:
    """What is asked before anything is known: nothing for an address, and less where the destination says more."""
    host, target = destination.server, destination.target
    if target.is_numeric:
        return ()
    addresses = [Question(family, host) for family in FAMILIES]
    if target.port is not None:
        return tuple(map(normal, addresses))  # RFC 3263 §4.2: with a port, nothing else counts
    usable = [transport for transport in PREFIXES if transport.secure or not target.secure]
    stated = [transport for transport in usable if target.transport in (None, transport)]
    services = [Question(RecordType.SRV, f"{PREFIXES[transport]}.{host}") for transport in stated]
    # RFC 3263 §4.1: where the transport is stated, nothing has to choose one.
    choosing = [] if target.transport else [Question(RecordType.NAPTR, host)]
    return tuple(map(normal, (*choosing, *services, *addresses)))


def followed(records: Iterable[Record]) -> Iterator[Question]:
    """What records of NAPTR and SRV lead to, the first of them."""
    for record in leading(records):
        if isinstance(record, Naptr):
            yield from _behind_naptr(record)
        elif isinstance(record, Srv) and record.target and not is_numeric(record.target):
            yield from (normal(Question(family, record.target)) for family in FAMILIES)


def leading(records: Iterable[Record]) -> list[Record]:
    """The records of an answer that are followed, in the order in which they count; the draw of RFC 2782 left out."""
    return sorted(records, key=_rank)[:MAX_FOLLOWED]


def _rank(record: Record) -> tuple[int, int]:
    if isinstance(record, Naptr):
        return record.order, record.preference
    return (record.priority, -record.weight) if isinstance(record, Srv) else (0, 0)


def _behind_naptr(record: Naptr) -> Iterator[Question]:
    """RFC 3263 §4.1: SRV records or addresses, as the flag says, for a service that is one of SIP."""
    if record.service.upper() not in SERVICES or record.regexp or not record.replacement:
        return
    if record.flags.upper() == "S":
        yield normal(Question(RecordType.SRV, record.replacement))
    elif record.flags.upper() == "A":
        yield from (normal(Question(family, record.replacement)) for family in FAMILIES)


def _questions(destination: Destination, seen: Sequence[Reply]) -> Iterator[Question]:
    """Those of any resolver's answers are asked of all."""
    yield from first_questions(destination)
    for reply in seen:
        yield from followed(reply.records)


def patience(question: DnsQuestion, replies: Sequence[Reply | None]) -> float:
    """Seconds that the other resolvers still get, by the `replies` of one of them, None for each that it owes: as many
    as its slowest answer took, and the grace at least. No end while it owes one, failed, or knows no address, since the
    others may know more.
    """
    told = [reply for reply in replies if reply is not None and reply.told]
    knows = any(isinstance(record, Address) for reply in told for record in reply.records)
    if not knows or len(told) < len(replies):
        return math.inf
    return max(question.grace, *(reply.took for reply in told))


def _is_worth(reply: Reply) -> bool:
    """Whether asking again may show a change: of what is there, for as long as it holds."""
    return not reply.query.again and bool(reply.records) and reply.source == "DNS"
