"""Locating SIP servers: RFC 3263 §4.1, §4.2 and §5, with RFC 2782, RFC 3403 and RFC 7984, as an object that asks.

`Plan` says what to ask of DNS and is told the answers; it never asks anything itself. The procedure is one generator
that reads like the RFC: it yields the questions it cannot go on without and is sent their results.
"""

from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable, Sequence
from itertools import accumulate, zip_longest

from sipcore.errors import FailureReason, LocalError, TransportFailure
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
from sipcore.resolve.target import NOBODYS, Hop, SocketAddress, Target, Transport, has_zone, is_host_address, is_numeric
from sipcore.value import value

MAX_SERVERS = 32
"""How many SRV records of one plan are followed: each costs two more questions, and a zone may list thousands."""
MAX_HOPS = 64
"""How many places one plan offers: at 32 s of silence each, more than anyone tries."""

_ABSENT = (LookupFault.NXDOMAIN, LookupFault.NODATA, LookupFault.INVALID_NAME)
"""The faults by which it is known that there is no such record; after all others there may be one."""

Asking = Generator[list[Question], dict[Question, Result], list[Hop]]
"""A part of the procedure: yields questions, is sent the result of each, returns hops in order."""

DEFAULT_SUPPORTED = (Transport.UDP, Transport.TCP, Transport.TLS, Transport.WS, Transport.WSS)
"""All of them, in the order in which they are preferred where DNS states no preference."""
DEFAULT_FAMILIES = (RecordType.AAAA, RecordType.A)
"""Both families, IPv6 first (RFC 7984 §4 leaves the order to RFC 6724, whose default policy prefers IPv6)."""

_SRV_PREFIXES = {Transport.UDP: "_sip._udp", Transport.TCP: "_sip._tcp", Transport.TLS: "_sips._tcp"}
"""RFC 3263 §4.1, §4.2. WS and WSS have no SRV prefix (RFC 7118 §5.5): their names lead to addresses at once."""
_NAPTR_TRANSPORTS = {
    "SIP+D2U": Transport.UDP,
    "SIP+D2T": Transport.TCP,
    "SIPS+D2T": Transport.TLS,
    "SIP+D2W": Transport.WS,
    "SIPS+D2W": Transport.WSS,
}
"""RFC 3263 §4.1 and RFC 7118 §10.2."""


@value
class _Service:
    """A transport with the domain name at which its SRV records stand, or its addresses when `terminal`."""

    transport: Transport
    name: str
    why: str
    terminal: bool = False


@value
class _Server:
    """A host name with port and transport whose addresses are wanted."""

    transport: Transport
    name: str
    port: int
    why: str


