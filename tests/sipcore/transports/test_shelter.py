"""Tasks that go on while the block that needs them is cancelled."""

import pytest
import trio
import trio.testing

from sipcore.transports.shelter import open_shelter


async def test_tasks_last_as_long_as_the_block() -> None:
    done: list[str] = []

    async def work() -> None:
        try:
            await trio.sleep_forever()
        finally:
            done.append("task")

    with trio.CancelScope() as scope:
        async with open_shelter() as nursery:
            nursery.start_soon(work)
            scope.cancel()
            with trio.CancelScope(shield=True):
                await trio.testing.wait_all_tasks_blocked()
            done.append("block")
    assert done == ["block", "task"]


async def test_one_that_is_cancelled_before_it_is_open_ends() -> None:
    with trio.fail_after(5), trio.CancelScope() as scope:
        scope.cancel()
        async with open_shelter():
            pytest.fail("it was cancelled")
    assert scope.cancelled_caught


async def test_a_task_that_fails_ends_the_block() -> None:
    async def fail() -> None:
        raise KeyError

    async def rely_on_it() -> None:
        async with open_shelter() as nursery:
            nursery.start_soon(fail)
            await trio.sleep_forever()

    with trio.fail_after(5), pytest.raises(ExceptionGroup) as caught:
        await rely_on_it()
    assert caught.group_contains(KeyError)
