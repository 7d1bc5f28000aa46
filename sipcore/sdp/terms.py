"""The words of session descriptions that a call knows which reads none: what the body is, and which way media flows."""

from enum import Enum

SDP = "application/sdp"
"""The media type of a session description (RFC 8866 §8.1)."""


class Direction(Enum):
    """Which way media flows, seen from the side that sends the description (RFC 8866 §6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        """Whether the side that said so sends media."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        """Whether the side that said so wants to receive media."""
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @property
    def reversed(self) -> "Direction":
        """The same flow, seen from the other side (RFC 3264 §6.1)."""
        return _REVERSED.get(self, self)


_REVERSED = {Direction.SENDONLY: Direction.RECVONLY, Direction.RECVONLY: Direction.SENDONLY}