class Plan:
    """The client procedure of RFC 3263 for one target.

    `chance` returns a float in [0, 1) and decides among SRV records of equal priority. `supported` are the usable
    transports in order of preference, `families` the usable address families in order of preference. Raises
    `LocalError` at once when the target asks for what cannot be: sips over UDP, or a transport not in `supported`.

    Ask what `next_questions` returns, all at once if you like, and pass each result to `answer`; when `done`, `hops`
    holds the places to try in order. `trail` tells in sentences how they came about.
    """

    def __init__(
        self,
        target: Target,
        *,
        chance: Callable[[], float],
        supported: Sequence[Transport] = DEFAULT_SUPPORTED,
        families: Sequence[RecordType] = DEFAULT_FAMILIES,
    ) -> None:
        self.target = target
        self._chance = chance
        self._supported = tuple(supported)
        self._usable = [transport for transport in supported if transport.secure or not target.secure]
        self._families = tuple(families)
        self._trail: list[str] = []
        self._batch: frozenset[Question] = frozenset()
        self._unasked: list[Question] = []
        self._results: dict[Question, Result] = {}
        self._hops: list[Hop] | None = None
        self._found_servers = False
        self._untold: set[RecordType] = set()
        self._procedure = self._locate(self._stated_transport(), self._default_transport())
        self._advance()

    @property
    def done(self) -> bool:
        """Whether nothing is left to ask."""
        return self._hops is not None

    @property
    def trail(self) -> tuple[str, ...]:
        """What was found and decided so far, a sentence each."""
        return tuple(self._trail)

    def next_questions(self) -> list[Question]:
        """The questions that can be asked now, each returned once."""
        questions, self._unasked = self._unasked, []
        return questions

    def answer(self, result: Result) -> None:
        """Take the result of one question; a result that nobody waits for is ignored."""
        if result.question not in self._batch or result.question in self._results:
            return
        self._results[result.question] = result
        if len(self._results) == len(self._batch):
            self._advance()

    def hops(self) -> list[Hop]:
        """The places to try, best first; empty before `done` and where nothing was found."""
        return list(self._hops or ())

    def failure(self) -> TransportFailure:
        """The failure to report when the plan is done and has no hops."""
        unknown = f"{self.target.host}: {LookupFault.NXDOMAIN.value}"
        if len(self._trail) > 1 and all(text.endswith(unknown) for text in self._trail):
            story = LookupFault.NXDOMAIN.value  # of the domain and all below it: once is enough
        else:
            story = "; ".join(self._trail) or "nothing was found"
        return TransportFailure(
            FailureReason.UNRESOLVABLE, f"no address for {self.target}: {story}", section="RFC 3263 §4"
        )

    def _advance(self) -> None:
        """Run the procedure on to its next questions, or to its end."""
        if any(_is_unasked(result) for result in self._results.values()):
            for result in self._results.values():
                self._note(result)
            self._hops = []
            return
        try:
            # A generator that has not begun can only be sent None.
            asked = self._procedure.send(self._results) if self._batch else next(self._procedure)
        except StopIteration as stop:
            self._hops = _distinct(stop.value)[:MAX_HOPS]
            return
        self._unasked = list(dict.fromkeys(asked))
        self._batch = frozenset(asked)
        self._results = {}

    def _locate(self, stated: Transport | None, default: Transport) -> Asking:
        """RFC 3263 §4: the transport first, then port and address."""
        target = self.target
        transport = stated or default
        if target.is_numeric:
            # RFC 3263 §4.2: a numeric address is used as it is, at its port or the transport's default.
            return [self._hop(transport, target.host, target.port or transport.default_port, "numeric address")]
        if target.port is not None:
            # RFC 3263 §4.2: with a port, addresses are looked up and SRV is not.
            server = _Server(transport, target.host, target.port, f"port {target.port} given")
            return (yield from self._resolve([server]))
        if stated is not None:
            return (yield from self._without_naptr([stated], stated, f"{stated.value} given"))
        return (yield from self._by_naptr(default))

    def _stated_transport(self) -> Transport | None:
        """The transport that the target names (RFC 3263 §4.1), made secure for sips (RFC 3261 §26.2.2)."""
        stated = self.target.transport
        if stated is not None and self.target.secure:
            stated = {Transport.TCP: Transport.TLS, Transport.WS: Transport.WSS}.get(stated, stated)
            if not stated.secure:
                raise LocalError(f"a sips URI cannot be sent over {stated.value}", section="RFC 3261 §26.2.2")
        if stated is not None and stated not in self._supported:
            raise LocalError(f"{stated.value} is not among the transports in use here", section="RFC 3263 §4.1")
        return stated

    def _default_transport(self) -> Transport:
        """RFC 3263 §4.1: UDP for sip, TCP (with TLS) for sips, else the first that is supported."""
        if not self._usable:
            raise LocalError("no transport in use here may carry this URI", section="RFC 3263 §4.1")
        wanted = Transport.TLS if self.target.secure else Transport.UDP
        return wanted if wanted in self._usable else self._usable[0]

    def _by_naptr(self, default: Transport) -> Asking:
        """RFC 3263 §4.1: neither transport nor port is given, so the domain's NAPTR records choose."""
        question = Question(RecordType.NAPTR, self.target.host)
        result = (yield [question])[question]
        self._note(result)
        records = [record for record in _records(result) if isinstance(record, Naptr)]
        relevant = [record for record in records if _is_sip_service(record)]
        if not relevant:
            return (yield from self._without_naptr(self._usable, default, self._lacking(RecordType.NAPTR)))
        by_order: dict[int, list[_Service]] = {}
        for record in sorted(relevant, key=self._naptr_rank):
            service = self._naptr_service(record)
            if service is not None:
                by_order.setdefault(record.order, []).append(service)
        if not by_order:
            self._trail.append(f"NAPTR {self.target.host} offers no transport that is in use here")
            return []
        for services in by_order.values():
            # RFC 3403 §4.1: once a match is found a different order is not considered. The match this application
            # looks for is an SRV record (RFC 3263 §8), so an order that leads to none is no match.
            hops = yield from self._by_services(services)
            if hops:
                return hops
        if self._found_servers:
            return []
        # RFC 3263 §4.2: without SRV records the domain's own addresses count, over the transport that NAPTR chose.
        chosen = next(iter(by_order.values()))[0]
        why = f"{chosen.why}, {self._lacking(RecordType.SRV)}, default port"
        server = _Server(chosen.transport, self.target.host, chosen.transport.default_port, why)
        return (yield from self._resolve([server]))

    def _naptr_rank(self, record: Naptr) -> tuple[int, int, int]:
        """RFC 3403 §4.1: order, then preference; what DNS ranks as equal comes as it is preferred here."""
        transport = _NAPTR_TRANSPORTS.get(record.service.upper())
        place = self._usable.index(transport) if transport in self._usable else len(self._usable)
        return record.order, record.preference, place

    def _naptr_service(self, record: Naptr) -> _Service | None:
        """What a NAPTR record leads to, or None where RFC 3263 §4.1 has it discarded."""
        transport = _NAPTR_TRANSPORTS.get(record.service.upper())
        flag = record.flags.upper()
        if transport is None or transport not in self._usable or record.regexp or flag not in ("S", "A"):
            self._trail.append(f"NAPTR {record} is of no use here")
            return None
        why = f"NAPTR {record.order} {record.preference} {record.service}"
        return _Service(transport, record.replacement, why, terminal=flag == "A")

    def _by_services(self, services: list[_Service]) -> Asking:
        """Follow services, best first, each to its SRV records or, where the NAPTR flag says so, its addresses."""
        questions = [Question(RecordType.SRV, service.name) for service in services if not service.terminal]
        results = (yield questions) if questions else {}
        servers: list[_Server] = []
        for service in services:
            if service.terminal:
                self._found_servers = True
                servers.append(_Server(service.transport, service.name, service.transport.default_port, service.why))
            else:
                result = results[Question(RecordType.SRV, service.name)]
                self._note(result)
                servers += self._servers(service, result)
        return (yield from self._resolve(servers))

    def _without_naptr(self, transports: Sequence[Transport], default: Transport, why: str) -> Asking:
        """RFC 3263 §4.1 and §4.2 without NAPTR: SRV for each transport, and where there is none, the addresses."""
        host = self.target.host
        prefixed = [(transport, _SRV_PREFIXES[transport]) for transport in transports if transport in _SRV_PREFIXES]
        services = [_Service(transport, f"{prefix}.{host}", why) for transport, prefix in prefixed]
        results = (yield [Question(RecordType.SRV, service.name) for service in services]) if services else {}
        for result in results.values():
            self._note(result)
        if any(_records(result) for result in results.values()):
            found = [(service, results[Question(RecordType.SRV, service.name)]) for service in services]
            servers = [server for service, result in found for server in self._servers(service, result)]
            return (yield from self._resolve(servers))
        why = f"{why}, {self._lacking(RecordType.SRV)}, default port"
        server = _Server(default, host, default.default_port, why)
        return (yield from self._resolve([server]))

    def _servers(self, service: _Service, result: Result) -> list[_Server]:
        """The servers that SRV records name, in the order of RFC 2782."""
        records = [record for record in _records(result) if isinstance(record, Srv)]
        self._found_servers |= bool(records)
        servers = []
        for record in order_srv(records, self._chance):
            if not record.target:
                # RFC 2782: a target of "." means that the service is decidedly not available at this domain.
                self._trail.append(f"SRV {service.name} says that the service is not offered")
                continue
            if not record.port:
                self._trail.append(f"SRV {service.name} has port 0, which is nobody's (RFC 6335 §6)")
                continue
            if has_zone(record.target):
                self._trail.append(f"SRV {service.name} has {record.target}: a zone means nothing in DNS (RFC 4007 §6)")
                continue
            why = f"{service.why}, SRV {service.name} {record.priority} {record.weight}, {record.target}"
            servers.append(_Server(service.transport, record.target, record.port, why))
        return servers

    def _resolve(self, servers: list[_Server]) -> Asking:
        """RFC 3263 §4.2: addresses of each server, families interleaved so that a broken one costs one attempt."""
        servers = servers[:MAX_SERVERS]
        named = list(dict.fromkeys(server.name for server in servers if not is_numeric(server.name)))
        questions = [Question(family, name) for name in named for family in self._families]
        results = (yield questions) if questions else {}
        for name in named:
            self._note_addresses([results[Question(family, name)] for family in self._families])
        hops = []
        for server in servers:
            lists = [_hosts(results.get(Question(family, server.name))) for family in self._families]
            # RFC 2782 forbids an address as target; it is what the zone's owner meant, and it can be reached.
            hosts = [server.name] if is_numeric(server.name) else _interleaved(lists)
            hops += [self._hop(server.transport, host, server.port, server.why) for host in hosts]
        barred = dict.fromkeys(hop.remote.host for hop in hops if not is_host_address(hop.remote.host))
        for host in barred:
            blocks = ": it blocks the name" if host in NOBODYS else ""
            self._trail.append(f"DNS says {host}, which is nobody's address{blocks}")
        return [hop for hop in hops if hop.remote.host not in barred]

    def _hop(self, transport: Transport, host: str, port: int, why: str) -> Hop:
        """A hop; RFC 5922 §7.3: the name to verify is the domain that was asked for, not what DNS led to."""
        tls_name = self.target.host if transport.secure or transport.websocket else None
        return Hop(transport, SocketAddress(host, port), tls_name=tls_name, why=why)

    def _note(self, result: Result) -> None:
        """Keep what went wrong, for the trail."""
        if isinstance(result, LookupFailure):
            self._trail.append(str(result))
            if result.fault not in _ABSENT:
                self._untold.add(result.question.type)

    def _lacking(self, kind: RecordType) -> str:
        """That there are no records of a kind; that is not known where DNS did not tell.

        What follows from it is the same: servers are met that fail for types they do not know (RFC 4074 §4.3 has it of
        AAAA), and a domain with an address can be reached in spite of them.
        """
        return f"{kind.value} lookup failed" if kind in self._untold else f"no {kind.value}"

    def _note_addresses(self, results: list[Result]) -> None:
        """Keep what went wrong, but not that a host which has addresses lacks them in one family."""
        found = any(_records(result) for result in results)
        for result in results:
            if not (found and isinstance(result, LookupFailure) and result.fault is LookupFault.NODATA):
                self._note(result)


