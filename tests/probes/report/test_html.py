"""Reports as HTML pages: they stand by themselves, tell everything, and nobody writes into them."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from probes.capture.calls import CapturedCall
from probes.capture.stored import call_of, results_in
from probes.destination import Destination
from probes.discovery.outcome import Asked, Discovery
from probes.discovery.recommend import conclude
from probes.findings.catalogue import catalogue
from probes.report.call_json import call_data
from probes.report.html import MAX_MESSAGE, MAX_TEXT, Frame, shown, style_sheet, told_facts
from probes.report.html_call import MAX_LINES, call_page, replayed_page
from probes.report.html_discovery import discovery_page
from probes.report.svg import STYLE
from probes.result import Attempt, CallKind, CallResult, CallStatus, LookupStep, Reach, System
from probes.result import Candidate as Product
from sipcore.resolve.records import Address, LookupFault, Naptr, Srv
from sipcore.trace import MessageTrace
from tests.probes.checks.dns_values import GOOD, Zone, report
from tests.probes.checks.tls_values import REFUSED
from tests.probes.checks.tls_values import Table as Server
from tests.probes.discovery.attempts import EXAMPLE, answered, failed
from tests.probes.discovery.exchanges import exchanged
from tests.probes.report.audio import audio, lines, secured
from tests.probes.report.pages import Page, page_of
from tests.probes.report.recorded import BUSY, RECORDS, SECRET, received, sent, timeline
from tests.probes.report.test_call_text import RESULT
from tests.probes.report.test_json import concluded, everything

WHEN = 1_700_000_000.0
EVIL = "<script>alert(1)</script>\"'><img src=//evil.example onerror=x>{{ 7 * 7 }}&amp;\x1b[2J\u202e\u2066\0\udcff\r\n"
SHOWN = r"<script>alert(1)</script>" + "\"'><img src=//evil.example onerror=x>{{ 7 * 7 }}&amp;"
"""What of it people see, up to the characters that are escaped."""
RECORDED = replace(RESULT, timeline=timeline(*RECORDS))
TALKED = replace(
    RECORDED,
    status=CallStatus.CONNECTED,
    kind=CallKind.CONNECTED,
    why="answered",
    advice="",
    timeline=(*timeline(*RECORDS), *lines()),
    media=audio(),
)


def discovered(discovery: Discovery) -> Page:
    return page_of(discovery_page(discovery, WHEN))


def called(result: CallResult) -> Page:
    return page_of(call_page(result, WHEN))


def order(page: Page, *texts: str) -> bool:
    """Whether the texts stand there in this order."""
    place = 0
    for text in texts:
        place = page.text.find(text, place) + 1
        if not place:
            return False
    return True


def test_a_discovery_tells_what_matters_first() -> None:
    page = discovered(everything())
    assert "Made by sipprobe" in page.text
    assert "on 2023-11-14 22:13 UTC" in page.text
    assert order(
        page,
        *("sip:example.com answers SIP over UDP and WS", "connect by", "Findings", "1 error, 3 warnings"),
        *("port 0 leads nowhere", "What it can do", "What was tried", "DNS", "TLS at 192.0.2.1:5061"),
    )
    assert [told for level, told in page.headings if level == 2][:2] == ["Findings", "What it can do"]


def test_a_healthy_discovery() -> None:
    page = discovered(replace(concluded(answered("tls 192.0.2.1:5061")), findings=()))
    assert "✓ sip:example.com answers SIP over TLS" in page.text
    assert "Nothing that is wrong was found." in page.text


def test_products_come_with_their_evidence() -> None:
    candidates = (Product("Asterisk", 0.75, "Sangoma", "PBX", "chan_pjsip", ("a tag", "an Allow")), Product("x", 0.1))
    page = discovered(replace(everything(), system=System("", candidates=candidates)))
    for part in ("Asterisk (chan_pjsip)", "75 %", "Sangoma, PBX", "an Allow", "perhaps"):
        assert part in page.text


@pytest.mark.parametrize("reach", list(Reach))
def test_each_result(reach: Reach) -> None:
    attempt = answered("udp 192.0.2.1:5060") if reach is Reach.ANSWERED else failed("udp 192.0.2.1:5060", reach)
    page = discovered(concluded(replace(attempt, retransmissions=2, published=True)))
    assert "after 2 retransmissions" in page.text
    assert ("200 OK" if reach is Reach.ANSWERED else reach.value) in page.text


def test_a_private_place_and_a_provider() -> None:
    private = Destination.parse("10.0.0.1")
    page = discovered(conclude(private, [], [], [failed("udp 10.0.0.1:5060", Reach.REFUSED)], duration=1.0))
    assert "private: reached from its own network" in page.text
    page = discovered(conclude(Destination.parse("teams"), [], [], [], duration=1.0))
    assert "it needs a certified SBC" in page.text


def test_nowhere_to_go() -> None:
    page = discovered(concluded())
    assert "✗ no address for example.com" in page.text
    assert "Nothing: there was nowhere to go." in page.text
    assert "no such record" in page.text


@pytest.mark.parametrize(
    ("zone", "told"),
    [
        (GOOD, ["NAPTR example.com", "place 1", "first for 75%", "holds for 300 s"]),
        (
            {"NAPTR example.com": (Naptr(1, 1, "s", "SIP+D2U", "", "_sip._udp.example.com"),)},
            ["_sip._udp", "error"],
        ),
        (
            {"SRV _sip._udp.example.com": (Srv(0, 0, 5060, "h"),), "A h": LookupFault.SERVFAIL},
            ["the name server failed", "✗ error"],
        ),
        ({"A example.com": (Address("192.0.2.1"),)}, ["Nothing at NAPTR example.com"]),
    ],
    ids=["good", "nowhere", "broken", "plain"],
)
def test_the_ladder_of_dns(zone: Zone, told: list[str]) -> None:
    page = discovered(replace(everything(), dns=report(zone), findings=()))
    assert [part for part in told if part not in page.text] == []


def test_tls_that_fails() -> None:
    page = discovered(replace(everything(), tls=(Server(ends=REFUSED).report(),)))
    assert "✗" in page.text


def test_messages_are_folded_and_without_credentials() -> None:
    records = (sent(0.0), received(0.0123))
    finding = catalogue().finding("udp-size-limited", "x", ("one", "two"), records=records)
    attempt = replace(answered("udp 192.0.2.1:5060"), records=records)
    page = discovered(replace(concluded(attempt), findings=(finding,)))
    assert len(page.named("details")) == 2
    assert "2 messages that show it" in page.text
    assert "← received 486 Busy <Here> & there to 1 INVITE, 12.3 ms" in page.text
    assert SECRET not in page.source
    assert f'response="{"*" * len(SECRET)}"' in page.text


def test_one_message_shows_it() -> None:
    finding = catalogue().finding("udp-size-limited", "x", ("one", "two"), records=(sent(0.0),))
    page = discovered(replace(concluded(answered("udp 192.0.2.1:5060")), findings=(finding,)))
    assert "1 message that shows it" in page.text


def hostile() -> Discovery:
    """A discovery in which peers have written whatever they like, wherever they can."""
    message = BUSY.replace(b"Busy", EVIL.replace("\r\n", "").encode("utf-8", "surrogateescape"))
    told = (received(0.0, message), received(0.1, EVIL.encode("utf-8", "surrogateescape")))
    attempt = answered("udp 192.0.2.1:5060", 200, ("Server", "x"), detail=EVIL, advice=EVIL, tls=EVIL, records=told)
    attempt = replace(attempt, tls_problems=(EVIL,), instead=EVIL, only=EVIL)
    finding = catalogue().finding("udp-size-limited", EVIL, (EVIL, EVIL), records=told)
    system = System(
        EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, EVIL, 0.5, (Product(EVIL, 0.5, EVIL, EVIL, EVIL, (EVIL,)),), EVIL
    )
    zone: Zone = {"SRV _sip._udp.example.com": (Srv(0, 0, 5060, EVIL),)}
    return replace(
        concluded(attempt, failed("tcp 192.0.2.1:5060", Reach.NOT_SIP, EVIL, EVIL)),
        findings=(finding,),
        system=system,
        lookups=(LookupStep(EVIL, (EVIL,), EVIL),),
        dns=report(zone),
    )


@pytest.mark.parametrize("with_dns", [True, False])
def test_nobody_writes_into_the_page_of_a_discovery(with_dns: bool) -> None:
    found = hostile() if with_dns else replace(hostile(), dns=None)
    page = discovered(found)
    assert page.text.count(SHOWN) > 15
    assert r"\x1b[2J\u202e\u2066\x00\xff" in page.text


def test_nobody_writes_into_the_page_of_a_call() -> None:
    media = replace(audio(), codec=EVIL, measured=replace(audio().measured, codec=EVIL, security_failure=EVIL))
    entries = (*timeline(received(0.0, EVIL.encode("utf-8", "surrogateescape"))), *RESULT.timeline)
    entries += tuple(replace(entry, label=EVIL, detail=EVIL) for entry in entries)
    page = called(
        replace(
            RESULT, why=EVIL, advice=EVIL, reason=EVIL, media_problem=EVIL, unmet=EVIL, media=media, timeline=entries
        )
    )
    assert page.text.count(SHOWN) > 15


def test_a_call_tells_how_it_ended_first() -> None:
    page = called(TALKED)
    assert order(page, "✓ connected: answered", "Measures", "Media", "Ladder", "Timeline", "initiated")
    for part in ("opinion score", "round trip", "jitter", "none: RTP in the clear", "DTMF", "what was sent, after"):
        assert part in page.text
    assert len(page.named("svg")) == 1
    assert SECRET not in page.source


def test_the_timeline_has_times_directions_and_messages() -> None:
    page = called(RECORDED)
    assert "+500 ms" in page.text
    assert (page.text.count("→ sent"), page.text.count("← received")) == (4, 2)
    assert len(page.named("details")) == 3
    assert "Via: SIP/2.0/UDP 192.0.2.1:40000;branch=z9hG4bK1" in page.text


@pytest.mark.parametrize(
    ("unmet", "told"), [("403 came", "Not as expected: 403 came"), ("", "It ended as expected."), (None, "Try: ")]
)
def test_what_was_expected(unmet: str | None, told: str) -> None:
    assert told in called(replace(RECORDED, unmet=unmet)).text


def test_findings_of_a_call_come_with_their_messages() -> None:
    finding = catalogue().finding("udp-size-limited", "too large", ("one",), records=(received(0.51),))
    page = called(replace(TALKED, findings=(finding,)))
    assert order(page, "! connected", "Findings", "1 warning", "too large", "← received 486", "510.0 ms", "Measures")
    assert "Nothing that is wrong was found." in called(TALKED).text


@pytest.mark.parametrize("media", [audio(deaf=True), secured()], ids=["one way", "secured"])
def test_media_that_went_wrong(media: object) -> None:
    page = called(replace(TALKED, media=media, hop=None))  # type: ignore[arg-type]
    assert ("nothing was received" in page.text) != ("a packet was refused" in page.text)


def captured(*records: MessageTrace) -> CapturedCall:
    return CapturedCall("a@192.0.2.1", 10**18, [replace(record, at=record.at - 100) for record in records])


def test_a_captured_call() -> None:
    page = page_of(replayed_page(captured(sent(0.0), received(0.5)), WHEN))
    assert order(page, "Captured call", "no final response was captured", "Call-ID a@192.0.2.1", "Ladder", "486 Busy")
    assert "192.0.2.1:40000 → 192.0.2.2:5060" in page.text
    assert not order(page, "Findings")
    judged = page_of(replayed_page(captured(sent(0.0)), WHEN, [catalogue().finding("udp-size-limited", "large")]))
    assert order(judged, "Findings", "1 warning", "large")
    assert SECRET not in page.source


def test_a_stored_result_has_the_page_of_its_call() -> None:
    (data,) = results_in(json.dumps(call_data(TALKED)).encode())
    stored = page_of(replayed_page(call_of(data), WHEN, ()))
    assert order(stored, "✓ connected: answered", "Measures", "Media", "Ladder", "Timeline", "initiated")
    assert len(stored.named("svg")) == 1


def test_a_flood_of_messages_makes_no_endless_page() -> None:
    flood = [received(number / 1000, BUSY + b"<" * 3 * MAX_MESSAGE) for number in range(2 * MAX_LINES)]
    source = call_page(replace(RECORDED, timeline=timeline(*flood)), WHEN)
    assert len(source) < 8 * 1024 * 1024
    page = page_of(source)
    assert f"{len(flood) + 2 - MAX_LINES} lines more." in page.text
    assert "messages there was no room here." in page.text
    assert "bytes more" in page.text


def test_texts_are_cut_covered_and_visible() -> None:
    assert shown("x" * (MAX_TEXT + 1)) == "x" * MAX_TEXT + "… (1 characters more)"
    assert shown("sip:bob:s3cret@biloxi.example\u202e") == r"sip:bob:******@biloxi.example\u202e"
    assert shown(7) == "7"


def test_facts_that_are_none_are_left_out() -> None:
    assert told_facts([("a", None), ("b", ""), ("c", 0)]) == [("c", "0")]


def test_an_attempt_that_was_made_up_for_tests_has_no_messages() -> None:
    attempt: Attempt = answered("udp 192.0.2.1:5060")
    assert discovered(concluded(attempt, destination=EXAMPLE)).named("details") == []


def test_what_was_asked_beyond_the_attempts_is_there_once() -> None:
    attempt, other = exchanged(), exchanged(more="Server: odd\r\n")
    asked = [
        Asked("options", attempt.hop, messages_of(attempt)),
        Asked("no-hops", other.hop, messages_of(other), "is odd"),
    ]
    page = discovered(replace(concluded(attempt), asked=tuple(asked)))
    assert order(
        page,
        "What was tried",
        "2 messages",
        "What else was asked",
        f"2 messages for an OPTIONS that may go no further, {other.hop} no-hops",
        "It is odd.",
    )
    assert len(page.named("details")) == 2


def messages_of(attempt: Attempt) -> tuple[MessageTrace, ...]:
    return tuple(record for record in attempt.records if isinstance(record, MessageTrace))


REPORTS: dict[str, Callable[[Frame], str]] = {
    "call": lambda frame: call_page(TALKED, WHEN, frame),
    "replayed": lambda frame: replayed_page(call_of(call_data(TALKED)), WHEN, (), frame),
    "discovery": lambda frame: discovery_page(everything(), WHEN, frame),
}


@pytest.mark.parametrize("kind", REPORTS)
def test_a_report_is_a_part_of_another_page_with_all_that_its_own_page_has(kind: str) -> None:
    whole, part = REPORTS[kind](Frame.PAGE), REPORTS[kind](Frame.PART)
    assert style_sheet().rstrip() in whole
    body = whole.partition("<body>")[2]
    assert page_of(whole).text.split()[-50:] == Page(part).text.split()[-50:]
    assert not {element for element, _ in Page(part).elements} & {"html", "head", "body", "meta", "script"}
    assert part.count("<style>") == body.count("<style>") == part.count(f"<style>{STYLE}</style>")
