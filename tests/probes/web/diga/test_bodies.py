"""What Diga takes: limits, defaults, what is refused, and that the refusal says where and what to change."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from probes.web.diga.bodies import ImportPhone, ListQuery, UpdatePhone, UpdateSipConfig

NUMBER = {"phone_number": "+15550100001"}


def inbound(**settings: object) -> dict[str, Any]:
    return {"inbound_config": settings}


def outbound(**settings: object) -> dict[str, Any]:
    return {"outbound_config": settings}


ADDRESSES = ("inbound_config", "allowed_addresses", 0)
TERMINATION = ("outbound_config", "termination_uri")

REFUSED: list[tuple[type[BaseModel], Any, tuple[str | int, ...], str]] = [
    (ImportPhone, {}, ("phone_number",), "Field required"),
    (ImportPhone, {"phone_number": None}, ("phone_number",), "valid string"),
    (ImportPhone, {"phone_number": ["+15550100001"]}, ("phone_number",), "valid string"),
    (ImportPhone, {"phone_number": "+1555"}, ("phone_number",), "digits are missing"),
    (ImportPhone, {"phone_number": "+15550100001 ext 5"}, ("phone_number",), "after + there are digits"),
    (ImportPhone, NUMBER | {"nickname": "two\nlines"}, ("nickname",), "leave out line breaks"),
    (ImportPhone, NUMBER | {"nick": "x"}, ("nick",), "not permitted"),
    (
        ImportPhone,
        NUMBER | {"sip_config": {"termination_url": "x"}},
        ("sip_config", "termination_url"),
        "not permitted",
    ),
    (ImportPhone, NUMBER | {"sip_config": {}, "outbound_config": {}}, (), "give sip_config or outbound_config"),
    (UpdatePhone, {"inbound_version_id": "latest"}, ("inbound_version_id",), "valid UUID"),
    (UpdatePhone, {"status": "released"}, ("status",), "not permitted"),
    (UpdateSipConfig, {"sip_config": {}}, ("sip_config",), "not permitted"),
    (UpdateSipConfig, inbound(allowed_adresses=[]), ("inbound_config", "allowed_adresses"), "not permitted"),
    (UpdateSipConfig, inbound(media_encryption="optional"), ("inbound_config", "media_encryption"), "'allow' or 'requ"),
    (UpdateSipConfig, outbound(media_encryption="ALLOW"), ("outbound_config", "media_encryption"), "'allow' or 'requ"),
    (UpdateSipConfig, inbound(allowed_addresses="192.0.2.1"), ("inbound_config", "allowed_addresses"), "valid list"),
    (UpdateSipConfig, inbound(allowed_addresses=[""]), ADDRESSES, "is no IP address"),
    (UpdateSipConfig, inbound(allowed_addresses=["192.0.2.0/33"]), ADDRESSES, "give an address, or a block such as"),
    (
        UpdateSipConfig,
        inbound(allowed_addresses=["192.0.2.5/24"]),
        ADDRESSES,
        "give 192.0.2.0/24 for the block, or 192",
    ),
    (UpdateSipConfig, inbound(allowed_addresses=["192.0.2.0/255.255.255.0"]), ADDRESSES, "no length of its prefix"),
    (UpdateSipConfig, inbound(allowed_addresses=["192.0.2.0/\uff124"]), ADDRESSES, "no length of its prefix"),
    (UpdateSipConfig, inbound(allowed_addresses=["gw.example.net"]), ADDRESSES, "compared with what the caller writes"),
    (UpdateSipConfig, inbound(allowed_addresses=["0.0.0.0/0"]), ADDRESSES, "every address there is"),
    (UpdateSipConfig, inbound(allowed_addresses=["::/0"]), ADDRESSES, "every address there is"),
    (UpdateSipConfig, inbound(allowed_addresses=["0.0.0.0"]), ADDRESSES, "nobody's address"),
    (UpdateSipConfig, inbound(allowed_addresses=["fe80::1%eth0"]), ADDRESSES, "has a zone"),
    (UpdateSipConfig, inbound(allowed_addresses=["192.0.2.1:5060"]), ADDRESSES, "is no IP address"),
    (UpdateSipConfig, outbound(termination_uri="sip:gw.example.net"), TERMINATION, "leave out sip: here"),
    (UpdateSipConfig, outbound(termination_uri="SIPS:gw.example.net"), TERMINATION, "leave out SIPS: here"),
    (UpdateSipConfig, outbound(termination_uri="tls://gw.example.net"), TERMINATION, "leave out tls: here"),
    (UpdateSipConfig, outbound(termination_uri="gw.example.net;transport=tls"), TERMINATION, "leave out ';'"),
    (UpdateSipConfig, outbound(termination_uri="user:pass@gw.example.net"), TERMINATION, "leave out '@'"),
    (UpdateSipConfig, outbound(termination_uri="gw.example.net/path"), TERMINATION, "leave out '/'"),
    (UpdateSipConfig, outbound(termination_uri="a.example,b.example"), TERMINATION, "leave out ','"),
    (UpdateSipConfig, outbound(termination_uri=""), TERMINATION, "give a host"),
    (UpdateSipConfig, outbound(termination_uri="gw.example.net:99999"), TERMINATION, "65535"),
    (UpdateSipConfig, outbound(termination_uri="gw.example.net:0"), TERMINATION, "port 0 is no port"),
    (UpdateSipConfig, outbound(termination_uri="two words"), TERMINATION, "cannot read"),
    (UpdateSipConfig, outbound(username=""), ("outbound_config", "username"), "at least 1 character"),
    (UpdateSipConfig, outbound(password=""), ("outbound_config", "password"), "at least 1"),
    (ListQuery, {"limit": 0}, ("limit",), "greater than or equal to 1"),
    (ListQuery, {"limit": 101}, ("limit",), "less than or equal to 100"),
    (ListQuery, {"limit": "many"}, ("limit",), "valid integer"),
    (ListQuery, {"page": 0}, ("page",), "greater than or equal to 1"),
    (ListQuery, {"order": "newest"}, ("order",), "'asc' or 'desc'"),
    (ListQuery, {"status": "sold"}, ("status",), "'reserved', 'assigned', 'released' or 'finished'"),
    (ListQuery, {"after": "first"}, ("after",), "valid UUID"),
    (ListQuery, {"start_assigned_at": "yesterday"}, ("start_assigned_at",), "valid datetime"),
]


@pytest.mark.parametrize(("model", "body", "place", "why"), REFUSED, ids=lambda given: str(given)[:60])
def test_refused_with_the_place_and_what_to_change(
    model: type[BaseModel], body: object, place: tuple[str | int, ...], why: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    assert [error["loc"] for error in caught.value.errors()] == [place]
    assert why in caught.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("gw.example.net", "gw.example.net"),
        (" GW.Example.NET ", "gw.example.net"),
        ("gw.example.net:5070", "gw.example.net:5070"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:5070", "[2001:db8::1]:5070"),
    ],
)
def test_a_termination_is_a_host_or_an_address(given: str, kept: str) -> None:
    found = UpdateSipConfig.model_validate(outbound(termination_uri=given)).outbound_config
    assert found is not None
    assert found.termination_uri == kept
    again = UpdateSipConfig.model_validate(outbound(termination_uri=kept)).outbound_config
    assert again == found


def test_defaults_of_a_list() -> None:
    assert ListQuery.model_validate({}).model_dump(exclude_none=True) == {"limit": 20, "order": "desc"}
    blank = dict.fromkeys(("after", "before", "page", "inbound_agent_id", "outbound_agent_id", "status"), "")
    assert ListQuery.model_validate(blank | {"start_assigned_at": ""}) == ListQuery()


@pytest.mark.parametrize("text", ["2026-05-01T09:00:00Z", "2026-05-01T11:00:00+02:00", "2026-05-01T09:00:00"])
def test_moments_are_in_utc_whatever_their_zone(text: str) -> None:
    assert ListQuery.model_validate({"start_assigned_at": text}).start_assigned_at == datetime(
        2026, 5, 1, 9, tzinfo=UTC
    )


def test_all_may_be_null() -> None:
    ImportPhone.model_validate(NUMBER | {"nickname": None, "sip_config": None})
    ImportPhone.model_validate(NUMBER | {"sip_config": dict.fromkeys(("termination_uri", "username", "password"))})
    UpdatePhone.model_validate(dict.fromkeys(("nickname", "inbound_version_id", "outbound_version_id")))
    UpdateSipConfig.model_validate({"inbound_config": None, "outbound_config": None})
    UpdateSipConfig.model_validate(inbound(media_encryption=None, allowed_addresses=None))


def test_a_password_stands_in_no_error() -> None:
    body = outbound(username="u", password="s3cret")
    assert "s3cret" not in repr(UpdateSipConfig.model_validate(body))
    with pytest.raises(ValidationError) as caught:
        UpdateSipConfig.model_validate(outbound(password=["s3cret"], termination_uri="u:s3cret@gw.example.net"))
    assert "s3cret" not in str(caught.value)
