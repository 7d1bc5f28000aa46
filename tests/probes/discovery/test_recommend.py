"""What attempts add up to: the best way to connect with its reasons, the most telling failure, the conclusion."""

from dataclasses import replace

import pytest

from probes.destination import Destination
from probes.discovery.findings import Seen
from probes.discovery.recommend import conclude, most_telling, recommend, unresolvable
from probes.result import Attempt, LookupStep, Reach
from sipcore.resolve.records import Answer, LookupFailure, LookupFault, Question, RecordType, Result
from tests.probes.discovery.attempts import EXAMPLE, answered, failed

UDP, TCP, TLS = "udp 192.0.2.1:5060", "tcp 192.0.2.1:5060", "tls 192.0.2.1:5061"
WS, WSS = "ws 192.0.2.1:8088", "wss 192.0.2.1:8089"
FAULT = ("the certificate has expired",)


@pytest.mark.parametrize(
    ("attempts", "best", "why"),
    [
        ([answered(UDP)], UDP, "only UDP answers"),
        ([answered(UDP, published=True)], UDP, "only UDP answers, and DNS names it"),
        ([answered(UDP), failed(TCP, Reach.REFUSED)], UDP, "only UDP answers"),
        ([answered(UDP), answered(TCP)], TCP, "TCP carries messages of any size, UDP only up to 1,300 bytes"),
        ([answered(UDP, published=True), answered(TCP)], UDP, "DNS names UDP, although TCP answers too"),
        (
            [answered(UDP, published=True), answered(TCP, published=True)],
            TCP,
            "TCP carries messages of any size, UDP only up to 1,300 bytes",
        ),
        ([answered(UDP), answered(TCP, 503)], UDP, "TCP answers 503"),
        ([answered(UDP, 500)], UDP, "only UDP answers; but it answers 500"),
        ([answered(UDP, 404), answered(TCP, 404)], TCP, "TCP carries messages of any size, UDP only up to 1,300 bytes"),
        (
            [answered(UDP), answered(TCP), answered(TLS)],
            TLS,
            "signalling is encrypted, and the certificate proves example.com",
        ),
        (
            [answered(UDP, published=True), answered(TLS)],
            TLS,
            "signalling is encrypted, and the certificate proves example.com",
        ),
        (
            [answered(UDP), answered(TLS, tls_problems=FAULT)],
            UDP,
            "UDP answers; TLS would be better, but the certificate has expired",
        ),
        (
            [answered(WSS, tls="TLSv1.3", published=True), answered(TLS)],
            TLS,
            "signalling is encrypted, and the certificate proves example.com",
        ),
        ([answered(WS, published=True), answered(UDP)], UDP, "UDP needs no WebSocket around each message"),
        ([answered(TLS, tls_problems=FAULT)], TLS, "only TLS answers, but the certificate has expired"),
        ([answered(TLS, tls="")], TLS, "only TLS answers, but nothing proves the peer"),
        (
            [answered(UDP, retransmissions=2)],
            UDP,
            "only UDP answers; but packets are lost: the request was repeated 2 times",
        ),
        (
            [answered(UDP, retransmissions=1)],
            UDP,
            "only UDP answers; but packets are lost: the request was repeated once",
        ),
        ([answered(UDP, 100), answered(TCP)], TCP, "UDP answers 100"),
    ],
)
def test_recommendation(attempts: list[Attempt], best: str, why: str) -> None:
    found = recommend(EXAMPLE, attempts)
    assert found is not None
    assert (str(found.hop), found.why) == (best, why)


def test_the_first_of_equals_is_recommended() -> None:
    found = recommend(EXAMPLE, [answered("udp 192.0.2.2:5060"), answered("udp 192.0.2.1:5060")])
    assert found is not None
    assert str(found.hop) == "udp 192.0.2.2:5060"


def test_nothing_is_recommended_where_nothing_answers() -> None:
    assert recommend(EXAMPLE, [failed(UDP, Reach.NO_ANSWER)]) is None


TELLING = [
    Reach.NOT_SIP,
    Reach.SILENT,
    Reach.TLS_FAILED,
    Reach.NO_ANSWER,
    Reach.REFUSED,
    Reach.UNREACHABLE,
    Reach.FAILED,
]


@pytest.mark.parametrize("index", range(len(TELLING)))
def test_the_most_telling_failure(index: int) -> None:
    attempts = [failed(UDP, reach, reach.value) for reach in reversed(TELLING[index:])]
    told = most_telling([*attempts, failed(TCP, TELLING[index], "a later one")])
    assert told is not None
    assert (told.reach, told.detail) == (TELLING[index], TELLING[index].value)


def test_no_attempt_tells_nothing() -> None:
    assert most_telling([]) is None


@pytest.mark.parametrize("reach", [Reach.SILENT, Reach.TLS_FAILED, Reach.CERTIFICATE_WANTED])
def test_what_came_of_tls_says_more_than_that_a_plain_port_speaks_it(reach: Reach) -> None:
    place = "192.0.2.1:5061"
    plain = replace(failed(f"tcp {place}", Reach.NOT_SIP), instead="TLS")
    secured = failed(f"tls {place}", reach)
    assert most_telling([plain, secured]) is secured
    assert most_telling([plain, failed(TCP, Reach.REFUSED)]) is plain


def test_what_dns_names_says_more_than_what_is_guessed() -> None:
    named = replace(failed(UDP, Reach.REFUSED), published=True)
    assert most_telling([failed(TLS, Reach.SILENT), named, failed(TCP, Reach.NO_ANSWER)]) is named


