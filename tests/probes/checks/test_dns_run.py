"""The DNS ladder carried out: datagrams, TCP, retries, and whatever comes back, against sockets of this process."""

import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from probes.checks.dns.plan import MAX_QUERIES, REPEAT, DnsQuestion, Plan, Query, Reply, act
from probes.checks.dns.run import DnsReportConfig, DnsSockets, read_message, read_reply, report_dns, system_resolvers
from probes.destination import Destination, DestinationError
from sipcore.errors import LocalError
from sipcore.resolve.records import Address, LookupFault, Naptr, Question, Record, RecordType, Srv
from sipcore.resolve.target import SocketAddress
from sipcore.transports.base import socket_address
from tests.machine import HOST6, needs_ipv6
from tests.probes.discovery.network import free_port

A = Question(RecordType.A, "example.com")
HOST = "127.0.0.1"
Answers = Callable[[dns.message.Message], Sequence[bytes]]
"""The datagrams to send for a query."""


def answer(query: dns.message.Message, *records: str, rcode: int = 0, flags: int = 0) -> dns.message.Message:
    """An answer with records as zone files have them, their names in full."""
    made = dns.message.make_response(query)
    made.set_rcode(dns.rcode.Rcode(rcode))
    made.flags |= flags
    for record in records:
        name, ttl, kind, data = record.split(" ", 3)
        made.answer.append(dns.rrset.from_text(name, int(ttl), "IN", kind, data))
    return made


async def both_sockets(host: str) -> tuple[trio.socket.SocketType, trio.SocketListener]:
    """A socket for datagrams and a listener at one port: at another one where somebody has the first already."""
    family = trio.socket.AF_INET6 if ":" in host else trio.socket.AF_INET
    while True:
        (listener,) = await trio.open_tcp_listeners(0, host=host)
        sock = trio.socket.socket(family, trio.socket.SOCK_DGRAM)
        try:
            await sock.bind((host, listener.socket.getsockname()[1]))
        except OSError:
            sock.close()
            listener.socket.close()
            continue
        return sock, listener


@asynccontextmanager
async def resolver(answers: Answers, tcp: bytes | None = None, host: str = HOST) -> AsyncIterator[SocketAddress]:
    """A resolver: by UDP it says what `answers` makes, by TCP always `tcp`, the ID put in; None for no TCP."""
    sock, listener = await both_sockets(host)
    with sock, listener.socket:
        address = socket_address(sock.getsockname())
        if tcp is None:
            listener.socket.close()

        async def serve() -> None:
            while True:
                wire, client = await sock.recvfrom(65535)
                with suppress(dns.exception.DNSException):  # a stray datagram, of whoever had this port before
                    for datagram in answers(dns.message.from_wire(wire)):
                        await sock.sendto(datagram, client)

        async def serve_stream(stream: trio.SocketStream) -> None:
            async with stream:
                asked = await stream.receive_some(512)
                await stream.send_all((tcp or b"").replace(b"ID", asked[2:4], 1))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            if tcp is not None:
                nursery.start_soon(trio.serve_listeners, serve_stream, [listener])
            yield address
            nursery.cancel_scope.cancel()


async def ask(server: SocketAddress, question: Question = A, timeout: float = 5.0) -> Reply:  # noqa: ASYNC109
    """One reply of a server to one question."""
    whole = DnsQuestion(Destination.parse("example.com"), (server,), timeout)
    (reply,) = await DnsSockets().carry_out(whole, lambda _: [Query(question, server)])
    return reply


@pytest.mark.parametrize(
    ("question", "records", "expected"),
    [
        (
            A,
            ["example.com. 60 A 192.0.2.1", "example.com. 60 A 192.0.2.2"],
            {Address("192.0.2.1"), Address("192.0.2.2")},
        ),
        (Question(RecordType.AAAA, "example.com"), ["example.com. 60 AAAA 2001:DB8::1"], {Address("2001:db8::1")}),
        (Question(RecordType.SRV, "example.com"), ["example.com. 60 SRV 1 2 3 ."], {Srv(1, 2, 3, "")}),
        (
            Question(RecordType.NAPTR, "example.com"),
            ['example.com. 60 NAPTR 1 2 "s" "SIP+D2U" "\\200" x.example.'],
            {Naptr(1, 2, "s", "SIP+D2U", "\xc8", "x.example")},
        ),
    ],
)
async def test_records(question: Question, records: list[str], expected: set[Record]) -> None:
    async with resolver(lambda query: [answer(query, *records).to_wire()]) as server:
        reply = await ask(server, question)
    assert (set(reply.records), reply.ttl, reply.fault, reply.truncated) == (expected, 60.0, None, False)
    assert 0.0 <= reply.took <= reply.at


