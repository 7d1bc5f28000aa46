"""What is wrong with a destination: places compared with each other, with DNS and with what was asked for."""

from dataclasses import replace

import pytest

from probes.checks.options import PLAIN_SIP, TLS
from probes.destination import Destination
from probes.discovery.candidates import Scope
from probes.discovery.findings import Seen, find, is_forwarded, merged
from probes.discovery.habits.judge import CALL, SIZES, Habits
from probes.discovery.outcome import Asked
from probes.discovery.recommend import most_telling
from probes.discovery.retry import LARGE_HELLO, USER_AGENT
from probes.findings.catalogue import catalogue
from probes.findings.finding import Finding, Severity
from probes.result import Attempt, Reach, System
from sipcore.message.headers import headers_of
from sipcore.message.message import Response
from sipcore.resolve.records import LookupFault, Srv
from sipcore.resolve.target import Flow, Transport
from sipcore.trace import Direction, FlowTrace, MessageTrace
from sipcore.transports.tls_failure import TlsProblem
from tests.probes.checks.dns_values import Zone, reply, report
from tests.probes.checks.tls_values import GOOD, Table
from tests.probes.discovery.attempts import EXAMPLE, answered, failed, hop
from tests.probes.discovery.exchanges import LOCAL, codes, exchanged

UDP, TCP, SECURE = "udp 192.0.2.1:5060", "tcp 192.0.2.1:5060", "tls 192.0.2.1:5061"
UDP6 = "udp [2001:db8::1]:5060"
ADDRESS = Destination.parse("192.0.2.1")


def found(
    *attempts: Attempt,
    destination: Destination = EXAMPLE,
    seen: Seen | None = None,
    system: System | None = None,
    failure: str = "",
) -> tuple[Finding, ...]:
    telling = None if any(one.response is not None for one in attempts) else most_telling(attempts)
    return find(destination, attempts, seen or Seen(), system, telling, failure)


def published(attempt: Attempt) -> Attempt:
    return replace(attempt, published=True)


def test_nothing_is_wrong() -> None:
    assert found(answered(UDP), failed(TCP, Reach.REFUSED)) == ()


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([answered(UDP), failed("udp 192.0.2.2:5060", Reach.NO_ANSWER)], ["srv-target-dead"]),
        ([failed(UDP, Reach.NO_ANSWER), failed("udp 192.0.2.2:5060", Reach.REFUSED)], ["nothing-answers"]),
        ([answered(UDP), failed(SECURE, Reach.CERTIFICATE_WANTED)], []),
        ([answered(UDP), replace(failed(SECURE, Reach.TLS_FAILED), instead=PLAIN_SIP)], ["tls-port-speaks-plain"]),
        ([answered(UDP), replace(failed(TCP, Reach.NOT_SIP), instead=TLS)], ["plain-port-speaks-tls"]),
        ([answered(UDP), failed("udp 192.0.2.2:5060", Reach.NOT_ALLOWED)], ["not-allowed"]),
        ([answered(UDP), failed(UDP6, Reach.NOT_ALLOWED)], ["not-allowed"]),
        ([failed(UDP, Reach.REFUSED), failed("udp 192.0.2.2:5060", Reach.NOT_ALLOWED)], ["refused"]),
    ],
)
def test_places_that_dns_names(attempts: list[Attempt], expected: list[str]) -> None:
    assert codes(found(*map(published, attempts))) == expected


def test_a_place_that_was_not_tried_is_nothing_against_those_that_answer() -> None:
    (finding,) = found(answered(UDP), published(failed("udp 10.0.0.1:5060", Reach.NOT_ALLOWED)))
    assert finding.severity is Severity.NOTICE
    assert finding.what == "10.0.0.1 must not be reached from here, and was not tried"
    assert finding.evidence == ("udp 10.0.0.1:5060: not allowed",)


def test_dns_names_none_of_the_places_that_answer() -> None:
    findings = found(published(failed("udp 192.0.2.2:5060", Reach.REFUSED)), answered(UDP))
    assert codes(findings) == ["published-dead"]
    assert "refused" in findings[0].evidence[0]


@pytest.mark.parametrize(("detail", "code"), [("no answer", "ipv6-dead"), ("no route to the network", "no-ipv6-here")])
def test_ipv6_that_is_published_and_dead(detail: str, code: str) -> None:
    reach = Reach.UNREACHABLE if "route" in detail else Reach.NO_ANSWER
    assert codes(found(published(answered(UDP)), published(failed(UDP6, reach, detail)))) == [code]


