"""Asking for codecs on loopback: what callees of all kinds see of it, and what is found out about them."""

import math
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import MockClock

from probes.calls.codecs.run import CodecProbe, probe_codecs
from probes.calls.number import RefusedNumber
from probes.calls.talk.run import LATE
from probes.checks.codecs import Asking, Reply, Standing, Way
from probes.checks.codecs_answer import Security
from probes.checks.codecs_judge import CodecReport, Support
from probes.destination import Destination
from probes.result import CallKind
from sipcore.dialogs.effects import EndReason
from sipcore.dialogs.session import description_of
from sipcore.endpoint.call import IncomingCall
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.errors import LocalError
from sipcore.events import CallConfirmed, CallOffered
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.sdp.build import origin_of
from sipcore.sdp.codecs import codecs_named
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.negotiation import Capability, Place, answer_to, choose
from sipcore.sdp.terms import SDP
from sipcore.stack_config import StackConfig
from sipcore.transports.base import TransportConfig
from tests.probes.discovery.network import HOST, ok, udp

PLAIN = Asking(securities=())
WARNING = '304 callee.example "no codec in common"'


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms: no test waits for its timeouts."""
    return MockClock(autojump_threshold=0.05)


@dataclass
class Callee:
    """Somebody who is called. `port` is where its answers say that media goes."""

    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    single: bool = False
    port: int = 40000
    calls: list[IncomingCall] = field(default_factory=list)
    offers: list[SessionDescription] = field(default_factory=list)

    def answer(self, offer: bytes) -> bytes:
        """The answer to an offer, empty where nothing of it is known; the offer is kept."""
        read = SessionDescription.parse(offer)
        self.offers.append(read)
        choices = choose(read, [Capability(codecs_named(self.codecs), single=self.single)])
        accepted = [(choice, Place(HOST, self.port)) for choice in choices]
        return bytes(answer_to(read, accepted, origin_of(HOST, 1, len(self.offers)))) if accepted else b""

    async def accept(self, call: IncomingCall) -> None:
        """Answer the call and every offer in it."""
        offer = description_of(call.invite)
        body = self.answer(offer) if offer else b""
        if not body:
            call.reject(488, fields=[("Warning", WARNING)])
            return
        call.accept(body=body, content_type=SDP)
        await self.stay(call)

    async def stay(self, call: IncomingCall) -> None:
        """Answer every offer until the call is over."""
        async for event in call:
            if isinstance(event, CallOffered):
                body = self.answer(description_of(event.message))
                if body:
                    call.answer(body)
                else:
                    call.decline(488)


Answer = Callable[[IncomingCall], Awaitable[None]]


@asynccontextmanager
async def listening(callee: Callee, answer: Answer) -> AsyncIterator[Destination]:
    """A callee at a free port."""
    binds = ((Transport.UDP, SocketAddress(HOST, 0)),)
    stack = StackConfig(answers_offers=False)
    config = EndpointConfig(transports=TransportConfig(bind=binds), stack=stack, takes_incoming=True)
    async with Endpoint(config) as endpoint, trio.open_nursery() as nursery:

        async def take() -> None:
            async for incoming in endpoint.incoming():
                assert isinstance(incoming, IncomingCall)
                callee.calls.append(incoming)
                nursery.start_soon(answer, incoming)

        nursery.start_soon(take)
        address = endpoint.transports.local_address(Transport.UDP)
        assert address
        yield Destination(address.host, address.port, user="bob")
        nursery.cancel_scope.cancel()


async def ask(callee: Callee, answer: Answer | None = None, asking: Asking = PLAIN, **changes: object) -> CodecReport:
    """What is found out about a callee, all of whose calls are over then."""
    with trio.fail_after(60):
        async with listening(callee, answer or callee.accept) as destination:
            probe = CodecProbe(destination, asking, **changes)  # type: ignore[arg-type]
            report = await probe_codecs(probe)
            for call in callee.calls:
                await call.over()
    return report


def states(report: CodecReport) -> dict[str, str]:
    return {one.name: one.support.value for one in (*report.codecs, *report.securities)}


def ways(report: CodecReport) -> list[Way]:
    return [reply.question.way for reply in report.replies]


async def test_one_call_tells_everything() -> None:
    callee = Callee(single=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        media.bind((HOST, 0))
        media.setblocking(False)
        callee.port = media.getsockname()[1]
        report = await ask(callee, asking=Asking())
        with pytest.raises(BlockingIOError):
            media.recv(1)  # no media was sent
    assert [name for name, state in states(report).items() if state == "accepted"] == [
        *("PCMU", "PCMA", "telephone-event", "RTP"),
    ]
    assert states(report)["opus"] == "refused"
    assert report.works
    # What was refused inside the first call was offered again in one of its own, since nothing like it was taken there.
    assert len(callee.calls) == report.invites == 1 + 3
    assert [offer.media[0].protocol for offer in callee.offers[-3:]] == [one.profile for one in list(Security)[1:]]
    assert callee.calls[0].end_reason is EndReason.REMOTE_HANG_UP


async def test_offers_follow_each_other_as_they_must() -> None:
    callee = Callee(single=True)
    report = await ask(callee)
    assert ways(report) == [Way.INVITE, *[Way.REINVITE] * 3]
    versions = [offer.origin.session_version for offer in callee.offers]
    assert versions == sorted(set(versions))
    assert len({offer.origin.session_id for offer in callee.offers}) == 1
    assert len({offer.media[0].port for offer in callee.offers}) == 1
    assert report.ptime is None


async def test_ports_are_there_for_what_the_peer_sends() -> None:
    callee = Callee()

    async def send(call: IncomingCall) -> None:
        place = SessionDescription.parse(description_of(call.invite)).media[0].port
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
            for port in (place, place + 1):
                media.connect((HOST, port))
                for _ in range(3):
                    media.send(bytes(12))  # which raises once ICMP has told that nobody is there
                    await trio.sleep(0.01)
        await callee.accept(call)

    assert (await ask(callee, send)).works


async def test_nothing_in_common() -> None:
    callee = Callee(("opus",))
    asking = Asking(("PCMU", "G729"), ())
    sdp = bytes(SessionDescription.parse(Callee(("PCMA",)).answer(EVERYTHING)))

    async def refuse(call: IncomingCall) -> None:
        if description_of(call.invite):
            call.reject(488, fields=[("Warning", WARNING)])
        else:
            call.accept(body=sdp, content_type=SDP)
            await call.over()

    report = await ask(callee, refuse, asking)
    assert (report.works, report.kind) == (False, CallKind.CONNECTED)
    assert states(report)["PCMU"] == states(report)["G729"] == "refused"
    assert report.own is not None
    assert [codec.encoding for codec in report.own] == ["PCMA"]
    assert callee.calls[-1].end_reason is EndReason.REMOTE_HANG_UP
    assert WARNING in str(report.replies[0].response and report.replies[0].response.headers.get("Warning"))


EVERYTHING = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 9 18\r\n"
)


async def test_a_phone_that_rings_is_called_once(clock: MockClock) -> None:
    callee = Callee()

    async def ring(call: IncomingCall) -> None:
        call.ring()
        await call.over()

    started = trio.current_time()
    report = await ask(callee, ring, Asking(), ring_time=3.0)
    assert trio.current_time() - started < 5
    assert (len(callee.calls), report.invites, report.rang) == (1, 1, True)
    assert callee.calls[0].end_reason is EndReason.CANCELLED
    assert report.kind is CallKind.NOT_ANSWERED
    assert set(states(report).values()) == {"unknown"}
    assert report.unfinished
    assert report.advice


async def test_a_phone_that_rings_with_an_answer_is_not_waited_for(clock: MockClock) -> None:
    callee = Callee()

    async def ring(call: IncomingCall) -> None:
        call.ring()
        call.ring(183, reliably=False, body=callee.answer(description_of(call.invite)), content_type=SDP)
        await call.over()

    started = trio.current_time()
    report = await ask(callee, ring)
    assert trio.current_time() - started < 2
    assert (ways(report), callee.calls[0].end_reason) == ([Way.INVITE], EndReason.CANCELLED)
    assert states(report) | {"RTP": "accepted"} == states(report)
    assert (states(report)["PCMU"], states(report)["opus"]) == ("accepted", "refused")  # it names more than one


async def test_a_reliable_answer_is_gone_on_with_by_update(clock: MockClock) -> None:
    callee = Callee(single=True)

    async def ring(call: IncomingCall) -> None:
        call.ring()
        answer = callee.answer(description_of(call.invite))
        call.ring(183, reliably=True, fields=[("Allow", "INVITE, UPDATE")], body=answer, content_type=SDP)
        await callee.stay(call)

    report = await ask(callee, ring)
    assert ways(report) == [Way.INVITE, Way.UPDATE, Way.UPDATE]
    assert (states(report)["PCMA"], states(report)["G722"]) == ("accepted", "refused")
    assert (len(callee.calls), callee.calls[0].end_reason) == (1, EndReason.CANCELLED)


async def test_an_announcement_is_waited_for(clock: MockClock) -> None:
    callee = Callee()

    async def announce(call: IncomingCall) -> None:
        body = callee.answer(description_of(call.invite))
        call.ring(183, reliably=False, body=body, content_type=SDP)
        await trio.sleep(1)
        call.accept(body=body, content_type=SDP)
        await callee.stay(call)

    report = await ask(callee, announce)
    assert ways(report) == [Way.INVITE, Way.REINVITE, Way.REINVITE]
    assert [reply.standing for reply in report.replies] == [Standing.EARLY, Standing.UP, Standing.UP]


async def test_an_announcement_without_end_is_given_up(clock: MockClock) -> None:
    callee = Callee()

    async def announce(call: IncomingCall) -> None:
        body = callee.answer(description_of(call.invite))
        call.ring(183, reliably=False, body=body, content_type=SDP)
        await call.over()

    report = await ask(callee, announce, Asking())
    assert (ways(report), callee.calls[0].end_reason) == ([Way.INVITE, Way.REINVITE], EndReason.CANCELLED)
    assert states(report)["SRTP by SDES"] == "unknown"
    assert "rung" in report.unfinished


async def test_a_callee_that_hangs_up_is_called_again() -> None:
    callee = Callee(single=True)

    async def hang_up(call: IncomingCall) -> None:
        body = callee.answer(description_of(call.invite))
        if not body:
            call.reject(488)
            return
        call.accept(body=body, content_type=SDP)
        async for event in call:
            if isinstance(event, CallConfirmed | CallOffered):
                await call.hang_up()

    report = await ask(callee, hang_up)
    assert ways(report).count(Way.INVITE) == len(callee.calls) == 3
    assert (states(report)["PCMA"], states(report)["opus"]) == ("accepted", "refused")


@pytest.mark.parametrize(
    ("body", "oddity"), [(b"", "missing"), (b"v=0\r\nnonsense\r\n", "malformed")], ids=["none", "malformed"]
)
async def test_an_answer_that_cannot_be_used(clock: MockClock, body: bytes, oddity: str) -> None:
    fields = (f"Contact: <sip:{HOST}:9>", *(["Content-Type: application/sdp"] if body else []))

    def respond(data: bytes) -> bytes | None:
        return ok(data, *fields, body=body) if data.startswith((b"INVITE", b"BYE")) else None

    async with udp(respond) as port:
        asking = Asking(securities=(), max_invites=1)
        report = await probe_codecs(CodecProbe(Destination(HOST, port, Transport.UDP, "bob"), asking, timeout=1))
    assert not report.works
    assert oddity in [remark.code for remark in report.remarks]
    assert set(states(report).values()) == {"unknown"}


async def test_cancelled_in_the_middle() -> None:
    callee = Callee()
    up = trio.Event()

    async def accept(call: IncomingCall) -> None:
        call.accept(body=callee.answer(description_of(call.invite)), content_type=SDP)
        async for event in call:
            if isinstance(event, CallOffered):
                up.set()  # and let it wait

    with trio.fail_after(20):
        async with listening(callee, accept) as destination, trio.open_nursery() as nursery:
            nursery.start_soon(probe_codecs, CodecProbe(destination, PLAIN))
            await up.wait()
            nursery.cancel_scope.cancel()
        assert callee.calls[0].end_reason is EndReason.REMOTE_HANG_UP


@pytest.mark.parametrize("moment", range(4))
async def test_cancelled_between_two_questions(moment: int) -> None:
    callee, told = Callee(single=True), list[Reply]()
    with trio.fail_after(20):
        async with listening(callee, callee.accept) as destination:
            with trio.CancelScope() as scope:

                def stop(reply: Reply) -> None:
                    told.append(reply)
                    if len(told) > moment:
                        scope.cancel()

                await probe_codecs(CodecProbe(destination, PLAIN), on_reply=stop)
        assert moment < len(told) <= moment + 2  # the next answer may have come before the cancellation has
        assert [call.end_reason for call in callee.calls] == [EndReason.REMOTE_HANG_UP]


async def test_replies_are_told_as_they_come() -> None:
    callee, told = Callee(), list[Reply]()
    with trio.fail_after(20):
        async with listening(callee, callee.accept) as destination:
            hop = Hop(Transport.UDP, SocketAddress(destination.host, destination.port or 0))
            probe = CodecProbe(Destination("callee.invalid", user="bob"), PLAIN)
            report = await probe_codecs(probe, on_reply=told.append, hop=hop)
    assert tuple(told) == report.replies
    assert report.hop is not None
    assert report.hop.remote == hop.remote


async def test_nothing_listens() -> None:
    with trio.fail_after(20):
        report = await probe_codecs(CodecProbe(Destination(HOST, 9, Transport.TCP, "bob")))
    assert (report.kind, report.works, len(report.replies)) == (CallKind.REFUSED, False, 1)


async def test_silence(clock: MockClock) -> None:
    began = trio.current_time()
    async with udp(lambda _: None) as port:
        report = await probe_codecs(CodecProbe(Destination(HOST, port, Transport.UDP, "bob"), timeout=1))
    assert trio.current_time() - began < 1 + LATE + 0.5  # nobody is there whose answer to a CANCEL is worth waiting for
    assert (report.kind, report.unfinished) == (CallKind.NO_ANSWER, "nothing came back")


async def test_no_address() -> None:
    with trio.fail_after(20):
        report = await probe_codecs(CodecProbe(Destination("callee.invalid", 5060, Transport.UDP, "bob")))
    assert (report.kind, report.hop, report.replies) == (CallKind.UNRESOLVABLE, None, ())
    assert report.unfinished


def test_who_must_not_be_called() -> None:
    with pytest.raises(RefusedNumber):
        CodecProbe(Destination(HOST, user="112"))
    CodecProbe(Destination(HOST, user="112"), allowed=frozenset({"emergency"}))


async def test_what_each_way_to_protect_media_offers() -> None:
    callee = Callee(())
    report = await ask(callee, asking=Asking(("PCMU",)))
    profiles = [offer.media[0].protocol for offer in callee.offers]
    assert profiles == [security.profile for security in Security]
    _, sdes, dtls, browser = (offer.media[0] for offer in callee.offers)
    assert len(sdes.crypto) == 4
    assert dtls.fingerprints == browser.fingerprints
    assert (dtls.rtcp_mux, browser.rtcp_mux, len(browser.candidates)) == (False, True, 2)
    assert all(one.support is not Support.ACCEPTED for one in report.securities)


@pytest.mark.parametrize("name", ["ring_time", "timeout"])
@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan])
def test_times_that_are_none(name: str, seconds: float) -> None:
    with pytest.raises(LocalError, match=f"{name} is a time above 0 s, not {seconds}"):
        CodecProbe(Destination(HOST), **{name: seconds})  # type: ignore[arg-type]  # its fields
