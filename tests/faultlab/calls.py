"""The call fault lab from the command line: `python -m tests.faultlab.calls [PART OF A NAME]`, best as root.

Prints a line for each case, writes the table of them when all were played and are right, and prints last
`N faults, M right first, H healthy, F false alarms`.
"""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import trio

from tests.faultlab.call_cases import all_calls
from tests.faultlab.call_lab import CallOutcome, missing, run_calls
from tests.faultlab.discovery import tell
from tests.interop import certificates
from tests.interop.lab import Lab

TABLE = Path(__file__).parents[2] / "docs" / "call-faults.md"
_HEAD = """\
# What the call fault lab seeds, and what is found

Each row is a test call, made by `make fault-lab-call`: a fault, what makes it, and the findings, the worst first (E an
error, W a warning, N a notice). The first has to be the one that is expected. `sipprobe explain CODE` has the page of
each. The calls below the faults are healthy: nothing above a notice may be found.

| case | made with | expected | found |
| --- | --- | --- | --- |
"""


def summary(outcomes: Sequence[CallOutcome]) -> str:
    """The last line."""
    faults = [one for one in outcomes if one.case.expected]
    healthy = [one for one in outcomes if not one.case.expected]
    right, alarms = sum(one.right for one in faults), sum(not one.right for one in healthy)
    return f"{len(faults)} faults, {right} right first, {len(healthy)} healthy, {alarms} false alarms"


def table(outcomes: Sequence[CallOutcome]) -> str:
    """The outcomes as a document."""
    ordered = [one for one in outcomes if one.case.expected] + [one for one in outcomes if not one.case.expected]
    rows = [
        f"| {one.case.name} | {one.case.made_with} | {one.case.expected or '–'} | {one.codes} |\n" for one in ordered
    ]
    return f"{_HEAD}{''.join(rows)}\n{summary(outcomes)}\n"


def main(part: str = "") -> int:
    """Play all cases with `part` in their names; 0 when all are right."""
    with tempfile.TemporaryDirectory() as name:
        lab = Lab(Path(name), certificates.make(Path(name)))
        absent, root = missing(lab), os.geteuid() == 0
        if absent or not root:
            tell(f"left out: {absent or 'networks, which need root'}")
        cases = [case for case in all_calls() if part in case.name]

        async def play() -> list[CallOutcome]:
            return await run_calls(cases, None if absent else lab, root=root, tell=tell)

        outcomes = trio.run(play)
    right = bool(outcomes) and all(one.right for one in outcomes)
    if not part and len(outcomes) == len(cases):
        if right:
            TABLE.write_text(table(outcomes))
        else:
            tell(f"{TABLE.name} is left as it was")
    tell(summary(outcomes))
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
