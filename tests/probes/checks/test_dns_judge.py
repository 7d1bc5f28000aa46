"""What replies of DNS mean: the tree, the order of trial, and whether calls get through."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.checks.dns.judge import DnsReport, Rung, Step
from probes.checks.dns.problems import DnsProblem
from sipcore.errors import FailureReason
from sipcore.resolve.records import Address, LookupFault, Naptr, Record, Srv
from tests.probes.checks.dns_values import GOOD, V4, Zone, reply, report


def ladder(found: DnsReport) -> list[str]:
    """The tree as lines: questions with their reasons, records with their order, indented."""
    return [line for rung in found.ladder for line in _of_rung(rung, 0) if rung.steps]


def _of_rung(rung: Rung, depth: int) -> list[str]:
    why = f" ({rung.why})" if depth == 0 else ""
    return [
        "  " * depth + f"{rung.question}{why}",
        *(line for step in rung.steps for line in _of_step(step, depth + 1)),
    ]


def _of_step(step: Step, depth: int) -> list[str]:
    order = f" {list(step.order)}" if step.order else ""
    note = f" ({step.note})" if step.note else ""
    own = "  " * depth + f"{step.record}{order}{note}"
    return [own, *(line for rung in step.rungs if rung.steps for line in _of_rung(rung, depth + 1))]


def places(found: DnsReport) -> list[str]:
    return list(map(str, found.places))


def test_naptr_leads_to_srv_leads_to_addresses() -> None:
    found = report(GOOD)
    assert places(found) == ["tls [2001:db8::1]:5061", "tls 192.0.2.1:5061", "tls 192.0.2.2:5061"]
    assert (found.works, found.faults, found.failure) == (True, (), None)
    assert ladder(found) == [
        "NAPTR example.com (no port or transport given)",
        '  10 50 "s" "SIPS+D2T" "" _sips._tcp.example.com. [1, 2, 3]',
        "    SRV _sips._tcp.example.com",
        "      10 0 5061 h1.example.com. [1, 2]",
        "        AAAA h1.example.com",
        "          2001:db8::1 [1]",
        "        A h1.example.com",
        "          192.0.2.1 [2]",
        "      20 0 5061 h2.example.com. [3]",
        "        A h2.example.com",
        "          192.0.2.2 [3]",
        '  20 50 "s" "SIP+D2U" "" _sip._udp.example.com. (not considered: order 10 leads to servers)',
        "    SRV _sip._udp.example.com",
        "      10 75 5060 h2.example.com.",
        "        A h2.example.com",
        "          192.0.2.2",
        "      10 25 5060 h1.example.com.",
        "        AAAA h1.example.com",
        "          2001:db8::1",
        "        A h1.example.com",
        "          192.0.2.1",
        "A example.com (not tried: SRV leads elsewhere)",
        "  192.0.2.80",
    ]


def test_weights_are_told_as_shares_and_the_heaviest_is_tried_first() -> None:
    found = report(GOOD, "udp://example.com")
    assert places(found) == ["udp 192.0.2.2:5060", "udp [2001:db8::1]:5060", "udp 192.0.2.1:5060"]
    (srv,) = (rung for rung in found.ladder if rung.question.type.value == "SRV")
    assert (srv.why, [step.share for step in srv.steps], srv.order) == ("udp is given", [0.75, 0.25], (1, 2, 3))


def test_without_any_weight_all_are_equal() -> None:
    zone: Zone = {"SRV _sip._udp.example.com": (Srv(1, 0, 5060, "h1.example.com"), Srv(1, 0, 5060, "h2.example.com"))}
    found = report(zone | V4)
    assert [step.share for step in found.ladder[1].steps] == [0.5, 0.5]


@pytest.mark.parametrize(
    ("target", "why", "expected"),
    [
        ("example.com", "no SRV, default port", "udp 192.0.2.80:5060"),
        ("sips:example.com", "no SRV, default port", "tls 192.0.2.80:5061"),
        ("tcp://example.com", "no SRV, default port", "tcp 192.0.2.80:5060"),
        ("example.com:5090", "port 5090 is given", "udp 192.0.2.80:5090"),
        ("ws://example.com", "no SRV, default port", "ws 192.0.2.80:80"),
    ],
)
def test_without_srv_the_own_addresses_count(target: str, why: str, expected: str) -> None:
    found = report({"A example.com": (Address("192.0.2.80"),)}, target)
    assert places(found) == [expected]
    assert ladder(found) == [f"A example.com ({why})", "  192.0.2.80 [1]"]


NOWHERE = Naptr(10, 10, "s", "SIP+D2U", "", "_sip._udp.gone.example.com")
OWN: Zone = {"A example.com": (Address("192.0.2.80"),)}


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        (
            {"NAPTR example.com": (Naptr(1, 1, "a", "SIP+D2T", "", "h1.example.com"),), **V4, **OWN},
            [
                "NAPTR example.com (no port or transport given)",
                '  1 1 "a" "SIP+D2T" "" h1.example.com. [1]',
                "    A h1.example.com",
                "      192.0.2.1 [1]",
                "A example.com (not tried: SRV leads elsewhere)",
                "  192.0.2.80",
            ],
        ),
        (
            {"NAPTR example.com": (NOWHERE,), **OWN},
            [
                "NAPTR example.com (no port or transport given)",
                f"  {NOWHERE}",
                "A example.com (no SRV, default port)",
                "  192.0.2.80 [1]",
            ],
        ),
        (
            {
                "NAPTR example.com": (Naptr(1, 1, "u", "E2U+sip", "!.*!sip:x@y!", ""),),
                "SRV _sip._udp.example.com": (Srv(0, 0, 5070, "192.0.2.9"),),
            },
            [
                "NAPTR example.com (no port or transport given)",
                '  1 1 "u" "E2U+sip" "!.*!sip:x@y!" . (of another application)',
                "SRV _sip._udp.example.com (no NAPTR)",
                "  0 0 5070 192.0.2.9. [1]",
            ],
        ),
        (
            {"NAPTR example.com": (Naptr(1, 1, "s", "SIP+D2S", "", "x"), Naptr(2, 1, "s", "X", "", "x")), **OWN}
            | {"SRV _sip._udp.example.com": (Srv(0, 0, 5070, "h1.example.com"),)},
            [
                "NAPTR example.com (no port or transport given)",
                '  1 1 "s" "SIP+D2S" "" x. (SCTP, which is not spoken here)',
                '  2 1 "s" "X" "" x. (of another application)',
                "SRV _sip._udp.example.com (not tried: NAPTR decides)",
                "  0 0 5070 h1.example.com.",
                "A example.com (not tried: NAPTR decides)",
                "  192.0.2.80",
            ],
        ),
        (
            {"SRV _sip._ws.example.com": (Srv(0, 0, 8088, "h1.example.com"),), **V4, **OWN},
            [
                "SRV _sip._ws.example.com (few clients look here (RFC 7118 §5.5))",
                "  0 0 8088 h1.example.com.",
                "    A h1.example.com",
                "      192.0.2.1",
                "A example.com (no SRV, default port)",
                "  192.0.2.80 [1]",
            ],
        ),
    ],
)
def test_what_is_there_and_what_is_not_tried(zone: Zone, expected: list[str]) -> None:
    assert ladder(report(zone)) == expected


def test_for_a_sips_uri_plain_services_do_not_count() -> None:
    plain = Naptr(1, 1, "s", "SIP+D2U", "", "_sip._udp.example.com")
    found = report(GOOD | {"NAPTR example.com": (plain,)}, "sips:example.com")
    assert found.ladder[0].steps[0].note == "not for a sips URI"


def test_an_address_needs_no_dns() -> None:
    found = report({}, "192.0.2.7")
    assert (places(found), found.ladder, found.replies, found.works) == (["udp 192.0.2.7:5060"], (), (), True)


def test_what_leads_nowhere_fails_by_the_worst() -> None:
    found = report(V4 | {"SRV _sip._udp.example.com": (Srv(0, 0, 0, "h1.example.com"), Srv(0, 0, 0, ""))})
    assert found.failure is not None
    assert found.failure.reason is FailureReason.UNRESOLVABLE
    told = "no address for sip:example.com: SRV _sip._udp.example.com 0 0 0 h1.example.com.: port 0 leads nowhere"
    assert (found.failure.message, found.works) == (told, False)


def test_what_is_not_there_fails_by_that() -> None:
    absent: Zone = {f"{kind} example.com": LookupFault.NXDOMAIN for kind in ("NAPTR", "A", "AAAA")}
    found = report(
        absent | {f"SRV {p}.example.com": LookupFault.NXDOMAIN for p in ("_sip._udp", "_sip._tcp", "_sips._tcp")}
    )
    assert found.failure is not None
    assert found.failure.message == "no address for sip:example.com: the name does not exist"


def test_records_beyond_the_limit_are_counted() -> None:
    many = tuple(Srv(priority, 0, 5060, "h1.example.com") for priority in range(40))
    found = report(V4 | {"SRV _sip._udp.example.com": many}, "udp://example.com")
    assert (len(found.ladder[0].steps), found.ladder[0].omitted) == (16, 24)


def test_what_could_not_be_asked_is_told() -> None:
    zone: Zone = {
        f"SRV {prefix}.example.com": tuple(Srv(n, 0, 5060, f"h{n}{prefix}.example.com") for n in range(16))
        for prefix in ("_sip._udp", "_sip._tcp", "_sips._tcp", "_sip._ws", "_sips._ws")
    }
    found = report(zone, second=zone)
    assert DnsProblem.UNFINISHED in [fault.problem for fault in found.faults]


def test_an_alias_of_the_domain_is_followed() -> None:
    found = report({"A example.com": reply(Address("192.0.2.8"), aliases=("example.com", "www.example.com"))})
    assert places(found) == ["udp 192.0.2.8:5060"]
    assert found.faults == ()


names = st.sampled_from(["example.com", "_sip._udp.example.com", "h1.example.com", "", "192.0.2.7", "x" * 70, "Ä"])
numbers = st.integers(0, 65535)
flags, services = st.sampled_from("sSaAu") | st.text(), st.sampled_from(["SIP+D2U", "sips+d2t", "SIP+D2W"]) | st.text()
naptrs = st.builds(Naptr, numbers, numbers, flags, services, st.sampled_from(["", "!"]), names)
srvs = st.builds(Srv, numbers, numbers, numbers, names)
addresses = st.builds(Address, st.ip_addresses().map(str))


def answers(kind: st.SearchStrategy[Record]) -> st.SearchStrategy[object]:
    chains = st.lists(names, max_size=4)
    whole = st.builds(lambda found, chain: reply(*found, aliases=chain), st.lists(kind, max_size=5), chains)
    return whole | st.builds(lambda fault: reply(fault=fault), st.sampled_from(LookupFault))


zones = st.fixed_dictionaries(
    {},
    optional={"NAPTR example.com": answers(naptrs), "SRV _sip._udp.example.com": answers(srvs)}
    | {f"{kind} {host}": answers(addresses) for kind in ("A", "AAAA") for host in ("example.com", "h1.example.com")},
)


@settings(max_examples=50)
@given(zones, zones, zones, st.sampled_from(["example.com", "sips:example.com", "tcp://example.com", "example.com:1"]))
def test_whatever_dns_says_is_a_report(zone: Zone, second: Zone, later: Zone, target: str) -> None:
    found = report(zone, target, 1.0, second=second, later=later)
    assert (found.failure is None) is bool(found.places)
    assert all(hop.remote.port for hop in found.places)
    tried = {place for rung in found.ladder for place in rung.order}
    assert tried <= set(range(1, len(found.places) + 1))
