"""A call as a ladder: who took part, and what passed between them in which order. Pictures are drawn from it."""

from collections.abc import Sequence
from enum import Enum

from probes.report.call_text import media_lines
from probes.report.packets import covered
from probes.report.safe_text import cover_uris, encodable, printable
from probes.result import CallMedia, TimelineEntry
from sipcore.media.report import MediaEventKind
from sipcore.trace import Direction, MessageTrace
from sipcore.value import value

HERE = "sipprobe"
"""The name of this end, which stands on the left."""


class Tone(Enum):
    """What kind of line it is, which is its colour."""

    REQUEST = "request"
    PROVISIONAL = "provisional"
    SUCCESS = "success"
    REDIRECTION = "redirection"
    FAILURE = "failure"
    MEDIA = "media"
    """A stream of RTP, drawn where its first packet was."""
    ODD = "odd"
    """Neither a request nor a response that can be read."""


@value
class Note:
    """Something that happened at this end alone: DNS, a connection, the call's beginning and end."""

    offset_ms: float
    label: str
    detail: str


@value
class Arrow:
    """A message: `source` and `target` are places among the participants."""

    offset_ms: float
    label: str
    detail: str
    source: int
    target: int
    tone: Tone
    again: bool
    """Whether it is a retransmission."""
    text: str
    """The message, credentials covered, fit to be shown."""


@value
class Ladder:
    """The participants, from left to right, and the lines between them in the order of time."""

    participants: tuple[str, ...]
    lines: tuple[Note | Arrow, ...]


def ladder_of(timeline: Sequence[TimelineEntry], here: str = HERE, media: CallMedia | None = None) -> Ladder:
    """The ladder of a timeline. `here` is the name of this end; empty, the timeline was seen from outside.

    `media` is what became of the audio of the call: a stream each way.
    """
    lanes = {here: 0} if here else {}
    lines: list[Note | Arrow] = []
    for entry in timeline:
        label, detail = _fit(entry.label), _fit(cover_uris(entry.detail))
        if media is not None and entry.event is not None and entry.event.kind in _STREAMS:
            lines.append(_stream(entry.offset_ms, entry.event.kind, media, lanes))
            continue
        if not isinstance(entry.record, MessageTrace):
            lines.append(Note(entry.offset_ms, label, detail))
            continue
        record = entry.record
        ends = (here, _hop(record)) if here else _hosts(record)
        source, target = ends if record.direction is Direction.SENT else ends[::-1]
        places = lanes.setdefault(source, len(lanes)), lanes.setdefault(target, len(lanes))
        text = "\n".join([_fit(line) for line in covered(record.data).decode("utf-8", "surrogateescape").splitlines()])
        lines.append(Arrow(entry.offset_ms, label, detail, *places, _tone(label), record.attempt > 0, text))
    return Ladder(tuple(lanes), tuple(lines))


_STREAMS = (MediaEventKind.FIRST_SENT, MediaEventKind.FIRST_RECEIVED)


def _stream(offset_ms: float, kind: MediaEventKind, media: CallMedia, lanes: dict[str, int]) -> Arrow:
    """The stream that begins there, in one arrow to or from whom it was agreed on with."""
    measured, remote = media.measured, media.measured.remote
    # Beside the host that signals, where it is the same; else it has a line of its own.
    known = next((lane for name, lane in lanes.items() if lane and f" {remote}".startswith(_host_of(name))), None)
    place = known if known is not None else lanes.setdefault(f"rtp {remote}", len(lanes))
    text = "\n".join([_fit(line) for line in media_lines(media)])
    label = "SRTP" if measured.suite else "RTP"
    if kind is MediaEventKind.FIRST_SENT:
        detail = f"{measured.sent.packets} packets"
        return Arrow(offset_ms, f"{label} {_fit(media.codec)}", detail, 0, place, Tone.MEDIA, False, text)
    received = measured.received
    detail = f"{received.packets} packets, {100 * received.loss:.1f} % lost" if received else ""
    return Arrow(offset_ms, f"{label} {_fit(measured.codec)}", detail, place, 0, Tone.MEDIA, False, text)


def _host_of(lane: str) -> str:
    """The host in the name of a lane, a space before it and the colon of its port behind it."""
    return f" {lane.partition(' ')[2].rpartition(':')[0]}:"


def _hop(record: MessageTrace) -> str:
    return f"{record.flow.transport.value.lower()} {record.flow.remote}"


def _hosts(record: MessageTrace) -> tuple[str, str]:
    """How both ends are called where neither is this one: by their hosts, unless it is the same."""
    local, remote = record.flow.local, record.flow.remote
    return (local.host, remote.host) if local.host != remote.host else (str(local), str(remote))


def _fit(text: str) -> str:
    return printable(encodable(text))


def _tone(label: str) -> Tone:
    code = label[:3]
    if code.isdecimal():
        return (Tone.PROVISIONAL, Tone.SUCCESS, Tone.REDIRECTION)[int(code[0]) - 1] if code < "400" else Tone.FAILURE
    return Tone.ODD if label == "not SIP" else Tone.REQUEST
