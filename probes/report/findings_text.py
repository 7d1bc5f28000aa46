"""Findings in words: each with its evidence and its cure, and the page that explains one.

Readable at 80 columns and without colour. Everything that a peer may have written is made printable.
"""

from collections.abc import Container, Iterable, Iterator, Mapping

from rich.text import Text

from probes.findings.catalogue import Catalogue, Entry
from probes.findings.finding import Finding, Severity
from probes.report.lines import WIDTH, fact, wrapped

_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTICE: ""}
_NAME = 10
"""Columns of the name of a fact on a page."""
_LEAST = 22
"""Columns that a title gets in a list, however narrow the terminal is."""
_MAX_EVIDENCE = 6
"""Pieces of evidence that are shown of one finding."""


def finding_lines(findings: Iterable[Finding], width: int = WIDTH, known: Container[str] = ()) -> list[Text]:
    """Each finding with its evidence and cure, in lines of at most `width` columns. Evidence that is `known` has been
    shown already.
    """
    return [line for finding in findings for line in _finding(finding, width, known)]


def page_lines(entry: Entry, width: int = WIDTH) -> list[Text]:
    """The page that explains a finding: what it is, what it does, what to do about it."""
    lines = [*wrapped(f"{entry.code}: {entry.title}", width, later="  ", style="bold"), Text()]
    lines += [*wrapped(entry.why, width), Text()]
    facts = {"severity": entry.severity.value, "side": entry.side.value, "rule": entry.rule, "cure": entry.cure}
    lines += _columns(facts, width, _NAME)
    if entry.cures:
        lines += [Text(), Text("In the words of the product:")]
        lines += _columns(entry.cures, width, max(map(len, entry.cures)))
    return lines


def list_lines(catalogue: Catalogue, width: int = WIDTH) -> list[Text]:
    """All findings there are, a line each, by area."""
    columns = max(map(len, catalogue.entries), default=0) + 2
    lines: list[Text] = []
    for area in dict.fromkeys(entry.area for entry in catalogue.entries.values()):
        lines += [Text(area, style="bold")]
        for entry in catalogue.entries.values():
            if entry.area == area:
                lines += fact(entry.code, entry.title, max(width, columns + _LEAST), columns)
    return lines


def _finding(finding: Finding, width: int, known: Container[str]) -> Iterator[Text]:
    style = _STYLES[finding.severity]
    head = f"{finding.severity.value}: {finding.what} [{finding.code}, {finding.side.value}, {finding.rule}]"
    yield from wrapped(head, width, "  ", " " * 6, style)
    # What the finding says in its own words already is not worth saying twice.
    evidence = [told for told in finding.evidence if told not in finding.what and told not in known]
    for told in evidence[:_MAX_EVIDENCE]:
        yield from wrapped(f"seen: {told}", width, " " * 6, " " * 8)
    yield from wrapped(f"cure: {finding.cure}", width, " " * 6, " " * 8)


def _columns(facts: Mapping[str, str], width: int, columns: int) -> list[Text]:
    """Facts, each with its name in so many columns, and two between."""
    return [line for name, text in facts.items() for line in fact(name, text, width, columns + 2)]
