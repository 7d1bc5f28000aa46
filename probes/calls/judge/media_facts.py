"""What was measured of a call's audio, as the rules read it."""

import math
from collections.abc import Sequence
from dataclasses import replace

from probes.result import CallMedia, TimelineEntry
from sipcore.media.reception import Received
from sipcore.media.report import MediaEvent, MediaEventKind
from sipcore.resolve.target import SocketAddress
from sipcore.value import value

JUMP = 10.0
"""Seconds of jitter that no network has: a sixteenth of how far timestamps jumped (RFC 3550 §A.8)."""
FIRST_REPORT = 0.2
"""Seconds from the first packet of media within which no report is sent: a fifth of their interval (RFC 3550 §6.2)."""


@value
class MediaFacts:
    """What was measured of a call's audio, seen from this side. Times are in seconds, shares from 0 to 1.

    `reports` are those of the peer over RTCP, `reported_loss` what the last of them says of what was sent, None where
    none says anything. `of_all` are the packets of all sources, `received` those of the one that is measured. `empty`
    is whether what came had no content, `jumps` are the steps of timestamps that no clock makes, `switches` is how
    often another source sent than before. `echo` is whether the known signal came back, None where nobody listened.
    `late` are the packets after the end, `first_in` is when the first came after the answer. `lateness` and `latest`
    are how late packets left here, the 99th percentile and the worst: what comes back is that late, too.
    """

    codec: str = ""
    ptime: float = 0.02
    keying: str = "none"
    suite: str = ""
    announced: SocketAddress | None = None
    remote: SocketAddress | None = None
    sent: int = 0
    sent_seconds: float = 0.0
    received: int = 0
    of_all: int = 0
    empty: bool = False
    seen_codec: str = ""
    seen_ptime: float | None = None
    loss: float = 0.0
    jitter: float = 0.0
    drift: float | None = None
    reordered: float = 0.0
    duplicates: float = 0.0
    longest_gap: float = 0.0
    restarts: int = 0
    jumps: int = 0
    switches: int = 0
    reports: int = 0
    reported_loss: float | None = None
    round_trip: float | None = None
    srtp_refused: int = 0
    security_failure: str = ""
    handshakes: int = 0
    checks: int = 0
    wrong_type: int = 0
    malformed: int = 0
    elsewhere: int = 0
    late: int = 0
    stalled: bool = False
    unreachable: bool = False
    withheld: str = ""
    """Why nothing was sent to where the peer wants its media, where whoever runs this host does not let it."""
    digits: str = ""
    keys: str = ""
    echo: bool | None = None
    silence: float | None = None
    first_in: float | None = None
    lateness: float = 0.0
    latest: float = 0.0
    changed: "MediaFacts | None" = None
    """The same of the stream that the call was changed to last; None where there was one alone."""


def media_facts(media: CallMedia, timeline: Sequence[TimelineEntry], answered: float | None) -> MediaFacts:
    """The facts of measured media; `answered` is when, in seconds since the call began."""
    facts = _facts(media, timeline, answered)
    if not media.parts:
        return facts
    part = media.parts[-1]
    return replace(facts, changed=_facts(replace(media, measured=part.measured), timeline, answered))


def _facts(media: CallMedia, timeline: Sequence[TimelineEntry], answered: float | None) -> MediaFacts:
    measured = media.measured
    since_ms = 1000 * media.parts[-1].began if media.parts else -math.inf
    events = [entry.event for entry in timeline if entry.event is not None]
    latest = [entry.event for entry in timeline if entry.event is not None and entry.offset_ms >= since_ms]
    sent, control, unexpected, heard = measured.sent, measured.control, measured.unexpected, measured.heard
    view, began = control.remote, media.first_received
    facts = MediaFacts(
        codec=media.codec,
        ptime=media.ptime,
        keying=media.keying,
        suite=measured.suite,
        announced=measured.announced,
        remote=measured.remote,
        sent=sent.packets,
        sent_seconds=(sent.last_at or 0.0) - (sent.first_at or 0.0),
        seen_codec=measured.codec,
        reports=control.reports,
        reported_loss=min(max(view.lost, 0) / max(sent.packets, 1), 1.0) if view is not None else None,
        round_trip=control.round_trip,
        srtp_refused=measured.srtp.authentication if measured.srtp else 0,
        security_failure=measured.security_failure,
        handshakes=unexpected.handshakes,
        checks=unexpected.checks,
        wrong_type=unexpected.wrong_type,
        malformed=unexpected.malformed,
        of_all=sum(count for _, count in measured.payload_types),
        switches=unexpected.switches,
        elsewhere=sum(count for _, count in unexpected.elsewhere),
        late=media.late,
        stalled=_is_stalled(latest),
        unreachable=was_closed(events),
        withheld=next((event.detail for event in latest if event.kind is MediaEventKind.NOT_ALLOWED), ""),
        digits=media.digits,
        keys=media.keys,
        echo=heard.echo is not None if heard is not None else None,
        silence=heard.silence if heard is not None else None,
        first_in=began - answered if began is not None and answered is not None else None,
        lateness=sent.lateness,
        latest=sent.latest,
    )
    replayed = measured.srtp.replayed if measured.srtp else 0
    return _with_stream(facts, measured.received, replayed) if measured.received is not None else facts


def _with_stream(facts: MediaFacts, received: Received, replayed: int) -> MediaFacts:
    """The same, with what was measured of the stream that came. What was `replayed` are duplicates, refused by SRTP."""
    count = max(received.packets, 1)
    return replace(
        facts,
        received=received.packets,
        empty=not received.octets,
        seen_ptime=received.ptime,
        loss=received.loss,
        jitter=_jitter_of(received),
        drift=received.drift,
        reordered=received.late / count,
        duplicates=(received.duplicates + replayed) / count,
        longest_gap=received.longest_gap,
        restarts=received.restarts,
        jumps=received.jumps,
    )


def _jitter_of(received: Received) -> float:
    """Jitter at the end; 0 where timestamps have jumped, as they do between a tone and speech: that takes hundreds of
    packets to be forgotten.
    """
    return received.jitter if received.peak_jitter < JUMP else 0.0


def _is_stalled(events: Sequence[MediaEvent]) -> bool:
    """Whether the stream had stopped at the end."""
    moves = [event.kind for event in events if event.kind in (MediaEventKind.STALLED, MediaEventKind.RESUMED)]
    return bool(moves) and moves[-1] is MediaEventKind.STALLED


def was_closed(events: Sequence[MediaEvent]) -> bool:
    """Whether the peer's port for RTP was unreachable: that is told at once, while that of RTCP, which many have
    closed, is told when the first report is sent.
    """
    first: dict[MediaEventKind, float] = {}
    for event in events:
        first.setdefault(event.kind, event.at)
    refused, sent = first.get(MediaEventKind.UNREACHABLE), first.get(MediaEventKind.FIRST_SENT)
    return refused is not None and sent is not None and refused - sent < FIRST_REPORT
