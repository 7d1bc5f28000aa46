"""Digest as client: the challenges of Asterisk and Kamailio answered, and what must not be answered left alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trio

from probes.calls.run import place_call
from probes.calls.script import CallScript
from probes.destination import Destination
from probes.result import CallKind
from sipcore.auth.choice import Account, AuthPolicy, Preference
from sipcore.auth.digest import Algorithm, algorithm_named
from sipcore.auth.session import AuthError, AuthRefusal, AuthSession
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.events import Exchange
from sipcore.message.address import Address
from sipcore.message.message import Request
from sipcore.message.method import ACK, BYE, INVITE, OPTIONS
from sipcore.message.registry import AUTHORIZATION, PROXY_AUTHORIZATION
from sipcore.message.uri import SipUri
from sipcore.outgoing import Order
from sipcore.resolve.target import Hop, SocketAddress, Transport
from tests.interop.lab import HOST, Server
from tests.interop.tap import Tap, invitation, outcome_of, tapped

REGISTER = "REGISTER"
PASSWORD, REALM = "secret", "sut.example"
"""Those of every user of the lab, and what Asterisk calls itself."""
MD5, SHA_256, SHA_512_256 = Algorithm.MD5, Algorithm.SHA_256, Algorithm.SHA_512_256
TOPMOST, STRONGEST = AuthPolicy(), AuthPolicy(preference=Preference.STRONGEST)
ONLY_MD5, ONLY_SHA_256 = AuthPolicy(algorithms=frozenset({MD5})), AuthPolicy(algorithms=frozenset({SHA_256}))
FALLING = (SHA_512_256, SHA_256, MD5)
RISING = FALLING[::-1]


@dataclass(frozen=True, slots=True)
class User:
    """A user of the lab at an endpoint."""

    name: str
    endpoint: Endpoint
    tap: Tap

    async def ask(self, server: Server, method: str, auth: AuthSession, hop: Hop | None = None) -> Exchange:
        """Send a request that is no call."""
        uri = SipUri(server.host, None if method == REGISTER else "echo", server.udp_port)
        to = Address(SipUri(server.host, self.name)) if method == REGISTER else None
        request = self.endpoint.new_request(method, uri, to=to, fields=[("Expires", 60)])
        return await self.endpoint.request(Order(request, hop or uri, self.name, auth))

    async def outcome(
        self, server: Server, method: str, auth: AuthSession, called: str = "echo"
    ) -> tuple[int, AuthRefusal | None]:
        """The final status of a request, be it a call, and why the challenge was not answered if it was not."""
        if method != INVITE:
            exchange = await self.ask(server, method, auth)
            return exchange.response.status, exchange.auth_error.reason if exchange.auth_error else None
        order = invitation(self.endpoint, f"sip:{called}@{server.host}:{server.udp_port}", auth)
        async with self.endpoint.call(order) as call:
            response, cause = await outcome_of(call)
        assert response is not None, cause
        return response.status, cause.reason if isinstance(cause, AuthError) else None

    def proofs(self) -> list[list[str]]:
        """The credentials of each request that was sent, save the ACKs."""
        return [credentials(request) for request in self.tap.sent() if request.method != ACK]


@asynccontextmanager
async def being(name: str) -> AsyncIterator[User]:
    with trio.fail_after(20):
        async with tapped(EndpointConfig(identity=Address(SipUri(HOST, name)))) as (endpoint, tap):
            yield User(name, endpoint, tap)


@pytest.fixture
async def alice() -> AsyncIterator[User]:
    async with being("alice") as user:
        yield user


def session(name: str = "alice", password: str = PASSWORD, policy: AuthPolicy = TOPMOST) -> AuthSession:
    return AuthSession(Account(name, password, hosts=[HOST]), policy=policy)


def credentials(request: Request) -> list[str]:
    return [text for row in (AUTHORIZATION, PROXY_AUTHORIZATION) for text in request.headers.get_all(row.name)]


@pytest.mark.parametrize("method", [REGISTER, OPTIONS, INVITE])
@pytest.mark.parametrize(
    ("name", "policy", "offered", "taken", "because"),
    [
        ("alice", TOPMOST, (MD5,), MD5, "only one offered"),
        ("dave", TOPMOST, FALLING, SHA_512_256, "topmost supported"),
        ("dave", STRONGEST, FALLING, SHA_512_256, "strongest supported"),
        ("dave", ONLY_MD5, FALLING, MD5, "topmost supported"),
        ("dave", ONLY_SHA_256, FALLING, SHA_256, "topmost supported"),
        ("erin", TOPMOST, RISING, MD5, "topmost supported"),
        ("erin", STRONGEST, RISING, SHA_512_256, "strongest supported"),
        ("erin", ONLY_MD5, RISING, MD5, "topmost supported"),
        ("erin", ONLY_SHA_256, RISING, SHA_256, "topmost supported"),
    ],
)
async def test_the_policy_chooses_among_challenges(
    asterisk: Server,
    method: str,
    name: str,
    policy: AuthPolicy,
    offered: tuple[Algorithm, ...],
    taken: Algorithm,
    because: str,
) -> None:
    auth = session(name, policy=policy)
    async with being(name) as user:
        assert await user.outcome(asterisk, method, auth) == (200, None)
        assert user.tap.statuses()[0] == 401
    (choice,) = auth.choices
    assert tuple(algorithm_named(challenge.algorithm) for challenge in choice.offered) == offered
    assert (choice.algorithm, choice.because, choice.realm, choice.proxy) == (taken, because, REALM, False)


@pytest.mark.parametrize(
    ("server", "algorithm"), [("kamailio", MD5), ("kamailio_sha256", SHA_256)], indirect=["server"]
)
async def test_a_registrar_with_one_algorithm(alice: User, server: Server, algorithm: Algorithm) -> None:
    auth = session()
    exchange = await alice.ask(server, REGISTER, auth)
    assert alice.tap.statuses() == [401, 200]
    assert str(exchange.request.headers.get("Contact")) in str(exchange.response.headers.get("Contact"))
    (choice,) = auth.choices
    assert (choice.algorithm, choice.qop) == (algorithm, "auth")


async def test_a_proxy_with_md5(alice: User, kamailio: Server) -> None:
    auth = session()
    assert await alice.outcome(kamailio, INVITE, auth, "auth") == (200, None)
    assert 407 in alice.tap.statuses()
    (choice,) = auth.choices
    assert (choice.proxy, choice.algorithm) == (True, MD5)


async def test_a_proxy_and_the_server_behind_it_in_one_chain(alice: User, kamailio_sha256: Server) -> None:
    auth = session()
    assert await alice.outcome(kamailio_sha256, INVITE, auth, "auth") == (200, None)
    finals = [status for status in alice.tap.statuses() if status >= 200]
    assert finals == [407, 401, 200, 200]
    invites = alice.tap.sent(INVITE)
    assert [invite.cseq.number for invite in invites] == [1, 2, 3]
    assert [text.partition(",")[0] for text in credentials(invites[-1])] == ['Digest username="alice"'] * 2
    assert [len(credentials(invite)) for invite in invites] == [0, 1, 2]
    assert len({invite.call_id for invite in invites}) == 1
    assert len({invite.via.branch for invite in invites}) == 3


async def test_a_call_that_was_challenged_goes_on_with_what_was_accepted(alice: User, asterisk: Server) -> None:
    assert await alice.outcome(asterisk, INVITE, session()) == (200, None)
    invite, ack, (bye,) = alice.tap.sent(INVITE)[-1], alice.tap.sent(ACK)[-1], alice.tap.sent(BYE)
    # RFC 3261 §13.2.2.4: the ACK has the number and the credentials of the INVITE that was accepted.
    assert (invite.cseq.number, ack.cseq.number, bye.cseq.number) == (2, 2, 3)
    assert credentials(ack) == credentials(invite)
    assert [message for message in alice.tap.statuses() if message >= 200] == [401, 200, 200]


async def test_a_placed_call_passes_both(kamailio_sha256: Server) -> None:
    where = Destination(kamailio_sha256.host, kamailio_sha256.udp_port, Transport.UDP, "auth")
    account = Account("alice", PASSWORD, hosts=[HOST])
    with trio.fail_after(20):
        result = await place_call(CallScript(where, Address(SipUri(HOST, "alice")), account, hold=0.1))
    assert result.kind is CallKind.CONNECTED, result.why
    story = [f"{entry.direction}{entry.label}" for entry in result.timeline]
    assert story.count("→INVITE") == 3
    assert story.index("←407 Proxy Authentication Required") < story.index("←401 Unauthorized")
    assert PASSWORD not in repr(result)


@pytest.mark.parametrize(
    ("server", "method", "called"),
    [
        ("asterisk", REGISTER, ""),
        ("asterisk", INVITE, "echo"),
        ("kamailio", REGISTER, ""),
        ("kamailio_sha256", REGISTER, ""),
        ("kamailio", INVITE, "auth"),
        ("kamailio_sha256", INVITE, "auth"),
    ],
    indirect=["server"],
)
async def test_a_wrong_password_is_told_after_one_try(alice: User, server: Server, method: str, called: str) -> None:
    outcome = await alice.outcome(server, method, session(password="wrong"), called)
    assert outcome == (407 if called == "auth" else 401, AuthRefusal.REJECTED)
    assert [len(proofs) for proofs in alice.proofs()] == [0, 1]


@pytest.mark.parametrize(
    ("account", "reason"),
    [
        (Account("alice", PASSWORD, hosts=["sip.example.com"]), AuthRefusal.WRONG_HOST),
        (Account("alice", PASSWORD, hosts=[HOST], realm="example.com"), AuthRefusal.NO_ACCOUNT),
    ],
)
@pytest.mark.parametrize("method", [REGISTER, INVITE])
async def test_nothing_is_proven_to_whom_it_does_not_concern(
    alice: User, asterisk: Server, method: str, account: Account, reason: AuthRefusal
) -> None:
    assert await alice.outcome(asterisk, method, AuthSession(account)) == (401, reason)
    assert alice.proofs() == [[]]


async def test_of_several_accounts_the_realm_decides(alice: User, asterisk: Server) -> None:
    others = [Account("alice", "wrong", hosts=[HOST]), Account("alice", "wrong", hosts=[HOST], realm="example.com")]
    auth = AuthSession(*others, Account("alice", PASSWORD, hosts=[HOST], realm=REALM))
    assert await alice.outcome(asterisk, REGISTER, auth) == (200, None)


async def test_a_session_does_not_follow_to_another_host(alice: User, asterisk: Server, kamailio: Server) -> None:
    auth = AuthSession(Account("alice", PASSWORD, hosts=["asterisk.example"]))
    exchanges = []
    for server, name in ((asterisk, "asterisk.example"), (kamailio, "kamailio.example")):
        hop = Hop(Transport.UDP, SocketAddress(server.host, server.udp_port))
        aor = Address(SipUri(HOST, "alice"))  # the same one, so that there are credentials for it the second time
        request = alice.endpoint.new_request(REGISTER, SipUri(name), to=aor)
        exchanges.append(await alice.endpoint.request(Order(request, hop, "alice", auth)))
    first, exchange = exchanges
    assert first.response.status == 200
    assert exchange.auth_error is not None
    assert exchange.auth_error.reason is AuthRefusal.WRONG_HOST
    assert [len(proofs) for proofs in alice.proofs()] == [0, 1, 0]


@pytest.mark.parametrize("method", [REGISTER, INVITE])
async def test_an_algorithm_that_the_policy_rules_out(alice: User, asterisk: Server, method: str) -> None:
    outcome = await alice.outcome(asterisk, method, session(policy=ONLY_SHA_256))
    assert outcome == (401, AuthRefusal.UNSUPPORTED)
    assert alice.proofs() == [[]]


@pytest.mark.parametrize("server", ["asterisk", "kamailio", "kamailio_sha256"], indirect=True)
async def test_a_nonce_is_used_again(alice: User, server: Server) -> None:
    auth = session()
    for _ in range(3):
        await alice.ask(server, REGISTER, auth)
    assert alice.tap.statuses() == [401, 200, 200, 200]
    counts = [sent[AUTHORIZATION][0].nc for sent in alice.tap.sent() if sent[AUTHORIZATION]]
    assert counts == ["00000001", "00000002", "00000003"]


@pytest.mark.parametrize(
    ("server", "why"),
    # Kamailio says stale only of a nonce that it knows for its own.
    [("asterisk", "stale nonce"), ("kamailio", "nonce ran out unannounced")],
    indirect=["server"],
)
async def test_a_nonce_that_has_run_out_is_replaced(alice: User, server: Server, why: str) -> None:
    auth = session()
    exchange = await alice.ask(server, REGISTER, auth)
    # What a restarted server, or the next one of a cluster, makes of a nonce: it is not one of its own.
    nonce = (auth.choices[0].taken.nonce or "")[::-1]
    auth.confirm(exchange.request, exchange.response.with_header("Authentication-Info", f'nextnonce="{nonce}"'))
    exchange = await alice.ask(server, REGISTER, auth)
    assert exchange.response.status == 200
    assert alice.tap.statuses() == [401, 200, 401, 200]
    assert [choice.retried for choice in auth.choices] == [why]
