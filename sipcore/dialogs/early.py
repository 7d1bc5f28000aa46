"""What an INVITE that was sent is answered with: its 2xx gets an ACK, and each reliable 1xx a PRACK (RFC 3262 §4), with
what offers and answers go with it (§5).
"""

from sipcore.dialogs.dialog import Dialog, Numbers
from sipcore.dialogs.effects import AckSuccess, Effect, EndReason, Finish, Offered, Purpose, SendInDialog
from sipcore.dialogs.manner import Manner
from sipcore.dialogs.provisional import RELIABLE
from sipcore.dialogs.session import NAME, Session, description_of
from sipcore.errors import LocalError, ParseError
from sipcore.message.build import Fields
from sipcore.message.fields.simple import RAck
from sipcore.message.message import Request, Response
from sipcore.message.method import ACK, PRACK
from sipcore.message.registry import REQUIRE, RSEQ
from sipcore.message.status import TRYING
from sipcore.message.uri import Uri
from sipcore.sdp.offer_answer import Carrier, Meaning
from sipcore.sdp.terms import SDP
from sipcore.tokens import Tokens
from sipcore.trace import TransitionTrace

MAX_PRACKS = 16
"""PRACKs in one dialog without an answer: who sends a reliable 1xx waits for its PRACK before the next (RFC 3262 §3),
so there is one, or a few whose answers were lost. Each is repeated for half a minute, to wherever the peer has said."""


class EarlyUsage:
    """The part of a dialog's usage that an INVITE is answered in: the one that makes the dialog, and each re-INVITE."""

    __slots__ = ("_manner", "_pracks", "_rseq", "_tokens", "_unconfirmed", "dialog", "numbers", "session")

    def __init__(self, dialog: Dialog, session: Session, numbers: Numbers, manner: Manner, tokens: Tokens) -> None:
        self.dialog = dialog
        self.session = session
        self.numbers = numbers
        self._manner = manner
        self._tokens = tokens
        self._rseq: tuple[int, int] | None = None
        """The numbers of the last reliable 1xx: its INVITE's, since each transaction counts anew, and its own."""
        self._pracks = 0
        """How many PRACKs have no answer yet."""
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

    def negotiated(self, now: float) -> list[TransitionTrace]:
        """What the offers and answers in this dialog went through by now, while somebody wants to know."""
        return [TransitionTrace(now, NAME, "", *step, *self.dialog.id) for step in self.session.told()]

    def has_waiting(self, response: Response) -> bool:
        """Whether it is this 1xx whose PRACK waits for the owner."""
        return self._unconfirmed is response

    def request(
        self, method: str, *, fields: Fields = (), body: bytes = b"", content_type: str = ""
    ) -> tuple[Request, Uri]:
        """A request inside the dialog, any but an ACK, and the URI whose hop is next."""
        asking = self._manner.asking(fields)
        return self.dialog.request(method, self.numbers.next(), fields=asking, body=body, content_type=content_type)

    def acknowledge(self, invite: Request, body: bytes) -> AckSuccess:
        """The ACK of a 2xx to `invite`, as it was sent last: with its credentials (RFC 3261 §13.2.2.4)."""
        headers, credentials = invite.headers, ("Authorization", "Proxy-Authorization")
        fields = headers.only(*credentials) if headers.has_any(*credentials) else ()
        number = invite.cseq.number
        request, next_hop = self.dialog.request(ACK, number, fields=fields, body=body, content_type=SDP if body else "")
        return AckSuccess(request, next_hop, self._tokens.branch())

    def progress(self, response: Response) -> list[Effect] | None:
        """Take a 1xx to the INVITE that made this dialog; None for one that is to be dropped.

        That is a reliable one which came before, or before the one that goes before it (RFC 3262 §4); and one that
        comes while that has no PRACK yet, which its sender must wait for (RFC 3262 §3), or while MAX_PRACKS are on the
        way.
        """
        body = description_of(response)
        number = _reliable_number(response)
        if number is None:
            if body or self.session.trace_switch.on:  # without one it says nothing of the session, whatever that is at
                self.session.received(Carrier.PROVISIONAL, body)
            return []
        meaning = self._take_reliable(number, response, body)
        if meaning is Meaning.OFFER:
            return [Offered(response)]
        if meaning is None:
            return None
        return [] if meaning is Meaning.ANSWER and not self._manner.acknowledges else self._confirm(b"")

    def progress_of_change(self, response: Response) -> list[Effect]:
        """Take a 1xx to a re-INVITE: a reliable one gets its PRACK at once, as the MUST of RFC 3262 §4 has it.

        An offer in it is answered as one in the 2xx is, out of what was agreed before; where no answer is valid, since
        it cannot be read, the call ends. What an unreliable one describes is said again in the 2xx.
        """
        number = _reliable_number(response)
        if number is None:
            return []
        body = description_of(response)
        meaning = self._take_reliable(number, response, body)
        if meaning is None:
            return []
        if meaning is not Meaning.OFFER:
            return self._confirm(b"")
        answer = self.session.answer_to(body) or self.session.refusal()
        if answer:
            return self._confirm(answer)
        self._unconfirmed = None
        return [Finish(EndReason.NO_ANSWER)]

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

    def _count_off(self, sent: Request) -> None:
        """A request has its final response, or will never have one: nothing is due any more to a PRACK."""
        if sent.method == PRACK:
            self._pracks -= 1

    def _take_reliable(self, number: int, response: Response, body: bytes) -> Meaning | None:
        """What a reliable 1xx means for the session; None where it is to be dropped."""
        invite = response.cseq.number
        last = self._rseq if self._rseq is not None and self._rseq[0] == invite else None
        is_too_early = self._unconfirmed is not None or self._pracks >= MAX_PRACKS
        if is_too_early or (last is not None and number != last[1] + 1):
            return None
        self._rseq, self._unconfirmed = (invite, number), response
        self.dialog = self.dialog.towards(response)
        return self.session.received(Carrier.RELIABLE, body).meaning

    def _confirm(self, body: bytes) -> list[Effect]:
        """The PRACK of the reliable 1xx that waits (RFC 3262 §4). Raises LocalError where it must bring an answer."""
        response = self._unconfirmed
        if response is None:
            return []
        self.session.sent(Carrier.PRACK, body)
        self._unconfirmed = None
        self._pracks += 1
        rack = RAck(response[RSEQ] or 0, response.cseq.number, response.cseq.method)
        request, next_hop = self.request(PRACK, fields=[("RAck", rack)], body=body, content_type=SDP if body else "")
        return [SendInDialog(Purpose.PRACK, request, next_hop)]


def _reliable_number(response: Response) -> int | None:
    """The RSeq of a reliable 1xx (RFC 3262 §4); None for one that is not, or that nobody could acknowledge.

    A 100 is never reliable, whatever it says: it is each hop's own (§3).
    """
    try:
        return response[RSEQ] if response.status != TRYING and RELIABLE in response[REQUIRE] else None
    except ParseError:
        return None
