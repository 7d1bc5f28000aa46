"""Trunks, and numbers that are bound to them."""

from pathlib import Path

import pytest

from tests.probes.web.bland.asking import INBOUND, NUMBER, OUTBOUND, Json, asking

AUTH = {"username": "pbx", "password": "correct horse"}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"direction": "both"}, {"direction": "both", "sip_endpoint": None, "auth_mode": "ip"}),
        ({"direction": "outbound", "sip_endpoint": "gw.example.net"}, {"sip_endpoint": "sip:gw.example.net"}),
        ({"direction": "inbound", "sip_endpoint": "sip:pbx.example.net"}, {"sip_endpoint": "sip:pbx.example.net"}),
        ({"sip_endpoint": "tls://gw.example.net:5071"}, {"sip_endpoint": "sip:gw.example.net:5071;transport=tls"}),
        ({"provider": "twilio"}, {"provider": "twilio"}),
        (
            {"auth_mode": "register", "register_auth": AUTH},
            {"auth_mode": "register", "register_auth": {"username": "pbx", "password": "********"}},
        ),
        ({"headers": {"X-Account": "acme"}}, {"headers": {"X-Account": "acme"}}),
        ({"headers": {}}, {"headers": None}),
    ],
)
async def test_a_trunk_as_it_is_read(tmp_path: Path, given: Json, shown: Json) -> None:
    async with asking(tmp_path) as (_, client, second):
        made = await client.trunk(**given)
        assert made["trunk_id"].startswith("trk_")
        told = await client.data("GET", f"/v1/sip/trunks/{made['trunk_id']}")
        assert told == {key: each for key, each in made.items() if key != "register_password_for_pbx"}
        assert {key: told[key] for key in shown} == shown
        assert ("register_password_for_pbx" in made) == ("register_auth" in given)
        listed = (await client.data("GET", "/v1/sip/trunks"))["trunks"]
        assert [each["bound_number_count"] for each in listed] == [0]
        assert await second.data("GET", "/v1/sip/trunks") == {"trunks": []}
        assert "correct horse" not in str([told, listed])


IN_MAP = {"direction": "inbound", "headers": [{"type": "custom", "key": "X-Case", "value": "case"}]}
OUT_MAP = {"direction": "outbound", "headers": [{"type": "custom", "key": "case", "value": "X-Case"}]}


FORMS: list[Json] = [
    {"X-A": "1", "X-B": "2"},
    IN_MAP,
    OUT_MAP,
    [IN_MAP, OUT_MAP],
]


