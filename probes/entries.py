"""Files that people write: TOML with entries, `[[call]]` or `[[trunk]]`, whose keys have fixed meanings.

What is wrong is told with the file, the line, the key and what would be right. Secrets are named, by a variable of the
environment or a file, and not written; what is read is never quoted where it may be one.
"""

import math
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from enum import Enum
from typing import Any

from sipcore.errors import LocalError, SipError, quoted
from sipcore.message.address import Address
from sipcore.value import value

MAX_FILE = 1 << 20
"""Characters: a thousand entries with all their keys are a tenth of it."""
MAX_NUMBER = 10**9
"""Seconds of thirty years, and more than anything else here is counted to: what is said of it stays short."""


class EntryError(LocalError):
    """A file that cannot be used; the message names file, line and key."""

    def __init__(self, message: str) -> None:
        super().__init__(message, section="RFC 3261 §13.2.1")


@value
class Key:
    """What stands behind a key: which field of what is described it is ("" for none of its own), and what it takes.

    `read` raises TypeError for what is of another type, and LocalError for what cannot be.
    """

    field: str
    example: str
    read: Callable[[object], object]


def text(given: object) -> str:
    """A text; raises TypeError, as all below."""
    if not isinstance(given, str):
        raise TypeError
    return given


def number(given: object) -> float:
    """A number. Raises EntryError for one that is beyond all use."""
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise TypeError
    if MAX_NUMBER < abs(given) < math.inf:
        raise EntryError(f"a number beyond {MAX_NUMBER:,}: give a smaller one")
    return given


def whole(given: object) -> int:
    """A number without a fraction."""
    if not isinstance(given, int):
        raise TypeError
    return int(number(given))


def boolean(given: object) -> bool:
    """True or false."""
    if not isinstance(given, bool):
        raise TypeError
    return given


def table(given: object) -> dict[str, object]:
    """A table of keys."""
    if not isinstance(given, dict):
        raise TypeError
    return given


def texts(given: object) -> tuple[str, ...]:
    """Several texts."""
    return tuple(map(text, _list(given)))


def wholes(given: object) -> tuple[int, ...]:
    """Several numbers without fractions."""
    return tuple(map(whole, _list(given)))


def address(given: object) -> Address:
    """A name-addr or URI of SIP."""
    return Address.parse(text(given))


def one_of(choices: type[Enum]) -> Callable[[object], Enum]:
    """One of the values of an Enum, whatever its case."""

    def read(given: object) -> Enum:
        named = {str(choice.value).lower(): choice for choice in choices}
        return named[known(text(given).lower(), tuple(named))]

    return read


def several_of(choices: type[Enum]) -> Callable[[object], tuple[Enum, ...]]:
    """Several of the values of an Enum."""
    read = one_of(choices)
    return lambda given: tuple(map(read, _list(given)))


def known(word: str, words: Sequence[str]) -> str:
    """The word, which is one of those. Raises EntryError."""
    if word not in words:
        raise EntryError(f"{quoted(word)} is none of {', '.join(words)}{near(word, words)}")
    return word


def near(word: str, words: Sequence[str]) -> str:
    """What may be meant by a word that is none of these; empty where nothing is close."""
    close = get_close_matches(word, words, 1)
    return f"; did you mean {close[0]}?" if close else ""


def _list(given: object) -> Sequence[object]:
    if not isinstance(given, list | tuple):
        raise TypeError
    return given


def fields_of(keys: Mapping[str, Key], read: Mapping[str, object]) -> dict[str, Any]:
    """What was read, by the fields that it is meant for."""
    return {keys[key].field: value for key, value in read.items() if keys[key].field}


class EntryFile:
    """The text of one file. `what` says what it is in errors."""

    def __init__(self, content: str, source: str, what: str) -> None:
        self._content = content
        self._source = source
        self._what = what

    def parsed(self, outside: Collection[str], where: str) -> dict[str, Any]:
        """All that it says. Raises EntryError for a key that is none of those that may stand outside of entries;
        `where` says between what it stands.
        """
        if len(self._content) > MAX_FILE:
            raise self.error(f"longer than the {MAX_FILE} characters that {self._what} may have")
        try:
            data = tomllib.loads(self._content)
        except (ValueError, RecursionError) as error:  # a plain ValueError is about a number with too many digits
            raise self.error(f"no TOML: {error}") from None
        for key in data:
            if key not in outside:
                raise self.error(f"{quoted(key)} stands outside of {where}", key=key)
        return data

    def check_keys(self, given: Mapping[str, object], keys: Collection[str], kind: str = "", number: int = 0) -> None:
        """Raise EntryError for a key that is none of those."""
        for key in given:
            if key not in keys:
                meant = near(key, tuple(keys)) or f"; there are {', '.join(keys)}"
                raise self.error(f"there is no key {quoted(key)}{meant}", kind, number, key)

    def read(self, keys: Mapping[str, Key], key: str, told: object, kind: str, number: int) -> object:
        """What a key of an entry says. Raises EntryError."""
        try:
            return keys[key].read(told)
        except TypeError:
            shown = "a text in quotes" if key.startswith("password") else _shown(told)
            problem = f"{key} = {shown} cannot be used; write something like {key} = {keys[key].example}"
            raise self.error(problem, kind, number, key) from None
        except SipError as error:
            raise self.error(f"{key}: {error.message}", kind, number, key) from None

    def error(self, problem: str, kind: str = "", number: int = 0, key: str = "") -> EntryError:
        """An error with its place: an entry by its kind and number, 0 for none, and a key of it."""
        line = self._line_of(kind, number, key)
        where = f"{self._source}:{line}" if line else self._source
        which = f"{kind} {number}: " if number else ""
        return EntryError(f"{where}: {which}{problem}")

    def _line_of(self, kind: str, number: int, key: str) -> int:
        """Where a key of an entry stands, or else that of the defaults, or else the entry; 0 for what is not found."""
        found = common = 0
        counts: Counter[str] = Counter()
        here, wanted = ("", 0), (kind if number else "", number)
        for place, line in enumerate(self._content.splitlines(), 1):
            head = _HEAD.match(line)
            if head:
                counts[head[1]] += 1
                here = (head[1], counts[head[1]])
                found = place if here == wanted else found
            elif key and _key_of(line) == key:
                if here == wanted:
                    return place
                common = place if not here[1] else common
        return common or found


def _shown(told: object) -> str:
    """What was given, without its content where that may be a secret: a URL, or a table with a password in it."""
    if isinstance(told, str):
        return "a text"
    return "a list" if isinstance(told, list) else "a table" if isinstance(told, dict) else repr(told)


_HEAD = re.compile(r"\s*\[\[\s*([a-z.]+)\s*\]\]")


def _key_of(line: str) -> str:
    """The key that a line begins with, in its own quotes or without."""
    return line.partition("=")[0].strip().strip("\"'").partition(".")[0] if "=" in line else ""
