"""A discovery that is under way, as values: what was tried, and what is being done, out of its events as data."""

from collections.abc import Iterable, Mapping
from typing import Any

from probes.report.html import plural
from probes.result import Reach
from probes.service.job import Data
from sipcore.value import value

_TONES = {
    Reach.ANSWERED: "good",
    Reach.SILENT: "fair",
    Reach.CERTIFICATE_WANTED: "fair",
    Reach.TLS_FAILED: "bad",
    Reach.NOT_SIP: "bad",
}
"""By what came of an attempt; what is not here is just closed."""
_DOING = {"habits": "asking more of", "tls": "making handshakes with", "call": "calling"}


@value
class TriedLine:
    """A place, and how far its attempt is."""

    place: str
    tone: str
    word: str
    told: str


@value
class UnderWay:
    """All that is known by now."""

    told: str
    lines: tuple[TriedLine, ...]


def under_way(events: Iterable[Data]) -> UnderWay:
    """What the events of a discovery say so far."""
    lines: dict[str, TriedLine] = {}
    doing: dict[tuple[str, str], None] = {}
    done = 0
    for event in events:
        kind = str(event.get("event"))
        place = _place(event.get("place") or event.get("attempt") or event.get("tls"))
        if kind == "attempt-begun":
            lines[place] = TriedLine(place, "note", "trying", "")
        elif kind == "attempt":
            lines[place] = _tried(place, event["attempt"])
            done += 1
        elif kind.removesuffix("-begun") in _DOING:
            name = kind.removesuffix("-begun")
            if kind.endswith("-begun"):
                doing[name, place] = None
            else:
                doing.pop((name, place), None)
    told = f"{done} of {plural(len(lines), 'place')} tried" if lines else "finding out where to ask"
    if done == len(lines) and doing:
        name, place = list(doing)[-1]
        told = f"{told}; {_DOING[name]} {place}"
    return UnderWay(told, tuple(lines.values()))


def _tried(place: str, attempt: Mapping[str, Any]) -> TriedLine:
    reach = Reach[str(attempt.get("result", "failed")).upper()]
    response = attempt.get("response")
    word = f"{response['status']} {response['reason']}".strip() if response else reach.value
    return TriedLine(place, _TONES.get(reach, "none"), word, str(attempt.get("detail") or ""))


def _place(data: object) -> str:
    """`tls 192.0.2.1:5061`; empty where it is not told."""
    if not isinstance(data, dict):
        return ""
    address = str(data.get("address", ""))
    host = f"[{address}]" if ":" in address else address
    return f"{data.get('transport', '')} {host}:{data.get('port', '')}"
