"""A SIP message for people: each line as it is, what it says below it, then all that is unusual or wrong.

Readable at 80 columns and without colour.
"""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from probes.report.message_diff import Difference, Kind
from probes.report.message_view import REQUEST, BodyView, Fault, FieldView, MessageView
from probes.report.reading import Pair, pairs_of
from probes.report.safe_text import printable
from probes.report.sdp_words import description_lines

WIDTH = 80
SEPARATOR = " · "
READING = "    "
"""What stands before the reading of a line, and before what is wrong with it."""
CONTEXT = 32
"""Characters shown before the one at fault; with those after it they fit into a line."""

MAX_SHOWN = 16384
"""Characters of one line that are shown: all that a header field may have, but not of a body in one line."""

_JOINT = "\N{NO-BREAK SPACE}"
"""Stands for a space at which no line may end; text that is `printable` has none."""

BOLD, READ, UNUSUAL, WRONG, ADDED, PLAIN = "bold", "dim", "yellow", "red", "green", ""


def message_lines(view: MessageView, width: int = WIDTH) -> Iterator[Text]:
    """The whole message."""
    yield from _wrapped(view.start_line, width, BOLD)
    if view.kind == REQUEST:
        yield from _reading(pairs_of(view.start), width)
    for field in view.fields:
        yield from _field_lines(field, width)
    if view.body is not None:
        yield Text()
        yield from _body_lines(view.body, width)
    yield Text()
    yield from problem_lines(view, width)
    yield from _wrapped(_summary(view), width, BOLD)


def problem_lines(view: MessageView, width: int = WIDTH) -> Iterator[Text]:
    """The deviations, then the errors with the place of each."""
    for noted in view.noted:
        section, text = noted.deviation.section, noted.deviation.text
        yield from _wrapped(f"deviation: {noted.where}: {text} [{section}]", width, UNUSUAL)
    for fault in view.faults:
        yield from _fault_lines(fault, width)


def difference_lines(found: Sequence[Difference], width: int = WIDTH) -> Iterator[Text]:
    """In what two messages differ: lines of the left one after a minus, those of the right one after a plus."""
    for difference in found:
        yield from _difference_lines(difference, width)
    counts = Counter(difference.kind.value for difference in found)
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    yield from _wrapped(f"{_count(len(found), 'difference')}: {told}" if found else "no differences", width, BOLD)


def _difference_lines(difference: Difference, width: int) -> Iterator[Text]:
    kind = difference.kind
    if kind is Kind.MOVED:
        text = f"~ {difference.where}: moved from place {difference.left} to place {difference.right}"
        yield from _wrapped(text, width, UNUSUAL)
        return
    if kind is not Kind.ADDED:
        yield from _wrapped(f"- {difference.left}", width, WRONG)
    if kind is not Kind.REMOVED:
        yield from _wrapped(f"+ {difference.right}", width, ADDED)
    for detail in difference.details:
        change = f" {detail.left or '(nothing)'} → {detail.right or '(nothing)'}" if detail.left or detail.right else ""
        yield from _wrapped(f"{READING}{detail.label}{change or ' differs'}", width, READ)
    if kind is Kind.SPELLED:
        yield Text(f"{READING}{kind.value}, with the same value", READ)


def _field_lines(field: FieldView, width: int) -> Iterator[Text]:
    yield from _wrapped(f"{field.name}: {field.text}" if field.name else field.text, width, PLAIN)
    for tree in field.values:
        pairs = pairs_of(tree)
        if len(pairs) > 1:
            yield from _reading(pairs, width)
    if field.problem:
        yield from _wrapped(f"{READING}! {field.problem}", width, WRONG)


def _reading(pairs: Iterable[Pair], width: int) -> Iterator[Text]:
    """Labels and what they stand for, as many in a line as it holds."""
    line = ""
    for label, content in pairs:
        piece = printable(f"{label} {content}".strip())
        if line and len(READING) + len(line) + len(SEPARATOR) + len(piece) > width:
            yield from _wrapped(READING + line, width, READ)
            line = ""
        line += SEPARATOR + piece if line else piece
    yield from _wrapped(READING + line, width, READ)


def _body_lines(body: BodyView, width: int) -> Iterator[Text]:
    yield Text(printable(f"{body.size} bytes of {body.media_type or 'no type'}"), BOLD)
    for line in body.lines or ():
        yield from _wrapped(line, width, PLAIN)
    if body.lines is None:
        yield Text(f"{READING}not text", READ)
    if body.description is not None:
        for line in description_lines(body.description):
            yield from _wrapped(READING + line, width, READ)


def _fault_lines(fault: Fault, width: int) -> Iterator[Text]:
    place = f"{fault.where}, byte {fault.position}" if fault.position is not None else fault.where
    yield from _wrapped(f"error: {place}: {fault.message} [{fault.section}]", width, WRONG)
    if fault.text:
        line = fault.text[: fault.offset].rpartition("\n")[2]
        before = printable(line[-CONTEXT:])
        after = printable(fault.text[fault.offset :].partition("\r\n")[0][:width])
        room = width - len(READING)
        yield Text(READING + (before + after)[:room])
        yield Text(READING + " " * min(len(before), room - 1) + "^", WRONG)


def _summary(view: MessageView) -> str:
    counts = f"{_count(len(view.noted), 'deviation')}, {_count(len(view.faults), 'error')}"
    if not view.is_message:
        return f"not a SIP message: {view.size} bytes, {counts}"
    fields, body = _count(len(view.fields), "header field"), view.body.size if view.body else 0
    return f"a {view.kind} of {view.size} bytes: {fields}, {body} bytes of body, {counts}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _wrapped(text: str, width: int, style: str) -> Iterator[Text]:
    """`text` in lines of at most `width` characters, those after the first indented a little deeper."""
    shown = printable(text[:MAX_SHOWN])
    if len(text) > MAX_SHOWN:
        shown += f" (and {len(text) - MAX_SHOWN} characters more)"
    if len(shown) <= width:
        yield Text(shown, style)
        return
    indent = " " * (len(shown) - len(shown.lstrip(" ")) + 2)
    whole = shown.replace("[RFC ", f"[RFC{_JOINT}").replace(" §", f"{_JOINT}§")
    for line in textwrap.wrap(whole, width, subsequent_indent=indent, break_on_hyphens=False):
        yield Text(line.replace(_JOINT, " "), style)


def plain(lines: Iterable[Text]) -> str:
    """The lines as one text, without colour."""
    return "".join(f"{line.plain}\n" for line in lines)
