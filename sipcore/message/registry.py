"""What is known about each header field, one row each: name, compact form, single or list, codec, RFC section.

`message[VIA]` gives a tuple of `Via`, `message[MAX_FORWARDS]` an `int` or None: the row's type says which.
"""

from collections.abc import Callable
from typing import ClassVar, Generic, TypeVar

from sipcore.deviation import Notes
from sipcore.grammar import is_token
from sipcore.message.address import Address
from sipcore.message.fields.addresses import parse_lone_address, parse_name_addr, parse_route
from sipcore.message.fields.challenge import AuthenticationInfo, Challenge, Credentials
from sipcore.message.fields.contact import parse_contact
from sipcore.message.fields.date import Date
from sipcore.message.fields.dialog_reference import Replaces, TargetDialog
from sipcore.message.fields.diversion import Diversion, HistoryInfo
from sipcore.message.fields.event import Event, ReferSub, SubscriptionState
from sipcore.message.fields.identity import Identity, Privacy, RemoteParty
from sipcore.message.fields.ims import AccessNetworkInfo, ChargingFunctions, ChargingVector, VisitedNetwork
from sipcore.message.fields.media_type import Disposition, MediaType, parse_media_range
from sipcore.message.fields.parameterized import Keyword
from sipcore.message.fields.preference import (
    FeatureSet,
    Preference,
    ResourcePriority,
    parse_language,
    parse_language_range,
)
from sipcore.message.fields.reason import Reason, WarningValue
from sipcore.message.fields.reference import Reference
from sipcore.message.fields.session import SessionId, UserToUser
from sipcore.message.fields.simple import (
    CSeq,
    RAck,
    parse_breadth,
    parse_call_id,
    parse_event_type,
    parse_hexadecimal,
    parse_length,
    parse_max_forwards,
    parse_message_id,
    parse_mime_version,
    parse_rseq,
    parse_seconds,
    parse_text,
    parse_token,
    parse_urn,
)
from sipcore.message.fields.timing import MinSE, RetryAfter, SessionExpires, Timestamp
from sipcore.message.fields.via import Via

T_co = TypeVar("T_co", covariant=True)
Codec = Callable[[str, Notes | None], T_co]


class Row(Generic[T_co]):
    """What is known about one header field. `key` is its name in lower case, `absent` what a message without it has."""

    __slots__ = ("codec", "compact", "key", "name", "section")
    absent: ClassVar[object] = ()

    def __init__(self, name: str, codec: Codec[T_co], section: str, compact: str = "") -> None:
        self.name = name
        self.key = name.lower()
        self.codec = codec
        self.section = section
        self.compact = compact

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


class Single(Row[T_co]):
    """A header field that stands at most once and has one value (RFC 3261 §7.3.1)."""

    __slots__ = ()
    absent = None


class Listed(Row[T_co]):
    """A header field that may stand several times, or hold several values set apart by commas (RFC 3261 §7.3.1).

    `empty` tells whether no value at all is legal, as in `Supported:`.
    """

    __slots__ = ("empty",)

    def __init__(self, name: str, codec: Codec[T_co], section: str, compact: str = "", *, empty: bool = False) -> None:
        super().__init__(name, codec, section, compact)
        self.empty = empty


class Repeated(Row[T_co]):
    """A header field that may stand several times, one value each: its own grammar uses commas (§20.7, §20.44)."""

    __slots__ = ()


