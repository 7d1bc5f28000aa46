"""Requests and responses by the book, and templates."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from sipcore.errors import LocalError, ParseError, UnsafeValue
from sipcore.message.address import Address, address_of
from sipcore.message.build import (
    Draft,
    Ends,
    Fields,
    Identity,
    Letterhead,
    Target,
    Template,
    ack_for_failure,
    cancel_for,
    request,
    require_sendable,
    response,
)
from sipcore.message.fields.simple import CSeq
from sipcore.message.fields.via import via_for
from sipcore.message.headers import headers_of
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.message.uri import SipUri, parse_uri

BOB = parse_uri("sip:bob@b.example")
IDENTITY = Identity(address_of("sip:alice@a.example", "Alice").with_tag("1"), Address(BOB), "x", 7)
VIA = via_for("UDP", "192.0.2.1", 5060, "z9hG4bK1")

INVITE = (
    b"INVITE sip:bob@b.example SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\n"
    b"Route: <sip:p1.example;lr>\r\n"
    b"Route: <sip:p2.example;lr>\r\n"
    b"Max-Forwards: 70\r\n"
    b'From: "Alice" <sip:alice@a.example>;tag=1\r\n'
    b"To: <sip:bob@b.example>\r\n"
    b"Call-ID: x\r\n"
    b"CSeq: 7 INVITE\r\n"
    b"Subject: hi\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: 4\r\n\r\nv=0\n"
)
ROUTE = [address_of("sip:p1.example;lr"), address_of("sip:p2.example;lr")]


def invite() -> Request:
    return request(
        "INVITE",
        BOB,
        IDENTITY,
        via=VIA,
        route=ROUTE,
        fields=[("Subject", "hi")],
        body=b"v=0\n",
        content_type="application/sdp",
    )


def received(data: bytes) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


def answer(status: int, to: bytes = b"<sip:bob@b.example>;tag=2") -> Response:
    message = parse_message(b"SIP/2.0 %d x\r\nTo:  %b\r\n\r\n" % (status, to))
    assert isinstance(message, Response)
    return message


def test_a_request_has_what_section_8_1_1_demands() -> None:
    assert bytes(invite()) == INVITE
    assert parse_message(INVITE).noted == ()


def test_what_a_request_was_built_from_is_not_read_again() -> None:
    built = Ends("UDP", "a", None, Address(BOB)).around(invite(), "z9hG4bK2")
    assert invite().from_ is IDENTITY.from_
    assert invite().to is IDENTITY.to
    assert (invite().cseq, built.cseq) == (CSeq(7, "INVITE"), CSeq(7, "INVITE"))
    twice = request("OPTIONS", BOB, IDENTITY, fields=[("From", "<sip:mallory@c.example>;tag=2")])
    with pytest.raises(ParseError, match="more than once"):
        twice.from_  # noqa: B018  # reading it is the test


def test_without_via_and_body() -> None:
    assert bytes(request("OPTIONS", BOB, IDENTITY, max_forwards=0)) == (
        b"OPTIONS sip:bob@b.example SIP/2.0\r\n"
        b"Max-Forwards: 0\r\n"
        b'From: "Alice" <sip:alice@a.example>;tag=1\r\n'
        b"To: <sip:bob@b.example>\r\n"
        b"Call-ID: x\r\n"
        b"CSeq: 7 OPTIONS\r\n"
        b"Content-Length: 0\r\n\r\n"
    )


def test_the_via_of_the_hop_comes_on_top() -> None:
    message = Ends("TLS", "2001:db8::1", 5061).around(invite(), "z9hG4bK2")
    assert bytes(message) == INVITE.replace(
        b"Via:", b"Via: SIP/2.0/TLS [2001:db8::1]:5061;branch=z9hG4bK2;rport\r\nVia:", 1
    )


RECEIVED = (
    b"INVITE sip:bob@b.example SIP/2.0\r\n"
    b"v: SIP/2.0/UDP p;branch=z9hG4bK2 ,\r\n SIP/2.0/UDP q\r\n"
    b"Max-Forwards: 70\r\n"
    b"t:<sip:bob@b.example>\r\n ;x\r\n"
    b"VIA:  SIP/2.0/UDP a;branch=z9hG4bK1\r\n"
    b'From: "\\\x00" <sip:alice@a.example>;tag=1\r\n'
    b"call-id:  x\r\n"
    b"CSeq:  7   INVITE\r\n"
    b"Timestamp: 54\r\n"
    b"Record-Route: <sip:p;lr>\r\n\r\n"
)


def test_a_response_copies_verbatim_and_tags_to() -> None:
    assert bytes(response(received(RECEIVED), 180, tag="2", fields=[("Server", "s")])) == (
        b"SIP/2.0 180 Ringing\r\n"
        b"v: SIP/2.0/UDP p;branch=z9hG4bK2 ,\r\n SIP/2.0/UDP q\r\n"
        b"t:<sip:bob@b.example>\r\n ;x;tag=2\r\n"
        b"VIA:  SIP/2.0/UDP a;branch=z9hG4bK1\r\n"
        b'From: "\\\x00" <sip:alice@a.example>;tag=1\r\n'
        b"call-id:  x\r\n"
        b"CSeq:  7   INVITE\r\n"
        b"Server: s\r\n"
        b"Content-Length: 0\r\n\r\n"
    )


def test_a_100_repeats_timestamp_and_needs_no_tag() -> None:
    trying = response(received(RECEIVED), 100)
    assert trying.headers.get("Timestamp") == "54"
    assert (trying.to_tag, trying.reason) == (None, "Trying")
    assert "Timestamp" not in response(received(RECEIVED), 200).headers


def test_a_to_that_has_a_tag_keeps_it() -> None:
    tagged = received(RECEIVED.replace(b";x", b";tag=old"))
    assert response(tagged, 200, tag="new").to_tag == "old"


@pytest.mark.parametrize("to", [b"t: nonsense\r\n", b""])
def test_what_cannot_be_read_can_still_be_answered(to: bytes) -> None:
    broken = received(RECEIVED.replace(b"t:<sip:bob@b.example>\r\n ;x\r\n", to))
    assert to in bytes(response(broken, 400, tag="2"))


def test_reasons_and_bodies() -> None:
    assert response(received(RECEIVED), 499).reason == "Request Failure"
    assert response(received(RECEIVED), 200, "Fine").start_line == "SIP/2.0 200 Fine"
    with_body = response(received(RECEIVED), 200, body=b"hi", content_type="text/plain")
    assert bytes(with_body).endswith(b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi")


@pytest.mark.parametrize("status", [99, 700, 0, -1])
def test_status_codes_are_from_100_to_699(status: int) -> None:
    with pytest.raises(LocalError):
        response(received(RECEIVED), status)


def test_a_body_has_a_type() -> None:
    with pytest.raises(LocalError):
        request("MESSAGE", BOB, IDENTITY, body=b"hi")


@pytest.mark.parametrize("body", ["hi", None, IDENTITY])
def test_a_body_is_bytes(body: Any) -> None:  # noqa: ANN401  # that is the point
    built: list[Callable[[], object]] = [
        lambda: request("MESSAGE", BOB, IDENTITY, body=body, content_type="text/plain"),
        lambda: response(received(RECEIVED), 200, body=body, content_type="text/plain"),
        lambda: require_sendable((), body, "text/plain"),
        lambda: request("MESSAGE", BOB, IDENTITY).with_body(body, "text/plain"),
    ]
    for build in built:
        with pytest.raises(LocalError, match=f"a body is bytes, not {type(body).__name__}: give text.encode()"):
            build()


@pytest.mark.parametrize(("content", "kind"), [(b"hi", "bytes"), (bytearray(b"hi"), "bytearray"), (None, "None")])
def test_a_value_without_a_text_is_not_written_as_python_does(content: object, kind: str) -> None:
    built: list[Callable[[], object]] = [
        lambda: request("MESSAGE", BOB, IDENTITY, fields=[("Subject", content)]),
        lambda: response(received(RECEIVED), 200, fields=[("Subject", content)]),
        lambda: require_sendable([("Subject", content)]),
        lambda: request("MESSAGE", BOB, IDENTITY).with_header("Subject", content),
    ]
    for build in built:
        with pytest.raises(LocalError, match=f"Subject wants a text or a value that is one, not {kind}"):
            build()


def test_a_request_that_is_sent_keeps_what_is_folded_and_what_is_not_ascii() -> None:
    """Its header fields are cut out of what goes on the wire."""
    text = "OPTIONS sip:\u00e9@b.example SIP/2.0\r\nSubject : a\r\n  b\r\n\tc\r\nX: \u00e9\udcff\r\nl: 2\r\n\r\nhi"
    request = parse_message(text.encode("utf-8", "surrogateescape"))
    assert isinstance(request, Request)
    sent = Ends("UDP", "a", 5070, Address(BOB)).around(request, "z9hG4bK2")
    assert sent.headers.raw_items() == [
        ("Via", " SIP/2.0/UDP a:5070;branch=z9hG4bK2;rport"),
        *request.headers.raw_items()[:-1],
        ("Contact", " <sip:bob@b.example>"),
        *request.headers.raw_items()[-1:],
    ]
    assert sent.body == b"hi"
    assert parse_message(bytes(sent)).headers.raw_items() == sent.headers.raw_items()
    assert [name for name in ("Subject", "Content-Length") if name in sent.headers] == ["Subject", "Content-Length"]


def test_what_requests_have_in_common_is_written_once() -> None:
    head = Letterhead(BOB, IDENTITY.from_, IDENTITY.to, IDENTITY.call_id, route=ROUTE)
    for method, cseq, fields in (("ACK", 7, ()), ("BYE", 8, [("Reason", "SIP")])):
        expected = request(method, BOB, replace(IDENTITY, cseq=cseq), route=ROUTE, fields=fields)
        assert head.request(method, cseq, fields, b"", "") == expected
    with pytest.raises(UnsafeValue):
        head.request("B YE", 9, (), b"", "")


@pytest.mark.parametrize("contact", [None, Address(SipUri("192.0.2.1", "alice", 5060))])
@pytest.mark.parametrize(
    ("fields", "is_bare"),
    [
        ((), True),
        ([("Reason", "SIP"), ("Subject", "ünd\udcff"), ("X-Empty", "")], True),
        (headers_of(("Authorization", 'Digest username="a"')), True),
        ([("m", "<sip:old@a.example>")], False),
        ([("v", "SIP/2.0/UDP old;branch=z9hG4bK1")], False),
        ([("l", "0"), ("Subject", "behind it")], False),
    ],
)
def test_a_bare_request_goes_out_as_any_other(fields: Fields, is_bare: bool, contact: Address | None) -> None:
    head = Letterhead(BOB, IDENTITY.from_, IDENTITY.to, IDENTITY.call_id, route=ROUTE)
    bare, built = head.bare("BYE", 8, fields), head.request("BYE", 8, fields, b"", "")
    assert (bare.tail > 0) == is_bare
    assert (bare, bare.uri, bare.start_line) == (built, BOB, built.start_line)
    ends = Ends("UDP", "192.0.2.1", 5060, contact)
    assert ends.around(bare, "z9hG4bK2") == ends.around(built, "z9hG4bK2")
    assert bare.headers.raw_items() == built.headers.raw_items()
    assert (bare.cseq, bare.to_tag, bare.call_id) == (built.cseq, built.to_tag, built.call_id)


@pytest.mark.parametrize("fields", [[("Reason", "SIP\r\nTo: x")], [("Rea son", "SIP")]])
def test_a_bare_request_has_no_unsafe_fields(fields: Fields) -> None:
    head = Letterhead(BOB, IDENTITY.from_, IDENTITY.to, IDENTITY.call_id)
    with pytest.raises(UnsafeValue):
        head.bare("BYE", 8, fields)
    with pytest.raises(UnsafeValue):
        head.bare("B YE", 8, ())


def test_the_ack_of_a_failure() -> None:
    """RFC 3261 §17.1.1.3: Request-URI, Call-ID, From, top Via, Route of the INVITE; To of the response."""
    ack = ack_for_failure(Ends("UDP", "p", None).around(invite(), "z9hG4bK2"), answer(486))
    assert bytes(ack) == (
        b"ACK sip:bob@b.example SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP p;branch=z9hG4bK2;rport\r\n"
        b"Route: <sip:p1.example;lr>\r\n"
        b"Route: <sip:p2.example;lr>\r\n"
        b"Max-Forwards: 70\r\n"
        b'From: "Alice" <sip:alice@a.example>;tag=1\r\n'
        b"To:  <sip:bob@b.example>;tag=2\r\n"
        b"Call-ID: x\r\n"
        b"CSeq: 7 ACK\r\n"
        b"Content-Length: 0\r\n\r\n"
    )


def test_a_failure_without_to_is_acknowledged_with_that_of_the_invite() -> None:
    failure = parse_message(b"SIP/2.0 400 x\r\n\r\n")
    assert isinstance(failure, Response)
    assert ack_for_failure(invite(), failure).headers.get("To") == "<sip:bob@b.example>"


def test_cancel() -> None:
    """RFC 3261 §9.1: same Request-URI, Call-ID, To, From, CSeq number, and the top Via alone; Route too; no body."""
    assert bytes(cancel_for(invite())) == (
        b"CANCEL sip:bob@b.example SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\n"
        b"Route: <sip:p1.example;lr>\r\n"
        b"Route: <sip:p2.example;lr>\r\n"
        b"Max-Forwards: 70\r\n"
        b'From: "Alice" <sip:alice@a.example>;tag=1\r\n'
        b"To: <sip:bob@b.example>\r\n"
        b"Call-ID: x\r\n"
        b"CSeq: 7 CANCEL\r\n"
        b"Content-Length: 0\r\n\r\n"
    )


def test_a_cancel_tells_again_what_is_supported() -> None:
    """RFC 4028 §7.1: each request but the ACK does, with session timers."""
    able = invite().with_header("Supported", "100rel, timer")
    assert cancel_for(able).headers.get_all("Supported") == ["100rel, timer"]
    assert bytes(cancel_for(able)).endswith(b"Content-Length: 0\r\n\r\n")
    assert ack_for_failure(able, answer(486)).headers.get_all("Supported") == []


@pytest.mark.parametrize("text", ["a\r\nEvil: 1", "a\nb", "a\0"])
def test_nothing_can_begin_a_line_of_its_own(text: str) -> None:
    for attempt in (
        lambda: request(text, BOB, IDENTITY),
        lambda: request("OPTIONS", BOB, Identity(IDENTITY.from_, IDENTITY.to, text)),
        lambda: request("OPTIONS", BOB, IDENTITY, fields=[("Subject", text)]),
        lambda: request("OPTIONS", BOB, IDENTITY, fields=[(text, "x")]),
        lambda: request("MESSAGE", BOB, IDENTITY, body=b"x", content_type=text),
        lambda: response(received(RECEIVED), 200, text),
        lambda: response(received(RECEIVED), 200, tag=text),
        lambda: response(received(RECEIVED), 200, fields=[("Subject", text)]),
        lambda: Ends("UDP", text, None).around(invite(), "z9hG4bK2"),
        lambda: Ends("UDP", "a", None).around(invite(), text),
        lambda: Draft(invite()).request(text, "x"),
        lambda: Draft(invite()).request("9", text),
    ):
        with pytest.raises(UnsafeValue):
            attempt()


@pytest.mark.parametrize(
    "fields", [[], [("Contact", "<sip:old@a.example>")], [("m", "<sip:1>"), ("Contact", "<sip:2>")]]
)
def test_the_contact_of_the_local_end_is_the_only_one(fields: list[tuple[str, object]]) -> None:
    contact = Address(SipUri("192.0.2.1", "alice", 5060))
    message = Ends("UDP", "192.0.2.1", 5060, contact).around(
        request("OPTIONS", BOB, IDENTITY, fields=fields, body=b"hi", content_type="text/plain"), "z9hG4bK2"
    )
    read = parse_message(bytes(message))
    assert read.headers.get_all("Contact") == ["<sip:alice@192.0.2.1:5060>"]
    assert (read.via.sent_by, read.branch, read.via.wants_rport, read.body) == (
        "192.0.2.1:5060",
        "z9hG4bK2",
        True,
        b"hi",
    )


def test_the_sent_by_of_an_end_is_told_as_responses_are_compared_with_it() -> None:
    assert Ends("TLS", "Host.Example", None).sent_by == "host.example"
    assert Ends("TLS", "2001:DB8::1", 5061).sent_by == "[2001:db8::1]:5061"


def test_a_draft_is_the_model_with_another_tag_and_call_id() -> None:
    model = request("OPTIONS", BOB, IDENTITY, fields=[("User-Agent", "100% s")], body=b"hi", content_type="text/plain")
    draft = Draft(model)
    for number in ("8", "9"):
        copy = draft.request(number, f"y{number}")
        expected = bytes(model).replace(b"tag=1", b"tag=" + number.encode())
        assert bytes(copy) == expected.replace(b"Call-ID: x", b"Call-ID: y" + number.encode())
        assert (copy.from_tag, copy.call_id, copy.uri) == (number, f"y{number}", BOB)
    assert (model.from_tag, model.call_id) == ("1", "x")


@pytest.mark.parametrize("contact", [None, Address(SipUri("192.0.2.1", "alice", 5060))])
@pytest.mark.parametrize(
    ("fields", "is_bare"),
    [
        ([("Accept", "application/sdp")], True),
        ([("Subject", "ünd\udcff")], True),
        ([("Contact", "<sip:old@a.example>")], False),
        ([("v", "SIP/2.0/UDP old;branch=z9hG4bK1")], False),
        ([("l", "2"), ("Subject", "behind it")], False),
    ],
)
@pytest.mark.parametrize("body", [b"", b"h\xff"])
def test_a_draft_goes_out_as_any_other_request(
    fields: list[tuple[str, object]], is_bare: bool, body: bytes, contact: Address | None
) -> None:
    kind = "text/plain" if body else ""
    copy = Draft(request("OPTIONS", BOB, IDENTITY, fields=fields, body=body, content_type=kind)).request("9", "y")
    assert (copy.tail > 0) == is_bare
    ends = Ends("UDP", "192.0.2.1", 5060, contact)
    built = Request(copy.method, copy.uri, copy.headers, copy.body)
    sent, expected = ends.around(copy, "z9hG4bK2"), ends.around(built, "z9hG4bK2")
    assert (bytes(sent), sent.tail, sent.uri) == (bytes(expected), 0, BOB)
    assert sent.headers.raw_items() == expected.headers.raw_items()


TARGET = Target("sip:carol@c.example", "<sip:carol@c.example>", "z9hG4bK9", "9", "y")


def test_a_template_renders_what_the_builder_builds() -> None:
    model = request("OPTIONS", BOB, IDENTITY, via=VIA, fields=[("User-Agent", "100% s %d")])
    expected = (
        bytes(model)
        .replace(b"<sip:bob@b.example>", b"<sip:carol@c.example>")
        .replace(b"sip:bob@b.example", b"sip:carol@c.example")
        .replace(b"z9hG4bK1", b"z9hG4bK9")
        .replace(b"tag=1", b"tag=9")
        .replace(b"Call-ID: x", b"Call-ID: y")
    )
    assert Template(model).render(TARGET) == expected
    assert Template(model).render(TARGET) == expected


def test_a_template_keeps_the_body() -> None:
    rendered = parse_message(Template(invite()).render(TARGET))
    assert (rendered.body, rendered.cseq.number, rendered.headers.get("Subject")) == (b"v=0\n", 7, "hi")


@pytest.mark.parametrize("text", ["a\r\nEvil: 1", "a\nb", "a\0"])
@pytest.mark.parametrize("slot", ["uri", "to", "branch", "tag", "call_id"])
def test_a_template_refuses_line_ends(slot: str, text: str) -> None:
    parts = {"uri": "sip:a", "to": "<sip:a>", "branch": "z9hG4bK1", "tag": "1", "call_id": "x"}
    with pytest.raises(UnsafeValue):
        Template(invite()).render(Target(**(parts | {slot: text})))


@pytest.mark.parametrize(
    ("fields", "body", "content_type", "error"),
    [
        ([("Reason", "SIP;cause=480")], b"v=0", "application/sdp", None),
        ([], b"", "", None),
        ([("Reason", "SIP\r\nEvil: 1")], b"", "", UnsafeValue),
        ([("Reason Phrase", "SIP")], b"", "", UnsafeValue),
        ([], b"v=0", "text/plain\n", UnsafeValue),
        ([], b"v=0", "", LocalError),
    ],
)
def test_what_can_be_sent(
    fields: list[tuple[str, object]], body: bytes, content_type: str, error: type[LocalError] | None
) -> None:
    with nullcontext() if error is None else pytest.raises(error):
        require_sendable(fields, body, content_type)
