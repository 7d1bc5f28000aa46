"""What waits to be written."""

from hypothesis import given
from hypothesis import strategies as st

from probes.store.pending import BATCH, Item, Pending
from tests.probes.store.samples import NOW, change, check, delivery, switch


def test_changes_go_first_and_checks_in_order() -> None:
    pending = Pending()
    told: list[Item] = [check(1), change(1), check(2), switch(2), delivery(), check(3)]
    for one in told:
        pending.add(one)
    assert pending.batch() == [told[1], told[3], told[4], told[0], told[2], told[5]]


def test_rows_wait_until_they_are_settled() -> None:
    pending = Pending()
    pending.add(check(1))
    pending.add(change(1))
    batch = pending.batch()
    pending.add(check(2))
    pending.give_back()
    assert len(pending) == 3
    batch = pending.batch()
    pending.add(change(2))
    pending.settle(batch)
    assert pending.batch() == [change(2)]


def test_batches_are_limited() -> None:
    pending = Pending()
    for number in range(BATCH + 1):
        pending.add(check(number))
    pending.add(switch())
    assert len(pending.batch()) == BATCH


def test_the_oldest_checks_are_given_up_and_nothing_else() -> None:
    pending = Pending(max_checks=3)
    others: list[Item] = [change(), switch(), delivery()] * 5
    for number, other in enumerate(others):
        pending.add(check(number))
        pending.add(other)
    assert pending.given_up == 12
    assert pending.batch() == [*others, check(12), check(13), check(14)]


def test_what_is_being_written_is_not_given_up() -> None:
    pending = Pending(max_checks=2)
    pending.add(check(1))
    pending.add(check(2))
    batch = pending.batch()
    for number in (3, 4, 5):
        pending.add(check(number))
    pending.settle(batch)
    assert pending.batch() == [check(4), check(5)]
    assert pending.given_up == 1


@given(st.lists(st.sampled_from(["check", "change", "write", "mark"])))
def test_a_mark_is_passed_when_all_before_it_is_settled(acts: list[str]) -> None:
    pending, settled, added = Pending(), set[float](), list[float]()
    marks: list[tuple[int, list[float]]] = []
    for number, act in enumerate(acts):
        if act == "check":
            pending.add(check(number))
            added.append(number)
        elif act == "change":
            pending.add(change(number))
            added.append(number)
        elif act == "mark":
            marks.append((pending.mark, added[:]))
        else:
            batch = pending.batch()
            settled |= {one.at for one in batch}
            pending.settle(batch)
        for mark, before in marks:
            assert pending.has_passed(mark) == settled.issuperset(before)
    assert NOW not in settled
