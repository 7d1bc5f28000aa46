"""A discovery, and the check of a trunk, as this interface shows them: out of the JSON that `report` makes; pure."""

from collections.abc import Iterable, Iterator

from probes.service.job import Data, DiscoveryJob, JobState
from probes.web.bland.words import codecs_named, stamp, stamp_or_none, system_named

SRV = "SRV"
ADDRESSES = ("A", "AAAA")
WANTED = "certificate_wanted"
"""The result of an attempt at a place that speaks TLS with those who show a certificate: it is there."""
ERRORS = {
    "tls_failed": "tls_handshake_failed",
    "no_answer": "timeout",
    "silent": "timeout",
    "filtered": "timeout",
    "refused": "connection_refused",
    "unreachable": "unreachable",
    "not_sip": "not_sip",
    "failed": "failed",
    "unresolvable": "unresolvable",
}
"""What an attempt came to, by the words that the interface has for a check of a trunk."""


def discovery_shown(job: DiscoveryJob, host: str) -> Data:
    """A discovery, while it runs or after. A name that leads nowhere has failed; one that does not answer has not."""
    data = job.data or {}
    state, error = job.state.value, job.error
    if job.state is JobState.COMPLETED and data.get("failure"):
        state, error = JobState.FAILED.value, data["failure"]
    shown = {
        "discovery_id": job.id,
        "status": state,
        "host": host,
        "resolved_addresses": addresses_in(data),
        "srv_records": list(services_in(data)),
        "attempts": [attempt_shown(attempt) for attempt in data.get("attempts", ())],
        "recommended": recommended_in(data),
        "started_at": stamp(job.started_at),
        "completed_at": stamp_or_none(job.completed_at),
    }
    return shown | {"error": error or None, "advice": data.get("advice") or None}


def addresses_in(data: Data) -> list[str]:
    """The addresses of the host, or of the servers that SRV names for it."""
    told = [step["address"] for rung, step in _steps(data) if rung["type"] in ADDRESSES and step["address"]]
    return list(dict.fromkeys([*told, *(attempt["address"] for attempt in data.get("attempts", ()))]))


def services_in(data: Data) -> Iterator[Data]:
    """The SRV records that were found, each once."""
    seen = set()
    for rung, step in _steps(data):
        record = step["srv"]
        if record is None:
            continue
        service = ".".join(rung["name"].split(".")[:2])
        shown = {"service": service} | {key: record[key] for key in ("target", "port", "priority", "weight")}
        if tuple(shown.values()) not in seen:
            seen.add(tuple(shown.values()))
            yield shown


def _steps(data: Data) -> Iterator[tuple[Data, Data]]:
    """All records of the ladder of DNS, each with its rung."""
    rungs = list((data.get("dns") or {}).get("ladder", ()))
    while rungs:
        rung = rungs.pop(0)
        for step in rung["records"]:
            yield rung, step
            rungs += step["leads_to"]


def attempt_shown(attempt: Data) -> Data:
    """One place that was tried. Without an answer, `error` says why in one word, and `detail` in a sentence."""
    response = attempt["response"]
    shown = {
        "address": attempt["address"],
        "port": attempt["port"],
        "transport": attempt["transport"],
        "response_time_ms": attempt["response_time_ms"],
        "response_code": response["status"] if response else None,
        "user_agent": attempt["banner"],
    }
    if response is not None:
        return shown
    wanted = attempt["result"] == WANTED
    error = None if wanted else ERRORS.get(attempt["result"], attempt["result"])
    told = {"detail": attempt["detail"] or None, "advice": attempt["advice"] or None}
    return shown | {"error": error, "mutual_tls": wanted} | told


def recommended_in(data: Data) -> Data | None:
    """How to connect; None where nothing answered. The port is null where DNS is better asked for each call, and a
    place that wants a certificate is one to connect to, too.
    """
    found = data.get("recommendation")
    if found is None:
        return _mutual(data.get("attempts", ()))
    tried = next((each for each in data["attempts"] if _place(each) == _place(found) and each["response"]), None)
    system = found["system"] or ""
    by_srv = (
        found["by_dns"]
        and found["transport"] == "tls"
        and any(each["service"].lower() == "_sips._tcp" for each in services_in(data))
    )
    return {
        "port": None if by_srv else found["port"],
        "transport": found["transport"],
        "user_agent": tried["banner"] if tried is not None else None,
        "detected_system": system_named(system) or None,
        "codecs": codecs_named(found["codecs"]),
        "methods": found["methods"],
        "port_source": "Auto (SRV)" if by_srv else None,
        "mutual_tls": False,
        "reason": found["why"],
    }


def _mutual(attempts: Iterable[Data]) -> Data | None:
    wanting = next((each for each in attempts if each["result"] == WANTED), None)
    if wanting is None:
        return None
    nothing: Data = {"user_agent": None, "detected_system": None, "codecs": [], "methods": [], "port_source": None}
    why = "TLS is spoken there, with those who show a certificate (mutual TLS)"
    return {"port": wanting["port"], "transport": wanting["transport"]} | nothing | {"mutual_tls": True, "reason": why}


def _place(found: Data) -> tuple[str, str, int]:
    return found["transport"], found["address"], found["port"]


def connection_shown(data: Data) -> Data:
    """What the check of a trunk came to. What answered at all is reachable, and so is what wants a certificate."""
    attempts = data["attempts"]
    answered = next((each for each in attempts if each["response"] is not None), None)
    if answered is not None:
        code, time = answered["response"]["status"], answered["response_time_ms"]
        return {"reachable": True, "sip_code": code, "response_time_ms": time, "mutual_tls": False}
    nothing = {"sip_code": None, "response_time_ms": None}
    if any(each["result"] == WANTED for each in attempts):
        return {"reachable": True} | nothing | {"mutual_tls": True}
    detail = next((each["detail"] for each in attempts if each["detail"]), "") or data["failure"]
    why = {"error": ERRORS.get(data["outcome"], data["outcome"]), "detail": detail or None, "advice": data["advice"]}
    return {"reachable": False} | nothing | {"mutual_tls": False} | why
