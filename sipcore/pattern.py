"""Regular expressions that are compiled when they are first used.

Compiling the large ones takes some 10 ms of a program's start, and one that imports the engine for one thing needs few
of them.

Where a pattern must not go back into the repetition of a group, it has an atomic group around it, `(?>(?:ab)*)`, and
never the possessive quantifier that means the same: `(?:ab)*+` misses matches in Python 3.11.2, which Debian 12 has
(CPython issue 106052). Those of a single character are right everywhere.
"""

import re
from collections.abc import Callable
from typing import AnyStr, Generic


class Pattern(Generic[AnyStr]):
    """As `re.compile(text, flags)`, of which it has what is used here; compiled when one of its methods is asked for.

    Once it is compiled, a method is found as quickly as that of a compiled one.
    """

    __slots__ = ("_flags", "_text", "fullmatch", "match", "search")

    fullmatch: "Callable[[AnyStr], re.Match[AnyStr] | None]"
    match: "Callable[..., re.Match[AnyStr] | None]"
    search: "Callable[..., re.Match[AnyStr] | None]"

    def __init__(self, text: AnyStr, flags: int = 0) -> None:
        self._text: AnyStr = text
        self._flags = flags

    def __getattr__(self, name: str) -> object:
        """Python calls it for a slot that is empty."""
        if name not in ("fullmatch", "match", "search"):
            raise AttributeError(name)
        compiled = re.compile(self._text, self._flags)
        self.fullmatch, self.match, self.search = compiled.fullmatch, compiled.match, compiled.search
        return getattr(self, name)
