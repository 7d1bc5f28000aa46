"""What the measures of media say is wrong."""

from collections.abc import Iterator

from probes.calls.judge.facts import CallFacts
from probes.calls.judge.hint import Hint
from probes.calls.judge.media_facts import MediaFacts
from probes.calls.judge.said import audio_of
from probes.findings.finding import Severity
from probes.report.times import duration

Hints = Iterator[Hint]

ENOUGH = 10
"""Packets from which on it can be told that none of them arrived, or how long those are that do."""
STREAM = 50
"""Packets from which on shares are worth telling: a second."""
LOSS, JITTER, REORDERED, DUPLICATES = 0.01, 0.03, 0.02, 0.05
"""Where it begins to be heard: loss by ITU-T G.113 with G.711, jitter by what common buffers take."""
ROUND_TRIP = 0.3
"""Seconds: ITU-T G.114 has people disturbed by 150 ms one way."""
LATE_MEDIA = 1.5
"""Seconds after the answer without media, in which a greeting is lost."""
AFTER_END = 5
"""Packets after the end that were on their way: 100 ms."""
MALFORMED, JUMPS = 0.05, 0.02
"""Shares of packets: a keep-alive now and then is no trouble, nor are timestamps that jump where speech begins."""
SWITCHES = 8
"""Changes of the source from which on they are no transfers any more."""
SWITCHING = 0.02
"""Changes of the source to a packet, one a second: a queue or a menu may have another source for each prompt."""
EACH_TWICE = 1.5
"""Copies of each packet from which on its sequence number tells nothing."""
DRIFT = 1000.0
"""Parts per million between two clocks: ten times what RTP endpoints with crystals have."""
DRIFT_SECONDS = 0.015
"""By how much the clocks have to be apart at the end: less may as well be jitter."""
PTIME = 0.0015
"""Seconds by which a packet time may differ."""
GAP = 0.5
"""Seconds without packets that nobody takes for speech."""
DUE = 0.1
"""Seconds for which a peer has to be due to send, by its own descriptions, before what it does not send is missing."""
DUE_TO_ECHO = 1.0
"""The same where only what comes is sent back, or media came until the call was changed: there is nothing to go by but
time."""
SILENT = 0.95
"""Share of silence from which on nothing can be heard."""
OWN_LATENESS = 0.02
_HANDSHAKE = "DTLS"
_EVENTS = "TELEPHONE-EVENT"


def withheld(facts: CallFacts) -> Hints:
    """Media that this host is not let to send to where the peer wants it."""
    media = facts.media_now
    if facts.answered is not None and media is not None and media.withheld:
        severity = Severity.WARNING if media.received else None
        yield Hint("media-not-allowed", media.withheld, _counts(media), (), severity)


def none(facts: CallFacts) -> Hints:
    """Media that does not flow at all, or not since the call was changed."""
    media = facts.media_now
    if facts.answered is None or media is None or media.received:
        return
    strange = list(_strange(media))
    echoes = not facts.calls and not media.sent
    if (
        strange
        or facts.due < (DUE_TO_ECHO if echoes or facts.began_anew else DUE)
        or (media.sent < ENOUGH and not echoes)
    ):
        yield from strange
    elif echoes:
        yield Hint("no-rtp-in", f"nothing came for {facts.due:.1f} s, and so nothing was sent back", _counts(media))
    elif media.unreachable:
        what = f"the host says that nobody listens at {media.announced}, where the peer wants its media"
        yield Hint("media-port-closed", what, _counts(media))
    elif media.reports and media.reported_loss is None:
        what = "the peer's reports come, and say that nothing arrives there"
        yield Hint("no-rtp-out", what, _counts(media))
    else:
        since = " since the call was changed" if facts.began_anew else ""
        what = f"{media.sent} packets were sent to {media.announced}{since}, and none came"
        yield Hint("no-rtp-in", what, _counts(media))


