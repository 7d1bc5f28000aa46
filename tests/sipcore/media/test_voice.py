"""G.722 and Opus: a tone that goes in comes out, in its place; hostile payloads; and doing without the library."""

import math
import subprocess
import sys
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import LocalError
from sipcore.media import voice
from sipcore.media.g711 import RATE, Law
from sipcore.media.listen import Recording, finding_tones, finished, listen
from sipcore.media.sound import SIGNAL_SAMPLES, Frames, amplitude, level, signal
from sipcore.media.voice import (
    G729_SILENCE,
    PACKET_TIMES,
    VOICES,
    Decoder,
    Voice,
    decoder_of,
    packet_time,
    played,
    reference_of,
    require_spoken,
)
from sipcore.sdp.attributes import G722, G729, PCMA, PCMU, Codec
from sipcore.sdp.codecs import CODECS

OPUS = CODECS["opus"]
SPOKEN = pytest.mark.parametrize("codec", [G722, OPUS], ids=["G722", "opus"])


def own(codec: Codec) -> Voice:
    return VOICES[codec.encoding.upper()]


def sent(codec: Codec, ptime: float) -> Frames:
    found = played(codec, ptime)
    assert found is not None
    return found


def decoder(codec: Codec) -> Decoder:
    found = decoder_of(codec)
    assert found is not None
    return found


def decoded(codec: Codec, payloads: list[bytes]) -> bytes:
    """All of it; none may be refused."""
    stream = decoder(codec)
    pieces = [stream.decode_untrusted(payload) for payload in payloads]
    assert None not in pieces
    return b"".join(piece for piece in pieces if piece is not None)


@SPOKEN
@pytest.mark.parametrize("ptime", PACKET_TIMES)
def test_the_signal_comes_out_in_its_place(codec: Codec, ptime: float) -> None:
    ptime = packet_time(codec, ptime)
    frames = sent(codec, ptime)
    assert frames.ticks == round(ptime * codec.clock_rate)
    assert len(frames.payloads) == round(SIGNAL_SAMPLES / RATE / ptime)
    recording = Recording(Law.PCMU, codec.clock_rate)
    stream = decoder(codec)
    first = 2**32 - 5 * frames.ticks  # so that timestamps begin anew on the way
    for index, payload in enumerate(frames.payloads * 3):
        sound = stream.decode_untrusted(payload)
        assert sound
        recording.add((first + index * frames.ticks) % 2**32, sound, 100.1 + index * ptime)
    echo = listen(recording, reference_of(codec), 100.0).echo
    assert echo is not None
    assert echo.delay == pytest.approx(0.1, abs=0.0003)
    assert echo.likeness > 0.99  # at the seam, too, where the packets begin again
    assert echo.gain == pytest.approx(-0.3, abs=0.3)  # the mean of two is a little less than each
    assert echo.share == 1.0


@SPOKEN
@pytest.mark.parametrize("hertz", [425, 1004, 1800])
def test_a_tone_comes_out_as_it_went_in(codec: Codec, hertz: int) -> None:
    at = own(codec)
    step, peak = 2 * math.pi * hertz / at.sample_rate, amplitude(-12)
    samples = [round(peak * math.sin(step * index)) for index in range(at.sample_rate)]
    sound = decoded(codec, voice._encode(at, 0.02, samples))
    tones = finished(finding_tones(Law.PCMU, sound))
    assert tones[0][0] == (hertz,)
    assert tones[0][1] >= 0.8
    assert level(Law.PCMU.decode(sound[1600:6400])) == pytest.approx(-12, abs=1.0)
    quiet = decoded(codec, voice._encode(at, 0.02, array("h", bytes(2 * at.sample_rate))))
    assert Law.PCMU.is_silent(quiet)


