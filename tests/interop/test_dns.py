"""Locating SIP servers through a real name server: zones that are well, zones made wrong, and servers that fail."""

import random
import re
import socket
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import dns.flags
import dns.message
import dns.query
import pytest
import trio
from trio.testing import MockClock

from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.errors import FailureReason, ParseError, TransportFailure
from sipcore.message.uri import parse_uri
from sipcore.outgoing import target_of
from sipcore.resolve.plan import Plan
from sipcore.resolve.records import Answer, LookupFailure, LookupFault, Question, RecordType
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.transports.base import socket_address
from sipcore.transports.lookup import EDNS_PAYLOAD, Lookup, LookupConfig
from tests.conformance.corpus import needs_corpus
from tests.conformance.dns_cases import Scenario, orders, read_zone, scenarios
from tests.interop.lab import HOST, Lab
from tests.interop.nameserver import BROKEN, Nameserver, nsd
from tests.machine import needs_ipv6

A, AAAA, SRV, NAPTR = RecordType.A, RecordType.AAAA, RecordType.SRV, RecordType.NAPTR
UDP, TCP, TLS, WSS = Transport.UDP, Transport.TCP, Transport.TLS, Transport.WSS
KINDS = ("rfc3263-scenario", "srv-lookup")
MANY = Question(SRV, "_sip._udp.many.example.com")


def looking(*servers: SocketAddress, **options: float) -> Lookup:
    return Lookup(LookupConfig(nameservers=servers, hosts_file="", **options))  # type: ignore[arg-type]


async def locate(lookup: Lookup, plan: Plan) -> Plan:
    while questions := plan.next_questions():
        for question in questions:
            plan.answer(await lookup.ask(question))
    return plan


def plan_for(uri: str, **options: Sequence[object]) -> Plan:
    return Plan(target_of(parse_uri(uri)), chance=lambda: 0.5, **options)  # type: ignore[arg-type]


def places(plan: Plan) -> list[str]:
    return [str(hop) for hop in plan.hops()]


async def fault(lookup: Lookup, question: Question) -> LookupFailure:
    failure = await lookup.ask(question)
    assert isinstance(failure, LookupFailure)
    return failure


