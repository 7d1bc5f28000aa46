"""A call as a ladder: who took part, and what passed between them in which order. Pictures are drawn from it."""

from collections.abc import Sequence
from enum import Enum

from probes.report.call_text import media_lines
from probes.report.packets import covered
from probes.report.safe_text import cover_uris, encodable, printable
from probes.result import CallMedia, TimelineEntry
from sipcore.media.report import Control, MediaEventKind
from sipcore.trace import Direction, MessageTrace
from sipcore.value import value

HERE = "sipprobe"
"""The name of this end, which stands on the left."""
MAX_PARTICIPANTS = 16
"""Life lines: a call through a few proxies has half as many. Whoever comes later shares the last one."""
OTHERS = "others"
"""The name of that one."""


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
    again: int
    """Which retransmission it is; 0 for the first time."""
    text: str
    """The message, credentials covered, fit to be shown."""


@value
class Summary:
    """What became of the streams between here and `target`, told where the last of them ended."""

    offset_ms: float
    lines: tuple[str, ...]
    target: int


@value
class Ladder:
    """The participants, from left to right, and the lines between them in the order of time."""

    participants: tuple[str, ...]
    lines: tuple["Line", ...]


Line = Note | Arrow | Summary


def ladder_of(timeline: Sequence[TimelineEntry], here: str = HERE, media: CallMedia | None = None) -> Ladder:
    """The ladder of a timeline. `here` is the name of this end; empty, the timeline was seen from outside.

    `media` is what became of the audio of the call: a stream each way.
    """
    lanes = {here: 0} if here else {}
    lines: list[Line] = []
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
        places = _place(source, lanes), _place(target, lanes)
        text = "\n".join([_fit(line) for line in covered(record.data).decode("utf-8", "surrogateescape").splitlines()])
        lines.append(Arrow(entry.offset_ms, label, detail, *places, tone_of(label), record.attempt, text))
    if media is not None:
        _summarise(lines, timeline, media)
    return Ladder(tuple(lanes), tuple(lines))


def _place(name: str, lanes: dict[str, int]) -> int:
    """The life line of a participant."""
    if name not in lanes and len(lanes) >= MAX_PARTICIPANTS - 1:
        name = OTHERS
    return lanes.setdefault(name, len(lanes))


def _summarise(lines: list[Line], timeline: Sequence[TimelineEntry], media: CallMedia) -> None:
    """Add what became of the streams, behind the last line that was before their end."""
    begun = next((entry for entry in timeline if entry.event is not None and entry.event.kind in _STREAMS), None)
    streams = [number for number, line in enumerate(lines) if isinstance(line, Arrow) and line.tone is Tone.MEDIA]
    if begun is None or begun.event is None:
        return
    measured = media.measured
    ends = [measured.sent.last_at, measured.received.last_at if measured.received else None]
    ended = max((at for at in ends if at is not None), default=begun.event.at)
    offset_ms = begun.offset_ms + (ended - begun.event.at) * 1000.0
    later = (number for number, line in enumerate(lines) if number > streams[-1] and line.offset_ms > offset_ms)
    told = [line.strip() for line in media_lines(media)]
    told.append(_control_line(measured.control))
    arrow = lines[streams[-1]]
    target = max(arrow.source, arrow.target) if isinstance(arrow, Arrow) else 0
    lines.insert(next(later, len(lines)), Summary(offset_ms, tuple(map(_fit, told)), target))


def _control_line(control: Control) -> str:
    """What RTCP told, in one line."""
    told = f"RTCP: {control.sent} sent, {control.received} received"
    view = control.remote
    return f"{told}; the peer lost {view.lost}, jitter {view.jitter * 1000:.1f} ms" if view else told


_STREAMS = (MediaEventKind.FIRST_SENT, MediaEventKind.FIRST_RECEIVED)


def _stream(offset_ms: float, kind: MediaEventKind, media: CallMedia, lanes: dict[str, int]) -> Arrow:
    """The stream that begins there, in one arrow to or from whom it was agreed on with."""
    measured, remote = media.measured, media.measured.remote
    # Beside the host that signals, where it is the same; else it has a line of its own.
    known = next((lane for name, lane in lanes.items() if lane and f" {remote}".startswith(_host_of(name))), None)
    place = known if known is not None else _place(f"rtp {remote}", lanes)
    text = "\n".join([_fit(line) for line in media_lines(media)])
    label = "SRTP" if measured.suite else "RTP"
    if kind is MediaEventKind.FIRST_SENT:
        detail = f"{measured.sent.packets} packets"
        return Arrow(offset_ms, f"{label} {_fit(media.codec)}", detail, 0, place, Tone.MEDIA, 0, text)
    received = measured.received
    detail = f"{received.packets} packets, {100 * received.loss:.1f} % lost" if received else ""
    return Arrow(offset_ms, f"{label} {_fit(measured.codec)}", detail, place, 0, Tone.MEDIA, 0, text)


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


def tone_of(label: str) -> Tone:
    """What kind of line a message is, by the label of its entry in a timeline."""
    code = label[:3]
    if len(code) == 3 and code.isascii() and code.isdecimal() and code >= "100":  # a method may be digits, too
        return (Tone.PROVISIONAL, Tone.SUCCESS, Tone.REDIRECTION)[int(code[0]) - 1] if code < "400" else Tone.FAILURE
    return Tone.ODD if label == "not SIP" else Tone.REQUEST
