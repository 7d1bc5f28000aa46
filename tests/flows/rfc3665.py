"""The user agents' part of the flows of RFC 3665, each a function that lets it happen on a network of its own.

Addresses and names are those of the RFC, over UDP. `python -m tests.flows.rfc3665` writes the ladders anew; read what
changed before you keep it.
"""

from collections.abc import Callable
from pathlib import Path

from sipcore.auth.choice import Account
from sipcore.dialogs.effects import EndReason
from sipcore.events import CallAnswered, CallConfirmed, CallEnded, CallFailed, ResponseReceived
from sipcore.message.address import Address
from sipcore.message.registry import CONTACT
from sipcore.message.uri import SipUri, Uri, parse_uri
from sipcore.registration.binding import Registration
from sipcore.registration.keeper import Registered, RegistrationEnded, RegistrationFailed
from sipcore.resolve.plan import Address as HostAddress
from sipcore.resolve.plan import Srv
from sipcore.resolve.target import Hop, SocketAddress, Transport
from tests.flows.agent import Agent
from tests.flows.network import Network
from tests.flows.servers import Proxy, RegistrarServer, guard

FOLDER = Path(__file__).parents[2] / "fixtures" / "golden"
ATLANTA, BILOXI = "atlanta.example.com", "biloxi.example.com"
ALICE, BOB = "192.0.2.101", "192.0.2.201"
SS1, SS2, SS3 = "192.0.2.111", "192.0.2.222", "192.0.2.112"
BOBS_URI = parse_uri(f"sip:bob@{BILOXI}")


def hop_to(host: str) -> Hop:
    return Hop(Transport.UDP, SocketAddress(host, 5060))


def agents(network: Network, *accounts: Account) -> tuple[Agent, Agent]:
    return Agent(network, "alice", ATLANTA, ALICE, 1, accounts), Agent(network, "bob", BILOXI, BOB, 2)


# 2. Registration


def registration(password: str = "zanzibar") -> tuple[Network, Agent, RegistrarServer]:
    network = Network()
    bob = Agent(network, "bob", BILOXI, BOB, 2, (Account("bob", password, hosts=[BILOXI]),))
    server = RegistrarServer(network, "ss2", SS2, guard(BILOXI, {"bob": "zanzibar"}))
    return network, bob, server


def new_registration() -> Network:
    """2.1 Successful new registration: challenged, and proven."""
    network, bob, server = registration()
    bob.register(Registration(bob.aor), hop_to(SS2))
    network.run(1)
    assert [type(report) for report in bob.reports] == [Registered]
    assert len(server.registrar.bindings(bob.aor.uri, network.now)) == 1
    return network


def update_of_contact_list() -> Network:
    """2.2 Update of contact list: a second contact beside the first, and both refreshed before they run out."""
    network, bob, server = registration()
    mail = Address.parse("<mailto:bob@biloxi.example.com>;q=0.1")
    bob.register(Registration(bob.aor, q=0.7, contacts=(mail,)), hop_to(SS2))
    network.run(3500)
    assert [type(report) for report in bob.reports] == [Registered, Registered]
    assert len(server.registrar.bindings(bob.aor.uri, network.now)) == 2
    return network


def request_for_contact_list() -> Network:
    """2.3 Request for current contact list: a REGISTER without a Contact changes nothing."""
    network, bob, server = registration()
    bob.register(Registration(bob.aor), hop_to(SS2))
    network.run(1)
    before = server.registrar.bindings(bob.aor.uri, network.now)
    bob.fetch(SipUri(BILOXI), hop_to(SS2))
    network.run(1)
    (answer,) = bob.told(ResponseReceived)
    assert len(answer.response[CONTACT]) == 1
    assert server.registrar.bindings(bob.aor.uri, network.now) == before
    return network


def cancellation_of_registration() -> Network:
    """2.4 Cancellation of registration: of all bindings, by an asterisk."""
    network, bob, server = registration()
    bob.register(Registration(bob.aor), hop_to(SS2))
    network.run(1)
    bob.unregister(everything=True)
    network.run(1)
    assert bob.reports[-1] == RegistrationEnded(removed=True)
    assert not server.registrar.bindings(bob.aor.uri, network.now)
    return network


def unsuccessful_registration() -> Network:
    """2.5 Unsuccessful registration: the password is wrong, and is tried once."""
    network, bob, server = registration(password="wrong")
    bob.register(Registration(bob.aor), hop_to(SS2))
    network.run(3600)
    assert [type(report) for report in bob.reports] == [RegistrationFailed, RegistrationEnded]
    assert not server.registrar.bindings(bob.aor.uri, network.now)
    return network


# 3. Session establishment


def ends(agent: Agent) -> list[tuple[int, EndReason]]:
    """Which calls of an agent are over, and how that came about."""
    return [(event.call, event.reason) for event in agent.told(CallEnded)]


def converse(network: Network, alice: Agent, bob: Agent, call: int) -> Network:
    """Bob rings and picks up; after a while he hangs up."""
    network.run(0.1)
    bob.ring()
    network.run(1)
    bob.accept()
    network.run(1)
    assert alice.told(CallAnswered)
    assert bob.told(CallConfirmed)
    bob.hang_up(bob.incoming.call)
    network.run(40)
    assert ends(alice) == [(call, EndReason.REMOTE_HANG_UP)]
    assert ends(bob) == [(bob.incoming.call, EndReason.LOCAL_HANG_UP)]
    assert len(alice.stack) == len(bob.stack) == 0
    return network


def session_establishment() -> Network:
    """3.1 Successful session establishment."""
    network = Network()
    alice, bob = agents(network)
    return converse(network, alice, bob, alice.call(BOBS_URI, hop_to(BOB)))


