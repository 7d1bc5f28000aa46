"""What is told of the machines above the transactions: each input of each, with the dialog that it is about."""

import itertools
from collections.abc import Callable
from enum import Enum
from types import ModuleType
from typing import Any, cast

import pytest

from sipcore.dialogs import callee, caller, reinvite_client, reinvite_server, session
from sipcore.dialogs.effects import Effect
from sipcore.dialogs.manner import Manner
from sipcore.dialogs.session import Session
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.events import CallConfirmed, CallEnded, CallProgress, Output
from sipcore.message.method import INVITE
from sipcore.sdp.offer_answer import Carrier, Inner, OfferAnswer, State
from sipcore.sdp.offer_answer import Side as Who
from sipcore.stack import Stack
from sipcore.stack_config import StackConfig
from sipcore.trace import TraceSwitch, TransitionTrace
from sipcore.transactions.effects import Transmit
from tests.sipcore.wire import DELAY, Side, Wire, seeded

ALICES, BOBS = "a1", seeded(2).tag()
HERE, THERE = ("call-1", ALICES, BOBS), ("call-1", BOBS, ALICES)
AT = 7.5


def above(outputs: list[Output] | list[Effect]) -> list[TransitionTrace]:
    """What is told of calls and dialogs."""
    return [one for one in outputs if isinstance(one, TransitionTrace) and one.call_id]


def steps(side: Side) -> list[tuple[str, str, str, str]]:
    """What calls went through, and the changes in them, in short."""
    told = above(side.events)
    return [(one.machine, one.input, one.before, one.after) for one in told if one.machine != session.NAME]


def exchanges(side: Side) -> list[tuple[str, str, str]]:
    """What offers and answers went through."""
    return [(one.input, one.before, one.after) for one in above(side.events) if one.machine == session.NAME]


# Every cell of every table


def move_side(stack: Stack, call: int, state: Enum, happening: Enum) -> list[Effect]:
    machine: Any = stack._calls.machine(call)
    machine.state = state
    return cast(list[Effect], machine._move(happening, AT))


def move_caller(state: Enum, happening: Enum) -> list[Effect]:
    wire = Wire()
    return move_side(wire.alice.stack, wire.up()[0], state, happening)


def move_callee(state: Enum, happening: Enum) -> list[Effect]:
    wire = Wire()
    return move_side(wire.bob.stack, wire.up()[1], state, happening)


def usage() -> Any:  # noqa: ANN401  # whose states are none of anybody's business but this test's
    wire = Wire()
    return wire.alice.stack._calls.machine(wire.up()[0]).require_usage()


def move_client(state: Enum, happening: Enum) -> list[Effect]:
    one = usage()
    one._client, one._change = state, reinvite_client.Change(INVITE, b"")
    return cast(list[Effect], one._move_client(happening, AT, list))


def move_server(state: Enum, happening: Enum) -> list[Effect]:
    one = usage()
    one._server = state
    return cast(list[Effect], one._move_server(happening, AT, list))


MACHINES: dict[str, tuple[ModuleType, Callable[[Enum, Enum], list[Effect]], tuple[str, str, str]]] = {
    "caller": (caller, move_caller, HERE),
    "callee": (callee, move_callee, THERE),
    "re-INVITE client": (reinvite_client, move_client, HERE),
    "re-INVITE server": (reinvite_server, move_server, HERE),
}
CELLS = [
    (name, state, happening)
    for name, (module, _, _) in MACHINES.items()
    for state in module.State
    for happening in module.Input
]


@pytest.mark.parametrize(("name", "state", "happening"), CELLS)
def test_every_cell_is_told_once(name: str, state: Enum, happening: Enum, monkeypatch: pytest.MonkeyPatch) -> None:
    """As transactions tell it: what changes nothing is told with the state that it leaves as it was."""
    module, move, dialog = MACHINES[name]
    after, _ = module.TABLE.get((state, happening), (state, ()))
    bare = {cell: (target, ()) for cell, (target, _) in module.TABLE.items()}
    monkeypatch.setattr(module, "TABLE", bare)  # without what is done on the way, which needs messages
    told = [trace for trace in above(move(state, happening)) if trace.machine == name]
    assert told == [TransitionTrace(AT, name, "", happening.name, state.name, after.name, *dialog)]


