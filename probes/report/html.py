"""Reports as HTML pages that stand by themselves: one file, no script, nothing from elsewhere, in light and dark.

What peers wrote is hostile. Each text goes through `shown` on its way into a page, whatever a template does, and is
escaped there: passwords in URIs are covered, and control and bidirectional characters made visible. Messages have their
credentials and keys covered, as in captures. The page's own policy forbids everything but its style.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from probes.findings.finding import Finding, Severity
from probes.product import PRODUCT
from probes.report.packets import covered
from probes.report.safe_text import printable
from probes.report.times import duration
from probes.timeline import entry_of
from sipcore.covering import cover_uris
from sipcore.trace import Direction, MessageTrace, TraceRecord
from sipcore.value import value

MAX_TEXT = 2000
"""Characters of one text that are shown: more than any that is meant to be read."""
MAX_MESSAGE = 16 * 1024
"""Bytes of one message that are shown: ten times those that fit into a datagram."""
MAX_MESSAGES = 1024 * 1024
"""Bytes of messages on one page, which browsers still open at once; a capture has room for the others."""
MAX_FINDING_MESSAGES = 6
"""Messages that are shown with one finding."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""What the page may load or run: nothing (Content Security Policy Level 3)."""

SYMBOLS = {"good": "✓", "fair": "!", "bad": "✗", "note": "i"}
"""What stands beside each tone, so that nothing is told by colour alone."""
TONES = {Severity.ERROR: "bad", Severity.WARNING: "fair", Severity.NOTICE: "note"}
"""The tones of findings, and of what they are about."""


class Frame(Enum):
    """What a report stands in."""

    PAGE = "base.html"
    """A page of its own."""
    PART = "part.html"
    """None: it is a part of a page whose style sheet is `style_sheet`, and whose policy allows `svg.STYLE`."""


@value
class ShownMessage:
    """A message fit to be shown: which way it went, its lines, and how many bytes more it had."""

    title: str
    lines: tuple[str, ...]
    more: int


@value
class ShownFinding:
    """A finding and the messages that show it."""

    finding: Finding
    tone: str
    messages: tuple[ShownMessage, ...]


class Evidence:
    """The messages of one page, of which it takes as many as there is room for. `outside` is where they were seen from:
    by neither of those who sent them.
    """

    def __init__(self, *, outside: bool = False) -> None:
        self.outside = outside
        self.omitted = 0
        """Messages that there was no room for."""
        self._room = MAX_MESSAGES

    def of(self, records: Iterable[TraceRecord], start: float | None = None) -> tuple[ShownMessage, ...]:
        """The messages among `records`, with their times since `start`, or since the first of them."""
        messages = [record for record in records if isinstance(record, MessageTrace)]
        begin = start if start is not None else messages[0].at if messages else 0.0
        found = [self._message(record, begin) for record in messages]
        return tuple(message for message in found if message is not None)

    def findings(self, findings: Iterable[Finding], start: float | None = None) -> list[ShownFinding]:
        """Findings with their messages, whose times are as in `of`."""
        return [
            ShownFinding(one, TONES[one.severity], self.of(one.records[:MAX_FINDING_MESSAGES], start))
            for one in findings
        ]

    def way(self, record: MessageTrace) -> str:
        """Which way a message went."""
        if self.outside:
            return f"{record.flow.local} → {record.flow.remote}"
        return "→ sent" if record.direction is Direction.SENT else "← received"

    def _message(self, record: MessageTrace, start: float) -> ShownMessage | None:
        size = min(len(record.data), MAX_MESSAGE)
        if size > self._room:
            self.omitted += 1
            return None
        self._room -= size
        entry = entry_of(record, start)
        told = f"{entry.label} {entry.detail}" if entry is not None else ""
        way = self.way(record)
        text = covered(record.data)[:size].decode("utf-8", "surrogateescape")
        lines = tuple(text.replace("\r\n", "\n").split("\n"))
        return ShownMessage(f"{way} {told}, {(record.at - start) * 1000:.1f} ms", lines, len(record.data) - size)


def page(
    template: str, *, title: str, made_at: float, evidence: Evidence, frame: Frame = Frame.PAGE, **parts: object
) -> str:
    """A report by one of the templates. `made_at` is in seconds since 1970."""
    when = f"{datetime.fromtimestamp(made_at, UTC):%Y-%m-%d %H:%M} UTC"
    return (
        _environment()
        .get_template(template)
        .render(
            frame=frame.value,
            title=title,
            when=when,
            product=PRODUCT,
            policy=POLICY,
            evidence=evidence,
            symbols=SYMBOLS,
            **parts,
        )
    )


def shown(text: object) -> object:
    """A text of whatever origin as it may stand in a page, still to be escaped."""
    if isinstance(text, Markup):  # what templates, and `svg`, have made
        return text
    whole = str(text)
    cut = whole[:MAX_TEXT]
    more = f"… ({len(whole) - MAX_TEXT} characters more)" if len(whole) > MAX_TEXT else ""
    return f"{printable(cover_uris(cut))}{more}"


def style_sheet() -> str:
    """What pages are styled by."""
    return _source("page.css")


def took(seconds: float | None) -> str:
    """A duration; empty for none."""
    return duration(seconds) if seconds is not None else ""


def told_facts(facts: Iterable[tuple[str, object]]) -> list[tuple[str, str]]:
    """Those facts that there is something to tell of."""
    return [(name, str(fact)) for name, fact in facts if fact not in (None, "")]


def plural(count: int, noun: str) -> str:
    """`1 message`, `2 messages`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def worst_first(findings: Sequence[ShownFinding]) -> str:
    """How many of each severity there are, in words."""
    counts = {severity: sum(one.finding.severity is severity for one in findings) for severity in Severity}
    return ", ".join(plural(count, severity.value) for severity, count in counts.items() if count)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals |= {"plural": plural, "worst_first": worst_first}
    return environment


def _source(name: str) -> str:
    return (files("probes.report") / "templates" / name).read_text("utf-8")
