"""The discovery fault lab from the command line: `python -m tests.faultlab.discovery [PART OF A NAME]`, as root.

Prints a line for each case and last `N faults, M right first, H healthy, F false alarms`.
"""

import sys
import tempfile
from pathlib import Path

import trio

from probes.findings.catalogue import catalogue
from probes.findings.finding import Finding
from probes.report.json import discovery_data
from sipcore.trace import MessageTrace
from tests.faultlab.cases import all_cases
from tests.faultlab.lab import Outcome, run_cases
from tests.faultlab.setups import ROOT

WITHOUT_SIP = frozenset({"no-address", "no-ipv6-here"})
"""Findings of discovery that neither a message nor a connection shows: nothing could be sent."""
OF_CONNECTIONS = frozenset(
    {
        *("refused", "no-way-there", "nothing-answers", "probe-failed", "ipv6-dead"),
        *("published-dead", "srv-target-dead", "tls-port-speaks-plain", "websocket-refused"),
    }
)
"""Those that what became of a connection may show alone, because no message got as far as to be sent."""


def unproven(outcome: Outcome) -> list[Finding]:
    """The findings about SIP that lead to no message of theirs, as data either."""
    told = discovery_data(outcome.found)["findings"]
    assert isinstance(told, list)  # the schema says so
    return [one for one, data in zip(outcome.found.findings, told, strict=True) if not _is_proven(one, data)]


def _is_proven(finding: Finding, data: dict[str, list[object]]) -> bool:
    if catalogue()[finding.code].area != "discovery" or finding.code in WITHOUT_SIP:
        return True
    messages = [record for record in finding.records if isinstance(record, MessageTrace)]
    shown = bool(messages) or (finding.code in OF_CONNECTIONS and bool(data["flows"]))
    return shown and len(data["messages"]) == len(messages)


def summary(outcomes: list[Outcome]) -> str:
    faults = [one for one in outcomes if one.case.fault]
    healthy = [one for one in outcomes if not one.case.fault]
    right, alarms = sum(one.right for one in faults), sum(not one.right for one in healthy)
    return f"{len(faults)} faults, {right} right first, {len(healthy)} healthy, {alarms} false alarms"


def tell(line: object) -> None:
    """Print a line at once: the lab takes a minute."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(part: str = "") -> int:
    """Play all cases with `part` in their names; 0 when all are right."""
    with tempfile.TemporaryDirectory() as folder:
        cases = [case for case in all_cases() if part in case.name]
        outcomes = trio.run(run_cases, cases, Path(folder), ROOT.pem, tell)
    for one in outcomes:
        for finding in unproven(one):
            tell(f"{one.case.name}: {finding.code} leads to no message")
    tell(summary(outcomes))
    return 0 if all(one.right and not unproven(one) for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
