"""The INVITE that a call is placed with, from its first sending until it is answered."""

from dataclasses import replace
from typing import TYPE_CHECKING

from sipcore.message.address import Address
from sipcore.message.build import Fields
from sipcore.message.message import Request
from sipcore.message.uri import Uri
from sipcore.outgoing import Order
from sipcore.resolve.target import Flow
from sipcore.tickets import Tickets

if TYPE_CHECKING:
    from sipcore.auth.session import AuthError


class OutgoingInvite:
    """One INVITE to its owner, however often it goes out.

    That is once more for each place that the call is sent on to (RFC 3261 §8.1.3.4), and for a session interval that
    was too small (RFC 4028 §7.3). Each time it gets another `ticket`, and those before have had their answer.
    """

    __slots__ = ("_order", "_tickets", "ticket")

    def __init__(self, tickets: Tickets, order: Order, now: float) -> None:
        """Send it. Raises LocalError as `Tickets.send` does."""
        self._tickets = tickets
        self._order = order
        self.ticket = tickets.send(order, now)

    @property
    def request(self) -> Request:
        """The INVITE as it went out last."""
        return self._tickets.request_of(self.ticket)

    @property
    def auth_error(self) -> "AuthError | None":
        """Why the last challenge to it was not answered."""
        return self._tickets.auth_error_of(self.ticket)

    def contact(self, user: str, flow: Flow) -> Address:
        """The Contact that it has over `flow`."""
        return self._tickets.ends.contact(user, flow, self.request)

    def send_again(self, request: Request, target: Uri | None, now: float) -> None:
        """Send `request` in its place: to `target`, or to where it went before. Raises LocalError as `Tickets.send`."""
        self._order = replace(self._order, request=request, target=target or self._order.target)
        self.ticket = self._tickets.send(self._order, now)

    def cancel(self, now: float, fields: Fields) -> bool:
        """Cancel it (RFC 3261 §9.1), with `fields` in the CANCEL; False when nothing was sent yet."""
        return self._tickets.cancel(self.ticket, now, fields)
