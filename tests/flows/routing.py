"""The flows of RFC 5359 in which a proxy decides: calls are forwarded, looked for in several places, and screened."""

from sipcore.auth.choice import Account
from sipcore.dialogs.effects import EndReason
from sipcore.events import CallFailed, CallProgress, CallReceived, CallRedirected
from sipcore.message.registry import ERROR_INFO
from sipcore.message.uri import SipUri, Uri, parse_uri
from sipcore.resolve.target import SocketAddress
from tests.flows.agent import Agent
from tests.flows.network import Network
from tests.flows.people import PEOPLE, people, uri_of
from tests.flows.servers import Place, Proxy, Script, finds, guard
from tests.flows.talk import SETTLING, ends, finish, hang_up, pick_up

SS1 = "192.0.2.54"
RINGING_SECONDS = 10.0
REALM = "example.com"
ACCOUNTS = (Account("alice", "1234", hosts=[SS1, PEOPLE["bob"][0]], realm=REALM),)


def trying(*places: str, announces: bool = True) -> tuple[Network, list[Agent]]:
    """Alice, and the places at which a proxy looks for Bob, one after the other."""
    network, agents = people("alice", *places)
    script = Script(announces_others=announces, ringing_seconds=RINGING_SECONDS)
    Proxy(network, "ss1", SS1, finds(bob=[PEOPLE[place][1] for place in places]), script)
    return network, agents


def progress(agent: Agent) -> list[int]:
    """The provisional responses that an agent got."""
    return [event.response.status for event in agent.told(CallProgress)]


def forwarding_unconditional() -> Network:
    """2.7 Call forwarding, unconditional: the proxy says so, and calls a telephone by way of a gateway."""
    network, (alice, gateway) = people("alice", "gateway")
    at_gateway = SocketAddress(PEOPLE["gateway"][1], 5060)
    telephone = parse_uri(f"sip:+19727293660@{at_gateway.host};user=phone")

    def forward(uri: Uri) -> list[Place]:
        return [(telephone if isinstance(uri, SipUri) and uri.user == "bob" else uri, at_gateway)]

    Proxy(network, "ss1", SS1, forward, Script(announces_first=True))
    call = alice.call(uri_of("bob"), via=SS1)
    number = pick_up(network, alice, call, gateway)
    assert progress(alice) == [100, 181, 180]
    assert str(gateway.incoming.invite.uri) == str(telephone)
    hang_up(network, alice, call, gateway, number)
    return finish(network, alice, gateway)


def forwarding_busy() -> Network:
    """2.8 Call forwarding, busy: the first phone refuses, and the second one answers."""
    network, (alice, first, second) = trying("b1", "b2")
    call = alice.call(uri_of("bob"), via=SS1)
    network.run(SETTLING)
    first.reject(486)
    number = pick_up(network, alice, call, second)
    assert progress(alice) == [100, 181, 180]
    assert ends(first) == [(first.incoming.call, EndReason.REJECTED)]
    hang_up(network, alice, call, second, number)
    return finish(network, alice, first, second)


def forwarding_no_answer() -> Network:
    """2.9 Call forwarding, no answer: the first phone rings for a while, and then the second one."""
    network, (alice, first, second) = trying("b1", "b2")
    call = alice.call(uri_of("bob"), via=SS1)
    network.run(SETTLING)
    first.ring()
    network.run(RINGING_SECONDS)
    number = pick_up(network, alice, call, second)
    assert progress(alice) == [100, 180, 181, 180]
    assert ends(first) == [(first.incoming.call, EndReason.CANCELLED)]
    hang_up(network, alice, call, second, number)
    return finish(network, alice, first, second)


def find_me() -> Network:
    """2.12 Find-me: the first phone rings in vain, two more refuse, and the fourth one answers."""
    network, (alice, *phones) = trying("b1", "b2", "b3", "b4", announces=False)
    call = alice.call(uri_of("bob"), via=SS1)
    network.run(SETTLING)
    phones[0].ring()
    network.run(RINGING_SECONDS + SETTLING)
    phones[1].reject(480, "Not Logged In")
    network.run(SETTLING)
    phones[2].reject(486)
    number = pick_up(network, alice, call, phones[3])
    assert progress(alice) == [100, 180, 180]
    assert [ends(phone)[0][1] for phone in phones[:3]] == [EndReason.CANCELLED, *[EndReason.REJECTED] * 2]
    hang_up(network, phones[3], number, alice, call)
    return finish(network, alice, *phones)


def screened(network: Network, reason: str, announcement: str) -> None:
    """A proxy asks who calls, and lets Alice's call go no further."""
    guarded = guard(REALM, {"alice": "1234"}, proxy=True)
    refusal = (403, reason, [("Error-Info", f"<{announcement}>")])
    Proxy(network, "ss1", SS1, finds(bob=[PEOPLE["bob"][1]]), Script(guarded, screening=refusal))


def incoming_screening() -> Network:
    """2.13 Call management, incoming call screening: Bob takes calls by way of his proxy only, which refuses Alice.

    She calls what the refusal names, and hears why.
    """
    network, (alice, bob, announcements) = people("alice", "bob", "announcements", accounts=ACCOUNTS)
    screened(network, "Screening Failure (Terminating)", str(uri_of("announcements")))
    alice.call(uri_of("bob"), redirects=1)
    network.run(SETTLING)
    bob.reject(305, fields=[("Contact", f"<sip:{SS1}>")])
    network.run(SETTLING)
    assert [str(event.target) for event in alice.told(CallRedirected)] == [f"sip:{SS1}"]
    assert len(bob.told(CallReceived)) == 1
    (failed,) = alice.told(CallFailed)
    assert failed.response is not None
    assert failed.response.status == 403
    (why,) = failed.response[ERROR_INFO]
    assert why.uri is not None
    call = alice.call(why.uri)
    number = pick_up(network, alice, call, announcements, rings=False)
    network.run(5)
    hang_up(network, announcements, number, alice, call)
    return finish(network, alice, bob, announcements)


def outgoing_screening() -> Network:
    """2.14 Call management, outgoing call screening: Alice may not call Bob, and her proxy refuses it."""
    network, (alice, bob) = people("alice", "bob", accounts=ACCOUNTS)
    screened(network, "Screening Failure (Originating)", "sip:screen-fail-orig-ann@ms.example.com")
    alice.call(uri_of("bob"), via=SS1)
    finish(network, alice, bob)
    (failed,) = alice.told(CallFailed)
    assert failed.response is not None
    assert (failed.response.status, failed.response.reason) == (403, "Screening Failure (Originating)")
    assert not bob.told(CallReceived)
    return network
