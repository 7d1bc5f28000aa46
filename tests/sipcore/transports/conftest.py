"""What the tests of transports share."""

from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import MockClock

from tests.sipcore.transports.recorder import Recorder
from tests.sipcore.transports.streams import Peer


@pytest.fixture
def patient_clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms; loopback sockets need one of them."""
    return MockClock(autojump_threshold=0.05)


@pytest.fixture
def recorder() -> Recorder:
    """A sink to look at."""
    return Recorder()


@pytest.fixture
def server() -> Recorder:
    """The sink of whoever serves."""
    return Recorder()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    """A plain listener to connect to."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    assert isinstance(listener, trio.SocketListener)
    async with listener:
        yield Peer(listener)
