"""How local ends are named: the same end always in the same way, and no more of them remembered than there is room."""

import pytest

from sipcore.local_ends import MAX_ENDS, LocalEnds
from sipcore.message.uri import SipUri
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from tests.sipcore.wire import ALICE, BOB, Wire, seeded

UDP, TCP, TLS, WS = Transport.UDP, Transport.TCP, Transport.TLS, Transport.WS


def test_an_end_is_named_once() -> None:
    ends = LocalEnds(seeded(1))
    first = ends.of(Hop(UDP, BOB, ALICE), "alice", secure=False)
    assert ends.of(Flow(UDP, ALICE, BOB), "alice", secure=False) is first


def test_a_zone_is_told_to_nobody() -> None:
    """RFC 3261 §25.1 has no zones, which mean nothing to others (RFC 4007 §6)."""
    local, remote = SocketAddress("fe80::1%3", 5060), SocketAddress("fe80::2%3", 5060)
    end = LocalEnds(seeded(1)).of(Hop(UDP, remote, local), "alice", secure=False)
    assert (end.sent_by, str(end.contact)) == ("[fe80::1]:5060", "<sip:alice@[fe80::1]:5060>")


def test_ends_differ_by_transport_address_user_and_security() -> None:
    ends = LocalEnds(seeded(1))
    other = SocketAddress("192.0.2.1", 5062)
    named = [
        ends.of(Hop(UDP, BOB, ALICE), "alice", secure=False),
        ends.of(Hop(Transport.TCP, BOB, ALICE), "alice", secure=False),
        ends.of(Hop(UDP, BOB, other), "alice", secure=False),
        ends.of(Hop(UDP, BOB, ALICE), "bob", secure=False),
        ends.of(Hop(UDP, BOB, ALICE), None, secure=False),
        ends.of(Hop(Transport.TLS, BOB, ALICE), "alice", secure=True),
    ]
    assert len({(end.sent_by, str(end.contact)) for end in named}) == 6


def test_the_contact_is_that_of_requests_over_the_same_flow() -> None:
    ends, request = LocalEnds(seeded(1)), Wire().request("INVITE")
    contact = ends.contact("alice", Flow(WS, ALICE, BOB), request)
    assert contact == ends.of(Hop(WS, BOB, ALICE), "alice", secure=False).contact
    assert isinstance(contact.uri, SipUri)
    assert contact.uri.host.endswith(".invalid")


def test_the_server_of_a_websocket_has_an_address() -> None:
    ends, request = LocalEnds(seeded(1)), Wire().request("INVITE")
    flow = Flow(WS, BOB, ALICE, accepted=True)
    assert str(ends.contact("bob", flow, request)) == f"<sip:bob@{BOB};transport=ws>"
    assert ends.of(flow.hop, "bob", secure=False).sent_by == str(BOB)


@pytest.mark.parametrize("opened_first", [True, False])
def test_who_serves_websockets_and_opens_others_is_named_apart_in_each(opened_first: bool) -> None:
    """Nobody can connect to a client (RFC 7118 §5), whatever port the server of the same machine has."""
    ends, server = LocalEnds(seeded(1)), SocketAddress(ALICE.host, 8080)
    ends.listen(WS, server)
    opened, accepted = Hop(WS, BOB, ALICE), Hop(WS, BOB, server, accepted=True)
    for hop in (opened, accepted) if opened_first else (accepted, opened):
        ends.of(hop, "alice", secure=False)
    assert ends.of(opened, "alice", secure=False).sent_by.endswith(".invalid")
    assert ends.of(accepted, "alice", secure=False).sent_by == str(server)


@pytest.mark.parametrize(
    ("transport", "local", "accepted", "port"),
    [
        (TCP, ALICE, False, 5070),
        (TCP, ALICE, True, ALICE.port),  # by that port it came in
        (TCP, SocketAddress("192.0.2.9", 40000), False, 5080),
        (TCP, SocketAddress("2001:db8::1", 40000), False, 40000),
        (TLS, ALICE, False, ALICE.port),
        (UDP, ALICE, False, ALICE.port),  # what is sent from a socket can be answered to it
    ],
)
def test_peers_are_told_where_they_can_connect_to(
    transport: Transport, local: SocketAddress, accepted: bool, port: int
) -> None:
    """RFC 3261 §18.1.1: an incoming connection may come to the port in sent-by."""
    ends = LocalEnds(seeded(1))
    for at in (SocketAddress(ALICE.host, 5070), SocketAddress(ALICE.host, 5071), SocketAddress("0.0.0.0", 5080)):
        ends.listen(TCP, at)
    end = ends.of(Hop(transport, BOB, local, accepted=accepted), "alice", secure=False)
    told = SocketAddress(local.host, port)
    assert end.sent_by == str(told)
    assert f"sip:alice@{told}" in str(end.contact)


def test_who_listens_from_now_on_is_named_so_over_the_same_hop() -> None:
    ends, hop = LocalEnds(seeded(1)), Hop(TCP, BOB, ALICE)
    before = ends.of(hop, "alice", secure=False)
    assert ends.of(hop, "alice", secure=False) is before
    ends.listen(TCP, SocketAddress(ALICE.host, 5070))
    assert (before.sent_by, ends.of(hop, "alice", secure=False).sent_by) == (str(ALICE), f"{ALICE.host}:5070")


def test_only_so_many_ends_are_remembered() -> None:
    ends = LocalEnds(seeded(1))
    for port in range(1, 3 * MAX_ENDS):
        local = SocketAddress("192.0.2.1", port)
        ends.of(Hop(UDP, BOB, local), "alice", secure=False)
    assert len(ends._known) <= MAX_ENDS
