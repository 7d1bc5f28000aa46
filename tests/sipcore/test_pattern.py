"""Patterns that are compiled when they are first used."""

import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]  # there is no public way to read a pattern
from types import ModuleType

import pytest

import probes
import sipcore
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


def texts() -> set[tuple[str | bytes, int]]:
    """Every pattern that a module of the project makes, with its flags; all of them are loaded for it."""
    made: set[tuple[str | bytes, int]] = set()
    really, lazily = re.compile, Pattern.__init__

    def compiled(text: str | bytes | re.Pattern[str], flags: int = 0) -> object:
        if not isinstance(text, re.Pattern):
            made.add((text, int(flags)))
        return really(text, flags)

    def noted(self: Pattern[str], text: str, flags: int = 0) -> None:
        made.add((text, int(flags)))
        lazily(self, text, flags)

    re.compile, Pattern.__init__ = compiled, noted  # type: ignore[assignment,method-assign]
    for package in (sipcore, probes):
        _load(package)
    return made


SCRIPTS = ("probes.store.migrations.env",)
"""What nobody imports: Alembic runs it."""


def _load(package: ModuleType) -> None:
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if module.name not in SCRIPTS:
            importlib.import_module(module.name)


def possessive_groups(parsed: object) -> Iterator[object]:
    """The repetitions in a parsed pattern that are possessive, and of more than one character."""
    if isinstance(parsed, tuple) and parsed[:1] == (_constants.POSSESSIVE_REPEAT,):
        repeated = parsed[1][2]
        if not _compiler._simple(repeated):
            yield repeated
    if isinstance(parsed, tuple | list | _parser.SubPattern):
        for part in parsed:
            yield from possessive_groups(part)


def main() -> None:
    wrong = [text for text, flags in sorted(texts(), key=str) if list(possessive_groups(_parser.parse(text, flags)))]
    sys.stdout.write("\n".join(map(str, wrong)))


def test_no_repetition_of_a_group_is_possessive() -> None:
    found = subprocess.run([sys.executable, "-m", __name__], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.strip() == ""


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("a++", 0),
        ("(?:[ab])*+", 0),
        ("(?>(?:ab)*)", 0),
        ("(?:ab)*+", 1),
        ("(a|(b(?:c.)?+))", 1),
        ("x(?=(?:ab){2,}+)", 1),
    ],
)
def test_such_repetitions_are_found(pattern: str, count: int) -> None:
    assert len(list(possessive_groups(_parser.parse(pattern)))) == count


if __name__ == "__main__":
    main()
