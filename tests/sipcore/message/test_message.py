"""Messages as values: untouched they leave as they came, changed they differ only where they were changed."""

import pytest

from sipcore.deviation import Deviation
from sipcore.errors import LocalError, ParseError, UnsafeValue
from sipcore.message.fields.simple import CSeq
from sipcore.message.headers import Noted, headers_of
from sipcore.message.message import Message, Request, Response
from sipcore.message.parser import parse_message
from sipcore.message.registry import CALL_ID, CONTACT, VIA
from sipcore.message.uri import SipUri

INVITE = (
    b"INVITE  sip:bob@b.example SIP/2.0\r\n"
    b"v: SIP/2.0/UDP a.example ;branch=z9hG4bK1\r\n"
    b"Via: SIP/2.0/UDP b.example;branch=z9hG4bK2\r\n"
    b"f: Alice\r\n <sip:alice@a.example> ;tag=1\r\n"
    b"To: <sip:bob@b.example>\r\n"
    b"Call-ID:x@y\r\n"
    b"CSeq:   7   INVITE\r\n"
    b"X-Custom:  as   it is \r\n"
    b"c: application/sdp\r\n"
    b"l: 4\r\n\r\nv=0\n"
)


def request(data: bytes = INVITE) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


def of(*lines: str) -> Message:
    return parse_message("\r\n".join(["OPTIONS sip:a SIP/2.0", *lines, "", ""]).encode())


def test_untouched_it_leaves_as_it_came() -> None:
    assert bytes(request()) == INVITE


def test_reading_changes_nothing() -> None:
    message = request()
    for row in message.headers.known_rows():
        assert message[row] is message.headers[row]
    assert message.uri == SipUri("b.example", "bob")
    assert bytes(message) == INVITE


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        (lambda m: m.with_header("Call-ID", "new"), b"Call-ID:x@y\r\n", b"Call-ID: new\r\n"),
        (
            lambda m: m.with_header("From", "<sip:c>"),
            b"f: Alice\r\n <sip:alice@a.example> ;tag=1\r\n",
            b"From: <sip:c>\r\n",
        ),
        (lambda m: m.without("x-custom"), b"X-Custom:  as   it is \r\n", b""),
        (lambda m: m.with_first("Via", "SIP/2.0/UDP c"), b"v: SIP", b"Via: SIP/2.0/UDP c\r\nv: SIP"),
        (lambda m: m.with_last("Subject", "hi"), b"l: 4\r\n", b"l: 4\r\nSubject: hi\r\n"),
        (lambda m: m.with_uri(SipUri("c")), b"INVITE  sip:bob@b.example SIP/2.0", b"INVITE sip:c SIP/2.0"),
        (lambda m: m.with_body(b"v=1\n"), b"l: 4\r\n\r\nv=0\n", b"Content-Length: 4\r\n\r\nv=1\n"),
    ],
)
def test_changed_it_differs_only_there(change: object, before: bytes, after: bytes) -> None:
    assert before in INVITE
    assert bytes(change(request())) == INVITE.replace(before, after, 1)  # type: ignore[operator]  # a lambda


def test_a_change_repairs_what_is_wrong_around_the_fields() -> None:
    data = b"\r\n" + INVITE.replace(b"\r\n", b"\n") + b"trailing"
    assert bytes(request(data).with_last("A", "b")) == INVITE.replace(b"l: 4\r\n", b"l: 4\r\nA: b\r\n")


def test_a_change_is_a_new_value() -> None:
    message = request()
    assert message.with_last("A", "b") is not message
    assert bytes(message) == INVITE
    assert message.with_last("A", "b") == message.with_last("A", "b") != message


def test_deviations_stay_with_a_changed_message() -> None:
    noted = (Noted(Deviation.SPACING_IN_START_LINE, "Request-Line"),)
    assert request().noted == request().with_last("A", "b").noted == noted
    assert request().with_uri(SipUri("c")).noted == noted


def test_deviations_of_the_request_uri_are_noted_when_it_is_read() -> None:
    message = request(b"OPTIONS sip:a_b SIP/2.0\r\n\r\n")
    assert len(message.noted) == 0
    assert message.uri is message.uri
    assert list(message.noted) == [Noted(Deviation.ODD_HOST, "Request-URI")]


def test_a_request_uri_that_cannot_be_read_is_told_with_its_byte() -> None:
    with pytest.raises(ParseError) as error:
        _ = request(b"\r\nOPTIONS sip:2001:db8::1 SIP/2.0\r\n\r\n").uri
    assert (error.value.header, error.value.position) == ("Request-URI", 19)
    assert error.value.excerpt == "db8::1 SIP/2.0"


def test_a_request_uri_that_was_set_as_text_has_no_byte() -> None:
    with pytest.raises(ParseError) as error:
        _ = Request("OPTIONS", "sip:a:x", headers_of()).uri
    assert (error.value.header, error.value.position, error.value.excerpt) == ("Request-URI", None, "x SIP/2.0")


