"""Calling C libraries through ctypes: finding the library, and naming the types of its functions."""

import ctypes
from collections.abc import Callable
from ctypes import c_char_p, c_void_p
from ctypes.util import find_library
from pathlib import Path
from typing import Any


class Library:
    """A shared library. `version` is the file that was loaded, which is all that some libraries tell."""

    def __init__(self, name: str, package: str) -> None:
        """Load lib`name`; raises ImportError where it is absent, naming the Debian `package` that has it."""
        found = find_library(name)
        if found is None:
            raise ImportError(f"no shared library lib{name} (Debian: {package})")
        self._library = ctypes.CDLL(found)
        self.version = Path(found).name

    def function(self, name: str, result: object, *arguments: object) -> Callable[..., Any]:
        """The function `name` with its result and argument types."""
        function = self._library[name]
        function.restype, function.argtypes = result, arguments  # type: ignore[assignment]  # what ctypes calls a type has none
        return function


def texts(*names: str) -> list[tuple[str, type[c_char_p]]]:
    """Members of a structure that are C strings."""
    return [(name, c_char_p) for name in names]


def pointers(*names: str) -> list[tuple[str, type[c_void_p]]]:
    """Members of a structure that point to what nobody looks at."""
    return [(name, c_void_p) for name in names]
