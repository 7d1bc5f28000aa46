"""How a test call ended, in words, readable at 80 columns and without colour."""

from rich.console import RenderableType
from rich.text import Text

from probes.report.findings_text import finding_lines
from probes.report.lines import WIDTH, folded
from probes.report.safe_text import printable
from probes.report.times import duration
from probes.result import CallKind, CallMedia, CallMediaPart, CallResult, CallRole, CallStatus
from sipcore.media.emodel import is_wideband
from sipcore.media.listen import Heard
from sipcore.media.voice import HEARD

MOSTLY = 0.9
"""The share of silence from which on nothing else was heard."""
SEARCHED = 1.0
"""Seconds of sound from which on it is worth telling that what was sent is not in it: a single piece may be garbled."""
_STYLES = {
    CallStatus.CONNECTED: "bold green",
    CallStatus.BUSY: "bold yellow",
    CallStatus.NO_ANSWER: "bold yellow",
    CallStatus.FAILED: "bold red",
    CallStatus.PENDING: "bold yellow",
}


def result_lines(result: CallResult, width: int = WIDTH) -> list[RenderableType]:
    """The result: outcome, why, the figures, and what is wrong with its evidence and cure, the worst first."""
    lines: list[RenderableType] = []
    lines += _told(result.status.value.replace("_", " "), _STYLES[result.status], f": {printable(result.why)}", width)
    if result.advice and not result.findings:
        lines += _told("try: ", "bold", printable(result.advice), width)
    if result.hop is not None and result.role is CallRole.CALLER:  # of one that came in, its head tells
        why = f" ({result.hop.why})" if result.hop.why else ""
        lines += folded(f"over {result.hop}{why}", width)
    figures = [
        ("post-dial delay", result.post_dial_delay),
        ("rang for", result.ring_time),
        ("answered after", result.answer_time),
        ("held for", result.duration),
    ]
    told = [f"{name} {duration(seconds)}" for name, seconds in figures if seconds is not None]
    if told:
        lines += folded(", ".join(told), width)
    if result.media is not None:
        lines += [part for line in media_lines(result.media) for part in folded(line, width)]
    lines += finding_lines(result.findings, width)
    if result.unmet is not None:
        if result.unmet:
            lines += _told("not as expected", "bold red", f": {result.unmet}", width)
        else:
            lines += _told("as expected", "bold green", "", width)
    return lines


def _told(head: str, style: str, text: str, width: int) -> list[Text]:
    """A text behind a word or two that stand out."""
    lines = folded(f"{head}{text}", width)
    lines[0].stylize(style, 0, len(head.rstrip()))
    return lines


def media_lines(media: CallMedia) -> list[str]:
    """What became of the audio, in a few lines of plain text."""
    measured = media.measured
    secured = f", {media.encryption}" if media.encryption else ""
    early = ", early media" if media.early else ""
    lines = [f"media {media.codec}, {media.ptime * 1000:.0f} ms{secured}{early}: sent {measured.sent.packets} packets"]
    received = measured.received
    if received is None:
        lines.append("  nothing was received")
    else:
        lost = f"lost {received.lost} ({100 * received.loss:.1f} %)"
        order = f"reordered {received.late}, gaps {received.gaps}"
        lines.append(f"  received {received.packets}, {lost}, {order}, jitter {thousandths(received.jitter):.1f} ms")
    return [printable(line) for line in [*lines, *_quality(media), *map(part_line, media.parts)]]


def part_line(part: CallMediaPart) -> str:
    """One stream of a call that was changed to another one."""
    measured, received = part.measured, part.measured.received
    secured = f", SRTP {measured.suite}".rstrip() if measured.suite else ""
    head = f"  from {part.began:.1f} s {part.codec}{secured}: sent {measured.sent.packets}"
    if received is None:
        return f"{head}, nothing was received"
    rated = f", MOS {round(measured.opinion, 2):.1f}" if measured.opinion is not None else ""
    lost = f"lost {received.lost} ({100 * received.loss:.1f} %), jitter {thousandths(received.jitter):.1f} ms"
    return f"{head}, received {received.packets}, {lost}{rated}"


def _quality(media: CallMedia) -> list[str]:
    """How good it was, and what was heard."""
    measured, told, dtmf = media.measured, [], []
    if measured.opinion is not None:
        scale = ", on the wideband scale" if is_wideband(measured.codec) else ""
        told.append(f"MOS {round(measured.opinion, 2):.1f} (an estimate{scale})")
    if measured.control.round_trip is not None:
        told.append(f"round trip {thousandths(measured.control.round_trip):.1f} ms")
    if measured.heard is not None:
        told += _heard(measured.heard)
    elif measured.codec and measured.codec.upper() not in HEARD:
        told.append(f"the sound of {measured.codec} is not judged")
    if media.digits:
        came = f"{media.keys} came back" if media.keys else "none came back"
        dtmf.append(f"  DTMF {measured.sent.keys or 'not'} sent, {came}")
    problems = [measured.security_failure] if measured.security_failure else []
    if media.late:
        problems.append(f"{media.late} packets came after the call was over")
    return [*([f"  {', '.join(told)}"] if told else []), *dtmf, *(f"  {problem}" for problem in problems)]


def _heard(heard: Heard) -> list[str]:
    if heard.echo is not None:
        return [f"echo after {thousandths(heard.echo.delay):.1f} ms"]
    if heard.tones:
        tones = ", ".join("+".join(map(str, tone)) for tone, _ in heard.tones[:2])
        return [f"tone of {tones} Hz"]
    if heard.silence > MOSTLY:
        return ["silence"]
    return ["sound, but not what was sent" if heard.seconds >= SEARCHED else "too short to look for an echo"]


def thousandths(seconds: float) -> float:
    """Seconds in milliseconds, as exactly as they are stored: what is stored is to be told in the same words."""
    return round(seconds * 1000.0, 3)


def failure_line(result: CallResult) -> str:
    """Why there was no call and what to try, in one line; "" for one that was connected, or ended as expected."""
    if result.unmet:
        return printable(f"{result.destination}: {result.unmet}")
    if result.unmet is not None or result.kind is CallKind.CONNECTED:
        return ""
    return printable(f"{result.destination}: {result.why}; {result.advice}".rstrip("; "))
