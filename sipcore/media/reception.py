"""What one source's RTP packets tell as they come in: RFC 3550 §A.1, §A.3 and §A.8, and what reports leave out.

Loss is kept twice: as RFC 3550 §A.3 has it, for receiver reports, where a duplicate hides a loss; and exactly, each
packet counted once, for measures. Arrival times are seconds, and best the kernel's.
"""

from sipcore.value import value

MAX_DROPOUT = 3000
"""RFC 3550 §A.1: a step forward in sequence numbers that is larger is a restart, not a loss."""
MAX_MISORDER = 100
"""RFC 3550 §A.1: how far behind the highest a packet may come and still be called late."""
WINDOW = 1024
"""Sequence numbers below the highest that are remembered, to tell a duplicate from a late packet: 20 s of voice."""
MODULUS = 1 << 16
PTIMES = 16
"""Different packet times that are counted. A codec has a few; a liar may have as many as packets."""
DRIFT_EVERY = 8
"""Which packets the clock's drift is told by: there are enough of them."""
JUMP_SECONDS = 0.5
"""A step of timestamps that is larger, and has nothing to do with when packets come, says nothing of the network; nor
does a clock that stood still in a pause which the sender has announced, as some do on hold."""
GAP_SECONDS = 0.1
"""Between two packets, from when on the stream is said to have had a gap: what a common jitter buffer bridges."""

_MASK = (1 << WINDOW) - 1


@value
class ReportBlock:
    """What a receiver report says of one source (RFC 3550 §6.4.1), `jitter` in ticks of the clock rate.

    `fraction_lost` is in 256ths since the last report, `last_report` and `delay` are LSR and DLSR as on the wire.
    """

    ssrc: int
    fraction_lost: int
    lost: int
    highest: int
    jitter: int
    last_report: int = 0
    delay: int = 0


@value
class Received:
    """What came of one source, so far or altogether. Times are in seconds, those of day on the caller's clock.

    `lost` counts the sequence numbers that never came, in `bursts` of one or more in a row; `late` the packets that
    others had overtaken; `gaps` the pauses of more than GAP_SECONDS that the sender had not announced. `jitter` is the
    estimate of RFC 3550 §A.8 at the end, `peak_jitter` its highest value. `ptime` is the packet time met most often,
    None before there are two packets; `drift` is by how much faster the sender's clock runs than the local one, in
    parts per million, None where too little came to tell. `jumps` are the steps of timestamps that no clock makes, as
    between a tone and speech; they are no jitter.
    """

    ssrc: int
    packets: int
    octets: int
    expected: int
    lost: int
    duplicates: int
    late: int
    jitter: float
    peak_jitter: float
    gaps: int
    longest_gap: float
    bursts: int
    ptime: float | None
    drift: float | None
    restarts: int
    first_at: float
    last_at: float
    jumps: int = 0

    @property
    def loss(self) -> float:
        """The share of packets that never came, from 0 to 1."""
        return self.lost / self.expected if self.expected else 0.0


