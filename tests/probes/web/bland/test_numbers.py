"""Numbers: attached, read, updated, detached, configured, by clients of Bland."""

from pathlib import Path

import pytest
import trio

from tests.probes.web.bland.asking import INBOUND, NUMBER, OUTBOUND, Json, asking

AUTH = {"username": "pbx", "password": "correct horse"}
HEADERS = {
    "direction": "outbound",
    "headers": [
        {"type": "custom", "key": "account", "value": "X-Account"},
        {"type": "custom", "key": "X-Env", "value": "prod", "passthrough": True},
        {"type": "uui", "target": "CustomerKV", "purpose": "bland", "content": "id_1", "encoding": "hex"},
    ],
}
IN_HEADERS = {"direction": "inbound", "headers": [{"type": "custom", "key": "X-Case", "value": "case"}]}


async def test_an_unknown_number_has_nothing(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        assert await client.config("+15550109999") == {"inbound": None, "outbound": None}


READ_OUTBOUND: list[tuple[Json, ...]] = [
    (OUTBOUND, None, "sip:gw.example.net"),
    (OUTBOUND | {"sip_endpoint": "gw.example.net:5070"}, {"port": 5070}, "sip:gw.example.net:5070"),
    (
        OUTBOUND | {"sip_endpoint": "sip:GW.example.net:5070", "options": {"port": 5080}},
        {"port": 5080},
        "sip:gw.example.net:5080",
    ),
    (OUTBOUND | {"sip_endpoint": "tls://192.0.2.7"}, {"transport": "tls"}, "sip:192.0.2.7"),
    (OUTBOUND | {"sip_endpoint": "sips:gw.example.net"}, {"transport": "tls"}, "sip:gw.example.net"),
    (OUTBOUND | {"options": {"transport": "tcp"}}, {"transport": "tcp"}, "sip:gw.example.net"),
    (OUTBOUND | {"options": {"secure_media": True}}, {"secure_media": True}, "sip:gw.example.net"),
    (OUTBOUND | {"options": {"secure_media": False}}, {"secure_media": False}, "sip:gw.example.net"),
    (
        OUTBOUND | {"options": {"sip_username": "u", "sip_password": "s3cret-pass", "sip_realm": "r"}},
        {"sip_username": "u", "sip_password": "********", "sip_realm": "r"},
        "sip:gw.example.net",
    ),
    (OUTBOUND | {"sip_endpoint": "[2001:db8::1]:5070"}, {"port": 5070}, "sip:[2001:db8::1]:5070"),
]


async def test_outbound_as_it_is_read(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        for given, options, endpoint in READ_OUTBOUND:
            assert await client.attach(given) == {"configured": [NUMBER], "failed": []}
            told = await client.config()
            assert told["inbound"] is None
            shown = told["outbound"]
            assert (shown["options"], shown["sip_endpoint"]) == (options, endpoint)
            assert (shown["number"], shown["org_id"], shown["direction"]) == (NUMBER, "acme", "outbound")
            assert shown["headers"] is None
            assert shown["created_at"].endswith("Z")
            assert shown["updated_at"].endswith("Z")
            assert shown["id"]


@pytest.mark.parametrize(
    ("given", "options", "endpoint"),
    [
        (INBOUND, {"auth_mode": "ip"}, None),
        (INBOUND | {"auth_mode": "ip"}, {"auth_mode": "ip"}, None),
        (INBOUND | {"auth_mode": "register", "register_auth": AUTH}, {"auth_mode": "register"}, None),
        (INBOUND | {"sip_endpoint": "pbx.example.net"}, {"auth_mode": "ip"}, "sip:pbx.example.net"),
        (
            INBOUND | {"sip_endpoint": "sip:100@pbx.example.net:5070", "options": {"port": 5080, "transport": "tcp"}},
            {"auth_mode": "ip", "port": 5080, "transport": "tcp"},
            "sip:100@pbx.example.net:5080;transport=tcp",
        ),
        (
            INBOUND | {"options": {"port": 5061, "transport": "tls", "secure_media": True}},
            {"auth_mode": "ip", "port": 5061, "transport": "tls", "secure_media": True},
            None,
        ),
        (
            INBOUND | {"options": {"sip_username": "u", "sip_password": "s3cret-pass"}},
            {"auth_mode": "ip", "sip_username": "u", "sip_password": "********"},
            None,
        ),
    ],
)
async def test_inbound_as_it_is_read(tmp_path: Path, given: Json, options: Json, endpoint: str | None) -> None:
    async with asking(tmp_path) as (_, client, _):
        await client.attach(given)
        shown = (await client.config())["inbound"]
        assert (shown["options"], shown["sip_endpoint"]) == (options, endpoint)
        registers = options["auth_mode"] == "register"
        assert shown["register_auth"] == ({"username": "pbx", "password": "********"} if registers else None)


@pytest.mark.parametrize(("direction", "given"), [("outbound", HEADERS), ("inbound", IN_HEADERS)])
async def test_headers_are_read_as_they_were_written(tmp_path: Path, direction: str, given: Json) -> None:
    async with asking(tmp_path) as (_, client, _):
        await client.attach((OUTBOUND if direction == "outbound" else INBOUND) | {"headers": given})
        assert (await client.config())[direction]["headers"] == given


async def test_the_register_password_is_shown_once(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        given = INBOUND | {"auth_mode": "register", "register_auth": AUTH}
        told = await client.attach(given)
        assert told["register_password_for_pbx"] == AUTH["password"]
        answers = [await client.config(), await client.data("GET", "/v1/sip/outbound-setup", phone_number=NUMBER)]
        body = {"phone_number": NUMBER, "updates": {"type": "inbound", "auth_mode": "register"}}
        answers.append(await client.data("POST", "/v1/sip/update", body))
        assert AUTH["password"] not in str(answers)
        assert "register_password_for_pbx" not in str(answers)
        body["updates"] = INBOUND | {"register_auth": {"username": "pbx", "password": "another one"}}
        assert (await client.data("POST", "/v1/sip/update", body))["register_password_for_pbx"] == "another one"


async def test_what_stands_for_a_secret_keeps_it(tmp_path: Path) -> None:
    async with asking(tmp_path) as (service, client, _):
        await client.attach(OUTBOUND | {"options": {"sip_username": "u", "sip_password": "s3cret-pass"}})
        shown = (await client.config())["outbound"]
        updates = {"type": "outbound", "options": shown["options"] | {"transport": "tcp"}}
        await client.data("POST", "/v1/sip/update", {"phone_number": NUMBER, "updates": updates})
        number = await service.directory.number_named("acme", NUMBER)
        assert number.outbound is not None
        assert number.outbound.credentials is not None
        assert number.outbound.credentials.password.reveal() == "s3cret-pass"
        updates["options"] = {"sip_username": "other", "sip_password": "********"}
        errors = await client.errors(400, "POST", "/v1/sip/update", {"phone_number": NUMBER, "updates": updates})
        assert errors[0]["field"] == "updates.options.sip_password"
        updates["options"] = {"sip_username": None}
        told = await client.data("POST", "/v1/sip/update", {"phone_number": NUMBER, "updates": updates})
        assert told["options"] == {"transport": "tcp"}


IDENTITIES: list[tuple[Json, ...]] = [
    ("+15550100001", "+15550100001"),
    ("+1 (555) 010-0001", "+15550100001"),
    ("15550100001", "15550100001"),
    ("bland-001", "bland-001"),
    ("2001", "2001"),
]


async def test_identities(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        for given, identity in IDENTITIES:
            assert (await client.attach(OUTBOUND, number=given))["configured"] == [identity]
            assert (await client.config(identity))["outbound"]["number"] == identity


async def test_a_number_is_found_with_and_without_its_plus(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        await client.attach(OUTBOUND)
        for text in ("15550100001", " 15550100001", "+1-555-010-0001"):
            assert (await client.config(text))["outbound"] is not None, text
        answer = await client.ask("GET", "/v1/sip?phone_number=+15550100001")  # as clients send it that do not escape
        assert answer.json()["data"]["outbound"] is not None


async def test_a_number_is_one_tenants_and_an_extension_everybodys(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, first, second):
        for number in (NUMBER, "2001"):
            assert (await first.attach(OUTBOUND, number=number))["configured"] == [number]
        assert (await second.attach(OUTBOUND, number="2001"))["configured"] == ["2001"]
        told = await second.attach(OUTBOUND)
        assert told["configured"] == []
        assert [each["phone_number"] for each in told["failed"]] == [NUMBER]
        assert told["failed"][0]["error"]
        assert await second.config() == {"inbound": None, "outbound": None}
        listed = await second.data("GET", "/v1/sip/numbers")
        assert [each["phone_number"] for each in listed["numbers"]] == ["2001"]


async def test_several_at_once(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        body = {"phone_numbers": ["+15550100001", "2001", "+1", "+1 555 010 0001"], "directions": [OUTBOUND]}
        told = await client.data("POST", "/v1/sip/attach", body | {"service": "sip"})
        assert told["configured"] == ["+15550100001", "2001"]
        assert [each["phone_number"] for each in told["failed"]] == ["+1"]
        assert "register_password_for_pbx" not in told
        listed = (await client.data("GET", "/v1/sip/numbers"))["numbers"]
        first = {"directions": ["outbound"], "sip_endpoint": "sip:gw.example.net", "health_status": "unchecked"}
        assert listed[0] == {"phone_number": NUMBER} | first


async def test_attaching_again_replaces_a_direction_and_keeps_the_other(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        await client.attach(OUTBOUND | {"headers": HEADERS}, INBOUND)
        await client.attach(OUTBOUND | {"sip_endpoint": "sip:other.example.net"})
        told = await client.config()
        assert told["outbound"]["sip_endpoint"] == "sip:other.example.net"
        assert told["outbound"]["headers"] is None
        assert told["inbound"] is not None


SECRET = "never-to-be-quoted"
BAD_ATTACH: list[tuple[Json, str]] = [
    ({"phone_number": None}, ""),
    ({"phone_numbers": ["2001"]}, ""),
    ({"phone_number": None, "phone_numbers": []}, "phone_numbers"),
    ({"phone_number": None, "phone_numbers": ["2001"] * 101}, "phone_numbers"),
    ({"service": "voice"}, "service"),
    ({"service": None}, "service"),
    ({"directions": []}, "directions"),
    ({"directions": [OUTBOUND, OUTBOUND]}, ""),
    ({"directions": [{"type": "sideways"}]}, "directions.0"),
    ({"directions": [{"type": "outbound"}]}, "directions.0.sip_endpoint"),
    ({"directions": [OUTBOUND | {"sip_endpoint": "http://example.net"}]}, "directions.0.sip_endpoint"),
    ({"directions": [OUTBOUND | {"sip_endpoint": "sip:user@example.net"}]}, "directions.0.sip_endpoint"),
    ({"directions": [OUTBOUND | {"sip_endpoint": "ws://example.net"}]}, "directions.0.sip_endpoint"),
    ({"directions": [OUTBOUND | {"options": {"port": 0}}]}, "directions.0.options.port"),
    ({"directions": [OUTBOUND | {"options": {"transport": "sctp"}}]}, "directions.0.options.transport"),
    ({"directions": [OUTBOUND | {"options": {"sip_username": "u"}}]}, "directions.0.options.sip_password"),
    ({"directions": [OUTBOUND | {"options": {"sip_password": SECRET}}]}, "directions.0.options.sip_username"),
    ({"directions": [OUTBOUND | {"sip_endpont": "x"}]}, "directions.0.sip_endpont"),
    ({"directions": [OUTBOUND | {"headers": IN_HEADERS}]}, "directions.0"),
    ({"directions": [INBOUND | {"auth_mode": "register"}]}, "directions.0.register_auth"),
    ({"directions": [INBOUND | {"register_auth": AUTH}]}, "directions.0.register_auth"),
    ({"directions": [INBOUND | {"auth_mode": "digest"}]}, "directions.0.auth_mode"),
    (
        {"directions": [INBOUND | {"auth_mode": "register", "register_auth": {"username": "u", "password": "short"}}]},
        "directions.0.register_auth.password",
    ),
    (
        {"directions": [INBOUND | {"auth_mode": "register", "register_auth": AUTH | {"password": SECRET * 20}}]},
        "directions.0.register_auth.password",
    ),
    (
        {"directions": [INBOUND | {"auth_mode": "register", "register_auth": AUTH | {"password": "********"}}]},
        "directions.0.register_auth.password",
    ),
]


async def test_what_is_wrong_is_told_by_its_place(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        for changed, field in BAD_ATTACH:
            body = {"phone_number": NUMBER, "directions": [OUTBOUND], "service": "sip"} | changed
            body = {key: each for key, each in body.items() if each is not None}
            errors = await client.errors(400, "POST", "/v1/sip/attach", body)
            assert {each["error"] for each in errors} == {"VALIDATION_ERROR"}
            assert (errors[0]["field"] or "") == field, errors
            assert SECRET not in str(errors)
            assert (await client.data("GET", "/v1/sip/numbers")) == {"numbers": []}


async def test_nothing_is_written_of_a_request_that_is_wrong_for_one_of_its_numbers(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        await client.attach(OUTBOUND | {"options": {"sip_username": "u", "sip_password": "s3cret-pass"}})
        before = await client.config()
        hidden = {"sip_username": "u", "sip_password": "********", "secure_media": True}
        body = {"phone_numbers": [NUMBER, "2001"], "directions": [OUTBOUND | {"options": hidden}], "service": "sip"}
        errors = await client.errors(400, "POST", "/v1/sip/attach", body)
        assert errors[0]["field"] == "directions.0.options.sip_password"
        assert await client.config() == before
        assert (await client.config("2001"))["outbound"] is None


async def test_one_number_attached_by_many_at_once(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, first, second), trio.open_nursery() as nursery:
        for client in (first, second) * 8:
            nursery.start_soon(client.attach, OUTBOUND, INBOUND)
    async with asking(tmp_path) as (service, _, _):
        found = [await service.directory.numbers(tenant) for tenant in ("acme", "globex")]
        assert sorted(len(each) for each in found) == [0, 1]