def test_ipv6_is_not_missed_where_nobody_published_it() -> None:
    assert found(failed(UDP6, Reach.NO_ANSWER), answered(UDP), destination=ADDRESS) == ()
    assert found(answered(UDP6), answered(UDP)) == ()


@pytest.mark.parametrize(
    ("reach", "code"),
    [
        (Reach.SILENT, "open-but-silent"),
        (Reach.NO_ANSWER, "nothing-answers"),
        (Reach.FILTERED, "nothing-answers"),
        (Reach.REFUSED, "refused"),
        (Reach.UNREACHABLE, "no-way-there"),
        (Reach.NOT_SIP, "not-sip"),
        (Reach.NOT_ALLOWED, "not-allowed"),
        (Reach.FAILED, "probe-failed"),
        (Reach.TLS_FAILED, "tls-silent"),
        (Reach.CERTIFICATE_WANTED, "tls-client-certificate-required"),
    ],
)
def test_what_keeps_everybody_out(reach: Reach, code: str) -> None:
    others = (
        []
        if reach in (Reach.UNREACHABLE, Reach.NOT_ALLOWED, Reach.FAILED)
        else [failed("tls 192.0.2.1:5080", Reach.REFUSED)]
    )
    (finding,) = found(failed(SECURE, reach), *others)
    assert finding.code == code
    assert SECURE in finding.evidence[0]


def test_a_tls_port_that_says_something_else_speaks_no_tls() -> None:
    said = failed(SECURE, Reach.TLS_FAILED, f"{TlsProblem.NOT_TLS.text} (it says 'RFB 003.008')")
    (finding,) = found(said)
    assert (finding.code, finding.severity) == ("tls-not-tls", Severity.ERROR)


def test_a_tls_connection_that_breaks_is_no_handshake_that_fails() -> None:
    (finding,) = found(failed(SECURE, Reach.TLS_FAILED, f"{TlsProblem.BROKEN.text} (bad record mac)"))
    assert finding.code == "tls-broken"
    assert "bad record mac" in finding.what


def test_what_is_not_so_at_all_places_is_not_said_of_all() -> None:
    some = [failed(UDP, Reach.NO_ANSWER), failed(TCP, Reach.FILTERED)]
    assert found(*some)[0].what == "nothing came back at all"
    mixed = found(*some, failed("udp 192.0.2.1:5080", Reach.REFUSED))
    assert codes(mixed) == ["nothing-answers"]
    assert mixed[0].what == "nobody answers SIP: 1 no answer, 1 filtered, 1 refused"


OPENED, CLOSED = (FlowTrace(at, hop(TCP), event) for at, event in ((0.1, "opened"), (0.4, "closed")))
SENT = MessageTrace(0.2, Direction.SENT, Flow(Transport.TCP, LOCAL, hop(TCP).remote), b"OPTIONS ...")
GONE = (OPENED, SENT, replace(SENT, at=0.3, attempt=1), CLOSED)
SHOWN = (SENT, OPENED, CLOSED)


@pytest.mark.parametrize(
    ("attempts", "code"),
    [
        ([failed(TCP, Reach.SILENT)], "open-but-silent"),
        ([failed(TCP, Reach.FILTERED)], "nothing-answers"),
        ([failed(TCP, Reach.REFUSED)], "refused"),
        ([failed(TCP, Reach.UNREACHABLE)], "no-way-there"),
        ([failed(TCP, Reach.NOT_SIP)], "not-sip"),
        ([failed(TCP, Reach.FAILED)], "probe-failed"),
        ([failed(TCP, Reach.CERTIFICATE_WANTED)], "tls-client-certificate-required"),
        ([failed(TCP, Reach.TLS_FAILED)], "tls-silent"),
        ([published(failed(TCP, Reach.REFUSED)), answered(UDP)], "published-dead"),
        ([published(failed(TCP, Reach.REFUSED)), published(answered(UDP))], "srv-target-dead"),
        ([published(replace(failed(TCP, Reach.NOT_SIP), instead=TLS))], "plain-port-speaks-tls"),
        ([published(replace(failed(TCP, Reach.TLS_FAILED), instead=PLAIN_SIP))], "tls-port-speaks-plain"),
        ([replace(answered(TCP), only=LARGE_HELLO)], "tls-large-hello"),
    ],
)
def test_a_finding_has_what_was_sent_there_and_what_became_of_the_connection(
    attempts: list[Attempt], code: str
) -> None:
    findings = found(replace(attempts[0], records=GONE), *attempts[1:])
    (finding,) = [one for one in findings if one.code == code]
    assert finding.records == SHOWN


