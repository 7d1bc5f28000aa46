"""Every deviation has a section, and an example that shows it.

The examples of what stands around header fields and in them are here, whole lines each; those of session descriptions
and of authentication are with their own tests.
"""

import re

import pytest

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import ParseError
from sipcore.message.framing import StreamFramer
from sipcore.message.parser import parse_message
from sipcore.message.require import inspect

MESSAGE = (
    b"OPTIONS sip:a@b SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\n"
    b"Max-Forwards: 70\r\n"
    b"From: <sip:c@d>;tag=1\r\n"
    b"To: <sip:a@b>\r\n"
    b"Call-ID: x\r\n"
    b"CSeq: 1 OPTIONS\r\n"
    b"Content-Length: 0\r\n\r\n"
)
ELSEWHERE = ("SDP_", "AUTH_", "RTCP_")

CHANGED: dict[Deviation, tuple[bytes, bytes]] = {
    Deviation.BARE_LF: (b"Call-ID: x\r\n", b"Call-ID: x\n"),
    Deviation.NO_BLANK_LINE: (b"\r\n\r\n", b"\r\n"),
    Deviation.NOT_UTF8: (b"Call-ID: x", b"Call-ID: x\r\nSubject: caf\xe9"),
    Deviation.CONTROL_CHARACTER: (b"Call-ID: x", b"Call-ID: x\r\nSubject: \x07"),
    Deviation.TRAILING_OCTETS: (b"\r\n\r\n", b"\r\n\r\n\r\n"),
    Deviation.DUPLICATE_HEADER: (b"Call-ID: x", b"Call-ID: x\r\ni: x"),
    Deviation.SPACING_IN_START_LINE: (b" sip:a@b ", b"  sip:a@b "),
    Deviation.REASON_WITHOUT_SPACE: (b"OPTIONS sip:a@b SIP/2.0", b"SIP/2.0 200"),
    Deviation.VERSION_CASE: (b"sip:a@b SIP/2.0", b"sip:a@b sip/2.0"),
    Deviation.OTHER_VERSION: (b"OPTIONS sip:a@b SIP/2.0", b"SIP/3.0 200 OK"),
    Deviation.BRACKETED_REQUEST_URI: (b" sip:a@b ", b" <sip:a@b> "),
    Deviation.HEADERS_IN_REQUEST_URI: (b" sip:a@b ", b" sip:a@b?c=d "),
    Deviation.UNESCAPED_CHARACTER: (b" sip:a@b ", b" sip:a#@b "),
    Deviation.BAD_ESCAPE: (b" sip:a@b ", b" sip:a%@b "),
    Deviation.ODD_HOST: (b"UDP a;", b"UDP a_a;"),
    Deviation.NO_PHONE_CONTEXT: (b"<sip:a@b>", b"<tel:911>"),
    Deviation.SPACE_IN_URI: (b"<sip:a@b>", b"< sip:a@b>"),
    Deviation.EMPTY_USER: (b" sip:a@b ", b" sip:@b "),
    Deviation.EXTRA_COLON_IN_ADDRESS: (b"UDP a;", b"UDP [2001:db8:::192.0.2.1];"),
    Deviation.PARAMETER_NOT_LEGAL_HERE: (b"<sip:a@b>", b"<sip:a@b:5060>"),
    Deviation.URI_WITHOUT_BRACKETS: (b"To: <sip:a@b>", b"To: sip:a,b@c"),
    Deviation.DISPLAY_NAME_NEEDS_QUOTES: (b"To: <", b"To: a@b <"),
    Deviation.EMPTY_PARAMETER: (b"tag=1", b"tag=1;"),
    Deviation.EMPTY_PARAMETER_VALUE: (b"tag=1", b"tag=1;x="),
    Deviation.ODD_PARAMETER: (b"tag=1", b"tag=1;x=y@z"),
    Deviation.DUPLICATE_PARAMETER: (b"tag=1", b"tag=1;x;x"),
    Deviation.EMPTY_LIST_VALUE: (b"Call-ID: x", b"Call-ID: x\r\nAllow: ACK,,BYE"),
    Deviation.BRACKETED_ADDRESS_PARAMETER: (b"z9hG4bK1", b"z9hG4bK1;received=[::1]"),
    Deviation.DATE_NOT_GMT: (b"Call-ID: x", b"Call-ID: x\r\nDate: Fri, 01 Jan 2010 16:00:00 EST"),
    Deviation.NO_MAGIC_COOKIE: (b"z9hG4bK1", b"1"),
    Deviation.VIA_COMMENT: (b"z9hG4bK1", b"z9hG4bK1 (x)"),
    Deviation.NO_BRANCH: (b";branch=z9hG4bK1", b""),
    Deviation.NO_MAX_FORWARDS: (b"Max-Forwards: 70\r\n", b""),
    Deviation.NO_TAG: (b";tag=1", b""),
}

