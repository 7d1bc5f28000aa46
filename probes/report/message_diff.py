"""In what two SIP messages differ: start line, header fields one by one, their order, the body line by line."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from enum import Enum
from itertools import zip_longest

from probes.report.message_view import BODY, BodyView, FieldView, MessageView
from probes.report.reading import Pair, pairs_of
from sipcore.value import value

START_LINE = "start line"
HIDDEN_PART = "what is hidden"
"""The label of a difference in credentials or keys, whose values are not shown."""


class Kind(Enum):
    """How two messages differ in one place."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    SPELLED = "spelled differently"
    """The same value: another form or case of the name, other white space, other folds."""
    MOVED = "moved"


@value
class Detail:
    """A part of a value that changed: its label, and what stood there on both sides ("" for nothing)."""

    label: str
    left: str
    right: str


@value
class Difference:
    """One difference. `where` is START_LINE, BODY or the header field's name; `left` and `right` are whole lines.

    Of a header field that moved, they are its places among all header fields, counted from 1.
    """

    kind: Kind
    where: str
    left: str = ""
    right: str = ""
    details: tuple[Detail, ...] = ()


def differences(left: MessageView, right: MessageView) -> tuple[Difference, ...]:
    """All differences, in the order of the left message; what only the right one has comes after what it replaces."""
    return (*_start_lines(left, right), *_all_fields(left.fields, right.fields), *_bodies(left.body, right.body))


def _start_lines(left: MessageView, right: MessageView) -> Iterator[Difference]:
    if left.start_line != right.start_line:
        details = _details(pairs_of(left.start), pairs_of(right.start)) if left.kind == right.kind else ()
        yield Difference(Kind.CHANGED, START_LINE, left.start_line, right.start_line, details)


def _all_fields(left: Sequence[FieldView], right: Sequence[FieldView]) -> Iterator[Difference]:
    pairs, removed, added = _paired(left, right)
    for at in sorted({*pairs, *removed}):
        if at in pairs:
            yield from _fields(left[at], right[pairs[at]])
        else:
            yield Difference(Kind.REMOVED, _name(left[at]), _line(left[at]))
    for at in added:
        yield Difference(Kind.ADDED, _name(right[at]), right=_line(right[at]))
    for at in _moved(pairs):
        yield Difference(Kind.MOVED, _name(left[at]), str(at + 1), str(pairs[at] + 1))


def _paired(left: Sequence[FieldView], right: Sequence[FieldView]) -> tuple[dict[int, int], list[int], list[int]]:
    """Which line of the right message each line of the left one became; the lines that only one of them has.

    Only lines of one kind are paired: first those that are alike, then those between the same two of them.
    """
    pairs: dict[int, int] = {}
    removed: list[int] = []
    added: list[int] = []
    for key in dict.fromkeys(field.key for field in (*left, *right)):
        ours = [at for at, field in enumerate(left) if field.key == key]
        others = [at for at, field in enumerate(right) if field.key == key]
        marks = [left[at].mark for at in ours], [right[at].mark for at in others]
        for _, begin, end, other_begin, other_end in SequenceMatcher(None, *marks).get_opcodes():
            for one, other in zip_longest(ours[begin:end], others[other_begin:other_end]):
                if other is None:
                    removed.append(one)
                elif one is None:
                    added.append(other)
                else:
                    pairs[one] = other
    return pairs, removed, sorted(added)


def _fields(left: FieldView, right: FieldView) -> Iterator[Difference]:
    """How two lines of one kind differ, if they do."""
    if left.mark == right.mark:
        if (left.name, left.raw) != (right.name, right.raw):
            yield Difference(Kind.SPELLED, _name(left), f"{left.name}:{left.raw}", f"{right.name}:{right.raw}")
        return
    details = _details(_pairs(left), _pairs(right))
    if left.text == right.text:
        details = (Detail(HIDDEN_PART, "", ""),)
    yield Difference(Kind.CHANGED, _name(left), _line(left), _line(right), details)


def _pairs(field: FieldView) -> list[Pair]:
    return [pair for tree in field.values for pair in pairs_of(tree)]


def _details(left: list[Pair], right: list[Pair]) -> tuple[Detail, ...]:
    """The parts that differ, by label; the first of a label is compared to the first of it, and so on."""
    if not left or not right or not all(label for label, _ in (*left, *right)):
        return ()
    ours, others = _numbered(left), _numbered(right)
    labels = dict.fromkeys((*ours, *others))
    found = (Detail(label[0], ours.get(label, ""), others.get(label, "")) for label in labels)
    return tuple(detail for detail in found if detail.left != detail.right)


def _numbered(pairs: list[Pair]) -> dict[tuple[str, int], str]:
    """The pairs by label and count; a bare parameter stands for itself."""
    counts: dict[str, int] = {}
    numbered: dict[tuple[str, int], str] = {}
    for label, content in pairs:
        counts[label] = counts.get(label, 0) + 1
        numbered[label, counts[label]] = content or "present"
    return numbered


def _moved(pairs: dict[int, int]) -> list[int]:
    """The fewest lines of the left message whose moving explains the order of the right one.

    The others are a longest increasing subsequence of places, found by patience sorting.
    """
    tops: list[int] = []
    lines: list[int] = []
    before: dict[int, int | None] = {}
    for at in sorted(pairs):
        pile = bisect_left(tops, pairs[at])
        before[at] = lines[pile - 1] if pile else None
        tops[pile : pile + 1] = [pairs[at]]
        lines[pile : pile + 1] = [at]
    kept = set()
    at_end = lines[-1] if lines else None
    while at_end is not None:
        kept.add(at_end)
        at_end = before[at_end]
    return [at for at in sorted(pairs) if at not in kept]


def _bodies(left: BodyView | None, right: BodyView | None) -> Iterator[Difference]:
    if left is None or right is None or left.lines is None or right.lines is None:
        if left is not None or right is not None:
            same = left is not None and right is not None and left.marks == right.marks
            yield from () if same else (_body_difference(_summary(left), _summary(right)),)
        return
    for tag, begin, end, other_begin, other_end in SequenceMatcher(None, left.marks, right.marks).get_opcodes():
        if tag != "equal":
            for one, other in zip_longest(left.lines[begin:end], right.lines[other_begin:other_end]):
                yield _body_difference(one, other)


def _body_difference(left: str | None, right: str | None) -> Difference:
    kind = Kind.ADDED if left is None else Kind.REMOVED if right is None else Kind.CHANGED
    details = (Detail(HIDDEN_PART, "", ""),) if left == right else ()
    return Difference(kind, BODY, left or "", right or "", details)


def _summary(body: BodyView | None) -> str | None:
    return None if body is None else f"{body.size} bytes of {body.media_type or 'no type'}"


def _name(field: FieldView) -> str:
    return field.header or field.name


def _line(field: FieldView) -> str:
    return f"{field.name}: {field.text}" if field.name else field.text
