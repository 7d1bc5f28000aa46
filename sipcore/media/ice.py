"""An ICE-lite agent: answers the checks of a peer that does ICE, and makes none itself. RFC 8445 §2.5, §7.3."""

import dataclasses
import struct
from enum import Enum

from sipcore.errors import ParseError
from sipcore.media.stun import Attr, StunMessage, StunType, error_code, unknown_attributes, xor_address
from sipcore.resolve.target import SocketAddress
from sipcore.tokens import Tokens
from sipcore.value import value

UFRAG_LENGTH, PASSWORD_LENGTH = 8, 24
"""RFC 8445 §5.3 asks for 24 random bits, four characters, and 128 bits, 22 characters."""


@value
class IceCredentials:
    """What a side's `ice-ufrag` and `ice-pwd` say (RFC 8839 §5.4). The password stays out of the repr."""

    ufrag: str
    password: str = dataclasses.field(repr=False)


def new_credentials(tokens: Tokens) -> IceCredentials:
    """Credentials for one session: 32 and 128 random bits."""
    return IceCredentials(tokens.tag()[:UFRAG_LENGTH], tokens.call_id())


class CheckOutcome(Enum):
    """What a check came to."""

    ANSWERED = "answered"
    NOMINATED = "nominated"
    """The peer will send here from where this check came (RFC 8445 §7.3.1.5)."""
    REFUSED = "refused"
    IGNORED = "ignored"


@value
class CheckAnswer:
    """What to send back, if anything, and what the check came to."""

    outcome: CheckOutcome
    data: bytes = b""


class LiteAgent:
    """Answers connectivity checks for one data stream."""

    def __init__(self, credentials: IceCredentials) -> None:
        self.credentials = credentials

    def answer_untrusted(self, data: bytes, remote: SocketAddress) -> CheckAnswer:
        """The answer to a STUN datagram (RFC 8489 §6.3.1, §9.1.3; RFC 8445 §7.3)."""
        try:
            message = StunMessage.parse(data)
        except ParseError:
            return CheckAnswer(CheckOutcome.IGNORED)
        if message.type != StunType.REQUEST:  # an indication is a keep-alive; no request was sent to be answered
            return CheckAnswer(CheckOutcome.IGNORED)
        username = message.get(Attr.USERNAME)
        if username is None or not message.integrity:
            return _refuse(message, 400, "Bad Request", None)
        if username.partition(b":")[0] != self.credentials.ufrag.encode():
            return _refuse(message, 401, "Unauthenticated", None)
        if not message.is_from(self.credentials.password):
            return _refuse(message, 401, "Unauthenticated", None)
        return self._answer(message, remote)

    def _answer(self, message: StunMessage, remote: SocketAddress) -> CheckAnswer:
        password = self.credentials.password
        unknown = unknown_attributes(message)
        if unknown:
            names = struct.pack(f"!{len(unknown)}H", *unknown)
            return _refuse(message, 420, "Unknown Attribute", password, (Attr.UNKNOWN_ATTRIBUTES, names))
        if message.get(Attr.ICE_CONTROLLED) is not None:
            # RFC 8445 §6.1.1: a lite agent is controlled, so that its peer cannot be.
            return _refuse(message, 487, "Role Conflict", password)
        address = xor_address(remote, message.transaction)
        reply = StunMessage(StunType.SUCCESS, message.transaction, ((Attr.XOR_MAPPED_ADDRESS, address),))
        nominated = message.get(Attr.USE_CANDIDATE) is not None
        return CheckAnswer(CheckOutcome.NOMINATED if nominated else CheckOutcome.ANSWERED, reply.encode(password))


def _refuse(
    message: StunMessage, status: int, reason: str, password: str | None, *more: tuple[int, bytes]
) -> CheckAnswer:
    attributes = ((Attr.ERROR_CODE, error_code(status, reason)), *more)
    reply = StunMessage(StunType.ERROR, message.transaction, attributes)
    return CheckAnswer(CheckOutcome.REFUSED, reply.encode(password))