@pytest.mark.parametrize("inner", list(Inner))
@pytest.mark.parametrize("state", list(State))
def test_every_message_that_an_exchange_takes_is_told(state: State, inner: Inner) -> None:
    before = OfferAnswer(state, Who.LOCAL, inner, Who.REMOTE if inner is not Inner.FREE else None)
    for carrier, body, local in itertools.product(Carrier, (b"x", b""), (True, False)):
        one = Session()
        one.begin(TraceSwitch(on=True))
        assert one.told() == (("START", "", "IDLE"),)
        one.exchange = before
        try:
            (one.sent if local else one.received)(carrier, body)
        except LocalError:
            assert (one.told(), one.exchange) == ((), before)
        else:
            happening = f"{'SENT' if local else 'RECEIVED'}_{carrier.name}{'_SDP' if body else ''}"
            assert one.told() == ((happening, named(before), named(one.exchange)),)
            assert one.told() == ()


def named(exchange: OfferAnswer) -> str:
    return f"{exchange.state.name}/{exchange.inner.name}".removesuffix("/FREE")


# Whole calls


def test_a_call_that_is_changed_is_told_of_by_both_sides() -> None:
    wire = Wire()
    here, there = wire.up()
    wire.alice.stack.change(here, wire.alice.stack.session(here).renewed(), wire.now)
    wire.run(1)
    wire.bob.stack.hang_up(there, wire.now)
    wire.run(60)
    over = [("re-INVITE server", "OVER", "IDLE", "IDLE"), ("re-INVITE client", "OVER", "IDLE", "IDLE")]
    assert steps(wire.alice) == [
        ("caller", "START", "", "CALLING"),
        ("caller", "R2XX", "CALLING", "CONFIRMED"),
        ("re-INVITE client", "CHANGE", "IDLE", "SENT"),
        ("re-INVITE client", "SUCCESS", "SENT", "IDLE"),
        ("caller", "REMOTE_BYE", "CONFIRMED", "TERMINATED"),
        *over,
    ]
    assert steps(wire.bob) == [
        ("callee", "START", "", "INVITED"),
        ("callee", "ACCEPT", "INVITED", "ANSWERED"),
        ("callee", "ACK", "ANSWERED", "CONFIRMED"),
        ("re-INVITE server", "AGREED", "IDLE", "UNACKNOWLEDGED"),
        ("re-INVITE server", "ACK", "UNACKNOWLEDGED", "IDLE"),
        ("callee", "HANG_UP", "CONFIRMED", "ENDING"),
        *over,
        ("callee", "BYE_DONE", "ENDING", "TERMINATED"),
    ]
    assert exchanges(wire.alice) == [
        ("START", "", "INVITED"),  # as its INVITE has left it, in each dialog that comes of that
        ("RECEIVED_SUCCESS_SDP", "INVITED", "IDLE"),
        ("SENT_INVITE_SDP", "IDLE", "INVITED"),
        ("RECEIVED_SUCCESS_SDP", "INVITED", "IDLE"),
        ("SENT_ACK", "IDLE", "IDLE"),
    ]
    assert exchanges(wire.bob) == [
        ("START", "", "INVITED"),
        ("SENT_SUCCESS_SDP", "INVITED", "IDLE"),
        ("RECEIVED_ACK", "IDLE", "IDLE"),
        ("RECEIVED_INVITE_SDP", "IDLE", "INVITED"),
        ("SENT_SUCCESS_SDP", "INVITED", "IDLE"),
        ("RECEIVED_ACK", "IDLE", "IDLE"),
    ]
    assert [(one.machine, one.input) for one in above(wire.alice.events)][:4] == [
        *(("caller", "START"), ("offer/answer", "START"), ("offer/answer", "RECEIVED_SUCCESS_SDP"), ("caller", "R2XX")),
    ]
    about = [(one.call_id, one.local_tag, one.remote_tag) for one in above(wire.alice.events)]
    assert about == [("call-1", ALICES, ""), *[HERE] * (len(about) - 1)]
    assert {(one.call_id, one.local_tag, one.remote_tag) for one in above(wire.bob.events)} == {THERE}
    times = [one.at for one in above(wire.bob.events)]
    assert times == sorted(times)


