"""What the tests of transports share."""

import pytest
from trio.testing import MockClock


@pytest.fixture
def patient_clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms; loopback sockets need one of them."""
    return MockClock(autojump_threshold=0.05)
