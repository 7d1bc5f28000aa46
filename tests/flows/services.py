"""The flows of RFC 5359 between user agents: hold, transfer, conference, park, pickup, redial, click to dial."""

from sipcore.dialogs.effects import EndReason
from sipcore.dialogs.refer import SIPFRAG, notification, told_status
from sipcore.events import CallAnswered, CallFailed, CallNotified, CallReceived, RequestReceived, ResponseReceived
from sipcore.message.build import Fields
from sipcore.message.method import MESSAGE, NOTIFY, REFER, SUBSCRIBE
from sipcore.message.registry import JOIN
from sipcore.message.uri import parse_uri
from sipcore.sdp.terms import Direction
from tests.flows.agent import Agent
from tests.flows.network import Network
from tests.flows.people import (
    DIALOG_INFO,
    PEOPLE,
    agree_to_refer,
    asked,
    dialog_info,
    dialog_state,
    dialog_told,
    do_as_asked,
    in_place_of,
    outcome,
    people,
    referring,
    state_told,
    taking_over,
    tell_outcome,
    uri_of,
)
from tests.flows.servers import Proxy, finds
from tests.flows.talk import SETTLING, agree, ends, finish, hang_up, pick_up

SS1 = "192.0.2.54"


def proxy(network: Network) -> None:
    """The one proxy between everybody."""
    Proxy(network, "ss1", SS1, finds(**{name: [PEOPLE[name][1]] for name in ("alice", "bob", "carol")}))


def hold(network: Network, agent: Agent, call: int, other: Agent, other_call: int) -> None:
    """One side puts a call on hold: both agree on it."""
    agent.hold(call)
    network.run(SETTLING)
    assert (agent.direction(call), other.direction(other_call)) == (Direction.SENDONLY, Direction.RECVONLY)
    agree(agent, call, other, other_call)
    network.run(1)


def resume(network: Network, agent: Agent, call: int, other: Agent, other_call: int) -> None:
    """The side that put a call on hold takes it off: both agree on it."""
    agent.resume(call)
    network.run(SETTLING)
    assert (agent.direction(call), other.direction(other_call)) == (Direction.SENDRECV, Direction.SENDRECV)
    agree(agent, call, other, other_call)
    network.run(1)


def replaced(network: Network, caller: Agent, call: int, callee: Agent, old: int, other: Agent, other_old: int) -> int:
    """`callee` accepts a call that takes the place of its old one with `other`, which ends; gives the new one."""
    network.run(SETTLING)
    assert callee.incoming.replaces == old
    new = callee.accept()
    network.run(SETTLING)
    assert call in [event.call for event in caller.told(CallAnswered)]
    assert ends(callee)[-1] == (old, EndReason.REPLACED)
    assert ends(other)[-1] == (other_old, EndReason.REMOTE_HANG_UP)
    agree(caller, call, callee, new)
    network.run(1)
    return new


def notifications(agent: Agent) -> list[int | None]:
    """What an agent was told of a REFER that it sent, in a call and outside."""
    inside = [told_status(event.request) for event in agent.told(CallNotified)]
    return inside + [told_status(event.request) for event in agent.told(RequestReceived)]


def call_hold() -> Network:
    """2.1 Call hold: through a proxy, by the one who was called."""
    network, (alice, bob) = people("alice", "bob")
    proxy(network)
    call = alice.call(uri_of("bob"), via=SS1)
    number = pick_up(network, alice, call, bob)
    hold(network, bob, number, alice, call)
    resume(network, bob, number, alice, call)
    hang_up(network, alice, call, bob, number)
    return finish(network, alice, bob)


def consultation_hold() -> Network:
    """2.2 Consultation hold: while Alice is on hold, Bob speaks with Carol."""
    network, (alice, bob, carol) = people("alice", "bob", "carol")
    proxy(network)
    call = alice.call(uri_of("bob"), via=SS1)
    number = pick_up(network, alice, call, bob)
    hold(network, bob, number, alice, call)
    second = bob.call(uri_of("carol"), via=SS1)
    at_carol = pick_up(network, bob, second, carol)
    assert bob.direction(number) is Direction.SENDONLY
    hang_up(network, bob, second, carol, at_carol)
    resume(network, bob, number, alice, call)
    hang_up(network, alice, call, bob, number)
    return finish(network, alice, bob, carol)


