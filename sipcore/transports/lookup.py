"""Asking DNS: the questions of `resolve.plan` become values, by dnspython on trio. RFC 1035, RFC 2308, RFC 6761 §6.3.

What there is no need to ask is not asked: addresses, anything of `localhost`, addresses of names in the hosts file, and
what is being asked already. dnspython is loaded with the first question, since it takes a twentieth of a second.
"""

import io
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from sipcore.errors import require_counts, require_times
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
from sipcore.resolve.target import SocketAddress, is_numeric
from sipcore.transports.base import EXHAUSTED
from sipcore.value import value

if TYPE_CHECKING:
    import dns.asyncresolver
    import dns.name
    import dns.rdata
    import dns.resolver

EDNS_PAYLOAD = 1232
"""Bytes of UDP answer asked for: what fits into an IPv6 packet that nobody has to fragment."""
MAX_QUESTIONS = 64
"""Questions that are asked at the same time, a socket each; the others wait for their turn, so that a burst of requests
leaves descriptors for what is to be sent."""
MAX_TTL = 7 * 86400.0
"""Seconds for which an answer is kept at most, whatever it says (RFC 8767 §4)."""
MAX_NEGATIVE_TTL = 3 * 3600.0
"""The same for an answer that there is nothing (RFC 2308 §5)."""
MAX_UNTIMED_TTL = 300.0
"""The same where it does not say for how long, by an SOA record: RFC 2308 §5 would have it kept not at all, which keeps
two name servers from telling each other for ever, and costs whoever asks them before each request."""
RESOLVERS_FILE = "/etc/resolv.conf"
"""Where the system says who is to be asked; dnspython knows what takes its place on Windows."""
LOOPBACK = ("127.0.0.1", "::1")
"""What `localhost` and the names below it are, whatever DNS says (RFC 6761 §6.3)."""
_ADDRESSES = (RecordType.A, RecordType.AAAA)


@value
class LookupConfig:
    """How DNS is asked. Times are in seconds. Raises LocalError for times and sizes that are none."""

    nameservers: tuple[SocketAddress, ...] = ()
    """Whom to ask; empty for the system's resolvers."""
    timeout: float = 2.0
    """How long one name server may take before the next is asked."""
    lifetime: float = 6.0
    """How long one question may take in all, once it is its turn."""
    cache_size: int = 1000
    """Answers kept for as long as their TTL allows, negative ones included (RFC 2308); 0 keeps none."""
    hosts_file: str = "/etc/hosts"
    """Names that are known without DNS; empty for none."""

    def __post_init__(self) -> None:
        require_times(self, "timeout", "lifetime")
        require_counts(self, "cache_size")


class _Asked:
    """A question that is being asked, and who waits for its result: None is that of a task that was cancelled."""

    def __init__(self) -> None:
        self.done = trio.Event()
        self.result: Result | None = None


