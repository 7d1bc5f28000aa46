"""RFC 3263 by zones written as text: which questions are asked, and which places come out in which order."""

import random
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import FailureReason, LocalError
from sipcore.resolve.plan import MAX_HOPS, MAX_SERVERS, Plan, order_srv
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
from sipcore.resolve.target import SocketAddress, Target, Transport

UDP, TCP, TLS, WS, WSS = Transport.UDP, Transport.TCP, Transport.TLS, Transport.WS, Transport.WSS
ALL = (UDP, TCP, TLS, WS, WSS)


def record(kind: str, text: str) -> Record:
    words = text.split()
    if kind == "NAPTR":
        order, preference, flags, service, regexp, replacement = words
        texts = (flags.strip('"'), service.strip('"'), regexp.strip('"'))
        return Naptr(int(order), int(preference), *texts, replacement.rstrip("."))
    if kind == "SRV":
        return Srv(int(words[0]), int(words[1]), int(words[2]), words[3].rstrip("."))
    return Address(text)


class Zone:
    """Answers questions from lines of `name TYPE data`; other names do not exist, or fail as told."""

    def __init__(self, text: str, failing: dict[str, LookupFault] | None = None) -> None:
        self.records: dict[Question, list[Record]] = {}
        self.failing = failing or {}
        self.asked: list[str] = []
        for line in filter(None, (line.strip() for line in text.splitlines())):
            name, kind, data = line.split(maxsplit=2)
            self.records.setdefault(Question(RecordType(kind), name), []).append(record(kind, data))

    def ask(self, question: Question) -> Result:
        self.asked.append(str(question))
        if question.name in self.failing:
            return LookupFailure(question, self.failing[question.name], "as told")
        if question in self.records:
            return Answer(question, tuple(self.records[question]), ttl=60.0)
        exists = any(known.name == question.name for known in self.records)
        return LookupFailure(question, LookupFault.NODATA if exists else LookupFault.NXDOMAIN)


def never() -> float:
    raise AssertionError("nothing is left to chance here")


def solve(target: Target, zone: Zone, chance: Callable[[], float] = lambda: 0.5, **options: Sequence[object]) -> Plan:
    plan = Plan(target, chance=chance, **options)  # type: ignore[arg-type]
    while questions := plan.next_questions():
        assert not plan.done
        for question in questions:
            plan.answer(zone.ask(question))
    assert plan.done
    return plan


def places(plan: Plan) -> list[str]:
    return [str(hop) for hop in plan.hops()]


@pytest.mark.parametrize(
    ("target", "expected", "tls_name"),
    [
        (Target("192.0.2.7"), "udp 192.0.2.7:5060", None),
        (Target("192.0.2.7", 5070), "udp 192.0.2.7:5070", None),
        (Target("192.0.2.7", transport=TCP), "tcp 192.0.2.7:5060", None),
        (Target("192.0.2.7", transport=TLS), "tls 192.0.2.7:5061", "192.0.2.7"),
        (Target("192.0.2.7", secure=True), "tls 192.0.2.7:5061", "192.0.2.7"),
        (Target("192.0.2.7", 5080, secure=True), "tls 192.0.2.7:5080", "192.0.2.7"),
        (Target("192.0.2.7", transport=TCP, secure=True), "tls 192.0.2.7:5061", "192.0.2.7"),
        (Target("192.0.2.7", transport=WS, secure=True), "wss 192.0.2.7:443", "192.0.2.7"),
        (Target("192.0.2.7", transport=WS), "ws 192.0.2.7:80", "192.0.2.7"),
        (Target("2001:db8::7"), "udp [2001:db8::7]:5060", None),
        (Target("fe80::7%eth0", 5062), "udp [fe80::7%eth0]:5062", None),
    ],
)
def test_a_numeric_host_is_not_looked_up(target: Target, expected: str, tls_name: str | None) -> None:
    plan = Plan(target, chance=never, supported=ALL)
    assert plan.next_questions() == []
    assert plan.done
    assert places(plan) == [expected]
    assert plan.hops()[0].tls_name == tls_name
    assert plan.hops()[0].why == "numeric address"


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("a.test A 0.0.0.0\na.test AAAA ::", []),
        ("a.test A 0.0.0.0\na.test AAAA 2001:db8::1", ["udp [2001:db8::1]:5060"]),
        ("_sip._udp.a.test SRV 0 0 5060 0.0.0.0\n_sip._udp.a.test SRV 1 0 5060 192.0.2.1", ["udp 192.0.2.1:5060"]),
        ("a.test AAAA ::ffff:0.0.0.0", []),
    ],
)
def test_a_name_that_is_blocked_is_not_this_machine(zone: str, expected: list[str]) -> None:
    """It would be asked, and might answer."""
    plan = solve(Target("a.test"), Zone(zone))
    assert places(plan) == expected
    assert any("nobody's address" in text for text in plan.trail)
    assert plan.hops() or "it blocks the name" in plan.failure().message
    # Whoever writes it means it: so people name this machine.
    assert places(solve(Target("0.0.0.0"), Zone(""))) == ["udp 0.0.0.0:5060"]  # nothing is bound


