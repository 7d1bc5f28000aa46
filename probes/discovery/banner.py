"""What the banner says the endpoint is: product and version out of `Server` or `User-Agent`. RFC 3261 §20.35, §20.41.

Products whose banner does not follow `product/version (comment)` have a row of their own; all others are read by that
rule. Nothing is guessed: a text that neither a row nor the rule fits is given back as it is.
"""

import re
from collections.abc import Iterable

from probes.result import System
from sipcore.message.message import Response

MAX_BANNER = 512
"""Characters of a banner that are looked at; the longest known have some 150."""

_VERSION = r"(?P<version>[0-9][^\s()/~,;]*+)"
_IN_BRACKETS = r"\((?P<version>[0-9][^\s()]*?)?(?:-(?:no_?)?tls)?(?: \((?P<platform>[^()]*+)\))?\)"
_PRODUCTS = tuple(
    (product, re.compile(pattern, re.IGNORECASE).match)
    for product, pattern in (
        ("FreePBX", r"FPBX-(?P<version>[0-9.]++)(?:\((?P<platform>[0-9][^()\s]*+)\))?"),
        ("Asterisk", r"Asterisk(?: PBX)?(?:[ /](?:certified/)?(?P<version>\S++))?"),
        ("Kamailio", rf"Kamailio(?: {_IN_BRACKETS})?"),
        ("OpenSIPS", rf"OpenSIPS(?: {_IN_BRACKETS})?"),
        ("OpenSER", rf"OpenSER(?: {_IN_BRACKETS})?"),
        ("SIP Express Router", rf"Sip EXpress router(?: ?{_IN_BRACKETS})?"),
        ("FreeSWITCH", r"FreeSWITCH-mod_sofia(?:/(?P<version>[0-9][0-9A-Za-z.]*+))?"),
        ("3CX Phone System", rf"3CXPhoneSystem(?: {_VERSION})?"),
        ("Cisco IOS gateway", r"Cisco-SIPGateway/IOS-(?P<version>\S++)"),
        ("Cisco Unified CM", r"Cisco-CUCM(?P<version>[0-9][^\s()]*+)"),
        ("Microsoft Teams", r"Microsoft\.PSTNHub\.SIPProxy v\.(?P<version>\S++)"),
        ("TANDBERG", r"TANDBERG/[0-9]++ \((?P<version>[^\s()]++)"),  # the number is a model's
        ("sipprobe", r"sipprobe(?:/(?P<version>\S++))?"),
        ("baresip", rf"baresip v?{_VERSION}(?: \((?P<platform>[^()]*+)\))?"),
    )
)
_PLATFORMS = {"FreePBX": "Asterisk "}
"""What a platform's bare version number belongs to."""

_slashed = re.compile(
    rf"(?P<product>[^/()]*+)/v?\.?{_VERSION}(?:[^()]*+\((?P<platform>[^()]*+)\))?", re.IGNORECASE
).match
_spaced = re.compile(r"[vV]?(?P<version>[0-9]++(?:\.[0-9A-Za-z]++)++[^\s()/,;]*+)").fullmatch
"""Set apart by white space, only a number with a dot in it is a version: `FRITZ!Box 7490` is a model."""


def system_of(response: Response) -> System | None:
    """What a response says the endpoint is; None where it says nothing."""
    banner = banner_of(response)
    return read_banner(banner) if banner else None


def banner_of(response: Response) -> str:
    """Server (RFC 3261 §20.35) or, since many send that instead, User-Agent; "" where there is neither."""
    return (response.headers.get("Server") or response.headers.get("User-Agent") or "")[:MAX_BANNER]


def read_banner(banner: str) -> System:
    """Product, version and platform out of a banner's text."""
    for product, match in _PRODUCTS:
        found = match(banner)
        if found and not banner[found.end() : found.end() + 1].isalnum():
            return _system(banner, product, found)
    found = _slashed(banner)
    if found and found["product"].strip():
        return _system(banner, found["product"].strip(), found)
    return _by_words(banner, banner.partition("(")[0].split())


def _by_words(banner: str, words: Iterable[str]) -> System:
    """`Vendor Model 1.2.3`: what stands before the last number with a dot in it is the product."""
    words = list(words)
    for index in range(len(words) - 1, 0, -1):
        found = _spaced(words[index])
        if found:
            return System(banner, " ".join(words[:index]), found["version"])
    return System(banner)


def _system(banner: str, product: str, found: re.Match[str]) -> System:
    groups = found.groupdict()
    platform = groups.get("platform") or ""
    if platform and product in _PLATFORMS:
        platform = _PLATFORMS[product] + platform
    return System(banner, product, (groups.get("version") or "").rstrip(".,;"), platform)
