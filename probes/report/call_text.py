"""A test call in words: one line per timeline entry, and the result, readable at 80 columns and without colour."""

from rich.console import RenderableType
from rich.text import Text

from probes.report.safe_text import printable
from probes.result import CallResult, CallStatus, TimelineEntry

LABEL_WIDTH = 22
"""Columns of the timeline's second column; longer labels push the detail on."""
_STYLES = {
    CallStatus.CONNECTED: "bold green",
    CallStatus.BUSY: "bold yellow",
    CallStatus.NO_ANSWER: "bold yellow",
    CallStatus.FAILED: "bold red",
}


def entry_line(entry: TimelineEntry) -> Text:
    """One line of the timeline: milliseconds, arrow, what happened."""
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{entry.offset_ms:10.1f} ms ", style="dim")
    line.append(f" {entry.direction or ' '} ", style="cyan")
    line.append(printable(entry.label).ljust(LABEL_WIDTH), style=_label_style(entry))
    line.append(f" {printable(entry.detail)}", style="dim")
    return line


def result_lines(result: CallResult) -> list[RenderableType]:
    """The result: outcome, why, what to try, and the figures."""
    lines: list[RenderableType] = [
        Text.assemble((result.status.value.replace("_", " "), _STYLES[result.status]), f": {printable(result.why)}")
    ]
    if result.advice:
        lines.append(Text.assemble(("try: ", "bold"), printable(result.advice)))
    if result.hop is not None:
        why = f" ({result.hop.why})" if result.hop.why else ""
        lines.append(Text(printable(f"over {result.hop}{why}")))
    figures = [
        ("post-dial delay", result.post_dial_delay),
        ("answered after", result.answer_time),
        ("held for", result.duration),
    ]
    told = [f"{name} {seconds * 1000:.0f} ms" for name, seconds in figures if seconds is not None]
    if result.codec:
        told.append(f"codec {printable(result.codec)}")
    if told:
        lines.append(Text(", ".join(told)))
    return lines


def failure_line(result: CallResult) -> str:
    """Why there was no call and what to try, in one line; "" for one that was connected."""
    if result.status is CallStatus.CONNECTED:
        return ""
    return printable(f"{result.destination}: {result.why}; {result.advice}".rstrip("; "))


def _label_style(entry: TimelineEntry) -> str:
    if not entry.direction:
        return "bold"
    code = entry.label[:3]
    if not code.isdecimal():
        return ""
    return "green" if code < "300" else "yellow" if code < "400" else "red"
