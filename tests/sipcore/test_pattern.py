"""Patterns that are compiled when they are first used."""

import re

import pytest

from sipcore.pattern import Pattern


def test_it_is_compiled_once_and_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    really = re.compile

    def counted(text: str, flags: int) -> re.Pattern[str]:
        compiled.append(text)
        return really(text, flags)

    monkeypatch.setattr(re, "compile", counted)
    pattern = Pattern("b(.)", re.IGNORECASE)
    assert not compiled
    assert pattern.fullmatch("abc") is None
    found, first, later = pattern.search("aBc"), pattern.match("bc"), pattern.match("abc", 1)
    assert [match and match[1] for match in (found, first, later)] == ["c", "c", "c"]
    assert compiled == ["b(.)"]


def test_it_is_of_bytes_as_well() -> None:
    assert Pattern(rb"\d+").fullmatch(b"42")


def test_it_has_nothing_else() -> None:
    with pytest.raises(AttributeError, match="subn"):
        Pattern("").subn  # noqa: B018  # that there is none is what is tested
