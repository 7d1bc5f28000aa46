"""What the tests of header values share: how a codec is asked, and Hypothesis strategies for parts of values."""

from collections.abc import Callable, Iterable

import pytest
from hypothesis import strategies as st

from sipcore.deviation import Deviation, Notes
from sipcore.errors import ParseError
from sipcore.grammar import quote
from sipcore.message.address import Address
from sipcore.message.params import Item, Params
from sipcore.message.uri import SipUri

Codec = Callable[[str, Notes | None], object]

TOKEN_CHARACTERS = "abcXYZ019-.!%*_+`'~"
tokens = st.text(TOKEN_CHARACTERS, min_size=1, max_size=12)
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20)
quoted = texts.map(quote)
hosts = st.sampled_from(["example.com", "192.0.2.1", "[2001:db8::1]", "a.b-c.example"])


def names(word: str) -> str:
    """A parameter name that no header field gives a meaning to."""
    return f"x-{word}"


items: st.SearchStrategy[Item] = st.tuples(tokens.map(names), st.none() | tokens | quoted)
params = st.lists(items, max_size=4).map(lambda found: Params(tuple(found)))
uris = st.builds(
    SipUri, hosts, st.none() | st.text("abc012+.-", min_size=1, max_size=8), st.none() | st.integers(1, 65535)
)
addresses = st.builds(Address, uris, st.just("") | quoted, params)


def assert_reads(
    codec: Codec, text: str, expected: object, notes: Iterable[Deviation] = (), *, written: str | None = None
) -> None:
    """`text` gives `expected`, noting just `notes`; that is written as `written`, by default as it came."""
    found: Notes = []
    read = codec(text, found)
    assert read == expected
    assert found == list(notes)
    assert str(read) == (text if written is None else written)
    if found:
        with pytest.raises(ParseError) as caught:
            codec(text, None)
        assert caught.value.section == found[0].section
    else:
        assert codec(text, None) == expected


def assert_refuses(codec: Codec, text: str) -> None:
    """`text` is refused, also where faults may be noted, with a rule to point at."""
    found: Notes = []
    for notes in (None, found):
        with pytest.raises(ParseError) as caught:
            codec(text, notes)
        assert "§" in caught.value.section


def assert_survives(codec: Codec, built: object) -> None:
    """A value that was built is read back as the same."""
    assert codec(str(built), None) == built
