"""How well trunks were, as data: all of it is what the schema says."""

import json

from probes.report.uptime_json import uptime_data
from tests.probes.report.schemas import load, violations
from tests.probes.report.up import CARRIER, DAYS, SILENT
from tests.probes.report.watched import BEGIN, DAY, RESET


def test_it_fits_the_schema() -> None:
    for each in ([], [(CARRIER, DAYS), (SILENT, ())]):
        data = uptime_data(each, BEGIN, BEGIN + DAY)
        assert violations(json.loads(json.dumps(data)), load("uptime")) == []


def test_a_trunk() -> None:
    data = json.loads(json.dumps(uptime_data([(CARRIER, DAYS[:2])], BEGIN, BEGIN + 7 * DAY)))
    (carrier,) = data["trunks"]
    assert (data["since"], data["until"]) == ("2026-01-01T00:00:00.000+00:00", "2026-01-08T00:00:00.000+00:00")
    assert [carrier["trunk"], carrier["availability"], carrier["unreachable_ms"]] == ["carrier", 99.98588, 61_000.0]
    assert carrier["incidents"] == [
        {
            "since": "2026-01-04T00:00:00.000+00:00",
            "down": "2026-01-04T00:01:00.000+00:00",
            "until": None,
            "duration_ms": 60_000.0,
            "kind": "call",
            "reason": "refused",
            "detail": RESET,
            "status": None,
        }
    ]
    assert [part["unreachable_ms"] for part in carrier["parts"]] == [0.0, 60_000.0]
    primary, backup = carrier["routes"]
    assert [primary[name] for name in ("checks", "calls", "calls_answered", "calls_good")] == [43_210, 24, 23, 22]
    assert primary["answer_seizure_ratio"] == 95.833333
    assert primary["round_trip"]["p95_ms"] == 40.1
    assert primary["reasons"] == [{"reason": "refused", "count": 180}, {"reason": "status", "count": 3}]
    assert [backup["availability"], backup["answer_seizure_ratio"], backup["incident_count"]] == [100.0, None, 0]
