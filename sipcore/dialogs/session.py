"""What the two sides of a call ask of their owner, and what they tell it: the effects of `caller` and `callee`."""

from enum import Enum

from sipcore.errors import ParseError, TransportFailure
from sipcore.message.message import Request, Response
from sipcore.message.uri import Uri
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
class CancelInvite:
    """Cancel the pending INVITE (RFC 3261 §9.1)."""


@value
class Reply:
    """Answer a request of the peer; `key` is the server transaction's, as the request came with."""

    key: object
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
    """The call did not come about: by a 3xx to 6xx, by a failure below, or by a 2xx that cannot be acknowledged."""

    response: Response | None
    failure: TransportFailure | ParseError | None


@value
class Ended:
    """The call is over."""

    reason: EndReason


Effect = (
    AckSuccess | SendInDialog | CancelInvite | Reply | StartTimer | Progress | Answered | Confirmed | Failed | Ended
)
