"""What all reports in words share: text of anybody in lines of a terminal's width, alone or in columns.

Lines are broken at spaces: a hyphen belongs to the name, the option or the number that it stands in. What a number
counts stays on its line.
"""

import re
import textwrap
from collections.abc import Sequence

from rich.text import Text

from probes.report.safe_text import printable

WIDTH = 80
"""Columns of a terminal that nobody has widened."""
_UNBREAKABLE = "\ue000"
"""What stands for a space while lines are broken: no text has it that is printable."""
_before_unit = re.compile(r"(?<=[0-9]) (?=(?:ms|s|Hz|%)(?!\w))")


def wrapped(text: str, width: int, first: str = "", later: str = "", style: str = "") -> list[Text]:
    """A text, made printable, in lines of at most `width` columns: `first` stands before the first, `later` before the
    others. None for an empty one.
    """
    whole = _before_unit.sub(_UNBREAKABLE, printable(text))
    lines = textwrap.wrap(whole, width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False)
    return [Text(line.replace(_UNBREAKABLE, " "), style=style) for line in lines]


def folded(text: str, width: int) -> list[Text]:
    """The same, the lines behind the first one further to the right than that."""
    return wrapped(text, width, later=" " * (len(text) - len(text.lstrip()) + 4))


def beside(head: str, text: str, width: int, style: str = "") -> list[Text]:
    """`head`, and a text in a column of its own beside it; `head` alone where there is none."""
    return wrapped(text, width, head, " " * len(head), style) or [Text(head.rstrip(), style=style)]


def fact(name: str, text: str, width: int, columns: int) -> list[Text]:
    """A fact: its name in so many columns, and what it is."""
    return beside(f"  {name.ljust(columns)}", text, width)


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
