"""Numbers, tokens and lines of text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.deviation import Deviation
from sipcore.message.fields import simple
from sipcore.message.fields.parameterized import MAX_SECONDS
from sipcore.message.fields.simple import MAX_CSEQ, MAX_RSEQ, CSeq, RAck
from sipcore.message.uri import OtherUri
from tests.sipcore.message.fields.reading import Codec, assert_reads, assert_refuses, assert_survives, tokens


@pytest.mark.parametrize(
    ("text", "expected", "written"),
    [
        ("1 INVITE", CSeq(1, "INVITE"), "1 INVITE"),
        ("0 reGister", CSeq(0, "reGister"), "0 reGister"),
        ("0009 ACK", CSeq(9, "ACK"), "9 ACK"),
        ("  6 \t OPTIONS ", CSeq(6, "OPTIONS"), "6 OPTIONS"),
        ("5\t\tBYE", CSeq(5, "BYE"), "5 BYE"),
        ("00000000000000000007 BYE", CSeq(7, "BYE"), "7 BYE"),
        (f"{MAX_CSEQ} X-!", CSeq(MAX_CSEQ, "X-!"), f"{MAX_CSEQ} X-!"),
    ],
)
def test_cseq(text: str, expected: CSeq, written: str) -> None:
    assert_reads(CSeq.parse, text, expected, written=written)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "INVITE",
        "-1 ACK",
        "1 INVITE;foo",
        "1 IN VITE",
        "2147483648 INVITE",
        "9" * 5000 + " A",
        "\u0661 INVITE",
        "1\x0bACK",
    ],
)
def test_cseq_refuses(text: str) -> None:
    assert_refuses(CSeq.parse, text)


def test_rack() -> None:
    assert_reads(RAck.parse, "776656 1 INVITE", RAck(776656, 1, "INVITE"))
    assert_reads(RAck.parse, " 4 \t5\tEXTRA", RAck(4, 5, "EXTRA"), written="4 5 EXTRA")


@pytest.mark.parametrize("text", ["", "1234", "1 2", "1 2 3 INVITE", "1 2 @", "a 2 INVITE", f"{MAX_RSEQ + 1} 1 INVITE"])
def test_rack_refuses(text: str) -> None:
    assert_refuses(RAck.parse, text)


@given(st.builds(CSeq, st.integers(0, MAX_CSEQ), tokens))
def test_cseq_survives(built: CSeq) -> None:
    assert_survives(CSeq.parse, built)


@given(st.builds(RAck, st.integers(0, MAX_RSEQ), st.integers(0, MAX_CSEQ), tokens))
def test_rack_survives(built: RAck) -> None:
    assert_survives(RAck.parse, built)


NUMBERS: list[tuple[Codec, int]] = [
    (simple.parse_max_forwards, 255),
    (simple.parse_breadth, MAX_SECONDS),
    (simple.parse_length, MAX_SECONDS),
    (simple.parse_rseq, MAX_RSEQ),
    (simple.parse_seconds, MAX_SECONDS),
]


@pytest.mark.parametrize(("codec", "limit"), NUMBERS)
def test_numbers(codec: Codec, limit: int) -> None:
    for number in (1, 70, 255, limit):
        assert_reads(codec, str(number), number)
    assert_reads(codec, " 0070\t", 70, written="70")
    assert_reads(codec, "0" * 5000 + "1", 1, written="1")
    for text in ("", "a123", "-1", "+1", "1.5", "70,1", "1 2", "\u0661"):
        assert_refuses(codec, text)


@pytest.mark.parametrize(("codec", "limit"), [pair for pair in NUMBERS if pair[0] is not simple.parse_seconds])
def test_numbers_above_their_limit(codec: Codec, limit: int) -> None:
    for text in (str(limit + 1), "9" * 5000):
        assert_refuses(codec, text)


@pytest.mark.parametrize("text", [str(MAX_SECONDS + 1), "9" * 5000])
def test_times_that_are_too_long_are_cut_short(text: str) -> None:
    assert_reads(simple.parse_seconds, text, MAX_SECONDS, [Deviation.EXPIRY_TOO_LARGE], written=str(MAX_SECONDS))


def test_rseq_zero() -> None:
    assert_reads(simple.parse_rseq, "0", 0, [Deviation.RSEQ_ZERO])


@pytest.mark.parametrize(
    ("codec", "good", "bad"),
    [
        (simple.parse_token, ["INVITE", "100rel", "a-.!%*_+`'~"], ["", "a b", "a,b", "<a>", '"a"', "é"]),
        (simple.parse_event_type, ["presence", "presence.winfo", "a.b.c"], ["", ".a", "a.", "a..b", "a b", "a;b"]),
        (simple.parse_hexadecimal, ["0123456789abcdefABCDEF"], ["", "0x12", "12 34", "g"]),
        (simple.parse_mime_version, ["1.0", "10.25"], ["", "1", "1.", ".0", "1.0.0", "a.b"]),
        (
            simple.parse_message_id,
            ["<a@b>", "<1.2@example.com>"],
            ["", "a@b", "<a>", "<@b>", "<a@>", "<a b@c>", "<a@b@c>"],
        ),
        (simple.parse_text, ["", "Boxes by Bob", 'a "quote'], []),
    ],
)
def test_texts(codec: Codec, good: list[str], bad: list[str]) -> None:
    for text in good:
        assert_reads(codec, text, text)
        assert_reads(codec, f" {text}\t", text, written=text)
    for text in bad:
        assert_refuses(codec, text)


CALL_IDS = ["1", "f81d4fae-7dec-11d0@foo.bar.com", "a@[2001:db8::1]", "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"]


@pytest.mark.parametrize("text", CALL_IDS)
def test_call_id(text: str) -> None:
    assert_reads(simple.parse_call_id, text, text)


@pytest.mark.parametrize("text", ["a=b", "a@b@c", "a,b", "é"])
def test_odd_call_id(text: str) -> None:
    assert_reads(simple.parse_call_id, text, text, [Deviation.ODD_CALL_ID])


@pytest.mark.parametrize("text", ["", "@", "@abc", "abc@", "a b", "a;b", "a\x01b", "\udcff"])
def test_call_id_refuses(text: str) -> None:
    assert_refuses(simple.parse_call_id, text)


def test_urn() -> None:
    text = "urn:urn-7:3gpp-service.ims.icsi.mmtel"
    assert_reads(simple.parse_urn, text, OtherUri("urn", "urn-7:3gpp-service.ims.icsi.mmtel"))
    assert_refuses(simple.parse_urn, "mmtel")
