"""The facts of IP: read from packets, and rewritten with checksums that stay right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.impairment import packet as ip
from tests.impairment.packet import Place
from tests.impairment.packets import ALICE, BOB, CAROL, ipv4, ipv6, is_sound, rest, tcp, udp

FRAGMENT_HEADER = 44
PLACES = st.builds(Place, st.binary(min_size=4, max_size=4), st.integers(1, 65535))


def test_checksum_of_the_example_in_rfc_1071() -> None:
    assert ip.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF ^ 0xDDF2


@pytest.mark.parametrize("packet", [udp(), tcp(), udp(more=True), rest()])
def test_destination(packet: bytes) -> None:
    assert ip.destination(packet) == ip.packed("198.51.100.1")


def test_destination_in_ipv6() -> None:
    assert ip.destination(ipv6("2001:db8:1::1", "2001:db8:2::1")) == ip.packed("2001:db8:2::1")


@pytest.mark.parametrize(
    ("packet", "whole", "later"),
    [
        (udp(), True, False),
        (udp(more=True), False, False),
        (rest(), False, True),
        (ipv6("2001:db8::1", "2001:db8::2"), True, False),
        (ipv6("2001:db8::1", "2001:db8::2", FRAGMENT_HEADER, bytes(8)), False, False),
    ],
)
def test_fragments(packet: bytes, whole: bool, later: bool) -> None:
    assert ip.is_fragment(packet) is not whole
    assert ip.is_later_fragment(packet) is later


def test_ports() -> None:
    assert ip.ports(udp(ALICE, CAROL)) == (ALICE, CAROL)
    assert ip.ports(tcp(ALICE, CAROL)) == (ALICE, CAROL)
    assert str(ALICE) == "192.0.2.1:5060"


@pytest.mark.parametrize("packet", [rest(), ipv4(ALICE, BOB, 1, b"\x03\x03"), ipv6("2001:db8::1", "2001:db8::2")])
def test_what_has_no_ports(packet: bytes) -> None:
    assert ip.ports(packet) is None


@given(PLACES, PLACES, PLACES, st.binary(max_size=20), st.booleans())
def test_readdressing_keeps_checksums_right(old: Place, peer: Place, new: Place, data: bytes, summed: bool) -> None:
    for packet in (udp(old, peer, data, summed=summed), tcp(old, peer, data)):
        assert is_sound(packet)
        outbound = ip.readdressed(packet, source=new)
        assert is_sound(outbound)
        assert ip.ports(outbound) == (new, peer)
        inbound = ip.readdressed(packet, target=new)
        assert is_sound(inbound)
        assert ip.ports(inbound) == (old, new)
        assert ip.readdressed(outbound, source=old)[20:] == packet[20:]


def test_a_later_fragment_gets_the_address_only() -> None:
    changed = ip.readdressed(rest(data=b"data"), source=CAROL)
    assert changed == rest(CAROL, data=b"data")


def test_the_parts_of_a_datagram_belong_together() -> None:
    assert ip.datagram(udp(more=True)) == ip.datagram(rest())
    assert ip.datagram(rest()) != ip.datagram(rest(CAROL))
