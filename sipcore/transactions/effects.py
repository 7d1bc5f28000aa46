"""What the transaction layer wants done, and what it has to tell. RFC 3261 §17, in the order in which it happened.

They are named tuples, since each transaction makes three of them at least: a tuple takes a third of the time of a
`@value` where `new_effect` makes it.
"""

from typing import NamedTuple

from sipcore.errors import TransportFailure
from sipcore.message.message import Request, Response
from sipcore.resolve.target import Flow, Hop
from sipcore.trace import TransitionTrace
from sipcore.transactions.key import AnyServerKey, ClientKey, Key, LegacyKey, ServerKey


class Transmit(NamedTuple):
    """Send `data` to a hop, or back over a flow. `attempt` is above 0 when the same bytes were sent before.

    When that fails, tell the layer by `transport_failed(key, ...)`; `key` is None for what no transaction waits for,
    such as the ACK of a 2xx.
    """

    key: Key | None
    to: Hop | Flow
    data: bytes
    attempt: int = 0


class RequestReceived(NamedTuple):
    """A new request for the transaction user, which answers by `respond(key, ...)`. Its Via is stamped."""

    key: AnyServerKey
    request: Request
    flow: Flow


class MergedRequest(NamedTuple):
    """A request that came before by another way: to be answered with 482 (RFC 3261 §8.2.2.2)."""

    key: AnyServerKey
    request: Request
    flow: Flow


class CancelReceived(NamedTuple):
    """A CANCEL, to be answered with 200, and what it cancels; or None, to be answered with 481 (RFC 3261 §9.2)."""

    key: AnyServerKey
    request: Request
    flow: Flow
    cancelled: AnyServerKey | None


class AckReceived(NamedTuple):
    """An ACK that is for the transaction user: one of a 2xx, or of nothing known here (RFC 6026 §8.7)."""

    request: Request
    flow: Flow


class Overloaded(NamedTuple):
    """A request that got no transaction, since there are too many: to be dropped, or answered without state."""

    request: Request
    flow: Flow


class ResponseReceived(NamedTuple):
    """A response to the request of a client transaction, never a retransmission, save that of a 2xx to an INVITE."""

    key: ClientKey
    response: Response
    flow: Flow


class StrayResponse(NamedTuple):
    """A response that belongs to no transaction, to be dropped (RFC 6026 §8.9). It may be worth a line in a trace.

    `why` is what is wrong with it.
    """

    response: Response
    flow: Flow
    why: str


class TransactionFailed(NamedTuple):
    """A transaction got no answer in time, or could not send. That ends a client transaction (RFC 3261 §17.1.4).

    A server transaction that could not send goes on (RFC 6026 §8.8): `reroute` gives its response another chance.
    """

    key: Key
    failure: TransportFailure


Terminated = ClientKey | ServerKey | LegacyKey
"""The transaction is gone: its key says so by itself, which each comes to, and means nothing any more."""

Effect = (
    Transmit
    | RequestReceived
    | MergedRequest
    | CancelReceived
    | AckReceived
    | Overloaded
    | ResponseReceived
    | StrayResponse
    | TransactionFailed
    | Terminated
    | TransitionTrace
)

new_effect = tuple.__new__
"""Makes an effect out of its class and a tuple of all its fields, in half the time that calling the class takes."""
