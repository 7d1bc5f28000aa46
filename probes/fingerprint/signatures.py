"""What is known of products, as data: one table each in `signatures.toml`, loaded and checked once.

A product is known by its banner, by its shape, or by both. A shape is a list of traits; each says of one feature of a
message what it looks like, and how many bits that speaks for the product: 3 bits make it eight times as likely as any
other product, -3 an eighth. Bits of independent features add up.
"""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from sipcore.errors import LocalError
from sipcore.value import value

FEATURES = frozenset(
    {
        *("status-line", "order", "spacing", "via", "to-tag", "tag-is", "address-tag", "contact"),
        *("allow", "supported", "accept", "allow-events", "challenge", "nonce", "realm"),
        *("sdp-origin", "sdp-session", "sdp-tool", "warning", "unsupported", "names", "provisional", "tag-prefix"),
    }
)
"""What `probes.fingerprint.evidence` observes, and signatures speak of."""
ASKS = frozenset(
    {
        *("no-hops", "method", "extension", "dialog", "spelling", "scheme", "elsewhere", "stranger", "timestamp"),
        *("registrations", "call"),
    }
)
"""The requests to which reactions are known, by their names: those of `probes.fingerprint.deep`, and an INVITE."""
MAX_BITS = 40.0
"""No trait says more: at that, one in a million million others looks the same."""
_GROUPS = {"version", "model", "platform"}
_NEEDED = {"product", "vendor", "kind", "source"}
_KEYS = _NEEDED | {"banners", "engine", "shapes"}
_NEEDED_OF_TRAIT = {"see", "like", "bits"}
_NEEDED_OF_REACTION = {"to", "like", "bits"}
_MORE_OF_REACTION = {"see", "against"}
_STATUS_LINE = "status-line"

Table = Mapping[str, Any]


@value
class Trait:
    """What one feature of a message looks like. `bits` speak for the product where it matches, `against` where not."""

    feature: str
    """Its name; where it is a reaction, the name of the request and that of the feature, as `reaction` joins them."""
    pattern: re.Pattern[str]
    bits: float
    against: float = 0.0


@value
class Shape:
    """How messages of a product look, without their banner. `variant` tells one of its SIP stacks from another."""

    variant: str
    source: str
    traits: tuple[Trait, ...]


@value
class Signature:
    """One product. `banners` match where a banner begins, and tell version, model and platform by those names."""

    key: str
    product: str
    vendor: str
    kind: str
    source: str
    banners: tuple[re.Pattern[str], ...] = ()
    shapes: tuple[Shape, ...] = ()
    engine: str = ""
    """The key of the product whose SIP stack it is built on: its messages have that one's shape."""


@value
class Signatures:
    """All that is known: the signatures by key, in the order in which banners are tried."""

    by_key: Mapping[str, Signature]
    unsupported: tuple[str, ...] = ()
    """Products that are not told at all, since no source shows their banner or the shape of their messages."""


@value
class Support:
    """By what a product is told: its banner, the shape of its messages, what it does with odd requests; or by nothing.

    Without a banner, and without a shape of its own, one that is built on another's `stack` is told as that one.
    """

    product: str
    vendor: str = ""
    banner: bool = False
    shape: bool = False
    reactions: bool = False
    stack: str = ""

    @property
    def hidden(self) -> bool:
        """Whether it, or the stack that it is built on, is told when it hides its banner."""
        return self.shape or bool(self.stack)


def reaction(ask: str, feature: str = _STATUS_LINE) -> str:
    """The name of a feature of the answer to one request of deep mode."""
    return f"{ask} {feature}"


@cache
def signatures() -> Signatures:
    """The signatures of `signatures.toml`, read when they are first asked for."""
    return read(files("probes.fingerprint").joinpath("signatures.toml").read_text("utf-8"))


def support() -> tuple[Support, ...]:
    """By what each product is told, in the order of the signatures; last, those that are asked for and not told."""
    by_key = signatures().by_key
    known = []
    for one in by_key.values():
        reacts = any(" " in trait.feature for shape in one.shapes for trait in shape.traits)
        stack = by_key[one.engine].product if one.engine and by_key[one.engine].shapes else ""
        known.append(Support(one.product, one.vendor, bool(one.banners), bool(one.shapes), reacts, stack))
    return (*known, *(Support(product) for product in signatures().unsupported))


def unsupported() -> tuple[str, ...]:
    """The products that nothing tells once they hide their banner, since no source shows how their messages look."""
    return tuple(one.product for one in support() if not one.hidden)


