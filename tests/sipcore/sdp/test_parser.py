"""The outer shape of a session description: lines, sections, order, endings, limits."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sipcore.deviation import Deviation, Notes
from sipcore.errors import LimitExceeded, ParseError
from sipcore.sdp.fields import Attribute, Bandwidth, Connection, MediaLine, Timing
from sipcore.sdp.parser import MAX_ATTRIBUTES, MAX_LINES, MAX_MEDIA, MAX_SIZE, parse_sections

FIXTURES = Path(__file__).parents[3] / "fixtures" / "sdp"

HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
AUDIO = "m=audio 40000 RTP/AVP 0\r\n"


def swapped(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize("text", [HEAD, HEAD + AUDIO, HEAD + "a=x\r\n" + AUDIO + "a=y\r\n" + AUDIO])
def test_nothing_to_complain_of(text: str) -> None:
    sections = parse_sections(text, None)
    assert len(sections.media) == text.count("m=")
    assert sections.ending == "\n"


def test_sections_hold_values_and_lines_by_letter() -> None:
    text = HEAD + "a=x\r\n" + AUDIO + "b=AS:64\r\nb=TIAS:1\r\na=y:1\r\na=z\r\n"
    sections = parse_sections(text, None)
    assert sections.session.values["a"] == (Attribute("x"),)
    assert sections.session.values["c"] == (Connection.of("192.0.2.1"),)
    assert sections.session.lines[0] == "v=0\r"
    (media,) = sections.media
    assert media.values == {
        "m": (MediaLine("audio", 40000, 1, "RTP/AVP", ("0",)),),
        "b": (Bandwidth("AS", 64), Bandwidth("TIAS", 1)),
        "a": (Attribute("y", "1"), Attribute("z")),
    }
    assert "\n".join((*sections.session.lines, *media.lines, "")) == text


def test_repeats_belong_to_the_time_above_them() -> None:
    head = swapped(HEAD, "t=0 0\r\n", "t=0 0\r\nr=1d 1h 0\r\nz=3730928400 -1h\r\nt=3754200000 0\r\n")
    session = parse_sections(head, None).session
    assert [len(timing.repeats) for timing in session.values["t"]] == [1, 0]
    assert session.lines[-2] == "t=0 0\r\nr=1d 1h 0\r\nz=3730928400 -1h\r"


TOLERATED = [
    (swapped(HEAD, "\r\n", "\n"), Deviation.SDP_BARE_LF),
    (swapped(HEAD, "s=-\r\n", "s=-\n"), Deviation.SDP_BARE_LF),
    (HEAD.removesuffix("\r\n"), Deviation.SDP_NO_FINAL_LINE_END),
    (HEAD.removesuffix("\n"), Deviation.SDP_NO_FINAL_LINE_END),
    (HEAD + "\r\n", Deviation.SDP_TRAILING_BLANK_LINE),
    (HEAD + "\r\n\r\n", Deviation.SDP_TRAILING_BLANK_LINE),
    (HEAD + "\r", Deviation.SDP_TRAILING_BLANK_LINE),
    (swapped(HEAD, "s=-", "s=\udcff"), Deviation.SDP_NOT_UTF8),
    (swapped(HEAD, "s=-", "s = -"), Deviation.SDP_SPACE_BEFORE_EQUALS),
    (HEAD + swapped(AUDIO, "m=", "m = "), Deviation.SDP_SPACE_BEFORE_EQUALS),
    (HEAD + swapped(AUDIO, "RTP/AVP ", "RTP/AVP  "), Deviation.SDP_EXTRA_SPACE),
    (swapped(HEAD, "s=-\r\nc=IN IP4 192.0.2.1", "c=IN IP4 192.0.2.1\r\ns=-"), Deviation.SDP_LINE_ORDER),
    (HEAD + AUDIO + "a=x\r\nc=IN IP4 192.0.2.1\r\na=y\r\n", Deviation.SDP_LINE_ORDER),
    (swapped(HEAD, "s=-", "s="), Deviation.SDP_EMPTY_LINE),
    (swapped(HEAD, "s=-\r\n", ""), Deviation.SDP_NO_SESSION_NAME),
    (swapped(HEAD, "t=0 0\r\n", ""), Deviation.SDP_NO_TIME),
    (swapped(HEAD, "t=0 0", "t=1 0"), Deviation.SDP_SHORT_TIME),
    (swapped(HEAD, "c=IN IP4 192.0.2.1\r\n", "") + AUDIO, Deviation.SDP_NO_CONNECTION),
    (swapped(HEAD, "c=IN IP4", "c=IN IP6"), Deviation.SDP_ADDRESS_FAMILY),
    (swapped(HEAD, "c=IN IP4 192.0.2.1", "c=IN IP4 192.0.2.1/127"), Deviation.SDP_UNICAST_SCOPE),
    (swapped(HEAD, "c=IN IP4 192.0.2.1", "c=IN IP4 233.252.0.1"), Deviation.SDP_MULTICAST_WITHOUT_TTL),
    (swapped(HEAD, "o=-", "o=Front Desk"), Deviation.SDP_ORIGIN_USERNAME),
    (swapped(HEAD, "o=- 1", "o=- 18446744073709551615"), Deviation.SDP_ORIGIN_NUMBER),
    (HEAD + swapped(AUDIO, "40000", "400000"), Deviation.SDP_PORT),
    (HEAD + "k=prompt\r\n", Deviation.SDP_KEY),
    (HEAD + swapped(AUDIO, "RTP/AVP 0", "udp text/plain"), Deviation.SDP_NOT_TOKEN),
    (HEAD + "a=rtpmap 0 PCMU/8000\r\n", Deviation.SDP_ATTRIBUTE_NAME),
    (HEAD + "a=ptime:\r\n", Deviation.SDP_ATTRIBUTE_VALUE),
]


@pytest.mark.parametrize(("text", "deviation"), TOLERATED)
def test_tolerates_by_name(text: str, deviation: Deviation) -> None:
    notes: Notes = []
    parse_sections(text, notes)
    assert notes == [deviation]
    with pytest.raises(ParseError) as caught:
        parse_sections(text, None)
    assert caught.value.section == deviation.section


def test_every_deviation_is_shown() -> None:
    of_attributes = {Deviation.SDP_ATTRIBUTE_TWICE, Deviation.SDP_NO_RTPMAP}  # see test_description.py
    shown = {deviation for _, deviation in TOLERATED} | of_attributes
    assert shown == {deviation for deviation in Deviation if deviation.name.startswith("SDP_")}


REFUSED = [
    ("", "RFC 8866 §5.1", "empty"),
    ("\r\n\n", "RFC 8866 §5.1", "empty"),
    ("o=- 1 1 IN IP4 192.0.2.1\r\n", "RFC 8866 §5.1", "does not begin with v="),
    ("\r\n" + HEAD, "RFC 8866 §5.1", "does not begin with v="),
    (swapped(HEAD, "v=0", "v=1"), "RFC 8866 §5.1", "line 1: not version 0"),
    (swapped(HEAD, "v=0", "version"), "RFC 8866 §5", "line 1: not a type letter and an equals sign"),
    ("v=0\r\ns=-\r\nt=0 0\r\n", "RFC 8866 §5.2", "no o= line"),
    (HEAD + "v=0\r\n", "RFC 8866 §5.1", "line 6: a second v= line"),
    (HEAD + "s=again\r\n", "RFC 8866 §5.3", "line 6: a second s= line"),
    (HEAD + "c=IN IP4 192.0.2.2\r\n", "RFC 8866 §5.7", "line 6: a second c= line"),
    (HEAD + AUDIO + "i=1\r\ni=2\r\n", "RFC 8866 §5.4", "line 8: a second i= line"),
    (HEAD + AUDIO + HEAD, "RFC 8866 §5", "line 7: v= has no place in a media description"),
    (HEAD + AUDIO + "t=0 0\r\n", "RFC 8866 §5", "line 7: t= has no place in a media description"),
    (HEAD + "x=1\r\n", "RFC 8866 §5", "line 6: unknown type letter"),
    (HEAD + "A=sendrecv\r\n", "RFC 8866 §5", "line 6: unknown type letter"),
    (HEAD + AUDIO + "a\r\n", "RFC 8866 §5", "line 7: not a type letter and an equals sign"),
    (HEAD + AUDIO + "max=1\r\n", "RFC 8866 §5", "line 7: not a type letter and an equals sign"),
    (HEAD + "\r\n" + AUDIO, "RFC 8866 §5", "line 6: not a type letter and an equals sign"),
    (HEAD + "=x\r\n", "RFC 8866 §5", "line 6: not a type letter and an equals sign"),
    (HEAD + " =x\r\n", "RFC 8866 §5", "line 6: not a type letter and an equals sign"),
    (HEAD + " a=x\r\n", "RFC 8866 §5", "line 6: not a type letter and an equals sign"),
    (HEAD + "a=x\r\nr=7d 1h 0\r\n", "RFC 8866 §5.10", "line 7: r= does not follow t="),
    (HEAD + AUDIO + "z=0 0\r\n", "RFC 8866 §5.10", "line 7: z= does not follow t="),
    (HEAD + "r=7d 1h 0\r\na=\0\r\n", "RFC 8866 §9", "holds NUL, or CR without LF"),
    (HEAD + "r=7d 1h 0\r\nx=\r\n", "RFC 8866 §5", "line 7: unknown type letter"),
    (HEAD + "a=x\ry\r\n", "RFC 8866 §9", "holds NUL, or CR without LF"),
    (swapped(HEAD, "\r\n", "\r"), "RFC 8866 §9", "holds NUL, or CR without LF"),
    (swapped(HEAD, "\r\n", "\r\r\n"), "RFC 8866 §9", "holds NUL, or CR without LF"),
    (HEAD + "m=audio 1 RTP/AVP\r\n", "RFC 8866 §5.14", "line 6: media, port, protocol and a format are needed"),
    (swapped(HEAD, "s=-", "s=\ud800"), "RFC 8866 §5", "not Unicode"),
]


@pytest.mark.parametrize(("text", "section", "message"), REFUSED)
def test_refuses_what_is_wrong(text: str, section: str, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_sections(text, [])
    assert caught.value.section == section
    assert caught.value.message == message


LIMITS = [
    (HEAD + "a=" + "x" * MAX_SIZE + "\r\n", 413),
    (HEAD + "a=x\r\n" * MAX_LINES, 400),
    (HEAD + "a=x\r\n" * (MAX_ATTRIBUTES + 1), 400),
    (HEAD + AUDIO * (MAX_MEDIA + 1), 488),
]


@pytest.mark.parametrize(("text", "status"), LIMITS, ids=["size", "lines", "attributes", "media"])
def test_limits(text: str, status: int) -> None:
    with pytest.raises(LimitExceeded) as caught:
        parse_sections(text, [])
    assert caught.value.status == status


def test_at_the_limits() -> None:
    sections = parse_sections(HEAD + "a=x\r\n" * MAX_ATTRIBUTES + AUDIO * MAX_MEDIA, None)
    assert (len(sections.session.values["a"]), len(sections.media)) == (MAX_ATTRIBUTES, MAX_MEDIA)


def test_a_limit_inside_a_line_keeps_its_status() -> None:
    with pytest.raises(LimitExceeded) as caught:
        parse_sections(HEAD + "m=audio 1 RTP/AVP" + " 0" * 300 + "\r\n", [])
    assert caught.value.status == 488
    assert caught.value.message.startswith("line 6: ")


def test_bytes_that_are_not_utf8() -> None:
    data = (HEAD + "a=x:\xe9\r\n").encode("latin-1")
    notes: Notes = []
    assert parse_sections(data, notes).session.values["a"] == (Attribute("x", "\udce9"),)
    assert notes == [Deviation.SDP_NOT_UTF8]


def test_another_character_set_is_no_deviation_when_it_is_named() -> None:
    data = (HEAD + "a=charset:ISO-8859-1\r\na=x:\xe9\r\n").encode("latin-1")
    assert parse_sections(data, None).session.values["a"][1] == Attribute("x", "\udce9")


@pytest.mark.parametrize(
    "line", ["a=crypto:1 X inline:KEY\r", "k=clear:KEY", "x-crypto 1 X inline:KEY", "a=ice-pwd:KEY\0"]
)
def test_errors_do_not_quote_keys(line: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_sections(f"{HEAD}{line}\r\n", None)
    assert "KEY" not in str(caught.value) + caught.value.text


LINES = st.sampled_from(
    [*(HEAD + AUDIO).splitlines(keepends=True), "t=0 0\n", "a=x:y\r\n", "r=1 1 1\r\n", "\r\n", "m =a 1 b c"]
)


@given(st.binary(max_size=200) | st.lists(LINES, max_size=12).map(lambda lines: "".join(lines).encode()))
@example(b"v=0\r\no= 1 1 IN IP4 x\n\r")
def test_any_bytes_give_sections_or_a_parse_error(data: bytes) -> None:
    try:
        sections = parse_sections(data, [])
    except ParseError:
        return
    lines = [line for section in (sections.session, *sections.media) for line in section.lines]
    text = "\n".join(lines)
    text = text.removesuffix("\r") if sections.ending is None else text + sections.ending
    assert text.encode(errors="surrogateescape") == data


HOSTILE = [
    HEAD + "a=" + "x" * 60_000 + "\r\n",
    HEAD + "a=x\r\n" * 1000,
    HEAD + "t=0 0\r\n" + "r=1 1 1\r\n" * 4000,
    HEAD + "t=0 0\r\n" * 4000,
    HEAD + "e=x\r\n" * 4000,
    HEAD + "\r\n" * 4000,
    HEAD + "m=audio 1 RTP/AVP" + " " * 60_000 + "0\r\n",
    HEAD + "o=" + "1" * 60_000 + "\r\n",
    HEAD + "a=x:" + "crypto" * 10_000,
    HEAD + AUDIO * 200 + "x" * 50_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_would_make_a_reader_sweat_gives_sections_or_a_parse_error(text: str) -> None:
    # What it costs is measured by `make bench-linear`; a quadratic step would take minutes here.
    try:
        parse_sections(text, [])
    except ParseError:
        pass


@pytest.mark.parametrize(
    ("name", "deviations"),
    [
        ("audio.sdp", []),
        ("srtp.sdp", []),
        ("webrtc.sdp", []),
        ("announcement.sdp", []),
        (
            "careless.sdp",
            [
                Deviation.SDP_BARE_LF,
                Deviation.SDP_TRAILING_BLANK_LINE,
                Deviation.SDP_ORIGIN_USERNAME,
                Deviation.SDP_LINE_ORDER,
                Deviation.SDP_EMPTY_LINE,
                Deviation.SDP_EXTRA_SPACE,
                Deviation.SDP_ATTRIBUTE_NAME,
                Deviation.SDP_LINE_ORDER,
            ],
        ),
    ],
)
def test_fixtures(name: str, deviations: list[Deviation]) -> None:
    notes: Notes = []
    sections = parse_sections((FIXTURES / name).read_bytes(), notes)
    assert notes == deviations
    assert sections.session.values["t"][0].start in (0, 3724394400)
    assert isinstance(sections.session.values["t"][0], Timing)
