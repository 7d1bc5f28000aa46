"""Who it is: Identity (RFC 8224), Remote-Party-ID, and the privacy that was asked for (RFC 3323).

P-Asserted-Identity and P-Preferred-Identity (RFC 3325) are plain addresses: `addresses.parse_lone_address`.
"""

import re

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import LimitExceeded, ParseError
from sipcore.grammar import QUOTED, TOKEN, is_token
from sipcore.message.address import Address
from sipcore.message.fields.addresses import parse_name_addr
from sipcore.message.fields.parameterized import scan
from sipcore.message.params import NO_PARAMS, Params
from sipcore.pattern import Pattern
from sipcore.value import value

MAX_PRIVACY = 256
"""Characters in Privacy. All the values that are registered take fifty."""

# The ABNF of RFC 8224 §4 names plain base64; a PASSporT is base64url (RFC 8225 §8, RFC 7515 §2), so both pass.
_DIGEST = Pattern(r'[A-Za-z0-9+/\-_=.]++|"[A-Za-z0-9+/= \t]++"')
_PIECE = Pattern(
    rf"[ \t]*+;[ \t]*+({TOKEN}++)(?>(?:[ \t]*+=[ \t]*+(<[^<>\x00-\x1f]*+>|{QUOTED}|{TOKEN}++))?)[ \t]*+", re.DOTALL
)


@value
class Identity:
    """A signed statement of who calls (RFC 8224 §4): the PASSporT, full or compact, and where its certificate is."""

    digest: str
    params: Params = NO_PARAMS

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Identity":
        """Read one value of Identity; raises ParseError."""
        stripped = text.strip(" \t")
        match = _DIGEST.match(stripped)
        if not match:
            raise ParseError("not a signed identity digest", section="RFC 8224 §4", text=text)
        identity = cls(match[0], scan(stripped, match.end(), _PIECE.match, "RFC 8224 §4"))
        if identity.info is None:
            tolerate(notes, Deviation.IDENTITY_WITHOUT_INFO, text)
        return identity

    @property
    def info(self) -> str | None:
        """Where the certificate is, without brackets."""
        content = self.params.get("info")
        return content.strip("<>") if content else None

    @property
    def algorithm(self) -> str | None:
        """How it is signed (RFC 8224 §4 alg)."""
        return self.params.get("alg")

    @property
    def passport_type(self) -> str | None:
        """Which kind of PASSporT it is, as in `shaken` (RFC 8224 §4 ppt)."""
        return self.params.text("ppt")

    def __str__(self) -> str:
        return f"{self.digest}{self.params}"


@value
class RemoteParty:
    """The identity that a network vouched for before RFC 3325: draft-ietf-sip-privacy-04 §5."""

    address: Address

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "RemoteParty":
        """Read one value of Remote-Party-ID; raises ParseError."""
        return cls(parse_name_addr(text, notes))

    @property
    def party(self) -> str | None:
        """Whose identity it is: calling, called, …"""
        return self.address.params.get("party")

    @property
    def is_verified(self) -> bool:
        """Whether the network checked it: `screen=yes`."""
        return (self.address.params.get("screen") or "").lower() == "yes"

    @property
    def privacy(self) -> str | None:
        """What to hide of it: full, name, uri, off, …"""
        return self.address.params.text("privacy")

    def __str__(self) -> str:
        return str(self.address)


@value
class Privacy:
    """What the user, or the network, wants hidden (RFC 3323 §4.2, RFC 3325 §9.3): header, session, user, id, none, …"""

    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Privacy":
        """Read a Privacy; raises ParseError."""
        if is_token(text):
            return cls((text,))
        if len(text) > MAX_PRIVACY:
            raise LimitExceeded(f"more than {MAX_PRIVACY} characters", section="RFC 3323 §4.2", text=text)
        pieces = [piece.strip(" \t") for piece in text.replace(",", ";").split(";")]
        values = tuple(piece for piece in pieces if piece)
        if not values or not all(map(is_token, values)):
            raise ParseError("not privacy values", section="RFC 3323 §4.2", text=text)
        if len(values) < len(pieces) or "," in text:
            tolerate(notes, Deviation.PRIVACY_SEPARATOR, text)
        return cls(values)

    def __contains__(self, name: str) -> bool:
        return any(name.lower() == content.lower() for content in self.values)

    def __str__(self) -> str:
        return ";".join(self.values)
