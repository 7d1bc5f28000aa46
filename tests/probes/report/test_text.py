"""A discovery in words: everything is said, within 80 columns, and nothing that a peer wrote drives the terminal."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from rich.text import Text

from probes.destination import Destination
from probes.discovery.capabilities import Authentication, Capabilities
from probes.discovery.findings import Seen
from probes.discovery.outcome import Discovery
from probes.discovery.recommend import conclude
from probes.report.text import capability_facts, discovery_lines, failure_line, grid
from probes.result import Attempt, LookupStep, Reach
from tests.probes.checks.tls_values import Table
from tests.probes.discovery.attempts import EXAMPLE, answered, failed, hop

STEPS = [
    LookupStep("SRV _sip._udp.example.com", ("10 60 5060 sip.example.com. (3600 s)",)),
    LookupStep("SRV _sip._tcp.example.com", error="the name has no such record"),
]


def concluded(attempts: Sequence[Attempt], steps: Sequence[LookupStep] = (), omitted: int = 0) -> Discovery:
    return conclude(EXAMPLE, steps, [], attempts, duration=1.0, seen=Seen(omitted=omitted))


def shown(discovery: Discovery) -> str:
    lines = discovery_lines(discovery)
    assert all(line.cell_len <= 80 for line in lines), [line.plain for line in lines if line.cell_len > 80]
    return "\n".join(line.plain for line in lines)


def test_a_discovery_as_a_whole() -> None:
    fault = "the certificate is self-signed (CN=pbx)"
    attempts = [
        answered(
            "udp 192.0.2.1:5060",
            200,
            ("Server", "Asterisk PBX 22.1.0"),
            ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS"),
            kernel_stamped=True,
            published=True,
        ),
        failed("tcp 192.0.2.1:5060", Reach.REFUSED, "nothing listens there"),
        failed("tls 192.0.2.1:5060", Reach.REFUSED, "nothing listens there"),
        failed("udp 192.0.2.1:5061", Reach.NO_ANSWER, "no answer within 4.0 s", "a firewall may drop it"),
        failed("tcp 192.0.2.1:5061", Reach.SILENT, "the peer closed the connection", "the peer may expect TLS"),
        answered("tls 192.0.2.1:5061", detail=fault, advice="trust it", tls_problems=(fault,), rtt=0.0231),
    ]
    assert shown(concluded(attempts, STEPS)) == (
        "sip:example.com answers SIP over UDP and TLS\n"
        "\n"
        "  system     Asterisk 22.1.0\n"
        "  banner     Asterisk PBX 22.1.0\n"
        "  answer     200 OK in 1.2 ms (by the kernel's clock)\n"
        "  methods    INVITE, ACK, CANCEL, BYE, OPTIONS\n"
        "  connect by sip:example.com (udp 192.0.2.1:5060): UDP answers, and DNS names\n"
        "             it; TLS would be better, but the certificate is self-signed\n"
        "             (CN=pbx)\n"
        "  trunk      Auto (SRV): DNS leads there by itself\n"
        "\n"
        "  192.0.2.1\n"
        "    port    UDP               TCP               TLS\n"
        "    5060    200 in 1.2 ms     refused           refused\n"
        "    5061    no answer         silent            200 in 23.1 ms !\n"
        "\n"
        "  TLS 5061: the certificate is self-signed (CN=pbx); trust it\n"
        "\n"
        "  notice: UDP answers in the clear, although TLS works at 192.0.2.1:5061\n"
        "      [plain-beside-tls, peer, RFC 3261 §26.2.1]\n"
        "      seen: udp 192.0.2.1:5060\n"
        "      cure: take the udp and tcp transports out of pjsip.conf, or set their bind\n"
        "        to an inner address, and restart\n"
        "  notice: the banner tells the version: Asterisk PBX 22.1.0 [telling-banner,\n"
        "      peer, RFC 3261 §20.35]\n"
        "      cure: set user_agent in the global section of pjsip.conf\n"
        "\n"
        "  SRV _sip._udp.example.com: 10 60 5060 sip.example.com. (3600 s)\n"
        "  SRV _sip._tcp.example.com: the name has no such record"
    )


def test_the_same_trouble_in_several_places_is_told_once() -> None:
    attempts = [
        failed(f"{kind} 192.0.2.{n}:5060", Reach.UNREACHABLE, "no route") for n in (1, 2) for kind in ("udp", "tcp")
    ]
    text = " ".join(shown(concluded(attempts)).split())
    assert text.count("no route") == 2  # in the first line, and in the note
    assert "UDP 192.0.2.1:5060, 192.0.2.2:5060; TCP 192.0.2.1:5060, 192.0.2.2:5060: no route; what to try" in text


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [
        (failed("udp 192.0.2.1:5060", Reach.NO_ANSWER), "sip:example.com: nothing answers; what to try"),
        (failed("udp 192.0.2.1:5060", Reach.REFUSED), "sip:example.com: nothing listens there; what to try"),
        (
            failed("udp 192.0.2.1:5060", Reach.UNREACHABLE),
            "sip:example.com: there is no way there (what happened); what to try",
        ),
        (
            failed("tcp 192.0.2.1:5060", Reach.SILENT),
            "sip:example.com: a port is open, but nothing answers SIP (what happened); what to try",
        ),
        (
            failed("tls 192.0.2.1:5061", Reach.TLS_FAILED),
            "sip:example.com: TLS does not succeed (what happened); what to try",
        ),
        (
            failed("tcp 192.0.2.1:5060", Reach.NOT_SIP),
            "sip:example.com: something answers that is not SIP (what happened); what to try",
        ),
        (
            failed("udp 192.0.2.1:5060", Reach.FAILED, advice=""),
            "sip:example.com: the probe could not be carried out (what happened)",
        ),
        (answered("udp 192.0.2.1:5060"), ""),
    ],
)
def test_failures_in_one_line(attempt: Attempt, expected: str) -> None:
    discovery = concluded([attempt])
    assert failure_line(discovery) == expected
    assert " ".join(shown(discovery).split()).startswith(expected)


def test_a_name_without_an_address() -> None:
    text = shown(concluded([], STEPS))
    assert text.startswith("no address for example.com: ")
    assert "SRV _sip._tcp.example.com: the name has no such record" in text


def test_what_was_left_out_is_told() -> None:
    assert "left out   7 more places" in shown(concluded([answered("udp 192.0.2.1:5060")], omitted=7))


def test_tls_that_fails_is_told_once_where_nothing_answers() -> None:
    seen = Seen(tls=(Table({}).report(),))
    refused = failed("tls 192.0.2.1:5061", Reach.TLS_FAILED, "the handshake fails")
    alone = shown(conclude(EXAMPLE, [], [], [refused], duration=1.0, seen=seen))
    assert alone.count("the handshake fails") == 1
    assert "  TLS        " not in alone
    beside = conclude(EXAMPLE, [], [], [answered("udp 192.0.2.1:5060"), refused], duration=1.0, seen=seen)
    assert "  TLS        " in shown(beside)


def test_a_certificate_that_no_report_tells_of_is_in_a_note() -> None:
    fault = "the certificate has expired"
    one = answered("tls 192.0.2.1:5081", detail=fault, tls_problems=(fault,))
    seen = Seen(tls=(Table({}).report(),))
    assert f"TLS 5081: {fault}" in shown(conclude(EXAMPLE, [], [], [one], duration=1.0, seen=seen))


def test_a_system_that_hides_its_banner() -> None:
    tag = ("To", "<sip:192.0.2.1>;tag=4242SIPpTag011")
    text = shown(concluded([answered("udp 192.0.2.1:5060", 200, tag)]))
    assert "  system     SIPp\n" in text
    assert "  known by   to-tag '4242SIPpTag011' (100% sure)\n" in text
    assert "banner" not in text


def test_a_system_that_may_be_this_or_that() -> None:
    tag = ("To", "<sip:192.0.2.1>;tag=0123456789ABCDEF")
    text = shown(concluded([answered("udp 192.0.2.1:5060", 200, tag)]))
    assert "  system     unknown\n" in text
    assert "  perhaps    FRITZ!Box (" in text


def test_a_banner_that_does_not_go_with_its_answer() -> None:
    tag = ("To", "<sip:192.0.2.1>;tag=4242SIPpTag011")
    text = shown(concluded([answered("udp 192.0.2.1:5060", 200, tag, ("Server", "Asterisk PBX 22.1.0"))]))
    assert "but        the banner says Asterisk, but the answer has the shape of SIPp" in text


def test_a_device() -> None:
    text = shown(concluded([answered("udp 192.0.2.1:5060", 200, ("Server", "Yealink SIP-T46S 66.85.0.5"))]))
    assert "  system     Yealink phone 66.85.0.5, SIP-T46S\n" in text


def test_an_unknown_system_and_its_abilities() -> None:
    sdp = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 8 0\r\n"
    fields = [("Server", "thing"), ("Content-Type", "application/sdp")]
    text = shown(concluded([answered("tcp 192.0.2.1:5060", 404, *fields, body=sdp, rtt=1.25)]))
    assert "system     unknown" in text
    assert "banner     thing" in text
    assert "answer     404 Whatever in 1.2 s" in text
    assert "codecs     PCMA/8000, PCMU/8000" in text
    assert "5060    404 in 1.2 s" in text


def test_a_platform_is_told() -> None:
    assert "FreePBX 16.0.40 on Asterisk 18.9" in shown(
        concluded([answered("udp 192.0.2.1:5060", 200, ("Server", "FPBX-16.0.40(18.9)"))])
    )


def test_what_peers_write_is_made_printable() -> None:
    evil = "Evil\x1b[2J [red]1.2.3"
    attempt = answered("udp 192.0.2.1:5060", 200, ("Server", evil), detail="\x1b]0;owned\x07")
    text = shown(concluded([attempt], [LookupStep("A x\x1b", ("\x07",))]))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert r"Evil\x1b[2J [red]1.2.3" in text


def test_each_address_has_its_block() -> None:
    hops = [hop("udp 192.0.2.1:5060"), hop("tcp [2001:db8::1]:5060"), hop("udp 192.0.2.1:5080")]
    text = "\n".join(line.plain for line in grid(hops, {}))
    assert text == (
        "\n"
        "  192.0.2.1\n"
        "    port    UDP               TCP\n"
        "    5060    …\n"
        "    5080    …\n"
        "\n"
        "  2001:db8::1\n"
        "    port    UDP               TCP\n"
        "    5060                      …"
    )


def test_websockets_stand_in_a_block_of_their_own() -> None:
    hops = [hop(f"{name} 192.0.2.1:{port}") for name in ("udp", "tcp", "tls") for port in (5060, 5061)]
    hops += [hop("ws 192.0.2.1:80"), hop("wss 192.0.2.1:443")]
    lines = [line.plain for line in grid(hops, {})]
    assert lines[2:] == [
        "    port    UDP               TCP               TLS",
        "    5060    …                 …                 …",
        "    5061    …                 …                 …",
        "    port    WS                WSS",
        "    80      …",
        "    443                       …",
    ]


def test_colour_only_repeats_the_words() -> None:
    good, bad = answered("udp 192.0.2.1:5060"), failed("udp 192.0.2.1:5060", Reach.NOT_SIP)
    styles = [_styles(grid([one.hop], {(one.hop.transport, one.hop.remote): one})) for one in (good, bad)]
    assert styles[0] != styles[1]
    assert shown(concluded([good])) != shown(concluded([replace(good, reach=Reach.NOT_SIP, response=None)]))


def _styles(lines: list[Text]) -> list[str]:
    return [str(span.style) for line in lines for span in line.spans]


def test_a_provider_that_stays_silent_is_told_about() -> None:
    attempt = failed("udp 192.0.2.1:5060", Reach.NO_ANSWER)
    silent = conclude(Destination("acme.pstn.twilio.com"), [], [], [attempt], duration=1.0)
    assert "  provider   Twilio\n             ports: tls 5061" in shown(silent)
    pbx = conclude(Destination("freepbx"), [], [], [], duration=1.0)
    assert "  provider   Asterisk or FreePBX\n             ports: udp 5060" in shown(pbx)
    answering = conclude(Destination("acme.pstn.twilio.com"), [], [], [answered("udp 192.0.2.1:5060")], duration=1.0)
    assert "Twilio" not in shown(answering)


def test_a_private_address_is_told() -> None:
    attempts = [answered("udp 10.0.0.1:5060")]
    assert "address    private" in shown(conclude(Destination("10.0.0.1"), [], [], attempts, duration=1.0))
    assert "private" not in shown(conclude(Destination("192.0.2.1"), [], [], attempts, duration=1.0))


def test_silence_beside_an_answer_is_not_explained() -> None:
    """A firewall that drops what is for unused ports is usual; what DNS names is another thing."""
    silent = failed("udp 192.0.2.1:5080", Reach.NO_ANSWER, "no answer within 0.6 s")
    text = shown(concluded([answered("udp 192.0.2.1:5060"), silent]))
    assert "no answer within" not in text
    assert "5080    no answer" in text
    published = replace(silent, published=True)
    assert "no answer within" in shown(concluded([answered("udp 192.0.2.1:5060"), published]))


def test_a_challenge_without_a_realm() -> None:
    found = Capabilities(authentication=(Authentication("REGISTER", 401, "Bearer", ""),))
    assert ("wants", "REGISTER 401: Bearer") in capability_facts(found)
