"""Numbers after they were attached: updated, detached, configured, and what other interfaces made of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from probes.trunks.model import (
    Authentication,
    Credentials,
    Encryption,
    Gateway,
    HeaderRule,
    Inbound,
    Number,
    Outbound,
    Secret,
    Trunk,
)
from sipcore.resolve.target import Transport
from tests.probes.web.bland.asking import INBOUND, NUMBER, OUTBOUND, Client, Json, asking


async def update(client: Client, **updates: Json) -> Json:
    return await client.data("POST", "/v1/sip/update", {"phone_number": NUMBER, "updates": updates})


UPDATES: list[tuple[Json, str, Json]] = [
    ({"sip_endpoint": "sip:b.example.net"}, "sip:b.example.net", {"transport": "tcp", "secure_media": True}),
    (
        {"sip_endpoint": "sip:b.example.net:5090"},
        "sip:b.example.net:5090",
        {"port": 5090, "transport": "tcp", "secure_media": True},
    ),
    ({"sip_endpoint": "tls://b.example.net"}, "sip:b.example.net", {"transport": "tls", "secure_media": True}),
    ({"options": {"port": 5090}}, "sip:gw.example.net:5090", {"port": 5090, "transport": "tcp", "secure_media": True}),
    ({"options": {"port": None, "transport": None}}, "sip:gw.example.net", {"secure_media": True}),
    ({"options": {"secure_media": None}}, "sip:gw.example.net:5070", {"port": 5070, "transport": "tcp"}),
    ({}, "sip:gw.example.net:5070", {"port": 5070, "transport": "tcp", "secure_media": True}),
]


async def test_what_is_not_said_stays(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        for given, endpoint, options in UPDATES:
            await client.attach(OUTBOUND | {"options": {"port": 5070, "transport": "tcp", "secure_media": True}})
            told = await update(client, type="outbound", **given)
            assert (told["sip_endpoint"], told["options"]) == (endpoint, options)
            assert told == (await client.config())["outbound"]


async def test_an_inbound_number_is_updated(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        await client.attach(INBOUND)
        told = await update(client, type="inbound", sip_endpoint="pbx.example.net", options={"port": 5070})
        assert (told["sip_endpoint"], told["options"]) == (
            "sip:pbx.example.net:5070",
            {"auth_mode": "ip", "port": 5070},
        )
        auth = {"username": "pbx", "password": "correct horse"}
        told = await update(client, type="inbound", auth_mode="register", register_auth=auth)
        assert told["options"]["auth_mode"] == "register"
        assert told["register_password_for_pbx"] == "correct horse"
        assert (await update(client, type="inbound", auth_mode="ip"))["register_auth"] is None


@pytest.mark.parametrize("number", [NUMBER, "+15550109999"])
async def test_a_direction_that_is_not_there_is_not_updated(tmp_path: Path, number: str) -> None:
    async with asking(tmp_path) as (_, client, _):
        await client.attach(OUTBOUND)
        body = {"phone_number": number, "updates": {"type": "inbound"}}
        errors = await client.errors(404, "POST", "/v1/sip/update", body)
        assert errors[0]["error"] == ("SIP_CONFIG_NOT_FOUND" if number == NUMBER else "NUMBER_NOT_FOUND")


async def detach(client: Client, *types: str) -> Json:
    directions = [{"type": each} for each in types]
    body = {"phone_number": NUMBER, "directions": directions, "service": "sip"}
    return await client.data("POST", "/v1/sip/detach", body)


async def test_directions_are_detached(tmp_path: Path) -> None:
    async with asking(tmp_path) as (service, client, second):
        await client.attach(INBOUND, OUTBOUND)
        assert await detach(client, "outbound") == {"phone_number": NUMBER, "detached": ["outbound"]}
        told = await client.config()
        assert (told["inbound"] is None, told["outbound"]) == (False, None)
        body = {"phone_number": NUMBER, "directions": [{"type": "outbound"}], "service": "sip"}
        assert (await client.errors(404, "POST", "/v1/sip/detach", body))[0]["error"] == "SIP_CONFIG_NOT_FOUND"
        assert (await second.errors(404, "POST", "/v1/sip/detach", body))[0]["error"] == "NUMBER_NOT_FOUND"
        await client.errors(400, "POST", "/v1/sip/detach", body | {"service": "voice"})
        await detach(client, "outbound", "inbound")
        assert await service.directory.numbers("acme") == ()


FAILOVER = {
    "enabled": True,
    "endpoints": [
        {"host": "b.example.net", "port": 5061, "transport": "tls", "priority": 2},
        {"host": "a.example.net", "priority": 1},
    ],
    "triggers": ["unreachable", "timeout"],
    "failback": "manual",
}
ALERTS = {
    "enabled": True,
    "thresholds": {"unreachable_minutes": 5, "failure_rate_percent": 20, "response_time_ms": 500},
    "channels": {"email": True, "sms": False, "webhook": "https://hooks.example.net/T0/s3cret"},
}


async def configure(client: Client, direction: str, **configs: Json) -> Json:
    return await client.data("PATCH", "/v1/sip/config", {"phone_number": NUMBER, "direction": direction} | configs)


@pytest.mark.parametrize("direction", ["outbound", "inbound"])
async def test_a_direction_is_configured(tmp_path: Path, direction: str) -> None:
    async with asking(tmp_path) as (service, client, _):
        await client.attach(INBOUND, OUTBOUND)
        codecs = {"codecs": ["Opus", "PCMU", "G.722", "G.729", "PCMA"], "transcode": True}
        told = await configure(client, direction, failover_config=FAILOVER, codec_config=codecs, alert_config=ALERTS)
        assert (told["phone_number"], told["direction"]) == (NUMBER, direction)
        assert told["codec_config"] == codecs
        assert {each["host"] for each in told["failover_config"]["endpoints"]} == {"a.example.net", "b.example.net"}
        if direction == "outbound":
            assert [each["priority"] for each in told["failover_config"]["endpoints"]] == [1, 2]
        assert (told["failover_config"]["failback"], told["failover_config"]["enabled"]) == ("manual", True)
        assert told["failover_config"]["triggers"] == ["unreachable", "timeout"]
        thresholds = ALERTS["thresholds"] | {"failure_rate_window_minutes": None}  # type: ignore[operator]
        channels = {"email": True, "sms": False, "webhook": "https://hooks.example.net/********"}
        assert told["alert_config"] == {"enabled": True, "thresholds": thresholds, "channels": channels}

        again = await configure(client, direction)
        assert again == told
        changed = await configure(client, direction, alert_config={"channels": channels | {"email": False}})
        assert changed["alert_config"]["channels"] == channels | {"email": False}
        assert changed["failover_config"] == told["failover_config"]
        number = await service.directory.number_named("acme", NUMBER)
        direction_of = number.inbound if direction == "inbound" else number.outbound
        assert direction_of is not None
        assert direction_of.alerts is not None
        assert direction_of.alerts.webhook == "https://hooks.example.net/T0/s3cret"
        cleared = await configure(client, direction, alert_config={"channels": {"webhook": None}})
        assert cleared["alert_config"]["channels"]["webhook"] is None


async def test_what_no_attachment_says_outlives_one(tmp_path: Path) -> None:
    async with asking(tmp_path) as (service, client, _):
        await service.directory.add_numbers("acme", [DIGA])
        told = await configure(
            client, "outbound", failover_config=FAILOVER, alert_config=ALERTS, options={"sip_password": "p2"}
        )
        await client.attach(INBOUND, {"type": "outbound", "sip_endpoint": "new.example.net"})
        number = await service.directory.number_named("acme", NUMBER)
        assert number.inbound == Inbound(allowed_addresses=("192.0.2.0/28",))
        assert await configure(client, "outbound") == told
        shown = (await client.config())["outbound"]
        assert (shown["sip_endpoint"], shown["options"]) == ("sip:new.example.net", None)


async def test_the_first_gateway_stays_the_first(tmp_path: Path) -> None:
    async with asking(tmp_path) as (service, client, _):
        await client.attach(OUTBOUND)
        own = {"host": "gw.example.net", "priority": 3}
        endpoints = [{"host": "b.example.net", "priority": 0}, own]
        told = await configure(client, "outbound", failover_config={"endpoints": endpoints})
        assert [each["host"] for each in told["failover_config"]["endpoints"]] == ["b.example.net"]
        assert (await client.config())["outbound"]["sip_endpoint"] == "sip:gw.example.net"
        await update(client, type="outbound", sip_endpoint="sip:new.example.net")
        number = await service.directory.number_named("acme", NUMBER)
        assert number.outbound is not None
        assert [each.host for each in number.outbound.ordered] == ["new.example.net", "b.example.net"]


BAD_CONFIGS: list[tuple[Json, ...]] = [
    ({"direction": "both"}, "direction"),
    ({"failover_config": {"failback": "never"}}, "failover_config.failback"),
    ({"failover_config": {"triggers": ["503"]}}, "failover_config.triggers.0"),
    ({"failover_config": {"triggers": []}}, "failover_config.triggers"),
    ({"failover_config": {"endpoints": [{"port": 5060}]}}, "failover_config.endpoints.0.host"),
    ({"failover_config": {"endpoints": [{"host": "a b"}]}}, "failover_config.endpoints.0.host"),
    ({"codec_config": {"codecs": ["GSM"]}}, "codec_config.codecs.0"),
    ({"codec_config": {"codecs": ["PCMU", "PCMU"]}}, "codec_config.codecs"),
    (
        {"alert_config": {"thresholds": {"failure_rate_percent": 101}}},
        "alert_config.thresholds.failure_rate_percent",
    ),
    ({"alert_config": {"channels": {"webhook": "ftp://example.net"}}}, "alert_config.channels.webhook"),
    (
        {"alert_config": {"channels": {"webhook": "https://a.example.net/********"}}},
        "alert_config.channels.webhook",
    ),
]


async def test_what_cannot_be_configured(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        for configs, field in BAD_CONFIGS:
            await client.attach(OUTBOUND)
            body = {"phone_number": NUMBER, "direction": "outbound"} | configs
            errors = await client.errors(400, "PATCH", "/v1/sip/config", body)
            assert errors[0]["field"] == field


async def test_what_is_not_there_is_not_configured(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, second):
        await client.attach(OUTBOUND)
        body = {"phone_number": NUMBER, "direction": "inbound"}
        assert (await client.errors(404, "PATCH", "/v1/sip/config", body))[0]["error"] == "SIP_CONFIG_NOT_FOUND"
        assert (await second.errors(404, "PATCH", "/v1/sip/config", body))[0]["error"] == "NUMBER_NOT_FOUND"


async def test_the_health_of_a_number(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, second):
        await client.attach(INBOUND)
        told = await client.data("GET", "/v1/sip/status", phone_number=NUMBER)
        assert told == {"status": "unchecked", "response_time_ms": None, "checked_at": None}
        errors = await second.errors(404, "GET", "/v1/sip/status", phone_number=NUMBER)
        assert errors[0]["error"] == "NUMBER_NOT_FOUND"
        assert (await client.errors(400, "GET", "/v1/sip/status"))[0]["field"] == "phone_number"


# What other interfaces make

DIGA = Number(
    identity=NUMBER,
    inbound=Inbound(allowed_addresses=("192.0.2.0/28",), encryption=Encryption.REQUIRE),
    outbound=Outbound((Gateway("gw.example.net"),), Credentials("u", Secret("s3cret-pass")), Encryption.ALLOW),
    extras={"diga": {"nickname": "desk", "api_key": Secret("k")}},
)
WATSONX = Trunk(
    name="pbx",
    inbound=Inbound(
        Authentication.DIGEST,
        Credentials("u", Secret("s3cret-pass")),
        headers=(HeaderRule(key="X-Case", value="X-Case"),),
    ),
    extras={"watsonx": {"error_handling": {}}},
)


async def test_a_number_of_diga_is_read_and_changed_without_loss(tmp_path: Path) -> None:
    async with asking(tmp_path) as (service, client, _):
        await service.directory.add_numbers("acme", [DIGA])
        told = await client.config()
        assert told["inbound"]["options"] == {"auth_mode": "ip", "secure_media": True}
        assert told["outbound"]["options"] == {"sip_username": "u", "sip_password": "********"}
        await update(client, type="inbound", auth_mode="ip", options=told["inbound"]["options"])
        await update(client, type="outbound", options=told["outbound"]["options"] | {"transport": "tls"})
        number = await service.directory.number_named("acme", NUMBER)
        assert (number.inbound, number.extras) == (DIGA.inbound, DIGA.extras)
        assert DIGA.outbound is not None
        assert number.outbound == replace(DIGA.outbound, gateways=(Gateway("gw.example.net", None, Transport.TLS),))
        await detach(client, "inbound", "outbound")
        assert (await client.data("GET", "/v1/sip/numbers")) == {"numbers": []}
        assert (await service.directory.number_named("acme", NUMBER)).extras == DIGA.extras


async def test_a_number_of_watsonx_is_read_and_changed_without_loss(tmp_path: Path) -> None:
    async with asking(tmp_path) as (service, client, _):
        trunk = await service.directory.add_trunk("acme", WATSONX)
        await service.directory.add_numbers("acme", [Number(identity=NUMBER, trunk_id=trunk.id)])
        told = await client.config()
        assert told["outbound"] is None
        assert told["inbound"]["options"] == {"auth_mode": "ip", "sip_username": "u", "sip_password": "********"}
        entries = [{"type": "custom", "key": "X-Case", "value": "X-Case"}]
        assert told["inbound"]["headers"] == {"direction": "inbound", "headers": entries}
        listed = (await client.data("GET", "/v1/sip/trunks"))["trunks"]
        assert [(each["direction"], each["auth_mode"], each["bound_number_count"]) for each in listed] == [
            ("inbound", "ip", 1)
        ]
        changed = await update(client, type="inbound", options=told["inbound"]["options"] | {"secure_media": True})
        assert changed["options"] == told["inbound"]["options"] | {"secure_media": True}
        number = await service.directory.number_named("acme", NUMBER)
        assert number.inbound_by(trunk) is not None
        assert WATSONX.inbound is not None
        assert number.inbound_by(trunk) == replace(WATSONX.inbound, encryption=Encryption.REQUIRE)


async def test_encryption_that_a_trunk_requires_is_not_lost_by_header_fields(tmp_path: Path) -> None:
    async with asking(tmp_path) as (service, client, _):
        secured = Outbound((Gateway("gw.example.net"),), encryption=Encryption.REQUIRE)
        trunk = await service.directory.add_trunk("acme", Trunk(name="pbx", inbound=Inbound(), outbound=secured))
        await client.attach({"type": "outbound"}, trunk_id=trunk.id)
        headers = {"direction": "outbound", "headers": [{"type": "custom", "key": "a", "value": "X-A"}]}
        assert (await update(client, type="outbound", headers=headers))["options"] == {"secure_media": True}
        await client.attach({"type": "outbound", "headers": headers})
        assert (await client.config())["outbound"]["options"] == {"secure_media": True}
        await configure(client, "outbound", codec_config={"codecs": ["PCMA"]})
        assert (await client.config())["outbound"]["options"] == {"secure_media": True}