# RFC 3261 §20
ACCEPT = Listed("Accept", parse_media_range, "RFC 3261 §20.1", empty=True)
ACCEPT_ENCODING = Listed("Accept-Encoding", Preference.parse, "RFC 3261 §20.2", empty=True)
ACCEPT_LANGUAGE = Listed("Accept-Language", parse_language_range, "RFC 3261 §20.3", empty=True)
ALERT_INFO = Listed("Alert-Info", Reference.parse, "RFC 3261 §20.4")
ALLOW = Listed("Allow", parse_token, "RFC 3261 §20.5", empty=True)
AUTHENTICATION_INFO = Single("Authentication-Info", AuthenticationInfo.parse, "RFC 3261 §20.6")
AUTHORIZATION = Repeated("Authorization", Credentials.parse, "RFC 3261 §20.7")
CALL_ID = Single("Call-ID", parse_call_id, "RFC 3261 §20.8", "i")
CALL_INFO = Listed("Call-Info", Reference.parse, "RFC 3261 §20.9")
CONTACT = Listed("Contact", parse_contact, "RFC 3261 §20.10", "m")
CONTENT_DISPOSITION = Single("Content-Disposition", Disposition.parse, "RFC 3261 §20.11")
CONTENT_ENCODING = Listed("Content-Encoding", parse_token, "RFC 3261 §20.12", "e")
CONTENT_LANGUAGE = Listed("Content-Language", parse_language, "RFC 3261 §20.13")
CONTENT_LENGTH = Single("Content-Length", parse_length, "RFC 3261 §20.14", "l")
CONTENT_TYPE = Single("Content-Type", MediaType.parse, "RFC 3261 §20.15", "c")
CSEQ = Single("CSeq", CSeq.parse, "RFC 3261 §20.16")
DATE = Single("Date", Date.parse, "RFC 3261 §20.17")
ERROR_INFO = Listed("Error-Info", Reference.parse, "RFC 3261 §20.18")
EXPIRES = Single("Expires", parse_seconds, "RFC 3261 §20.19")
FROM = Single("From", Address.parse, "RFC 3261 §20.20", "f")
IN_REPLY_TO = Listed("In-Reply-To", parse_call_id, "RFC 3261 §20.21")
MAX_FORWARDS = Single("Max-Forwards", parse_max_forwards, "RFC 3261 §20.22")
MIN_EXPIRES = Single("Min-Expires", parse_seconds, "RFC 3261 §20.23")
MIME_VERSION = Single("MIME-Version", parse_mime_version, "RFC 3261 §20.24")
ORGANIZATION = Single("Organization", parse_text, "RFC 3261 §20.25")
PRIORITY = Single("Priority", parse_token, "RFC 3261 §20.26")
PROXY_AUTHENTICATE = Repeated("Proxy-Authenticate", Challenge.parse, "RFC 3261 §20.27")
PROXY_AUTHENTICATION_INFO = Single("Proxy-Authentication-Info", AuthenticationInfo.parse, "RFC 7615 §4")
PROXY_AUTHORIZATION = Repeated("Proxy-Authorization", Credentials.parse, "RFC 3261 §20.28")
PROXY_REQUIRE = Listed("Proxy-Require", parse_token, "RFC 3261 §20.29")
RECORD_ROUTE = Listed("Record-Route", parse_route, "RFC 3261 §20.30")
REPLY_TO = Single("Reply-To", Address.parse, "RFC 3261 §20.31")
REQUIRE = Listed("Require", parse_token, "RFC 3261 §20.32")
RETRY_AFTER = Single("Retry-After", RetryAfter.parse, "RFC 3261 §20.33")
ROUTE = Listed("Route", parse_route, "RFC 3261 §20.34")
SERVER = Single("Server", parse_text, "RFC 3261 §20.35")
SUBJECT = Single("Subject", parse_text, "RFC 3261 §20.36", "s")
SUPPORTED = Listed("Supported", parse_token, "RFC 3261 §20.37", "k", empty=True)
TIMESTAMP = Single("Timestamp", Timestamp.parse, "RFC 3261 §20.38")
TO = Single("To", Address.parse, "RFC 3261 §20.39", "t")
UNSUPPORTED = Listed("Unsupported", parse_token, "RFC 3261 §20.40")
USER_AGENT = Single("User-Agent", parse_text, "RFC 3261 §20.41")
VIA = Listed("Via", Via.parse, "RFC 3261 §20.42", "v")
WARNING = Listed("Warning", WarningValue.parse, "RFC 3261 §20.43")
WWW_AUTHENTICATE = Repeated("WWW-Authenticate", Challenge.parse, "RFC 3261 §20.44")

# RFC 3262, reliable provisional responses
RACK = Single("RAck", RAck.parse, "RFC 3262 §7.2")
RSEQ = Single("RSeq", parse_rseq, "RFC 3262 §7.1")

