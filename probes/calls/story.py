"""What a test call collects while it goes on: its timeline, the steps that people are told of, and when things were."""

from collections import Counter
from collections.abc import Callable

from probes.calls.machine import CallState
from probes.result import CallEvent, TimelineEntry
from probes.timeline import Rounds, entry_of, mark, media_entry
from sipcore.media.report import MediaEvent, MediaEventKind
from sipcore.trace import Direction, MessageTrace, TraceRecord, TransitionTrace

OnEntry = Callable[[TimelineEntry], None]
MAX_LINES = 20_000
"""Lines of one timeline that are kept: an hour with a request in each second has half as many; a flood has no end."""

MAX_HEARD = 500
"""Lines of each kind that media may take of it: a peer that changes something with every packet is to leave room for
what is said."""


class Story:
    """The story of one call, from `start` on. `on_entry` is called with each line of the timeline as it happens."""

    def __init__(self, start: float, on_entry: OnEntry | None = None) -> None:
        self.start = start
        self._on_entry = on_entry
        self._timeline: list[TimelineEntry] = []
        self._events: list[CallEvent] = []
        self._transitions: list[TransitionTrace] = []
        self._media: dict[MediaEventKind, float] = {}
        self._heard = Counter[MediaEventKind]()
        self._rounds = Rounds()
        self.invites = 0
        """INVITEs that left here, retransmissions aside."""
        self.invited: float | None = None
        """When the first of them left."""

    def take(self, record: TraceRecord) -> None:
        """A trace record: a line of the timeline, if people need to see it; a transition is kept beside it."""
        if isinstance(record, TransitionTrace) and len(self._transitions) < MAX_LINES:
            self._transitions.append(record)
        if _invites(record):
            self.invites += 1
            self.invited = record.at if self.invited is None else self.invited
        entry = entry_of(record, self.start)
        if entry is not None:
            self._add(entry)
        for step in self._rounds.entries_of(record, self.start):
            self._add(step)

    def hear(self, event: MediaEvent) -> None:
        """Something happened to the media."""
        self._media.setdefault(event.kind, event.at)
        self._heard[event.kind] += 1
        if self._heard[event.kind] <= MAX_HEARD:
            self._add(media_entry(event, self.start))

    def tell(self, label: str, at: float, detail: str = "") -> None:
        """Something happened here that is no trace record."""
        self._add(mark(label, at, self.start, detail))

    def reach(self, state: CallState, at: float, detail: str = "") -> None:
        """The call is in another state."""
        self._events.append(CallEvent(state.value, (at - self.start) * 1000.0, detail))

    def first(self, kind: MediaEventKind) -> float | None:
        """When something happened to the media for the first time, in seconds since the call began."""
        at = self._media.get(kind)
        return None if at is None else at - self.start

    @property
    def timeline(self) -> tuple[TimelineEntry, ...]:
        """The lines by time: what was read together was stamped together, and answered in between."""
        return tuple(sorted(self._timeline, key=lambda entry: entry.offset_ms))

    @property
    def events(self) -> tuple[CallEvent, ...]:
        """The steps, in their order."""
        return tuple(self._events)

    @property
    def transitions(self) -> tuple[TransitionTrace, ...]:
        """What the transactions, and the machines above them, went through, in its order."""
        return tuple(self._transitions)

    def _add(self, entry: TimelineEntry) -> None:
        if len(self._timeline) >= MAX_LINES:
            return
        self._timeline.append(entry)
        if self._on_entry is not None:
            self._on_entry(entry)


def _invites(record: TraceRecord) -> bool:
    """Whether it tells of an INVITE that left here for the first time."""
    if not isinstance(record, MessageTrace) or record.direction is not Direction.SENT or record.attempt:
        return False
    return record.data.startswith(b"INVITE ")