def park(network: Network, bob: Agent, number: int, alice: Agent, call: int, server: Agent, way: Direction) -> int:
    """Bob has a server take his place in the call with Alice; gives Alice's call with it."""
    bob.request(REFER, uri_of(server.name), referring(bob, in_place_of(bob, number)))
    network.run(SETTLING)
    subscription = agree_to_refer(server)
    network.run(SETTLING)
    refer = [event.request for event in server.told(RequestReceived) if event.request.method == REFER][-1]
    taken = do_as_asked(server, refer, direction=way)
    parked = replaced(network, server, taken, alice, call, bob, number)
    tell_outcome(server, subscription, taken)
    network.run(SETTLING)
    assert notifications(bob) == [100, 200]
    return parked


def music_on_hold() -> Network:
    """2.3 Music on hold: a server takes Bob's place, and Bob takes it back."""
    network, (alice, bob, music) = people("alice", "bob", "music")
    call = alice.call(uri_of("bob"))
    number = pick_up(network, alice, call, bob)
    hold(network, bob, number, alice, call)
    at_alice = uri_of("alice")
    parked = park(network, bob, number, alice, call, music, Direction.SENDONLY)
    assert alice.direction(parked) is Direction.RECVONLY
    network.run(5)
    notify = bob.told(RequestReceived)[-1].request
    again = bob.call(at_alice, fields=[("Replaces", dialog_told(notify))])
    back = replaced(network, bob, again, alice, parked, music, 1)
    hang_up(network, alice, back, bob, again)
    return finish(network, alice, bob, music)


def unattended_transfer() -> Network:
    """2.4 Transfer, unattended: Alice hangs up at once, and is told the outcome all the same."""
    network, (alice, bob, carol) = people("alice", "bob", "carol")
    call = bob.call(uri_of("alice"))
    number = pick_up(network, bob, call, alice)
    alice.request_within(number, REFER, referring(alice, uri_of("carol")))
    network.run(SETTLING)
    refer = asked(bob)
    bob.respond(202)
    tell(bob, call, 100)
    network.run(SETTLING)
    hang_up(network, alice, number, bob, call)
    transferred = do_as_asked(bob, refer)
    at_carol = pick_up(network, bob, transferred, carol)
    fields, body = outcome(bob, transferred)
    bob.request_within(call, NOTIFY, fields, body, SIPFRAG)
    network.run(SETTLING)
    assert notifications(alice) == [100, 200]
    hang_up(network, carol, at_carol, bob, transferred)
    return finish(network, alice, bob, carol)


def tell(agent: Agent, call: int, status: int) -> None:
    """Send a NOTIFY about a REFER that came in a call."""
    fields, body = notification(status)
    agent.request_within(call, NOTIFY, fields, body, SIPFRAG)


def attended_transfer() -> Network:
    """2.5 Transfer, attended: Bob has spoken with Carol before he connects Alice with her."""
    network, (alice, bob, carol) = people("alice", "bob", "carol")
    call = alice.call(uri_of("bob"))
    number = pick_up(network, alice, call, bob)
    hold(network, bob, number, alice, call)
    second = bob.call(uri_of("carol"))
    at_carol = pick_up(network, bob, second, carol)
    hold(network, bob, second, carol, at_carol)
    bob.request_within(number, REFER, referring(bob, in_place_of(bob, second)))
    network.run(SETTLING)
    refer = asked(alice)
    alice.respond(202)
    tell(alice, call, 100)
    network.run(SETTLING)
    transferred = do_as_asked(alice, refer)
    joined = replaced(network, alice, transferred, carol, at_carol, bob, second)
    fields, body = outcome(alice, transferred)
    alice.request_within(call, NOTIFY, fields, body, SIPFRAG)
    network.run(SETTLING)
    assert notifications(bob) == [100, 200]
    hang_up(network, bob, number, alice, call)
    agree(alice, transferred, carol, joined)
    hang_up(network, alice, transferred, carol, joined)
    return finish(network, alice, bob, carol)


