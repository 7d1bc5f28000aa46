"""Digest as server: what real clients make of the challenges from here, and what is made of their credentials."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import trio

from sipcore.auth.digest import AUTH, AUTH_INT, Algorithm
from sipcore.auth.server import Accepted, Authenticator, Outcome, Refused, ServerPolicy, UserTable, Why
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.endpoint.incoming import IncomingRequest
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.stack_config import StackConfig
from sipcore.transports.base import TransportConfig
from tests.interop.clients import (
    EXPIRES,
    PASSWORD,
    PROGRAMS,
    REALM,
    USER,
    Client,
    Desk,
    baresip,
    linphone,
    sipp,
    sipsak,
    sipsak_asking,
)
from tests.interop.conftest import installed
from tests.interop.lab import HOST, Lab

MD5, MD5_SESS, SHA_256 = Algorithm.MD5, Algorithm.MD5_SESS, Algorithm.SHA_256


@dataclass(slots=True)
class Registrar:
    """Answers 200 to whoever proves to be somebody, and keeps what came of each request."""

    endpoint: Endpoint
    authenticator: Authenticator
    port: int
    outcomes: list[Outcome] = field(default_factory=list)
    accepted: trio.Event = field(default_factory=trio.Event)

    async def run(self) -> None:
        async for incoming in self.endpoint.incoming():
            assert isinstance(incoming, IncomingRequest)
            outcome = self.authenticator.verify(incoming.request, trio.current_time())
            self.outcomes.append(outcome)
            if isinstance(outcome, Refused):
                refusal = self.authenticator.refusal(incoming.request, outcome, trio.current_time())
                challenges = [(name, text) for name, text in refusal.headers if name.endswith("-Authenticate")]
                incoming.respond(refusal.status, fields=challenges)
            elif isinstance(outcome, Accepted):
                self._accept(incoming, outcome)

    def _accept(self, incoming: IncomingRequest, outcome: Accepted) -> None:
        headers = incoming.request.headers
        contacts = [] if headers.get("Expires") == "0" else headers.get_all("Contact")
        bindings = [("Contact", f"{contact};expires={EXPIRES}") for contact in contacts]
        proof = ("Authentication-Info", self.authenticator.info(outcome, trio.current_time()))
        incoming.respond(200, fields=[proof, *bindings])
        self.accepted.set()

    @property
    def story(self) -> list[str | Why]:
        """Request by request who was accepted, or why nobody was."""
        told = [outcome for outcome in self.outcomes if isinstance(outcome, Accepted | Refused)]
        return [outcome.username if isinstance(outcome, Accepted) else outcome.why for outcome in told]


@asynccontextmanager
async def registrar(policy: ServerPolicy) -> AsyncIterator[Registrar]:
    binds = ((Transport.UDP, SocketAddress(HOST, 0)),)
    config = EndpointConfig(TransportConfig(bind=binds), stack=StackConfig(passes_unknown=True), takes_incoming=True)
    users = UserTable({USER: PASSWORD})
    with trio.fail_after(20):
        async with Endpoint(config) as endpoint, trio.open_nursery() as nursery:
            address = endpoint.transports.local_address(Transport.UDP)
            assert address is not None
            authenticator = Authenticator(policy, users, secrets.token_bytes(32), secrets.token_bytes)
            running = Registrar(endpoint, authenticator, address.port)
            nursery.start_soon(running.run)
            yield running
            nursery.cancel_scope.cancel()


@pytest.fixture
def desk(client: Client, lab: Lab, tmp_path: Path) -> Callable[..., Desk]:
    """The client's desk before a registrar; its folder is the test's own."""
    program, own = installed(*PROGRAMS[client]), replace(lab, folder=tmp_path)

    def before(running: Registrar, **changed: str) -> Desk:
        policy = running.authenticator.policy
        return Desk(program, own, running.port, running.accepted, policy.proxy, **changed)

    return before


@pytest.mark.parametrize(
    ("client", "policy", "taken"),
    [
        (sipsak, ServerPolicy(REALM, (MD5,)), (MD5, AUTH)),
        (sipsak, ServerPolicy(REALM, (MD5, SHA_256), proxy=True), (MD5, AUTH)),
        (sipsak_asking, ServerPolicy(REALM, (MD5,)), (MD5, AUTH)),
        (sipp, ServerPolicy(REALM, (MD5,)), (MD5, AUTH)),
        (sipp, ServerPolicy(REALM, (MD5, SHA_256), proxy=True), (MD5, AUTH)),
        (sipp, ServerPolicy(REALM, (MD5,), qop=(AUTH_INT,)), (MD5, AUTH_INT)),
        (baresip, ServerPolicy(REALM, (MD5,)), (MD5, AUTH)),
        (baresip, ServerPolicy(REALM, (MD5,), qop=(AUTH_INT, AUTH), proxy=True), (MD5, AUTH)),
        (linphone, ServerPolicy(REALM, (MD5,)), (MD5, AUTH)),
        (linphone, ServerPolicy(REALM, (SHA_256, MD5)), (SHA_256, AUTH)),
        (linphone, ServerPolicy(REALM, (SHA_256,), qop=(AUTH, AUTH_INT), proxy=True), (SHA_256, AUTH)),
    ],
)
async def test_a_client_proves_who_it_is(
    desk: Callable[..., Desk], client: Client, policy: ServerPolicy, taken: tuple[Algorithm, str]
) -> None:
    async with registrar(policy) as running:
        assert await client(desk(running))
        assert running.story[:2] == [Why.NO_CREDENTIALS, USER]
        # A phone takes its registration back when it ends, and is asked again.
        assert running.story.count(USER) == (2 if client in (baresip, linphone) else 1)
        accepted = running.outcomes[1]
        assert isinstance(accepted, Accepted)
        assert (accepted.exchange.algorithm, accepted.exchange.qop) == taken


@pytest.mark.parametrize(
    ("client", "changed", "why"),
    [
        (sipsak, {"password": "wrong"}, Why.WRONG_RESPONSE),
        (sipsak, {"user": "mallory"}, Why.UNKNOWN_USER),
        (sipp, {"password": "wrong"}, Why.WRONG_RESPONSE),
        (baresip, {"password": "wrong"}, Why.WRONG_RESPONSE),
    ],
)
async def test_a_client_that_cannot_prove_it(
    desk: Callable[..., Desk], client: Client, changed: dict[str, str], why: Why
) -> None:
    async with registrar(ServerPolicy(REALM, (MD5,))) as running:
        assert not await client(desk(running, **changed))
        assert running.story[:2] == [Why.NO_CREDENTIALS, why]
        assert USER not in running.story


@pytest.mark.parametrize(
    ("client", "algorithms", "story"),
    [
        (sipsak, (SHA_256, MD5), [Why.NO_CREDENTIALS]),
        (sipp, (SHA_256, MD5), [Why.NO_CREDENTIALS]),
        (sipp, (MD5_SESS,), [Why.NO_CREDENTIALS, Why.WRONG_RESPONSE]),
        (baresip, (MD5, SHA_256), [Why.NO_CREDENTIALS]),
    ],
)
async def test_what_a_client_does_not_know_is_told_apart(
    desk: Callable[..., Desk], client: Client, algorithms: tuple[Algorithm, ...], story: list[Why]
) -> None:
    """RFC 8760 §2.4 has clients pass over what they do not know; these give up, or do MD5-sess as if it were MD5."""
    async with registrar(ServerPolicy(REALM, algorithms)) as running:
        assert not await client(desk(running))
        assert running.story == story
