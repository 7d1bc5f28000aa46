"""How long each timer runs: RFC 3261 Table 4, RFC 6026 §8.11, RFC 4320 §4.1."""

import dataclasses

import pytest

from sipcore.errors import LocalError
from sipcore.transactions.timers import DEFAULT_TIMERS, NEVER, RETRANSMISSION, Timer, Timers

TABLE_4 = {  # timer: (over UDP, over a reliable transport), by the default values of T1, T2 and T4
    Timer.A: (0.5, NEVER),
    Timer.B: (32.0, 32.0),
    Timer.D: (32.0, 0.0),
    Timer.E: (0.5, NEVER),
    Timer.F: (32.0, 32.0),
    Timer.G: (0.5, NEVER),
    Timer.H: (32.0, 32.0),
    Timer.I: (5.0, 0.0),
    Timer.J: (32.0, 0.0),
    Timer.K: (5.0, 0.0),
    Timer.L: (32.0, 32.0),
    Timer.M: (32.0, 32.0),
    Timer.CANCEL: (32.0, 32.0),
    Timer.TRYING: (0.2, 0.2),
    Timer.LATE_TRYING: (3.5, 3.5),
    Timer.UNANSWERED: (64, 64),
}


@pytest.mark.parametrize("timer", Timer, ids=lambda timer: timer.name)
def test_table_4(timer: Timer) -> None:
    unreliable, reliable = TABLE_4[timer]
    assert DEFAULT_TIMERS.durations(reliable=False)[timer] == unreliable
    assert DEFAULT_TIMERS.durations(reliable=True)[timer] == reliable


def test_all_scale_with_t1_but_those_of_t4_and_the_floor_of_d() -> None:
    slow = Timers(t1=2.0, t4=1.0).durations(reliable=False)
    assert [slow[timer] for timer in (Timer.A, Timer.B, Timer.D, Timer.H, Timer.M)] == [2.0, 128.0, 128.0, 128.0, 128.0]
    assert slow[Timer.I] == slow[Timer.K] == 1.0
    assert Timers(t1=0.1).durations(reliable=False)[Timer.D] == 32.0


@pytest.mark.parametrize(
    ("t1", "t2", "seconds"),
    [(0.5, 4.0, 3.5), (0.5, 0.5, 0.5), (0.5, 1.0, 0.5), (0.5, 3.0, 1.5 + 2.0), (1.0, 4.0, 3.0), (0.1, 4.0, 6.3)],
)
def test_the_late_100_goes_out_when_timer_e_is_reset_to_t2(t1: float, t2: float, seconds: float) -> None:
    """Timer E is set to T1, then to the lesser of twice its last value and T2: sum up until that is T2."""
    durations = Timers(t1=t1, t2=t2).durations(reliable=True)
    assert durations[Timer.LATE_TRYING] == pytest.approx(seconds)


@pytest.mark.parametrize(
    "wrong", [{"t1": 0.0}, {"t1": -1.0}, {"t1": 5.0}, {"t2": NEVER}, {"t4": 0.0}, {"d": 0.0}, {"trying": -0.1}]
)
def test_nonsense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(LocalError, match="T1"):
        Timers(**wrong)


def test_the_configuration_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DEFAULT_TIMERS.t1 = 1.0  # type: ignore[misc]  # that is what is tested


def test_letters_that_send_again() -> None:
    assert {timer.name for timer in RETRANSMISSION} == set("AEG")
