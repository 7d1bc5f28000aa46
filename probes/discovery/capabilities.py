"""What an answer to OPTIONS says the endpoint can do: methods and codecs. RFC 3261 §11.2."""

from sipcore.errors import ParseError
from sipcore.message.message import Response
from sipcore.message.registry import ALLOW, CONTENT_TYPE
from sipcore.sdp.attributes import Codec
from sipcore.sdp.description import SessionDescription

MAX_NAMED = 64
"""Methods or codecs that are told: all that are registered fit, what a hostile peer makes up does not."""


def methods_of(response: Response) -> tuple[str, ...]:
    """The methods of Allow, in its order; none where it is missing or cannot be read."""
    try:
        return tuple(dict.fromkeys(response[ALLOW]))[:MAX_NAMED]
    except ParseError:
        return ()


def codecs_of(response: Response) -> tuple[str, ...]:
    """The codecs of the session description that came with it, as `PCMU/8000`; none without one that can be read."""
    try:
        kind = response[CONTENT_TYPE]
        if kind is None or kind.essence != "application/sdp":
            return ()
        description = SessionDescription.parse(response.body, [])
        # RFC 3261 §11.2 has the peer describe what it can do, so that a port of 0 refuses nothing here.
        named = [_name(codec) for media in description.media for codec in media.codecs]
    except ParseError:
        return ()
    return tuple(dict.fromkeys(named))[:MAX_NAMED]


def _name(codec: Codec) -> str:
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    return f"{codec.encoding}/{codec.clock_rate}{channels}"
