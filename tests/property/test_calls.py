"""Calls between two stacks that do whatever their owners think of, over a network that loses, repeats and holds back.

Whatever happens, no command raises anything but LocalError, no machine gets into a cell of its table that was called
impossible, and neither side sends what the RFCs forbid in the state that it is in. Once the network works, both sides
agree within 64 T1 and the session timer; once both have hung up, nothing is left of any call.
"""

import random
from collections.abc import Iterator
from enum import Enum
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.dialogs import callee, callee_table, caller, caller_table, reinvite_client, reinvite_server
from sipcore.events import CallEnded, CallEvent, CallFailed, CallNotified, ReferLapsed
from sipcore.stack_config import StackConfig
from tests.property.calls_rules import Referee, assert_told_whole
from tests.property.calls_strategies import (
    SESSION,
    Forgery,
    actions,
    configs,
    forgeries,
    openings,
    weathers,
)
from tests.property.calls_users import GOOD, Action, RoughWire, User, Weather
from tests.sipcore.wire import DELAY

T1 = 0.5
AGREED = 64 * T1 + 2 * SESSION
"""Seconds within which both sides agree once the network works: a refresh may have to time out first."""
GRACE = 600.0
"""Seconds after which no timer of a call that is over is left."""
LONGEST = 15.0
"""Seconds for which the network may be bad where there are no session timers: every message that is repeated is
repeated after that (Timers A and E, RFC 3261 §17.1.1.2, §17.1.2.2), so no BYE is lost for good."""


class Watched(dict[tuple[Enum, Enum], object]):
    """A table that nobody may ask for a cell that is said to be impossible."""

    def __init__(self, table: dict[tuple[Enum, Enum], object], impossible: set[tuple[Enum, Enum]]) -> None:
        super().__init__(table)
        self._impossible = impossible

    def get(self, cell: tuple[Enum, Enum], default: object = None) -> object:
        assert cell not in self._impossible, cell
        return super().get(cell, default)


@pytest.fixture(autouse=True, scope="module")
def watched_tables() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for table in (caller_table, callee_table, reinvite_client, reinvite_server):
            user = {caller_table: caller, callee_table: callee}.get(table, table)
            patch.setattr(user, "TABLE", Watched(table.TABLE, table.IMPOSSIBLE))
        yield


def begin(
    one: StackConfig, other: StackConfig, opening: str, seed: int, *referees: Referee
) -> tuple[RoughWire, User, User]:
    """Two sides with a call between them as far as `opening` says."""
    wire = RoughWire(config=one, bobs_config=other, chance=random.Random(seed), referees=referees)
    alice, bob = User(wire, wire.alice), User(wire, wire.bob)
    if opening != "nothing":
        alice.call(0, 1)
        wire.run(0.1)
    for call in bob.live if opening == "up" else ():
        bob.accept(call, 1)
        wire.run(0.1)
    return wire, alice, bob


def conclude(wire: RoughWire, alice: User, bob: User, seconds: float, *, answering: bool = True) -> None:
    """Let time pass while both decide what waits for a decision, until nothing is on its way any more."""
    end = wire.now + seconds
    while wire.now < end or wire.flying:
        alice.settle(answering=answering)
        bob.settle(answering=answering)
        wire.run(seconds / 40 if wire.now < end else DELAY)


def assert_over(wire: RoughWire, *users: User) -> None:
    """Every call had one last event, and it was the last, save for what is told of a REFER after the call's end
    (RFC 5057 §4); nothing is left of any of them.
    """
    for user in users:
        last: dict[int, CallEvent] = {}
        for event in user.side.events:
            if isinstance(event, CallEvent) and not isinstance(event, CallNotified | ReferLapsed):
                assert not isinstance(last.get(event.call), CallEnded | CallFailed), (last[event.call], event)
                last[event.call] = event
        assert set(last) >= set(user.calls)
        assert not user.live
        assert_told_whole(user.side.events)
        assert len(user.stack) == 0
        assert user.stack.next_timeout() is None
        book = user.stack._calls._book
        assert (book.by_invite, book.by_ticket, book.by_dialog, book.by_key) == ({}, {}, {}, {})
    assert not wire.flying


@given(configs, configs, openings, weathers, st.lists(actions, min_size=8, max_size=40), st.integers(0, 2))
def test_both_sides_agree(
    one: StackConfig, other: StackConfig, opening: str, weather: Weather, plan: list[Action], who: int
) -> None:
    wire, alice, bob = begin(one, other, opening, weather.seed, Referee(), Referee())
    wire.weather = weather
    users = (alice, bob)
    timers = one.session_interval and other.session_interval and one.extensions and other.extensions
    for action in plan:
        users[action.at_bob].do(action)
        pause = action.pause
        if not timers and wire.now + pause > LONGEST:
            bad = max(0.0, LONGEST - wire.now)
            wire.run(bad)
            wire.weather, pause = GOOD, pause - bad
        wire.run(pause)
    wire.weather = GOOD
    conclude(wire, alice, bob, AGREED)
    if any([alice.give_up(), bob.give_up()]):
        conclude(wire, alice, bob, AGREED)
    here, there = alice.up(), bob.up()
    assert set(here) == set(there)
    for name, (local, remote) in here.items():
        assert (remote, local) == there[name]
    for user in users[who // 2 : 1 + (who + 1) // 2]:
        for call in user.live:
            user.hang_up(call, call)
    conclude(wire, alice, bob, GRACE)
    assert_over(wire, alice, bob)


@given(configs, configs, openings, st.lists(forgeries | actions, min_size=8, max_size=30))
def test_whatever_comes_nothing_breaks_and_nothing_is_left(
    one: StackConfig, other: StackConfig, opening: str, plan: list[Forgery | Action]
) -> None:
    wire, alice, bob = begin(one, other, opening, 0)
    for step in plan:
        if isinstance(step, Action):
            (alice, bob)[step.at_bob].do(step)
        elif sent := (wire.alice if step.from_alice else wire.bob).sent:
            data = sent[-1 - step.which % len(sent)][1]
            wire.deliver(wire.bob if step.to_bob else wire.alice, step.of(data))
        wire.run(step.pause)
    end(wire, alice, bob)


@given(
    configs,
    configs,
    st.lists(actions, min_size=8, max_size=30),
    st.lists(st.none() | forgeries, min_size=1, max_size=12),
)
def test_whatever_becomes_of_messages_on_their_way_nothing_breaks_and_nothing_is_left(
    one: StackConfig, other: StackConfig, plan: list[Action], forged: list[Forgery | None]
) -> None:
    wire, alice, bob = begin(one, other, "nothing", 0)
    forger = cycle(forged)
    wire.alter = lambda data: forgery.of(data) if (forgery := next(forger)) else data
    alice.call(0, 1)
    for action in plan:
        (alice, bob)[action.at_bob].do(action)
        wire.run(action.pause)
    wire.alter = lambda data: data
    conclude(wire, alice, bob, 64 * T1)  # an INVITE that comes through unchanged at last is one more call
    end(wire, alice, bob)


def end(wire: RoughWire, alice: User, bob: User) -> None:
    """Let both hang up whatever there is, and see that nothing is left, not even of what nobody has answered."""
    conclude(wire, alice, bob, 1.0, answering=False)
    for user in (alice, bob):
        for call in user.live:
            user.hang_up(call, 0)
    conclude(wire, alice, bob, GRACE, answering=False)
    assert_over(wire, alice, bob)
