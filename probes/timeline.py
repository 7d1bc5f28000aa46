"""A call's story, line by line, out of trace records: the live view, the text and the JSON all show these entries."""

from probes.result import TimelineEntry
from sipcore.errors import ParseError
from sipcore.media.report import MediaEvent, MediaEventKind
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.trace import Direction, FlowTrace, MessageTrace, ResolveTrace, TraceRecord

SENT, RECEIVED = "→", "←"
"""The arrows of a ladder: from here to the peer, and back."""
FAILED = "failed"
"""The event of a `FlowTrace` that tells of a connection which was refused, or did not come about, or broke."""

_MEDIA_LABELS = {kind: f"media {kind.value}" for kind in MediaEventKind} | {
    MediaEventKind.FIRST_SENT: "first RTP sent",
    MediaEventKind.FIRST_RECEIVED: "first RTP received",
    MediaEventKind.KEY_SENT: "DTMF sent",
    MediaEventKind.KEY_RECEIVED: "DTMF received",
    MediaEventKind.STALLED: "RTP stopped",
    MediaEventKind.RESUMED: "RTP again",
    MediaEventKind.REMOTE_MOVED: "RTP from elsewhere",
    MediaEventKind.SOURCE_CHANGED: "RTP source changed",
    MediaEventKind.GOODBYE: "RTCP BYE",
    MediaEventKind.NOMINATED: "ICE nominated",
}


def entry_of(record: TraceRecord, start: float) -> TimelineEntry | None:
    """The line of one trace record, `start` being the time of the first; None for what people need not see.

    Nothing but the start line and the method that a response answers is shown of a message, so no credential is.
    """
    offset = (record.at - start) * 1000.0
    match record:
        case MessageTrace():
            return _message_entry(record, offset)
        case ResolveTrace(question=question, answers=answers, error=error):
            told = ", ".join(answers) or error.removeprefix(f"{question}: ")
            return TimelineEntry(offset, "DNS", f"{question}: {told}", record=record)
        case FlowTrace():
            return _flow_entry(record, offset)
    return None


def mark(label: str, at: float, start: float, detail: str = "") -> TimelineEntry:
    """A line for something that is no trace record: initiated, completed, given up."""
    return TimelineEntry((at - start) * 1000.0, label, detail)


def media_entry(event: MediaEvent, start: float) -> TimelineEntry:
    """The line of something that happened to the media."""
    return TimelineEntry((event.at - start) * 1000.0, _MEDIA_LABELS[event.kind], event.detail, event=event)


def _flow_entry(record: FlowTrace, offset: float) -> TimelineEntry:
    """A connection's line. Which layer failed is for the detail to say: nothing may listen where TLS was wanted."""
    hop, name = record.hop, record.hop.transport.value
    label = "connection failed" if record.event == FAILED else f"{name} {record.event}"
    detail = record.detail.removeprefix(f"{hop}: ")
    where = str(hop) if record.event == FAILED else str(hop.remote)
    return TimelineEntry(offset, label, f"{where} {detail}".strip(), record=record)


def _message_entry(record: MessageTrace, offset: float) -> TimelineEntry:
    arrow = SENT if record.direction is Direction.SENT else RECEIVED
    again = f"retransmission {record.attempt}" if record.attempt else ""
    try:
        message = parse_message(record.data)
        if isinstance(message, Request):
            label, detail = message.method, message.uri_text
        else:
            label, detail = f"{message.status} {message.reason}".strip(), f"to {message.cseq}"
    except ParseError as error:
        label, detail = "not SIP", str(error)
    detail = f"{detail} ({again})" if again else detail
    return TimelineEntry(offset, label, detail, arrow, record.kernel, record)
