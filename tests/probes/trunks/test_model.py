"""Secrets that are not shown, and gateways as they are written."""

import copy
import json
import pickle
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.destination import DestinationError
from probes.trunks.model import AlertTerms, Credentials, Gateway, Outbound, Secret, Trunk
from sipcore.resolve.target import Transport
from tests.probes.trunks.samples import INBOUND, NUMBER, OUTBOUND, TRUNK, texts

HIDDEN = "********"


@given(st.text(min_size=9), st.text())
def test_secret_is_neither_shown_nor_told_by_its_length(text: str, other: str) -> None:
    secret = Secret(text)
    assert [repr(secret), str(secret), f"{secret}", f"{secret!r}"] == [HIDDEN] * 4
    assert secret.reveal() == text
    assert (secret == Secret(other)) is (text == other)
    assert secret != text
    assert hash(secret) == hash(Secret(text))


def test_secret_leaves_by_no_back_door() -> None:
    trunk = Trunk(
        outbound=Outbound(credentials=Credentials("u", Secret("hunter2hunter2"))), extras={"k": Secret("hunter2")}
    )
    assert "hunter2" not in f"{trunk!r} {trunk}"
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps({"password": Secret("hunter2")})
    with pytest.raises(TypeError, match="a secret is not pickled"):
        pickle.dumps(Secret("hunter2"))
    with pytest.raises(AttributeError):
        Secret("hunter2").__dict__  # noqa: B018
    assert copy.deepcopy(trunk) == trunk
    assert "hook" not in repr(AlertTerms(webhook="https://example.net/hook"))


def test_secret_is_true_where_there_is_one() -> None:
    assert Secret("x")
    assert not Secret("")
    assert not Credentials("u").password
    assert Secret("\ud800") == Secret("\ud800")


@pytest.mark.parametrize(
    ("text", "gateway", "written"),
    [
        ("gw.example.net", Gateway("gw.example.net"), "sip:gw.example.net"),
        ("sip:GW.example.net", Gateway("gw.example.net"), "sip:gw.example.net"),
        ("gw.example.net:5080", Gateway("gw.example.net", 5080), "sip:gw.example.net:5080"),
        ("tls://gw.example.net", Gateway("gw.example.net", None, Transport.TLS), "sip:gw.example.net;transport=tls"),
        ("sips:gw.example.net", Gateway("gw.example.net", None, Transport.TLS), "sip:gw.example.net;transport=tls"),
        ("sip:192.0.2.1;transport=udp;lr", Gateway("192.0.2.1", None, Transport.UDP), "sip:192.0.2.1;transport=udp"),
        ("[2001:DB8::1]:5060", Gateway("2001:db8::1", 5060), "sip:[2001:db8::1]:5060"),
    ],
)
def test_gateway_is_read_in_any_form(text: str, gateway: Gateway, written: str) -> None:
    found = Gateway.parse(text)
    assert found == gateway
    assert str(found) == written
    assert Gateway.parse(written) == gateway
    destination = gateway.destination()
    assert (destination.host, destination.port, destination.transport) == (
        gateway.host,
        gateway.port,
        gateway.transport,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sip:carol@gw.example.net", "a gateway is a host, and has no user: leave out carol@"),
        ("sip:gw.example.net;maddr=192.0.2.1", "a gateway has host, port and transport: leave out what else is said"),
        ("wss://gw.example.net/sip", "a gateway has host, port and transport: leave out what else is said"),
        ("https://gw.example.net", "https: is for web pages, not for SIP"),
        ("gw.example.net:0", "port 0 is no port"),
        ("", "nothing given"),
    ],
)
def test_what_is_no_gateway_is_told(text: str, message: str) -> None:
    with pytest.raises(DestinationError, match=message):
        Gateway.parse(text)


@given(texts)
def test_odd_host_raises_one_error(text: str) -> None:
    with suppress(DestinationError):
        assert Gateway(text, 5060, Transport.TLS).destination().transport is Transport.TLS


def test_gateways_are_taken_by_priority_and_then_as_they_stand() -> None:
    first, second, third = Gateway("a", priority=1), Gateway("b"), Gateway("c", priority=1)
    assert Outbound((first, second, third)).ordered == (second, first, third)


def test_number_has_its_own_terms_or_those_of_its_trunk() -> None:
    assert NUMBER.inbound_by(None) is None
    assert NUMBER.inbound_by(TRUNK) is INBOUND
    assert NUMBER.outbound_by(TRUNK) is OUTBOUND
    own = Outbound((Gateway("own.example.net"),))
    assert replace(NUMBER, outbound=own).outbound_by(TRUNK) == own
