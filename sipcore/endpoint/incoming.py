"""What comes in: requests that are no call's, and how those are turned away that nobody takes."""

from collections.abc import Callable
from typing import Protocol

from sipcore.dialogs.manner import METHODS, Manner
from sipcore.endpoint.call import IncomingCall
from sipcore.events import RequestReceived
from sipcore.message.build import Fields, require_further
from sipcore.message.build import response as build_response
from sipcore.message.method import OPTIONS
from sipcore.stack import Stack

OK = 200


class Driver(Protocol):
    """What an incoming request needs of its endpoint."""

    def act(self, action: Callable[[Stack, float], None]) -> None:
        """Have `action` do something with the stack, at the time that it is told, and carry out what comes of it."""


class IncomingRequest:
    """A request that is no call's, to be answered with `respond`."""

    def __init__(self, driver: Driver, received: RequestReceived, tag: str) -> None:
        """`tag` is put on the To of its responses."""
        self._driver = driver
        self._tag = tag
        self._key = received.key
        self.request = received.request
        self.flow = received.flow
        self.stamp = received.stamp

    def respond(
        self, status: int, *, reason: str = "", fields: Fields = (), body: bytes = b"", content_type: str = ""
    ) -> None:
        """Send a response; a final one ends the matter.

        A 200 to OPTIONS also tells what this side can do, where `fields` do not (RFC 3261 §11.2). Raises LocalError for
        a status outside 100 to 699, and for fields that a response has in any case.
        """
        given = list(fields)
        require_further(given, "the answer", "leave it out")

        def answer(stack: Stack, now: float) -> None:
            told = stack.manner.able(given) if status == OK and self.request.method == OPTIONS else given
            request, tag = self.request, self._tag
            built = build_response(request, status, reason, tag=tag, fields=told, body=body, content_type=content_type)
            stack.respond(self._key, built, now)

        self._driver.act(answer)


Incoming = IncomingCall | IncomingRequest


def refuse(incoming: Incoming, manner: Manner, overload: int | None = None) -> None:
    """Turn away what nobody here wants, or, when too much waits already, all of it with `overload` (§21.5.4).

    OPTIONS is answered even if nobody reads what comes in, since it asks for nothing (RFC 3261 §11.2).
    """
    if isinstance(incoming, IncomingCall):
        incoming.reject(overload or 480)
    elif overload is not None:
        incoming.respond(overload, fields=manner.signed(()))
    elif incoming.request.method == OPTIONS:
        incoming.respond(OK)
    else:
        incoming.respond(405, fields=manner.signed([("Allow", ", ".join(METHODS))]))
