"""A watch as data: every line is what the schema says, and everything that a peer wrote is valid Unicode."""

import json
from dataclasses import replace

import pytest

from probes.health.difference import difference
from probes.health.terms import Happening, Health, Verdict
from probes.report.watch_json import alert_event, begin_data, happening_data, reload_data, states_data, trouble_data
from tests.probes.report.schemas import load, violations
from tests.probes.report.watched import ALERT, BEGIN, CALLED, CARRIER, HAPPENINGS, STATES, TRUNKS, UNCHECKED, At

ODD = replace(At(0).refused(), detail="\udcff\x1b", trunk="\udce9", place="")


def fits(data: object) -> bool:
    json.dumps(data, ensure_ascii=False).encode()
    return violations(json.loads(json.dumps(data)), load("watch")) == []


@pytest.mark.parametrize("happening", [*HAPPENINGS, ODD, *(replace(ODD, verdict=verdict) for verdict in Verdict)])
def test_every_happening_fits_the_schema(happening: Happening) -> None:
    assert fits(happening_data(happening))


def test_so_does_all_else() -> None:
    assert fits(begin_data(TRUNKS, (), BEGIN))
    assert fits(begin_data(TRUNKS, STATES, BEGIN))
    assert fits(states_data(STATES, BEGIN))
    assert fits(states_data(UNCHECKED, BEGIN))
    assert fits(alert_event(ALERT))
    assert fits(alert_event(replace(ALERT, route="", until=BEGIN + 60, happening=HAPPENINGS[4])))
    assert fits(trouble_data(BEGIN, "the disk is full\udcff"))


def test_the_schema_knows_each_health() -> None:
    assert load("watch")["$defs"]["health"]["enum"] == [health.value for health in Health]


def test_a_check() -> None:
    assert happening_data(At(3, route="backup").call(Verdict.GOOD, "answered", status=200)) == {
        "event": "check",
        "at": "2026-01-01T00:00:03.000+00:00",
        "trunk": "carrier",
        "route": "backup",
        "kind": "call",
        "verdict": "good",
        "reason": "answered",
        "detail": "",
        "status": 200,
        "round_trip_ms": None,
        "place": {"transport": "tcp", "address": "2001:db8::7", "port": 5070},
        "certificate_ends": None,
    }


def test_a_change() -> None:
    data = happening_data(HAPPENINGS[3])
    check = data.pop("check")
    assert data == {
        "event": "change",
        "at": "2026-01-01T00:05:58.000+00:00",
        "trunk": "carrier",
        "route": "primary",
        "before": "degraded",
        "after": "unreachable",
        "since": "2026-01-01T00:05:00.000+00:00",
        "lasted_ms": 58_000.0,
    }
    assert check == {name: each for name, each in happening_data(At(358).refused()).items() if name != "event"}


def test_switches() -> None:
    told = [happening_data(each) for each in HAPPENINGS[-3:]]
    assert [(each["before"], each["after"], each["cause"]) for each in told] == [
        (None, "primary", "failover"),
        ("primary", "backup", "by_hand"),
        ("backup", "primary", "failback"),
    ]


NONE = {"call": None, "registration": None}


def test_what_is_watched() -> None:
    data = begin_data(TRUNKS, STATES, BEGIN)
    assert data["trunks"] == [
        {
            "trunk": "carrier",
            "title": None,
            "interval_ms": 60_000.0,
            "call_interval_ms": 3_600_000.0,
            "registration_interval_ms": 600_000.0,
            "routes": [
                {"route": "primary", "target": "sip:sbc1.carrier.example;transport=tls", **NONE},
                {
                    "route": "backup",
                    "target": "sip:sbc2.carrier.example:5070;transport=tcp",
                    "call": CALLED,
                    "registration": None,
                },
            ],
        },
        {
            "trunk": "office",
            "title": None,
            "interval_ms": 60_000.0,
            "call_interval_ms": 3_600_000.0,
            "registration_interval_ms": 600_000.0,
            "routes": [{"route": "sip:pbx.example.com", "target": "sip:pbx.example.com", **NONE}],
        },
    ]


def test_what_is_different_once_a_file_was_read_again() -> None:
    found = difference(TRUNKS, [replace(CARRIER, title="Carrier Ltd")])
    data = reload_data([replace(CARRIER, title="Carrier Ltd")], found, ["alerts"], BEGIN)
    assert violations(data, load("watch")) == []
    assert (data["added"], data["changed"], data["removed"]) == ([], ["carrier"], ["office"])
    assert isinstance(data["trunks"], list)
    assert [(each["trunk"], each["title"]) for each in data["trunks"]] == [("carrier", "Carrier Ltd")]


def test_a_title_stands_beside_the_name() -> None:
    data = states_data([replace(STATES[0], title="Carrier Ltd")], BEGIN)
    assert violations(data, load("watch")) == []
    assert isinstance(data["trunks"], list)
    assert [(each["trunk"], each["title"]) for each in data["trunks"]] == [("carrier", "Carrier Ltd")]


def test_a_registration() -> None:
    check = At(450).registration(Verdict.BAD, "nobody", "nobody is registered", 200)
    data = happening_data(check)
    assert violations(data, load("watch")) == []
    assert (data["kind"], data["reason"], data["status"]) == ("registration", "nobody", 200)
    state = replace(STATES[0].routes[0], registration=check)
    states = states_data([replace(STATES[0], routes=(state,))], BEGIN)
    assert violations(states, load("watch")) == []
    assert isinstance(states["trunks"], list)
    assert states["trunks"][0]["routes"][0]["registration"]["reason"] == "nobody"


def test_states() -> None:
    trunks = states_data(STATES, BEGIN)["trunks"]
    assert isinstance(trunks, list)
    assert [(each["trunk"], each["works"], each["active"]) for each in trunks] == [
        ("carrier", True, "backup"),
        ("office", False, "sip:pbx.example.com"),
    ]
    backup = trunks[0]["routes"][1]
    assert (backup["health"], backup["since"], backup["misses"]) == ("healthy", "2026-01-01T00:00:00.000+00:00", 0)
    assert backup["call"] is None
    assert backup["options"]["certificate_ends"] == "2026-02-13T00:00:00.000+00:00"
