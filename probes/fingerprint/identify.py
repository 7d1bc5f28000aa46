"""Which product answered: banner and shape weighed together.

Each product gets the bits that the evidence speaks for or against it; so does "something else", which starts ahead, as
most products are not known here. A candidate's confidence is its share of the odds, so that little evidence gives low
confidence, and two products that look alike share theirs.
"""

from collections.abc import Mapping
from dataclasses import replace

from probes.fingerprint.banners import Banner, banner_of, read_banner
from probes.fingerprint.evidence import TAGS, Seen, observe
from probes.fingerprint.signatures import Shape, Signature, Trait, signatures
from probes.result import Candidate, System
from sipcore.errors import quoted
from sipcore.message.message import Response
from sipcore.resolve.target import SocketAddress
from sipcore.value import value

UNKNOWN_BITS = 7.0
"""What "something else" starts with: 7 bits of evidence for a product make it as likely as all that is not known."""
BANNER_BITS = 14.0
"""What a banner says for the product that it names: few give a wrong one."""
MOST_AGAINST = 4.0
"""What the shape can say against the product of the banner: a version that is not known may look different."""
STATED = 0.5
"""From this confidence on a product is named that no banner names; below, it is unknown, with candidates."""
HIGH = 0.9
"""From this confidence on the shape alone is trusted to contradict the banner."""
LEAST = 0.01
"""Candidates with less confidence are not told."""
MAX_CANDIDATES = 5
MAX_TOLD = 60
"""Characters of a feature that are told as evidence."""


@value
class Match:
    """What one shape of a product has for it: the sum of its bits, and the traits that spoke."""

    signature: Signature
    shape: Shape
    bits: float
    told: tuple[str, ...]


def system_of(response: Response, remote: SocketAddress | None = None, asked_tag: str | None = None) -> System | None:
    """What a response shows the endpoint to be; None where neither its banner nor its shape says anything.

    `asked_tag` is the To tag of its request, if that had one.
    """
    system = identify(observe(response, remote, asked_tag), banner_of(response))
    return system if system.banner or system.candidates else None


def identify(evidence: Seen, banner: str = "") -> System:
    """What evidence and banner show: the product when that is likely enough, and all that come into question."""
    said = read_banner(banner) if banner else None
    shapes = match_shapes(evidence)
    candidates = _candidates(said, shapes)
    best = candidates[0] if candidates else None
    stated = best if best is not None and (best.confidence >= STATED or _is_named(best, said)) else None
    named = said if stated is not None and _is_named(stated, said) else None
    return System(
        banner,
        stated.product if stated else "",
        named.version if named else "",
        (named.platform if named else "") or (stated.variant if stated else ""),
        vendor=stated.vendor if stated else "",
        kind=stated.kind if stated else "",
        model=named.model if named else "",
        confidence=stated.confidence if stated else 0.0,
        candidates=candidates,
        disagreement=_disagreement(said, shapes),
    )


def _is_named(candidate: Candidate, said: Banner | None) -> bool:
    return said is not None and candidate.product == said.product


def match_shapes(evidence: Seen) -> Mapping[str, Match]:
    """For each product with a shape, the best of its shapes, by the product's key."""
    best: dict[str, Match] = {}
    for key, signature in signatures().by_key.items():
        for shape in signature.shapes:
            match = _match(signature, shape, evidence)
            if key not in best or match.bits > best[key].bits:
                best[key] = match
    return {key: _with_engine(match, best) for key, match in best.items()}


def shares(bits: Mapping[str, float]) -> dict[str, float]:
    """The confidence in each product, out of its bits: from 0 to 1, together with "something else" exactly 1."""
    odds = {key: 2.0**value for key, value in bits.items()}
    whole = sum(odds.values()) + 2.0**UNKNOWN_BITS
    return {key: value / whole for key, value in odds.items()}