class Reception:
    """Counts the packets of one source. `rate` is its codec's clock rate, in Hz."""

    __slots__ = (
        "_base",
        "_bursts",
        "_clock_rate",
        "_cycles",
        "_drift",
        "_duplicates",
        "_expected_prior",
        "_first_at",
        "_gaps",
        "_highest",
        "_in_a_row",
        "_jitter",
        "_jumps",
        "_last_at",
        "_last_timestamp",
        "_late",
        "_longest_gap",
        "_octets",
        "_packets",
        "_peak_jitter",
        "_prior_counts",
        "_ptimes",
        "_received",
        "_received_prior",
        "_restart_at",
        "_restarts",
        "_seen",
        "_silent",
        "_timed",
        "_timed_at",
        "_timed_sequence",
        "ssrc",
    )

    def __init__(self, ssrc: int, clock_rate: int) -> None:
        self.ssrc = ssrc
        self._clock_rate = clock_rate
        self._packets = self._octets = self._received = 0
        self._duplicates = self._late = self._bursts = self._restarts = self._gaps = 0
        self._prior_counts = 0, 0  # of packets expected and lost before the last restart
        self._base = self._cycles = self._highest = 0
        self._restart_at: int | None = None
        self._seen = self._in_a_row = 0
        self._expected_prior = self._received_prior = 0
        self._jitter = self._peak_jitter = self._longest_gap = 0.0
        self._timed = False
        self._timed_at = 0.0
        self._timed_sequence = self._jumps = 0
        self._first_at = self._last_at = 0.0
        self._last_timestamp = 0
        self._silent = False
        self._ptimes: dict[int, int] = {}
        self._drift = _Drift()

    def add(
        self, sequence: int, timestamp: int, size: int, at: float, *, timed: bool = True, begins: bool = False
    ) -> bool:
        """Count a packet of `size` payload bytes that came `at`; whether it is new, neither a duplicate nor invalid.

        One that `begins` is the first after silence, as its marker tells (RFC 3551 §4.1). One that is not `timed` says
        nothing of jitter: it is of a telephone event, whose packets all have the timestamp at which it began
        (RFC 4733 §2.2.1).
        """
        first = not self._packets
        if first:
            self._restart(sequence)
            self._first_at = self._last_at = at
        step = (sequence - self._highest) & 0xFFFF
        if step == 1 and not first:  # the next one: nearly always
            if sequence < self._highest:
                self._cycles += MODULUS
            self._highest = sequence
            self._in_a_row += 1
            self._restart_at = None
        elif first:
            self._seen = 1
        elif not self._place(step, sequence):
            return False
        self._packets += 1
        self._received += 1
        self._octets += size
        if begins:
            self._silent = True
        since = at - self._last_at
        if since > GAP_SECONDS and not self._silent:
            self._gaps += 1
            self._longest_gap = max(self._longest_gap, since)
        if timed:
            self._time(sequence, timestamp, at)
        if since > 0:
            self._last_at = at
        return True

    def tick(self, clock_rate: int) -> None:
        """From now on, timestamps tick at another rate, where that is one: they cannot be compared with the former
        ones (RFC 7160 §4.1).
        """
        if clock_rate != self._clock_rate:
            self._clock_rate = clock_rate
            self._timed = False
            self._ptimes.clear()
            self._drift = _Drift()

    def pause(self) -> None:
        """The sender has said that it will be silent: the next pause is no gap, the next step no packet time."""
        self._silent = True

    def _place(self, step: int, sequence: int) -> bool:
        """RFC 3550 §A.1: a jump forward, a restart, a late packet or a duplicate; whether it is a packet to count."""
        row, self._in_a_row = min(self._in_a_row, WINDOW), 0
        self._seen = (self._seen << row | (1 << row) - 1) & _MASK
        if 0 < step < MAX_DROPOUT:
            self._bursts += 1
            if sequence < self._highest:
                self._cycles += MODULUS
            self._highest = sequence
            self._seen = (self._seen << step | 1) & _MASK
            self._restart_at = None
            return True
        behind = -step & 0xFFFF
        if behind < min(MAX_MISORDER, WINDOW):
            bit = 1 << behind
            if self._seen & bit or behind > self._cycles + self._highest - self._base:
                # What comes before the first packet is a surplus by the RFC; here it is none that was missed.
                self._duplicates += bool(self._seen & bit)
                self._received += bool(self._seen & bit)
                return False
            self._seen |= bit
            self._late += 1
            return True
        if sequence != self._restart_at:
            self._restart_at = (sequence + 1) & 0xFFFF
            return False  # RFC 3550 §A.1: only two in a row tell a restart from a stray
        self._prior_counts = self.expected, self.lost
        self._restarts += 1
        self._restart(sequence)
        self._seen = 1
        self._timed = False
        self._drift = _Drift()
        return True

    def _restart(self, sequence: int) -> None:
        self._base = self._highest = sequence
        self._cycles = self._received = self._expected_prior = self._received_prior = 0
        self._restart_at = None

    def _time(self, sequence: int, timestamp: int, at: float) -> None:
        """RFC 3550 §A.8, in seconds."""
        if self._timed:
            ticks = (timestamp - self._last_timestamp + 0x80000000 & 0xFFFFFFFF) - 0x80000000
            change = abs(at - self._timed_at - ticks / self._clock_rate)
            if change > JUMP_SECONDS and (self._silent or abs(ticks) > JUMP_SECONDS * self._clock_rate):
                self._jumps += 1
                self._drift = _Drift()
            else:
                self._jitter += (change - self._jitter) / 16
                if self._jitter > self._peak_jitter:
                    self._peak_jitter = self._jitter
                if ticks > 0 and not (
                    self._silent and ticks > GAP_SECONDS * self._clock_rate
                ):  # some mark every packet
                    self._note_ptime(ticks, (sequence - self._timed_sequence) & 0xFFFF)
        self._silent = False
        self._timed = True
        self._timed_at, self._last_timestamp, self._timed_sequence = at, timestamp, sequence
        if not self._packets % DRIFT_EVERY:
            self._drift.add(timestamp, at)

    def _note_ptime(self, ticks: int, step: int) -> None:
        """Timestamps went on by `ticks`, and sequence numbers by `step`: what was lost in between was as long as what
        came, and what was overtaken tells nothing.
        """
        if step != 1:
            if step >= MAX_DROPOUT or not step or ticks % step:
                return
            ticks //= step
        if ticks in self._ptimes or len(self._ptimes) < PTIMES:
            self._ptimes[ticks] = self._ptimes.get(ticks, 0) + 1

    @property
    def packets(self) -> int:
        """Packets that came, each once."""
        return self._packets

    @property
    def highest(self) -> int:
        """The extended highest sequence number received (RFC 3550 §6.4.1)."""
        return self._cycles + self._highest

    @property
    def expected(self) -> int:
        """Packets that were sent, as far as the sequence numbers tell."""
        return self._prior_counts[0] + (self.highest - self._base + 1 if self._packets else 0)

    @property
    def lost(self) -> int:
        """Packets that never came. A late one makes it fewer again."""
        return max(0, self.expected - self._packets)

    def report(self, last_report: int = 0, delay: int = 0) -> ReportBlock:
        """The report block for this source, whose interval begins anew with it (RFC 3550 §A.3)."""
        expected = self.highest - self._base + 1
        lost = max(-0x800000, min(0x7FFFFF, expected - self._received))
        interval = expected - self._expected_prior
        lost_interval = interval - (self._received - self._received_prior)
        self._expected_prior, self._received_prior = expected, self._received
        fraction = (lost_interval << 8) // interval if interval > 0 and lost_interval > 0 else 0
        jitter = min(round(self._jitter * self._clock_rate), 0xFFFFFFFF)
        return ReportBlock(self.ssrc, min(fraction, 255), lost, self.highest & 0xFFFFFFFF, jitter, last_report, delay)

    def result(self) -> Received:
        """All that is known so far."""
        ptime = max(self._ptimes, key=self._ptimes.__getitem__) / self._clock_rate if self._ptimes else None
        return Received(
            self.ssrc,
            self._packets,
            self._octets,
            self.expected,
            self.lost,
            self._duplicates,
            self._late,
            self._jitter,
            self._peak_jitter,
            self._gaps,
            self._longest_gap,
            self._bursts,
            ptime,
            self._drift.parts_per_million(self._clock_rate),
            self._restarts,
            self._first_at,
            self._last_at,
            self._jumps,
        )


