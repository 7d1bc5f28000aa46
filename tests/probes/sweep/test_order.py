"""The order of a sweep: each place once, spread out, and the state that resumes it."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.sweep.order import MAX_STATE, Shuffle, State, StateError
from probes.sweep.pace import MAX_DEADLINE, MAX_RATE
from probes.sweep.ranges import MAX_TARGETS

seeds = st.integers(0, 2**64 - 1)


@given(st.integers(1, 600), seeds)
def test_each_place_comes_once(count: int, seed: int) -> None:
    shuffle = Shuffle(count, seed)
    order = [shuffle.offset_at(index) for index in range(count)]
    assert sorted(order) == list(range(count))
    assert [shuffle.index_of(offset) for offset in order] == list(range(count))


@given(st.data(), seeds)
def test_the_way_back_in_the_largest_sweeps(data: st.DataObject, seed: int) -> None:
    count = data.draw(st.integers(1, MAX_TARGETS))
    index = data.draw(st.integers(0, count - 1))
    shuffle = Shuffle(count, seed)
    assert 0 <= shuffle.offset_at(index) < count
    assert shuffle.index_of(shuffle.offset_at(index)) == index


def test_neighbours_are_asked_apart_and_networks_in_turns() -> None:
    """As a random order has it: of 65,535 pairs two are of neighbours; 256 draws hit 162 of 256 networks."""
    shuffle = Shuffle(65536, 5)
    order = [shuffle.offset_at(index) for index in range(65536)]
    neighbours = sum(abs(left - right) == 1 for left, right in itertools.pairwise(order))
    assert neighbours < 20
    networks = [len({offset >> 8 for offset in order[begin : begin + 256]}) for begin in range(0, 65536, 256)]
    assert min(networks) > 120
    assert 150 < sum(networks) / 256 < 256


def test_another_seed_is_another_order() -> None:
    orders = {tuple(Shuffle(64, seed).offset_at(index) for index in range(64)) for seed in range(50)}
    assert len(orders) == 50


@given(st.text(max_size=70), st.integers(0, 2**32 - 1), st.integers(0, 2**40), st.binary(max_size=20))
def test_a_state_is_read_back(targets: str, seed: int, index: int, done: bytes) -> None:
    state = State(targets, seed, index, done)
    assert State.parse(str(state)) == state
    assert state.count == index + "".join(f"{byte:b}" for byte in done).count("1")


def test_the_largest_state_can_be_read() -> None:
    largest = State("f" * 64, 2**32 - 1, MAX_TARGETS, b"\xff" * (int(MAX_RATE * MAX_DEADLINE) // 8 + 1))
    assert len(str(largest)) < MAX_STATE


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "5", "null", "{}", "[" * 2000),
        '{"format": "sipprobe sweep 2", "targets": "a", "seed": 1, "index": 2}',
        '{"format": "sipprobe sweep 1", "targets": "a", "seed": 1}',
        '{"format": "sipprobe sweep 1", "targets": 7, "seed": 1, "index": 2, "done": ""}',
        '{"format": "sipprobe sweep 1", "targets": "a", "seed": -1, "index": 2, "done": ""}',
        '{"format": "sipprobe sweep 1", "targets": "a", "seed": 1, "index": 2.5, "done": ""}',
        '{"format": "sipprobe sweep 1", "targets": "a", "seed": 1, "index": 2, "done": "xy"}',
        '{"format": "sipprobe sweep 1", "targets": "a", "seed": 1, "index": 2, "done": 7}',
        '{"format": "sipprobe sweep 1", "targets": "a", "seed": true, "index": 2, "done": ""}',
    ],
)
def test_what_is_no_state(text: str) -> None:
    with pytest.raises(StateError, match="no state of a sweep"):
        State.parse(text)


def test_a_state_of_something_else() -> None:
    state = State("digest", 1, 8, b"\2")
    state.check("digest", 10)
    for targets, count in (("other", 10), ("digest", 9)):
        with pytest.raises(StateError, match="other ranges or ports"):
            state.check(targets, count)
