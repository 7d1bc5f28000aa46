"""What the phone channel takes: limits, defaults, what is refused, and that the refusal says where and what to change.

Each row is a sentence of the contract.
"""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from probes.web.watsonx.bodies import CreateNumber, CreatePhone, NumberItem, UpdateNumber, UpdatePhone

A, E = "6f0c1a52-0000-4000-8000-00000000000a", "6f0c1a52-0000-4000-8000-00000000000e"
LEAST = {"name": "pbx", "security": {}}

REFUSED: list[tuple[type[BaseModel], Any, tuple[str | int, ...], str]] = [
    (CreatePhone, {"security": {}}, ("name",), "Field required"),
    (CreatePhone, {"name": "pbx"}, ("security",), "Field required"),
    (CreatePhone, {"name": "pbx", "security": None}, ("security",), "valid dictionary"),
    (CreatePhone, LEAST | {"name": "x" * 65}, ("name",), "at most 64 characters"),
    (CreatePhone, LEAST | {"name": "  "}, ("name",), "at least 1 character"),
    (CreatePhone, LEAST | {"name": None}, ("name",), "valid string"),
    (CreatePhone, LEAST | {"name": "two\nlines"}, ("name",), "leave out line breaks"),
    (CreatePhone, LEAST | {"name": "\ud800"}, ("name",), "unicode"),
    (CreatePhone, LEAST | {"description": "x" * 1025}, ("description",), "at most 1024 characters"),
    (CreatePhone, LEAST | {"service_provider": "twilio"}, ("service_provider",), "'sip_trunk' or 'genesys_audio_conn"),
    (CreatePhone, LEAST | {"phone_numbers": []}, ("phone_numbers",), "not permitted"),
    (CreatePhone, LEAST | {"attached_environments": []}, ("attached_environments",), "not permitted"),
    (CreatePhone, LEAST | {"secure_trunking": True}, ("secure_trunking",), "not permitted"),
    (CreatePhone, LEAST | {"kind": "webchat"}, ("kind",), "'phone'"),
    (CreatePhone, LEAST | {"spec_version": "v2"}, ("spec_version",), "'v1'"),
    (CreatePhone, LEAST | {"security": {"secure_truncking": True}}, ("security", "secure_truncking"), "not permitted"),
    (CreatePhone, LEAST | {"security": {"authentication": "maybe"}}, ("security", "authentication"), "boolean"),
    (CreatePhone, LEAST | {"security": {"password": 7}}, ("security", "password"), "valid string"),
    (
        CreatePhone,
        LEAST | {"custom_invite_headers": [{"name": "X-A"}, {"value": "v"}]},
        ("custom_invite_headers", 1, "name"),
        "Field required",
    ),
    (
        CreatePhone,
        LEAST | {"custom_invite_headers": [{"name": "X Case"}]},
        ("custom_invite_headers", 0, "name"),
        "no name of a header field: give one as X-Case",
    ),
    (
        CreatePhone,
        LEAST | {"custom_invite_headers": [{"name": "X:\r\nEvil"}]},
        ("custom_invite_headers", 0, "name"),
        "no name of a header field",
    ),
    (
        CreatePhone,
        LEAST | {"custom_invite_headers": [{"name": "X" * 256}]},
        ("custom_invite_headers", 0, "name"),
        "at most 255",
    ),
    (
        CreatePhone,
        LEAST | {"error_handling": {"transfer_failure": "sorry"}},
        ("error_handling", "transfer_failure"),
        "valid dictionary",
    ),
    (
        CreatePhone,
        LEAST | {"error_handling": {"call_failure": ["sorry"]}},
        ("error_handling", "call_failure"),
        "valid dictionary",
    ),
    (
        CreatePhone,
        LEAST | {"error_handling": {"fallback_sip_uri": "https://example.net"}},
        ("error_handling", "fallback_sip_uri"),
        "sip:, sips: or tel:",
    ),
    (
        CreatePhone,
        LEAST | {"error_handling": {"fallback_sip_uri": "sip:"}},
        ("error_handling", "fallback_sip_uri"),
        "give a URI as sip:ops@example.net",
    ),
    (
        CreatePhone,
        LEAST | {"error_handling": {"fallback_sip_uri": "sip:ops:secret@example.net"}},
        ("error_handling", "fallback_sip_uri"),
        "leave out the password",
    ),
    (UpdatePhone, {"name": ""}, ("name",), "at least 1 character"),
    (UpdatePhone, {"id": A}, ("id",), "not permitted"),
    (
        UpdatePhone,
        {"phone_numbers": [{"phone_number": "+15550100002", "agent_id": A}]},
        ("phone_numbers", 0),
        "agent_id and environment_id together",
    ),
    (UpdatePhone, {"phone_numbers": [{}]}, ("phone_numbers", 0, "phone_number"), "Field required"),
    (UpdatePhone, {"attached_environments": [{"agent_id": A}]}, ("attached_environments", 0, "environment_id"), "req"),
    (
        UpdatePhone,
        {"attached_environments": [{"agent_id": "me", "environment_id": E}]},
        ("attached_environments", 0, "agent_id"),
        "valid UUID",
    ),
    (CreateNumber, {}, ("phone_number",), "Field required"),
    (CreateNumber, {"phone_number": ""}, ("phone_number",), "a number is wanted"),
    (CreateNumber, {"phone_number": "+1555010"}, ("phone_number",), "digits are missing"),
    (CreateNumber, {"phone_number": "+1555010000a"}, ("phone_number",), "after + there are digits"),
    (CreateNumber, {"phone_number": "+999 123"}, ("phone_number",), "no country code"),
    (CreateNumber, {"phone_number": "two words"}, ("phone_number",), "white space"),
    (CreateNumber, {"phone_number": "2001", "environment_id": E}, (), "agent_id and environment_id together"),
    (CreateNumber, {"phone_number": "2001", "provider": "x"}, ("provider",), "not permitted"),
    (UpdateNumber, {"agent_id": A}, (), "agent_id and environment_id together"),
]