@pytest.mark.parametrize("host", ["224.0.1.75", "239.255.255.250", "255.255.255.255", "ff02::1", "::ffff:224.0.1.75"])
def test_dns_names_no_group_and_no_broadcast(host: str) -> None:
    """What is sent there reaches those who were never meant."""
    kind = "AAAA" if ":" in host else "A"
    plan = solve(Target("a.test", 5060), Zone(f"a.test {kind} {host}"))
    assert plan.hops() == []
    assert plan.failure().message.endswith("which is nobody's address")
    beside = solve(
        Target("a.test"), Zone(f"_sip._udp.a.test SRV 0 0 5060 {host}\n_sip._udp.a.test SRV 1 0 5060 192.0.2.1")
    )
    assert places(beside) == ["udp 192.0.2.1:5060"]
    # Whoever writes such an address means it.
    assert [hop.remote.host for hop in solve(Target(host), Zone("")).hops()] == [SocketAddress(host, 0).host]


def test_a_port_leads_to_addresses_and_not_to_srv() -> None:
    zone = Zone("a.test A 192.0.2.1\na.test A 192.0.2.2\na.test AAAA 2001:db8::1\n_sip._udp.a.test SRV 0 0 5090 b.test")
    plan = solve(Target("a.test", 5060), zone, never)
    assert places(plan) == ["udp [2001:db8::1]:5060", "udp 192.0.2.1:5060", "udp 192.0.2.2:5060"]
    assert zone.asked == ["AAAA a.test", "A a.test"]
    assert {hop.why for hop in plan.hops()} == {"port 5060 given"}


def test_one_family_only_is_asked_for_when_there_is_only_one() -> None:
    zone = Zone("a.test A 192.0.2.1\na.test AAAA 2001:db8::1")
    plan = solve(Target("a.test", 5060), zone, never, families=(RecordType.A,))
    assert places(plan) == ["udp 192.0.2.1:5060"]
    assert zone.asked == ["A a.test"]


def test_a_transport_leads_to_its_srv() -> None:
    zone = Zone("_sip._tcp.a.test SRV 0 0 5070 one.test\none.test A 192.0.2.1\na.test A 192.0.2.9")
    plan = solve(Target("a.test", transport=TCP), zone)
    assert places(plan) == ["tcp 192.0.2.1:5070"]
    assert zone.asked == ["SRV _sip._tcp.a.test", "AAAA one.test", "A one.test"]
    assert plan.hops()[0].why == "TCP given, SRV _sip._tcp.a.test 0 0, one.test"


