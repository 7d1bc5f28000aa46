"""Candidates: what DNS is asked, and what is tried because of the answers."""

import pytest

from probes.destination import Destination
from probes.discovery.candidates import (
    DEFAULT_PORTS,
    DEFAULT_TRANSPORTS,
    MAX_ADDRESSES,
    MAX_PORTS,
    Candidate,
    Scope,
    candidates,
    is_without_records,
)
from sipcore.errors import LocalError
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
from sipcore.resolve.target import Hop, SocketAddress, Transport

UDP, TCP, TLS, WS, WSS = Transport


def answer(question: str, *records: Record, source: str = "DNS") -> Answer:
    return Answer(asked(question), records, 60.0, source)


def asked(text: str) -> Question:
    kind, name = text.split()
    return Question(RecordType[kind], name)


def found(text: str, *results: Result, scope: Scope | None = None) -> tuple[Candidate, ...]:
    destination = Destination.parse(text)
    known = {result.question: result for result in results}
    return candidates(destination, scope or Scope.of(destination), known)


def given(*transports: Transport, ports: tuple[int, ...] = DEFAULT_PORTS) -> Scope:
    """The scope where transports, and maybe ports, are given."""
    return Scope(ports, transports, follows_srv=ports == DEFAULT_PORTS, named=transports)


@pytest.mark.parametrize(
    ("text", "ports", "transports", "expected"),
    [
        ("example.com", (), (), Scope()),
        ("example.com:5070", (), (), Scope((5070,), DEFAULT_TRANSPORTS, follows_srv=False)),
        ("tcp://example.com", (), (), given(TCP)),
        ("tcp://example.com:5070", (5080, 5090, 5080), (UDP,), given(UDP, ports=(5080, 5090))),
        ("sips:example.com", (), (), Scope(DEFAULT_PORTS, (TLS,), named=(TLS, WSS))),
        ("sips:example.com", (), (UDP, TLS, TLS), given(TLS)),
        ("ws://example.com", (), (), given(WS)),
        ("wss://example.com", (), (), given(WSS)),
        ("example.com:443", (), (WS, WSS), given(WS, WSS, ports=(443,))),
    ],
)
def test_scope(text: str, ports: tuple[int, ...], transports: tuple[Transport, ...], expected: Scope) -> None:
    assert Scope.of(Destination.parse(text), ports, transports) == expected


@pytest.mark.parametrize(
    ("text", "ports", "transports"),
    [
        ("sips:example.com", (), (UDP,)),
        ("example.com", range(1, MAX_PORTS + 2), ()),
        ("example.com", (0,), ()),
        ("example.com", (5060, 65536), ()),
        ("example.com", (-1,), ()),
    ],
)
def test_scope_that_cannot_be(text: str, ports: tuple[int, ...], transports: tuple[Transport, ...]) -> None:
    with pytest.raises(LocalError):
        Scope.of(Destination.parse(text), ports, transports)


@pytest.mark.parametrize("host", ["pbx", "localhost", "sip.localhost"])
def test_a_name_without_a_domain_has_no_records_of_its_own(host: str) -> None:
    assert is_without_records(host)
    named = answer(f"SRV _sip._udp.{host}", Srv(0, 0, 5070, "h1.example"))
    assert found(host, named, answer("A h1.example", Address("192.0.2.1"))) == ()


def test_what_naptr_leads_to_is_published() -> None:
    results = [
        answer("NAPTR example.com", Naptr(1, 1, "s", "SIP+D2T", "", "_sip._tcp.other.example")),
        answer("SRV _sip._tcp.other.example", Srv(0, 0, 5070, "h1.example")),
        answer("A h1.example", Address("192.0.2.1")),
    ]
    first, *usual = found("example.com", *results)
    assert (first.key, first.published) == ((TCP, SocketAddress("192.0.2.1", 5070)), True)
    assert len(usual) == len(DEFAULT_PORTS) * len(DEFAULT_TRANSPORTS)
    assert not any(one.published for one in usual)


@pytest.mark.parametrize(
    ("text", "service", "expected"),
    [
        ("example.com", "SIP+D2U", [(UDP, 5060)]),
        ("example.com", "sips+d2t", [(TLS, 5061)]),
        ("sips:example.com", "SIP+D2U", []),
        ("example.com:5070", "SIP+D2U", []),
        ("example.com", "E2U+sip", []),
    ],
)
def test_naptr_that_leads_to_addresses(text: str, service: str, expected: list[tuple[Transport, int]]) -> None:
    results = [
        answer("NAPTR example.com", Naptr(1, 1, "a", service, "", "h1.example")),
        answer("A h1.example", Address("192.0.2.1")),
    ]
    tried = found(text, *results)
    assert [(one.hop.transport, one.hop.remote.port) for one in tried] == expected
    assert all(one.published and one.hop.why == f"NAPTR 1 1 {service}, h1.example" for one in tried)


