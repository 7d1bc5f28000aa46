"""Where the requests of a dialog go: found out with the first one, and then known."""

import weakref

from sipcore.dialogs.route_set import Ends, Way
from sipcore.message.address import Address
from sipcore.message.uri import SipUri, parse_uri

TARGET = SipUri("192.0.2.1", "bob")
LOOSE = Address(parse_uri("sip:proxy.example.com;lr"))
STRICT = Address(parse_uri("sip:proxy.example.com"))


def test_what_tells_the_way_is_read_once_and_with_the_first_request() -> None:
    asked = []

    def find() -> Ends:
        asked.append(1)
        return TARGET, (LOOSE,)

    way = Way(find)
    assert not asked
    assert (way.routing.request_uri, way.routing.routes, way.routing.next_hop) == (TARGET, (LOOSE,), LOOSE.uri)
    assert way.ends == (TARGET, (LOOSE,))
    assert asked == [1]


def test_what_told_the_way_is_not_kept() -> None:
    """It holds the message that made the dialog, and a held call is to be small."""

    def find() -> Ends:
        return TARGET, ()

    way, kept = Way(find), weakref.ref(find)
    del find
    assert kept() is not None
    assert way.routing.next_hop == TARGET
    assert kept() is None


def test_a_strict_router_takes_the_place_of_the_target() -> None:
    routing = Way(lambda: (TARGET, (STRICT, LOOSE))).routing
    assert (routing.request_uri, routing.next_hop) == (STRICT.uri, STRICT.uri)
    assert routing.routes == (LOOSE, Address(TARGET))