def test_a_transport_without_srv_leads_to_addresses_at_its_default_port() -> None:
    zone = Zone("a.test A 192.0.2.9")
    plan = solve(Target("a.test", transport=TLS), zone)
    assert places(plan) == ["tls 192.0.2.9:5061"]
    assert zone.asked == ["SRV _sips._tcp.a.test", "AAAA a.test", "A a.test"]
    assert plan.hops()[0].tls_name == "a.test"
    assert plan.hops()[0].why == "TLS given, no SRV, default port"


def test_a_websocket_has_no_srv() -> None:
    zone = Zone("a.test A 192.0.2.9")
    assert places(solve(Target("a.test", transport=WSS), zone, supported=ALL)) == ["wss 192.0.2.9:443"]
    assert zone.asked == ["AAAA a.test", "A a.test"]


def test_sips_is_looked_up_as_sips() -> None:
    zone = Zone("_sips._tcp.a.test SRV 0 0 5071 one.test\none.test A 192.0.2.1\n_sip._udp.a.test SRV 0 0 5070 one.test")
    plan = solve(Target("a.test", secure=True), zone)
    assert places(plan) == ["tls 192.0.2.1:5071"]
    # RFC 5922 §7.3: the certificate is to be for the domain of the URI, not for the host that DNS led to.
    assert plan.hops()[0].tls_name == "a.test"
    assert zone.asked[:2] == ["NAPTR a.test", "SRV _sips._tcp.a.test"]


RFC_3263 = """
    example.com NAPTR 50 50 "s" "SIPS+D2T" "" _sips._tcp.example.com.
    example.com NAPTR 90 50 "s" "SIP+D2T" "" _sip._tcp.example.com.
    example.com NAPTR 100 50 "s" "SIP+D2U" "" _sip._udp.example.com.
    _sips._tcp.example.com SRV 0 1 5061 server1.example.com.
    _sip._tcp.example.com SRV 0 1 5060 server1.example.com.
    _sip._tcp.example.com SRV 0 2 5060 server2.example.com.
    _sip._udp.example.com SRV 0 1 5060 server1.example.com.
    server1.example.com A 192.0.2.1
    server2.example.com A 192.0.2.2
"""


@pytest.mark.parametrize(
    ("supported", "secure", "expected"),
    [
        ((UDP, TCP), False, ["tcp 192.0.2.2:5060", "tcp 192.0.2.1:5060"]),
        ((UDP, TCP, TLS), False, ["tls 192.0.2.1:5061"]),
        ((UDP,), False, ["udp 192.0.2.1:5060"]),
        ((UDP, TCP, TLS), True, ["tls 192.0.2.1:5061"]),
    ],
)
def test_naptr_chooses_the_transport_by_order(
    supported: tuple[Transport, ...], secure: bool, expected: list[str]
) -> None:
    plan = solve(Target("example.com", secure=secure), Zone(RFC_3263), supported=supported)
    assert places(plan) == expected


def test_naptr_of_one_order_are_all_followed_by_preference() -> None:
    zone = Zone("""
        a.test NAPTR 10 20 "S" "sip+d2u" "" _sip._udp.b.test.
        a.test NAPTR 10 10 "s" "SIP+D2T" "" _sip._tcp.b.test.
        _sip._udp.b.test SRV 0 0 5062 one.test.
        _sip._tcp.b.test SRV 0 0 5061 one.test.
        one.test A 192.0.2.1
    """)
    plan = solve(Target("a.test"), zone)
    assert places(plan) == ["tcp 192.0.2.1:5061", "udp 192.0.2.1:5062"]
    assert plan.hops()[0].why == "NAPTR 10 10 SIP+D2T, SRV _sip._tcp.b.test 0 0, one.test"
    assert zone.asked.count("A one.test") == 1


