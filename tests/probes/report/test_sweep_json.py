"""A sweep as data: every line is what the schema says, and everything that a peer wrote is valid Unicode."""

import json

import pytest

from probes.report.json import Data
from probes.report.sweep_json import found_data, kind_data, tally_data
from probes.result import Reach, System
from probes.sweep.found import Found, Kind, Tally
from sipcore.resolve.target import SocketAddress
from tests.probes.report.schemas import load, violations

PLACE = SocketAddress("2001:db8::7", 5070)
ODD = "\udcff\x1b"


@pytest.mark.parametrize(
    "data",
    [
        *(found_data(Found(PLACE, reach, 1)) for reach in (Reach.NOT_SIP, Reach.REFUSED, Reach.UNREACHABLE)),
        found_data(Found(PLACE, Reach.ANSWERED, 2, 0.5, True, 200, ODD, ODD, 3, ODD, PLACE, True)),
        kind_data(Kind(0, 7)),
        kind_data(Kind(1, 7, ODD, System(ODD, ODD, ODD, vendor=ODD, confidence=0.123456))),
        tally_data(Tally(5), 7, 1.0, complete=False),
    ],
)
def test_every_line_fits_the_schema(data: Data) -> None:
    assert violations(json.loads(json.dumps(data)), load("sweep")) == []
    json.dumps(data, ensure_ascii=False).encode()


def test_a_place() -> None:
    found = Found(PLACE, Reach.ANSWERED, 1, 0.0123456, True, 200, "OK", "Asterisk", 0)
    assert found_data(found) == {
        "type": "place",
        "address": "2001:db8::7",
        "port": 5070,
        "result": "answered",
        "status": 200,
        "reason": "OK",
        "banner": "Asterisk",
        "kind": 0,
        "response_time_ms": 12.346,
        "kernel_stamped": True,
        "requests": 1,
        "late": False,
        "answered_from": None,
        "detail": "",
    }


def test_the_sum() -> None:
    data = tally_data(Tally(5, 4, 3, 2, silent=1, unsent=9), 7, 1.2345678, complete=True)
    assert [data[name] for name in ("type", "complete", "duration_ms", "seed", "places", "asked", "unsent")] == [
        *("summary", True, 1234.568, 7, 5, 4, 9)
    ]
