"""The media of calls that real callers place to the built-in responder: echoed, encrypted, held, and measured."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

from probes.findings.finding import Severity
from probes.responder.happening import Happening
from probes.responder.personas import Manner, Persona
from probes.responder.run import open_responder
from probes.result import CallMedia, CallResult, CallRole
from sipcore.media.reception import Received
from sipcore.media.terms import Encryption
from sipcore.resolve.target import SocketAddress
from sipcore.sdp.attributes import PCMA, PCMU, Codec
from sipcore.sdp.terms import Direction
from tests.interop.lab import HOST, POLL_SECONDS, Lab, Server
from tests.interop.pbx import command, dial
from tests.interop.phone import PATIENCE, UDP, uri
from tests.interop.sipp import Sipp
from tests.interop.softphones import baresip

HELD_SECONDS = 0.4
"""How long SIPp holds, and goes on sending: twenty packets."""
FEW = 5
"""Packets: fewer than come while SIPp holds, more than cross the request that begins or ends it."""
SOUND_SECONDS = 5
"""Of silence, which SIPp plays again and again."""
HEARD = 3
"""Where Asterisk's statistics of a channel without a bridge tell how many packets have come."""


@dataclass(slots=True)
class Answering:
    """A responder at work. `told` is what it has told of so far."""

    port: int
    told: list[Happening] = field(default_factory=list)

    @property
    def uri(self) -> str:
        """What to call it by."""
        return uri("echo", self.port, UDP)

    async def tells(self) -> CallResult:
        """Wait until it tells of its one call."""
        while not self.told:  # noqa: ASYNC110  # it tells by a call
            await trio.sleep(POLL_SECONDS)
        assert len(self.told) == 1
        result = self.told[0].result
        assert result is not None
        assert result.role is CallRole.CALLEE
        return result


@asynccontextmanager
async def answering(
    *, hang_up_after: float | None = None, codec: Codec = PCMU, encryption: Encryption = Encryption.ALLOW
) -> AsyncIterator[Answering]:
    """A responder that answers at once, for no longer than a test may take."""
    persona = Persona(Manner(hang_up_after=hang_up_after), codecs=(codec,), encryption=encryption)
    told: list[Happening] = []
    with trio.fail_after(PATIENCE):
        async with open_responder(persona, [(UDP, SocketAddress(HOST, 0))], told.append) as responder:
            yield Answering(responder.address(UDP).port, told)


def media_of(result: CallResult, *, codec: str = "PCMU", keying: str = "none") -> tuple[CallMedia, Received]:
    """The media of a call that was answered, and in which audio went both ways as it should."""
    assert (result.final_status, result.codec) == (200, codec)
    assert result.answer_time is not None
    errors = {finding.code for finding in result.findings if finding.severity is Severity.ERROR}
    assert errors <= {"hung-up-with-cause"}  # which Asterisk gives when it is told to hang up
    media = result.media
    assert media is not None
    measured = media.measured
    assert (media.codec, measured.codec, media.keying) == (codec, codec, keying)
    received = measured.received
    assert received is not None
    assert measured.sent.packets > 0
    assert received.lost <= received.packets // 50
    assert (media.first_received is None, media.first_sent is None) == (False, False)
    return media, received


async def heard(lab: Lab, kind: str) -> dict[str, int]:
    """How many packets have come to each channel that Asterisk has opened in one of the ways of its pjsip.conf."""
    rows = [line.split() for line in (await command(lab, "pjsip show channelstats")).splitlines()]
    own = [row for row in rows if len(row) > HEARD and row[0].startswith(f"{kind}-")]
    return {f"PJSIP/{row[0]}": int(row[HEARD]) for row in own if row[HEARD].isdecimal()}


async def hear(lab: Lab, kind: str, known: Collection[str]) -> str:
    """Wait until something has come to a channel besides those that were `known`, and give its name."""
    while True:
        for name, packets in (await heard(lab, kind)).items():
            if packets and name not in known:
                return name
        await trio.sleep(POLL_SECONDS)


@pytest.mark.parametrize(
    ("kind", "keying"), [("plain", "none"), ("bob", "SDES"), ("carol", "DTLS")], ids=["plain", "SDES", "DTLS"]
)
async def test_asterisk_hears_itself(lab: Lab, asterisk: Server, kind: str, keying: str) -> None:
    """Asterisk counts only what it could decrypt, and ends the call."""
    async with answering() as responder:
        known = await heard(lab, kind)
        await dial(lab, responder.uri, kind=kind, extension="tone")
        await command(lab, f"channel request hangup {await hear(lab, kind, known)}")
        result = await responder.tells()
    media, received = media_of(result, keying=keying)
    assert result.ended_by == "hung up there"
    assert received.ptime in (None, 0.02)
    assert bool(media.measured.suite) is (keying != "none")
    assert not media.measured.security_failure
    assert media.measured.srtp is None or media.measured.srtp.total == 0


