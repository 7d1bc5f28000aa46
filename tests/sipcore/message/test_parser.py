"""Bytes to messages: what is read, what is tolerated by name, what is refused and where."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.deviation import Deviation
from sipcore.errors import LimitExceeded, ParseError
from sipcore.message import plain
from sipcore.message.framing import MAX_HEAD
from sipcore.message.message import Request, Response
from sipcore.message.parser import (
    MAX_LINE,
    MAX_MESSAGE,
    MAX_START_LINE,
    parse_message,
)
from sipcore.message.plain import MAX_LINES, read_plain
from sipcore.message.registry import CALL_ID, CSEQ, FROM, MAX_FORWARDS, SUBJECT, TO, VIA
from sipcore.pattern import Pattern

REQUEST = b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nCall-ID: x\r\nContent-Length: 2\r\n\r\nhi"


def noted(data: bytes) -> list[Deviation]:
    return [note.deviation for note in parse_message(data).noted]


def test_a_request() -> None:
    message = parse_message(REQUEST)
    assert isinstance(message, Request)
    assert (message.method, message.uri_text, message.body) == ("OPTIONS", "sip:a@b", b"hi")
    assert message.start_line == "OPTIONS sip:a@b SIP/2.0"
    assert (message[CALL_ID], message.branch, message.noted) == ("x", "z9hG4bK1", ())


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        ("SIP/2.0 200 OK", 200, "OK"),
        ("SIP/2.0 100 ", 100, ""),
        ("SIP/2.0 699 a  b", 699, "a  b"),
        ("SIP/2.0 404 nie gehört", 404, "nie gehört"),
    ],
)
def test_a_response(line: str, status: int, reason: str) -> None:
    message = parse_message(f"{line}\r\n\r\n".encode())
    assert isinstance(message, Response)
    assert (message.status, message.reason, message.start_line, message.noted) == (status, reason, line, ())


@pytest.mark.parametrize("method", ["INVITE", "invite", "NEWMETHOD", "!interesting-Method0123456789_*+`.%indeed'~"])
def test_methods_are_tokens_and_keep_their_case(method: str) -> None:
    message = parse_message(f"{method} sip:a@b SIP/2.0\r\n\r\n".encode())
    assert isinstance(message, Request)
    assert message.method == method


def test_empty_lines_before_a_message_are_ignored() -> None:
    message = parse_message(b"\r\n\r\n\n" + REQUEST)
    assert (message.noted, message.body, bytes(message)) == ((), b"hi", b"\r\n\r\n\n" + REQUEST)


def test_without_content_length_the_body_is_the_rest() -> None:
    assert parse_message(b"OPTIONS sip:a SIP/2.0\r\nA: b\r\n\r\nall of it").body == b"all of it"


@pytest.mark.parametrize("name", ["Content-Length", "l", "L", "CONTENT-LENGTH", "Content-length ", "content-length"])
@pytest.mark.parametrize("value", ["4", "0004", "  4 ", "\r\n 4"])
def test_content_length_in_any_form(name: str, value: str) -> None:
    message = parse_message(f"OPTIONS sip:a SIP/2.0\r\n{name}:{value}\r\n\r\nbodytail".encode())
    assert message.body == b"body"
    assert [note.deviation for note in message.noted] == [Deviation.TRAILING_OCTETS]


@pytest.mark.parametrize(
    ("data", "deviation"),
    [
        (REQUEST.replace(b"\r\n", b"\n"), Deviation.BARE_LF),
        (REQUEST.replace(b"Call-ID: x\r\n", b"Call-ID: x\n"), Deviation.BARE_LF),
        (b"OPTIONS sip:a SIP/2.0\r\nA: b\r\n", Deviation.NO_BLANK_LINE),
        (b"OPTIONS sip:a SIP/2.0", Deviation.NO_BLANK_LINE),
        (REQUEST.replace(b"Call-ID: x", b"Call-ID: x\r\nSubject: caf\xe9"), Deviation.NOT_UTF8),
        (REQUEST + b"!", Deviation.TRAILING_OCTETS),
        (REQUEST.replace(b" sip:a@b ", b"  sip:a@b "), Deviation.SPACING_IN_START_LINE),
        (REQUEST.replace(b"SIP/2.0\r\nVia", b"SIP/2.0 \r\nVia"), Deviation.SPACING_IN_START_LINE),
        (REQUEST.replace(b" sip:a@b ", b"\tsip:a@b "), Deviation.SPACING_IN_START_LINE),
        (b"SIP/2.0  200 OK\r\n\r\n", Deviation.SPACING_IN_START_LINE),
        (b"SIP/2.0 200\r\n\r\n", Deviation.REASON_WITHOUT_SPACE),
        (REQUEST.replace(b" SIP/2.0\r\nVia", b" sip/2.0\r\nVia"), Deviation.VERSION_CASE),
        (b"sip/2.0 200 OK\r\n\r\n", Deviation.VERSION_CASE),
        (b"SIP/3.0 200 OK\r\n\r\n", Deviation.OTHER_VERSION),
        (REQUEST.replace(b"sip:a@b", b"<sip:a@b>"), Deviation.BRACKETED_REQUEST_URI),
    ],
)
def test_faults_tolerated_by_name(data: bytes, deviation: Deviation) -> None:
    message = parse_message(data)
    assert [note.deviation for note in message.noted] == [deviation]
    assert bytes(message) == data
    if isinstance(message, Request):
        assert str(message.uri).startswith("sip:a")


@pytest.mark.parametrize(
    "data",
    [
        REQUEST.replace(b"Call-ID: x", b"Call-ID: x\r\nSubject: a\tb"),
        REQUEST.replace(b"Call-ID: x", "Call-ID: x\r\nSubject: grün".encode()),
        REQUEST.replace(b"Call-ID: x", b'Call-ID: x\r\nTo: "\\\x07\\\x00" <sip:a>'),
        REQUEST.replace(b"Call-ID: x", b"Call-ID:\r\n\tx"),
    ],
)
def test_unusual_but_legal_octets(data: bytes) -> None:
    assert noted(data) == []


def test_faults_are_noted_once_each() -> None:
    assert noted(b"OPTIONS sip:a SIP/2.0\nA: \xff\nB: c\n d") == [
        Deviation.NO_BLANK_LINE,
        Deviation.BARE_LF,
        Deviation.NOT_UTF8,
    ]


@pytest.mark.parametrize("body", [b"a\r\n\r\nb", b"a\r\n" * 1000 + b"\r\n", b"\r\n\r\n"])
def test_the_first_empty_line_ends_the_header_fields_however_lines_end(body: bytes) -> None:
    for head in (b"OPTIONS sip:a SIP/2.0\nA: b\n\n", b"OPTIONS sip:a SIP/2.0\r\nA: b\n\r\n"):
        message = parse_message(head + body)
        assert (len(message.headers), message.body) == (1, body)
        assert [note.deviation for note in message.noted] == [Deviation.BARE_LF]


@pytest.mark.parametrize("ends", [b"\r\n", b"\n"])
def test_folds_are_put_together_and_kept(ends: bytes) -> None:
    data = ends.join([b"OPTIONS sip:a SIP/2.0", b"Subject: a", b"  b", b"\tc", b"A: 1", b"", b""])
    message = parse_message(data)
    assert message[SUBJECT] == "a b c"
    assert len(message.headers) == 2
    assert bytes(message) == data


@pytest.mark.parametrize(
    ("data", "status", "offending"),
    [
        (b"", 400, b""),
        (b"\r\n\r\n", 400, b""),
        (b"OPTIONS sip:a SIP/7.0\r\n\r\n", 505, b"SIP/7.0"),
        (b"OPTIONS sip:a HTTP/1.1\r\n\r\n", 400, b"HTTP/1.1"),
        (b"OPTIONS sip:a b SIP/2.0\r\n\r\n", 400, b" b SIP/2.0"),
        (b"OPTIONS sip:a\r\n\r\n", 400, b"OPTIONS sip:a"),
        (b"OPTIONS\r\n\r\n", 400, b"OPTIONS"),
        (b" OPTIONS sip:a SIP/2.0\r\n\r\n", 400, None),
        (b"OPT@IONS sip:a SIP/2.0\r\n\r\n", 400, b"OPT@IONS"),
        (b"SIP/2.0 99 x\r\n\r\n", 400, b"99 x"),
        (b"SIP/2.0 700 x\r\n\r\n", 400, b"700 x"),
        (b"SIP/2.0 4294967301 x\r\n\r\n", 400, b"4294967301 x"),
        (b"SIP/2.0 OK\r\n\r\n", 400, b"SIP/2.0 OK"),
        (b"SIP/2.0 200x\r\n\r\n", 400, b"SIP/2.0 200x"),
        (b"SIP/x 200 OK\r\n\r\n", 400, b"SIP/x 200 OK"),
        (b"OPTIONS sip:a SIP/2.0\r\n folded\r\n\r\n", 400, b" folded"),
        (b"OPTIONS sip:a SIP/2.0\r\nA: b\r\nno colon\r\n\r\n", 400, b"no colon"),
        (b"OPTIONS sip:a SIP/2.0\r\nSupported\r\n\r\n", 400, b"Supported"),
        (b"OPTIONS sip:a SIP/2.0\r\nA B: c\r\n\r\n", 400, b"A B: c"),
        (b"OPTIONS sip:a SIP/2.0\r\n: c\r\n\r\n", 400, b": c"),
        (b"OPTIONS sip:a SIP/2.0\r\nTo\r\n : c\r\n\r\n", 400, b"To\r\n : c"),
        (b"OPTIONS sip:a SIP/2.0\r\nA: b\rc\r\n\r\n", 400, b"\rc"),
        (b"OPTIONS sip:a SIP/2.0\r\nA: b\r\r\n\r\n", 400, b"\r\r\n"),
        (b"\rOPTIONS sip:a SIP/2.0\r\n\r\n", 400, b"\rOPTIONS"),
        (b"\n\r\r\nOPTIONS sip:a SIP/2.0\n\n", 400, b"\r\r\n"),
        (b"OPTIONS sip:a SIP/2.0\r\nA: b\x00c\r\n\r\n", 400, b"\x00c"),
        (b'OPTIONS sip:a SIP/2.0\r\nA: "\\\\\x00"\r\n\r\n', 400, b'\x00"'),
        (b"OPTIONS sip:a SIP/2.0\r\nContent-Length: -1\r\n\r\n", 400, b"-1"),
        (b"OPTIONS sip:a SIP/2.0\r\nContent-Length:\r\n\r\n", 400, b"\r\n\r\n"),
        (b"OPTIONS sip:a SIP/2.0\r\nA: b\r\nl:  5\r\n\r\nbody", 400, b"5\r\n"),
        (b"OPTIONS sip:a SIP/2.0\r\nl: 4\r\nl: 3\r\n\r\nbody", 400, b"4\r\n"),
        (b"OPTIONS sip:a SIP/2.0\r\nl: \xd9\xa4\r\n\r\nbody", 400, b"\xd9\xa4"),
        (b"OPTIONS sip:a SIP/2.0\r\nl: " + b"9" * 5000 + b"\r\n\r\nbody", 400, b"999"),
    ],
)
@pytest.mark.parametrize("before", [b"", b"\r\n"])
def test_faults_refused_with_status_and_byte(data: bytes, status: int, offending: bytes | None, before: bytes) -> None:
    with pytest.raises(ParseError) as error:
        parse_message(before + data)
    assert error.value.status == status
    if offending:
        assert error.value.position is not None
        assert (before + data)[error.value.position :].startswith(offending)


def test_bytes_are_counted_not_characters() -> None:
    data = "OPTIONS sip:a SIP/2.0\r\nSubject: grün\r\nTo: ü@\r\nA: ü\0\r\n\r\n".encode()
    with pytest.raises(ParseError) as error:
        parse_message(data)
    assert error.value.position == data.index(b"\0")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"OPTIONS sip:a SIP/2.0\r\n" + b"A: b\r\n" * MAX_LINES + b"\r\n", 513),
        (b"OPTIONS sip:a SIP/2.0\n" + b"A: b\n" * MAX_LINES + b"\n", 513),
        (b"OPTIONS sip:a SIP/2.0\r\nA: b" + b"\r\n c" * MAX_LINES + b"\r\n\r\n", 513),
        (b"OPTIONS sip:a SIP/2.0\r\nA: " + b"b" * MAX_LINE + b"\r\n\r\n", 513),
        (b"OPTIONS sip:" + b"a" * MAX_START_LINE + b" SIP/2.0\r\n\r\n", 414),
        (b"OPTIONS sip:a SIP/2.0\r\nA: " + b"b" * MAX_HEAD + b"\r\n\r\n", 513),
        (b"OPTIONS sip:a SIP/2.0\r\nA: " + b"b" * MAX_HEAD, 513),
        (b"OPTIONS sip:a SIP/2.0\r\n\r\n" + b"b" * MAX_MESSAGE, 513),
    ],
)
def test_limits(data: bytes, status: int) -> None:
    with pytest.raises(LimitExceeded) as error:
        parse_message(data)
    assert error.value.status == status


def test_what_the_limits_allow() -> None:
    lines = b"A: b\r\n" * (MAX_LINES - 1)
    assert len(parse_message(b"OPTIONS sip:a SIP/2.0\r\n" + lines + b"\r\n").headers) == MAX_LINES - 1
    assert parse_message(b"OPTIONS sip:a SIP/2.0\r\nSubject: " + b"b" * (MAX_LINE - 20) + b"\r\n\r\n").headers
    body = b"b" * (MAX_MESSAGE - 100)
    assert parse_message(b"OPTIONS sip:a SIP/2.0\r\n\r\n" + body).body == body


def test_a_long_header_field_is_named() -> None:
    with pytest.raises(LimitExceeded) as error:
        parse_message(b"OPTIONS sip:a SIP/2.0\r\nA: b\r\nIdentity : " + b"b" * MAX_LINE + b"\r\n\r\n")
    assert (error.value.header, error.value.position) == ("Identity", len(b"OPTIONS sip:a SIP/2.0\r\nA: b\r\n"))


def test_header_values_are_read_when_asked_for() -> None:
    message = parse_message(b"OPTIONS sip:a SIP/2.0\r\nMax-Forwards: many\r\n\r\n")
    with pytest.raises(ParseError):
        message[MAX_FORWARDS]


ENVELOPE = [
    "Via: SIP/2.0/TCP 192.0.2.1:5060;rport;branch=z9hG4bK1;received=192.0.2.2",
    'From: "A" <sip:a@b>;tag=1',
    "To: <sip:c@d>",
    "Call-ID: x@y",
    "CSeq: 1 OPTIONS",
    "Content-Length: 0",
]
ODD = [
    "Via: SIP/2.0/UDP other;branch=z9hG4bK2",
    "v: SIP/2.0/UDP other;branch=z9hG4bK2",
    "via : SIP/2.0/UDP other;branch=z9hG4bK2",
    'From: "caf\u00e9" <sip:a@b>;tag=1',
    "From: <sip:a@b>",
    "To: <sip:c@d>;tag=2",
    "To: c@d;tag=2",
    't: <sip:c@d>;tag=3;x="y"',
    "Call-ID: z",
    "i: z",
    "CSeq: 2 INVITE",
    "CSeq: 02 OPTIONS",
    "Content-Length:  0",
    "Content-Length: 2",
    "Content-Type: application/sdp",
    "Contact: <sip:c@d>",
    "Max-Forwards: 70",
    "Subject: caf\u00e9",
    "Subject: \r",
    "Subject: \0",
    'Subject: "\\\0"',
    " folded",
    "Timestamp: 1",
    "Allow: INVITE,, ACK",
    "no colon",
    ": no name",
]
STARTS = ["SIP/2.0 200 OK", "SIP/2.0 100 ", "sip/2.0 200 OK", "OPTIONS sip:a@b SIP/2.0", "OPTIONS <sip:a> SIP/2.0"]


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Messages that are plain, or nearly so."""
    lines = ENVELOPE.copy()
    for odd in draw(st.lists(st.sampled_from(ODD), max_size=3)):
        lines.insert(draw(st.integers(min_value=0, max_value=len(lines))), odd)
    if draw(st.booleans()):
        del lines[draw(st.integers(min_value=0, max_value=len(lines) - 1))]
    if draw(st.booleans()):
        lines.insert(1, lines.pop(draw(st.integers(min_value=0, max_value=len(lines) - 1))))
    end = draw(st.sampled_from(["\r\n", "\r\n", "\n"]))
    head = end.join([draw(st.sampled_from(STARTS)), *lines, "", ""])
    return (head + draw(st.sampled_from(["", "", "ab", "\0"]))).encode()


