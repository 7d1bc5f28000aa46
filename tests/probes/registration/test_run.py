"""Registrations tested over real sockets, by a clock that jumps: what is asked, what is left behind, who is tried."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from probes.calls.run import call_config
from probes.destination import Destination
from probes.product import PRODUCT
from probes.registration.judge import Oddity, RegistrationKind, RegistrationReport
from probes.registration.plan import RegistrationProbe, Step
from probes.registration.run import probe_registration
from probes.result import TimelineEntry
from sipcore.auth.choice import Account
from sipcore.auth.server import Authenticator, ServerPolicy, UserTable
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.endpoint.incoming import IncomingRequest
from sipcore.endpoint.registrar import answer_register
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.registration.registrar import Registrar
from sipcore.resolve.records import Address, Answer, LookupFailure, LookupFault, Question, RecordType, Result, Srv
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.stack_config import StackConfig
from sipcore.trace import Direction, MessageTrace
from sipcore.transports.base import TlsConfig, TransportConfig
from sipcore.transports.certificates import self_signed
from sipcore.transports.lookup import Lookup
from tests.probes.discovery.network import HOST, free_port, udp
from tests.probes.registration.desk import Desk

OTHER = "sip:alice@198.51.100.7"


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms."""
    return MockClock(autojump_threshold=0.05)


def probe_of(port: int, **options: object) -> RegistrationProbe:
    return RegistrationProbe(Destination.parse(f"sip:alice@{HOST}:{port};transport=udp"), **options)  # type: ignore[arg-type]


def requests_in(report: RegistrationReport) -> list[Request]:
    records = [entry.record for entry in report.timeline if isinstance(entry.record, MessageTrace)]
    sent = [parse_message(each.data) for each in records if each.direction is Direction.SENT and not each.attempt]
    return [each for each in sent if isinstance(each, Request)]


async def test_a_contact_is_registered_and_removed(clock: MockClock) -> None:
    desk = Desk()
    async with udp(desk) as port:
        report = await probe_registration(probe_of(port))
    assert (desk.came, desk.contacts) == (["ask", "bind", "remove"], {})
    assert (report.kind, report.granted, report.removed) == (RegistrationKind.REGISTERED, 60, True)
    assert report.oddities == (Oddity.OPEN,)
    ask, bind, remove = requests_in(report)
    assert [str(each.uri) for each in (ask, bind, remove)] == [f"sip:{HOST}:{port}"] * 3
    assert {each.call_id for each in (ask, bind, remove)} == {ask.call_id}
    assert {each.from_tag for each in (ask, bind, remove)} == {ask.from_tag}
    assert [each.cseq.number for each in (ask, bind, remove)] == [1, 2, 3]
    assert [str(each.to.uri) for each in (ask, bind)] == [f"sip:alice@{HOST}:{port}"] * 2
    assert "Contact" not in ask.headers
    assert bind.headers.get("Contact") == remove.headers.get("Contact") == f"<{report.contact}>"
    assert [each.headers.get("Expires") for each in (bind, remove)] == ["60", "0"]
    assert bind.headers.get("User-Agent") == PRODUCT
    steps = [(entry.label, entry.detail) for entry in report.timeline if entry.label in ("ask", "register", "remove")]
    assert steps == [
        ("ask", "who is registered"),
        ("register", f"{report.contact} for 60 s"),
        ("remove", report.contact),
    ]
    labels = {"initiated", "ask", "REGISTER", "200 OK", "register", "remove", "completed"}
    assert {entry.label for entry in report.timeline} == labels


async def test_who_is_registered_is_left_alone(clock: MockClock) -> None:
    desk = Desk({OTHER: 300})
    async with udp(desk) as port:
        report = await probe_registration(probe_of(port))
    assert (desk.came, desk.contacts) == (["ask"], {OTHER: 300})
    assert report.kind is RegistrationKind.ACCEPTED
    assert report.before is not None
    assert [(each.uri, each.expires) for each in report.before] == [(OTHER, 300)]


async def test_beside_others(clock: MockClock) -> None:
    desk = Desk({OTHER: 300})
    async with udp(desk) as port:
        report = await probe_registration(probe_of(port, beside=True))
    assert (desk.came, desk.contacts) == (["ask", "bind", "remove"], {OTHER: 300})
    assert report.oddities == (Oddity.OPEN,)


async def test_a_registrar_that_takes_one(clock: MockClock) -> None:
    desk = Desk({OTHER: 300}, takes_one=True)
    async with udp(desk) as port:
        report = await probe_registration(probe_of(port, beside=True))
    assert desk.contacts == {}
    assert set(report.oddities) == {Oddity.OPEN, Oddity.DISPLACED}


