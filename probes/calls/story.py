"""What a test call collects while it goes on: its timeline, the steps that people are told of, and when things were."""

from collections.abc import Callable

from probes.calls.machine import CallState
from probes.result import CallEvent, TimelineEntry
from probes.timeline import entry_of, mark, media_entry
from sipcore.media.report import MediaEvent, MediaEventKind
from sipcore.trace import Direction, MessageTrace, TraceRecord

OnEntry = Callable[[TimelineEntry], None]
MAX_LINES = 20_000
"""Lines of one timeline that are kept: an hour with a request in each second has half as many; a flood has no end."""


class Story:
    """The story of one call, from `start` on. `on_entry` is called with each line of the timeline as it happens."""

    def __init__(self, start: float, on_entry: OnEntry | None = None) -> None:
        self.start = start
        self._on_entry = on_entry
        self._timeline: list[TimelineEntry] = []
        self._events: list[CallEvent] = []
        self._media: dict[MediaEventKind, float] = {}
        self.invites = 0
        """INVITEs that left here, retransmissions aside."""

    def take(self, record: TraceRecord) -> None:
        """A trace record: a line of the timeline, if people need to see it."""
        if isinstance(record, MessageTrace) and record.direction is Direction.SENT and not record.attempt:
            self.invites += record.data.startswith(b"INVITE ")
        entry = entry_of(record, self.start)
        if entry is not None:
            self._add(entry)

    def hear(self, event: MediaEvent) -> None:
        """Something happened to the media."""
        self._media.setdefault(event.kind, event.at)
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

    def _add(self, entry: TimelineEntry) -> None:
        if len(self._timeline) >= MAX_LINES:
            return
        self._timeline.append(entry)
        if self._on_entry is not None:
            self._on_entry(entry)
