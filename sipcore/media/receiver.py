"""What comes in: packets by source and payload type, keys, silence, and the sound that is kept to be listened to."""

from collections.abc import Sequence

from sipcore.errors import ParseError
from sipcore.media.dtmf import EventReceiver, ReceivedKey
from sipcore.media.g711 import RATE, Law, law_of
from sipcore.media.listen import Recording
from sipcore.media.reception import Reception
from sipcore.media.report import MediaEvent, MediaEventKind
from sipcore.media.rtp import RtpPacket
from sipcore.media.voice import decoder_of
from sipcore.sdp.attributes import STATIC_CODECS, Codec
from sipcore.sdp.build import TELEPHONE_EVENT

MAX_SOURCES = 8
"""SSRCs that are counted apart. A call has one or two, and another after each transfer; a liar may have any number."""
MAX_KEYS = 256
"""Keys that are kept: more than anybody dials."""
SILENCE_SECONDS = 1.0
"""Without sound, from when on there is silence: longer than the pauses in speech."""
STALL_SECONDS = 1.0
"""Without packets, from when on the stream has stopped."""
COMFORT_NOISE = 13
"""RFC 3389: what tells that silence follows."""
_G729, _FRAME, _NOISE = "G729", 10, 2
"""Bytes of a frame, and of the one behind it that describes the silence which follows (RFC 3551 §4.5.6)."""


def announces_silence(packet: RtpPacket, encoding: str) -> bool:
    """Whether nothing may follow for as long as nobody speaks; `encoding` is that of its payload type, "" for none."""
    if packet.payload_type == COMFORT_NOISE:
        return True
    return encoding.upper() == _G729 and len(packet.payload) % _FRAME == _NOISE


