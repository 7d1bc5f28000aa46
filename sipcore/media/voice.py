"""Codecs beyond G.711: G.722 and Opus, by PyAV, which is loaded with the first of them and here alone; and G.729.

PyAV (the extra `media`) brings ffmpeg's G.722 and libopus. Without it, they are negotiated, and carry no sound.

What is heard is made µ-law of 8000 samples a second, which is what `listen` takes: all that it looks for is below
2 kHz. What is sent is the known signal, whose packets are made once and sent over and over.
G.729 is not spoken: its packets hold silence, so that loss, jitter and delay are measured, and nothing is heard.
"""

from array import array
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

from sipcore.errors import LocalError
from sipcore.media.g711 import RATE, Law, law_of
from sipcore.media.sound import SIGNAL_SAMPLES, Frames, Sweep, frames, signal_frames, signal_samples
from sipcore.sdp.attributes import Codec
from sipcore.value import value

if TYPE_CHECKING:
    import av

INSTALL = "pip install 'sipcore[media]'"
PACKET_TIMES = (0.06, 0.04, 0.03, 0.02, 0.01)
"""Seconds of sound that packets are made of: the known signal is made of whole ones."""
OPUS_BITRATE = 32_000
"""Bits a second: what RFC 7587 §3.1.1 has for wideband speech is 16 to 20 thousand, for fullband 28 to 40."""
G729_FRAME = 80
"""Ticks: 10 ms (RFC 3551 §4.5.6)."""
G729_SILENCE = bytes.fromhex("785280a000fac20007d6")
"""A frame of G.729 for no sound: what the encoder makes of zeros, and the decoder zeros of."""
HEARD = ("PCMU", "PCMA", "G722", "OPUS")
"""The encodings whose sound can be judged; of others only the packets can."""


@value
class Voice:
    """How a codec is spoken: its `coder` in ffmpeg, at how many samples a second, and the options of its encoder.

    `lag` is by how many of these samples its sound comes out of `Decoder` later than it went into the coder. `times`
    are the packet times that it can have, in seconds; `block` is the one in which it is encoded, None where each packet
    has to be encoded by itself.
    """

    coder: str
    sample_rate: int
    lag: float
    times: tuple[float, ...] = PACKET_TIMES
    block: float | None = None
    options: tuple[tuple[str, str], ...] = ()


VOICES = {
    # RFC 3551 §4.5.2: 16,000 samples a second, whatever its clock rate says, two in each byte; filters of 24 taps
    "G722": Voice("g722", 16_000, 21.5, block=0.02),
    # RFC 7587 §4.2: at 48,000 a second, mono in spite of the two channels of its name. The mode of the lowest delay
    # keeps the shape of a wave, which is found again by it; packets are of one size, as those of G.711 are.
    "OPUS": Voice(
        "libopus",
        48_000,
        118.5,
        tuple(each for each in PACKET_TIMES if each != 0.03),
        options=(("application", "lowdelay"), ("vbr", "off"), ("b", str(OPUS_BITRATE))),
    ),
}


@cache
def _library() -> ModuleType | None:
    """PyAV; None where it is not installed."""
    try:
        import av
    except ImportError:
        return None
    module: ModuleType = av
    return module


def is_installed() -> bool:
    """Whether G.722 and Opus can be spoken; loads what it takes, a tenth of a second the first time."""
    return _library() is not None


def require_spoken(codecs: Sequence[Codec]) -> None:
    """Raises LocalError where one of them could be spoken here, if only what it takes were installed."""
    for codec in codecs:
        if _voice_of(codec) is not None and not is_installed():
            text = f"sound in {codec.encoding} takes a library that is not installed: {INSTALL}"
            raise LocalError(text, section="RFC 3551 §4.5.2" if codec.encoding == "G722" else "RFC 7587 §3")


def packet_time(codec: Codec, wished: float) -> float:
    """Seconds of sound in a packet of a codec: the wish, or the next lower one that can be."""
    voice = _voice_of(codec)
    times = PACKET_TIMES if voice is None else voice.times
    return next((each for each in times if each <= wished + 1e-9), times[-1])


def reference_of(codec: Codec) -> Law | None:
    """In which law the known signal of a codec is compared with what comes back; None where it is not played."""
    return Law.PCMU if _spoken(codec) is not None else law_of(codec)


