"""The heap of timers: nobody is forgotten, nobody is woken too early or twice, and nothing piles up."""

from hypothesis import given
from hypothesis import strategies as st

from sipcore.transactions import client
from sipcore.transactions.alarms import MIN_STALE, Alarms
from sipcore.transactions.key import ClientKey
from sipcore.transactions.timers import DEFAULT_TIMERS, NEVER
from sipcore.transactions.transaction import Program, Transaction
from tests.sipcore.transactions.rig import hop

PROGRAM = Program(client.MACHINE, DEFAULT_TIMERS, reliable=False)


def sleeper(due: float = NEVER) -> Transaction:
    transaction = Transaction(ClientKey("z9hG4bK", "OPTIONS"), PROGRAM, hop(), None)
    transaction.expire_at = due
    return transaction


def test_the_earliest_is_woken_first_and_all_of_one_millisecond_together() -> None:
    alarms = Alarms()
    late, early, same = sleeper(2.0), sleeper(0.5), sleeper(0.4996)
    for one in (late, early, same):
        alarms.schedule(one)
    assert alarms.next_timeout() == 0.5
    assert alarms.pop(0.4999) == []
    assert alarms.pop(0.5) == [early, same]
    assert alarms.pop(0.5) == []
    assert alarms.next_timeout() == 2.0
    assert alarms.pop(100) == [late]
    assert alarms.next_timeout() is None


def test_the_earlier_of_two_timers_counts() -> None:
    alarms, one = Alarms(), sleeper(3.0)
    one.resend_at = 1.0
    alarms.schedule(one)
    assert alarms.next_timeout() == 1.0


def test_who_has_no_timer_is_not_woken() -> None:
    alarms = Alarms()
    alarms.schedule(sleeper())
    assert alarms.next_timeout() is None


def test_a_timer_that_is_put_off_costs_a_look_and_no_second_place() -> None:
    alarms, one = Alarms(), sleeper(1.0)
    alarms.schedule(one)
    one.expire_at = 5.0
    alarms.schedule(one)
    assert len(alarms) == 1
    assert alarms.pop(1.0) == [one]
    alarms.schedule(one)
    assert alarms.next_timeout() == 5.0


def test_a_timer_that_is_brought_forward_wakes_once() -> None:
    alarms, one = Alarms(), sleeper(5.0)
    alarms.schedule(one)
    one.expire_at = 1.0
    alarms.schedule(one)
    assert alarms.pop(1.0) == [one]
    one.expire_at = 5.0
    alarms.schedule(one)
    assert alarms.pop(5.0) == [one], "it has two places there now"
    assert len(alarms) == 0


def test_a_millisecond_of_the_forgotten_is_passed_over() -> None:
    alarms, gone, here = Alarms(), sleeper(1.0), sleeper(2.0)
    alarms.schedule(gone)
    alarms.schedule(here)
    alarms.forget(gone)
    assert alarms.pop(9.0) == [here]


def test_rounding_makes_nothing_a_millisecond_late() -> None:
    alarms = Alarms()
    alarms.schedule(sleeper(0.1 + 0.2))  # a hair above 0.3
    assert alarms.next_timeout() == 0.3


def test_the_forgotten_are_swept_out() -> None:
    alarms = Alarms()
    crowd = [sleeper(32.0 + number / 7) for number in range(4 * MIN_STALE)]
    for one in crowd:
        alarms.schedule(one)
    most = len(alarms)
    for one in crowd[1:]:
        alarms.forget(one)
        alarms.forget(one)
        most = min(most, len(alarms))
    assert len(alarms) <= MIN_STALE + 1
    alarms.forget(crowd[0])
    assert (len(alarms), alarms.next_timeout()) == (0, None)


def test_a_sweep_leaves_one_place_to_who_had_two() -> None:
    alarms, one, other = Alarms(), sleeper(5.0), sleeper(9.0)
    alarms.schedule(one)
    one.expire_at = 1.0
    alarms.schedule(one)
    alarms.schedule(other)
    assert alarms.pop(1.0) == [one]
    one.expire_at = 5.0
    alarms.schedule(one)
    alarms.forget(other)
    for other in [sleeper(7.0) for _ in range(2 * MIN_STALE)]:
        alarms.schedule(other)
        alarms.forget(other)
    assert alarms.pop(5.0) == [one]
    assert len(alarms) == 0


def test_the_places_of_one_that_was_brought_forward_go_with_it() -> None:
    alarms, one = Alarms(), sleeper(5.0)
    alarms.schedule(one)
    one.expire_at = 1.0
    alarms.schedule(one)
    alarms.forget(one)
    assert (len(alarms), alarms.next_timeout()) == (0, None)


@given(st.lists(st.tuples(st.integers(0, 4), st.one_of(st.none(), st.floats(0, 50))), max_size=60))
def test_whatever_is_scheduled_is_woken_at_its_time(changes: list[tuple[int, float | None]]) -> None:
    alarms = Alarms()
    crowd = [sleeper() for _ in range(5)]
    for index, due in changes:
        crowd[index].expire_at = NEVER if due is None else due
        if due is None:
            alarms.forget(crowd[index])
        else:
            alarms.schedule(crowd[index])
    fired: dict[int, float] = {}
    while (when := alarms.next_timeout()) is not None:
        for one in alarms.pop(when):
            if one.expire_at <= when + 1e-6:
                fired[crowd.index(one)] = when
                one.expire_at = NEVER
            else:
                alarms.schedule(one)
    last = dict(changes)
    assert fired.keys() == {index for index, due in last.items() if due is not None}
    for index, when in fired.items():
        due = last[index]
        assert due is not None
        assert -1e-6 <= when - due <= 0.001
    assert len(alarms) == 0
