"""Where to look for a destination: which addresses, ports and transports come of what DNS has told so far.

Pure, and more knowledge only ever adds candidates.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import product

from probes.checks.dns.plan import PREFIXES, SERVICES, leading, normal
from probes.destination import Destination
from sipcore.errors import LocalError
from sipcore.message.uri import MAX_PORT, SipUri
from sipcore.resolve.records import Address, Answer, Naptr, Question, Record, RecordType, Result, Srv
from sipcore.resolve.target import (
    DEFAULT_PORT,
    DEFAULT_TLS_PORT,
    Hop,
    SocketAddress,
    Transport,
    is_host_address,
    is_numeric,
)
from sipcore.value import value

DEFAULT_PORTS = (DEFAULT_PORT, DEFAULT_TLS_PORT, 5080)
"""The ports of RFC 3261 §19.1.2, and the one where many PBXs listen when a second one stands beside them."""
DEFAULT_TRANSPORTS = (Transport.UDP, Transport.TCP, Transport.TLS)
"""What is tried at places that nobody names. WebSockets are tried where DNS names them, or somebody asks for them: what
they are for, browsers, is told where to go."""
WEBSOCKET_PORTS = {Transport.WS: (80, 8088), Transport.WSS: (443, 8089)}
"""The ports of RFC 7118 §5.2, and those that Asterisk's documentation made usual."""
MAX_PORTS = 16
"""Ports that one run tries on each address: it is no port scanner."""
MAX_SRV_TARGETS = 8
"""Targets followed of one SRV answer: no carrier publishes more, and a hostile zone may list thousands."""
MAX_ADDRESSES = 32
"""Addresses of one family that are looked at of one name: a hostile zone may list thousands of these, too."""
MAX_CANDIDATES = 96
"""Places that one run tries, all at once: ten addresses with the default ports and transports."""
MAX_GUESSED = 72
"""Those of them that nobody names: what DNS tells later finds room all the same."""

_FAMILIES = (RecordType.A, RecordType.AAAA)

Key = tuple[Transport, SocketAddress]
"""What makes a candidate the same as another one."""
Results = Mapping[Question, Result]


@value
class Scope:
    """Which ports and transports to try on each address; `follows_srv` is whether DNS may add ports of its own.

    `named` are the transports that are tried where DNS names a place for them.
    """

    ports: tuple[int, ...] = DEFAULT_PORTS
    transports: tuple[Transport, ...] = DEFAULT_TRANSPORTS
    follows_srv: bool = True
    named: tuple[Transport, ...] = tuple(Transport)

    @classmethod
    def of(cls, destination: Destination, ports: Iterable[int] = (), transports: Iterable[Transport] = ()) -> "Scope":
        """The scope for a destination. What `ports` and `transports` name comes first, then what the destination does.

        A sips URI leaves TLS only (RFC 3261 §26.2.2). A port that is given rules SRV out (RFC 3263 §4.2). Raises
        LocalError when nothing is left to try, or too much is asked for.
        """
        asked = tuple(dict.fromkeys(ports)) or ((destination.port,) if destination.port is not None else ())
        wanted = tuple(dict.fromkeys(transports))
        if not wanted and destination.transport is not None:
            wanted = (destination.transport,)
        # RFC 3263 §4.1: without a transport that is given, whatever DNS names is fine that is spoken here.
        wanted, named = wanted or DEFAULT_TRANSPORTS, wanted or tuple(Transport)
        if destination.secure:
            wanted = tuple(transport for transport in wanted if transport.secure)
            named = tuple(transport for transport in named if transport.secure)
        if not wanted:
            raise LocalError("a sips URI goes over TLS only", section="RFC 3261 §26.2.2")
        beyond = next((port for port in asked if not 1 <= port <= MAX_PORT), None)
        if beyond is not None:
            raise LocalError(f"{beyond} is no port; give one from 1 to {MAX_PORT}", section="RFC 3263 §4.2")
        if len(asked) > MAX_PORTS:
            raise LocalError(f"{len(asked)} ports are too many; give at most {MAX_PORTS}", section="RFC 3263 §4.2")
        return cls(asked or DEFAULT_PORTS, wanted, follows_srv=not asked, named=named)


