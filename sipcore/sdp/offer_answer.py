"""Where offers and answers may stand: RFC 3264, RFC 3261 §13.2.1, RFC 3262 §5, RFC 3311 §5, as RFC 6337 reads them.

Two tables, since two exchanges have their own messages. One belongs to an INVITE: the offer in it, or in the first
reliable response (RFC 6337 §2.2, patterns 1 to 4). The other is that of a request inside the dialog, a PRACK or an
UPDATE, whose answer is in its own 2xx (patterns 5 and 6). `OfferAnswer` holds a dialog's state of both. A body here is
a session description with the disposition "session"; what another one says is no part of this.
"""

from functools import cache
from typing import NamedTuple

from sipcore.errors import LocalError
from sipcore.value import Member, value

REQUEST_PENDING = 491
"""To an offer that crosses one of the receiver's own transactions (RFC 6337 §4.3, UAS-IcI to UAS-UcI)."""
SERVER_BUSY = 500
"""To an offer that comes before the receiver is done with the sender's last one, with Retry-After (UAS-IsI to -UsI)."""
NOT_ACCEPTABLE = 488
"""To an offer that may not stand where it does (RFC 6337 §2.3)."""


class Side(Member):
    """Who sends a message."""

    LOCAL = "local"
    REMOTE = "remote"

    @property
    def other(self) -> "Side":
        """The other side."""
        return Side.REMOTE if self is Side.LOCAL else Side.LOCAL


class Carrier(Member):
    """The messages that may bring a session description, and the failures that end an exchange without an answer."""

    INVITE = "INVITE"
    PROVISIONAL = "unreliable 1xx"
    RELIABLE = "reliable 1xx"
    SUCCESS = "2xx to INVITE"
    FAILURE = "3xx-6xx to INVITE"
    ACK = "ACK"
    PRACK = "PRACK"
    PRACK_SUCCESS = "2xx to PRACK"
    PRACK_FAILURE = "3xx-6xx to PRACK"
    UPDATE = "UPDATE"
    UPDATE_SUCCESS = "2xx to UPDATE"
    UPDATE_FAILURE = "3xx-6xx to UPDATE"


class Meaning(Member):
    """What a message means for the exchange."""

    OFFER = "offer"
    ANSWER = "answer"
    PREVIEW = "preview"
    """A copy of the answer to come, in an unreliable 1xx: acted upon, but not yet the answer (RFC 6337 §3.1.1)."""
    COPY = "copy"
    """A description after the first one, which says nothing new and is ignored (RFC 3261 §13.2.1)."""
    NOTHING = "nothing"
    ILLEGAL = "illegal"
    """A description, or a request that may bring one, where none may be now."""
    MISSING = "missing"
    """No description where there must be one; a preview that came before may serve, since the first one counts."""


class State(Member):
    """How far the exchange of an INVITE is."""

    IDLE = "no INVITE"
    OWED = "INVITE without offer"
    INVITED = "offer in INVITE"
    RELIABLE = "offer in reliable 1xx"
    SUCCESS = "offer in 2xx"
    UNACKNOWLEDGED = "answer in reliable 1xx"
    """And no PRACK for it yet."""
    ANSWERED = "answered"
    """The INVITE is still in progress, its exchange is over."""


class Inner(Member):
    """Which request inside the dialog has brought an offer that is not answered yet."""

    FREE = "none"
    PRACK = "PRACK"
    UPDATE = "UPDATE"


@value
class Cell:
    """What a message means, what comes after it, and the rule that says so.

    After an illegal message comes what is made of it when a peer sends it all the same.
    """

    meaning: Meaning
    after: State
    rule: str


@value
class InnerCell:
    """As `Cell`, for the exchange of a request inside the dialog."""

    meaning: Meaning
    after: Inner
    rule: str


