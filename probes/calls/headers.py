"""Which header fields a caller may add to an INVITE: none that the routing or the dialog depends on."""

from sipcore.errors import LocalError, quoted
from sipcore.grammar import is_token

MAX_NAME, MAX_VALUE = 255, 1024
"""Characters: more than any field that is set by hand has, and few enough that the INVITE stays a message."""
REFUSED = frozenset(
    {
        *("accept", "accept-encoding", "allow", "allow-events", "authorization", "call-id", "contact", "cseq", "event"),
        *("expires", "from", "max-forwards", "mime-version", "min-se", "p-asserted-identity", "privacy"),
        *("proxy-authorization", "proxy-require", "rack", "record-route", "refer-to", "referred-by", "replaces"),
        *("reply-to", "require", "route", "rseq", "session-expires", "supported", "to", "unsupported", "user-agent"),
        *("via", "subscription-state", "warning", "www-authenticate", "proxy-authenticate"),
    }
)
"""What the engine writes itself, or what has an option of its own; a second one would break the message."""
COMPACT = frozenset("abcdefijklmnorstuvxy")
"""The compact forms of header field names (RFC 3261 §7.3.3, and the registry of IANA)."""
_SECTION = "RFC 3261 §7.3.1"


def check_header(name: str, value: str) -> str:
    """Why a header field may not be added; empty for one that may."""
    lowered = name.lower()
    if not name or len(name) > MAX_NAME or not is_token(name):
        return f"{quoted(name[:32])} is no name of a header field, which is a token of {MAX_NAME} characters at most"
    if lowered in REFUSED or lowered in COMPACT or lowered.startswith("content-"):
        return f"{name} is written by the call itself"
    if len(value) > MAX_VALUE or not all(" " <= character <= "~" for character in value):
        return f"the value of {name} is not printable ASCII of {MAX_VALUE} characters at most"
    return ""


def require_header(name: str, value: str) -> None:
    """Raise LocalError for a header field that may not be added."""
    problem = check_header(name, value)
    if problem:
        raise LocalError(problem, section=_SECTION)