def _strange(media: MediaFacts) -> Hints:
    """What came in the place of media."""
    if media.srtp_refused:
        what = f"{media.srtp_refused} packets came, and none could be verified with the key of the peer's description"
        yield Hint("srtp-authentication", what, _counts(media))
    elif media.security_failure:
        yield Hint("srtp-handshake", f"no keys came about: {media.security_failure}", _counts(media))
    elif media.keying == _HANDSHAKE and not media.suite and not media.sent:
        yield Hint("srtp-handshake", "no keys came about: the handshake did not end during the call", _counts(media))
    elif media.handshakes and media.keying == "none":
        yield Hint("dtls-demanded", "the peer begins a DTLS handshake, which was not agreed on", _counts(media))
    elif media.checks and media.keying == "none":
        yield Hint("ice-only", "the peer sends checks of ICE, and no media", _counts(media))
    elif media.elsewhere:
        what = f"{media.elsewhere} packets came from another address than {media.announced}, and were not taken"
        yield Hint("rtp-from-elsewhere", what, _counts(media))
    elif media.wrong_type:
        what = f"{media.wrong_type} packets came of payload types that were not agreed on"
        yield Hint("codec-not-agreed", what, _counts(media))
    elif media.malformed:
        yield Hint("rtp-malformed", f"{media.malformed} packets came that are no RTP", _counts(media))


def flowing(facts: CallFacts) -> Hints:
    """Media that comes, but not as it should."""
    media = facts.media
    if facts.answered is None or media is None or not media.received:
        return
    if media.announced is not None and media.remote is not None and media.remote != media.announced:
        what = f"media comes from {media.remote}, and the peer's description says {media.announced}"
        yield Hint("rtp-from-elsewhere", what, _counts(media), (), Severity.WARNING)
    if media.empty and not media.seen_codec and facts.due >= DUE_TO_ECHO:
        what = f"{media.received} packets came that only keep a way open (RFC 6263), and no media"
        yield Hint("no-rtp-in", what, _counts(media))
    if media.srtp_refused > AFTER_END:  # those under way when keys change are no trouble
        what = f"{media.srtp_refused} packets could not be verified with the peer's key, {media.received} could"
        yield Hint("srtp-authentication", what, _counts(media), (), Severity.WARNING)
    if media.wrong_type > AFTER_END:
        what = f"{media.wrong_type} packets came of payload types that were not agreed on"
        severity = Severity.WARNING if media.seen_codec or media.keys else None
        yield Hint("codec-not-agreed", what, _counts(media), (), severity)
    held = not facts.phases[-1][1]
    speaks = media.seen_codec.upper() not in ("", _EVENTS)  # not digits alone
    if media.stalled and speaks and not held and media.duplicates < EACH_TWICE:
        packets = "a single packet" if media.received == 1 else f"{media.received} packets"
        yield Hint("rtp-stops", f"media stopped after {packets}, while the call went on", _counts(media))
    elif media.longest_gap > GAP + media.latest + facts.excused:
        yield Hint("rtp-gaps", f"media paused for {duration(media.longest_gap)}", _counts(media))
    if media.first_in is not None and media.first_in > LATE_MEDIA:
        yield Hint("media-late", f"the first packet came {media.first_in:.1f} s after the answer", _counts(media))
    if media.reports and media.reported_loss is None and media.sent_seconds > 2 and media.reports > 1:
        yield Hint("no-rtp-out", "the peer's reports say that nothing arrives there", _counts(media))
    yield from _form(facts, media)
    yield from _sequence(media)
    if media.received >= STREAM:
        yield from _quality(media)
    if media.late > AFTER_END:
        what = f"{media.late} packets came after the call was over"
        yield Hint("rtp-after-bye", what, _counts(media))


def _form(facts: CallFacts, media: MediaFacts) -> Hints:
    """Codec and packet time, against what was agreed on."""
    if media.seen_codec and media.seen_codec.upper() not in (media.codec.upper(), _EVENTS):
        what = f"{media.seen_codec} comes, where {media.codec} stands first in the answer"
        yield Hint("codec-not-agreed", what, _counts(media), (), Severity.NOTICE)
    audio = audio_of(facts.local_description)
    wished = audio.ptime / 1000 if audio is not None and audio.ptime is not None else None
    seen = media.seen_ptime if media.received >= ENOUGH else None
    if wished is not None and seen is not None and abs(seen - wished) > PTIME:
        what = f"packets of {seen * 1000:g} ms come, where {wished * 1000:g} ms were asked for"
        yield Hint("ptime-wrong", what, _counts(media))