def played(codec: Codec, ptime: float, sweep: Sweep = Sweep.CALLER) -> Frames | None:
    """What is sent with a codec unless told otherwise: the known signal, or silence in G.729; None for others."""
    law, voice = law_of(codec), _spoken(codec)
    if law is not None:
        return signal_frames(law, ptime, sweep)
    if voice is not None:
        ptime = packet_time(codec, ptime)
        return Frames(_encoded(voice, ptime, sweep), round(ptime * codec.clock_rate))
    if codec.encoding.upper() == "G729":
        count = max(1, round(ptime * RATE) // G729_FRAME)
        return frames(G729_SILENCE * count, len(G729_SILENCE) * count)
    return None


def decoder_of(codec: Codec) -> "Decoder | None":
    """A decoder for a stream of a codec; None for G.711, which takes none, and for those that cannot be heard."""
    voice = _spoken(codec)
    return None if voice is None else Decoder(voice)


class Decoder:
    """One stream, packet by packet, as µ-law of RATE samples a second. Packets out of order cost a little fidelity.

    Of its samples, the mean of two becomes one: no filter that would keep some of a packet for the next. Much of what
    is above 4 kHz is not lost by that, but moved below it, so that it is heard, too.
    """

    law = Law.PCMU

    def __init__(self, voice: Voice) -> None:
        library = _require_library()
        self._context = _context(library, voice, "r")
        self._context.thread_count = 1
        self._factor = voice.sample_rate // RATE
        self._packet = library.Packet
        self._error = library.FFmpegError

    def decode_untrusted(self, payload: bytes) -> bytes | None:
        """The sound of a payload; None where it is none of the codec's."""
        if not payload:
            return None  # which would be the end of the stream to the library
        samples = array("h")
        try:
            for frame in self._context.decode(self._packet(payload)):
                samples.frombytes(memoryview(frame.planes[0])[: 2 * frame.samples])
        except self._error:
            return None
        factor = self._factor
        pairs = zip(samples[::factor], samples[factor // 2 :: factor], strict=True)
        return self.law.encode([(first + second) >> 1 for first, second in pairs])


def _voice_of(codec: Codec) -> Voice | None:
    return VOICES.get(codec.encoding.upper())


def _spoken(codec: Codec) -> Voice | None:
    voice = _voice_of(codec)
    return voice if voice is not None and is_installed() else None


def _require_library() -> ModuleType:
    library = _library()
    if library is None:
        raise LocalError(f"the library for this codec is not installed: {INSTALL}", section="RFC 3551 §4.5.2")
    return library


def _context(library: ModuleType, voice: Voice, mode: str) -> "av.CodecContext":
    context = library.CodecContext.create(voice.coder, mode)
    context.sample_rate = voice.sample_rate
    context.layout = "mono"
    return context


@cache
def _encoded(voice: Voice, ptime: float, sweep: Sweep) -> tuple[bytes, ...]:
    """The known signal in packets, to be sent over and over, which come out decoded in time with the signal itself.

    The end of the signal goes ahead, so that the coder is by then as it will be when the signal begins anew.
    """
    block = voice.block or ptime
    size, ahead = round(block * voice.sample_rate), round(0.12 / block)
    lag = int(voice.lag)
    samples = signal_samples(sweep, voice.sample_rate // RATE, voice.lag - lag)
    samples = [*samples[lag:], *samples[:lag]]
    packets = _encode(voice, block, [*samples[-size * ahead :], *samples])[ahead:]
    if block == ptime:
        return tuple(packets)
    whole = b"".join(packets)
    each = len(whole) * round(ptime * RATE) // SIGNAL_SAMPLES
    return frames(whole, each).payloads


def _encode(voice: Voice, ptime: float, samples: Sequence[int]) -> list[bytes]:
    """Packets of whole samples."""
    library = _require_library()
    context = _context(library, voice, "w")
    context.format = "s16"
    context.time_base = Fraction(1, voice.sample_rate)
    context.options = dict(voice.options) | ({"frame_duration": f"{1000 * ptime:g}"} if voice.options else {})
    size, packets = round(ptime * voice.sample_rate), []
    for start in range(0, len(samples) - size + 1, size):
        frame = library.AudioFrame(format="s16", layout="mono", samples=size)
        frame.sample_rate = voice.sample_rate
        frame.planes[0].update(array("h", samples[start : start + size]).tobytes())
        packets += [bytes(packet) for packet in context.encode(frame)]
    return packets
