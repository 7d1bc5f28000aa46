"""The discovery fault lab: every seeded fault has its finding first, and a healthy setup none above a notice."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from probes.findings.catalogue import catalogue
from tests.faultlab.cases import all_cases
from tests.faultlab.discovery import summary, unproven
from tests.faultlab.lab import Case, run_cases
from tests.faultlab.setups import ROOT
from tests.faultlab.without_case import WITHOUT_CASE
from tests.impairment.conftest import privileged

__all__ = ["privileged"]

LEAST_FAULTS, LEAST_HEALTHY = 90, 40


@pytest.mark.usefixtures("privileged")
@pytest.mark.skipif(shutil.which("nsd", path="/usr/sbin:/usr/bin") is None, reason="NSD is not installed")
async def test_what_is_wrong_comes_first(tmp_path: Path, say_last: Callable[[str], None]) -> None:
    cases = all_cases()
    outcomes = await run_cases(cases, tmp_path, ROOT.pem)
    say_last(f"discovery: {summary(outcomes)}")
    wrong = [str(outcome) for outcome in outcomes if not outcome.right]
    assert not wrong, "\n".join([*wrong, summary(outcomes)])
    assert [(one.case.name, finding.code) for one in outcomes for finding in unproven(one)] == []


def test_each_case_has_a_name_of_its_own_and_there_are_enough() -> None:
    cases = all_cases()
    assert len({case.name for case in cases}) == len(cases)
    assert sum(case.fault for case in cases) >= LEAST_FAULTS
    assert sum(not case.fault for case in cases) >= LEAST_HEALTHY


def test_each_finding_has_a_case_or_a_reason_why_it_has_none() -> None:
    codes = {entry.code for entry in catalogue().entries.values() if entry.area != "call"}
    made = {code for case in all_cases() for code in (case.expected, *case.also) if code}
    assert made <= codes
    assert made.isdisjoint(WITHOUT_CASE), "what has a case needs no reason"
    assert made | set(WITHOUT_CASE) == codes
    assert all(WITHOUT_CASE.values())


def test_the_summary_counts() -> None:
    assert summary([]) == "0 faults, 0 right first, 0 healthy, 0 false alarms"
    assert not Case("x", "y", ()).fault