@pytest.mark.parametrize(("model", "body", "place", "why"), REFUSED, ids=lambda given: str(given)[:60])
def test_refused_with_the_place_and_what_to_change(
    model: type[BaseModel], body: object, place: tuple[str | int, ...], why: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    assert [error["loc"] for error in caught.value.errors()] == [place]
    assert why in caught.value.errors()[0]["msg"]


def test_defaults() -> None:
    assert CreatePhone.model_validate(LEAST).model_dump(exclude_none=True) == {
        "name": "pbx",
        "security": {},
        "service_provider": "sip_trunk",
        "put_caller_on_hold_on_transfer": True,
        "send_provisional_response": True,
    }
    assert UpdatePhone.model_validate({}).model_dump(exclude_none=True) == {}


@pytest.mark.parametrize(
    "body",
    [
        LEAST | {"spec_version": "v1", "kind": "phone"},
        LEAST | {"custom_invite_headers": None, "error_handling": None, "description": None},
        LEAST | {"put_caller_on_hold_on_transfer": None, "send_provisional_response": None},
        LEAST | {"custom_invite_headers": [{"name": "From"}, {"name": "To"}, {"name": "X-Case", "value": "ignored"}]},
        LEAST | {"error_handling": {}},
        LEAST | {"error_handling": {"transfer_failure": {}, "call_failure": {}, "fallback_sip_uri": None}},
        LEAST | {"error_handling": {"fallback_sip_uri": "sips:ops@example.net;transport=tls"}},
        LEAST | {"error_handling": {"fallback_sip_uri": "tel:+15550100001"}},
        LEAST | {"security": {"password_is_set": True, "password": None, "api_key": "", "client_secret": None}},
        LEAST | {"name": "x" * 64, "description": "y" * 1024},
    ],
)
def test_taken(body: dict[str, Any]) -> None:
    CreatePhone.model_validate(body)


def test_strings_are_trimmed_and_secrets_are_not() -> None:
    body = {"name": " pbx ", "description": " d ", "security": {"username": " u ", "password": " p "}}
    found = CreatePhone.model_validate(body)
    assert (found.name, found.description, found.security.username) == ("pbx", "d", "u")
    assert found.security.password is not None
    assert found.security.password.get_secret_value() == " p "
    assert NumberItem.model_validate({"phone_number": " +1 (555) 010-0002 "}).phone_number == "+15550100002"


def test_a_secret_stands_in_no_error() -> None:
    with pytest.raises(ValidationError) as caught:
        CreatePhone.model_validate({"name": "", "security": {"password": "s3cret", "api_key": ["s3cret"]}})
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(CreatePhone.model_validate(LEAST | {"security": {"password": "s3cret"}}))