async def test_asterisk_is_hung_up_on(lab: Lab, asterisk: Server) -> None:
    async with answering(hang_up_after=1.0, codec=PCMA) as responder:
        await dial(lab, responder.uri, kind="bob", extension="tone")
        result = await responder.tells()
    media_of(result, codec="PCMA", keying="SDES")
    assert result.ended_by == "hung up here"


@pytest.mark.parametrize(
    ("kind", "encryption"), [("plain", Encryption.REQUIRE), ("bob", Encryption.DISABLE)], ids=["required", "disabled"]
)
async def test_keys_that_do_not_go_together(lab: Lab, asterisk: Server, kind: str, encryption: Encryption) -> None:
    async with answering(encryption=encryption) as responder:
        await dial(lab, responder.uri, kind=kind, extension="tone")
        result = await responder.tells()
    assert (result.final_status, result.answer_time, result.media) == (488, None, None)
    assert "encryption is to" in result.why
    assert [finding.code for finding in result.findings] == ["offer-not-accepted"]


async def test_baresip_hears_itself_and_holds_and_resumes(lab: Lab, tmp_path: Path) -> None:
    async with answering() as responder, baresip(lab, tmp_path, "caller") as phone:
        await phone.dial(responder.uri)
        await phone.tells("CALL_RTPESTAB")
        described = phone.events.count("CALL_REMOTE_SDP")
        await phone.hold()
        await phone.tells("CALL_REMOTE_SDP", described + 1)
        await phone.resume()
        await phone.tells("CALL_REMOTE_SDP", described + 2)
        await phone.hang_up()
        result = await responder.tells()
    media_of(result)
    assert result.ended_by == "hung up there"
    assert not result.media_problem  # nothing about a change that could not be followed


async def test_who_is_held_sends_nothing(lab: Lab, tmp_path: Path) -> None:
    """SIPp holds the call, and goes on sending; what comes meanwhile is not sent back (RFC 3264 §8.4)."""
    (tmp_path / "sound").write_bytes(bytes([0xFF]) * 8000 * SOUND_SECONDS)
    (tmp_path / "holding.xml").write_text(holding(tmp_path / "sound"))
    async with answering() as responder:
        await Sipp(lab, tmp_path).call(responder.port, ["-sf", str(tmp_path / "holding.xml"), "-mi", HOST])
        result = await responder.tells()
    media, received = media_of(result)
    sent = media.measured.sent
    assert result.ended_by == "hung up there"
    assert received.packets - sent.packets > FEW
    assert sent.last_at is not None
    assert received.last_at - sent.last_at < HELD_SECONDS  # it went on after that


def holding(sound: Path) -> str:
    """A scenario of SIPp: it calls, holds while its `sound` goes on, resumes, and hangs up."""
    stream = f'<nop><action><exec rtp_stream="{sound},-1,0"/></action></nop>'
    steps = [
        *_invite(1, Direction.SENDRECV),
        *[stream, _pause(HELD_SECONDS / 2)],
        *[*_invite(2, Direction.SENDONLY), _pause(HELD_SECONDS)],
        *[*_invite(3, Direction.SENDRECV), _pause(HELD_SECONDS / 2)],
        *[_send("BYE", 4), '<recv response="200"/>'],
    ]
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', '<scenario name="holding">', *steps, "</scenario>"])


def _invite(number: int, direction: Direction) -> list[str]:
    """An offer, up to its ACK."""
    received = '<recv response="100" optional="true"/><recv response="200" rrs="true"/>'
    return [_send("INVITE", number, OFFER.format(number=number, direction=direction.value)), received, _ack(number)]


def _pause(seconds: float) -> str:
    return f'<pause milliseconds="{seconds * 1000:.0f}"/>'


def _ack(number: int) -> str:
    return _send("ACK", number, repeated=False)


def _send(method: str, number: int, description: str = "", *, repeated: bool = True) -> str:
    target = "sip:[service]@[remote_ip]:[remote_port]" if (method, number) == ("INVITE", 1) else "[next_url]"
    kind = "Content-Type: application/sdp\n" if description else ""
    message = MESSAGE.format(method=method, target=target, number=number, kind=kind, description=description)
    timer = ' retrans="500"' if repeated else ""
    return f"<send{timer}><![CDATA[\n{message}\n]]></send>"


MESSAGE = """\
{method} {target} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:sipp@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: {number} {method}
Max-Forwards: 70
Contact: <sip:sipp@[local_ip]:[local_port]>
{kind}Content-Length: [len]

{description}"""
OFFER = """\
v=0
o=sipp 1 {number} IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [rtpstream_audio_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
a={direction}
"""
