"""A discovery that is under way in words: what is known by now, and what is being waited for."""

from rich.text import Text

from probes.discovery.candidates import Key
from probes.discovery.events import (
    AttemptBegun,
    AttemptEnded,
    CallBegun,
    CallEnded,
    Event,
    HabitsBegun,
    HabitsEnded,
    TlsBegun,
    TlsEnded,
)
from probes.report.lines import WIDTH, wrapped
from probes.report.safe_text import printable
from probes.report.text import grid
from probes.result import Attempt
from sipcore.resolve.target import Hop

MORE, HANDSHAKES, CALL = "asking more of", "making handshakes with", "calling"
"""What is being done with a place that was tried."""


class Progress:
    """What the events of one discovery say so far. `title` names what is looked at."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._hops: list[Hop] = []
        self._done: dict[Key, Attempt] = {}
        self._doing: dict[tuple[str, Hop], None] = {}

    def take(self, event: Event) -> None:
        """The next event."""
        match event:
            case AttemptBegun(candidate=candidate):
                self._hops.append(candidate.hop)
            case AttemptEnded(attempt=attempt):
                self._done[attempt.hop.transport, attempt.hop.remote] = attempt
            case HabitsBegun(hop=hop):
                self._doing[MORE, hop] = None
            case HabitsEnded(hop=hop):
                self._doing.pop((MORE, hop), None)
            case TlsBegun(hop=hop):
                self._doing[HANDSHAKES, hop] = None
            case TlsEnded(report=report):
                self._doing.pop((HANDSHAKES, report.hop), None)
            case CallBegun(hop=hop):
                self._doing[CALL, hop] = None
            case CallEnded(hop=hop):
                self._doing.pop((CALL, hop), None)

    def interrupted(self, elapsed: float, width: int = WIDTH) -> list[Text]:
        """The same for whoever does not wait for the end."""
        told = "interrupted: what was seen by then is not judged, since what is not there yet may explain it"
        return [*self.lines(elapsed, width), Text(), *wrapped(told, width)]

    def lines(self, elapsed: float, width: int = WIDTH) -> list[Text]:
        """All of it, in lines of at most `width` columns, `elapsed` seconds after the beginning."""
        count = f"{len(self._done)} of {len(self._hops)} probes done" if self._hops else "asking DNS"
        lines = [Text(f"{printable(self._title)}: {count}, {elapsed:.1f} s", style="bold")]
        lines += grid(self._hops, self._done)
        if self._doing:
            lines += [Text(), *(Text(f"  {doing} {hop}", style="dim") for doing, hop in self._doing)]
        for line in lines:
            line.truncate(width, overflow="ellipsis")
        return lines
