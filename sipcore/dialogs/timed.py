"""What keeps the session of a dialog from expiring: RFC 4028 §7.4. When that is due, `Expiry` knows.

A re-INVITE or UPDATE that changes the session refreshes it as well. While a re-INVITE takes its time, an UPDATE that
offers nothing goes out beside it: no offer is in its way (RFC 3311 §5.1).
"""

from sipcore.dialogs import reinvite_client
from sipcore.dialogs.dialog import Dialog, Numbers
from sipcore.dialogs.early import EarlyUsage
from sipcore.dialogs.effects import Effect, EndReason, Finish, Purpose, SendInDialog
from sipcore.dialogs.expiry import Expiry
from sipcore.dialogs.manner import Manner
from sipcore.dialogs.session import Session
from sipcore.errors import FailureReason, ParseError, TransportFailure
from sipcore.message.message import Request, Response
from sipcore.message.method import UPDATE
from sipcore.message.registry import ALLOW
from sipcore.tokens import Tokens


class TimedUsage(EarlyUsage):
    """The part of a dialog's usage that its session timer is about."""

    __slots__ = ("allowed", "expiry")

    def __init__(self, dialog: Dialog, session: Session, numbers: Numbers, manner: Manner, tokens: Tokens) -> None:
        super().__init__(dialog, session, numbers, manner, tokens)
        self.expiry = Expiry(manner.interval)
        self.allowed: tuple[str, ...] = ()
        """The methods that the peer understands, as it said last; empty while it has not."""

    def adopt(self, manner: Manner) -> None:
        """Go on in another manner; no session timer may run yet."""
        self._manner = manner
        self.expiry = Expiry(manner.interval, self.expiry.minimum)

    def hear(self, message: Request | Response) -> None:
        """Learn from the peer's message what it understands, and from a request how short a session may be."""
        if isinstance(message, Request):
            self.expiry.hear(message)
        try:
            self.allowed = message[ALLOW] or self.allowed
        except ParseError:
            return

    def _take_refresh(self, response: Response, now: float) -> list[Effect] | None:
        """Take the final response to an UPDATE that went out beside a re-INVITE; None for one that refuses it.

        It tells the owner nothing new.
        """
        self.hear(response)
        happening = reinvite_client.input_of(UPDATE, response.status)
        if happening is reinvite_client.Input.SUCCESS:
            self.dialog = self.dialog.towards(response)
            self.expiry.agreed(response, now)
            return []
        if happening is reinvite_client.Input.TOO_SMALL and self.expiry.too_small(response):
            return self._refresh_beside()
        return [Finish(EndReason.GONE)] if happening is reinvite_client.Input.GONE else None

    def not_refreshed(self, failure: TransportFailure, now: float) -> list[Effect]:
        """That UPDATE got no final response: silence ends the call (RFC 3261 §12.2.1.2)."""
        self.expiry.unchanged(None, now)
        return [Finish(EndReason.GONE)] if failure.reason is FailureReason.TIMED_OUT else []

    def _refresh_beside(self) -> list[Effect]:
        request, next_hop = self.request(UPDATE, fields=[*self._manner.abilities(), *self.expiry.asked()])
        return [SendInDialog(Purpose.REFRESH, request, next_hop)]
