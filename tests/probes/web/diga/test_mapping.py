"""A phone read into a number and shown again: what each setting is in the model, and that nothing else is touched."""

from dataclasses import replace
from typing import Any

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
from probes.web.diga.bodies import ImportPhone, UpdatePhone, UpdateSipConfig
from probes.web.diga.mapping import changed, configured, imported, published, shown
from probes.web.errors import RequestFailure
from sipcore.resolve.target import Transport

ID = "6f0c1a52-0000-4000-8000-000000000001"
A, V, W = (f"6f0c1a52-0000-4000-8000-00000000000{each}" for each in "abc")
ACCOUNT = Credentials("u", Secret("p"), "realm")
GATEWAY = Gateway("gw.example.net", 5061, Transport.TLS)
BACKUP = Gateway("backup.example.net", priority=1)
OUT = Outbound((BACKUP, GATEWAY), ACCOUNT, headers=(HeaderRule(key="a", value="X-A"),))
IN = Inbound(Authentication.REGISTER, ACCOUNT, ("192.0.2.1",), Encryption.REQUIRE, forward_to="sip:a.example")
PHONE = Number(ID, "acme", "+15550100001", "desk", inbound=IN, outbound=OUT, extras={"bland": {"kept": True}})


def made(**body: object) -> Number:
    return imported(ImportPhone.model_validate({"phone_number": "+15550100001"} | body))


@pytest.mark.parametrize(
    ("body", "inbound", "outbound"),
    [
        ({}, Inbound(), None),
        ({"sip_config": None}, Inbound(), None),
        ({"sip_config": {"termination_uri": "gw.example.net"}}, Inbound(), Outbound((Gateway("gw.example.net"),))),
        (
            {"sip_config": {"termination_uri": "gw.example.net:5070", "username": "u", "password": "p"}},
            Inbound(),
            Outbound((Gateway("gw.example.net", 5070),), Credentials("u", Secret("p"))),
        ),
        (
            {"outbound_config": {"termination_uri": "gw.example.net", "media_encryption": "require"}},
            Inbound(),
            Outbound((Gateway("gw.example.net"),), encryption=Encryption.REQUIRE),
        ),
        (
            {"inbound_config": {"media_encryption": "disable", "allowed_addresses": ["192.0.2.0/28", "192.0.2.0/28"]}},
            Inbound(allowed_addresses=("192.0.2.0/28",), encryption=Encryption.DISABLE),
            None,
        ),
    ],
)
def test_what_an_import_is_in_the_model(body: dict[str, Any], inbound: Inbound, outbound: Outbound | None) -> None:
    assert made(**body) == Number(identity="+15550100001", inbound=inbound, outbound=outbound)


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"username": "u", "password": "p"}, "termination_uri"),
        ({"termination_uri": "gw.example.net", "username": "u"}, "password"),
        ({"termination_uri": "gw.example.net", "password": "p"}, "username"),
    ],
)
@pytest.mark.parametrize("name", ["sip_config", "outbound_config"])
def test_half_an_account_is_refused(config: dict[str, Any], place: str, name: str) -> None:
    with pytest.raises(RequestFailure) as caught:
        made(**{name: config})
    assert caught.value.failure.status == 422
    assert [flaw.place for flaw in caught.value.failure.flaws] == [("body", name, place)]
    assert caught.value.failure.message.startswith("give ")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, PHONE),
        ({"inbound_config": None, "outbound_config": None}, PHONE),
        ({"inbound_config": {}, "outbound_config": {}}, PHONE),
        ({"inbound_config": {"allowed_addresses": None, "media_encryption": None}}, PHONE),
        ({"outbound_config": dict.fromkeys(("termination_uri", "username", "password", "media_encryption"))}, PHONE),
        ({"inbound_config": {"allowed_addresses": []}}, replace(PHONE, inbound=replace(IN, allowed_addresses=()))),
        (
            {"inbound_config": {"allowed_addresses": ["2001:db8::/32"]}},
            replace(PHONE, inbound=replace(IN, allowed_addresses=("2001:db8::/32",))),
        ),
        (
            {"inbound_config": {"media_encryption": "allow"}},
            replace(PHONE, inbound=replace(IN, encryption=Encryption.ALLOW)),
        ),
        (
            {"outbound_config": {"media_encryption": "disable"}},
            replace(PHONE, outbound=replace(OUT, encryption=Encryption.DISABLE)),
        ),
        (
            {"outbound_config": {"password": "new"}},
            replace(PHONE, outbound=replace(OUT, credentials=replace(ACCOUNT, password=Secret("new")))),
        ),
        (
            {"outbound_config": {"username": "v"}},
            replace(PHONE, outbound=replace(OUT, credentials=replace(ACCOUNT, username="v"))),
        ),
        ({"outbound_config": {"termination_uri": "gw.example.net:5061"}}, PHONE),
        (
            {"outbound_config": {"termination_uri": "other.example.net"}},
            replace(PHONE, outbound=replace(OUT, gateways=(Gateway("other.example.net"), BACKUP))),
        ),
    ],
)
def test_what_a_change_is_in_the_model(body: dict[str, Any], expected: Number) -> None:
    assert configured(PHONE, None, UpdateSipConfig.model_validate(body)) == expected