# RFC 3313, RFC 3323, RFC 3325 to 3327, RFC 3329: trust, privacy, reasons, paths
P_MEDIA_AUTHORIZATION = Listed("P-Media-Authorization", parse_hexadecimal, "RFC 3313 §5")
PRIVACY = Single("Privacy", Privacy.parse, "RFC 3323 §4.2")
P_ASSERTED_IDENTITY = Listed("P-Asserted-Identity", parse_lone_address, "RFC 3325 §9.1")
P_PREFERRED_IDENTITY = Listed("P-Preferred-Identity", parse_lone_address, "RFC 3325 §9.2")
REASON = Listed("Reason", Reason.parse, "RFC 3326 §2")
PATH = Listed("Path", parse_route, "RFC 3327 §4")
SECURITY_CLIENT = Listed("Security-Client", Preference.parse, "RFC 3329 §2.2")
SECURITY_SERVER = Listed("Security-Server", Preference.parse, "RFC 3329 §2.2")
SECURITY_VERIFY = Listed("Security-Verify", Preference.parse, "RFC 3329 §2.2")

# RFC 3515, RFC 3891, RFC 3892, RFC 3911, RFC 4488, RFC 4538, RFC 7614: transfer
REFER_TO = Single("Refer-To", Address.parse, "RFC 3515 §2.1", "r")
REPLACES = Single("Replaces", Replaces.parse, "RFC 3891 §6.1")
REFERRED_BY = Single("Referred-By", Address.parse, "RFC 3892 §3", "b")
JOIN = Single("Join", Replaces.parse, "RFC 3911 §7.1")
REFER_SUB = Single("Refer-Sub", ReferSub.parse, "RFC 4488 §4")
TARGET_DIALOG = Single("Target-Dialog", TargetDialog.parse, "RFC 4538 §7")
REFER_EVENTS_AT = Single("Refer-Events-At", Reference.parse, "RFC 7614 §6")

# RFC 3608, RFC 5626: registration
SERVICE_ROUTE = Listed("Service-Route", parse_route, "RFC 3608 §5")
FLOW_TIMER = Single("Flow-Timer", parse_seconds, "RFC 5626 §10")

# RFC 3841, RFC 4412, RFC 5373, RFC 6809: preferences
ACCEPT_CONTACT = Listed("Accept-Contact", FeatureSet.parse, "RFC 3841 §9.2", "a")
REJECT_CONTACT = Listed("Reject-Contact", FeatureSet.parse, "RFC 3841 §9.2", "j")
REQUEST_DISPOSITION = Listed("Request-Disposition", parse_token, "RFC 3841 §9.1", "d")
ACCEPT_RESOURCE_PRIORITY = Listed("Accept-Resource-Priority", ResourcePriority.parse, "RFC 4412 §3.2", empty=True)
RESOURCE_PRIORITY = Listed("Resource-Priority", ResourcePriority.parse, "RFC 4412 §3.1")
ANSWER_MODE = Single("Answer-Mode", Keyword.parse, "RFC 5373 §4")
PRIV_ANSWER_MODE = Single("Priv-Answer-Mode", Keyword.parse, "RFC 5373 §4")
FEATURE_CAPS = Listed("Feature-Caps", FeatureSet.parse, "RFC 6809 §6.2")

# RFC 3903, RFC 5839, RFC 6086, RFC 6665: events
SIP_ETAG = Single("SIP-ETag", parse_token, "RFC 3903 §11.3.1")
SIP_IF_MATCH = Single("SIP-If-Match", parse_token, "RFC 3903 §11.3.2")
SUPPRESS_IF_MATCH = Single("Suppress-If-Match", parse_token, "RFC 5839 §7.2")
INFO_PACKAGE = Single("Info-Package", Keyword.parse, "RFC 6086 §7.2")
RECV_INFO = Listed("Recv-Info", Keyword.parse, "RFC 6086 §7.3", empty=True)
ALLOW_EVENTS = Listed("Allow-Events", parse_event_type, "RFC 6665 §8.2.2", "u")
EVENT = Single("Event", Event.parse, "RFC 6665 §8.2.1", "o")
SUBSCRIPTION_STATE = Single("Subscription-State", SubscriptionState.parse, "RFC 6665 §8.2.3")

# RFC 4028, RFC 5393, RFC 7433, RFC 7989: sessions
MIN_SE = Single("Min-SE", MinSE.parse, "RFC 4028 §5")
SESSION_EXPIRES = Single("Session-Expires", SessionExpires.parse, "RFC 4028 §4", "x")
MAX_BREADTH = Single("Max-Breadth", parse_breadth, "RFC 5393 §5.3.1")
USER_TO_USER = Listed("User-to-User", UserToUser.parse, "RFC 7433 §4.1")
SESSION_ID = Single("Session-ID", SessionId.parse, "RFC 7989 §5")

