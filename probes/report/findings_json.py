"""Findings as data. Fields are only ever added; each report's schema describes them."""

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
