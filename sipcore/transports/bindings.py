"""Keep-alives over UDP: Binding requests of STUN to whoever a flow leads to (RFC 5626 §4.4.2, RFC 8489 §6.2.1).

Pure: time and the transactions' numbers are arguments. A Binding request that comes in is answered, as an edge proxy
does (RFC 5626 §5.4, §8), so that the peer's way here stays open, too.
"""

from sipcore.errors import FailureReason, ParseError, TransportFailure
from sipcore.media.stun import (
    Attr,
    StunMessage,
    StunType,
    error_code,
    read_xor_address,
    unknown_attributes,
    xor_address,
)
from sipcore.resolve.target import Flow, SocketAddress

RTO = 0.5
"""Seconds until the first repetition (RFC 8489 §6.2.1)."""
REQUESTS = 7
"""How often a request is sent (RFC 8489 §6.2.1: Rc)."""
LAST_WAIT = 16
"""Of RTO, how long the last one is waited for (RFC 8489 §6.2.1: Rm)."""
MAX_FLOWS = 4096
"""Flows whose mapped addresses are remembered; the oldest one is forgotten for the next."""
_BAD_REQUEST_ATTRIBUTES = 420
_SECTION = "RFC 5626 §4.4.2"


class _Asked:
    """A request that waits for its answer."""

    __slots__ = ("data", "due", "flow", "sent")

    def __init__(self, flow: Flow, data: bytes, due: float) -> None:
        self.flow = flow
        self.data = data
        self.due = due
        self.sent = 1


class Bindings:
    """The keep-alives of one socket: what was asked, and at which address each flow's peer sees this side."""

    def __init__(self) -> None:
        """Begin with nothing asked."""
        self._asked: dict[bytes, _Asked] = {}
        self._mapped: dict[Flow, SocketAddress] = {}

    def ask(self, flow: Flow, transaction: bytes, now: float) -> bytes:
        """The request for a flow, to be sent now; `transaction` are 12 random bytes. Empty while one waits already."""
        if any(asked.flow == flow for asked in self._asked.values()):
            return b""
        data = StunMessage(StunType.REQUEST, transaction).encode()
        self._asked[transaction] = _Asked(flow, data, now + RTO)
        return data

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due."""
        return min((asked.due for asked in self._asked.values()), default=None)

    def handle_timeout(self, now: float) -> list[tuple[Flow, bytes | TransportFailure]]:
        """What is to be sent again by now, and which flows have failed."""
        happened: list[tuple[Flow, bytes | TransportFailure]] = []
        for transaction, asked in list(self._asked.items()):
            if asked.due > now:
                continue
            if asked.sent == REQUESTS:
                del self._asked[transaction]
                happened.append((asked.flow, self._failed(asked.flow, "answers no keep-alive")))
                continue
            wait = LAST_WAIT * RTO if asked.sent == REQUESTS - 1 else RTO * 2**asked.sent
            asked.sent, asked.due = asked.sent + 1, now + wait
            happened.append((asked.flow, asked.data))
        return happened

    def receive_untrusted(self, data: bytes, flow: Flow) -> bytes | tuple[Flow, TransportFailure] | None:
        """Take what may be STUN: gives an answer to send back, or a flow that has failed, or nothing."""
        try:
            message = StunMessage.parse(data)
        except ParseError:
            return None
        if message.type == StunType.REQUEST:
            return _answer(message, flow.remote)
        asked = self._asked.get(message.transaction)
        if asked is None or asked.flow.remote != flow.remote:
            return None
        if message.type == StunType.ERROR:
            del self._asked[message.transaction]
            return asked.flow, self._failed(asked.flow, "refuses the keep-alive")
        if message.type != StunType.SUCCESS:
            return None
        del self._asked[message.transaction]
        try:
            mapped = read_xor_address(message.get(Attr.XOR_MAPPED_ADDRESS) or b"", message.transaction)
        except ParseError:
            return None  # it is alive, and tells nothing of the way
        before = self._mapped.pop(asked.flow, mapped)
        if before != mapped:
            return asked.flow, self._failed(asked.flow, f"was reached from {before}, and now is from {mapped}")
        self._mapped[asked.flow] = mapped
        if len(self._mapped) > MAX_FLOWS:
            del self._mapped[next(iter(self._mapped))]
        return None

    def _failed(self, flow: Flow, what: str) -> TransportFailure:
        self._mapped.pop(flow, None)
        return TransportFailure(FailureReason.CLOSED, f"udp {flow.remote} {what}", section=_SECTION)


def _answer(request: StunMessage, remote: SocketAddress) -> bytes:
    unknown = unknown_attributes(request)
    if unknown:
        kinds = b"".join(kind.to_bytes(2, "big") for kind in unknown)
        refusal = (
            (Attr.ERROR_CODE, error_code(_BAD_REQUEST_ATTRIBUTES, "Unknown Attribute")),
            (Attr.UNKNOWN_ATTRIBUTES, kinds),
        )
        return StunMessage(StunType.ERROR, request.transaction, refusal).encode()
    mapped = ((Attr.XOR_MAPPED_ADDRESS, xor_address(remote, request.transaction)),)
    return StunMessage(StunType.SUCCESS, request.transaction, mapped).encode()
