"""Framing: the same frames whatever the chunks, and a named error for what has no clear end."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.deviation import Deviation
from sipcore.errors import LimitExceeded, ParseError
from sipcore.message.framing import (
    MAX_BODY,
    MAX_HEAD,
    MAX_UNFINISHED,
    Frame,
    Ping,
    Pong,
    StreamFramer,
    Unfinished,
    foreign_protocol,
    what_speaks,
)
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message

START = b"OPTIONS sip:alice@example.com SIP/2.0\r\n"
EMPTY = START + b"Content-Length: 0\r\n\r\n"
WITH_BODY = START + b"Call-ID: 1\r\nl: 5\r\nCSeq: 1 OPTIONS\r\n\r\nhello"
RESPONSE = b"SIP/2.0 200 OK\r\nContent-Length: 4\r\n\r\n\r\n\r\n"
NO_LENGTH = START + b"Call-ID: 1\r\n\r\n"
PLAIN = (
    START + b"Via: SIP/2.0/TCP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\n"
    b"CSeq: 1 OPTIONS\r\nContent-Length: 2\r\n\r\nhi"
)

TEN = START.replace(b"\r", b"") + b"Content-Length: 10\n\nabcdefghij"
TALKATIVE = b"SIP/2.0 200 OK:5\r\nCall-ID: 1\r\n\r\n"
"""A response without a length, whose reason phrase ends as a field with one would."""


def framed(data: bytes, notes: tuple[Deviation, ...] = (), message: Request | Response | None = None) -> Frame:
    return data, notes, message


def bare(frame: Frame) -> Frame:
    """A frame without what its message says, which is there or not by how the bytes came."""
    return (*frame[:2], None) if isinstance(frame, tuple) else frame


def frames(framer: StreamFramer) -> list[Frame]:
    return [bare(frame) for frame in framer.frames()]


def cut(data: bytes, *sizes: int) -> list[Frame]:
    """The frames of `data` when it arrives in chunks of these sizes, the last again and again."""
    framer = StreamFramer()
    taken: list[Frame] = []
    remaining = list(sizes) or [len(data)]
    while data:
        size = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        framer.receive(data[:size])
        data = data[size:]
        taken += frames(framer)
    assert not framer.partial
    return taken


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", None),
        (b"\r\n\r", None),
        (EMPTY, None),
        (EMPTY + b"SIP", Unfinished(b"SIP", 3)),
        (EMPTY[:-1], Unfinished(EMPTY[:-1], len(EMPTY) - 1)),
        (WITH_BODY[:-1], Unfinished(WITH_BODY[:-1], len(WITH_BODY) - 1, len(WITH_BODY))),
        (START + 2000 * b"a", Unfinished((START + 2000 * b"a")[:MAX_UNFINISHED], len(START) + 2000)),
    ],
)
def test_what_has_begun_and_is_not_ended(data: bytes, expected: Unfinished | None) -> None:
    framer = StreamFramer()
    framer.receive(data)
    frames(framer)
    assert framer.unfinished == expected


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (EMPTY, [framed(EMPTY)]),
        (WITH_BODY, [framed(WITH_BODY)]),
        (RESPONSE, [framed(RESPONSE)]),
        (EMPTY + WITH_BODY + RESPONSE, [framed(EMPTY), framed(WITH_BODY), framed(RESPONSE)]),
        (NO_LENGTH, [framed(NO_LENGTH, (Deviation.WITHOUT_LENGTH,))]),
        (NO_LENGTH + EMPTY, [framed(NO_LENGTH, (Deviation.WITHOUT_LENGTH,)), framed(EMPTY)]),
        (b"\r\n" + EMPTY, [framed(EMPTY)]),
        (b"\r\n\r\n", [Ping()]),
        (b"\r\n\r\n\r\n\r\n" + EMPTY, [Ping(), Ping(), framed(EMPTY)]),
        (b"\r\n\r\n\r\n" + EMPTY + b"\r\n\r\n", [Ping(), framed(EMPTY), Ping()]),
        (b"\n\n" + EMPTY, [framed(EMPTY)]),
        (EMPTY.replace(b"\r\n", b"\n"), [framed(EMPTY.replace(b"\r\n", b"\n"))]),
        (TEN, [framed(TEN)]),
        (TALKATIVE + EMPTY, [framed(TALKATIVE, (Deviation.WITHOUT_LENGTH,)), framed(EMPTY)]),
    ],
)
def test_cuts_whatever_the_chunks(data: bytes, expected: list[Frame], size: int) -> None:
    assert cut(data, size) == expected


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (b"Content-Length: 3", b"abc"),
        (b"content-length:3", b"abc"),
        (b"CONTENT-LENGTH \t:\t3 ", b"abc"),
        (b"Content-Length:\r\n 3", b"abc"),
        (b"Content-Length: 0003", b"abc"),
        (b"Content-Length: 3\r\nX: 1\r\nContent-Length: 3", b"abc"),
        (b"Content-Length: 3\r\nl: 03", b"abc"),
        (b"l: 3", b"abc"),
        (b"L:3", b"abc"),
        (b"X: y\r\n Content-Length: 9\r\nl: 3", b"abc"),
        (b"Content-Lengthy: 9\r\nContent-Length: 3", b"abc"),
        (b"Content-Language: en\r\nContent-Length: 3", b"abc"),
        (b"Content-Length: 3\r\nSubject: Content-Length: 9", b"abc"),
        (b"Content-Length : 3\r\nContent-Length: 3", b"abc"),
        (b"Content-Length: 10", b"abcdefghij"),
    ],
)
def test_reads_the_length_however_it_is_written(header: bytes, body: bytes) -> None:
    message = START + header + b"\r\n\r\n" + body
    assert cut(message + EMPTY) == [framed(message), framed(EMPTY)]


@pytest.mark.parametrize(
    ("header", "status", "excerpt"),
    [
        (b"Content-Length: 3\r\nContent-Length: 4", 400, "3, then 4"),
        (b"l: 3\r\nContent-Length: 4", 400, "3, then 4"),
        (b"Content-Length : 3\r\nContent-Length: 4", 400, "3, then 4"),
        (b"Content-Length: -1", 400, "-1"),
        (b"Content-Length: +1", 400, "+1"),
        (b"Content-Length: 1 2", 400, "1 2"),
        (b"Content-Length: 5, 5", 400, "5, 5"),
        (b"Content-Length: 5\r\n 6", 400, "5\r 6"),
        (b"Content-Length: 0x10", 400, "0x10"),
        (b"Content-Length: \xb2", 400, "\xb2"),
        (b"Content-Length:", 400, ""),
        (b"Content-Length", 400, ""),
        (b"Content-Length: %d" % (MAX_BODY + 1), 413, str(MAX_BODY + 1)),
        (b"Content-Length: " + b"9" * 5000, 413, "9" * 10),
        (b"l: 4294967296", 413, "4294967296"),
    ],
)
def test_refuses_a_length_that_is_none(header: bytes, status: int, excerpt: str) -> None:
    framer = StreamFramer()
    framer.receive(START + header + b"\r\n\r\n")
    with pytest.raises(ParseError) as caught:
        next(framer.frames(), None)
    error = caught.value
    assert (error.status, error.header, error.section) == (status, "Content-Length", "RFC 3261 §20.14")
    assert error.excerpt == excerpt
    assert isinstance(error, LimitExceeded) is (status == 413)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "HTTP response"),
        (b"GET / HTTP/1.1\r\n", "HTTP request"),
        (b"RTSP/1.0 400 Bad Request\r\n", "RTSP response"),
        (b"DESCRIBE rtsp://a RTSP/1.0\r\n", "RTSP request"),
        (b"\x16\x03\x01\x02\x00\x01", "TLS handshake"),
        (b"\x15\x03\x01\x00\x02\x02\x28", "TLS alert"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "SSH"),
        (b"220 mail.example.com ESMTP\r\n", "SMTP"),
        (b"\xff\xfb\x01", "not a SIP start line"),
        (b"hello\r\n", "not a SIP start line"),
        (b" OPTIONS sip:a SIP/2.0\r\n", "not a SIP start line"),
        (b"\r\r\n", "not a SIP start line"),
    ],
)
def test_says_what_the_bytes_are_when_they_are_not_sip(data: bytes, words: str) -> None:
    framer = StreamFramer()
    framer.receive(data)
    with pytest.raises(ParseError, match=words):
        next(framer.frames(), None)
    framer.receive(EMPTY)
    with pytest.raises(ParseError, match=words):
        next(framer.frames(), None)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"SIP/2.0 200 OK\r\n", "it speaks SIP without TLS"),
        (b"\r\n\r\nSIP/2.0 200 OK\r\n", "it speaks SIP without TLS"),
        (b"OPTIONS sip:a SIP/2.0\r\n", "it speaks SIP without TLS"),
        (b"SSH-2.0-x\r\n", "an SSH greeting"),
        (b"RFB 003.008\n", r"it says 'RFB 003.008\n'"),
        (b"\x00\xff" + b"x" * 30, r"it says '\x00\xffxxxxxxxxxxxxxx'"),
    ],
)
def test_what_speaks_in_the_place_of_tls(data: bytes, told: str) -> None:
    assert what_speaks(data, "TLS") == told


def test_knows_no_foreign_protocol_in_sip() -> None:
    assert foreign_protocol(EMPTY) is None
    assert foreign_protocol(b"") is None


def test_an_old_version_is_for_the_parser_to_judge() -> None:
    message = b"OPTIONS sip:a SIP/7.0\r\nl: 0\r\n\r\n"
    assert cut(message) == [framed(message)]
    lower = b"options sip:a sip/2.0\r\nl: 0\r\n\r\n"
    assert cut(lower) == [framed(lower)]


@pytest.mark.parametrize("begin", [b"O" * 100, START + b"X: " + b"y" * 100])
def test_a_head_without_end_is_not_waited_for(begin: bytes) -> None:
    framer = StreamFramer()
    framer.receive(begin)
    assert next(framer.frames(), None) is None
    assert framer.partial
    framer.receive(b"y" * MAX_HEAD)
    with pytest.raises(LimitExceeded) as caught:
        next(framer.frames(), None)
    assert caught.value.status == 513


def test_a_head_beyond_the_limit_is_refused_even_when_it_ends() -> None:
    framer = StreamFramer()
    framer.receive(START + b"X: " + b"y" * MAX_HEAD + b"\r\n\r\n")
    with pytest.raises(LimitExceeded):
        next(framer.frames(), None)


def test_what_came_before_an_error_is_delivered() -> None:
    framer = StreamFramer()
    framer.receive(EMPTY + b"\x00")
    assert bare(next(framer.frames())) == framed(EMPTY)
    with pytest.raises(ParseError):
        next(framer.frames(), None)


def test_a_crlf_is_a_pong_when_one_is_awaited() -> None:
    framer = StreamFramer()
    framer.expect_pong()
    framer.receive(b"\r\n\r\n")
    assert frames(framer) == [Pong()]
    framer.receive(b"\r\n")
    assert frames(framer) == [Ping()]


def test_a_half_crlf_waits() -> None:
    framer = StreamFramer()
    framer.expect_pong()
    framer.receive(b"\r")
    assert frames(framer) == []
    framer.receive(b"\n")
    assert frames(framer) == [Pong()]


def test_a_half_message_waits_for_the_rest() -> None:
    framer = StreamFramer()
    framer.receive(WITH_BODY[:-1])
    assert next(framer.frames(), None) is None
    assert framer.partial
    framer.receive(WITH_BODY[-1:])
    assert bare(next(framer.frames())) == framed(WITH_BODY)
    assert not framer.partial


STREAM_PIECES = st.lists(
    st.one_of(
        st.sampled_from([EMPTY, WITH_BODY, RESPONSE, NO_LENGTH, PLAIN]),
        st.sampled_from([b"\r\n", b"\n", b"\r\n\r\n", b"\x16\x03", b"l: 3\r\n\r\n"]),
        st.binary(max_size=20),
    ),
    max_size=8,
).map(b"".join)


def outcome(data: bytes, cuts: list[int]) -> tuple[list[Frame], str]:
    """What comes of `data` cut at these places: the frames, and the class of the error that ended it."""
    framer = StreamFramer()
    taken: list[Frame] = []
    edges = [0, *sorted(place for place in cuts if place < len(data)), len(data)]
    for begin, end in pairwise(edges):
        framer.receive(data[begin:end])
        try:
            taken.extend(bare(frame) for frame in framer.frames())
        except ParseError as error:
            return taken, type(error).__name__
    return taken, ""


@given(STREAM_PIECES, st.lists(st.integers(min_value=0, max_value=2000), max_size=12))
def test_any_bytes_in_any_chunks(data: bytes, cuts: list[int]) -> None:
    assert outcome(data, cuts) == outcome(data, []) == outcome(data, list(range(len(data))))


@given(st.lists(st.sampled_from([EMPTY, WITH_BODY, RESPONSE, NO_LENGTH, PLAIN]), max_size=5))
def test_nothing_is_lost(messages: list[bytes]) -> None:
    framer = StreamFramer()
    framer.receive(b"".join(messages))
    taken = list(framer.frames())
    for frame in taken:
        assert isinstance(frame, tuple)
        data, _, message = frame
        assert message is None or message == parse_message(data)
    assert [frame[0] for frame in taken if isinstance(frame, tuple)] == messages


def test_a_plain_message_is_read_while_its_end_is_found() -> None:
    framer = StreamFramer()
    framer.receive(PLAIN * 200)
    assert list(framer.frames()) == [framed(PLAIN, message=parse_message(PLAIN))] * 200


@pytest.mark.parametrize("size", [1, 30, len(PLAIN) - 3])
def test_a_plain_message_that_comes_in_pieces_is_read_once_its_head_is_there(size: int) -> None:
    framer = StreamFramer()
    framer.receive(PLAIN[:size])
    taken = list(framer.frames())
    framer.receive(PLAIN[size:])
    assert taken + list(framer.frames()) == [framed(PLAIN, message=parse_message(PLAIN))]
