"""RTCP beside one stream each way: when to report, what, and what the peer's reports tell. RFC 3550 §6."""

from sipcore.deviation import Notes
from sipcore.errors import ParseError
from sipcore.media.receiver import MAX_SOURCES, Receiver
from sipcore.media.report import Control, RemoteView
from sipcore.media.rtcp import (
    MAX_REPORTS,
    Description,
    Goodbye,
    Packet,
    Report,
    SenderInfo,
    compound,
    middle,
    ntp_of,
    parse_rtcp,
    round_trip,
)
from sipcore.media.sender import Sender
from sipcore.tokens import RandomBytes

INTERVAL = 5.0
"""Seconds between reports (RFC 3550 §6.2): the least that is recommended; two parties never need more."""
SPREAD = (0.5, 1.5)
"""RFC 3550 §6.3.1: each interval is that many times as long, at random, so that reports do not fall together."""
MAX_ROUND_TRIPS = 1000
"""Measures that are kept: more than an hour's."""


class Controller:
    """Makes and reads the reports of one session. `epoch` is the time of day at 0 of the clock that `now` is on."""

    def __init__(
        self,
        sender: Sender,
        receiver: Receiver,
        clock_rate: int,
        epoch: float,
        interval: float,
        cname: str,
        random_bytes: RandomBytes,
        now: float,
    ) -> None:
        self._sender = sender
        self._receiver = receiver
        self._clock_rate = clock_rate
        self._epoch = epoch
        self._interval = interval
        self._cname = cname
        self._random_bytes = random_bytes
        self._sent = self._received = self._malformed = self._reported = 0
        self._round_trips: list[float] = []
        self._remote: RemoteView | None = None
        self._remote_cname = ""
        self.goodbye = False
        self._reports: dict[int, tuple[int, float]] = {}
        self._packets_then = 0
        self.next_timeout = now + self._random_interval() / 2  # RFC 3550 §6.2: the first one comes after half of it

    def take_due(self, now: float) -> bytes | None:
        """The reports to send, if it is time."""
        if now < self.next_timeout:
            return None
        self.next_timeout = now + self._random_interval()
        self._sent += 1
        return compound(self._reports_now(now))

    def goodbye_now(self, now: float) -> bytes:
        """The last reports, and the goodbye (RFC 3550 §6.3.7)."""
        self._sent += 1
        return compound([*self._reports_now(now), Goodbye((self._sender.ssrc,))])

    def receive_untrusted(self, data: bytes, at: float) -> bool:
        """Take a datagram that came `at`; whether it says goodbye for the first time."""
        notes: Notes = []
        try:
            packets = parse_rtcp(data, notes)
        except ParseError:
            self._malformed += 1
            return False
        self._received += 1
        if any(isinstance(packet, Report) and packet.ssrc == self._sender.ssrc for packet in packets):
            return False  # what was sent from here came back, and tells nothing of the peer (RFC 3550 §8.2)
        self._reported += any(isinstance(packet, Report) for packet in packets)
        leaving = False
        for packet in packets:
            if isinstance(packet, Report):
                self._take_report(packet, at)
            elif isinstance(packet, Description):
                self._remote_cname = next((name for _, name in packet.names if name), self._remote_cname)
            elif isinstance(packet, Goodbye) and not self.goodbye:
                self.goodbye = leaving = True
        return leaving

    def result(self) -> Control:
        """What was told so far."""
        return Control(
            self._sent,
            self._received,
            self._malformed,
            tuple(self._round_trips),
            self._remote,
            self._remote_cname,
            self.goodbye,
            self._reported,
        )

    def _random_interval(self) -> float:
        low, high = SPREAD
        return self._interval * (low + (high - low) * int.from_bytes(self._random_bytes(4), "big") / (1 << 32))

    def _ntp(self, now: float) -> int:
        return ntp_of(self._epoch + now)

    def _reports_now(self, now: float) -> list[Packet]:
        """RFC 3550 §6.4: a sender's report where packets were sent since the last one, and the name in any case."""
        sender = self._sender
        info = None
        if sender.packets > self._packets_then:
            info = SenderInfo(self._ntp(now), sender.timestamp(now) & 0xFFFFFFFF, sender.packets, sender.octets)
        self._packets_then = sender.packets
        blocks = []
        for reception in self._receiver.receptions[:MAX_REPORTS]:
            last, since = self._reports.get(reception.ssrc, (0, now))
            blocks.append(reception.report(last, min(round((now - since) * 65536), 0xFFFFFFFF) if last else 0))
        return [Report(sender.ssrc, info, tuple(blocks)), Description(((sender.ssrc, self._cname),))]

    def _take_report(self, report: Report, at: float) -> None:
        # a report of a source that sends nothing here would only fill the table
        if report.sender is not None and self._receiver.reception(report.ssrc) is not None:
            if len(self._reports) >= MAX_SOURCES:
                self._reports = {ssrc: each for ssrc, each in self._reports.items() if self._receiver.reception(ssrc)}
            self._reports[report.ssrc] = middle(report.sender.ntp), at
        for block in report.blocks:
            if block.ssrc == self._sender.ssrc:
                self._remote = RemoteView(at, block.fraction_lost / 256, block.lost, block.jitter / self._clock_rate)
                seconds = round_trip(block, middle(self._ntp(at)))
                if seconds is not None and len(self._round_trips) < MAX_ROUND_TRIPS:
                    self._round_trips.append(seconds)
