"""The callee's side of a call: what the table of `callee_table` says, carried out.

The 2xx is repeated here until the ACK comes, since the transaction is over with it (§13.3.1.4, RFC 6026 §7.1).
"""

from collections.abc import Callable
from functools import partial

from sipcore.dialogs.callee_table import EARLY, TABLE, Input, State, Step
from sipcore.dialogs.dialog import Numbers, dialog_of_callee
from sipcore.dialogs.effects import (
    Confirmed,
    Effect,
    Ended,
    EndReason,
    Reply,
)
from sipcore.dialogs.manner import Manner, is_supported
from sipcore.dialogs.provisional import EXTENSION, MAX_FIRST, RELIABLE, ReliableProvisionals
from sipcore.dialogs.reinvited import REQUEST_TERMINATED
from sipcore.dialogs.repeat import Repeat
from sipcore.dialogs.session import Session, description_of
from sipcore.dialogs.side import Side
from sipcore.dialogs.usage import InviteUsage
from sipcore.dialogs.validity import valid_until
from sipcore.errors import LocalError
from sipcore.message.address import Address
from sipcore.message.build import Fields, require_further, require_sendable
from sipcore.message.build import response as build_response
from sipcore.message.message import Request, Response
from sipcore.message.registry import RACK, REQUIRE
from sipcore.message.status import TRYING
from sipcore.sdp.offer_answer import NOT_ACCEPTABLE, Carrier
from sipcore.sdp.terms import SDP
from sipcore.tokens import Tokens
from sipcore.trace import TraceSwitch, TransitionTrace
from sipcore.transactions.key import AnyServerKey
from sipcore.transactions.timers import NEVER

NO_PRACK_STATUS = 504
"""To an INVITE whose reliable 1xx nobody acknowledges (RFC 3262 §3: a 5xx): the caller did not react in time."""

_OWN = frozenset({"via", "contact"})
"""What an answer that makes a dialog has besides (RFC 3261 §12.1.1): two Contacts name two targets."""
_GONE = State.TERMINATED
_OVER = (State.ENDING, _GONE)
PROVISIONAL, SUCCESS, REPEAT, FAILURE, TIMED_OUT = list(Step)[:5]
TERMINATED, ACCEPT_BYE, PART, REPORT_CONFIRMED, REPORT_END = list(Step)[5:]
"""Under names of their own, since reading a member from its Enum takes CPython 3.11 0.2 µs."""


