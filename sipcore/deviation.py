"""Deviations: what peers get wrong and we read all the same, each by name and with the rule it breaks.

A parser function takes `notes`, a list that collects the deviations it tolerated. With `notes=None` there is nowhere
to record one, so nothing is tolerated: text from a caller is read strictly, text from a peer by name. Deviations feed
the fingerprint and the findings.
"""

from enum import Enum

from sipcore.errors import ParseError


class Deviation(Enum):
    """A tolerated fault: (RFC section that it breaks, what is wrong in one sentence)."""

    def __init__(self, section: str, text: str) -> None:
        self.section = section
        self.text = text

    # Lines and framing
    BARE_LF = ("RFC 3261 §7", "a line ends in LF instead of CRLF")
    NO_BLANK_LINE = ("RFC 3261 §7", "the blank line after the header fields is missing")
    NOT_UTF8 = ("RFC 3261 §7", "the header fields hold bytes that are not UTF-8")
    CONTROL_CHARACTER = ("RFC 3261 §25.1", "a header field holds a control character")
    TRAILING_OCTETS = ("RFC 3261 §18.3", "the datagram goes on after the body that Content-Length announces")
    WITHOUT_LENGTH = ("RFC 3261 §20.14", "a message on a stream has no Content-Length")
    DUPLICATE_HEADER = ("RFC 3261 §7.3.1", "a header field that may stand once stands twice, with the same value")

    # Start line
    SPACING_IN_START_LINE = ("RFC 3261 §7.1", "the start line's parts are not set apart by exactly one space")
    REASON_WITHOUT_SPACE = ("RFC 3261 §7.2", "no space follows the status code")
    VERSION_CASE = ("RFC 3261 §7.1", "the SIP version is not in upper case")
    OTHER_VERSION = ("RFC 3261 §7.1", "a response is of another SIP version than 2.0")
    BRACKETED_REQUEST_URI = ("RFC 3261 §25.1", "the Request-URI stands in angle brackets")
    HEADERS_IN_REQUEST_URI = ("RFC 3261 §19.1.1", "the Request-URI carries a header component")

    # URIs
    UNESCAPED_CHARACTER = ("RFC 3261 §25.1", "a URI holds a character that must be escaped")
    BAD_ESCAPE = ("RFC 3261 §25.1", "a percent sign is not followed by two hexadecimal digits")
    ODD_HOST = ("RFC 3261 §25.1", "a host is neither a host name nor an address")
    NO_PHONE_CONTEXT = ("RFC 3966 §5.1.5", "a local telephone number has no phone-context")
    SPACE_IN_URI = ("RFC 3261 §25.1", "white space stands within or around a URI")
    EMPTY_USER = ("RFC 3261 §25.1", "an at sign follows an empty user part")
    EXTRA_COLON_IN_ADDRESS = ("RFC 5118 §4.10", "an IPv6 address has a colon too many")
    PARAMETER_NOT_LEGAL_HERE = ("RFC 3261 §19.1.1", "a URI parameter or component stands where it is not allowed")

    # Addresses
    URI_WITHOUT_BRACKETS = ("RFC 3261 §20.10", "a URI with a comma, question mark or semicolon lacks angle brackets")
    DISPLAY_NAME_NEEDS_QUOTES = ("RFC 3261 §25.1", "a display name that is not made of tokens lacks quotes")

    # Parameters and values
    EMPTY_PARAMETER = ("RFC 3261 §25.1", "a semicolon is not followed by a parameter")
    EMPTY_PARAMETER_VALUE = ("RFC 3261 §25.1", "an equals sign is not followed by a value")
    ODD_PARAMETER = ("RFC 3261 §25.1", "a parameter holds a character that needs quotes or escaping")
    DUPLICATE_PARAMETER = ("RFC 3261 §7.3.1", "a parameter stands twice in one value")
    EMPTY_LIST_VALUE = ("RFC 3261 §7.3.1", "a comma has no value beside it")
    BRACKETED_ADDRESS_PARAMETER = ("RFC 5118 §4.5", "the received parameter has an IPv6 address in brackets")
    DATE_NOT_GMT = ("RFC 3261 §20.17", "a date is not in GMT")
    NO_MAGIC_COOKIE = ("RFC 3261 §8.1.1.7", "the branch does not begin with z9hG4bK")
    VIA_COMMENT = ("RFC 3261 §25.1", "a comment follows a Via, which RFC 2543 allowed")
    NO_BRANCH = ("RFC 3261 §8.1.1.7", "the topmost Via has no branch, or an empty one")
    NO_MAX_FORWARDS = ("RFC 3261 §8.1.1.6", "a request has no Max-Forwards")
    NO_TAG = ("RFC 3261 §8.1.1.3", "From has no tag")

    # Session descriptions
    SDP_BARE_LF = ("RFC 8866 §5", "a line of the session description ends in LF instead of CRLF")
    SDP_NO_FINAL_LINE_END = ("RFC 8866 §9", "the last line of the session description has no line end")
    SDP_TRAILING_BLANK_LINE = ("RFC 8866 §9", "blank lines follow the session description")
    SDP_NOT_UTF8 = ("RFC 8866 §5", "the session description holds bytes that are not UTF-8, and names no character set")
    SDP_SPACE_BEFORE_EQUALS = ("RFC 8866 §5", "white space stands before an equals sign in the session description")
    SDP_EXTRA_SPACE = ("RFC 8866 §5", "the subfields of a line are not set apart by exactly one space")
    SDP_LINE_ORDER = ("RFC 8866 §5", "the lines of the session description are out of order")
    SDP_EMPTY_LINE = ("RFC 8866 §9", "a line that must hold text is empty")
    SDP_NO_SESSION_NAME = ("RFC 8866 §5.3", "the session description has no s= line")
    SDP_NO_TIME = ("RFC 8866 §5.9", "the session description has no t= line")
    SDP_SHORT_TIME = ("RFC 8866 §9", "a time is neither 0 nor ten digits long")
    SDP_NO_CONNECTION = ("RFC 8866 §5.7", "neither the session nor a media description has a c= line")
    SDP_ADDRESS_FAMILY = ("RFC 8866 §5.7", "an address is not of the family that stands before it")
    SDP_UNICAST_SCOPE = ("RFC 8866 §5.7", "a unicast address has a TTL or a count behind a slash")
    SDP_MULTICAST_WITHOUT_TTL = ("RFC 8866 §5.7", "an IPv4 multicast address has no TTL")
    SDP_ORIGIN_USERNAME = ("RFC 8866 §5.2", "the user name in o= is empty or holds spaces")
    SDP_ORIGIN_NUMBER = ("RFC 3264 §5", "a number in o= does not fit into 64 bits with a sign")
    SDP_PORT = ("RFC 8866 §5.14", "a port in m= is above 65535, so that nothing can be sent there")
    SDP_KEY = ("RFC 8866 §5.12", "there is a k= line, which is obsolete and must not be used")
    SDP_NOT_TOKEN = ("RFC 8866 §9", "a name in a session description holds characters that are not allowed there")
    SDP_ATTRIBUTE_NAME = ("RFC 8866 §5.13", "an attribute's name is empty or not a token")
    SDP_ATTRIBUTE_VALUE = ("RFC 8866 §5.13", "an attribute's value is not what its definition allows")
    SDP_ATTRIBUTE_TWICE = ("RFC 8866 §6", "an attribute that may stand once stands twice in one section")
    SDP_NO_RTPMAP = ("RFC 8866 §6.6", "a dynamic payload type has no rtpmap attribute")

    # Media
    RTCP_WITHOUT_REPORT = ("RFC 3550 §6.1", "an RTCP datagram does not begin with a report")
    RTCP_TRAILING_OCTETS = ("RFC 3550 §6.1", "an RTCP datagram does not end where its last packet does")

    # Authentication
    AUTH_NEEDS_QUOTES = ("RFC 7616 §3.3", "an authentication parameter that must be quoted is not")
    AUTH_NEEDS_NO_QUOTES = ("RFC 7616 §3.3", "an authentication parameter that must not be quoted is")
    AUTH_NO_COMMA = ("RFC 3261 §25.1", "no comma stands between two authentication parameters")
    AUTH_PARAMETER_TWICE = ("RFC 7235 §2.1", "an authentication parameter stands twice, with the same value")
    AUTH_COMBINED = ("RFC 3261 §20.7", "several challenges or credentials share one header field")
    AUTH_CHALLENGE_LACKS = ("RFC 7616 §3.3", "a challenge lacks its realm or its nonce, or has no parameter at all")
    AUTH_CREDENTIALS_LACK = (
        "RFC 7616 §3.4",
        "credentials lack username, realm, nonce, uri or response, or any parameter",
    )
    AUTH_NONCE_COUNT = ("RFC 7616 §3.4", "a nonce count is not eight hexadecimal digits")
    AUTH_INFO_SCHEME = ("RFC 3261 §25.1", "Authentication-Info begins with a scheme")

    # Header values
    ODD_CALL_ID = ("RFC 3261 §25.1", "a Call-ID holds a character that is no part of a word")
    ODD_Q = ("RFC 3261 §25.1", "a q parameter is not a number from 0 to 1 with at most three decimals")
    ODD_SECONDS = ("RFC 3261 §20.10", "a parameter that counts seconds is not a number from 0 to 2**32 - 1")
    ODD_PARAMETER_VALUE = ("RFC 3261 §7.3.1", "a parameter's value is none that its header field defines")
    EXPIRY_TOO_LARGE = ("RFC 3261 §20.19", "a time in seconds is above 2**32 - 1")
    UNEXPECTED_PARAMETER = ("RFC 3325 §9.1", "a parameter follows a value that takes none")
    ADDRESS_WITHOUT_BRACKETS = ("RFC 3261 §25.1", "a URI lacks the angle brackets that its header field demands")
    NOT_A_URI = ("RFC 3261 §20.4", "something else stands where a URI in angle brackets belongs")
    MEDIA_PARAMETER_WITHOUT_VALUE = ("RFC 3261 §25.1", "a parameter of a media type has no value")
    ODD_DATE = ("RFC 3261 §20.17", "a date is not written in the form of RFC 1123")
    WRONG_WEEKDAY = ("RFC 3261 §20.17", "a date's weekday is not the one of that day")
    UNQUOTED_WARNING = ("RFC 3261 §20.43", "the text of a warning is not in quotes")
    RSEQ_ZERO = ("RFC 3262 §7.1", "RSeq is 0, which is below its range")
    PRIVACY_SEPARATOR = ("RFC 3323 §4.2", "privacy values are not set apart by exactly one semicolon")
    FEATURES_WITHOUT_STAR = ("RFC 3841 §10", "a set of features does not begin with an asterisk")
    NO_DIALOG_TAGS = ("RFC 3891 §6.1", "a reference to a dialog lacks one of its tags")
    NO_HISTORY_INDEX = ("RFC 7044 §5", "an entry of the history has no index")
    UPPER_CASE_SESSION_ID = ("RFC 7989 §5", "a session identifier is not in lower case")
    IDENTITY_WITHOUT_INFO = ("RFC 8224 §4", "an identity does not say where its certificate is, as in RFC 4474")


Notes = list[Deviation]
"""Collects the deviations that a parser function tolerated, in the order in which they were met."""


def tolerate(notes: Notes | None, deviation: Deviation, text: str = "", offset: int = 0) -> None:
    """Record `deviation`, or raise it as a ParseError where there is nowhere to record it."""
    if notes is None:
        raise ParseError(deviation.text, section=deviation.section, text=text, offset=offset)
    notes.append(deviation)
