"""Findings in words: evidence, cure, code, and the page that explains one."""

from probes.findings.catalogue import catalogue
from probes.report.findings_json import finding_data
from probes.report.findings_text import finding_lines, list_lines, page_lines

FINDING = catalogue().finding(
    "contact-narrow", "Contact is \x1b[31m10.0.0.1", ["Contact: <sip:10.0.0.1>"] * 9, systems=["Asterisk"]
)


def test_a_finding_tells_what_shows_it_and_what_to_do() -> None:
    text = "\n".join(line.plain for line in finding_lines([FINDING], 200))
    assert "error: Contact is" in text
    assert "[contact-narrow, peer, RFC 3261 §8.1.1.8]" in text
    assert "external_signaling_address" in text
    assert text.count("seen: ") == 6
    assert "\x1b" not in text


def test_lines_are_as_narrow_as_asked_for() -> None:
    pages = [line for entry in catalogue().entries.values() for line in page_lines(entry, 60)]
    lines = [*finding_lines([FINDING], 60), *pages, *list_lines(catalogue(), 60)]
    assert max(len(line.plain) for line in lines) <= 60


def test_what_is_known_is_not_told_again() -> None:
    evidence = ("udp 192.0.2.1:5060: refused", "10.0.0.1", "told by nobody")
    finding = catalogue().finding("contact-narrow", "Contact is 10.0.0.1", evidence)
    text = "\n".join(line.plain for line in finding_lines([finding], known={evidence[0]}))
    assert text.count("seen: ") == 1
    assert "told by nobody" in text


def test_a_page_explains() -> None:
    text = "\n".join(line.plain for line in page_lines(catalogue()["contact-narrow"]))
    for part in ("error", "peer", "RFC 3261 §8.1.1.8", "FreeSWITCH", "ext-sip-ip"):
        assert part in text


def test_the_list_has_every_code() -> None:
    text = "\n".join(line.plain for line in list_lines(catalogue()))
    assert all(code in text for code in catalogue().entries)


def test_as_data() -> None:
    data = finding_data(FINDING)
    assert (data["code"], data["severity"], data["side"]) == ("contact-narrow", "error", "peer")
