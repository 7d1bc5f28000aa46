"""Lists in docs/findings.md all that can be found wrong. Run it as `python docs/list_findings.py`.

A test compares the file with what this makes, so the two cannot drift apart.
"""

from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from probes.findings.catalogue import Entry, catalogue

PAGE = Path(__file__).with_name("findings.md")
INTRODUCTION = """\
# What can be found

Listed by `docs/list_findings.py` out of the catalogue in `probes/findings`. `sipprobe explain CODE` prints one of them.
An error keeps calls from working, a warning may, a notice is worth knowing; the side is who can put it right.
"""
_TITLES = {"dns": "DNS", "tls": "TLS", "discovery": "Discovery", "call": "Calls"}


def page() -> str:
    """The whole page."""
    by_area = groupby(catalogue().entries.values(), attrgetter("area"))
    return INTRODUCTION + "".join(f"\n## {_TITLES[area]}\n{''.join(map(_entry, found))}" for area, found in by_area)


def _entry(entry: Entry) -> str:
    return "\n" + "\n".join([f"### {entry.code}", "", *_lines(entry), ""])


def _lines(entry: Entry) -> Iterator[str]:
    yield f"*{_sentence(entry.title)}* {entry.why}\n"
    yield f"- {entry.severity.value}, {entry.side.value}, {entry.rule}"
    yield f"- cure: {entry.cure}"
    for product, cure in entry.cures.items():
        yield f"- {product}: {cure}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
