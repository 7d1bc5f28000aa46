"""What does it cost a program to import the engine, beyond trio, which it has anyway?

The figure is the processor time of a fresh interpreter that imports both, less that of one that imports trio alone. The
peer is trio's own, less that of an interpreter that imports nothing: on a machine of any speed it tells how much to
make of the figure.
"""

import os
import sys
from collections.abc import Iterator

from benchmarks.harness.measure import Benchmark, Sampled

TRIO = "import trio"
ENDPOINT = f"{TRIO}, sipcore.endpoint.endpoint"
CLEAN = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""With it, what was changed last would be compiled each time."""
RUNS = 3
"""Interpreters for one figure: the quickest counts, since whatever else happens only adds to it."""


def cost(code: str) -> float:
    """Milliseconds of CPU time that an interpreter takes for `code`."""
    used = []
    for _ in range(RUNS):
        child = os.posix_spawn(sys.executable, [sys.executable, "-c", code], CLEAN)
        _, status, usage = os.wait4(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, code
        used.append(usage.ru_utime + usage.ru_stime)
    return min(used) * 1000


def benchmarks() -> Iterator[Benchmark]:
    """The endpoint, beside trio; the first import, which may have to compile, is not measured."""
    cost(ENDPOINT)
    yield Benchmark(
        "imports.endpoint",
        Sampled("sipcore", lambda: cost(ENDPOINT) - cost(TRIO), "beyond trio"),
        (Sampled("trio", lambda: cost(TRIO) - cost("pass"), "beyond Python"),),
        unit="ms",
    )