SOCKETS = (
    answer("SRV _sip._ws.example.com", Srv(0, 0, 8088, "h1.example")),
    answer("SRV _sips._ws.example.com", Srv(0, 0, 8089, "h1.example")),
    answer("A h1.example", Address("192.0.2.1")),
)


@pytest.mark.parametrize(
    ("text", "transports", "expected"),
    [
        ("example.com", (), [(WS, 8088), (WSS, 8089)]),
        ("sips:example.com", (), [(WSS, 8089)]),
        ("ws://example.com", (), [(WS, 8088)]),
        ("example.com", (WSS,), [(WSS, 8089)]),
        ("example.com", (UDP, TLS), []),
        ("tcp://example.com", (), []),
        ("example.com:8088", (), []),
    ],
)
def test_websockets_that_dns_names(
    text: str, transports: tuple[Transport, ...], expected: list[tuple[Transport, int]]
) -> None:
    tried = found(text, *SOCKETS, scope=Scope.of(Destination.parse(text), (), transports))
    assert [(one.hop.transport, one.hop.remote.port) for one in tried] == expected
    assert all(one.published and one.hop.tls_name == "example.com" for one in tried)


def test_an_address_is_tried_on_the_usual_ports() -> None:
    tried = found("192.0.2.1")
    expected = [
        (transport, SocketAddress("192.0.2.1", port)) for port in DEFAULT_PORTS for transport in DEFAULT_TRANSPORTS
    ]
    assert [candidate.key for candidate in tried] == expected
    assert tried[0].hop == Hop(UDP, SocketAddress("192.0.2.1", 5060), why="the address was given, port 5060 is usual")
    assert [str(candidate.uri) for candidate in tried[:3]] == [
        "sip:192.0.2.1",
        "sip:192.0.2.1;transport=tcp",
        "sip:192.0.2.1:5060;transport=tls",
    ]
    assert {candidate.hop.tls_name for candidate in tried} == {None, "192.0.2.1"}


def test_what_was_given_is_all_that_is_tried() -> None:
    (only,) = found("tls://bob@[2001:db8::1]:5070")
    remote = SocketAddress("2001:db8::1", 5070)
    assert only.hop == Hop(TLS, remote, tls_name="2001:db8::1", why="the address was given, port 5070 was given")
    assert str(only.uri) == "sip:bob@[2001:db8::1]:5070;transport=tls"


def test_each_address_of_a_name_is_tried() -> None:
    results = [
        answer("A pbx", Address("192.0.2.1"), Address("192.0.2.2"), Address("192.0.2.1"), source="hosts"),
        answer("AAAA pbx", Address("2001:db8::1"), source="system"),
    ]
    tried = found("udp://pbx:5060", *results)
    assert [str(candidate.hop.remote) for candidate in tried] == [
        "192.0.2.1:5060",
        "192.0.2.2:5060",
        "[2001:db8::1]:5060",
    ]
    assert tried[0].hop.why == "A pbx (of this host's hosts file), port 5060 was given"
    assert tried[2].hop.why == "AAAA pbx (of this host's resolver), port 5060 was given"


def test_the_addresses_of_a_name_are_bounded() -> None:
    many = [Address(f"192.0.{number >> 8}.{number & 255}") for number in range(1000)]
    tried = found("udp://pbx:5060", answer("A pbx", *many), answer("AAAA pbx", Address("2001:db8::1")))
    assert len(tried) == MAX_ADDRESSES + 1


def test_what_dns_names_comes_first_and_keeps_its_request_uri() -> None:
    tried = found(
        "bob@example.com",
        answer("SRV _sip._tcp.example.com", Srv(20, 0, 5070, "b.example"), Srv(10, 0, 5060, "a.example")),
        answer("A a.example", Address("192.0.2.1")),
        answer("A b.example", Address("192.0.2.2")),
        answer("A example.com", Address("192.0.2.1")),
    )
    assert [str(candidate.hop) for candidate in tried[:3]] == [
        "tcp 192.0.2.1:5060",
        "tcp 192.0.2.2:5070",
        "udp 192.0.2.1:5060",
    ]
    assert [candidate.published for candidate in tried] == [True, True] + [False] * 17
    assert {str(one.hop.remote) for one in tried[10:]} == {"192.0.2.2:5060", "192.0.2.2:5061", "192.0.2.2:5080"}
    assert tried[10].hop.why == "A b.example, port 5060 is usual"
    assert {one.hop.tls_name for one in tried} == {None, "example.com"}
    assert str(tried[1].uri) == "sip:bob@example.com;transport=tcp"
    assert tried[1].hop.why == "SRV _sip._tcp.example.com 20 0, b.example"


