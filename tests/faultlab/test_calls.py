"""The call fault lab: every seeded fault has its finding first, with a cure, and a healthy call none above a notice.

By default one case in five is played, all of them with SIPCORE_FAULTLAB=all, and by `make fault-lab-call`.
"""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from probes.destination import Destination
from probes.findings.catalogue import catalogue
from probes.result import CallKind, CallResult, CallStatus
from tests.faultlab.call_cases import all_calls
from tests.faultlab.call_lab import CallCase, CallOutcome, OnServer, OnSipp, missing, run_calls
from tests.faultlab.calls import TABLE, summary, table
from tests.impairment.conftest import privileged
from tests.interop import certificates
from tests.interop.lab import Lab

__all__ = ["privileged"]

EVERY = 1 if os.environ.get("SIPCORE_FAULTLAB") == "all" else 5
LEAST_FAULTS, LEAST_HEALTHY = 60, 20
CASES = all_calls()
AT_SERVERS = [case for case in CASES if isinstance(case.peer, OnServer | OnSipp)]
OVER_NETWORKS = [case for case in CASES if case not in AT_SERVERS]


async def play(cases: list[CallCase], lab: Lab | None, *, root: bool) -> None:
    """Play cases; what is wrong is played once more by itself, since a busy machine looks like a bad network."""
    outcomes = await run_calls(cases, lab, root=root, tell=lambda _: None)
    assert len(outcomes) == len(cases)
    doubtful = [outcome.case for outcome in outcomes if not outcome.right]
    again = await run_calls(doubtful, lab, root=root, tell=lambda _: None) if doubtful else []
    wrong = [str(outcome) for outcome in again if not outcome.right]
    assert not wrong, "\n".join([*wrong, summary(outcomes)])


async def test_what_servers_do_wrong_comes_first(tmp_path: Path) -> None:
    lab = Lab(tmp_path, certificates.make(tmp_path))
    absent = missing(lab)
    if absent:
        if os.environ.get("SIPCORE_INTEROP") == "required":
            pytest.fail(absent, pytrace=False)
        pytest.skip(absent)
    await play(AT_SERVERS[::EVERY], lab, root=False)


@pytest.mark.usefixtures("privileged")
async def test_what_callees_and_networks_do_wrong_comes_first() -> None:
    await play(OVER_NETWORKS[::EVERY], None, root=True)


def test_there_are_enough_cases_each_with_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    assert sum(bool(case.expected) for case in CASES) >= LEAST_FAULTS
    assert sum(not case.expected for case in CASES) >= LEAST_HEALTHY


def test_what_is_expected_exists() -> None:
    assert {case.expected for case in CASES if case.expected} <= set(catalogue().entries)


def test_the_table_has_a_row_for_each_case_and_nothing_is_wrong_in_it() -> None:
    text = TABLE.read_text()
    for case in CASES:
        row = next(line for line in text.splitlines() if line.startswith(f"| {case.name} |"))
        _, name, made_with, expected, found, _ = (cell.strip() for cell in row.split("|"))
        assert (name, made_with, expected) == (case.name, case.made_with, case.expected or "–")
        if case.expected:
            assert found.split(", ")[0][2:] == case.expected
        else:
            assert found == "nothing" or all(one.startswith("N ") for one in found.split(", "))
    assert text.rstrip().endswith(" 0 false alarms")


def outcome(expected: str, *codes: str) -> CallOutcome:
    """A call, made up, in which these were found."""
    found = tuple(catalogue().finding(code, code) for code in codes)
    result = CallResult(Destination("x"), None, CallStatus.CONNECTED, CallKind.CONNECTED, "", findings=found)
    return CallOutcome(CallCase("made-up", expected, None), result)


@pytest.mark.parametrize(
    ("made", "right"),
    [
        (outcome("no-rtp-in", "no-rtp-in"), True),
        (outcome("no-rtp-in", "ack-lost", "no-rtp-in"), False),
        (outcome("no-rtp-in"), False),
        (outcome(""), True),
        (outcome("", "echo-missing"), True),
        (outcome("", "rtp-loss"), False),
    ],
)
def test_the_checks_can_fail(made: CallOutcome, right: bool) -> None:
    assert made.right is right
    assert str(made).startswith("ok " if right else "BAD")
    assert table([made]).count("| made-up |") == 1


def test_a_finding_without_a_cure_is_not_right() -> None:
    made = outcome("no-rtp-in", "no-rtp-in")
    (finding,) = made.result.findings
    assert not replace(made, result=replace(made.result, findings=(replace(finding, cure=""),))).right


def test_the_summary_counts() -> None:
    outcomes: list[CallOutcome] = []
    assert summary(outcomes) == "0 faults, 0 right first, 0 healthy, 0 false alarms"
    assert table(outcomes).endswith(f"\n{summary(outcomes)}\n")