def test_the_next_order_is_taken_when_the_first_leads_to_no_srv() -> None:
    zone = Zone("""
        a.test NAPTR 10 10 "s" "SIP+D2T" "" _sip._tcp.gone.test.
        a.test NAPTR 20 10 "s" "SIP+D2U" "" _sip._udp.b.test.
        _sip._udp.b.test SRV 0 0 5062 one.test.
        one.test A 192.0.2.1
    """)
    plan = solve(Target("a.test"), zone)
    assert places(plan) == ["udp 192.0.2.1:5062"]
    assert "SRV _sip._tcp.gone.test: the name does not exist" in plan.trail


def test_naptr_that_lead_to_no_srv_at_all_leave_the_domains_own_addresses() -> None:
    # RFC 3263 §4.2: at the default port of the transport that NAPTR chose.
    zone = Zone("""
        a.test NAPTR 20 10 "s" "SIP+D2U" "" _sip._udp.gone.test.
        a.test NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp.gone.test.
        a.test A 192.0.2.9
    """)
    plan = solve(Target("a.test"), zone)
    assert places(plan) == ["tls 192.0.2.9:5061"]
    assert plan.hops()[0].why == "NAPTR 10 10 SIPS+D2T, no SRV, default port"


@pytest.mark.parametrize("answer", ["_sip._udp.b.test SRV 0 0 0 .", "_sip._udp.b.test SRV 0 0 5060 gone.test"])
def test_srv_behind_naptr_that_lead_nowhere_leave_nothing(answer: str) -> None:
    zone = Zone(f'a.test NAPTR 10 10 "s" "SIP+D2U" "" _sip._udp.b.test.\n{answer}\na.test A 192.0.2.9')
    assert places(solve(Target("a.test"), zone)) == []
    assert "A a.test" not in zone.asked


@pytest.mark.parametrize("supported", [(UDP, TCP, TLS), (TLS, TCP, UDP)])
def test_naptr_of_equal_rank_come_in_the_order_preferred_here(supported: tuple[Transport, ...]) -> None:
    services = {"SIP+D2T": "_sip._tcp", "SIP+D2U": "_sip._udp", "SIPS+D2T": "_sips._tcp"}
    lines = [f'a.test NAPTR 10 10 "s" "{service}" "" {prefix}.a.test.' for service, prefix in services.items()]
    lines += [f"{prefix}.a.test SRV 0 0 5060 192.0.2.1" for prefix in services.values()]
    plan = solve(Target("a.test"), Zone("\n".join(lines)), supported=supported)
    assert tuple(hop.transport for hop in plan.hops()) == supported


def test_two_naptr_may_lead_to_the_same_srv() -> None:
    zone = Zone("""
        a.test NAPTR 10 10 "s" "SIP+D2T" "" _sip._tcp.b.test.
        a.test NAPTR 10 20 "s" "SIP+D2T" "" _sip._tcp.b.test.
        _sip._tcp.b.test SRV 0 0 5062 one.test.
        one.test A 192.0.2.1
    """)
    assert places(solve(Target("a.test"), zone)) == ["tcp 192.0.2.1:5062"]


def test_naptr_with_flag_a_leads_to_addresses() -> None:
    zone = Zone('a.test NAPTR 10 10 "a" "SIPS+D2T" "" one.test.\none.test A 192.0.2.1')
    plan = solve(Target("a.test"), zone)
    assert places(plan) == ["tls 192.0.2.1:5061"]
    assert zone.asked == ["NAPTR a.test", "AAAA one.test", "A one.test"]


