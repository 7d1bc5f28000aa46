"""What a REFER sets going: the notifications about the request that it asks for. RFC 3515 §2.4, RFC 4488.

`Referrals` are the subscriptions that the REFERs of one call make, at either side. They share the call's dialog, or one
of its early ones, each of which numbers its REFERs by itself, and outlive its INVITE usage (RFC 5057 §4): whoever
transfers a call may hang up at once, and hears how it went after that.
"""

from collections.abc import Callable

from sipcore.dialogs.effects import Effect, Lapsed
from sipcore.errors import FailureReason, LocalError, ParseError, TransportFailure
from sipcore.message.build import Fields
from sipcore.message.fields.event import Event, SubscriptionState
from sipcore.message.message import Request, Response
from sipcore.message.method import REFER
from sipcore.message.registry import EVENT, REFER_SUB, SUBSCRIPTION_STATE
from sipcore.message.status import reason_for
from sipcore.transactions.timers import NEVER

REFER_EVENT = "refer"
SIPFRAG = "message/sipfrag"
"""The media type of a part of a SIP message (RFC 3420)."""
TOLD_IN = f"{SIPFRAG};version=2.0"
"""The Content-Type of what NOTIFYs tell."""
TIMED_OUT = "terminated;reason=timeout"
"""What the last NOTIFY says of a subscription whose time has run out (RFC 6665 §4.1.3)."""
_TRYING = 100
ACTIVE_SECONDS = 60
"""How long the subscription of a REFER lasts unless the matter is over before (RFC 3515 §2.4.4 leaves it open)."""
MAX_ACTIVE_SECONDS = 600
"""How long after the REFER it lasts at most once its call is over, whatever the peer says; or after the end of the
call, where its time had run out by then."""
LAST_WORD = 4.0
"""Seconds for which whoever has subscribed waits longer than whoever tells: the last NOTIFY goes out when the time has
run out, and may have to be repeated."""
MAX_REFERRALS = 16
"""REFERs in one call, of each side, about which something may still be told. One more, and the oldest is forgotten."""
_UNKNOWN = 481

_Key = tuple[str, int]
"""The remote tag of the dialog in which a REFER came, and its CSeq number."""


class _Referral:
    """The subscription that one REFER makes.

    `remote_tag` tells in which dialog, and `number` is the CSeq number of the REFER there, by which NOTIFYs name it.
    `until` is the time in seconds at which it ends if its call is over by then; NOTIFYs put it off, up to `latest`. As
    long as the call lasts, so does this: many peers tell of a short time, and then ring for a longer one. What has run
    out meanwhile begins anew at the call's end.
    """

    __slots__ = ("latest", "number", "remote_tag", "status", "until")

    def __init__(self, remote_tag: str | None, refer: Request, now: float) -> None:
        """What a REFER makes."""
        self.remote_tag = remote_tag or ""
        self.number = refer.cseq.number
        self.latest = now + MAX_ACTIVE_SECONDS
        self.until = now + ACTIVE_SECONDS
        self.status = _TRYING
        """Of one that came: what was told last of how the request fares."""

    @property
    def key(self) -> "_Key":
        """Which of those that came it is."""
        return self.remote_tag, self.number

    def prolong(self, notify: Request, now: float) -> None:
        """Last as long as a NOTIFY says."""
        state = _state_of(notify)
        seconds = None if state is None else state.expires
        self.until = min(now + (ACTIVE_SECONDS if seconds is None else seconds), self.latest)


