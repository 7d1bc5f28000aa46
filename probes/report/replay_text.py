"""The calls of a capture in words."""

from collections.abc import Sequence

from rich.text import Text

from probes.capture.calls import CapturedCall
from probes.report.call_text import LABEL_WIDTH
from probes.report.ladder import Arrow, Note, ladder_of
from probes.report.safe_text import cover_uris, printable
from sipcore.errors import ParseError


def call_lines(number: int, call: CapturedCall, *, whole: bool) -> list[Text]:
    """A call: who asked whom for what, how it ended, and with `whole` all that its timeline tells."""
    lines = [Text.assemble((f"{number:>4}  ", "dim"), (printable(title_of(call)), "bold"))]
    lines.append(Text(f"      {printable(ending(call))}", style="dim"))
    if whole:
        ladder = ladder_of(call.timeline(), here="")
        lines += [_line(line, ladder.participants) for line in ladder.lines if isinstance(line, Arrow | Note)]
    return lines


def title_of(call: CapturedCall) -> str:
    """Who asked whom for what, passwords covered."""
    request = call.first
    if request is None:
        return f"(its beginning was not captured) Call-ID {call.call_id}"
    try:
        caller = f" from {request.from_.uri}"
    except ParseError:
        caller = ""
    return cover_uris(f"{request.method} {request.uri_text}{caller}")


def ending(call: CapturedCall) -> str:
    """How it ended, and how long that took."""
    begin = call.records[0].at if call.records else 0.0
    if call.answer is None:
        told = "no final response was captured"
    else:
        at = next((record.at for record in call.records if record.data == bytes(call.answer)), begin)
        told = f"{call.answer.status} {call.answer.reason} after {(at - begin) * 1000:.0f} ms"
    repeated = sum(record.attempt > 0 for record in call.records)
    lasted = call.records[-1].at - begin if call.records else 0.0
    count = f"{len(call.records)} messages in {lasted:.3f} s"
    return f"{told}; {count}" + (f", {repeated} of them repeated" if repeated else "")


def _line(line: Arrow | Note, participants: Sequence[str]) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{line.offset_ms:10.1f} ms  ", style="dim")
    if isinstance(line, Arrow):
        text.append(f"{participants[line.source]} → {participants[line.target]}  ", style="cyan")
    text.append(line.label.ljust(LABEL_WIDTH if line.detail else 0))
    text.append(f" {line.detail}", style="dim")
    return text