@pytest.mark.parametrize(
    "useless",
    [
        '10 10 "s" "SIP+D2S" "" _sip._sctp.a.test.',
        '10 10 "s" "SIP+D2Z" "" _sip._other.a.test.',
        '10 10 "s" "SIP+D2T" "!^.*$!sip:x!" .',
        '10 10 "" "SIP+D2T" "" other.test.',
        '10 10 "u" "SIP+D2T" "" other.test.',
    ],
)
def test_naptr_that_are_of_no_use_are_discarded(useless: str) -> None:
    alone = solve(Target("a.test"), Zone(f"a.test NAPTR {useless}\na.test A 192.0.2.9"))
    assert alone.hops() == []
    assert "NAPTR a.test offers no transport that is in use here" in alone.trail
    zone = Zone(f"""
        a.test NAPTR {useless}
        a.test NAPTR 20 10 "s" "SIP+D2U" "" _sip._udp.a.test.
        _sip._udp.a.test SRV 0 0 5062 192.0.2.1
    """)
    assert places(solve(Target("a.test"), zone)) == ["udp 192.0.2.1:5062"]


def test_naptr_of_other_applications_do_not_count() -> None:
    zone = Zone('a.test NAPTR 10 10 "u" "E2U+sip" "!^.*$!sip:x!" .\na.test A 192.0.2.9')
    assert places(solve(Target("a.test"), zone)) == ["udp 192.0.2.9:5060"]


def test_without_naptr_srv_of_every_transport_count_in_the_order_preferred_here() -> None:
    text = """
        _sip._tcp.a.test SRV 0 0 5071 one.test
        _sip._udp.a.test SRV 9 0 5070 one.test
        _sips._tcp.a.test SRV 0 0 5072 one.test
        one.test A 192.0.2.1
    """
    plan = solve(Target("a.test"), Zone(text))
    assert places(plan) == ["udp 192.0.2.1:5070", "tcp 192.0.2.1:5071", "tls 192.0.2.1:5072"]
    plan = solve(Target("a.test"), Zone(text), supported=(TCP, UDP))
    assert places(plan) == ["tcp 192.0.2.1:5071", "udp 192.0.2.1:5070"]


@pytest.mark.parametrize(
    ("target", "supported", "expected"),
    [
        (Target("a.test"), (TCP, UDP, TLS), "udp 192.0.2.9:5060"),
        (Target("a.test", secure=True), (UDP, TCP, TLS), "tls 192.0.2.9:5061"),
        (Target("a.test"), (TCP,), "tcp 192.0.2.9:5060"),
        (Target("a.test", 5090), (TCP, TLS), "tcp 192.0.2.9:5090"),
    ],
)
def test_without_any_record_of_sip_the_default_is_taken(
    target: Target, supported: tuple[Transport, ...], expected: str
) -> None:
    assert places(solve(target, Zone("a.test A 192.0.2.9"), supported=supported)) == [expected]


def test_a_target_of_root_says_that_there_is_no_service() -> None:
    zone = Zone("_sip._tcp.a.test SRV 0 0 0 .\na.test A 192.0.2.9")
    plan = solve(Target("a.test", transport=TCP), zone)
    assert plan.hops() == []
    assert "SRV _sip._tcp.a.test says that the service is not offered" in plan.trail


def test_a_port_of_0_is_passed_over() -> None:
    zone = Zone("_sip._tcp.a.test SRV 0 0 0 b.test\n_sip._tcp.a.test SRV 9 0 5070 b.test\nb.test A 192.0.2.9")
    plan = solve(Target("a.test", transport=TCP), zone)
    assert places(plan) == ["tcp 192.0.2.9:5070"]
    assert "SRV _sip._tcp.a.test has port 0, which is nobody's (RFC 6335 §6)" in plan.trail


@pytest.mark.parametrize("host", ["127.0.0.1%1", "fe80::1%lo", "fe80::1%2"])
def test_a_zone_in_dns_is_passed_over(host: str) -> None:
    zone = Zone(f"_sip._tcp.a.test SRV 0 0 5060 {host}\n_sip._tcp.a.test SRV 9 0 5070 b.test\nb.test A 192.0.2.9")
    plan = solve(Target("a.test", transport=TCP), zone)
    assert places(plan) == ["tcp 192.0.2.9:5070"]
    assert f"SRV _sip._tcp.a.test has {host}: a zone means nothing in DNS (RFC 4007 §6)" in plan.trail


