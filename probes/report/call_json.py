"""A test call as data. Fields are only ever added; `call.schema.json` beside this file describes them."""

from dataclasses import asdict

from probes.calls.judge.find import progress_of
from probes.report.findings_json import finding_data
from probes.report.safe_text import cover_lines
from probes.report.units import milliseconds, timestamp
from probes.result import AuthenticationStep, CallEvent, CallMedia, CallMediaPart, CallResult, CallStatus, TimelineEntry
from probes.timeline import RECEIVED, SENT
from sipcore.covering import cover_uris
from sipcore.errors import encodable
from sipcore.media.emodel import is_wideband
from sipcore.media.listen import Heard
from sipcore.media.reception import Received
from sipcore.media.report import Control, MediaResult, Sent
from sipcore.resolve.target import Hop
from sipcore.trace import Direction, MessageTrace, TransitionTrace

Data = dict[str, object]
_DIRECTIONS = {SENT: Direction.SENT.value, RECEIVED: Direction.RECEIVED.value}
"""Of the arrows of a timeline."""


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
        "post_dial_delay_ms": milliseconds(result.post_dial_delay),
        "answer_time_ms": milliseconds(result.answer_time),
        "duration_ms": milliseconds(result.duration),
        "codec": encodable(result.codec) or None,
        "ring_time_ms": milliseconds(result.ring_time),
        "ended_by": result.ended_by or None,
        "authentication": result.authentication or None,
        "findings": [finding_data(finding) for finding in result.findings],
        "expectation": None if result.unmet is None else {"met": not result.unmet, "difference": result.unmet or None},
        "media": media_data(result.media) if result.media else None,
        "media_problem": encodable(result.media_problem) or None,
        "events": [_event_data(event) for event in result.events],
        "timeline": [entry_data(entry) for entry in result.timeline],
        "role": result.role.value,
        "began_at": _began_at(result),
        "caller": encodable(cover_uris(result.caller)) or None,
        "called": encodable(cover_uris(result.called)) or None,
        "invited_ms": milliseconds(result.invited),
        "transitions": [_transition_data(step, result.start or 0.0) for step in result.transitions],
        "progress": _progress(result),
    }


def _progress(result: CallResult) -> str:
    """How far it came, in the words of interfaces that tell it while a call goes on."""
    rang, answered = result.ring_time is not None, result.answer_time is not None
    return progress_of(result.status, rang=rang, answered=answered, over=result.status is not CallStatus.PENDING)


def _began_at(result: CallResult) -> str | None:
    """When the times of the timeline begin, in UTC; None where there is nothing to tell it by."""
    start = result.start
    if start is None or not result.epoch_ns:
        return None
    return timestamp(result.epoch_ns / 1e9 + start)


def entry_data(entry: TimelineEntry) -> Data:
    """A line of a timeline."""
    return {
        "offset_ms": round(entry.offset_ms, 3),
        "direction": _DIRECTIONS.get(entry.direction),
        "label": encodable(entry.label),
        "detail": encodable(cover_uris(entry.detail)),
        "kernel_stamped": entry.kernel_stamped,
        "message": _message_data(entry.record) if isinstance(entry.record, MessageTrace) else None,
        "event": entry.event.kind.value if entry.event is not None else None,
        "authentication": _authentication_data(entry.authentication) if entry.authentication is not None else None,
    }


def _authentication_data(step: AuthenticationStep) -> Data:
    return {
        "step": "credentials" if step.answers else "challenge",
        "realm": encodable(step.realm),
        "proxy": step.proxy,
        "schemes": [encodable(scheme) for scheme in step.schemes],
        "again": step.again or None,
    }


def _message_data(record: MessageTrace) -> Data:
    """A message with what it came by; whatever proves an identity in it is covered."""
    return {
        "transport": record.flow.transport.value.lower(),
        "local": str(record.flow.local),
        "remote": str(record.flow.remote),
        "attempt": record.attempt,
        "text": encodable(cover_lines(record.data.decode("utf-8", "surrogateescape"))),
    }


def _event_data(event: CallEvent) -> Data:
    return {"event": event.name, "offset_ms": round(event.offset_ms, 3), "detail": encodable(event.detail)}


def _transition_data(step: TransitionTrace, start: float) -> Data:
    return {
        "offset_ms": milliseconds(step.at - start),
        "machine": step.machine,
        "transaction": encodable(step.key),
        "input": step.input,
        "before": step.before,
        "after": step.after,
        "call_id": encodable(step.call_id) or None,
        "local_tag": encodable(step.local_tag) or None,
        "remote_tag": encodable(step.remote_tag) or None,
    }


