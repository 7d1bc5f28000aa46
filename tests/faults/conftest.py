"""What tests of faults share."""

import pytest
from trio.testing import MockClock

from tests.impairment.conftest import privileged

__all__ = ["privileged"]


@pytest.fixture
def patient_clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms; loopback sockets need one of them."""
    return MockClock(autojump_threshold=0.05)
