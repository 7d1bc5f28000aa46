"""What a message must have, and everything that an inspection finds."""

import pytest

from sipcore.deviation import Deviation
from sipcore.errors import ParseError
from sipcore.message.headers import Noted
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.message.require import inspect, require

WHOLE = (
    "OPTIONS sip:a@b SIP/2.0\r\n"
    "Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:c@d>;tag=1\r\n"
    "To: <sip:a@b>\r\n"
    "Call-ID: x\r\n"
    "CSeq: 1 OPTIONS\r\n\r\n"
)


def changed(old: str, new: str, text: str = WHOLE) -> Request | Response:
    assert old in text
    return parse_message(text.replace(old, new).encode())


def test_a_whole_message_has_nothing_to_note() -> None:
    message = parse_message(WHOLE.encode())
    require(message)
    assert inspect(message).errors == ()
    assert inspect(message).noted == ()


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_what_is_missing(name: str) -> None:
    line = next(line for line in WHOLE.splitlines(keepends=True) if line.startswith(name))
    message = changed(line, "")
    with pytest.raises(ParseError, match="missing") as error:
        require(message)
    assert (error.value.header, error.value.status) == (name, 400)
    assert [fault.header for fault in inspect(message).errors] == [name]


def response_to_invite(status: int, old: str, new: str) -> Request | Response:
    text = WHOLE.replace("OPTIONS sip:a@b SIP/2.0", f"SIP/2.0 {status} x").replace("1 OPTIONS", "1 INVITE")
    assert old in text
    return parse_message(text.replace("<sip:a@b>", "<sip:a@b>;tag=2").replace(old, new).encode())


def test_of_a_response_to_an_invite_to_is_read_as_a_whole_since_it_makes_a_dialog() -> None:
    with pytest.raises(ParseError) as error:
        require(response_to_invite(180, "sip:a@b", "nonsense"))
    assert error.value.header == "To"
    require(response_to_invite(100, "sip:a@b", "nonsense"))
    require(response_to_invite(180, "sip:c@d", "nonsense"))


@pytest.mark.parametrize(
    ("old", "new", "header"),
    [
        ("SIP/2.0/UDP a;", "SIP/2.0 a;", "Via"),
        ("<sip:c@d>", "<sip:c@d", "From"),
        ("<sip:a@b>", "nonsense", "To"),
        ("Call-ID: x", "Call-ID: x y", "Call-ID"),
        ("1 OPTIONS", "OPTIONS", "CSeq"),
        ("OPTIONS sip:a@b", "OPTIONS sip:a@b:x", "Request-URI"),
    ],
)
def test_what_is_malformed(old: str, new: str, header: str) -> None:
    message = changed(old, new)
    with pytest.raises(ParseError) as error:
        require(message)
    assert error.value.header == header
    assert error.value.position is not None
    assert [fault.header for fault in inspect(message).errors] == [header]


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 400), ("NEWMETHOD", 501)])
def test_cseq_names_the_method(method: str, status: int) -> None:
    with pytest.raises(ParseError) as error:
        require(changed("OPTIONS sip", f"{method} sip", WHOLE.replace("1 OPTIONS", "1 INVITE")))
    assert (error.value.header, error.value.status) == ("CSeq", status)


def test_the_cseq_of_a_response_names_whatever_it_answers() -> None:
    require(changed("OPTIONS sip:a@b SIP/2.0", "SIP/2.0 200 OK"))


def test_a_request_uri_may_be_of_any_scheme() -> None:
    require(changed("sip:a@b SIP", "tel:+1;method=x SIP"))


def test_fields_that_are_not_needed_may_be_malformed() -> None:
    """RFC 3261 §8.2.2: a UAS should ignore malformed header fields that are not necessary."""
    message = changed("Max-Forwards: 70", "Max-Forwards: 70\r\nContact: nonsense\r\nExpires: never")
    require(message)
    assert [fault.header for fault in inspect(message).errors] == ["Contact", "Expires"]


