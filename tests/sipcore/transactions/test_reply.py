"""Where responses go: RFC 3261 §18.2.1 and §18.2.2, RFC 3581 §4."""

import pytest

from sipcore.message.fields.via import Via
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.transactions.reply import reply_anew, reply_to, stamped
from tests.sipcore.transactions.rig import LOCAL, answer, request

SOURCE = SocketAddress("192.0.2.4", 4321)
SOURCE6 = SocketAddress("2001:db8::4", 4321)
LINK_LOCAL = SocketAddress("fe80::4%eth0", 4321)


def udp(remote: SocketAddress = SOURCE) -> Flow:
    return Flow(Transport.UDP, LOCAL, remote)


@pytest.mark.parametrize(
    ("via", "remote", "expected"),
    [
        # as written: sent-by is where it came from, and rport was not asked for
        ("192.0.2.4:5060;branch=z9hG4bK1", SOURCE, "192.0.2.4:5060;branch=z9hG4bK1"),
        ("[2001:db8::4];branch=z9hG4bK1", SOURCE6, "[2001:db8::4];branch=z9hG4bK1"),
        ("[2001:DB8:0::4];branch=z9hG4bK1", SOURCE6, "[2001:DB8:0::4];branch=z9hG4bK1"),
        # RFC 3261 §18.2.1: a name, or another address
        ("a.example.com;branch=z9hG4bK1", SOURCE, "a.example.com;branch=z9hG4bK1;received=192.0.2.4"),
        ("192.0.2.5;branch=z9hG4bK1", SOURCE, "192.0.2.5;branch=z9hG4bK1;received=192.0.2.4"),
        ("192.0.2.4;branch=z9hG4bK1", SOURCE6, "192.0.2.4;branch=z9hG4bK1;received=2001:db8::4"),
        ("[2001:db8::5];branch=z9hG4bK1", SOURCE6, "[2001:db8::5];branch=z9hG4bK1;received=2001:db8::4"),
        ("a.example.com;branch=z9hG4bK1", LINK_LOCAL, "a.example.com;branch=z9hG4bK1;received=fe80::4"),
        # RFC 3581 §4: both, even where sent-by is right
        ("192.0.2.4;rport;branch=z9hG4bK1", SOURCE, "192.0.2.4;rport=4321;branch=z9hG4bK1;received=192.0.2.4"),
        # a client that fills in what is the server's to fill in is not believed
        ("192.0.2.4;rport=9;branch=z9hG4bK1", SOURCE, "192.0.2.4;rport=4321;branch=z9hG4bK1;received=192.0.2.4"),
        ("192.0.2.4;received=192.0.2.9;branch=z9hG4bK1", SOURCE, "192.0.2.4;received=192.0.2.4;branch=z9hG4bK1"),
    ],
)
def test_the_topmost_via_is_stamped(via: str, remote: SocketAddress, expected: str) -> None:
    message = stamped(request(via=f"SIP/2.0/UDP {via}"), udp(remote))
    assert message.headers.get("Via") == f"SIP/2.0/UDP {expected}"
    sent = parse_message(bytes(message))
    assert (message.via, message.top, message.call_id) == (sent.via, sent.top, sent.call_id)


def test_it_is_stamped_over_every_transport() -> None:
    message = stamped(request(via="SIP/2.0/TCP a.example.com;branch=z9hG4bK1"), Flow(Transport.TCP, LOCAL, SOURCE))
    assert message.via.received == SOURCE.host


def test_a_via_that_is_right_leaves_the_request_untouched() -> None:
    message = request(via="SIP/2.0/UDP 192.0.2.4;branch=z9hG4bK1")
    assert stamped(message, udp()) is message


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ["SIP/2.0/UDP a;branch=z9hG4bK1 , SIP/2.0/UDP b;branch=z9hG4bK2"],
            ["SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.4, SIP/2.0/UDP b;branch=z9hG4bK2"],
        ),
        (
            ["SIP/2.0/UDP a;branch=z9hG4bK1", "SIP/2.0/UDP  b ; branch=z9hG4bK2"],
            ["SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.4", "SIP/2.0/UDP  b ; branch=z9hG4bK2"],
        ),
    ],
)
def test_the_vias_below_stay_as_they_are(lines: list[str], expected: list[str]) -> None:
    message = request(via="\r\nVia: ".join(lines))
    assert stamped(message, udp()).headers.get_all("Via") == expected