def _match(signature: Signature, shape: Shape, evidence: Seen) -> Match:
    bits = 0.0
    told: list[tuple[float, str]] = []
    for trait in shape.traits:
        texts = evidence.get(trait.feature)
        if texts is None:
            continue
        several = (texts,) if isinstance(texts, str) else texts
        matching = [text for text in several if trait.pattern.fullmatch(text)]
        fitting = len(matching) / len(several)
        if matching:
            # Tags are made the same way each time; of everything else, answers of some kind only may show it.
            speaks = trait.bits * (fitting if trait.feature in TAGS else 1.0)
            bits += speaks
            told.append((speaks, _told(trait, matching[0])))
        bits -= trait.against * (1.0 - fitting)
    spoke = sorted((one for one in told if one[0] > 0), key=lambda one: -one[0])
    return Match(signature, shape, bits, tuple(dict.fromkeys(text for _, text in spoke)))


def _with_engine(match: Match, best: Mapping[str, Match]) -> Match:
    """A match with what its product's engine has for it added, where there is something of the product's own."""
    engine = best.get(match.signature.engine)
    if engine is None or match.bits <= 0:
        return match
    return replace(match, bits=match.bits + max(0.0, engine.bits), told=match.told + engine.told)


def _told(trait: Trait, text: str) -> str:
    short = text if len(text) <= MAX_TOLD else text[: MAX_TOLD - 1] + "…"
    ask, _, feature = trait.feature.rpartition(" ")
    nothing = "no answer" if ask and feature == "status-line" else f"no {feature}"
    said = f"{feature} {quoted(short)}" if short else nothing
    return f"to {ask}: {said}" if ask else said


def _candidates(said: Banner | None, shapes: Mapping[str, Match]) -> tuple[Candidate, ...]:
    bits = {key: match.bits for key, match in shapes.items()}
    key = ""
    if said is not None and said.product:
        key = said.signature.key if said.signature else f"banner {said.product}"
        bits[key] = BANNER_BITS + max(-MOST_AGAINST, _own_bits(said, shapes))
        _drop_engine(said, bits)
    ranked = sorted(shares(bits).items(), key=lambda item: (-item[1], item[0] != key))
    made = (_candidate(name, share, said if name == key else None, shapes.get(name)) for name, share in ranked)
    return tuple(one for one in made if one.confidence >= LEAST)[:MAX_CANDIDATES]


def _own_bits(said: Banner, shapes: Mapping[str, Match]) -> float:
    """What the shape says for the product of the banner, or for the one whose stack it is built on."""
    matches = [shapes[key].bits for key in _keys(said) if key in shapes]
    return max(matches, default=0.0)


def _keys(said: Banner) -> tuple[str, ...]:
    """The keys of the product of the banner, and of what it is built on."""
    return (said.signature.key, said.signature.engine) if said.signature is not None else ()


def _drop_engine(said: Banner, bits: dict[str, float]) -> None:
    """Take out what the banner's product is built on: that is no other candidate."""
    for key in _keys(said)[1:]:
        bits.pop(key, None)


def _candidate(key: str, share: float, said: Banner | None, match: Match | None) -> Candidate:
    known = signatures().by_key.get(key)
    told: tuple[str, ...] = (f"banner {quoted(said.text[:MAX_TOLD])}",) if said is not None else ()
    if match is not None:
        told += match.told
    if known is None:
        return Candidate(said.product if said is not None else key, share, evidence=told)
    variant = match.shape.variant if match is not None and match.bits > 0 else ""
    return Candidate(known.product, share, known.vendor, known.kind, variant, told)


def _disagreement(said: Banner | None, shapes: Mapping[str, Match]) -> str:
    """In words, that the banner names one product and the shape is clearly another's; "" where they go together."""
    if said is None or not said.product or not shapes:
        return ""
    share = shares({key: match.bits for key, match in shapes.items()})
    key = max(share, key=lambda name: share[name])
    if share[key] < HIGH or key in _keys(said) or shapes[key].bits <= _own_bits(said, shapes):
        return ""
    match = shapes[key]
    return f"the banner says {said.product}, but the answer has the shape of {match.signature.product}: {match.told[0]}"
