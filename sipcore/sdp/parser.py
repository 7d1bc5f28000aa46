"""From the text of a session description to its sections: one for the session, one per media. RFC 8866 §5 and §9.

A section keeps its lines as they came beside the values that were read from them, so that `sipcore.sdp.serializer` can
write what was not changed as it was. `sipcore.sdp.description` makes the public values of the sections.
"""

from typing import Any

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import LimitExceeded, ParseError
from sipcore.sdp.fields import FIELDS, without_secrets
from sipcore.value import value

MAX_SIZE = 65_535
"""Bytes in a description: what a UDP datagram can carry; longer ones are no offers for a call."""
MAX_LINES = 4096
"""Lines in a description. A video conference with ICE candidates for each of fifty streams has some two thousand."""
MAX_MEDIA = 256
"""Media descriptions. The largest conferences that use one per participant stay below."""
MAX_ATTRIBUTES = 1024
"""Attributes in one section. A section with many codecs, candidates and sources has some two hundred."""

_LF = "\n"
_SECTION = "RFC 8866 §5"


@value
class Order:
    """What may stand in a section: its type letters in their order, and those that may stand more than once."""

    name: str
    letters: str
    many: str
    ranks: dict[str, int]

    @classmethod
    def of(cls, name: str, letters: str, *, many: str) -> "Order":
        """The order of `letters`."""
        return cls(name, letters, many, {letter: rank for rank, letter in enumerate(letters)})


SESSION = Order.of("the session section", "vosiuepcbtka", many="epbta")
"""The lines above the first m= line (RFC 8866 §9); r= and z= are part of t=."""
MEDIA = Order.of("a media description", "micbka", many="cba")
"""The lines from an m= line to the next."""


@value
class Section:
    """The lines of one section, each with its CR but without its LF, and what they say, by type letter, in order.

    The r= and z= lines that belong to a t= line are part of it.
    """

    values: dict[str, tuple[Any, ...]]
    lines: tuple[str, ...]


@value
class Sections:
    """A whole description. `ending` is what follows the last line: its LF and blank lines, or None if it had no end."""

    session: Section
    media: tuple[Section, ...]
    ending: str | None


def parse_sections(data: bytes | str, notes: Notes | None) -> Sections:
    """Read a description. Raises ParseError, or LimitExceeded, with the number of the line and its RFC section."""
    text, is_utf8 = _decode(data)
    lines, ending = _split(text, notes)
    if "\nr=" in text or "\nz=" in text:
        lines = _join_repeats(lines)
    if lines[0][:1] != "v":
        raise ParseError("does not begin with v=", section="RFC 8866 §5.1", text=without_secrets(lines[0]))
    session, place = _read_section(lines, 0, SESSION, notes)
    media: list[Section] = []
    while place < len(lines):
        if len(media) == MAX_MEDIA:
            raise LimitExceeded(f"more than {MAX_MEDIA} media descriptions", section="RFC 8866 §5.14", status=488)
        section, place = _read_section(lines, place, MEDIA, notes)
        media.append(section)
    _check_presence(session, media, notes)
    if not is_utf8 and not any(attribute.name == "charset" for attribute in session.values.get("a", ())):
        tolerate(notes, Deviation.SDP_NOT_UTF8)
    return Sections(session, tuple(media), ending)


def _decode(data: bytes | str) -> tuple[str, bool]:
    """The text, with bytes that are not UTF-8 as surrogates, and whether there were none."""
    try:
        octets = data.encode(errors="surrogateescape") if isinstance(data, str) else data
    except UnicodeEncodeError as error:
        raise ParseError("not Unicode", section=_SECTION, text=ascii(error.object[error.start])) from None
    if len(octets) > MAX_SIZE:
        raise LimitExceeded(f"larger than {MAX_SIZE} bytes", section="RFC 3261 §21.4.11", status=413)
    try:
        return octets.decode(), True
    except UnicodeDecodeError:
        return octets.decode(errors="surrogateescape"), False


