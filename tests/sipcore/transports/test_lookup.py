"""Asking DNS: a name server on the loopback that answers, or fails, as told."""

import errno
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest
import trio
import trio.testing
from dns.resolver import NoResolverConfiguration
from trio.testing import MockClock

from sipcore.resolve.records import Address, Answer, LookupFailure, LookupFault, Naptr, Question, RecordType, Srv
from sipcore.resolve.target import SocketAddress
from sipcore.transports import lookup
from sipcore.transports.base import socket_address
from sipcore.transports.lookup import Lookup, LookupConfig, read_hosts

A, AAAA, SRV, NAPTR = RecordType.A, RecordType.AAAA, RecordType.SRV, RecordType.NAPTR

ZONE = {
    ("sip.test.", "A"): ["192.0.2.1", "192.0.2.2"],
    ("sip.test.", "AAAA"): ["2001:db8::1"],
    ("_sip._udp.sip.test.", "SRV"): ["10 60 5070 one.sip.test.", "20 0 5060 ."],
    ("sip.test.", "NAPTR"): ['100 50 "s" "SIP+D2U" "" _sip._udp.sip.test.', '100 60 "u" "E2U+sip" "!^.*$!sip:x!" .'],
    ("xn--bcher-kva.test.", "A"): ["192.0.2.3"],
}
ALIASES = {"alias.test.": "sip.test."}


class Server:
    """A name server over UDP. `fault` is what it does instead of answering."""

    def __init__(self, sock: trio.socket.SocketType) -> None:
        self._socket = sock
        self.address = socket_address(sock.getsockname())
        self.asked: Counter[str] = Counter()
        self.fault: dns.rcode.Rcode | str | None = None

    async def run(self) -> None:
        while True:
            data, client = await self._socket.recvfrom(4096)
            query = dns.message.from_wire(data)
            (question,) = query.question
            name, kind = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
            self.asked[f"{kind} {name}"] += 1
            if self.fault == "silent":
                continue
            if self.fault == "garbage":
                await self._socket.sendto(data[:2] + b"\xff" * 40, client)
                continue
            await self._socket.sendto(self.respond(query, name, kind).to_wire(), client)

    def respond(self, query: dns.message.Message, name: str, kind: str) -> dns.message.Message:
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if self.fault == "old" and query.edns >= 0:
            response.use_edns(-1)
            response.set_rcode(dns.rcode.FORMERR)
            return response
        if isinstance(self.fault, dns.rcode.Rcode):
            response.set_rcode(self.fault)
            return response
        if self.fault == "truncated":
            response.flags |= dns.flags.TC
            return response
        if name in ALIASES:
            response.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", ALIASES[name]))
            name = ALIASES[name]
        if (name, kind) in ZONE:
            response.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *ZONE[name, kind]))
        elif all(known != name for known, _ in ZONE):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        await sock.bind(("127.0.0.1", 0))
        made = Server(sock)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.run)
            yield made
            nursery.cancel_scope.cancel()


def looking(server: Server, **options: object) -> Lookup:
    config = LookupConfig(nameservers=(server.address,), timeout=0.5, lifetime=1.0, hosts_file="", **options)  # type: ignore[arg-type]
    return Lookup(config)


@pytest.mark.parametrize(
    ("question", "records"),
    [
        (Question(A, "sip.test"), (Address("192.0.2.1"), Address("192.0.2.2"))),
        (Question(A, "SIP.test."), (Address("192.0.2.1"), Address("192.0.2.2"))),
        (Question(A, "alias.test"), (Address("192.0.2.1"), Address("192.0.2.2"))),
        (Question(AAAA, "sip.test"), (Address("2001:db8::1"),)),
        (Question(A, "bücher.test"), (Address("192.0.2.3"),)),
        (Question(SRV, "_sip._udp.sip.test"), (Srv(10, 60, 5070, "one.sip.test"), Srv(20, 0, 5060, ""))),
        (
            Question(NAPTR, "sip.test"),
            (
                Naptr(100, 50, "s", "SIP+D2U", "", "_sip._udp.sip.test"),
                Naptr(100, 60, "u", "E2U+sip", "!^.*$!sip:x!", ""),
            ),
        ),
    ],
)
async def test_records_become_values(server: Server, question: Question, records: tuple[object, ...]) -> None:
    answer = await looking(server).ask(question)
    assert isinstance(answer, Answer)
    assert sorted(answer.records, key=str) == sorted(records, key=str)
    assert answer.question == question
    assert answer.source == "DNS"
    assert 50 < answer.ttl <= 60