def test_payloads_as_the_formats_have_them() -> None:
    assert {len(payload) for payload in sent(G722, 0.02).payloads} == {160}
    assert {len(payload) for payload in sent(G722, 0.03).payloads} == {240}
    opus = sent(OPUS, 0.02).payloads
    assert {len(payload) for payload in opus} == {80}
    assert {payload[0] & 4 for payload in opus} == {0}  # RFC 6716 §3.1: mono
    assert {payload[0] & 3 for payload in opus} == {0}  # one frame
    assert sent(PCMU, 0.02).payloads[0] == signal(Law.PCMU)[:160]
    assert played(Codec(97, "AMR", 8000), 0.02) is None


@pytest.mark.parametrize(("ptime", "count"), [(0.01, 1), (0.02, 2), (0.03, 3)])
def test_g729_is_silent(ptime: float, count: int) -> None:
    av = pytest.importorskip("av")
    payload = sent(G729, ptime).payloads[0]
    assert payload == G729_SILENCE * count
    assert (reference_of(G729), decoder_of(G729)) == (None, None)
    context = av.CodecContext.create("g729", "r")
    context.sample_rate, context.layout = RATE, "mono"
    for _ in range(20):
        for frame in context.decode(av.Packet(G729_SILENCE)):
            assert max(map(abs, array("h", bytes(frame.planes[0])[: 2 * frame.samples]))) <= 2


@pytest.mark.parametrize(
    ("codec", "wished", "got"),
    [
        (PCMU, 0.02, 0.02),
        (PCMA, 0.05, 0.04),
        (G722, 0.03, 0.03),
        (OPUS, 0.03, 0.02),
        (OPUS, 0.1, 0.06),
        (OPUS, 0.005, 0.01),
    ],
)
def test_packet_times(codec: Codec, wished: float, got: float) -> None:
    assert packet_time(codec, wished) == got


@SPOKEN
@given(payloads=st.lists(st.binary(max_size=2048), max_size=8))
def test_hostile_payloads(codec: Codec, payloads: list[bytes]) -> None:
    stream = decoder(codec)
    for payload in payloads:
        sound = stream.decode_untrusted(payload)
        assert sound is None or len(sound) <= 4 * 2048  # G.722 has two samples in a byte, Opus 120 ms in a packet
    good = [stream.decode_untrusted(payload) for payload in sent(codec, 0.02).payloads]
    assert all(sound is not None and len(sound) == 160 for sound in good)  # it goes on all the same


@SPOKEN
@given(data=st.data())
def test_payloads_with_errors(codec: Codec, data: st.DataObject) -> None:
    stream = decoder(codec)
    for payload in sent(codec, 0.02).payloads[:5]:
        cut = data.draw(st.integers(0, len(payload)))
        stream.decode_untrusted(payload[:cut] + data.draw(st.binary(max_size=10)) + payload[cut:])


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is not installed."""
    monkeypatch.setattr(voice, "_library", lambda: None)


@pytest.mark.usefixtures("without")
def test_what_is_not_installed() -> None:
    for codec in (G722, OPUS):
        with pytest.raises(LocalError, match=r"pip install 'sipcore\[media\]'"):
            require_spoken([PCMU, codec])
        assert (played(codec, 0.02), decoder_of(codec), reference_of(codec)) == (None, None, None)
    require_spoken([PCMU, PCMA, G729])
    with pytest.raises(LocalError, match="pip install"):
        Decoder(own(G722))


def test_the_library_is_found_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    assert voice._library.__wrapped__() is None
    monkeypatch.undo()
    assert voice.is_installed()


def test_nothing_is_loaded_before_it_is_needed() -> None:
    code = (
        "import sys, sipcore.endpoint.media.leg, probes.calls.script, probes.responder.run\n"
        "from sipcore.media.plan import MediaPlan, prepare\n"
        "from sipcore.media.session import MediaSession\n"
        "from sipcore.resolve.target import SocketAddress\n"
        "from sipcore.sdp.attributes import PCMU\n"
        "plan = MediaPlan(SocketAddress('192.0.2.1', 4000), PCMU)\n"
        "prepare(plan)\n"
        "MediaSession(plan, bytes, 0.0, 0.0).handle_timeout(0.0)\n"
        "assert 'av' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