def reading(read: Callable[[bytes], Request | Response], data: bytes) -> list[object]:
    """All that can be seen of a message, or of what is wrong with it."""

    def told(ask: Callable[[], object]) -> object:
        try:
            return ask()
        except ParseError as error:
            return str(error), error.section, error.header, error.status, error.offset, error.position

    message = told(lambda: read(data))
    if not isinstance(message, Request | Response):
        return [message]
    start = (message.method, message.uri_text) if isinstance(message, Request) else (message.status, message.reason)
    several_vias = message.has_several_vias  # before the header fields are cut apart
    headers = message.headers
    return [
        *(type(message), start, message.start_line, message.body, bytes(message), message.noted),
        *(several_vias, message.has_several_vias),
        *(told(lambda name=name: getattr(message, name)) for name in ("top", "from_tag", "to_tag", "call_id")),  # type: ignore[misc]
        *(headers.raw_items(), headers.envelope()),
        *(told(lambda row=row: message[row]) for row in headers.known_rows()),  # type: ignore[misc]
        *(message.noted, bytes(message.with_header("Subject", "x"))),
    ]


@given(messages())
def test_a_plain_message_reads_as_any_other(data: bytes) -> None:
    read = reading(parse_message, data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "_plain_head", Pattern("(?!)"))
        assert read == reading(parse_message, data)


