"""Test calls in G.722, Opus and G.729, against real servers and the built-in responder."""

from collections.abc import Iterator

import pytest
import trio

from probes.calls.run import place_call
from probes.calls.script import CallScript, Ends
from probes.destination import Destination
from probes.responder.personas import Persona
from probes.responder.run import open_responder
from probes.result import CallMedia, CallStatus
from sipcore.media.terms import Encryption, Keying
from sipcore.message.address import Address
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.sdp.codecs import codecs_named
from tests.interop import servers
from tests.interop.conftest import _provide
from tests.interop.lab import HOST, Lab, Server

HOLD = 2.5
"""Seconds: a period of the known signal, and some more."""
TIMEOUT = 60.0
WIDEBAND = pytest.mark.parametrize("codec", ["G722", "opus"])


@pytest.fixture(scope="module")
def wide(lab: Lab) -> Iterator[Server]:
    """A baresip that speaks Opus and G.722, and sends back what it hears, encoded anew."""
    yield from _provide(servers.baresip, lab, "baresip-wide")


async def place(destination: Destination, **changes: object) -> CallMedia:
    """The media of a call, which is answered."""
    script = CallScript(destination, **({"hold": HOLD} | changes))  # type: ignore[arg-type]  # the fields of a script
    with trio.fail_after(TIMEOUT):
        result = await place_call(script)
    assert result.status is CallStatus.CONNECTED, result.why
    assert result.media is not None, result.media_problem
    return result.media


async def at_asterisk(server: Server, user: str, **changes: object) -> CallMedia:
    """A call by the user that Asterisk has wideband codecs for."""
    caller = Address.parse(f"<sip:wide@{server.host}>")
    return await place(Destination(server.host, server.udp_port, Transport.UDP, user), caller=caller, **changes)


def check(media: CallMedia, codec: str, keying: str = "none") -> None:
    """Sound went both ways as it should."""
    measured = media.measured
    assert (media.codec, measured.codec, media.keying) == (codec, codec, keying)
    received = measured.received
    assert received is not None
    assert received.lost <= received.packets // 10
    assert received.ptime == 0.02
    assert received.jitter < 0.08  # which a wrong clock rate would make much more of
    assert received.drift is None or abs(received.drift) < 20_000
    assert measured.unexpected.malformed == 0
    assert measured.heard is not None
    assert measured.heard.echo is not None
    assert measured.opinion is not None
    assert measured.opinion > 3.5


@WIDEBAND
async def test_asterisk_echoes(asterisk: Server, codec: str) -> None:
    check(await at_asterisk(asterisk, "echo", codecs=(codec,)), codec)


@WIDEBAND
async def test_asterisk_echoes_what_is_encrypted(asterisk: Server, codec: str) -> None:
    encrypted = {"encryption": Encryption.REQUIRE, "keying": Keying.SDES}
    media = await at_asterisk(asterisk, "echo", codecs=(codec, "PCMU"), **encrypted)
    check(media, codec, "SDES")


@WIDEBAND
async def test_a_tone_of_asterisk(asterisk: Server, codec: str) -> None:
    """It makes it in linear samples, and encodes them."""
    media = await at_asterisk(asterisk, "tone", codecs=(codec,))
    assert media.measured.codec == codec
    assert media.measured.heard is not None
    assert (1004,) in [tone for tone, _ in media.measured.heard.tones]


@WIDEBAND
async def test_four_digits_are_sent_back(asterisk: Server, codec: str) -> None:
    media = await at_asterisk(asterisk, "dtmf", codecs=(codec,), digits="1590", hangs_up=Ends.THEM, longest=20.0)
    assert (media.keys, media.digits_echoed) == ("1590", True)
    assert all(0.05 < key.duration < 0.4 for key in media.measured.keys)  # at the clock rate of another codec, 0.6


@WIDEBAND
@pytest.mark.parametrize(("user", "keying"), [("echo", None), ("srtp", Keying.SDES), ("dtls", Keying.DTLS)])
async def test_baresip_decodes_and_encodes_again(wide: Server, codec: str, user: str, keying: Keying | None) -> None:
    wishes = {"encryption": Encryption.REQUIRE, "keying": keying} if keying else {}
    destination = Destination(wide.host, wide.udp_port, Transport.UDP, user)
    media = await place(destination, codecs=(codec,), hold=2 * HOLD, **wishes)
    check(media, codec, keying.value if keying else "none")


@pytest.mark.parametrize("codec", ["G722", "opus", "G729"])
@pytest.mark.parametrize("keying", [None, Keying.SDES, Keying.DTLS], ids=["plain", "SDES", "DTLS"])
async def test_the_responder_answers(codec: str, keying: Keying | None) -> None:
    persona = Persona(codecs=codecs_named([codec]))
    wishes = {"encryption": Encryption.REQUIRE, "keying": keying} if keying else {}
    async with open_responder(persona, [(Transport.UDP, SocketAddress(HOST, 0))]) as responder:
        port = responder.address(Transport.UDP).port
        destination = Destination(HOST, port, Transport.UDP, "echo")
        media = await place(destination, codecs=(codec, "PCMU"), digits="15#", **wishes)
    assert (media.keys, media.digits_echoed) == ("15#", True)
    if codec != "G729":
        check(media, codec, keying.value if keying else "none")
        return
    received = media.measured.received
    assert received is not None
    assert (media.codec, media.measured.codec, received.lost) == ("G729", "G729", 0)
    assert media.measured.heard is None  # its sound is not judged
