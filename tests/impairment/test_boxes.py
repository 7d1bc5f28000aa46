"""Boxes on a line: translators of addresses, and filters of size."""

import pytest

from tests.impairment import packet as ip
from tests.impairment.boxes import FRAGMENTED, ContentFilter, Nat, SizeFilter
from tests.impairment.packet import Place
from tests.impairment.packets import ALICE, BOB, CAROL, ipv4, ipv6, is_sound, rest, tcp, udp

PUBLIC = Place.parse("203.0.113.254", 5060)
MESSAGE = ipv4(ALICE, BOB, 1, b"\x08\0\0\0")
V6 = ipv6("2001:db8:1::1", "2001:db8:2::1", segment=bytes(8))


def seen(nat: Nat, source: Place = ALICE, target: Place = BOB, now: float = 0.0) -> Place:
    """What a peer sees as the source of a datagram."""
    packet = nat.outbound(udp(source, target), now)
    assert packet is not None
    assert is_sound(packet)
    places = ip.ports(packet)
    assert places is not None
    return places[0]


def answer(nat: Nat, source: Place, target: Place, now: float = 0.0) -> Place | None:
    """Who gets a datagram from outside; None if nobody does."""
    packet = nat.inbound(udp(source, target), now)
    places = ip.ports(packet) if packet is not None else None
    return places[1] if places is not None else None


def test_a_translator_that_preserves_ports() -> None:
    nat = Nat()
    assert nat.addresses == ("203.0.113.254",)
    assert seen(nat) == PUBLIC
    assert answer(nat, BOB, PUBLIC) == ALICE


def test_a_port_that_is_taken_is_not_preserved() -> None:
    nat = Nat()
    assert seen(nat) == PUBLIC
    other = seen(nat, Place.parse("192.0.2.9", 5060))
    assert other.host == PUBLIC.host
    assert other.port != 5060
    assert answer(nat, BOB, other) == Place.parse("192.0.2.9", 5060)


def test_a_translator_with_ports_of_its_own() -> None:
    nat = Nat(preserves_ports=False)
    first, second = seen(nat), seen(nat, Place.parse("192.0.2.1", 5062))
    assert len({first.port, second.port, 5060, 5062}) == 4
    assert seen(nat, target=CAROL) == first
    assert answer(nat, BOB, first) == ALICE


def test_only_who_was_sent_to_gets_in() -> None:
    nat = Nat()
    assert answer(nat, BOB, PUBLIC) is None
    seen(nat)
    assert answer(nat, CAROL, PUBLIC) is None
    assert answer(nat, BOB, ALICE) is None
    assert nat.inbound(tcp(BOB, PUBLIC), 0.0) is None
    assert nat.inbound(MESSAGE, 0.0) is None


def test_a_mapping_is_forgotten_unless_it_is_used_from_inside() -> None:
    nat = Nat(preserves_ports=False, lifetime=30.0)
    first = seen(nat)
    assert seen(nat, now=25.0) == first
    assert answer(nat, BOB, first, now=50.0) == ALICE
    assert answer(nat, BOB, first, now=56.0) is None
    later = seen(nat, now=56.0)
    assert later != first
    assert answer(nat, BOB, first, now=57.0) is None
    assert answer(nat, BOB, later, now=57.0) == ALICE


def test_tcp_has_mappings_of_its_own() -> None:
    nat = Nat()
    seen(nat)
    packet = nat.outbound(tcp(), 0.0)
    assert packet is not None
    assert is_sound(packet)
    back = nat.inbound(tcp(BOB, PUBLIC), 0.0)
    assert back == tcp(BOB, ALICE)


def test_fragments_follow_the_first() -> None:
    nat = Nat(preserves_ports=False)
    assert nat.outbound(rest(), 0.0) is None
    first = nat.outbound(udp(more=True), 0.0)
    assert first is not None
    places = ip.ports(first)
    assert places is not None
    assert nat.outbound(rest(), 0.0) == rest(places[0])
    assert nat.inbound(udp(BOB, places[0], more=True), 0.0) is not None
    assert nat.inbound(rest(BOB, places[0]), 0.0) == rest(BOB, ALICE)


def test_fragments_are_not_remembered_for_ever() -> None:
    nat = Nat()
    for port in range(1, FRAGMENTED + 2):
        nat.outbound(udp(Place.parse(f"192.0.2.{port}", 5060), more=True), 0.0)
    assert nat.outbound(rest(Place.parse("192.0.2.1", 5060)), 0.0) is None
    assert nat.outbound(rest(Place.parse("192.0.2.2", 5060)), 0.0) is not None


def test_ipv6_passes_a_translator() -> None:
    assert Nat().outbound(V6, 0.0) == Nat().inbound(V6, 0.0) == V6
    assert Nat().outbound(MESSAGE, 0.0) is None


@pytest.mark.parametrize(
    ("box", "packet", "passes"),
    [
        (SizeFilter(limit=128), udp(data=bytes(100)), True),
        (SizeFilter(limit=128), udp(data=bytes(101)), False),
        (SizeFilter(), udp(more=True), True),
        (SizeFilter(fragments=True), udp(more=True), False),
        (SizeFilter(fragments=True), rest(), False),
        (SizeFilter(fragments=True), udp(), True),
    ],
)
def test_a_filter_of_size(box: SizeFilter, packet: bytes, passes: bool) -> None:
    assert box.addresses == ()
    assert box.outbound(packet, 0.0) == box.inbound(packet, 0.0) == (packet if passes else None)


def test_a_filter_of_content() -> None:
    box = ContentFilter(b"ACK sip:")
    ack, invite = udp(data=b"ACK sip:bob"), udp(data=b"INVITE sip:bob")
    assert box.addresses == ()
    assert box.outbound(ack, 0.0) is None
    assert box.outbound(invite, 0.0) == invite
    assert box.inbound(ack, 0.0) == ack