class Receiver:
    """One inbound stream, of one source at a time."""

    def __init__(self, codec: Codec, events: tuple[Codec, ...], others: tuple[Codec, ...]) -> None:
        self._codecs = {each.payload_type: each for each in (*others, codec)}
        self._events = {each.payload_type: each.clock_rate for each in events}
        self._receptions: dict[int, Reception] = {}
        self._rate = codec.clock_rate
        self._event_rate = events[0].clock_rate if events else RATE
        self._keys = EventReceiver(self._event_rate)
        self.keys: list[ReceivedKey] = []
        self.payload_types: dict[int, int] = {}
        self.wrong_type = 0
        self.malformed = 0
        """Payloads that are none of their codec's."""
        self._codec_now: int | None = None
        self._source_now: int | None = None
        self.switches = 0
        """How often a packet was of another source than the one before."""
        self._laws = {number: law for number, each in self._codecs.items() if (law := law_of(each))}
        self._decoders = {number: found for number, each in self._codecs.items() if (found := decoder_of(each))}
        self.recordings: dict[str, Recording] = {}
        """What was heard, by encoding."""
        self._recordings: dict[int, Recording] = {}
        self._last_at: float | None = None
        self._last: RtpPacket | None = None
        self._stalled = False
        self._quiet_since: float | None = None
        self._in_silence = False
        self._silent_seconds = 0.0

    def add(self, packet: RtpPacket, at: float) -> Sequence[MediaEvent]:
        """Take a packet that came `at`; gives what it changes."""
        events: list[MediaEvent] = []
        number, ssrc = packet.payload_type, packet.ssrc
        goes_on = number == self._codec_now and ssrc == self._source_now
        is_audio = goes_on or number in self._codecs
        if is_audio and not goes_on:
            self._tick(number, ssrc)
        reception = self._receptions.get(ssrc) or self._new_reception(ssrc)
        if ssrc != self._source_now:
            if self._source_now is not None:
                self.switches += 1
                events.append(MediaEvent(at, MediaEventKind.SOURCE_CHANGED, f"SSRC {ssrc:08x}"))
                events.extend(self._finish_key(at))
                self._keys = EventReceiver(self._event_rate)
            self._source_now = ssrc
        self.payload_types[number] = self.payload_types.get(number, 0) + 1
        if not is_audio:
            reception.pause()
        size, begins = len(packet.payload), is_audio and packet.marker
        if not reception.add(packet.sequence, packet.timestamp, size, at, timed=is_audio, begins=begins):
            return events
        if self._last_at is None:
            events.append(MediaEvent(at, MediaEventKind.FIRST_RECEIVED, self._name(number)))
        elif self._stalled:
            self._stalled = False
            events.append(MediaEvent(at, MediaEventKind.RESUMED, f"after {at - self._last_at:.1f} s"))
        self._last_at, self._last = at, packet
        if is_audio:
            self._hear(packet, number, at, events)
        elif number in self._events:
            self._take_event(packet, at, events)
        elif number != COMFORT_NOISE and packet.payload:  # else it keeps a way open (RFC 6263 §4.6)
            self.wrong_type += 1
        return events

    def watch(self, now: float) -> Sequence[MediaEvent]:
        """Tell what has not come. To be called now and then."""
        if self._last_at is None or self._stalled or now - self._last_at <= STALL_SECONDS or self._is_quiet:
            return ()
        self._stalled = True
        stalled = MediaEvent(now, MediaEventKind.STALLED, f"for {now - self._last_at:.1f} s")
        return [stalled, *self._finish_key(now)]

    @property
    def _is_quiet(self) -> bool:
        """Whether the peer has said that it will be silent."""
        codec = self._codecs.get(self._last.payload_type) if self._last is not None else None
        return self._last is not None and announces_silence(self._last, codec.encoding if codec is not None else "")

    def finish(self, now: float) -> Sequence[MediaEvent]:
        """The stream is over."""
        if self._in_silence and self._quiet_since is not None and self._last_at is not None:
            self._silent_seconds += self._last_at - self._quiet_since
            self._in_silence = False
        return self._finish_key(now)

    def silent_seconds(self, now: float) -> float:
        """For how long there was silence in what came, pauses of speech left out."""
        going = now - self._quiet_since if self._in_silence and self._quiet_since is not None else 0.0
        return self._silent_seconds + going

    @property
    def receptions(self) -> list[Reception]:
        """The sources, the latest first."""
        return list(reversed(self._receptions.values()))

    def reception(self, ssrc: int) -> Reception | None:
        """The source of that number."""
        return self._receptions.get(ssrc)

    @property
    def current(self) -> Reception | None:
        """The source that sent last."""
        return None if self._source_now is None else self._receptions[self._source_now]

    @property
    def codec(self) -> str:
        """The encoding met in most packets; empty before any came."""
        audio = {number: count for number, count in self.payload_types.items() if number in self._codecs}
        return self._codecs[max(audio, key=audio.__getitem__)].encoding if audio else ""

    def _tick(self, number: int, ssrc: int) -> None:
        """The timestamps of a source are those of another codec from now on."""
        self._rate = self._codecs[number].clock_rate
        if (reception := self._receptions.get(ssrc)) is not None:
            reception.tick(self._rate)

    def _new_reception(self, ssrc: int) -> Reception:
        """That of a new source, in the place of the one with the fewest packets where there are too many."""
        if len(self._receptions) >= MAX_SOURCES:
            del self._receptions[min(self._receptions, key=lambda each: self._receptions[each].packets)]
        reception = self._receptions[ssrc] = Reception(ssrc, self._rate)
        return reception

    def _name(self, number: int) -> str:
        if number in self._events:
            return TELEPHONE_EVENT
        codec = self._codecs.get(number) or STATIC_CODECS.get(number)
        return codec.encoding if codec else f"payload type {number}"

    def _hear(self, packet: RtpPacket, number: int, at: float, events: list[MediaEvent]) -> None:
        if number != self._codec_now:
            if self._codec_now is not None:
                events.append(MediaEvent(at, MediaEventKind.CODEC_CHANGED, self._name(number)))
            self._codec_now = number
        law, sound = self._laws.get(number), packet.payload
        if not sound:
            return
        if law is None:
            decoder = self._decoders.get(number)
            decoded = decoder.decode_untrusted(sound) if decoder is not None else b""
            if decoder is None or not decoded:
                self.malformed += decoded is None
                return
            law, sound = decoder.law, decoded
        recording = self._recordings.get(number) or self._new_recording(number, law)
        recording.add(packet.timestamp, sound, at)
        if not law.is_silent(sound):
            if self._in_silence and self._quiet_since is not None:
                self._silent_seconds += at - self._quiet_since
                events.append(MediaEvent(at, MediaEventKind.SILENCE_ENDED, f"after {at - self._quiet_since:.1f} s"))
            self._quiet_since, self._in_silence = None, False
        elif self._quiet_since is None:
            self._quiet_since = at
        elif not self._in_silence and at - self._quiet_since > SILENCE_SECONDS:
            self._in_silence = True
            events.append(MediaEvent(at, MediaEventKind.SILENCE_BEGAN, f"for {at - self._quiet_since:.1f} s"))

    def _new_recording(self, number: int, law: Law) -> Recording:
        """That of its codec, which may have two payload types."""
        codec = self._codecs[number]
        recording = self.recordings.setdefault(codec.encoding, Recording(law, codec.clock_rate))
        self._recordings[number] = recording
        return recording

    def _take_event(self, packet: RtpPacket, at: float, events: list[MediaEvent]) -> None:
        rate = self._events[packet.payload_type]
        if rate != self._event_rate:
            events.extend(self._finish_key(at))
            self._event_rate, self._keys = rate, EventReceiver(rate)
        try:
            before = self._keys.add(packet.payload, packet.sequence, packet.timestamp, packet.marker, at)
        except ParseError:
            self.wrong_type += 1
            return
        if before is not None:
            events.extend(self._keep_key(before, at))
        if self._keys.is_over:
            events.extend(self._finish_key(at))

    def _finish_key(self, at: float) -> Sequence[MediaEvent]:
        key = self._keys.finish()
        return () if key is None else self._keep_key(key, at)

    def _keep_key(self, key: ReceivedKey, at: float) -> Sequence[MediaEvent]:
        if len(self.keys) >= MAX_KEYS:
            return ()
        self.keys.append(key)
        return (MediaEvent(at, MediaEventKind.KEY_RECEIVED, f"{key.key}, {1000 * key.duration:.0f} ms"),)
