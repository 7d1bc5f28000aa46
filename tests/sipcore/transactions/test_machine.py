"""The four tables: every cell decided, none twice, and what they call impossible cannot come about."""

from enum import IntEnum
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.transactions import client, invite_client, invite_server, server
from sipcore.transactions.machine import Action, Machine
from sipcore.transactions.timers import RETRANSMISSION, Timer

MACHINES = [invite_client.MACHINE, client.MACHINE, invite_server.MACHINE, server.MACHINE]
AGAIN = {"DOUBLE_A": Timer.A, "DOUBLE_E": Timer.E, "DOUBLE_G": Timer.G, "RESTART_E": Timer.E}

Place = tuple[IntEnum, frozenset[Timer]]
"""A state and the timers that run in it."""

every_machine = pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)


@every_machine
def test_every_cell_is_decided_once(machine: Machine) -> None:
    cells = set(product(machine.states, machine.inputs))
    assert set(machine.table) | machine.ignored | machine.impossible == cells
    assert len(machine.table) + len(machine.ignored) + len(machine.impossible) == len(cells)


@pytest.mark.parametrize(
    ("machine", "sizes"),
    [
        (invite_client.MACHINE, (18, 17, 15)),
        (client.MACHINE, (11, 9, 4)),
        (invite_server.MACHINE, (16, 24, 15)),
        (server.MACHINE, (11, 11, 6)),
    ],
    ids=lambda value: value.name if isinstance(value, Machine) else "",
)
def test_no_cell_is_lost_unnoticed(machine: Machine, sizes: tuple[int, int, int]) -> None:
    assert (len(machine.table), len(machine.ignored), len(machine.impossible)) == sizes


@pytest.mark.parametrize(
    ("machine", "inputs"),
    [
        (invite_client.MACHINE, ["R1XX", "R2XX", *["R3XX_6XX"] * 4]),
        (client.MACHINE, ["R1XX", *["R2XX_6XX"] * 5]),
        (invite_server.MACHINE, ["SEND_1XX", "SEND_2XX", *["SEND_3XX_6XX"] * 4]),
        (server.MACHINE, ["SEND_1XX", *["SEND_2XX_6XX"] * 5]),
    ],
    ids=lambda value: value.name if isinstance(value, Machine) else "",
)
def test_responses_are_inputs_by_their_class(machine: Machine, inputs: list[str]) -> None:
    assert [input_.name for input_ in machine.responses] == inputs


def timers_after(running: frozenset[Timer], actions: tuple[Action, ...]) -> frozenset[Timer]:
    """Which timers run after the actions, when those in `running` did before."""
    for action in actions:
        if action is Action.STOP_TIMERS:
            running = frozenset()
        elif action.name.startswith("START_"):
            running |= {Timer[action.name.removeprefix("START_")]}
        elif action.name in AGAIN:
            running |= {AGAIN[action.name]}
    return running


def successors(machine: Machine, place: Place) -> list[Place]:
    """Where every input that can happen leads to."""
    state, running = place
    found = []
    for input_ in machine.inputs:
        timer = next((timer for timer, fired in machine.timers.items() if fired is input_), None)
        if timer is not None and timer not in running:
            continue
        assert (state, input_) not in machine.impossible, f"{input_.name} happens in {state.name}"
        left = running - {timer} if timer is not None else running
        if (state, input_) in machine.table:
            after, actions = machine.table[state, input_]
            found.append((after, timers_after(left, actions)))
        else:
            found.append((state, left))
    return found


def places(machine: Machine) -> set[Place]:
    """All that can be reached."""
    start, actions = machine.start
    seen: set[Place] = set()
    ahead = [(start, timers_after(frozenset(), actions))]
    while ahead:
        place = ahead.pop()
        if place not in seen:
            seen.add(place)
            ahead += successors(machine, place)
    return seen


@every_machine
def test_impossible_timers_never_run_and_all_others_do(machine: Machine) -> None:
    alive = [state for state in machine.states if state is not machine.states["TERMINATED"]]
    running = {(state, machine.timers[timer]) for state, timers in places(machine) for timer in timers}
    possible = set(product(alive, machine.timers.values())) - machine.impossible
    assert {cell for cell in running if cell[0] in alive} == possible


@every_machine
def test_a_transaction_has_one_timer_of_each_kind_at_most(machine: Machine) -> None:
    for _, timers in places(machine):
        assert len(timers & RETRANSMISSION) <= 1
        assert len(timers - RETRANSMISSION) <= 1


@every_machine
def test_nothing_leads_out_of_the_end(machine: Machine) -> None:
    final = machine.states["TERMINATED"]
    assert {input_ for state, input_ in machine.ignored if state is final} == set(machine.inputs)


@every_machine
def test_every_state_can_be_reached_and_left_for_the_end(machine: Machine) -> None:
    reached = {state for state, _ in places(machine)}
    assert reached == set(machine.states)
    ends = {machine.states["TERMINATED"]}
    for _ in machine.states:
        ends |= {state for (state, _), (after, _) in machine.table.items() if after in ends}
    assert ends == set(machine.states)


@every_machine
@given(data=st.data())
def test_any_sequence_of_inputs_is_decided(machine: Machine, data: st.DataObject) -> None:
    state = machine.start[0]
    for input_ in data.draw(st.lists(st.sampled_from(list(machine.inputs)), max_size=12)):
        cell = (state, input_)
        if cell in machine.table:
            state = machine.table[cell][0]
        else:
            assert (cell in machine.ignored) != (cell in machine.impossible)


def test_a_machine_tells_its_name() -> None:
    assert repr(client.MACHINE) == "<Machine non-INVITE client, RFC 3261 Figure 6>"
