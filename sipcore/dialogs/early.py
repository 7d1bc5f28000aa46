"""The caller's reliable 1xx, each acknowledged by a PRACK: RFC 3262 §4, and what offers and answers go with it (§5)."""

from sipcore.dialogs.dialog import Dialog, Numbers
from sipcore.dialogs.effects import Effect, Offered, Purpose, SendInDialog
from sipcore.dialogs.manner import Manner
from sipcore.dialogs.provisional import RELIABLE
from sipcore.dialogs.session import Session, description_of
from sipcore.errors import LocalError, ParseError
from sipcore.message.build import Fields
from sipcore.message.fields.simple import RAck
from sipcore.message.message import Request, Response
from sipcore.message.method import PRACK
from sipcore.message.registry import REQUIRE, RSEQ
from sipcore.message.uri import Uri
from sipcore.sdp.offer_answer import Carrier, Meaning
from sipcore.sdp.terms import SDP


class EarlyUsage:
    """The part of a dialog's usage that the INVITE which makes the dialog is answered in."""

    __slots__ = ("_manner", "_rseq", "_unconfirmed", "dialog", "numbers", "session")

    def __init__(self, dialog: Dialog, session: Session, numbers: Numbers, manner: Manner) -> None:
        self.dialog = dialog
        self.session = session
        self.numbers = numbers
        self._manner = manner
        self._rseq: int | None = None
        """The number of the last reliable 1xx."""
        self._unconfirmed: Response | None = None
        """The reliable 1xx that has no PRACK yet, since the owner has to decide what goes into that."""

    @property
    def awaits_prack(self) -> bool:
        """Whether a reliable 1xx waits for the owner, who may put an offer into its PRACK (RFC 3262 §5)."""
        return self._unconfirmed is not None and not self._awaits_answer

    @property
    def _awaits_answer(self) -> bool:
        """Whether the offer of a reliable 1xx waits for the owner's answer."""
        return self._unconfirmed is not None and self.session.exchange.offerer is not None

    def has_waiting(self, response: Response) -> bool:
        """Whether it is this 1xx whose PRACK waits for the owner."""
        return self._unconfirmed is response

    def request(
        self, method: str, *, fields: Fields = (), body: bytes = b"", content_type: str = ""
    ) -> tuple[Request, Uri]:
        """A request inside the dialog, any but an ACK, and the URI whose hop is next."""
        asking = self._manner.asking(fields)
        return self.dialog.request(method, self.numbers.next(), fields=asking, body=body, content_type=content_type)

    def progress(self, response: Response) -> list[Effect] | None:
        """Take a 1xx to the INVITE that made this dialog; None for one that is to be dropped.

        That is a reliable one which came before, or before the one that goes before it (RFC 3262 §4); and one that
        comes while that has no PRACK yet, which its sender must wait for (RFC 3262 §3).
        """
        body = description_of(response)
        number = _reliable_number(response)
        if number is None:
            self.session.received(Carrier.PROVISIONAL, body)
            return []
        if self._unconfirmed is not None or (self._rseq is not None and number != self._rseq + 1):
            return None
        self._rseq, self._unconfirmed = number, response
        self.dialog = self.dialog.towards(response)
        meaning = self.session.received(Carrier.RELIABLE, body).meaning
        if meaning is Meaning.OFFER:
            return [Offered(response)]
        return [] if meaning is Meaning.ANSWER and not self._manner.acknowledges else self._confirm(b"")

    def acknowledge_progress(self) -> list[Effect]:
        """Send the PRACK that waits for the owner, without an offer. Raises LocalError where none does."""
        if not self.awaits_prack:
            raise LocalError("there is no reliable 1xx to acknowledge", section="RFC 3262 §4")
        return self._confirm(b"")

    def give_up(self) -> list[Effect]:
        """The PRACK that waits for an owner who has given the call up: it is as due as before (RFC 3262 §4).

        An offer is refused in it; one that cannot be read has no answer at all.
        """
        refusal = self.session.refusal() if self._awaits_answer else b""
        return self._confirm(refusal) if refusal or self.awaits_prack else []

    def _refused(self) -> list[Effect]:
        """The PRACK that refuses the offer of a reliable 1xx (RFC 6337 §2.3). Raises LocalError."""
        refusal = self.session.refusal()
        if not refusal:
            raise LocalError("an offer that cannot be read cannot be refused; hang up", section="RFC 3264 §6")
        return self._confirm(refusal)

    def answered(self, invite: Request, success: Response) -> None:
        """Take the 2xx to the INVITE, after which no 1xx waits any more."""
        self.dialog = self.dialog.answered(invite, success)
        self._unconfirmed = None

    def _confirm(self, body: bytes) -> list[Effect]:
        """The PRACK of the reliable 1xx that waits (RFC 3262 §4). Raises LocalError where it must bring an answer."""
        response = self._unconfirmed
        if response is None:
            return []
        self.session.sent(Carrier.PRACK, body)
        self._unconfirmed = None
        rack = RAck(response[RSEQ] or 0, response.cseq.number, response.cseq.method)
        request, next_hop = self.request(PRACK, fields=[("RAck", rack)], body=body, content_type=SDP if body else "")
        return [SendInDialog(Purpose.PRACK, request, next_hop)]


def _reliable_number(response: Response) -> int | None:
    """The RSeq of a reliable 1xx (RFC 3262 §4); None for one that is not, or that nobody could acknowledge."""
    try:
        return response[RSEQ] if RELIABLE in response[REQUIRE] else None
    except ParseError:
        return None
