"""What is broken in the DNS of a SIP domain: each problem by the replies that show it, and none where all is well."""

from dataclasses import replace

import pytest

from probes.checks.dns.judge import judge
from probes.checks.dns.plan import Reply
from probes.checks.dns.problems import DnsProblem
from probes.findings.finding import Severity, Side
from sipcore.resolve.records import Address, LookupFault, Naptr, RecordType, Srv
from tests.probes.checks.dns_values import FIRST, GOOD, SECOND, V4, Zone, reply, report

H1 = Srv(0, 0, 5060, "h1.example.com")
UDP = "SRV _sip._udp.example.com"
NAPTR = "NAPTR example.com"
GONE: Zone = {"A gone.example.com": LookupFault.NXDOMAIN, "AAAA gone.example.com": LookupFault.NXDOMAIN}
LOOP = ("a.example.com", "b.example.com", "A.example.com")


def naptr(flags: str = "s", service: str = "SIP+D2U", regexp: str = "", to: str = "_sip._udp.example.com") -> Zone:
    return {NAPTR: (Naptr(1, 1, flags, service, regexp, to),), UDP: (H1,), **V4}


def srv(*records: Srv) -> Zone:
    return {UDP: records, **V4}


def told(zone: Zone, second: Zone | None = None, later: Zone | None = None) -> list[str]:
    """The problems that are found, with what they are found in."""
    found = report(zone, pause=1.0, second=second, later=later)
    return [
        f"{fault.problem.name} {fault.question}{f' {fault.record}' if fault.record else ''}" for fault in found.faults
    ]


@pytest.mark.parametrize("zone", [GOOD, naptr(), srv(H1), {"A example.com": (Address("192.0.2.80"),)}])
def test_what_is_well_has_no_fault(zone: Zone) -> None:
    assert told(zone, second=zone) == []


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        (naptr(service="SIP+D2Z"), ["NAPTR_SERVICE"]),
        (naptr(service="SIPS+D2U"), ["NAPTR_SERVICE"]),
        (naptr(service="SIP+D2S"), []),
        (naptr(service="E2U+sip", flags="u"), []),
        (naptr(service="SIP+D2T"), ["NAPTR_MISMATCH"]),
        (naptr(to="_sip._tls.example.com"), ["NAPTR_MISMATCH", "NAPTR_NOWHERE"]),
        (naptr(to="gone.example.com"), ["NAPTR_NOWHERE"]),
        (naptr(flags="a", to="gone.example.com") | GONE, ["NAPTR_NOWHERE"]),
        (naptr(flags="a", to="h1.example.com"), []),
        (naptr(to=""), ["NAPTR_NOWHERE"]),
        (naptr(flags="u"), ["NAPTR_FLAG"]),
        (naptr(flags=""), ["NAPTR_FLAG"]),
        (naptr(regexp="!x!y!"), ["NAPTR_REGEXP"]),
        (naptr(flags="u", regexp="!x!y!"), ["NAPTR_FLAG", "NAPTR_REGEXP"]),
    ],
)
def test_naptr(zone: Zone, expected: list[str]) -> None:
    (record,) = zone[NAPTR]  # type: ignore[misc]
    assert told(zone) == [f"{name} {NAPTR} {record}" for name in expected]


@pytest.mark.parametrize(
    ("records", "more", "expected"),
    [
        ((Srv(0, 0, 5060, "gone.example.com"),), GONE, "SRV_NOWHERE"),
        ((Srv(0, 0, 5060, "gone.example.com"),), {}, "SRV_NO_ADDRESS"),
        ((Srv(0, 0, 0, "h1.example.com"),), {}, "SRV_PORT_ZERO"),
        ((Srv(0, 0, 5060, "192.0.2.9"),), {}, "SRV_ADDRESS"),
        ((Srv(0, 0, 0, ""),), {}, "SRV_NOT_OFFERED"),
        (
            (Srv(0, 0, 5060, "w.example.com"),),
            {"A w.example.com": reply(Address("192.0.2.1"), aliases=("w.example.com", "h1.example.com"))},
            "SRV_ALIAS",
        ),
    ],
)
def test_srv(records: tuple[Srv, ...], more: Zone, expected: str) -> None:
    assert told(srv(*records) | more) == [f"{expected} {UDP} {records[0]}"]


def test_a_service_that_is_and_is_not_offered() -> None:
    root = Srv(9, 0, 0, "")
    assert told(srv(H1, root)) == [f"SRV_CONTRADICTION {UDP}", f"SRV_NOT_OFFERED {UDP} {root}"]


def test_a_resolver_that_failed_does_not_say_that_nothing_is_there() -> None:
    zone = srv(Srv(0, 0, 5060, "gone.example.com")) | GONE | {"A gone.example.com": LookupFault.TIMED_OUT}
    assert told(zone) == ["TIMED_OUT A gone.example.com"]


