"""The call fault lab: every seeded fault has its finding first, with a cure, and a healthy call none above a notice.

One case in five is played, and all of them in CI and by `make fault-lab-call`.
"""

import inspect
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import trio

from probes.calls.judge import incoming
from probes.destination import Destination
from probes.findings.catalogue import catalogue
from probes.result import CallKind, CallResult, CallStatus
from tests.faultlab import call_lab, calls
from tests.faultlab.call_cases import all_calls
from tests.faultlab.call_incoming import Called
from tests.faultlab.call_lab import CallCase, CallOutcome, missing, run_calls
from tests.faultlab.calls import TABLE, summary, table
from tests.impairment.conftest import privileged
from tests.interop import certificates
from tests.interop.lab import Lab

__all__ = ["privileged"]

EVERY = 1 if "CI" in os.environ else 5
LEAST_FAULTS, LEAST_HEALTHY, LEAST_HEALTHY_CALLERS = 60, 20, 5
CASES = all_calls()
AT_SERVERS = [case for case in CASES if not case.over_network]
OVER_NETWORKS = [case for case in CASES if case.over_network]
NO_CASE = {
    "media-not-allowed": "the lab reaches what it likes; tests/probes/test_reach_enforced.py has a peer and a policy",
    "ack-missing": "a call that is placed here is always acknowledged: it stands in captures of others' calls only",
    "busy-here": "it tells of this machine, and is left out of what is found where the machine happens to be busy",
    "credentials-not-for-host": "a test call's credentials are for its target, and it follows nobody elsewhere",
    "own-fault": "no peer makes it: tests of the endpoint inject mistakes of this program",
}
"""The findings of calls that no case makes, and why."""


@pytest.fixture(scope="module")
def played() -> dict[str, CallOutcome]:
    """What all cases come to that can be played here, by their names: those at servers and those over networks wait for
    timers at the same time.
    """
    kinds = [part[::EVERY] for part in (AT_SERVERS, OVER_NETWORKS) if not missing(part)]
    cases = [case for part in kinds for case in part]
    with tempfile.TemporaryDirectory() as name:  # short: baresip opens no files whose paths are longer than 140
        lab = Lab(Path(name), certificates.make(Path(name)))
        outcomes = trio.run(partial(run_calls, cases, lab, tell=lambda _: None))
    return {outcome.case.name: outcome for outcome in outcomes}


def check(cases: list[CallCase], played: dict[str, CallOutcome], say_last: Callable[[str], None]) -> None:
    outcomes = [played[case.name] for case in cases]
    say_last(f"calls: {summary(outcomes)}")
    wrong = [str(outcome) for outcome in outcomes if not outcome.right]
    assert not wrong, "\n".join([*wrong, summary(outcomes)])


def test_what_servers_and_callers_do_wrong_comes_first(
    request: pytest.FixtureRequest, say_last: Callable[[str], None]
) -> None:
    absent = missing(AT_SERVERS)
    if absent:
        if os.environ.get("SIPCORE_INTEROP") == "required":
            pytest.fail(absent, pytrace=False)
        pytest.skip(absent)
    check(AT_SERVERS[::EVERY], request.getfixturevalue("played"), say_last)


@pytest.mark.usefixtures("privileged")
def test_what_callees_and_networks_do_wrong_comes_first(
    request: pytest.FixtureRequest, say_last: Callable[[str], None]
) -> None:
    check(OVER_NETWORKS[::EVERY], request.getfixturevalue("played"), say_last)


def test_there_are_enough_cases_each_with_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    assert sum(bool(case.expected) for case in CASES) >= LEAST_FAULTS
    assert sum(not case.expected for case in CASES) >= LEAST_HEALTHY


def test_what_is_expected_exists() -> None:
    assert {case.expected for case in CASES if case.expected} <= set(catalogue().entries)


def test_every_finding_of_a_call_has_a_case_or_a_reason() -> None:
    codes = {code for code, entry in catalogue().entries.items() if entry.area == "call"}
    seeded = {case.expected for case in CASES}
    assert codes - seeded == set(NO_CASE)


def test_the_side_that_is_called_has_cases_of_its_own() -> None:
    called = [case for case in CASES if isinstance(case.peer, Called)]
    told = re.findall(r'Hint\("([a-z-]+)"', inspect.getsource(incoming))
    assert set(told) <= {case.expected for case in called}
    assert sum(not case.expected for case in called) >= LEAST_HEALTHY_CALLERS


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


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines that the command line has printed so far; the table is left alone."""
    lines: list[str] = []
    monkeypatch.setattr(calls, "tell", lambda line: lines.append(str(line)))
    monkeypatch.setattr(calls, "TABLE", Path(os.devnull))
    return lines


@pytest.mark.parametrize(
    ("part", "why"), [("", "sipp is not installed"), ("there-is-none", "no case has there-is-none")]
)
def test_a_lab_that_cannot_be_played_fails_and_says_why(
    part: str, why: str, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "missing", lambda _: "sipp is not installed")
    assert calls.main(part) == 2
    assert told == [f"the call fault lab cannot be played: {why}{' in its name' if part else ''}"]


def test_without_root_there_are_no_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert missing(OVER_NETWORKS) == "making network namespaces needs root"


@pytest.mark.parametrize(("codes", "status"), [(("no-call-came",), 0), ((), 1), (("no-rtp-in", "no-call-came"), 1)])
def test_the_exit_code_tells_whether_all_is_right(
    codes: tuple[str, ...], status: int, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def played(cases: list[CallCase], *_: object, **__: object) -> list[CallOutcome]:
        return [replace(outcome(case.expected, *codes), case=case) for case in cases]

    monkeypatch.setattr(calls, "run_calls", played)
    monkeypatch.setattr(calls, "missing", lambda _: "")
    assert calls.main("caller-nobody") == status
    assert told == [f"1 faults, {1 - status} right first, 0 healthy, 0 false alarms"]


async def test_what_is_wrong_is_played_once_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each by itself, and what it comes to then counts."""
    rounds: list[list[str]] = []

    async def played(cases: list[CallCase], *_: object) -> list[CallOutcome]:
        rounds.append([case.name for case in cases])
        codes = {"a": "no-rtp-in", "b": "no-rtp-in" if len(rounds) > 1 else "rtp-loss", "c": "rtp-loss"}
        return [replace(outcome("no-rtp-in", codes[case.name]), case=case) for case in cases]

    monkeypatch.setattr(call_lab, "_play", played)
    cases = [CallCase(name, "no-rtp-in", None) for name in "abc"]
    outcomes = await run_calls(cases, Lab(tmp_path, certificates.make(tmp_path)), tell=lambda _: None)
    assert rounds == [["a", "b", "c"], ["b"], ["c"]]
    assert [outcome.right for outcome in outcomes] == [True, True, False]


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