def test_what_every_message_has() -> None:
    message = request()
    assert (message.via.host, message.branch) == ("a.example", "z9hG4bK1")
    assert (message.from_.display, message.from_tag, message.to.tag, message.to_tag) == ("Alice", "1", None, None)
    assert (message.call_id, message.cseq.number, message.cseq.method) == ("x@y", 7, "INVITE")
    assert message.via is message.via


@pytest.mark.parametrize("name", ["via", "branch", "from_", "from_tag", "to", "to_tag", "call_id", "cseq"])
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(ParseError, match="missing") as error:
        getattr(of("A: b"), name)
    assert error.value.header is not None
    assert error.value.header.replace("-", "_").lower().startswith({"branch": "via"}.get(name, name[:2]))


@pytest.mark.parametrize("to", ["<sip:b>", "<sip:b>;tag=2", "sip:b;tag=2", "sip:b"])
@pytest.mark.parametrize("branch", ["x", "z9hG4bKx"])
def test_what_finds_transaction_and_dialog(to: str, branch: str) -> None:
    message = of(f"Via: SIP/2.0/UDP a;branch={branch}", "f: <sip:a>;tag=1", f"To: {to}", "i: y", "CSeq: 7 INVITE")
    parts = (message.branch, message.cseq, message.sent_by, message.has_several_vias)
    assert message.top == parts == (branch, CSeq(7, "INVITE"), "a", False)
    assert (message.from_tag, message.to_tag, message.call_id) == ("1", "2" if "tag" in to else None, "y")
    with pytest.raises(ParseError, match="missing"):
        _ = of("To: <sip:a>").top


@pytest.mark.parametrize(
    ("via", "sent_by", "is_plain"),
    [
        ("SIP/2.0/UDP a.example:5060;branch=z9hG4bK1", "a.example:5060", True),
        ("SIP/2.0/UDP A;rport;branch=z9hG4bK1", "A", True),
        ("SIP/2.0/UDP [::1]:5060;branch=z9hG4bK1", "[::1]:5060", True),
        ("SIP/2.0/UDP  a : 5060;branch=z9hG4bK1", "a:5060", False),
        ("SIP / 2.0 / UDP a;branch=z9hG4bK1", "a", False),
        ("SIP/2.0/UDP a;branch=1", "a", False),
        ("SIP/2.0/UDP a", "a", False),
    ],
)
def test_sent_by_is_read_with_the_rest_where_that_is_plain(via: str, sent_by: str, is_plain: bool) -> None:
    message = of(f"Via: {via}", "f: <sip:a>;tag=1", "To: <sip:b>", "i: y", "CSeq: 7 INVITE")
    assert (message.plain_top is not None) == is_plain
    assert message.sent_by == message.via.sent_by == sent_by


@pytest.mark.parametrize(
    ("line", "branch"),
    [
        ("SIP/2.0/UDP a;branch=z9hG4bK1", "z9hG4bK1"),
        ("SIP/2.0/UDP a;BRANCH=z9hG4bK1;rport", "z9hG4bK1"),
        ("SIP/2.0/UDP a;x=y;branch=z9hG4bK1", "z9hG4bK1"),
        ('SIP/2.0/UDP a;x=";branch=no";branch=z9hG4bK1', "z9hG4bK1"),
        ("SIP/2.0/UDP a;branch=1;branch=2", "1"),
        ("SIP/2.0/UDP a;Branch=1;branch=2", "1"),
        ("SIP/2.0/UDP a;branches=1;branch=2", "2"),
        ("SIP/2.0/UDP a;received=::1;branch=2", "2"),
        ("SIP/2.0/UDP a ; branch = 2", "2"),
        ("SIP/2.0/UDP a, SIP/2.0/UDP b;branch=2", ""),
        ("SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b;branch=2", "1"),
        ("SIP/2.0/UDP a", ""),
        ("SIP/2.0/UDP a;branch", ""),
        ("SIP/2.0/UDP a;branch=", ""),
        ("SIP/2.0/UDP a;branch;branch=2", ""),
        ("SIP/2.0/UDP a;branch=[::1]", "[::1]"),
        ('SIP/2.0/UDP a;branch="x"', '"x"'),
    ],
)
def test_the_branch_is_that_of_the_typed_via(line: str, branch: str) -> None:
    message = of(f"Via: {line}")
    assert message.branch == branch == of(f"Via: {line}")[VIA][0].branch