@value
class Candidate:
    """A place to try, and the Request-URI to try it with. `hop.why` tells how it came up.

    `published` is whether DNS names this very place for the domain.
    """

    hop: Hop
    uri: SipUri
    published: bool = False

    @property
    def key(self) -> Key:
        """Transport and remote address."""
        return self.hop.transport, self.hop.remote


def candidates(destination: Destination, scope: Scope, results: Results) -> tuple[Candidate, ...]:
    """All that is worth trying, given the answers so far: what DNS names first, then the usual ports of each address.

    The same place comes once, with every reason for it.
    """
    found: dict[Key, Candidate] = {}
    published = [*_published(destination, scope, results), *_without_srv(destination, scope, results)]
    for candidate in [*published, *_usual(destination, scope, results)]:
        known = found.get(candidate.key)
        found[candidate.key] = _merged(known, candidate) if known else candidate
    return tuple(found.values())


def has_room(candidate: Candidate, tried: int) -> bool:
    """Whether one run may try a place more, beside as many that it tries already."""
    return tried < (MAX_CANDIDATES if candidate.published else MAX_GUESSED)


def is_without_records(host: str) -> bool:
    """Whether a name has no records of its own in DNS: one without a domain, or of this machine (RFC 6761 §6.3)."""
    return "." not in host or host.lower().endswith(".localhost")


def _services(host: str, scope: Scope, results: Results) -> list[tuple[Transport, Question]]:
    """Where SRV records stand: where NAPTR records say, then where they are looked for without any.

    RFC 3263 §4.1 has a client ask so for each transport that it speaks, and RFC 7118 §5.5 leaves that so for
    WebSockets: a domain that has such a record means somebody to go there.
    """
    if not scope.follows_srv or is_without_records(host):
        return []
    found = [
        (transport, normal(Question(RecordType.SRV, record.replacement)))
        for transport, record in _naptr_records(host, scope, results, "S")
    ]
    found += [(one, normal(Question(RecordType.SRV, f"{prefix}.{host}"))) for one, prefix in PREFIXES.items()]
    return [place for place in dict.fromkeys(found) if place[0] in scope.named]


def _naptr_records(host: str, scope: Scope, results: Results, flag: str) -> Iterable[tuple[Transport, Naptr]]:
    """The NAPTR records that lead to SRV ("S") or to addresses ("A"), and the transport that each is for."""
    if scope.follows_srv and not is_without_records(host):
        for record in leading(_records(results.get(normal(Question(RecordType.NAPTR, host))))):
            if isinstance(record, Naptr) and record.service.upper() in SERVICES and record.flags.upper() == flag:
                yield SERVICES[record.service.upper()], record


def _srv_records(result: Result | None) -> list[Srv]:
    """The SRV records of an answer, as RFC 2782 orders them but for its draw among equals: all of them are tried."""
    records = [record for record in _records(result) if isinstance(record, Srv)]
    return sorted(records, key=lambda record: (record.priority, -record.weight))[:MAX_SRV_TARGETS]


def _published(destination: Destination, scope: Scope, results: Results) -> Iterable[Candidate]:
    for transport, question in _services(destination.target.host, scope, results):
        for record in _srv_records(results.get(question)):
            if not _leads_somewhere(record):
                continue
            why = f"{question} {record.priority} {record.weight}, {record.target}"
            for host, _ in _addresses(record.target, results):
                hop = _hop(destination, transport, SocketAddress(host, record.port), why)
                # RFC 3263 changes where a request goes, not its Request-URI: the port that DNS told stays out of it.
                yield Candidate(hop, destination.uri(transport), published=True)


