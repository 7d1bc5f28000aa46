"""Calls as objects to await: `Call` for one placed here, `IncomingCall` for one that came in."""

import math
from collections.abc import AsyncIterator
from typing import Protocol

import trio

from sipcore.auth.session import AuthError
from sipcore.dialogs.session import EndReason
from sipcore.errors import RemoteError, TransportFailure
from sipcore.events import CallAnswered, CallConfirmed, CallEnded, CallFailed, CallProgress, CallReceived
from sipcore.message.build import Fields
from sipcore.message.message import Request, Response
from sipcore.resolve.target import Flow

HANG_UP_TIMEOUT = 8.0
"""Seconds that leaving a call waits for the answer to BYE or CANCEL; the stack goes on repeating it after that."""

CallEvent = CallProgress | CallAnswered | CallConfirmed | CallFailed | CallEnded


class CallFailure(RemoteError):
    """A call did not come about. `response` is the final one if there was one, `cause` the error if there was one."""

    def __init__(self, response: Response | None, cause: TransportFailure | AuthError | None) -> None:
        told = str(cause.message) if cause else f"{response.status} {response.reason}" if response else "no answer"
        super().__init__(told, section=cause.section if cause else "RFC 3261 §13.2.2")
        self.response = response
        self.cause = cause


class Driver(Protocol):
    """What a call needs of its endpoint."""

    def hang_up(self, number: int) -> None:
        """End a call in the way its state asks for."""

    def ring(self, number: int, status: int, fields: Fields, body: bytes, content_type: str) -> None:
        """Send a 1xx."""

    def accept(self, number: int, fields: Fields, body: bytes, content_type: str) -> None:
        """Send the 200."""

    def reject(self, number: int, status: int, reason: str, fields: Fields) -> None:
        """Send a 3xx to 6xx."""


class _Events:
    """The events of one call, in order, until the last one."""

    def __init__(self, driver: Driver, number: int) -> None:
        self._driver = driver
        self._send, self._receive = trio.open_memory_channel[CallEvent](math.inf)
        self._over = trio.Event()
        self.number = number
        self.end_reason: EndReason | None = None
        """How the call ended; None while it lasts, or when it never came about."""

    def deliver(self, event: CallEvent) -> None:
        """Take an event from the endpoint."""
        if isinstance(event, CallEnded):
            self.end_reason = event.reason
        self._send.send_nowait(event)
        if isinstance(event, CallEnded | CallFailed):
            self._send.close()
            self._over.set()

    @property
    def is_over(self) -> bool:
        """Whether the last event has been."""
        return self._over.is_set()

    async def over(self) -> None:
        """Wait until the call is over."""
        await self._over.wait()

    async def hang_up(self) -> None:
        """End the call and wait until it is over, HANG_UP_TIMEOUT seconds at most, whatever is cancelled around it."""
        with trio.CancelScope(shield=True, deadline=trio.current_time() + HANG_UP_TIMEOUT):
            if not self.is_over:
                self._driver.hang_up(self.number)
            await self._over.wait()

    def __aiter__(self) -> AsyncIterator[CallEvent]:
        return self._receive.__aiter__()


class Call(_Events):
    """A call placed here. Iterate over it for its events: progress, then answered or failed, then ended."""

    async def answered(self) -> Response:
        """Wait for the 2xx. Raises CallFailure when the call does not come about, or ends before."""
        async for event in self:
            match event:
                case CallAnswered(response=response):
                    return response
                case CallFailed(response=refusal, failure=failure):
                    raise CallFailure(refusal, failure)
        raise CallFailure(None, None)


class IncomingCall(_Events):
    """A call that came in. Ring, then accept or reject; iterate over it for its events: confirmed, ended."""

    def __init__(self, driver: Driver, received: CallReceived) -> None:
        super().__init__(driver, received.call)
        self.invite: Request = received.invite
        self.flow: Flow = received.flow

    def ring(self, status: int = 180, *, fields: Fields = (), body: bytes = b"", content_type: str = "") -> None:
        """Send a 1xx. Raises LocalError when the call is answered or over."""
        self._driver.ring(self.number, status, fields, body, content_type)

    def accept(self, *, fields: Fields = (), body: bytes = b"", content_type: str = "") -> None:
        """Answer with a 200. Raises LocalError when the call is answered or over."""
        self._driver.accept(self.number, fields, body, content_type)

    def reject(self, status: int = 603, *, reason: str = "", fields: Fields = ()) -> None:
        """Refuse with a 3xx to 6xx. Raises LocalError when the call is answered or over."""
        self._driver.reject(self.number, status, reason, fields)