# RFC 4474, RFC 5806, RFC 7044, RFC 8224, RFC 8496: who called whom
REMOTE_PARTY_ID = Listed("Remote-Party-ID", RemoteParty.parse, "draft-ietf-sip-privacy-04 §5")
IDENTITY_INFO = Single("Identity-Info", Reference.parse, "RFC 4474 §9", "n")
DIVERSION = Listed("Diversion", Diversion.parse, "RFC 5806 §4")
HISTORY_INFO = Listed("History-Info", HistoryInfo.parse, "RFC 7044 §5")
IDENTITY = Listed("Identity", Identity.parse, "RFC 8224 §4", "y")
P_CHARGE_INFO = Single("P-Charge-Info", parse_lone_address, "RFC 8496 §6")

# RFC 6442, RFC 8262: where, and which part of the body
GEOLOCATION = Listed("Geolocation", Reference.parse, "RFC 6442 §4.1")
GEOLOCATION_ROUTING = Single("Geolocation-Routing", Keyword.parse, "RFC 6442 §4.2")
GEOLOCATION_ERROR = Single("Geolocation-Error", Keyword.parse, "RFC 6442 §4.4")
CONTENT_ID = Single("Content-ID", parse_message_id, "RFC 8262 §3.2")

# RFC 4457, RFC 4964, RFC 5002, RFC 5009, RFC 5318, RFC 5502, RFC 6050, RFC 7315: networks of the 3GPP and others
P_USER_DATABASE = Single("P-User-Database", Reference.parse, "RFC 4457 §4")
P_ANSWER_STATE = Single("P-Answer-State", Keyword.parse, "RFC 4964 §7.1")
P_PROFILE_KEY = Single("P-Profile-Key", Address.parse, "RFC 5002 §5")
P_EARLY_MEDIA = Listed("P-Early-Media", parse_token, "RFC 5009 §8", empty=True)
P_REFUSED_URI_LIST = Listed("P-Refused-URI-List", Address.parse, "RFC 5318 §5")
P_SERVED_USER = Single("P-Served-User", Address.parse, "RFC 5502 §6")
P_ASSERTED_SERVICE = Listed("P-Asserted-Service", parse_urn, "RFC 6050 §4.1")
P_PREFERRED_SERVICE = Listed("P-Preferred-Service", parse_urn, "RFC 6050 §4.2")
P_ACCESS_NETWORK_INFO = Listed("P-Access-Network-Info", AccessNetworkInfo.parse, "RFC 7315 §5.4")
P_ASSOCIATED_URI = Listed("P-Associated-URI", parse_name_addr, "RFC 7315 §5.1", empty=True)
P_CALLED_PARTY_ID = Single("P-Called-Party-ID", parse_name_addr, "RFC 7315 §5.2")
P_CHARGING_FUNCTION_ADDRESSES = Listed("P-Charging-Function-Addresses", ChargingFunctions.parse, "RFC 7315 §5.5")
P_CHARGING_VECTOR = Single("P-Charging-Vector", ChargingVector.parse, "RFC 7315 §5.6")
P_VISITED_NETWORK_ID = Listed("P-Visited-Network-ID", VisitedNetwork.parse, "RFC 7315 §5.3")

ROWS: dict[str, Row[object]] = {row.key: row for row in list(globals().values()) if isinstance(row, Row)}
"""Every row by its key."""

KNOWN_NAMES: dict[str, str] = {
    spelling: row.key
    for row in ROWS.values()
    for name in (row.name, row.compact)
    if name
    for spelling in (name, name.lower(), name.upper())
}
"""Key by name, for the spellings that are met: as in the RFC, all lower, all upper, and the compact form."""


def key_of(name: str) -> str:
    """The key of a header field's name as written: lower case, compact form spelled out, space after it dropped.

    Gives "" for what is not a token and so cannot be a header field's name.
    """
    known = KNOWN_NAMES.get(name)
    if known is not None:
        return known
    stripped = name.rstrip(" \t")  # RFC 3261 §25.1 HCOLON allows white space before the colon
    if not is_token(stripped):
        return ""
    lower = stripped.lower()
    return KNOWN_NAMES.get(lower, lower)
