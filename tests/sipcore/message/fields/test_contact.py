"""Contact: the asterisk, and what registrations say of an address."""

import pytest
from hypothesis import given

from sipcore.deviation import Deviation
from sipcore.message.address import Address
from sipcore.message.fields.contact import (
    DEFAULT_EXPIRES,
    WILDCARD,
    Wildcard,
    contact_expires,
    contact_instance,
    contact_q,
    contact_reg_id,
    parse_contact,
)
from sipcore.message.params import Params
from sipcore.message.uri import SipUri
from tests.sipcore.message.fields.reading import addresses, assert_reads, assert_refuses, assert_survives

HANDSET = '<sip:a@192.0.2.1;ob>;reg-id=1;+sip.instance="<urn:uuid:0>";q=0.5;expires=60'


def contact(text: str) -> Address:
    read = parse_contact(text, [])
    assert isinstance(read, Address)
    return read


def test_wildcard() -> None:
    assert_reads(parse_contact, "*", WILDCARD)
    assert parse_contact(" \t*", None) is Wildcard.ALL


def test_address() -> None:
    uri = SipUri("192.0.2.1", "a", params=Params((("ob", None),)))
    items = (("reg-id", "1"), ("+sip.instance", '"<urn:uuid:0>"'), ("q", "0.5"), ("expires", "60"))
    assert_reads(parse_contact, HANDSET, Address(uri, "", Params(items)))


def test_what_it_says() -> None:
    handset = contact(HANDSET)
    assert contact_q(handset) == 0.5
    assert contact_expires(handset) == 60
    assert contact_instance(handset) == "urn:uuid:0"
    assert contact_reg_id(handset) == 1


def test_what_it_does_not_say() -> None:
    plain = contact("sip:a@example.com")
    assert contact_q(plain) == 1.0
    assert contact_expires(plain) is None
    assert contact_instance(plain) is None
    assert contact_reg_id(plain) is None


@pytest.mark.parametrize(
    ("param", "note"),
    [
        ("q=2", Deviation.ODD_Q),
        ("q", Deviation.ODD_Q),
        ("expires=-1", Deviation.ODD_SECONDS),
        ("expires", Deviation.ODD_SECONDS),
        ("reg-id=one", Deviation.ODD_PARAMETER_VALUE),
    ],
)
def test_odd_parameters(param: str, note: Deviation) -> None:
    name, equals, content = param.partition("=")
    expected = Address(SipUri("b", "a"), "", Params(((name, content if equals else None),)))
    assert_reads(parse_contact, f"<sip:a@b>;{param}", expected, [note])


def test_malformed_expires_counts_as_an_hour() -> None:
    assert contact_expires(contact("<sip:a@b>;expires=soon")) == DEFAULT_EXPIRES


@pytest.mark.parametrize("text", ["", "*;foo=bar", '"John" *', "foo", '"Alice" sip:a@b', "<sip:a@b"])
def test_refuses(text: str) -> None:
    assert_refuses(parse_contact, text)


@given(addresses)
def test_survives(built: Address) -> None:
    assert_survives(parse_contact, built)
