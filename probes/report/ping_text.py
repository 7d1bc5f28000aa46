"""Pings in words: a line for each and for what happens meanwhile, and what they came to.

Lines are for a terminal 80 columns wide; what may be longer stands last.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import chain, repeat

from rich.text import Text

from probes.destination import Destination
from probes.ping.results import (
    Connected,
    Disconnected,
    Happening,
    Late,
    Ping,
    PlaceTally,
    Renamed,
    Returned,
    Tally,
    Unnamed,
)
from probes.ping.round_trips import Spread
from probes.report.lines import beside, fact, folded, listed
from probes.report.safe_text import printable
from probes.report.times import duration
from probes.result import Reach
from sipcore.resolve.target import Hop

_NUMBER, _SAID, _TIME = 4, 22, 9
"""Columns of a ping's number, of what was said, and of how long that took."""
_MAX_TEXT = 160
"""Characters of what a peer may make as long as it likes."""
_COLUMNS = 12
"""Those of the names of facts."""
_DAY = 86_400
UNBROKEN = 10_000
"""The width of lines that are not broken: a log is searched line by line."""


def happening_lines(happening: Happening, width: int = UNBROKEN) -> list[Text]:
    """What to print of something that happened."""
    head = f"{_clock(happening.at)} "
    if not isinstance(happening, Ping):
        return beside(f"{head}{'·':>{_NUMBER}}  ", _cut(_told(happening)), width)
    head += f"{happening.number:>{_NUMBER}}  "
    lines = beside(head, _outcome(happening), width) if not happening.is_answered else [Text(head + _answer(happening))]
    return [*lines, *(line for note in _notes(happening) for line in beside(" " * len(head), note, width))]


def begin_lines(destination: Destination, interval: float, timeout: float, width: int = UNBROKEN) -> list[Text]:
    """What is about to be done."""
    return folded(f"OPTIONS to {destination} every {interval:g} s, waiting {timeout:g} s for each answer", width)


def tally_lines(destination: Destination, tally: Tally, width: int) -> list[Text]:
    """What all of them came to."""
    sent = tally.over + tally.awaited
    told = [f"{sent:,} sent", f"{tally.answered:,} answered", f"{tally.lost:,} lost ({tally.loss * 100:.1f} %)"]
    if tally.awaited:
        told.append(f"{tally.awaited:,} not waited for")
    lines = folded(f"{destination} in {_duration(tally.duration)}: {', '.join(told)}", width)
    lines += [line for name, text in _facts(tally) if text for line in fact(name, text, width, _COLUMNS)]
    return [Text(), *lines]


def failure_line(destination: Destination, tally: Tally) -> str:
    """For standard error: that nothing answered; empty where something did."""
    if tally.answered or not tally.over:
        return ""
    return f"{printable(str(destination))}: no ping was answered: {_reaches(tally.reaches)}"


def _outcome(ping: Ping) -> str:
    """What became of a ping that was lost."""
    attempt = ping.attempt
    repeated = f", {attempt.retransmissions + 1} requests" if attempt.retransmissions else ""
    why = attempt.detail.removeprefix(f"{attempt.hop.remote.host} says by ") or attempt.reach.value
    return f"LOST  {attempt.hop}: {_cut(why)}{repeated}"


def _answer(ping: Ping) -> str:
    """An answer in its columns."""
    response = ping.attempt.response
    said = "" if response is None else f"{response.status} {printable(response.reason)}".strip()
    took = "" if ping.took is None else duration(ping.took, fine=True)
    return f"{_cut(said, _SAID):<{_SAID}} {took:>{_TIME}}  {ping.attempt.hop}"


def _notes(ping: Ping) -> Iterable[str]:
    """What is remarkable about an answer."""
    attempt = ping.attempt
    if not ping.is_answered:
        return
    if ping.needed_repetition:
        yield f"after {attempt.retransmissions + 1} requests: the first, or its answer, was lost or slow"
    if ping.source not in (None, attempt.hop.remote):
        yield f"answered from {ping.source}"
    if attempt.detail:
        yield _cut(attempt.detail)


