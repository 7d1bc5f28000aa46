"""Heads that are expected: whatever comes, they are read as the pattern for the whole head reads them."""

from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import ParseError
from sipcore.message import plain
from sipcore.message.message import Response
from sipcore.message.parser import parse_message
from sipcore.message.plain import MAX_ON_STREAM, MAX_PLAIN, MAX_SIZES, SEEN_BEFORE, PlainReader, read_plain
from sipcore.message.registry import ALLOW, CALL_ID, CONTACT, FROM, SUPPORTED, TO, VIA
from sipcore.message.require import require
from sipcore.message.uri import parse_uri
from sipcore.pattern import Pattern
from tests.conformance.corpus import needs_corpus, recorded
from tests.sipcore.message.test_parser import messages, reading

VALUES = ["z9hG4bK1", "f-1", "t.1", "x@y"]
"""What differs from one transaction to the next: branch, tags, Call-ID."""
LETTERS = "aZ9-.!%*_+`'~@:;,= <>\"\\\t\r\n\0\x7fé[]/"


def answer(*values: str, start: str = "SIP/2.0 200 OK", length: str = "2", body: str = "hi") -> bytes:
    branch, from_tag, to_tag, call_id = values
    to = f"To: <sip:c@d>;tag={to_tag}" if to_tag else "To: <sip:c@d>"
    lines = [start, f"Via: SIP/2.0/TCP a:5060;branch={branch};rport=1", f"From: <sip:a@b>;tag={from_tag}", to]
    lines += [f"Call-ID: {call_id}", "CSeq: 1 OPTIONS", "Server: x", f"Content-Length: {length}", "", body]
    return "\r\n".join(lines).encode("latin-1")


def used_to(data: bytes) -> PlainReader:
    """A reader that has met these bytes so often that it expects them."""
    reader = PlainReader(MAX_ON_STREAM)
    for _ in range(SEEN_BEFORE + 1):
        reader.read_stream(data)
    return reader


def check(reader: PlainReader, data: bytes) -> int:
    """How many messages are there; each reads as the pattern alone has it."""
    text = data.decode("latin-1")
    frames, size = reader.read_stream(data)
    at = 0
    for raw, notes, message in frames:
        known = read_plain(data, text, at)
        assert known is not None
        assert message is not None
        assert (raw, notes) == (known[1], ())
        assert reading({data: message}.__getitem__, data) == reading({data: known[0]}.__getitem__, data)
        at += len(raw)
    assert at == size
    assert read_plain(data, text, at) is None
    whole = reader.read_datagram(data)
    assert (whole is not None) == (len(frames) == 1 and size == len(data))
    if whole is not None:
        alone = read_plain(data, text, 0)
        assert alone is not None
        assert reading({data: whole}.__getitem__, data) == reading({data: alone[0]}.__getitem__, data)
    return len(frames)


