"""What is known of each finding, as data: one table each, by its code, in a TOML file for each area.

Code that finds something names the code and the facts of the case; how bad that is, whose fault, what it means, what to
do about it and which rule it breaks are written here once.
"""

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from probes.findings.finding import Finding, Severity, Side
from sipcore.errors import LocalError, quoted
from sipcore.trace import TraceRecord
from sipcore.value import value

AREAS = ("dns", "tls", "discovery", "call")
"""The files in the order in which their findings come among equally bad ones: what explains most is first. Files of
other names follow, by the alphabet."""
MAX_SUGGESTED = 5
"""Codes that are suggested in the place of one that does not exist."""
_NEEDED = {"severity", "side", "title", "why", "cure", "rule"}
_KEYS = _NEEDED | {"cures"}


@value
class Entry:
    """What is known of one finding: `title` in half a sentence, `why` it matters, how to `cure` it, and the `rule`.

    `cures` are the cure in the words of products, by their names.
    """

    code: str
    area: str
    severity: Severity
    side: Side
    title: str
    why: str
    cure: str
    rule: str
    cures: Mapping[str, str]

    def cure_for(self, *systems: str) -> str:
        """The cure in the words of the first of some systems for which there are any, otherwise the general one."""
        known = {name.lower(): cure for name, cure in self.cures.items()}
        return next((known[system.lower()] for system in systems if system.lower() in known), self.cure)


@value
class Catalogue:
    """All that can be found, by code, in the order in which equally bad findings are told."""

    entries: Mapping[str, Entry]

    def __getitem__(self, code: str) -> Entry:
        """The entry of a code. Raises LocalError, with what may be meant, for one that does not exist."""
        entry = self.entries.get(normal(code))
        if entry is None:
            near = self.near(code)
            meant = f"; perhaps {', '.join(near)}" if near else ""
            raise LocalError(f"there is no finding {quoted(code)}{meant}", section=_SECTION)
        return entry

    def near(self, code: str) -> tuple[str, ...]:
        """Codes that are spelled much like this one, or have it as a part."""
        wanted = normal(code)
        parts = [known for known in self.entries if wanted and wanted in known]
        close = get_close_matches(wanted, self.entries, n=MAX_SUGGESTED)
        return tuple(dict.fromkeys([*parts, *close]))[:MAX_SUGGESTED]

    def finding(
        self,
        code: str,
        what: str,
        evidence: Iterable[str] = (),
        *,
        systems: Iterable[str] = (),
        severity: Severity | None = None,
        records: Iterable[TraceRecord] = (),
    ) -> Finding:
        """A finding with the facts of its case; `systems` are the names of the product there, the most specific first.

        `severity` is for a case that is less bad than the catalogue has it. Raises LocalError for an unknown code.
        """
        entry = self[code]
        return Finding(
            entry.code,
            severity or entry.severity,
            entry.side,
            what,
            tuple(evidence),
            entry.cure_for(*systems),
            entry.rule,
            tuple(records),
        )

    def ranked(self, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        """Each once, the worst first, and among equals what explains most."""
        order = {code: place for place, code in enumerate(self.entries)}
        severities = list(Severity)
        unique = dict.fromkeys(findings)
        return tuple(sorted(unique, key=lambda one: (severities.index(one.severity), order.get(one.code, len(order)))))


_SECTION = "RFC 3261 §11"


def normal(code: str) -> str:
    """A code as the catalogue spells it: in lower case, its words joined by hyphens."""
    return "-".join(code.lower().replace("_", " ").replace("-", " ").split())


@cache
def catalogue() -> Catalogue:
    """The catalogue that is installed: every TOML file beside this one."""
    texts = {one.name.removesuffix(".toml"): one.read_text("utf-8") for one in _files()}
    return read(texts)


def _files() -> list[Traversable]:
    found = [one for one in files("probes.findings").iterdir() if one.name.endswith(".toml")]
    places = {f"{area}.toml": place for place, area in enumerate(AREAS)}
    return sorted(found, key=lambda one: (places.get(one.name, len(AREAS)), one.name))


def read(texts: Mapping[str, str]) -> Catalogue:
    """A catalogue out of TOML texts by area. Raises LocalError on whatever is wrong with them."""
    entries: dict[str, Entry] = {}
    for area, text in texts.items():
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise _wrong(f"the findings of {area} are no TOML: {error}") from None
        for code, table in data.items():
            if code in entries:
                raise _wrong(f"{code} stands in {area} and in {entries[code].area}")
            entries[code] = _entry(code, area, table)
    return Catalogue(entries)


def _entry(code: str, area: str, table: Any) -> Entry:  # noqa: ANN401  # whatever TOML has
    if code != normal(code):
        raise _wrong(f"{code}: a code is in lower case, its words joined by hyphens")
    if not isinstance(table, dict) or not table.keys() >= _NEEDED or not table.keys() <= _KEYS:
        raise _wrong(f"{code}: needs {', '.join(sorted(_NEEDED))}, and may have cures")
    texts = {key: " ".join(found.split()) for key, found in table.items() if isinstance(found, str)}
    cures = table.get("cures", {})
    if not all(texts.get(key) for key in _NEEDED):
        raise _wrong(f"{code}: {', '.join(sorted(_NEEDED))} are texts, none of them empty")
    if not isinstance(cures, dict) or not all(isinstance(cure, str) and cure for cure in cures.values()):
        raise _wrong(f"{code}: cures are texts by the name of a product")
    severity, side = _member(Severity, texts["severity"], code), _member(Side, texts["side"], code)
    own = {product: " ".join(cure.split()) for product, cure in cures.items()}
    return Entry(code, area, severity, side, texts["title"], texts["why"], texts["cure"], texts["rule"], own)


def _member(kind: Any, name: str, code: str) -> Any:  # noqa: ANN401  # an enumeration, and a member of it
    try:
        return kind(name)
    except ValueError:
        raise _wrong(f"{code}: {name} is none of {', '.join(one.value for one in kind)}") from None


def _wrong(message: str) -> LocalError:
    return LocalError(message, section=_SECTION)