class Lookup:
    """Answers questions. It keeps nothing open between them."""

    def __init__(self, config: LookupConfig | None = None) -> None:
        self._config = config or LookupConfig()
        self._resolver: dns.asyncresolver.Resolver | None = None
        self._resolver_file = _Watched("" if self._config.nameservers else RESOLVERS_FILE)
        self._hosts: dict[str, tuple[str, ...]] = {}
        self._hosts_file = _Watched(self._config.hosts_file)
        self._asked: dict[Question, _Asked] = {}
        self._turns = trio.Semaphore(MAX_QUESTIONS)

    async def ask(self, question: Question) -> Result:
        """The records for a question, or why there are none. Raises nothing but cancellation.

        Whoever asks what is being asked already gets the same result; if who asked is cancelled, one of the others asks
        anew.
        """
        known = self._known(question)
        if known is not None:
            found = tuple(Address(host) for host in known if (":" in host) is (question.type is RecordType.AAAA))
            return Answer(question, found, source="hosts") if found else LookupFailure(question, LookupFault.NODATA)
        while (asked := self._asked.get(question)) is not None:
            await asked.done.wait()
            if asked.result is not None:
                return asked.result
        asked = self._asked[question] = _Asked()
        try:
            async with self._turns:
                asked.result = await self._ask(question)
        finally:
            del self._asked[question]
            asked.done.set()
        return asked.result

    def _known(self, question: Question) -> tuple[str, ...] | None:
        """The addresses, of both families, of a name that needs no DNS; none where it is known to have nothing else."""
        is_address = question.type in _ADDRESSES
        name = question.name.rstrip(".").lower()
        if name == "localhost" or name.endswith(".localhost"):
            return LOOPBACK if is_address else ()
        if not is_address:
            return None
        if is_numeric(name):
            return (name,)
        if self._hosts_file.has_changed():
            try:
                self._hosts = _hosts_in(_text_of(self._config.hosts_file))
            except OSError:  # until it can be read again, what it said before is the best that is known
                self._hosts_file.forget()
        return self._hosts.get(name)

    async def _ask(self, question: Question) -> Result:
        """Ask DNS, or the system where that may know better."""
        result = await self._ask_dns(question)
        if isinstance(result, LookupFailure) and self._is_for_system(result):
            return await _ask_system(question) or result
        return result

    def _is_for_system(self, failure: LookupFailure) -> bool:
        """Whether the system's own resolver may know better: it has search domains, multicast DNS and the like."""
        name = failure.question.name.rstrip(".").lower()
        return (
            failure.fault in (LookupFault.NXDOMAIN, LookupFault.NODATA)
            and failure.question.type in _ADDRESSES
            and not self._config.nameservers
            and ("." not in name or name.endswith(".local"))
        )

    async def _ask_dns(self, question: Question) -> Result:
        # dnspython pauses after each round, the last one too: it would take up to two seconds more than it may.
        with trio.move_on_after(self._config.lifetime):
            try:
                return await self._resolve(question)
            except OSError as error:  # with no descriptor left, not even dnspython can be loaded
                return LookupFailure(question, LookupFault.NOT_ASKED, error.strerror or str(error))
        return self._timed_out(question)

    async def _resolve(self, question: Question) -> Result:
        import dns.asyncbackend
        import dns.exception
        import dns.resolver

        # Named, because dnspython remembers the first one that any part of the process was seen to use.
        backend = dns.asyncbackend.get_backend("trio")
        try:
            if self._resolver_file.has_changed():
                self._resolver = None
            if self._resolver is None:
                self._resolver = _make_resolver(self._config)
            answer = await self._resolver.resolve(question.name, question.type.value, search=False, backend=backend)
        except dns.resolver.NXDOMAIN:
            return LookupFailure(question, LookupFault.NXDOMAIN)
        except dns.resolver.NoAnswer:
            return LookupFailure(question, LookupFault.NODATA)
        except dns.resolver.NoNameservers as error:
            if self._resolver is not None and _refuse_edns(error):
                self._resolver.use_edns(-1)
                return await self._resolve(question)
            return _no_nameservers(question, error)
        except dns.resolver.NoResolverConfiguration:
            return LookupFailure(question, LookupFault.UNREACHABLE, "no name server is configured")
        except dns.exception.Timeout:
            return self._timed_out(question)
        except (dns.exception.DNSException, UnicodeError) as error:
            return LookupFailure(question, LookupFault.INVALID_NAME, str(error))
        return _read(question, answer)

    def _timed_out(self, question: Question) -> LookupFailure:
        return LookupFailure(question, LookupFault.TIMED_OUT, f"within {self._config.lifetime:g} s")


def _make_resolver(config: LookupConfig) -> "dns.asyncresolver.Resolver":
    import dns.asyncresolver
    import dns.nameserver
    import dns.resolver

    resolver = dns.asyncresolver.Resolver(configure=False) if config.nameservers else system_resolver()
    if config.nameservers:
        ask = dns.nameserver.Do53Nameserver
        resolver.nameservers = [ask(server.host, server.port) for server in config.nameservers]
    resolver.timeout = config.timeout
    resolver.lifetime = config.lifetime
    resolver.use_edns(0, 0, EDNS_PAYLOAD)
    if config.cache_size:
        resolver.cache = _Cache(config.cache_size)
    return resolver


def system_resolver() -> "dns.asyncresolver.Resolver":
    """A resolver that asks as the system is configured.

    Raises NoResolverConfiguration where it names nobody, and OSError where there is nothing left to read that with.
    """
    import dns.asyncresolver

    # Read here, since dnspython reads text of one encoding only, and raises for a line that says nothing to it.
    usable = [line for line in _text_of(RESOLVERS_FILE).splitlines() if _is_usable(line)]
    return dns.asyncresolver.Resolver(io.StringIO("\n".join(usable)))


def _is_usable(line: str) -> bool:
    """Whether a line of /etc/resolv.conf says something that is needed here, and can be understood. As the system does,
    the others are passed over: one may be half written.
    """
    match line.split():
        case ["nameserver", host, *_]:
            return is_numeric(host)
        case ["options", *_]:
            return True
    return False


class _Watched:
    """A file of the system's that may be written anew at any time, as by DHCP: whoever runs for weeks notices."""

    def __init__(self, path: str) -> None:
        """Take the path; empty for none."""
        self._path = Path(path) if path else None
        self._seen: tuple[int, ...] | None = ()  # as no file has it

    def has_changed(self) -> bool:
        """Whether the file is another one than when this was asked before; the first time it is."""
        before, self._seen = self._seen, None
        with suppress(OSError):
            found = self._path.stat() if self._path is not None else None
            self._seen = (found.st_mtime_ns, found.st_size, found.st_ino) if found is not None else None
        return self._seen != before

    def forget(self) -> None:
        """Take it for changed when that is asked next."""
        self._seen = ()


