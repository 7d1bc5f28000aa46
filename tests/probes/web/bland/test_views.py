"""Discoveries, calls and codes out of the JSON of results, without a network."""

import pytest

from probes.health.board import RouteState, TrunkState
from probes.health.terms import Check, Health, Kind, Verdict
from probes.service.job import CallJob, Data, DiscoveryJob, JobState
from probes.web.bland.called import call_shown, log_entry, metrics_of, steps_of
from probes.web.bland.discovered import connection_shown, discovery_shown
from probes.web.bland.envelope import shown
from probes.web.bland.trunk_map import id_given, id_shown
from probes.web.bland.words import codecs_named, health_word, system_named
from probes.web.errors import Failure
from probes.web.flaws import Flaw
from tests.probes.web.bland.asking import Json

BEGUN = 1_777_626_000.0
"""2026-05-01T09:00:00Z"""


def attempt(result: str = "answered", **changed: Json) -> Data:
    told: Data = {
        "transport": "tls",
        "address": "192.0.2.9",
        "port": 5061,
        "result": result,
        "detail": "",
        "advice": "",
        "response_time_ms": 31.0,
        "response": {"status": 200, "reason": "OK", "raw": ""},
        "banner": "FPBX-16",
    }
    if result != "answered":
        told |= {"response_time_ms": None, "response": None, "banner": None}
    return told | changed


def rung(kind: str, name: str, *records: Data) -> Data:
    nothing: Data = {"naptr": None, "srv": None, "address": None, "leads_to": []}
    return {"type": kind, "name": name, "records": [nothing | each for each in records]}


SRV: Data = {"priority": 10, "weight": 5, "port": 5061, "target": "a.example.net"}
RECOMMENDED: Data = {
    "transport": "tls",
    "address": "192.0.2.9",
    "port": 5061,
    "why": "it answers",
    "by_dns": True,
    "system": "FreePBX",
    "methods": ["INVITE"],
    "codecs": ["PCMU/8000", "G722/8000", "G729/8000", "opus/48000/2", "telephone-event/8000"],
}


def found(*attempts: Data, **changed: Json) -> Data:
    told: Data = {"failure": "", "advice": "", "outcome": "answered", "dns": None, "recommendation": None}
    return told | {"attempts": list(attempts)} | changed


def discovery(data: Data | None, state: JobState = JobState.COMPLETED, error: str = "") -> Data:
    ended = BEGUN + 4 if state is not JobState.RUNNING else None
    job = DiscoveryJob("disc_7f", "acme", "sip:gw.example.net", state, BEGUN, ended, data, error=error)
    return discovery_shown(job, "gw.example.net")


def test_a_discovery_in_the_words_of_the_contract() -> None:
    ladder = [
        rung(
            "SRV",
            "_sips._tcp.gw.example.net",
            {"srv": SRV, "leads_to": [rung("A", "a.example.net", {"address": "192.0.2.9"})]},
        )
    ]
    told = discovery(
        found(attempt(), attempt("no_answer", transport="udp"), dns={"ladder": ladder}, recommendation=RECOMMENDED)
    )
    assert told["srv_records"] == [{"service": "_sips._tcp"} | SRV]
    assert told["resolved_addresses"] == ["192.0.2.9"]
    assert (told["started_at"], told["completed_at"]) == ("2026-05-01T09:00:00.000Z", "2026-05-01T09:00:04.000Z")
    recommended = told["recommended"]
    assert recommended["codecs"] == ["PCMU", "G.722", "G.729", "Opus"]
    assert recommended["detected_system"] == "Asterisk"
    assert recommended["user_agent"] == "FPBX-16"
    assert (recommended["port"], recommended["port_source"]) == (None, "Auto (SRV)")
    assert (told["attempts"][0]["response_code"], told["attempts"][1]["error"]) == (200, "timeout")


@pytest.mark.parametrize(
    ("data", "state", "error", "status"),
    [
        (None, JobState.RUNNING, "", "running"),
        (found(), JobState.COMPLETED, "", "completed"),
        (found(failure="no address for gw.example.net"), JobState.COMPLETED, "no address for gw.example.net", "failed"),
        (None, JobState.FAILED, "the service was stopped", "failed"),
    ],
)
def test_what_became_of_a_discovery(data: Data | None, state: JobState, error: str, status: str) -> None:
    told = discovery(data, state, error if state is JobState.FAILED else "")
    assert (told["status"], told["error"], told["recommended"]) == (status, error or None, None)
    assert (told["completed_at"] is None) == (status == "running")