def is_expected(reader: PlainReader, data: bytes) -> bool:
    """Whether it is read without the pattern."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "_plain_head", Pattern("(?!)"))
        expected = reader.read_datagram(data) is not None
        assert (reader.read_stream(data)[0] != []) == expected
        return expected


@st.composite
def changed(draw: st.DrawFn, data: bytes) -> bytes:
    """The same bytes but for a few letters that are replaced, left out or put in, or for their end."""
    text = data.decode("latin-1")
    for _ in range(draw(st.integers(0, 3))):
        at, size = draw(st.integers(0, len(text))), draw(st.integers(0, 2))
        text = text[:at] + draw(st.text(LETTERS, min_size=size, max_size=2)) + text[at + size :]
    return text[: draw(st.none() | st.integers(0, len(text)))].encode("latin-1")


@given(messages(), st.data())
def test_whatever_follows_reads_as_the_pattern_has_it(data: bytes, drawn: st.DataObject) -> None:
    reader = used_to(data)
    for _ in range(5):
        check(reader, data * drawn.draw(st.integers(0, 2)) + drawn.draw(changed(data)) + data)


@given(st.tuples(*(st.text(LETTERS, min_size=len(value), max_size=len(value)) for value in VALUES)))
def test_values_of_the_same_size_read_as_the_pattern_has_them(values: tuple[str, ...]) -> None:
    reader = used_to(answer(*VALUES))
    for index, value in enumerate(values):
        check(reader, answer(*VALUES[:index], value, *VALUES[index + 1 :]))


@pytest.mark.parametrize(
    "values",
    [
        *[("z9hG4bKa", "1-f", "1.t", "y@y"), ("z9hG4bK~", "...", "_+%", "-@y"), ("z9hG4bK2", "f-1", "t.1", "x@y")],
    ],
)
@pytest.mark.parametrize("start", ["SIP/2.0 200 OK", "SIP/2.0 486 "])
def test_other_tokens_are_expected(values: tuple[str, ...], start: str) -> None:
    reader = used_to(answer(*VALUES, start=start))
    data = answer(*values, start=start)
    assert is_expected(reader, data)
    assert check(reader, data)
    assert check(reader, data + answer(*VALUES) + data * 2) == 4


def test_what_was_read_of_one_response_is_not_read_again_in_those_like_it() -> None:
    """But for what differs; and what is unusual is noted of each."""
    others = "\r\nContact: <sip:c@d:5070>\r\nAllow: INVITE, , BYE\r\nSupported: 100rel"
    first = answer(*VALUES).replace(b"\r\nServer: x", others.encode())
    second = answer("z9hG4bK2", "f-2", "t.2", "z@y").replace(b"\r\nServer: x", others.encode())
    reader = PlainReader(MAX_ON_STREAM)
    for _ in range(SEEN_BEFORE + 1):
        known = reader.read_datagram(first)
    like, alone = reader.read_datagram(second), read_plain(second, second.decode(), 0)
    assert known is not None
    assert like is not None
    assert alone is not None
    both = known.headers.typed(), like.headers.typed()
    assert both[1] == alone[0].headers.typed()
    shared = {row for row, value in both[1].items() if value is both[0][row]}
    assert {CONTACT, SUPPORTED} <= shared
    assert not shared & {VIA, FROM, TO, CALL_ID, ALLOW}
    assert [like.noted, known.noted] == [alone[0].noted] * 2 != [(), ()]
    assert (like.to_tag, like.to.tag, like.via.branch, like.call_id) == ("t.2", "t.2", "z9hG4bK2", "z@y")


@pytest.mark.parametrize("to", ["<sip:c@d:5070>", "<sip:c@[d>"])
def test_a_to_that_makes_a_dialog_is_read_once_of_those_that_are_alike(to: str) -> None:
    """One that cannot be read is refused each time."""
    fine = "[" not in to
    reader, seen = PlainReader(MAX_ON_STREAM), []
    for tag in range(SEEN_BEFORE + 4):
        ringing = answer("z9hG4bK1", "f-1", str(tag), "x@y", start="SIP/2.0 180 Ringing")
        response = reader.read_datagram(ringing.replace(b"OPTIONS", b"INVITE").replace(b"<sip:c@d>", to.encode()))
        assert isinstance(response, Response)
        with nullcontext() if fine else pytest.raises(ParseError, match="To"):
            require(response)
        seen.append(response.headers.has_read(TO))
        with nullcontext() if fine else pytest.raises(ParseError, match="To"):
            assert (response.to.tag, response.to.uri) == (str(tag), parse_uri("sip:c@d:5070"))
    assert seen == [fine] * (SEEN_BEFORE + 1) + [False] * 3


def test_a_large_response_is_not_kept_for_what_it_says() -> None:
    for size, is_kept in ((MAX_PLAIN, True), (MAX_PLAIN + 1, False)):
        data = answer(*VALUES, length=str(size), body="x" * size)
        like = used_to(data).read_datagram(data)
        assert isinstance(like, Response)
        assert (like.alike is not None) == is_kept
        assert like.headers.raw_items() == parse_message(data).headers.raw_items()


def test_a_provisional_response_without_a_tag_is_expected() -> None:
    before = [value if index != 2 else "" for index, value in enumerate(VALUES)]
    assert is_expected(used_to(answer(*before)), answer("z9hG4bK2", "f-2", "", "z@y"))


@pytest.mark.parametrize(
    "data",
    [
        *[answer("z9hG4bL1", *VALUES[1:]), answer("z9hG4b-1", *VALUES[1:]), answer(*VALUES[:3], "x@z")],
        *[answer(*VALUES, body="h"), answer(*VALUES, body="hé"), answer(*VALUES, length="3"), answer(*VALUES)[:-9]],
        *[answer(*VALUES, start="SIP/2.0 201 OK"), answer("z9hG4bK", "f-11", "t.1", "x@y")],
        *[answer("z9hG4bK1", "f 1", "t.1", "x@y"), answer("z9hG4bK1", "f-1", "é.1", "x@y")],
    ],
)
def test_what_is_not_expected_is_left_to_the_pattern(data: bytes) -> None:
    reader = used_to(answer(*VALUES))
    assert not is_expected(reader, data)
    check(reader, data)


class Tried:
    """A pattern that must not be tried."""

    def match(self, text: str, begin: int = 0, _: int = 0) -> None:
        raise AssertionError(f"the pattern was tried for {text[begin:]!r}")


@pytest.mark.parametrize("size", [1, 60, len(answer(*VALUES)) - 5])
def test_the_pattern_is_not_tried_for_a_head_that_has_no_end_yet(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = answer(*VALUES)
    reader = used_to(data)
    monkeypatch.setattr(plain, "_plain_head", Tried())
    assert [raw for raw, _, _ in reader.read_stream(data * 3 + data[:size])[0]] == [data] * 3
    with pytest.raises(AssertionError, match="was tried"):
        reader.read_stream(data.replace(b"200", b"404"))


def test_a_shape_is_expected_once_it_has_come_several_times() -> None:
    reader, data = PlainReader(MAX_ON_STREAM), answer(*VALUES)
    for _ in range(SEEN_BEFORE + 1):
        assert not is_expected(reader, data)
        assert reader.read_datagram(data)
    assert is_expected(reader, data)


def test_a_few_shapes_are_expected_at_once_and_the_one_that_was_met_longest_ago_gives_way() -> None:
    starts = [f"SIP/2.0 200 {'x' * size}" for size in range(MAX_ON_STREAM + 1)]
    reader = PlainReader(MAX_ON_STREAM)
    for start in starts[:MAX_ON_STREAM] * (SEEN_BEFORE + 1):
        assert check(reader, answer(*VALUES, start=start))
    assert all(is_expected(reader, answer(*VALUES, start=start)) for start in starts[:MAX_ON_STREAM])
    for _ in range(SEEN_BEFORE + 1):
        assert check(reader, answer(*VALUES, start=starts[MAX_ON_STREAM]))
    assert [is_expected(reader, answer(*VALUES, start=start)) for start in starts] == [False, *[True] * MAX_ON_STREAM]


@pytest.mark.parametrize("more", [0, 1])
def test_a_shape_of_datagrams_that_is_in_use_gives_way_to_no_other(more: int) -> None:
    """One reader serves all peers, and any of them may send what it likes: often enough to be expected, or more."""
    in_use = answer(*VALUES)
    reader = used_to(in_use)
    for size in range(MAX_ON_STREAM + 1):
        other = answer(*VALUES, start=f"SIP/2.0 404 Not Found{'x' * size}")
        assert all(reader.read_datagram(data) for data in (*[other] * (SEEN_BEFORE + 1 + more), in_use))
    assert is_expected(reader, in_use)


def test_what_is_kept_of_a_peer_is_bounded() -> None:
    reader = PlainReader(MAX_ON_STREAM)
    for size in range(MAX_SIZES * 2):
        assert check(reader, answer(*VALUES, start=f"SIP/2.0 200 {'x' * size}"))
    assert len(reader._seen) <= MAX_SIZES
    assert not reader._shapes


def test_requests_are_left_to_the_pattern() -> None:
    data = answer(*VALUES, start="OPTIONS sip:a@b SIP/2.0")
    reader = used_to(data)
    assert check(reader, data)
    assert not is_expected(reader, data)


@needs_corpus
def test_what_real_servers_sent_reads_as_the_pattern_has_it() -> None:
    count = 0
    for _, data in recorded():
        reader = used_to(data)
        other = data.replace(b"tag=", b"tag=x", 1).replace(b"z9hG4bK", b"z9hG4bKx", 1)
        text = data.decode("latin-1")
        for each in (data, other, data[:-1], data.swapcase(), text.translate({48: "7"}).encode("latin-1")):
            check(reader, each)
        message = read_plain(data, text, 0)
        if message is not None and isinstance(message[0], Response):
            assert is_expected(reader, data)
            count += 1
    assert count > 1000
