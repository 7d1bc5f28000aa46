"""A config read into a trunk and shown again: what each setting is in the model, and that nothing else is touched."""

from dataclasses import replace
from typing import Any

import pytest

from probes.trunks.model import (
    Authentication,
    Credentials,
    Encryption,
    Gateway,
    HeaderKind,
    HeaderRule,
    Inbound,
    Number,
    Outbound,
    Secret,
    Trunk,
)
from probes.web.errors import RequestFailure
from probes.web.watsonx.bodies import CreatePhone, NumberItem, UpdateNumber, UpdatePhone
from probes.web.watsonx.mapping import (
    changed,
    created,
    is_alone,
    number_changed,
    number_of,
    number_shown,
    shown,
    unbound,
    with_item,
)

ID = "6f0c1a52-0000-4000-8000-000000000001"
A, E = "6f0c1a52-0000-4000-8000-00000000000a", "6f0c1a52-0000-4000-8000-00000000000e"
DIGEST = Inbound(Authentication.DIGEST, Credentials("u", Secret("p")), encryption=Encryption.REQUIRE)
FALLBACK = {"fallback_sip_uri": "sip:a@b.example"}
SORRY, END = {"reply_message": "sorry"}, {"disconnect_call": True}
CASE = HeaderRule(key="X-Case", value="case")
UUI = HeaderRule(kind=HeaderKind.UUI, target="kv")
LITERAL = HeaderRule(key="env", value="prod", passthrough=True)
FOREIGN = Trunk(
    id=ID,
    tenant="acme",
    name="x" * 80,
    provider="twilio",
    inbound=Inbound(
        Authentication.REGISTER, Credentials("reg", Secret("12345678")), ("192.0.2.1",), forward_to="sip:a"
    ),
    outbound=Outbound((Gateway("gw.example.net"),)),
    extras={"bland": {"kept": True}},
    created_at=1.0,
    updated_at=2.0,
    revision=4,
)
"""As another contract makes one."""


def inbound_of(**settings: object) -> Inbound | None:
    return created(CreatePhone.model_validate({"name": "pbx", "security": {}} | settings), "key_1").inbound


def rule(name: str) -> HeaderRule:
    return HeaderRule(key=name, value=name)


@pytest.mark.parametrize(
    ("settings", "inbound"),
    [
        ({}, Inbound()),
        ({"security": {"secure_trunking": True}}, Inbound(encryption=Encryption.REQUIRE)),
        ({"security": {"secure_trunking": False}}, Inbound(encryption=Encryption.ALLOW)),
        (
            {"security": {"authentication": True, "username": "u", "password": "p"}},
            Inbound(Authentication.DIGEST, Credentials("u", Secret("p"))),
        ),
        ({"security": {"username": "u"}}, Inbound(credentials=Credentials("u"))),
        ({"custom_invite_headers": [{"name": "X-A"}, {"name": "From"}]}, Inbound(headers=(rule("X-A"), rule("From")))),
        ({"custom_invite_headers": [{"name": "X-A"}, {"name": "x-a"}]}, Inbound(headers=(rule("x-a"),))),
    ],
)  # fmt: skip
def test_what_a_new_config_is_in_the_model(settings: dict[str, Any], inbound: Inbound) -> None:
    assert inbound_of(**settings) == inbound


@pytest.mark.parametrize(
    ("known", "body", "inbound"),
    [
        (DIGEST, {}, DIGEST),
        (DIGEST, {"security": None}, DIGEST),
        (DIGEST, {"security": {}}, DIGEST),
        (DIGEST, {"security": {"password": None, "username": None, "password_is_set": True}}, DIGEST),
        (DIGEST, {"security": {"password": ""}}, DIGEST),
        (DIGEST, {"security": {"password": "new"}}, replace(DIGEST, credentials=Credentials("u", Secret("new")))),
        (DIGEST, {"security": {"username": "v"}}, replace(DIGEST, credentials=Credentials("v", Secret("p")))),
        (DIGEST, {"security": {"authentication": None}}, DIGEST),
        (DIGEST, {"security": {"authentication": False}}, replace(DIGEST, authentication=Authentication.IP)),
        (
            DIGEST,
            {"security": {"authentication": False, "username": ""}},
            replace(DIGEST, authentication=Authentication.IP, credentials=None),
        ),
        (DIGEST, {"security": {"secure_trunking": False}}, replace(DIGEST, encryption=Encryption.ALLOW)),
        (
            Inbound(encryption=Encryption.DISABLE),
            {"security": {"secure_trunking": False}},
            Inbound(encryption=Encryption.DISABLE),
        ),
        (FOREIGN.inbound, {"security": {"authentication": True}}, FOREIGN.inbound),
        (None, {"name": "new"}, None),
        (None, {"custom_invite_headers": []}, None),
        (None, {"security": {"secure_trunking": True}}, Inbound(encryption=Encryption.REQUIRE)),
    ],
)
def test_what_a_change_of_security_is_in_the_model(
    known: Inbound | None, body: dict[str, Any], inbound: Inbound | None
) -> None:
    found = changed(replace(FOREIGN, inbound=known), UpdatePhone.model_validate(body), "key_2", append=False)
    assert found.inbound == inbound
    assert (found.outbound, found.provider, found.extras["bland"]) == (FOREIGN.outbound, "twilio", {"kept": True})


