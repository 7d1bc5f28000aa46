"""A sink that keeps what it is told, and lets a test wait for it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from sipcore.deviation import Deviation
from sipcore.errors import TransportFailure
from sipcore.message.message import Request, Response
from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.trace import FlowTrace, Stamp, TraceRecord
from sipcore.transports.connections import Transports
from tests.conftest import Injected

PATIENCE = 5.0
"""Seconds until a wait gives up: a busy machine may need one of them."""

LOOPBACK = SocketAddress("127.0.0.1", 0)
OPTIONS = b"OPTIONS sip:alice@example.com SIP/2.0\r\nContent-Length: 0\r\n\r\n"
OK = b"SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Received:
    """A message with all that was told of it."""

    data: bytes
    flow: Flow
    stamp: Stamp
    notes: tuple[Deviation, ...]


@dataclass
class Recorder:
    """Keeps everything; answers each request, or closes its connection, when it is told over what. With a clock that
    jumps, `patience` is to exceed what the test waits for.
    """

    patience: float = PATIENCE
    answer_over: Transports | None = None
    close_over: Transports | None = None
    messages: list[Received] = field(default_factory=list)
    ended: list[tuple[Flow, TransportFailure]] = field(default_factory=list)
    lost: list[tuple[SocketAddress, TransportFailure]] = field(default_factory=list)
    faults: list[tuple[Exception, str]] = field(default_factory=list)
    awaited: set[Flow] = field(default_factory=set)
    """Connections that something is under way over."""
    traces: list[FlowTrace] = field(default_factory=list)
    changed: trio.Event = field(default_factory=trio.Event)

    def received(
        self,
        data: bytes,
        flow: Flow,
        stamp: Stamp,
        notes: tuple[Deviation, ...],
        message: Request | Response | None = None,
    ) -> None:
        self.messages.append(Received(data, flow, stamp, notes))
        if self.answer_over is not None and not data.startswith(b"SIP/"):
            self.answer_over.send(flow, OK)
        if self.close_over is not None:
            self.close_over.close(flow)
        self.wake()

    def flow_failed(self, flow: Flow, failure: TransportFailure) -> None:
        self.ended.append((flow, failure))
        self.wake()

    def listening(self, transport: Transport, at: SocketAddress) -> None:
        """`Transports.local_address` tells it as well."""

    def is_awaited(self, flow: Flow) -> bool:
        return flow in self.awaited

    def unreachable(self, remote: SocketAddress, failure: TransportFailure) -> None:
        self.lost.append((remote, failure))
        self.wake()

    def fault(self, error: Exception, what: str) -> None:
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        if not isinstance(error, Injected):
            raise error
        self.faults.append((error, what))
        self.wake()

    def trace(self, record: TraceRecord) -> None:
        assert isinstance(record, FlowTrace)
        self.traces.append(record)
        self.wake()

    def wake(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    def events(self, transport: Transport | None = None) -> list[str]:
        return [record.event for record in self.traces if transport in (None, record.hop.transport)]

    async def until(self, met: Callable[[], object]) -> None:
        """Wait until something is the case; only what the sink is told is looked at again."""
        with trio.fail_after(self.patience):
            while not met():
                await self.changed.wait()

    async def message(self, number: int = 1) -> Received:
        """The message of this number, counted from one."""
        await self.until(lambda: len(self.messages) >= number)
        return self.messages[number - 1]

    async def end(self, number: int = 1) -> tuple[Flow, TransportFailure]:
        """The end of a connection."""
        await self.until(lambda: len(self.ended) >= number)
        return self.ended[number - 1]

    async def loss(self, number: int = 1) -> tuple[SocketAddress, TransportFailure]:
        """What ICMP told."""
        await self.until(lambda: len(self.lost) >= number)
        return self.lost[number - 1]