_BASE, _PRACK, _UPDATE, _USE, _CROSSING = (
    *("RFC 3261 §13.2.1", "RFC 3262 §5", "RFC 3311 §5.1", "RFC 6337 §2.2", "RFC 6337 §4.3"),
)
_S, _C, _M = State, Carrier, Meaning
_WITH, _WITHOUT = True, False
_IN_PROGRESS = tuple(state for state in State if state is not _S.IDLE)
_DONE = (_S.IDLE, _S.SUCCESS, _S.RELIABLE, _S.UNACKNOWLEDGED, _S.ANSWERED)
"""Where the one description that responses may bring has come: whatever comes later is a copy."""

TABLE: dict[tuple[State, Carrier, bool], Cell] = {
    (_S.IDLE, _C.INVITE, _WITH): Cell(_M.OFFER, _S.INVITED, _BASE),
    (_S.IDLE, _C.INVITE, _WITHOUT): Cell(_M.NOTHING, _S.OWED, _BASE),
    **{
        (state, _C.INVITE, body): Cell(_M.ILLEGAL, state, _CROSSING)
        for state in _IN_PROGRESS
        for body in (_WITH, _WITHOUT)
    },
    # Unreliable 1xx
    **{(state, _C.PROVISIONAL, _WITHOUT): Cell(_M.NOTHING, state, _BASE) for state in State},
    **{(state, _C.PROVISIONAL, _WITH): Cell(_M.COPY, state, _BASE) for state in _DONE},
    (_S.OWED, _C.PROVISIONAL, _WITH): Cell(_M.ILLEGAL, _S.OWED, _BASE),  # the first reliable message has the offer
    (_S.INVITED, _C.PROVISIONAL, _WITH): Cell(_M.PREVIEW, _S.INVITED, _BASE),
    # Reliable 1xx
    **{(state, _C.RELIABLE, _WITHOUT): Cell(_M.NOTHING, state, _PRACK) for state in (*_DONE, _S.INVITED)},
    **{(state, _C.RELIABLE, _WITH): Cell(_M.COPY, state, _BASE) for state in _DONE},
    (_S.OWED, _C.RELIABLE, _WITH): Cell(_M.OFFER, _S.RELIABLE, _PRACK),
    (_S.OWED, _C.RELIABLE, _WITHOUT): Cell(_M.MISSING, _S.OWED, _PRACK),
    (_S.INVITED, _C.RELIABLE, _WITH): Cell(_M.ANSWER, _S.UNACKNOWLEDGED, _PRACK),
    # 2xx
    (_S.IDLE, _C.SUCCESS, _WITH): Cell(_M.COPY, _S.IDLE, _BASE),  # it is repeated until the ACK comes
    (_S.IDLE, _C.SUCCESS, _WITHOUT): Cell(_M.NOTHING, _S.IDLE, _BASE),
    (_S.OWED, _C.SUCCESS, _WITH): Cell(_M.OFFER, _S.SUCCESS, _BASE),
    (_S.OWED, _C.SUCCESS, _WITHOUT): Cell(_M.MISSING, _S.IDLE, _BASE),
    (_S.INVITED, _C.SUCCESS, _WITH): Cell(_M.ANSWER, _S.IDLE, _BASE),
    (_S.INVITED, _C.SUCCESS, _WITHOUT): Cell(_M.MISSING, _S.IDLE, _BASE),
    (_S.SUCCESS, _C.SUCCESS, _WITH): Cell(_M.COPY, _S.SUCCESS, _BASE),
    (_S.SUCCESS, _C.SUCCESS, _WITHOUT): Cell(_M.NOTHING, _S.SUCCESS, _BASE),
    **{
        # "the UAS MUST delay sending the 2xx until the provisional response is acknowledged"
        (state, _C.SUCCESS, body): Cell(_M.ILLEGAL, _S.IDLE, _PRACK)
        for state in (_S.RELIABLE, _S.UNACKNOWLEDGED)
        for body in (_WITH, _WITHOUT)
    },
    (_S.ANSWERED, _C.SUCCESS, _WITH): Cell(_M.COPY, _S.IDLE, _BASE),
    (_S.ANSWERED, _C.SUCCESS, _WITHOUT): Cell(_M.NOTHING, _S.IDLE, _BASE),
    # 3xx to 6xx, and no answer at all: a description in one tells what its sender can do (RFC 6337 §2.4)
    **{
        (state, _C.FAILURE, body): Cell(_M.NOTHING, _S.IDLE, "RFC 3264 §4")
        for state in _IN_PROGRESS
        if state is not _S.SUCCESS
        for body in (_WITH, _WITHOUT)
    },
    # ACK of a 2xx
    (_S.IDLE, _C.ACK, _WITH): Cell(_M.ILLEGAL, _S.IDLE, _BASE),
    (_S.IDLE, _C.ACK, _WITHOUT): Cell(_M.NOTHING, _S.IDLE, _BASE),
    (_S.SUCCESS, _C.ACK, _WITH): Cell(_M.ANSWER, _S.IDLE, _BASE),
    (_S.SUCCESS, _C.ACK, _WITHOUT): Cell(_M.MISSING, _S.IDLE, _BASE),
    # PRACK
    **{
        (state, _C.PRACK, _WITHOUT): Cell(_M.NOTHING, state, _PRACK)
        for state in (_S.IDLE, _S.OWED, _S.INVITED, _S.SUCCESS, _S.ANSWERED)
    },
    **{
        # "only if the reliable response that it acknowledges contains an answer"
        (state, _C.PRACK, _WITH): Cell(_M.ILLEGAL, state, _USE)
        for state in (_S.IDLE, _S.OWED, _S.INVITED, _S.SUCCESS, _S.ANSWERED)
    },
    (_S.RELIABLE, _C.PRACK, _WITH): Cell(_M.ANSWER, _S.ANSWERED, _PRACK),
    (_S.RELIABLE, _C.PRACK, _WITHOUT): Cell(_M.MISSING, _S.ANSWERED, _PRACK),
    (_S.UNACKNOWLEDGED, _C.PRACK, _WITH): Cell(_M.OFFER, _S.ANSWERED, _PRACK),
    (_S.UNACKNOWLEDGED, _C.PRACK, _WITHOUT): Cell(_M.NOTHING, _S.ANSWERED, _PRACK),
}
"""The exchange of an INVITE: state, message, whether it has a description."""
IMPOSSIBLE = {
    # An ACK that is not of a 2xx belongs to its transaction, and a 2xx leaves none of these states.
    *((state, _C.ACK, body) for state in _IN_PROGRESS if state is not _S.SUCCESS for body in (_WITH, _WITHOUT)),
    # There is one final response.
    *((state, _C.FAILURE, body) for state in (_S.IDLE, _S.SUCCESS) for body in (_WITH, _WITHOUT)),
}