@pytest.mark.parametrize(
    ("security", "key"),
    [
        ({"authentication": True}, "username"),
        ({"authentication": True, "username": "u"}, "password"),
        ({"authentication": True, "password": "p"}, "username"),
        ({"authentication": True, "username": "", "password": "p"}, "username"),
    ],
)
def test_authentication_needs_username_and_password(security: dict[str, Any], key: str) -> None:
    with pytest.raises(RequestFailure) as caught:
        inbound_of(security=security)
    (flaw,) = caught.value.failure.flaws
    assert (caught.value.failure.status, flaw.place) == (422, ("body", "security", key))
    assert flaw.message == f"authentication needs a {key}: give one, or set authentication to false"


def test_credentials_in_use_are_not_taken_away() -> None:
    body = UpdatePhone.model_validate({"security": {"username": ""}})
    with pytest.raises(RequestFailure) as caught:
        changed(replace(FOREIGN, inbound=DIGEST), body, "key_2", append=False)
    assert caught.value.failure.flaws[0].place == ("body", "security", "username")


@pytest.mark.parametrize(
    ("known", "names", "append", "rules"),
    [
        ((CASE,), ["X-New"], False, (rule("X-New"),)),
        ((CASE,), ["X-New"], True, (CASE, rule("X-New"))),
        ((CASE,), [], False, ()),
        ((CASE,), [], True, (CASE,)),
        ((CASE,), ["x-case"], True, (replace(CASE, key="x-case"),)),
        ((CASE,), ["X-CASE", "X-New"], False, (replace(CASE, key="X-CASE"), rule("X-New"))),
        ((UUI, CASE, LITERAL), ["X-New"], False, (UUI, LITERAL, rule("X-New"))),
        ((UUI, LITERAL), [], False, (UUI, LITERAL)),
    ],
)
def test_headers_take_the_place_of_others_or_are_added_to_them(
    known: tuple[HeaderRule, ...], names: list[str], append: bool, rules: tuple[HeaderRule, ...]
) -> None:
    trunk = replace(FOREIGN, inbound=Inbound(headers=known))
    body = UpdatePhone.model_validate({"custom_invite_headers": [{"name": name} for name in names]})
    found = changed(trunk, body, "key_2", append=append)
    assert found.inbound is not None
    assert found.inbound.headers == rules


@pytest.mark.parametrize(
    ("bodies", "kept"),
    [
        ([FALLBACK], FALLBACK),
        ([FALLBACK, {"fallback_sip_uri": None}], FALLBACK),
        ([FALLBACK, {"fallback_sip_uri": ""}], {}),
        (
            [{"transfer_failure": SORRY | END}, {"call_failure": SORRY}],
            {"transfer_failure": SORRY | END, "call_failure": SORRY},
        ),
        ([{"transfer_failure": SORRY}, {"transfer_failure": END}], {"transfer_failure": SORRY | END}),
        ([{"transfer_failure": {}}, {}], {"transfer_failure": {}}),
        ([{}], {}),
    ],
)
def test_error_handling_is_given_back_as_it_came(bodies: list[dict[str, Any]], kept: dict[str, Any]) -> None:
    trunk = FOREIGN
    for body in bodies:
        trunk = changed(trunk, UpdatePhone.model_validate({"error_handling": body}), "key_2", append=False)
    assert shown(trunk, ()).error_handling == kept


def test_a_new_config_as_it_is_shown() -> None:
    body = {
        "name": "pbx",
        "security": {"secure_trunking": True, "authentication": True, "username": "u", "password": "p", "api_key": "k"},
        "custom_invite_headers": [{"name": "X-Case", "value": "never used"}],
        "error_handling": {"fallback_sip_uri": "sip:ops@example.net"},
        "put_caller_on_hold_on_transfer": False,
    }
    made = created(CreatePhone.model_validate(body), "key_1")
    assert made.extras["watsonx"]["api_key"] == Secret("k")  # type: ignore[index,call-overload]
    trunk = replace(made, id=ID, tenant="acme", created_at=1777626000.0, updated_at=1777626000.5, revision=1)
    number = replace(number_of(NumberItem.model_validate({"phone_number": "+15550100002"}), ID), id=A, tenant="acme")
    assert shown(trunk, (number,)).model_dump(mode="json") == {
        "id": ID,
        "tenant_id": "acme",
        "name": "pbx",
        "description": None,
        "service_provider": "sip_trunk",
        "security": {
            "api_key": None,
            "client_secret": None,
            "secure_trunking": True,
            "authentication": True,
            "username": "u",
            "password": None,
            "password_is_set": True,
        },
        "custom_invite_headers": [{"name": "X-Case"}],
        "put_caller_on_hold_on_transfer": False,
        "send_provisional_response": True,
        "error_handling": {"fallback_sip_uri": "sip:ops@example.net"},
        "attached_environments": [],
        "phone_numbers": [
            {"phone_number": "+15550100002", "description": None, "agent_id": None, "environment_id": None}
        ],
        "created_on": "2026-05-01T09:00:00Z",
        "created_by": "key_1",
        "updated_at": "2026-05-01T09:00:00.500000Z",
        "updated_by": "key_1",
    }


