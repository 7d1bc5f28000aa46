"""What the two sides of a call ask of their owner, and what they tell it: the effects of `caller` and `callee`."""

from enum import Enum

from sipcore.errors import TransportFailure
from sipcore.message.message import Request, Response
from sipcore.message.uri import Uri
from sipcore.transactions.key import AnyServerKey
from sipcore.value import value


class EndReason(Enum):
    """How a call ended that had been set up, or was being set up when somebody gave up."""

    LOCAL_HANG_UP = "hung up here"
    REMOTE_HANG_UP = "hung up there"
    CANCELLED = "cancelled by the caller"
    REJECTED = "rejected here"
    NO_ACK = "the ACK never came"
    BYE_UNANSWERED = "the BYE was not answered"
    BYE_REFUSED = "the BYE was refused"


@value
class AckSuccess:
    """Send this ACK of a 2xx: outside of any transaction, once for each 2xx (RFC 3261 §13.2.2.4)."""

    request: Request
    next_hop: Uri


@value
class SendInDialog:
    """Send this request in a transaction of its own, and tell the session how it ends."""

    request: Request
    next_hop: Uri


@value
class SendAndForget:
    """Send this request in a transaction of its own; how it ends does not matter."""

    request: Request
    next_hop: Uri


@value
class CancelInvite:
    """Cancel the pending INVITE (RFC 3261 §9.1)."""


@value
class Reply:
    """Answer a request of the peer; `key` is the server transaction's, as the request came with."""

    key: AnyServerKey
    response: Response


@value
class StartTimer:
    """Wake the session after so many seconds: `Callee.wake`."""

    after: float


@value
class Progress:
    """A 1xx came."""

    response: Response


@value
class Answered:
    """The call is up: a 2xx came."""

    response: Response


@value
class Confirmed:
    """The call is up: the ACK came."""

    ack: Request


@value
class Failed:
    """The call did not come about: by a 3xx to 6xx, or by a failure below."""

    response: Response | None
    failure: TransportFailure | None


@value
class Ended:
    """The call is over."""

    reason: EndReason


Report = Progress | Answered | Confirmed | Failed | Ended
"""What the owner tells on."""
Effect = AckSuccess | SendInDialog | SendAndForget | CancelInvite | Reply | StartTimer | Report
