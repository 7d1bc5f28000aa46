"""The tables of dialogs: every cell decided, each once, and the machines never leave them."""

from types import ModuleType

import pytest

from sipcore.dialogs import callee_table, caller_table, reinvite_client, reinvite_server

MACHINES = [caller_table, callee_table, reinvite_client, reinvite_server]


@pytest.mark.parametrize("side", MACHINES)
def test_every_cell_is_decided_once(side: ModuleType) -> None:
    cells = {(state, happening) for state in side.State for happening in side.Input}
    assert set(side.TABLE) | side.IGNORED | side.IMPOSSIBLE == cells
    assert not set(side.TABLE) & side.IGNORED
    assert not set(side.TABLE) & side.IMPOSSIBLE
    assert not side.IGNORED & side.IMPOSSIBLE


@pytest.mark.parametrize("side", MACHINES)
def test_every_state_is_reached_and_every_step_is_taken(side: ModuleType) -> None:
    first = next(iter(side.State))
    assert {state for state, _ in side.TABLE.values()} | {first} == set(side.State)
    assert {step for _, steps in side.TABLE.values() for step in steps} == set(side.Step)


@pytest.mark.parametrize("side", MACHINES)
def test_there_are_at_most_eight_states(side: ModuleType) -> None:
    assert len(side.State) <= 8


def test_what_the_peer_does_to_the_session_takes_one_step_wherever_it_takes_any() -> None:
    """`InviteUsage` gives that step with the happening."""
    for happening in reinvite_server.Input:
        taken = {steps for (_, each), (_, steps) in reinvite_server.TABLE.items() if each is happening and steps}
        assert len(taken) == 1
        assert {len(steps) for steps in taken} == {1}
