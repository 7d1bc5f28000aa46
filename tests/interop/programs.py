"""Programs that a test waits for, or talks to, killed with the block that runs them.

They are started by the thread that asks for them, and not by one of trio's workers, as `trio.run_process` does. A
worker has the network namespace of whoever needed it first, which may have been inside a site; and when it ends, some
seconds after its last work, the kernel takes it for the end of this process, and ends what is bound to that.
"""

import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import trio

from tests.interop.lab import program


@dataclass(frozen=True, slots=True)
class Console:
    """A program that is typed to, and what it says."""

    typed: trio.lowlevel.FdStream
    said: trio.lowlevel.FdStream
    process: subprocess.Popen[bytes]

    async def ended(self) -> int:
        """Wait for its end; gives its exit code."""
        return await trio.to_thread.run_sync(self.process.wait, abandon_on_cancel=True)


async def output_of(command: list[str], folder: Path | None = None) -> tuple[int, str]:
    """The exit code of a program that ends by itself, and what it said."""
    with tempfile.TemporaryFile() as output:
        code = await ended(command, folder, output)
        output.seek(0)
        return code, output.read().decode(errors="replace")


async def ended(command: list[str], folder: Path | None, output: IO[bytes]) -> int:
    """The exit code of a program that ends by itself; what it says goes to a file."""
    with _started(command, folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT) as process:
        return await trio.to_thread.run_sync(process.wait, abandon_on_cancel=True)


@asynccontextmanager
async def console(
    *command: str, env: Mapping[str, str] | None = None, stderr: int = subprocess.STDOUT
) -> AsyncIterator[Console]:
    """A program that is talked to, until the block ends; what it says as errors may be left out."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": stderr}
    with _started(list(command), None, env, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        async with (
            trio.lowlevel.FdStream(os.dup(process.stdin.fileno())) as typed,
            trio.lowlevel.FdStream(os.dup(process.stdout.fileno())) as said,
        ):
            process.stdin.close()  # so that it sees the end of what is typed once `typed` is closed
            yield Console(typed, said, process)


@contextmanager
def _started(
    command: list[str], folder: Path | None, env: Mapping[str, str] | None = None, **pipes: int | IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """A program for a block. Some end late when they are told to, or not at all: linphone, and SIPp during a call."""
    bound = [program("setpriv", "util-linux"), "--pdeathsig", "KILL", "--", *command]
    with subprocess.Popen(bound, cwd=folder, env=env, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()
