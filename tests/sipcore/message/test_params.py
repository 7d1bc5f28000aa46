"""Parameters: read, changed and written, with the faults that are tolerated by name."""

import pytest

from sipcore.deviation import Deviation, Notes
from sipcore.errors import LimitExceeded, ParseError, UnsafeValue
from sipcore.message.params import MAX_PARAMETERS, NO_PARAMS, Params, checked, of


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("", ()),
        (";lr", (("lr", None),)),
        (";a=b;c", (("a", "b"), ("c", None))),
        (';a="x;y=z";b', (("a", '"x;y=z"'), ("b", None))),
        (r';a="x\"y"', (("a", r'"x\"y"'),)),
        (";received=2001:db8::1", (("received", "2001:db8::1"),)),
        (";maddr=[2001:db8::1]", (("maddr", "[2001:db8::1]"),)),
        (';+sip.instance="<urn:uuid:f>"', (("+sip.instance", '"<urn:uuid:f>"'),)),
        (" ; a = b ; c".strip(), (("a", "b"), ("c", None))),
        (";a=\tb", (("a", "b"),)),
    ],
)
def test_generic_parameters(text: str, items: tuple[tuple[str, str | None], ...]) -> None:
    params = Params.parse(text)
    assert params.items == tuple(params) == items
    assert str(params) == text
    assert len(params) == len(items)
    assert bool(params) == bool(items)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        (";transport=udp;lr", (("transport", "udp"), ("lr", None))),
        (";n%61me=v%61lue%25%34%31", (("n%61me", "v%61lue%25%34%31"),)),
        (";a=[]/:&+$", (("a", "[]/:&+$"),)),
    ],
)
def test_uri_parameters(text: str, items: tuple[tuple[str, str | None], ...]) -> None:
    assert Params.parse_uri(text).items == items


@pytest.mark.parametrize(
    ("text", "deviation", "items"),
    [
        (";a;", Deviation.EMPTY_PARAMETER, (("a", None),)),
        (";;a", Deviation.EMPTY_PARAMETER, (("a", None),)),
        (";a=", Deviation.EMPTY_PARAMETER_VALUE, (("a", ""),)),
        (";a=b@c", Deviation.ODD_PARAMETER, (("a", "b@c"),)),
        (";a=b=c", Deviation.ODD_PARAMETER, (("a", "b=c"),)),
        (";a/b=c", Deviation.ODD_PARAMETER, (("a/b", "c"),)),
        (";a=x:y", Deviation.ODD_PARAMETER, (("a", "x:y"),)),
        (";a=grün", Deviation.ODD_PARAMETER, (("a", "grün"),)),
    ],
)
def test_tolerated_by_name_and_refused_without_notes(
    text: str, deviation: Deviation, items: tuple[tuple[str, str | None], ...]
) -> None:
    notes: Notes = []
    params = Params.parse(text, notes)
    assert (params.items, notes, str(params)) == (items, [deviation], text)
    with pytest.raises(ParseError) as error:
        Params.parse(text)
    assert error.value.section == deviation.section


def test_nothing_but_a_semicolon_is_no_parameter() -> None:
    notes: Notes = []
    assert not Params.parse(";", notes)
    assert notes == [Deviation.EMPTY_PARAMETER]


def test_a_quoted_value_in_a_uri_is_tolerated() -> None:
    notes: Notes = []
    assert Params.parse_uri(';foo="a b;c"', notes).items == (("foo", '"a b;c"'),)
    assert notes == [Deviation.ODD_PARAMETER]


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("a", 0),
        (";=b", 1),
        (";a=b;=c", 5),
        (';a="b', 3),
        (';a="b"c', 1),
        (";a=b c", 1),
        (";a=<b>", 1),
        (";a=\x01", 1),
        (";a b", 1),
        (";a=\udcff", 1),
    ],
)
def test_refused_with_its_place(text: str, offset: int) -> None:
    with pytest.raises(ParseError) as error:
        Params.parse(text, [])
    assert error.value.offset == offset


@pytest.mark.parametrize("item", [";a", ";a=b", ';a="b"', "; a"])
def test_there_is_a_limit(item: str) -> None:
    assert len(Params.parse(item * MAX_PARAMETERS, [])) == MAX_PARAMETERS
    with pytest.raises(LimitExceeded):
        Params.parse(item * (MAX_PARAMETERS + 1), [])


def test_semicolons_in_quotes_do_not_count() -> None:
    assert len(Params.parse(';a="' + ";" * 1000 + '"')) == 1


def test_names_compare_without_case_and_the_first_counts() -> None:
    params = Params.parse(";Tag=One;TAG=two")
    assert params.get("tag") == "One"
    assert "tag" in params
    assert params.get("lr") is None
    assert Params.parse(";lr").get("lr") == ""


def test_text_is_the_value_without_quotes() -> None:
    assert Params.parse(r';a="x \"y\""').text("a") == 'x "y"'
    assert Params.parse(";a=b").text("a") == "b"
    assert NO_PARAMS.text("a") is None


@pytest.mark.parametrize(
    ("text", "name", "content", "result"),
    [
        (";a=1;b", "a", "2", ";a=2;b"),
        (";A=1;b", "a", "2", ";a=2;b"),
        (";a=1", "b", None, ";a=1;b"),
        ("", "a", "1", ";a=1"),
    ],
)
def test_replace(text: str, name: str, content: str | None, result: str) -> None:
    assert str(Params.parse(text).replace(name, content)) == result


def test_without_drops_every_one_of_the_name() -> None:
    assert str(Params.parse(";a=1;b;A").without("a")) == ";b"


def test_of_python_values() -> None:
    params = of(transport="tcp", lr=True, x_y=None, z=False, n=5, text="two words")
    assert str(params) == ';transport=tcp;lr;n=5;text="two words"'
    assert Params.parse(str(params)) == params


@pytest.mark.parametrize("content", ["a\r\nb", "a\0"])
def test_line_ends_are_refused(content: str) -> None:
    with pytest.raises(UnsafeValue):
        of(a=content)
    with pytest.raises(UnsafeValue):
        checked(Params((("a", content),)))


def test_they_have_nothing_else() -> None:
    assert not hasattr(Params.parse(";a"), "nonsense")


def test_they_are_values() -> None:
    assert Params.parse(";a=b") == Params((("a", "b"),)) == Params.parse("; a = b")
    assert hash(Params.parse(";a=b")) == hash(Params((("a", "b"),)))
    assert Params.parse(";a") != Params.parse(";b")
    assert Params.parse(";a").__eq__(";a") is NotImplemented
    assert repr(Params.parse(";a=b")) == "Params(items=(('a', 'b'),))"
