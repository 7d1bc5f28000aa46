"""The lexical rules that all of SIP shares: RFC 3261 §25.1.

Everything here works on text that was decoded once, as UTF-8 with `surrogateescape`, so that any bytes survive the way
in and out. The regular expressions use possessive quantifiers, and atomic groups around the repetition of a group
(`sipcore.pattern` says why): they either match or give up, and never try again.
"""

import re

from sipcore.errors import LimitExceeded, LocalError, ParseError, UnsafeValue, quoted
from sipcore.pattern import Pattern

MAX_LIST_VALUES = 128
"""Values of one list-valued header field, all its lines together. Allow and Supported have some thirty; a request that
passed 70 hops, which is where Max-Forwards begins, has 71 Via. Each value costs a parse, however short it is."""

TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]"
"""One character of a token (RFC 3261 §25.1), as a class for larger patterns."""
QUOTED = r'"(?>(?:[^"\\]++|\\.)*)"'
"""A quoted-string with its quotes (RFC 3261 §25.1)."""

is_token = re.compile(TOKEN + "++").fullmatch
"""Whether a text is a token; a match object or None."""
is_quoted = re.compile(QUOTED, re.DOTALL).fullmatch
"""Whether a text is one quoted-string; a match object or None."""
match_quoted = re.compile(QUOTED, re.DOTALL).match
"""Match a quoted-string at a place: `match_quoted(text, position)`."""

# What ends a line, and surrogates that no decoding of bytes makes and so no encoding can undo.
_FORBIDDEN = Pattern("[\r\n\0\ud800-\udc7f\udd00-\udfff]")
lonely_nul = Pattern(r"(?<!\\)(?>(?:\\\\)*)(\0)")
"""Find a NUL, as group 1, that is not the second half of a quoted-pair (RFC 3261 §25.1): no backslash belongs to it."""
# The look-behind lets a run of white space be tried once, at its beginning, and not again at each of its characters.
_FOLD = Pattern(r"(?>(?:(?<![ \t])[ \t]++)?)\r?\n[ \t]++")
_QUOTED_PAIR = Pattern(r"\\(.)", re.DOTALL)
_NEEDS_BACKSLASH = Pattern(r"""(["\\\x01-\x08\x0b\x0c\x0e-\x1f\x7f])""")
_LIST_PIECE = Pattern(rf'(?>(?:[^",<]++|{QUOTED}|<[^>]*+>)*)', re.DOTALL)
_NUMBER = Pattern(r"[0-9]++")


def is_safe(text: str) -> bool:
    """Whether a text holds no CR, LF or NUL and so cannot begin a header field of its own."""
    if text.isascii():  # as nearly all are: looking for three characters one by one takes a tenth of the time
        return "\n" not in text and "\r" not in text and "\0" not in text
    return _FORBIDDEN.search(text) is None


def require_safe(text: str, what: str) -> str:
    """Give `text` back if it may stand in one line; raises UnsafeValue, which names `what`, if it may not."""
    if not text.isprintable() and not is_safe(text):  # what is printable is safe, as nearly all that is short
        raise UnsafeValue(f"{what} holds CR, LF or NUL; take them out", section="RFC 3261 §7.3.1")
    return text


def require_field(text: str, what: str) -> str:
    """As `require_safe`, for the value of a header field: a NUL may be the second half of a quoted-pair in it.

    Peers may write one, and what is copied from them has to go back as it came: tags, routes, nonces.
    """
    if not is_safe(text):
        require_safe(text if lonely_nul.search(text) else text.replace("\0", ""), what)
    return text


def require_lines(lines: list[str]) -> list[str]:
    """Give lines of header fields back; raises UnsafeValue for one that `require_field` refuses."""
    if not is_safe("".join(lines)):  # one look at all of them is a third of the work
        for line in lines:
            require_field(line, line.partition(":")[0])
    return lines


def require_token(text: str, what: str) -> str:
    """Give `text` back if it is a token; raises UnsafeValue, which names `what`, if it is not."""
    if not is_token(text):
        raise UnsafeValue(f"{what} {quoted(text[:32])} is not a token", section="RFC 3261 §25.1")
    return text


