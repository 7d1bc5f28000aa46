"""Draws docs/transactions.md from the tables in sipcore/transactions. Run it as `python docs/draw_transactions.py`.

A test compares the file with what this makes, so the two cannot drift apart.
"""

from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

from sipcore.transactions import client, invite_client, invite_server, server
from sipcore.transactions.machine import Action, Machine
from sipcore.transactions.timers import DEFAULT_TIMERS, NEVER, Timer

PAGE = Path(__file__).with_name("transactions.md")
MACHINES = [invite_client.MACHINE, client.MACHINE, invite_server.MACHINE, server.MACHINE]
INTRODUCTION = """\
# Transactions

The four state machines of RFC 3261 §17, as RFC 6026 and RFC 4320 have changed them, drawn from the tables in
`sipcore/transactions` by `docs/draw_transactions.py`. In the diagrams, an arrow has what happens above what is done.
In the tables, every state stands against every input: the state that follows, *ignored* where the input is taken and
nothing done, or a dash where it cannot happen, because that timer does not run there.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *(line for machine in MACHINES for line in section(machine)), *timers(), ""])


def section(machine: Machine) -> Iterator[str]:
    """A machine: its diagram, then all of its cells."""
    yield from (f"## {machine.name[0].upper()}{machine.name[1:]} transaction", "", f"{machine.figure}.", "")
    yield from ("```mermaid", "stateDiagram-v2", *arrows(machine), "```", "")
    yield from cells(machine)
    yield ""


def arrows(machine: Machine) -> Iterator[str]:
    """One arrow for each transition."""
    yield f"    [*] --> {machine.start[0].name} : {done(machine.start[1])}"
    for (state, input_), (after, actions) in machine.table.items():
        does = f"<br/>{done(actions)}" if actions else ""
        yield f"    {state.name} --> {after.name} : {words(input_)}{does}"
    yield "    TERMINATED --> [*]"


def cells(machine: Machine) -> Iterator[str]:
    """The table of states against inputs; nothing ever happens in the last state."""
    states = list(machine.states)[:-1]
    yield "| | " + " | ".join(state.name for state in states) + " |"
    yield "| --- |" + " --- |" * len(states)
    for input_ in machine.inputs:
        yield f"| {words(input_)} | " + " | ".join(cell(machine, state, input_) for state in states) + " |"


def cell(machine: Machine, state: IntEnum, input_: IntEnum) -> str:
    """What an input leads to."""
    if (state, input_) in machine.table:
        return machine.table[state, input_][0].name
    return "*ignored*" if (state, input_) in machine.ignored else "–"


def words(input_: IntEnum) -> str:
    """An input in the words of the figures: `R3XX_6XX` is 3xx-6xx, `SEND_2XX` send 2xx, `TIMER_A` timer A."""
    kind, _, rest = input_.name.partition("_")
    if kind == "TIMER":
        return f"timer {rest}"
    if input_.name in ("ACK", "CANCEL"):
        return input_.name
    return input_.name.removeprefix("R" if "XX" in kind else "").replace("XX_", "xx-").replace("_", " ").lower()


def done(actions: tuple[Action, ...]) -> str:
    """Actions in words."""
    return ", ".join(action.value for action in actions)


def timers() -> Iterator[str]:
    """How long each timer runs by default."""
    unreliable, reliable = (DEFAULT_TIMERS.durations(reliable=reliable) for reliable in (False, True))
    yield from (
        "## Timers",
        "",
        "In seconds, by the default values of T1, T2 and T4. A, E and G are what they begin at.",
    )
    yield from ("", "| timer | over UDP | over TCP, TLS, WS, WSS |", "| --- | --- | --- |")
    for timer in Timer:
        yield f"| {timer.name} | {seconds(unreliable[timer])} | {seconds(reliable[timer])} |"


def seconds(duration: float) -> str:
    """A duration, or that there is none."""
    return "off" if duration == NEVER else f"{duration:g}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
