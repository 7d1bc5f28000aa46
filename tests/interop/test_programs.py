"""Programs that a test starts: where they are, what they say, and that they end with the block."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
import trio

from tests.impairment import namespace
from tests.impairment.conftest import privileged
from tests.interop.lab import START_SECONDS
from tests.interop.programs import console, output_of

__all__ = ["privileged"]

OWN = "/proc/thread-self/ns/net"
"""The namespace of whoever reads it."""
WORKERS = 3
ROOT = Path(__file__).parents[2]


async def test_a_program_says_something_and_ends(tmp_path: Path) -> None:
    code, said = await output_of(["sh", "-c", "pwd; echo no >&2; exit 3"], tmp_path)
    assert (code, said) == (3, f"{tmp_path}\nno\n")


async def test_a_program_is_talked_to() -> None:
    async with console("cat") as cat:
        await cat.typed.send_all(b"hello")
        assert await cat.said.receive_some() == b"hello"
        await cat.typed.aclose()
        with trio.fail_after(START_SECONDS):
            assert await cat.ended() == 0


async def test_a_program_that_does_not_end_is_killed() -> None:
    with trio.move_on_after(0.1) as waited:
        await output_of(["sh", "-c", "trap '' TERM; sleep 60"])
    assert waited.cancelled_caught
    async with console("sh", "-c", "trap '' TERM; echo up; sleep 60") as stubborn:
        assert await stubborn.said.receive_some() == b"up\n"
    assert stubborn.process.returncode == -9


@pytest.mark.usefixtures("privileged")
def test_a_program_is_not_where_a_worker_of_trio_was_made() -> None:
    look = (
        "from tests.interop.test_programs import look; look()"  # in a process of its own, whose workers are no others'
    )
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, timeout=START_SECONDS, check=True
    )
    here, workers, program = done.stdout.splitlines()
    assert set(workers.split()) != {here}, "no worker is inside, so this shows nothing"
    assert program == here


def look() -> None:
    """Have trio make workers inside a namespace, and tell where this thread, these workers and a program are."""
    site = namespace.make("alice", "192.0.2.1", "2001:db8::1")
    together = threading.Barrier(WORKERS)
    with site.entered():
        trio.run(_workers, together)
    workers = trio.run(_workers, together)
    print_where = f"from pathlib import Path; print(Path({OWN!r}).readlink())"
    _, program = trio.run(output_of, [sys.executable, "-c", print_where])
    sys.stdout.write(f"{_where()}\n{' '.join(map(str, workers))}\n{program}")


async def _workers(together: threading.Barrier) -> list[Path]:
    """The namespaces of some workers of trio, all of which are at work at the same time."""
    where: list[Path] = []

    def work() -> None:
        together.wait(START_SECONDS)
        where.append(_where())

    async with trio.open_nursery() as nursery:
        for _ in range(WORKERS):
            nursery.start_soon(trio.to_thread.run_sync, work)
    return where


def _where() -> Path:
    return Path(OWN).readlink()
