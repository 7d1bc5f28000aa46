"""How a user agent presents itself and what it can do: what every stack is told once, as its calls need it."""

from typing import TYPE_CHECKING

from sipcore.dialogs.session import ACCEPTED
from sipcore.errors import ParseError
from sipcore.grammar import require_safe, require_token
from sipcore.message.address import Address
from sipcore.message.build import Fields
from sipcore.message.message import Request
from sipcore.message.method import ACK, BYE, CANCEL, INVITE, OPTIONS, PRACK, UPDATE
from sipcore.message.registry import SUPPORTED
from sipcore.transactions.timers import Timers
from sipcore.value import value

if TYPE_CHECKING:
    from sipcore.sdp.attributes import Codec

METHODS = (INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE)
"""The methods that a stack deals with by itself."""
READS = (("Accept-Encoding", "identity"), ("Accept-Language", "en"))
"""How what is sent here is understood: uncompressed (RFC 3261 §20.2), and in English, as reason phrases are (§20.3)."""
MIN_INTERVAL = 90
"""Seconds: the shortest session interval that anybody may insist on (RFC 4028 §4)."""


@value
class Manner:
    """What responses and requests inside a dialog say of their sender, and how long it waits for what.

    Raises LocalError for names that cannot be sent: every answer would fail by them.
    """

    timers: Timers = Timers()
    methods: tuple[str, ...] = METHODS
    """The methods that are understood, as Allow names them (RFC 3261 §20.5)."""
    extensions: tuple[str, ...] = ()
    """The option tags that are supported (RFC 3261 §20.37)."""
    product: str = ""
    """The value of Server; none is sent if empty."""
    interval: int = 0
    """Seconds for which a session lasts without a refresh, as calls from here ask for; 0 asks for nothing."""
    min_interval: int = MIN_INTERVAL
    """Seconds: shorter session intervals are refused with a 422."""
    refresher: str = "uac"
    """Who refreshes a session where a request leaves that open and its sender can: "uac" or "uas" (RFC 4028 §9)."""
    answers_offers: bool = True
    """Whether the offer of a re-INVITE, UPDATE or PRACK is answered out of what was agreed before."""
    codecs: "tuple[Codec, ...]" = ()
    """What is offered besides what was agreed before where a re-INVITE asks for an offer (RFC 3261 §14.2)."""
    acknowledges: bool = True
    """Whether a reliable 1xx that answers the INVITE's offer gets its PRACK at once, and not when the owner says so,
    who may make another offer in it (RFC 3262 §5)."""
    obeys_maddr: bool = True
    """Whether responses go to the `maddr` of a request's Via (RFC 3261 §18.2.2)."""

    def __post_init__(self) -> None:
        require_safe(self.product, "the name of a product")
        for method in self.methods:
            require_token(method, "a method")
        for extension in self.extensions:
            require_token(extension, "an option tag")

    def supports(self, extension: str) -> bool:
        """Whether an option tag is among the supported ones."""
        return extension in self.extensions

    def abilities(self) -> list[tuple[str, object]]:
        """Allow and Supported, for INVITE, and for a 2xx to it (RFC 3261 §13.2.1, §13.3.1.4)."""
        return [("Allow", ", ".join(self.methods)), *self._supported()]

    def asking(self, fields: Fields) -> list[tuple[str, object]]:
        """The fields of a request inside a dialog, and Supported where none is among them.

        With session timers each request has it, the ACK alone has not (RFC 4028 §7.1).
        """
        told = list(fields)
        return told if "supported" in [name.lower() for name, _ in told] else [*self._supported(), *told]

    def capabilities(self) -> list[tuple[str, object]]:
        """What a 200 to OPTIONS tells of this side (RFC 3261 §11.2)."""
        return [("Accept", ACCEPTED), *READS, *self.abilities()]

    def able(self, fields: Fields) -> list[tuple[str, object]]:
        """The fields of a 200 to OPTIONS, and behind them what it should tell of this side and they do not (§11.2)."""
        told = list(fields)
        names = {name.lower() for name, _ in told}
        return self.signed([*told, *(each for each in self.capabilities() if each[0].lower() not in names)])

    def signed(self, fields: Fields) -> list[tuple[str, object]]:
        """The fields, and Server where the product has a name and none is among them (RFC 3261 §20.35)."""
        told = list(fields)
        if self.product and "server" not in [name.lower() for name, _ in told]:
            told.append(("Server", self.product))
        return told

    def dialog_fields(self, contact: Address | None, fields: Fields, *, able: bool = False) -> list[tuple[str, object]]:
        """What a response carries that makes or changes a dialog: Contact, with `able` the abilities, and `fields`."""
        own: list[tuple[str, object]] = [("Contact", contact)] if contact else []
        return self.signed([*own, *(self.abilities() if able else ()), *fields])

    def _supported(self) -> list[tuple[str, object]]:
        return [("Supported", ", ".join(self.extensions))] if self.extensions else []


def is_supported(extension: str, request: Request) -> bool:
    """Whether a request's sender says that it supports an extension.

    It does not where that cannot be read: no call has to fail for it (RFC 3261 §8.2.2).
    """
    try:
        return extension in request[SUPPORTED]
    except ParseError:
        return False