def test_timers_are_inputs() -> None:
    """A 2xx that nobody acknowledges is repeated, and given up (RFC 3261 §13.3.1.4)."""
    wire = Wire(lose=lambda _, data: data.startswith(b"ACK "))
    wire.up()
    wire.run(60)
    told = [step for step in steps(wire.bob) if step[1] in ("REPEAT", "NO_ACK")]
    assert told == [*[("callee", "REPEAT", "ANSWERED", "ANSWERED")] * 10, ("callee", "NO_ACK", "ANSWERED", "ENDING")]


def test_what_is_told_comes_before_what_is_done() -> None:
    wire = Wire()
    number, _ = wire.up()
    wire.alice.stack.drain()
    wire.alice.stack.hang_up(number, wire.now)
    first, *others = wire.alice.stack.drain()
    assert isinstance(first, TransitionTrace)
    assert (first.at, first.input) == (wire.now, "HANG_UP")
    assert [one.data[:4] for one in others if isinstance(one, Transmit)] == [b"BYE "]


def test_a_change_that_has_to_wait_for_the_peers_own_is_told_as_glare() -> None:
    """Found here, and not by a 491."""
    wire = Wire(config=StackConfig(answers_offers=False))
    here, there = wire.up()
    stacks = wire.alice.stack, wire.bob.stack
    stacks[0].change(here, stacks[0].session(here).renewed(), wire.now)
    stacks[1].change(there, stacks[1].session(there).renewed(), wire.now)
    wire.run(0.1)  # they cross: both get a 491
    wire.run(4.5)  # one of them goes first, and the owner of the other side takes its time
    for side in (wire.alice, wire.bob):
        told = [step for step in steps(side) if step[0] == "re-INVITE client"]
        before = "IDLE"
        for _, happening, state, after in told:
            assert state == before, (happening, state)
            before = after
    machines = [wire.alice.stack._calls.machine(here), wire.bob.stack._calls.machine(there)]
    last = [[step for step in steps(side) if step[0] == "re-INVITE client"][-1][3] for side in (wire.alice, wire.bob)]
    assert last == [machine.require_usage()._client.name for machine in machines]
    glares = [step for side in (wire.alice, wire.bob) for step in steps(side) if step[1] == "GLARE"]
    assert len(glares) > 2


def test_an_early_dialog_has_its_own_tag_and_a_refused_call_none() -> None:
    wire = Wire()
    wire.call()
    wire.run(0.1)
    wire.bob.stack.ring(1, 180, wire.now)
    wire.run(0.1)
    wire.bob.stack.reject(1, 486, wire.now)
    wire.run(60)
    assert steps(wire.alice)[:3] == [
        ("caller", "START", "", "CALLING"),
        ("caller", "R1XX", "CALLING", "PROCEEDING"),
        ("caller", "R3XX_6XX", "PROCEEDING", "TERMINATED"),
    ]
    assert [one.remote_tag for one in above(wire.alice.events)][:3] == ["", BOBS, BOBS]
    silent = Wire(lose=lambda ordinal, data: True)
    silent.call()
    silent.run(60)
    assert [(one.input, one.local_tag, one.remote_tag) for one in above(silent.alice.events)] == [
        ("START", ALICES, ""),
        ("FAILED", ALICES, ""),
    ]


def test_an_offer_that_is_being_decided_on_is_told_to_the_end_of_its_call() -> None:
    wire = Wire(bobs_config=StackConfig(answers_offers=False))
    here, _ = wire.up()
    wire.alice.stack.change(here, wire.alice.stack.session(here).renewed(), wire.now)
    wire.run(0.1)
    wire.alice.stack.hang_up(here, wire.now)
    wire.run(0.1)
    assert exchanges(wire.bob)[-2:] == [
        ("RECEIVED_INVITE_SDP", "IDLE", "INVITED"),
        ("SENT_FAILURE", "INVITED", "IDLE"),
    ]
    assert [step for step in steps(wire.bob) if step[0] == "re-INVITE server"] == [
        ("re-INVITE server", "ASKED", "IDLE", "DECIDING"),
        ("re-INVITE server", "OVER", "DECIDING", "IDLE"),
    ]


def test_a_dialog_that_is_dropped_with_its_call_has_told_what_ended_in_it() -> None:
    wire = Wire(config=StackConfig(answers_offers=False))
    _, there = wire.up()
    wire.bob.stack.change(there, wire.bob.stack.session(there).renewed(), wire.now)
    wire.run(0.1)
    wire.bob.stack.hang_up(there, wire.now)
    wire.run(0.1)
    assert exchanges(wire.alice)[-2:] == [
        ("RECEIVED_INVITE_SDP", "IDLE", "INVITED"),
        ("SENT_FAILURE", "INVITED", "IDLE"),
    ]


