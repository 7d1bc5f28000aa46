"""Test calls with media, of which one side is cancelled at any moment: nothing of them is left on either side.

Both sides are real: their own endpoints, sockets of the loopback, and media. The clock is real, too, so that there are
few examples; what is asserted holds at any speed.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar

import pytest
import trio
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from probes.calls.run import place_call
from probes.calls.script import CallScript
from probes.destination import Destination
from probes.responder.happening import Happening
from probes.responder.personas import Manner, Persona
from probes.responder.run import Responder, open_responder
from probes.result import CallStatus
from sipcore.endpoint.endpoint import Endpoint
from sipcore.endpoint.media.media import Media
from sipcore.media.terms import Encryption
from sipcore.resolve.target import SocketAddress, Transport

T = TypeVar("T", Endpoint, Media)
HOST = "127.0.0.1"
EXAMPLES = 30
LATEST = 0.45
"""Seconds: a call is set up, held and hung up within them."""
PATIENCE = 30.0
GRACE = 600.0
"""Seconds after which no timer of a call that is over is left."""
DESCRIPTORS = Path("/proc/self/fd")


class Made(list[T]):
    """The objects of a class that are made while it is watched."""

    @contextmanager
    def watching(self, kind: type[T]) -> Iterator[None]:
        """Keep those that are made from now on."""
        with pytest.MonkeyPatch.context() as patch:
            make = kind.__init__

            def keep(made: T, *given: object, **named: object) -> None:
                make(made, *given, **named)  # type: ignore[arg-type]  # as it was called
                self.append(made)

            patch.setattr(kind, "__init__", keep)
            yield


def assert_empty(endpoint: Endpoint, now: float) -> None:
    """No call, no dialog, and of the transactions nothing but what ends by itself, and soon."""
    stack = endpoint.loop.stack
    assert not endpoint._calls
    while (due := stack.next_timeout()) is not None:
        assert due < now + GRACE
        stack.handle_timeout(max(due, now))
        stack.drain()
    assert len(stack) == 0
    book = stack._calls._book
    assert (book.by_invite, book.by_ticket, book.by_dialog, book.by_key) == ({}, {}, {}, {})


def descriptors() -> int:
    """How many files and sockets this process has open."""
    return len(list(DESCRIPTORS.iterdir())) if DESCRIPTORS.exists() else 0


def tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


class Who(Enum):
    """Who is cancelled."""

    CALLER = "caller"
    CALLEE = "callee"


@dataclass(frozen=True, slots=True)
class Moment:
    """`at` is seconds after the call began."""

    who: Who
    at: float


async def cancelled(
    persona: Persona, transport: Transport, script: dict[str, object], moment: Moment, callee: list[Endpoint]
) -> list[Happening]:
    """Call, and cancel one side then; gives what the callee told."""
    told: list[Happening] = []
    before = tasks()
    limits = {who: moment.at if who is moment.who else math.inf for who in Who}
    answering = trio.CancelScope()

    async def answer(task_status: trio.TaskStatus[Responder]) -> None:
        with answering:  # which is outside of the responder's block
            async with open_responder(persona, [(transport, SocketAddress(HOST, 0))], told.append) as responder:
                task_status.started(responder)
                with trio.move_on_after(limits[Who.CALLEE]):
                    await trio.sleep_forever()
                answering.cancel()
                await trio.sleep_forever()

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            responder = await nursery.start(answer)
            place = responder.address(transport)
            destination = Destination(place.host, place.port, transport, "echo")
            with trio.move_on_after(limits[Who.CALLER]):
                await place_call(CallScript(destination, hold=0.2, ring_timeout=0.5, **script))  # type: ignore[arg-type]
            while callee[0]._calls and moment.who is Who.CALLER:  # noqa: ASYNC110  # until it has ended the call by itself
                await trio.sleep(0.01)
            answering.cancel()
    assert tasks() == before
    return told


@settings(max_examples=EXAMPLES, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    moment=st.builds(Moment, st.sampled_from(Who), st.floats(0.0, LATEST)),
    transport=st.sampled_from([Transport.UDP, Transport.TCP]),
    manner=st.sampled_from(
        [
            Manner(),
            Manner(ring=0.1),
            Manner(early_media=True, delay=0.1),
            Manner(hang_up_after=0.1),
            Manner(ring=0.0, status=None),
            Manner(ring=0.05, status=486),
        ]
    ),
    encryption=st.sampled_from([Encryption.DISABLE, Encryption.REQUIRE]),
)
def test_nothing_is_left_of_a_call_that_is_cancelled_at_any_moment(
    moment: Moment, transport: Transport, manner: Manner, encryption: Encryption
) -> None:
    endpoints, media, told = Made[Endpoint](), Made[Media](), list[Happening]()
    before = descriptors()

    async def run() -> float:
        told.extend(await cancelled(Persona(manner), transport, {"encryption": encryption}, moment, endpoints))
        return trio.current_time()

    with endpoints.watching(Endpoint), media.watching(Media):
        now = trio.run(run)
    assert endpoints
    for endpoint in endpoints:
        assert_empty(endpoint, now)
    assert not any(each.lines for each in media)
    assert descriptors() == before
    for happening in told:
        assert happening.result is not None
        assert happening.result.status is not CallStatus.PENDING
        assert happening.result.events[-1].name == "completed"
