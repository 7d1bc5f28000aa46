"""The user agents' part of the flows of RFC 3665, each a function that lets it happen on a network of its own.

Addresses and names are those of the RFC, over UDP but where a flow is about another transport; where the RFC's user
agents send names, these send addresses. `python -m tests.flows.rfc3665` writes the ladders anew; read what changed
before you keep it. What differs on purpose: in the flows without a challenge (3.5 and 3.8 to 3.11) the RFC's caller has
credentials left over from an earlier call. A nonce of a proxy is used within one Call-ID only here (RFC 3261 §22.3), so
the proxies of those flows ask for none.
"""

from sipcore.auth.choice import Account
from sipcore.dialogs.effects import EndReason
from sipcore.events import (
    CallChanged,
    CallConfirmed,
    CallFailed,
    CallOffered,
    CallProgress,
    CallRedirected,
    ResponseReceived,
)
from sipcore.message.registry import CONTACT
from sipcore.message.uri import SipUri, parse_uri
from sipcore.registration.binding import Registration
from sipcore.registration.keeper import Registered, RegistrationEnded, RegistrationFailed
from sipcore.resolve.records import Address as HostAddress
from sipcore.resolve.records import Srv
from sipcore.resolve.target import SocketAddress
from tests.flows.agent import Agent, hop_to
from tests.flows.golden import Flow, write
from tests.flows.network import Network
from tests.flows.servers import Gateway, Proxy, Redirector, RegistrarServer, Script, finds, guard, passes_to
from tests.flows.talk import SETTLING, agree, ends, finish, hang_up, pick_up

ATLANTA, BILOXI, CHICAGO = "atlanta.example.com", "biloxi.example.com", "chicago.example.com"
ALICE, BOB, BOB_AT_CHICAGO = "192.0.2.101", "192.0.2.201", "192.0.2.100"
SS1, SS2, SS3, ALG = "192.0.2.111", "192.0.2.222", "192.0.2.233", "192.0.2.128"
BOBS_URI = parse_uri(f"sip:bob@{BILOXI}")


def agents(network: Network, *accounts: Account) -> tuple[Agent, Agent]:
    return Agent(network, "alice", ATLANTA, ALICE, 1, accounts), Agent(network, "bob", BILOXI, BOB, 2)


# 2. Registration


def registration(password: str = "zanzibar") -> tuple[Network, Agent, RegistrarServer]:
    network = Network()
    bob = Agent(network, "bob", BILOXI, BOB, 2, (Account("bob", password, hosts=[BILOXI]),))
    server = RegistrarServer(network, "ss2", SS2, guard(BILOXI, {"bob": "zanzibar"}))
    bob.register(Registration(bob.aor), hop_to(SS2))
    network.run(1)
    return network, bob, server


def registered() -> tuple[Network, Agent, RegistrarServer]:
    """Bob has registered before the flow begins, and knows the registrar's nonce."""
    network, bob, server = registration()
    network.rows.clear()
    return network, bob, server


def statuses(agent: Agent) -> list[int]:
    """The final responses to what an agent has sent outside of any call."""
    return [event.response.status for event in agent.told(ResponseReceived)]


def new_registration() -> Network:
    """2.1 Successful new registration: challenged, and proven."""
    network, bob, server = registration()
    assert [type(report) for report in bob.reports] == [Registered]
    assert len(server.registrar.bindings(bob.aor.uri, network.now)) == 1
    return network


def update_of_contact_list() -> Network:
    """2.2 Update of contact list: one more contact beside the one that is registered, without a challenge."""
    network, bob, server = registered()
    bob.ask_registrar(SipUri(BILOXI), hop_to(SS2), [("Contact", "mailto:bob@biloxi.example.com")])
    network.run(1)
    (answer,) = bob.told(ResponseReceived)
    assert len(answer.response[CONTACT]) == 2
    assert len(server.registrar.bindings(bob.aor.uri, network.now)) == 2
    return network


def request_for_contact_list() -> Network:
    """2.3 Request for current contact list: a REGISTER without a Contact changes nothing."""
    network, bob, server = registered()
    before = server.registrar.bindings(bob.aor.uri, network.now)
    bob.ask_registrar(SipUri(BILOXI), hop_to(SS2))
    network.run(1)
    (answer,) = bob.told(ResponseReceived)
    assert len(answer.response[CONTACT]) == 1
    assert server.registrar.bindings(bob.aor.uri, network.now) == before
    return network


def cancellation_of_registration() -> Network:
    """2.4 Cancellation of registration: of all bindings, by an asterisk."""
    network, bob, server = registered()
    bob.unregister(everything=True)
    network.run(1)
    assert bob.reports[-1] == RegistrationEnded(removed=True)
    assert not server.registrar.bindings(bob.aor.uri, network.now)
    return network