def instant_messaging_transfer() -> Network:
    """2.6 Transfer, instant messaging: Bob writes to Carol how to take his place."""
    network, (alice, bob, carol) = people("alice", "bob", "carol")
    call = alice.call(uri_of("bob"))
    number = pick_up(network, alice, call, bob)
    link = f'<a href="{in_place_of(bob, number)}">Alice</a>'
    body = f"<html>Do you want to take this call from {link}?</html>".encode()
    bob.request(MESSAGE, uri_of("carol"), body=body, content_type="text/html")
    network.run(SETTLING)
    text = asked(carol).body.decode()
    carol.respond(200)
    network.run(1)
    assert [event.response.status for event in bob.told(ResponseReceived)] == [200]
    taken = carol.call(parse_uri(text.partition('"')[2].partition('"')[0]))
    new = replaced(network, carol, taken, alice, call, bob, number)
    hang_up(network, alice, new, carol, taken)
    return finish(network, alice, bob, carol)


def third_party_added() -> Network:
    """2.10 3-way conference, third party is added: Bob mixes, and calls Carol in addition."""
    network, (alice, bob, carol) = people("alice", "bob", "carol")
    call = alice.call(uri_of("bob"))
    number = pick_up(network, alice, call, bob)
    bob.change(number)
    network.run(SETTLING)
    agree(alice, call, bob, number)
    second = bob.call(uri_of("carol"))
    at_carol = pick_up(network, bob, second, carol)
    assert (alice.direction(call), carol.direction(at_carol)) == (Direction.SENDRECV, Direction.SENDRECV)
    hang_up(network, bob, number, alice, call)
    hang_up(network, bob, second, carol, at_carol)
    return finish(network, alice, bob, carol)


def third_party_joins() -> Network:
    """2.11 3-way conference, third party joins: Carol names the call that she wants to be in."""
    network, (alice, bob, carol) = people("alice", "bob", "carol")
    call = alice.call(uri_of("bob"))
    number = pick_up(network, alice, call, bob)
    second = carol.call(uri_of("bob"), fields=[("Join", alice.stack.replaces(call))])
    network.run(SETTLING)
    bob.ring()
    network.run(SETTLING)
    join = bob.incoming.invite[JOIN]
    assert join is not None
    assert bob.named_by(join) == number
    bob.change(number)
    network.run(SETTLING)
    agree(alice, call, bob, number)
    joined = pick_up(network, carol, second, bob, rings=False)
    hang_up(network, bob, number, alice, call)
    hang_up(network, bob, joined, carol, second)
    return finish(network, alice, bob, carol)


def tell_dialogs(agent: Agent, state: str, body: bytes, number: int = -1) -> None:
    """Send a NOTIFY of the dialog package in the subscription that was made last."""
    fields: Fields = [("Event", "dialog"), ("Subscription-State", state)]
    agent.request_in(list(agent.subscriptions.values())[number], NOTIFY, fields, body, DIALOG_INFO)


def fetch_dialogs(network: Network, agent: Agent, other: Agent, call: int, state: str, direction: str) -> None:
    """Ask somebody once which dialogs there are (RFC 6665 §4.4.3)."""
    fields: Fields = [("Event", "dialog"), ("Expires", 0), ("Accept", DIALOG_INFO)]
    agent.request(SUBSCRIBE, uri_of(other.name), fields)
    network.run(SETTLING)
    other.subscribed(200, [("Expires", 0)])
    tell_dialogs(other, "terminated;reason=timeout", dialog_info(other, call, state, direction))
    network.run(SETTLING)
    assert state_told(asked(agent)) == state


