"""The phone channel over HTTP: every sentence of its contract that a request can show."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from tests.probes.web.contracts import Asking, asking

BASE = "/api/v1/channels/phone"
LOOKUP = "/api/v1/internal/channels/phone"
A, E = "6f0c1a52-0000-4000-8000-00000000000a", "6f0c1a52-0000-4000-8000-00000000000e"
NOBODY = "6f0c1a52-0000-4000-8000-0000000000ff"
GENESYS = {"service_provider": "genesys_audio_connector"}


@pytest.fixture
async def ask(tmp_path: Path) -> AsyncIterator[Asking]:
    async with asking(tmp_path) as asked:
        yield asked


async def config(ask: Asking, *numbers: str, key: str = "acme", **settings: object) -> str:
    """A new config with numbers, by its id."""
    status, made = await ask("POST", BASE, {"name": "pbx", "security": {}} | settings, key=key)
    assert status == 201, made
    for number in numbers:
        assert (await ask("POST", f"{BASE}/{made['id']}/numbers", {"phone_number": number}, key=key))[0] == 201
    found: str = made["id"]
    return found


async def shown(ask: Asking, config_id: str) -> dict[str, Any]:
    status, found = await ask("GET", f"{BASE}/{config_id}")
    assert status == 200
    return cast(dict[str, Any], found)


def names(found: dict[str, Any]) -> list[str]:
    return [each["phone_number"] for each in found["phone_numbers"]]


async def test_a_config_from_its_creation_to_its_end(ask: Asking) -> None:
    body = {
        "name": "pbx",
        "description": "front desk",
        "security": {"secure_trunking": True, "authentication": True, "username": "u", "password": "a long password"},
        "custom_invite_headers": [{"name": "X-Case"}],
        "put_caller_on_hold_on_transfer": False,
        "error_handling": {"fallback_sip_uri": "sip:ops@example.net"},
    }
    status, made = await ask("POST", BASE, body)
    assert status == 201
    told = {key: made[key] for key in ("name", "description", "custom_invite_headers", "error_handling")}
    assert told == {key: body[key] for key in told}
    assert made["security"] == {
        "api_key": None,
        "client_secret": None,
        "secure_trunking": True,
        "authentication": True,
        "username": "u",
        "password": None,
        "password_is_set": True,
    }
    assert (made["tenant_id"], made["attached_environments"], made["phone_numbers"]) == ("acme", [], [])
    assert (made["put_caller_on_hold_on_transfer"], made["send_provisional_response"]) == (False, True)
    assert made["created_on"] == made["updated_at"]
    assert made["created_on"].endswith("Z")
    assert made["created_by"] == made["updated_by"] is not None
    assert await ask("GET", f"{BASE}/{made['id']}") == (200, made)
    assert await ask("GET", BASE) == (200, {"phones": [made]})
    assert await ask("DELETE", f"{BASE}/{made['id']}") == (204, None)
    assert await ask("GET", BASE) == (200, {"phones": []})
    assert (await ask("DELETE", f"{BASE}/{made['id']}"))[0] == 404


async def test_secrets_are_in_no_answer(ask: Asking) -> None:
    secrets = {"api_key": "k-s3cret", "client_secret": "c-s3cret", "password": "p-s3cret", "username": "u"}
    _, made = await ask("POST", BASE, {"name": "pbx", "security": secrets})
    told = [made, await ask("GET", BASE), await ask("PATCH", f"{BASE}/{made['id']}", {"name": "x"})]
    told.append(await ask("PATCH", f"{BASE}/{made['id']}", {"security": secrets | {"authentication": "s3cret"}}))
    told.append(await ask("POST", BASE, {"name": "", "security": secrets, "s3cret": 1}))
    told[-1] = str(told[-1]).replace("'body', 's3cret'", "")  # the name of a key is its place
    assert "s3cret" not in str(told)


async def test_all_configs_are_listed_oldest_first(ask: Asking) -> None:
    made = [await config(ask, name=f"pbx {number}") for number in range(5)]
    assert [each["id"] for each in (await ask("GET", BASE))[1]["phones"]] == made
    assert len({each["name"] for each in (await ask("GET", BASE))[1]["phones"]}) == 5


async def test_names_need_not_differ(ask: Asking) -> None:
    assert await config(ask) != await config(ask)


@pytest.mark.parametrize("base", [BASE, "/v1/channels/phone"])
@pytest.mark.parametrize("slash", ["", "/"])
async def test_served_under_both_paths_with_a_slash_at_the_end_and_without(ask: Asking, base: str, slash: str) -> None:
    status, made = await ask("POST", f"{base}{slash}", {"name": "pbx", "security": {}})
    assert status == 201
    one = f"{base}/{made['id']}"
    assert (await ask("GET", f"{base}{slash}"))[0] == 200
    assert (await ask("GET", f"{one}{slash}"))[0] == 200
    assert (await ask("PATCH", f"{one}{slash}", {"name": "x"}))[0] == 200
    assert (await ask("POST", f"{one}/numbers{slash}", {"phone_number": "2001"}))[0] == 201
    assert (await ask("GET", f"{one}/numbers{slash}"))[0] == 200
    assert (await ask("PATCH", f"{one}/numbers/2001{slash}", {"phone_number": "2002"}))[0] == 200
    assert (await ask("GET", f"{base.replace('/channels', '/internal/channels')}{slash}?number=2002"))[0] == 200
    assert (await ask("DELETE", f"{one}/numbers/2002{slash}"))[0] == 204
    assert (await ask("DELETE", f"{one}{slash}"))[0] == 204


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", BASE, None),
        ("POST", BASE, {"name": "pbx", "security": {}}),
        ("GET", f"{BASE}/{NOBODY}", None),
        ("PATCH", f"{BASE}/{NOBODY}", {}),
        ("DELETE", f"{BASE}/{NOBODY}", None),
        ("GET", f"{BASE}/{NOBODY}/numbers", None),
        ("POST", f"{BASE}/{NOBODY}/numbers", {"phone_number": "2001"}),
        ("PATCH", f"{BASE}/{NOBODY}/numbers/2001", {"phone_number": "2001"}),
        ("DELETE", f"{BASE}/{NOBODY}/numbers/2001", None),
        ("GET", f"{LOOKUP}?number=2001", None),
    ],
)
async def test_who_may(ask: Asking, method: str, path: str, body: object) -> None:
    status, told = await ask(method, path, body, key="")
    assert (status, list(told), type(told["detail"])) == (401, ["detail"], str)
    status, told = await ask(method, path, body, key="reader")
    if method != "GET":
        assert (status, list(told), type(told["detail"])) == (403, ["detail"], str)
    if NOBODY in path or "number=" in path:
        status, told = await ask(method, path, body)
        assert (status, list(told), type(told["detail"])) == (404, ["detail"], str)


@pytest.mark.parametrize(
    ("method", "path", "body", "place", "kind"),
    [
        ("POST", BASE, {"security": {}}, ["body", "name"], "missing"),
        ("POST", BASE, [], ["body"], "model_attributes_type"),
        (
            "POST",
            BASE,
            {"name": "p", "security": {"authentication": True}},
            ["body", "security", "username"],
            "missing",
        ),
        ("POST", BASE, {"name": "p\x7f", "security": {}}, ["body", "name"], "control_character"),
        ("POST", BASE, {"name": "p", "security": {"password": "p"}}, ["body", "security", "username"], "credentials"),
        ("GET", f"{BASE}/pbx", None, ["path", "config_id"], "uuid_parsing"),
        ("PATCH", f"{BASE}/{NOBODY}?append=perhaps", {}, ["query", "append"], "bool_parsing"),
        ("GET", LOOKUP, None, ["query", "number"], "missing"),
    ],
)
async def test_what_is_wrong_is_told_with_its_place(
    ask: Asking, method: str, path: str, body: object, place: list[str], kind: str
) -> None:
    status, told = await ask(method, path, body)
    assert status == 422
    assert [set(each) for each in told["detail"]] == [{"loc", "msg", "type"}]
    assert (told["detail"][0]["loc"], told["detail"][0]["type"]) == (place, kind)


# Lists and `append`


@pytest.mark.parametrize(
    ("query", "items", "expected"),
    [
        ("", [], []),
        ("", ["2002"], ["2002"]),
        ("?append=false", ["2002", "2001"], ["2001", "2002"]),
        ("?append=true", [], ["+15550100002", "2001"]),
        ("?append=true", ["2002", "2001"], ["+15550100002", "2001", "2002"]),
        ("?append=true", ["15550100002", "+1 555 010 0002"], ["+15550100002", "2001"]),
        ("", ["15550100002"], ["+15550100002"]),
        ("", ["2002", "2002"], ["2002"]),
        ("", ["+15550100009", "15550100009"], ["+15550100009"]),
    ],
)
async def test_numbers_take_the_place_of_others_or_are_added(
    ask: Asking, query: str, items: list[str], expected: list[str]
) -> None:
    made = await config(ask, "+15550100002", "2001")
    body = {"phone_numbers": [{"phone_number": item} for item in items]}
    status, found = await ask("PATCH", f"{BASE}/{made}{query}", body)
    assert status == 200
    assert names(found) == expected
    assert found == await shown(ask, made)
    assert await ask("GET", f"{BASE}/{made}/numbers") == (200, {"phone_numbers": found["phone_numbers"]})


async def test_an_item_is_whole_without_append_and_adds_with_it(ask: Asking) -> None:
    made = await config(ask)
    full = {"phone_number": "2001", "description": "desk", "agent_id": A, "environment_id": E}
    path = f"{BASE}/{made}"
    assert (await ask("PATCH", path, {"phone_numbers": [full]}))[1]["phone_numbers"] == [full]
    bare = {"phone_numbers": [{"phone_number": "2001"}]}
    assert (await ask("PATCH", f"{path}?append=true", bare))[1]["phone_numbers"] == [full]
    nothing = {"phone_number": "2001", "description": None, "agent_id": None, "environment_id": None}
    assert (await ask("PATCH", path, bare))[1]["phone_numbers"] == [nothing]


async def test_what_is_absent_or_null_stays(ask: Asking) -> None:
    made = await config(
        ask,
        "2001",
        description="d",
        security={"authentication": True, "username": "u", "password": "p"},
        custom_invite_headers=[{"name": "X-A"}],
        error_handling={"call_failure": {"reply_message": "m"}},
        send_provisional_response=False,
    )
    before = await shown(ask, made)
    bodies: list[dict[str, object]] = [{}, dict.fromkeys(UPDATABLE), {"security": {}, "error_handling": {}}]
    for body in bodies:
        status, after = await ask("PATCH", f"{BASE}/{made}", body)
        assert (status, after | {"updated_at": before["updated_at"]}) == (200, before)


UPDATABLE = {
    *("name", "description", "service_provider", "security", "attached_environments", "custom_invite_headers"),
    *("put_caller_on_hold_on_transfer", "send_provisional_response", "error_handling", "phone_numbers"),
}


async def test_what_was_read_can_be_sent_back(ask: Asking) -> None:
    made = await config(ask, "2001", security={"authentication": True, "username": "u", "password": "p"})
    before = await shown(ask, made)
    status, after = await ask("PATCH", f"{BASE}/{made}", {key: before[key] for key in UPDATABLE})
    assert (status, after | {"updated_at": before["updated_at"]}) == (200, before)


async def test_a_change_that_fails_changes_nothing(ask: Asking) -> None:
    made, other = await config(ask, "2001"), await config(ask, "2002")
    before = await shown(ask, made)
    body = {"name": "new", "phone_numbers": [{"phone_number": "2003"}, {"phone_number": "2002"}]}
    status, told = await ask("PATCH", f"{BASE}/{made}", body)
    assert status == 409
    assert told == {"detail": "2002 belongs to another config already"}
    assert await shown(ask, made) == before
    assert names(await shown(ask, other)) == ["2002"]


async def test_nothing_is_lost_between_two_who_write(ask: Asking) -> None:
    made = await config(ask)
    statuses: list[int] = []

    async def append(number: int) -> None:
        body = {
            "phone_numbers": [{"phone_number": str(2000 + number)}],
            "custom_invite_headers": [{"name": f"X-{number}"}],
        }
        statuses.append((await ask("PATCH", f"{BASE}/{made}?append=true", body))[0])

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(append, number)
    found = await shown(ask, made)
    assert statuses == [200] * 20
    assert sorted(names(found)) == [str(2000 + number) for number in range(20)]
    assert {each["name"] for each in found["custom_invite_headers"]} == {f"X-{number}" for number in range(20)}


async def test_a_genesys_config_has_agents_and_no_numbers(ask: Asking) -> None:
    made = await config(ask, **GENESYS, security={"api_key": "k", "client_secret": "s"})
    agent = {"agent_id": A, "environment_id": E, "agent_name": "n", "environment_name": "live"}
    status, found = await ask("PATCH", f"{BASE}/{made}", {"attached_environments": [agent]})
    assert (status, found["attached_environments"]) == (200, [agent])
    refusals = [
        await ask("POST", f"{BASE}/{made}/numbers", {"phone_number": "2001"}),
        await ask("PATCH", f"{BASE}/{made}/numbers/2001", {"phone_number": "2001"}),
        await ask("DELETE", f"{BASE}/{made}/numbers/2001"),
        await ask("PATCH", f"{BASE}/{made}", {"phone_numbers": [{"phone_number": "2001"}]}),
    ]
    assert [status for status, _ in refusals] == [422] * 4
    places = [told["detail"][0]["loc"] for _, told in refusals]
    assert places == [["path", "config_id"]] * 3 + [["body", "phone_numbers"]]
    assert (await shown(ask, made))["phone_numbers"] == []


async def test_a_sip_config_has_numbers_and_no_agents(ask: Asking) -> None:
    made = await config(ask, "2001")
    agents = {"attached_environments": [{"agent_id": A, "environment_id": E}]}
    status, told = await ask("PATCH", f"{BASE}/{made}", agents)
    assert (status, told["detail"][0]["loc"]) == (422, ["body", "attached_environments"])
    status, told = await ask("PATCH", f"{BASE}/{made}", GENESYS)
    assert (status, told["detail"][0]["loc"]) == (422, ["body", "service_provider"])
    assert (await ask("PATCH", f"{BASE}/{made}", GENESYS | {"phone_numbers": []} | agents))[0] == 200


# Numbers


async def test_a_number_from_its_addition_to_its_end(ask: Asking) -> None:
    made = await config(ask)
    path = f"{BASE}/{made}/numbers"
    body = {"phone_number": "+1 555 010 0002", "description": "main", "agent_id": A, "environment_id": E}
    told = body | {"phone_number": "+15550100002"}
    assert await ask("POST", path, body) == (201, told)
    assert await ask("GET", path) == (200, {"phone_numbers": [told]})
    assert await ask("POST", path, body) == (409, {"detail": "+15550100002 belongs to this config already"})
    for spelled in ("%2B15550100002", "+15550100002", "15550100002", "+1%20555%20010%200002"):
        assert await ask("PATCH", f"{path}/{spelled}", {"phone_number": "+15550100002"}) == (200, told)
    assert (await ask("PATCH", f"{path}/%2B15550100002", {"phone_number": "+15550100003"}))[1] == told | {
        "phone_number": "+15550100003"
    }
    assert (await ask("PATCH", f"{path}/%2B15550100002", {"phone_number": "+15550100002"}))[0] == 404
    assert await ask("DELETE", f"{path}/%2B15550100003") == (204, None)
    assert (await ask("DELETE", f"{path}/%2B15550100003"))[0] == 404
    assert await ask("GET", path) == (200, {"phone_numbers": []})
    assert (await ask("POST", path, body))[0] == 201


async def test_a_number_cannot_take_the_name_of_another(ask: Asking) -> None:
    made = await config(ask, "2001", "2002")
    status, told = await ask("PATCH", f"{BASE}/{made}/numbers/2001", {"phone_number": "2002"})
    assert (status, type(told["detail"])) == (409, str)
    assert names(await shown(ask, made)) == ["2001", "2002"]


async def test_a_number_of_another_config_is_not_this_ones(ask: Asking) -> None:
    made, _ = await config(ask), await config(ask, "2001")
    assert (await ask("PATCH", f"{BASE}/{made}/numbers/2001", {"phone_number": "2001"}))[0] == 404
    assert (await ask("DELETE", f"{BASE}/{made}/numbers/2001"))[0] == 404
    assert (await ask("POST", f"{BASE}/{made}/numbers", {"phone_number": "2001"}))[0] == 409


async def test_a_number_with_a_slash_has_a_path(ask: Asking) -> None:
    made = await config(ask, "a/b")
    path = f"{BASE}/{made}/numbers/a%2Fb"
    assert (await ask("PATCH", path, {"phone_number": "a/b", "description": "odd"}))[1]["description"] == "odd"
    assert (await ask("DELETE", path))[0] == 204


@pytest.mark.parametrize("spelled", ["%2B15550100002", "+15550100002", "15550100002", "%2B1%20(555)%20010-0002"])
async def test_the_internal_look_up(ask: Asking, spelled: str) -> None:
    made = await config(ask, "+15550100002")
    headers = {"x-watson-origin": "voice", "authorization": f"Bearer {ask.keys['acme']}"}
    found = await ask.client.get(f"{LOOKUP}?number={spelled}", headers=headers)
    assert (found.status_code, found.json()) == (200, await shown(ask, made))


# Two tenants


async def test_tenants_know_nothing_of_each_other(ask: Asking) -> None:
    made = await config(ask, "2001", "+15550100002")
    before = await shown(ask, made)
    path = f"{BASE}/{made}"
    asked: list[tuple[str, str, Any]] = [
        ("GET", path, None),
        ("PATCH", path, {"name": "mine"}),
        ("DELETE", path, None),
        ("GET", f"{path}/numbers", None),
        ("POST", f"{path}/numbers", {"phone_number": "2002"}),
        ("PATCH", f"{path}/numbers/2001", {"phone_number": "2002"}),
        ("DELETE", f"{path}/numbers/2001", None),
        ("GET", f"{LOOKUP}?number=2001", None),
    ]
    for method, url, body in asked:
        told = await ask(method, url, body, key="other")
        assert told == await ask(method, url.replace(made, NOBODY), body, key="other")
        assert told[0] == 404
    assert await ask("GET", BASE, key="other") == (200, {"phones": []})
    assert await shown(ask, made) == before


async def test_an_extension_may_be_in_each_tenant_and_a_telephone_number_in_one(ask: Asking) -> None:
    await config(ask, "2001", "+15550100002")
    other = await config(ask, "2001", key="other")
    status, told = await ask("POST", f"{BASE}/{other}/numbers", {"phone_number": "+15550100002"}, key="other")
    assert (status, type(told["detail"])) == (409, str)
    assert "acme" not in told["detail"]


# The vendor's own client, request by request


async def test_the_vendors_client_imports_a_channel_by_its_name(ask: Asking) -> None:
    spec = {
        "spec_version": "v1",
        "kind": "phone",
        "name": "support",
        "service_provider": "sip_trunk",
        "security": {"authentication": True, "username": "u", "password": "p", "secure_trunking": False},
        "custom_invite_headers": [{"name": "From"}, {"name": "To"}],
        "error_handling": {"transfer_failure": {"reply_message": "sorry", "disconnect_call": True}},
    }
    for times in (1, 2):
        _, found = await ask("GET", BASE)
        known = [each for each in found["phones"] if each["name"] == spec["name"]]
        if known:
            status, _ = await ask("PATCH", f"{BASE}/{known[0]['id']}", spec)
        else:
            status, _ = await ask("POST", BASE, spec)
        assert status == (201 if times == 1 else 200)
    _, found = await ask("GET", BASE)
    (one,) = found["phones"]
    assert one["security"]["password_is_set"] is True
    assert one["error_handling"] == spec["error_handling"]


async def test_the_vendors_client_attaches_and_detaches_agents_by_sending_the_list(ask: Asking) -> None:
    made = await config(ask, **GENESYS)
    path = f"{BASE}/{made}"
    for agent in (A, E):
        known = (await shown(ask, made))["attached_environments"]
        known.append({"agent_id": agent, "environment_id": E, "agent_name": "n", "environment_name": "live"})
        assert (await ask("PATCH", path, {"attached_environments": known}))[0] == 200
    known = (await shown(ask, made))["attached_environments"]
    assert [each["agent_id"] for each in known] == [A, E]
    left = [each for each in known if each["agent_id"] != A]
    assert (await ask("PATCH", path, {"attached_environments": left}))[0] == 200
    assert (await shown(ask, made))["attached_environments"] == left


async def test_the_vendors_client_attaches_and_detaches_a_numbers_agent(ask: Asking) -> None:
    made = await config(ask, "+15550100002", "2001")
    path = f"{BASE}/{made}/numbers/%2B15550100002"
    attached = {"phone_number": "+15550100002", "agent_id": A, "environment_id": E}
    assert (await ask("PATCH", path, attached))[0] == 200  # it always sends the number
    known = (await shown(ask, made))["phone_numbers"]
    assert [each["agent_id"] for each in known] == [A, None]
    edited = [each | {"agent_id": None, "environment_id": None} for each in known]
    assert (await ask("PATCH", f"{BASE}/{made}", {"phone_numbers": edited}))[0] == 200
    assert [each["agent_id"] for each in (await shown(ask, made))["phone_numbers"]] == [None, None]
    assert names(await shown(ask, made)) == ["+15550100002", "2001"]