PIECES = [
    *('"A" ', '"A', '"A\\"" ', '"A\r\n', "A ", "A B\t", "A:", "<", "<", ">", ">", ">;tag=1", ";tag=1", " ", "\t", ","),
    *("sip:", "sips:", "tel:", "a@", "b", "b.", "-b", "1.2.3.4", "1.2.3.400", "[::1]", "[::g]", ":5060", ":70000", ":"),
    *(
        "%41",
        "%4",
        "SIP/2.0/UDP ",
        "SIP/2.0/UDP  ",
        "SIP/2.0/",
        ";branch=z9hG4bK1",
        ";rport",
        ";rport=1",
        ";rport=70000",
    ),
    *(";received=1.2.3.4", ";received=[::1]", ";ttl=1", ";ttl=256", ";x", ";x=", ';x="\r"', ";x=y", ";x" * 65),
]
pieces = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)


def request_of(via: str, sender: str, to: str, more: str = "") -> bytes:
    """A request that has these, and is as most are otherwise."""
    head = f"Via:{via}\r\n{more}From:{sender}\r\nTo:{to}\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0"
    return f"OPTIONS sip:a SIP/2.0\r\n{head}\r\n\r\n".encode()


@given(
    st.sampled_from(PIECES), pieces, st.sampled_from((" SIP/2.0/UDP b{};branch=z9hG4bK1{}", " {}b{};branch=z9hG4bK1"))
)
def test_a_via_that_is_sound_reads_without_a_fault(first: str, others: str, form: str) -> None:
    assert_sound_reads_well(request_of(form.format(first, others), " <sip:a@b>;tag=1", " <sip:a@b>"))


