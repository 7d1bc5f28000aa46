"""What the fault labs have to say at the end of a test run: their last lines, one for each lab that was played."""

from collections.abc import Callable

import pytest

_LINES = pytest.StashKey[list[str]]()


@pytest.fixture
def say_last(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Have a line printed when all tests are over."""
    return request.config.stash.setdefault(_LINES, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the lines, above pytest's own summary."""
    for line in config.stash.get(_LINES, []):
        terminalreporter.write_line(line)
