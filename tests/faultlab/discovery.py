"""The discovery fault lab from the command line: `python -m tests.faultlab.discovery [PART OF A NAME]`, as root.

Prints a line for each case and last `N faults, M right first, H healthy, F false alarms`.
"""

import sys
import tempfile
from pathlib import Path

import trio

from tests.faultlab.cases import ROOT, all_cases
from tests.faultlab.lab import Outcome, run_cases


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
        cases = [case for case in all_cases(Path(folder)) if part in case.name]
        outcomes = trio.run(run_cases, cases, Path(folder), ROOT.pem, tell)
    tell(summary(outcomes))
    return 0 if all(one.right for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
