"""A dialog as a value: RFC 3261 §12. Each event that changes it gives a new one."""

from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from functools import partial
from typing import NamedTuple

from sipcore.dialogs.route_set import Ends, Way
from sipcore.errors import ParseError
from sipcore.message.address import Address
from sipcore.message.build import Fields
from sipcore.message.message import Request, Response
from sipcore.message.method import ACK, BYE
from sipcore.message.registry import CONTACT, RECORD_ROUTE
from sipcore.message.uri import Uri
from sipcore.trace import TransitionTrace
from sipcore.value import value

Cell = tuple[Enum, object]
"""What a table has for a state and an input: the next state, and what is done on the way."""

Both = tuple[Address, Address]
_UNREAD = (ACK, BYE)
"""What every call sends, and hardly anybody looks at again."""


class DialogId(NamedTuple):
    """What identifies a dialog at one side (RFC 3261 §12); a peer of RFC 2543 may have no tag ("")."""

    call_id: str
    local_tag: str
    remote_tag: str

    @classmethod
    def named_by(cls, request: Request) -> "DialogId":
        """The dialog that a received request names: To carries the local tag (RFC 3261 §12.2.2)."""
        return cls(request.call_id, request.to_tag or "", request.from_tag or "")

    @classmethod
    def answered_in(cls, response: Response) -> "DialogId":
        """The dialog of a request that is answered from here: To carries the local tag here, too."""
        return cls(response.call_id, response.to_tag or "", response.from_tag or "")

    def transition(self, at: float, machine: str, happening: Enum, before: Enum, cell: Cell | None) -> TransitionTrace:
        """What is told of an input to one of its machines; `cell` is None where the table has none."""
        after = before if cell is None else cell[0]
        return TransitionTrace(at, machine, "", happening.name, before.name, after.name, *self)


class Parties:
    """The addresses of both sides of a dialog, with their tags. They are read with the first request in it that is sent
    from here: who is called and hung up on never sends one.
    """

    __slots__ = ("_both",)

    def __init__(self, both: Both | Callable[[], Both]) -> None:
        """Take the local and the remote address, or what reads them; it is asked once, and then let go."""
        self._both = both

    @property
    def both(self) -> Both:
        """The local and the remote address."""
        if not isinstance(self._both, tuple):
            self._both = self._both()
        return self._both


@value
class Dialog:
    """The state of RFC 3261 §12: addresses with their tags, route set, remote target and remote sequence number.

    `remote_sequence` is None until the peer has sent a request; `confirmed` is False while the dialog is early. The
    local sequence number is that of `Numbers`, since requests are numbered anew that are sent again with credentials.
    """

    id: DialogId
    parties: Parties
    way: Way
    remote_sequence: int | None
    confirmed: bool

    @property
    def call_id(self) -> str:
        """The Call-ID of all its requests."""
        return self.id.call_id

    @property
    def remote_target(self) -> Uri:
        """Where the peer can be reached, as its Contact says."""
        return self.way.ends[0]

    def accepts(self, request: Request) -> bool:
        """Whether a request is in order: its sequence number is above the last one (RFC 3261 §12.2.2)."""
        return self.remote_sequence is None or request.cseq.number > self.remote_sequence

    def after(self, request: Request) -> "Dialog":
        """The dialog after a request of the peer."""
        return Dialog(self.id, self.parties, self.way, request.cseq.number, self.confirmed)

    def answered(self, invite: Request, success: Response) -> "Dialog":
        """The caller's early dialog after its 2xx, out of which target and route set are made anew (§13.2.2.4)."""
        way = Way(partial(_ends_for_caller, invite, success))
        return Dialog(self.id, self.parties, way, self.remote_sequence, confirmed=True)

    def accepted(self) -> "Dialog":
        """The callee's early dialog after its own 2xx (RFC 3261 §12.1)."""
        return Dialog(self.id, self.parties, self.way, self.remote_sequence, confirmed=True)

    def towards(self, message: Request | Response) -> "Dialog":
        """The dialog after a target refresh: with the target that this Contact names (RFC 3261 §12.2.1.2, §12.2.2)."""
        try:
            target = contact_of(message)
        except ParseError:
            target = None
        return self if target is None else replace(self, way=Way((target, self.way.ends[1])))

    def request(
        self, method: str, sequence: int, *, fields: Fields = (), body: bytes = b"", content_type: str = ""
    ) -> tuple[Request, Uri]:
        """A request inside this dialog (RFC 3261 §12.2.1.1), and the URI whose hop is next; Via is still missing."""
        way = self.way
        head = way.letterhead(*self.parties.both, self.id.call_id)
        if method in _UNREAD and not body and not content_type:
            return head.bare(method, sequence, fields), way.routing.next_hop
        return head.request(method, sequence, fields, body, content_type), way.routing.next_hop


