"""Where this project knowingly differs from a label, each with the sentence that backs it.

The labels come from other stacks' tests. Most differences are one rule that many cases touch, so the tables are by
rule: what this project says about the case, and the RFC that says so.
"""

import re

from sipcore.deviation import Deviation

LABELLED_ACCEPT: tuple[tuple[str, str], ...] = (
    (r"version SIP/", "RFC 4475 §3.1.2.16: a request of a higher version is malformed; the element should answer 505"),
    (
        r"Content-Length is not a number",
        "RFC 4475 §3.1.2.3: a Content-Length without a numeric value is answered with an error",
    ),
    (r"stands more than once, with different values", "RFC 4475 §3.3.8: multiple single values are answered with 400"),
    (
        r"not a header field",
        "RFC 3261 §25.1: a header field is a token, then HCOLON, which allows no line break before the colon",
    ),
    (r"^a NUL", "RFC 3261 §25.1: qdtext begins at %x21; NUL stands in a quoted string only behind a backslash"),
    (
        r"^From: something other than a parameter follows at .*: ', <",
        "RFC 3261 §20.20: From is one address; §7.3.1 allows the comma for lists alone",
    ),
    (
        r"^Contact: something other than a parameter follows",
        "RFC 3261 §25.1: contact-param is an address and *(SEMI contact-params): a parameter begins with a semicolon",
    ),
    (
        r"^Contact: no URI scheme at .*: 'foo=1'",
        "RFC 3261 §7.3.1: a comma outside of quotes and brackets begins the next Contact, which is no URI here",
    ),
    (r"the sequence number is above", "RFC 3261 §8.1.1.5: the sequence number MUST be less than 2**31"),
    (
        r"neither a host name nor an address",
        "RFC 3261 §25.1: a host is a hostname or an address, and by §19.1.2 holds no escapes; an at sign ends no host",
    ),
    (r"not a parameter at .*: 'foo>=1'", "RFC 3261 §25.1: paramchar has no angle bracket"),
    (r"not a telephone number", "RFC 3966 §3: local-number-digits are HEXDIG, * and #; a plus begins a global number"),
    (r"^Date: not a date at .*: ''", "RFC 3261 §25.1: SIP-date is an rfc1123-date; nothing is none"),
    (r"^Accept: not a media type", "RFC 3261 §25.1: media-range is m-type SLASH m-subtype"),
    (r"^Content-Type: not a media type", "RFC 3261 §25.1: Content-Type is one media-type, not a list"),
)
"""What refuses cases that are labelled accept: a pattern of our error, and who agrees with it."""

LABELLED_REJECT: dict[Deviation, str] = {
    Deviation.BRACKETED_REQUEST_URI: "RFC 4475 §3.1.2.7: a liberal element may choose to ignore the brackets",
    Deviation.HEADERS_IN_REQUEST_URI: "RFC 4475 §3.1.2.11: an element could be liberal and ignore the escaped headers",
    Deviation.SPACING_IN_START_LINE: "RFC 4475 §3.1.2.9: a liberal element may ignore these extra SP characters",
    Deviation.SPACE_IN_URI: "RFC 4475 §3.1.2.14: elements attempting to be liberal may ignore the spaces",
    Deviation.DATE_NOT_GMT: "RFC 4475 §3.1.2.12: a liberal element could ignore this value, or adjust it to GMT",
    Deviation.URI_WITHOUT_BRACKETS: "RFC 4475 §3.1.2.13: a liberal element could infer the angle brackets",
    Deviation.DISPLAY_NAME_NEEDS_QUOTES: "RFC 4475 §3.1.2.15: an element may be liberal and infer the missing quotes",
    Deviation.REASON_WITHOUT_SPACE: "RFC 4475 §3.1.1.13: a liberal receiver would accept it anyway",
}
"""What is accepted by name although the label says reject: the deviation, and who allows it."""

BY_CASE: dict[str, str] = dict.fromkeys(
    ("message-2c00e21e16511d", "message-f913453ee380c7"),
    "RFC 4475 §3.3.2: a parser must accept an unknown URI scheme as well formed; 416 is the answer to it",
)
"""What fits into neither: case and sentence."""


def sentence_for(case: str, error: str | None, noted: set[Deviation]) -> str | None:
    """The sentence that backs our verdict on a case, None where there is none."""
    if case in BY_CASE:
        return BY_CASE[case]
    if error is not None:
        return next((sentence for pattern, sentence in LABELLED_ACCEPT if re.search(pattern, error)), None)
    return next((sentence for deviation, sentence in LABELLED_REJECT.items() if deviation in noted), None)
