"""Alarms: both kinds keep the same contract."""

import math

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from sipcore.endpoint.media import alarm as module
from sipcore.endpoint.media.alarm import Alarm, KernelAlarm, TrioAlarm, new_alarm
from sipcore.transports import ancillary

KINDS = [
    TrioAlarm,
    pytest.param(KernelAlarm, marks=pytest.mark.skipif(not ancillary.LINUX, reason="Linux has timerfd")),
]


@pytest.mark.parametrize("kind", KINDS)
async def test_it_rings_at_its_time_and_not_before(kind: type[TrioAlarm] | type[KernelAlarm]) -> None:
    alarm: Alarm = kind()
    try:
        for after in (0.02, 0.0, -1.0):
            at = trio.current_time() + after
            alarm.set(at)
            with trio.fail_after(5):
                await alarm.wait()
            assert trio.current_time() >= at
    finally:
        alarm.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_it_can_be_set_anew_while_somebody_waits(kind: type[TrioAlarm] | type[KernelAlarm]) -> None:
    alarm: Alarm = kind()
    rung = trio.Event()

    async def wait() -> None:
        await alarm.wait()
        rung.set()

    try:
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                alarm.set(trio.current_time() + 1000)
                nursery.start_soon(wait)
                await trio.testing.wait_all_tasks_blocked()
                alarm.set(math.inf)
                alarm.set(trio.current_time() + 0.01)
                await rung.wait()
    finally:
        alarm.close()


async def test_by_trio_any_clock_will_do(autojump_clock: MockClock) -> None:
    alarm = TrioAlarm()
    alarm.set(trio.current_time() + 1000)
    await alarm.wait()
    assert trio.current_time() >= 1000


async def test_without_a_timerfd(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> KernelAlarm:
        raise OSError("no timerfd")

    monkeypatch.setattr(module, "KernelAlarm", none)
    assert isinstance(new_alarm(), TrioAlarm)