class Referrals:
    """What may still be told of the REFERs of one call: of those sent here, by ticket, and of those that came."""

    __slots__ = ("_first", "_received", "_sent")

    def __init__(self) -> None:
        """Begin without any REFER."""
        self._sent: dict[int, _Referral] = {}
        self._received: dict[_Key, _Referral] = {}
        self._first: dict[str, int] = {}
        """The number of the first REFER that came in a dialog, by the remote tag of that: NOTIFYs about it need not
        name it (RFC 3515 §2.4.6)."""

    def __bool__(self) -> bool:
        return bool(self._sent or self._received)

    # REFERs that are sent here

    def send(self, ticket: int, refer: Request, now: float) -> list[Effect]:
        """A REFER goes out, which has this ticket."""
        self._sent[ticket] = _Referral(refer.to_tag, refer, now)
        if len(self._sent) <= MAX_REFERRALS:
            return []
        oldest = next(iter(self._sent))
        del self._sent[oldest]
        return [Lapsed(oldest)]

    def forget(self, ticket: int) -> None:
        """Nobody will learn how the REFER with this ticket was answered, or it was never sent."""
        self._sent.pop(ticket, None)

    def renumber(self, number_of: Callable[[int], int | None]) -> None:
        """Learn with which numbers the REFERs went out last that wait for an answer: credentials change them."""
        for ticket, referral in self._sent.items():
            referral.number = number_of(ticket) or referral.number

    def find(self, notify: Request) -> int | None:
        """The ticket of the REFER that a NOTIFY tells of: the first one in its dialog, where it names none.

        Raises ParseError.
        """
        event, remote_tag = refer_event(notify), notify.from_tag or ""
        if event is None:
            return None
        inside = ((ticket, each.number) for ticket, each in self._sent.items() if each.remote_tag == remote_tag)
        return next((ticket for ticket, number in inside if event.id in (None, str(number))), None)

    def hear(self, notify: Request, now: float) -> int | None:
        """A NOTIFY came; gives the ticket of its REFER, None where nothing is known of that. Raises ParseError."""
        ticket = self.find(notify)
        if ticket is not None:
            self._sent[ticket].prolong(notify, now)
            if is_last(notify):
                del self._sent[ticket]
        return ticket

    # REFERs that come

    def receive(self, refer: Request, now: float) -> None:
        """A REFER came, and is for the owner to answer."""
        referral = _Referral(refer.from_tag, refer, now)
        self._first.setdefault(*referral.key)
        self._received[referral.key] = referral
        if len(self._received) > MAX_REFERRALS:
            del self._received[next(iter(self._received))]

    def answer(self, response: Response) -> None:
        """A REFER that came is answered from here, with this final response."""
        if not subscribes(response):
            self._received.pop((response.from_tag or "", response.cseq.number), None)

    @property
    def may_tell(self) -> bool:
        """Whether a REFER came of which something may be told."""
        return bool(self._received)

    def event_of(self, refer: int | None, remote_tag: str | None) -> tuple[str, str]:
        """The Event of a NOTIFY about the REFER of this number, or about the oldest, and the remote tag of its dialog.

        No `remote_tag` stands for any dialog. Raises LocalError, also where REFERs of several dialogs have this number.
        """
        meant = [
            each
            for each in self._received.values()
            if refer in (None, each.number) and remote_tag in (None, each.remote_tag)
        ]
        if not meant:
            which = "no REFER of the peer" if refer is None else f"no REFER with CSeq {refer}"
            raise LocalError(
                f"{which} is to be told of: it was refused, or told of to the end, or is too old",
                section="RFC 3515 §2.4.4",
            )
        if refer is not None and len(meant) > 1:
            tags = ", ".join(repr(each.remote_tag) for each in meant)
            text = f"several callees have sent a REFER with CSeq {refer}; say whose is meant by remote_tag: {tags}"
            raise LocalError(text, section="RFC 3261 §12.1.2")
        tag, number = meant[0].key
        return REFER_EVENT if number == self._first[tag] else f"{REFER_EVENT};id={number}", tag

    def tell(self, notify: Request, now: float) -> None:
        """A NOTIFY goes out."""
        referral = self._told_of(notify)
        if referral is not None:
            referral.prolong(notify, now)
            referral.status = told_status(notify) or referral.status
            if is_last(notify):
                del self._received[referral.key]

    def _told_of(self, notify: Request) -> _Referral | None:
        """The REFER that came which a NOTIFY from here tells of; None where its owner names none."""
        try:
            event = refer_event(notify)
        except ParseError:
            event = None
        if event is None:
            return None
        tag = notify.to_tag or ""
        named = event.id or str(self._first.get(tag))
        inside = (each for each in self._received.values() if each.remote_tag == tag)
        return next((each for each in inside if str(each.number) == named), None)

    def _untold(self, notify: Request) -> None:
        """The peer does not want to hear of the REFER that this NOTIFY from here tells of."""
        referral = self._told_of(notify)
        if referral is not None:
            del self._received[referral.key]

    # What becomes of REFER and NOTIFY

    def answered(self, ticket: int, sent: Request, response: Response) -> None:
        """The final response to a REFER or NOTIFY that was sent here."""
        if sent.method == REFER:
            if not subscribes(response):
                self._sent.pop(ticket, None)
            elif ticket in self._sent:
                self._sent[ticket].number = sent.cseq.number
        elif response.status == _UNKNOWN:
            self._untold(sent)

    def failed(self, ticket: int, sent: Request, failure: TransportFailure) -> None:
        """A REFER or NOTIFY got none. Silence ends a subscription (RFC 6665 §4.2.2)."""
        if sent.method == REFER:
            self._sent.pop(ticket, None)
        elif failure.reason is FailureReason.TIMED_OUT:
            self._untold(sent)

    def keep(self, knows: Callable[[str], bool]) -> list[Effect]:
        """Forget those of dialogs that are gone, by whether the call `knows` their remote tags: nobody can tell of them
        any more, since another callee has picked up, or the call goes elsewhere.
        """
        self._received = {key: each for key, each in self._received.items() if knows(each.remote_tag)}
        self._first = {tag: number for tag, number in self._first.items() if knows(tag)}
        lost = [ticket for ticket, each in self._sent.items() if not knows(each.remote_tag)]
        for ticket in lost:
            del self._sent[ticket]
        return [Lapsed(ticket) for ticket in lost]

    # Time, once the call is over

    def next_timeout(self) -> float:
        """When `lapse` is due; NEVER while nothing is to be told."""
        told = min((each.until for each in self._received.values()), default=NEVER)
        return min(told, min((each.until for each in self._sent.values()), default=NEVER) + LAST_WORD)

    def call_over(self, now: float) -> None:
        """The call has ended. What went on only because the call did lasts for a while from now: nobody knew before
        when its time would run.
        """
        for each in (*self._sent.values(), *self._received.values()):
            if each.until <= now:
                each.until, each.latest = now + ACTIVE_SECONDS, now + MAX_ACTIVE_SECONDS

    def last_words(self, now: float) -> list[tuple[Fields, bytes, str]]:
        """The NOTIFYs that end what is past its time of the REFERs that came: fields, body, and the remote tag of each.

        They say what was told last, since nothing more is known.
        """
        past = [each for each in self._received.values() if each.until <= now]
        events = [(each.status, *self.event_of(each.number, each.remote_tag)) for each in past]
        return [(*notification(status, event, TIMED_OUT), tag) for status, event, tag in events]

    def lapse(self, now: float) -> list[Effect]:
        """Forget what is past its time."""
        lapsed = [ticket for ticket, each in self._sent.items() if each.until + LAST_WORD <= now]
        for ticket in lapsed:
            del self._sent[ticket]
        self._received = {key: each for key, each in self._received.items() if each.until > now}
        return [Lapsed(ticket) for ticket in lapsed]


