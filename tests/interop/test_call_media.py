"""The media of test calls against real servers: sent, echoed, encrypted, early, and measured."""

from dataclasses import replace

import pytest
import trio

from probes.calls.run import place_call
from probes.calls.script import CallScript, Ends, Reliable
from probes.destination import Destination
from probes.result import CallKind, CallMedia, CallResult, CallStatus
from sipcore.auth.choice import Account
from sipcore.endpoint.endpoint import EndpointConfig
from sipcore.media.terms import Encryption, Keying
from sipcore.message.address import Address
from sipcore.resolve.target import Transport
from sipcore.transports.base import TlsConfig, TransportConfig
from tests.interop.lab import Server

HOLD = 2.5
"""Seconds: a period of the known signal, and some more."""
TIMEOUT = 60.0
PASSWORD = "secret"


async def place(server: Server, user: str, **changes: object) -> CallResult:
    """Call a user of a server over UDP."""
    script = CallScript(
        Destination(server.host, server.udp_port, Transport.UDP, user),
        **({"hold": HOLD} | changes),  # type: ignore[arg-type]  # the fields of a script
    )
    tls = TlsConfig(ca_file=str(server.ca_file) if server.ca_file else None)
    with trio.fail_after(TIMEOUT):
        return await place_call(script, EndpointConfig(transports=TransportConfig(tls=tls)))


def as_user(server: Server, user: str) -> dict[str, object]:
    """By a user of the server, whose From it is recognised by."""
    caller = Address.parse(f"<sip:{user}@{server.host}>")
    return {"caller": caller, "account": Account(user, PASSWORD, hosts=[server.host])}


def media_of(result: CallResult) -> CallMedia:
    assert result.status is CallStatus.CONNECTED, result.why
    assert result.media is not None, result.media_problem
    return result.media


def heard_again(media: CallMedia) -> bool:
    """Whether the known signal came back."""
    return media.measured.heard is not None and media.measured.heard.echo is not None


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
async def test_an_echo_is_found_and_measured(asterisk: Server, codec: str) -> None:
    result = await place(asterisk, "echo", codecs=(codec,))
    media = media_of(result)
    assert result.kind is CallKind.CONNECTED
    assert (media.codec, media.measured.codec, media.keying) == (codec, codec, "none")
    received = media.measured.received
    assert received is not None
    assert (received.lost, received.ptime) == (0, 0.02)
    assert heard_again(media)
    assert media.measured.opinion is not None
    assert media.measured.opinion > 4


@pytest.mark.parametrize(("user", "keying"), [("bob", Keying.SDES), ("carol", Keying.DTLS)], ids=["SDES", "DTLS"])
async def test_srtp_that_is_required(asterisk: Server, user: str, keying: Keying) -> None:
    wishes = {"encryption": Encryption.REQUIRE, "keying": keying}
    media = media_of(await place(asterisk, "echo", **as_user(asterisk, user), **wishes))
    assert media.keying == keying.value
    assert media.measured.suite
    assert not media.measured.security_failure
    assert media.measured.srtp is not None
    assert media.measured.srtp.total == 0
    assert heard_again(media)


async def test_srtp_that_is_missing_is_a_refusal(asterisk: Server) -> None:
    result = await place(asterisk, "echo", **as_user(asterisk, "bob"))
    assert (result.status, result.final_status) == (CallStatus.FAILED, 488)


async def test_a_handshake_that_is_missing(asterisk: Server) -> None:
    result = await place(asterisk, "echo", **as_user(asterisk, "carol"))
    assert (result.status, result.kind) == (CallStatus.CONNECTED, CallKind.NO_MEDIA)
    assert media_of(result).measured.unexpected.handshakes  # which it begins all the same


async def test_srtp_that_is_allowed_is_used_where_it_can_be(asterisk: Server) -> None:
    secured = media_of(await place(asterisk, "echo", encryption=Encryption.ALLOW))
    assert secured.keying in ("SDES", "none")
    assert heard_again(secured)


