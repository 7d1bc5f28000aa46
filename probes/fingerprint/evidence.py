"""What a response looks like, apart from its banner: features as text, to be compared with signatures.

A server writes its own name into one header field, and betrays its program by all others: their order and spelling, the
shape of what it makes up (tags, nonces), the words that it chooses where the RFC leaves a choice.
"""

import re
from collections.abc import Iterator, Mapping
from hashlib import md5

from sipcore.errors import ParseError
from sipcore.message.message import Response
from sipcore.message.registry import TO, key_of
from sipcore.message.status import TRYING
from sipcore.resolve.target import SocketAddress

Evidence = Mapping[str, str]
"""Features by name (`probes.fingerprint.signatures.FEATURES`); one that the message cannot show is not in it."""
Seen = Mapping[str, str | tuple[str, ...]]
"""Features of one message or of several, where one may have several texts."""

MAX_FEATURE = 512
"""Characters of one feature that are looked at; the longest known has some 300."""
BANNERS = frozenset({"server", "user-agent"})
"""Header fields, in lower case, that name the product, and are no evidence beside the banner."""

TAGS = frozenset({"to-tag", "tag-is", "address-tag"})
"""Features of the To tag."""
MAX_SESSION = 2048
"""Bytes of a session description in which its head is looked for."""

_RAW = ("Allow", "Supported", "Accept", "Allow-Events", "Contact", "Warning", "Unsupported")
_COPIED = frozenset({"via", "from", "to", "call-id", "cseq"})
"""What a response has from its request (RFC 3261 §8.2.6.2), in lower case; some copy the spelling as well."""
_SESSION_LINES = {"o=": "sdp-origin", "s=": "sdp-session", "a=tool:": "sdp-tool"}
_quoted = re.compile(r'"[^"]*+"')
_nonce = re.compile(r'\bnonce="([^"]*+)"').search
_realm = re.compile(r'\brealm="([^"]*+)"').search
_LISTENERS = ("KAMAILIO-stateless", "SER-TM/tags")
"""What Kamailio makes the constant half of its To tags of, together with its first listening address."""


def observe(response: Response, remote: SocketAddress | None = None, asked_tag: str | None = None) -> Evidence:
    """The features of a response, from `remote` where that is known. Whatever peers send is a value.

    A To tag that the request had already, `asked_tag`, is no evidence: the response only repeats it.
    """
    features = dict(_features(response, remote))
    if asked_tag is not None and features.get("to-tag") == asked_tag:
        features = {name: text for name, text in features.items() if name not in TAGS}
    return {name: text[:MAX_FEATURE] for name, text in features.items()}


def _features(response: Response, remote: SocketAddress | None) -> Iterator[tuple[str, str]]:
    yield "status-line", f"{response.status} {response.reason}"
    yield "order", _order(response)
    yield "spacing", _spacing(response)
    yield "names", _names(response)
    yield from _tags(response, remote)
    for name in _RAW:
        if name in response.headers:
            yield name.lower(), " | ".join(response.headers.get_all(name))
    yield from _challenge(response)
    yield from _session(response)


def _order(response: Response) -> str:
    """The names of the header fields as written, one that stands several times in a row only once."""
    names: list[str] = []
    for written, _ in response.headers.raw_items():
        name = written.strip(" \t")
        if name.lower() not in BANNERS and names[-1:] != [name]:
            names.append(name)
    return ",".join(names)


def _names(response: Response) -> str:
    """The names of what is copied from the request, as written, with the white space behind them."""
    names = [name for name, _ in response.headers.raw_items() if key_of(name.strip(" \t")) in _COPIED]
    return ",".join(dict.fromkeys(names))


def _spacing(response: Response) -> str:
    """The header fields that are not written with one space behind the colon, and how many each has."""
    odd = {}
    for name, content in response.headers.raw_items():
        blanks = len(content) - len(content.lstrip(" \t"))
        if blanks != 1 and content and name.strip(" \t").lower() not in BANNERS:
            odd[name.strip(" \t")] = blanks
    return ",".join(f"{name}={blanks}" for name, blanks in odd.items())


def _tags(response: Response, remote: SocketAddress | None) -> Iterator[tuple[str, str]]:
    branch = None
    try:
        via = response.via
    except ParseError:
        pass
    else:
        branch = via.branch
        yield "via", ";".join(name if content is None else f"{name}=" for name, content in via.params)
    try:
        to = response[TO]
    except ParseError:
        to = None
    if to is None or response.status == TRYING:
        return
    tag = to.tag or ""
    yield "to-tag", tag
    if tag:
        yield "tag-is", "branch" if tag == branch else "its own"
        if remote is not None:
            yield "address-tag", _listener(tag, remote)


def _listener(tag: str, remote: SocketAddress) -> str:
    """What a tag proves: that its constant half was made of the very address that was asked; "" if nothing."""
    for words in _LISTENERS:
        digest = md5(f"{words}{remote.host}{remote.port}".encode(), usedforsecurity=False).hexdigest()
        if tag[:32] == digest:
            return words
    return ""


def _challenge(response: Response) -> Iterator[tuple[str, str]]:
    """How the first challenge is written, its quoted parts empty, and its nonce and realm."""
    challenge = response.headers.get("WWW-Authenticate") or response.headers.get("Proxy-Authenticate")
    if challenge is None:
        return
    yield "challenge", _quoted.sub('""', challenge)
    for name, search in (("nonce", _nonce), ("realm", _realm)):
        found = search(challenge)
        if found:
            yield name, found[1]


def _session(response: Response) -> Iterator[tuple[str, str]]:
    """Who says to have made the session description (RFC 8866 §5.2), its name, and its `a=tool` (§6.3).

    They are looked for and not parsed, since some send there what no parser takes.
    """
    if not response.body.startswith(b"v="):
        return
    head = response.body[:MAX_SESSION].decode("utf-8", "replace").partition("\nm=")[0]
    for line in head.splitlines():
        for start, name in _SESSION_LINES.items():
            if line.startswith(start):
                yield name, line.removeprefix(start)