async def test_nothing_is_registered_where_that_is_not_wanted(clock: MockClock) -> None:
    desk = Desk()
    async with udp(desk) as port:
        report = await probe_registration(probe_of(port, asks_only=True))
    assert (desk.came, report.kind) == (["ask"], RegistrationKind.ACCEPTED)


async def test_an_interval_that_is_too_short(clock: MockClock) -> None:
    desk = Desk(least=90)
    async with udp(desk) as port:
        report = await probe_registration(probe_of(port))
    assert desk.came == ["ask", "bind", "bind", "remove"]
    assert (report.granted, report.least, report.asked, report.removed) == (90, 90, 60, True)


async def test_a_contact_that_is_kept(clock: MockClock) -> None:
    desk = Desk(keeps=True)
    async with udp(desk) as port:
        report = await probe_registration(probe_of(port))
    assert list(desk.contacts) == [report.contact]
    assert (report.removed, Oddity.STAYS in report.oddities) == (False, True)


async def test_a_registrar_that_tells_nothing(clock: MockClock) -> None:
    desk = Desk(is_terse=True)
    async with udp(desk) as port:
        report = await probe_registration(probe_of(port))
    assert (report.works, report.removed, report.granted) == (True, True, 60)
    assert Oddity.UNLISTED in report.oddities


async def test_silence_in_the_middle_leaves_nothing(clock: MockClock) -> None:
    desk = Desk(statuses={"bind": ""})
    async with udp(desk) as port:
        report = await probe_registration(probe_of(port, timeout=3.0))
    assert desk.came[0] == "ask"
    assert desk.came[-1] == "remove"
    assert (report.kind, report.why) == (RegistrationKind.NO_ANSWER, "no answer within 3 s")
    assert [reply.took for reply in report.replies][1] == pytest.approx(3.0, abs=0.1)


async def test_nobody_answers(clock: MockClock) -> None:
    async with udp(lambda _: None) as port:
        report = await probe_registration(probe_of(port))
    assert (report.kind, report.why) == (RegistrationKind.NO_ANSWER, "no answer within 8 s")
    closed = await probe_registration(probe_of(free_port()))
    assert closed.kind is RegistrationKind.REFUSED
    assert [reply.question.step for reply in closed.replies] == [Step.ASK]


def name_ports(monkeypatch: pytest.MonkeyPatch, *ports: int) -> RegistrationProbe:
    """A probe of a name whose registrars are at these ports, in this order."""

    async def ask(_: Lookup, question: Question) -> Result:
        if question.type is RecordType.SRV and question.name == "_sip._udp.biloxi.example":
            return Answer(question, tuple(Srv(place, 0, port, "a.biloxi.example") for place, port in enumerate(ports)))
        if question.type is RecordType.A:
            return Answer(question, (Address(HOST),))
        return LookupFailure(question, LookupFault.NODATA)

    monkeypatch.setattr(Lookup, "ask", ask)
    return RegistrationProbe(Destination.parse("sip:alice@biloxi.example;transport=udp"))