def test_who_wants_a_certificate_is_reachable() -> None:
    data = found(attempt("refused", transport="udp"), attempt("certificate_wanted"), outcome="certificate_wanted")
    told = discovery(data)
    assert (told["status"], told["attempts"][1]["error"], told["attempts"][1]["mutual_tls"]) == (
        "completed",
        None,
        True,
    )
    recommended = told["recommended"]
    assert (recommended["port"], recommended["transport"], recommended["mutual_tls"]) == (5061, "tls", True)
    assert connection_shown(data) == {"reachable": True, "sip_code": None, "response_time_ms": None, "mutual_tls": True}


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        ("tls_failed", "tls_handshake_failed"),
        ("no_answer", "timeout"),
        ("silent", "timeout"),
        ("refused", "connection_refused"),
    ],
)
def test_why_a_trunk_is_not_reachable(outcome: str, word: str) -> None:
    told = connection_shown(found(attempt(outcome, detail="so it is"), outcome=outcome))
    assert (told["reachable"], told["error"], told["detail"]) == (False, word, "so it is")


@pytest.mark.parametrize("code", [200, 403, 404, 405, 503])
def test_whatever_is_answered_is_reachable(code: int) -> None:
    told = connection_shown(found(attempt(response={"status": code})))
    assert (told["reachable"], told["sip_code"], told["response_time_ms"]) == (True, code, 31.0)


PRODUCTS = {
    "Asterisk": "Asterisk",
    "FreePBX": "Asterisk",
    "FreeSWITCH": "FreeSWITCH",
    "Kamailio": "Kamailio",
    "3CX Phone System": "3CX",
    "Cisco Unified CM": "Cisco",
    "Cisco IOS gateway": "Cisco",
    "OpenSIPS": "OpenSIPS",
    "": "",
}


@pytest.mark.parametrize(("product", "name"), PRODUCTS.items())
def test_products(product: str, name: str) -> None:
    assert system_named(product) == name


def test_codecs() -> None:
    given = ["PCMU/8000", "pcmu/8000", "PCMA/8000", "g722/8000", "GSM/8000", "CN/8000", "opus/48000/2"]
    assert codecs_named(given) == ["PCMU", "pcmu", "PCMA", "G.722", "GSM", "Opus"]


@pytest.mark.parametrize(
    ("health", "word"),
    [
        (Health.HEALTHY, "healthy"),
        (Health.DEGRADED, "healthy"),
        (Health.UNREACHABLE, "unreachable"),
        (Health.UNKNOWN, "unchecked"),
        (Health.UNCHECKED, "unchecked"),
    ],
)
def test_health(health: Health, word: str) -> None:
    check = Check("t", "b", Kind.OPTIONS, BEGUN, Verdict.GOOD, "answered", rtt=0.03)
    routes = RouteState("a", Health.UNREACHABLE, BEGUN, 5, None), RouteState("b", health, BEGUN, 0, check)
    assert health_word(TrunkState("t", "b", routes)) == word
    assert health_word(TrunkState("t", None, routes)) == "unreachable"
    assert health_word(None) == "unchecked"


# Calls


def line(offset: float, label: str, detail: str = "", direction: str | None = None, text: str = "") -> Data:
    message = {"text": text, "local": "192.0.2.10:5060", "remote": "192.0.2.9:5060"} if direction else None
    return {"offset_ms": offset, "label": label, "detail": detail, "direction": direction, "message": message}


STORY = [
    line(0, "initiated", "sip:x@gw"),
    line(2, "INVITE", "sip:x@gw", "sent", "INVITE sip:x@gw SIP/2.0\r\nCall-ID: abc@host\r\n\r\n"),
    line(4, "401 Unauthorized", "to 1 INVITE", "received"),
    line(5, "INVITE", "sip:x@gw", "sent"),
    line(6, "100 Trying", "to 2 INVITE", "received"),
    line(8, "183 Session Progress", "to 2 INVITE", "received"),
    line(9, "180 Ringing", "to 2 INVITE", "received"),
    line(10, "first RTP sent"),
    line(1500, "200 OK", "to 2 INVITE", "received"),
    line(3000, "BYE", "sip:x@gw", "sent"),
    line(3010, "200 OK", "to 3 BYE", "received"),
    line(3020, "completed", "connected"),
]
STEPS = [
    *("initiated", "invite", "challenged", "invite", "trying", "progress", "ringing", "answered", "hanging_up"),
    "completed",
]


def call(status: str = "connected", code: int | None = 200, progress: str = "completed") -> CallJob:
    data: Data = {
        "status": status,
        "progress": progress,
        "kind": status,
        "why": "so it ended",
        "advice": "",
        "final_status": code,
        "reason": "OK" if code == 200 else "Busy Here",
        "duration_ms": 1510.0 if status == "connected" else None,
        "timeline": STORY,
        "role": "caller",
        "caller": "sip:anonymous@anonymous.invalid",
        "called": "sip:x@gw",
    }
    return CallJob("tc_1", "acme", "sip:x@gw", JobState.COMPLETED, BEGUN, None, None, BEGUN + 4, progress, data=data)


