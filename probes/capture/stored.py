"""Test calls out of their stored results, the JSON of `sipprobe call` and `respond`, of this version or another.

Whatever is missing in it, or is of another form, is not known; what is there is not trusted to be ours.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, TypeAlias

from probes.capture.calls import CapturedCall
from probes.result import TimelineEntry
from probes.timeline import RECEIVED, SENT
from sipcore.errors import LocalError, ParseError
from sipcore.message.parser import parse_message
from sipcore.message.uri import parse_hostport
from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.trace import Direction, MessageTrace

Data: TypeAlias = dict[str, Any]
MAX_NUMBER = 1e12
"""Milliseconds, packets, octets: none comes near it, and times beyond it cannot be written as dates."""
_DIRECTIONS = {direction.value: direction for direction in Direction}
_ARROWS = {Direction.SENT: SENT, Direction.RECEIVED: RECEIVED}
_TRANSPORTS = {transport.value.lower(): transport for transport in Transport}
_SECTION = "RFC 8259 §2"


def is_stored(text: bytes) -> bool:
    """Whether a file may hold stored results: whether it is JSON, by how it begins."""
    return text.lstrip()[:1] in (b"{", b"[")


def results_in(text: bytes) -> list[Data]:
    """The test calls of a file: JSON objects, alone, in a list, or one in each line, among which others may stand.

    Raises LocalError for what is no JSON, or has no test call in it.
    """
    found = [result for one in _objects(text) for result in _results(one)]
    if not found:
        raise LocalError("the JSON is not the result of a test call: it has no timeline", section=_SECTION)
    return found


def timeline_of(data: Data) -> list[TimelineEntry]:
    """The lines of a stored result's story, each message as a trace record."""
    return [_entry(entry) for entry in data["timeline"] if isinstance(entry, dict)]


def call_of(data: Data) -> CapturedCall:
    """A stored result as a call that somebody captured, with everything else that its timeline tells."""
    timeline = timeline_of(data)
    call = CapturedCall("", _began_ns(data.get("began_at")), lines=timeline)
    for entry in timeline:
        if isinstance(entry.record, MessageTrace):
            try:
                call.take(parse_message(entry.record.data), entry.record)
            except ParseError:
                call.records.append(entry.record)
    return call


def _objects(text: bytes) -> Iterator[Data]:
    try:
        try:
            found = [json.loads(text)]
        except json.JSONDecodeError:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise LocalError(f"it is no JSON: {error}", section=_SECTION) from error
    return (one for each in found for one in (each if isinstance(each, list) else [each]) if isinstance(one, dict))


def _results(one: Data) -> Iterator[Data]:
    for found in (one, one.get("result")):  # the latter in what `respond` tells of a call
        if isinstance(found, dict) and isinstance(found.get("timeline"), list):
            yield found


def _entry(entry: Data) -> TimelineEntry:
    direction = _DIRECTIONS.get(text_of(entry.get("direction")))
    return TimelineEntry(
        number_of(entry.get("offset_ms")) or 0.0,
        text_of(entry.get("label")),
        text_of(entry.get("detail")),
        _ARROWS[direction] if direction else "",
        entry.get("kernel_stamped") is True,
        _record(entry, direction) if direction else None,
    )


def _record(entry: Data, direction: Direction) -> MessageTrace | None:
    message = entry.get("message")
    if not isinstance(message, dict):
        return None
    local, remote = address_of(message.get("local")), address_of(message.get("remote"))
    transport = _TRANSPORTS.get(text_of(message.get("transport")))
    if local is None or remote is None or transport is None:
        return None
    text = text_of(message.get("text")).encode("utf-8", "surrogatepass")
    at = (number_of(entry.get("offset_ms")) or 0.0) / 1000
    return MessageTrace(at, direction, Flow(transport, local, remote), text, attempt=count_of(message.get("attempt")))


def _began_ns(found: object) -> int:
    """Nanoseconds from 1970; 0 where nobody knows when it was."""
    try:
        return round(datetime.fromisoformat(text_of(found)).timestamp() * 1e6) * 1000
    except (ValueError, OverflowError):
        return 0


def text_of(found: object) -> str:
    """A text that was stored; empty for what is none."""
    return found if isinstance(found, str) else ""


def number_of(found: object) -> float | None:
    """A number that was stored; None for what is none, or beyond all bounds."""
    if not isinstance(found, int | float) or isinstance(found, bool) or not -MAX_NUMBER < found < MAX_NUMBER:
        return None
    return float(found)


def count_of(found: object) -> int:
    """How many of something there were, as stored; 0 for what is no such number."""
    return found if isinstance(found, int) and 0 <= found < MAX_NUMBER else 0


def address_of(found: object) -> SocketAddress | None:
    """An address with its port, as stored; None for what is none."""
    try:
        host, port = parse_hostport(text_of(found), text_of(found))
    except ParseError:
        return None
    return SocketAddress(host.strip("[]"), port) if port is not None else None
