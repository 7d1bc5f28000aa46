"""Destinations: every form that people paste, and what is said about those that name none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.destination import Destination, DestinationError
from sipcore.message.params import Params
from sipcore.resolve.target import SocketAddress, Target, Transport

UDP, TCP, TLS, WS, WSS = Transport
SECURE_BOB = "sips:bob@example.com"
JAPANESE = "xn--r8jz45g.xn--zckzah"
BOOKS = "xn--bcher-kva.example"
LR = Params((("lr", None),))
PHONE = Params((("user", "phone"),))
NUMBER = "sip:+4930123@example.com;user=phone"
EXTENSION = "sip:100;ext=5@[::1]:5080;user=phone"
SECURE_SOCKET = "sips:example.com;transport=ws"


@pytest.mark.parametrize(
    ("text", "expected", "canonical"),
    [
        ("example.com", Destination("example.com"), "sip:example.com"),
        ("  example.com.  ", Destination("example.com"), "sip:example.com"),
        ("example.com:5080", Destination("example.com", 5080), "sip:example.com:5080"),
        ("pbx", Destination("pbx"), "sip:pbx"),
        ("sip_proxy", Destination("sip_proxy"), "sip:sip_proxy"),
        ("alice@example.com", Destination("example.com", user="alice"), "sip:alice@example.com"),
        ("192.0.2.1", Destination("192.0.2.1"), "sip:192.0.2.1"),
        ("192.0.2.1:5061", Destination("192.0.2.1", 5061), "sip:192.0.2.1:5061"),
        ("2001:db8::1", Destination("2001:db8::1"), "sip:[2001:db8::1]"),
        ("[2001:db8::1]", Destination("2001:db8::1"), "sip:[2001:db8::1]"),
        ("::ffff:192.0.2.1", Destination("192.0.2.1"), "sip:192.0.2.1"),
        ("tcp://[::FFFF:c000:201]:5080", Destination("192.0.2.1", 5080, TCP), "sip:192.0.2.1:5080;transport=tcp"),
        ("sip:2001:db8::1", Destination("2001:db8::1"), "sip:[2001:db8::1]"),
        ("bob@2001:db8::1", Destination("2001:db8::1", user="bob"), "sip:bob@[2001:db8::1]"),
        (
            "sip:bob@2001:DB8::1;transport=tcp",
            Destination("2001:db8::1", user="bob", transport=TCP),
            "sip:bob@[2001:db8::1];transport=tcp",
        ),
        ("[2001:db8::1]:5080", Destination("2001:db8::1", 5080), "sip:[2001:db8::1]:5080"),
        ("fe80::1%eth0", Destination("fe80::1%eth0"), "sip:[fe80::1]"),
        ("[fe80::1%25eth0]:5080", Destination("fe80::1%eth0", 5080), "sip:[fe80::1]:5080"),
        ("tls://fe80::1%2", Destination("fe80::1%2", transport=TLS), "sip:[fe80::1];transport=tls"),
        ("sip:example.com", Destination("example.com"), "sip:example.com"),
        ("SIP:Bob@Example.COM", Destination("example.com", user="Bob"), "sip:Bob@example.com"),
        ("[2001:DB8:0::1]:5080", Destination("2001:db8::1", 5080), "sip:[2001:db8::1]:5080"),
        ("sip:bob:secret@example.com", Destination("example.com", user="bob"), "sip:bob@example.com"),
        ("sip:example.com;transport=TCP", Destination("example.com", transport=TCP), "sip:example.com;transport=tcp"),
        (
            "sip:example.com:5070;lr;transport=udp;user=phone",
            Destination("example.com", 5070, UDP, params=Params((("lr", None), ("user", "phone")))),
            "sip:example.com:5070;lr;user=phone;transport=udp",
        ),
        ("sips:example.com", Destination("example.com", secure=True), "sips:example.com"),
        ("sips:example.com;transport=tcp", Destination("example.com", None, TLS, None, True), "sips:example.com"),
        ("sip://example.com", Destination("example.com"), "sip:example.com"),
        ("sips://example.com:5061", Destination("example.com", 5061, secure=True), "sips:example.com:5061"),
        ("udp://example.com", Destination("example.com", transport=UDP), "sip:example.com;transport=udp"),
        ("tcp://example.com:5080/", Destination("example.com", 5080, TCP), "sip:example.com:5080;transport=tcp"),
        ("TLS://bob@[::1]", Destination("::1", None, TLS, "bob"), "sip:bob@[::1];transport=tls"),
        ("tcp://2001:db8::1", Destination("2001:db8::1", transport=TCP), "sip:[2001:db8::1];transport=tcp"),
        ("ws://example.com", Destination("example.com", transport=WS), "sip:example.com;transport=ws"),
        (
            "ws://bob@[::1]:8088/ws?a=1",
            Destination("::1", 8088, WS, "bob", path="/ws?a=1"),
            "sip:bob@[::1]:8088;transport=ws",
        ),
        ("ws://fe80::1%2/", Destination("fe80::1%2", transport=WS, path="/"), "sip:[fe80::1];transport=ws"),
        ("wss://example.com/ws", Destination("example.com", None, WSS, None, True, path="/ws"), SECURE_SOCKET),
        ("sips:example.com;transport=ws", Destination("example.com", None, WSS, None, True), SECURE_SOCKET),
        ("sip:example.com;transport=WSS", Destination("example.com", None, WSS, None, True), SECURE_SOCKET),
        ("<sip:bob@example.com>", Destination("example.com", user="bob"), "sip:bob@example.com"),
        ('"Bob" <sip:bob@example.com>', Destination("example.com", user="bob"), "sip:bob@example.com"),
        ("sip:bob@example.com?Subject=x", Destination("example.com", user="bob"), "sip:bob@example.com"),
        ("Contact: <sip:bob@example.com>;expires=60", Destination("example.com", user="bob"), "sip:bob@example.com"),
        ('"a<b" <sips:bob@example.com> ;tag=1', Destination("example.com", None, None, "bob", True), SECURE_BOB),
        ("\ufeff example.com\u200b\n", Destination("example.com"), "sip:example.com"),
        ("bücher.example", Destination("xn--bcher-kva.example"), "sip:xn--bcher-kva.example"),
        ("Straße.example.:5080", Destination("xn--strae-oqa.example", 5080), "sip:xn--strae-oqa.example:5080"),
        ("sip:bob@例え。テスト;lr", Destination(JAPANESE, user="bob", params=LR), f"sip:bob@{JAPANESE};lr"),
        ("tls://bücher.example", Destination("xn--bcher-kva.example", None, TLS), f"sip:{BOOKS};transport=tls"),
        ("tel:+49-30-123@example.com", Destination("example.com", user="+4930123", params=PHONE), NUMBER),
        ("tel:+4930123;phone-context=example.com", Destination("example.com", user="+4930123", params=PHONE), NUMBER),
        ("<tel:100;phone-context=pbx>", Destination("pbx", user="100", params=PHONE), "sip:100@pbx;user=phone"),
        ("tel:100;ext=5@[::1]:5080", Destination("::1", 5080, user="100;ext=5", params=PHONE), EXTENSION),
        ("+4930123@example.com", Destination("example.com", user="+4930123"), "sip:+4930123@example.com"),
    ],
)
def test_forms(text: str, expected: Destination, canonical: str) -> None:
    assert Destination.parse(text) == expected
    assert str(expected) == canonical


@pytest.mark.parametrize(
    "text",
    ["example.com", "[2001:db8::1]:5080", "tls://bob@example.com", "sips:example.com", "ws://pbx:8088", "wss://pbx"],
)
def test_the_canonical_form_means_the_same(text: str) -> None:
    destination = Destination.parse(text)
    assert Destination.parse(str(destination)) == destination


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("", "nothing given", 0),
        ("<>", "nothing given", 0),
        ("-example", "neither a host name nor an address", 0),
        ("5060", "neither a host name nor an address", 0),
        ("256.1.1.1", "neither a host name nor an address", 0),
        ("example.com:sip", "at 'sip': a port is a number", 12),
        ("example.com:70000", "at '70000': a port is at most 65535", 12),
        ("example.com:0", "port 0 is no port", 12),
        ("[2001:db8::g]", "at 'g]': not an IPv6 address: it has hexadecimal digits", 11),
        ("[2001:db8::1", "not an IPv6 address: the bracket is not closed", 12),
        ("[::1]x", "at 'x': not an IPv6 address: only a port may follow the bracket", 5),
        ("sip:bob@[1.2.3]:5060", "at '1.2.3]:5060': not an IPv6 address", 9),
        (
            "192.0.300.1:5060",
            "at '300.1:5060': neither a host name nor an address: an IPv4 address has four numbers",
            6,
        ),
        ("tls://192.0.2", "neither a host name nor an address: an IPv4 address has four numbers", 13),
        ("192.0.2.1.9", "an IPv4 address has four numbers from 0 to 255", 10),
        ("192.0.2.07", "at '07': neither a host name nor an address: an IPv4 address has four numbers", 8),
        ("example.com:5O60", "at 'O60': a port is a number", 13),
        ("a:5060:5061", "at ':5061': a port is a number", 6),
        ("sip:a%zz@example.com", "at '%zz@example.com': a percent sign is not followed by two hexadecimal digits", 5),
        ("foo@@bar", "at '@@bar': a URI holds a character that must be escaped", 3),
        ("mün chen.de", "at ' chen.de': neither a host name nor an address", 3),
        ("sip.münchen..de", "is no name that DNS can hold: Empty Label", 12),
        ("sip:tel@a.☎.example", "is no name that DNS can hold", 10),
        ("ü." + "a" * 64, "is no name that DNS can hold", 2),
        (".".join(["ü" * 40] * 6), "is no name that DNS can hold", 0),
        ("sip:tor@tor;transport=tor", "unknown transport tor", 22),
        ("sips:udp@udp;transport=udp", "a sips URI cannot go over UDP", 23),
        ("tls://udp.example.com;transport=udp", "tls:// and transport=udp contradict each other", 32),
        ("wss://example.com;transport=tcp", "wss:// and transport=tcp contradict each other", 28),
        ("sip:jörg@example.com", "at 'örg@example.com': a URI holds a character that must be escaped", 5),
        ("UDP:example.com:5060", "UDP: wants two slashes; write udp://example.com:5060", 4),
        ("+49 30 123", "a telephone number names no host", 10),
        ("sip:example.com;transport=carrier", "unknown transport carrier; use udp, tcp, tls, ws, wss", 26),
        ("ws://example.com/a b", "'/a b' is no path of a WebSocket", 16),
        ("wss://example.com/a#b", "'/a#b' is no path of a WebSocket", 17),
        ("tcp://example.com/ws", "at '/ws'", 17),
        ("exa mple.com", "at ' mple.com'", 3),
        ("example..com", "at '..com'", 7),
        ("sip:a@b-.example", "at '-.example'", 7),
        ("sip:alice@@example.com", "must be escaped", 9),
        ("sip:+49 30@example.com", "not a user part", 7),
        ("gopher://example.com", "gopher:// is not a SIP transport; use udp://", 0),
        ("tel:+4930123", "a telephone number names no host; give sip:number@host", 12),
        ("tel:123;phone-context=+49", "a telephone number names no host", 25),
        ("tel:", "not a telephone number", 4),
        ("sip:", "neither a host name nor an address", 4),
        ("<sip:example.com;>", "a semicolon is not followed by a parameter", 17),
        ("tel:office@example.com", "at 'office': not a telephone number", 4),
        ("sip:bob@-ü.example", "'-ü.example' is no name that DNS can hold", 8),
        ("ü" * 256, "a name of 256 characters is longer than any", 0),
        ("a:a", "at 'a': a port is a number", 2),
        ("example.com:000;x=:0", "port 0 is no port", 12),
        ("sips:example.com;transport=udp", "a sips URI cannot go over UDP", 27),
        ("udp://sips:example.com", "at 'example.com'", 11),
        ("sip:example.com;maddr=-", "at '-': neither a host name nor an address", 22),
    ],
)
def test_what_names_no_destination(text: str, message: str, offset: int) -> None:
    with pytest.raises(DestinationError) as caught:
        Destination.parse(text)
    assert message in str(caught.value)
    assert caught.value.text == text
    assert caught.value.offset == offset


def test_a_password_stays_out_of_the_error() -> None:
    with pytest.raises(DestinationError) as caught:
        Destination.parse("sip:bob:s3cret@not a host")
    assert "s3cret" not in str(caught.value)
    assert "bob" in str(caught.value)
    with pytest.raises(DestinationError) as caught:
        Destination.parse("sip:bob:s3 cret@host")
    assert "s3" not in str(caught.value)
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mailto:bob@example.com", "mailto: is for mail, not for SIP; give sip:bob@example.com"),
        ("Mailto:bob@example.com?subject=x", "mailto: is for mail, not for SIP; give sip:bob@example.com"),
        ("<mailto:bob@example.com>", "mailto: is for mail, not for SIP; give sip:bob@example.com"),
        ("im:bob@example.com", "im: is for instant messages, not for SIP; give sip:bob@example.com"),
        ("pres:bob@example.com", "pres: is for presence, not for SIP; give sip:bob@example.com"),
        ("xmpp:bob@example.com/phone", "xmpp: is for XMPP, not for SIP; give sip:bob@example.com"),
        ("h323:bob@gw.example.com:1720", "h323: is for H.323, not for SIP; give sip:bob@gw.example.com"),
        ("h323:gw.example.com;x=y", "h323: is for H.323, not for SIP; give gw.example.com"),
        ("callto:bob@pbx", "callto: is for the calls of one program, not for SIP; give sip:bob@pbx"),
        ("callto:+4930123", "callto: is for the calls of one program, not for SIP; give host, host:port,"),
        ("stun:stun.example.com:3478", "stun: is for finding a way through NAT, not for SIP; give stun.example.com"),
        ("http://pbx.example.com:8080/", "http: is for web pages, not for SIP; give pbx.example.com"),
        ("https://bob:s3cret@pbx/admin?a#b", "https: is for web pages, not for SIP; give sip:bob@pbx"),
        ("http://[2001:db8::1]:80", "http: is for web pages, not for SIP; give [2001:db8::1]"),
        ("http:", "http: is for web pages, not for SIP; give host, host:port,"),
        (
            "https://pbx.example.com:8089/ws",
            "https: is for web pages, not for SIP; give pbx.example.com, or wss://pbx.example.com:8089/ws for SIP over"
            " a WebSocket",
        ),
        ("file:///etc/asterisk/sip.conf", "file: is for files, not for SIP; give host, host:port,"),
    ],
)
def test_what_is_for_another_protocol(text: str, told: str) -> None:
    with pytest.raises(DestinationError) as caught:
        Destination.parse(text)
    complete = not told.endswith(",")
    assert str(caught.value) == told if complete else str(caught.value).startswith(told)
    assert caught.value.offset == 0
    assert "s3cret" not in caught.value.pointed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("im:5060", Destination("im", 5060)),
        ("http:80;transport=tcp", Destination("http", 80, TCP)),
        ("mail:secret@example.com", Destination("example.com", user="mail")),
        ("sip:mailto:secret@example.com", Destination("example.com", user="mailto")),
        ("mailto.example.com", Destination("mailto.example.com")),
    ],
)
def test_what_only_looks_like_another_protocol(text: str, expected: Destination) -> None:
    assert Destination.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("sip:+4930123@acme.pstn.twilio.com", "twilio"),
        ("Asterisk", "asterisk"),
        ("asterisk.example.com", None),
        ("example.com", None),
    ],
)
def test_provider(text: str, key: str | None) -> None:
    found = Destination.parse(text).provider
    assert (found and found.key) == key


def test_the_name_of_a_provider_is_not_a_host() -> None:
    with pytest.raises(DestinationError, match=r"Microsoft Teams Direct Routing is not a host; ports: tls 5061; .*SBC"):
        Destination.parse(" Microsoft Teams ")


@pytest.mark.parametrize(
    ("text", "pointed"),
    [
        ("example.com:sip", "example.com:sip\n            ^"),
        ("sip:bob:s3cret@not a host", "sip:bob:******@not a host\n                  ^"),
        ("sip:b:c@x:y", "sip:b:*@x:y\n          ^"),
        ("a\x1b[m:y", "a?[m:y\n ^"),
    ],
)
def test_the_place_is_pointed_at(text: str, pointed: str) -> None:
    with pytest.raises(DestinationError) as caught:
        Destination.parse(text)
    assert caught.value.pointed == pointed


@given(st.text() | st.builds("sip:{}@{}.{}:{}".format, st.text(), st.text(), st.text(), st.text()))
def test_any_text_is_a_destination_or_our_error(text: str) -> None:
    error: DestinationError | None = None
    try:
        destination = Destination.parse(text)
    except DestinationError as caught:
        error = caught
    else:
        assert destination.host
        assert Destination.parse(str(destination)).server == destination.server.partition("%")[0]
    assert error is None or ("\n" not in str(error) and 0 <= error.offset <= len(text))


@pytest.mark.parametrize(
    ("text", "transport", "remote", "expected"),
    [
        ("example.com", UDP, SocketAddress("192.0.2.1", 5060), "sip:example.com"),
        ("example.com", UDP, SocketAddress("192.0.2.1", 5080), "sip:example.com:5080"),
        ("example.com", TCP, SocketAddress("192.0.2.1", 5061), "sip:example.com:5061;transport=tcp"),
        ("example.com", TLS, SocketAddress("192.0.2.1", 5061), "sip:example.com;transport=tls"),
        ("example.com", TCP, None, "sip:example.com;transport=tcp"),
        ("sips:example.com", TLS, SocketAddress("192.0.2.1", 5061), "sips:example.com"),
        ("udp://bob@example.com:5070", UDP, SocketAddress("192.0.2.1", 5070), "sip:bob@example.com:5070"),
        ("udp://example.com", TCP, None, "sip:example.com;transport=tcp"),
        ("example.com", WS, SocketAddress("192.0.2.1", 80), "sip:example.com;transport=ws"),
        ("example.com", WSS, SocketAddress("192.0.2.1", 8089), "sip:example.com:8089;transport=ws"),
        ("wss://example.com", WSS, SocketAddress("192.0.2.1", 443), "sips:example.com;transport=ws"),
    ],
)
def test_request_uri(text: str, transport: Transport, remote: SocketAddress | None, expected: str) -> None:
    assert str(Destination.parse(text).uri(transport, remote)) == expected


@pytest.mark.parametrize(
    ("text", "transport", "expected"),
    [
        ("example.com", TCP, "tcp://example.com"),
        ("tcp://example.com", TCP, "tcp://example.com"),
        ("sips:example.com", TCP, "sips:example.com;transport=tls"),
        ("sips:example.com;transport=ws", WS, "wss://example.com"),
        ("example.com", WSS, "wss://example.com"),
    ],
)
def test_a_transport_that_is_asked_for(text: str, transport: Transport, expected: str) -> None:
    assert Destination.parse(text).over(transport) == Destination.parse(expected)


@pytest.mark.parametrize(
    ("text", "transport", "told"),
    [
        ("sips:example.com", UDP, "a sips URI cannot go over UDP; use tls"),
        ("tcp://example.com", UDP, "sip:example.com;transport=tcp is for tcp, and udp is asked for"),
        ("tls://example.com", TCP, "is for tls, and tcp is asked for; leave one of them out"),
    ],
)
def test_transports_that_exclude_each_other(text: str, transport: Transport, told: str) -> None:
    with pytest.raises(DestinationError, match=told):
        Destination.parse(text).over(transport)


def test_maddr_is_where_to_look() -> None:
    destination = Destination.parse("sip:example.com;maddr=192.0.2.7")
    assert (destination.host, destination.server, destination.is_numeric) == ("example.com", "192.0.2.7", True)
    assert destination.target == Target("192.0.2.7")
    assert str(destination.uri()) == "sip:example.com;maddr=192.0.2.7"


@pytest.mark.parametrize(
    ("text", "private"),
    [
        ("10.0.0.1", True),
        ("127.0.0.1", True),
        ("fe80::1%eth0", True),
        ("[fd00::1]", True),
        ("100.64.0.1", True),
        ("0.0.0.0", True),
        ("::ffff:10.0.0.1", True),
        ("::ffff:8.8.8.8", False),
        ("sip:example.com;maddr=10.0.0.1", True),
        ("8.8.8.8", False),
        ("[2606:4700::1111]", False),
        ("example.com", False),
        ("192.0.2.1", False),
        ("198.51.100.255", False),
        ("203.0.113.9", False),
        ("[2001:db8::1]", False),
        ("[3fff::1]", False),
    ],
)
def test_private(text: str, private: bool) -> None:
    assert Destination.parse(text).is_private is private


@pytest.mark.parametrize(
    ("target", "aor"),
    [
        ("sip:alice@example.com", "sip:alice@example.com"),
        ("sip:alice@example.com:5070;transport=tcp", "sip:alice@example.com:5070"),
        ("sips:alice@example.com", "sips:alice@example.com"),
        ("tls://alice@[2001:db8::1]", "sip:alice@[2001:db8::1]"),
        ("sip:a%20b@example.com;maddr=192.0.2.1", "sip:a%20b@example.com"),
    ],
)
def test_the_address_of_record_says_nothing_of_the_way(target: str, aor: str) -> None:
    assert str(Destination.parse(target).aor) == aor
