"""Where a text goes wrong that should name a destination, for messages that point there.

`probes.destination` reads such texts; here is what it looks for in one that it cannot read.
"""

import re

FOREIGN_SCHEMES = {
    **dict.fromkeys(("http", "https"), "web pages"),
    **dict.fromkeys(("ftp", "file"), "files"),
    **dict.fromkeys(("stun", "stuns", "turn", "turns"), "finding a way through NAT"),
    **dict.fromkeys(("rtp", "rtsp", "rtsps"), "media"),
    **dict.fromkeys(("iax", "iax2"), "IAX"),
    **dict.fromkeys(("skype", "callto", "msteams", "facetime"), "the calls of one program"),
    "h323": "H.323",
    "im": "instant messages",
    "mailto": "mail",
    "pres": "presence",
    "xmpp": "XMPP",
}
"""Schemes that people paste, by what they are for. Any other word before a colon may be a user, or a host."""
foreign_scheme = re.compile(rf"({'|'.join(FOREIGN_SCHEMES)}):(?!\d++(?:;|$))(?://)?", re.IGNORECASE).match
"""Such a scheme, but for a host of that name with a port."""
_odd_in_host = re.compile(r"[^A-Za-z0-9._:\[\]\-]|\.(?=\.)|(?:^|(?<=\.))-|-(?=\.|$)").search
_odd_in_ipv6 = re.compile(r"[^0-9A-Fa-f:.]").search
_odd_in_port = re.compile(r"[^0-9]").search
_odd_in_escape = re.compile(r"%(?![0-9A-Fa-f]{2})").search
_odd = re.compile(r"[\s<>\"@\\^`{|}]|[^ -~]").search
"""What can stand in no host, port or escape, and nowhere in a URI as it is: where a text that cannot be read goes
wrong."""
_octets = re.compile(r"[0-9]++(?>(?:\.[0-9]++)*)(?=\.?(?:[:;?]|$))").match
"""What begins like an IPv4 address and is all of a host: a name's last label begins with a letter (RFC 1123 §2.1)."""
_is_octet = re.compile(r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])").fullmatch


def find(text: str, part: str) -> int:
    """Where a part stands in what was given, in whatever case."""
    return max(text.lower().find(part.lower()), 0)


def find_last(text: str, part: str) -> int:
    """Where a part stands last: a parameter comes behind whatever else may be spelt like it."""
    return max(text.lower().rfind(part.lower()), 0)


def fault_in(wrong: str, message: str) -> tuple[int, str]:
    """How far into a text that cannot be read it goes wrong, and what about it; "" for what the message says."""
    if "port" in message:
        odd = _odd_in_port(wrong) if not message.endswith("65535") else None
    elif "IPv6" in message:
        return _fault_in_ipv6(wrong)
    elif "host" in message:
        octets = _octets(wrong)
        if octets:
            return _fault_in_ipv4(octets[0])
        odd = _odd_in_host(wrong)
    else:
        odd = (_odd_in_escape if "percent" in message else _odd)(wrong)
    return (odd.start() if odd else 0), ""


def _fault_in_ipv4(numbers: str) -> tuple[int, str]:
    offset = 0
    for count, number in enumerate(numbers.split(".")):
        if count == 4 or not _is_octet(number):
            break
        offset += len(number) + 1
    return min(offset, len(numbers)), "an IPv4 address has four numbers from 0 to 255"


def _fault_in_ipv6(reference: str) -> tuple[int, str]:
    end = reference.find("]")
    if not reference.startswith("[") or end < 0:
        return len(reference), "the bracket is not closed"
    odd = _odd_in_ipv6(reference, 1, end)
    if odd:
        return odd.start(), "it has hexadecimal digits and colons"
    return (end + 1, "only a port may follow the bracket") if reference[end + 1 : end + 2] not in ("", ":") else (1, "")


def without_password(text: str) -> str:
    """The same text, a star for each character of the password that may stand in it (RFC 3261 §19.1.1)."""
    scheme = foreign_scheme(text) or re.search(r"sips?:|tel:|://", text, re.IGNORECASE)
    begin, at = scheme.end() if scheme else 0, text.rfind("@")
    colon = text.find(":", begin, max(at, 0))
    return text if colon < 0 else text[: colon + 1] + "*" * (at - colon - 1) + text[at:]
