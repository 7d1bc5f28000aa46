"""The call fault lab from the command line: `python -m tests.faultlab.calls [PART OF A NAME]`, as root.

Prints a line for each case, writes the table of them when all were played and are right, and prints last
`N faults, M right first, H healthy, F false alarms`. Ends with 0 only when all is right; where it cannot be played, for
want of root or of a program, a line says so, and it ends with 2.
"""

import sys
import tempfile
from collections.abc import Sequence
from functools import partial
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
    """Play all cases with `part` in their names; 0 when all are right, 1 when one is not, 2 when it cannot be known."""
    cases = [case for case in all_calls() if part in case.name]
    absent = missing(cases) if cases else f"no case has {part} in its name"
    if absent:
        tell(f"the call fault lab cannot be played: {absent}")
        return 2
    with tempfile.TemporaryDirectory() as name:
        lab = Lab(Path(name), certificates.make(Path(name)))
        outcomes = trio.run(partial(run_calls, cases, lab, tell=tell))
    right = all(one.right for one in outcomes)
    if not part:
        if right:
            TABLE.write_text(table(outcomes))
        else:
            tell(f"{TABLE.name} is left as it was")
    tell(summary(outcomes))
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
