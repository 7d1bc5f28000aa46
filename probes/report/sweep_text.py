"""A sweep in words: a line for each place that something came back from, and in the end what became of all of them.

What a peer may have written is made printable, and is cut where a line would grow out of all proportion.
"""

from collections.abc import Iterable, Sequence

from probes.report.safe_text import printable
from probes.result import Reach, System
from probes.sweep.found import Found, Kind, Tally

_PLACE, _SAID, _TIME = 21, 26, 11
"""Columns of a place, of what it said, and of how long it took; an IPv6 address may take more."""
_MAX_TEXT = 120
"""Characters of a banner or detail."""


def found_line(found: Found) -> str:
    """One place, as it is found."""
    said = found.reach.value if found.status is None else f"{found.status} {printable(found.reason)}".strip()
    if found.reach not in (Reach.ANSWERED, Reach.NOT_SIP):
        return f"{found.remote!s:<{_PLACE}} {said}: {_cut(printable(found.detail))}{', too late' * found.is_late}"
    notes = [found.banner, found.detail]
    if found.elsewhere is not None:
        notes.append(f"answered from {found.elsewhere}")
    if found.is_late:
        notes.append("too late")
    told = "; ".join(_cut(printable(note)) for note in notes if note)
    return f"{found.remote!s:<{_PLACE}} {_cut(said, _SAID):<{_SAID}} {_time(found):<{_TIME}} {told}".rstrip()


def sweep_lines(tally: Tally, kinds: Sequence[Kind], seed: int, elapsed: float) -> list[str]:
    """What became of all places, what products answered, and what was odd. `elapsed` is in seconds."""
    outcomes = [
        (tally.answered, "answered"),
        (tally.not_sip, "not SIP"),
        (tally.refused, "refused or unreachable"),
        (tally.silent, "silent"),
        (tally.places - tally.asked, "not asked"),
        (tally.asked - tally.done, "still waited for"),
    ]
    told = ", ".join(f"{count:,} {name}" for count, name in outcomes if count or name == "answered")
    lines = [f"{_counted(tally.asked, 'place')} asked in {elapsed:.1f} s: {told}"]
    lines += [f"  {_counted(count, *words)}" for count, *words in _oddities(tally) if count]
    if tally.lost and tally.short_of_buffer:
        lines += [f"    {part}" for part in tally.short_of_buffer.split(": ")]
    if tally.places > 1:
        lines.append(f"  --seed {seed} asks in the same order")
    named = _by_name(kinds)
    if named:
        width = max(map(len, named))
        lines += ["", *(f"  {name:<{width}}  {places:>9,}" for name, places in named.items())]
    return lines


def progress_text(tally: Tally) -> str:
    """What is known while the sweep runs, in few words."""
    return f"{tally.answered:,} answered, {tally.silent:,} silent"


def _oddities(tally: Tally) -> Iterable[tuple[int, str, str]]:
    return (
        (tally.retransmitted, "request repeated", "requests repeated"),
        (tally.late, "place answered after the deadline", "places answered after the deadline"),
        (tally.elsewhere, "place answered from another address", "places answered from another address"),
        (
            tally.duplicated,
            "answer duplicated on the way or by the peer",
            "answers duplicated on the way or by the peer",
        ),
        (tally.forgotten, "answer long after the deadline", "answers long after the deadline"),
        (tally.strangers, "datagram from where nothing was sent", "datagrams from where nothing was sent"),
        (
            tally.lost,
            "answer lost here: this machine was too slow, lower the rate",
            "answers lost here: this machine was too slow, lower the rate",
        ),
        (
            tally.unsent,
            "request not sent: the kernel's buffer was full, lower the rate",
            "requests not sent: the kernel's buffer was full, lower the rate",
        ),
    )


def _by_name(kinds: Iterable[Kind]) -> dict[str, int]:
    """How many places each product answered at, the most frequent first."""
    places: dict[str, int] = {}
    for kind in kinds:
        name = _cut(printable(_named(kind.banner, kind.system)))
        places[name] = places.get(name, 0) + kind.places
    return dict(sorted(places.items(), key=lambda item: -item[1]))


def _named(banner: str, system: System | None) -> str:
    if system is not None and system.product:
        sure = "" if banner else f" ({system.confidence:.0%} sure)"
        return f"{system.product} {system.version}".rstrip() + sure
    return f"unknown: {banner}" if banner else "unknown, without a banner"


def _time(found: Found) -> str:
    if found.rtt is None:
        return f"{found.requests} requests" if found.requests > 1 else ""
    milliseconds = found.rtt * 1000
    digits = 2 if milliseconds < 1 else 1 if milliseconds < 100 else 0
    return f"{milliseconds:.{digits}f} ms"


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _cut(text: str, width: int = _MAX_TEXT) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