@pytest.mark.parametrize(
    ("fault", "question", "expected", "words"),
    [
        (None, Question(A, "gone.test"), LookupFault.NXDOMAIN, ""),
        (None, Question(SRV, "sip.test"), LookupFault.NODATA, ""),
        (None, Question(AAAA, "xn--bcher-kva.test"), LookupFault.NODATA, ""),
        (dns.rcode.SERVFAIL, Question(A, "sip.test"), LookupFault.SERVFAIL, ": SERVFAIL"),
        (dns.rcode.REFUSED, Question(A, "sip.test"), LookupFault.REFUSED, ": REFUSED"),
        ("truncated", Question(A, "sip.test"), LookupFault.TRUNCATED, "efused"),  # and nothing listens on TCP
        (None, Question(A, "a." * 200 + "test"), LookupFault.INVALID_NAME, "255"),
        (None, Question(A, "a" * 80 + ".test"), LookupFault.INVALID_NAME, "63"),
        (None, Question(A, "a..test"), LookupFault.INVALID_NAME, "empty"),
        (None, Question(A, "b\u00fc" * 80), LookupFault.INVALID_NAME, ""),
    ],
)
async def test_faults_are_told_apart(
    server: Server, fault: dns.rcode.Rcode | str | None, question: Question, expected: LookupFault, words: str
) -> None:
    server.fault = fault
    failure = await looking(server).ask(question)
    assert isinstance(failure, LookupFailure)
    assert failure.fault is expected
    assert words in failure.detail
    assert failure.question == question


@pytest.mark.parametrize("fault", ["silent", "garbage"])
async def test_silence_times_out(server: Server, fault: str) -> None:
    server.fault = fault
    config = LookupConfig(nameservers=(server.address,), timeout=0.05, lifetime=0.1, hosts_file="")
    failure = await Lookup(config).ask(Question(A, "sip.test"))
    assert isinstance(failure, LookupFailure)
    assert failure.fault in (LookupFault.TIMED_OUT, LookupFault.UNREACHABLE)
    if fault == "silent":
        assert str(failure) == "A sip.test: no name server answered (within 0.1 s)"


async def test_nobody_there() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        nowhere = socket_address(sock.getsockname())
    config = LookupConfig(nameservers=(nowhere,), timeout=0.05, lifetime=0.1, hosts_file="")
    failure = await Lookup(config).ask(Question(A, "sip.test"))
    assert isinstance(failure, LookupFailure)
    assert failure.fault in (LookupFault.UNREACHABLE, LookupFault.TIMED_OUT)


async def test_nobody_to_be_reached() -> None:
    config = LookupConfig(nameservers=(SocketAddress("255.255.255.255", 53),), hosts_file="")
    failure = await Lookup(config).ask(Question(A, "sip.test"))
    assert isinstance(failure, LookupFailure)
    assert failure.fault is LookupFault.UNREACHABLE
    assert "255.255.255.255" in failure.detail


async def test_the_second_name_server_is_asked_when_the_first_fails(server: Server) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        nowhere = socket_address(sock.getsockname())
    config = LookupConfig(nameservers=(nowhere, server.address), timeout=0.05, lifetime=1.0, hosts_file="")
    assert isinstance(await Lookup(config).ask(Question(A, "sip.test")), Answer)


async def test_no_name_server_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(config: LookupConfig) -> None:
        raise NoResolverConfiguration

    monkeypatch.setattr(lookup, "_make_resolver", fail)
    failure = await Lookup(LookupConfig(hosts_file="")).ask(Question(SRV, "sip.test"))
    assert isinstance(failure, LookupFailure)
    assert failure.fault is LookupFault.UNREACHABLE


async def test_the_systems_resolvers_are_used_where_none_are_given() -> None:
    resolver = lookup._make_resolver(LookupConfig())
    assert resolver.nameservers


@pytest.mark.parametrize(("cache_size", "asked"), [(1000, 1), (0, 2)])
async def test_answers_are_kept_for_their_ttl(server: Server, cache_size: int, asked: int) -> None:
    looked = looking(server, cache_size=cache_size)
    for _ in range(2):
        assert isinstance(await looked.ask(Question(A, "sip.test")), Answer)
    assert server.asked["A sip.test."] == asked


def told(name: str, ttl: int | None, *, exists: bool = True) -> dns.resolver.Answer:
    """What is said of a name that has an address, or by an SOA, if there is a `ttl`, of one that has none."""
    query = dns.message.make_query(name, "A")
    response = dns.message.make_response(query)
    if exists:
        response.answer.append(dns.rrset.from_text(name, ttl or 0, "IN", "A", "192.0.2.1"))
    elif ttl is not None:
        soa = f"ns.{name} root.{name} 1 2 3 4 {ttl}"
        response.authority.append(dns.rrset.from_text(name, ttl, "IN", "SOA", soa))
    question = query.question[0]
    read = dns.message.from_wire(response.to_wire())
    assert isinstance(read, dns.message.QueryMessage)
    return dns.resolver.Answer(question.name, question.rdtype, question.rdclass, read)


