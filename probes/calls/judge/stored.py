"""The facts of a test call out of its stored result, the JSON of `sipprobe call --json`, of this version or another.

Whatever is missing in it, or is of another form, is not known; what is there is not trusted to be ours.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

from probes.calls.judge.facts import JUMP, CallFacts, MediaFacts, read, was_closed
from probes.result import CallKind, CallRole
from sipcore.errors import LocalError, ParseError
from sipcore.media.report import MediaEventKind
from sipcore.message.uri import parse_hostport
from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.trace import Direction, MessageTrace

Data: TypeAlias = dict[str, Any]
_KINDS = {kind.value: kind for kind in CallKind}
_DIRECTIONS = {direction.value: direction for direction in Direction}
_TRANSPORTS = {transport.value.lower(): transport for transport in Transport}
_SECTION = "RFC 8259 §2"


def facts_of_data(data: object) -> CallFacts:
    """The facts of what `call_json.call_data` wrote. Raises LocalError for what is no test call at all."""
    if not isinstance(data, dict) or not isinstance(data.get("timeline"), list):
        raise LocalError("the JSON is not the result of a test call: it has no timeline", section=_SECTION)
    timeline = [entry for entry in data["timeline"] if isinstance(entry, dict)]
    records = list(_records(timeline))
    media = data.get("media")
    kind = _KINDS.get(_text(data.get("kind")))
    return CallFacts(
        list(read((record, record.direction is Direction.SENT) for record in records)),
        _media(media, timeline, _number(data.get("answer_time_ms"))) if isinstance(media, dict) else None,
        kind=kind,
        why=_text(data.get("why")),
        authentication=_text(data.get("authentication")),
        ended_by=_text(data.get("ended_by")),
        media_problem=_text(data.get("media_problem")),
        given_up=any(entry.get("label") == "given up" for entry in timeline),
        role=CallRole.CALLEE if data.get("role") == CallRole.CALLEE.value else CallRole.CALLER,
    )


def _records(timeline: list[Data]) -> Iterator[MessageTrace]:
    for entry in timeline:
        message, direction = entry.get("message"), _DIRECTIONS.get(_text(entry.get("direction")))
        if not isinstance(message, dict) or direction is None:
            continue
        local, remote = _address(message.get("local")), _address(message.get("remote"))
        transport = _TRANSPORTS.get(_text(message.get("transport")))
        if local is None or remote is None or transport is None:
            continue
        text = _text(message.get("text")).encode("utf-8", "surrogatepass")
        at = (_number(entry.get("offset_ms")) or 0.0) / 1000
        yield MessageTrace(at, direction, Flow(transport, local, remote), text, attempt=_count(message.get("attempt")))


def _media(media: Data, timeline: list[Data], answered_ms: float | None) -> MediaFacts:
    sent, received, rtcp = _part(media, "sent"), _part(media, "received"), _part(media, "rtcp")
    unexpected, dtmf, heard = _part(media, "unexpected"), _part(media, "dtmf"), _part(media, "heard")
    first, packets = _number(media.get("first_received_ms")), _count(sent.get("packets"))
    kinds = [entry.get("event") for entry in timeline]
    moves = [kind for kind in kinds if kind in (MediaEventKind.STALLED.value, MediaEventKind.RESUMED.value)]
    lost, came = _number(rtcp.get("remote_lost")), max(_count(received.get("packets")), 1)
    elsewhere = [each for each in unexpected.get("elsewhere", []) if isinstance(each, dict)]
    return MediaFacts(
        codec=_text(media.get("codec")),
        ptime=_seconds(media.get("ptime_ms")) or 0.02,
        keying=_text(media.get("keying")),
        suite=_text(media.get("srtp_suite")),
        announced=_address(media.get("announced")),
        remote=_address(media.get("remote")),
        sent=packets,
        sent_seconds=_number(sent.get("seconds")) or 0.0,
        received=_count(received.get("packets")),
        seen_codec=_text(received.get("codec")),
        seen_ptime=_seconds(received.get("ptime_ms")),
        loss=(_number(received.get("loss_percent")) or 0.0) / 100,
        jitter=_jitter(received),
        drift=_number(received.get("drift_ppm")),
        reordered=_count(received.get("reordered")) / came,
        duplicates=_count(received.get("duplicates")) / came,
        longest_gap=_seconds(received.get("longest_gap_ms")) or 0.0,
        restarts=_count(received.get("restarts")),
        reports=_count(rtcp.get("received")),
        reported_loss=None if lost is None else min(max(lost, 0) / max(packets, 1), 1.0),
        round_trip=_seconds(rtcp.get("round_trip_ms")),
        srtp_refused=_count(media.get("srtp_unverified")),
        security_failure=_text(media.get("security_failure")),
        handshakes=_count(unexpected.get("handshakes")),
        checks=_count(unexpected.get("checks")),
        wrong_type=_count(unexpected.get("wrong_type")),
        malformed=_count(unexpected.get("malformed")),
        elsewhere=sum(_count(each.get("packets")) for each in elsewhere),
        late=_count(unexpected.get("after_hang_up")),
        stalled=bool(moves) and moves[-1] == MediaEventKind.STALLED.value,
        unreachable=was_closed(_timed(timeline)),
        digits=_text(dtmf.get("sent")),
        keys=_text(dtmf.get("received")),
        echo=heard.get("echo") is not None if heard else None,
        silence=(_number(heard.get("silence_percent")) or 0.0) / 100 if heard else None,
        first_in=(first - answered_ms) / 1000 if first is not None and answered_ms is not None else None,
        lateness=_seconds(sent.get("lateness_ms")) or 0.0,
        latest=_seconds(sent.get("latest_ms")) or 0.0,
    )


def _timed(timeline: list[Data]) -> list[tuple[str, float]]:
    return [(_text(entry.get("event")), (_number(entry.get("offset_ms")) or 0.0) / 1000) for entry in timeline]


def _jitter(received: Data) -> float:
    peak = _seconds(received.get("peak_jitter_ms")) or 0.0
    return (_seconds(received.get("jitter_ms")) or 0.0) if peak < JUMP else 0.0


def _part(data: Data, name: str) -> Data:
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _number(found: object) -> float | None:
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def _seconds(found: object) -> float | None:
    number = _number(found)
    return None if number is None else number / 1000


def _count(found: object) -> int:
    return found if isinstance(found, int) and found >= 0 else 0


def _address(found: object) -> SocketAddress | None:
    try:
        host, port = parse_hostport(_text(found), _text(found))
    except ParseError:
        return None
    return SocketAddress(host.strip("[]"), port) if port is not None else None