def order_srv(records: Iterable[Srv], chance: Callable[[], float]) -> list[Srv]:
    """SRV records in the order in which RFC 2782 ("Usage rules") has a client try them.

    Lowest priority first; within one, drawn one after the other with a probability proportional to the weight. The
    number drawn is a real one: an integer, as many take it, gives weight 0 a tenth beside a weight of 10, and the
    RFC's own example would not have its three quarters.
    """
    ordered: list[Srv] = []
    by_priority: dict[int, list[Srv]] = {}
    for record in records:
        by_priority.setdefault(record.priority, []).append(record)
    for _, group in sorted(by_priority.items()):
        left = sorted(group, key=lambda record: record.weight != 0)
        while left:
            ordered.append(left.pop(_draw(left, chance)))
    return ordered


def _draw(records: list[Srv], chance: Callable[[], float]) -> int:
    """The index of the first record whose running sum of weights reaches a number drawn from 0 to the whole sum."""
    running = list(accumulate(record.weight for record in records))
    return bisect_left(running, chance() * running[-1])


def _is_sip_service(record: Naptr) -> bool:
    """Whether the record speaks of SIP at all: a domain's NAPTR records serve other applications too."""
    return record.service.upper().startswith(("SIP+D2", "SIPS+D2"))


def _is_unasked(result: Result) -> bool:
    """Whether nobody was asked where a domain's servers are: a guess would go to the wrong place."""
    if not isinstance(result, LookupFailure) or result.question.type in (RecordType.A, RecordType.AAAA):
        return False
    return result.fault is LookupFault.NOT_ASKED


def _records(result: Result | None) -> tuple[Record, ...]:
    return result.records if isinstance(result, Answer) else ()


def _hosts(result: Result | None) -> list[str]:
    return [record.host for record in _records(result) if isinstance(record, Address)]


def _interleaved(lists: list[list[str]]) -> list[str]:
    """One of each list in turn: first of all, then second of all."""
    return [host for turn in zip_longest(*lists) for host in turn if host is not None]


def _distinct(hops: Iterable[Hop]) -> list[Hop]:
    """The same place is tried once, at its best position."""
    seen: dict[tuple[Transport, SocketAddress], Hop] = {}
    for hop in hops:
        seen.setdefault((hop.transport, hop.remote), hop)
    return list(seen.values())