OPEN = (_S.IDLE, _S.ANSWERED)
"""Where an UPDATE may bring an offer (RFC 6337 §4.3, UAC-IU)."""

INNER: dict[tuple[Inner, Carrier, bool], InnerCell] = {
    # Whether the INVITE's exchange lets an offer be made at all, OPEN says.
    (Inner.FREE, _C.UPDATE, _WITH): InnerCell(_M.OFFER, Inner.UPDATE, _UPDATE),
    **{(inner, _C.UPDATE, _WITH): InnerCell(_M.ILLEGAL, inner, _CROSSING) for inner in (Inner.PRACK, Inner.UPDATE)},
    **{(inner, _C.UPDATE, _WITHOUT): InnerCell(_M.NOTHING, inner, _USE) for inner in Inner},
    (Inner.UPDATE, _C.UPDATE_SUCCESS, _WITH): InnerCell(_M.ANSWER, Inner.FREE, "RFC 3311 §5.2"),
    (Inner.UPDATE, _C.UPDATE_SUCCESS, _WITHOUT): InnerCell(_M.MISSING, Inner.FREE, "RFC 3311 §5.2"),
    (Inner.PRACK, _C.PRACK_SUCCESS, _WITH): InnerCell(_M.ANSWER, Inner.FREE, _PRACK),
    (Inner.PRACK, _C.PRACK_SUCCESS, _WITHOUT): InnerCell(_M.MISSING, Inner.FREE, _PRACK),
    **{
        # the 2xx of a request that brought no offer
        (inner, carrier, body): InnerCell(_M.ILLEGAL if body else _M.NOTHING, inner, _USE)
        for inner, carrier in (
            *((inner, _C.UPDATE_SUCCESS) for inner in (Inner.FREE, Inner.PRACK)),
            *((inner, _C.PRACK_SUCCESS) for inner in (Inner.FREE, Inner.UPDATE)),
        )
        for body in (_WITH, _WITHOUT)
    },
    **{
        (inner, carrier, body): InnerCell(_M.NOTHING, Inner.FREE if inner is offered else inner, "RFC 3311 §5.3")
        for carrier, offered in ((_C.UPDATE_FAILURE, Inner.UPDATE), (_C.PRACK_FAILURE, Inner.PRACK))
        for inner in Inner
        for body in (_WITH, _WITHOUT)
    },
}
"""The exchange of a PRACK or an UPDATE; a PRACK's offer comes out of the other table."""

