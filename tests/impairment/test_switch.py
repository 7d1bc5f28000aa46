"""The relay without its sockets: who gets what, when, and how it is counted."""

from tests.impairment.boxes import Nat, SizeFilter
from tests.impairment.packet import Place
from tests.impairment.packets import ALICE, BOB, ipv6, udp
from tests.impairment.path import HEAD, PERFECT, Impairment, Passage
from tests.impairment.switch import Site, Switch

PUBLIC = Place.parse("203.0.113.254", 5060)
SITES = (Site("alice", ("192.0.2.1", "2001:db8:1::1")), Site("bob", ("198.51.100.1", "2001:db8:2::1")))
BEHIND_NAT = (Site("alice", ("192.0.2.1",), (SizeFilter(200), Nat())), SITES[1])
OUT, BACK = ("alice", "bob"), ("bob", "alice")


def test_packets_go_where_they_are_for() -> None:
    switch = Switch(SITES, 1)
    there, back = udp(ALICE, BOB), ipv6("2001:db8:2::1", "2001:db8:1::1")
    switch.receive(0, there, 1.0)
    switch.receive(1, back, 1.0)
    assert switch.next_departure() == 1.0
    assert switch.drain(1.0) == [(1, there), (0, back)]
    assert switch.next_departure() is None
    assert switch.report().ways[OUT].delivered == switch.report().ways[BACK].delivered == 1


def test_what_is_for_nobody_is_counted() -> None:
    switch = Switch(SITES, 1)
    switch.receive(0, ipv6("2001:db8:1::1", "ff02::2"), 0.0)
    switch.receive(0, udp(ALICE, ALICE), 0.0)
    assert switch.drain(1.0) == []
    assert switch.report().unroutable == {"alice": 2, "bob": 0}


def test_ways_are_impaired_one_by_one_or_together() -> None:
    switch = Switch(SITES, 1)
    switch.impair(Impairment(delay=0.5))
    switch.impair(Impairment(blocked=True), BACK)
    switch.receive(0, udp(ALICE, BOB), 0.0)
    switch.receive(1, udp(BOB, ALICE), 0.0)
    assert switch.drain(0.4) == []
    assert switch.next_departure() == 0.5
    assert switch.drain(0.5) == [(1, udp(ALICE, BOB))]
    assert switch.report().ways[BACK].blocked == 1
    switch.impair(PERFECT)
    switch.receive(1, udp(BOB, ALICE), 1.0)
    assert switch.drain(1.0) == [(0, udp(BOB, ALICE))]


def test_each_way_has_its_own_chance() -> None:
    switch = Switch(SITES, 1)
    switch.impair(Impairment(loss=0.5))
    fates: dict[int, list[bool]] = {0: [], 1: []}
    for _ in range(100):
        for source, packet in ((0, udp(ALICE, BOB)), (1, udp(BOB, ALICE))):
            switch.receive(source, packet, 0.0)
            fates[source].append(bool(switch.drain(0.0)))
    assert fates[0] != fates[1]


def test_the_count_is_complete() -> None:
    switch = Switch(SITES, 3)
    switch.impair(Impairment(0.1, 0.1, 0.1, held_back=0.01, delay=0.01, bandwidth=230_000, queue=0.02))
    for number in range(1000):
        switch.receive(0, udp(ALICE, BOB), number * 0.001)
    switch.drain(10.0)
    counts = switch.report().ways[OUT]
    assert counts.offered == 1000
    assert min(counts.lost, counts.duplicated, counts.crowded_out, counts.reordered) > 0
    dropped = counts.lost + counts.blocked + counts.crowded_out + counts.filtered
    assert counts.offered == dropped + counts.delivered - counts.duplicated


def test_what_became_of_each_packet_is_logged() -> None:
    switch = Switch(BEHIND_NAT, 1)
    switch.impair(Impairment(delay=0.5, duplication=1.0), OUT)
    switch.receive(0, udp(ALICE, BOB, bytes(100)), 1.0)
    switch.receive(1, udp(BOB, ALICE), 1.1)
    switch.impair(Impairment(blocked=True), OUT)
    switch.receive(0, udp(ALICE, BOB), 1.2)
    switch.drain(1.6)  # a tenth of a second too late
    through, dropped = udp(PUBLIC, BOB, bytes(100))[:HEAD], udp(PUBLIC, BOB)
    assert switch.log(OUT) == [Passage(1.2, None, dropped), *[Passage(1.0, 1.6, through)] * 2]
    assert switch.log(BACK) == [Passage(1.1, None, udp(BOB, ALICE))]  # the translator knows nobody yet


def test_boxes_stand_on_their_sites_line() -> None:
    switch = Switch(BEHIND_NAT, 1)
    switch.receive(0, udp(ALICE, BOB, bytes(300)), 0.0)
    assert switch.report().swallowed == {"alice": 1, "bob": 0}
    switch.receive(0, udp(ALICE, BOB), 0.0)
    assert switch.drain(0.0) == [(1, udp(PUBLIC, BOB))]
    switch.receive(1, udp(BOB, PUBLIC), 0.0)
    assert switch.drain(0.0) == [(0, udp(BOB, ALICE))]
    switch.receive(1, udp(BOB, PUBLIC, bytes(300)), 0.0)
    switch.receive(1, udp(BOB, ALICE), 0.0)
    assert switch.drain(0.0) == []
    assert switch.report().ways[BACK].filtered == 2