@pytest.mark.parametrize(
    ("line", "tag"),
    [
        ("<sip:a@b>;tag=1", "1"),
        ('"A, B" <sip:a@b>;x="y;tag=no";TAG=1', "1"),
        ("A <sip:a;tag=no@b;tag=no>;tag=1", "1"),
        ("A<sip:a@b>;tags=no;tag=1;x", "1"),
        ("<sip:a@b>;tag=1;tag=2", "1"),
        ("<sip:a@b> ; tag = 1", "1"),
        ("sip:a@b;tag=1", "1"),
        ("<sip:a@b>", None),
        ("<sip:a@b>;x", None),
        ("<sip:a@b>;tag", None),
        ("<sip:a@b>;tag=", None),
        ("<sip:a@b>;tag;tag=1", None),
        ('<sip:a@b>;tag="x"', '"x"'),
        (r'"\"" <sip:a@b>;tag=1', "1"),
        ("Bell, A <sip:a@b>;tag=1", "1"),
    ],
)
def test_tags_are_those_of_the_typed_addresses(line: str, tag: str | None) -> None:
    message = of(f"From: {line}", f"To: {line}")
    assert message.from_tag == message.to_tag == tag == of(f"From: {line}").from_.tag == of(f"To: {line}").to.tag


@pytest.mark.parametrize("line", ["nonsense", "<sip:a@b>;=x", '"A <sip:a@b>', "<sip:a@b", "<sip:a>, <sip:b>"])
def test_a_tag_of_nonsense_is_an_error(line: str) -> None:
    with pytest.raises(ParseError):
        _ = of(f"From: {line}").from_tag


def test_bodies_and_what_describes_them() -> None:
    message = request().with_last("Content-Encoding", "gzip").with_last("Content-Disposition", "session")
    assert message.with_body(b"x").headers.get("Content-Encoding") == "gzip"
    other = message.with_body(b"hello", "text/plain")
    assert [other.headers.get(name) for name in ("c", "l", "e", "Content-Disposition")] == [
        "text/plain",
        "5",
        None,
        None,
    ]
    none = message.with_body(b"")
    assert [none.headers.get(name) for name in ("c", "l", "e", "Content-Disposition")] == [None, "0", None, None]
    assert parse_message(bytes(none)).body == b""
    with pytest.raises(LocalError):
        none.with_body(b"x")


@pytest.mark.parametrize("text", ["a\r\nEvil: 1", "a\nb", "a\0"])
def test_nothing_that_was_set_can_begin_a_line(text: str) -> None:
    message = request()
    for attempt in (
        lambda: message.with_header("Subject", text),
        lambda: message.with_first("Subject", text),
        lambda: message.with_last("Subject", text),
        lambda: message.with_header(text, "x"),
        lambda: message.with_body(b"x", text),
        lambda: message.with_uri(SipUri(text)),
        lambda: Request(text, "sip:a", headers_of()),
        lambda: Request("OPTIONS", text, headers_of()),
        lambda: Response(200, text, headers_of()),
    ):
        with pytest.raises(UnsafeValue):
            attempt()


def test_received_values_leave_verbatim_even_where_nobody_could_set_them() -> None:
    data = b'OPTIONS sip:a SIP/2.0\r\nTo: "\\\x00"\r\n <sip:a@b>\r\nA: b\r\n\r\n'
    assert bytes(parse_message(data).without("A")) == data.replace(b"A: b\r\n", b"")


def test_responses() -> None:
    response = Response(180, "Ringing", headers_of(("A", "b")))
    assert bytes(response) == b"SIP/2.0 180 Ringing\r\nA: b\r\n\r\n"
    assert (response.is_provisional, response.is_success) == (True, False)
    assert bytes(response.with_last("C", "d")) == b"SIP/2.0 180 Ringing\r\nA: b\r\nC: d\r\n\r\n"
    success = Response(200, "", headers_of())
    assert (success.is_provisional, success.is_success, success.start_line) == (False, True, "SIP/2.0 200 ")


def test_messages_are_values() -> None:
    first, second = request(), request()
    assert first == second
    assert hash(first) == hash(second)
    assert first != INVITE
    assert repr(first) == "<Request 'INVITE  sip:bob@b.example SIP/2.0', 9 header fields, 4 bytes>"
    assert first[CONTACT] == ()
    assert first[CALL_ID] == "x@y"


@pytest.mark.parametrize(
    ("vias", "several"),
    [
        ("Via: SIP/2.0/UDP a;branch=z9hG4bK1", False),
        ("Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\nVia: SIP/2.0/UDP b", True),
        ("v: SIP/2.0/UDP a;branch=z9hG4bK1\r\nVIA: junk", True),
        ("Via: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b", True),
        ("Via: SIP/2.0/UDP a;branch=z9hG4bK1,", False),  # a comma too many, Deviation.EMPTY_LIST_VALUE
        ('Via: SIP/2.0/UDP a;branch=z9hG4bK1;x="a,b"', False),
        ('Via: SIP/2.0/UDP a;branch=z9hG4bK1;x="a,b', False),
        ("Server: Via: x\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1", False),
        ("Server: x", False),
    ],
)
@pytest.mark.parametrize("apart", [False, True])
def test_whether_there_are_several_vias(vias: str, several: bool, apart: bool) -> None:
    rest = "From: <sip:a@a>;tag=1\r\nTo: <sip:b@b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    message = parse_message(f"SIP/2.0 200 OK\r\n{vias}\r\n{rest}".encode())
    if apart:
        assert message.headers
    assert message.has_several_vias is several