class Numbers:
    """The sequence numbers of the requests that one side sends with one Call-ID (RFC 3261 §12.2.1.1)."""

    __slots__ = ("last",)

    def __init__(self, last: int = 0) -> None:
        """Take the number of the last request that was sent."""
        self.last = last

    def next(self) -> int:
        """The number of the next one."""
        self.last += 1
        return self.last


def dialog_of_caller(invite: Request, response: Response) -> Dialog:
    """The caller's dialog out of a 2xx, or its early dialog out of a 1xx with a tag (RFC 3261 §12.1.2)."""
    local, way = invite.from_, Way(partial(_ends_for_caller, invite, response))
    dialog_id = DialogId(invite.call_id, local.tag or "", response.to_tag or "")
    parties = Parties((local, response.to))
    return Dialog(dialog_id, parties, way, remote_sequence=None, confirmed=response.is_success)


def _ends_for_caller(invite: Request, response: Response) -> Ends:
    """The remote target and the route set that a response gives the caller's dialog (RFC 3261 §12.1.2).

    A peer that gives no usable Contact or Record-Route has picked up all the same, and must be acknowledged and hung up
    on: without them, the dialog goes where the INVITE went.
    """
    try:
        target = contact_of(response)
    except ParseError:
        target = None
    try:
        route_set = tuple(reversed(response[RECORD_ROUTE]))
    except ParseError:
        route_set = ()
    return target or invite.uri, route_set


def dialog_of_callee(invite: Request, local_tag: str) -> Dialog:
    """The callee's dialog out of a request that may make one (RFC 3261 §12.1.1). Raises ParseError without Contact."""
    contact = _contact_in(invite)
    if contact is None:
        raise ParseError("missing, so the dialog has no target", section="RFC 3261 §8.1.1.8", header="Contact")
    return Dialog(
        DialogId(invite.call_id, local_tag, invite.from_tag or ""),
        Parties(
            partial(_parties_of_callee, invite.headers.get("To") or "", local_tag, invite.headers.get("From") or "")
        ),
        Way(partial(_ends_for_callee, contact, invite[RECORD_ROUTE])),
        invite.cseq.number,
        confirmed=False,
    )


def _parties_of_callee(to: str, local_tag: str, sender: str) -> Both:
    """The addresses of a callee's dialog out of To and From of its INVITE, as they were written (RFC 3261 §12.1.1)."""
    return Address.parse(to, []).with_tag(local_tag), Address.parse(sender, [])


def _ends_for_callee(contact: Address, route_set: tuple[Address, ...]) -> Ends:
    return contact.uri, route_set


def contact_of(message: Request | Response) -> Uri | None:
    """The URI of the first Contact, None where there is none (RFC 3261 §8.1.1.8)."""
    contact = _contact_in(message)
    return contact.uri if contact is not None else None


def _contact_in(message: Request | Response) -> Address | None:
    return next((contact for contact in message[CONTACT] if isinstance(contact, Address)), None)
