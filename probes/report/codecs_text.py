"""A codec report in words: what is accepted and what is not, what shows it, what was asked and what came back.

Readable at 80 columns and without colour. Everything that a peer may have written is made printable.
"""

from collections.abc import Iterator, Sequence

from rich.text import Text

from probes.checks.codecs import Reply
from probes.checks.codecs_judge import Capability, CodecReport, Support, told
from probes.report.lines import WIDTH, beside, fact, listed, wrapped
from probes.report.safe_text import printable
from probes.report.sdp_words import codec_words
from probes.report.times import duration

_LABEL, _STATE = 22, 10
"""Columns of a name, and of whether it is accepted."""
_STYLES = {Support.ACCEPTED: "green", Support.REFUSED: "red", Support.UNKNOWN: "yellow"}


def codecs_lines(report: CodecReport, width: int = WIDTH) -> list[Text]:
    """The whole report, in lines of at most `width` columns."""
    style = "bold green" if report.works else "bold red"
    lines = wrapped(_verdict(report), width, style=style)
    for block in (report.codecs, report.securities):
        lines += [Text(), *(line for one in block for line in _capability(report, one, width))]
    facts = [line for name, text in _facts(report) for line in fact(name, text, width, _LABEL)]
    asked = _asked(report.replies, width)
    notes = [line for remark in report.remarks for line in beside("  ", f"{remark.text} [{remark.section}]", width)]
    for part in (facts, asked, notes):
        lines += [Text(), *part] if part else []
    return lines


def codecs_failure_line(report: CodecReport) -> str:
    """Why nothing is accepted, and what to try, in one line; "" where a codec is."""
    if report.works:
        return ""
    why = report.unfinished or "it accepts none of the codecs that were offered"
    return printable(f"{report.uri}: {why}; {report.advice}".rstrip("; "))


def asking_lines(title: str, replies: Sequence[Reply], elapsed: float, width: int = WIDTH) -> list[Text]:
    """What has come of the questions to `title` so far, `elapsed` seconds after the beginning."""
    count = f"offers made: {len(replies)}" if replies else "making the first offer"
    return [*wrapped(f"{printable(title)}: {count}, {elapsed:.1f} s", width, style="bold"), *_asked(replies, width)]


def _verdict(report: CodecReport) -> str:
    accepted = _names(report.codecs, Support.ACCEPTED)
    if not report.works:
        return codecs_failure_line(report)
    ways = _names(report.securities, Support.ACCEPTED)
    over = f" over {listed(ways)}" if ways else ""
    return f"{report.uri} accepts {listed(accepted)}{over}"


def _capability(report: CodecReport, one: Capability, width: int) -> list[Text]:
    numbers = ", ".join(map(str, report.numbers(one)))
    shown = codec_words(one.format).strip() if one.format is not None else _why(one)
    text = f"{shown} ({numbers})" if numbers else shown
    head = f"  {one.name.ljust(_LABEL)}{one.support.value.ljust(_STATE)}"
    return beside(head, text, width, _STYLES[one.support])


def _why(one: Capability) -> str:
    """Without a format to show: the key of SRTP, or what came of the first offer of what is not accepted."""
    if one.support is Support.ACCEPTED:
        return one.key or "plain"
    if not one.evidence:
        return "not asked"
    reply = one.evidence[0]
    answer, response = reply.answer, reply.response
    if answer is not None and answer.is_rejected:
        return "the stream is rejected"
    if answer is not None and answer.oddities and not answer.is_accepted:
        return answer.oddities[0].text
    if answer is not None:
        return "left out of the answer"
    if response is not None:
        return f"{response.status} {response.reason}".strip()
    # What went wrong is told where the question is.
    return "no answer" if reply.failure is not None else told(reply)


def _facts(report: CodecReport) -> Iterator[tuple[str, str]]:
    if report.ptime is not None or report.maxptime is not None:
        sizes = [f"{report.ptime:g} ms"] if report.ptime is not None else []
        sizes += [f"{report.maxptime:g} ms at most"] if report.maxptime is not None else []
        yield "packets of", ", ".join(sizes)
    if report.own is not None:
        yield "its own offer", ", ".join(codec_words(codec).strip() for codec in report.own) or "nothing"
    if report.unasked:
        yield "names unasked", ", ".join(codec_words(codec).strip() for codec in report.unasked)
    if report.hop is not None:
        yield "place", f"{report.hop} ({report.hop.why})" if report.hop.why else str(report.hop)
    rang = "; a phone may have rung" if report.rang else ""
    if report.replies:
        yield "calls", f"{report.invites}{rang}"
    if report.unfinished and report.works:
        yield "not found out", report.unfinished


def _asked(replies: Sequence[Reply], width: int) -> list[Text]:
    lines = []
    for number, reply in enumerate(replies, 1):
        lines += beside(f"  {number:>2}  ", str(reply.question), width)
        lines += wrapped(f"{told(reply)}, {duration(reply.took)}", width, " " * 6, " " * 8)
    return lines


def _names(capabilities: Sequence[Capability], support: Support) -> list[str]:
    return [one.name for one in capabilities if one.support is support]