@pytest.mark.parametrize("code", [dns.rcode.FORMERR, dns.rcode.NOTIMP])
async def test_a_resolver_without_edns_is_asked_again_without_it(code: dns.rcode.Rcode) -> None:
    def old(query: dns.message.Message) -> list[bytes]:
        if query.edns < 0:
            return [answer(query, "example.com. 60 A 192.0.2.1").to_wire()]
        refusal = dns.message.Message(query.id)
        refusal.flags = dns.flags.from_text("QR")
        refusal.set_rcode(code)
        return [refusal.to_wire()]

    async with resolver(old) as server:
        reply = await ask(server)
    assert (reply.records, reply.fault) == ((Address("192.0.2.1"),), None)


async def test_aliases_hold_as_long_as_the_shortest() -> None:
    records = ["example.com. 30 CNAME b.example.", "b.example. 60 CNAME c.example.", "c.example. 90 A 192.0.2.1"]
    async with resolver(lambda query: [answer(query, *records).to_wire()]) as server:
        reply = await ask(server)
    assert (reply.ttl, reply.records) == (30.0, (Address("192.0.2.1"),))
    assert list(map(str, reply.aliases)) == ["example.com -> b.example", "b.example -> c.example"]


@pytest.mark.parametrize("count", [2, 20])
async def test_aliases_that_lead_nowhere_end(count: int) -> None:
    names = ["example.com.", *(f"n{number}.example." for number in range(1, count)), "example.com."]
    records = [f"{name} 60 CNAME {target}" for name, target in pairwise(names)]
    async with resolver(lambda query: [answer(query, *records).to_wire()]) as server:
        reply = await ask(server)
    assert (len(reply.aliases), reply.records, reply.fault) == (min(count, 17), (), LookupFault.NODATA)


@pytest.mark.parametrize(("count", "found"), [(1, 1), (9, 1), (16, 1), (17, 0)])
async def test_as_many_aliases_are_followed_as_by_the_most_patient_resolvers(count: int, found: int) -> None:
    names = ["example.com.", *(f"n{number}.example." for number in range(count))]
    records = [f"{name} 60 CNAME {target}" for name, target in pairwise(names)]
    async with resolver(lambda query: [answer(query, *records, f"{names[-1]} 60 A 192.0.2.1").to_wire()]) as server:
        reply = await ask(server)
    assert (len(reply.aliases), len(reply.records)) == (count, found)


@pytest.mark.parametrize(
    ("code", "fault", "detail"),
    [
        (0, LookupFault.NODATA, ""),
        (2, LookupFault.SERVFAIL, "SERVFAIL"),
        (3, LookupFault.NXDOMAIN, ""),
        (4, LookupFault.SERVFAIL, "NOTIMP"),
        (5, LookupFault.REFUSED, "REFUSED"),
    ],
)
async def test_faults(code: int, fault: LookupFault, detail: str) -> None:
    async with resolver(lambda query: [answer(query, rcode=code).to_wire()]) as server:
        reply = await ask(server)
    assert (reply.fault, reply.detail, reply.records) == (fault, detail, ())


@pytest.mark.parametrize(
    ("code", "text", "told"), [(6, "no good", "SERVFAIL; dnssec bogus (no good)"), (60000, None, "SERVFAIL; ")]
)
async def test_what_a_resolver_says_to_its_failure(code: int, text: str | None, told: str) -> None:
    def failed(query: dns.message.Message) -> list[bytes]:
        made = answer(query, rcode=2)
        made.use_edns(0, options=[dns.edns.EDEOption(dns.edns.EDECode.make(code), text)])
        return [made.to_wire()]

    async with resolver(failed) as server:
        assert (await ask(server)).detail.startswith(told)


