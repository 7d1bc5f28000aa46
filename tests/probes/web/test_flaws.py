"""What is told of a request that is wrong: in this service's own words, with its place, and what to send instead."""

import json
from pathlib import Path
from typing import Any

import pytest

from probes.web.flaws import flaw_of
from tests.probes.web.asking import asking

JSON = "application/json"
AS_JSON = "send a JSON object, with the header field Content-Type: application/json"
GATEWAY = {"host": "sbc.example.net"}


def trunk(**outbound: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"name": "t", "outbound": outbound}


WRONG: list[tuple[str, Any, str, str]] = [
    ("/trunks", {}, "/name", "this field is missing: give it"),
    ("/trunks", {"name": ""}, "/name", "it is too short: give 1 character at least"),
    ("/trunks", {"name": "n" * 129}, "/name", "it is too long: give 128 characters at most"),
    ("/trunks", {"name": 7}, "/name", "a text is wanted: write it in double quotes"),
    ("/trunks", {"name": "t", "outbound": "x"}, "/outbound", "a JSON object is wanted: write it in braces, as {}"),
    ("/trunks", {"name": "t", "id": 1}, "/id", "there is no field of this name: leave it out"),  # too short to tell
    ("/trunks", {"name": "t", "a/b~": 1}, "/a~1b~0", "there is no field of this name: leave it out"),
    (
        "/trunks",
        trunk(gateways=[GATEWAY, GATEWAY | {"prot": 5060}]),
        "/outbound/gateways/1/prot",
        "there is no field of this name; did you mean port?",
    ),
    (
        "/trunks",
        trunk(credentials={"username": "us", "user": "us"}),
        "/outbound/credentials/user",
        "there is no field of this name; did you mean username?",
    ),
    (
        "/trunks",
        trunk(failover={"isEnabled": True}),
        "/outbound/failover/isEnabled",
        "there is no field of this name; did you mean enabled?",
    ),
    (
        "/trunks",
        trunk(gateways=[GATEWAY | {"username": "us"}]),  # which is a field elsewhere
        "/outbound/gateways/0/username",
        "there is no field of this name: leave it out",
    ),
    ("/trunks", trunk(gateways={}), "/outbound/gateways", "a JSON array is wanted: write it in brackets, as []"),
    ("/trunks", trunk(gateways=[GATEWAY] * 21), "/outbound/gateways", "there are too many: give 20 at most"),
    (
        "/trunks",
        trunk(gateways=[GATEWAY | {"port": "many"}]),
        "/outbound/gateways/0/port",
        "a whole number is wanted: write it in digits",
    ),
    (
        "/trunks",
        trunk(gateways=[GATEWAY | {"port": 5060.5}]),
        "/outbound/gateways/0/port",
        "a whole number is wanted: leave out what is behind the point",
    ),
    (
        "/trunks",
        trunk(gateways=[GATEWAY | {"port": 0}]),
        "/outbound/gateways/0/port",
        "it is too small: give 1 or more",
    ),
    (
        "/trunks",
        trunk(gateways=[GATEWAY | {"port": 70000}]),
        "/outbound/gateways/0/port",
        "it is too large: give 65535 or less",
    ),
    (
        "/trunks",
        trunk(gateways=[GATEWAY | {"transport": "sctp"}]),
        "/outbound/gateways/0/transport",
        "it is none of those that there are: give 'udp', 'tcp', 'tls', 'ws' or 'wss'",
    ),
    (
        "/trunks",
        trunk(alerts={"unreachable_minutes": 10**400}),
        "/outbound/alerts/unreachable_minutes",
        "a number is wanted: write it without quotes, and no longer than others",
    ),
    (
        "/trunks",
        trunk(failover={"enabled": "so"}),
        "/outbound/failover/enabled",
        "true or false is wanted, without quotes",
    ),
    ("/trunks", None, "", f"the body is empty: {AS_JSON}"),
    ("/calls?wait=long", {}, "/wait", "a number is wanted: write it in digits"),
]