@pytest.mark.parametrize(
    ("ttl", "exists", "kept"),
    [
        (60, True, 60),
        (0, True, 0),
        (2**31 - 1, True, lookup.MAX_TTL),
        (60, False, 60),
        (2**31 - 1, False, lookup.MAX_NEGATIVE_TTL),
        (None, False, lookup.MAX_UNTIMED_TTL),
    ],
)
async def test_nothing_is_kept_for_ever(ttl: int | None, exists: bool, kept: float, autojump_clock: MockClock) -> None:
    """Nor for as long as the wall clock was set back, which is not looked at."""
    answer = told("a.test.", ttl, exists=exists)
    if ttl is None:
        answer.expiration += 2**32  # as dnspython has it before 2.9
    key = (answer.qname, answer.rdtype, answer.rdclass)
    cache = lookup._Cache(10)
    cache.put(key, answer)
    if kept:
        await trio.sleep(kept - 1)
        assert cache.get(key) is answer
    await trio.sleep(2)
    assert cache.get(key) is None


async def test_what_was_not_asked_for_longest_makes_room() -> None:
    cache = lookup._Cache(2)
    answers = [told(f"{letter}.test.", 60) for letter in "abc"]
    keys = [(answer.qname, answer.rdtype, answer.rdclass) for answer in answers]
    for key, answer in list(zip(keys, answers, strict=True))[:2]:
        cache.put(key, answer)
    assert cache.get(keys[0]) is answers[0]
    cache.put(keys[2], answers[2])
    assert [cache.get(key) is not None for key in keys] == [True, False, True]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (Question(A, "192.0.2.9"), "192.0.2.9"),
        (Question(AAAA, "192.0.2.9"), None),
        (Question(AAAA, "2001:db8::9"), "2001:db8::9"),
        (Question(A, "localhost"), "127.0.0.1"),
        (Question(AAAA, "LocalHost."), "::1"),
        (Question(A, "pbx.localhost"), "127.0.0.1"),
        (Question(NAPTR, "localhost"), None),
        (Question(SRV, "_sip._udp.LOCALHOST."), None),
        (Question(SRV, "_sips._tcp.pbx.localhost"), None),
    ],
)
async def test_some_names_need_no_dns(server: Server, question: Question, expected: str | None) -> None:
    result = await looking(server).ask(question)
    if expected is None:
        assert result == LookupFailure(question, LookupFault.NODATA)
    else:
        assert result == Answer(question, (Address(expected),), source="hosts")
    assert not server.asked


