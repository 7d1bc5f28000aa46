"""What a caller keeps of its INVITE while a response to it may come: where it may go still, and who has answered."""

from typing import NamedTuple

from sipcore.dialogs.effects import AckSuccess, SendInvite
from sipcore.dialogs.expiry import TOO_SMALL, Expiry
from sipcore.dialogs.manner import MIN_INTERVAL
from sipcore.dialogs.redirect import Onward, Redirects
from sipcore.dialogs.session import Session, description_of
from sipcore.errors import ParseError
from sipcore.message.fields.simple import CSeq
from sipcore.message.message import Request, Response
from sipcore.message.method import INVITE
from sipcore.message.parser import parse_message
from sipcore.message.registry import SESSION_EXPIRES
from sipcore.message.uri import parse_uri
from sipcore.sdp.offer_answer import Carrier
from sipcore.trace import TraceSwitch

REDIRECTIONS_END = 400
GLOBAL_FAILURE = 600
"""From here on a refusal holds for every place the callee could be at (RFC 3261 §21.6)."""


class Inviting:
    """One INVITE as it went out last, and the branches that proxies have made of it (RFC 3261 §13.2.2.4).

    `acks` are the ACKs of the callees who have picked up, by their remote tags: that of the one who came first, and
    those of the others, who came too late.
    """

    __slots__ = ("_expiry", "_redirects", "acks", "answer", "invite", "lost", "onward")

    def __init__(self, invite: Request, redirects: int) -> None:
        """Take the INVITE that is sent, without its Via, and how often it may be sent on to somewhere else."""
        self.invite = invite
        self.acks: dict[str, AckSuccess] = {}
        self.answer = b""
        """What the first ACK says to the offer of its 2xx."""
        self.lost: tuple[str, ...] = ()
        """The remote tags of the early dialogs that another one has won over."""
        self.onward: Onward | None = None
        """Where it goes next; None for where it went before."""
        self._expiry: Expiry | None = None
        """How long a session it asks for; None until it was refused for that."""
        self._redirects = Redirects(invite.uri, redirects) if redirects else None

    def new_session(self, trace_switch: TraceSwitch) -> Session:
        """The session of one more dialog that it makes."""
        session = Session()
        session.sent(Carrier.INVITE, description_of(self.invite))
        session.begin(trace_switch)
        return session

    def is_too_short(self, response: Response) -> bool:
        """Whether a refusal asks for a longer session interval, which it may have (RFC 4028 §7.3)."""
        self.onward = None
        if response.status != TOO_SMALL:
            return False
        if self._expiry is None:
            self._expiry = Expiry(_asked_by(self.invite))
        return self._expiry.too_small(response)

    @property
    def min_interval(self) -> int:
        """Seconds below which the session must not be asked to last: what refusals have said (RFC 4028 §7.4)."""
        return self._expiry.minimum if self._expiry is not None else MIN_INTERVAL

    def moves_on(self, response: Response | None) -> bool:
        """Whether there is another place to try after this refusal, or, if None, after no answer (§8.1.3.4)."""
        redirects, self.onward = self._redirects, None
        if redirects is None:
            return False
        if response is not None and response.status < REDIRECTIONS_END:
            redirects.take(response)
        if response is None or response.status < GLOBAL_FAILURE:
            self.onward = redirects.next()
        return self.onward is not None

    def again(self, number: int) -> SendInvite:
        """The INVITE once more: to the next place, or with a longer session interval."""
        invite, onward = self.invite.with_header("CSeq", CSeq(number, INVITE)), self.onward
        if onward is None:
            for name, content in self._expiry.asked() if self._expiry is not None else ():
                invite = invite.with_header(name, content)
        else:
            invite = invite.without("Authorization").without("Proxy-Authorization")
            invite = invite.without("Route") if onward.is_proxy else invite.with_uri(onward.uri)
        self.invite = invite
        # A route that was set beforehand leads there as well (RFC 3261 §8.1.2).
        return SendInvite(invite, None if onward is None or "Route" in invite.headers else onward.uri)

    def packed(self) -> "Packed":
        """What is needed of it once its 2xx is acknowledged: that may come again, and those of others."""
        acks = tuple([(tag, bytes(ack.request), str(ack.next_hop), ack.branch) for tag, ack in self.acks.items()])
        return Packed(bytes(self.invite), acks, self.lost)


class Packed(NamedTuple):
    """An INVITE and the ACKs of its 2xx as text, for the half minute in which a 2xx may come again (RFC 6026 §7.2).

    Nearly always none does, and at a hundred calls a second three thousand of them wait at once: as text they are
    nothing that the garbage collector has to look through.
    """

    invite: bytes
    acks: tuple[tuple[str, bytes, str, str], ...]
    """Of each the remote tag, the request, where it goes, and its branch."""
    lost: tuple[str, ...]

    def ack_of(self, tag: str) -> AckSuccess:
        """The ACK of the callee with this tag. Raises ParseError where it is larger than what is read of a message."""
        _, ack, next_hop, branch = next(kept for kept in self.acks if kept[0] == tag)
        return AckSuccess(_request(ack), parse_uri(next_hop, []), branch)

    def unpacked(self) -> Inviting:
        """The INVITE as it was. Raises ParseError as `ack_of` does."""
        inviting = Inviting(_request(self.invite), 0)
        inviting.lost = self.lost
        for tag, *_ in self.acks:
            inviting.acks[tag] = self.ack_of(tag)
        return inviting


def _request(data: bytes) -> Request:
    request = parse_message(data)
    assert isinstance(request, Request)  # noqa: S101  # as it was made
    return request


def _asked_by(invite: Request) -> int:
    """The session interval that an INVITE asks for; 0 for none, or where its owner has put what cannot be read."""
    try:
        asked = invite[SESSION_EXPIRES]
    except ParseError:
        return 0
    return asked.seconds if asked else 0
