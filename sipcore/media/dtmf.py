"""Telephone events: the keys of a phone in RTP packets of their own. RFC 4733 §2."""

import struct

from sipcore.errors import LocalError, ParseError, quoted
from sipcore.value import value

KEYS = "0123456789*#ABCD"
"""RFC 4733 §3.2, table 3: the place of a key is its event code."""
END_PACKETS = 3
"""RFC 4733 §2.5.1.4: the last packet is sent three times, so that the loss of one does not prolong the tone."""
MAX_DURATION = 0xFFFF
"""Ticks: 16 bits (RFC 4733 §2.3.5). A longer event needs segments, which no key press does."""
DEFAULT_VOLUME = 10
"""dBm0 below zero (RFC 4733 §2.3.4), as loud as telephones press keys."""
DEFAULT_DURATION = 0.1
"""Seconds: ITU-T Q.24 has receivers accept 40 ms; twice that survives one lost packet."""
DEFAULT_PAUSE = 0.1
"""Seconds between two keys; ITU-T Q.24 wants 40 ms."""

_PAYLOAD = struct.Struct("!BBH")


@value
class TelephoneEvent:
    """The payload of one packet (RFC 4733 §2.3). `duration` is in ticks since the event began."""

    code: int
    end: bool
    volume: int
    duration: int

    @classmethod
    def parse(cls, payload: bytes) -> "TelephoneEvent":
        """Read a payload, of which further events are ignored (RFC 4733 §2.5.1.5). Raises ParseError."""
        if len(payload) < _PAYLOAD.size:
            raise ParseError("a telephone event has four bytes", section="RFC 4733 §2.3")
        code, flags, duration = _PAYLOAD.unpack_from(payload)
        return cls(code, flags > 127, flags & 63, duration)

    @property
    def key(self) -> str:
        """The key of a telephone; empty for another event."""
        return KEYS[self.code] if self.code < len(KEYS) else ""

    def __bytes__(self) -> bytes:
        return _PAYLOAD.pack(self.code, (128 if self.end else 0) | self.volume & 63, self.duration)


@value
class Pressed:
    """One packet to send: `after` ticks from the key's beginning, at which the timestamp of all of them stands."""

    after: int
    event: TelephoneEvent
    marker: bool = False


def press(key: str, *, packet: int, duration: int, volume: int = DEFAULT_VOLUME) -> tuple[Pressed, ...]:
    """The packets of one key, one each `packet` ticks until `duration` ticks are over (RFC 4733 §2.5.1).

    Raises LocalError for what is no key, or lasts longer than MAX_DURATION.
    """
    code = KEYS.find(key.upper()) if len(key) == 1 else -1
    if code < 0:
        raise LocalError(f"{quoted(key)} is no key of a telephone", section="RFC 4733 §3.2")
    if not 0 < packet <= duration <= MAX_DURATION:
        raise LocalError(f"a key press lasts one packet to {MAX_DURATION} ticks", section="RFC 4733 §2.3.5")
    going = [
        Pressed(elapsed, TelephoneEvent(code, False, volume, elapsed), marker=elapsed == packet)
        for elapsed in range(packet, duration, packet)
    ]
    last = TelephoneEvent(code, True, volume, duration)
    end = going[-1].after + packet if going else packet
    return (*going, *(Pressed(end + again * packet, last, not going and again == 0) for again in range(END_PACKETS)))


@value
class ReceivedKey:
    """A key that the peer pressed: for how many seconds, and how it was told.

    `at` is when its first packet came. `ends` counts the packets with the end bit, three by RFC 4733 §2.5.1.4; with
    none, the duration is that of the last packet that came. `marked` is whether the first packet had the marker.
    """

    key: str
    at: float
    duration: float
    packets: int
    ends: int
    marked: bool
    volume: int


class EventReceiver:
    """Puts the packets of one source's telephone events together. `rate` is their payload type's clock rate, in Hz."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._timestamp: int | None = None
        self._sequence = 0
        self._current: ReceivedKey | None = None
        self._before = 0
        """Ticks of the current key that earlier segments of it have told."""

    def add(self, payload: bytes, sequence: int, timestamp: int, marker: bool, at: float) -> ReceivedKey | None:
        """Take a packet; gives the previous key, when this packet begins another. Raises ParseError.

        Which of two keys is the later one is told by the sequence numbers: a bridge takes timestamps from whoever it
        hears, so that they may step anywhere in between.
        """
        event = TelephoneEvent.parse(payload)
        done = None
        if timestamp != self._timestamp and self._goes_on(event, timestamp, marker):
            self._timestamp, self._before = timestamp, self._before + MAX_DURATION
        elif timestamp != self._timestamp:
            if self._timestamp is not None and (sequence - self._sequence) & 0xFFFF >= 1 << 15:
                return None  # a late packet of a key that is over
            done = self.finish()
            self._timestamp, self._sequence, self._before = timestamp, sequence, 0
            self._current = ReceivedKey(event.key or f"event {event.code}", at, 0.0, 0, 0, marker, event.volume)
        current = self._current
        if current is not None:
            self._current = ReceivedKey(
                current.key,
                current.at,
                max(current.duration, (self._before + event.duration) / self._rate),
                current.packets + 1,
                current.ends + event.end,
                current.marked or marker,
                current.volume,
            )
        return done

    def _goes_on(self, event: TelephoneEvent, timestamp: int, marker: bool) -> bool:
        """Whether this is another segment of the current key, which lasts longer than one can tell (RFC 4733 §2.5.1.3):
        it begins where the one before ends, without a marker.
        """
        current, before = self._current, self._timestamp
        if current is None or before is None or marker or current.ends:
            return False
        follows = (timestamp - before) & 0xFFFFFFFF == MAX_DURATION
        return follows and current.key == (event.key or f"event {event.code}")

    @property
    def is_over(self) -> bool:
        """Whether the end of the current key has been told as often as it should be."""
        return self._current is not None and self._current.ends >= END_PACKETS

    def finish(self) -> ReceivedKey | None:
        """The key that was being received, which is over now, whatever was told of its end."""
        done, self._current = self._current, None
        return done
