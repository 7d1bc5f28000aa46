"""What asks nobody: destinations, passwords, and what a PBX is told."""

from pathlib import Path

from probes.service.config import OwnAddresses
from probes.trunks.passwords import ALPHABET
from tests.probes.web.bland.asking import INBOUND, NUMBER, Json, asking

DESTINATIONS: list[tuple[str, Json]] = [
    ("gw.example.net", {"host": "gw.example.net", "is_private_ip": False, "normalized": "sip:gw.example.net"}),
    (
        "GW.example.net:5070",
        {"host": "gw.example.net", "port": 5070, "is_private_ip": False, "normalized": "sip:gw.example.net:5070"},
    ),
    (
        "sip:user@gw.example.net:5061;transport=tls",
        {
            "host": "gw.example.net",
            "port": 5061,
            "user": "user",
            "transport": "tls",
            "is_private_ip": False,
            "normalized": "sip:user@gw.example.net:5061;transport=tls",
        },
    ),
    (
        "tls://gw.example.net",
        {
            "host": "gw.example.net",
            "transport": "tls",
            "is_private_ip": False,
            "normalized": "sip:gw.example.net;transport=tls",
        },
    ),
    (
        "sips:gw.example.net",
        {"host": "gw.example.net", "transport": "tls", "is_private_ip": False, "normalized": "sips:gw.example.net"},
    ),
    ("10.1.2.3", {"host": "10.1.2.3", "is_private_ip": True, "normalized": "sip:10.1.2.3"}),
    ("127.0.0.1:5062", {"host": "127.0.0.1", "port": 5062, "is_private_ip": True, "normalized": "sip:127.0.0.1:5062"}),
    ("localhost", {"host": "localhost", "is_private_ip": True, "normalized": "sip:localhost"}),
    ("192.0.2.9", {"host": "192.0.2.9", "is_private_ip": False, "normalized": "sip:192.0.2.9"}),
    ("[fd00::1]:5060", {"host": "fd00::1", "port": 5060, "is_private_ip": True, "normalized": "sip:[fd00::1]:5060"}),
]


async def test_destinations(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        for text, parsed in DESTINATIONS:
            told = await client.data("POST", "/v1/sip/parse-destination", {"input": text})
            assert told == {"valid": True, "parsed": parsed}


NO_DESTINATIONS: list[Json] = [
    "",
    "a b",
    "http://example.net",
    "gw.example.net:99999",
    "ws://example.net",
    "+15550100001",
]


async def test_what_is_no_destination_is_no_mistake_of_the_request(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        for text in NO_DESTINATIONS:
            told = await client.data("POST", "/v1/sip/parse-destination", {"input": text})
            assert (told["valid"], told["parsed"]) == (False, None)
            assert told["error"]


NOTHING_TO_PARSE: list[Json] = [{}, {"input": None}, {"input": 5}, {"imput": "x"}]


async def test_a_destination_is_wanted(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        for body in NOTHING_TO_PARSE:
            errors = await client.errors(400, "POST", "/v1/sip/parse-destination", body)
            assert errors[0]["field"] in ("input", "imput")


PASSWORDS: list[tuple[Json, ...]] = [
    ({}, 16),
    ({"strength": "standard"}, 16),
    ({"strength": "long"}, 32),
    ({"length": 20}, 20),
    ({"length": 20, "strength": "long"}, 20),
    ({"length": 1}, 8),
    ({"length": -5}, 8),
    ({"length": 8}, 8),
    ({"length": 256}, 256),
    ({"length": 100000}, 256),
]


async def test_passwords(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        for query, length in PASSWORDS:
            told = [await client.data("GET", "/v1/sip/generate-password", **query) for _ in range(2)]
            assert [(each["length"], len(each["password"])) for each in told] == [(length, length)] * 2
            assert told[0]["password"] != told[1]["password"]
            assert set(told[0]["password"]) <= set(ALPHABET)
            assert not set("0O1lI") & set(told[0]["password"])


BAD_PASSWORDS: list[tuple[Json, ...]] = [
    ({"strength": "weak"}, "strength"),
    ({"length": "many"}, "length"),
]


async def test_passwords_that_cannot_be(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, _):
        for query, field in BAD_PASSWORDS:
            assert (await client.errors(400, "GET", "/v1/sip/generate-password", **query))[0]["field"] == field


async def test_what_to_let_through_a_firewall(tmp_path: Path) -> None:
    own = OwnAddresses(("192.0.2.10", "2001:db8::10"), rtp_low=20000, rtp_high=30000)
    async with asking(tmp_path, own=own) as (_, client, _):
        told = await client.data("GET", "/v1/sip/firewall-ips")
        ports = {"sip": "5061 TLS", "rtp": "20000-30000 UDP"}
        assert told == {"ip_addresses": ["192.0.2.10", "2001:db8::10"], "ports": ports}


async def test_what_a_pbx_is_told(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, client, second):
        told = await client.data("GET", "/v1/sip/outbound-setup")
        assert (told["sip_server"], told["port"], "credentials" in told) == ("sip.example.net", 5061, False)
        await client.attach(INBOUND)
        assert "credentials" not in await client.data("GET", "/v1/sip/outbound-setup", phone_number=NUMBER)
        auth = {"username": "pbx", "password": "correct horse"}
        await client.attach(INBOUND | {"auth_mode": "register", "register_auth": auth})
        told = await client.data("GET", "/v1/sip/outbound-setup", phone_number=NUMBER)
        assert told["credentials"] == {"username": "pbx", "password": "********"}
        assert told["instructions"].startswith("Register at sip.example.net, port 5061, over TLS")
        errors = await second.errors(404, "GET", "/v1/sip/outbound-setup", phone_number=NUMBER)
        assert errors[0]["error"] == "NUMBER_NOT_FOUND"


async def test_nothing_is_made_up_where_the_operator_says_nothing(tmp_path: Path) -> None:
    async with asking(tmp_path, own=OwnAddresses()) as (_, client, _):
        errors = await client.errors(503, "GET", "/v1/sip/outbound-setup")
        assert errors[0]["error"] == "NOT_CONFIGURED"