class _Drift:
    """The slope of timestamps over arrival times, by least squares as they come."""

    __slots__ = ("_at", "_count", "_last", "_sum_t", "_sum_tt", "_sum_tx", "_sum_x", "_ticks")

    MINIMUM_SECONDS = 5.0
    """Below it, jitter of a few milliseconds would look like a clock that is hundreds of parts per million wrong."""

    def __init__(self) -> None:
        self._count = 0
        self._at = 0.0
        self._last = self._ticks = 0
        self._sum_t = self._sum_tt = self._sum_tx = self._sum_x = 0.0

    def add(self, timestamp: int, at: float) -> None:
        if not self._count:
            self._at, self._last = at, timestamp
        self._ticks += (timestamp - self._last + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        self._last = timestamp
        time = at - self._at
        self._count += 1
        self._sum_t += time
        self._sum_tt += time * time
        self._sum_x += self._ticks
        self._sum_tx += time * self._ticks

    def parts_per_million(self, clock_rate: int) -> float | None:
        spread = self._count * self._sum_tt - self._sum_t**2
        if self._count < 2 or spread <= 0 or spread / self._count**2 < self.MINIMUM_SECONDS**2 / 12:
            return None
        slope = (self._count * self._sum_tx - self._sum_t * self._sum_x) / spread
        return (slope / clock_rate - 1) * 1e6