def test_an_inspection_finds_everything_at_once() -> None:
    message = parse_message(
        b"OPTIONS sip:x:y SIP/2.0\r\nVia: x\r\nFrom: <sip:a>\r\nCSeq: 1 INVITE\r\nContact: y\r\n\r\n"
    )
    inspection = inspect(message)
    assert {(error.header, error.message) for error in inspection.errors} == {
        ("Via", "not a Via"),
        ("To", "missing"),
        ("Call-ID", "missing"),
        ("Request-URI", "a port is a number"),
        ("CSeq", "names another method than OPTIONS"),
        ("Contact", "no URI scheme"),
    }
    assert {note.deviation for note in inspection.noted} == {Deviation.NO_TAG, Deviation.NO_MAX_FORWARDS}


@pytest.mark.parametrize(
    ("old", "new", "deviation", "where"),
    [
        (";branch=z9hG4bK1", "", Deviation.NO_BRANCH, "Via"),
        ("z9hG4bK1", "1", Deviation.NO_MAGIC_COOKIE, "Via"),
        (";tag=1", "", Deviation.NO_TAG, "From"),
        ("Max-Forwards: 70\r\n", "", Deviation.NO_MAX_FORWARDS, "Max-Forwards"),
        ("sip:a@b SIP", "sip:a@b?c=d SIP", Deviation.HEADERS_IN_REQUEST_URI, "Request-URI"),
        ("sip:a@b SIP", "sip:a@b;method=x SIP", Deviation.PARAMETER_NOT_LEGAL_HERE, "Request-URI"),
    ],
)
def test_what_is_merely_unusual(old: str, new: str, deviation: Deviation, where: str) -> None:
    message = changed(old, new)
    require(message)
    assert inspect(message).noted == (Noted(deviation, where),)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("<sip:a@b>", "<sip:a@b:5060>", "To"),
        ("<sip:c@d>", "<sip:c@d;lr>", "From"),
        ("<sip:c@d>", "<sip:c@d?a=b>", "From"),
        ("Call-ID: x", "Call-ID: x\r\nContact: <sip:a;ttl=1>", "Contact"),
        ("Call-ID: x", "Call-ID: x\r\nRoute: <sip:a;lr>, <sip:b;method=x>", "Route"),
        ("Call-ID: x", "Call-ID: x\r\nRecord-Route: <sip:a?b=c>", "Record-Route"),
    ],
)
def test_parts_of_uris_that_are_not_legal_where_they_stand(old: str, new: str, where: str) -> None:
    message = changed(old, new)
    require(message)
    assert inspect(message).noted == (Noted(Deviation.PARAMETER_NOT_LEGAL_HERE, where),)


@pytest.mark.parametrize(
    "text",
    [
        WHOLE.replace("OPTIONS", "REGISTER"),
        WHOLE.replace("OPTIONS sip:a@b SIP/2.0", "SIP/2.0 200 OK").replace("1 OPTIONS", "1 REGISTER"),
        WHOLE.replace("OPTIONS sip:a@b SIP/2.0", "SIP/2.0 302 Moved"),
    ],
)
def test_a_contact_of_registrations_and_redirections_may_hold_more(text: str) -> None:
    message = changed("Call-ID: x", "Call-ID: x\r\nContact: <sip:a;ttl=1;maddr=b?c=d>", text)
    assert inspect(message).noted == ()


@pytest.mark.parametrize("text", ["a\x07b", '"\\\\\x07"', "\x7f", "\x0b"])
def test_control_characters(text: str) -> None:
    message = changed("Call-ID: x", f"Call-ID: x\r\nX-Y :{text}")
    assert inspect(message).noted == (Noted(Deviation.CONTROL_CHARACTER, "X-Y"),)


@pytest.mark.parametrize("text", ["a\tb", '"\\\x07"', "a\r\n b", '"\\\\"', "grün"])
def test_what_is_no_control_character_or_quoted(text: str) -> None:
    assert inspect(changed("Call-ID: x", f"Call-ID: x\r\nX-Y: {text}")).noted == ()


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("tag=1", "tag=1;Tag=2", "From"),
        ("z9hG4bK1", "z9hG4bK1;x;x", "Via"),
        ("Call-ID: x", "Call-ID: x\r\nContact: <sip:a>, <sip:a>;q=1;q=1", "Contact"),
    ],
)
def test_a_parameter_that_stands_twice(old: str, new: str, where: str) -> None:
    assert Noted(Deviation.DUPLICATE_PARAMETER, where) in inspect(changed(old, new)).noted