def test_a_prack_that_crosses_a_refusal_is_told() -> None:
    """It is answered as any other (RFC 3262 §3)."""
    wire = Wire()
    wire.call()
    wire.run(0.1)
    wire.bob.stack.ring(1, 183, wire.now, reliably=True)
    wire.run(1.5 * DELAY)  # the PRACK is on its way
    wire.bob.stack.reject(1, 486, wire.now)
    wire.run(1)
    assert "200 PRACK" in wire.bob.starts()
    assert steps(wire.bob)[-2:] == [
        ("re-INVITE server", "UPDATED", "IDLE", "IDLE"),
        ("callee", "PRACKED", "TERMINATED", "TERMINATED"),
    ]


def test_a_callee_who_picks_up_too_late_has_exchanges_of_its_own() -> None:
    """Another one has before it, and it gets an ACK and a BYE (RFC 3261 §13.2.2.4)."""
    wire = Wire()
    wire.up()
    success = next(data for _, data in wire.bob.sent if data.startswith(b"SIP/2.0 200") and b"INVITE" in data)
    wire.deliver(wire.alice, success.replace(BOBS.encode(), b"late"))
    wire.run(0.1)
    told = [one for one in above(wire.alice.events) if one.remote_tag == "late"]
    assert [(one.machine, one.input, one.before, one.after) for one in told] == [
        (session.NAME, "START", "", "INVITED"),
        (session.NAME, "RECEIVED_SUCCESS_SDP", "INVITED", "IDLE"),
    ]


def test_a_call_without_any_dialog_is_known_by_its_invite_whatever_comes() -> None:
    machine = caller.Caller(Wire().request("INVITE"), Manner(), seeded(1), TraceSwitch(on=True), 0.0)
    machine.fail(TransportFailure(FailureReason.TIMED_OUT, "no answer"), 1.0)
    machine.invite_over()
    assert above(machine.hang_up(2.0)) == [
        TransitionTrace(2.0, "caller", "", "HANG_UP", "TERMINATED", "TERMINATED", "call-1", ALICES, "")
    ]


# The switch


def test_nothing_is_told_while_it_is_off() -> None:
    wire = Wire(config=StackConfig(tracing=False))
    here, _ = wire.up()
    wire.alice.stack.hang_up(here, wire.now)
    wire.run(60)
    assert wire.alice.told(CallEnded)
    assert wire.bob.told(CallConfirmed)
    assert not wire.alice.told(CallProgress)
    assert not [one for side in (wire.alice, wire.bob) for one in side.told(TransitionTrace)]


def test_it_may_be_turned_in_the_middle_of_a_call() -> None:
    wire = Wire(config=StackConfig(tracing=False))
    here, _ = wire.up()
    wire.alice.stack.tracing = True
    wire.alice.stack.hang_up(here, wire.now)
    wire.run(0.1)
    assert [(one.input, one.call_id, one.remote_tag) for one in above(wire.alice.events)] == [
        ("HANG_UP", "call-1", BOBS),
        ("OVER", "call-1", BOBS),
        ("OVER", "call-1", BOBS),
        ("BYE_DONE", "call-1", BOBS),
    ]
    wire.alice.stack.tracing = False
    wire.run(60)
    assert len(above(wire.alice.events)) == 4


def test_what_comes_after_the_end_is_told_with_the_dialog_that_is_gone() -> None:
    """The BYE from here is answered, the peer's own crosses it, and the 2xx comes again (RFC 3261 §15)."""
    wire = Wire()
    here, _ = wire.up()
    bye = wire.bob.stack._calls.machine(1)._bye().request  # which crosses
    wire.alice.stack.hang_up(here, wire.now)
    wire.run(0.1)
    via = f"SIP/2.0/UDP 192.0.2.2:5060;branch={seeded(9).branch()}"
    wire.deliver(wire.alice, bytes(bye.with_headers(bye.headers.with_first("Via", via))))
    (*_, last) = above(wire.alice.events)
    assert (last.input, last.before, last.call_id, last.local_tag, last.remote_tag) == (
        *("REMOTE_BYE", "TERMINATED"),
        *HERE,
    )