def _without_srv(destination: Destination, scope: Scope, results: Results) -> Iterable[Candidate]:
    """Where NAPTR records lead to addresses (RFC 3403 §4.1): the transport's own port there."""
    for transport, record in _naptr_records(destination.target.host, scope, results, "A"):
        why = f"NAPTR {record.order} {record.preference} {record.service}, {record.replacement}"
        for host, _ in _addresses(record.replacement, results) if transport in scope.named else ():
            hop = _hop(destination, transport, SocketAddress(host, transport.default_port), why)
            yield Candidate(hop, destination.uri(transport), published=True)


def _usual(destination: Destination, scope: Scope, results: Results) -> Iterable[Candidate]:
    """The usual ports of the destination's own addresses, and of those of the servers that DNS names for it."""
    for name in (destination.target.host, *_servers(destination, scope, results)):
        for host, source in _addresses(name, results):
            for port, transport in _places(scope):
                remote = SocketAddress(host, port)
                why = f"{source}, port {port} {'is usual' if scope.follows_srv else 'was given'}"
                yield Candidate(_hop(destination, transport, remote, why), destination.uri(transport, remote))


def _servers(destination: Destination, scope: Scope, results: Results) -> Iterable[str]:
    """The hosts that SRV records name, each once. A server of WebSockets alone need not be one of anything else."""
    services = [
        question
        for transport, question in _services(destination.target.host, scope, results)
        if not transport.websocket
    ]
    records = [record for question in services for record in _srv_records(results.get(question))]
    return dict.fromkeys(record.target for record in records if _leads_somewhere(record))


def _leads_somewhere(record: Srv) -> bool:
    """RFC 2782: "." says that the service is decidedly not available; port 0 leads nowhere, nor do some addresses."""
    return bool(record.target and record.port) and (not is_numeric(record.target) or is_host_address(record.target))


def _places(scope: Scope) -> Iterable[tuple[int, Transport]]:
    """The ports and transports to try on each address. WebSockets have usual ports of their own."""
    for port, transport in product(scope.ports, scope.transports):
        if not (scope.follows_srv and transport.websocket):
            yield port, transport
    for transport in scope.transports if scope.follows_srv else ():
        for port in WEBSOCKET_PORTS.get(transport, ()):
            yield port, transport


def _addresses(name: str, results: Results) -> list[tuple[str, str]]:
    """The addresses of a name that are known so far, each with where it comes from."""
    if is_numeric(name):
        return [(name, "the address was given")]
    found = []
    for question in (normal(Question(family, name)) for family in _FAMILIES):
        result = results.get(question)
        source = f"{question}{_told_by(result)}"
        records = [one for one in _records(result) if isinstance(one, Address) and is_host_address(one.host)]
        found += [(record.host, source) for record in records[:MAX_ADDRESSES]]
    return found


def _told_by(result: Result | None) -> str:
    if not isinstance(result, Answer) or result.source == "DNS":
        return ""
    return f" (of this host's {'hosts file' if result.source == 'hosts' else 'resolver'})"


def _records(result: Result | None) -> tuple[Record, ...]:
    return result.records if isinstance(result, Answer) else ()


def _hop(destination: Destination, transport: Transport, remote: SocketAddress, why: str) -> Hop:
    """RFC 5922 §7.3: the certificate is to carry the name that was asked for, whatever DNS led to.

    So is the Host that a WebSocket is opened at (RFC 6455 §4.1), and its path is the destination's.
    """
    named = transport.secure or transport.websocket
    path = destination.path if transport.websocket else ""
    return Hop(transport, remote, tls_name=destination.target.host if named else None, why=why, path=path)


def _merged(known: Candidate, other: Candidate) -> Candidate:
    if other.hop.why in known.hop.why:
        return known
    return replace(known, hop=replace(known.hop, why=f"{known.hop.why}; {other.hop.why}"))
