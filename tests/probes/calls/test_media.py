"""Test calls against the built-in responder: what flows and what is measured. Times are real, and short."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio

from probes.calls.expect import Expectation
from probes.calls.judge.facts import facts_of
from probes.calls.judge.find import find
from probes.calls.run import place_call
from probes.calls.script import CallScript, Ends, Reliable
from probes.capture.stored import result_of
from probes.destination import Destination
from probes.findings.finding import Severity
from probes.report.call_json import call_data
from probes.responder.personas import Manner, Persona
from probes.responder.run import Responder, open_responder
from probes.result import CallKind, CallMedia, CallResult, CallRole, CallStatus
from sipcore.endpoint.media.media import open_media
from sipcore.errors import own_fault
from sipcore.media.receiver import Receiver
from sipcore.media.report import MediaEvent
from sipcore.media.rtp import RtpPacket
from sipcore.media.terms import Agreement, Encryption, Keying, Terms, agreement
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.sdp.attributes import PCMA
from sipcore.sdp.description import SessionDescription
from tests.conftest import Injected

HOLD = 0.8
"""Seconds: some of the known signal comes back, and one report of RTCP does."""


@asynccontextmanager
async def responding(persona: Persona | None = None) -> AsyncIterator[Responder]:
    binds = [(Transport.UDP, SocketAddress("127.0.0.1", 0))]
    with trio.fail_after(30):
        async with open_responder(persona or Persona(), binds) as responder:
            yield responder


async def dial(responder: Responder, user: str, **changes: object) -> CallResult:
    destination = Destination.parse(f"sip:{user}@{responder.address(Transport.UDP)}")
    return await place_call(CallScript(destination, **({"hold": HOLD} | changes)))  # type: ignore[arg-type]


def media_of(result: CallResult) -> CallMedia:
    assert result.media is not None, result.media_problem
    return result.media


def places(result: CallResult, *labels: str) -> list[int]:
    told = [entry.label for entry in result.timeline]
    return [told.index(label) for label in labels]


async def test_media_flows_both_ways() -> None:
    async with responding() as responder:
        result = await dial(responder, "echo")
    media = media_of(result)
    received = media.measured.received
    assert received is not None
    assert (result.kind, result.codec, media.codec, media.ptime, media.keying) == (
        *(CallKind.CONNECTED, "PCMU", "PCMU", 0.02, "none"),
    )
    assert received.packets > 10
    assert media.measured.opinion is not None
    assert media.measured.heard is not None
    assert media.measured.heard.echo is not None
    assert media.first_sent is not None
    assert media.first_received is not None
    assert result.answer_time is not None
    assert media.first_received >= result.answer_time
    order = places(result, "200 OK", "first RTP sent", "first RTP received", "BYE", "completed")
    assert order == sorted(order)
    assert [event.name for event in result.events] == ["initiated", "answered", "media", "hanging_up", "completed"]
    assert (result.ended_by, result.unmet, media.late) == ("hung up here", None, 0)


@pytest.mark.parametrize("keying", [Keying.SDES, Keying.DTLS])
@pytest.mark.parametrize("encryption", [Encryption.ALLOW, Encryption.REQUIRE])
async def test_media_is_encrypted(encryption: Encryption, keying: Keying) -> None:
    async with responding() as responder:
        media = media_of(await dial(responder, "echo", encryption=encryption, keying=keying, hold=0.4))
    assert (media.keying, media.measured.suite) == (keying.value, "AES_CM_128_HMAC_SHA1_80")
    assert media.measured.received is not None


async def test_encryption_that_one_side_does_not_want() -> None:
    async with responding(Persona(encryption=Encryption.DISABLE)) as responder:
        refused = await dial(responder, "echo", encryption=Encryption.REQUIRE)
        plain = await dial(responder, "echo", encryption=Encryption.ALLOW, hold=0.2)
    assert (refused.status, refused.final_status) == (CallStatus.FAILED, 488)
    assert media_of(plain).keying == "none"
    async with responding(Persona(encryption=Encryption.REQUIRE)) as responder:
        assert (await dial(responder, "echo")).final_status == 488


async def test_digits_come_back() -> None:
    async with responding() as responder:
        result = await dial(responder, "echo", digits="5#", hold=0.0)
    media = media_of(result)
    assert (media.measured.sent.keys, media.keys, media.digits_echoed) == ("5#", "5#", True)
    assert [entry.detail for entry in result.timeline if entry.label == "DTMF sent"] == ["5", "#"]


@pytest.mark.parametrize("accepted", [True, False])
async def test_early_media(accepted: bool) -> None:
    async with responding(Persona(Manner(early_media=True, delay=0.5))) as responder:
        result = await dial(responder, "alice", early_media=accepted, hold=0.2)
    media = media_of(result)
    assert media.early is accepted
    first, answer = places(result, "first RTP sent", "ACK")
    assert (first < answer) is accepted
    assert ("early_media" in [event.name for event in result.events]) is accepted
    assert result.ring_time is not None
    assert media.measured.received is not None


async def test_they_hang_up() -> None:
    async with responding(Persona(Manner(hang_up_after=0.3))) as responder:
        result = await dial(responder, "alice", hangs_up=Ends.THEM, hold=0.0)
    assert result.ended_by == "hung up there"
    assert media_of(result).measured.received is not None


async def test_no_call_lasts_for_ever() -> None:
    async with responding() as responder:
        result = await dial(responder, "echo", hangs_up=Ends.THEM, hold=0.0, longest=0.3)
    assert result.ended_by == "hung up here"


@pytest.mark.parametrize(("user", "text", "met"), [("486", "busy", True), ("echo", "busy", False)])
async def test_an_expectation(user: str, text: str, met: bool) -> None:
    async with responding() as responder:
        result = await dial(responder, user, expect=Expectation.parse(text), hold=0.1)
    assert (result.unmet == "") is met


async def test_the_callee_chooses_the_codec() -> None:
    async with responding(Persona(codecs=(PCMA,))) as responder:
        result = await dial(responder, "echo", hold=0.3)
    assert (result.codec, media_of(result).measured.codec) == ("PCMA", "PCMA")


async def test_packets_of_another_length() -> None:
    async with responding() as responder:
        media = media_of(await dial(responder, "echo", ptime=40, hold=0.4))
    received = media.measured.received
    assert received is not None
    assert (media.ptime, received.ptime) == (0.04, 0.04)


async def test_what_the_invite_says() -> None:
    async with responding() as responder:
        result = await dial(responder, "486", headers=(("X-Trunk", "7"),), privacy=("id",), reliable=Reliable.OFF)
    invite = result.records[0].data  # type: ignore[union-attr]  # it is a message
    assert b"\r\nX-Trunk: 7\r\n" in invite
    assert b"\r\nPrivacy: id\r\n" in invite
    assert b"100rel" not in invite


async def test_many_calls_share_one_pacer() -> None:
    results: list[CallResult] = []

    async def one(responder: Responder) -> None:
        destination = Destination.parse(f"sip:echo@{responder.address(Transport.UDP)}")
        results.append(await place_call(CallScript(destination, hold=1.0), media=media))

    async with responding() as responder, open_media() as media, trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(one, responder)
    assert [result.kind for result in results] == [CallKind.CONNECTED] * 5
    assert all(media_of(result).measured.received is not None for result in results)


async def test_a_value_of_a_call_has_no_keys_in_its_words() -> None:
    async with responding() as responder:
        result = await dial(responder, "echo", encryption=Encryption.REQUIRE, hold=0.1)
    offered = next(entry for entry in result.timeline if entry.label == "INVITE")
    assert offered.record is not None
    assert b"inline:" in offered.record.data  # type: ignore[union-attr]  # it is a message
    assert "inline:" not in repr(replace(result))


class InjectedKeyError(KeyError, Injected):
    """A mistake that quotes what it was met over."""


async def test_a_mistake_over_what_the_peer_describes_is_told_and_costs_the_media(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left, legs = [InjectedKeyError("of a peer")], list[object]()

    def broken(local: SessionDescription, remote: SessionDescription, terms: Terms) -> Agreement:
        legs.append(terms)
        if len(legs) > 1 and left:  # the callee agrees first
            raise left.pop()
        return agreement(local, remote, terms)

    monkeypatch.setattr("sipcore.endpoint.media.leg.agreement", broken)
    async with responding() as responder:
        result = await dial(responder, "echo", hold=0.2)
        assert (await dial(responder, "echo", hold=0.2)).status is CallStatus.CONNECTED
    assert result.media_problem == own_fault().message
    assert result.final_status == 200
    (finding,) = (each for each in result.findings if each.code == "own-fault")
    assert finding.evidence[0].startswith("over the descriptions in force: InjectedKeyError (")


@pytest.mark.parametrize("side", [CallRole.CALLER, CallRole.CALLEE])
async def test_a_mistake_over_a_packet_is_told_and_costs_that_packet(
    monkeypatch: pytest.MonkeyPatch, side: CallRole
) -> None:
    work, left, receivers = Receiver.add, [InjectedKeyError("of a peer")], list[Receiver]()

    def broken(receiver: Receiver, packet: RtpPacket, at: float) -> Sequence[MediaEvent]:
        if receiver not in receivers:
            receivers.append(receiver)
        if left and len(receivers) == 1 + (side is CallRole.CALLER):  # the callee hears of the caller first
            raise left.pop()
        return work(receiver, packet, at)

    monkeypatch.setattr(Receiver, "add", broken)
    async with responding() as responder:
        turn = responder.expect(Persona())
        caller = await dial(responder, "echo", hold=0.5)
        callee = await turn.result(5.0)
    assert {caller.kind, callee.kind} == {CallKind.CONNECTED}
    with_it, without = (caller, callee) if side is CallRole.CALLER else (callee, caller)
    (finding,) = (each for each in with_it.findings if each.code == "own-fault")
    assert finding.severity is Severity.WARNING
    assert "own-fault" not in [each.code for each in without.findings]
    assert finding.evidence[0].startswith("over rtp from 127.0.0.1:")
    assert "of a peer" not in finding.evidence[0]
    assert [media_of(call).measured.unexpected.faults for call in (with_it, without)] == [1, 0]
    assert "own-fault" in [each.code for each in find(facts_of(result_of(call_data(with_it))))]