def truncated(query: dns.message.Message) -> list[bytes]:
    return [answer(query, flags=dns.flags.TC).to_wire()]


def by_tcp(*records: str) -> bytes:
    query = dns.message.make_query(A.name, A.type.value)
    query.id = int.from_bytes(b"ID", "big")
    wire = answer(query, *records).to_wire()
    return len(wire).to_bytes(2, "big") + wire


async def test_what_does_not_fit_comes_over_tcp() -> None:
    async with resolver(truncated, by_tcp("example.com. 60 A 192.0.2.1")) as server:
        reply = await ask(server)
    assert (reply.records, reply.truncated, reply.fault) == ((Address("192.0.2.1"),), True, None)


@pytest.mark.parametrize(
    ("tcp", "told"),
    [
        (None, "TCP: Connection refused"),
        (b"", "TCP: no whole answer"),
        (by_tcp()[:9], "TCP: no whole answer"),
        (b"\x00\x0cXX" + bytes(10), "TCP: no whole answer"),
    ],
)
async def test_what_does_not_come_over_tcp_either(tcp: bytes | None, told: str) -> None:
    async with resolver(truncated, tcp) as server:
        reply = await ask(server)
    assert (reply.records, reply.truncated, reply.fault) == ((), True, LookupFault.TRUNCATED)
    assert reply.detail.startswith(told)


async def test_what_is_no_answer_is_passed_over() -> None:
    def noisy(query: dns.message.Message) -> list[bytes]:
        good = answer(query, "example.com. 60 A 192.0.2.1").to_wire()
        other = dns.message.make_response(dns.message.make_query("other.example", "A", id=query.id)).to_wire()
        return [b"", b"junk", query.to_wire(), b"\0\0" + good[2:], other, good]

    async with resolver(noisy) as server:
        assert (await ask(server)).records == (Address("192.0.2.1"),)


async def test_what_came_in_the_place_of_an_answer_is_told(autojump_clock: MockClock) -> None:
    """Damaged on the way, or forged: the resolver runs all the same, and the port is open."""
    async with resolver(lambda query: [b"junk", b"\0\0" + answer(query).to_wire()[2:]]) as server:
        reply = await ask(server, timeout=1.0)
    assert (reply.fault, reply.detail) == (
        LookupFault.TIMED_OUT,
        "within 1 s; what came (4) answers nothing that was asked",
    )


async def test_an_answer_that_cannot_be_read_is_a_failure() -> None:
    def cut(query: dns.message.Message) -> list[bytes]:
        return [answer(query, "example.com. 60 A 192.0.2.1").to_wire()[:-13]]

    async with resolver(cut) as server:
        reply = await ask(server)
    assert reply.fault is LookupFault.SERVFAIL
    assert reply.detail.startswith("its answer cannot be read")


def answering_from(count: int) -> Answers:
    """Answers from so many datagrams on, for each question."""
    asked: Counter[str] = Counter()

    def answers(query: dns.message.Message) -> list[bytes]:
        asked[str(query.question[0])] += 1
        records = ["example.com. 60 A 192.0.2.1"] if query.question[0].rdtype == dns.rdatatype.A else []
        return [answer(query, *records).to_wire()] if asked[str(query.question[0])] >= count else []

    return answers


@pytest.mark.parametrize(("lost", "took"), [(0, 0.0), (1, REPEAT), (2, 3 * REPEAT), (3, 7 * REPEAT)])
async def test_a_datagram_that_is_lost_is_sent_again(lost: int, took: float, autojump_clock: MockClock) -> None:
    async with resolver(answering_from(lost + 1)) as server:
        reply = await ask(server, timeout=4.0)
    assert reply.records == (Address("192.0.2.1"),)
    assert reply.took == pytest.approx(took, abs=0.01)


