"""Addresses that need brackets, and those that no parameter may follow."""

import pytest
from hypothesis import given

from sipcore.deviation import Deviation
from sipcore.message.address import Address
from sipcore.message.fields.addresses import parse_lone_address, parse_name_addr, parse_route
from sipcore.message.params import Params
from sipcore.message.uri import SipUri, TelUri
from tests.sipcore.message.fields.reading import addresses, assert_reads, assert_refuses, assert_survives

LOOSE = Params((("lr", None),))


def test_route() -> None:
    assert_reads(parse_route, "<sip:p1.example.com;lr>", Address(SipUri("p1.example.com", params=LOOSE)))
    assert_reads(parse_route, "P <sip:p1.example.com>;lr", Address(SipUri("p1.example.com"), "P", LOOSE))


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("sip:a@b", SipUri("b", "a")),
        (" sip:b;lr", SipUri("b", params=LOOSE)),
        ("sip:[2001:db8::1]:5060;lr", SipUri("[2001:db8::1]", None, 5060, LOOSE)),
    ],
)
def test_route_without_brackets_keeps_its_parameters(text: str, uri: SipUri) -> None:
    assert_reads(parse_route, text, Address(uri), [Deviation.ADDRESS_WITHOUT_BRACKETS], written=f"<{text.strip()}>")


@pytest.mark.parametrize("text", ["", "Bob", "sip:", "sip:a@b;tag=1", "sip:a@b;lr;x", "<sip:a@b> c"])
def test_route_refuses(text: str) -> None:
    assert_refuses(parse_route, text)


def test_name_addr() -> None:
    assert_reads(parse_name_addr, "<sip:a@b>;x", Address(SipUri("b", "a"), "", Params((("x", None),))))
    bare = Address(SipUri("b", "a"), "", Params((("x", None),)), bracketed=False)
    assert_reads(parse_name_addr, "sip:a@b;x", bare, [Deviation.ADDRESS_WITHOUT_BRACKETS])
    assert_refuses(parse_name_addr, "a@b")


def test_lone_address() -> None:
    assert_reads(
        parse_lone_address,
        '"A" <sip:a@b;user=phone>',
        Address(SipUri("b", "a", None, Params((("user", "phone"),))), '"A"'),
    )
    assert_reads(parse_lone_address, "tel:+1234", Address(TelUri("+1234"), bracketed=False))
    noted = Address(SipUri("b", "a"), "", Params((("x", "1"),)))
    assert_reads(parse_lone_address, "<sip:a@b>;x=1", noted, [Deviation.UNEXPECTED_PARAMETER])
    assert_refuses(parse_lone_address, "")


@given(addresses)
def test_survive(built: Address) -> None:
    assert_survives(parse_route, built)
    assert_survives(parse_name_addr, built)
    assert_survives(parse_lone_address, built.replace(params=Params()))
