"""A message as data: what the schemas promise."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.report.message_diff import differences
from probes.report.message_json import diff_data, message_data
from probes.report.message_view import view_of
from tests.probes.report import schemas
from tests.probes.report.messages import FIXTURES, WITH_SECRETS, fixture

MESSAGE, DIFF = schemas.load("message"), schemas.load("message_diff")
SDP = FIXTURES.parent / "sdp"
NAMES = ["options", "options_200", "invite", "invite_407"]


def with_body(body: bytes) -> bytes:
    return (
        fixture("options").replace(
            b"Content-Length: 0", b"Content-Type: application/sdp\r\nContent-Length: %d" % len(body)
        )
        + body
    )


@pytest.mark.parametrize("name", NAMES)
def test_message_keeps_to_the_schema(name: str) -> None:
    data = message_data(view_of(fixture(name)))
    assert schemas.violations(data, MESSAGE) == []
    assert json.loads(json.dumps(data)) == data


@pytest.mark.parametrize("file", sorted(SDP.glob("*.sdp")), ids=lambda file: file.stem)
def test_session_description_keeps_to_the_schema(file: object) -> None:
    data = message_data(view_of(with_body(SDP.joinpath(str(file)).read_bytes())))
    assert schemas.violations(data, MESSAGE) == []
    assert isinstance(data["body"], dict)
    assert data["body"]["sdp"]


@given(st.binary(max_size=200) | st.binary(max_size=40).map(lambda noise: fixture("invite")[:700] + noise))
def test_any_bytes_keep_to_the_schema(data: bytes) -> None:
    left, right = view_of(data), view_of(fixture("invite"))
    for found, schema in ((message_data(left), MESSAGE), (diff_data(left, right, differences(left, right)), DIFF)):
        assert schemas.violations(found, schema) == []
        json.dumps(found, ensure_ascii=False).encode()  # it is Unicode


def test_fields() -> None:
    options = fixture("options").replace(b"4711 OPTIONS", b"4711")
    data = message_data(view_of(options))
    assert data["start"] == {"method": "OPTIONS", "uri": {"scheme": "sip", "host": "trunk.example.net"}}
    assert isinstance(data["headers"], list)
    assert data["headers"][1] == {
        "name": "Max-Forwards",
        "header": "Max-Forwards",
        "section": "RFC 3261 §20.22",
        "value": "70",
        "raw": " 70",
        "values": [70],
        "problem": None,
    }
    assert data["errors"] == [
        {
            "message": "CSeq is a number and a method",
            "section": "RFC 3261 §20.16",
            "where": "CSeq",
            "position": options.index(b"4711"),
            "offset": 0,
            "excerpt": "4711",
            "status": 400,
        }
    ]


def test_deviations() -> None:
    data = message_data(view_of(fixture("options").replace(b"\r\n", b"\n")))
    assert data["deviations"] == [
        {
            "name": "BARE_LF",
            "section": "RFC 3261 §7",
            "text": "a line ends in LF instead of CRLF",
            "where": "message",
        }
    ]


def test_a_message_that_cannot_be_parsed() -> None:
    data = message_data(view_of(b"\xffnonsense\r\n\r\n"))
    assert (data["kind"], data["start"], data["start_line"]) == (None, None, "\\xffnonsense")


def test_diff() -> None:
    left, right = view_of(fixture("options")), view_of(fixture("options").replace(b"Max-Forwards: 70\r\n", b""))
    assert diff_data(left, right, differences(left, right)) == {
        "equal": False,
        "differences": [
            {"kind": "removed", "where": "Max-Forwards", "left": "Max-Forwards: 70", "right": None, "details": []}
        ],
        "left_errors": [],
        "right_errors": [],
    }
    assert diff_data(left, left, ())["equal"] is True


def test_every_kind_of_difference_keeps_to_the_schema() -> None:
    left = view_of(WITH_SECRETS)
    changed = WITH_SECRETS.replace(b"From:", b"f:").replace(b"Max-Forwards: 70\r\n", b"").replace(b"c2Vj", b"d2Vj")
    right = view_of(changed.replace(b"Call-ID:", b"Subject: x\r\nCall-ID:").replace(b"tag=1", b"tag=2"))
    data = diff_data(left, right, differences(left, right))
    assert schemas.violations(data, DIFF) == []


def test_the_checker_finds_violations() -> None:
    assert schemas.violations({"equal": 1, "extra": 2}, DIFF) == [
        "$: no differences",
        "$: no left_errors",
        "$: no right_errors",
        "$: unknown extra",
        "$.equal: 1 is no boolean",
    ]
