"""A call on the screen while it goes on."""

import io

import pytest
import trio
from rich.console import Console
from trio.testing import MockClock

from probes.calls.story import OnEntry
from probes.cli.common import Printer
from probes.cli.live import HOLD, Live
from probes.result import TimelineEntry


@pytest.fixture
def clock() -> MockClock:
    return MockClock(autojump_threshold=0)


def screen() -> tuple[Live, io.StringIO]:
    shown = io.StringIO()
    return Live(Printer(Console(file=shown, width=80))), shown


def labels(shown: io.StringIO) -> list[str]:
    return [line.split()[2] for line in shown.getvalue().splitlines() if "│" in line]


async def test_lines_are_shown_in_the_order_of_their_times(clock: MockClock) -> None:
    live, shown = screen()

    async def call(take: OnEntry) -> str:
        take(TimelineEntry(10.0, "ACK"))
        await trio.sleep(HOLD / 2)
        take(TimelineEntry(5.0, "RTP"))
        await trio.sleep(HOLD)
        assert labels(shown) == ["RTP", "ACK"]
        take(TimelineEntry(20.0, "BYE"))
        return "over"

    assert await live.during(call) == "over"
    assert labels(shown) == ["RTP", "ACK", "BYE"]


async def test_a_line_waits_for_nothing_but_what_may_be_late(clock: MockClock) -> None:
    live, shown = screen()

    async def call(take: OnEntry) -> None:
        for number in range(3):
            take(TimelineEntry(float(number), f"line-{number}"))
            await trio.sleep(2 * HOLD)
            assert labels(shown)[-1] == f"line-{number}"

    await live.during(call)


async def test_the_lines_of_a_call_that_is_cancelled_are_shown_as_well(clock: MockClock) -> None:
    live, shown = screen()

    async def call(take: OnEntry) -> None:
        try:
            await trio.sleep_forever()
        finally:
            take(TimelineEntry(0.0, "BYE"))

    with trio.move_on_after(1):
        await live.during(call)
    assert labels(shown) == ["BYE"]


async def test_each_call_has_a_ladder_of_its_own(clock: MockClock) -> None:
    live, shown = screen()

    async def calls(take: OnEntry) -> None:
        for _ in range(2):
            live.begin()
            take(TimelineEntry(0.0, "initiated"))
            live.flush()

    await live.during(calls)
    assert [line.split()[-1] for line in shown.getvalue().splitlines()] == ["sipprobe", "initiated"] * 2
