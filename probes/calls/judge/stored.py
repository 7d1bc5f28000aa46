"""The facts of a test call out of its stored result, the JSON of `sipprobe call --json`, of this version or another.

Whatever is missing in it, or is of another form, is not known; what is there is not trusted to be ours.
"""

from probes.calls.judge.facts import JUMP, CallFacts, MediaFacts, read, was_closed
from probes.capture.stored import Data, address_of, count_of, number_of, text_of, timeline_of
from probes.result import CallKind, CallRole
from sipcore.media.report import MediaEventKind
from sipcore.trace import Direction, MessageTrace

_KINDS = {kind.value: kind for kind in CallKind}


def facts_of_data(data: Data) -> CallFacts:
    """The facts of one of the `results_in` a file."""
    timeline = [entry for entry in data["timeline"] if isinstance(entry, dict)]
    records = [entry.record for entry in timeline_of(data) if isinstance(entry.record, MessageTrace)]
    media = data.get("media")
    kind = _KINDS.get(text_of(data.get("kind")))
    answered = number_of(data.get("answer_time_ms"))
    if answered is not None:
        answered += number_of(data.get("invited_ms")) or 0.0
    return CallFacts(
        list(read((record, record.direction is Direction.SENT) for record in records)),
        _media(media, timeline, answered) if isinstance(media, dict) else None,
        kind=kind,
        why=text_of(data.get("why")),
        authentication=text_of(data.get("authentication")),
        ended_by=text_of(data.get("ended_by")),
        media_problem=text_of(data.get("media_problem")),
        given_up=any(entry.get("label") == "given up" for entry in timeline),
        role=CallRole.CALLEE if data.get("role") == CallRole.CALLEE.value else CallRole.CALLER,
    )


def _media(media: Data, timeline: list[Data], answered_ms: float | None) -> MediaFacts:
    sent, received, rtcp = _part(media, "sent"), _part(media, "received"), _part(media, "rtcp")
    unexpected, dtmf, heard = _part(media, "unexpected"), _part(media, "dtmf"), _part(media, "heard")
    first, packets = number_of(media.get("first_received_ms")), count_of(sent.get("packets"))
    kinds = [entry.get("event") for entry in timeline]
    moves = [kind for kind in kinds if kind in (MediaEventKind.STALLED.value, MediaEventKind.RESUMED.value)]
    lost, came = number_of(rtcp.get("remote_lost")), max(count_of(received.get("packets")), 1)
    elsewhere = [each for each in unexpected.get("elsewhere", []) if isinstance(each, dict)]
    return MediaFacts(
        codec=text_of(media.get("codec")),
        ptime=_seconds(media.get("ptime_ms")) or 0.02,
        keying=text_of(media.get("keying")),
        suite=text_of(media.get("srtp_suite")),
        announced=address_of(media.get("announced")),
        remote=address_of(media.get("remote")),
        sent=packets,
        sent_seconds=number_of(sent.get("seconds")) or 0.0,
        received=count_of(received.get("packets")),
        seen_codec=text_of(received.get("codec")),
        seen_ptime=_seconds(received.get("ptime_ms")),
        loss=(number_of(received.get("loss_percent")) or 0.0) / 100,
        jitter=_jitter(received),
        drift=number_of(received.get("drift_ppm")),
        reordered=count_of(received.get("reordered")) / came,
        duplicates=count_of(received.get("duplicates")) / came,
        longest_gap=_seconds(received.get("longest_gap_ms")) or 0.0,
        restarts=count_of(received.get("restarts")),
        reports=count_of(rtcp.get("received")),
        reported_loss=None if lost is None else min(max(lost, 0) / max(packets, 1), 1.0),
        round_trip=_seconds(rtcp.get("round_trip_ms")),
        srtp_refused=count_of(media.get("srtp_unverified")),
        security_failure=text_of(media.get("security_failure")),
        handshakes=count_of(unexpected.get("handshakes")),
        checks=count_of(unexpected.get("checks")),
        wrong_type=count_of(unexpected.get("wrong_type")),
        malformed=count_of(unexpected.get("malformed")),
        elsewhere=sum(count_of(each.get("packets")) for each in elsewhere),
        late=count_of(unexpected.get("after_hang_up")),
        stalled=bool(moves) and moves[-1] == MediaEventKind.STALLED.value,
        unreachable=was_closed(_timed(timeline)),
        digits=text_of(dtmf.get("sent")),
        keys=text_of(dtmf.get("received")),
        echo=heard.get("echo") is not None if heard else None,
        silence=(number_of(heard.get("silence_percent")) or 0.0) / 100 if heard else None,
        first_in=(first - answered_ms) / 1000 if first is not None and answered_ms is not None else None,
        lateness=_seconds(sent.get("lateness_ms")) or 0.0,
        latest=_seconds(sent.get("latest_ms")) or 0.0,
    )


def _timed(timeline: list[Data]) -> list[tuple[str, float]]:
    return [(text_of(entry.get("event")), (number_of(entry.get("offset_ms")) or 0.0) / 1000) for entry in timeline]


def _jitter(received: Data) -> float:
    peak = _seconds(received.get("peak_jitter_ms")) or 0.0
    return (_seconds(received.get("jitter_ms")) or 0.0) if peak < JUMP else 0.0


def _part(data: Data, name: str) -> Data:
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def _seconds(found: object) -> float | None:
    number = number_of(found)
    return None if number is None else number / 1000
