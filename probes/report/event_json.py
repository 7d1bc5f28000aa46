"""What a discovery tells while it runs, as data: one object for each event, its kind as `event`."""

from probes.discovery.events import (
    AttemptBegun,
    AttemptEnded,
    CallBegun,
    CallEnded,
    Concluded,
    Event,
    FindingMade,
    HabitsBegun,
    HabitsEnded,
    LookupEnded,
    TlsBegun,
    TlsEnded,
)
from probes.report.findings_json import finding_data
from probes.report.json import attempt_data, lookup_data, place_data
from probes.report.tls_json import tls_data
from probes.report.units import milliseconds

Data = dict[str, object]


def event_data(event: Event) -> Data:
    """An event as what `json.dumps` takes; what it has is as in `discovery.schema.json`."""
    kind, told = _told(event)
    return {"event": kind, "offset_ms": milliseconds(event.at), **told}


def _told(event: Event) -> tuple[str, Data]:
    match event:
        case LookupEnded(_, step):
            return "lookup", {"lookup": lookup_data(step)}
        case AttemptBegun(_, candidate):
            return "attempt-begun", {"place": place_data(candidate.hop)}
        case AttemptEnded(_, attempt):
            return "attempt", {"attempt": attempt_data(attempt)}
        case TlsEnded(_, report):
            return "tls", {"tls": tls_data(report)}
        case FindingMade(_, finding):
            return "finding", {"finding": finding_data(finding)}
        case CallEnded(_, hop, heard):
            return "call", {"place": place_data(hop), "heard": heard}
        case Concluded():
            return "concluded", {}
        case HabitsBegun(_, hop):
            return "habits-begun", {"place": place_data(hop)}
        case HabitsEnded(_, hop):
            return "habits", {"place": place_data(hop)}
        case TlsBegun(_, hop):
            return "tls-begun", {"place": place_data(hop)}
        case CallBegun(_, hop):
            return "call-begun", {"place": place_data(hop)}