def test_what_is_there_instead_is_told() -> None:
    (finding,) = found(replace(failed(TCP, Reach.NOT_SIP), instead="HTTP"))
    assert finding.what.endswith("but HTTP")


def test_a_name_without_an_address() -> None:
    assert codes(found(failure="no address for example.com")) == ["no-address"]
    failing: Zone = {"A example.com": LookupFault.SERVFAIL}
    broken = report(failing, "example.com")
    assert "no-address" not in codes(found(failure="no address", seen=Seen(dns=broken)))


def test_what_is_wrong_with_dns_is_among_it() -> None:
    zone: Zone = {"SRV _sip._udp.example.com": (Srv(0, 0, 0, "192.0.2.1"),)}
    assert codes(found(answered(UDP), seen=Seen(dns=report(zone)))) == ["dns-srv-port-zero", "dns-srv-address"]


@pytest.mark.parametrize(
    ("where", "only", "code"), [(UDP, USER_AGENT, "user-agent-filtered"), (SECURE, LARGE_HELLO, "tls-large-hello")]
)
def test_filters(where: str, only: str, code: str) -> None:
    assert codes(found(replace(answered(where), only=only))) == [code]


def test_a_websocket_that_was_asked_for() -> None:
    destination = Destination.parse("ws://192.0.2.1")
    seen = Seen(scope=Scope.of(destination))
    refused = failed("ws 192.0.2.1:80", Reach.NOT_SIP, "HTTP 404 Not Found")
    assert codes(found(refused, destination=destination, seen=seen)) == ["websocket-refused"]
    assert found(refused, destination=destination, seen=seen)[0].severity is Severity.ERROR
    beside = found(refused, answered(UDP), destination=destination, seen=seen)
    assert [finding.severity for finding in beside] == [Severity.WARNING]
    without = replace(refused, instead=PLAIN_SIP)
    assert codes(found(without, destination=destination, seen=seen)) == ["websocket-refused"]
    opened = replace(refused, records=(FlowTrace(0.1, refused.hop, "upgraded"),))
    assert codes(found(opened, destination=destination, seen=seen)) == ["not-sip"]


def test_a_port_that_nobody_takes_for_one_of_tls_may_be_plain() -> None:
    assert found(answered(TCP), replace(failed("tls 192.0.2.1:5060", Reach.TLS_FAILED), instead=PLAIN_SIP)) == ()


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [(SIZES, []), (SIZES[:3], []), (SIZES[:2], ["udp-size-limited"]), ((), ["udp-size-limited"])],
)
def test_large_datagrams(sizes: tuple[int, ...], expected: list[str]) -> None:
    assert codes(found(answered(UDP), seen=Seen(habits=Habits(SIZES, sizes)))) == expected


def test_an_alias_without_an_address_is_told() -> None:
    """A name server of the alias's zone alone does not follow it."""
    told = reply(aliases=("example.com", "pbx.example.net"), fault=LookupFault.NODATA)
    zone: Zone = {"A example.com": told, "AAAA example.com": told}
    (finding,) = find(EXAMPLE, [], Seen(dns=report(zone)), None, None, "no address for example.com: nothing; look")
    assert finding.code == "no-address"
    assert finding.evidence[1].startswith("example.com -> pbx.example.net, of which no address is told")
    assert len(finding.evidence) == 2


def said(status: int = 200, banner: str = "", contact: str = "") -> Response:
    fields = [("Server", banner)] if banner else []
    fields += [("Contact", f"<sip:{contact}>")] if contact else []
    return Response(status, "Whatever", headers_of(*fields))


