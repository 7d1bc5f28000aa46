"""Text in lines of a terminal's width, as all reports have it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from probes.report.lines import beside, fact, folded, listed, wrapped


def plain(lines: list[Text]) -> list[str]:
    return [line.plain for line in lines]


def test_lines_are_broken_at_spaces_and_not_at_hyphens() -> None:
    assert plain(wrapped("give --with-media again", 14)) == ["give", "--with-media", "again"]


@pytest.mark.parametrize("unit", ["ms", "s", "Hz", "%"])
def test_what_a_number_counts_stays_on_its_line(unit: str) -> None:
    assert plain(wrapped(f"held for 1001 {unit}", 14)) == ["held for", f"1001 {unit}"]
    assert plain(wrapped(f"so (90 {unit})", 8)) == ["so", f"(90 {unit})"]


def test_what_is_no_unit_may_stand_on_the_next() -> None:
    assert plain(wrapped("all 1001 sent", 9)) == ["all 1001", "sent"]


def test_what_stands_before_them() -> None:
    assert plain(wrapped("one two three", 9, "- ", "    ")) == ["- one two", "    three"]
    assert plain(folded("  one two three", 11)) == ["  one two", "      three"]
    assert wrapped("", 9, "- ") == []


def test_nothing_drives_the_terminal() -> None:
    assert plain(wrapped("a\x1b[2J\udcff", 40)) == ["a\\x1b[2J\\xff"]


def test_a_text_goes_on_in_its_own_column() -> None:
    assert plain(fact("key", "one two", 12, 5)) == ["  key  one", "       two"]
    assert plain(beside("  key  ", "", 12)) == ["  key"]


def test_lines_have_their_style() -> None:
    assert [line.style for line in wrapped("one two", 4, style="red")] == ["red", "red"]


@pytest.mark.parametrize(
    ("names", "expected"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_lists(names: list[str], expected: str) -> None:
    assert listed(names) == expected


@given(st.text(), st.integers(24, 100))
def test_no_line_is_longer_than_that(text: str, width: int) -> None:
    for lines in (wrapped(text, width, "  ", " " * 6), fact("name", text, width, 16), folded(text.lstrip(), width)):
        assert all(len(line.plain) <= width and line.plain.isprintable() for line in lines)
