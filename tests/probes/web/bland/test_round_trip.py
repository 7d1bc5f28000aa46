"""What is read can be written back, and changes nothing; made up by Hypothesis, without a network."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from probes.trunks.model import Number, Trunk
from probes.web.bland.bodies import Attach, NewTrunk, TrunkChange, Update
from probes.web.bland.changes import attached, updated
from probes.web.bland.configs import pair
from probes.web.bland.trunk_map import changed_trunk, new_trunk, trunk_details
from tests.probes.web.bland.asking import NUMBER, Json

words = st.text("abcXYZ019-_", min_size=1, max_size=12)
passwords = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=8, max_size=20)
endpoints = st.sampled_from(["gw.example.net", "sip:GW.example.net:5070", "tls://192.0.2.7", "sips:b.example.net:5063"])
places = {"port": st.integers(1, 65535), "transport": st.sampled_from(["udp", "tcp"]), "secure_media": st.booleans()}
account = {"sip_username": words, "sip_password": passwords}


def options(**more: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    parts = st.fixed_dictionaries({}, optional=places | more)
    with_account = st.fixed_dictionaries(account, optional=places | {"sip_realm": words} | more)
    return parts | with_account


def headers(direction: str) -> st.SearchStrategy[Json]:
    custom = st.fixed_dictionaries({"type": st.just("custom"), "key": words, "value": words})
    literal = custom.map(lambda entry: entry | {"passthrough": True})
    parts = {"target": words, "purpose": words, "content": words, "encoding": st.sampled_from(["hex", "ascii"])}
    uui = st.fixed_dictionaries({"type": st.just("uui")} | parts)
    entries = st.lists(custom | literal | uui, min_size=1, max_size=3)
    return entries.map(lambda each: {"direction": direction, "headers": each})


outbound = st.fixed_dictionaries(
    {"type": st.just("outbound"), "sip_endpoint": endpoints.filter(lambda text: "s:" not in text[:5])},
    optional={"options": options(), "headers": headers("outbound")},
)
by_address = st.fixed_dictionaries(
    {"type": st.just("inbound")},
    optional={
        "auth_mode": st.just("ip"),
        "sip_endpoint": st.sampled_from(["pbx.example.net", "sip:100@pbx.example.net:5070"]),
        "options": options(),
        "headers": headers("inbound"),
    },
)
registering = st.fixed_dictionaries(
    {
        "type": st.just("inbound"),
        "auth_mode": st.just("register"),
        "register_auth": st.fixed_dictionaries({"username": words, "password": passwords}),
    },
    optional={"options": st.fixed_dictionaries({}, optional=places), "headers": headers("inbound")},
)
READ_BACK = ("sip_endpoint", "headers", "options", "register_auth")


def as_update(shown: Json) -> Update:
    """A configuration as it is read, as a change."""
    told = {key: shown[key] for key in READ_BACK if shown.get(key) is not None}
    return Update.model_validate({"phone_number": NUMBER, "updates": told | {"type": shown["direction"]}})


@settings(max_examples=300)
@given(st.lists(by_address | registering, max_size=1), st.lists(outbound, max_size=1))
def test_a_number(inbound: list[Json], out: list[Json]) -> None:
    if not inbound and not out:
        return
    body = Attach.model_validate({"phone_number": NUMBER, "directions": inbound + out, "service": "sip"})
    number = attached(Number(identity=NUMBER), None, body.directions)
    shown = pair(number, None)
    assert "password': '" not in str(shown).replace("password': '********'", "")
    for direction in ("inbound", "outbound"):
        if shown[direction] is not None:
            number = updated(number, None, as_update(shown[direction]).updates)
    assert pair(number, None) == shown
    assert number == attached(Number(identity=NUMBER), None, body.directions)


trunks = st.fixed_dictionaries(
    {"name": words, "direction": st.sampled_from(["inbound", "outbound", "both"]), "sip_endpoint": endpoints},
    optional={
        "provider": words,
        "headers": st.dictionaries(words, words, max_size=3)
        | headers("inbound")
        | headers("outbound")
        | st.tuples(headers("inbound"), headers("outbound")).map(list),
    },
)


@settings(max_examples=300)
@given(trunks, st.none() | st.fixed_dictionaries({"username": words, "password": passwords}))
def test_a_trunk(told: Json, auth: Json) -> None:
    told = told | ({"auth_mode": "register", "register_auth": auth} if auth else {})
    trunk = new_trunk(NewTrunk.model_validate(told))
    shown = trunk_details(trunk, ())
    keys = ("name", "provider", "sip_endpoint", "auth_mode", "register_auth", "headers")
    again: Trunk = changed_trunk(trunk, TrunkChange.model_validate({key: shown[key] for key in keys}))
    assert trunk_details(again, ()) == shown
    assert again == trunk
