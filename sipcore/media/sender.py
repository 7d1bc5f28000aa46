"""What is sent: one RTP stream, packet after packet at its time, with keys in between. RFC 3550 §5.1, RFC 4733 §2."""

import math
from collections import deque

from sipcore.errors import LocalError
from sipcore.media.dtmf import DEFAULT_DURATION, DEFAULT_PAUSE, Pressed, press
from sipcore.media.report import Sent
from sipcore.media.rtp import HEADER, RtpPacket, pack
from sipcore.media.sound import Frames
from sipcore.sdp.attributes import Codec
from sipcore.tokens import RandomBytes

MAX_LATENESS = 0.1
"""Seconds: what is later is skipped. A burst of old packets would be the jitter that it is to measure, or worse."""
_STEPS_PER_SECOND = 10_000
_STEPS = 1001
"""Lateness is counted in tenths of a millisecond, up to MAX_LATENESS."""


class Sender:
    """One outbound stream. Its source, first sequence number and first timestamp are random (RFC 3550 §5.1)."""

    def __init__(self, codec: Codec, events: Codec | None, ptime: float, random_bytes: RandomBytes) -> None:
        chance = random_bytes(10)
        self.ssrc = int.from_bytes(chance[:4], "big")
        self._sequence = int.from_bytes(chance[4:6], "big")
        self._first_timestamp = int.from_bytes(chance[6:], "big")
        self._codec = codec
        self._frames: Frames | None = None
        self._events = events
        self._ptime = ptime
        self._ticks = round(ptime * codec.clock_rate)
        self._elapsed = 0
        self._frame = 0
        self._pressing: deque[tuple[str, deque[Pressed]]] = deque()
        self._pressed_at = 0
        self._pause = 0
        self.keys = ""
        """Those that were sent, to their ends."""
        self.packets = self.octets = 0
        self._skipped = 0
        self.refused = 0
        self._late = [0] * _STEPS
        self._latest = 0.0
        self.began: float | None = None
        """When the stream begins, or began."""
        self.due = math.inf
        """When the next packet is."""
        self._clock_from: float | None = None
        self._echo_offset = 0
        self._begins = True
        """Whether the next packet is the first after a silence, which the marker tells (RFC 3551 §4.1)."""
        self.first_at: float | None = None
        self._last_at: float | None = None

    def begin(self, now: float, frames: Frames | None) -> None:
        """Send `frames` from now on, over and over; without any, only keys."""
        self._frames = frames
        self.began = self.due = self._clock_from = now

    def pause(self) -> None:
        """Send nothing until `resume`, keys included; the clock of the stream goes on."""
        self.due = math.inf

    def resume(self, now: float) -> None:
        """Go on where the stream would be by now, as after any silence (RFC 3551 §4.1)."""
        assert self.began is not None  # noqa: S101  # only what has begun is paused
        missed = max(0, math.ceil((now - self.began) / self._ptime) - self._elapsed)
        self._begins = True
        self._advance(missed)

    def press(self, keys: str) -> None:
        """Send keys, one after the other. Raises LocalError for what is none, or where events were not agreed on."""
        if self._events is None:
            raise LocalError("telephone events were not agreed on", section="RFC 4733 §2.4.1")
        packet = round(self._ptime * self._events.clock_rate)
        duration = max(packet, round(DEFAULT_DURATION * self._events.clock_rate))
        self._pressing.extend([(key, deque(press(key, packet=packet, duration=duration))) for key in keys])

    def take_due(self, now: float) -> list[bytes]:
        """The packets whose time has come."""
        packets: list[bytes] = []
        while self.due <= now:
            late = now - self.due
            if late > MAX_LATENESS:
                behind = int(late / self._ptime)
                self._skipped += behind
                self._advance(behind)
                continue
            packet = self._next()
            if packet is not None:
                packets.append(packet)
                self._late[int(late * _STEPS_PER_SECOND)] += 1
                if late > self._latest:
                    self._latest = late
            self._advance(1)
        return packets

    def timestamp(self, now: float) -> int:
        """The RTP timestamp that belongs to a moment (RFC 3550 §6.4.1)."""
        passed = 0.0 if self._clock_from is None else now - self._clock_from
        return self._first_timestamp + round(passed * self._codec.clock_rate)

    def note_sent(self, data: bytes, now: float) -> None:
        """A packet has left."""
        self.packets += 1
        self.octets += len(data) - HEADER
        self._last_at = now
        if self.first_at is None:
            self.first_at = now

    def echo(self, packet: RtpPacket, now: float) -> bytes:
        """A received packet, to be sent back as one of this stream, which has timestamps and sequence of its own."""
        if self._clock_from is None:
            self._clock_from = now
            self._echo_offset = self._first_timestamp - packet.timestamp
        return self._packet(
            packet.payload_type, packet.timestamp + self._echo_offset, packet.payload, marker=packet.marker
        )

    def result(self) -> Sent:
        """What was sent so far."""
        return Sent(
            self.ssrc,
            self.packets,
            self.octets,
            self._skipped,
            self.refused,
            self.keys,
            self._percentile(0.99),
            self._latest,
            self.first_at,
            self._last_at,
        )

    def _percentile(self, share: float) -> float:
        wanted = share * sum(self._late)
        counted = 0
        for step, count in enumerate(self._late):
            counted += count
            if counted >= wanted and counted:
                return min((step + 1) / _STEPS_PER_SECOND, self._latest)
        return 0.0

    def _advance(self, packets: int) -> None:
        """Times are multiples of the packet time from the beginning, so that no error adds up."""
        self._elapsed += packets
        self._frame += packets
        self.due = (self.began or 0.0) + self._elapsed * self._ptime

    def _next(self) -> bytes | None:
        if self._pressing and not self._pause:
            return self._next_event()
        self._pause = max(0, self._pause - 1)
        if self._frames is None:
            return None
        payload = self._frames.payloads[self._frame % len(self._frames.payloads)]
        timestamp = self._first_timestamp + self._elapsed * self._ticks
        begins, self._begins = self._begins, False
        return self._packet(self._codec.payload_type, timestamp, payload, marker=begins)

    def _next_event(self) -> bytes:
        key, packets = self._pressing[0]
        pressed = packets.popleft()
        if pressed.marker:
            self._pressed_at = self._first_timestamp + self._elapsed * self._ticks
        if not packets:
            self._pressing.popleft()
            self._pause = round(DEFAULT_PAUSE / self._ptime)
            self.keys += key
        assert self._events is not None  # noqa: S101  # `press` has seen to it
        return self._packet(self._events.payload_type, self._pressed_at, bytes(pressed.event), marker=pressed.marker)

    def _packet(self, payload_type: int, timestamp: int, payload: bytes, *, marker: bool) -> bytes:
        self._sequence += 1
        return pack(payload_type, self._sequence, timestamp, self.ssrc, payload, marker=marker)
