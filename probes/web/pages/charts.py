"""Small pictures for pages, as SVG in their markup: round trips as a line, days as bars. Colours are in `app.css`."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC

from markupsafe import Markup

from probes.health.days import Part
from probes.health.recent import Slot
from probes.report.html import took
from probes.report.times import moment, span
from probes.report.uptime_text import percentage

WIDTH, HEIGHT = 132, 28
"""Units of a line of round trips; the picture is as wide as its place."""
DAY, GAP, TALL = 8, 2, 34
"""Units of a day's bar, between two of them, and its height."""
_EDGE = 3
"""Units above and below the line, so that its stroke is not cut."""
_GOOD, _FAIR = 99.95, 99.0
"""Per cent of a day from which on it is shown as good, or as fair: 99.95 is 43 seconds of a day."""


def spark(slots: Sequence[Slot]) -> Markup:
    """The round trips of a route over the last hours, a point for each slot; where checks failed, a mark. Empty where
    nothing is known.
    """
    known = [slot.rtt for slot in slots if slot.rtt is not None]
    if not known and not any(slot.failures for slot in slots):
        return Markup("")
    least, most = (min(known), max(known)) if known else (0.0, 0.0)
    step = WIDTH / max(1, len(slots) - 1)
    # A line that hardly moves is drawn flat: its span is half its height at the least.
    spread = max(most - least, 0.5 * most, 1e-6)
    base = (most + least - spread) / 2
    heights = [None if slot.rtt is None else (slot.rtt - base) / spread for slot in slots]
    missed = [min(round(number * step), WIDTH - 3) for number, slot in enumerate(slots) if slot.failures]
    line = f'<path class="line" d="{" ".join(_runs(heights, step))}"/>' if known else ""
    misses = "".join(f'<rect class="miss" x="{x}" y="{HEIGHT - 6}" width="3" height="6"/>' for x in missed)
    label = _told(slots, known)
    return Markup(  # noqa: S704  # all of it is numbers
        f'<svg class="spark" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f"{line}{misses}</svg>"
    )


def _runs(heights: Iterable[float | None], step: float) -> Iterator[str]:
    """The parts of a line that is broken where nothing is known; a lone point is a short dash."""
    run: list[str] = []
    for number, height in enumerate([*heights, None]):
        if height is not None:
            run.append(f"{number * step:.0f} {HEIGHT - _EDGE - height * (HEIGHT - 2 * _EDGE):.1f}")
        elif run:
            yield f"M{'L'.join(run)}" if len(run) > 1 else f"M{run[0]}h{step:.0f}"
            run = []


def _told(slots: Sequence[Slot], known: Sequence[float]) -> str:
    failed = sum(slot.failures for slot in slots)
    range_ = f"{took(min(known))} to {took(max(known))}" if known else "none was measured"
    return f"Round trips: {range_}" + (f"; checks that failed: {failed}" if failed else "")


def days(parts: Sequence[Part]) -> Markup:
    """A bar for each part of a window, as good as the trunk was in it; what it was is told where it is pointed at."""
    width = len(parts) * (DAY + GAP) - GAP if parts else DAY
    bars = [
        Markup('<g><title>{}</title><rect class="{}" x="{}" width="{}" height="{}" rx="1.5"/></g>').format(
            f"{moment(part.since, UTC):%Y-%m-%d}: {_day(part)}", tone_of_day(part), number * (DAY + GAP), DAY, TALL
        )
        for number, part in enumerate(parts)
    ]
    bad = sum(tone_of_day(part) == "bad" for part in parts)
    label = f"{len(parts)} days, {bad} of them with long outages"
    return Markup(
        '<svg class="days" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    ).format(width, TALL, label, Markup("").join(bars))


def tone_of_day(part: Part) -> str:
    """How good a day was."""
    available = part.spent.availability
    if available is None:
        return "none"
    return "good" if available >= _GOOD else "fair" if available >= _FAIR else "bad"


def _day(part: Part) -> str:
    if part.spent.availability is None:
        return "not known"
    down = f", {span(part.spent.unreachable)} down" if part.spent.unreachable else ""
    return f"{percentage(part.spent.availability)}{down}"
