"""A call as a ladder: who took part, and what passed between them in which order. Pictures are drawn from it.

Where the call comes from does not matter: one that goes on (line by line, by `Drawing`), one that is over, the stored
result of one, or somebody's capture.
"""

from collections.abc import Sequence
from enum import Enum

from probes.calls.judge.said import description_in, place_of
from probes.report.call_text import media_lines, thousandths
from probes.report.packets import covered
from probes.report.safe_text import printable
from probes.result import CallMedia, TimelineEntry
from sipcore.covering import cover_uris
from sipcore.errors import ParseError
from sipcore.media.report import Control, MediaEvent, MediaEventKind
from sipcore.message.parser import parse_message
from sipcore.sdp.terms import SDP
from sipcore.trace import Direction, MessageTrace
from sipcore.value import value

HERE = "sipprobe"
"""The name of this end, which stands on the left."""
MAX_PARTICIPANTS = 16
"""Life lines: a call through a few proxies has half as many. Whoever comes later shares the last one."""
OTHERS = "others"
"""The name of that one."""
EXACT = 3
"""Digits of a millisecond that count: what is stored has as many, and is drawn as it was when it happened."""
_STREAMS = (MediaEventKind.FIRST_SENT, MediaEventKind.FIRST_RECEIVED)
"""What happens to media that a stream is drawn for."""


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

    @property
    def repeated(self) -> str:
        """That it is a retransmission, and which; empty for the first time."""
        return f"retransmission {self.again}" if self.again else ""

    @property
    def plain_detail(self) -> str:
        """The detail, but for what `repeated` tells anyway."""
        return self.detail.removesuffix(f"({self.repeated})").rstrip()


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
    drawing = Drawing(here, media)
    lines: list[Line] = [drawing.line_of(entry) for entry in timeline]
    if media is not None:
        _summarise(lines, media)
    return Ladder(drawing.participants, tuple(lines))


class Drawing:
    """A ladder while it grows, line by line. The arguments are those of `ladder_of`."""

    def __init__(self, here: str = HERE, media: CallMedia | None = None) -> None:
        self._here = here
        self._media = media
        self._lanes: dict[str, int] = {here: 0} if here else {}
        self._hosts: dict[int, str] = {}
        self._ends: tuple[int, int] | None = None
        """The life lines of those who signal: of this side, and of the other one where the call is now; seen from
        outside, of those who signalled first.
        """
        self._streamed = ""
        """Where the peer has its media, as far as it was told."""

    @property
    def participants(self) -> tuple[str, ...]:
        """Who took part so far, from left to right."""
        return tuple(self._lanes)

    def line_of(self, entry: TimelineEntry) -> Note | Arrow:
        """The next line: an arrow for a message, and for the beginning of a stream; a note for all else."""
        offset_ms = round(entry.offset_ms, EXACT)
        if entry.event is not None and entry.event.kind in _STREAMS:
            stream = self._stream(offset_ms, entry.event)
            if stream is not None:
                return stream
        label, detail = printable(entry.label), printable(cover_uris(entry.detail))
        if not isinstance(entry.record, MessageTrace):
            return Note(offset_ms, label, detail)
        record = entry.record
        source, target = self._ends_of(record)
        if self._media is None and record.direction is Direction.RECEIVED:
            self._streamed = _announced(record) or self._streamed
        text = "\n".join(
            [printable(line) for line in covered(record.data).decode("utf-8", "surrogateescape").splitlines()]
        )
        return Arrow(offset_ms, label, detail, source, target, tone_of(label), record.attempt, text)

    def _ends_of(self, record: MessageTrace) -> tuple[int, int]:
        """The life lines that a message goes from and to."""
        local, remote = record.flow.local, record.flow.remote
        sent = record.direction is Direction.SENT
        if self._here:
            place = self._place(f"{record.flow.transport.value.lower()} {remote}", remote.host)
            ends = 0, place
        else:  # by their hosts, unless it is the same
            known = [str(local), str(remote)] if local.host == remote.host else [local.host, remote.host]
            names = known if sent else known[::-1]
            hosts = dict(zip(known, (local.host, remote.host), strict=True))
            places = {name: self._place(name, hosts[name]) for name in names}  # who sends comes first
            ends = places[known[0]], places[known[1]]
        if self._here or self._ends is None:  # a call that moves on has its media where it was answered
            self._ends = ends
        return ends if sent else ends[::-1]

    def _place(self, name: str, host: str) -> int:
        """The life line of a participant."""
        if name not in self._lanes and len(self._lanes) >= MAX_PARTICIPANTS - 1:
            name, host = OTHERS, ""
        lane = self._lanes.setdefault(name, len(self._lanes))
        self._hosts.setdefault(lane, host)
        return lane

    def _stream(self, offset_ms: float, event: MediaEvent) -> Arrow | None:
        """The stream that begins there, in one arrow; None where nobody knows between whom."""
        media, sent = self._media, event.kind is MediaEventKind.FIRST_SENT
        if media is not None:
            self._streamed = str(media.measured.remote)
        elif sent:
            self._streamed = event.detail
        if not self._streamed or (not self._here and media is None):
            return None
        local = 0 if self._here or media is None else self._beside(str(media.local), 0)
        remote = self._beside(self._streamed, 1, local)
        ends = (local, remote) if sent else (remote, local)
        if media is None:
            label = f"RTP {'' if sent else printable(event.detail)}".rstrip()
            return Arrow(offset_ms, label, "", *ends, Tone.MEDIA, 0, label)
        return Arrow(offset_ms, *_stream_words(media, sent=sent), *ends, Tone.MEDIA, 0, "\n".join(_told(media)))

    def _beside(self, address: str, end: int, but: int = -1) -> int:
        """The life line of who signals from the host of an address, best of all the one at an `end` of the call; else a
        line of its own.
        """
        host = address.rpartition(":")[0].strip("[]")
        known = [lane for lane, name in self._hosts.items() if name == host and lane != but]
        if self._ends is not None and self._ends[end] in known:
            return self._ends[end]
        return known[0] if known else self._place(f"rtp {printable(address)}", host)


