"""The C programs of `benchmarks/c`: compiled when first needed, run as peers in processes of their own."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness.measure import Excluded

FOLDER = Path(__file__).parents[1]
BUILD = FOLDER / "build"
LIBRARIES = {"tls": ("-lssl", "-lcrypto")}
"""What each program is linked with, beyond the C library."""
PROCESSOR = max(os.sched_getaffinity(0))
"""Where responders run, out of the way of whoever is measured."""


class NotBuiltError(Exception):
    """There is no compiler, or what the program needs is missing; the message says which."""


def program(name: str) -> Path:
    """The compiled program `name`. Raises NotBuiltError."""
    source, built = FOLDER / "c" / f"{name}.c", BUILD / name
    newest = max(path.stat().st_mtime for path in (source, *source.parent.glob("*.h")))
    if not built.exists() or built.stat().st_mtime < newest:
        BUILD.mkdir(exist_ok=True)
        command = ["cc", "-O2", "-std=gnu17", "-o", str(built), str(source), *LIBRARIES.get(name, ())]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise NotBuiltError("no C compiler (Debian: gcc libc6-dev)") from None
        except subprocess.CalledProcessError as error:
            needed = " (Debian: libssl-dev)" if name in LIBRARIES else ""
            raise NotBuiltError(f"{name}.c: {error.stderr.strip().splitlines()[0]}{needed}") from None
    return built


def lacking(name: str, subject: str = "sipcore") -> Excluded | None:
    """Why `subject` is not run where the program `name` cannot be; None where it can."""
    try:
        program(name)
    except NotBuiltError as error:
        return Excluded(subject, str(error), lacking=True)
    return None


@contextmanager
def responder(name: str, *arguments: str) -> Iterator[int]:
    """Run `name respond`, on the last processor, and give the port that it answers at."""
    with subprocess.Popen([program(name), "respond", *arguments], stdout=subprocess.PIPE, text=True) as running:
        try:
            os.sched_setaffinity(running.pid, {PROCESSOR})
            assert running.stdout
            yield int(running.stdout.readline())
        finally:
            running.kill()


def asked(name: str, *arguments: object) -> float:
    """Run `name ask` with `arguments` and give the figure that it prints."""
    command = [str(program(name)), "ask", *map(str, arguments)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