class Callee(Side):
    """One incoming call. Every method gives the effects that the owner carries out, in order."""

    NAME = "callee"
    __slots__ = (
        *("_accept", "_again", "_again_due", "_invite", "_key", "_number", "_refusal", "_reliable"),
        *("_repeat", "_success", "_valid_until", "state"),
    )

    def __init__(
        self,
        key: AnyServerKey,
        invite: Request,
        local_tag: str,
        contact: Address,
        manner: Manner,
        tokens: Tokens,
        trace_switch: TraceSwitch,
        now: float,
    ) -> None:
        """Take the INVITE that came now and its server transaction's key. Raises ParseError without Contact."""
        super().__init__(manner, tokens, Numbers(), EndReason.REMOTE_HANG_UP, trace_switch)
        self.contact = contact
        self._invite = invite
        """Unset once its 2xx is acknowledged: nothing is made of it any more, and a held call is to be small."""
        self._valid_until = valid_until(invite, now)
        """When the invitation expires; NEVER once it is answered."""
        self._number = invite.cseq.number
        """That of the INVITE, which its ACK and the PRACKs have as well."""
        self.state = State.INVITED
        self.usage: InviteUsage = self.new_usage(dialog_of_callee(invite, local_tag), Session(), owner=False)
        self.usage.hear(invite)
        self.usage.session.received(Carrier.INVITE, description_of(invite))
        self.usage.session.begin(trace_switch)
        self._key = key
        self._reliable: ReliableProvisionals | None = None
        self._accept: Callable[[float], Response] | None = None
        self._success: Response | None = None
        self._refusal: Response | None = None
        self._repeat: Repeat | None = None
        self._again: Callable[[float], list[Reply]] | None = None
        """What sends the last 1xx again, at `_again_due`, while the call rings."""
        self._again_due = NEVER

    @property
    def is_over(self) -> bool:
        """Whether the call is over."""
        return self.state in _OVER

    @property
    def awaits_prack(self) -> bool:
        """Whether a PRACK may still come, which is answered even after a refusal (RFC 3262 §3)."""
        return self._reliable is not None and not self._reliable.is_acknowledged

    def invite_over(self) -> None:
        """The transaction of the INVITE is over, and nobody who got a 1xx in it is waited for any more."""
        self._reliable = None

    # What the owner asks for

    def adopt(self, manner: Manner) -> None:
        """Go on in another manner: with other extensions, or another session timer.

        Raises LocalError once the call is answered or over.
        """
        if (self.state, Input.ACCEPT) not in TABLE:
            text = f"a call that is {self.state.value} is dealt with as it was: adopt a manner before it is answered"
            raise LocalError(text, section="RFC 3261 §13.3.1")
        self.manner = manner
        self.usage.adopt(manner)

    def ring(
        self,
        status: int,
        now: float,
        *,
        reliably: bool | None = None,
        fields: Fields = (),
        body: bytes = b"",
        content_type: str = "",
    ) -> list[Effect]:
        """Send a 1xx; `reliably` by default where the caller requires it, or supports it and there is a body.

        It is sent again every EXTENSION until the call is answered or over, a reliable one with a number of its own
        (RFC 3262 §3) and without the body, which has arrived. A 100, as nothing at all, asks for no more time.

        Raises LocalError for another status, when the call is answered or over, for a session description that may
        not stand there, for fields that it has in any case, and when it is to be reliable for a caller that does not
        know how.
        """
        self._require(Input.RING, status, 100, 199)
        told = list(fields)
        require_further(told, "the answer", "leave it out", _OWN)
        require_sendable(told, body, content_type)
        reliable = self._is_reliable(status, bool(body), reliably)
        if status != TRYING:
            description = body if content_type == SDP else b""
            self.usage.session.sent(Carrier.RELIABLE if reliable else Carrier.PROVISIONAL, description)
        if reliable:
            replies = self._send_reliably(status, told, body, content_type, now)
        else:
            replies = [Reply(self._key, self._built(status, told, body, content_type))]
        if status != TRYING:
            self._again_due = now + EXTENSION
            self._again = partial(self._send_reliably, status, told, b"", "") if reliable else lambda _: replies
        return self._move(Input.RING, now, replies=replies)

    def accept(self, now: float, *, fields: Fields = (), body: bytes = b"", content_type: str = "") -> list[Effect]:
        """Send the 200, and repeat it from T1 up to T2 apart until the ACK comes or 64·T1 have passed (§13.3.1.4).

        It waits for the PRACK of a 1xx with a session description (RFC 3262 §3). Raises LocalError when the call is
        answered or over, for a session description that is missing or too much, and for fields that it has in any case.
        """
        self._require(Input.ACCEPT, 200, 200, 299)
        told = list(fields)
        require_further(told, "the answer", "leave it out", _OWN)
        require_sendable(told, body, content_type)

        def success(at: float) -> Response:
            self.usage.session.sent(Carrier.SUCCESS, body if content_type == SDP else b"")
            expiry = self.usage.expiry.accept(self._invite, self.manner, at)
            return self._built(200, [*expiry, *told], body, content_type, able=True)

        if self._reliable is not None and self._reliable.has_session:
            self._accept = success
            return self._move(Input.ACCEPT_LATER, now)
        self._success = success(now)
        return self._move(Input.ACCEPT, now)

    def reject(self, status: int, now: float, *, reason: str = "", fields: Fields = ()) -> list[Effect]:
        """Send a 3xx to 6xx.

        Raises LocalError for another status, when the call is answered or over, and for fields that it has in any case.
        """
        self._require(Input.REJECT, status, 300, 699)
        told = list(fields)
        require_further(told, "the answer", "leave it out")
        self.end_reason = EndReason.REJECTED
        self._refusal = self._refused(status, reason, told)
        return self._move(Input.REJECT, now)

    def hang_up(self, now: float) -> list[Effect]:
        """End the call: 480 while it is not answered, BYE once it is."""
        if self.state in EARLY:
            return self.reject(480, now, fields=self.parting)
        if not self.is_over:
            self.end_reason = EndReason.LOCAL_HANG_UP
        return self._move(Input.HANG_UP, now)

    # What comes

    def receive_prack(self, key: AnyServerKey, prack: Request, now: float) -> list[Effect]:
        """A PRACK inside the dialog (RFC 3262 §3). Raises ParseError when its RAck cannot be read."""
        rack = prack[RACK]
        if rack is None or self._reliable is None:
            return [self._refusal_of(key, prack)]
        is_bare = self._reliable.is_bare
        replies = self._reliable.acknowledge(rack, self._number, now)
        if replies is None:
            return [self._refusal_of(key, prack)]
        if is_bare:  # the answer, or offer, that a PRACK may go on from has not gone out yet (RFC 3262 §5)
            status = NOT_ACCEPTABLE if description_of(prack) else 200
            return [Reply(key, build_response(prack, status, fields=self.manner.signed(()))), *replies]
        effects = self.usage.receive(key, prack, now)
        if self.is_over:  # nobody is left to answer an offer in it, or to be told of a change
            effects += self.usage.decline(REQUEST_TERMINATED, now) if self.usage.is_offered else ()
            effects = [effect for effect in effects if isinstance(effect, Reply | TransitionTrace)]
        effects += replies
        return effects if self._reliable.has_session else [*effects, *self._move(Input.PRACKED, now)]

    def receive_cancel(self, key: AnyServerKey, cancel: Request, now: float) -> list[Effect]:
        """The caller gives up its INVITE or re-INVITE; the CANCEL itself is answered by the owner (§9.2)."""
        if key != self._key:
            return self.usage.receive_cancel(key, now)
        if self.state in EARLY:
            self.end_reason, self.ended_by = EndReason.CANCELLED, cancel
        return self._move(Input.CANCEL, now)

    def receive_ack(self, ack: Request, now: float) -> list[Effect]:
        """The ACK of a 2xx."""
        if ack.cseq.number != self._number:
            return self._settle(self.usage.receive_ack(ack, now), now)
        return self._move(Input.ACK, now, ack=ack)

    def receive_bye(self, key: AnyServerKey, bye: Request, now: float) -> list[Effect]:
        """The peer hangs up."""
        if not self.is_over:
            self.end_reason, self.ended_by = EndReason.REMOTE_HANG_UP, bye
        return self._move(Input.REMOTE_BYE, now, bye=(key, bye))

    def bye_done(self, now: float) -> list[Effect]:
        """The BYE was answered, or was not."""
        return self._move(Input.BYE_DONE, now)

    # Time

    def next_timeout(self) -> float:
        """When `wake` is due."""
        provisional = self._reliable.due if self._reliable else NEVER
        repeat = self._repeat.due if self._repeat else NEVER
        return min(self._valid_until, repeat, provisional, self._again_due, self.usage.next_timeout())

    def wake(self, now: float) -> list[Effect]:
        """Repeat what is not acknowledged yet, or give up on it; and what else is due."""
        effects: list[Effect] = []
        if now >= self._valid_until:
            self.end_reason = EndReason.INVITATION_EXPIRED
            effects += self._move(Input.EXPIRED, now)
        if self._repeat is not None and now >= self._repeat.due:
            again = self._repeat.wake(now)
            effects += self._move(Input.REPEAT if again else Input.NO_ACK, now, replies=[again] if again else [])
        if self._reliable is not None and now >= self._reliable.due:
            again = self._reliable.wake(now)
            effects += [again] if again else self._move(Input.NO_PRACK, now)
        if self._again is not None and now >= self._again_due:
            effects += self._ring_again(self._again, now)
        return [*effects, *self._settle(self.usage.wake(now), now)]

    # Inside

    def _send_reliably(self, status: int, fields: Fields, body: bytes, content_type: str, now: float) -> list[Reply]:
        if self._reliable is None:
            first = 1 + self.tokens.number(MAX_FIRST)
            self._reliable = ReliableProvisionals(self._key, self.manner.timers, first)
        numbered = [("Require", RELIABLE), ("RSeq", self._reliable.next_number()), *fields]
        return self._reliable.send(self._built(status, numbered, body, content_type), now)

    def _ring_again(self, again: Callable[[float], list[Reply]], now: float) -> list[Effect]:
        if self._reliable is not None and self._reliable.due < NEVER:  # one is repeated until its PRACK anyway
            self._again_due = self._reliable.due
            return []
        self._again_due = now + EXTENSION
        return self._move(Input.RING, now, replies=again(now))

    def _is_reliable(self, status: int, has_body: bool, wanted: bool | None) -> bool:
        if status == TRYING or wanted is False:
            return False
        if RELIABLE in self._invite[REQUIRE]:
            return True
        if not wanted and not (has_body and self.manner.supports(RELIABLE)):
            return False
        supported = is_supported(RELIABLE, self._invite)
        if wanted and not supported:
            raise LocalError("the caller does not support reliable 1xx", section="RFC 3262 §3")
        return supported

    def _built(self, status: int, fields: Fields, body: bytes, content_type: str, *, able: bool = False) -> Response:
        routes = [("Record-Route", text) for text in self._invite.headers.get_all("Record-Route")]  # §12.1.1
        contact = None if status == TRYING else self.contact
        told = self.manner.dialog_fields(contact, [*routes, *fields], able=able)
        tag = "" if status == TRYING else self._tag
        return build_response(self._invite, status, tag=tag, fields=told, body=body, content_type=content_type)

    def _refused(self, status: int, reason: str = "", fields: Fields = ()) -> Response:
        return build_response(self._invite, status, reason, tag=self._tag, fields=self.manner.signed(fields))

    @property
    def _tag(self) -> str:
        return self.usage.dialog.id.local_tag

    def _refusal_of(self, key: AnyServerKey, prack: Request) -> Reply:
        return Reply(key, build_response(prack, 481, fields=self.manner.signed(())))

    def _require(self, happening: Input, status: int, lowest: int, highest: int) -> None:
        """Refuse what the caller of this method must not ask for, before anything is changed by it."""
        if (self.state, happening) not in TABLE:
            raise LocalError(f"a call that is {self.state.value} cannot {happening.value}", section="RFC 3261 §13.3.1")
        if not lowest <= status <= highest:
            text = f"to {happening.value} takes a status from {lowest} to {highest}, not {status}"
            raise LocalError(text, section="RFC 3261 §13.3.1")

    def _move(
        self,
        happening: Input,
        now: float,
        ack: Request | None = None,
        bye: tuple[AnyServerKey, Request] | None = None,
        replies: list[Reply] | None = None,
    ) -> list[Effect]:
        cell = TABLE.get((self.state, happening))
        effects = self._traced(happening, self.state, cell, now) if self.trace_switch.on else []
        if cell is None:
            return effects
        if cell[0] in _OVER and self.state not in _OVER:
            effects += self.usage.over(now)
        self.state = cell[0]
        if self.state not in EARLY:
            self._valid_until = NEVER
        if self.state is not State.RINGING:
            self._again, self._again_due = None, NEVER
        for step in cell[1]:
            if step is PROVISIONAL or step is REPEAT:
                effects += replies or ()
            elif step is ACCEPT_BYE and bye:
                effects.append(self._accepted_bye(*bye))
            elif step is PART:
                effects.append(self._part(happening))
            elif step is REPORT_CONFIRMED and ack:
                self._repeat = None
                del self._invite
                self.usage.session.received(Carrier.ACK, description_of(ack))
                effects.append(Confirmed(ack))
            elif step is REPORT_END:
                effects.append(Ended(self.end_reason, self.ended_by))
            else:
                effects.append(Reply(self._key, self._final(step, now)))
        if self.state is _GONE:
            self._stop()
        return effects

    def _final(self, step: Step, now: float) -> Response:
        if step is SUCCESS:
            return self._succeed(now)
        if step is TIMED_OUT:
            self.end_reason = EndReason.NO_PRACK
            return self._refused(NO_PRACK_STATUS)
        return self._refusal if step is FAILURE and self._refusal else self._refused(REQUEST_TERMINATED)

    def _succeed(self, now: float) -> Response:
        if self._accept is not None:
            self._success, self._accept = self._accept(now), None
        if self._reliable is not None:
            self._reliable.stop()
        success, self._success = self._success, None
        assert success is not None  # noqa: S101  # `accept` has made it, or made how to make it
        self._repeat = Repeat(self._key, success, now, self.manner.timers, longest=self.manner.timers.t2)
        self.usage.dialog = self.usage.dialog.accepted()
        return success

    def _part(self, happening: Input) -> Effect:
        if happening is Input.NO_ACK:
            self.end_reason = EndReason.NO_ACK
        self._repeat = None
        return self._bye()

    def _stop(self) -> None:
        self._repeat = None
        if self._reliable is not None:
            self._reliable.stop()
