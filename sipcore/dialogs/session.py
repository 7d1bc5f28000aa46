"""The session of a dialog: its offers and answers, and the two descriptions that are in force (RFC 3264, RFC 6337).

They are kept as they went over the wire. Only where this side makes one of them anew, they are read, and what reads
them is loaded then: most calls do without, and so does whoever places none.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sipcore.errors import LocalError, ParseError
from sipcore.message.build import Fields
from sipcore.message.message import Request, Response
from sipcore.message.multipart import BodyPart, parts_of
from sipcore.sdp.offer_answer import Carrier, Inner, Meaning, OfferAnswer, State, Verdict
from sipcore.sdp.terms import SDP, Direction
from sipcore.trace import TraceSwitch

if TYPE_CHECKING:
    from sipcore.sdp.attributes import Codec
    from sipcore.sdp.description import SessionDescription


NAME = "offer/answer"
"""What the machine of the exchanges is called in traces."""
UNSUPPORTED = 415
"""Unsupported Media Type."""
ACCEPTED = f"{SDP}, multipart/mixed, multipart/alternative"
"""What a body may be that begins or changes a session (RFC 5621 §4.2)."""
Step = tuple[str, str, str]
"""What happened to the exchanges, and their state before and after it."""
_OFF = TraceSwitch()
"""Of sessions that are part of no dialog yet."""
_NO_EXCHANGE = OfferAnswer()
_BOTH_WAYS = Direction.SENDRECV
_OFFER, _INVITE, _REFUSED, _IDLE = Meaning.OFFER, Carrier.INVITE, Carrier.FAILURE, State.IDLE
_AGREED = (Meaning.ANSWER, Meaning.PREVIEW)
"""Under names of their own, since reading a member from its Enum takes CPython 3.11 0.2 µs."""
_MORE_ON_BODY = ("Content-Disposition", "Content-Encoding", "Content-Transfer-Encoding")


class Session:
    """Which descriptions were exchanged. `local` and `remote` are those in force, empty while there are none."""

    __slots__ = (
        *("_agreed", "_before", "_given_up", "_offer", "_sent", "_trail"),
        *("exchange", "local", "remote", "trace_switch"),
    )

    def __init__(self) -> None:
        """Begin without any exchange."""
        self.exchange = _NO_EXCHANGE
        self.local = b""
        self.remote = b""
        self._offer = b""
        self._sent = b""
        self._agreed = b""
        """The last offer of this side that was answered."""
        self._given_up = b""
        """What was in force here before the peer gave streams up; it may want them back until one is given up here."""
        self._before: tuple[bytes, bytes, bytes] | None = None
        """What was in force, and the last offer that was answered, when the INVITE began that is in progress."""
        self.trace_switch = _OFF
        self._trail: tuple[Step, ...] = ()

    @property
    def is_changed(self) -> bool:
        """Whether something else is in force by now than before the INVITE that is in progress: a reliable 1xx may have
        answered its offer, or an UPDATE may have come after that.
        """
        return self._before is not None and self._before[:2] != (self.local, self.remote)

    def begin(self, trace_switch: TraceSwitch) -> None:
        """The INVITE that makes the dialog is taken; what comes after it may be told."""
        self.trace_switch = trace_switch
        if trace_switch.on:
            self._trail = (("START", "", _named(self.exchange)),)

    def told(self) -> tuple[Step, ...]:
        """What its exchanges went through since the last time, while somebody wanted to know."""
        trail, self._trail = self._trail, ()
        return trail

    @property
    def offer(self) -> bytes:
        """The offer that waits for its answer."""
        return self._offer

    @property
    def wanted(self) -> Direction:
        """Which way media is to flow as this side wants it, whatever its answers had to say since (RFC 6337 §5.3).

        That is what its last offer says that was answered, of the first stream: an offer that was refused, or that
        nothing came for, has changed nothing (RFC 3261 §14.1).
        """
        agreed = self._parsed(self._agreed)
        live = next((stream for stream in agreed.media if not stream.is_rejected), None) if agreed is not None else None
        return agreed.direction_of(live) if agreed is not None and live is not None else _BOTH_WAYS

    def sent(self, carrier: Carrier, body: bytes) -> Meaning:
        """Take what is about to be sent. Raises LocalError where it must not be sent like that."""
        verdict = self.exchange.sent(carrier, has_body=bool(body))
        if verdict.meaning is _OFFER or verdict.meaning in _AGREED:
            self._sent = body
        self._take(carrier, verdict, body, local=True)
        return verdict.meaning

    def would_send(self, carrier: Carrier, body: bytes) -> None:
        """Raise LocalError where `sent` would; nothing changes."""
        self.exchange.sent(carrier, has_body=bool(body))

    def received(self, carrier: Carrier, body: bytes) -> Verdict:
        """Take what came. An illegal request has a status to refuse it with."""
        verdict = self.exchange.received(carrier, has_body=bool(body))
        self._take(carrier, verdict, body, local=False)
        return verdict

    def would_refuse(self, carrier: Carrier, body: bytes) -> int | None:
        """The status that a received request is refused with which must not bring what it brings; nothing changes."""
        return self.exchange.received(carrier, has_body=bool(body)).status

    def next_offer(self, wanted: "SessionDescription") -> bytes:
        """`wanted` as the offer that follows what is in force here. Raises LocalError as `sdp.modify` does.

        An offer that was refused leaves nothing behind but its version, which no other one has (RFC 3261 §14.1).
        """
        from sipcore.sdp.modify import next_offer

        in_force = self._parsed(self.local or self._sent)
        return bytes(self._numbered(wanted if in_force is None else next_offer(in_force, wanted)))

    def offered_again(self, body: bytes) -> bytes:
        """An offer that was refused, as it follows what was sent since: with a version of its own (RFC 3264 §8).

        The peer may have changed the session in between: a stream that it has added stays as it was agreed on.
        """
        wanted, local = self._parsed(body), self._parsed(self.local)
        if wanted is None:
            return body
        added = local.media[len(wanted.media) :] if local is not None else ()
        return bytes(self._numbered(wanted.replace(media=(*wanted.media, *added))))

    def renewed(self, direction: Direction | None = None) -> bytes:
        """What is in force here as an offer of its own; empty where there is nothing.

        Its media goes in `direction`, as hold and resume want it, or else in the one that is wanted already.
        """
        from sipcore.sdp.modify import directed

        local = self._parsed(self.local)
        return bytes(self._numbered(directed(local, direction or self.wanted))) if local is not None else b""

    def offer_anew(self, codecs: "Sequence[Codec]") -> bytes:
        """The offer that a re-INVITE without one asks for; empty where nothing is in force.

        It is what is in force, and what else the offer of a new call would have (RFC 3261 §14.2): these `codecs` for
        audio, and the streams that the peer has given up.
        """
        from sipcore.sdp.modify import directed, restored, widened

        local, before = self._parsed(self.local), self._parsed(self._given_up)
        if local is None:
            return b""
        local = restored(local, before) if before is not None else local
        return bytes(self._numbered(directed(widened(local, codecs, self._parsed(self.remote)), self.wanted)))

    def answer_to(self, offer: bytes) -> bytes:
        """The answer that goes on with what is in force as far as `offer` lets it; empty where nothing is left.

        Empty as well where the offer has names that can be read, but must not be written (RFC 8866 §9).
        """
        from sipcore.sdp.modify import continued, restored

        local, remote, last = self._parsed(self.local), self._parsed(offer), self._parsed(self._sent)
        if local is None or remote is None or last is None:
            return b""
        before = self._parsed(self._given_up)
        if before is not None:
            local = restored(local, before)
        if any(there.is_rejected for there in remote.media):
            self._given_up = bytes(local)
        return _written(lambda: continued(local, remote, self.wanted, last, self._parsed(self.remote)))

    def refusal(self) -> bytes:
        """The answer that takes nothing of the offer that waits; empty where it cannot be read, or written again."""
        from sipcore.sdp.modify import all_refused

        offer = self._parsed(self._offer)
        return _written(lambda: self._numbered(all_refused(offer))) if offer is not None else b""

    def _take(self, carrier: Carrier, verdict: Verdict, body: bytes, *, local: bool) -> None:
        if self.trace_switch.on:
            happening = f"{'SENT' if local else 'RECEIVED'}_{carrier.name}{'_SDP' if body else ''}"
            self._trail += ((happening, _named(self.exchange), _named(verdict.after)),)
        if carrier is _INVITE and self.exchange.state is _IDLE:
            self._before = (self.local, self.remote, self._agreed)
        self.exchange = verdict.after
        if verdict.meaning is _OFFER:
            self._offer = body
        elif verdict.meaning in _AGREED:
            if not local:
                self._agree()
            self.local, self.remote = (body, self._offer) if local else (self._offer, body)
        if self.exchange.offerer is None:
            self._offer = b""
        if self._before is not None and self.exchange.state is _IDLE:
            if carrier is _REFUSED:  # all that was agreed on in it is undone (RFC 6141 §3.3)
                self.local, self.remote, self._agreed = self._before
            self._before = None

    def _agree(self) -> None:
        """The offer of this side is answered, and says what it wants. A refresh of a session whose streams the peer has
        given up says nothing new: the peer may want them back, as they were wanted.
        """
        if self._given_up:
            now, wanted = self._parsed(self.local), self._parsed(self._offer)
            both = zip(now.media, wanted.media, strict=False) if now is not None and wanted is not None else ()
            if any(then.is_rejected and not own.is_rejected for own, then in both):
                self._given_up = b""
            elif wanted is not None and all(stream.is_rejected for stream in wanted.media):
                return
        self._agreed = self._offer

    def _numbered(self, description: "SessionDescription") -> "SessionDescription":
        """A description with the version that follows all that was sent before, whatever became of that."""
        from sipcore.sdp.modify import revised

        previous = self._parsed(self._sent)
        return description if previous is None else revised(previous, description)

    @staticmethod
    def _parsed(body: bytes) -> "SessionDescription | None":
        from sipcore.sdp.description import SessionDescription

        try:
            return SessionDescription.parse(body, []) if body else None
        except ParseError:
            return None


def _named(exchange: OfferAnswer) -> str:
    """The state of the exchanges in one word."""
    if exchange.inner is Inner.FREE:
        return exchange.state.name
    return f"{exchange.state.name}/{exchange.inner.name}"


def _written(make: "Callable[[], SessionDescription | None]") -> bytes:
    """What is made of descriptions that were exchanged; empty where nothing is, or where it must not be sent.

    More can be read than may be written: a name that is none (RFC 8866 §9) would go from an offer into its answer.
    """
    try:
        made = make()
        return bytes(made) if made is not None else b""
    except LocalError:
        return b""


def description_of(message: Request | Response) -> bytes:
    """The session description in a message, alone or in a multipart; empty where there is none that can be read.

    A body for something else than the session says nothing about it (RFC 3261 §20.11).
    """
    if not message.body or _is_plain(message):
        return message.body
    try:
        return next((part.content for part in parts_of(message) if _describes_session(part)), b"")
    except ParseError:
        return b""


def refusal_of_body(request: Request) -> tuple[int, Fields] | None:
    """What a request that may begin or change a session is refused with for its body (RFC 3261 §8.2.3, RFC 5621 §8.4).

    Raises ParseError for a body that cannot be read. Beside a session description, a part that does not say what it is
    for is passed over, although it should count as required (RFC 3261 §20.11): gateways add such parts, and no one
    else refuses a call for them.
    """
    if _is_plain(request):
        return None
    parts = parts_of(request)
    described = any(_describes_session(part) for part in parts)
    for part in parts:
        if _describes_session(part) or (part.disposition and not part.disposition.is_required):
            continue
        if part.is_encoded and part.media_type is not None and part.media_type.essence == SDP:
            return UNSUPPORTED, [("Accept-Encoding", "identity")]
        if not described or part.disposition is not None:
            return UNSUPPORTED, [("Accept", ACCEPTED)]
    return None


def _is_plain(message: Request | Response) -> bool:
    """Whether the body is a session description and nothing else, and said to be no more than that, as in most."""
    headers = message.headers
    return headers.get_all("Content-Type") == [SDP] and not headers.has_any(*_MORE_ON_BODY)


def _describes_session(part: BodyPart) -> bool:
    if part.is_encoded or part.media_type is None or part.media_type.essence != SDP:
        return False
    return part.disposition is None or part.disposition.kind.lower() == "session"
