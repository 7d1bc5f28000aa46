"""Addresses: name-addr and addr-spec, display names, and whose parameters are whose."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sipcore.deviation import Deviation, Notes
from sipcore.errors import LimitExceeded, ParseError, UnsafeValue
from sipcore.message import address as module
from sipcore.message.address import Address, address_of
from sipcore.message.params import MAX_PARAMETERS, Params
from sipcore.message.uri import MAX_URI, OtherUri, SipUri, TelUri


@pytest.mark.parametrize(
    ("text", "display", "uri", "params", "bracketed"),
    [
        ("<sip:a@b>", "", "sip:a@b", "", True),
        ("<sip:a@b;x=1>;tag=2", "", "sip:a@b;x=1", ";tag=2", True),
        ("Bob <sip:a@b>", "Bob", "sip:a@b", "", True),
        ("Bob<sip:a@b>", "Bob", "sip:a@b", "", True),
        ("A. B. Bell <sip:a@b>;tag=1;x", "A. B. Bell", "sip:a@b", ";tag=1;x", True),
        ('"Bob" <sip:a@b>', '"Bob"', "sip:a@b", "", True),
        (r'"a \"<b>\" c"<sip:a@b>', r'"a \"<b>\" c"', "sip:a@b", "", True),
        ('"a, b; c" <sip:a@b>', '"a, b; c"', "sip:a@b", "", True),
        ('"" <sip:a@b>', '""', "sip:a@b", "", True),
        ('"grün" <sip:a@b>', '"grün"', "sip:a@b", "", True),
        ("%Z%45 <sip:a@b>", "%Z%45", "sip:a@b", "", True),
        ("sip:a@b", "", "sip:a@b", "", False),
        ("sip:a@b;tag=1", "", "sip:a@b", ";tag=1", False),
        ("tel:+1;tag=1", "", "tel:+1", ";tag=1", False),
        ("<tel:+1;ext=2>", "", "tel:+1;ext=2", "", True),
        ('"Bob" <sip:a@[::1]>;tag=1', '"Bob"', "sip:a@[::1]", ";tag=1", True),
        ("<urn:service:sos>", "", "urn:service:sos", "", True),
        ('<sip:a@b>;x="y>;z"', "", "sip:a@b", ';x="y>;z"', True),
    ],
)
def test_read_and_written(text: str, display: str, uri: str, params: str, bracketed: bool) -> None:
    address = Address.parse(text)
    assert (address.display, str(address.uri), str(address.params), address.bracketed) == (
        display,
        uri,
        params,
        bracketed,
    )
    assert str(address) == (text if not display or f"{display} <" in text else text.replace("<sip", " <sip", 1))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("  <sip:a@b>  ", "<sip:a@b>"),
        ("Bob\t <sip:a@b> ;\ttag = 1", "Bob <sip:a@b>;\ttag = 1"),
        ("sip:a@b ; tag=1", "sip:a@b; tag=1"),
    ],
)
def test_white_space_between_the_parts_is_legal(text: str, canonical: str) -> None:
    address = Address.parse(text)
    assert str(address) == canonical
    assert address.tag in (None, "1")


@pytest.mark.parametrize(
    ("text", "deviation"),
    [
        ("Bell, Alexander <sip:a@b>", Deviation.DISPLAY_NAME_NEEDS_QUOTES),
        ("a@b <sip:a@b>", Deviation.DISPLAY_NAME_NEEDS_QUOTES),
        ("grün <sip:a@b>", Deviation.DISPLAY_NAME_NEEDS_QUOTES),
        ("sip:a@b?c=d", Deviation.URI_WITHOUT_BRACKETS),
        ("sip:a,b@c", Deviation.URI_WITHOUT_BRACKETS),
        ("< sip:a@b >", Deviation.SPACE_IN_URI),
        ("<sip:a@b>;", Deviation.EMPTY_PARAMETER),
        ("<sip:a@b>;tag=", Deviation.EMPTY_PARAMETER_VALUE),
    ],
)
def test_faults_tolerated_by_name(text: str, deviation: Deviation) -> None:
    notes: Notes = []
    Address.parse(text, notes)
    assert notes == [deviation]
    with pytest.raises(ParseError):
        Address.parse(text)


@pytest.mark.parametrize(
    ("text", "offending"),
    [
        ("", ""),
        ('"Bob" sip:a@b', '"Bob" sip:a@b'),
        ('"Bob', '"Bob'),
        ('"Bob <sip:a@b>', '"Bob <sip:a@b>'),
        ('B"ob" <sip:a@b>', '"ob" <sip:a@b>'),
        ('"Bob" x <sip:a@b>', " x <sip:a@b>"),
        ("<sip:a@b", "<sip:a@b"),
        ("<sip:a@b:x>;tag=1", "x>;tag=1"),
        ("Bob <sip:a@b c>", "b c>"),
        ("<sip:a@b>x", "x"),
        ("<sip:a@b>, <sip:c@d>", ", <sip:c@d>"),
        ("<sip:a@b>;a;=b", "=b"),
        ("sip:a@b;a;=b", "=b"),
        ("  sip:a@b:x;a", "x;a"),
        ("<>", ">"),
        ("Bob", "Bob"),
    ],
)
def test_faults_refused_with_their_place(text: str, offending: str) -> None:
    with pytest.raises(ParseError) as error:
        Address.parse(text, [])
    assert error.value.text == text
    assert text[error.value.offset :] == offending


def test_too_many_parameters() -> None:
    assert len(Address.parse("<sip:a@b>" + ";a" * MAX_PARAMETERS).params) == MAX_PARAMETERS
    with pytest.raises(LimitExceeded):
        Address.parse("<sip:a@b>" + ";a" * (MAX_PARAMETERS + 1))


def test_what_the_parts_mean() -> None:
    address = Address.parse(r'"J \"R\" Smith" <sip:a@b>;Tag=x')
    assert address.display_name == 'J "R" Smith'
    assert address.tag == "x"
    assert Address.parse("Bob Smith <sip:a@b>").display_name == "Bob Smith"
    assert Address.parse("sip:a@b").tag is None


def test_without_brackets_parameters_belong_to_the_header_field() -> None:
    bare, bracketed = Address.parse("sip:a@b;lr"), Address.parse("<sip:a@b;lr>")
    assert isinstance(bare.uri, SipUri)
    assert isinstance(bracketed.uri, SipUri)
    assert ("lr" in bare.params, "lr" in bare.uri.params) == (True, False)
    assert ("lr" in bracketed.params, "lr" in bracketed.uri.params) == (False, True)


def test_it_has_nothing_else() -> None:
    assert not hasattr(Address.parse("<sip:a@b>"), "nonsense")


def test_a_long_uri_is_refused_wherever_it_stands() -> None:
    for text in (f"<sip:{'a' * MAX_URI}@b>", f"sip:{'a' * MAX_URI}@b"):
        with pytest.raises(LimitExceeded) as error:
            Address.parse(text)
        assert error.value.status == 414
    assert Address.parse(f"<sip:a@b>;x={'y' * MAX_URI}").uri == SipUri("b", "a")


def test_replace_and_with_tag() -> None:
    address = Address.parse("Bob <sip:a@b>;x;tag=1")
    assert str(address.with_tag("2")) == "Bob <sip:a@b>;x;tag=2"
    assert str(address.replace(display='"C"', params=Params())) == '"C" <sip:a@b>'
    with pytest.raises(UnsafeValue):
        address.with_tag("a;b")
    with pytest.raises(TypeError):
        address.replace(nonsense=1)


def test_addresses_to_send() -> None:
    assert str(address_of("sip:a@b")) == "<sip:a@b>"
    assert str(address_of(TelUri("+1"), 'A "B"', Params((("tag", "1"),)))) == r'"A \"B\"" <tel:+1>;tag=1'
    assert address_of("urn:x").uri == OtherUri("urn", "x")


@pytest.mark.parametrize("name", ["a\r\nb", "a\0b"])
def test_line_ends_are_refused(name: str) -> None:
    with pytest.raises(UnsafeValue):
        address_of("sip:a@b", name)
    with pytest.raises(UnsafeValue):
        address_of(SipUri(name))
    with pytest.raises(UnsafeValue):
        address_of("sip:a@b", "", Params(((name, None),)))


PIECES = [
    "sip:",
    "sips:",
    "tel:+1",
    "a",
    "a;b",
    "a,b",
    "a?b",
    "@",
    ":5060",
    ":70000",
    "[::1]",
    "1.2.3.4",
    "1.2.3",
    ";x",
    ";x=",
]
PIECES += [';x="y;z"', ";x=[::1]", "?x=y", " ", "<", ">", "A ", '"A"', "%41", "%4", ":", "b.", "-b", "\n"]


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
@example("sip:a@b;tag=1")
@example("sip:a;b@c")
@example("sip:a?b@c;x")
def test_what_is_plain_is_read_as_anything_else_is(text: str) -> None:
    def read(parse: Callable[[str, Notes], Address]) -> object:
        notes: Notes = []
        try:
            address = parse(text, notes)
        except ParseError as error:
            return str(error), error.offset
        return address, address.uri, str(address), notes

    assert read(Address.parse) == read(module._read_slowly)
