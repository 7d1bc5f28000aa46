"""Pings as data: every line is what the schema says, and everything that a peer wrote is valid Unicode."""

import json
from dataclasses import replace

import pytest

from probes.destination import Destination
from probes.ping.results import Connected, Counts, Disconnected, Happening, Late, Renamed, Returned, Unnamed
from probes.report.ping_json import happening_data, tally_data
from probes.result import Reach
from sipcore.resolve.target import SocketAddress
from tests.probes.ping.values import BEGIN, TLS, UDP, answered, lost, response, told
from tests.probes.report.schemas import load, violations

ODD = "\udcff\x1b"
ELSEWHERE = SocketAddress("192.0.2.9", 5060)
ANSWER = answered(3, 0.0123456)
STRANGE = replace(ANSWER, attempt=replace(ANSWER.attempt, response=response(200, "\udcff", "Server: \udcff")))
HAPPENINGS: list[Happening] = [
    ANSWER,
    told(STRANGE, ODD, ELSEWHERE),
    *(lost(4, reach) for reach in Reach if reach is not Reach.ANSWERED),
    Connected(BEGIN, TLS, 0.1, "TLSv1.3", again=True),
    Connected(BEGIN, UDP, None),
    Disconnected(BEGIN, TLS, ODD),
    Renamed(BEGIN, (UDP,), (TLS, UDP)),
    Unnamed(BEGIN, "no address"),
    Unnamed(BEGIN, ""),
    Returned(BEGIN, UDP, 12.0, 12),
    Late(BEGIN, 7, 5.25),
]
TARGET = Destination("example.com")


@pytest.mark.parametrize("happening", HAPPENINGS)
def test_every_line_fits_the_schema(happening: Happening) -> None:
    data = happening_data(happening)
    assert violations(json.loads(json.dumps(data)), load("ping")) == []
    json.dumps(data, ensure_ascii=False).encode()


@pytest.mark.parametrize("happenings", [[], HAPPENINGS, [lost(1)]])
def test_so_does_the_sum(happenings: list[Happening]) -> None:
    counts = Counts()
    for each in happenings:
        counts.take(each)
    data = tally_data(TARGET, counts.tally(60.0, 20), "" if happenings else "no address")
    assert violations(json.loads(json.dumps(data)), load("ping")) == []


def test_an_answer() -> None:
    data = happening_data(replace(ANSWER, attempt=replace(ANSWER.attempt, kernel_stamped=True)))
    assert data == {
        "event": "ping",
        "at": "2026-01-01T00:00:03.000+00:00",
        "number": 3,
        "transport": "udp",
        "address": "192.0.2.1",
        "port": 5060,
        "result": "answered",
        "status": 200,
        "reason": "OK",
        "banner": "",
        "answered_from": None,
        "round_trip_ms": 12.346,
        "response_time_ms": 12.346,
        "kernel_stamped": True,
        "retransmissions": 0,
        "detail": "",
        "advice": "",
    }


def test_an_answer_to_one_of_several_requests_has_no_round_trip() -> None:
    data = happening_data(answered(1, 0.51, again=1))
    assert (data["round_trip_ms"], data["response_time_ms"], data["retransmissions"]) == (None, 510.0, 1)


def test_an_answer_from_elsewhere() -> None:
    assert happening_data(told(ANSWER, source=ELSEWHERE))["answered_from"] == "192.0.2.9:5060"