def _announced(record: MessageTrace) -> str:
    """Where a message wants audio; "" where it says nothing about it."""
    if SDP.encode() not in record.data:
        return ""
    try:
        place = place_of(description_in(parse_message(record.data)))
    except ParseError:
        return ""
    return str(place) if place is not None else ""


def _summarise(lines: list[Line], media: CallMedia) -> None:
    """Add what became of the streams, behind the last line that was before their end."""
    arrows = [(number, line) for number, line in enumerate(lines) if isinstance(line, Arrow)]
    streams = [(number, arrow) for number, arrow in arrows if arrow.tone is Tone.MEDIA]
    if not streams:
        return
    last, arrow = streams[-1]
    offset_ms = round(media.last * 1000.0, EXACT) if media.last is not None else arrow.offset_ms
    later = (number for number, line in enumerate(lines) if number > last and line.offset_ms > offset_ms)
    told = (*_told(media), *map(printable, _control_lines(media.measured.control)))
    lines.insert(next(later, len(lines)), Summary(offset_ms, told, max(arrow.source, arrow.target)))


def _told(media: CallMedia) -> list[str]:
    return [printable(line.strip()) for line in media_lines(media)]


def _stream_words(media: CallMedia, *, sent: bool) -> tuple[str, str]:
    """What stands on the arrow of a stream: label and detail."""
    measured = media.measured
    label = "SRTP" if media.encryption else "RTP"
    if sent:
        return f"{label} {printable(media.codec)}", f"{measured.sent.packets} packets"
    received = measured.received
    detail = f"{received.packets} packets, {100 * received.loss:.1f} % lost" if received else ""
    return f"{label} {printable(measured.codec)}", detail


def _control_lines(control: Control) -> list[str]:
    """What RTCP told, in one line; none where there was none that could be read."""
    if not control.sent and not control.received:
        return []
    view = control.remote
    lost = f"; the peer lost {view.lost}, jitter {thousandths(view.jitter):.1f} ms" if view else ""
    return [f"RTCP: {control.sent} sent, {control.received} received{lost}"]


def tone_of(label: str) -> Tone:
    """What kind of line a message is, by the label of its entry in a timeline."""
    code = label[:3]
    if len(code) == 3 and code.isascii() and code.isdecimal() and code >= "100":  # a method may be digits, too
        return (Tone.PROVISIONAL, Tone.SUCCESS, Tone.REDIRECTION)[int(code[0]) - 1] if code < "400" else Tone.FAILURE
    return Tone.ODD if label == "not SIP" else Tone.REQUEST
