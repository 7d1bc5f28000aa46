"""Header fields of messages that are there as bytes, cut apart when somebody asks for them. RFC 3261 §7.3."""

from sipcore.message.headers import Headers
from sipcore.message.registry import KNOWN_NAMES, Row, key_of
from sipcore.pattern import Pattern

_LINE_END = Pattern(r"\r\n(?![ \t])")


def plain_headers(
    written: str, origin: bytes, typed: dict[Row[object], object], alike: Headers | None = None
) -> Headers:
    """Header fields out of lines that are known to have a name, a colon and no folds, with CRLF in between.

    `typed` are those that were read already, and that are there just once. `alike` are fields that are the same but for
    what Via, From, To and Call-ID say.
    """
    lines = written.split("\r\n")
    if alike is not None:
        return alike.alike(lines, origin, typed)
    try:
        keys = [KNOWN_NAMES[line.partition(":")[0]] for line in lines]
    except KeyError:
        keys = [key_of(line.partition(":")[0]) for line in lines]
    return Headers(lines, keys, origin, typed)


def written_headers(written: str) -> Headers:
    """Header fields out of what `str` of them gives: a line that begins with white space belongs to the one above."""
    lines = _LINE_END.split(written)[:-1]
    return Headers(lines, [key_of(line.partition(":")[0]) for line in lines])
