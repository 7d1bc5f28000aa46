"""From the fields of a session description to its lines. RFC 8866 §9.

A line whose value is still the one that was read from it leaves as it came; every other line is rendered. A rendered
line must read back, strictly, as the value that it was made of: that one rule keeps spaces out of subfields, ports in
range and obsolete fields unsent.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

from sipcore.errors import LocalError, ParseError
from sipcore.grammar import require_safe
from sipcore.sdp.fields import FIELDS
from sipcore.sdp.parser import Order, Section

_REQUIRED = "vostm"
"""Lines that a section made here must have, if the section is one that can have them."""


def section_lines(values: dict[str, tuple[Any, ...]], received: Section | None, order: Order) -> Sequence[str]:
    """The lines, each with its CR but without its LF, of a section that holds `values` by type letter.

    `received` is the section that it was made of, if any. Raises UnsafeValue when a value holds CR, LF or NUL, and
    LocalError when a value cannot be written so that it reads back as it is, or a required line is missing.
    """
    if received is None:
        for letter in order.letters:
            if letter in _REQUIRED and not values[letter]:
                raise LocalError(f"there is no {letter}= line", section=FIELDS[letter].section)
        return [_render(letter, entry) for letter in order.letters for entry in values[letter]]
    changed = {letter for letter in order.letters if values[letter] != received.values.get(letter, ())}
    return _changed_lines(values, received, order, changed) if changed else received.lines


def _render(letter: str, entry: object) -> str:
    text = str(entry)
    if letter != "t":  # whose r= and z= lines are part of it; what reads back as numbers is safe
        require_safe(text, f"{letter}=")
    try:
        same = FIELDS[letter].parse(text, None) == entry
    except ParseError as error:
        raise LocalError(f"{letter}= cannot be sent: {error.message}", section=error.section) from None
    if not same:
        raise LocalError(f"{letter}= would be read as something else", section=FIELDS[letter].section)
    return f"{letter}={text}\r"


def _changed_lines(
    values: dict[str, tuple[Any, ...]], received: Section, order: Order, changed: set[str]
) -> Sequence[str]:
    """The lines that were received, those of the letters in `changed` replaced, dropped and added to."""
    places: dict[str, list[int]] = {letter: [] for letter in order.letters}
    for place, line in enumerate(received.lines):
        places[line[0]].append(place)
    slots = [[line] for line in received.lines]
    for letter in sorted(changed, key=order.ranks.__getitem__):
        old = [received.lines[place] for place in places[letter]]
        if old:
            aligned = _align(letter, received.values[letter], old, values[letter])
            for place, lines in zip(places[letter], aligned, strict=True):
                slots[place] = lines
        else:
            added = [_render(letter, entry) for entry in values[letter]]
            place = _place_for(letter, received.lines, order)
            slots[place] = [*slots[place], *added]
    return list(chain.from_iterable(slots))


def _place_for(letter: str, lines: Sequence[str], order: Order) -> int:
    """After which line a new line of `letter` belongs: the last one whose letter comes before it."""
    rank = order.ranks[letter]
    return max((place for place, line in enumerate(lines) if order.ranks[line[0]] < rank), default=0)


def _align(letter: str, old: Sequence[Any], lines: Sequence[str], new: Sequence[Any]) -> list[list[str]]:
    """For each old line what stands in its place: itself, nothing, or lines for new values. Linear in both."""
    known = dict(zip(reversed(old), reversed(lines), strict=True))
    unseen, left = Counter(old), Counter(new)
    position = 0

    def take() -> str:
        nonlocal position
        entry = new[position]
        position += 1
        left[entry] -= 1
        return known[entry] if entry in known else _render(letter, entry)

    slots: list[list[str]] = []
    for entry, line in zip(old, lines, strict=True):
        slot: list[str] = []
        unseen[entry] -= 1
        if left[entry] > 0:
            while new[position] != entry:
                slot.append(take())
            take()
            slot.append(line)
        elif position < len(new) and unseen[new[position]] <= 0:
            slot.append(take())
        slots.append(slot)
    while position < len(new):
        slots[-1].append(take())
    return slots
