"""What a stack asks of its owner, and what it tells: the values that `Stack.drain` gives. See `sipcore.stack`."""

from typing import TYPE_CHECKING

from sipcore.dialogs.effects import EndReason
from sipcore.errors import ParseError, TransportFailure
from sipcore.message.message import Request, Response
from sipcore.message.uri import Uri
from sipcore.resolve.records import Question
from sipcore.resolve.target import Flow, Hop
from sipcore.trace import Stamp, TraceRecord
from sipcore.transactions.effects import Transmit
from sipcore.transactions.key import AnyServerKey
from sipcore.value import value

if TYPE_CHECKING:
    from sipcore.auth.session import AuthError


@value
class Prepare:
    """Make `hop` usable and tell its local address: find the kernel's route, or open the connection."""

    hop: Hop


@value
class Resolve:
    """Answer with `Stack.resolved(ticket, ...)`: a lookup's result, the prepared hop, or a TransportFailure."""

    ticket: int
    question: Question | Prepare


@value
class StopResolving:
    """Nobody waits any more for what a ticket's Resolves ask of DNS: others may be waiting to ask."""

    ticket: int


@value
class RequestSent:
    """A request left, as the peer sees it: with Via, Contact and credentials. Once for each hop and each round."""

    ticket: int
    request: Request
    hop: Hop


@value
class ResponseReceived:
    """A response to a request that is no call's. `auth` tells why a 401 or 407 was not answered."""

    ticket: int
    response: Response
    flow: Flow
    stamp: Stamp
    auth: "AuthError | None" = None


@value
class RequestFailed:
    """A request got no final response: every hop failed, with the last one's failure."""

    ticket: int
    failure: TransportFailure


@value
class RequestReceived:
    """A request that the stack does not answer by itself. Answer it with `Stack.respond(key, response)`."""

    key: AnyServerKey
    request: Request
    flow: Flow
    stamp: Stamp


@value
class GarbageReceived:
    """Bytes that are not a SIP message, or a message that lacks what every message needs.

    `is_request` tells that it is a request all the same, which says nothing about what is awaited from its sender.
    """

    data: bytes
    flow: Flow
    stamp: Stamp
    error: ParseError
    is_request: bool = False


@value
class CallReceived:
    """Somebody calls. Go on with `Stack.ring`, `accept` or `reject`.

    `replaces` is the call that this one takes the place of once it is accepted, as its Replaces asks (RFC 3891).
    Whether its sender may do that is for the owner to judge.
    """

    call: int
    invite: Request
    flow: Flow
    stamp: Stamp
    replaces: int | None = None


@value
class CallProgress:
    """A 1xx to a call placed here.

    `waits` tells that it is reliable and that its PRACK waits for the owner: for the answer to its offer, which
    `CallOffered` tells as well, or, where the stack is told not to acknowledge those by itself, for `Stack.acknowledge`
    or for another offer by `Stack.change` (RFC 3262 §5).
    """

    call: int
    response: Response
    stamp: Stamp
    waits: bool = False


@value
class CallAnswered:
    """A call placed here is up: the 2xx came and its ACK is on the way."""

    call: int
    response: Response
    stamp: Stamp


@value
class CallRedirected:
    """A call placed here goes on elsewhere: because of this 3xx, or, if None, since the last place failed."""

    call: int
    response: Response | None
    target: Uri
    stamp: Stamp


@value
class CallConfirmed:
    """A call answered here is up: its ACK came."""

    call: int
    ack: Request
    stamp: Stamp


@value
class CallOffered:
    """The peer offers a session in this message; go on with `Stack.answer` or `decline`.

    The message is a 2xx or reliable 1xx to an INVITE that made no offer, or, where the stack is told not to answer
    those by itself, a re-INVITE, an UPDATE or a PRACK. A re-INVITE may be decided on for long, of which its sender is
    told each minute; the others are refused with 504 after 48 T1, 24 s as a rule, and nothing is left to answer (RFC
    3311 §5.2). Where an INVITE was forked, several callees may offer something, and `remote_tag` tells `answer` and
    `decline` whose offer is meant.
    """

    call: int
    message: Request | Response
    stamp: Stamp

    @property
    def remote_tag(self) -> str:
        """The tag of who offers it; empty where a peer of RFC 2543 has none."""
        tag = self.message.from_tag if isinstance(self.message, Request) else self.message.to_tag
        return tag or ""


@value
class CallChanged:
    """A re-INVITE or UPDATE, or the offer of a PRACK, went through; `local` tells whose it was.

    `Stack.session` tells what is in force. `remote_tag` tells with whom, of several callees that ring.
    """

    call: int
    message: Request | Response
    local: bool
    stamp: Stamp
    remote_tag: str


@value
class CallUnchanged:
    """A re-INVITE or UPDATE, or the offer of a PRACK, that was sent from here failed; the session is as it was.

    `remote_tag` tells with whom, of several callees that ring.
    """

    call: int
    response: Response | None
    failure: TransportFailure | None
    remote_tag: str


@value
class CallRequested:
    """A request inside a call that is for its owner, such as INFO or REFER: `Stack.respond(key, response)`.

    One that has no final response when the call ends is answered 487 then (RFC 3261 §15.1.2).
    """

    call: int
    key: AnyServerKey
    request: Request
    stamp: Stamp


@value
class CallNotified:
    """A NOTIFY about a REFER that was sent in this call; it is answered already (RFC 3515 §2.4.4).

    It may come after the call's end, too. `refer` is the ticket of the REFER.
    """

    call: int
    request: Request
    stamp: Stamp
    refer: int


@value
class ReferLapsed:
    """Nothing more will be told of a REFER that was sent in this call, though no last NOTIFY has come."""

    call: int
    refer: int


@value
class CallFailed:
    """A call placed here did not come about.

    `response` is the final one, None where there was none; `failure` says what went wrong below, or with credentials.
    """

    call: int
    response: Response | None
    failure: "TransportFailure | AuthError | None"


@value
class CallEnded:
    """A call is over that had come about, or that one side gave up; `request` is the peer's BYE or CANCEL, if any."""

    call: int
    reason: EndReason
    request: Request | None = None


@value
class Exchange:
    """A request and its final response, with what came before it. Times are on trio's clock, in seconds."""

    request: Request
    """As it was sent last, with Via, Contact and credentials."""
    response: Response
    """The final one."""
    provisional: tuple[Response, ...]
    """The 1xx before it, in order."""
    hop: Hop
    """Where the request went: of several places, the one that answered."""
    flow: Flow
    """Over what the response came."""
    sent_at: float
    """When the request was sent last, by the stamp of the kernel where there is one."""
    stamp: Stamp
    """When the response came."""
    auth_error: "AuthError | None" = None
    """Why a 401 or 407 was not answered with credentials; None where it was, or was none."""

    @property
    def rtt(self) -> float:
        """Seconds from the last sending of the request to its final response."""
        return max(self.stamp.at - self.sent_at, 0.0)


CallEvent = (
    CallProgress
    | CallRedirected
    | CallAnswered
    | CallConfirmed
    | CallOffered
    | CallChanged
    | CallUnchanged
    | CallRequested
    | CallNotified
    | ReferLapsed
    | CallFailed
    | CallEnded
)
"""What is told of a call after it has begun."""
RequestEvent = RequestSent | ResponseReceived
"""What every request comes to that is answered."""
Event = RequestFailed | RequestReceived | GarbageReceived | CallReceived | CallEvent
"""All else that is told."""
Output = Resolve | StopResolving | Transmit | RequestEvent | Event | TraceRecord
