"""What a REFER sets going: the notifications about the request that it asks for. RFC 3515 §2.4, RFC 4488."""

from sipcore.errors import ParseError
from sipcore.message.message import Request
from sipcore.message.registry import EVENT, SUBSCRIPTION_STATE
from sipcore.message.status import reason_for

REFER_EVENT = "refer"
SIPFRAG = "message/sipfrag"
"""The media type of a part of a SIP message (RFC 3420)."""
ACTIVE_SECONDS = 60
"""How long the subscription of a REFER lasts unless the matter is over before (RFC 3515 §2.4.4 leaves it open)."""


def is_refer_notification(request: Request) -> bool:
    """Whether a NOTIFY tells of a REFER (RFC 3515 §2.4.4)."""
    event = request[EVENT]
    return event is not None and event.package == REFER_EVENT


def told_status(notification: Request) -> int | None:
    """The status of the referred request, as the body's first line says; None where it says nothing of the kind."""
    words = notification.body[:64].split(None, 2)
    if len(words) < 2 or words[0].upper() != b"SIP/2.0" or not words[1].isdigit() or len(words[1]) != 3:
        return None
    return int(words[1])


def is_last(notification: Request) -> bool:
    """Whether no notification follows (RFC 6665 §4.1.3)."""
    try:
        state = notification[SUBSCRIPTION_STATE]
    except ParseError:
        return False
    return state is not None and state.is_terminated


def notification(status: int) -> tuple[list[tuple[str, object]], bytes]:
    """The header fields and the body of the NOTIFY that tells a status; a final one is the last (RFC 3515 §2.4.5)."""
    state = f"active;expires={ACTIVE_SECONDS}" if status < 200 else "terminated;reason=noresource"
    fields: list[tuple[str, object]] = [("Event", REFER_EVENT), ("Subscription-State", state)]
    return fields, f"SIP/2.0 {status} {reason_for(status)}\r\n".encode()