class _Cache:
    """Answers for as long as they say, within limits; what was not asked for longest goes where there is no room.

    It goes by trio's clock: when the wall clock is set back, what is kept by that stays for as much longer.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: dict[dns.resolver.CacheKey, tuple[dns.resolver.Answer, float]] = {}

    def get(self, key: "dns.resolver.CacheKey") -> "dns.resolver.Answer | None":
        """The answer, as long as it is good."""
        answer, until = self._kept.pop(key, (None, 0.0))
        if answer is None or until <= trio.current_time():
            return None
        self._kept[key] = answer, until
        return answer

    def put(self, key: "dns.resolver.CacheKey", answer: "dns.resolver.Answer") -> None:
        """Keep an answer that has just come."""
        self._kept.pop(key, None)
        while len(self._kept) >= self._size:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = answer, trio.current_time() + min(answer.expiration - time.time(), _longest(answer))


def _longest(answer: "dns.resolver.Answer") -> float:
    """Seconds for which an answer is kept at most."""
    if answer.rrset is not None:
        return MAX_TTL
    from dns.rdatatype import SOA

    is_timed = any(rrset.rdtype == SOA for rrset in answer.response.authority)
    return MAX_NEGATIVE_TTL if is_timed else MAX_UNTIMED_TTL


def _refuse_edns(error: "dns.resolver.NoNameservers") -> bool:
    """Whether an old name server does not understand the extension that this query had, as each has at first (RFC 6891
    §7). Others may be on their way, with it too, when it is left out of all that follow.
    """
    heard = [got for *_, got in error.kwargs["errors"] if got is not None]
    return error.kwargs["request"].edns >= 0 and any(map(refuses_edns, heard))


def refuses_edns(answered: "dns.message.Message") -> bool:
    """Whether the answer to a query with the extension says that it is not understood (RFC 6891 §7)."""
    import dns.rcode

    return answered.edns < 0 and answered.rcode() in (dns.rcode.FORMERR, dns.rcode.NOTIMP)


def _no_nameservers(question: Question, error: "dns.resolver.NoNameservers") -> LookupFailure:
    """Why every name server failed: by the last one that said something."""
    import dns.message

    errors = error.kwargs["errors"]
    causes = [
        (str(server).removeprefix("Do53:"), str(cause) or type(cause).__name__) for server, *_, cause, _ in errors
    ]
    local = next((cause for *_, cause, _ in errors if isinstance(cause, OSError) and cause.errno in EXHAUSTED), None)
    if local is not None:
        return LookupFailure(question, LookupFault.NOT_ASKED, local.strerror or str(local))
    detail = "; ".join(f"{server}: {cause}" for server, cause in causes)
    if any(isinstance(cause, dns.message.Truncated) for *_, cause, _ in errors[-2:]):
        return LookupFailure(question, LookupFault.TRUNCATED, detail)  # the last thing tried was TCP (RFC 7766 §5)
    said = [str(cause) for *_, cause, got in errors if got is not None]
    if not said:
        return LookupFailure(question, LookupFault.UNREACHABLE, detail)
    return LookupFailure(question, LookupFault.REFUSED if said[-1] == "REFUSED" else LookupFault.SERVFAIL, detail)


def _read(question: Question, answer: "dns.resolver.Answer") -> Answer:
    records = [_record(data) for data in answer.rrset or ()]
    found = tuple(record for record in records if record is not None)
    return Answer(question, found, ttl=max(0.0, answer.expiration - time.time()))


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


async def _ask_system(question: Question) -> Answer | None:
    """What the system's own resolver says to a question for addresses."""
    family = socket.AF_INET6 if question.type is RecordType.AAAA else socket.AF_INET
    try:
        found = await trio.socket.getaddrinfo(question.name, None, family=family, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return None
    hosts = dict.fromkeys(str(entry[4][0]) for entry in found)
    return Answer(question, tuple(Address(host) for host in hosts), source="system")


def read_hosts(path: str) -> dict[str, tuple[str, ...]]:
    """The addresses of each name in a hosts file, in its order; nothing where the file cannot be read."""
    with suppress(OSError):
        return _hosts_in(_text_of(path))
    return {}


def _text_of(path: str) -> str:
    """What is in a file of the system's; empty where there is none, or it is not for this process.

    Raises OSError where there is nothing left to read it with.
    """
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace") if path else ""
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        return ""


def _hosts_in(text: str) -> dict[str, tuple[str, ...]]:
    hosts: dict[str, list[str]] = {}
    for line in text.splitlines():
        host, *names = line.partition("#")[0].split() or [""]
        if is_numeric(host):
            for name in names:
                hosts.setdefault(name.rstrip(".").lower(), []).append(host)
    return {name: tuple(dict.fromkeys(found)) for name, found in hosts.items()}