def test_a_via_below_is_not_written_anew() -> None:
    message = request(via="SIP/2.0/UDP a;branch=z9hG4bK1\r\nv :SIP/2.0/UDP b\r\n ;branch=z9hG4bK2")
    stamped_vias = stamped(message, udp()).headers.raw_items()[:2]
    assert stamped_vias[1] == ("v ", "SIP/2.0/UDP b\r\n ;branch=z9hG4bK2")


def test_what_a_via_says_in_a_quoted_pair_stays() -> None:
    """A NUL is legal in one (RFC 3261 §25.1), and goes back to who wrote it."""
    message = parse_message(bytes(request()).replace(b";rport", b';x="\\\0";rport'))
    assert isinstance(message, Request)
    assert (stamped(message, udp()).headers.get("Via") or "").endswith(';x="\\\0";rport=4321;received=192.0.2.4')


@pytest.mark.parametrize(
    ("via", "expected"),
    [
        ("192.0.2.4:4321", udp()),
        ("a.example.com;rport", udp()),
        ("a.example.com:5099;rport", udp()),
        ("a.example.com", SocketAddress("192.0.2.4", 5060)),
        ("192.0.2.9", SocketAddress("192.0.2.4", 5060)),
        ("192.0.2.9:5099", SocketAddress("192.0.2.4", 5099)),
        ("192.0.2.9;received=198.51.100.1", SocketAddress("192.0.2.4", 5060)),
        ("192.0.2.9;maddr=198.51.100.1", SocketAddress("198.51.100.1", 5060)),
        ("192.0.2.9:5099;maddr=198.51.100.1;rport", SocketAddress("198.51.100.1", 5099)),
        ("192.0.2.9:5099;maddr=[2001:db8::1]", SocketAddress("192.0.2.4", 5099)),
        ("192.0.2.9:5099;maddr=a.example.com", SocketAddress("192.0.2.4", 5099)),
        ("192.0.2.9:5099;maddr=0.0.0.0", SocketAddress("192.0.2.4", 5099)),
        ("192.0.2.9:5099;maddr=224.0.1.75", SocketAddress("192.0.2.4", 5099)),
        ("192.0.2.9:5099;maddr=255.255.255.255", SocketAddress("192.0.2.4", 5099)),
        ("192.0.2.9:5099;maddr=[::ffff:198.51.100.1]", SocketAddress("198.51.100.1", 5099)),
        ("192.0.2.9:5099;maddr=a.example.com;rport", udp()),
    ],
)
def test_over_udp_it_goes_to_the_source(via: str, expected: Flow | SocketAddress) -> None:
    to = reply_to(Via.parse(f"SIP/2.0/UDP {via}"), udp())
    if isinstance(expected, Flow):
        assert to == expected
    else:
        assert isinstance(to, Hop)
        assert (to.transport, to.remote, to.local) == (Transport.UDP, expected, LOCAL)
        assert to.why


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS, Transport.WS, Transport.WSS])
@pytest.mark.parametrize("via", ["a.example.com", "192.0.2.9:5099;maddr=198.51.100.1;rport"])
def test_over_a_connection_it_goes_back_over_the_connection(transport: Transport, via: str) -> None:
    connection = Flow(transport, LOCAL, SOURCE, serial=7)
    assert reply_to(Via.parse(f"SIP/2.0/{transport.value} {via}"), connection) is connection


@pytest.mark.parametrize(
    ("transport", "via", "expected"),
    [
        (Transport.TCP, "a.example.com", (5060, None)),
        (Transport.TCP, "192.0.2.9:5099;rport", (5099, None)),
        (Transport.TLS, "a.example.com", (5061, "a.example.com")),
        (Transport.TLS, "[2001:db8::9]", (5061, "2001:db8::9")),
        (Transport.UDP, "a.example.com", None),
        (Transport.WSS, "a.invalid", None),
    ],
)
def test_a_connection_that_is_gone(transport: Transport, via: str, expected: tuple[int, str | None] | None) -> None:
    response = answer(request(via=f"SIP/2.0/{transport.value} {via}"), 200)
    hop = reply_anew(response, Flow(transport, LOCAL, SOURCE, serial=1))
    assert (hop and (hop.remote.port, hop.tls_name)) == expected
    assert hop is None or (hop.transport, hop.remote.host, hop.local) == (transport, SOURCE.host, LOCAL)
