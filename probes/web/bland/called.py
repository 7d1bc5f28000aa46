"""Test calls as this interface shows them: one under way, and those that are over as a log; pure."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from probes.service.call_log import sip_call_id
from probes.service.job import CallJob, Data, JobState
from probes.web.bland.words import stamp, stamp_or_none
from sipcore.message.status import reason_for

DAYS = 30
"""For which the figures of a trunk are told."""
TOP = 10
"""Codes of failures that they name."""
_is_answer = re.compile(r"([1-6][0-9]{2})(?: .*)?").fullmatch
_STEPS = {"INVITE": "invite", "BYE": "hanging_up", "CANCEL": "canceled"}
"""Requests that are sent, as steps of a call; retransmissions are none."""
_ANSWERS = {100: "trying", 180: "ringing", 401: "challenged", 407: "challenged"}
"""Answers to the INVITE, likewise; others go by their class."""


def call_shown(job: CallJob) -> Data:
    """A test call, while it goes on or after."""
    data = job.data
    status, result = job.progress, "pending"
    if job.state is JobState.FAILED:
        status = result = "failed"
    elif data is not None:
        status, result = data["progress"], data["status"]
    lines = data["timeline"] if data is not None else job.timeline
    shown = {
        "call_id": job.id,
        "status": status,
        "result": result,
        "duration_seconds": _seconds(data),
        "timeline": [step | {"at": stamp(job.started_at + step["at"])} for step in steps_of(lines)],
        "sip_code": data["final_status"] if data is not None else None,
    }
    reason, hint = (data["why"], data["advice"]) if data is not None else (job.error, "")
    return shown | {"reason": reason or None, "hint": hint or None}


def _seconds(data: Data | None) -> float:
    """For how long it was up."""
    return round((data["duration_ms"] or 0.0) / 1000.0, 3) if data is not None else 0.0


def steps_of(lines: Iterable[Data]) -> Iterator[dict[str, Any]]:
    """The lines of a timeline that tell how far a call is; `at` is in seconds since it began."""
    for line in lines:
        event, detail = _event_of(line)
        if event:
            yield {"event": event, "at": line["offset_ms"] / 1000.0, "detail": detail}


def _event_of(line: Data) -> tuple[str, str]:
    label, direction = line["label"], line["direction"]
    if direction is None:
        return (label, line["detail"]) if label in ("initiated", "completed", "interrupted") else ("", "")
    if direction == "sent":
        return _STEPS.get(label, ""), line["detail"]
    if label == "BYE":
        return "hung_up", line["detail"]
    answer = _is_answer(label)
    if answer is None or not line["detail"].endswith("INVITE"):
        return "", ""
    status = int(answer[1])
    return _ANSWERS.get(status) or ("progress" if status < 200 else "answered" if status < 300 else "refused"), label


def log_entry(job: CallJob) -> Data:
    """A call of the log. Calls without a response say in words how they ended, and have no code."""
    data = job.data or {}
    code = data["final_status"]
    return {
        "call_id": sip_call_id(job),
        "direction": "inbound" if data["role"] == "callee" else "outbound",
        "from": data["caller"],
        "to": data["called"],
        "status": f"{code} {data['reason']}".strip() if code is not None else data["kind"],
        "sip_code": code,
        "duration_seconds": _seconds(data),
        "started_at": stamp(job.started_at),
        "ended_at": stamp_or_none(job.completed_at),
        "source_ip": _source(data),
        "test_call_id": job.id,
    }


def _source(data: Data) -> str | None:
    """The address that its INVITE came from: ours, of a call that was placed."""
    side = "remote" if data["role"] == "callee" else "local"
    first = next((line["message"][side] for line in data["timeline"] if line["message"]), None)
    return first.rpartition(":")[0].strip("[]") if first is not None else None


def metrics_of(jobs: Iterable[CallJob]) -> Data:
    """The figures of some calls."""
    statuses = [(job.data["status"], job.data["final_status"]) for job in jobs if job.data is not None]
    answered = sum(status == "connected" for status, _ in statuses)
    codes = Counter(code for status, code in statuses if status != "connected" and code is not None)
    top = sorted(codes.items(), key=lambda item: (-item[1], item[0]))[:TOP]
    return {
        "total_calls": len(statuses),
        "answered_calls": answered,
        "failed_calls": len(statuses) - answered,
        "top_failure_codes": [{"sip_code": code, "description": reason_for(code), "count": n} for code, n in top],
    }