TRUNK = Trunk(A, "acme", "pbx", inbound=IN, outbound=OUT)
BOUND = Number(ID, "acme", "2001", trunk_id=A)


def test_a_number_of_a_trunk_shows_what_holds_for_it() -> None:
    found = shown(BOUND, TRUNK).sip_config
    assert found is not None
    assert found.model_dump(mode="json") == {
        "termination_uri": "gw.example.net:5061",
        "username": "u",
        "inbound_media_encryption": "require",
        "outbound_media_encryption": "allow",
        "allowed_addresses": ["192.0.2.1"],
    }


def test_a_number_of_a_trunk_has_settings_of_its_own_from_the_first_change_on() -> None:
    same = configured(BOUND, TRUNK, UpdateSipConfig.model_validate({"inbound_config": {}, "outbound_config": None}))
    assert same == BOUND
    body = UpdateSipConfig.model_validate({"inbound_config": {"allowed_addresses": ["198.51.100.7"]}})
    own = configured(BOUND, TRUNK, body)
    assert own == replace(BOUND, inbound=replace(IN, allowed_addresses=("198.51.100.7",)))


def test_a_number_without_any_trunk_is_shown() -> None:
    found = shown(replace(BOUND, trunk_id=None), None).sip_config
    assert found is not None
    assert found.model_dump(mode="json") == {
        "termination_uri": None,
        "username": None,
        "inbound_media_encryption": "allow",
        "outbound_media_encryption": "allow",
        "allowed_addresses": None,
    }


@pytest.mark.parametrize(
    ("bodies", "agents"),
    [
        ([{}], (None, None)),
        ([{"inbound_version_id": V}], (V, V)),
        ([{"inbound_version_id": V, "inbound_agent_id": A}], (A, V)),
        ([{"inbound_version_id": V, "inbound_agent_id": A}, {"nickname": "x"}], (A, V)),
        ([{"inbound_version_id": V, "inbound_agent_id": A}, {"inbound_version_id": W}], (W, W)),
        ([{"inbound_version_id": V, "inbound_agent_id": A}, {"inbound_version_id": None}], (None, None)),
        ([{"inbound_version_id": V}, {"inbound_agent_id": A}], (A, V)),
    ],
)
def test_agents(bodies: list[dict[str, Any]], agents: tuple[str | None, str | None]) -> None:
    number = PHONE
    for body in bodies:
        number = changed(number, UpdatePhone.model_validate(body))
    told = shown(number, None).model_dump(mode="json")
    assert (told["inbound_agent_id"], told["inbound_version_id"]) == agents
    assert (told["outbound_agent_id"], told["outbound_version_id"]) == (None, None)
    assert number.extras["bland"] == {"kept": True}


def test_nothing_is_left_of_agents_that_were_taken_away() -> None:
    given = changed(PHONE, UpdatePhone.model_validate({"inbound_version_id": V}))
    assert published(given) == {}
    assert changed(given, UpdatePhone.model_validate({"inbound_version_id": None})) == PHONE
    both = UpdatePhone.model_validate({"outbound_version_id": V, "outbound_agent_id": A})
    assert published(changed(PHONE, both)) == {A: V}


@pytest.mark.parametrize(
    ("body", "nickname"),
    [({}, "desk"), ({"nickname": "hall"}, "hall"), ({"nickname": None}, None), ({"nickname": ""}, None)],
)
def test_nickname(body: dict[str, Any], nickname: str | None) -> None:
    assert shown(changed(PHONE, UpdatePhone.model_validate(body)), None).nickname == nickname


def test_a_phone_as_it_is_shown() -> None:
    number = replace(
        made(nickname="desk", sip_config={"termination_uri": "gw.example.net"}), id=ID, created_at=1777626000.0
    )
    assert shown(number, None).model_dump(mode="json") == {
        "id": ID,
        "number": "+15550100001",
        "telephony_provider": "custom",
        "status": "assigned",
        "nickname": "desk",
        "released_at": None,
        "scheduled_release_at": None,
        "assigned_at": "2026-05-01T09:00:00Z",
        "inbound_agent_id": None,
        "outbound_agent_id": None,
        "inbound_version_id": None,
        "outbound_version_id": None,
        "sip_config": {
            "termination_uri": "gw.example.net",
            "username": None,
            "inbound_media_encryption": "allow",
            "outbound_media_encryption": "allow",
            "allowed_addresses": None,
        },
    }