@pytest.mark.parametrize(
    ("own", "far", "expected"),
    [
        (said(banner="Proxy"), said(banner="Phone"), True),
        (said(contact="192.0.2.1"), said(contact="10.0.0.9"), True),
        (said(banner="Proxy"), said(banner="Proxy"), False),
        (said(banner="Proxy"), said(), False),
        (said(), said(banner="Phone", contact="10.0.0.9"), False),
        (said(banner="Proxy"), said(483, banner="Phone"), False),
        (said(banner="Proxy"), said(100, banner="Phone"), False),
        (said(), said(contact="<nonsense"), False),
        (None, said(banner="Phone"), False),
        (None, Response(200, "OK", headers_of(("Record-Route", "<sip:192.0.2.9;lr>"))), True),
        (None, Response(483, "Too", headers_of(("Record-Route", "<sip:192.0.2.9;lr>"))), False),
    ],
)
def test_who_answered_what_may_go_no_further(own: Response | None, far: Response, expected: bool) -> None:
    assert is_forwarded(own, far) is expected
    seen = Seen(habits=Habits(own=own, far=far))
    assert codes(found(answered(UDP), seen=seen)) == (["max-forwards-ignored"] if expected else [])


def test_notices() -> None:
    system = System("Asterisk PBX 22.1.0", "Asterisk", "22.1.0")
    findings = found(answered(UDP), answered(SECURE), system=system)
    assert codes(findings) == ["plain-beside-tls", "telling-banner"]
    assert {finding.severity for finding in findings} == {Severity.NOTICE}
    assert found(answered(UDP), system=System("Asterisk", "Asterisk")) == ()


def test_the_same_at_several_places_is_told_once_with_all_of_them() -> None:
    narrow = "Contact: <sip:10.0.0.1>\r\n"
    attempts = [exchanged(f"{kind} 198.51.100.1:5060", more=narrow) for kind in ("udp", "tcp")]
    (finding,) = found(*attempts, destination=ADDRESS)
    assert [told.partition(" ")[0] for told in finding.evidence] == ["udp", "tcp"]


def test_an_address_that_the_answer_to_the_call_alone_has() -> None:
    attempt = exchanged()
    call = exchanged(more="Contact: <sip:10.0.0.1>\r\n", where=str(attempt.hop))
    messages = tuple(one for one in call.records if isinstance(one, MessageTrace))
    assert found(attempt, destination=ADDRESS) == ()
    (finding,) = found(attempt, destination=ADDRESS, seen=Seen(asked=(Asked(CALL, attempt.hop, messages),)))
    assert finding.code == "contact-narrow"
    assert finding.records == messages[1:]


def test_findings_of_dns_about_different_records_stay_apart() -> None:
    one, other = (catalogue().finding("dns-srv-nowhere", f"{name}: gone", [name]) for name in ("a", "b"))
    assert merged([one, other, one]) == [one, other]


def test_transports_that_are_asked_for_count_as_wanted() -> None:
    destination = Destination.parse("tcp://192.0.2.1")
    seen = Seen(scope=Scope.of(destination))
    assert seen.scope.transports == (Transport.TCP,)
    spoken = replace(failed(TCP, Reach.NOT_SIP), instead=TLS)
    assert codes(found(spoken, destination=destination, seen=seen)) == ["plain-port-speaks-tls"]


def test_places_that_contradict_each_other_about_this_host() -> None:
    right = exchanged("udp 198.51.100.1:5060")
    wrong = exchanged("tcp 198.51.100.1:5060", ("received=192.0.2.1", "received=203.0.113.7"))
    assert codes(found(right, wrong, destination=ADDRESS)) == ["wrong-received"]
    assert codes(found(wrong, destination=ADDRESS)) == ["nat-on-path"]


def test_silence_of_a_server_that_asked_for_a_certificate() -> None:
    silent = failed("tls 192.0.2.1:5061", Reach.SILENT)
    asking = Table(shown=replace(GOOD, certificate_requested=True)).report()
    assert asking.certificate_requested
    assert codes(found(silent, seen=Seen(tls=(asking,)))) == ["tls-client-certificate-required"]


def test_the_certificate_of_another_service_is_no_finding() -> None:
    web = replace(failed("tls 192.0.2.1:5061", Reach.NOT_SIP), instead="HTTP")
    seen = Seen(tls=(Table(tolerant=False).report(),))
    assert codes(found(web, seen=seen)) == ["not-sip"]
    assert codes(found(replace(web, reach=Reach.SILENT, instead=""), seen=seen)) == [
        "tls-intolerant",
        "open-but-silent",
    ]
