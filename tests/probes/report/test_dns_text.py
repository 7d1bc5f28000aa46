"""The DNS ladder in words: what it says, at 80 columns, whatever a name server has written."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.checks.dns.judge import DnsReport, judge
from probes.report.dns_text import dns_failure_line, dns_lines
from probes.report.lines import WIDTH
from sipcore.resolve.records import Address, LookupFault, Naptr, Srv
from tests.probes.checks.dns_values import GOOD, V4, Zone, reply, report


def shown(found: DnsReport) -> list[str]:
    lines = [line.plain for line in dns_lines(found)]
    assert max(map(len, lines)) <= WIDTH
    assert all(line.isprintable() for line in lines)
    return lines


def said(found: DnsReport) -> str:
    """All of it in one line."""
    return " ".join(" ".join(shown(found)).split())


def test_what_a_hosts_file_tells_is_not_asked_for() -> None:
    told = reply(Address("192.0.2.1"), source="hosts")
    found = report({"A example.com": told})
    assert len(found.replies) == 8
    assert "resolver 192.0.2.53:53, 7 of 7 queries answered" in said(found)


def test_a_domain_that_is_well() -> None:
    assert shown(report(GOOD)) == [
        "sip:example.com leads to 3 places, tls [2001:db8::1]:5061 first",
        "",
        "  resolver   192.0.2.53:53, 12 of 12 queries answered, the fastest in 10.0 ms",
        "",
        "  NAPTR example.com (no port or transport given)                           300 s",
        '    10 50 "s" "SIPS+D2T" "" _sips._tcp.example.com.',
        "      SRV _sips._tcp.example.com                                           300 s",
        "        10 0 5061 h1.example.com.",
        "          AAAA 2001:db8::1                                         1st     300 s",
        "          A 192.0.2.1                                              2nd     300 s",
        "        20 0 5061 h2.example.com.",
        "          A 192.0.2.2                                              3rd     300 s",
        '    20 50 "s" "SIP+D2U" "" _sip._udp.example.com. (not considered: order 10',
        "        leads to servers)",
        "      SRV _sip._udp.example.com                                            300 s",
        "        10 75 5060 h2.example.com., first for 75%",
        "          A 192.0.2.2                                                      300 s",
        "        10 25 5060 h1.example.com., first for 25%",
        "          AAAA 2001:db8::1                                                 300 s",
        "          A 192.0.2.1                                                      300 s",
        "  A example.com (not tried: SRV leads elsewhere)                           300 s",
        "    192.0.2.80",
        "  nothing at SRV _sip._tcp.example.com, SRV _sip._ws.example.com, SRV",
        "      _sips._ws.example.com, AAAA example.com",
    ]
    assert dns_failure_line(report(GOOD)) == ""


def test_how_long_a_record_holds_is_told_in_whole_seconds() -> None:
    assert "1209600 s" in said(report({"A example.com": replace(reply(Address("192.0.2.1")), ttl=1209600.0)}))


BROKEN: Zone = V4 | {
    "SRV _sip._udp.example.com": (
        Srv(1, 0, 5060, "gone.example.com"),
        Srv(2, 0, 0, "h1.example.com"),
        Srv(3, 0, 5060, "h2.example.com"),
    ),
    "AAAA gone.example.com": LookupFault.NXDOMAIN,
    "A gone.example.com": LookupFault.NXDOMAIN,
    "AAAA h2.example.com": LookupFault.TIMED_OUT,
}


def test_what_is_broken_is_marked_and_told_below() -> None:
    lines = shown(report(BROKEN, "udp://example.com"))
    assert lines[:2] == [
        "sip:example.com;transport=udp leads to one place, udp 192.0.2.2:5060, but 2",
        "things are broken",
    ]
    assert "    1 0 5060 gone.example.com. !" in lines
    assert "      A gone.example.com: the name does not exist" in lines
    assert "      AAAA h2.example.com: no name server answered !" in lines
    assert "  ! error: SRV _sip._udp.example.com 2 0 0 h1.example.com.: port 0 leads" in lines
    assert "[dns-srv-port-zero, RFC 2782]" in " ".join(" ".join(lines).split())


def test_what_was_not_asked() -> None:
    found = judge(report(GOOD).question, ())
    assert "A example.com (no SRV, default port): not asked" in said(found)
    assert "! notice: NAPTR example.com: not everything could be asked (8 queries more)" in said(found)


def test_the_failure_in_one_line() -> None:
    assert dns_failure_line(report(BROKEN, "udp://example.com")) == (
        "SRV _sip._udp.example.com 1 0 5060 gone.example.com.: the target does not exist: "
        "correct the target, or add its addresses"
    )
    assert dns_failure_line(report({})) == (
        "no address for sip:example.com: NAPTR example.com: the name has no such record; SRV _sip._udp.example.com: "
        "the name has no such record; SRV _sip._tcp.example.com: the name has no such record; SRV "
        "_sips._tcp.example.com: the name has no such record; AAAA example.com: the name has no such record; A "
        "example.com: the name has no such record"
    )


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (report({}, "10.0.0.1"), "sip:10.0.0.1 is an address, and needs no DNS: udp 10.0.0.1:5060"),
        (report({}, "10.0.0.1"), "address private: the Internet does not route it"),
        (report({}, "acme.pstn.twilio.com"), "twilio ports: tls 5061, tcp 5060, udp 5060"),
        (report({}, "acme.pstn.twilio.com"), "twilio see https://www.twilio.com/docs/sip-trunking"),
        (
            report({"A example.com": reply(Address("192.0.2.8"), aliases=("example.com", "w.example.com"))}),
            "alias example.com -> w.example.com 192.0.2.8 1st",
        ),
        (
            report({"A example.com": tuple(Address(f"192.0.2.{n}") for n in range(1, 13))}, "example.com:5060"),
            "192.0.2.11 11th 192.0.2.12 12th",
        ),
        (report({"A example.com": reply(Address("127.0.0.1"), source="hosts")}), "hosts 127.0.0.1 1st"),
        (
            report(V4 | {"SRV _sip._udp.example.com": (Srv(0, 0, 5060, "192.0.2.9"),)}, "udp://example.com"),
            "0 0 5060 192.0.2.9. ! 1st",
        ),
        (
            report({"SRV _sip._udp.example.com": tuple(Srv(n, 0, 5060, "h") for n in range(20))}, "udp://example.com"),
            "and 4 more, which are not followed",
        ),
        (
            report(V4 | {"NAPTR example.com": (Naptr(1, 1, "a", "SIP+D2T", "", "h1.example.com"),)}),
            '1 1 "a" "SIP+D2T" "" h1.example.com. A 192.0.2.1 1st',
        ),
    ],
)
def test_what_is_told(found: DnsReport, told: str) -> None:
    assert told in said(found)


@given(st.text(), st.text(), st.text())
def test_whatever_a_name_server_wrote(flags: str, service: str, name: str) -> None:
    found = report(
        {
            "NAPTR example.com": (Naptr(1, 1, flags, f"SIP+{service}", name, name),),
            "SRV _sip._udp.example.com": (Srv(1, 1, 1, name),),
            "A example.com": reply(Address("192.0.2.1"), aliases=("example.com", name)),
            "AAAA example.com": reply(fault=LookupFault.SERVFAIL, detail=service),
        }
    )
    assert shown(found)
    assert dns_failure_line(found).isprintable()
