"""Parts that fail are told of, and begun again, later each time."""

import itertools

import pytest
import trio
from trio.testing import MockClock

from probes.service.supervisor import LONGEST_PAUSE, STEADY, Part, Supervisor


async def test_a_part_that_fails_is_begun_again_later_each_time(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    begun: list[float] = []

    async def fail() -> None:
        begun.append(trio.current_time())
        if len(begun) == 9:
            await trio.sleep(STEADY)
        raise OSError("s3cret")

    supervisor = Supervisor(trio.Event())
    with trio.move_on_after(800):
        await supervisor.keep("watch", fail)
    pauses = [later - earlier for earlier, later in itertools.pairwise(begun)]
    assert pauses[:8] == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE]
    assert pauses[8] == STEADY + 1
    (part,) = supervisor.parts
    assert (part.name, part.is_running, part.last) == ("watch", False, "OSError")
    assert "watch has failed, and is begun again in 1 s" in caplog.text


async def test_a_failure_costs_no_other_part(autojump_clock: MockClock) -> None:
    async def fail() -> None:
        raise ExceptionGroup("", [ValueError()])

    async with trio.open_nursery() as nursery:
        supervisor = Supervisor(trio.Event())
        nursery.start_soon(supervisor.keep, "a", fail)
        nursery.start_soon(supervisor.keep, "b", trio.sleep_forever)
        await trio.sleep(10)
        assert supervisor.parts[1] == Part("b", True)
        assert supervisor.parts[0].failures == 4
        nursery.cancel_scope.cancel()


async def test_what_ends_with_everything_is_not_begun_again(autojump_clock: MockClock) -> None:
    stopping = trio.Event()
    supervisor = Supervisor(stopping)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.keep, "http", stopping.wait)
        await trio.sleep(1)
        stopping.set()
    assert supervisor.parts == (Part("http", True),)