async def test_a_hosts_file_comes_first(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("198.51.100.1 sip.test pbx.lan\n")
    looked = Lookup(LookupConfig(nameservers=(server.address,), hosts_file=str(path)))
    question = Question(A, "SIP.test")
    assert await looked.ask(question) == Answer(question, (Address("198.51.100.1"),), source="hosts")
    # Whoever writes a name there means it: DNS is not asked for the other family.
    assert isinstance(await looked.ask(Question(AAAA, "sip.test")), LookupFailure)
    assert not server.asked
    assert isinstance(await looked.ask(Question(SRV, "_sip._udp.sip.test")), Answer)


async def test_files_of_the_system_are_read_again_when_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs for weeks is moved to another network; nobody listens at these name servers."""
    hosts, resolvers = tmp_path / "hosts", tmp_path / "resolv.conf"
    monkeypatch.setattr(lookup, "RESOLVERS_FILE", str(resolvers))
    looked = Lookup(LookupConfig(timeout=0.05, lifetime=0.2, hosts_file=str(hosts)))
    for number in (5, 17):
        hosts.write_text(f"198.51.100.{number} sip.test\n")
        resolvers.write_text(f"nameserver 127.0.0.{number}\n")
        assert await looked.ask(Question(A, "sip.test")) == Answer(
            Question(A, "sip.test"), (Address(f"198.51.100.{number}"),), source="hosts"
        )
        assert isinstance(await looked.ask(Question(SRV, "_sip._udp.sip.test")), LookupFailure)
        assert looked._resolver is not None
        assert looked._resolver.nameservers == [f"127.0.0.{number}"]
    hosts.unlink()
    assert isinstance(await looked.ask(Question(A, "sip.test")), LookupFailure)


@pytest.mark.parametrize(
    "text",
    [
        b"nameserver 127.0.0.\nnameserver 127.0.0.5\n",  # half written, say
        b"nameserver\nnameserver 127.0.0.5",
        b"# caf\xe9\nnameserver 127.0.0.5\n",
        b"search a..b " + b"c" * 64 + b"\ndomain .d\nnameserver 127.0.0.5 # first\noptions timeout:x ndots: rotate\n",
    ],
)
def test_what_cannot_be_read_of_resolv_conf_is_passed_over(
    text: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the system does."""
    path = tmp_path / "resolv.conf"
    path.write_bytes(text)
    monkeypatch.setattr(lookup, "RESOLVERS_FILE", str(path))
    assert lookup._make_resolver(LookupConfig()).nameservers == ["127.0.0.5"]


@pytest.mark.parametrize("text", [None, "", "nameserver 127.0.0.", "search lan"])
async def test_nobody_to_be_asked(text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "resolv.conf"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(lookup, "RESOLVERS_FILE", str(path))
    looked, question = Lookup(LookupConfig(timeout=0.05, lifetime=0.2, hosts_file="")), Question(SRV, "sip.test")
    expected = LookupFailure(question, LookupFault.UNREACHABLE, "no name server is configured")
    assert [await looked.ask(question), await looked.ask(question)] == [expected, expected]
    path.write_text("nameserver 127.0.0.5\n")
    assert await looked.ask(question) != expected


async def test_a_hosts_file_that_cannot_be_read_for_now_is_read_later(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise OSError(errno.EMFILE, "as told")

    path = tmp_path / "hosts"
    looked = Lookup(LookupConfig(nameservers=(server.address,), hosts_file=str(path)))
    question = Question(A, "pbx.lan")
    for host in ("198.51.100.1", "198.51.100.22"):
        path.write_text(f"{host} pbx.lan\n")
        before = looked._hosts.get("pbx.lan")
        with monkeypatch.context() as patched:
            patched.setattr(Path, "read_text", refuse)
            await looked.ask(question)
            assert looked._hosts.get("pbx.lan") == before
        assert await looked.ask(question) == Answer(question, (Address(host),), source="hosts")


def test_reading_a_hosts_file(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_bytes(b"""# comment
127.0.0.1 localhost
192.0.2.1\tone.test ONE.lan. # the first
192.0.2.2 one.test
192.0.2.2 one.test
2001:db8::1 one.test
not-an-address two.test
192.0.2.3
\xff\xfe
""")
    hosts = read_hosts(str(path))
    assert hosts["one.test"] == ("192.0.2.1", "192.0.2.2", "2001:db8::1")
    assert hosts["one.lan"] == ("192.0.2.1",)
    assert "two.test" not in hosts
    assert read_hosts(str(tmp_path / "missing")) == {}
    assert read_hosts("") == {}


def answering(*hosts: str) -> Callable[..., object]:
    async def getaddrinfo(name: str, *arguments: object, **options: object) -> list[tuple[object, ...]]:
        await trio.lowlevel.checkpoint()
        if not hosts:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(socket.AF_INET, socket.SOCK_DGRAM, 0, "", (host, 0)) for host in hosts]

    return getaddrinfo


@pytest.mark.parametrize(
    ("name", "hosts", "expected"),
    [
        ("asterisk", ("192.0.2.7", "192.0.2.7"), ("192.0.2.7",)),
        ("printer.local", ("192.0.2.8",), ("192.0.2.8",)),
        ("asterisk", (), None),
        ("gone.test", ("192.0.2.9",), None),
    ],
)
async def test_the_system_may_know_names_that_dns_does_not(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    hosts: tuple[str, ...],
    expected: tuple[str, ...] | None,
) -> None:
    resolver = lookup._make_resolver(LookupConfig(nameservers=(server.address,)))
    monkeypatch.setattr(lookup, "_make_resolver", lambda _: resolver)
    monkeypatch.setattr(trio.socket, "getaddrinfo", answering(*hosts))
    question = Question(A, name)
    result = await Lookup(LookupConfig(hosts_file="")).ask(question)
    if expected is None:
        assert result == LookupFailure(question, LookupFault.NXDOMAIN)
    else:
        assert result == Answer(question, tuple(map(Address, expected)), source="system")


async def test_asking_can_be_cancelled(server: Server, autojump_clock: MockClock) -> None:
    server.fault = "silent"
    with trio.move_on_after(0.01) as scope:
        await looking(server).ask(Question(A, "sip.test"))
    assert scope.cancelled_caught


async def test_what_is_being_asked_is_asked_once(server: Server) -> None:
    looked, results = looking(server, cache_size=0), []

    async def ask(question: Question) -> None:
        results.append(await looked.ask(question))

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(ask, Question(A, "sip.test"))
            nursery.start_soon(ask, Question(AAAA, "sip.test"))
    assert server.asked == {"A sip.test.": 1, "AAAA sip.test.": 1}
    assert len(results) == 100
    assert set(results) == {result for result in results if isinstance(result, Answer)}
    await ask(Question(A, "sip.test"))
    assert server.asked["A sip.test."] == 2


async def test_who_is_cancelled_does_not_fail_the_others(server: Server) -> None:
    looked, results = looking(server), []
    server.fault = "silent"

    async def ask(scope: trio.CancelScope) -> None:
        with scope:
            results.append(await looked.ask(Question(A, "sip.test")))

    first, *others = [trio.CancelScope() for _ in range(3)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, first)
        while not server.asked:
            await trio.lowlevel.checkpoint()
        for scope in others:
            nursery.start_soon(ask, scope)
        await trio.testing.wait_all_tasks_blocked()
        server.fault = None
        first.cancel()
    assert first.cancelled_caught
    assert [type(result) for result in results] == [Answer, Answer]
    assert server.asked["A sip.test."] == 2


async def test_so_many_questions_are_asked_at_once(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    under_way, most = 0, 0

    async def answer(question: Question) -> LookupFailure:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await trio.sleep(1)
        under_way -= 1
        return LookupFailure(question, LookupFault.NXDOMAIN)

    looked = Lookup(LookupConfig(hosts_file=""))
    monkeypatch.setattr(looked, "_resolve", answer)
    async with trio.open_nursery() as nursery:
        for number in range(3 * lookup.MAX_QUESTIONS):
            nursery.start_soon(looked.ask, Question(SRV, f"{number}.test"))
    assert most == lookup.MAX_QUESTIONS
    assert trio.current_time() == pytest.approx(3, abs=0.01)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS])
async def test_a_machine_that_cannot_ask_has_no_answer(
    server: Server, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise OSError(code, "as told")

    monkeypatch.setattr("dns._trio_backend.Backend.make_socket", refuse)
    question = Question(SRV, "_sip._udp.sip.test")
    assert await looking(server).ask(question) == LookupFailure(question, LookupFault.NOT_ASKED, "as told")


async def test_nor_has_one_that_cannot_load_what_asks(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Question) -> None:
        raise OSError(errno.EMFILE, "as told")

    looked = looking(server)
    monkeypatch.setattr(looked, "_resolve", refuse)
    question = Question(SRV, "_sip._udp.sip.test")
    assert await looked.ask(question) == LookupFailure(question, LookupFault.NOT_ASKED, "as told")


async def test_nor_has_one_that_cannot_read_whom_to_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 127.0.0.5\n")
    monkeypatch.setattr(lookup, "RESOLVERS_FILE", str(path))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "as told")

    monkeypatch.setattr(Path, "read_text", refuse)
    question = Question(SRV, "_sip._udp.sip.test")
    result = await Lookup(LookupConfig(hosts_file="")).ask(question)
    assert result == LookupFailure(question, LookupFault.NOT_ASKED, "as told")


def test_what_is_not_asked_for_is_passed_over() -> None:
    rrset = dns.rrset.from_text("a.test.", 60, "IN", "TXT", "text")
    assert lookup._record(rrset[0]) is None


def test_a_name_server_on_another_port() -> None:
    config = LookupConfig(nameservers=(SocketAddress("192.0.2.53", 5353),))
    (nameserver,) = lookup._make_resolver(config).nameservers
    assert "5353" in str(nameserver)


async def test_a_name_server_without_edns_is_asked_without_it(server: Server) -> None:
    server.fault = "old"
    lookup = looking(server)
    result = await lookup.ask(Question(A, "sip.test"))
    assert isinstance(result, Answer)
    assert set(result.records) == {Address("192.0.2.1"), Address("192.0.2.2")}
    await lookup.ask(Question(AAAA, "sip.test"))
    assert server.asked == {"A sip.test.": 2, "AAAA sip.test.": 1}  # the second time it is known


async def test_questions_on_their_way_are_asked_again_without_edns_too(server: Server) -> None:
    server.fault = "old"
    lookup = looking(server)
    results: list[object] = []

    async def ask(question: Question) -> None:
        results.append(await lookup.ask(question))

    async with trio.open_nursery() as nursery:
        for question in (Question(A, "sip.test"), Question(AAAA, "sip.test"), Question(SRV, "_sip._udp.sip.test")):
            nursery.start_soon(ask, question)
    assert all(isinstance(result, Answer) for result in results), results
