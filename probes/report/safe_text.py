"""Text of peers made fit to be shown: without credentials, and without characters that would drive a terminal.

Credentials are covered character by character, so that offsets into the text and the caret below it stay right.
"""

import re

from sipcore.errors import encodable
from sipcore.message.registry import ROWS, key_of
from sipcore.sdp.fields import HIDDEN, without_secrets

COVER = "*"
"""What stands in the place of each character that is not to be seen."""
CREDENTIALS = "authorization"
"""What stands in the names of header fields that prove an identity (RFC 3261 §20.7, §20.28), those of vendors too."""
PROOFS = frozenset({"response", "rspauth"})
"""Parameters of Digest that a password could be guessed from (RFC 7616 §5.2)."""

_proof = re.compile(
    r'(?P<before>(?:response|rspauth)[ \t\r\n]*+=)(?P<secret>(?>(?:"(?>(?:[^"\\]++|\\.)*)"?|[^",]++)*))',
    re.IGNORECASE | re.DOTALL,
)
_keyed = re.compile(
    r"(?P<before>a=crypto:[0-9]{1,9} [A-Z0-9]++(?>(?:_[A-Z0-9]++)+) inline:)(?P<key>[A-Za-z0-9+/=]++|\*++)"
    r"(?P<behind>(?:\|(?:2\^)?[0-9]{1,9}(?![0-9:]))?(?:\|[0-9]{1,9}:[0-9]{1,4})?)(?=\s|\Z)"
).match
"""A key as it should be written (RFC 4568 §9.1), or one that is covered already: what stands around it is no secret,
and captures cannot be read without the suite, which tells where SRTCP ends. Whatever else is called a key is covered
with all around it."""
_scheme = re.compile(r"\s*+(\S++)\s++").match
_next_field = re.compile(r"\n(?![ \t])")
_word = re.compile(r'<[^<>"]*+>|[^\s<>"]++')
_carried = re.compile(r"(?P<before>[?&](?:proxy-)?authorization=)(?P<secret>[^&\s<>\"]*+)", re.IGNORECASE)
_shown = re.compile(r'[^\s"]')
_after_scheme = re.compile(r"sips?:|://", re.IGNORECASE)


def cover(key: str, text: str) -> str:
    """The value `text` of the header field `key` (its name in lower case), its credentials covered."""
    if CREDENTIALS in key:
        scheme = _scheme(text)
        if scheme is None or scheme[1].lower() != "digest":
            end = scheme.end() if scheme else 0
            return text[:end] + _stars(text[end:])
    return cover_uris(_proof.sub(_covered, text))


def cover_lines(text: str) -> str:
    """Any lines of a message, with header fields, parts of them or lines of a session description among them."""
    return "\n".join([_cover_field(field) for field in _next_field.split(text)])


def _cover_field(text: str) -> str:
    name, colon, content = text.partition(":")
    key = CREDENTIALS if CREDENTIALS in name.lower() else key_of(name)
    if colon and (key in ROWS or key == CREDENTIALS):
        return f"{name}:{cover(key, content)}"
    shown = without_secrets(text)
    if shown != text:
        found = _keyed(text)
        if found is not None:
            return f"{found['before']}{_stars(found['key'])}{found['behind']}{_stars(text[found.end() :])}"
        kept = len(shown) - len(HIDDEN)
        return text[:kept] + _stars(text[kept:])
    return cover("", text)


def cover_uris(text: str) -> str:
    """`text` with the passwords covered that URIs in it carry (RFC 3261 §19.1.1, RFC 3986 §3.2.1)."""
    if "@" in text:
        text = _word.sub(lambda word: _cover_word(word[0]), text)
    return _carried.sub(_covered, text) if "uthorization=" in text.lower() else text


def printable(text: str) -> str:
    """`text` with every character escaped that is not printable: controls, and bytes that were not UTF-8."""
    return text if text.isprintable() else "".join([c if c.isprintable() else _escaped(c) for c in encodable(text)])


def _cover_word(word: str) -> str:
    """A text in angle brackets, or without white space and quotes: a URI, and what may stand directly around it."""
    scheme = _after_scheme.search(word)
    begin = scheme.end() if scheme else len(word)
    colon = word.find(":", begin)
    if not 0 <= colon < word.find("@", begin):
        return word
    at = word.rfind("@")
    return word[: colon + 1] + _stars(word[colon + 1 : at]) + word[at:]


def _covered(match: re.Match[str]) -> str:
    return match["before"] + _stars(match["secret"])


def _stars(text: str) -> str:
    return _shown.sub(COVER, text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
