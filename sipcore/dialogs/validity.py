"""How long an invitation holds: the Expires of an INVITE, whose time both sides watch (RFC 3261 §13.2.1, §13.3.1)."""

from sipcore.errors import ParseError
from sipcore.message.message import Request
from sipcore.message.registry import EXPIRES
from sipcore.transactions.timers import NEVER


def valid_until(invite: Request, now: float) -> float:
    """When an INVITE expires that goes out or comes in now; NEVER without Expires, or where that cannot be read."""
    if "Expires" not in invite.headers:
        return NEVER
    try:
        seconds = invite[EXPIRES]
    except ParseError:
        return NEVER
    return NEVER if seconds is None else now + seconds