INNER_CARRIERS = {carrier for _, carrier, _ in INNER}
_FROM_CLIENT = (_C.INVITE, _C.ACK, _C.PRACK)
_OFFERED_BY_SERVER = (_S.RELIABLE, _S.SUCCESS)
_INVITE, _PRACK_REQUEST, _INVITED, _FREE, _ILLEGAL = _C.INVITE, _C.PRACK, _S.INVITED, Inner.FREE, _M.ILLEGAL
"""Under names of their own, since reading a member from its Enum takes CPython 3.11 0.2 µs."""
_REQUESTS = (_C.INVITE, _C.PRACK, _C.UPDATE)


@value
class Verdict:
    """What a message means and what comes after it. `rule` is the RFC section that says so.

    `status` is what a received request is refused with that must not be what it is; None where there is nothing to
    refuse, or no way to.
    """

    meaning: Meaning
    after: "OfferAnswer"
    rule: str
    status: int | None = None


class OfferAnswer(NamedTuple):
    """The state of a dialog's exchanges: that of its INVITE, sent by `client`, and that of a request inside it."""

    state: State = State.IDLE
    client: Side | None = None
    inner: Inner = Inner.FREE
    inner_offerer: Side | None = None

    @property
    def offerer(self) -> Side | None:
        """Whose offer waits for its answer; None when none does."""
        if self.inner is not _FREE:
            return self.inner_offerer
        if self.client is not None and self.state in _OFFERED_BY_SERVER:
            return self.client.other
        return self.client if self.state is _INVITED else None

    @property
    def may_offer(self) -> bool:
        """Whether an UPDATE with an offer may be sent now (RFC 6337 §4.3, UAC-IU and UAC-UU)."""
        return self.state in OPEN and self.inner is Inner.FREE

    @property
    def may_invite(self) -> bool:
        """Whether an INVITE may be sent now (RFC 6337 §4.3, UAC-II and UAC-UI)."""
        return self.state is State.IDLE and self.inner is Inner.FREE

    def sent(self, carrier: Carrier, *, has_body: bool) -> Verdict:
        """What a message from here means. Raises LocalError for one that must not be sent like that."""
        verdict = self.judge(Side.LOCAL, carrier, has_body=has_body)
        if verdict.meaning in (Meaning.ILLEGAL, Meaning.MISSING):
            what = "without" if verdict.meaning is Meaning.MISSING else "with" if has_body else "even without"
            where = self.inner.value if self.inner is not Inner.FREE else self.state.value
            text = f"{carrier.value} cannot be sent {what} a session description now ({where})"
            raise LocalError(text, section=verdict.rule)
        return verdict

    def received(self, carrier: Carrier, *, has_body: bool) -> Verdict:
        """What a message from the peer means. An illegal one has a status if it is a request that can be refused."""
        return self.judge(Side.REMOTE, carrier, has_body=has_body)

    def judge(self, sender: Side, carrier: Carrier, *, has_body: bool) -> Verdict:
        """What a message of `sender` means: the two tables, and who may send what."""
        return _judged(self, sender, carrier, has_body)

    def _judge(self, sender: Side, carrier: Carrier, has_body: bool) -> Verdict:
        if carrier in INNER_CARRIERS:
            return self._judge_inner(sender, carrier, has_body)
        begins = carrier is _INVITE
        if begins and self.inner is not _FREE:
            return self._refuse(carrier, sender, _CROSSING)  # UAC-UI
        if not begins and not self._is_from(sender, carrier):
            # A refusal of an INVITE that crossed is none of the one that is in progress; nothing else can be.
            legal = not has_body or carrier is Carrier.FAILURE
            return Verdict(Meaning.NOTHING if legal else Meaning.ILLEGAL, self, _BASE)
        cell = TABLE.get((self.state, carrier, has_body))
        if cell is None:
            return Verdict(Meaning.ILLEGAL if has_body else Meaning.NOTHING, self, _BASE)
        if cell.meaning is _ILLEGAL:
            return self._refuse(carrier, sender, cell.rule, self._replace(state=cell.after))
        client = sender if begins else self.client
        inner, inner_offerer = self.inner, self.inner_offerer
        if carrier is _PRACK_REQUEST and cell.meaning is Meaning.OFFER:
            inner, inner_offerer = Inner.PRACK, sender
        after = OfferAnswer(cell.after, client, inner, inner_offerer)
        return Verdict(cell.meaning, after, cell.rule)

    def _judge_inner(self, sender: Side, carrier: Carrier, has_body: bool) -> Verdict:
        row = self.inner
        if carrier is not Carrier.UPDATE and sender is self.inner_offerer:
            row = Inner.FREE  # it belongs to a request of the other side, which brought no offer or was refused
        cell = INNER[row, carrier, has_body]
        is_offer = cell.meaning is Meaning.OFFER
        if cell.meaning is Meaning.ILLEGAL or (is_offer and self.state not in OPEN):
            return self._refuse(carrier, sender, _CROSSING if carrier is Carrier.UPDATE else cell.rule)
        if row is not self.inner or cell.after is self.inner:
            return Verdict(cell.meaning, self, cell.rule)
        after = self._replace(inner=cell.after, inner_offerer=sender if is_offer else None)
        return Verdict(cell.meaning, after, cell.rule)

    def _is_from(self, sender: Side, carrier: Carrier) -> bool:
        """Whether `sender` is the one that this message of an INVITE comes from; after the INVITE's end, it is."""
        if self.client is None:
            return True
        return sender is (self.client if carrier in _FROM_CLIENT else self.client.other)

    def _refuse(self, carrier: Carrier, sender: Side, rule: str, after: "OfferAnswer | None" = None) -> Verdict:
        """RFC 6337 §4.3: 491 from the client of the transaction that is in the way, 500 from its server."""
        status = None
        if carrier is Carrier.PRACK:
            status = NOT_ACCEPTABLE
        elif carrier in _REQUESTS:
            in_the_way = self.inner_offerer if self.inner is not Inner.FREE else self.client
            status = SERVER_BUSY if in_the_way is sender else REQUEST_PENDING
        return Verdict(Meaning.ILLEGAL, after or self, rule, status)


@cache
def _judged(exchange: OfferAnswer, sender: Side, carrier: Carrier, has_body: bool) -> Verdict:
    """The verdict on each of the few thousand cases that there are, made once: all dialogs share a few dozen states."""
    return exchange._judge(sender, carrier, has_body)
