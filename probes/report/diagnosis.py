"""Calls that were judged afterwards, in words and as data."""

from rich.text import Text

from probes.calls.judge.diagnosis import Diagnosis
from probes.report.findings_json import finding_data
from probes.report.findings_text import finding_lines
from probes.report.lines import WIDTH, beside
from probes.report.safe_text import printable
from sipcore.covering import cover_uris
from sipcore.errors import encodable

Data = dict[str, object]


def diagnosis_lines(number: int, diagnosis: Diagnosis, width: int = WIDTH) -> list[Text]:
    """A call in a few lines, and what is wrong with it below."""
    title = printable(cover_uris(diagnosis.title))
    said = f" ({printable(diagnosis.said)})" if diagnosis.said else ""
    ended = f"{diagnosis.status.value.replace('_', ' ')}{said}"
    lines = [Text.assemble((f"{number:>4}  ", "dim"), (title, "bold")), Text(f"      {ended}")]
    found = finding_lines(diagnosis.findings, width)
    nothing = "nothing is wrong with it"
    if diagnosis.unknown:
        nothing += f" as far as it went: {printable(diagnosis.unknown)}"
    return [*lines, *(found or beside("      ", nothing, width))]


def diagnosis_data(diagnosis: Diagnosis) -> Data:
    """The same as what `json.dumps` takes."""
    return {
        "call_id": encodable(diagnosis.call_id),
        "call": encodable(cover_uris(diagnosis.title)),
        "status": diagnosis.status.value,
        "said": encodable(diagnosis.said),
        "findings": [finding_data(finding) for finding in diagnosis.findings],
    }