def _told(happening: Connected | Disconnected | Renamed | Unnamed | Returned | Late) -> str:
    match happening:
        case Connected(hop=hop, seconds=seconds, agreed=agreed, again=again):
            time = "" if seconds is None else f" in {duration(seconds, fine=True)}"
            secured = f": {agreed}" if agreed else ""
            return f"{'connected again' if again else 'connected'} to {hop}{time}{secured}"
        case Disconnected(hop=hop, why=why):
            return f"the connection to {hop} ended: {why}"
        case Renamed(came=came, went=went):
            changes = [f"now {_hops(came)}"] * bool(came) + [f"no longer {_hops(went)}"] * bool(went)
            return f"DNS has changed: {', '.join(changes)}"
        case Unnamed(why=why):
            if not why:
                return "DNS answers again"
            return f"DNS fails, and what it told before is asked on: {why}"
        case Returned(hop=hop, seconds=seconds, lost=lost):
            return f"{hop} answers again, after {_duration(seconds)} and {lost:,} pings without an answer"
        case Late(number=number, seconds=seconds):
            return f"an answer to ping {number} came too late, after {duration(seconds, fine=True)}: raise --timeout"


def _facts(tally: Tally) -> Iterable[tuple[str, str]]:
    if tally.round_trips:
        yield "round trip", _spread(tally.round_trips)
        yield "", f"{_percentiles(tally.round_trips)}{_timed(tally.round_trips.count, tally.answered)}"
    statuses = [
        f"{count:,} × {status} {_cut(printable(reason), _SAID)}".rstrip() for status, reason, count in tally.statuses
    ]
    yield "answers", ", ".join(statuses)
    yield "lost", _reaches(tally.reaches)
    if tally.retransmissions:
        again = f"{tally.retransmissions:,} {_plural('request', tally.retransmissions)} repeated"
        yield "repeated", f"{again}; {tally.repeated:,} {_plural('answer', tally.repeated)} needed it"
    yield "too late", f"{tally.late:,} {_plural('answer', tally.late)}, counted as lost" if tally.late else ""
    if tally.connections:
        ended = f", {tally.disconnections:,} lost" if tally.disconnections else ""
        yield "connections", f"{tally.connections:,} opened{ended}"
    if len(tally.places) > 1:
        yield from zip(chain(["places"], repeat("")), map(_place_text, tally.places), strict=False)
    if not tally.answered:
        yield "try", tally.advice


def _place_text(place: PlaceTally) -> str:
    over = place.answered + place.lost
    spread = f", {_spread(place.round_trips)}" if place.round_trips else ""
    return f"{place.hop}: {place.answered:,} of {over:,} answered{spread}"


def _spread(spread: Spread) -> str:
    mean = f"mean {duration(spread.mean, fine=True)}, max {duration(spread.most, fine=True)}"
    return f"min {duration(spread.least, fine=True)}, {mean}, deviation {duration(spread.deviation, fine=True)}"


def _percentiles(spread: Spread) -> str:
    return f"half within {duration(spread.median, fine=True)}, 95 % within {duration(spread.p95, fine=True)}"


def _timed(count: int, answered: int) -> str:
    """That not all answers could be timed (`Ping.rtt`): the others may have taken much longer."""
    return f", of {count:,} timed {_plural('answer', count)}" if count < answered else ""


def _reaches(reaches: Iterable[tuple[Reach, int]]) -> str:
    return ", ".join(f"{count:,} × {reach.value}" for reach, count in reaches)


def _hops(hops: Iterable[Hop]) -> str:
    return listed([str(hop) for hop in hops])


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    days, rest = divmod(round(seconds), _DAY)
    clock = f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days} d {clock}" if days else f"{clock} h"


def _clock(at: float) -> str:
    """The time of day here, as whoever reads a log beside it has it."""
    return f"{datetime.fromtimestamp(at, UTC).astimezone():%H:%M:%S}"


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _cut(text: str, width: int = _MAX_TEXT) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