def test_srv_that_lead_nowhere_are_told() -> None:
    zone = Zone("_sip._udp.a.test SRV 0 0 5060 gone.test\na.test A 192.0.2.9")
    plan = solve(Target("a.test", transport=UDP), zone)
    assert plan.hops() == []
    failure = plan.failure()
    assert failure.reason is FailureReason.UNRESOLVABLE
    assert "no address for sip:a.test;transport=udp: AAAA gone.test: the name does not exist" in failure.message


def test_a_broken_family_costs_one_attempt() -> None:
    zone = Zone("a.test AAAA 2001:db8::1\na.test AAAA 2001:db8::2\na.test A 192.0.2.1\na.test A 192.0.2.2")
    plan = solve(Target("a.test", 5060), zone)
    hosts = [hop.remote.host for hop in plan.hops()]
    assert hosts == ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"]


def test_priorities_come_before_families() -> None:
    zone = Zone("""
        _sip._udp.a.test SRV 1 1 5062 backup.test
        _sip._udp.a.test SRV 0 1 5061 main.test
        main.test A 192.0.2.1
        main.test AAAA 2001:db8::1
        backup.test A 192.0.2.2
        backup.test AAAA 2001:db8::2
    """)
    plan = solve(Target("a.test", transport=UDP), zone)
    ports = [hop.remote.port for hop in plan.hops()]
    assert ports == [5061, 5061, 5062, 5062]


def test_a_place_is_tried_once_and_first_things_first() -> None:
    zone = Zone("""
        _sip._udp.a.test SRV 0 0 5060 one.test
        _sip._udp.a.test SRV 1 0 5060 two.test
        _sip._udp.a.test SRV 2 0 5060 three.test
        one.test A 192.0.2.1
        two.test A 192.0.2.2
        three.test A 192.0.2.1
    """)
    plan = solve(Target("a.test", transport=UDP), zone)
    assert places(plan) == ["udp 192.0.2.1:5060", "udp 192.0.2.2:5060"]
    assert plan.hops()[0].why.endswith("0 0, one.test")


def test_a_zone_of_thousands_is_followed_so_far_and_no_further() -> None:
    servers = "\n".join(f"_sip._udp.a.test SRV {n} 0 5060 s{n}.test" for n in range(500))
    addresses = "\n".join(f"s{n}.test A 198.18.{n}.{m}" for n in range(100) for m in range(20))
    zone = Zone(servers + "\n" + addresses)
    plan = solve(Target("a.test", transport=UDP), zone)
    assert len(plan.hops()) == MAX_HOPS
    assert len(zone.asked) == 1 + 2 * MAX_SERVERS


@pytest.mark.parametrize("fault", [LookupFault.SERVFAIL, LookupFault.TIMED_OUT, LookupFault.REFUSED])
def test_a_failing_name_server_is_told_from_a_missing_name(fault: LookupFault) -> None:
    failing = dict.fromkeys(["a.test", *(f"{name}.a.test" for name in ("_sip._udp", "_sip._tcp", "_sips._tcp"))], fault)
    plan = solve(Target("a.test"), Zone("", failing))
    assert plan.hops() == []
    assert f"A a.test: {fault.value} (as told)" in plan.failure().message


def test_naptr_and_srv_that_fail_do_not_hide_an_address() -> None:
    names = [f"{name}.a.test" for name in ("_sip._udp", "_sip._tcp", "_sips._tcp")]
    failing = dict.fromkeys(names, LookupFault.SERVFAIL)
    plan = solve(Target("a.test"), Zone("a.test A 192.0.2.9", failing))
    assert places(plan) == ["udp 192.0.2.9:5060"]
    assert plan.hops()[0].why == "no NAPTR, SRV lookup failed, default port"
    assert sum("the name server failed" in sentence for sentence in plan.trail) == 3