def _sequence(media: MediaFacts) -> Hints:
    """Whether the packets are a stream at all, by their numbers, sources and contents."""
    counts, came = _counts(media), media.received * (1 + media.duplicates)
    if came >= STREAM and media.duplicates > DUPLICATES:
        what = f"{100 * media.duplicates:.1f} % of the packets came twice"
        if media.duplicates > EACH_TWICE:
            what = f"each packet came {1 + media.duplicates:.0f} times, by the sequence numbers"
        yield Hint("rtp-duplicated", what, counts)
    if media.switches > max(SWITCHES, SWITCHING * media.of_all):
        yield Hint("rtp-sources", f"the source (SSRC) changed {media.switches} times", counts)
    if media.malformed > max(AFTER_END, MALFORMED * media.received):
        what = f"{media.malformed} packets came that are no RTP, or nothing in their codec"
        yield Hint("rtp-malformed", what, counts, (), Severity.WARNING)
    if media.received < STREAM or media.seen_codec.upper() in ("", _EVENTS):
        return
    if media.jumps > JUMPS * media.received:
        yield Hint("rtp-timestamps", f"timestamps jumped {media.jumps} times in {media.received} packets", counts)
    elif media.seen_ptime is None:
        yield Hint("rtp-timestamps", "timestamps do not go on from packet to packet", counts)
    if media.empty:
        yield Hint("media-silent", "packets come, and there is nothing in them at all", counts)


def _quality(media: MediaFacts) -> Hints:
    if media.loss > LOSS:
        yield Hint("rtp-loss", f"{100 * media.loss:.1f} % of what the peer sent is lost", _counts(media))
    if media.reported_loss is not None and media.reported_loss > LOSS:
        what = f"the peer misses {100 * media.reported_loss:.1f} % of what is sent to it"
        yield Hint("rtp-loss-out", what, _counts(media))
    if media.reordered > REORDERED:
        yield Hint("rtp-reordered", f"{100 * media.reordered:.1f} % of the packets were overtaken", _counts(media))
    if media.jitter > max(JITTER, media.lateness):
        yield Hint("jitter-high", f"packets come with {media.jitter * 1000:.0f} ms of jitter", _counts(media))
    apart = abs(media.drift or 0.0) * 1e-6 * media.received * (media.seen_ptime or media.ptime)
    least = DRIFT_SECONDS + media.lateness + 2 * media.jitter
    if media.drift is not None and abs(media.drift) > DRIFT and apart > least:
        pace = "faster" if media.drift > 0 else "slower"
        what = f"the peer's clock runs {abs(media.drift):.0f} parts per million {pace} than the one here"
        yield Hint("clock-drift", what, _counts(media))
    if media.round_trip is not None and media.round_trip > ROUND_TRIP:
        yield Hint("delay-high", f"a packet takes {duration(media.round_trip)} there and back", _counts(media))
    if media.restarts:
        yield Hint("rtp-restarts", f"the stream began anew {media.restarts} times", _counts(media))
    if media.lateness > OWN_LATENESS:
        what = f"packets left here up to {media.lateness * 1000:.0f} ms late: the measures are that much too bad"
        yield Hint("busy-here", what)


def heard(facts: CallFacts) -> Hints:
    """What was heard, and keys."""
    media = facts.media
    if facts.answered is None or media is None or not media.received:
        return
    if media.digits:
        events = audio_of(facts.answer)
        known = events is not None and any("telephone-event" in codec.encoding for codec in events.codecs)
        if media.keys.upper() != media.digits.upper() and not known and not _has_events(facts):
            yield Hint("dtmf-not-agreed", "the answer has no telephone-event, so that no digits can be sent")
        elif media.keys.upper() != media.digits.upper() and (media.keys or media.echo):
            what = f"{media.digits} was sent, and {media.keys or 'nothing'} came back"
            yield Hint("dtmf-lost", what, _counts(media))
    if media.echo is False and media.silence is not None and media.received >= STREAM:
        if media.silence > SILENT:
            yield Hint("media-silent", "packets come, and there is nothing in them but silence", _counts(media))
        else:
            what = "sound comes, and the signal that is sent is not in it: nobody sends it back"
            yield Hint("echo-missing", what, _counts(media))


def _has_events(facts: CallFacts) -> bool:
    """Whether the answer takes telephone events, by its own words."""
    audio = audio_of(facts.answer)
    return audio is not None and any("telephone-event" in line.lower() for line in audio.lines())


def _counts(media: MediaFacts) -> tuple[str, ...]:
    told = f"RTP: {media.sent} packets sent, {media.received} received; RTCP: {media.reports} reports received"
    if media.announced is None:
        return (told,)
    coming = f", coming from {media.remote}" if media.received else ""
    return told, f"announced {media.announced}{coming}"