IN_FIELDS: dict[Deviation, str] = {
    Deviation.ODD_CALL_ID: "In-Reply-To: ä",
    Deviation.ODD_Q: "Contact: <sip:a>;q=2",
    Deviation.ODD_SECONDS: "Contact: <sip:a>;expires=soon",
    Deviation.ODD_PARAMETER_VALUE: "Session-Expires: 1800;refresher=nobody",
    Deviation.EXPIRY_TOO_LARGE: "Expires: 4294967296",
    Deviation.UNEXPECTED_PARAMETER: "P-Asserted-Identity: <sip:a@b>;x=y",
    Deviation.ADDRESS_WITHOUT_BRACKETS: "Route: sip:a",
    Deviation.NOT_A_URI: "Alert-Info: ring",
    Deviation.MEDIA_PARAMETER_WITHOUT_VALUE: "Content-Type: text/plain;charset",
    Deviation.ODD_DATE: "Date: Thu, 21 Nov 24 13:02:03 GMT",
    Deviation.WRONG_WEEKDAY: "Date: Mon, 21 Nov 2024 13:02:03 GMT",
    Deviation.UNQUOTED_WARNING: "Warning: 399 a busy",
    Deviation.RSEQ_ZERO: "RSeq: 0",
    Deviation.PRIVACY_SEPARATOR: "Privacy: id, user",
    Deviation.FEATURES_WITHOUT_STAR: "Accept-Contact: audio",
    Deviation.NO_DIALOG_TAGS: "Replaces: x",
    Deviation.NO_HISTORY_INDEX: "History-Info: <sip:a>",
    Deviation.UPPER_CASE_SESSION_ID: "Session-ID: AB30317F1A784DC48FF824D0D3715D86",
    Deviation.IDENTITY_WITHOUT_INFO: "Identity: AAAA",
}


def found_in(data: bytes) -> set[Deviation]:
    message = parse_message(data)
    assert bytes(message) == data
    return {note.deviation for note in inspect(message).noted}


def test_the_message_that_the_examples_change_has_no_fault() -> None:
    assert found_in(MESSAGE) == set()


@pytest.mark.parametrize("deviation", CHANGED, ids=lambda deviation: deviation.name)
def test_around_and_in_header_fields(deviation: Deviation) -> None:
    old, new = CHANGED[deviation]
    assert old in MESSAGE
    assert found_in(MESSAGE.replace(old, new, 1)) == {deviation}


@pytest.mark.parametrize("deviation", IN_FIELDS, ids=lambda deviation: deviation.name)
def test_in_one_field(deviation: Deviation) -> None:
    field = IN_FIELDS[deviation].encode()
    assert found_in(MESSAGE.replace(b"Call-ID: x\r\n", b"Call-ID: x\r\n" + field + b"\r\n")) == {deviation}


def test_on_a_stream() -> None:
    framer = StreamFramer()
    framer.receive(MESSAGE.replace(b"Content-Length: 0\r\n", b""))
    (frame,) = framer.frames()
    assert isinstance(frame, tuple)
    assert frame[1] == (Deviation.WITHOUT_LENGTH,)


def test_each_has_an_example() -> None:
    shown = {*CHANGED, *IN_FIELDS, Deviation.WITHOUT_LENGTH}
    assert [each.name for each in Deviation if each not in shown and not each.name.startswith(ELSEWHERE)] == []


@pytest.mark.parametrize("deviation", Deviation, ids=lambda deviation: deviation.name)
def test_each_names_its_rule_in_one_sentence(deviation: Deviation) -> None:
    assert re.fullmatch(r"RFC \d{4} §[\d.]+\d", deviation.section) or re.fullmatch(r"RFC \d{4} §\d", deviation.section)
    assert not deviation.text.endswith(".")


def test_no_two_are_one() -> None:
    assert len(Deviation) == len(Deviation.__members__)


def test_with_nowhere_to_record_it_a_fault_is_an_error() -> None:
    notes: Notes = []
    tolerate(notes, Deviation.BARE_LF)
    assert notes == [Deviation.BARE_LF]
    with pytest.raises(ParseError) as error:
        tolerate(None, Deviation.BARE_LF, "a\n", 1)
    assert (error.value.section, error.value.excerpt) == ("RFC 3261 §7", "\n")