async def test_the_second_place_is_tried(clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    async with udp(Desk()) as port:
        report = await probe_registration(name_ports(monkeypatch, free_port(), port))
    assert report.works
    assert report.hop is not None
    assert report.hop.remote.port == port
    assert str(report.aor) == "sip:alice@biloxi.example"


async def test_one_place_that_answers_is_enough(clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Desk(statuses={"ask": "503 Service Unavailable"}), Desk()
    async with udp(first) as port, udp(second) as other:
        report = await probe_registration(name_ports(monkeypatch, port, other))
    assert (first.came, second.came, report.kind) == (["ask"], [], RegistrationKind.REJECTED)


async def test_what_answers_is_not_sip(clock: MockClock) -> None:
    async with udp(lambda _: b"hello") as port:
        report = await probe_registration(probe_of(port))
    assert report.kind is RegistrationKind.NOT_SIP


async def test_no_address(clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(_: Lookup, question: Question) -> Result:
        return LookupFailure(question, LookupFault.NXDOMAIN)

    monkeypatch.setattr(Lookup, "ask", ask)
    report = await probe_registration(RegistrationProbe(Destination.parse("sip:alice@biloxi.example")))
    assert (report.kind, report.hop, report.replies) == (RegistrationKind.UNRESOLVABLE, None, ())


async def test_who_stops_it_leaves_nothing(clock: MockClock) -> None:
    stop = trio.Event()
    desk = Desk()

    def stopping(data: bytes) -> bytes | None:
        answer = desk(data)
        if desk.came[-1] == "bind":
            stop.set()
            return None  # registered, and the answer is lost
        return answer

    async with udp(stopping) as port:
        report = await probe_registration(probe_of(port), stop=stop)
    assert desk.contacts == {}
    assert desk.came[-1] == "remove"
    assert (report.kind, report.removed) == (RegistrationKind.INTERRUPTED, True)
    assert "interrupted" in [entry.label for entry in report.timeline]


async def test_who_cancels_it_leaves_nothing(clock: MockClock) -> None:
    desk, scope = Desk(), trio.CancelScope()

    def cancelling(data: bytes) -> bytes | None:
        answer = desk(data)
        if desk.came[-1] == "bind":
            scope.cancel()
            return None
        return answer

    async with udp(cancelling) as port:
        with scope:
            await probe_registration(probe_of(port))
    assert scope.cancelled_caught
    assert (desk.came[-1], desk.contacts) == ("remove", {})


async def test_stopped_before_anything_was_sent(clock: MockClock) -> None:
    stop = trio.Event()
    stop.set()
    async with udp(lambda _: None) as port:
        report = await probe_registration(probe_of(port), stop=stop)
    assert report.kind is RegistrationKind.INTERRUPTED


async def test_lines_are_told_as_they_come(clock: MockClock) -> None:
    told: list[TimelineEntry] = []
    async with udp(Desk()) as port:
        report = await probe_registration(probe_of(port), on_entry=told.append)
    assert sorted(told, key=lambda entry: entry.offset_ms) == list(report.timeline)


# At a registrar that wants credentials


@asynccontextmanager
async def guarded(transport: Transport) -> AsyncIterator[int]:
    """The engine's own registrar, for alice."""
    bindings, users = Registrar(), UserTable({"alice": "secret"})
    guard = Authenticator(ServerPolicy("example"), users, bytes(32), bytes)
    certificate, key = self_signed([HOST])
    config = EndpointConfig(
        TransportConfig(bind=((transport, SocketAddress(HOST, 0)),), tls=TlsConfig(certificate=certificate, key=key)),
        stack=StackConfig(methods=("REGISTER",)),
        takes_incoming=True,
    )
    async with Endpoint(config) as server, trio.open_nursery() as nursery:

        async def serve() -> None:
            async for incoming in server.incoming():
                assert isinstance(incoming, IncomingRequest)
                answer_register(bindings, incoming, trio.current_time(), guard)

        nursery.start_soon(serve)
        address = server.transports.local_address(transport)
        assert address is not None
        yield address.port
        nursery.cancel_scope.cancel()


async def register(target: str, password: str | None = "secret") -> RegistrationReport:
    destination = Destination.parse(target)
    account = Account("alice", password, hosts=destination.hosts) if password is not None else None
    config = call_config(TlsConfig(verify=False))
    return await probe_registration(RegistrationProbe(destination, account), config)


@pytest.mark.parametrize(
    ("password", "kind"),
    [
        ("secret", RegistrationKind.REGISTERED),
        ("wrong", RegistrationKind.AUTHENTICATION),
        (None, RegistrationKind.AUTHENTICATION),
    ],
)
async def test_credentials(clock: MockClock, password: str | None, kind: RegistrationKind) -> None:
    async with guarded(Transport.TCP) as port:
        report = await register(f"sip:alice@{HOST}:{port};transport=tcp", password)
    assert report.kind is kind
    assert all(reply.authenticated == (password is not None) for reply in report.replies)
    assert report.oddities == ()
    assert "secret" not in repr(report)
    numbers = [each.cseq.number for each in requests_in(report)]
    assert numbers == [*range(1, len(numbers) + 1)]


@pytest.mark.parametrize(
    ("target", "transport", "contact"),
    [
        ("sips:alice@{}", Transport.TLS, rf"sips:alice@{HOST}:\d+;transport=tls"),
        ("tls://alice@{}", Transport.TLS, rf"sip:alice@{HOST}:\d+;transport=tls"),
        ("ws://alice@{}", Transport.WS, r"sip:alice@\w+\.invalid;transport=ws"),
    ],
)
async def test_how_the_contact_is_named(clock: MockClock, target: str, transport: Transport, contact: str) -> None:
    """A sips user is reached at a sips URI (RFC 3261 §8.1.1.8), and along its WebSocket a client (RFC 7118 §5.2)."""
    async with guarded(transport) as port:
        report = await register(target.format(f"{HOST}:{port}"))
    assert (report.kind, report.removed) == (RegistrationKind.REGISTERED, True), report.why
    assert re.fullmatch(contact, report.contact)
