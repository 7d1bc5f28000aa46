"""Which place is asked next, as places answer and do not, and as DNS names others."""

from probes.ping.places import MAX_PLACES, Places
from sipcore.resolve.target import Hop, SocketAddress, Transport

A, B, C = (Hop(Transport.UDP, SocketAddress(f"192.0.2.{number}", 5060)) for number in (1, 2, 3))


def test_one_place_is_asked_as_long_as_it_answers() -> None:
    places = Places([A, B])
    assert [places.next_hops() for _ in range(3)] == [(A,)] * 3


def test_a_place_that_fails_gives_its_turn_to_the_next() -> None:
    places = Places([A, B, C])
    places.fail(A)
    assert places.next_hops() == (B,)
    places.fail(A)  # an older ping, given up only now
    assert places.next_hops() == (B,)
    places.fail(B)
    places.fail(C)
    assert places.next_hops() == (A,)


def test_a_place_alone_stays() -> None:
    places = Places([A])
    places.fail(A)
    assert places.next_hops() == (A,)


def test_another_order_is_no_reason_to_change() -> None:
    places = Places([A, B])
    assert places.name([B, A]) == ((), ())
    assert places.next_hops() == (A,)


def test_dns_names_others() -> None:
    places = Places([A, B])
    assert places.name([C, B]) == ((C,), (A,))
    assert places.next_hops() == (C,)


def test_all_of_them_in_the_order_of_dns_each_once() -> None:
    places = Places([A, B, A, C], every=True)
    places.fail(A)
    assert places.next_hops() == (A, B, C)


def test_no_more_than_a_few() -> None:
    many = [Hop(Transport.UDP, SocketAddress("192.0.2.1", port)) for port in range(5060, 5160)]
    assert Places(many, every=True).next_hops() == tuple(many[:MAX_PLACES])


def test_of_more_than_are_asked_another_order_is_no_change_either() -> None:
    many = [Hop(Transport.UDP, SocketAddress("192.0.2.1", port)) for port in range(5060, 5060 + 2 * MAX_PLACES)]
    places = Places(many)
    assert places.name(reversed(many)) == ((), ())
    assert places.next_hops() == (many[0],)
    came, went = places.name(many[1:])
    assert (came, went) == ((many[MAX_PLACES],), (many[0],))
