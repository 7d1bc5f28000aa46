"""Test calls out of their stored results, the JSON of `sipprobe call` and `respond`, of this version or another.

Whatever is missing in it, or is of another form, is not known; what is there is not trusted to be ours.
"""

import json
from collections.abc import Iterator
from datetime import datetime

from probes.capture.calls import CapturedCall
from probes.capture.fields import Data, address_of, count_of, number_of, parts_of, seconds_of, text_of
from probes.capture.stored_media import media_of
from probes.destination import Destination, DestinationError
from probes.result import AuthenticationStep, CallEvent, CallKind, CallResult, CallRole, CallStatus, TimelineEntry
from probes.timeline import RECEIVED, SENT
from sipcore.auth.choice import MAX_DESCRIBED
from sipcore.errors import LocalError, ParseError
from sipcore.media.report import MediaEvent, MediaEventKind
from sipcore.message.parser import parse_message
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport, is_numeric
from sipcore.trace import Direction, MessageTrace, TransitionTrace

_DIRECTIONS = {direction.value: direction for direction in Direction}
_ARROWS = {Direction.SENT: SENT, Direction.RECEIVED: RECEIVED}
_TRANSPORTS = {transport.value.lower(): transport for transport in Transport}
_STATUSES = {status.value: status for status in CallStatus}
_KINDS = {kind.value: kind for kind in CallKind}
_EVENTS = {kind.value: kind for kind in MediaEventKind}
_SECTION = "RFC 8259 §2"
UNKNOWN = "unknown"
"""The host of a destination that cannot be read."""


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
    return [_entry(entry) for entry in parts_of(data, "timeline")]


def result_of(data: Data) -> CallResult:
    """A stored result, its findings left out: they are judged anew from what it says."""
    hop, role = data.get("hop"), data.get("role")
    events = [(text_of(each.get("event")), each) for each in parts_of(data, "events")]
    return CallResult(
        destination=_destination(text_of(data.get("target"))),
        hop=_hop(hop) if isinstance(hop, dict) else None,
        status=_STATUSES.get(text_of(data.get("status")), CallStatus.PENDING),
        kind=kind_of(data) or CallKind.NO_ANSWER,
        why=text_of(data.get("why")),
        advice=text_of(data.get("advice")),
        final_status=count_of(data.get("final_status")) or None,
        reason=text_of(data.get("reason")),
        timeline=tuple(timeline_of(data)),
        post_dial_delay=seconds_of(data.get("post_dial_delay_ms")),
        answer_time=seconds_of(data.get("answer_time_ms")),
        duration=seconds_of(data.get("duration_ms")),
        codec=text_of(data.get("codec")),
        epoch_ns=_began_ns(data.get("began_at")),
        ring_time=seconds_of(data.get("ring_time_ms")),
        events=tuple(CallEvent(name, _offset(each), text_of(each.get("detail"))) for name, each in events),
        media=media_of(data.get("media")),
        media_problem=text_of(data.get("media_problem")),
        ended_by=text_of(data.get("ended_by")),
        authentication=text_of(data.get("authentication")),
        unmet=_unmet(data.get("expectation")),
        role=CallRole.CALLEE if role == CallRole.CALLEE.value else CallRole.CALLER,
        caller=text_of(data.get("caller")),
        called=text_of(data.get("called")),
        invited=seconds_of(data.get("invited_ms")) or 0.0,
        transitions=tuple(_transition(each) for each in parts_of(data, "transitions")),
    )


def kind_of(data: Data) -> CallKind | None:
    """Which kind of ending a stored result had; None where it does not say, or says what is not known here."""
    return _KINDS.get(text_of(data.get("kind")))


def call_of(data: Data) -> CapturedCall:
    """A stored result as a call among others that were captured, with everything else that is known of it."""
    result = result_of(data)
    is_ours = isinstance(data.get("target"), str) and text_of(data.get("status")) in _STATUSES
    call = CapturedCall(
        "", result.epoch_ns, media=result.media, lines=result.timeline, result=result if is_ours else None
    )
    for entry in result.timeline:
        if isinstance(entry.record, MessageTrace):
            try:
                call.take(parse_message(entry.record.data), entry.record)
            except ParseError:
                call.records.append(entry.record)
    return call


def _destination(target: str) -> Destination:
    try:
        return Destination.parse(target)
    except DestinationError:
        return Destination(UNKNOWN)


def _hop(hop: Data) -> Hop | None:
    transport = _TRANSPORTS.get(text_of(hop.get("transport")))
    host, port = text_of(hop.get("address")), count_of(hop.get("port"))
    if transport is None or not host:
        return None
    path, why = text_of(hop.get("path")), text_of(hop.get("why"))
    return Hop(transport, SocketAddress(host, port), address_of(hop.get("local")), path=path, why=why)


def _unmet(found: object) -> str | None:
    """What was different from what had been expected; as `CallResult` has it."""
    return text_of(found.get("difference")) if isinstance(found, dict) else None


def _transition(step: Data) -> TransitionTrace:
    names = ("machine", "transaction", "input", "before", "after", "call_id", "local_tag", "remote_tag")
    told = [text_of(step.get(name)) for name in names]
    return TransitionTrace(_offset(step) / 1000, *told)


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
    happened, detail = _EVENTS.get(text_of(entry.get("event"))), text_of(entry.get("detail"))
    return TimelineEntry(
        _offset(entry),
        text_of(entry.get("label")),
        detail,
        _ARROWS[direction] if direction else "",
        entry.get("kernel_stamped") is True,
        _record(entry, direction) if direction else None,
        MediaEvent(_offset(entry) / 1000, happened, detail) if happened else None,
        _step(entry.get("authentication")),
    )


def _step(found: object) -> AuthenticationStep | None:
    if not isinstance(found, dict):
        return None
    schemes = found.get("schemes")
    return AuthenticationStep(
        text_of(found.get("realm")),
        found.get("proxy") is True,
        tuple(map(text_of, schemes[:MAX_DESCRIBED])) if isinstance(schemes, list) else (),
        found.get("step") == "credentials",
        text_of(found.get("again")),
    )


def _offset(entry: Data) -> float:
    return number_of(entry.get("offset_ms")) or 0.0


def _record(entry: Data, direction: Direction) -> MessageTrace | None:
    message = entry.get("message")
    if not isinstance(message, dict):
        return None
    local, remote = address_of(message.get("local")), address_of(message.get("remote"))
    transport = _TRANSPORTS.get(text_of(message.get("transport")))
    if local is None or remote is None or transport is None:
        return None
    if not is_numeric(local.host) or not is_numeric(remote.host):  # packets have addresses
        return None
    text = text_of(message.get("text")).encode("utf-8", "surrogatepass")
    kernel, again = entry.get("kernel_stamped") is True, count_of(message.get("attempt"))
    return MessageTrace(_offset(entry) / 1000, direction, Flow(transport, local, remote), text, kernel, again)


def _began_ns(found: object) -> int:
    """Nanoseconds from 1970; 0 where nobody knows when it was."""
    try:
        return round(datetime.fromisoformat(text_of(found)).timestamp() * 1e6) * 1000
    except (ValueError, OverflowError):
        return 0