def unsuccessful_registration() -> Network:
    """2.5 Unsuccessful registration: the password is wrong, and is tried once."""
    network, bob, server = registration(password="wrong")
    network.run(3600)
    assert [type(report) for report in bob.reports] == [RegistrationFailed, RegistrationEnded]
    assert not server.registrar.bindings(bob.aor.uri, network.now)
    return network


# 3. Session establishment


def converse(network: Network, alice: Agent, bob: Agent, call: int, *, rings: bool = True) -> Network:
    """Bob rings and picks up; after a while he hangs up."""
    number = pick_up(network, alice, call, bob, rings=rings)
    hang_up(network, bob, number, alice, call)
    return finish(network, alice, bob)


def session_establishment() -> Network:
    """3.1 Successful session establishment."""
    network = Network()
    alice, bob = agents(network)
    return converse(network, alice, bob, alice.call(BOBS_URI, via=BOB, preloads=False))


def two_proxies(network: Network, *realms: str) -> None:
    """Proxy 1 sends what is for Bob to proxy 2, which knows where he is; those with a realm want to know who calls."""
    guards = {realm: guard(realm, {"alice": "1234"}, proxy=True) for realm in realms}
    Proxy(network, "ss1", SS1, passes_to(SS2), Script(guards.get(ATLANTA)))
    Proxy(network, "ss2", SS2, finds(bob=[BOB]), Script(guards.get(BILOXI)))


def accounts(*realms: str) -> tuple[Account, ...]:
    """What Alice proves to proxies: to that which her requests go to first, or to that of the domain she calls."""
    return tuple(Account("alice", "1234", hosts=[SS1, BILOXI], realm=realm) for realm in realms)


def through_two_proxies() -> Network:
    """3.2 Session establishment through two proxies, the first of which wants to know who calls."""
    network = Network()
    alice, bob = agents(network, *accounts(ATLANTA))
    two_proxies(network, ATLANTA)
    return converse(network, alice, bob, alice.call(BOBS_URI, via=SS1))


def multiple_proxy_authentication() -> Network:
    """3.3 Session with multiple proxy authentication: one after the other. Bob answers at once."""
    network = Network()
    alice, bob = agents(network, *accounts(ATLANTA, BILOXI))
    two_proxies(network, ATLANTA, BILOXI)
    return converse(network, alice, bob, alice.call(BOBS_URI, via=SS1), rings=False)


def proxy_failure() -> Network:
    """3.4 Successful session with proxy failure: the first proxy is silent, DNS has a second one."""
    network = Network()
    network.zone = {
        f"SRV _sip._udp.{BILOXI}": (Srv(1, 1, 5060, f"ss1.{BILOXI}"), Srv(2, 1, 5060, f"ss2.{BILOXI}")),
        f"A ss1.{BILOXI}": (HostAddress(SS1),),
        f"A ss2.{BILOXI}": (HostAddress(SS2),),
    }
    alice, bob = agents(network, *accounts(BILOXI))
    two_proxies(network, BILOXI)
    network.leave(SocketAddress(SS1, 5060))
    call = alice.call(BOBS_URI)
    network.run(33)
    return converse(network, alice, bob, call)


def through_a_gateway() -> Network:
    """3.5 Session through a SIP ALG, which media goes through as well; the proxy behind it leaves the path."""
    network = Network()
    alice, bob = agents(network)
    Gateway(network, "alg", ALG, passes_to(SS2), ports=[2000, 1734])
    Proxy(network, "ss2", SS2, finds(bob=[BOB]), Script(records_route=False))
    call = alice.call(BOBS_URI, via=ALG)
    network.run(SETTLING)
    bob.ring()
    network.run(1)
    number = bob.accept()
    network.run(1)
    for agent, which in ((alice, call), (bob, number)):
        assert f"c=IN IP4 {ALG}".encode() in agent.stack.session(which).remote
    hang_up(network, alice, call, bob, number)
    return finish(network, alice, bob)


