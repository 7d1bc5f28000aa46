"""The discovery fault lab: every seeded fault has its finding first, and a healthy setup none above a notice."""

import shutil
from pathlib import Path

import pytest

from tests.faultlab.cases import ROOT, all_cases
from tests.faultlab.discovery import summary
from tests.faultlab.lab import Case, run_cases
from tests.impairment.conftest import privileged

__all__ = ["privileged"]

LEAST_FAULTS = 30


@pytest.mark.usefixtures("privileged")
@pytest.mark.skipif(shutil.which("nsd", path="/usr/sbin:/usr/bin") is None, reason="NSD is not installed")
async def test_what_is_wrong_comes_first(tmp_path: Path) -> None:
    cases = all_cases(tmp_path)
    outcomes = await run_cases(cases, tmp_path, ROOT.pem)
    wrong = [str(outcome) for outcome in outcomes if not outcome.right]
    assert not wrong, "\n".join([*wrong, summary(outcomes)])


def test_each_case_has_a_name_of_its_own_and_there_are_enough(tmp_path: Path) -> None:
    cases = all_cases(tmp_path)
    assert len({case.name for case in cases}) == len(cases)
    assert sum(case.fault for case in cases) >= LEAST_FAULTS
    assert any(not case.fault for case in cases)


def test_the_summary_counts() -> None:
    assert summary([]) == "0 faults, 0 right first, 0 healthy, 0 false alarms"
    assert not Case("x", "y", ()).fault