def read(text: str) -> Signatures:
    """Signatures out of a TOML text. Raises LocalError on whatever is wrong with it."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _wrong(f"the signatures are no TOML: {error}") from None
    unsupported = data.pop("unsupported", [])
    by_key = {key: _signature(key, table) for key, table in data.items()}
    for one in by_key.values():
        if one.engine and (one.engine not in by_key or by_key[one.engine].engine):
            raise _wrong(f"{one.key}: no product {one.engine} to be built on that has its own stack")
    return Signatures(by_key, tuple(unsupported))


def _signature(key: str, table: Table) -> Signature:
    if not isinstance(table, dict) or table.keys() - _KEYS or not table.keys() >= _NEEDED:
        raise _wrong(f"{key}: needs {', '.join(sorted(_NEEDED))}, and may have no more than {', '.join(sorted(_KEYS))}")
    return Signature(
        key,
        table["product"],
        table["vendor"],
        table["kind"],
        table["source"],
        tuple(_banner(key, pattern) for pattern in table.get("banners", ())),
        tuple(_shape(key, shape) for shape in table.get("shapes", ())),
        table.get("engine", ""),
    )


def _banner(key: str, pattern: str) -> re.Pattern[str]:
    compiled = _compiled(key, pattern, re.IGNORECASE)
    if compiled.groupindex.keys() - _GROUPS:
        raise _wrong(f"{key}: a banner tells {', '.join(sorted(_GROUPS))}, nothing else: {pattern}")
    return compiled


def _shape(key: str, table: Table) -> Shape:
    traits = (
        *(_trait(key, trait) for trait in table.get("traits", ())),
        *(_reaction(key, trait) for trait in table.get("reactions", ())),
    )
    if not traits or not table.get("source"):
        raise _wrong(f"{key}: a shape needs traits and a source")
    return Shape(table.get("variant", ""), table["source"], traits)


def _trait(key: str, table: Table) -> Trait:
    if table.keys() - _NEEDED_OF_TRAIT - {"against"} or not table.keys() >= _NEEDED_OF_TRAIT:
        raise _wrong(f"{key}: not a trait: {dict(table)}")
    return _made(key, table, table["see"], table["see"])


def _reaction(key: str, table: Table) -> Trait:
    if table.keys() - _NEEDED_OF_REACTION - _MORE_OF_REACTION or not table.keys() >= _NEEDED_OF_REACTION:
        raise _wrong(f"{key}: not a reaction: {dict(table)}")
    if table["to"] not in ASKS:
        raise _wrong(f"{key}: a reaction to nothing that is asked: {dict(table)}")
    feature = table.get("see", _STATUS_LINE)
    return _made(key, table, feature, reaction(table["to"], feature))


def _made(key: str, table: Table, feature: str, name: str) -> Trait:
    bits, against = table["bits"], table.get("against", 0)
    if feature not in FEATURES:
        raise _wrong(f"{key}: not a trait, as nobody observes that: {dict(table)}")
    if not all(isinstance(one, int | float) and 0 <= one <= MAX_BITS for one in (bits, against)):
        raise _wrong(f"{key}: bits are from 0 to {MAX_BITS:g}: {dict(table)}")
    return Trait(name, _compiled(key, table["like"]), bits, against)


def _compiled(key: str, pattern: str, flags: int = 0) -> re.Pattern[str]:
    if not is_linear(pattern):
        raise _wrong(f"{key}: an unbounded repetition that is not possessive: {pattern}")
    try:
        return re.compile(pattern, flags)
    except re.error as error:
        raise _wrong(f"{key}: {error}: {pattern}") from None


_LITERAL = re.compile(r"\\.|\[\^?\]?(?>(?:\\.|[^\]\\])*)\]")
_POSSESSIVE = re.compile(r"(?<!\))(?:[*+?]|\{\d*+(?:,\d*+)?\})\+")
_AT_LEAST = re.compile(r"\{\d*+,\}")
_GROUP = re.compile(r"\((?!\?>)[^()*+]*+\)|\(\?>x[*+]?\)")
"""One that has no unbounded repetition in it, or is atomic and nothing but one."""


def is_linear(pattern: str) -> bool:
    """Whether matching a pattern takes time linear in the text: all its unbounded repetitions are possessive.

    What such a repetition took it never gives back, so that the ways to match do not multiply with the length. That of
    a group has to be written as an atomic group around it, `(?>(?:...)*)` (`sipcore.pattern` says why).
    """
    rest = _AT_LEAST.sub("*", _POSSESSIVE.sub("", _LITERAL.sub("x", pattern)))
    while (shorter := _GROUP.sub("x", rest)) != rest:
        rest = shorter
    return "*" not in rest and "+" not in rest


def _wrong(message: str) -> LocalError:
    return LocalError(message, section="RFC 3261 §20.35")