def test_who_wrote_last_is_not_told_of_what_another_contract_wrote() -> None:
    trunk = replace(changed(FOREIGN, UpdatePhone(), "key_2", append=False), revision=5)
    assert shown(trunk, ()).updated_by == "key_2"
    assert shown(replace(trunk, revision=6), ()).updated_by is None
    assert shown(FOREIGN, ()).updated_by is None


def test_a_trunk_of_another_contract_is_a_config_of_a_sip_trunk() -> None:
    found = shown(FOREIGN, ())
    assert (found.name, found.service_provider.value, found.created_by) == ("x" * 80, "sip_trunk", None)
    assert found.security.model_dump(exclude_defaults=True) == {
        "authentication": True,
        "username": "reg",
        "password_is_set": True,
    }
    assert shown(replace(FOREIGN, inbound=None), ()).security.model_dump(exclude_defaults=True) == {}


GENESYS = replace(FOREIGN, inbound=Inbound(), extras={"watsonx": {"service_provider": "genesys_audio_connector"}})


def attached(*agents: str, **names: str) -> UpdatePhone:
    entries = [{"agent_id": agent, "environment_id": E} | names for agent in agents]
    return UpdatePhone.model_validate({"attached_environments": entries})


def test_agents_take_the_place_of_others_or_are_added_to_them() -> None:
    first = changed(GENESYS, attached(A, agent_name="one"), "key_2", append=False)
    assert shown(first, ()).attached_environments == [{"agent_id": A, "environment_id": E, "agent_name": "one"}]
    both = changed(first, attached(E, A), "key_2", append=True)
    assert [each["agent_id"] for each in shown(both, ()).attached_environments] == [A, E]
    assert shown(both, ()).attached_environments[0]["agent_name"] == "one"
    assert shown(changed(both, attached(E), "key_2", append=False), ()).attached_environments == [
        {"agent_id": E, "environment_id": E}
    ]
    assert shown(changed(both, attached(), "key_2", append=False), ()).attached_environments == []


def test_agents_are_of_genesys_alone() -> None:
    with pytest.raises(RequestFailure) as caught:
        changed(FOREIGN, attached(A), "key_2", append=False)
    assert caught.value.failure.flaws[0].place == ("body", "attached_environments")
    assert changed(FOREIGN, attached(), "key_2", append=False).name == FOREIGN.name
    with_agents = changed(GENESYS, attached(A), "key_2", append=False)
    with pytest.raises(RequestFailure):
        changed(with_agents, UpdatePhone.model_validate({"service_provider": "sip_trunk"}), "key_2", append=False)
    body = UpdatePhone.model_validate({"service_provider": "sip_trunk", "attached_environments": []})
    assert shown(changed(with_agents, body, "key_2", append=False), ()).service_provider.value == "sip_trunk"


KNOWN = Number(
    A, "acme", "+15550100002", "main", ID, extras={"diga": {"x": 1}, "watsonx": {"agent_id": A, "environment_id": E}}
)


@pytest.mark.parametrize(
    ("body", "merges", "expected"),
    [
        ({}, True, (ID, "main", A, E)),
        ({}, False, (ID, None, None, None)),
        ({"description": "new"}, True, (ID, "new", A, E)),
        ({"description": ""}, True, (ID, None, A, E)),
        ({"agent_id": E, "environment_id": A}, True, (ID, "main", E, A)),
        ({"agent_id": E, "environment_id": A}, False, (ID, None, E, A)),
    ],
)  # fmt: skip
def test_an_item_of_a_list_is_whole_or_is_added_to_what_is_known(
    body: dict[str, Any], merges: bool, expected: tuple[object, ...]
) -> None:
    item = NumberItem.model_validate({"phone_number": KNOWN.identity} | body)
    found = with_item(KNOWN, item, ID, merges=merges)
    told = number_shown(found).model_dump(mode="json")
    assert (found.trunk_id, told["description"], told["agent_id"], told["environment_id"]) == expected
    assert found.extras["diga"] == {"x": 1}


def test_a_change_of_a_number() -> None:
    assert number_changed(KNOWN, UpdateNumber.model_validate({"phone_number": KNOWN.identity})) == KNOWN
    assert number_changed(KNOWN, UpdateNumber()) == KNOWN
    renamed = number_changed(KNOWN, UpdateNumber.model_validate({"phone_number": "2001", "description": "desk"}))
    assert renamed == replace(KNOWN, identity="2001", label="desk")


def test_a_number_that_another_contract_has_is_not_this_ones_alone() -> None:
    assert is_alone(Number(identity="2001", label="desk", extras={"watsonx": {}}))
    assert not is_alone(KNOWN)
    assert not is_alone(Number(identity="2001", inbound=Inbound()))
    assert not is_alone(Number(identity="2001", outbound=Outbound()))
    assert unbound(KNOWN) == replace(KNOWN, trunk_id=None, extras={"diga": {"x": 1}})
