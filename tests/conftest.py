"""What all tests share: how Hypothesis runs, and that a skipped test says why.

On a developer's machine examples are drawn afresh each time, and `make fuzz` draws SIPCORE_FUZZ of them for each test;
a failure prints the blob that reproduces it. CI draws the same ones for the same tests, and more of them: it has one
verdict on one commit. Nothing depends on how fast the machine is, because one that is busy is no bug.
"""

import gc
import logging
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from sipcore.endpoint.faults import LOGGER

settings.register_profile(
    "local", derandomize=False, print_blob=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, max_examples=300)
settings.register_profile(
    "fuzz", settings.get_profile("local"), max_examples=int(os.environ.get("SIPCORE_FUZZ", "2000"))
)
settings.load_profile("fuzz" if "SIPCORE_FUZZ" in os.environ else "ci" if "CI" in os.environ else "local")

# A run in the background of a shell ignores SIGINT, and so would the programs that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


LABS = {"benchmarks", "browser", "faultlab", "faults", "impairment", "interop"}
"""Directories of tests that take minutes, and measure times."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Play the labs last: a mistake shows soon where it is one of the parts, and CI has both cores for them then."""
    items.sort(key=lambda item: not LABS.isdisjoint(item.nodeid.split("/")))


def pytest_collection_finish() -> None:
    """Leave what was collected out of what the garbage collector walks: it is there until the end, and a full round
    takes more than a second with it.
    """
    gc.collect()
    gc.freeze()


class Injected(Exception):
    """A mistake that a test has made in the place of this program."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """Say why a test was skipped inside a nursery: pytest-trio unwraps the group of what was raised there, but skips
    without the reason.
    """
    try:
        yield
    except pytest.skip.Exception as skipped:
        cause: BaseException | None = skipped.__context__
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        raise cause if isinstance(cause, pytest.skip.Exception) else skipped from None


class _Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, met: list[logging.LogRecord]) -> None:
        super().__init__()
        self._met = met

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        self._met.append(record)


@pytest.fixture(autouse=True)
def _no_own_faults() -> Iterator[None]:
    """Fail every test in which an endpoint met with a mistake of its own that the test does not look for itself: the
    endpoint goes on, and the mistake is to be found all the same.
    """
    met: list[logging.LogRecord] = []
    handler = _Kept(met)
    logger = logging.getLogger(LOGGER)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    unexpected = [record for record in met if not issubclass(getattr(record, "mistake", Injected), Injected)]
    assert not unexpected, unexpected[0].getMessage()
