"""Which URIs are equal: RFC 3261 §19.1.4, RFC 3966 §4."""

import pytest

from sipcore.message.equivalence import equivalent
from sipcore.message.uri import parse_uri

EQUIVALENT = [
    # RFC 3261 §19.1.4, its examples
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
    ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;security=off"),
    # its rules
    ("sip:a%2Eb@c", "sip:a.b@c"),
    ("sip:a%2f@c", "sip:a%2F@c"),
    ("sip:%41%40@c", "sip:A%40@c"),
    ("sip:a@c;x=%61", "sip:a@c;X=A"),
    ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]"),
    ("sip:a@b?Subject=x", "sip:a@b?subject=x"),
    # RFC 3966 §4
    ("tel:+1-201-555-0123", "tel:+1(201)555.0123"),
    ("tel:+1;a=b;c=D", "TEL:+1;C=d;a=B"),
    ("tel:7042;phone-context=example.com", "tel:70-42;phone-context=EXAMPLE.COM"),
    ("tel:7042;phone-context=+1-914", "tel:7042;phone-context=+1914"),
    ("tel:+1;ext=1-2", "tel:+1;ext=12"),
    ("tel:AB;phone-context=a.b", "tel:ab;phone-context=a.b"),
    ("urn:service:sos", "urn:service:sos"),
]

DIFFERENT = [
    # RFC 3261 §19.1.4, its examples
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    # its rules
    ("sip:a@b", "sips:a@b"),
    ("sip:a@b", "sip:b"),
    ("sip:a:p@b", "sip:a@b"),
    ("sip:a@b;user=ip", "sip:a@b"),
    ("sip:a@b;ttl=1", "sip:a@b"),
    ("sip:a@b;method=INVITE", "sip:a@b"),
    ("sip:a@b;maddr=c", "sip:a@b"),
    ("sip:a%40@c", "sip:a@@c"),
    ("sip:a%3Bb@c", "sip:a;b@c"),
    ("sip:a@b?x=Y", "sip:a@b?x=y"),
    ("sip:a@[::1]", "sip:a@[::2]"),
    # RFC 3966 §4
    ("tel:+1201", "tel:1201;phone-context=a.b"),
    ("tel:+1;a=b", "tel:+1"),
    ("tel:+1;a=b", "tel:+1;a=c"),
    ("tel:7042;phone-context=+1-914", "tel:7042;phone-context=+1-915"),
    ("tel:+1201", "sip:+1201@b"),
    ("urn:a", "urn:A"),
]


@pytest.mark.parametrize(("left", "right"), EQUIVALENT)
def test_equivalent(left: str, right: str) -> None:
    assert equivalent(parse_uri(left, []), parse_uri(right, []))
    assert equivalent(parse_uri(right, []), parse_uri(left, []))


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_not_equivalent(left: str, right: str) -> None:
    assert not equivalent(parse_uri(left, []), parse_uri(right, []))
    assert not equivalent(parse_uri(right, []), parse_uri(left, []))