def require_bytes(body: object) -> None:
    """Raises LocalError for a body that is text or a description: it would fail only when its message is sent."""
    if not isinstance(body, (bytes, bytearray, memoryview)):
        message = f"a body is bytes, not {type(body).__name__}: give text.encode(), or bytes(description)"
        raise LocalError(message, section="RFC 3261 §7.4")


def unfold(text: str) -> str:
    """Replace each fold (line break and the white space around it) by one space (RFC 3261 §7.3.1)."""
    if "\n" not in text:
        return text
    first, *others = text.split("\n")
    lines = [first, *(line.lstrip(" \t") for line in others)]
    return " ".join([*(line.removesuffix("\r").rstrip(" \t") for line in lines[:-1]), lines[-1]])


def raw_offset(raw: str, offset: int) -> int:
    """Where in a value as written the character stands that is at `offset` in `unfold(raw).strip()`."""
    unfolded = unfold(raw)
    offset += len(unfolded) - len(unfolded.lstrip(" \t"))
    if "\n" not in raw:
        return offset
    for fold in _FOLD.finditer(raw):
        if fold.start() >= offset:
            break
        offset += len(fold.group()) - 1
    return offset


def unquote(text: str) -> str:
    """The text inside a quoted-string, quoted pairs resolved; a text without quotes comes back as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    inner = text[1:-1]
    return _QUOTED_PAIR.sub(r"\1", inner) if "\\" in inner else inner


def quote(text: str) -> str:
    """`text` as a quoted-string, with a backslash before what may not stand there alone (RFC 3261 §25.1 quoted-pair).

    Raises UnsafeValue on CR and LF, which no backslash helps, and on NUL, which nobody has reason to send.
    """
    return '"' + _NEEDS_BACKSLASH.sub(r"\\\1", require_safe(text, "a quoted string")) + '"'


def split_list(text: str) -> list[str]:
    """Split at the commas that stand outside quoted strings and angle brackets (RFC 3261 §7.3.1), values stripped.

    Raises ParseError where a quote or a bracket is not closed, LimitExceeded past MAX_LIST_VALUES.
    """
    if "," not in text:
        return [text.strip(" \t")]
    if '"' not in text and "<" not in text:
        # One more than the limit allows is enough to know that it was passed.
        pieces = [piece.strip(" \t") for piece in text.split(",", MAX_LIST_VALUES)]
    else:
        pieces = _split_around_quotes(text)
    if len(pieces) > MAX_LIST_VALUES:
        raise LimitExceeded(f"more than {MAX_LIST_VALUES} values", section="RFC 3261 §7.3.1", text=text, status=513)
    return pieces


def _split_around_quotes(text: str) -> list[str]:
    pieces: list[str] = []
    position = 0
    while len(pieces) <= MAX_LIST_VALUES:
        end = _LIST_PIECE.match(text, position).end()  # type: ignore[union-attr]  # the pattern also matches nothing
        pieces.append(text[position:end].strip(" \t"))
        if end == len(text):
            break
        if text[end] != ",":
            what = "a quoted string" if text[end] == '"' else "an angle bracket"
            raise ParseError(f"{what} is not closed", section="RFC 3261 §25.1", text=text, offset=end)
        position = end + 1
    return pieces


def parse_number(text: str, limit: int, what: str, section: str) -> int:
    """Read digits (RFC 3261 §25.1: 1*DIGIT) as an integer below or equal to `limit`; raises ParseError otherwise."""
    stripped = text.strip(" \t")
    if not _NUMBER.fullmatch(stripped):
        raise ParseError(f"{what} is not a number", section=section, text=text)
    # The length check comes first: turning ten thousand digits into an integer is quadratic.
    digits = stripped.lstrip("0") or "0"
    if len(digits) > len(str(limit)) or int(digits) > limit:
        raise ParseError(f"{what} is above {limit}", section=section, text=text)
    return int(digits)