def refer_event(notification: Request) -> Event | None:
    """The Event of a NOTIFY that tells of a REFER; None for another one (RFC 3515 §2.4.4). Raises ParseError."""
    event = notification[EVENT]
    return event if event is not None and event.package == REFER_EVENT else None


def subscribes(response: Response) -> bool:
    """Whether a final response to a REFER makes a subscription: a 2xx does, unless it says that it does not.

    A Refer-Sub that cannot be read says nothing (RFC 4488 §4).
    """
    try:
        subscription = response[REFER_SUB]
    except ParseError:
        subscription = None
    return response.is_success and (subscription is None or subscription.wanted)


def told_status(notification: Request) -> int | None:
    """The status of the referred request, as the body's first line says; None where it says nothing of the kind."""
    words = notification.body[:64].split(None, 2)
    if len(words) < 2 or words[0].upper() != b"SIP/2.0" or not words[1].isdigit() or len(words[1]) != 3:
        return None
    return int(words[1])


def is_last(notification: Request) -> bool:
    """Whether no notification follows (RFC 6665 §4.1.3)."""
    state = _state_of(notification)
    return state is not None and state.is_terminated


def has_timed_out(notification: Request) -> bool:
    """Whether the subscription is over since its time has run out: how the request fared is as open as before."""
    state = _state_of(notification)
    return state is not None and state.is_terminated and (state.reason or "").lower() == "timeout"


def notification(status: int, event: str = REFER_EVENT, state: str = "") -> tuple[list[tuple[str, object]], bytes]:
    """The header fields and the body of the NOTIFY that tells a status, and the subscription's `state`.

    A final status is the last that is told (RFC 3515 §2.4.5), where no state is given.
    """
    state = state or (f"active;expires={ACTIVE_SECONDS}" if status < 200 else "terminated;reason=noresource")
    fields: list[tuple[str, object]] = [("Event", event), ("Subscription-State", state)]
    return fields, f"SIP/2.0 {status} {reason_for(status)}\r\n".encode()


def _state_of(notification: Request) -> SubscriptionState | None:
    try:
        return notification[SUBSCRIPTION_STATE]
    except ParseError:
        return None
