"""What a call that is answered here can be told to do, tried with real callers: PRACK, digits, packet time, fields."""

from pathlib import Path

import trio

from probes.calls.script import Ends, Reliable
from probes.responder.personas import Guard, Manner, Persona
from probes.responder.run import open_responder
from probes.result import CallKind, CallResult
from sipcore.auth.server import ServerPolicy, UserTable
from sipcore.message.message import Response
from sipcore.message.method import INVITE
from sipcore.message.parser import parse_message
from sipcore.resolve.target import SocketAddress
from sipcore.trace import MessageTrace
from tests.interop import pbx
from tests.interop.lab import HOST, Lab, Server
from tests.interop.phone import PATIENCE, UDP, uri
from tests.interop.sipp import Sipp
from tests.interop.softphones import baresip

EARLY = Manner(early_media=True, delay=0.3)


async def from_asterisk(lab: Lab, persona: Persona, kind: str, extension: str = "brieftone") -> CallResult:
    """What comes of a call that Asterisk places in one of the ways of its pjsip.conf."""
    with trio.fail_after(PATIENCE):
        async with open_responder(persona, [(UDP, SocketAddress(HOST, 0))]) as responder:
            turn = responder.expect(persona)
            where = uri("echo", responder.address(UDP).port, UDP)
            await pbx.dial(lab, where, kind=kind, extension=extension)
            return await turn.result(PATIENCE)


def fields(result: CallResult, name: str) -> list[str]:
    """What the 200 to the INVITE says there."""
    messages = [parse_message(one.data) for one in result.records if isinstance(one, MessageTrace)]
    answers = [one for one in messages if isinstance(one, Response) and (one.status, one.cseq.method) == (200, INVITE)]
    return list(answers[0].headers.get_all(name))


def said(result: CallResult) -> list[str]:
    """The messages, by their first lines."""
    return [entry.label for entry in result.timeline if entry.direction]


async def test_asterisk_acknowledges_what_is_provisional(lab: Lab, asterisk: Server) -> None:
    persona = Persona(Manner(early_media=True, delay=0.3, ring=0.2), reliable=Reliable.REQUIRED)
    result = await from_asterisk(lab, persona, "acknowledged")
    assert (result.kind, [one.code for one in result.findings]) == (CallKind.CONNECTED, [])
    assert said(result).count("PRACK") == 2


async def test_an_asterisk_that_demands_it_gets_it_or_not(lab: Lab, asterisk: Server) -> None:
    taken = await from_asterisk(lab, Persona(EARLY), "reliable")
    assert (taken.kind, "PRACK" in said(taken)) == (CallKind.CONNECTED, True)
    refused = await from_asterisk(lab, Persona(EARLY, reliable=Reliable.OFF), "reliable")
    assert (refused.final_status, "PRACK" in said(refused)) == (420, False)


async def test_an_asterisk_that_cannot_is_refused(lab: Lab, asterisk: Server) -> None:
    result = await from_asterisk(lab, Persona(EARLY, reliable=Reliable.REQUIRED), "plain")
    assert result.final_status == 421
    assert "does not acknowledge provisional responses" in result.why


async def test_asterisk_reads_digits_and_sends_them_back(lab: Lab, asterisk: Server) -> None:
    result = await from_asterisk(lab, Persona(digits="1590"), "plain", "dtmf")
    assert result.media is not None
    assert (result.media.digits, result.media.keys) == ("1590", "1590")
    assert [one.code for one in result.findings] == []


async def test_asterisk_refreshes_a_session(lab: Lab, asterisk: Server) -> None:
    """It asks for two minutes, and for more where that is too little."""
    persona = Persona(Manner(ring=0.1), min_interval=150, refresher=Ends.THEM)
    result = await from_asterisk(lab, persona, "timed")
    assert (result.kind, [one.code for one in result.findings]) == (CallKind.CONNECTED, [])
    assert said(result).count("INVITE") == 2
    assert "422 Session Interval Too Small" in said(result)
    assert fields(result, "Session-Expires") == ["150;refresher=uac"]


async def test_asterisk_does_ice_with_a_lite_agent(lab: Lab, asterisk: Server) -> None:
    result = await from_asterisk(lab, Persona(ice=True), "grace")
    assert (result.kind, [one.code for one in result.findings]) == (CallKind.CONNECTED, [])
    assert result.media is not None
    assert result.media.keying == "DTLS"


async def test_asterisk_proves_who_it_is(lab: Lab, asterisk: Server) -> None:
    guard = Guard(ServerPolicy("sut.example"), UserTable({"proven": "secret"}))
    result = await from_asterisk(lab, Persona(guard=guard), "proven")
    assert (result.kind, [one.code for one in result.findings]) == (CallKind.CONNECTED, [])
    assert said(result)[:4] == ["INVITE", "401 Unauthorized", "ACK", "INVITE"]


async def test_sipp_acknowledges_and_changes_the_session(lab: Lab, tmp_path: Path) -> None:
    """By UPDATE, before the answer and after it."""
    persona = Persona(Manner(early_media=True, delay=0.5), reliable=Reliable.REQUIRED, headers=(("X-Trunk", "7"),))
    with trio.fail_after(PATIENCE):
        async with open_responder(persona, [(UDP, SocketAddress(HOST, 0))]) as responder:
            turn, peer = responder.expect(persona), Sipp(lab, tmp_path)
            await peer.call(responder.address(UDP).port, peer.scenario("caller-prack"))
            result = await turn.result(PATIENCE)
    assert (result.final_status, result.ended_by) == (200, "hung up there")
    assert [said(result).count(method) for method in ("PRACK", "UPDATE")] == [1, 2]


async def test_baresip_sends_packets_of_the_length_that_is_asked_for(lab: Lab, tmp_path: Path) -> None:
    persona = Persona(ptime=40)
    with trio.fail_after(PATIENCE):
        async with (
            open_responder(persona, [(UDP, SocketAddress(HOST, 0))]) as responder,
            baresip(lab, tmp_path, "caller") as phone,
        ):
            turn = responder.expect(persona)
            await phone.dial(uri("echo", responder.address(UDP).port, UDP))
            await phone.tells("CALL_RTPESTAB")
            await trio.sleep(1.0)
            await phone.hang_up()
            result = await turn.result(PATIENCE)
    assert result.media is not None
    assert result.media.measured.received is not None
    assert result.media.measured.received.ptime == 0.04
    assert [one.code for one in result.findings] == []