def call_park() -> Network:
    """2.15 Call park: Bob parks Alice at a server, where Carol takes her from."""
    network, (alice, bob, carol, server) = people("alice", "bob", "carol", "park")
    call = alice.call(uri_of("bob"))
    number = pick_up(network, alice, call, bob)
    parked = park(network, bob, number, alice, call, server, Direction.SENDRECV)
    network.run(5)
    fetch_dialogs(network, carol, server, 1, "confirmed", "initiator")
    uri, fields = taking_over(asked(carol))
    taken = carol.call(uri, fields=fields)
    new = replaced(network, carol, taken, alice, parked, server, 1)
    hang_up(network, carol, taken, alice, new)
    return finish(network, alice, bob, carol, server)


def call_pickup() -> Network:
    """2.16 Call pickup: Bob's phone rings, and Bill takes the call. The CANCEL waits for the ACK of Bill."""
    network, (alice, bob, bill) = people("alice", "bob", "bill")
    call = alice.call(uri_of("bob"))
    network.run(SETTLING)
    bob.ring()
    network.run(5)
    fetch_dialogs(network, bill, bob, bob.incoming.call, "early", "recipient")
    uri, fields = taking_over(asked(bill), early_only=True)
    taken = bill.call(uri, fields=fields)
    network.run(SETTLING)
    assert alice.incoming.replaces == call
    new = alice.accept()
    network.run(SETTLING)
    assert ends(alice) == [(call, EndReason.REPLACED)]
    assert ends(bob) == [(bob.incoming.call, EndReason.CANCELLED)]
    agree(alice, new, bill, taken)
    network.run(1)
    hang_up(network, alice, new, bill, taken)
    return finish(network, alice, bob, bill)


def automatic_redial() -> Network:
    """2.17 Automatic redial: Bob is busy, and Alice is told when he is not any more."""
    network, (alice, bob) = people("alice", "bob")
    alice.call(uri_of("bob"))
    network.run(SETTLING)
    bob.reject(486)
    network.run(SETTLING)
    assert [event.response.status for event in alice.told(CallFailed) if event.response] == [486]
    fields: Fields = [("Event", "dialog"), ("Accept", DIALOG_INFO)]
    alice.request(SUBSCRIBE, uri_of("bob"), fields)
    network.run(SETTLING)
    bob.subscribed(200, [("Expires", 60)])
    tell_dialogs(bob, "active;expires=60", dialog_state(bob, 0, "confirmed"))
    network.run(30)
    assert state_told(asked(alice)) == "confirmed"
    tell_dialogs(bob, "active;expires=30", dialog_state(bob, 1, "terminated"))
    network.run(SETTLING)
    assert state_told(asked(alice)) == "terminated"
    call = alice.call(uri_of("bob"))
    number = pick_up(network, alice, call, bob)
    tell_dialogs(bob, "active;expires=25", dialog_state(bob, 2, "confirmed"))
    network.run(SETTLING)
    (subscription,) = alice.subscriptions.values()
    alice.request_in(subscription, SUBSCRIBE, [*fields, ("Expires", 0)])
    network.run(SETTLING)
    bob.subscribed(200, [("Expires", 0)])
    tell_dialogs(bob, "terminated;reason=timeout", dialog_state(bob, 3, "confirmed"))
    network.run(SETTLING)
    assert [event.response.status for event in bob.told(ResponseReceived)] == [200] * 4
    hang_up(network, alice, call, bob, number)
    return finish(network, alice, bob)


def click_to_dial() -> Network:
    """2.18 Click to dial: Bob's PC has his phone call Carol, and does not want to be told about it."""
    network, (bob, carol, pc) = people("bob", "carol", "pc")
    fields = [("Refer-To", f"<{uri_of('carol')}>"), ("Refer-Sub", "false")]
    pc.request(REFER, uri_of("bob"), fields)
    network.run(SETTLING)
    refer = asked(bob)
    bob.respond(202, [("Contact", bob.contact), ("Refer-Sub", "false")])
    call = do_as_asked(bob, refer)
    number = pick_up(network, bob, call, carol)
    assert [event.response.status for event in pc.told(ResponseReceived)] == [202]
    assert not pc.told(RequestReceived)
    assert not carol.told(CallReceived)[0].replaces
    hang_up(network, carol, number, bob, call)
    return finish(network, bob, carol, pc)
