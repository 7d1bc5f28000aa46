"""Text of peers made fit to be shown: without credentials, and without characters that would drive a terminal."""

import re

from sipcore.covering import CREDENTIALS, cover, stars
from sipcore.errors import encodable
from sipcore.message.registry import ROWS, key_of
from sipcore.sdp.fields import HIDDEN, without_secrets

_keyed = re.compile(
    r"(?P<before>a=crypto:[0-9]{1,9} [A-Z0-9]++(?>(?:_[A-Z0-9]++)+) inline:)(?P<key>[A-Za-z0-9+/=]++|\*++)"
    r"(?P<behind>(?:\|(?:2\^)?[0-9]{1,9}(?![0-9:]))?(?:\|[0-9]{1,9}:[0-9]{1,4})?)(?=\s|\Z)"
).match
"""A key as it should be written (RFC 4568 §9.1), or one that is covered already: what stands around it is no secret,
and captures cannot be read without the suite, which tells where SRTCP ends. Whatever else is called a key is covered
with all around it."""
_next_field = re.compile(r"\n(?![ \t])")


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
            return f"{found['before']}{stars(found['key'])}{found['behind']}{stars(text[found.end() :])}"
        kept = len(shown) - len(HIDDEN)
        return text[:kept] + stars(text[kept:])
    return cover("", text)


def printable(text: str) -> str:
    """`text` with every character escaped that is not printable: controls, and bytes that were not UTF-8."""
    return text if text.isprintable() else "".join([c if c.isprintable() else _escaped(c) for c in encodable(text)])


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