async def test_early_media_is_heard(asterisk: Server) -> None:
    result = await place(asterisk, "early", hold=0.5)
    media = media_of(result)
    assert media.early
    assert media.first_received is not None
    assert result.answer_time is not None
    assert media.first_received < result.answer_time
    names = [event.name for event in result.events]
    assert names.index("early_media") < names.index("answered")


async def test_early_media_that_is_not_wanted(asterisk: Server) -> None:
    result = await place(asterisk, "early", hold=0.5, early_media=False)
    assert not media_of(result).early
    assert "early_media" not in [event.name for event in result.events]


async def test_four_digits_are_sent_back(asterisk: Server) -> None:
    result = await place(asterisk, "dtmf", digits="1590", hangs_up=Ends.THEM, longest=20.0)
    media = media_of(result)
    assert (media.keys, media.digits_echoed) == ("1590", True)
    assert result.ended_by == "hung up there"


async def test_a_tone_is_recognised(asterisk: Server) -> None:
    media = media_of(await place(asterisk, "tone"))
    assert media.measured.heard is not None
    assert (1004,) in [tone for tone, _ in media.measured.heard.tones]


async def test_who_sends_nothing_is_told(asterisk: Server) -> None:
    result = await place(asterisk, "silent")
    assert (result.status, result.kind) == (CallStatus.CONNECTED, CallKind.NO_MEDIA)
    assert media_of(result).measured.one_way


@pytest.mark.parametrize("user", ["plain", "reliable"])
async def test_reliable_responses_as_the_callee_wants_them(asterisk: Server, user: str) -> None:
    caller = Address.parse(f"<sip:{user}@{asterisk.host}>")
    result = await place(asterisk, "earlier", caller=caller, hold=0.3)
    assert result.status is CallStatus.CONNECTED
    assert ("PRACK" in [entry.label for entry in result.timeline]) is (user != "plain")


async def test_reliable_responses_that_are_required(asterisk: Server) -> None:
    caller = Address.parse(f"<sip:acknowledged@{asterisk.host}>")
    result = await place(asterisk, "earlier", caller=caller, reliable=Reliable.REQUIRED, hold=0.3)
    assert result.status is CallStatus.CONNECTED
    assert "PRACK" in [entry.label for entry in result.timeline]


async def test_a_session_timer_is_agreed_on(asterisk: Server) -> None:
    caller = Address.parse(f"<sip:timed@{asterisk.host}>")
    result = await place(asterisk, "echo", caller=caller, session_interval=120, hold=0.3)
    assert result.status is CallStatus.CONNECTED


async def test_without_reliable_responses(asterisk: Server) -> None:
    result = await place(asterisk, "earlier", reliable=Reliable.OFF, hold=0.3)
    assert "PRACK" not in [entry.label for entry in result.timeline]
    assert result.status is CallStatus.CONNECTED


async def test_baresip_plays_its_tone(baresip: Server) -> None:
    result = await place(baresip, "echo")
    media = media_of(result)
    assert media.measured.heard is not None
    assert (425,) in [tone for tone, _ in media.measured.heard.tones]
    assert media.measured.received is not None
    assert media.measured.received.lost == 0


async def test_sipp_sends_rtp_back(sipp: Server) -> None:
    media = media_of(await place(sipp, "echo"))
    assert heard_again(media)
    assert media.measured.received is not None


@pytest.mark.parametrize(("user", "keying"), [("sdes", Keying.SDES), ("srtp", Keying.SDES), ("dtls", Keying.DTLS)])
async def test_baresip_encrypts(baresip: Server, user: str, keying: Keying) -> None:
    media = media_of(await place(baresip, user, encryption=Encryption.REQUIRE, keying=keying))
    assert media.keying == keying.value
    assert media.measured.received is not None
    assert not media.measured.security_failure


async def test_the_other_calls_are_not_disturbed(asterisk: Server) -> None:
    """Some at once, each with ports of its own."""
    results: list[CallResult] = []

    async def one() -> None:
        results.append(await place(asterisk, "echo", hold=1.0))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(one)
    assert [media_of(result).measured.received is not None for result in results] == [True] * 5
    assert len({media_of(replace(result)).local for result in results}) == 5