async def test_headers_of_either_form_are_read_as_they_were_written(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        for headers in FORMS:
            made = await client.trunk(headers=headers)
            assert made["headers"] == headers
            path = f"/v1/sip/trunks/{made['trunk_id']}"
            assert (await client.data("PATCH", path, {"name": "other"}))["headers"] == headers
            assert (await client.data("PATCH", path, {"headers": None}))["headers"] is None


BAD: list[tuple[Json, str]] = [
    ({"name": None}, "name"),
    ({"name": ""}, "name"),
    ({"direction": None}, "direction"),
    ({"direction": "sideways"}, "direction"),
    ({"direction": "outbound"}, "sip_endpoint"),
    ({"sip_endpoint": "http://gw.example.net"}, "sip_endpoint"),
    ({"direction": "inbound", "sip_endpoint": "a b"}, "sip_endpoint"),
    ({"auth_mode": "register"}, "register_auth"),
    ({"register_auth": AUTH}, "register_auth"),
    ({"auth_mode": "register", "register_auth": {"username": "u", "password": "short"}}, "register_auth.password"),
    ({"headers": {"X-A": 1}}, "headers.X-A"),
    ({"headers": {"direction": "outbound", "headers": [{"type": "custom"}]}}, "headers.headers.0.key"),
    ({"nmae": "x"}, "nmae"),
]


async def test_what_is_wrong_is_told_by_its_place(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        for changed, field in BAD:
            body = {"name": "PBX", "direction": "both"} | changed
            body = {key: each for key, each in body.items() if each is not None}
            errors = await client.errors(400, "POST", "/v1/sip/trunks", body)
            assert errors[0]["field"] == field


async def test_a_trunk_is_changed(tmp_path: Path) -> None:
    async with asking(tmp_path) as (service, client, second):
        made = await client.trunk(sip_endpoint="gw.example.net")
        path = f"/v1/sip/trunks/{made['trunk_id']}"
        changed = await client.data(
            "PATCH", path, {"name": "SBC", "provider": "telnyx", "sip_endpoint": "b.example.net"}
        )
        assert (changed["name"], changed["provider"], changed["sip_endpoint"]) == ("SBC", "telnyx", "sip:b.example.net")
        errors = await client.errors(400, "PATCH", path, {"auth_mode": "register"})
        assert errors[0]["field"] == "register_auth"
        changed = await client.data("PATCH", path, {"auth_mode": "register", "register_auth": AUTH})
        assert changed["register_password_for_pbx"] == AUTH["password"]
        hidden = {"auth_mode": "register", "register_auth": changed["register_auth"]}
        assert "register_password_for_pbx" not in await client.data("PATCH", path, hidden)
        trunk = (await service.directory.trunks("acme"))[0]
        for credentials in (trunk.inbound and trunk.inbound.credentials, trunk.outbound and trunk.outbound.credentials):
            assert credentials
            assert credentials.password.reveal() == AUTH["password"]
        changed = await client.data("PATCH", path, {"auth_mode": "ip"})
        assert (changed["auth_mode"], changed["register_auth"]) == ("ip", None)
        for method, body in (("GET", None), ("PATCH", {"name": "mine"}), ("DELETE", None)):
            assert (await second.errors(404, method, path, body))[0]["error"] == "TRUNK_NOT_FOUND"


NO_TRUNKS: list[Json] = ["nothing", "trk_", "trk_" + "0" * 32, "%00"]


async def test_a_trunk_that_is_not_there(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        for path in NO_TRUNKS:
            await client.errors(404, "DELETE", f"/v1/sip/trunks/{path}")


async def test_numbers_have_of_their_trunk_what_they_do_not_say(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, second):
        made = await client.trunk(
            sip_endpoint="gw.example.net", headers={"X-A": "1"}, auth_mode="register", register_auth=AUTH
        )
        path = f"/v1/sip/trunks/{made['trunk_id']}"
        for number, directions in (("2001", [{"type": "outbound"}]), (NUMBER, [INBOUND, {"type": "outbound"}])):
            told = await client.attach(*directions, number=number, trunk_id=made["trunk_id"])
            assert told == {"configured": [number], "failed": []}
        bound = (await client.data("GET", path))["bound_numbers"]
        assert bound == [
            {"phone_number": "2001", "directions": ["outbound"]},
            {"phone_number": NUMBER, "directions": ["inbound", "outbound"]},
        ]
        told = await client.config("2001")
        assert told["inbound"] is None
        assert told["outbound"]["sip_endpoint"] == "sip:gw.example.net"
        assert told["outbound"]["options"] == {"sip_username": "pbx", "sip_password": "********"}
        assert told["outbound"]["headers"]["headers"] == [
            {"type": "custom", "key": "X-A", "value": "1", "passthrough": True}
        ]

        own = {
            "direction": "outbound",
            "headers": [{"type": "custom", "key": "X-B", "value": "2", "passthrough": True}],
        }
        updates = {"type": "outbound", "headers": own}
        told = await client.data("POST", "/v1/sip/update", {"phone_number": "2001", "updates": updates})
        assert told["headers"] == own
        await client.data("PATCH", path, {"sip_endpoint": "b.example.net", "register_auth": AUTH})
        told = (await client.config("2001"))["outbound"]
        assert (told["sip_endpoint"], told["headers"]) == ("sip:b.example.net", own)
        await client.data("PATCH", path, {"headers": {"X-C": "3"}})
        assert (await client.config("2001"))["outbound"]["headers"]["headers"][0]["key"] == "X-C"

        assert await client.data("DELETE", path) == {"trunk_id": made["trunk_id"], "unbound_number_count": 2}
        told = await client.config("2001")
        assert told["inbound"] is None
        assert told["outbound"]["sip_endpoint"] == "sip:b.example.net"
        assert (await client.config())["inbound"]["options"] == {"auth_mode": "register"}
        body = {"phone_number": "2002", "directions": [{"type": "outbound"}], "service": "sip"}
        body |= {"trunk_id": made["trunk_id"]}
        for each in (client, second):
            assert (await each.errors(404, "POST", "/v1/sip/attach", body))[0]["error"] == "TRUNK_NOT_FOUND"


async def test_a_place_of_its_own_is_not_lost_behind_the_trunks(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        made = await client.trunk(sip_endpoint="gw.example.net")
        await client.attach({"type": "outbound", "options": {"port": 5070}}, trunk_id=made["trunk_id"])
        assert (await client.config())["outbound"]["sip_endpoint"] == "sip:gw.example.net:5070"
        one_way = await client.trunk(direction="inbound")
        body = {"phone_number": "2001", "directions": [{"type": "outbound"}], "service": "sip"}
        errors = await client.errors(400, "POST", "/v1/sip/attach", body | {"trunk_id": one_way["trunk_id"]})
        assert errors[0]["field"] == "directions.0.sip_endpoint"


async def test_a_number_goes_over_to_another_trunk(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        first, second = (
            await client.trunk(sip_endpoint="a.example.net"),
            await client.trunk(sip_endpoint="b.example.net"),
        )
        await client.attach(INBOUND, {"type": "outbound"}, trunk_id=first["trunk_id"])
        await client.attach({"type": "outbound"}, trunk_id=second["trunk_id"])
        told = await client.config()
        assert (told["inbound"], told["outbound"]["sip_endpoint"]) == (None, "sip:b.example.net")
        await client.attach(OUTBOUND)
        assert (await client.config())["outbound"]["sip_endpoint"] == "sip:gw.example.net"
        bound = (await client.data("GET", f"/v1/sip/trunks/{second['trunk_id']}"))["bound_numbers"]
        assert bound == [{"phone_number": NUMBER, "directions": ["outbound"]}]
