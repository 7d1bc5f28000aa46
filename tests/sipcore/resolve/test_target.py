"""Names of places: how they are written, and what their transport implies."""

import pytest

from sipcore.resolve.target import Flow, Hop, SocketAddress, Target, Transport, in_zone_of, is_host_address, is_numeric


@pytest.mark.parametrize(
    ("transport", "reliable", "secure", "port"),
    [
        (Transport.UDP, False, False, 5060),
        (Transport.TCP, True, False, 5060),
        (Transport.TLS, True, True, 5061),
        (Transport.WS, True, False, 80),
        (Transport.WSS, True, True, 443),
    ],
)
def test_what_a_transport_implies(transport: Transport, reliable: bool, secure: bool, port: int) -> None:
    assert (transport.reliable, transport.secure, transport.default_port) == (reliable, secure, port)


@pytest.mark.parametrize(
    ("host", "text", "ipv6", "loopback"),
    [
        ("192.0.2.1", "192.0.2.1:5060", False, False),
        ("127.0.0.9", "127.0.0.9:5060", False, True),
        ("::1", "[::1]:5060", True, True),
        ("fe80::1%eth0", "[fe80::1%eth0]:5060", True, False),
    ],
)
def test_a_socket_address(host: str, text: str, ipv6: bool, loopback: bool) -> None:
    address = SocketAddress(host, 5060)
    assert (str(address), address.is_ipv6, address.is_loopback) == (text, ipv6, loopback)


@pytest.mark.parametrize(
    ("host", "recommended"),
    [
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"),
        ("FE80::0:1%Eth0", "fe80::1%Eth0"),
        ("no:address", "no:address"),
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:C000:201", "192.0.2.1"),
        ("::192.0.2.1", "::c000:201"),
    ],
)
def test_one_address_has_one_spelling(host: str, recommended: str) -> None:
    address = SocketAddress(host, 5060)
    assert address.host == recommended
    assert address == SocketAddress(recommended, 5060)
    assert hash(address) == hash(SocketAddress(recommended, 5060))


@pytest.mark.parametrize(
    ("local", "told", "reached"),
    [
        ("fe80::1%3", "fe80::2", "fe80::2%3"),
        ("fe80::1%3", "fe80::2%4", "fe80::2%4"),
        ("fe80::1%3", "2001:db8::2", "2001:db8::2"),
        ("fe80::1%3", "192.0.2.2", "192.0.2.2"),
        ("2001:db8::1", "fe80::2", "fe80::2"),
        ("192.0.2.1", "fe80::2", "fe80::2"),
    ],
)
def test_what_a_peer_tells_is_on_its_link(local: str, told: str, reached: str) -> None:
    assert in_zone_of(SocketAddress(local, 1), SocketAddress(told, 2)) == SocketAddress(reached, 2)


def test_a_flow_leads_back() -> None:
    local, remote = SocketAddress("192.0.2.1", 5060), SocketAddress("192.0.2.2", 49152)
    hop = Flow(Transport.TCP, local, remote, 7).hop
    assert (hop.transport, hop.local, hop.remote) == (Transport.TCP, local, remote)
    assert str(hop) == "tcp 192.0.2.2:49152"
    assert (hop.tls_name, hop.path) == (None, "")
    assert Hop(Transport.UDP, remote).local is None


def test_a_flow_leads_to_the_same_peer_again() -> None:
    local, remote = SocketAddress("192.0.2.1", 40000), SocketAddress("192.0.2.2", 443)
    hop = Flow(Transport.WSS, local, remote, 7, "sip.example.com", "/ws").hop
    assert (hop.tls_name, hop.path, hop.accepted) == ("sip.example.com", "/ws", False)
    assert Flow(Transport.WS, local, remote, 8, accepted=True).hop.accepted


@pytest.mark.parametrize(
    ("target", "text", "numeric"),
    [
        (Target("example.com"), "sip:example.com", False),
        (Target("example.com", 5070, Transport.TCP), "sip:example.com:5070;transport=tcp", False),
        (Target("2001:db8::1", 5061, secure=True), "sips:[2001:db8::1]:5061", True),
        (Target("fe80::1%2"), "sip:[fe80::1%2]", True),
    ],
)
def test_a_target(target: Target, text: str, numeric: bool) -> None:
    assert (str(target), target.is_numeric) == (text, numeric)


@pytest.mark.parametrize(
    "host", ["", "1.2.3", "1.2.3.4.5", "::g", "a.test", "[::1]", "256.1.1.1", "1.2.3.4%1", "::1%", "%1"]
)
def test_what_is_no_address(host: str) -> None:
    assert not is_numeric(host)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.1", True),
        ("127.0.0.1", True),
        ("240.0.0.1", True),  # reserved, and in use here and there
        ("2001:db8::1", True),
        ("fe80::1%eth0", True),
        ("::ffff:192.0.2.1", True),
        ("0.0.0.0", False),  # a value, not bound to
        ("0:0::", False),
        ("::ffff:0.0.0.0", False),
        ("224.0.1.75", False),
        ("::ffff:224.0.1.75", False),
        ("255.255.255.255", False),
        ("ff02::1%eth0", False),
    ],
)
def test_addresses_of_hosts(host: str, expected: bool) -> None:
    assert is_host_address(host) is expected
