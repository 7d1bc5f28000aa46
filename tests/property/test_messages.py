"""Whole messages: any bytes, built and read back, changed in one place."""

from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import ParseError, UnsafeValue
from sipcore.grammar import is_safe
from sipcore.message.address import Address
from sipcore.message.build import Ends, Identity, Target, Template, request, response
from sipcore.message.fields.via import Via
from sipcore.message.headers import headers_of
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.message.registry import CONTACT, SUBJECT, VIA
from sipcore.message.require import inspect, require
from sipcore.message.uri import SipUri
from tests.property.strategies import addresses, near_texts, sip_uris, tokens, vias

identities = st.builds(
    lambda sender, tag, to, call_id, cseq: Identity(sender.with_tag(tag), to, call_id, cseq),
    addresses,
    tokens,
    addresses,
    tokens,
    st.integers(0, 2**31 - 1),
)
requests = st.builds(
    lambda method, uri, identity, via, contacts, body: request(
        method,
        uri,
        identity,
        via=via,
        fields=[("Contact", contact) for contact in contacts],
        body=body,
        content_type="application/octet-stream" if body else "",
    ),
    tokens,
    sip_uris,
    identities,
    vias,
    st.lists(addresses, max_size=3),
    st.binary(max_size=30),
)

STARTS = [b"OPTIONS sip:a@b SIP/2.0\r\n", b"SIP/2.0 200 OK\r\n", b"\r\nACK sip:a SIP/2.0\n", b""]
near_messages = st.builds(
    lambda start, lines, end, body: start + b"".join(lines) + end + body,
    st.sampled_from(STARTS),
    st.lists(near_texts.map(lambda text: text.encode("utf-8", "surrogateescape") + b"\r\n"), max_size=6),
    st.sampled_from([b"\r\n", b"\n", b""]),
    st.binary(max_size=10),
)


def check_place(error: ParseError, data: bytes) -> None:
    assert error.section
    assert error.position is None or 0 <= error.position <= len(data)


@given(st.binary() | near_messages)
def test_any_bytes_are_a_message_that_comes_back_or_our_error(data: bytes) -> None:
    try:
        message = parse_message(data)
    except ParseError as error:
        check_place(error, data)
        return
    assert bytes(message) == data
    inspection = inspect(message)
    assert bytes(message) == data
    for fault in inspection.errors:
        assert fault.header
        check_place(fault, data)
        if fault.position is not None and fault.offset < len(fault.text):
            assert data[fault.position :].startswith(fault.excerpt[:1].encode("utf-8", "surrogateescape"))


@given(near_messages)
def test_the_route_is_what_the_typed_values_say(data: bytes) -> None:
    try:
        message = parse_message(data)
        values = (message.via.branch, message.from_.tag, message.to.tag)
    except ParseError:
        return
    assert (message.branch, message.from_tag, message.to_tag) == values


@given(near_messages)
def test_a_field_that_is_read_alone_reads_the_same(data: bytes) -> None:
    try:
        first = parse_message(data).via
        whole = parse_message(data)[VIA]
    except ParseError:
        return
    assert first == whole[0]


@given(near_messages, tokens)
def test_a_changed_message_differs_only_where_it_was_changed(data: bytes, text: str) -> None:
    try:
        message = parse_message(data)
    except ParseError:
        return
    changed = parse_message(bytes(message.with_header("Subject", text)))
    assert changed[SUBJECT] == text
    assert changed.start_line == message.start_line
    assert str(changed.headers.replaced("Subject")) == str(message.headers.replaced("Subject"))


@given(requests)
def test_a_message_built_from_typed_values_reads_back_to_them(built: Request) -> None:
    read = parse_message(bytes(built))
    assert isinstance(read, Request)
    require(read)
    assert read.noted == ()
    assert (read.method, read.uri, read.body) == (built.method, built.uri, built.body)
    assert (read.via, read.from_, read.to) == (built.via, built.from_, built.to)
    assert (read.call_id, read.cseq, read[CONTACT]) == (built.call_id, built.cseq, built[CONTACT])
    assert bytes(read) == bytes(built)


@given(requests, st.integers(100, 699), tokens)
def test_a_response_matches_its_request(built: Request, status: int, tag: str) -> None:
    read = parse_message(bytes(response(built, status, tag=tag)))
    assert isinstance(read, Response)
    assert (read.status, read[VIA], read.from_) == (status, built[VIA], built.from_)
    assert (read.to.uri, read.to_tag) == (built.to.uri, built.to_tag or tag)
    assert (read.call_id, read.cseq) == (built.call_id, built.cseq)


@given(requests, sip_uris, tokens, tokens, tokens)
def test_a_template_renders_what_the_builder_would(
    model: Request, uri: SipUri, branch: str, tag: str, call_id: str
) -> None:
    target = Target(str(uri), str(Address(uri)), branch, tag, call_id)
    read = parse_message(Template(model).render(target))
    assert isinstance(read, Request)
    assert (read.uri, read.to.uri, read.branch, read.from_tag, read.call_id) == (uri, uri, branch, tag, call_id)
    assert (read.cseq, read[CONTACT], read.body) == (model.cseq, model[CONTACT], model.body)


@given(st.text() | near_texts)
def test_no_value_that_was_set_can_begin_a_line(text: str) -> None:
    message = Request("OPTIONS", "sip:a@b", parse_message(b"OPTIONS sip:a@b SIP/2.0\r\n\r\n").headers)
    try:
        data = bytes(message.with_last("Subject", text))
    except UnsafeValue:
        assert not is_safe(text)
        return
    assert len(parse_message(data).headers) == 1
    assert parse_message(data).headers.get("Subject") == text.strip(" \t")


@given(near_messages | requests.map(bytes), addresses | st.none())
def test_what_is_sent_has_the_header_fields_that_it_was_made_of(data: bytes, contact: Address | None) -> None:
    """They are cut out of its bytes, folds and all."""
    try:
        message = parse_message(data)
    except ParseError:
        return
    if isinstance(message, Request):
        sent = Ends("UDP", "a", None, contact).around(message, "z9hG4bK1")
        kept = message.headers
        if contact is not None:
            kept = kept.replaced("Contact").before_body(headers_of(("Contact", contact)))
        assert str(sent.headers) == f"Via: SIP/2.0/UDP a;branch=z9hG4bK1;rport\r\n{kept}"
        assert sent.headers.raw_items()[1:] == kept.raw_items()
        assert [*sent.headers][1:] == [*kept]
        assert (sent.body, sent.start_line, sent.uri_text) == (message.body, message.start_line, message.uri_text)


@given(vias)
def test_a_via_on_top_is_the_first(via: Via) -> None:
    message = parse_message(b"OPTIONS sip:a@b SIP/2.0\r\nSubject: x\r\nVia: SIP/2.0/UDP z\r\n\r\n")
    assert parse_message(bytes(message.with_first("Via", via))).via == via