def test_that_a_lookup_failed_is_no_lack_of_records() -> None:
    class Failing(Zone):
        def ask(self, question: Question) -> Result:
            result = super().ask(question)
            failed = question.type in (RecordType.NAPTR, RecordType.SRV) and isinstance(result, LookupFailure)
            return LookupFailure(question, LookupFault.TIMED_OUT) if failed else result

    plan = solve(Target("a.test"), Failing("a.test A 192.0.2.9"))
    assert plan.hops()[0].why == "NAPTR lookup failed, SRV lookup failed, default port"
    naptr = 'a.test NAPTR 10 10 "s" "SIPS+D2T" "" _sips._tcp.a.test.\na.test A 192.0.2.9'
    plan = solve(Target("a.test"), Failing(naptr))
    assert plan.hops()[0].why == "NAPTR 10 10 SIPS+D2T, SRV lookup failed, default port"


@pytest.mark.parametrize("unasked", ["a.test", "_sip._udp.a.test", "_sip._tcp.a.test"])
def test_nothing_follows_from_what_could_not_be_asked(unasked: str) -> None:
    """With a socket more, the SRV records would have told of another port."""
    failing = {unasked: LookupFault.NOT_ASKED}
    zone = Zone("_sip._tcp.a.test SRV 0 0 5070 one.test\none.test A 192.0.2.1", failing)
    plan = solve(Target("a.test"), zone)
    assert places(plan) == []
    failure = plan.failure()
    assert failure.reason is FailureReason.UNRESOLVABLE
    assert "this machine has nothing left to ask with (as told)" in failure.message
    assert not any(asked.startswith(("A ", "AAAA ")) for asked in zone.asked)


def test_one_family_that_could_not_be_asked_for_leaves_the_other() -> None:
    class Failing(Zone):
        def ask(self, question: Question) -> Result:
            if question.type is RecordType.AAAA:
                return LookupFailure(question, LookupFault.NOT_ASKED)
            return super().ask(question)

    assert places(solve(Target("a.test", 5060), Failing("a.test A 192.0.2.9"))) == ["udp 192.0.2.9:5060"]


def test_a_missing_family_is_not_told_of() -> None:
    plan = solve(Target("a.test", 5060), Zone("a.test A 192.0.2.9"))
    assert plan.trail == ()


@pytest.mark.parametrize(
    ("target", "supported"),
    [
        (Target("a.test", transport=UDP, secure=True), (UDP, TCP, TLS)),
        (Target("a.test", transport=WS), (UDP, TCP, TLS)),
        (Target("a.test", secure=True), (UDP, TCP)),
        (Target("192.0.2.1", secure=True), (UDP, TCP)),
        (Target("192.0.2.1"), ()),
    ],
)
def test_what_cannot_be_is_refused_at_once(target: Target, supported: tuple[Transport, ...]) -> None:
    with pytest.raises(LocalError):
        Plan(target, chance=never, supported=supported)


def test_answers_that_nobody_waits_for_are_ignored() -> None:
    plan = Plan(Target("a.test", 5060), chance=never)
    aaaa, a = plan.next_questions()
    assert plan.next_questions() == []
    plan.answer(Answer(Question(RecordType.A, "other.test"), (Address("192.0.2.1"),)))
    plan.answer(Answer(a, (Address("192.0.2.2"),)))
    plan.answer(Answer(a, (Address("192.0.2.3"),)))
    assert not plan.done
    plan.answer(LookupFailure(aaaa, LookupFault.NODATA))
    assert places(plan) == ["udp 192.0.2.2:5060"]
    plan.answer(Answer(a, (Address("192.0.2.4"),)))
    assert places(plan) == ["udp 192.0.2.2:5060"]


def test_records_of_the_wrong_kind_are_passed_over() -> None:
    plan = Plan(Target("a.test", transport=UDP), chance=never)
    (question,) = plan.next_questions()
    plan.answer(Answer(question, (Address("192.0.2.1"),)))
    assert plan.done
    assert plan.hops() == []


