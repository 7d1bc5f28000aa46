"""Registrations that are kept up: over real sockets, and, where time matters, at a registrar without any."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import cast

import pytest
import trio

from sipcore.auth.choice import Account
from sipcore.auth.digest import Algorithm
from sipcore.auth.server import Authenticator, Refused, ServerPolicy, UserTable
from sipcore.auth.session import AuthError, AuthRefusal, AuthSession
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.endpoint.incoming import IncomingRequest
from sipcore.endpoint.registrar import answer_register
from sipcore.endpoint.registration import (
    BACKLOG,
    UNREGISTER_TIMEOUT,
    RegistrationFailure,
    keep_registered,
)
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.events import Exchange
from sipcore.message.address import Address
from sipcore.message.build import Fields
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.message.uri import SipUri, Uri, parse_uri
from sipcore.outgoing import Order
from sipcore.registration.binding import Registration
from sipcore.registration.keeper import Registered, RegistrationEnded, RegistrationFailed
from sipcore.registration.registrar import Answer, Change, Registrar, RegistrarPolicy
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.stack_config import StackConfig
from sipcore.tokens import Tokens
from sipcore.trace import Stamp, TraceSwitch, TransitionTrace
from sipcore.transactions.timers import Timers
from sipcore.transports.base import TransportConfig
from sipcore.transports.connections import Transports

AOR = Address(SipUri("127.0.0.1", "alice"))
URN = "urn:uuid:00000000-0000-1000-8000-000A95A0E128"
HOP = Hop(Transport.UDP, SocketAddress("192.0.2.9", 5060))
SILENCE = TransportFailure(FailureReason.TIMED_OUT, "no answer")


def uri_of(text: str) -> SipUri:
    uri = parse_uri(text)
    assert isinstance(uri, SipUri)
    return uri


# Over real sockets


@dataclass(slots=True)
class Desk:
    """A registrar behind an endpoint."""

    hop: Hop
    registrar: Registrar = field(default_factory=Registrar)
    outcomes: list[Answer | Refused] = field(default_factory=list)


@asynccontextmanager
async def desk(transport: Transport) -> AsyncIterator[Desk]:
    binds = ((transport, SocketAddress("127.0.0.1", 0)),)
    config = EndpointConfig(TransportConfig(bind=binds), stack=StackConfig(passes_unknown=True), takes_incoming=True)
    users = UserTable({"alice": "secret"})
    policy = ServerPolicy("test", (Algorithm.MD5,))
    authenticator = Authenticator(policy, users, secrets.token_bytes(32), secrets.token_bytes)
    with trio.fail_after(10):
        async with Endpoint(config) as server, trio.open_nursery() as nursery:
            address = server.transports.local_address(transport)
            assert address is not None
            running = Desk(Hop(transport, address))

            async def work() -> None:
                async for incoming in server.incoming():
                    assert isinstance(incoming, IncomingRequest)
                    now = trio.current_time()
                    running.outcomes.append(answer_register(running.registrar, incoming, now, authenticator))

            nursery.start_soon(work)
            yield running
            nursery.cancel_scope.cancel()


def changes(running: Desk) -> list[Change]:
    answers = [outcome for outcome in running.outcomes if isinstance(outcome, Answer)]
    return [change for answer in answers for change, _ in answer.changes]


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
async def test_registered_for_the_length_of_a_block(transport: Transport) -> None:
    auth = AuthSession(Account("alice", "secret", hosts=["127.0.0.1"]))
    async with desk(transport) as running, Endpoint() as client:
        async with keep_registered(client, Registration(AOR), auth=auth, user="alice", hop=running.hop) as registered:
            binding = await registered.binding()
            (record,) = running.registrar.bindings(AOR.uri, trio.current_time())
            assert binding.listed
            assert binding.granted == 3600
            assert isinstance(record.contact.uri, SipUri)
            assert (record.contact.uri.user, record.contact.uri.host) == ("alice", "127.0.0.1")
        assert changes(running) == [Change.ADDED, Change.REMOVED]
        assert [type(event) async for event in registered] == [Registered, RegistrationEnded]
        assert sum(isinstance(outcome, Refused) for outcome in running.outcomes) == 1  # the nonce is used again


async def test_a_request_that_was_lost_behind_its_challenge_is_not_numbered_like_it() -> None:
    """RFC 3261 §10.2: the registrar may have what it did not answer, and takes no number twice (§10.3 step 7)."""
    auth = AuthSession(Account("alice", "secret", hosts=["127.0.0.1"]))
    binds = ((Transport.UDP, SocketAddress("127.0.0.1", 0)),)
    taking = EndpointConfig(TransportConfig(bind=binds), stack=StackConfig(passes_unknown=True), takes_incoming=True)
    hasty = EndpointConfig(stack=StackConfig(timers=Timers(t1=0.01, t2=0.01)))
    challenge = ("WWW-Authenticate", 'Digest realm="test", nonce="n", qop="auth"')
    registrar, numbers = Registrar(), list[int]()
    with trio.fail_after(10):
        async with Endpoint(taking) as server, Endpoint(hasty) as client, trio.open_nursery() as nursery:

            async def work() -> None:
                async for incoming in server.incoming():
                    assert isinstance(incoming, IncomingRequest)
                    numbers.append(incoming.request.cseq.number)
                    if len(numbers) == 1:
                        incoming.respond(401, fields=[challenge])
                        continue
                    answer = registrar.process(incoming.request, trio.current_time())
                    if len(numbers) > 2:
                        incoming.respond(answer.status, fields=answer.fields)

            nursery.start_soon(work)
            address = server.transports.local_address(Transport.UDP)
            assert address is not None
            hop = Hop(Transport.UDP, address)
            async with keep_registered(client, Registration(AOR), auth=auth, hop=hop) as registered:
                failed = await anext(aiter(registered))
                assert isinstance(failed, RegistrationFailed)
                assert (await registered.refresh()).listed
            assert numbers == [1, 2, 3, 4]
            nursery.cancel_scope.cancel()


async def test_a_redirection_leads_to_the_other_registrar() -> None:
    auth = AuthSession(Account("alice", "secret", hosts=["127.0.0.1"]))
    binds = ((Transport.UDP, SocketAddress("127.0.0.1", 0)),)
    config = EndpointConfig(TransportConfig(bind=binds), stack=StackConfig(passes_unknown=True), takes_incoming=True)
    async with desk(Transport.UDP) as running, Endpoint(config) as first, Endpoint() as client:
        there = f"<sip:{running.hop.remote}>"

        async def redirect() -> None:
            async for incoming in first.incoming():
                assert isinstance(incoming, IncomingRequest)
                incoming.respond(302, fields=[("Contact", there)])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(redirect)
            address = first.transports.local_address(Transport.UDP)
            assert address is not None
            registrar = SipUri(address.host, None, address.port)
            async with keep_registered(client, Registration(AOR, registrar), auth=auth) as registered:
                assert (await registered.binding()).listed
                assert len(running.registrar.bindings(AOR.uri, trio.current_time())) == 1
            assert changes(running) == [Change.ADDED, Change.REMOVED]
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("loose", [";lr", ""], ids=["loose", "strict"])
@pytest.mark.parametrize("given", [False, True], ids=["located", "given"])
async def test_a_proxy_on_the_way_gets_no_proof_that_is_for_the_registrar(loose: str, given: bool) -> None:
    """A strict router takes the place of the registrar in the Request-URI, and Route names the registrar alone."""
    auth = AuthSession(Account("alice", "secret", hosts=["registrar.example"]))
    async with desk(Transport.UDP) as running, Endpoint() as client:
        route = (Address.parse(f"<sip:{running.hop.remote}{loose}>"),)
        registration = Registration(AOR, SipUri("registrar.example"), route=route)
        hop = running.hop if given else None
        async with keep_registered(client, registration, auth=auth, hop=hop) as registered:
            with pytest.raises(RegistrationFailure) as caught:
                await registered.binding()
    assert isinstance(caught.value.cause, AuthError)
    assert caught.value.cause.reason is AuthRefusal.WRONG_HOST
    assert [type(outcome) for outcome in running.outcomes] == [Refused]


async def test_a_redirection_to_what_cannot_be_located_ends_nothing() -> None:
    """sips over UDP cannot be: the registrar that says so fails its own registration, which is tried again."""
    binds = ((Transport.UDP, SocketAddress("127.0.0.1", 0)),)
    config = EndpointConfig(TransportConfig(bind=binds), stack=StackConfig(passes_unknown=True), takes_incoming=True)
    with trio.fail_after(10):
        async with Endpoint(config) as first, Endpoint() as client, trio.open_nursery() as nursery:

            async def redirect() -> None:
                async for incoming in first.incoming():
                    assert isinstance(incoming, IncomingRequest)
                    incoming.respond(302, fields=[("Contact", "<sips:127.0.0.1;transport=udp>")])

            nursery.start_soon(redirect)
            address = first.transports.local_address(Transport.UDP)
            assert address is not None
            registrar = SipUri(address.host, None, address.port)
            async with keep_registered(client, Registration(AOR, registrar)) as registered:
                event = await anext(aiter(registered))
            nursery.cancel_scope.cancel()
    assert isinstance(event, RegistrationFailed)
    assert isinstance(event.failure, TransportFailure)
    assert event.failure.message == "a sips URI cannot be sent over UDP"
    assert event.retry_at is not None


@pytest.mark.parametrize(
    ("registration", "told"),
    [
        (Registration(AOR, uri_of("sip:127.0.0.1;transport=sctp")), "transport sctp is not supported"),
        (Registration(AOR, uri_of("sips:127.0.0.1;transport=udp")), "a sips URI cannot be sent over UDP"),
        (Registration(AOR, route=(Address.parse("<sip:a;transport=sctp;lr>"),)), "transport sctp is not supported"),
        (Registration(AOR, route=(Address.parse("<tel:+15551234>"),)), "give a SIP server"),
    ],
)
async def test_a_registrar_that_nothing_can_be_sent_to_is_the_callers_mistake(
    registration: Registration, told: str
) -> None:
    async with Endpoint() as client:
        with pytest.raises(LocalError, match=told):
            async with client.register(registration):
                pytest.fail("it was begun")


@pytest.mark.parametrize(("user", "fields"), [("alice\r\n", ()), ("alice", [("User-Agent", "phone\n")])])
async def test_what_cannot_be_sent_is_the_callers_mistake(user: str, fields: Fields) -> None:
    async with Endpoint() as client:
        with pytest.raises(LocalError, match="holds CR"):
            async with client.register(Registration(AOR), user=user, fields=fields):
                pytest.fail("it was begun")


async def test_a_wrong_password() -> None:
    auth = AuthSession(Account("alice", "wrong", hosts=["127.0.0.1"]))
    async with desk(Transport.UDP) as running, Endpoint() as client:
        async with keep_registered(client, Registration(AOR), auth=auth, hop=running.hop) as registered:
            with pytest.raises(RegistrationFailure, match="does not accept the credentials") as caught:
                await registered.binding()
        assert isinstance(caught.value.cause, AuthError)
        assert caught.value.cause.reason is AuthRefusal.REJECTED
        assert changes(running) == []


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    auth = AuthSession(Account("alice", "secret", hosts=["127.0.0.1"]))
    async with desk(Transport.UDP) as running, Endpoint() as client:
        with pytest.raises(KeyError):  # noqa: PT012  # the block is what is tested
            async with keep_registered(client, Registration(AOR), auth=auth, hop=running.hop) as registered:
                await registered.binding()
                raise KeyError
        assert changes(running) == [Change.ADDED, Change.REMOVED]


async def test_a_cancelled_block_takes_its_binding_back() -> None:
    auth = AuthSession(Account("alice", "secret", hosts=["127.0.0.1"]))
    async with desk(Transport.UDP) as running, Endpoint() as client:
        with trio.CancelScope() as scope:
            async with keep_registered(client, Registration(AOR), auth=auth, hop=running.hop) as registered:
                await registered.binding()
                scope.cancel()
                await trio.sleep_forever()
        assert changes(running) == [Change.ADDED, Change.REMOVED]


# Without sockets, so that time can fly


class FakeTransports:
    """Hops that are ready, and flows that can be cut."""

    def __init__(self) -> None:
        self.port = 5060
        self.open = True
        self.pings: list[float] = []
        self.sent: list[float] = []

    async def prepare(self, hop: Hop) -> Hop:
        if hop.remote.port == 1:
            raise LocalError("unusable", section="RFC 3261 §26.2")
        return replace(hop, local=SocketAddress("192.0.2.1", self.port))

    def prepared(self, hop: Hop) -> Hop | None:
        return hop if self.open else None

    def send(self, where: Hop | Flow, data: bytes) -> float:
        assert (where.transport, data) == (Transport.UDP, b"\r\n\r\n")
        self.sent.append(trio.current_time())
        return trio.current_time()

    def ping(self, flow: Flow) -> None:
        if not self.open:
            raise TransportFailure(FailureReason.CLOSED, "gone")
        self.pings.append(trio.current_time())


Script = Callable[[Request], int | TransportFailure | None]


class FakeEndpoint:
    """An endpoint whose requests a registrar answers at once; `script` says where a request fares otherwise."""

    def __init__(self, policy: RegistrarPolicy | None = None, script: Script = lambda request: None) -> None:
        self.tokens = Tokens(secrets.token_bytes)
        self.fake = FakeTransports()
        self.registrar = Registrar(policy)
        self.script = script
        self.hops = [HOP]
        self.requests: list[tuple[float, Request, Hop]] = []
        self.watchers: list[Callable[[Flow], None]] = []
        self.trace_switch = TraceSwitch(on=True)
        self.traced: list[tuple[float, str]] = []
        self.listening = 0

    def told(self, hop: Hop) -> SocketAddress:
        assert hop.local is not None
        return replace(hop.local, port=self.listening or hop.local.port)

    def require_here(self) -> None:
        pass

    def publish(self, record: TransitionTrace) -> None:
        self.traced.append((trio.current_time(), record.input))

    def watch_flows(self, watcher: Callable[[Flow], None]) -> Callable[[], None]:
        self.watchers.append(watcher)
        return lambda: self.watchers.remove(watcher)

    def on_leaving(self, leave: Callable[[], Awaitable[None]]) -> Callable[[], None]:
        return lambda: None

    @property
    def transports(self) -> Transports:
        return cast("Transports", self.fake)

    async def locate(self, uri: Uri) -> list[Hop]:
        if not self.hops:
            raise TransportFailure(FailureReason.UNRESOLVABLE, f"no address for {uri}")
        return self.hops

    async def request(self, order: Order) -> Exchange:
        await trio.lowlevel.checkpoint()
        hop, now = order.target, trio.current_time()
        assert isinstance(hop, Hop)
        assert hop.local is not None
        request = order.request.with_first("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")
        self.requests.append((now, request, hop))
        outcome = self.script(request)
        if isinstance(outcome, TransportFailure):
            raise outcome
        if outcome is None:
            answer = self.registrar.process(request, now)
            response = build_response(request, answer.status, fields=answer.fields)
        else:
            response = build_response(request, outcome)
        flow = Flow(hop.transport, hop.local, hop.remote)
        return Exchange(request, response, (), hop, flow, now, Stamp(now))

    @property
    def times(self) -> list[float]:
        return [time - self.requests[0][0] for time, _, _ in self.requests]


async def test_refreshed_as_long_as_it_lasts(autojump_clock: trio.testing.MockClock) -> None:
    fake = FakeEndpoint(RegistrarPolicy(maximum=300, default=300))
    async with keep_registered(fake, Registration(AOR), fields=[("User-Agent", "test")]) as registered:
        for _ in range(20):
            await trio.sleep(60)
            assert fake.registrar.bindings(AOR.uri, trio.current_time())
        assert (await registered.binding()).granted == 300
    assert 5 <= len(fake.requests) <= 8
    assert len({request.call_id for _, request, _ in fake.requests}) == 1
    assert [request.cseq.number for _, request, _ in fake.requests] == list(range(1, len(fake.requests) + 1))
    assert fake.requests[0][1].headers.get("User-Agent") == "test"
    assert not fake.registrar.bindings(AOR.uri, trio.current_time())


@pytest.mark.parametrize(
    ("aor", "given", "user"),
    [("sip:bob@a.example", "", "bob"), ("sip:bob@a.example", "desk", "desk"), ("sip:a.example", "", None)],
)
async def test_the_contact_has_the_user_of_the_address_of_record(aor: str, given: str, user: str | None) -> None:
    fake = FakeEndpoint()
    async with keep_registered(fake, Registration(Address.parse(aor)), user=given) as registered:
        (contact,) = (await registered.binding()).contacts
    assert isinstance(contact.uri, SipUri)
    assert contact.uri.user == user


async def test_the_contact_is_where_peers_can_connect_to() -> None:
    fake = FakeEndpoint()
    fake.listening = 5099
    async with keep_registered(fake, Registration(AOR)) as registered:
        (contact,) = (await registered.binding()).contacts
    assert isinstance(contact.uri, SipUri)
    assert contact.uri.port == 5099


async def test_refreshed_on_demand(autojump_clock: trio.testing.MockClock) -> None:
    fake = FakeEndpoint()
    async with keep_registered(fake, Registration(AOR)) as registered:
        first = await registered.binding()
        await trio.sleep(10)
        assert (await registered.refresh()).until == first.until + 10
        fake.script = lambda request: 403
        with pytest.raises(RegistrationFailure, match="403 Forbidden"):
            await registered.refresh()
    assert fake.times == [0, 10, 10]


async def test_an_interval_that_is_too_brief(autojump_clock: trio.testing.MockClock) -> None:
    fake = FakeEndpoint(RegistrarPolicy(minimum=120))
    async with keep_registered(fake, Registration(AOR, expires=30)) as registered:
        assert (await registered.binding()).granted == 120
    assert [request.headers.get("Expires") for _, request, _ in fake.requests] == ["30", "120", "0"]


async def test_tried_again_until_it_works(autojump_clock: trio.testing.MockClock) -> None:
    fake = FakeEndpoint(script=lambda request: 503 if request.cseq.number < 3 else None)
    async with keep_registered(fake, Registration(AOR)) as registered:
        await registered.binding()
        first, second = fake.times[1], fake.times[2] - fake.times[1]
        assert 30 <= first <= 60 <= second <= 120
    assert [type(event) async for event in registered] == [
        RegistrationFailed,
        RegistrationFailed,
        Registered,
        RegistrationEnded,
    ]


async def test_one_hop_after_the_other(autojump_clock: trio.testing.MockClock) -> None:
    outcomes: dict[int, int | TransportFailure] = {1: SILENCE, 2: 503}
    fake = FakeEndpoint(script=lambda request: outcomes.get(request.cseq.number))
    places = [SocketAddress(f"192.0.2.{number}", 5060) for number in (9, 10, 11)]
    unusable = replace(HOP, remote=SocketAddress("192.0.2.8", 1))
    fake.hops = [unusable, *(replace(HOP, remote=place) for place in places)]
    async with keep_registered(fake, Registration(AOR)) as registered:
        await registered.binding()
    assert [hop.remote for _, _, hop in fake.requests] == [*places, places[-1]]


async def test_silence(autojump_clock: trio.testing.MockClock) -> None:
    fake = FakeEndpoint(script=lambda request: SILENCE if request.cseq.number == 1 else None)
    async with keep_registered(fake, Registration(AOR)) as registered:
        event = await anext(aiter(registered))
        assert isinstance(event, RegistrationFailed)
        assert event.failure is SILENCE
        assert (await registered.binding()).listed


async def test_nowhere_to_go(autojump_clock: trio.testing.MockClock) -> None:
    fake = FakeEndpoint()
    fake.hops = []
    async with keep_registered(fake, Registration(AOR)) as registered:
        event = await anext(aiter(registered))
        assert isinstance(event, RegistrationFailed)
        assert isinstance(event.failure, TransportFailure)
        fake.hops = [HOP]
        await registered.binding()
    assert len(fake.requests) == 2


@pytest.mark.parametrize("outbound", [True, False])
async def test_a_flow_that_ends(autojump_clock: trio.testing.MockClock, outbound: bool) -> None:
    fake = FakeEndpoint(RegistrarPolicy(outbound=outbound))
    fake.hops = [replace(HOP, transport=Transport.TCP)]
    registration = Registration(AOR, instance=URN, reg_id=1)
    async with keep_registered(fake, registration) as registered:
        await registered.binding()
        await trio.sleep(500)
        assert len(fake.requests) == 1
        assert (len(fake.fake.pings) >= 4) is outbound
        fake.fake.open, fake.fake.port = False, 5062
        await trio.sleep(121)
        fake.fake.open = True
        (record,) = fake.registrar.bindings(AOR.uri, trio.current_time())
        assert str(record.contact.uri) == "sip:alice@192.0.2.1:5062;transport=tcp"


@pytest.mark.parametrize("outbound", [True, False])
@pytest.mark.parametrize(("lasted", "at_once"), [(31, True), (29, False)])
async def test_a_flow_that_is_told_to_have_ended(
    autojump_clock: trio.testing.MockClock, outbound: bool, lasted: float, at_once: bool
) -> None:
    """RFC 5626 §4.5. One that ends as soon as it is made may be answered 200 each time by a server that is broken."""
    fake = FakeEndpoint(RegistrarPolicy(outbound=outbound))
    fake.hops = [replace(HOP, transport=Transport.TCP)]
    async with keep_registered(fake, Registration(AOR, instance=URN, reg_id=1)) as registered:
        await registered.binding()
        await trio.sleep(lasted)
        fake.fake.open = False
        for watcher in fake.watchers:
            watcher(Flow(Transport.TCP, SocketAddress("192.0.2.1", 5060), SocketAddress("192.0.2.77", 5060)))
            watcher(Flow(Transport.TCP, SocketAddress("192.0.2.1", 5060), HOP.remote))
        await trio.sleep(0.1)
        assert len(fake.requests) == 1 + at_once
        await trio.sleep(60)
        fake.fake.open = True
        assert len(fake.requests) == 2
    assert not fake.watchers


@pytest.mark.parametrize("outbound", [True, False])
async def test_over_udp_the_way_is_kept_open(autojump_clock: trio.testing.MockClock, outbound: bool) -> None:
    """RFC 5626 §4.4.2, where the registrar knows of it; else with what everybody ignores."""
    fake = FakeEndpoint(RegistrarPolicy(outbound=outbound))
    async with keep_registered(fake, Registration(AOR, instance=URN, reg_id=1)) as registered:
        await registered.binding()
        await trio.sleep(300)
    assert len(fake.fake.pings if outbound else fake.fake.sent) in range(10, 13)
    assert not (fake.fake.sent if outbound else fake.fake.pings)


async def test_a_connection_that_the_registrar_closes() -> None:
    """Over sockets: that it has ended is told by the endpoint, and to whoever asked for it only."""
    auth = AuthSession(Account("alice", "secret", hosts=["127.0.0.1"]))
    ended, told = trio.open_memory_channel[Flow](2)
    async with Endpoint() as client:
        unwatch = client.watch_flows(ended.send_nowait)
        async with (
            desk(Transport.TCP) as running,
            keep_registered(client, Registration(AOR), auth=auth, hop=running.hop) as registered,
        ):
            await registered.binding()
        with trio.fail_after(5):
            assert (await told.receive()).remote == running.hop.remote
        unwatch()


async def test_over_a_websocket(autojump_clock: trio.testing.MockClock) -> None:
    """RFC 7118 §8.1: nobody can connect to a client, so its contact names no place."""
    fake = FakeEndpoint()
    fake.hops = [replace(HOP, transport=Transport.WS)]
    async with keep_registered(fake, Registration(AOR)) as registered:
        (contact,) = (await registered.binding()).contacts
    assert isinstance(contact.uri, SipUri)
    assert contact.uri.host.endswith(".invalid")


async def test_no_answer_to_the_removal(autojump_clock: trio.testing.MockClock) -> None:
    fake = FakeEndpoint()

    async def never(order: Order) -> Exchange:
        await trio.sleep_forever()
        raise AssertionError

    async with keep_registered(fake, Registration(AOR)) as registered:
        await registered.binding()
        fake.request = never  # type: ignore[method-assign]
        before = trio.current_time()
    assert trio.current_time() - before == UNREGISTER_TIMEOUT


async def test_everything_is_removed(autojump_clock: trio.testing.MockClock) -> None:
    fake = FakeEndpoint()
    async with keep_registered(fake, Registration(AOR)) as registered:
        await registered.binding()
        await registered.stop(everything=True)
        with pytest.raises(RegistrationFailure, match="stopped"):
            await registered.binding()
    assert fake.requests[-1][1].headers.get("Contact") == "*"
    assert len(fake.requests) == 2


async def test_events_that_nobody_reads(autojump_clock: trio.testing.MockClock) -> None:
    fake = FakeEndpoint(RegistrarPolicy(maximum=60, default=60))
    async with keep_registered(fake, Registration(AOR)) as registered:
        await trio.sleep(60 * 2 * BACKLOG)
    events = [event async for event in registered]
    assert len(events) == BACKLOG
    assert isinstance(events[-1], RegistrationEnded)


async def test_what_is_traced_does_not_wait_for_an_answer(autojump_clock: trio.testing.MockClock) -> None:
    """A stop while a REGISTER is under way is told of when it happens."""

    class Slow(FakeEndpoint):
        async def request(self, order: Order) -> Exchange:
            await trio.sleep(3)
            return await super().request(order)

    slow, start = Slow(), trio.current_time()
    async with keep_registered(slow, Registration(AOR)):
        await trio.sleep(1)
    assert [(at - start, happening) for at, happening in slow.traced] == [
        (0, "START"),
        (1, "STOP_UNBOUND"),
        (3, "ACCEPTED"),
        (6, "ACCEPTED"),
    ]
