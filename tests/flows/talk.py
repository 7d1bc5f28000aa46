"""What the flows have in common: a call comes about, both sides agree on it, and at the end nothing is left over."""

from sipcore.dialogs.effects import EndReason
from sipcore.events import CallAnswered, CallConfirmed, CallEnded
from tests.flows.agent import Agent
from tests.flows.network import Network

SETTLING = 0.2
"""Seconds in which everything has arrived that was sent."""
LONGEST = 40.0
"""Seconds in which every timer has run out: 64·T1, and some more."""


def ends(agent: Agent) -> list[tuple[int, EndReason]]:
    """Which calls of an agent are over, and how that came about."""
    return [(event.call, event.reason) for event in agent.told(CallEnded)]


def pick_up(network: Network, caller: Agent, call: int, callee: Agent, *, rings: bool = True) -> int:
    """The callee rings and answers; gives its number of the call. Both sides agree on the session."""
    network.run(SETTLING)
    if rings:
        callee.ring()
        network.run(1)
    number = callee.accept()
    network.run(SETTLING)
    assert call in [event.call for event in caller.told(CallAnswered)]
    assert number in [event.call for event in callee.told(CallConfirmed)]
    agree(caller, call, callee, number)
    network.run(1)
    return number


def agree(left: Agent, left_call: int, right: Agent, right_call: int) -> None:
    """Both sides of a call have the same two session descriptions in force, and media flows the same way for both."""
    at_left, at_right = left.stack.session(left_call), right.stack.session(right_call)
    assert (at_left.local, at_left.remote) == (at_right.remote, at_right.local)
    assert at_left.local
    ways = left.direction(left_call), right.direction(right_call)
    assert (ways[0].sends, ways[0].receives) == (ways[1].receives, ways[1].sends)


def hang_up(network: Network, agent: Agent, call: int, other: Agent, other_call: int) -> None:
    """One side of a call ends it, and then neither has it any more."""
    agent.hang_up(call)
    network.run(SETTLING)
    assert ends(agent)[-1] == (call, EndReason.LOCAL_HANG_UP)
    assert ends(other)[-1] == (other_call, EndReason.REMOTE_HANG_UP)


def finish(network: Network, *agents: Agent) -> Network:
    """Let every timer run out: nothing is left over."""
    network.run(LONGEST)
    assert [len(agent.stack) for agent in agents] == [0] * len(agents)
    return network
