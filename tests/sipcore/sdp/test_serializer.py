"""Which lines leave as they came, which are rendered, and which are refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import LocalError, UnsafeValue
from sipcore.sdp.fields import Attribute, Bandwidth, Connection, Key, MediaLine, Origin, Repeat, Timing, ZoneAdjustment
from sipcore.sdp.parser import MEDIA, SESSION, Section, parse_sections
from sipcore.sdp.serializer import section_lines

ORIGIN = Origin("-", 1, 1, "IN", "IP4", "192.0.2.1")
AUDIO = MediaLine("audio", 40000, 1, "RTP/AVP", ("0",))


def session(**values: tuple[Any, ...]) -> dict[str, tuple[Any, ...]]:
    defaults: dict[str, tuple[Any, ...]] = dict.fromkeys(SESSION.letters, ())
    return defaults | {"v": (0,), "o": (ORIGIN,), "s": ("-",), "t": (Timing(),)} | values


def media(**values: tuple[Any, ...]) -> dict[str, tuple[Any, ...]]:
    defaults: dict[str, tuple[Any, ...]] = dict.fromkeys(MEDIA.letters, ())
    return defaults | {"m": (AUDIO,)} | values


def received(*lines: str) -> Section:
    head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    return parse_sections(head + "".join(lines), []).media[0]


def changed(section: Section, **values: tuple[Any, ...]) -> list[str]:
    return list(section_lines({letter: section.values.get(letter, ()) for letter in "micbka"} | values, section, MEDIA))


def test_lines_of_our_own_stand_in_the_order_of_the_grammar() -> None:
    repeats = Timing(3724394400, 0, (Repeat(1, 2, (0, 3)),), (ZoneAdjustment(3730928400, -3600),))
    values = session(
        a=(Attribute("x", "y"),), c=(Connection.of("::1"),), b=(Bandwidth("AS", 1),), t=(repeats, Timing())
    )
    assert section_lines(values, None, SESSION) == [
        "v=0\r",
        "o=- 1 1 IN IP4 192.0.2.1\r",
        "s=-\r",
        "c=IN IP6 ::1\r",
        "b=AS:1\r",
        "t=3724394400 0\r\nr=1 2 0 3\r\nz=3730928400 -3600\r",
        "t=0 0\r",
        "a=x:y\r",
    ]
    assert section_lines(media(i=("title",)), None, MEDIA) == ["m=audio 40000 RTP/AVP 0\r", "i=title\r"]


@pytest.mark.parametrize("letter", "ost")
def test_lines_that_must_be_there(letter: str) -> None:
    with pytest.raises(LocalError) as caught:
        section_lines(session(**{letter: ()}), None, SESSION)
    assert caught.value.message == f"there is no {letter}= line"


UNSAFE = [
    session(s=("a\r\na=inactive",)),
    session(i=("a\nb",)),
    session(s=("\ud800",)),
    session(o=(Origin("a\r", 1, 1, "IN", "IP4", "192.0.2.1"),)),
    session(a=(Attribute("x", "\0"),)),
    session(a=(Attribute("x\n"),)),
    session(c=(Connection("IN", "IP4", "192.0.2.1\r\nt=0 0"),)),
    media(m=(MediaLine("audio\n", 1, 1, "RTP/AVP", ("0",)),)),
    media(m=(MediaLine("audio", 1, 1, "RTP/AVP", ("0\r\na=x",)),)),
]


@pytest.mark.parametrize("values", UNSAFE)
def test_no_value_begins_a_line_of_its_own(values: dict[str, tuple[Any, ...]]) -> None:
    with pytest.raises(UnsafeValue):
        section_lines(values, None, MEDIA if "m" in values else SESSION)


WRONG = [
    session(s=("",)),
    session(o=(Origin("a b", 1, 1, "IN", "IP4", "192.0.2.1"),)),
    session(o=(Origin("", 1, 1, "IN", "IP4", "192.0.2.1"),)),
    session(o=(Origin("-", 2**63, 1, "IN", "IP4", "192.0.2.1"),)),
    session(o=(Origin("-", -1, 1, "IN", "IP4", "192.0.2.1"),)),
    session(c=(Connection("IN", "IP4", "::1"),)),
    session(c=(Connection("IN", "IP4", "192.0.2.1", 127),)),
    session(c=(Connection("IN", "IP4", "192.0.2.1/24"),)),
    session(c=(Connection("IN", "IP4", ""),)),
    session(k=(Key("prompt"),)),
    session(t=(Timing(1, 2),)),
    session(t=(Timing(0, 0, (Repeat(1, 1, ()),)),)),
    session(t=(Timing("0 0\r\nr=1 1 1"),)),  # type: ignore[arg-type]  # what a careless caller may do
    session(a=(Attribute("x:y", "z"),)),
    session(a=(Attribute("x", ""),)),
    session(a=(Attribute("x y"),)),
    session(a=(Attribute("ptime", 20),)),  # type: ignore[arg-type]  # as above
    session(b=(Bandwidth("AS", -1),)),
    media(m=(MediaLine("audio", 65536, 1, "RTP/AVP", ("0",)),)),
    media(m=(MediaLine("audio", 1, 1, "RTP/AVP", ()),)),
    media(m=(MediaLine("audio", 1, 1, "RTP/AVP", ("0 1",)),)),
    media(m=(MediaLine("", 1, 1, "RTP/AVP", ("0",)),)),
]


@pytest.mark.parametrize("values", WRONG)
def test_nothing_is_sent_that_reads_back_as_something_else(values: dict[str, tuple[Any, ...]]) -> None:
    with pytest.raises(LocalError) as caught:
        section_lines(values, None, MEDIA if "m" in values else SESSION)
    assert caught.value.section.startswith("RFC ")
    assert not isinstance(caught.value, UnsafeValue)


def test_errors_do_not_quote_keys() -> None:
    with pytest.raises(LocalError) as caught:
        section_lines(session(k=(Key("clear", "KEY"),)), None, SESSION)
    assert "KEY" not in str(caught.value)


MESSY = received(
    "m=audio  40000 RTP/AVP 0 \n",
    "a=ptime:20\r\n",
    "b=AS: 64\r\n",
    "a=x\n",
    "c=IN IP4 192.0.2.1/24\r\n",
    "a=x\r\n",
    "a=y:1\r\n",
)
X, PTIME, Y, NEW = Attribute("x"), Attribute("ptime", "20"), Attribute("y", "1"), Attribute("new")


def test_what_was_not_changed_leaves_as_it_came() -> None:
    assert changed(MESSY) == list(MESSY.lines)


CHANGES = [
    # the new attributes, and the attribute lines in their places: b= stands after the first, c= after the second
    ((), [], [], []),
    ((PTIME, X, X, Y), ["a=ptime:20\r"], ["a=x"], ["a=x\r", "a=y:1\r"]),
    ((NEW, X, X, Y), ["a=new\r"], ["a=x"], ["a=x\r", "a=y:1\r"]),
    ((PTIME, X, NEW, Y), ["a=ptime:20\r"], ["a=x"], ["a=new\r", "a=y:1\r"]),
    ((PTIME, X, X, NEW), ["a=ptime:20\r"], ["a=x"], ["a=x\r", "a=new\r"]),
    ((X, X, Y), [], ["a=x"], ["a=x\r", "a=y:1\r"]),
    ((PTIME, X, X), ["a=ptime:20\r"], ["a=x"], ["a=x\r"]),
    ((PTIME, X, X, Y, NEW, NEW), ["a=ptime:20\r"], ["a=x"], ["a=x\r", "a=y:1\r", "a=new\r", "a=new\r"]),
    ((NEW, PTIME, X, X, Y), ["a=new\r", "a=ptime:20\r"], ["a=x"], ["a=x\r", "a=y:1\r"]),
    ((PTIME, X, X, NEW, Y), ["a=ptime:20\r"], ["a=x"], ["a=x\r", "a=new\r", "a=y:1\r"]),
    ((Y, PTIME, X, X), ["a=y:1\r", "a=ptime:20\r"], ["a=x"], ["a=x\r"]),
    ((NEW,), ["a=new\r"], [], []),
]


@pytest.mark.parametrize(("attributes", "first", "second", "third"), CHANGES)
def test_changed_attributes(
    attributes: tuple[Attribute, ...], first: list[str], second: list[str], third: list[str]
) -> None:
    lines = ["m=audio  40000 RTP/AVP 0 ", *first, "b=AS: 64\r", *second, "c=IN IP4 192.0.2.1/24\r", *third]
    assert changed(MESSY, a=attributes) == lines


def test_a_changed_line_is_written_right() -> None:
    lines = changed(MESSY, m=(AUDIO,), c=(Connection.of("192.0.2.2"),))
    assert lines[0] == MESSY.lines[0], "the value is the same, so the line stays"
    assert lines[4] == "c=IN IP4 192.0.2.2\r"
    moved = MediaLine("audio", 40002, 1, "RTP/AVP", ("0",))
    assert changed(MESSY, m=(moved,))[0] == "m=audio 40002 RTP/AVP 0\r"


def test_a_new_line_stands_where_the_grammar_wants_it() -> None:
    section = received("m=audio 40000 RTP/AVP 0\r\n", "a=x\r\n")
    lines = changed(section, i=("title",), b=(Bandwidth("AS", 1), Bandwidth("TIAS", 1)), c=(Connection.of("::1"),))
    assert lines == ["m=audio 40000 RTP/AVP 0\r", "i=title\r", "c=IN IP6 ::1\r", "b=AS:1\r", "b=TIAS:1\r", "a=x\r"]


@pytest.mark.parametrize("values", [{"a": (Attribute("x", "\r\n"),)}, {"i": ("\n",)}])
def test_a_changed_line_is_as_safe_as_a_new_one(values: dict[str, tuple[Any, ...]]) -> None:
    with pytest.raises(UnsafeValue):
        changed(MESSY, **values)


ATTRIBUTES = st.lists(st.sampled_from([Attribute(name) for name in "abcd"]), max_size=9).map(tuple)


@given(ATTRIBUTES, ATTRIBUTES)
def test_any_change_reads_back_and_keeps_what_it_can(old: tuple[Attribute, ...], new: tuple[Attribute, ...]) -> None:
    section = received("m=audio 1 RTP/AVP 0\r\n", *(f"a={attribute}\n" for attribute in old), "c=IN IP4 192.0.2.1\r\n")
    lines = changed(section, a=new)
    assert tuple(Attribute(line[2:].rstrip("\r")) for line in lines if line[0] == "a") == new
    assert sum(line[-1] != "\r" for line in lines) >= len(set(old) & set(new))