async def test_silence_takes_its_time_and_no_more(autojump_clock: MockClock) -> None:
    asked: list[dns.message.Message] = []

    def silent(query: dns.message.Message) -> list[bytes]:
        asked.append(query)
        return []

    async with resolver(silent) as server:
        reply = await ask(server, timeout=4.0)
    assert (reply.fault, reply.detail) == (LookupFault.TIMED_OUT, "within 4 s")
    assert reply.took == pytest.approx(4.0)
    assert len(asked) == 4


async def beside(answers: Answers, grace: float) -> tuple[list[Reply], float]:
    """What a resolver replied beside one that told all at once, and how long both took."""
    async with resolver(answering_from(1)) as good, resolver(answers) as other:
        question = DnsQuestion(Destination.parse("udp://example.com"), (other, good), 4.0, pause=0.0, grace=grace)
        began = trio.current_time()
        replies = await act(DnsSockets(), question)
        took = trio.current_time() - began
    return [reply for reply in replies if reply.query.resolver == other], took


async def test_a_silent_resolver_is_not_waited_for_once_another_has_told_all(autojump_clock: MockClock) -> None:
    replies, took = await beside(lambda _: [], 1.0)
    assert took == pytest.approx(1.0, abs=0.01)
    assert {reply.fault for reply in replies} == {LookupFault.TIMED_OUT}
    assert {reply.detail for reply in replies} == {"within 1.0 s, by when another one had told everything"}
    assert len(replies) == 3
    replies, took = await beside(lambda _: [], math.inf)
    assert took == pytest.approx(4.0)
    assert {reply.detail for reply in replies} == {"within 4 s"}


async def test_a_lost_datagram_makes_no_silent_resolver(autojump_clock: MockClock) -> None:
    replies, took = await beside(answering_from(2), 2 * REPEAT)
    assert {reply.fault for reply in replies} == {None, LookupFault.NODATA}
    assert took == pytest.approx(REPEAT, abs=0.01)


