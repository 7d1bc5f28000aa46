"""The DNS ladder carried out: datagrams, repeated while there is no answer, TCP where the answer does not fit (RFC
7766), dnspython for the wire format alone, since a resolver that hides retries, aliases and caches would hide what is
looked for.
"""

import math
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import trio

from probes.checks.dns.judge import DnsReport, judge
from probes.checks.dns.plan import (
    DEFAULT_DEADLINE,
    DEFAULT_PAUSE,
    DEFAULT_TIMEOUT,
    MAX_ALIASES,
    MAX_QUERIES,
    REPEAT,
    Alias,
    DnsQuestion,
    Plan,
    Query,
    Reply,
    act,
    patience,
)
from probes.destination import Destination
from sipcore.errors import FailureReason, TransportFailure, require_counts, require_times
from sipcore.resolve.records import Address, LookupFault, Naptr, Question, Record, RecordType, Srv
from sipcore.resolve.target import SocketAddress
from sipcore.transports.lookup import EDNS_PAYLOAD, LOOPBACK, read_hosts, refuses_edns, system_resolver
from sipcore.value import value

if TYPE_CHECKING:
    import dns.message
    import dns.name
    import dns.rdata

DNS_PORT = 53
MAX_UNDER_WAY = 16
"""Queries under way at a time with one resolver: more at once look like an attack to some, which then drop them."""
MAX_DATAGRAM = 65535
_FAULTS = {3: LookupFault.NXDOMAIN, 5: LookupFault.REFUSED}
"""Response codes (RFC 1035 §4.1.1) that say something of their own; all others are failures."""


@value
class DnsReportConfig:
    """Whom to ask, and how long to wait, in seconds: `timeout` for one answer, `pause` until everything is asked again
    (0 for never), `deadline` for all of it but the pause.

    Without `resolvers`, those of the system are asked, and what `hosts_file` has, or "" for none, is not asked for.
    Raises LocalError for times that are none.
    """

    resolvers: tuple[SocketAddress, ...] = ()
    timeout: float = DEFAULT_TIMEOUT
    pause: float = DEFAULT_PAUSE
    deadline: float = DEFAULT_DEADLINE
    hosts_file: str = "/etc/hosts"

    def __post_init__(self) -> None:
        require_times(self, "timeout", "deadline")
        require_counts(self, "pause")


async def report_dns(target: Destination | str, config: DnsReportConfig | None = None) -> DnsReport:
    """Find out all that DNS has for a destination, or for what a text names. Whatever happens is a value.

    Raises DestinationError where a text cannot be read.
    """
    destination, config = Destination.of(target), config or DnsReportConfig()
    resolvers = config.resolvers or (() if destination.is_numeric else system_resolvers())
    question = DnsQuestion(destination, resolvers, config.timeout, config.pause, config.deadline)
    if not resolvers and not destination.is_numeric:
        message = f"no address for {destination}: no name server is configured"
        failure = TransportFailure(FailureReason.UNRESOLVABLE, message, section="RFC 3263 §4")
        return DnsReport(question, (), (), (), failure=failure)
    known = {} if config.resolvers else read_hosts(config.hosts_file)
    return judge(question, await act(DnsSockets(known), question))


def system_resolvers() -> tuple[SocketAddress, ...]:
    """The name servers that this host is configured to ask, those over IP; none where it has no configuration."""
    import dns.resolver

    try:
        found = system_resolver().nameservers
    except (dns.resolver.NoResolverConfiguration, OSError):
        return ()
    return tuple(SocketAddress(server, DNS_PORT) for server in found if isinstance(server, str))


@dataclass(slots=True)
class _Round:
    """One report in progress: what was asked, and what came back."""

    question: DnsQuestion
    plan: Plan
    started: float
    seen: dict[Query, Reply | None] = field(default_factory=dict)
    rooms: dict[SocketAddress, trio.CapacityLimiter] = field(default_factory=dict)
    waiting: dict[Query, trio.CancelScope] = field(default_factory=dict)

    @property
    def replies(self) -> tuple[Reply, ...]:
        return tuple(reply for reply in self.seen.values() if reply is not None)

    def room(self, resolver: SocketAddress) -> trio.CapacityLimiter:
        """What a resolver has room for: a silent one keeps none of the others waiting."""
        return self.rooms.setdefault(resolver, trio.CapacityLimiter(MAX_UNDER_WAY))

    def hurry_others(self, resolver: SocketAddress) -> None:
        """Wait for the other resolvers no longer than is worth it, by what this one has told."""
        replies = [reply for query, reply in self.seen.items() if query.resolver == resolver and not query.again]
        end = trio.current_time() + patience(self.question, replies)
        for query, scope in self.waiting.items():
            if query.resolver != resolver:
                scope.deadline = min(scope.deadline, end)


