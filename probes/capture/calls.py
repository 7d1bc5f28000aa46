"""The SIP messages of a capture, and the calls that they belong to."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from probes.capture.files import CapturedPacket
from probes.capture.network import Datagram, Segment, Way, read_payloads
from probes.capture.tls_keys import KeyLog
from probes.capture.tls_streams import decrypted
from probes.capture.unread import Problem, Unread
from probes.capture.websocket import unwrapped
from probes.result import CallMedia, CallResult, TimelineEntry
from probes.timeline import Rounds, entry_of, media_entry
from sipcore.errors import ParseError
from sipcore.media.report import MediaEvent, MediaEventKind
from sipcore.message.framing import StreamFramer
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.resolve.target import Flow, SocketAddress
from sipcore.trace import Direction, MessageTrace

MAX_CALLS = 100_000
"""Calls that are told apart; messages of others are left out."""
COPY_NS = 20 * 10**6
"""What is captured again within that time was not sent again: no timer of SIP is so short (RFC 3261 §17.1.1.1, T1)."""

_is_start = re.compile(
    rb"[\r\n]*(?:SIP/2\.0 [1-6]\d\d |[A-Za-z0-9\-.!%*_+`'~]{1,32} [^ \r\n]{1,8192} SIP/2\.0\r?\n)"
).match
"""How SIP begins: other protocols are not looked at any further."""
_may_start = re.compile(
    rb"[\r\n]*(?:[A-Za-z0-9\-.!%*_+`'~/]{0,32}|[A-Za-z0-9\-.!%*_+`'~/]{1,32} [^ \r\n]{0,8192}(?: [SIP/2.0]{0,7}\r?)?)\Z"
).match
"""What may be the first part of that."""


@dataclass(slots=True)
class CapturedCall:
    """What was captured with one Call-ID. `at_ns` of the first message is where its timeline begins."""

    call_id: str
    began_ns: int
    records: list[MessageTrace] = field(default_factory=list)
    first: Request | None = None
    """The first request, if it was captured."""
    answer: Response | None = None
    """The first final response to it, or to the same request with credentials, that its sender got. What a server
    behind the first one has said to that, under the same Call-ID, is none.
    """
    way: Way | None = field(default=None, repr=False)
    """From where to where the first request went."""
    callers: set[SocketAddress] = field(default_factory=set, repr=False)
    """From where such requests went there: another transport has another port."""
    sent_before: dict[tuple[Flow, bytes], tuple[int, int]] = field(default_factory=dict, repr=False)
    """How often each message was sent on its way, and when last: what is sent again is a retransmission."""
    copies: int = 0
    """Messages that were captured more than once, as on two interfaces, or at a mirror port; they count once."""

    media: CallMedia | None = field(default=None, repr=False)
    """Its audio, where somebody has looked for it."""
    lines: tuple[TimelineEntry, ...] | None = field(default=None, repr=False)
    """Its whole story, where more is known of it than what was captured."""
    result: CallResult | None = field(default=None, repr=False)
    """What became of it, of a test call of this program."""

    @property
    def is_doubled(self) -> bool:
        """Whether its packets were captured more than once, those of its audio, too."""
        return 2 * self.copies > len(self.records)

    def take(self, message: Request | Response, record: MessageTrace) -> None:
        """Add a message. Raises ParseError for one without a Call-ID or CSeq that can be read."""
        call_id, method = message.call_id, message.cseq.method
        self.call_id = self.call_id or call_id
        self.records.append(record)
        flow = record.flow
        source, target = flow.local, flow.remote
        if record.direction is Direction.RECEIVED:
            source, target = target, source
        if isinstance(message, Request):
            self.first, self.way = self.first or message, self.way or (source, target)
            if method == self.first.method and target == self.way[1]:
                self.callers.add(source)
        elif (
            self.first
            and method == self.first.method
            and not message.is_provisional
            and (self.answer is None or self.answer.status in (401, 407))
            and self.is_caller(target)
        ):
            self.answer = message

    def is_caller(self, address: SocketAddress) -> bool:
        """Whether it is one of who sent the first request; where both are on one host, the ports tell them apart."""
        if self.way is None:
            return False
        source, target = self.way
        return address in self.callers if source.host == target.host else address.host == source.host

    def timeline(self) -> tuple[TimelineEntry, ...]:
        """Its story, out of its messages and its audio where nothing else is known."""
        if self.lines is not None:
            return self.lines
        rounds = Rounds()
        entries = [*self._streams()]
        for record in self.records:
            entry = entry_of(record, 0.0)
            entries += [*([entry] if entry is not None else []), *rounds.entries_of(record, 0.0)]
        return tuple(sorted(entries, key=lambda entry: entry.offset_ms))

    def _streams(self) -> Iterator[TimelineEntry]:
        """When its audio began, either way."""
        media = self.media
        if media is not None and media.first_sent is not None:
            told = str(media.measured.remote)
            yield media_entry(MediaEvent(media.first_sent, MediaEventKind.FIRST_SENT, told), 0.0)
        if media is not None and media.first_received is not None:
            told = media.measured.codec
            yield media_entry(MediaEvent(media.first_received, MediaEventKind.FIRST_RECEIVED, told), 0.0)


def read_calls(
    packets: Iterable[CapturedPacket], keys: KeyLog | None = None, unread: list[Unread] | None = None
) -> list[CapturedCall]:
    """The calls, registrations and other exchanges of a capture, in the order in which they begin.

    What is in TLS is read as far as `keys` allow it; the connections that are not, and those with SIP of which bytes
    were not captured, are added to `unread`.
    """
    streams: dict[Way, StreamFramer | bytes] = {}
    broken: dict[Way, None] = {}
    found: list[tuple[int, Flow, bytes]] = []
    for payload in unwrapped(decrypted(read_payloads(packets), keys or KeyLog(), unread)):
        flow = Flow(payload.transport, payload.source, payload.destination)
        messages = [payload.data] if isinstance(payload, Datagram) else _framed(payload, streams, broken)
        found += [(payload.at_ns, flow, data) for data in messages if _is_start(data)]
    found.sort(key=itemgetter(0))  # interfaces are written in turn, and what was waited for is known late
    calls: dict[str, CapturedCall] = {}
    for at_ns, flow, data in found:
        _sort(data, at_ns, flow, calls)
    if unread is not None:
        unread += [Unread(source, destination, Problem.GAP) for source, destination in broken]
    return list(calls.values())


def _framed(segment: Segment, streams: dict[Way, StreamFramer | bytes], broken: dict[Way, None]) -> Sequence[bytes]:
    """The messages that are whole with this segment; after a gap, and where it is not SIP, the next start is found.

    Which way there is a gap in SIP is added to `broken`. What may be half a start line at the beginning of a connection
    waits for the other half.
    """
    key = (segment.source, segment.destination)
    framer, data = streams.pop(key, b""), segment.data
    if segment.gap and (isinstance(framer, StreamFramer) or _is_start(data)):
        broken[key] = None
    if isinstance(framer, bytes) or segment.gap or segment.begins:
        half = framer if isinstance(framer, bytes) and not segment.gap and not segment.begins else b""
        data = half + data
        if not _is_start(data):
            if (half or segment.begins) and _may_start(data):
                streams[key] = data
            return []
        framer = StreamFramer()
    streams[key] = framer
    framer.receive(data)
    messages: list[bytes] = []
    try:
        messages.extend(frame[0] for frame in framer.frames() if isinstance(frame, tuple))
    except ParseError:
        del streams[key]
    return messages


def _sort(data: bytes, at_ns: int, flow: Flow, calls: dict[str, CapturedCall]) -> None:
    """Add a message to its call."""
    try:
        message = parse_message(data)
        call_id, _ = message.call_id, message.cseq
    except ParseError:
        return
    call = calls.get(call_id)
    if call is None:
        if len(calls) >= MAX_CALLS:
            return
        call = calls[call_id] = CapturedCall(call_id, at_ns)
    again, last_ns = call.sent_before.get((flow, data), (0, -COPY_NS))
    if again and at_ns - last_ns < COPY_NS:
        call.copies += 1
        return
    call.sent_before[flow, data] = again + 1, at_ns
    at = (at_ns - call.began_ns) / 10**9
    call.take(message, MessageTrace(at, Direction.SENT, flow, data, kernel=True, attempt=again))
