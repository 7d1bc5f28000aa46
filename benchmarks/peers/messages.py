"""The messages that parsers are timed with, and what a right reading of each gives.

`fixtures/messages/NAME.sip` is the message as it crosses the wire, `NAME.json` what stands in it: the eight values of
the route level, and every header field in the plain form that each adapter translates its own types into.

A parser is never timed with one message over and over: each message comes in variants that differ in branch, tags and
Call-ID, as traffic does, so that a cache of whole values wins nothing.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

FOLDER = Path(__file__).parents[2] / "fixtures" / "messages"

NAMES = ("options", "options_200", "invite", "invite_407")

VARIANTS = 32
"""How many variants of a message one pass reads."""

_SPACED_SEPARATOR = re.compile(r"\s*([;=])\s*")

VARIED = ("branch", "from_tag", "to_tag", "call_id")

Plain: TypeAlias = "int | str | list[Plain] | dict[str, Plain] | None"
"""What JSON can hold: the form in which the readings of different libraries are compared."""

Route: TypeAlias = "tuple[object, object, str | None, str | None, str | None, str, int, str]"
"""Method and Request-URI or status and reason, top branch, From tag, To tag, Call-ID, CSeq number, CSeq method."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message in one variant: its bytes, the route that a right reader finds, and its header fields in plain form."""

    name: str
    data: bytes
    route: Route
    headers: dict[str, list[Plain]]

    @property
    def raw(self) -> dict[str, list[str]]:
        """The header fields as text, by their names in lower case, one item for each line."""
        return raw_headers(self.data)[1]


def load(name: str) -> list[Message]:
    """The variants of the message `name`, all of one size."""
    data = (FOLDER / f"{name}.sip").read_bytes()
    reading = (FOLDER / f"{name}.json").read_text()
    values = {json.loads(reading)["route"][key] for key in VARIED} - {None}
    return [_variant(name, data.decode(), reading, values, number) for number in range(VARIANTS)]


def _variant(name: str, data: str, reading: str, values: set[str], number: int) -> Message:
    for value in sorted(values):
        other = f"{value[:-4]}{number:04x}"
        data, reading = data.replace(value, other), reading.replace(value, other)
    told = json.loads(reading)
    route = told["route"]
    key: Route = (*route["start"], *(route[each] for each in VARIED), *route["cseq"])
    return Message(name=name, data=data.encode(), route=key, headers=told["headers"])


class WrongReading(Exception):
    """A reader, or a writer, that says something else than the message does."""


def check_route(message: Message, read: Route) -> None:
    """Raise WrongReading unless `read` is the route of `message`."""
    for name, expected, found in zip(("start", "start", *VARIED, "cseq", "cseq"), message.route, read, strict=True):
        if str(found) != str(expected):
            raise WrongReading(f"reads {name} as {found}, not {expected}")


def check_headers(message: Message, read: dict[str, Plain]) -> set[str]:
    """The names of the header fields that are in `read` as what they are, and not just as text.

    A field that is missing or left as text is not wrong; one that says something else raises WrongReading.
    """
    typed = set()
    for name, expected in message.headers.items():
        found = read.get(name)
        if found == expected or [found] == expected:
            typed.add(name)
        elif found is not None and not _is_text(found, message.raw[name.lower()]):
            raise WrongReading(f"reads {name} as {found}, not {expected}")
    return typed


def _is_text(found: Plain, lines: list[str]) -> bool:
    return found in (lines, *lines, [item for line in lines for item in split_list(line)])


def check_wire(message: Message, written: bytes) -> None:
    """Raise WrongReading unless `written` says what `message` says.

    What RFC 3261 §7.3.1 leaves free may differ: the case of names, the order of unlike fields, one line or several for
    a list, white space around separators, quotes around a display name.
    """
    start, headers, body = raw_headers(message.data)
    written_start, written_headers, written_body = raw_headers(written)
    if written_start != start:
        raise WrongReading(f"writes the start line as {written_start}")
    if written_body != body:
        raise WrongReading("writes another body")
    for name in headers | written_headers:
        lines = written_headers.get(name, ["nothing"])
        if _canonical(lines) != _canonical(headers.get(name, [])):
            raise WrongReading(f"writes {name} as {', '.join(lines)}")


def _canonical(lines: list[str]) -> list[str]:
    items = []
    for item in (item for line in lines for item in split_list(line)):
        display, angle, rest = item.partition("<")
        items.append(display.strip().strip('"') + angle + rest if angle else _SPACED_SEPARATOR.sub(r"\1", item))
    return items


def raw_headers(data: bytes) -> tuple[str, dict[str, list[str]], str]:
    """Start line, values of the header fields by their names in lower case, and body; no field may be folded."""
    head, _, body = data.decode().partition("\r\n\r\n")
    start, *lines = head.split("\r\n")
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, text = line.partition(":")
        headers.setdefault(name.strip().lower(), []).append(text.strip())
    return start, headers, body


def split_list(line: str) -> list[str]:
    """The items of a comma-separated value; commas inside quotes or angle brackets do not separate."""
    items, quoted, angled = [""], False, False
    for character in line:
        if character == '"':
            quoted = not quoted
        elif character in "<>" and not quoted:
            angled = character == "<"
        if character == "," and not quoted and not angled:
            items.append("")
        else:
            items[-1] += character
    return [item.strip() for item in items]