class DnsSockets:
    """`DnsIO` over sockets. `known` are the addresses of names that need no DNS."""

    def __init__(self, known: dict[str, tuple[str, ...]] | None = None) -> None:
        self._known = known or {}

    async def carry_out(self, question: DnsQuestion, plan: Plan) -> tuple[Reply, ...]:
        """Make each query that `plan` names, given the replies so far, once; side by side, until it names no more, or
        MAX_QUERIES were made, or the deadline is there. Whatever happens is a value.
        """
        progress = _Round(question, plan, trio.current_time())
        with trio.move_on_after(question.deadline + question.pause):
            async with trio.open_nursery() as nursery:
                self._start(progress, nursery)
        return progress.replies

    def _start(self, progress: _Round, nursery: trio.Nursery) -> None:
        for query in progress.plan(progress.replies):
            if query not in progress.seen and len(progress.seen) < MAX_QUERIES:
                progress.seen[query] = None
                nursery.start_soon(self._make, query, progress, nursery)

    async def _make(self, query: Query, progress: _Round, nursery: trio.Nursery) -> None:
        if query.again:
            first = progress.seen[Query(query.question, query.resolver)]
            await trio.sleep_until(progress.started + (first.at if first else 0.0) + progress.question.pause)
        progress.seen[query] = self._told(query) or await _ask_in_turn(query, progress)
        self._start(progress, nursery)
        progress.hurry_others(query.resolver)

    def _told(self, query: Query) -> Reply | None:
        """What is known without DNS (RFC 6761 §6.3 for `localhost`); None where DNS is to be asked."""
        question = query.question
        if question.type not in (RecordType.A, RecordType.AAAA):
            return None
        is_local = question.name == "localhost" or question.name.endswith(".localhost")
        hosts = LOOPBACK if is_local else self._known.get(question.name, ())
        if not hosts:
            return None
        found = tuple(Address(host) for host in hosts if (":" in host) is (question.type is RecordType.AAAA))
        return Reply(query, records=found, fault=None if found else LookupFault.NODATA, source="hosts")


async def _ask_in_turn(query: Query, progress: _Round) -> Reply | None:
    """The reply to a query, once there is room for it; None where its turn did not come while it was waited for."""
    began: float | None = None
    reply: Reply | None = None
    with trio.CancelScope() as scope:
        progress.waiting[query] = scope
        async with progress.room(query.resolver):
            began = trio.current_time()
            reply = await _ask(query, progress.question.timeout)
    del progress.waiting[query]
    if began is None:
        return None
    now = trio.current_time()
    if reply is None:
        detail = f"within {now - began:.1f} s, by when another one had told everything"
        reply = Reply(query, fault=LookupFault.TIMED_OUT, detail=detail)
    return replace(reply, at=now - progress.started, took=now - began)


async def _ask(query: Query, seconds: float) -> Reply:
    """One query by datagrams, and by TCP where the answer did not fit. Whatever happens is a value."""
    import dns.exception
    import dns.message

    name, kind, end = query.question.name, query.question.type.value, trio.current_time() + seconds
    try:
        asked = dns.message.make_query(name, kind, use_edns=0, payload=EDNS_PAYLOAD)
    except (dns.exception.DNSException, UnicodeError) as error:
        return Reply(query, fault=LookupFault.INVALID_NAME, detail=str(error).rstrip("."))
    try:
        answered, strangers = await _by_udp(asked, query.resolver, seconds)
        if answered is not None and refuses_edns(answered):
            asked = dns.message.make_query(name, kind)
            answered, strangers = await _by_udp(asked, query.resolver, end - trio.current_time())
    except OSError as error:
        return Reply(query, fault=LookupFault.UNREACHABLE, detail=error.strerror or str(error))
    if answered is None:
        beside = f"; what came ({strangers}) answers nothing that was asked" if strangers else ""
        return Reply(query, fault=LookupFault.TIMED_OUT, detail=f"within {seconds:g} s{beside}")
    return await _complete(query, asked, answered, seconds)


async def _complete(
    query: Query, asked: "dns.message.Message", answered: "dns.message.Message", seconds: float
) -> Reply:
    """The reply that an answer makes: the whole of it, over TCP where it says that it is not (RFC 7766 §5)."""
    import dns.flags

    if not answered.flags & dns.flags.TC:
        return read_reply(query, answered)
    why = f"no answer over TCP within {seconds:g} s"
    with trio.move_on_after(seconds):
        try:
            whole = await _by_tcp(asked, query.resolver)
        except OSError as error:
            why = f"TCP: {_cause(error)}"
        else:
            if whole is not None:
                return replace(read_reply(query, whole), truncated=True)
            why = "TCP: no whole answer"
    return Reply(query, fault=LookupFault.TRUNCATED, detail=why, truncated=True)


async def _by_udp(
    asked: "dns.message.Message", server: SocketAddress, seconds: float
) -> tuple["dns.message.Message | None", int]:
    """The answer, or None where none came, and how many datagrams came that are none. Raises OSError where the host, or
    the network, says that no answer will come.
    """
    strangers = 0
    family = trio.socket.AF_INET6 if server.is_ipv6 else trio.socket.AF_INET
    with trio.socket.socket(family, trio.socket.SOCK_DGRAM) as sock:
        # Connected, so that others' datagrams stay out (RFC 5452 §9.1), and the kernel tells when nobody listens.
        await sock.connect((server.host, server.port))
        end = trio.current_time() + seconds
        pause = REPEAT
        while trio.current_time() < end:
            await sock.send(asked.to_wire())
            with trio.move_on_at(min(end, trio.current_time() + pause)):
                while True:
                    answered = read_message(await sock.recv(MAX_DATAGRAM), asked)
                    if answered is not None:
                        return answered, strangers
                    strangers += 1
            pause *= 2
    return None, strangers


