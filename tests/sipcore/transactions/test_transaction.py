"""What tables say is done by functions: each action has one, and a cell called impossible is refused."""

import pytest

from sipcore.transactions import client, invite_client, invite_server, server, transaction
from sipcore.transactions.key import ClientKey
from sipcore.transactions.machine import Action, Machine
from sipcore.transactions.timers import DEFAULT_TIMERS
from sipcore.transactions.transaction import TIMEOUTS, Moment, Program, Transaction
from tests.sipcore.transactions.rig import hop

MACHINES = [invite_client.MACHINE, client.MACHINE, invite_server.MACHINE, server.MACHINE]


def test_every_action_is_a_statement() -> None:
    assert set(transaction._STATEMENTS) == set(Action)


def test_every_action_is_used_by_a_table() -> None:
    used = {action for machine in MACHINES for _, actions in machine.table.values() for action in actions}
    assert used | {action for machine in MACHINES for action in machine.start[1]} == set(Action)


def test_every_timeout_that_is_reported_has_its_words() -> None:
    reported = {
        timer
        for machine in MACHINES
        for timer, input_ in machine.timers.items()
        for (_, met), (_, actions) in machine.table.items()
        if met is input_ and Action.REPORT_TIMEOUT in actions
    }
    assert reported == set(TIMEOUTS)
    assert all(section.startswith("RFC 3261 §") for _, section in TIMEOUTS.values())


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_the_program_has_what_the_table_has(machine: Machine) -> None:
    program = Program(machine, DEFAULT_TIMERS, reliable=False)
    for state in machine.states:
        for input_ in machine.inputs:
            cell = program.rows[state][input_]
            if (state, input_) in machine.table:
                after, _ = machine.table[state, input_]
                assert cell is not None
                assert cell[0] == after
            else:
                assert (cell is None) == ((state, input_) in machine.ignored)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_what_the_table_calls_impossible_is_a_bug_and_says_so(machine: Machine) -> None:
    program = Program(machine, DEFAULT_TIMERS, reliable=False)
    for state, input_ in machine.impossible:
        one = Transaction(ClientKey("z9hG4bK1", "OPTIONS"), program, hop(), None)
        one.state = state
        with pytest.raises(AssertionError, match=f"{machine.name} in {state.name}"):
            one.step(input_, Moment())