def to_bob(uri: Uri) -> tuple[Uri, SocketAddress]:
    """What the location service of biloxi knows; requests for a contact go where it says."""
    assert isinstance(uri, SipUri)
    if uri.host != BILOXI:
        return uri, SocketAddress(uri.host, 5060)
    return SipUri(BOB, "bob"), SocketAddress(BOB, 5060)


def to_ss2(uri: Uri) -> tuple[Uri, SocketAddress]:
    """What a proxy of atlanta makes of a request for biloxi."""
    assert isinstance(uri, SipUri)
    return uri, SocketAddress(SS2 if uri.host == BILOXI else uri.host, 5060)


def two_proxies(network: Network) -> None:
    Proxy(network, "ss1", SS1, to_ss2, guard(ATLANTA, {"alice": "1234"}, proxy=True))
    Proxy(network, "ss2", SS2, to_bob)


def accounts(*realms: str) -> tuple[Account, ...]:
    return tuple(Account("alice", "1234", hosts=[BILOXI], realm=realm) for realm in realms)


def through_two_proxies() -> Network:
    """3.2 Session establishment through two proxies, the first of which wants to know who calls."""
    network = Network()
    alice, bob = agents(network, *accounts(ATLANTA))
    two_proxies(network)
    return converse(network, alice, bob, alice.call(BOBS_URI, hop_to(SS1)))


def multiple_proxy_authentication() -> Network:
    """3.3 Session with multiple proxy authentication: one after the other."""
    network = Network()
    alice, bob = agents(network, *accounts(ATLANTA, BILOXI))
    Proxy(network, "ss1", SS1, to_ss2, guard(ATLANTA, {"alice": "1234"}, proxy=True))
    Proxy(network, "ss2", SS2, to_bob, guard(BILOXI, {"alice": "1234"}, proxy=True))
    return converse(network, alice, bob, alice.call(BOBS_URI, hop_to(SS1)))


def proxy_failure() -> Network:
    """3.4 Successful session with proxy failure: the first proxy is silent, DNS has a second one."""
    network = Network()
    network.zone = {
        f"SRV _sip._udp.{ATLANTA}": (Srv(1, 1, 5060, f"ss1.{ATLANTA}"), Srv(2, 1, 5060, f"ss3.{ATLANTA}")),
        f"A ss1.{ATLANTA}": (HostAddress(SS1),),
        f"A ss3.{ATLANTA}": (HostAddress(SS3),),
    }
    alice, bob = agents(network, *accounts(ATLANTA))
    two_proxies(network)
    network.parties.pop(SocketAddress(SS1, 5060))
    Proxy(network, "ss3", SS3, to_ss2, guard(ATLANTA, {"alice": "1234"}, proxy=True))
    call = alice.call(BOBS_URI, SipUri(ATLANTA))
    network.run(33)
    return converse(network, alice, bob, call)


def no_answer() -> Network:
    """3.8 Unsuccessful no answer: Bob's phone rings until Alice gives up."""
    network = Network()
    alice, bob = agents(network, *accounts(ATLANTA))
    two_proxies(network)
    call = alice.call(BOBS_URI, hop_to(SS1))
    network.run(0.2)
    bob.ring()
    network.run(10)
    alice.hang_up(call)
    network.run(40)
    assert ends(alice) == [(call, EndReason.LOCAL_HANG_UP)]
    assert ends(bob) == [(bob.incoming.call, EndReason.CANCELLED)]
    assert len(alice.stack) == len(bob.stack) == 0
    return network


def refused(status: int) -> Network:
    """Bob turns the call away."""
    network = Network()
    alice, bob = agents(network, *accounts(ATLANTA))
    two_proxies(network)
    alice.call(BOBS_URI, hop_to(SS1))
    network.run(0.2)
    bob.reject(status)
    network.run(40)
    (failed,) = alice.told(CallFailed)
    assert failed.response is not None
    assert failed.response.status == status
    assert len(alice.stack) == len(bob.stack) == 0
    return network


def busy() -> Network:
    """3.9 Unsuccessful busy."""
    return refused(486)


def no_response() -> Network:
    """3.10 Unsuccessful no response from user agent: the proxy before it gives up."""
    network = Network()
    alice, bob = agents(network, *accounts(ATLANTA))
    two_proxies(network)
    network.parties.pop(bob.address)
    alice.call(BOBS_URI, hop_to(SS1))
    network.run(60)
    (failed,) = alice.told(CallFailed)
    assert failed.response is not None
    assert failed.response.status == 480
    assert len(alice.stack) == 0
    return network


def temporarily_unavailable() -> Network:
    """3.11 Unsuccessful temporarily unavailable."""
    return refused(480)


FLOWS: dict[str, Callable[[], Network]] = {
    "rfc3665-2.1": new_registration,
    "rfc3665-2.2": update_of_contact_list,
    "rfc3665-2.3": request_for_contact_list,
    "rfc3665-2.4": cancellation_of_registration,
    "rfc3665-2.5": unsuccessful_registration,
    "rfc3665-3.1": session_establishment,
    "rfc3665-3.2": through_two_proxies,
    "rfc3665-3.3": multiple_proxy_authentication,
    "rfc3665-3.4": proxy_failure,
    "rfc3665-3.8": no_answer,
    "rfc3665-3.9": busy,
    "rfc3665-3.10": no_response,
    "rfc3665-3.11": temporarily_unavailable,
}


def render(flow: Callable[[], Network]) -> str:
    """A flow as text."""
    return f"{flow.__doc__}\n\n{flow().ladder()}"


def main() -> None:
    """Write every file anew."""
    for name, flow in FLOWS.items():
        (FOLDER / f"{name}.ladder").write_text(render(flow))


if __name__ == "__main__":
    main()