def redirected_with_late_offer() -> Network:
    """3.6 Session via redirect and proxy servers with SDP in ACK: by UDP first, and then by TCP."""
    network = Network()
    network.zone = {
        f"SRV _sip._tcp.{CHICAGO}": (Srv(1, 1, 5060, f"ss3.{CHICAGO}"),),
        f"A ss3.{CHICAGO}": (HostAddress(SS3),),
    }
    alice, bob = Agent(network, "alice", ATLANTA, ALICE, 1), Agent(network, "bob", BILOXI, BOB_AT_CHICAGO, 2)
    Redirector(network, "redirect", SS2, f"<sip:bob@{CHICAGO};transport=tcp>")
    Proxy(network, "ss3", SS3, finds(bob=[BOB_AT_CHICAGO]))
    call = alice.call(BOBS_URI, via=SS2, preloads=False, offers=False, redirects=1)
    network.run(SETTLING)
    assert [str(event.target) for event in alice.told(CallRedirected)] == [f"sip:bob@{CHICAGO};transport=tcp"]
    bob.ring()
    network.run(1)
    number = bob.accept()
    network.run(0.1)
    assert alice.told(CallOffered)
    alice.answer(call)
    network.run(1)
    assert bob.told(CallConfirmed)
    agree(alice, call, bob, number)
    hang_up(network, bob, number, alice, call)
    return finish(network, alice, bob)


def change_of_address() -> Network:
    """3.7 Session with re-INVITE (IP address change): Bob moves, and the call with him."""
    network = Network()
    alice, bob = agents(network)
    Proxy(network, "ss2", SS2, finds(bob=[BOB]), Script(records_route=False))
    call = alice.call(BOBS_URI, via=SS2, preloads=False)
    number = pick_up(network, alice, call, bob)
    bob.move(BOB_AT_CHICAGO)
    bob.change(number)
    network.run(1)
    assert [event.local for event in alice.told(CallChanged)] == [False]
    assert [event.local for event in bob.told(CallChanged)] == [True]
    agree(alice, call, bob, number)
    assert f"c=IN IP4 {BOB_AT_CHICAGO}".encode() in alice.stack.session(call).remote
    assert str(alice.stack.peer(call)) == f"sip:bob@{BOB_AT_CHICAGO}:5060"
    hang_up(network, alice, call, bob, number)
    return finish(network, alice, bob)


def no_answer() -> Network:
    """3.8 Unsuccessful no answer: Bob's phone rings until Alice gives up."""
    network = Network()
    alice, bob = agents(network)
    two_proxies(network)
    call = alice.call(BOBS_URI, via=SS1)
    network.run(SETTLING)
    bob.ring()
    network.run(10)
    alice.hang_up(call)
    finish(network, alice, bob)
    assert ends(alice) == [(call, EndReason.LOCAL_HANG_UP)]
    assert ends(bob) == [(bob.incoming.call, EndReason.CANCELLED)]
    return network


def failed_with(alice: Agent) -> int:
    """The status that the one call of Alice has failed with."""
    (failed,) = alice.told(CallFailed)
    return failed.response.status if failed.response else 0


def busy() -> Network:
    """3.9 Unsuccessful busy."""
    network = Network()
    alice, bob = agents(network)
    two_proxies(network)
    alice.call(BOBS_URI, via=SS1)
    network.run(SETTLING)
    bob.reject(486)
    finish(network, alice, bob)
    assert failed_with(alice) == 486
    assert ends(bob) == [(bob.incoming.call, EndReason.REJECTED)]
    return network


def no_response() -> Network:
    """3.10 Unsuccessful no response from user agent: the proxy before it gives up."""
    network = Network()
    alice, bob = agents(network)
    two_proxies(network)
    network.leave(bob.address)
    alice.call(BOBS_URI, via=SS1)
    network.run(30)
    finish(network, alice)
    assert failed_with(alice) == 480
    return network


def temporarily_unavailable() -> Network:
    """3.11 Unsuccessful temporarily unavailable: Bob's phone rings, and is then turned off."""
    network = Network()
    alice, bob = agents(network)
    two_proxies(network)
    alice.call(BOBS_URI, via=SS1)
    network.run(SETTLING)
    bob.ring()
    network.run(10)
    bob.reject(480)
    finish(network, alice, bob)
    assert [event.response.status for event in alice.told(CallProgress)] == [100, 180]
    assert failed_with(alice) == 480
    return network


FLOWS: dict[str, Flow] = {
    "rfc3665-2.1": new_registration,
    "rfc3665-2.2": update_of_contact_list,
    "rfc3665-2.3": request_for_contact_list,
    "rfc3665-2.4": cancellation_of_registration,
    "rfc3665-2.5": unsuccessful_registration,
    "rfc3665-3.1": session_establishment,
    "rfc3665-3.2": through_two_proxies,
    "rfc3665-3.3": multiple_proxy_authentication,
    "rfc3665-3.4": proxy_failure,
    "rfc3665-3.5": through_a_gateway,
    "rfc3665-3.6": redirected_with_late_offer,
    "rfc3665-3.7": change_of_address,
    "rfc3665-3.8": no_answer,
    "rfc3665-3.9": busy,
    "rfc3665-3.10": no_response,
    "rfc3665-3.11": temporarily_unavailable,
}

if __name__ == "__main__":
    write(FLOWS)