@given(st.sampled_from(PIECES), pieces, st.sampled_from((" {}<sip:a@b{}>;tag=1", " <sip:{}b{}>;tag=1", "{}{};tag=1")))
def test_an_address_that_is_sound_reads_without_a_fault(first: str, others: str, form: str) -> None:
    sender = form.format(first, others)
    for ends in ((sender, " <sip:a@b>"), (" <sip:a@b>;tag=1", sender), (" <sip:a@b>;tag=1", sender[:-6])):
        assert_sound_reads_well(request_of(" SIP/2.0/UDP b;branch=z9hG4bK1", *ends))


def assert_sound_reads_well(data: bytes) -> None:
    try:
        request = parse_message(data)
    except ParseError:
        return
    assert isinstance(request, Request)
    if request.is_sound:
        assert all(request[row] for row in (VIA, FROM, TO, CALL_ID, CSEQ))
        assert not request.noted


@pytest.mark.parametrize(
    ("via", "sender", "to", "more", "is_sound"),
    [
        (" SIP/2.0/UDP b;branch=z9hG4bK1", " <sip:a@b>;tag=1", " <sip:a@b>", "", True),
        (
            " SIP/2.0/TLS 1.2.3.4:5061;rport;branch=z9hG4bK1",
            ' "A B" <sips:1.2.3.4>;tag=1',
            " A B <sip:a@b:5060>",
            "",
            True,
        ),
        (" SIP/2.0/UDP b:70000;branch=z9hG4bK1", " <sip:a@b>;tag=1", " <sip:a@b>", "", False),
        (" SIP/2.0/UDP b;branch=z9hG4bK1;rport=x", " <sip:a@b>;tag=1", " <sip:a@b>", "", False),
        (" SIP/2.0/UDP [::1];branch=z9hG4bK1", " <sip:a@b>;tag=1", " <sip:a@b>", "", False),
        (" SIP/2.0/UDP b;branch=z9hG4bK1", " <tel:+49>;tag=1", " <sip:a@b>", "", False),
        (" SIP/2.0/UDP b;branch=z9hG4bK1", " <sip:a@b>;tag=1", " <sip:@b>", "", False),
        (" SIP/2.0/UDP b;branch=z9hG4bK1", " <sip:a@b>;tag=1", " <sip:a@b>", "Via: nobody\r\n", False),
    ],
)
def test_what_is_known_to_be_sound(via: str, sender: str, to: str, more: str, is_sound: bool) -> None:
    request = parse_message(request_of(via, sender, to, more))
    assert isinstance(request, Request)
    assert request.plain_top is not None
    assert request.is_sound == is_sound


@pytest.mark.parametrize("name", ["Call-ID", "Subject"])
def test_messages_of_most_stacks_are_plain(name: str) -> None:
    lines = ["SIP/2.0 200 OK", *ENVELOPE[:1], f"{name}: x@y", *ENVELOPE[1:3]]
    lines += [*ENVELOPE[3 + (name == "Call-ID") :], "Contact: <sip:c@d>", "", ""]
    text = "\r\n".join(lines)
    assert read_plain(text.encode(), text, 0) is not None
