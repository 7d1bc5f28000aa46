"""Who takes everything at the responder, and answers nothing."""

from collections.abc import Callable
from datetime import UTC, datetime

from probes.responder.happening import Happening, Report, parties
from sipcore.deviation import Deviation
from sipcore.endpoint.faults import Faults
from sipcore.errors import ParseError, TransportFailure
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.trace import Stamp, TraceRecord


class Silence:
    """Takes messages and answers none (`transports.base.Sink`)."""

    def __init__(self, report: Report, clock: Callable[[], float]) -> None:
        self._report = report
        self._clock = clock
        self._faults = Faults()

    def received(
        self,
        data: bytes,
        flow: Flow,
        stamp: Stamp,  # noqa: ARG002  # a Sink
        notes: tuple[Deviation, ...],  # noqa: ARG002  # a Sink
        message: Request | Response | None = None,  # a Sink
    ) -> None:
        """One message, which is told of and otherwise ignored."""
        try:
            message = message or parse_message(data)
            if isinstance(message, Request):
                caller, called = parties(message)
                when = datetime.now(UTC)
                self._report(Happening(when, message.method, caller, called, flow, None, "silent on purpose"))
        except ParseError:
            return

    def flow_failed(self, flow: Flow, failure: TransportFailure) -> None:
        """Nothing waits for anything."""

    def listening(self, transport: Transport, at: SocketAddress) -> None:
        """Nobody is told where."""

    def is_awaited(self, flow: Flow) -> bool:  # noqa: ARG002  # a Sink
        """Nothing is under way."""
        return False

    def unreachable(self, remote: SocketAddress, failure: TransportFailure) -> None:
        """Nothing was sent."""

    def fault(self, error: Exception, what: str) -> None:
        """It costs that datagram or connection."""
        self._faults.record(error, what, self._clock())

    def trace(self, record: TraceRecord) -> None:
        """Nobody looks."""
