"""Where a call has been: Diversion (RFC 5806) and History-Info (RFC 7044, before it RFC 4244)."""

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.message.address import Address
from sipcore.message.fields.addresses import parse_name_addr
from sipcore.message.fields.parameterized import NUMBER, Kind, check, number_of
from sipcore.message.uri import SipUri
from sipcore.pattern import Pattern
from sipcore.value import value

_NUMBERS = Pattern(r"[0-9]++(?>(?:\.[0-9]++)*)")


def _is_index(text: str) -> bool:
    return _NUMBERS.fullmatch(text) is not None


_INDEX: Kind = (_is_index, Deviation.ODD_PARAMETER_VALUE)
_DIVERSION: dict[str, Kind] = {"counter": NUMBER, "limit": NUMBER}
_HISTORY: dict[str, Kind] = {"index": _INDEX, "rc": _INDEX, "mp": _INDEX, "np": _INDEX}


@value
class Diversion:
    """Who diverted a call, and why (RFC 5806 §4)."""

    address: Address

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Diversion":
        """Read one value of Diversion; raises ParseError."""
        address = parse_name_addr(text, notes)
        check(address.params, _DIVERSION, notes)
        return cls(address)

    @property
    def reason(self) -> str | None:
        """Why: unconditional, user-busy, no-answer, …"""
        return self.address.params.text("reason")

    @property
    def counter(self) -> int | None:
        """How many diversions this one entry stands for."""
        return number_of(self.address.params, "counter")

    @property
    def limit(self) -> int | None:
        """How many diversions are allowed."""
        return number_of(self.address.params, "limit")

    @property
    def privacy(self) -> str | None:
        """What to hide of the address: full, name, uri, off."""
        return self.address.params.text("privacy")

    @property
    def screen(self) -> str | None:
        """Whether the address was checked: yes, no."""
        return self.address.params.text("screen")

    def __str__(self) -> str:
        return str(self.address)


@value
class HistoryInfo:
    """One target that a request was sent to (RFC 7044 §5)."""

    address: Address

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "HistoryInfo":
        """Read one value of History-Info; raises ParseError."""
        address = parse_name_addr(text, notes)
        check(address.params, _HISTORY, notes)
        if "index" not in address.params:
            tolerate(notes, Deviation.NO_HISTORY_INDEX, text)
        return cls(address)

    @property
    def index(self) -> str | None:
        """Its place in the tree of targets, as in `1.2.1` (RFC 7044 §10.3)."""
        return self.address.params.get("index")

    @property
    def reason(self) -> str | None:
        """The Reason that the URI carries (RFC 7044 §10.2), unescaped; `Reason.parse` reads it."""
        uri = self.address.uri
        items = uri.header_items() if isinstance(uri, SipUri) else ()
        return next((content for name, content in items if name.lower() == "reason"), None)

    def __str__(self) -> str:
        return str(self.address)