def failure(kind: RecordType, name: str, fault: LookupFault) -> LookupFailure:
    return LookupFailure(Question(kind, name), fault)


A, AAAA, SRV = RecordType.A, RecordType.AAAA, RecordType.SRV
NO_SRV = failure(SRV, "_sip._udp.example.com", LookupFault.SERVFAIL)


@pytest.mark.parametrize("fault", LookupFault)
def test_why_a_name_has_no_address(fault: LookupFault) -> None:
    told = unresolvable(
        EXAMPLE, [NO_SRV, failure(AAAA, "example.com", LookupFault.NODATA), failure(A, "example.com", fault)]
    )
    assert told.startswith("no address for example.com: ")
    if fault is not LookupFault.NODATA:
        assert told != unresolvable(EXAMPLE, [failure(A, "example.com", LookupFault.NODATA)])


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (
            [failure(A, "a.example", LookupFault.NXDOMAIN)],
            "no address for example.com (SRV names a.example): the name does",
        ),
        ([Answer(Question(SRV, "_sip._udp.example.com"), ())], "no address for example.com: the name leads nowhere"),
        ([], "no address for example.com: no name server answered"),
    ],
)
def test_why_srv_leads_nowhere(results: list[Result], expected: str) -> None:
    assert unresolvable(EXAMPLE, results).startswith(expected)


def test_a_name_in_capitals_is_the_same_name() -> None:
    told = unresolvable(Destination("Example.COM."), [failure(A, "example.com", LookupFault.NXDOMAIN)])
    assert told.startswith("no address for Example.COM.: the name does not exist")


def test_a_provider_is_no_host() -> None:
    told = unresolvable(Destination("Twilio"), [failure(A, "twilio", LookupFault.NXDOMAIN)])
    assert told == "no host is called Twilio here; give the host name or address that you have for Twilio"


SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 8\r\n"


def test_the_system_is_told_by_an_answer_that_shows_it() -> None:
    hidden = ("To", "<sip:192.0.2.1>;tag=4242SIPpTag011")
    found = conclude(EXAMPLE, [], [], [answered(TCP, 200, ("Server", "x")), answered(UDP, 200, hidden)], duration=0.5)
    assert found.system is not None
    assert (found.system.banner, found.system.product) == ("", "SIPp")
    unsure = conclude(EXAMPLE, [], [], [answered(TCP), answered(UDP, 200, ("Server", "x"))], duration=0.5)
    assert unsure.system is not None
    assert (unsure.system.banner, unsure.system.product) == ("x", "")


def test_the_conclusion_is_drawn_from_the_best_answer_first() -> None:
    attempts = [
        answered(
            UDP, 200, ("Server", "kamailio (5.6.3 (x86_64/linux))"), ("Content-Type", "application/sdp"), body=SDP
        ),
        answered(TCP, 200, ("Server", "baresip v1.0.0"), ("Allow", "INVITE, ACK")),
    ]
    steps = [LookupStep("A example.com", ("192.0.2.1",))]
    found = conclude(EXAMPLE, steps, [], attempts, duration=0.5, seen=Seen(omitted=3))
    assert found.recommendation is not None
    assert str(found.recommendation.hop) == TCP
    assert found.system is not None
    assert found.system.product == "baresip"
    assert (found.methods, found.codecs) == (("INVITE", "ACK"), ("PCMA/8000",))
    assert (found.failure, found.advice) == ("", "")
    assert (found.duration, found.omitted, found.lookups) == (0.5, 3, tuple(steps))
    assert found.answered == tuple(attempts)


def test_the_conclusion_of_silence_is_what_to_try() -> None:
    found = conclude(
        EXAMPLE, [], [], [failed(UDP, Reach.NO_ANSWER), failed(TCP, Reach.REFUSED, "x", "y")], duration=1.0
    )
    assert (found.recommendation, found.system, found.methods, found.codecs) == (None, None, (), ())
    assert (found.failure, found.advice) == ("", "what to try")


def test_the_conclusion_of_no_address_says_why() -> None:
    found = conclude(EXAMPLE, [], [failure(A, "example.com", LookupFault.NXDOMAIN)], [], duration=0.1)
    assert found.failure.startswith("no address for example.com: the name does not exist")
    assert found.advice == ""


@pytest.mark.parametrize(
    ("text", "attempts", "expected"),
    [
        ("example.com", [answered(UDP, published=True)], True),
        ("example.com", [answered(UDP)], False),
        ("example.com:5060", [answered(UDP, published=True)], False),
        ("udp://example.com", [answered(UDP, published=True)], False),
        ("example.com", [answered(UDP, published=True), replace(failed(TCP, Reach.REFUSED), published=True)], False),
        ("example.com", [answered(UDP, published=True), replace(failed(WS, Reach.REFUSED), published=True)], True),
        ("example.com", [answered(WS, published=True)], False),
    ],
)
def test_dns_decides_where_it_leads_to_no_dead_place(text: str, attempts: list[Attempt], expected: bool) -> None:
    found = recommend(Destination.parse(text), attempts)
    assert found is not None
    assert found.by_dns is expected


def test_a_recommendation_is_what_a_trunk_is_made_of() -> None:
    fields = (("Server", "Asterisk PBX 22.1.0"), ("Allow", "INVITE"))
    found = conclude(EXAMPLE, [], [], [answered("tls 192.0.2.1:5061", 200, *fields)], duration=0.5).recommendation
    assert found is not None
    assert (found.secure, found.system, found.methods, found.hop.remote.port) == (True, "Asterisk", ("INVITE",), 5061)