def _split(text: str, notes: Notes | None) -> tuple[list[str], str | None]:
    """The lines, each with its CR if it has one, and the ending. Raises ParseError on NUL and lone CRs."""
    crlfs, crs, lfs = text.count("\r\n"), text.count("\r"), text.count("\n")
    if "\0" in text or crs > crlfs + text.endswith("\r"):
        raise ParseError("holds NUL, or CR without LF", section="RFC 8866 §9")
    if lfs > MAX_LINES:
        raise LimitExceeded(f"more than {MAX_LINES} lines", section=_SECTION)
    if lfs > crlfs:
        tolerate(notes, Deviation.SDP_BARE_LF)
    lines = text.split("\n")
    blank = []
    while lines and lines[-1] in ("", "\r"):
        blank.append(lines.pop())
    if not lines:
        raise ParseError("empty", section="RFC 8866 §5.1")
    if blank:
        if blank != [""]:
            tolerate(notes, Deviation.SDP_TRAILING_BLANK_LINE)
        return lines, "\n" + "\n".join(reversed(blank))
    tolerate(notes, Deviation.SDP_NO_FINAL_LINE_END)
    if text.endswith("\r"):
        return lines, ""
    lines[-1] += "\r"
    return lines, None


def _join_repeats(lines: list[str]) -> list[str]:
    """The same lines, with the r= and z= lines that follow a t= line made part of it, as it came."""
    groups: list[list[str]] = []
    for line in lines:
        if line[:2] in ("r=", "z=") and groups and groups[-1][0][:2] == "t=":
            groups[-1].append(line)
        else:
            groups.append([line])
    return ["\n".join(group) for group in groups]


def _read_section(lines: list[str], start: int, order: Order, notes: Notes | None) -> tuple[Section, int]:
    """Read the lines from `start` to before the next m= line; also gives the place of that line."""
    ranks, many = order.ranks, order.many
    values: dict[str, list[Any]] = {}
    rank, end = 0, len(lines)
    for place in range(start, end):
        letter, _, text = lines[place].partition("=")
        if letter[:1] == "m" and place > start:
            end = place
            break
        try:
            if letter not in ranks:
                letter, text = _odd_line(lines[place], order, notes)
            if ranks[letter] < rank:
                tolerate(notes, Deviation.SDP_LINE_ORDER, letter)
            rank = ranks[letter]
            entry = FIELDS[letter].parse(text.rstrip("\r"), notes)
            if letter not in values:
                values[letter] = [entry]
            elif letter in many:
                values[letter].append(entry)
            else:
                raise ParseError(f"a second {letter}= line", section=FIELDS[letter].section)
        except ParseError as error:
            raise _at_line(error, lines, place) from None
    if len(values.get("a", ())) > MAX_ATTRIBUTES:
        raise LimitExceeded(f"more than {MAX_ATTRIBUTES} attributes in one section", section="RFC 8866 §5.13")
    return Section({letter: tuple(entries) for letter, entries in values.items()}, tuple(lines[start:end])), end


def _odd_line(line: str, order: Order, notes: Notes | None) -> tuple[str, str]:
    """Letter and value of a line that does not begin with a letter of this section and an equals sign."""
    head, equals, text = line.partition("=")
    letter = head.rstrip(" ")
    if not equals or len(letter) != 1:
        raise ParseError("not a type letter and an equals sign", section=_SECTION)
    if letter in "rz":
        raise ParseError(f"{letter}= does not follow t=", section="RFC 8866 §5.10")
    if letter not in FIELDS:
        # "an SDP parser MUST completely ignore or reject any session description that contains a type letter that it
        # does not understand": unlike an unknown attribute, an unknown letter is not skipped.
        raise ParseError("unknown type letter", section=_SECTION)
    if letter not in order.ranks:
        raise ParseError(f"{letter}= has no place in {order.name}", section=_SECTION)
    tolerate(notes, Deviation.SDP_SPACE_BEFORE_EQUALS)
    return letter, text.lstrip(" ")


def _at_line(error: ParseError, lines: list[str], number: int) -> ParseError:
    """The same error, told of the number of its line, counted from 1, and without the keys that the line may hold."""
    shown = without_secrets(lines[number].rstrip("\r"))
    message = f"line {1 + sum(1 + line.count(_LF) for line in lines[:number])}: {error.message}"
    return type(error)(message, section=error.section, text=shown, status=error.status)


def _check_presence(session: Section, media: list[Section], notes: Notes | None) -> None:
    """Raise ParseError without o=, and note the absence of other lines that must be there (RFC 8866 §9)."""
    if "o" not in session.values:
        raise ParseError("no o= line", section="RFC 8866 §5.2")
    if "s" not in session.values:
        tolerate(notes, Deviation.SDP_NO_SESSION_NAME)
    if "t" not in session.values:
        tolerate(notes, Deviation.SDP_NO_TIME)
    if "c" not in session.values and not all("c" in section.values for section in media):
        tolerate(notes, Deviation.SDP_NO_CONNECTION)
