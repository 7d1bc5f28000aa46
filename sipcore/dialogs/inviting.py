"""What a caller keeps of its INVITE while a response to it may come: where it may go still, and who has answered."""

from sipcore.dialogs.effects import AckSuccess, SendInvite
from sipcore.dialogs.expiry import TOO_SMALL, Expiry
from sipcore.dialogs.redirect import Onward, Redirects
from sipcore.dialogs.session import Session, description_of
from sipcore.dialogs.usage import InviteUsage
from sipcore.message.fields.simple import CSeq
from sipcore.message.message import Request, Response
from sipcore.message.method import INVITE
from sipcore.message.registry import SESSION_EXPIRES
from sipcore.sdp.offer_answer import Carrier

REDIRECTIONS_END = 400
GLOBAL_FAILURE = 600
"""From here on a refusal holds for every place the callee could be at (RFC 3261 §21.6)."""


class Inviting:
    """One INVITE as it went out last, and the branches that proxies have made of it (RFC 3261 §13.2.2.4).

    `early` are the early dialogs by their remote tags, `forks` the ACKs of those callees who have picked up too late,
    `ack` is that of the one who came first.
    """

    __slots__ = ("_expiry", "_redirects", "ack", "answer", "early", "forks", "invite", "onward", "session")

    def __init__(self, invite: Request, redirects: int) -> None:
        """Take the INVITE that is sent, without its Via, and how often it may be sent on to somewhere else."""
        self.invite = invite
        self.session = Session()
        self.session.sent(Carrier.INVITE, description_of(invite))
        self.early: dict[str, InviteUsage] = {}
        self.forks: dict[str, AckSuccess] = {}
        self.ack: AckSuccess | None = None
        self.answer = b""
        """What `ack` says to the offer of the 2xx."""
        self.onward: Onward | None = None
        """Where it goes next; None for where it went before."""
        asked = invite[SESSION_EXPIRES]
        self._expiry = Expiry(asked.seconds if asked else 0)
        self._redirects = Redirects(invite.uri, redirects) if redirects else None

    def is_too_short(self, response: Response) -> bool:
        """Whether a refusal asks for a longer session interval, which it may have (RFC 4028 §7.3)."""
        self.onward = None
        return response.status == TOO_SMALL and self._expiry.too_small(response)

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
        self.early.clear()
        invite, onward = self.invite.with_header("CSeq", CSeq(number, INVITE)), self.onward
        if onward is None:
            for name, content in self._expiry.asked():
                invite = invite.with_header(name, content)
        else:
            invite = invite.without("Authorization").without("Proxy-Authorization")
            invite = invite.without("Route") if onward.is_proxy else invite.with_uri(onward.uri)
        self.invite = invite
        # A route that was set beforehand leads there as well (RFC 3261 §8.1.2).
        return SendInvite(invite, None if onward is None or "Route" in invite.headers else onward.uri)
