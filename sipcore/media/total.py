"""The media of a call that was changed to another stream: to another codec, or other keys. Each part has its measures,
and what they come to altogether is made here.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, replace

from sipcore.media.control import MAX_ROUND_TRIPS
from sipcore.media.emodel import is_wideband
from sipcore.media.plan import MediaPlan
from sipcore.media.receiver import MAX_KEYS, MAX_SOURCES
from sipcore.media.reception import Received
from sipcore.media.report import Control, MediaResult, Sent, Unexpected
from sipcore.media.session import MAX_ELSEWHERE
from sipcore.media.srtp import SrtpFailures
from sipcore.resolve.target import SocketAddress
from sipcore.value import value

_SUMS = ("packets", "octets", "expected", "lost", "duplicates", "late", "gaps", "bursts", "restarts", "jumps")


@value
class MediaPart:
    """One stream each way, as `plan` had it, from when it `began`, in seconds on the clock of its packets."""

    began: float
    plan: MediaPlan
    measured: MediaResult


def total_of(parts: Sequence[MediaResult]) -> MediaResult:
    """What several streams of one call, one after the other, come to.

    What can be counted is added up: what was lost between two of them is in neither. Jitter and the opinion score are
    the means of the parts, by their packets, and the worst lateness is the worst of any. What was agreed on last counts
    for what cannot be added: the codec, the suite, and where media went. Of what a peer may send any number of there is
    no more than one stream may have, however often it changes the call.
    """
    if len(parts) == 1:
        return parts[0]
    last = parts[-1]
    heard = [part for part in parts if part.sources]
    mains = [part.sources[0] for part in heard]
    others = sorted((each for part in parts for each in part.sources[1:]), key=lambda each: -each.packets)
    types = Counter[int]()
    for part in parts:
        types.update(dict(part.payload_types))
    codec = heard[-1].codec if heard else ""
    return replace(
        last,
        sent=_sent([part.sent for part in parts]),
        sources=(_received(mains), *others[: MAX_SOURCES - 1]) if mains else (),
        control=_control([part.control for part in parts]),
        unexpected=_unexpected([part.unexpected for part in parts]),
        keys=tuple(key for part in parts for key in part.keys)[:MAX_KEYS],
        payload_types=tuple(sorted(types.items())),
        codec=codec,
        security_failure=next((part.security_failure for part in reversed(parts) if part.security_failure), ""),
        srtp=_failures([part.srtp for part in parts if part.srtp is not None]),
        silent_seconds=sum(part.silent_seconds for part in parts),
        opinion=_opinion(heard, codec),
    )


def _sent(parts: Sequence[Sent]) -> Sent:
    times = [at for part in parts for at in (part.first_at, part.last_at) if at is not None]
    return Sent(
        parts[-1].ssrc,
        sum(part.packets for part in parts),
        sum(part.octets for part in parts),
        sum(part.skipped for part in parts),
        sum(part.refused for part in parts),
        "".join(part.keys for part in parts),
        max(part.lateness for part in parts),
        max(part.latest for part in parts),
        min(times, default=None),
        max(times, default=None),
    )


def _received(parts: Sequence[Received]) -> Received:
    """The main sources of all parts, as one. The packet time and the drift are those of the longest part."""
    longest = max(parts, key=lambda part: part.packets)
    packets = sum(part.packets for part in parts)
    sums = {name: sum(getattr(part, name) for part in parts) for name in _SUMS}
    return replace(
        longest,
        ssrc=parts[-1].ssrc,
        jitter=sum(part.jitter * part.packets for part in parts) / max(packets, 1),
        peak_jitter=max(part.peak_jitter for part in parts),
        longest_gap=max(part.longest_gap for part in parts),
        first_at=min(part.first_at for part in parts),
        last_at=max(part.last_at for part in parts),
        **sums,
    )


def _control(parts: Sequence[Control]) -> Control:
    """The peer's view is the last one, of all that was lost: it counts anew with each stream."""
    views = [part.remote for part in parts if part.remote is not None]
    return Control(
        sum(part.sent for part in parts),
        sum(part.received for part in parts),
        sum(part.malformed for part in parts),
        tuple(seconds for part in parts for seconds in part.round_trips)[:MAX_ROUND_TRIPS],
        replace(views[-1], lost=sum(view.lost for view in views)) if views else None,
        next((part.cname for part in reversed(parts) if part.cname), ""),
        any(part.goodbye for part in parts),
        sum(part.reports for part in parts),
    )


def _unexpected(parts: Sequence[Unexpected]) -> Unexpected:
    elsewhere = Counter[SocketAddress]()
    for part in parts:
        elsewhere.update(dict(part.elsewhere))
    counts = [field.name for field in fields(Unexpected) if field.name != "elsewhere"]
    return Unexpected(
        elsewhere=tuple(elsewhere.most_common(MAX_ELSEWHERE)),
        **{name: sum(getattr(part, name) for part in parts) for name in counts},
    )


def _failures(parts: Sequence[SrtpFailures]) -> SrtpFailures | None:
    if not parts:
        return None
    return SrtpFailures(
        sum(part.authentication for part in parts),
        sum(part.replayed for part in parts),
        sum(part.malformed for part in parts),
    )


def _opinion(heard: Sequence[MediaResult], codec: str) -> float | None:
    """The mean of those on the scale of the last codec: scores of two scales cannot be compared."""
    rated = [
        (part.opinion, part.sources[0].packets)
        for part in heard
        if part.opinion is not None and is_wideband(part.codec) is is_wideband(codec)
    ]
    packets = sum(count for _, count in rated)
    return sum(score * count for score, count in rated) / packets if packets else None