def test_an_alias_in_a_loop_and_one_to_nothing() -> None:
    zone = srv(Srv(0, 0, 5060, "a.example.com")) | {
        "A a.example.com": reply(aliases=LOOP),
        "AAAA a.example.com": reply(aliases=LOOP),
        "A example.com": reply(fault=LookupFault.NXDOMAIN, aliases=("example.com", "x.example.com")),
    }
    assert told(zone) == ["ALIAS_LOOP AAAA a.example.com", "ALIAS_NOWHERE A example.com"]


@pytest.mark.parametrize(
    ("count", "records", "severity"),
    [
        (8, (), None),
        (8, V4["A h1.example.com"], None),
        (9, (), Severity.ERROR),
        (9, V4["A h1.example.com"], Severity.WARNING),
        (16, V4["A h1.example.com"], Severity.WARNING),
        (17, (), Severity.ERROR),
    ],
)
def test_many_aliases_in_a_row_are_no_loop(count: int, records: tuple[Address, ...], severity: Severity | None) -> None:
    chain = ["example.com", *(f"n{number}.example.com" for number in range(count))]
    found = report({"A example.com": reply(*records, aliases=chain), "AAAA example.com": reply(aliases=chain)})
    assert {(fault.problem.name, fault.severity) for fault in found.faults} == (
        {("ALIAS_LONG", severity)} if severity else set()
    )


def test_a_target_behind_too_many_aliases_is_not_said_to_be_missing() -> None:
    chain = ["a.example.com", *(f"n{number}.example.com" for number in range(17))]
    zone = srv(Srv(0, 0, 5060, "a.example.com")) | {
        "A a.example.com": reply(aliases=chain),
        "AAAA a.example.com": reply(aliases=chain),
    }
    assert told(zone) == ["ALIAS_LONG AAAA a.example.com"]


@pytest.mark.parametrize(
    "fault",
    [
        LookupFault.TIMED_OUT,
        LookupFault.UNREACHABLE,
        LookupFault.SERVFAIL,
        LookupFault.REFUSED,
        LookupFault.INVALID_NAME,
    ],
)
def test_a_resolver_that_fails_is_told_once(fault: LookupFault) -> None:
    down: Zone = dict.fromkeys(["AAAA h1.example.com", *GOOD], fault)
    found = report(GOOD, second=down)
    assert [one.problem.name for one in found.faults] == [fault.name]
    assert found.faults[0].detail.startswith(f"{SECOND}: {fault.name}, and likewise to 6 more")
    assert (found.faults[0].severity, found.works) == (Severity.WARNING, True)
    turned = report(down, second=GOOD)  # as a system's resolvers stand in for each other
    assert turned.places == found.places
    assert [(one.problem.name, one.severity) for one in turned.faults] == [(fault.name, Severity.WARNING)]
    alone = report(down)
    assert [(one.problem.name, one.severity) for one in alone.faults] == [(fault.name, Severity.ERROR)]


@pytest.mark.parametrize("failing", ["A", "AAAA"])
def test_a_failure_of_one_family_is_milder_where_there_are_addresses_of_the_other(failing: str) -> None:
    both: Zone = {"A example.com": (Address("192.0.2.80"),), "AAAA example.com": (Address("2001:db8::80"),)}
    broken: Zone = {f"{failing} example.com": LookupFault.SERVFAIL}
    (fault,) = report(both | broken).faults
    assert (fault.problem, fault.severity) == (DnsProblem.SERVFAIL, Severity.WARNING)
    assert report(both | broken).works
    other = "A" if failing == "AAAA" else "AAAA"
    (alone,) = report(broken | {f"{other} example.com": LookupFault.NODATA}).faults
    assert alone.severity is Severity.ERROR


def test_truncated_answers() -> None:
    over_tcp = Reply(None, records=(H1,), ttl=60.0, truncated=True)  # type: ignore[arg-type]
    assert told(srv() | {UDP: over_tcp}) == [f"TRUNCATED {UDP}"]
    not_at_all = reply(fault=LookupFault.TRUNCATED, truncated=True, detail="TCP: Connection refused")
    assert told(srv() | {UDP: not_at_all}) == [f"TRUNCATED_ONLY {UDP}"]


def test_resolvers_that_disagree() -> None:
    other = GOOD | {"A h1.example.com": (Address("192.0.2.99"),)}
    found = report(GOOD, second=other)
    (fault,) = found.faults
    assert (fault.problem, str(fault.question)) == (DnsProblem.DISAGREEMENT, "A h1.example.com")
    assert fault.detail == f"{FIRST}: 192.0.2.1; {SECOND}: 192.0.2.99"
    assert told(GOOD, second={}) != []


def test_the_order_of_records_means_nothing() -> None:
    turned = GOOD | {UDP: tuple(reversed(GOOD[UDP]))}  # type: ignore[arg-type]
    assert told(GOOD, second=turned, later=turned) == []