async def test_what_was_not_asked_yet_is_not_told_as_silence(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probes.checks.dns.run.MAX_UNDER_WAY", 1)
    replies, _ = await beside(lambda _: [], 1.0)
    assert len(replies) == 1


async def test_a_resolver_that_is_not_there_is_told_at_once() -> None:
    reply = await ask(SocketAddress(HOST, free_port()))
    assert (reply.fault, reply.detail) == (LookupFault.UNREACHABLE, "Connection refused")


@pytest.mark.parametrize("name", ["x" * 64 + ".example", "a..b", ".".join(["abcdefgh"] * 40)])
async def test_a_name_that_dns_cannot_hold(name: str) -> None:
    reply = await ask(SocketAddress(HOST, 53), Question(RecordType.A, name))
    assert reply.fault is LookupFault.INVALID_NAME


@needs_ipv6
async def test_a_resolver_over_ipv6() -> None:
    async with resolver(lambda query: [answer(query).to_wire()], host=HOST6) as server:
        assert (await ask(server)).fault is LookupFault.NODATA


async def test_no_more_than_the_limit_is_asked() -> None:
    asked = 0

    def count(query: dns.message.Message) -> list[bytes]:
        nonlocal asked
        asked += 1
        return [answer(query, rcode=3).to_wire()]

    async with resolver(count) as server:
        queries = [Query(Question(RecordType.A, f"n{n}.example"), server) for n in range(MAX_QUERIES + 50)]
        question = DnsQuestion(Destination.parse("example.com"), (server,))
        replies = await DnsSockets().carry_out(question, lambda _: queries)
    assert len(replies) == asked == MAX_QUERIES


async def test_everything_ends_with_the_deadline(autojump_clock: MockClock) -> None:
    began = trio.current_time()
    async with resolver(lambda _: []) as server:
        config = DnsReportConfig((server,), timeout=60.0, deadline=3.0, pause=1.0)
        found = await report_dns(Destination.parse("example.com"), config)
    assert trio.current_time() - began == pytest.approx(4.0)
    assert (found.replies, [fault.problem.name for fault in found.faults]) == ((), ["UNFINISHED"])


async def test_again_is_a_while_later(autojump_clock: MockClock) -> None:
    def plan(seen: Sequence[Reply]) -> list[Query]:
        return [Query(A, server), *([Query(A, server, again=True)] if seen else [])]

    async with resolver(lambda query: [answer(query).to_wire()]) as server:
        question = DnsQuestion(Destination.parse("example.com"), (server,), pause=30.0)
        planned: Plan = plan
        first, again = await DnsSockets().carry_out(question, planned)
    assert again.at - first.at == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("localhost", ["udp [::1]:5060", "udp 127.0.0.1:5060"]),
        ("pbx.example", ["udp 192.0.2.9:5060"]),
    ],
)
async def test_what_the_hosts_file_has_is_not_asked_for(
    target: str, expected: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    hosts = tmp_path_factory.mktemp("etc") / "hosts"
    hosts.write_text("192.0.2.9 pbx.example\n")
    asked: list[str] = []

    def refuse(query: dns.message.Message) -> list[bytes]:
        asked.append(str(query.question[0].rdtype.name))
        return [answer(query, rcode=3).to_wire()]

    async with resolver(refuse) as server:
        monkeypatch.setattr("probes.checks.dns.run.system_resolvers", lambda: (server,))
        found = await report_dns(Destination.parse(target), DnsReportConfig(hosts_file=str(hosts)))
        assert list(map(str, found.places)) == expected
        assert set(asked) == {"NAPTR", "SRV"}
        sourced = {reply.source for reply in found.replies if reply.records}
        assert sourced == {"hosts"}
        by_dns = await report_dns(Destination.parse("pbx.example"), DnsReportConfig((server,)))
        assert by_dns.places == ()


def test_the_resolvers_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "resolv.conf"
    hosts = ("192.0.2.53", "2001:DB8::53", "https://dns.example/dns-query", "192.0.2.")
    path.write_text("search a..b\n" + "".join(f"nameserver {host}\n" for host in hosts))
    monkeypatch.setattr("sipcore.transports.lookup.RESOLVERS_FILE", str(path))
    assert system_resolvers() == (SocketAddress("192.0.2.53", 53), SocketAddress("2001:db8::53", 53))


async def test_without_any_resolver_nobody_can_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipcore.transports.lookup.RESOLVERS_FILE", str(tmp_path / "missing"))
    report = await report_dns(Destination.parse("example.com"))
    assert str(report.failure) == "no address for sip:example.com: no name server is configured [RFC 3263 §4]"
    assert (report.replies, report.ladder, report.places, report.works) == ((), (), (), False)
    assert str((await report_dns(Destination.parse("192.0.2.1"))).places[0]) == "udp 192.0.2.1:5060"
    assert await report_dns("192.0.2.1") == await report_dns(Destination.parse("192.0.2.1"))
    with pytest.raises(DestinationError):
        await report_dns("192.0.2.1:x")


ASKED = dns.message.make_query(A.name, A.type.value, id=1)
GOOD = answer(ASKED, "example.com. 60 A 192.0.2.1", "example.com. 60 CNAME x.", "x. 60 SRV 1 2 3 y.").to_wire()


@given(st.binary(max_size=200) | st.integers(0, len(GOOD)).map(lambda end: GOOD[:end]))
def test_whatever_comes_is_an_answer_or_none(wire: bytes) -> None:
    _read(wire)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_whatever_byte_is_another(place: int, byte: int) -> None:
    _read(GOOD[:place] + bytes([byte]) + GOOD[place + 1 :])


def _read(wire: bytes) -> None:
    for kind in RecordType:
        query = Query(Question(kind, A.name), SocketAddress(HOST, 53))
        message = read_message(wire, ASKED)
        if message is not None:
            reply = read_reply(query, message)
            assert (reply.fault is None) is bool(reply.records)
            assert all(isinstance(record, Address | Srv | Naptr) for record in reply.records)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"timeout": -1}, "timeout is a time above 0 s, not -1"),
        ({"deadline": math.nan}, "deadline is a time"),
        ({"pause": math.nan}, "pause is 0 or more, not nan"),
    ],
)
def test_times_that_are_none(wrong: dict[str, float], told: str) -> None:
    with pytest.raises(LocalError, match=told):
        DnsReportConfig(**wrong)  # type: ignore[arg-type]  # its fields