def media_data(media: CallMedia) -> Data:
    """The audio of a call."""
    measured = media.measured
    failures = measured.srtp
    return {
        "codec": encodable(media.codec),
        "ptime_ms": milliseconds(media.ptime),
        "keying": media.keying,
        "srtp_suite": measured.suite or None,
        "srtp_failures": failures.total if failures else 0,
        "security_failure": encodable(measured.security_failure) or None,
        "local": str(media.local),
        "announced": str(measured.announced),
        "remote": str(measured.remote),
        "early": media.early,
        "first_sent_ms": milliseconds(media.first_sent),
        "first_received_ms": milliseconds(media.first_received),
        "sent": _sent_data(measured.sent),
        "received": _received_data(measured.received, measured) if measured.received else None,
        "one_way": measured.one_way,
        "rtcp": _control_data(measured.control),
        "dtmf": {
            "sent": media.digits,
            "received": encodable(media.keys),
            "echoed": media.digits_echoed,
            "pressed": measured.sent.keys,
        },
        "heard": _heard_data(measured.heard) if measured.heard else None,
        "unexpected": _unexpected_data(media),
        "srtp_unverified": failures.authentication if failures else 0,
        "mos_estimate": _rounded(measured.opinion, 2),
        "last_packet_ms": milliseconds(media.last),
        "mos_scale": "wideband" if is_wideband(measured.codec) else "narrowband",
        "parts": [_part_data(part) for part in media.parts],
    }


def _part_data(part: CallMediaPart) -> Data:
    """One stream of a call that was changed to another one."""
    measured = part.measured
    return {
        "began_ms": milliseconds(part.began),
        "codec": encodable(part.codec),
        "ptime_ms": milliseconds(part.ptime),
        "keying": part.keying,
        "srtp_suite": measured.suite or None,
        "security_failure": encodable(measured.security_failure) or None,
        "announced": str(measured.announced),
        "remote": str(measured.remote),
        "sent": _sent_data(measured.sent),
        "received": _received_data(measured.received, measured) if measured.received else None,
        "rtcp": _control_data(measured.control),
        "mos_estimate": _rounded(measured.opinion, 2),
        "mos_scale": "wideband" if is_wideband(measured.codec) else "narrowband",
    }


def _sent_data(sent: Sent) -> Data:
    return {
        "packets": sent.packets,
        "octets": sent.octets,
        "skipped": sent.skipped,
        "seconds": round((sent.last_at or 0.0) - (sent.first_at or 0.0), 3),
        "refused": sent.refused,
        "lateness_ms": milliseconds(sent.lateness),
        "latest_ms": milliseconds(sent.latest),
    }


def _received_data(received: Received, measured: MediaResult) -> Data:
    return {
        "codec": encodable(measured.codec),
        "packets": received.packets,
        "octets": received.octets,
        "expected": received.expected,
        "lost": received.lost,
        "loss_percent": round(100 * received.loss, 3),
        "bursts": received.bursts,
        "duplicates": received.duplicates,
        "reordered": received.late,
        "jitter_ms": milliseconds(received.jitter),
        "peak_jitter_ms": milliseconds(received.peak_jitter),
        "gaps": received.gaps,
        "longest_gap_ms": milliseconds(received.longest_gap),
        "ptime_ms": milliseconds(received.ptime),
        "drift_ppm": _rounded(received.drift, 1),
        "restarts": received.restarts,
        "timestamp_jumps": received.jumps,
        "sources": len(measured.sources),
        "silence_ms": milliseconds(measured.silent_seconds),
    }


def _control_data(control: Control) -> Data:
    view = control.remote
    return {
        "sent": control.sent,
        "received": control.received,
        "malformed": control.malformed,
        "goodbye": control.goodbye,
        "round_trip_ms": milliseconds(control.round_trip),
        "remote_lost": view.lost if view else None,
        "remote_jitter_ms": milliseconds(view.jitter) if view else None,
        "reports": control.reports,
    }


def _heard_data(heard: Heard) -> Data:
    echo = heard.echo
    return {
        "seconds": round(heard.seconds, 3),
        "silence_percent": round(100 * heard.silence, 1),
        "tones": [{"hertz": list(tone), "seconds": round(seconds, 1)} for tone, seconds in heard.tones],
        "echo": None
        if echo is None
        else {
            "delay_ms": milliseconds(echo.delay),
            "gain_db": round(echo.gain, 1),
            "likeness": round(echo.likeness, 3),
            "share_percent": round(100 * echo.share, 1),
        },
    }


def _unexpected_data(media: CallMedia) -> Data:
    data: Data = asdict(media.measured.unexpected)
    data["elsewhere"] = [
        {"address": str(address), "packets": count} for address, count in media.measured.unexpected.elsewhere
    ]
    return {**data, "after_hang_up": media.late}


def _rounded(number: float | None, digits: int) -> float | None:
    return None if number is None else round(number, digits)


def _hop_data(hop: Hop) -> Data:
    return {
        "transport": hop.transport.value.lower(),
        "address": hop.remote.host,
        "port": hop.remote.port,
        "path": hop.path or None,
        "local": str(hop.local) if hop.local else None,
        "why": encodable(hop.why),
    }
