"""Regular expressions that are compiled when they are first used.

Compiling the large ones takes some 10 ms of a program's start, and one that imports the engine for one thing needs few
of them.

Where a pattern must not go back into the repetition of a group, it has an atomic group around it, `(?>(?:ab)*)`, and
never the possessive quantifier that means the same: `(?:ab)*+` misses matches in Python 3.11.2, which Debian 12 has
(CPython issue 106052). Those of a single character are right everywhere.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, AnyStr, Generic

_METHODS = ("findall", "finditer", "fullmatch", "match", "search", "split", "sub")


class Pattern(Generic[AnyStr]):
    """As `re.compile(text, flags)`, of which it has what is used here; compiled when one of its methods is asked for.

    Once it is compiled, a method is found as quickly as that of a compiled one.
    """

    __slots__ = ("_flags", "_text", *_METHODS)

    fullmatch: "Callable[[AnyStr], re.Match[AnyStr] | None]"
    match: "Callable[..., re.Match[AnyStr] | None]"
    search: "Callable[..., re.Match[AnyStr] | None]"
    findall: "Callable[..., list[Any]]"
    finditer: "Callable[..., Iterator[re.Match[AnyStr]]]"
    split: "Callable[[AnyStr], list[Any]]"
    sub: "Callable[[AnyStr | Callable[[re.Match[AnyStr]], AnyStr], AnyStr], AnyStr]"

    def __init__(self, text: AnyStr, flags: int = 0) -> None:
        self._text: AnyStr = text
        self._flags = flags

    def __getattr__(self, name: str) -> object:
        """Python calls it for a slot that is empty."""
        if name not in _METHODS:
            raise AttributeError(name)
        compiled = re.compile(self._text, self._flags)
        for method in _METHODS:
            setattr(self, method, getattr(compiled, method))
        return getattr(self, name)
