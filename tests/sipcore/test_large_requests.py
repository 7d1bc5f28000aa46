"""Requests that are too large for a datagram go over TCP, and over UDP where that does not work: RFC 3261 §18.1.1."""

import pytest

from sipcore.errors import FailureReason
from sipcore.resolve.target import Hop, Transport
from tests.sipcore.edge import DOMAIN, FIRST, SECOND, Edge
from tests.sipcore.wire import BOB

UDP, TCP = Transport.UDP, Transport.TCP
LARGEST = 1300
"""Bytes of a request, Via included, that may go over UDP where the path's MTU is unknown."""
FILLER = 1000


def filler_for(size: int) -> int:
    """How much has to be in the body of a request to Bob that has `size` bytes as it leaves."""
    edge = Edge()
    edge.send(Hop(UDP, BOB), FILLER, any_size=True)
    ((*_, data),) = edge.sent
    return FILLER + size - len(data)


@pytest.mark.parametrize(
    ("size", "any_size", "transport"),
    [(LARGEST, False, UDP), (LARGEST + 1, False, TCP), (LARGEST + 1, True, UDP), (7 * LARGEST, True, UDP)],
)
def test_the_size_counts_as_it_is_on_the_wire(size: int, any_size: bool, transport: Transport) -> None:
    edge = Edge()
    edge.send(Hop(UDP, BOB), filler_for(size), any_size=any_size)
    ((taken, _, data),) = edge.sent
    assert (taken, len(data)) == (transport, size)
    assert edge.vias == [transport.value]


@pytest.mark.parametrize("reason", [FailureReason.RESET, FailureReason.CLOSED, FailureReason.TIMED_OUT])
def test_where_a_connection_brings_no_answer_it_goes_over_udp_after_all(reason: FailureReason) -> None:
    edge = Edge()
    edge.send(Hop(UDP, BOB), filler_for(LARGEST + 1))
    edge.lose(reason)
    assert edge.tried == [(TCP, BOB), (UDP, BOB)]
    assert edge.vias == ["TCP", "UDP"]


def test_each_server_is_tried_both_ways() -> None:
    """The second of a domain is one of its own: that the first has no TCP says nothing of it."""
    edge = Edge(FIRST)
    edge.send(DOMAIN, filler_for(LARGEST + 1))
    assert edge.tried == [(UDP, FIRST)]
    edge.refuse()
    assert edge.tried == [(UDP, FIRST), (TCP, SECOND)]
