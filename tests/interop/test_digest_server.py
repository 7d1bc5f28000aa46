"""Digest as server: what real clients make of the challenges from here, and what is made of their credentials."""

import os
import secrets
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
import trio

from sipcore.auth.digest import AUTH, AUTH_INT, Algorithm
from sipcore.auth.server import Accepted, Authenticator, Outcome, Refused, ServerPolicy, UserTable, Why
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig, IncomingRequest, open_endpoint
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.stack import StackConfig
from sipcore.transports.base import TransportConfig
from tests.interop.conftest import installed
from tests.interop.lab import HOST, POLL_SECONDS, Lab
from tests.interop.servers import baresip_modules

USER, PASSWORD, REALM = "alice", "secret", "lab"
MD5, MD5_SESS, SHA_256 = Algorithm.MD5, Algorithm.MD5_SESS, Algorithm.SHA_256
EXPIRES = 60
BARESIP_SECONDS = 1
"""How long baresip runs before it takes its registration back and ends."""


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
        async with open_endpoint(config) as endpoint, trio.open_nursery() as nursery:
            address = endpoint.transports.local_address(Transport.UDP)
            assert address is not None
            authenticator = Authenticator(policy, users, secrets.token_bytes(32), secrets.token_bytes)
            running = Registrar(endpoint, authenticator, address.port)
            nursery.start_soon(running.run)
            yield running
            nursery.cancel_scope.cancel()


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a client is started: its program, the registrar it goes to, and who it says it is."""

    program: str
    lab: Lab
    registrar: Registrar
    user: str = USER
    password: str = PASSWORD

    @property
    def where(self) -> str:
        return f"{HOST}:{self.registrar.port}"

    def configure(self, name: str, **values: object) -> Path:
        """The folder with the configuration of a client."""
        known = {"user": self.user, "password": self.password, "realm": REALM, "registrar_port": self.registrar.port}
        return self.lab.configure(name, port=self.lab.ports(2), **known, **values)

    async def run(self, *options: str) -> tuple[int, str]:
        """The exit code and the output of a client that ends by itself."""
        run = partial(trio.run_process, capture_stdout=True, stderr=subprocess.STDOUT, check=False)
        done = await run([self.program, *options], cwd=self.lab.folder)
        return done.returncode, done.stdout.decode()


async def sipsak(desk: Desk) -> bool:
    return await _sipsak(desk, "-U", "-i", "-C", f"sip:{desk.user}@{HOST}:9", "-x", str(EXPIRES))


async def sipsak_asking(desk: Desk) -> bool:
    """OPTIONS."""
    return await _sipsak(desk)


async def _sipsak(desk: Desk, *options: str) -> bool:
    code, _ = await desk.run("-s", f"sip:{desk.user}@{desk.where}", "-u", desk.user, "-a", desk.password, *options)
    return code == 0


async def sipp(desk: Desk) -> bool:
    challenge = 407 if desk.registrar.authenticator.policy.proxy else 401
    scenario = desk.configure("callers", challenge=challenge) / "register.xml"
    limits = ["-m", "1", "-timeout", "5", "-nostdin"]
    code, _ = await desk.run("-sf", str(scenario), "-i", HOST, "-p", str(desk.lab.ports(1)), *limits, desk.where)
    return code == 0


async def baresip(desk: Desk) -> bool:
    folder = desk.configure("baresip-client", modules=baresip_modules())
    _, output = await desk.run("-f", str(folder), "-t", str(BARESIP_SECONDS))
    return "200 OK () [1 binding]" in output


async def linphone(desk: Desk) -> bool:
    folder = desk.configure("linphone")
    (folder / ".local/share/linphone").mkdir(parents=True)  # without it, linphone opens no port
    command = [desk.program, "-c", str(folder / "linphonerc")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    run = partial(trio.run_process, command, env=os.environ | {"HOME": str(folder)}, **pipes)
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(run)
        await _typed(process, "")
        await desk.registrar.accepted.wait()
        # It looks at its network only while nobody types.
        while "registered, identity=" not in await _typed(process, "status register\n"):  # noqa: ASYNC110
            await trio.sleep(POLL_SECONDS)
        await _typed(process, "quit\n")
    return True


async def _typed(process: trio.Process, line: str) -> str:
    """What linphonec says to a line, up to its next prompt or its end."""
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdin.send_all(line.encode())
    output = ""
    async for data in process.stdout:
        output += data.decode()
        if output.endswith("linphonec> "):
            break
    return output


Client = Callable[[Desk], Awaitable[bool]]
"""Runs a client to its end, and tells whether it says that it is registered, or answered."""
PROGRAMS: dict[Client, tuple[str, str]] = {
    sipsak: ("sipsak", "sipsak"),
    sipsak_asking: ("sipsak", "sipsak"),
    sipp: ("sipp", "sip-tester"),
    baresip: ("baresip", "baresip-core"),
    linphone: ("linphonec", "linphone-cli"),
}
"""The program behind each, and the Debian package that it comes with."""


@pytest.fixture
def desk(client: Client, lab: Lab, tmp_path: Path) -> Callable[..., Desk]:
    """The client's desk before a registrar; its folder is the test's own."""
    return partial(Desk, installed(*PROGRAMS[client]), replace(lab, folder=tmp_path))


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
