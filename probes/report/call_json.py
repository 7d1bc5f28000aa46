"""A test call as data. Fields are only ever added; `call.schema.json` beside this file describes them."""

from probes.report.safe_text import encodable
from probes.result import CallResult, TimelineEntry
from sipcore.resolve.target import Hop

Data = dict[str, object]


def call_data(result: CallResult) -> Data:
    """The result as what `json.dumps` takes. Times are in milliseconds.

    What a peer wrote is there as it came, bytes that are not UTF-8 as `\\xNN`.
    """
    return {
        "target": encodable(str(result.destination)),
        "status": result.status.value,
        "kind": result.kind.value,
        "why": encodable(result.why),
        "advice": encodable(result.advice),
        "hop": _hop_data(result.hop) if result.hop else None,
        "final_status": result.final_status,
        "reason": encodable(result.reason),
        "post_dial_delay_ms": _milliseconds(result.post_dial_delay),
        "answer_time_ms": _milliseconds(result.answer_time),
        "duration_ms": _milliseconds(result.duration),
        "codec": encodable(result.codec) or None,
        "timeline": [_entry_data(entry) for entry in result.timeline],
    }


def _entry_data(entry: TimelineEntry) -> Data:
    return {
        "offset_ms": round(entry.offset_ms, 3),
        "direction": {"→": "sent", "←": "received"}.get(entry.direction),
        "label": encodable(entry.label),
        "detail": encodable(entry.detail),
        "kernel_stamped": entry.kernel_stamped,
    }


def _hop_data(hop: Hop) -> Data:
    return {
        "transport": hop.transport.value.lower(),
        "address": hop.remote.host,
        "port": hop.remote.port,
        "path": hop.path or None,
        "local": str(hop.local) if hop.local else None,
        "why": encodable(hop.why),
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000.0, 3)