def test_a_place_found_twice_is_tried_once_with_both_reasons() -> None:
    results = [
        answer("SRV _sips._tcp.example.com", Srv(1, 0, 5061, "example.com"), Srv(2, 0, 5061, "example.com")),
        answer("A example.com", Address("192.0.2.1")),
    ]
    tried = found("sips:example.com", *results)
    assert len(tried) == len(DEFAULT_PORTS)
    assert tried[0].hop == Hop(
        TLS,
        SocketAddress("192.0.2.1", 5061),
        tls_name="example.com",
        why="SRV _sips._tcp.example.com 1 0, example.com; SRV _sips._tcp.example.com 2 0, example.com; "
        "A example.com, port 5061 is usual",
    )


@pytest.mark.parametrize("record", [Srv(1, 0, 5060, ""), Srv(1, 0, 0, "a.example"), Srv(1, 0, 5060, "unknown.example")])
def test_srv_that_leads_nowhere(record: Srv) -> None:
    results: list[Result] = [
        answer("SRV _sip._udp.example.com", record),
        answer("A a.example", Address("192.0.2.1")),
        LookupFailure(asked("A unknown.example"), LookupFault.NXDOMAIN),
    ]
    assert found("example.com", *results) == ()


def test_srv_that_names_an_address() -> None:
    first, *usual = found("udp://example.com", answer("SRV _sip._udp.example.com", Srv(1, 0, 5066, "192.0.2.9")))
    assert str(first.hop) == "udp 192.0.2.9:5066"
    assert [one.hop.remote.port for one in usual] == list(DEFAULT_PORTS)


def test_knowing_more_only_adds() -> None:
    results = [
        answer("A example.com", Address("192.0.2.1")),
        answer("SRV _sip._udp.example.com", Srv(1, 0, 5060, "example.com"), Srv(1, 0, 5099, "example.com")),
        answer("AAAA example.com", Address("2001:db8::1")),
    ]
    keys = [{candidate.key for candidate in found("example.com", *results[:count])} for count in range(4)]
    assert keys[0] < keys[1] < keys[2] < keys[3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ws://192.0.2.1/ws", [(WS, 80), (WS, 8088)]),
        ("wss://192.0.2.1/ws", [(WSS, 443), (WSS, 8089)]),
        ("ws://192.0.2.1:5066/ws", [(WS, 5066)]),
    ],
)
def test_websockets_have_ports_of_their_own(text: str, expected: list[tuple[Transport, int]]) -> None:
    tried = [candidate.hop for candidate in found(text)]
    assert [(hop.transport, hop.remote.port) for hop in tried] == expected
    assert {(hop.path, hop.tls_name) for hop in tried} == {("/ws", "192.0.2.1")}


def test_websockets_come_after_what_is_asked_for_beside_them() -> None:
    scope = Scope(transports=(WS, TCP))
    tried = [(one.hop.transport, one.hop.remote.port, one.hop.path) for one in found("192.0.2.1", scope=scope)]
    assert tried == [(TCP, 5060, ""), (TCP, 5061, ""), (TCP, 5080, ""), (WS, 80, ""), (WS, 8088, "")]


def test_one_place_with_two_reasons_keeps_its_path() -> None:
    (only,) = found("ws://192.0.2.1:80/ws", scope=Scope((80, 80), (WS,), follows_srv=False))
    assert only.hop.path == "/ws"


def test_the_ports_of_websockets_are_not_tried_unasked() -> None:
    assert {one.hop.transport for one in found("192.0.2.1")} == {UDP, TCP, TLS}


@pytest.mark.parametrize("host", ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1"])
def test_what_dns_names_that_is_no_host_is_not_tried(host: str) -> None:
    """Nobody gave that address, and what is sent to a group, or to all, reaches those who were never meant."""
    kind = "AAAA" if ":" in host else "A"
    assert found("example.com", answer(f"{kind} example.com", Address(host))) == ()
    assert found("example.com", answer("SRV _sip._udp.example.com", Srv(0, 0, 5060, host))) == ()
    places = found("udp://example.com", answer(f"{kind} example.com", Address(host), Address("192.0.2.1")))
    assert {place.hop.remote.host for place in places} == {"192.0.2.1"}