def test_an_answer_that_changes_within_its_ttl() -> None:
    many = tuple(Address(f"192.0.2.{number}") for number in range(10, 17))
    found = report(GOOD, pause=1.0, later=GOOD | {"A h1.example.com": many})
    (fault,) = found.faults
    assert fault.problem is DnsProblem.CHANGED
    assert "192.0.2.1, and 1." in fault.detail
    assert fault.detail.endswith("192.0.2.10, 192.0.2.11, 192.0.2.12, 192.0.2.13 and 3 more")


def test_an_answer_that_changes_after_its_ttl_has_not_changed_early() -> None:
    brief = Reply(None, records=(Address("192.0.2.1"),), ttl=0.5)  # type: ignore[arg-type]
    assert told(GOOD | {"A h1.example.com": brief}, later=GOOD | {"A h1.example.com": (Address("192.0.2.9"),)}) == []
    assert told(GOOD, later=GOOD | {"A h1.example.com": LookupFault.SERVFAIL}) == ["SERVFAIL A h1.example.com"]


@pytest.mark.parametrize("host", ["0.0.0.0", "224.0.0.1", "239.255.255.250", "255.255.255.255", "::", "ff02::1"])
def test_an_address_that_is_no_hosts(host: str) -> None:
    kind = "AAAA" if ":" in host else "A"
    found = report({f"{kind} example.com": (Address(host),)})
    assert [(fault.problem.name, fault.severity) for fault in found.faults] == [("NO_HOST", Severity.ERROR)]
    assert (found.places, found.works) == ((), False)
    assert found.failure is not None
    assert f"{host}: the address is no host's" in found.failure.message
    beside = report({f"{kind} example.com": (Address(host),), "SRV _sip._udp.example.com": (H1,), **V4})
    assert [hop.remote.host for hop in beside.places] == ["192.0.2.1"]


def test_a_notice_is_no_reason_for_having_no_address() -> None:
    found = report({"A example.com": reply(truncated=True)})
    assert [fault.problem.name for fault in found.faults] == ["TRUNCATED"]
    assert found.failure is not None
    assert "A example.com: the name has no such record" in found.failure.message
    assert "datagram" not in found.failure.message


def test_an_address_that_is_private() -> None:
    zone: Zone = {"A example.com": (Address("10.0.0.1"),), "AAAA example.com": (Address("2001:db8::1"),)}
    assert told(zone) == ["PRIVATE_ADDRESS A example.com 10.0.0.1"]
    known: Zone = {"A example.com": reply(Address("127.0.0.1"), source="hosts")}
    assert told(known) == []


@pytest.mark.parametrize(("seconds", "expected"), [(0.9, []), (1.0, ["SLOW"]), (3.9, ["SLOW"])])
def test_dns_that_takes_long_to_say_where_to_go(seconds: float, expected: list[str]) -> None:
    """What it says late that leads nowhere costs nobody anything."""
    quick = report(srv(H1))
    late = [
        replace(reply, at=seconds if reply.records else 5.0) if reply.query.question.type is RecordType.A else reply
        for reply in quick.replies
    ]
    found = judge(quick.question, late)
    assert [fault.problem.name for fault in found.faults] == expected
    assert found.took == seconds
    assert all(f"after {seconds:.1f} s" in fault.detail for fault in found.faults)


def test_what_no_dns_tells_takes_no_time() -> None:
    assert report({}).took == 0.0
    assert report({"A example.com": reply(Address("192.0.2.1"), source="hosts")}).took == 0.0


def test_the_worst_comes_first() -> None:
    zone = srv(Srv(0, 0, 5060, "192.0.2.9"), Srv(1, 0, 0, "h1.example.com"), Srv(2, 0, 0, ""))
    severities = [fault.severity for fault in report(zone).faults]
    assert severities == sorted(severities, key=list(Severity).index)
    assert severities[0] is Severity.ERROR


def test_every_problem_is_in_the_catalogue() -> None:
    for problem in DnsProblem:
        assert (problem.entry.code, problem.entry.area) == (f"dns-{problem.name.lower().replace('_', '-')}", "dns")
    assert len({problem.entry.title for problem in DnsProblem}) == len(DnsProblem)


def test_a_problem_is_told_as_a_finding() -> None:
    (fault,) = report(srv(Srv(0, 0, 0, "h1.example.com"))).faults
    finding = fault.finding
    assert (finding.code, finding.severity, finding.side) == ("dns-srv-port-zero", Severity.ERROR, Side.DNS)
    assert "port 0 leads nowhere" in finding.what
    assert finding.evidence == ("SRV _sip._udp.example.com 0 0 0 h1.example.com.",)
    assert (finding.cure, finding.rule) == (fault.problem.entry.cure, fault.problem.entry.rule)