def _cause(error: OSError) -> str:
    """Why a connection failed. trio tells of each address that was tried, of which there is one, in a group."""
    causes = error.__cause__.exceptions if isinstance(error.__cause__, ExceptionGroup) else (error,)
    return next((os.strerror(one.errno) for one in causes if isinstance(one, OSError) and one.errno), str(error))


async def _by_tcp(asked: "dns.message.Message", server: SocketAddress) -> "dns.message.Message | None":
    """The answer, or None where the connection was closed before it was there, or it is none. Raises OSError."""
    async with await trio.open_tcp_stream(server.host, server.port) as stream:
        try:
            wire = asked.to_wire()
            await stream.send_all(len(wire).to_bytes(2, "big") + wire)
            head = await _receive(stream, 2)
            return read_message(await _receive(stream, int.from_bytes(head, "big")), asked)
        except trio.BrokenResourceError:
            return None


async def _receive(stream: trio.SocketStream, count: int) -> bytes:
    """So many bytes, or fewer where the connection is closed before."""
    found = bytearray()
    while len(found) < count:
        more = await stream.receive_some(count - len(found))
        if not more:
            break
        found += more
    return bytes(found)


def read_message(wire: bytes, asked: "dns.message.Message") -> "dns.message.Message | None":
    """The message in some bytes, None where they are no answer to what was asked (RFC 5452 §9.1)."""
    import dns.exception
    import dns.message

    try:
        # A truncated answer ends anywhere; what its header says is all that is wanted of it.
        message = dns.message.from_wire(wire, ignore_trailing=True, continue_on_error=True)
        return message if asked.is_response(message) else None
    except (dns.exception.DNSException, ValueError):
        return None


def read_reply(query: Query, message: "dns.message.Message") -> Reply:
    """What an answer says, aliases followed as far as it has them (RFC 1034 §3.6.2)."""
    if message.errors:
        return Reply(
            query, fault=LookupFault.SERVFAIL, detail=f"its answer cannot be read: {message.errors[0].exception}"
        )
    code = message.rcode()
    if code not in (0, 3):
        return Reply(query, fault=_FAULTS.get(code, LookupFault.SERVFAIL), detail=_detail(message))
    aliases, records, ttl = _followed(query.question, message)
    absent = LookupFault.NXDOMAIN if code else LookupFault.NODATA
    return Reply(query, records=records, ttl=ttl, aliases=aliases, fault=None if records else absent)


def _followed(
    question: Question, message: "dns.message.Message"
) -> tuple[tuple[Alias, ...], tuple[Record, ...], float]:
    """The aliases on the way, the records at its end, and how long all of it holds."""
    import dns.name
    import dns.rdataclass
    import dns.rdatatype

    name, wanted = dns.name.from_text(question.name), dns.rdatatype.from_text(question.type.value)
    aliases: list[Alias] = []
    passed: set[dns.name.Name] = set()
    ttl = math.inf
    while True:
        found = message.get_rrset(message.answer, name, dns.rdataclass.IN, wanted)
        if found is not None and len(aliases) <= MAX_ALIASES:
            records = [_record(data) for data in found]
            return tuple(aliases), tuple(r for r in records if r is not None), min(ttl, found.ttl)
        alias = message.get_rrset(message.answer, name, dns.rdataclass.IN, dns.rdatatype.CNAME)
        if alias is None or len(aliases) > MAX_ALIASES or name in passed:
            return tuple(aliases), (), 0.0
        ttl = min(ttl, alias.ttl)
        passed.add(name)
        aliases.append(Alias(_name(name), _name(alias[0].target)))
        name = alias[0].target


def _record(data: "dns.rdata.Rdata") -> Record | None:
    from dns.rdtypes.IN import AAAA, NAPTR, SRV, A

    if isinstance(data, NAPTR.NAPTR):
        flags, service, regexp = (text.decode("latin-1") for text in (data.flags, data.service, data.regexp))
        return Naptr(data.order, data.preference, flags, service, regexp, _name(data.replacement))
    if isinstance(data, SRV.SRV):
        return Srv(data.priority, data.weight, data.port, _name(data.target))
    return Address(data.address) if isinstance(data, A.A | AAAA.AAAA) else None


def _name(name: "dns.name.Name") -> str:
    """A domain name without its final dot; the root is empty."""
    return str(name).rstrip(".")


def _detail(message: "dns.message.Message") -> str:
    """The response code, and what the resolver says to it (RFC 8914)."""
    import dns.edns
    import dns.rcode

    said = [
        f"{option.code.name.lower().replace('_', ' ')}{f' ({option.text})' if option.text else ''}"
        for option in message.options
        if isinstance(option, dns.edns.EDEOption)
    ]
    return "; ".join([dns.rcode.to_text(message.rcode()), *said])
