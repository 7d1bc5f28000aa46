"""URIs in angle brackets that point at something: Alert-Info, Call-Info, Error-Info, Geolocation. RFC 3261 §20.4 ff."""

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import LimitExceeded, ParseError
from sipcore.message.fields.parameterized import cut
from sipcore.message.params import NO_PARAMS, Params
from sipcore.message.uri import Uri, parse_uri
from sipcore.value import value


@value
class Reference:
    """A URI in angle brackets, and parameters.

    `uri` is None where something else stands in its place, as in `Alert-Info: Bellcore-dr1`; `text` is that, as
    written.
    """

    uri: Uri | None
    params: Params = NO_PARAMS
    text: str = ""

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Reference":
        """Read one reference; raises ParseError."""
        stripped = text.strip(" \t")
        if stripped[:1] != "<":
            return _read_bare(text, notes)
        end = stripped.find(">")
        rest = stripped[end + 1 :].lstrip(" \t")
        if end < 0 or rest[:1] not in ("", ";"):
            raise ParseError("an angle bracket is not closed", section="RFC 3261 §25.1", text=text)
        uri = _read_uri(stripped[1:end], notes)
        return cls(uri, Params.parse(rest, notes), "" if uri else stripped[: end + 1])

    @property
    def purpose(self) -> str | None:
        """What the URI is good for, in Call-Info: icon, info, card, … (RFC 3261 §20.9)."""
        return self.params.get("purpose")

    def __str__(self) -> str:
        return f"<{self.uri}>{self.params}" if self.uri else f"{self.text}{self.params}"


def _read_bare(text: str, notes: Notes | None) -> Reference:
    """A URI without brackets, or words that are none."""
    head, params = cut(text, notes)
    uri = _read_uri(head, notes)
    if uri:
        tolerate(notes, Deviation.ADDRESS_WITHOUT_BRACKETS, text)
    return Reference(uri, params, "" if uri else head)


def _read_uri(text: str, notes: Notes | None) -> Uri | None:
    """A URI, or None for words that are noted; raises ParseError for what cannot even be shown."""
    try:
        return parse_uri(text, notes)
    except LimitExceeded:
        raise
    except ParseError:
        if not text.isprintable() or not {"<", ">", '"'}.isdisjoint(text):
            raise
        tolerate(notes, Deviation.NOT_A_URI, text)
        return None