def test_a_call_in_the_words_of_the_contract() -> None:
    assert [each["event"] for each in steps_of(STORY)] == STEPS
    told = call_shown(call())
    assert (told["status"], told["result"], told["duration_seconds"]) == ("completed", "connected", 1.51)
    answered = next(each for each in told["timeline"] if each["event"] == "answered")
    assert answered == {"event": "answered", "at": "2026-05-01T09:00:01.500Z", "detail": "200 OK"}


@pytest.mark.parametrize(
    ("job", "status", "result"),
    [
        (CallJob("tc_1", "acme", "x", JobState.RUNNING, BEGUN), "queued", "pending"),
        (CallJob("tc_1", "acme", "x", JobState.RUNNING, BEGUN, progress="initiated"), "initiated", "pending"),
        (CallJob("tc_1", "acme", "x", JobState.RUNNING, BEGUN, progress="ringing"), "ringing", "pending"),
        (CallJob("tc_1", "acme", "x", JobState.RUNNING, BEGUN, progress="in-progress"), "in-progress", "pending"),
        (CallJob("tc_1", "acme", "x", JobState.FAILED, BEGUN, error="cut off"), "failed", "failed"),
        (call("busy", 486, "busy"), "busy", "busy"),
        (call("no_answer", 480, "no-answer"), "no-answer", "no_answer"),
        (call("failed", 503, "failed"), "failed", "failed"),
    ],
)
def test_how_far_a_call_is(job: CallJob, status: str, result: str) -> None:
    told = call_shown(job)
    assert (told["status"], told["result"]) == (status, result)


def test_a_call_in_the_log() -> None:
    assert log_entry(call("busy", 486)) == {
        "call_id": "abc@host",
        "direction": "outbound",
        "from": "sip:anonymous@anonymous.invalid",
        "to": "sip:x@gw",
        "status": "486 Busy Here",
        "sip_code": 486,
        "duration_seconds": 0.0,
        "started_at": "2026-05-01T09:00:00.000Z",
        "ended_at": "2026-05-01T09:00:04.000Z",
        "source_ip": "192.0.2.10",
        "test_call_id": "tc_1",
    }
    assert log_entry(call("failed", None))["status"] == "failed"


def test_figures_of_calls() -> None:
    told = metrics_of([call(), call(), call("busy", 486), call("failed", 503), call("busy", 486), call("failed", None)])
    assert (told["total_calls"], told["answered_calls"], told["failed_calls"]) == (6, 2, 4)
    assert [(each["sip_code"], each["count"]) for each in told["top_failure_codes"]] == [(486, 2), (503, 1)]
    assert metrics_of([])["top_failure_codes"] == []


# Ids and failures


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("trk_6f0c1a52000040008000000000000001", True),
        ("TRK_6F0C1A52000040008000000000000001", True),
        ("6f0c1a52-0000-4000-8000-000000000001", True),
        ("6f0c1a52000040008000000000000001", True),
        ("trk_6f0c1a5200004000800000000000000", False),
        ("' or 1=1", False),
        ("", False),
    ],
)
def test_ids_of_trunks(text: str, known: bool) -> None:
    uuid = "6f0c1a52-0000-4000-8000-000000000001"
    assert id_given(text) == (uuid if known else "")
    assert id_given(id_shown(uuid)) == uuid


FAILURES = [
    (
        Failure(422, "invalid", "m", (Flaw(("body", "directions", 0, "outbound", "sip_endpoint"), "m"),)),
        400,
        "VALIDATION_ERROR",
    ),
    (Failure(400, "malformed", "the body is no JSON"), 400, "VALIDATION_ERROR"),
    (Failure(401, "unauthorized", "a key is wanted"), 401, "AUTH_FAILURE"),
    (Failure(404, "not-found", "m"), 404, "NOT_FOUND"),
    (Failure(409, "busy", "m", running="disc_1"), 409, "DISCOVERY_IN_PROGRESS"),
    (Failure(429, "limited", "m", headers={"Retry-After": "5"}), 429, "RATE_LIMIT_EXCEEDED"),
    (Failure(503, "unavailable", "m"), 503, "SERVICE_UNAVAILABLE"),
    (Failure(500, "own", "m"), 500, "INTERNAL_ERROR"),
    (Failure(501, "PORTING_NOT_AVAILABLE", "m"), 501, "PORTING_NOT_AVAILABLE"),
]


@pytest.mark.parametrize(("failure", "status", "code"), FAILURES)
def test_failures(failure: Failure, status: int, code: str) -> None:
    answer = shown(failure)
    assert answer.status_code == status
    assert code.encode() in answer.body
    assert answer.headers.get("Retry-After") == failure.headers.get("Retry-After")
    if failure.flaws:
        assert b'"field": "directions.0.sip_endpoint"' in answer.body