@pytest.mark.parametrize(("path", "body", "pointer", "told"), WRONG)
async def test_a_flaw_is_told_in_own_words_at_its_place(
    path: str, body: object, pointer: str, told: str, tmp_path: Path
) -> None:
    async with asking(tmp_path) as asked:
        client = await asked.client()
        content = b"" if body is None else json.dumps(body).encode()
        answer = await client.post(path, content=content, headers={"Content-Type": JSON})
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert (error["pointer"], error["detail"]) == (pointer, told)
        place = {"body": pointer, "query": f"the parameter {pointer[1:]}"}[error["in"]]
        assert answer.json()["detail"] == (f"{place}: {told}" if place else told)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{\n  "name": "t",\n}', "line 3, column 1: a name in double quotes is wanted here"),
        (b'{"name": }', "line 1, column 10: a value is missing here"),
        (b'{"name" "t"}', "line 1, column 9: a colon is missing here"),
        (b'{"name": "t"\n "description": ""}', "line 2, column 2: a comma is missing here, or what stands here"),
        (b"{} {}", "line 1, column 4: the JSON is over here, and something follows"),
        (b'{"name": "t', "line 1, column 10: the text that begins here has no end"),
        (b'{"name": "a\nb"}', "line 1, column 12: a control character in a text is written as"),
        (b'{"name": "\\x"}', "line 1, column 11: a backslash in a text is written as"),
        (b'{"name": "\\u12"}', "line 1, column 12: \\u is followed by four hexadecimal digits"),
        (b"s3cret", "line 1, column 1: a value is missing here"),
    ],
)
async def test_broken_json_is_told_with_line_and_column(content: bytes, told: str, tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        client = await asked.client()
        answer = await client.post("/trunks", content=content, headers={"Content-Type": JSON})
        assert (answer.status_code, answer.json()["type"]) == (400, "urn:sipprobe:malformed")
        assert f"the body is no JSON: {told}" in answer.json()["detail"]
        assert [error["pointer"] for error in answer.json()["errors"]] == [""]
        assert "s3cret" not in answer.text
        bland = await client.post("http://service/v1/sip/trunks", content=content, headers={"Content-Type": JSON})
        (error,) = bland.json()["errors"]
        assert (error["field"], told in error["message"]) == (None, True)


@pytest.mark.parametrize(
    ("content", "kind", "told"),
    [
        (b"", None, f"the body is empty: {AS_JSON}"),
        (b"", JSON, f"the body is empty: {AS_JSON}"),
        (b'{"name": "t"}', None, f"the body has no Content-Type: {AS_JSON}"),
        (b'{"name": "t"}', "text/plain", f"the Content-Type is not application/json: {AS_JSON}"),
        (b"name=t", "application/x-www-form-urlencoded", f"the Content-Type is not application/json: {AS_JSON}"),
        (b"[]", JSON, "the body is a JSON array: send a JSON object, as {}"),
        (b'"t"', JSON, "the body is a text: send a JSON object, as {}"),
        (b"7", JSON, "the body is a number: send a JSON object, as {}"),
        (b"true", JSON, "the body is true or false: send a JSON object, as {}"),
        (b"null", JSON, f"the body is empty: {AS_JSON}"),
    ],
)
async def test_a_body_that_is_no_object_is_told_as_what_it_is(
    content: bytes, kind: str | None, told: str, tmp_path: Path
) -> None:
    async with asking(tmp_path) as asked:
        client = await asked.client()
        at = f"/trunks/{(await client.post('/trunks', json={'name': 'a'})).json()['id']}"
        headers = {"Content-Type": kind} if kind is not None else {}
        for method, path in (("POST", "/trunks"), ("PUT", at), ("PATCH", at)):
            answer = await client.request(method, path, content=content, headers=headers)
            assert (answer.status_code, answer.json()["detail"]) == (422, told), method
            assert [error["pointer"] for error in answer.json()["errors"]] == [""]


async def test_a_change_with_a_field_that_there_is_not_tells_which_may_be_meant(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        client = await asked.client()
        at = f"/trunks/{(await client.post('/trunks', json={'name': 'a'})).json()['id']}"
        answer = await client.patch(at, json={"inbound": {"forwardTo": "sip:a@example.net"}})
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "/inbound/forwardTo"
        assert error["detail"] == "there is no field of this name; did you mean forward_to?"
        diga = await client.post("http://service/v1/phone/import", json={"phone_number": "2001", "nicknme": "x"})
        assert diga.json()["detail"][0]["msg"] == "there is no field of this name; did you mean nickname?"


@pytest.mark.parametrize(
    ("password", "told"),
    [
        ("s3cret", "it is too short: give 8 characters at least"),
        ("s3cret" * 100, "it is too long: give 256 characters at most"),
        (["s3cret"], "a text is wanted: write it in double quotes"),
    ],
)
async def test_a_secret_that_is_too_short_or_too_long_is_told_as_a_text(
    password: object, told: str, tmp_path: Path
) -> None:
    async with asking(tmp_path) as asked:
        register = {"username": "pbx", "password": password}
        direction = {"type": "inbound", "auth_mode": "register", "register_auth": register}
        body = {"service": "sip", "phone_number": "2001", "directions": [direction]}
        answer = await (await asked.client()).post("http://service/v1/sip/attach", json=body)
        assert [error["message"] for error in answer.json()["errors"]] == [
            f"directions.0.register_auth.password: {told}"
        ]
        assert "s3cret" not in answer.text


TIME = "a time is wanted: write it as 2026-11-01T08:00:00Z"
NOT_IN_UTC = "the time is before the year 1, or after 9999, in UTC"
ID = "an id is wanted: write it as it was told, as 6f0c1a52-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v1/phone?start_assigned_at=s3cret", TIME),
        ("/v1/phone?start_assigned_at=2026-13-01", TIME),
        ("/v1/phone?start_assigned_at=0001-01-01T00:00:00%2B14:00", NOT_IN_UTC),
        ("/v1/phone?end_assigned_at=9999-12-31T23:59:59-12:00", NOT_IN_UTC),
        ("/v1/phone?before=s3cret", ID),
        ("/api/v1/channels/phone/s3cret", ID),
    ],
)
async def test_a_time_and_an_id_that_are_none_are_told(path: str, told: str, tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        answer = await (await asked.client()).get(f"http://service{path}")
        assert (answer.status_code, [error["msg"] for error in answer.json()["detail"]]) == (422, [told])


def test_what_the_library_says_by_itself_is_not_passed_on() -> None:
    told = {"type": "url_parsing", "loc": ("body", "url"), "msg": "Input should be a valid URL, not s3cret"}
    assert flaw_of(told, {}, JSON).message == "this cannot be read: see what is described of it"
    own = told | {"type": "value_error", "msg": "Value error, give one of both"}
    assert flaw_of(own, {}, JSON).message == "give one of both"


async def test_limits_are_told_in_all_their_digits(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        alerts = {"thresholds": {"unreachable_minutes": 1_000_001}}
        body = {"phone_number": "2001", "direction": "outbound", "alert_config": alerts}
        answer = await (await asked.client()).patch("http://service/v1/sip/config", json=body)
        assert "it is too large: give 1000000 or less" in answer.text


@pytest.mark.parametrize(
    ("direction", "told"),
    [
        ({"sip_endpoint": "sbc.example.net"}, "directions.0: this needs 'type', which says what it is"),
        ({"type": "s3cret"}, "directions.0: 'type' is none of those that there are: give 'inbound', 'outbound'"),
    ],
)
async def test_a_direction_that_does_not_say_which_is_told_so(
    direction: dict[str, str], told: str, tmp_path: Path
) -> None:
    async with asking(tmp_path) as asked:
        body = {"service": "sip", "phone_number": "2001", "directions": [direction]}
        answer = await (await asked.client()).post("http://service/v1/sip/attach", json=body)
        assert told in [error["message"] for error in answer.json()["errors"]]
        assert "s3cret" not in answer.text
