"""What a banner says: product, version, model and platform out of `Server` or `User-Agent`. RFC 3261 §20.35, §20.41.

Known products are read by the patterns of their signatures, all others by the rule `product/version (comment)`.
Nothing is guessed: a text that neither fits names no product.
"""

import re
from collections.abc import Iterable

from probes.fingerprint.signatures import Signature, signatures
from sipcore.message.message import Response
from sipcore.value import value

MAX_BANNER = 512
"""Characters of a banner that are looked at; the longest known have some 150."""

_slashed = re.compile(
    r"(?P<product>[^/()]*+)/v?\.?(?P<version>[0-9][^\s()/~,;]*+)(?:[^()]*+\((?P<platform>[^()]*+)\))?", re.IGNORECASE
).match
_NO_PRODUCTS = {"", "SIP"}
"""What stands before a version without being a product: `SIP/2.0` is the protocol's."""
_spaced = re.compile(r"[vV]?(?P<version>[0-9]++(?>(?:\.[0-9A-Za-z]++)+)[^\s()/,;]*+)").fullmatch
"""Set apart by white space, only a number with a dot in it is a version: `Phone 7490` is a model."""


@value
class Banner:
    """A banner's text and what is read out of it, "" for what it does not say."""

    text: str
    product: str = ""
    version: str = ""
    platform: str = ""
    model: str = ""
    signature: Signature | None = None
    """The known product that it names; None where only the general rule applied."""


def banner_of(response: Response) -> str:
    """Server (RFC 3261 §20.35) or, since many send that instead, User-Agent; "" where there is neither."""
    return (response.headers.get("Server") or response.headers.get("User-Agent") or "")[:MAX_BANNER]


def read_banner(text: str) -> Banner:
    """What a banner's text says."""
    for signature in signatures().by_key.values():
        for pattern in signature.banners:
            found = pattern.match(text)
            if found and not text[found.end() : found.end() + 1].isalnum():
                return _banner(text, signature.product, found, signature)
    found = _slashed(text)
    if found and found["product"].strip() not in _NO_PRODUCTS:
        return _banner(text, found["product"].strip(), found)
    return _by_words(text, text.partition("(")[0].split())


def _by_words(text: str, words: Iterable[str]) -> Banner:
    """`Vendor Model 1.2.3`: what stands before the last number with a dot in it is the product."""
    words = list(words)
    for index in range(len(words) - 1, 0, -1):
        found = _spaced(words[index])
        if found:
            return Banner(text, " ".join(words[:index]), found["version"])
    return Banner(text)


def _banner(text: str, product: str, found: re.Match[str], signature: Signature | None = None) -> Banner:
    said = {name: content or "" for name, content in found.groupdict().items()}
    platform = said.get("platform", "")
    if platform[:1].isdigit() and signature is not None and signature.engine:
        platform = f"{signatures().by_key[signature.engine].product} {platform}"  # a version number of the engine's
    version = said.get("version", "").rstrip(".,;")
    model = said.get("model", "").replace("_", " ").strip()
    return Banner(text, product, version, platform, model, signature)