@pytest.fixture
def silent() -> Iterator[SocketAddress]:
    """A name server that never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        yield socket_address(sock.getsockname())


@pytest.fixture
def jumping(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> MockClock:
    """Time that passes at once where everybody waits, for dnspython too, which reads the clock of the day."""
    monkeypatch.setattr("time.time", autojump_clock.current_time)
    return autojump_clock


class Relay:
    """Passes datagrams on to a name server, counts them, and listens on UDP alone."""

    def __init__(self, front: trio.socket.SocketType, back: trio.socket.SocketType, server: SocketAddress) -> None:
        self._front, self._back, self._server = front, back, server
        self.address = socket_address(front.getsockname())
        self.asked = 0

    async def run(self) -> None:
        while True:
            query, client = await self._front.recvfrom(65535)
            self.asked += 1
            await self._back.sendto(query, (self._server.host, self._server.port))
            await self._front.sendto(await self._back.recv(65535), client)


@pytest.fixture
async def relay(nameserver: Nameserver) -> AsyncIterator[Relay]:
    async with relaying(nameserver.address) as running:
        yield running


@asynccontextmanager
async def relaying(server: SocketAddress) -> AsyncIterator[Relay]:
    udp = (socket.AF_INET, socket.SOCK_DGRAM)
    with trio.socket.socket(*udp) as front, trio.socket.socket(*udp) as back:
        await front.bind((HOST, 0))
        await back.bind((HOST, 0))
        made = Relay(front, back, server)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made.run)
            yield made
            nursery.cancel_scope.cancel()


EDGE1 = ("[2001:db8::1]", "192.0.2.1")
CARRIER = "203.0.113.1"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sip:example.com", [*(f"tls {host}:5061" for host in EDGE1), "tls 192.0.2.2:5061"]),
        ("sips:example.com", [*(f"tls {host}:5061" for host in EDGE1), "tls 192.0.2.2:5061"]),
        ("sip:example.com;transport=tcp", [*(f"tcp {host}:5060" for host in EDGE1), "tcp 192.0.2.2:5060"]),
        (
            "sip:EXAMPLE.com.;transport=udp",
            [*(f"udp {host}:5060" for host in EDGE1), "udp 192.0.2.2:5062", "udp [2001:db8::3]:5060"],
        ),
        ("sip:edge1.example.com:5090", [f"udp {host}:5090" for host in EDGE1]),
        ("sip:edge2.example.com", ["udp 192.0.2.2:5060"]),
        ("sip:backup.example.com", ["udp [2001:db8::3]:5060"]),
        ("sips:backup.example.com", ["tls [2001:db8::3]:5061"]),
        ("sip:alias.example.com", [f"udp {host}:5060" for host in EDGE1]),
        ("sip:pbx.example.com", ["udp 192.0.2.2:5070", "tcp 192.0.2.2:5071"]),
        ("sip:hosted.example.com", [f"udp {CARRIER}:5080"]),
        ("sip:equal.example.com", [f"udp {CARRIER}:5080", f"tcp {CARRIER}:5080", f"tls {CARRIER}:5081"]),
        ("sip:direct.example.com", ["tcp 192.0.2.2:5060"]),
        ("sip:web.example.com", ["wss 192.0.2.2:443"]),
        ("sip:many.example.com", [f"udp 192.0.2.6:{port}" for port in range(5100, 5116)]),
    ],
)
async def test_a_domain_that_is_well_is_located(nameserver: Nameserver, uri: str, expected: list[str]) -> None:
    plan = await locate(looking(nameserver.address), plan_for(uri, supported=(UDP, TCP, TLS, WSS)))
    assert places(plan) == expected
    domain = target_of(parse_uri(uri)).host
    assert all(hop.tls_name == (domain if hop.transport.secure else None) for hop in plan.hops())


async def test_hosts_of_both_families_take_turns(nameserver: Nameserver) -> None:
    plan = await locate(looking(nameserver.address), plan_for("sip:farm.example.com:5060"))
    hosts = [hop.remote for hop in plan.hops()]
    assert [host.is_ipv6 for host in hosts] == [True, False, True, False]
    assert {host.host for host in hosts} == {"2001:db8::4", "192.0.2.4", "2001:db8::5", "192.0.2.5"}


@pytest.mark.parametrize(
    ("families", "expected"),
    [((A,), ["192.0.2.1"]), ((AAAA,), ["2001:db8::1"]), ((A, AAAA), ["192.0.2.1", "2001:db8::1"])],
)
async def test_only_usable_families_are_located(
    nameserver: Nameserver, families: tuple[RecordType, ...], expected: list[str]
) -> None:
    plan = await locate(looking(nameserver.address), plan_for("sip:edge1.example.com:5060", families=families))
    assert [hop.remote.host for hop in plan.hops()] == expected


HOST_OF_NET = ["udp [2001:db8:1::1]:5060", "udp 198.51.100.1:5060"]


@pytest.mark.parametrize(
    ("name", "expected", "told"),
    [
        ("to-alias", HOST_OF_NET, None),
        ("to-nothing", [], "A mail.example.net: the name has no such record"),
        ("to-missing", [], "A missing.example.net: the name does not exist"),
        ("to-elsewhere", [], "A sip.example: the name server refused to answer"),
        ("to-loop", [], "The CNAME chain is too long"),
        ("to-address", ["udp 198.51.100.9:5060"], None),
        ("to-some", HOST_OF_NET, "AAAA missing.example.net: the name does not exist"),
        ("to-root", [], "SRV _sip._udp.to-root.example.net says that the service is not offered"),
        ("unknown", [], "NAPTR unknown.example.net offers no transport that is in use here"),
        ("unknown-first", [f"udp {CARRIER}:5080"], '"SIP+D2Z" "" _sip._zcp.example.org. is of no use here'),
        ("tls-over-udp", [], '"SIPS+D2U" "" _sips._udp.example.org. is of no use here'),
        ("regexp", [], '"!^.*$!sip:info@example.org!" . is of no use here'),
        ("regexp-and-name", [], '"!^.*$!sip:info@example.org!" _sip._udp.example.org. is of no use here'),
        ("regexp-first", [f"udp {CARRIER}:5080"], '"!^.*$!sip:info@example.org!" . is of no use here'),
        ("flag", [], 'NAPTR 10 10 "x" "SIP+D2U"'),
        ("flagless", [], 'NAPTR 10 10 "" "SIP+D2U"'),
        ("telephony", ["udp 198.51.100.4:5060"], None),
        ("dangling", ["udp 198.51.100.5:5060"], "SRV _sip._udp.missing.example.net: the name does not exist"),
        ("dangling-first", [f"udp {CARRIER}:5080"], "SRV _sip._tcp.missing.example.net: the name does not exist"),
        ("pbx.wild", ["udp 198.51.100.6:5060"], "SRV _sip._udp.pbx.wild.example.net: the name has no such record"),
        ("missing", [], "NAPTR missing.example.net: the name does not exist"),
    ],
)
async def test_a_domain_that_is_set_up_wrong_tells_how(
    nameserver: Nameserver, name: str, expected: list[str], told: str | None
) -> None:
    plan = await locate(looking(nameserver.address), plan_for(f"sip:{name}.example.net"))
    assert places(plan) == expected
    assert told is None or told in "\n".join(plan.trail)
    assert expected or (told or "").rpartition(": ")[2] in plan.failure().message


@pytest.mark.parametrize(
    ("host", "expected"), [("sip.example", LookupFault.REFUSED), (f"sip.{BROKEN}", LookupFault.SERVFAIL)]
)
async def test_a_lame_and_a_broken_server_are_told_apart(
    nameserver: Nameserver, host: str, expected: LookupFault
) -> None:
    plan = await locate(looking(nameserver.address), plan_for(f"sip:{host}"))
    assert places(plan) == []
    assert f"A {host}: {expected.value} (127.0.0.1@{nameserver.address.port}: {expected.name})" in plan.trail


@needs_ipv6
async def test_the_server_is_asked_over_ipv6(nameserver: Nameserver) -> None:
    assert nameserver.address6 is not None
    assert isinstance(await looking(nameserver.address6).ask(MANY), Answer)


async def test_what_does_not_fit_into_a_datagram_comes_over_tcp(nameserver: Nameserver) -> None:
    query = dns.message.make_query(MANY.name, MANY.type.value, use_edns=0, payload=EDNS_PAYLOAD)
    by_udp = dns.query.udp(query, nameserver.address.host, 1.0, nameserver.address.port)
    assert by_udp.flags & dns.flags.TC
    answer = await looking(nameserver.address).ask(MANY)
    assert isinstance(answer, Answer)
    assert len(answer.records) == 16


async def test_a_server_that_refuses_tcp_is_told(relay: Relay) -> None:
    failure = await fault(looking(relay.address), MANY)
    assert failure.fault is LookupFault.TRUNCATED
    assert re.search(r": Truncated; .*: Connection refused$", failure.detail)


@pytest.mark.parametrize(("patience", "lifetime"), [(2.0, 6.0), (0.5, 0.8), (10.0, 3.0), (2.0, 20.0)])
async def test_a_silent_server_takes_its_time_and_no_more(
    silent: SocketAddress, jumping: MockClock, patience: float, lifetime: float
) -> None:
    began = jumping.current_time()
    failure = await fault(looking(silent, timeout=patience, lifetime=lifetime), Question(A, "edge1.example.com"))
    assert failure.fault is LookupFault.TIMED_OUT
    assert failure.detail == f"within {lifetime:g} s"
    assert jumping.current_time() - began == pytest.approx(lifetime)


async def test_a_plan_ends_although_nobody_answers(silent: SocketAddress, jumping: MockClock) -> None:
    plan = await locate(looking(silent), plan_for("sip:example.com"))
    assert plan.failure().reason is FailureReason.UNRESOLVABLE
    assert "NAPTR example.com: no name server answered (within 6 s)" in plan.trail
    assert "A example.com: no name server answered (within 6 s)" in plan.trail


async def test_the_next_server_is_asked_when_one_is_silent(nameserver: Nameserver, silent: SocketAddress) -> None:
    began = time.monotonic()
    answer = await looking(silent, nameserver.address, timeout=0.1).ask(Question(A, "edge1.example.com"))
    assert isinstance(answer, Answer)
    assert time.monotonic() - began >= 0.1


async def test_the_next_server_is_asked_when_one_is_lame(nameserver: Nameserver, lab: Lab) -> None:
    with nsd(lab, {}) as [lame]:
        answer = await looking(lame.address, nameserver.address).ask(Question(A, "edge1.example.com"))
        assert isinstance(answer, Answer)
        refused = await fault(looking(lame.address), Question(A, "edge1.example.com"))
        assert refused.fault is LookupFault.REFUSED


@pytest.mark.parametrize(
    ("question", "ttl"),
    [
        (Question(A, "edge1.example.com"), 3600),
        (Question(A, "short.example.com"), 30),
        (Question(A, "alias.example.com"), 3600),
        (Question(AAAA, "edge2.example.com"), 300),  # RFC 2308 §5: the last number of the SOA record
        (Question(SRV, "_sip._udp.missing.example.com"), 300),
    ],
    ids=str,
)
async def test_an_answer_is_kept_as_long_as_it_holds(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, question: Question, ttl: int
) -> None:
    began, elapsed = time.time(), 0.0
    later = SimpleNamespace(**{**vars(trio), "current_time": lambda: trio.current_time() + elapsed})
    monkeypatch.setattr("sipcore.transports.lookup.trio", later)  # by which answers are kept
    monkeypatch.setattr("time.time", lambda: began + elapsed)  # by which their age is told
    lookup = looking(relay.address)
    first = await lookup.ask(question)
    assert isinstance(first, LookupFailure) or first.ttl == pytest.approx(ttl)
    elapsed = ttl - 1.0
    again = await lookup.ask(question)
    assert relay.asked == 1
    assert isinstance(again, LookupFailure) or again.ttl == pytest.approx(1.0)
    elapsed = ttl + 1.0
    assert type(await lookup.ask(question)) is type(first)
    assert relay.asked == 2


async def test_an_answer_of_no_duration_is_asked_for_each_time(relay: Relay) -> None:
    lookup = looking(relay.address)
    for _ in range(2):
        assert isinstance(await lookup.ask(Question(A, "never.example.com")), Answer)
    assert relay.asked == 2


async def test_an_endpoint_locates_by_its_own_name_servers(nameserver: Nameserver) -> None:
    lookup = LookupConfig(nameservers=(nameserver.address,), hosts_file="")
    async with Endpoint(EndpointConfig(lookup=lookup)) as endpoint:
        hops = await endpoint.locate(parse_uri("sip:hosted.example.com"))
        assert [str(hop) for hop in hops] == [f"udp {CARRIER}:5080"]
        with pytest.raises(TransportFailure, match="the service is not offered") as caught:
            await endpoint.locate(parse_uri("sip:to-root.example.net"))
        assert caught.value.reason is FailureReason.UNRESOLVABLE


Source = Path | str


@pytest.fixture(scope="module")
def corpus_servers(nameserver: Nameserver, lab: Lab) -> Iterator[dict[Source, SocketAddress]]:
    """A name server for each zone of the corpus: many of them have the same name."""
    cases = [scenario for kind in KINDS for scenario in scenarios(kind)]
    sources = list(dict.fromkeys(scenario.zone for scenario in cases if scenario.zone is not None))
    served = []
    for number, source in enumerate(sources):
        path = source if isinstance(source, Path) else lab.folder / f"{number}.zone"
        if isinstance(source, str):
            path.write_text(source)
        served.append({str(read_zone(source).origin): path})
    with nsd(lab, *served) as running:
        yield {source: server.address for source, server in zip(sources, running, strict=True)}


@needs_corpus
@pytest.mark.parametrize("kind", KINDS)
async def test_the_corpus_leads_to_the_same_places_by_a_real_server(
    corpus_servers: dict[Source, SocketAddress], silent: SocketAddress, kind: str
) -> None:
    lookups = {source: looking(address) for source, address in corpus_servers.items()}
    nobody = looking(silent, timeout=0.02, lifetime=0.02)
    differing = {}
    for scenario in scenarios(kind):
        found = await outcome(scenario, nobody if scenario.zone is None else lookups[scenario.zone])
        if found not in (expected := orders(scenario)):
            differing[scenario.id] = (found, expected)
    assert differing == {}


async def outcome(scenario: Scenario, lookup: Lookup) -> tuple[str, ...]:
    try:
        plan = scenario.plan(random.Random(3263).random)
    except ParseError:
        return ()
    return tuple(places(await locate(lookup, plan)))
