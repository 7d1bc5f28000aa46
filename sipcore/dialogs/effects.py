"""What the two sides of a call ask of their owner, and what they tell it: the effects of `caller` and `callee`."""

from enum import Enum

from sipcore.errors import TransportFailure
from sipcore.message.build import Fields
from sipcore.message.message import Request, Response
from sipcore.message.uri import Uri
from sipcore.trace import TransitionTrace
from sipcore.transactions.key import AnyServerKey
from sipcore.value import value


class EndReason(Enum):
    """How a call ended that had been set up, or was being set up when somebody gave up."""

    LOCAL_HANG_UP = "hung up here"
    REMOTE_HANG_UP = "hung up there"
    CANCELLED = "cancelled by the caller"
    REJECTED = "rejected here"
    NO_ACK = "the ACK never came"
    NO_PRACK = "the PRACK never came"
    NO_ANSWER = "the peer's offer cannot be read, so nothing answers it"
    BYE_UNANSWERED = "the BYE was not answered"
    BYE_REFUSED = "the BYE was refused"
    GONE = "the peer does not know the call any more"
    EXPIRED = "the session was not refreshed in time"
    REPLACED = "another call took its place"
    INVITATION_EXPIRED = "the invitation expired unanswered"


class Purpose(Enum):
    """What a request inside a dialog is for, as far as the dialog cares how it ends."""

    BYE = "BYE"
    CHANGE = "re-INVITE or UPDATE"
    REFRESH = "UPDATE that refreshes the session beside a re-INVITE"
    PRACK = "PRACK"
    FORK = "BYE to a callee who has picked up as well"
    NOTIFY = "NOTIFY that ends the subscription of a REFER"
    OTHER = "a request of the owner"
    GIVEN_UP = "a request of the owner, who does not wait for its answer any more"


@value
class AckSuccess:
    """Send this ACK of a 2xx: outside of any transaction, once for each 2xx (RFC 3261 §13.2.2.4).

    `branch` is that of its Via: a repeated ACK is the same ACK.
    """

    request: Request
    next_hop: Uri
    branch: str


@value
class SendInDialog:
    """Send this request in a transaction of its own, and tell how it ends: `receive_within` or `fail_within`."""

    purpose: Purpose
    request: Request
    next_hop: Uri


@value
class SendInvite:
    """Send this INVITE in place of the one that was refused: to `target`, or, if None, to where that went.

    RFC 3261 §8.1.3.4, RFC 4028 §7.3.
    """

    invite: Request
    target: Uri | None = None


@value
class CancelInvite:
    """Cancel the pending INVITE (RFC 3261 §9.1), with these header fields in the CANCEL, a Reason as a rule."""

    fields: Fields = ()


@value
class CancelChange:
    """Cancel the re-INVITE that is on its way in the dialog with this tag (RFC 3261 §9.1).

    A re-INVITE or UPDATE that was not sent yet is not sent at all.
    """

    remote_tag: str


@value
class Reply:
    """Answer a request of the peer; `key` is the server transaction's, as the request came with."""

    key: AnyServerKey
    response: Response


@value
class Finish:
    """End the call for this reason: what one of its parts asks of the machine that it is a part of."""

    reason: EndReason


@value
class Progress:
    """A 1xx came; `waits` tells that its PRACK does, for the owner."""

    response: Response
    waits: bool = False


@value
class Redirected:
    """The call goes on elsewhere (RFC 3261 §8.1.3.4): because of this response, or since the last place failed."""

    response: Response | None
    target: Uri


@value
class Answered:
    """The call is up: a 2xx came."""

    response: Response


@value
class Confirmed:
    """The call is up: the ACK came."""

    ack: Request


@value
class Offered:
    """The peer offers another session in this message, and the owner has to answer or decline it."""

    message: Request | Response


@value
class Changed:
    """A re-INVITE or UPDATE, or the offer of a PRACK, went through: `local` tells whose; the message completed it.

    `remote_tag` is that of the dialog whose session it changed.
    """

    message: Request | Response
    local: bool
    remote_tag: str


@value
class Unchanged:
    """What was sent from here to change the session failed, and that is as it was before (RFC 3261 §14.1).

    `remote_tag` is that of the dialog whose session it was to change.
    """

    response: Response | None
    failure: TransportFailure | None
    remote_tag: str


@value
class Lapsed:
    """The subscription of the REFER with this ticket is over, and no last NOTIFY came (RFC 6665 §4.1.2.4)."""

    ticket: int


@value
class Failed:
    """The call did not come about: by a 3xx to 6xx, or by a failure below."""

    response: Response | None
    failure: TransportFailure | None


@value
class Ended:
    """The call is over; `request` is the BYE or CANCEL of the peer that ended it, if one did."""

    reason: EndReason
    request: Request | None = None


Report = Progress | Redirected | Answered | Confirmed | Offered | Changed | Unchanged | Lapsed | Failed | Ended
"""What the owner tells on."""
Effect = (
    AckSuccess | SendInDialog | SendInvite | CancelInvite | CancelChange | Reply | Finish | Report | TransitionTrace
)
