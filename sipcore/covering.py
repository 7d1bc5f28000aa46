"""Text of peers without the credentials in it, for whatever is shown, logged or raised.

They are covered character by character, so that offsets into the text and the caret below it stay right.
"""

import re

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
_scheme = re.compile(r"\s*+(\S++)\s++").match
_word = re.compile(r'<[^<>"]*+>|[^\s<>"]++')
_between_brackets = re.compile(r"[^<>]++")
_carried = re.compile(r"(?P<before>[?&](?:proxy-)?authorization=)(?P<secret>[^&\s<>\"]*+)", re.IGNORECASE)
_shown = re.compile(r'[^\s"]')
_after_scheme = re.compile(r"sips?:|://", re.IGNORECASE)


def cover(key: str, text: str) -> str:
    """The value `text` of the header field `key` (its name in lower case), its credentials covered."""
    if CREDENTIALS in key:
        scheme = _scheme(text)
        if scheme is None or scheme[1].lower() != "digest":
            end = scheme.end() if scheme else 0
            return text[:end] + stars(text[end:])
    return cover_uris(_proof.sub(_covered, text))


def cover_unread(key: str, text: str) -> str:
    """The same of a value that cannot be read, in which a password may have white space or quotes."""
    return cover(key, _between_brackets.sub(lambda piece: _cover_uri(piece[0]), text))


def cover_uris(text: str) -> str:
    """`text` with the passwords covered that URIs in it carry (RFC 3261 §19.1.1, RFC 3986 §3.2.1)."""
    if "@" in text:
        text = _word.sub(lambda word: _cover_uri(word[0]), text)
    return _carried.sub(_covered, text) if "uthorization=" in text.lower() else text


def stars(text: str) -> str:
    """`text` with all of it covered but white space and quotes."""
    return _shown.sub(COVER, text)


def _cover_uri(text: str) -> str:
    """What has a URI in it, with nothing else around that is like one."""
    scheme = _after_scheme.search(text)
    begin = scheme.end() if scheme else len(text)
    colon = text.find(":", begin)
    if not 0 <= colon < text.find("@", begin):
        return text
    at = text.rfind("@")
    return text[: colon + 1] + stars(text[colon + 1 : at]) + text[at:]


def _covered(match: re.Match[str]) -> str:
    return match["before"] + stars(match["secret"])
