"""Findings in words: each with its evidence and its cure, and the page that explains one.

Readable at 80 columns and without colour. Everything that a peer may have written is made printable.
"""

import textwrap
from collections.abc import Container, Iterable, Iterator

from rich.text import Text

from probes.findings.catalogue import Catalogue, Entry
from probes.findings.finding import Finding, Severity
from probes.report.safe_text import printable

WIDTH = 80
"""Columns of a terminal that nobody has widened."""
_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTICE: ""}
_NAME = 10
"""Columns of the name of a fact on a page."""
_MAX_EVIDENCE = 6
"""Pieces of evidence that are shown of one finding."""


def finding_lines(findings: Iterable[Finding], width: int = WIDTH, known: Container[str] = ()) -> list[Text]:
    """Each finding with its evidence and cure, in lines of at most `width` columns. Evidence that is `known` has been
    shown already.
    """
    return [line for finding in findings for line in _finding(finding, width, known)]


def page_lines(entry: Entry, width: int = WIDTH) -> list[Text]:
    """The page that explains a finding: what it is, what it does, what to do about it."""
    head = textwrap.wrap(f"{entry.code}: {entry.title}", width, subsequent_indent="  ", break_on_hyphens=False)
    lines = [*(Text(line, style="bold") for line in head), Text()]
    lines += [Text(line) for line in textwrap.wrap(entry.why, width)]
    lines.append(Text())
    lines += [*_row("severity", entry.severity.value, width), *_row("side", entry.side.value, width)]
    lines += [*_row("rule", entry.rule, width), *_row("cure", entry.cure, width)]
    if entry.cures:
        lines += [Text(), Text("In the words of the product:")]
    columns = max(map(len, entry.cures), default=0)
    for product, cure in entry.cures.items():
        lines += _row(product, cure, width, columns)
    return lines


def list_lines(catalogue: Catalogue, width: int = WIDTH) -> list[Text]:
    """All findings there are, a line each, by area."""
    columns = max(map(len, catalogue.entries), default=0) + 2
    lines: list[Text] = []
    for area in dict.fromkeys(entry.area for entry in catalogue.entries.values()):
        lines += [Text(area, style="bold")]
        for entry in catalogue.entries.values():
            if entry.area == area:
                wrapped = textwrap.wrap(entry.title, max(width - columns - 2, 20))
                lines += [
                    Text(f"  {(entry.code if not number else '').ljust(columns)}{line}")
                    for number, line in enumerate(wrapped)
                ]
    return lines


def _finding(finding: Finding, width: int, known: Container[str]) -> Iterator[Text]:
    style = _STYLES[finding.severity]
    head = f"{finding.severity.value}: {finding.what} [{finding.code}, {finding.side.value}, {finding.rule}]"
    for line in _wrapped(head, width, "  ", "      "):
        yield Text(line, style=style)
    # What the finding says in its own words already is not worth saying twice.
    evidence = [told for told in finding.evidence if told not in finding.what and told not in known]
    for told in evidence[:_MAX_EVIDENCE]:
        yield from (Text(line) for line in _wrapped(f"seen: {told}", width, "      ", "        "))
    yield from (Text(line) for line in _wrapped(f"cure: {finding.cure}", width, "      ", "        "))


def _wrapped(text: str, width: int, first: str, later: str) -> list[str]:
    return textwrap.wrap(printable(text), width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False)


def _row(name: str, text: str, width: int, columns: int = _NAME) -> list[Text]:
    head = f"  {name.ljust(columns)}  "
    wrapped = textwrap.wrap(text, width, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)
    return list(map(Text, wrapped))
