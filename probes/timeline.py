"""A call's story, line by line, out of trace records: the live view, the text and the JSON all show these entries."""

from probes.result import TimelineEntry
from sipcore.errors import ParseError
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.trace import Direction, FlowTrace, MessageTrace, ResolveTrace, TraceRecord

SENT, RECEIVED = "→", "←"
"""The arrows of a ladder: from here to the peer, and back."""


def entry_of(record: TraceRecord, start: float) -> TimelineEntry | None:
    """The line of one trace record, `start` being the time of the first; None for what people need not see.

    Nothing but the start line and the method that a response answers is shown of a message, so no credential is.
    """
    offset = (record.at - start) * 1000.0
    match record:
        case MessageTrace():
            return _message_entry(record, offset)
        case ResolveTrace(question=question, answers=answers, error=error):
            return TimelineEntry(offset, "DNS", f"{question}: {', '.join(answers) or error}")
        case FlowTrace(hop=hop, event=event, detail=detail):
            return TimelineEntry(offset, f"{hop.transport.value} {event}", f"{hop.remote} {detail}".strip())
    return None


def mark(label: str, at: float, start: float, detail: str = "") -> TimelineEntry:
    """A line for something that is no trace record: initiated, completed, given up."""
    return TimelineEntry((at - start) * 1000.0, label, detail)


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
    return TimelineEntry(offset, label, detail, arrow, record.kernel)
