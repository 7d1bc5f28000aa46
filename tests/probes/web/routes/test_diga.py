"""Diga's phones over HTTP: every sentence of its contract that a request can show."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from tests.probes.web.contracts import Asking, asking

BASE = "/v1/phone"
NUMBER = "+15550100001"
A, V, W = (f"6f0c1a52-0000-4000-8000-00000000000{each}" for each in "abc")
NOBODY = "6f0c1a52-0000-4000-8000-0000000000ff"
TRUNK = {"termination_uri": "gw.example.net", "username": "u", "password": "a long password"}
INBOUND_ONLY = {
    "termination_uri": None,
    "username": None,
    "inbound_media_encryption": "allow",
    "outbound_media_encryption": "allow",
    "allowed_addresses": None,
}


@pytest.fixture
async def ask(tmp_path: Path) -> AsyncIterator[Asking]:
    async with asking(tmp_path) as asked:
        yield asked


async def phone(ask: Asking, number: str = NUMBER, key: str = "acme", **settings: object) -> dict[str, Any]:
    """A phone that was just imported."""
    status, made = await ask("POST", f"{BASE}/import", {"phone_number": number} | settings, key=key)
    assert status == 201, made
    return cast(dict[str, Any], made)


async def test_a_phone_from_its_import_to_its_end(ask: Asking) -> None:
    made = await phone(ask, "+1 555 010 0001", nickname="desk", sip_config=TRUNK)
    assert {key: made[key] for key in ("number", "nickname", "telephony_provider", "status")} == {
        "number": NUMBER,
        "nickname": "desk",
        "telephony_provider": "custom",
        "status": "assigned",
    }
    assert made["assigned_at"].endswith("Z")
    assert (made["released_at"], made["scheduled_release_at"]) == (None, None)
    assert made["sip_config"] == INBOUND_ONLY | {"termination_uri": "gw.example.net", "username": "u"}
    assert await ask("GET", f"{BASE}/{made['id']}") == (200, made)
    assert (await ask("GET", f"{BASE}/"))[1]["data"] == [made]
    assert await ask("DELETE", f"{BASE}/{made['id']}") == (204, None)
    assert (await ask("GET", f"{BASE}/{made['id']}"))[0] == 404
    assert (await ask("DELETE", f"{BASE}/{made['id']}"))[0] == 404
    assert (await ask("GET", f"{BASE}/"))[1]["data"] == []
    assert (await phone(ask))["sip_config"] == INBOUND_ONLY


async def test_a_number_is_imported_once(ask: Asking) -> None:
    await phone(ask)
    for spelled in (NUMBER, "+1 (555) 010-0001"):
        status, told = await ask("POST", f"{BASE}/import", {"phone_number": spelled})
        assert (status, told) == (409, {"detail": f"{NUMBER} is configured already"})


async def test_passwords_are_in_no_answer(ask: Asking) -> None:
    secret = TRUNK | {"password": "p-s3cret"}
    made = await phone(ask, sip_config=secret)
    path = f"{BASE}/{made['id']}"
    told = [
        made,
        await ask("GET", path),
        await ask("GET", f"{BASE}/"),
        await ask("PATCH", f"{path}/sip-config", {"outbound_config": secret}),
        await ask("PATCH", f"{path}/sip-config", {"outbound_config": secret | {"termination_uri": "sip:x"}}),
        await ask("POST", f"{BASE}/import", {"phone_number": NUMBER, "sip_config": secret}),
    ]
    assert "s3cret" not in str(told)
    assert "password" not in str(told)


@pytest.mark.parametrize("slash", ["", "/"])
async def test_served_with_a_slash_at_the_end_and_without(ask: Asking, slash: str) -> None:
    status, made = await ask("POST", f"{BASE}/import{slash}", {"phone_number": NUMBER})
    assert status == 201
    one = f"{BASE}/{made['id']}"
    assert (await ask("GET", f"{BASE}{slash}?limit=1"))[1]["data"] == [made]
    assert (await ask("GET", f"{one}{slash}"))[0] == 200
    assert (await ask("PATCH", f"{one}{slash}", {"nickname": "x"}))[0] == 200
    assert (await ask("PATCH", f"{one}/sip-config{slash}", {}))[0] == 200
    assert (await ask("DELETE", f"{one}{slash}"))[0] == 204


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"{BASE}/", None),
        ("POST", f"{BASE}/import", {"phone_number": NUMBER}),
        ("GET", f"{BASE}/{NOBODY}", None),
        ("PATCH", f"{BASE}/{NOBODY}", {}),
        ("PATCH", f"{BASE}/{NOBODY}/sip-config", {}),
        ("DELETE", f"{BASE}/{NOBODY}", None),
    ],
)
async def test_who_may(ask: Asking, method: str, path: str, body: object) -> None:
    status, told = await ask(method, path, body, key="")
    assert (status, list(told), type(told["detail"])) == (401, ["detail"], str)
    if method != "GET":
        assert (await ask(method, path, body, key="reader"))[0] == 403
    if NOBODY in path:
        assert await ask(method, path, body) == (404, {"detail": "there is no such phone"})


@pytest.mark.parametrize(
    ("method", "path", "body", "place", "kind"),
    [
        ("POST", "/import", {}, ["body", "phone_number"], "missing"),
        ("POST", "/import", {"phone_number": "two words"}, ["body", "phone_number"], "phone_number"),
        (
            "POST",
            "/import",
            {"phone_number": NUMBER, "sip_config": {"username": "u", "password": "p"}},
            ["body", "sip_config", "termination_uri"],
            "missing",
        ),
        (
            "POST",
            "/import",
            {"phone_number": NUMBER, "sip_config": TRUNK | {"username": "u" * 300}},
            ["body", "sip_config", "username"],
            "credentials",
        ),
        (
            "POST",
            "/import",
            {"phone_number": NUMBER, "sip_config": {"termination_uri": "169.254.169.254"}},
            ["body", "sip_config", "termination_uri"],
            "reach",
        ),
        (
            "POST",
            "/import",
            {"phone_number": NUMBER, "outbound_config": {"termination_uri": "localhost"}},
            ["body", "outbound_config", "termination_uri"],
            "reach",
        ),
        (
            "PATCH",
            f"/{NOBODY}/sip-config",
            {"inbound_config": {"allowed_addresses": ["192.0.2.0/28", "192.0.2.5/24"]}},
            ["body", "inbound_config", "allowed_addresses", 1],
            "allowed-address",
        ),
        ("GET", "/desk", None, ["path", "phone_id"], "uuid_parsing"),
        ("GET", "/?limit=101", None, ["query", "limit"], "less_than_equal"),
        ("GET", f"/?after={NOBODY}", None, ["query", "after"], "unknown_cursor"),
        ("GET", f"/?after={NOBODY}&page=2", None, ["query", "after"], "two_ways"),
        ("GET", "/?status=sold", None, ["query", "status"], "enum"),
    ],
)
async def test_what_is_wrong_is_told_with_its_place(
    ask: Asking, method: str, path: str, body: object, place: list[Any], kind: str
) -> None:
    status, told = await ask(method, f"{BASE}{path}", body)
    assert status == 422, told
    assert [set(each) for each in told["detail"]] == [{"loc", "msg", "type"}]
    assert (told["detail"][0]["loc"], told["detail"][0]["type"]) == (place, kind)


AN_ID = "an id is wanted: write it as it was told, as 6f0c1a52-0000-4000-8000-000000000001"
NOT_IN_UTC = "the time is before the year 1, or after 9999, in UTC"
A_TIME = "a time is wanted: write it as 2026-11-01T08:00:00Z"


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("GET", "/s3cret", None, AN_ID),
        ("GET", "/?after=s3cret", None, AN_ID),
        ("PATCH", f"/{NOBODY}", {"inbound_version_id": 7}, AN_ID),
        ("GET", "/?start_assigned_at=s3cret", None, A_TIME),
        ("GET", "/?start_assigned_at=1e30", None, A_TIME),
        ("GET", "/?start_assigned_at=0001-01-01T00:23:00%2B01:00", None, NOT_IN_UTC),
        ("GET", "/?start_assigned_at=9999-12-31T23:59:00-01:00", None, NOT_IN_UTC),
        (
            "POST",
            "/import",
            {"phone_number": NUMBER, "sip_config": {"termination_uri": "gw.example.net:x"}},
            "cannot read 'gw.example.net:x' at 'x': a port is a number; give a host or an IP address alone",
        ),
        (
            "POST",
            "/import",
            {"phone_number": NUMBER, "sip_config": {"termination_uri": ""}},
            "nothing given; give a host or an IP address alone",
        ),
    ],
)
async def test_what_is_wrong_is_told_in_own_words(
    ask: Asking, method: str, path: str, body: object, message: str
) -> None:
    status, told = await ask(method, f"{BASE}{path}", body)
    assert (status, [each["msg"] for each in told["detail"]]) == (422, [message])


@pytest.mark.parametrize("path", ["/api/v1/channels/phone", f"{BASE}/import"])
@pytest.mark.parametrize(
    ("content", "status", "place"),
    [
        (b'{"name": "' + b"x" * (1 << 20) + b'"}', 413, None),
        (b"\xff\xfe", 422, ["body", 0]),
        (b'{"name":', 422, ["body", 8]),
        (b'{"name": s3cret}', 422, ["body", 9]),
    ],
)
async def test_a_body_that_cannot_be_read(
    ask: Asking, path: str, content: bytes, status: int, place: list[str | int] | None
) -> None:
    headers = {"authorization": f"Bearer {ask.keys['acme']}", "content-type": "application/json"}
    found = await ask.client.post(path, content=content, headers=headers)
    assert (found.status_code, list(found.json())) == (status, ["detail"])
    assert place is None or [each["loc"] for each in found.json()["detail"]] == [place]
    assert "s3cret" not in found.text


async def test_pages_one_way_or_the_other(ask: Asking) -> None:
    made = [await phone(ask, str(2000 + number)) for number in range(5)]
    newest = [each["id"] for each in reversed(made)]

    async def page(query: str) -> tuple[list[str], dict[str, Any]]:
        status, told = await ask("GET", f"{BASE}/?{query}")
        assert status == 200
        return [each["id"] for each in told["data"]], {key: told[key] for key in told if key != "data"}

    first = {"has_more": True, "first_id": newest[0], "last_id": newest[1]}
    assert await page("limit=2") == (newest[:2], first | {"current_page": 1, "total_pages": 3})
    assert await page("limit=2&page=3") == (
        newest[4:],
        {"has_more": False, "first_id": newest[4], "last_id": newest[4], "current_page": 3, "total_pages": 3},
    )
    second = {"has_more": True, "first_id": newest[2], "last_id": newest[3], "current_page": None, "total_pages": None}
    assert await page(f"limit=2&after={newest[1]}") == (newest[2:4], second)
    back = {"has_more": False, "first_id": newest[0], "last_id": newest[1], "current_page": None, "total_pages": None}
    assert await page(f"limit=2&before={newest[2]}&page=") == (newest[:2], back)
    assert (await page("order=asc&limit=100"))[0] == newest[::-1]
    assert (await page(f"start_assigned_at={made[3]['assigned_at']}"))[0] == newest[:2]
    assert (await page(f"end_assigned_at={made[0]['assigned_at']}"))[0] == newest[4:]
    assert (await page("status=finished"))[0] == []
    await ask("DELETE", f"{BASE}/{newest[1]}")
    assert (await ask("GET", f"{BASE}/?after={newest[1]}"))[0] == 422


async def test_what_is_absent_stays_and_null_takes_a_name_and_agents_away(ask: Asking) -> None:
    made = await phone(ask, nickname="desk")
    path = f"{BASE}/{made['id']}"
    _, found = await ask("PATCH", path, {"inbound_version_id": V, "outbound_version_id": W})
    agents = ("inbound_version_id", "outbound_version_id", "inbound_agent_id", "outbound_agent_id", "nickname")
    assert [found[key] for key in agents] == [V, W, V, W, "desk"]
    assert await ask("PATCH", path, {}) == (200, found)
    _, found = await ask("PATCH", path, {"inbound_version_id": None, "nickname": None})
    assert [found[key] for key in agents] == [None, W, None, W, None]
    assert (await ask("GET", f"{BASE}/?outbound_agent_id={W}"))[1]["data"] == [found]
    assert (await ask("GET", f"{BASE}/?inbound_agent_id={V}"))[1]["data"] == []


async def test_an_agent_has_one_published_version(ask: Asking) -> None:
    first, second = await phone(ask), await phone(ask, "2001")
    theirs = await phone(ask, "2001", key="other")
    published = {"inbound_version_id": V, "inbound_agent_id": A}
    changed = {"outbound_version_id": W, "outbound_agent_id": A}
    assert (await ask("PATCH", f"{BASE}/{first['id']}", published))[0] == 200
    assert (await ask("PATCH", f"{BASE}/{second['id']}", published))[0] == 200
    status, told = await ask("PATCH", f"{BASE}/{second['id']}", changed)
    assert status == 409
    assert told["detail"].startswith(f"agent {A} has version {V} published on {NUMBER}")
    assert (await ask("GET", f"{BASE}/{second['id']}"))[1]["outbound_version_id"] is None
    assert (await ask("PATCH", f"{BASE}/{theirs['id']}", changed, key="other"))[0] == 200
    await ask("DELETE", f"{BASE}/{first['id']}")
    gone = {"inbound_version_id": None} | changed
    assert (await ask("PATCH", f"{BASE}/{second['id']}", gone))[0] == 200


async def test_of_two_who_publish_at_once_one_is_refused(ask: Asking) -> None:
    paths = [f"{BASE}/{(await phone(ask, number))['id']}" for number in ("2001", "2002", "2003", "2004")]
    statuses: list[int] = []

    async def publish(path: str, version: str) -> None:
        body = {"inbound_version_id": version, "inbound_agent_id": A}
        statuses.append((await ask("PATCH", path, body))[0])

    async with trio.open_nursery() as nursery:
        for path, version in zip(paths, (V, W, V, W), strict=True):
            nursery.start_soon(publish, path, version)
    assert sorted(statuses) == [200, 200, 409, 409]


async def test_the_trunk_of_a_phone(ask: Asking) -> None:
    made = await phone(ask)
    path = f"{BASE}/{made['id']}/sip-config"
    body = {
        "inbound_config": {"media_encryption": "require", "allowed_addresses": ["192.0.2.0/28"]},
        "outbound_config": TRUNK | {"media_encryption": "disable"},
    }
    told = {
        "termination_uri": "gw.example.net",
        "username": "u",
        "inbound_media_encryption": "require",
        "outbound_media_encryption": "disable",
        "allowed_addresses": ["192.0.2.0/28"],
    }
    assert await ask("PATCH", path, body) == (200, made | {"sip_config": told})
    nothing: dict[str, object] = {
        "inbound_config": {"allowed_addresses": None, "media_encryption": None},
        "outbound_config": None,
    }
    empties: list[dict[str, object]] = [{}, nothing, {"inbound_config": {}, "outbound_config": {}}]
    for empty in empties:
        assert await ask("PATCH", path, empty) == (200, made | {"sip_config": told})
    _, found = await ask("PATCH", path, {"inbound_config": {"allowed_addresses": []}})
    assert found["sip_config"] == told | {"allowed_addresses": None}


async def test_what_is_refused_stores_nothing_of_it(ask: Asking) -> None:
    made = await phone(ask)
    body = {
        "inbound_config": {"media_encryption": "require", "allowed_addresses": ["192.0.2.0/28"]},
        "outbound_config": {"termination_uri": "gw.example.net", "username": "u" * 300, "password": "p"},
    }
    status, told = await ask("PATCH", f"{BASE}/{made['id']}/sip-config", body)
    assert (status, told["detail"][0]["loc"]) == (422, ["body", "outbound_config", "username"])
    assert await ask("GET", f"{BASE}/{made['id']}") == (200, made)


async def test_tenants_know_nothing_of_each_other(ask: Asking) -> None:
    made = await phone(ask)
    path = f"{BASE}/{made['id']}"
    asked: list[tuple[str, str, Any]] = [
        ("GET", path, None),
        ("PATCH", path, {"nickname": "mine"}),
        ("PATCH", f"{path}/sip-config", {"inbound_config": {"allowed_addresses": ["192.0.2.1"]}}),
        ("DELETE", path, None),
        ("GET", f"{BASE}/?after={made['id']}", None),
        ("GET", f"{BASE}/?before={made['id']}", None),
    ]
    for method, url, body in asked:
        told = await ask(method, url, body, key="other")
        assert told == await ask(method, url.replace(made["id"], NOBODY), body, key="other")
        assert told[0] in (404, 422)
    assert (await ask("GET", f"{BASE}/", key="other"))[1]["data"] == []
    assert await ask("GET", path) == (200, made)
    status, told = await ask("POST", f"{BASE}/import", {"phone_number": NUMBER}, key="other")
    assert (status, "acme" in str(told)) == (409, False)
    await phone(ask, "2001")
    await phone(ask, "2001", key="other")


# With the other contract beside it


async def test_a_number_of_a_phone_config_is_a_phone(ask: Asking) -> None:
    channels = "/api/v1/channels/phone"
    security = {"secure_trunking": True}
    _, config = await ask("POST", channels, {"name": "pbx", "security": security})
    await ask("POST", f"{channels}/{config['id']}/numbers", {"phone_number": NUMBER, "description": "desk"})
    (found,) = (await ask("GET", f"{BASE}/"))[1]["data"]
    assert (found["number"], found["nickname"], found["telephony_provider"]) == (NUMBER, "desk", "custom")
    assert found["sip_config"]["inbound_media_encryption"] == "require"
    await ask("PATCH", f"{BASE}/{found['id']}", {"nickname": "hall"})
    assert (await ask("GET", f"{channels}/{config['id']}"))[1]["phone_numbers"][0]["description"] == "hall"
    assert (await ask("DELETE", f"{BASE}/{found['id']}"))[0] == 204
    assert (await ask("GET", f"{channels}/{config['id']}"))[1]["phone_numbers"] == []


async def test_a_phone_joins_a_phone_config_and_stays_when_it_leaves(ask: Asking) -> None:
    channels = "/api/v1/channels/phone"
    made = await phone(ask, nickname="desk", sip_config=TRUNK)
    await ask("PATCH", f"{BASE}/{made['id']}", {"inbound_version_id": V})
    before = (await ask("GET", f"{BASE}/{made['id']}"))[1]
    _, config = await ask("POST", channels, {"name": "pbx", "security": {}})
    agent = {"agent_id": A, "environment_id": W}
    status, told = await ask("POST", f"{channels}/{config['id']}/numbers", {"phone_number": NUMBER} | agent)
    assert (status, told) == (201, {"phone_number": NUMBER, "description": "desk"} | agent)
    assert (await ask("GET", f"{BASE}/{made['id']}"))[1] == before
    assert (await ask("DELETE", f"{channels}/{config['id']}"))[0] == 204
    assert (await ask("GET", f"{BASE}/{made['id']}"))[1] == before


async def test_a_number_of_a_phone_config_alone_goes_with_it(ask: Asking) -> None:
    channels = "/api/v1/channels/phone"
    _, config = await ask("POST", channels, {"name": "pbx", "security": {}})
    await ask("POST", f"{channels}/{config['id']}/numbers", {"phone_number": NUMBER})
    await ask("DELETE", f"{channels}/{config['id']}")
    assert (await ask("GET", f"{BASE}/"))[1]["data"] == []
