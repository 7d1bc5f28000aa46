"""What is sent when: the cap, the retransmissions, and what an answer means at any time."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.sweep.pace import BURST, MAX_RATE, Rate, Receipt, Waits, Window
from sipcore.errors import LocalError
from sipcore.transactions.timers import NEVER, Timers

DEFAULT = Waits.within(4.0)
MANY = 1000


@pytest.mark.parametrize(
    ("deadline", "seconds"),
    [
        (4.0, (0.5, 1.0, 2.0, 0.5)),
        (0.5, (0.5,)),
        (0.6, (0.5, 0.1)),
        (0.1, (0.1,)),
        (32.0, (0.5, 1.0, 2.0, *(4.0,) * 7, 0.5)),
    ],
)
def test_waits_are_those_of_timer_e(deadline: float, seconds: tuple[float, ...]) -> None:
    waits = Waits.within(deadline)
    assert waits.seconds == pytest.approx(seconds)
    assert waits.total == pytest.approx(deadline)


def test_waits_follow_the_timers() -> None:
    assert Waits.within(4.0, Timers(t1=1.0, t2=2.0)).seconds == (1.0, 2.0, 1.0)


@pytest.mark.parametrize("deadline", [0.0, -1.0, 33.0, NEVER, float("nan")])
def test_no_deadline(deadline: float) -> None:
    with pytest.raises(LocalError, match="a deadline is from"):
        Waits.within(deadline)


@pytest.mark.parametrize("rate", [0.0, -1.0, MAX_RATE + 1, float("nan")])
def test_no_rate(rate: float) -> None:
    with pytest.raises(LocalError, match="a rate is above 0"):
        Rate(rate, 0.0)


@given(
    st.floats(0.5, MAX_RATE),
    st.lists(st.tuples(st.floats(0.0, 3.0), st.integers(0, 100), st.floats(0.0, 0.1)), min_size=1, max_size=60),
)
def test_the_rate_is_a_hard_cap(per_second: float, steps: list[tuple[float, int, float]]) -> None:
    """In no span of time more than the rate allows in it, plus what may be sent at once; however late that leaves."""
    rate, now, sent = Rate(per_second, 0.0), 0.0, []
    for pause, wanted, delay in steps:
        now += pause
        count = min(wanted, rate.room(now))
        now += delay
        rate.take(count, now)
        sent.append((now, count))
    for first, (begin, _) in enumerate(sent):
        for last in range(first, len(sent)):
            end, total = sent[last][0], sum(count for _, count in sent[first : last + 1])
            assert total <= per_second * (end - begin) + max(1.0, per_second * BURST) + 1e-6


def test_the_next_datagram_is_told() -> None:
    rate = Rate(10.0, 0.0)
    assert (rate.room(0.0), rate.next_at()) == (1, 0.0)
    rate.take(1, 0.0)
    assert rate.room(0.05) == 0
    assert rate.next_at() == pytest.approx(0.1)
    assert rate.room(0.1001) == 1
    assert rate.room(100.0) == 1  # what was not used is not saved up


def window(count: int, rate: float = MANY, deadline: float = 4.0, begin: int = 0, done: bytes = b"") -> Window:
    return Window(count, Waits.within(deadline), rate, begin, done)


def test_giving_up_needs_no_room() -> None:
    each = window(2, deadline=0.6)
    assert asked(each, 0.0, room=1) == [0]
    assert each.next_timeout(3.0) == 3.0
    assert asked(each, 0.5, room=1) == [0]
    assert each.next_timeout(3.0) == pytest.approx(0.6)


def asked(each: Window, now: float, room: int = MANY) -> list[int]:
    found = each.next_requests(now, room)
    assert each.given_up(now) == []
    return found


def test_a_silent_place_is_asked_as_the_rfc_says_and_then_given_up() -> None:
    each = window(1)
    sent = []
    now = 0.0
    while not each.is_over:
        sent += [now for _ in asked(each, now)]
        now = each.next_timeout(0.0)
    assert sent == [0.0, 0.5, 1.5, 3.5]
    assert (each.asked, each.retransmitted, each.silent, each.index) == (1, 3, 1, 1)
    assert each.next_timeout(0.0) == NEVER


def test_a_place_that_answers_is_left_alone() -> None:
    each = window(3)
    assert asked(each, 0.0) == [0, 1, 2]
    assert each.receive(1) is Receipt.FIRST
    assert asked(each, 0.5) == [0, 2]
    assert (each.requests(1), each.requests(2)) == (1, 2)


def test_waiting_begins_when_the_request_left() -> None:
    """Where the rate, or a busy machine, delays a request, its place has as long to answer."""
    each = window(2)
    assert asked(each, 0.0) == [0, 1]
    each.sent(0, 0.1)
    each.sent(1, 0.2)
    assert each.sent_at(1) == 0.2
    assert asked(each, 0.5) == []
    assert each.next_timeout(0.0) == pytest.approx(0.6)
    assert asked(each, 0.65) == [0]
    assert asked(each, 0.9, room=0) == []
    assert asked(each, 0.9) == [1]
    assert asked(each, 1.65) == [0]
    assert asked(each, 1.9) == [1]


def test_what_is_due_again_comes_first() -> None:
    each = window(6)
    assert asked(each, 0.0, room=2) == [0, 1]
    assert asked(each, 0.4, room=2) == [2, 3]
    assert each.has_new
    assert asked(each, 0.6, room=3) == [0, 1, 4]
    assert asked(each, 0.9, room=9) == [2, 3, 5]
    assert each.next_timeout(7.0) == 7.0
    assert asked(each, 1.6, room=9) == [0, 1, 4, 5]


def test_no_more_are_waited_for_than_the_rate_allows() -> None:
    each = window(MANY, rate=10.0, deadline=1.0)
    first = asked(each, 0.0)
    assert len(first) == 11
    assert asked(each, 0.1) == []
    assert each.next_timeout(0.2) == pytest.approx(0.5)
    assert each.receive(0) is Receipt.FIRST
    assert asked(each, 0.1) == []
    assert each.next_timeout(0.2) == 0.2  # the place was let go of, and another one may be asked
    assert asked(each, 0.5) == [*first[1:], 11]


def test_answers_beyond_the_first() -> None:
    each = window(2)
    asked(each, 0.0)
    assert each.receive(0) is Receipt.FIRST
    assert each.receive(0) is Receipt.DUPLICATED
    asked(each, 0.5)
    assert [each.receive(1) for _ in range(20)] == [Receipt.FIRST, Receipt.REPEATED, *[Receipt.DUPLICATED] * 18]
    assert each.requests(1) == 2


def test_a_late_answer() -> None:
    each = window(1, deadline=0.5)
    asked(each, 0.0)
    asked(each, 0.5)
    assert each.silent == 1
    assert each.receive(0) is Receipt.LATE
    assert each.silent == 0
    assert each.receive(0) is Receipt.DUPLICATED


def test_an_answer_of_nobody() -> None:
    each = window(9, begin=3)
    assert asked(each, 0.0, room=2) == [3, 4]
    assert [each.receive(index) for index in (2, 5, 9)] == [Receipt.UNASKED] * 3
    assert each.refuse(5) is Receipt.UNASKED


def test_what_is_long_past_is_forgotten() -> None:
    each = window(MANY, rate=4.0, deadline=0.5)  # three at once, and as many remembered
    for turn in range(8):
        asked(each, float(turn))
    assert each.receive(0) is Receipt.FORGOTTEN
    assert each.receive(each.index - 1) is Receipt.LATE


def test_a_provisional_answer_does_not_end_it() -> None:
    each = window(2, deadline=0.6)
    asked(each, 0.0)
    assert each.receive(0, provisional=True) is Receipt.PROVISIONAL
    assert asked(each, 0.5) == [0, 1]
    assert each.receive(1, provisional=True) is Receipt.PROVISIONAL
    assert each.receive(1) is Receipt.FIRST
    assert each.receive(1, provisional=True) is Receipt.REPEATED
    assert each.given_up(0.61) == [0]
    assert (each.silent, each.is_over) == (0, True)


def test_once_a_provisional_answer_came_it_is_asked_every_t2() -> None:
    """RFC 3261 §17.1.2.2: Timer E, as it was set, fires once more, and is T2 from then on."""
    each, silent = window(1, deadline=32.0), window(1, deadline=32.0)
    sent: list[list[float]] = [[], []]
    for step in range(63):
        now = step * 0.5
        for number, one in enumerate((each, silent)):
            sent[number] += [now for _ in asked(one, now)]
        each.receive(0, provisional=True)
    assert sent[0] == [0.0, 0.5, *(7.5 + 4 * number for number in range(7))][:8]
    assert sent[1] == [0.0, 0.5, 1.5, 3.5, *(7.5 + 4 * number for number in range(7))][:10]
    assert (each.requests(0), silent.requests(0)) == (8, 10)


def test_what_was_done_before_is_not_asked_again() -> None:
    first = window(20, rate=10.0, deadline=1.0)  # eleven at once
    asked(first, 0.0, room=8)
    for index in (0, 2, 3, 6):
        first.receive(index)
    first.refuse(7)
    asked(first, 0.1)
    assert first.index == 1
    assert first.done == bytes([0b01100110])
    second = window(20, begin=1, done=first.done)
    assert asked(second, 0.0, room=3) == [1, 4, 5]
    assert second.done == first.done
    assert asked(second, 0.0, room=4) == [8, 9, 10, 11]
    assert (second.asked, second.receive(7), second.refuse(6)) == (7, Receipt.UNASKED, Receipt.UNASKED)
    second.receive(1)
    second.receive(9)
    assert asked(second, 0.0) == list(range(12, 20))
    assert (second.index, second.done) == (1, bytes([0b01100111, 1]))


@given(st.integers(1, 40), st.data())
def test_interrupted_anywhere_nothing_is_lost_or_done_twice(count: int, data: st.DataObject) -> None:
    told: Counter[int] = Counter()
    begin, done, each = 0, b"", window(count, rate=20.0, deadline=0.5)
    while not each.is_over:
        each, now = window(count, rate=20.0, deadline=0.5, begin=begin, done=done), 0.0
        for room, answers in data.draw(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 63)), max_size=6)):
            indexes = each.next_requests(now, room)
            for bit, index in enumerate(indexes):
                if answers >> bit & 1:
                    each.receive(index)
                    told[index] += 1
            silent = each.silent
            each.given_up(now)
            told[-1] += each.silent - silent
            now += 0.2
        begin, done = each.index, each.done
        count_done = begin + int.from_bytes(done).bit_count()
        assert count_done == sum(told.values())
        if not data.draw(st.booleans()):
            break
    assert max((told[index] for index in range(count)), default=0) <= 1


def test_a_refusal_ends_it_but_an_answer_counts_more() -> None:
    each = window(2, deadline=0.6)
    asked(each, 0.0)
    assert each.refuse(0) is Receipt.FIRST
    assert each.was_refused(0)
    assert each.refuse(0) is Receipt.REPEATED
    assert asked(each, 0.5) == [1]
    assert each.receive(0) is Receipt.FIRST
    assert each.given_up(0.7) == []
    assert each.refuse(1) is Receipt.LATE
    assert each.silent == 0
    assert each.receive(1) is Receipt.FIRST
    assert each.refuse(1) is Receipt.REPEATED


@settings(max_examples=60)
@given(
    st.integers(1, 120),
    st.integers(0, 30),
    st.floats(5.0, 200.0),
    st.floats(0.1, 6.0),
    st.lists(st.sampled_from(["quick", "slow", "silent", "refused", "provisional"]), min_size=1, max_size=9),
)
def test_the_books_balance(count: int, begin: int, rate: float, deadline: float, manners: list[str]) -> None:
    """Whatever the places do: each is asked, no more often than its deadline allows, and ends in one of the ways."""
    waits = Waits.within(deadline)
    each, bucket, now = Window(begin + count, waits, rate, begin), Rate(rate, 0.0), 0.0
    requests: Counter[int] = Counter()
    answered, provisional, largest = 0, 0, 0
    slow: list[int] = []
    while not each.is_over:
        indexes = each.next_requests(now, bucket.room(now))
        bucket.take(len(indexes), now)
        requests.update(indexes)
        for index in slow:
            answered += each.receive(index) in (Receipt.FIRST, Receipt.LATE)
        slow = [index for index in indexes if manners[index % len(manners)] == "slow"]
        for index in indexes:
            manner = manners[index % len(manners)]
            if manner == "quick":
                answered += each.receive(index) is Receipt.FIRST
            elif manner == "refused":
                answered += each.refuse(index) is Receipt.FIRST
            elif manner == "provisional":
                each.receive(index, provisional=True)
        provisional += len(each.given_up(now))
        largest = max(largest, sum(requests.values()))
        now = max(each.next_timeout(bucket.next_at()), now + 0.001)
    answered += sum(each.receive(index) is Receipt.LATE for index in slow)
    assert set(requests) == set(range(begin, begin + count))
    assert max(requests.values()) <= len(waits.seconds)
    assert (each.asked, each.asked + each.retransmitted) == (count, sum(requests.values()))
    assert answered + provisional + each.silent == count
    assert each.index + int.from_bytes(each.done).bit_count() == begin + count
