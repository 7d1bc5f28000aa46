"""Findings as data, and what is known of each kind. Fields are only ever added; each report's schema describes the
findings in it, and `finding.schema.json` beside this file what is known of them."""

from probes.findings.catalogue import Entry
from probes.findings.finding import Finding
from sipcore.errors import encodable

Data = dict[str, object]


def finding_data(finding: Finding) -> Data:
    """A finding as what `json.dumps` takes. What a peer wrote is there as it came."""
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "side": finding.side.value.lower(),
        "what": encodable(finding.what),
        "evidence": [encodable(told) for told in finding.evidence],
        "cure": finding.cure,
        "rule": finding.rule,
    }


def entry_data(entry: Entry) -> Data:
    """What the catalogue has of a finding. `cures` are the cure in the words of products, by their names."""
    return {
        "code": entry.code,
        "area": entry.area,
        "severity": entry.severity.value,
        "side": entry.side.value.lower(),
        "title": entry.title,
        "why": entry.why,
        "cure": entry.cure,
        "cures": dict(entry.cures),
        "rule": entry.rule,
    }
