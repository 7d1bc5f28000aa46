"""Tests of registrations as data: what the schema says, whatever a peer writes, and no credentials."""

import json

import pytest

from probes.registration.judge import RegistrationReport, judge
from probes.registration.plan import Question, Reply, Step
from probes.report.registration_json import registration_data
from sipcore.auth.session import AuthError, AuthRefusal
from sipcore.errors import FailureReason, TransportFailure
from tests.probes.registration.test_judge import HOP, LISTED, REMOVED
from tests.probes.registration.test_plan import OTHER, PROBE, asked, bound
from tests.probes.report.schemas import load, violations

ODD = "\udcff\x1b"
REFUSED = AuthError(AuthRefusal.REJECTED, f"wrong {ODD}", advice="check them", section="RFC 3261 §22.2")
GONE = TransportFailure(FailureReason.RESET, ODD, section="RFC 3261 §18.4")
REPORTS = [
    judge(PROBE, HOP, [asked(200, OTHER, "Contact: <sip:alice:secret@192.0.2.77>"), bound(200, LISTED), REMOVED]),
    judge(PROBE, HOP, [asked(200), bound(200), REMOVED]),
    judge(PROBE, HOP, [asked(200), bound(423, "Min-Expires: 90"), bound(423, "Min-Expires: 90", expires=90)]),
    judge(PROBE, HOP, [Reply(Question(Step.ASK), 0.5, asked(401).response, REFUSED)]),
    judge(PROBE, HOP, [Reply(Question(Step.ASK), 0.5, failure=GONE)]),
    judge(PROBE, HOP, [asked(403, f"Warning: 399 a {ODD}")]),
    judge(PROBE, None, [], GONE),
    judge(PROBE, None, [], interrupted=True),
]


@pytest.mark.parametrize("report", REPORTS)
def test_every_report_fits_the_schema(report: RegistrationReport) -> None:
    data = registration_data(report)
    assert violations(json.loads(json.dumps(data)), load("registration")) == []
    json.dumps(data, ensure_ascii=False).encode()
    assert "secret" not in str(data)


def test_what_stands_in_one() -> None:
    data = registration_data(REPORTS[0])
    assert (data["aor"], data["kind"], data["removed"]) == ("sip:alice@192.0.2.1:5070", "registered", True)
    assert (data["asked_s"], data["granted_s"], data["contact"]) == (60, 55, "sip:alice@192.0.2.9:5060")
    assert data["oddities"] == [
        {
            "code": "displaced",
            "text": "a contact that was registered before is gone: the registrar takes no more beside",
            "section": "RFC 3261 §10.3",
        }
    ]
    steps = data["steps"]
    assert isinstance(steps, list)
    assert [(each["step"], each["expires_s"], each["status"]) for each in steps] == [
        ("ask", 0, 200),
        ("register", 60, 200),
        ("remove", 0, 200),
    ]