def test_a_response_goes_where_the_via_says() -> None:
    # RFC 3263 §5: sent-by with a domain and no port is looked up by SRV, with TLS as _sips._tcp.
    zone = Zone("_sips._tcp.pc33.test SRV 0 0 5071 one.test\none.test A 192.0.2.1")
    assert places(solve(Target("pc33.test", transport=TLS), zone)) == ["tls 192.0.2.1:5071"]


RFC_2782 = [Srv(0, 1, 9, "old-slow-box"), Srv(0, 3, 9, "new-fast-box"), Srv(1, 0, 9, "sysadmins-box")]


def test_weights_are_probabilities() -> None:
    source = random.Random(3263)
    first = Counter(order_srv(RFC_2782, source.random)[0].target for _ in range(20_000))
    assert 0.735 < first["new-fast-box"] / 20_000 < 0.765
    assert first["sysadmins-box"] == 0


def test_weight_zero_comes_last_but_for_the_smallest_chance() -> None:
    records = [Srv(0, 10, 1, "heavy"), Srv(0, 0, 1, "none")]
    assert [record.target for record in order_srv(records, lambda: 0.0)] == ["none", "heavy"]
    assert [record.target for record in order_srv(records, lambda: 1e-9)] == ["heavy", "none"]
    assert order_srv([Srv(0, 0, 1, "a"), Srv(0, 0, 1, "b")], lambda: 0.9999)[0].target == "a"


SRV = st.builds(Srv, st.integers(0, 3), st.integers(0, 65535), st.just(5060), st.sampled_from("abcdef"))


@given(st.lists(SRV, max_size=12), st.floats(0, 1, exclude_max=True))
def test_order_keeps_every_record_and_the_priorities(records: list[Srv], chance: float) -> None:
    ordered = order_srv(records, lambda: chance)
    assert Counter(ordered) == Counter(records)
    assert [record.priority for record in ordered] == sorted(record.priority for record in records)


NAMES = st.sampled_from(["a.test", "b.test", "_sip._udp.a.test", "_sip._tcp.a.test", "", "192.0.2.1"])
NAPTR = st.builds(
    Naptr,
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from(["s", "a", "", "u"]),
    st.sampled_from(["SIP+D2U", "SIP+D2T", "SIPS+D2T", "SIP+D2W", "SIP+D2X", "E2U+sip"]),
    st.sampled_from(["", "!x!"]),
    NAMES,
)
RECORDS = st.one_of(NAPTR, st.builds(Srv, st.integers(0, 2), st.integers(0, 9), st.just(5060), NAMES))
RECORDS |= st.sampled_from([Address("192.0.2.1"), Address("2001:db8::1")])
TARGETS = st.builds(
    Target,
    st.sampled_from(["a.test", "192.0.2.1", "2001:db8::1"]),
    st.sampled_from([None, 5060]),
    st.sampled_from([None, UDP, TCP, TLS]),
    st.booleans(),
)


@given(TARGETS, st.data())
def test_whatever_dns_says_the_plan_ends(target: Target, data: st.DataObject) -> None:
    try:
        plan = Plan(target, chance=lambda: 0.5, supported=ALL)
    except LocalError:
        return
    asked = 0
    while questions := plan.next_questions():
        asked += len(questions)
        for question in data.draw(st.permutations(questions)):
            records = tuple(data.draw(st.lists(RECORDS, max_size=4)))
            failing = data.draw(st.booleans())
            plan.answer(LookupFailure(question, LookupFault.SERVFAIL) if failing else Answer(question, records))
    assert plan.done
    assert asked <= 1 + 3 * 4 + 2 * 12
    assert all(hop.transport.secure or not target.secure for hop in plan.hops())
    assert all(hop.tls_name == (target.host if hop.transport.secure else None) for hop in plan.hops())
