"""The audio of a test call out of its stored result, as it was measured then.

Of what is not stored (the SSRCs, the packets of a key), the result has zeros; nothing that is told of a call needs it.
"""

from probes.capture.fields import Data, address_of, count_of, number_of, part_of, parts_of, seconds_of, text_of
from probes.result import CallMedia, CallMediaPart
from sipcore.media.dtmf import ReceivedKey
from sipcore.media.listen import Echo, Heard
from sipcore.media.plan import DEFAULT_PTIME
from sipcore.media.reception import Received
from sipcore.media.report import Control, MediaResult, RemoteView, Sent, Unexpected
from sipcore.media.srtp import SrtpFailures
from sipcore.resolve.target import SocketAddress

MAX_SOURCES = 256
MAX_KEYS = 256
MAX_PARTS = 64
"""Streams, tones and addresses that are read: no test call has so many."""
_NOWHERE = SocketAddress("0.0.0.0", 0)  # noqa: S104  # nothing is bound to it


def media_of(found: object) -> CallMedia | None:
    """The `media` of a stored result; None where there is none. Whatever is missing in it is not known."""
    if not isinstance(found, dict):
        return None
    return CallMedia(
        _measured(found),
        text_of(found.get("codec")),
        seconds_of(found.get("ptime_ms")) or DEFAULT_PTIME,
        text_of(found.get("keying")) or "none",
        address_of(found.get("local")) or _NOWHERE,
        seconds_of(found.get("first_sent_ms")),
        seconds_of(found.get("first_received_ms")),
        found.get("early") is True,
        count_of(part_of(found, "unexpected").get("after_hang_up")),
        text_of(part_of(found, "dtmf").get("sent")),
        seconds_of(found.get("last_packet_ms")),
        parts=tuple(map(_part, parts_of(found, "parts")[:MAX_PARTS])),
    )


def _part(part: Data) -> CallMediaPart:
    return CallMediaPart(
        seconds_of(part.get("began_ms")) or 0.0,
        text_of(part.get("codec")),
        seconds_of(part.get("ptime_ms")) or DEFAULT_PTIME,
        text_of(part.get("keying")) or "none",
        _measured(part),
    )


def _measured(media: Data) -> MediaResult:
    received, heard = media.get("received"), media.get("heard")
    keys = text_of(part_of(media, "dtmf").get("received"))[:MAX_KEYS]
    announced = address_of(media.get("announced")) or _NOWHERE
    failed, unverified = count_of(media.get("srtp_failures")), count_of(media.get("srtp_unverified"))
    return MediaResult(
        sent=_sent(media),
        sources=_sources(received) if isinstance(received, dict) else (),
        control=_control(part_of(media, "rtcp")),
        unexpected=_unexpected(part_of(media, "unexpected")),
        keys=tuple(ReceivedKey(key, 0.0, 0.0, 1, 1, True, 0) for key in keys),
        payload_types=(),
        codec=text_of(part_of(media, "received").get("codec")),
        suite=text_of(media.get("srtp_suite")),
        security_failure=text_of(media.get("security_failure")),
        srtp=SrtpFailures(unverified, max(failed - unverified, 0)) if failed or unverified else None,
        silent_seconds=seconds_of(part_of(media, "received").get("silence_ms")) or 0.0,
        remote=address_of(media.get("remote")) or announced,
        announced=announced,
        opinion=number_of(media.get("mos_estimate")),
        heard=_heard(heard) if isinstance(heard, dict) else None,
    )


def _sent(media: Data) -> Sent:
    sent, dtmf = part_of(media, "sent"), part_of(media, "dtmf")
    begin = seconds_of(media.get("first_sent_ms")) or 0.0
    return Sent(
        ssrc=0,
        packets=count_of(sent.get("packets")),
        octets=count_of(sent.get("octets")),
        skipped=count_of(sent.get("skipped")),
        refused=count_of(sent.get("refused")),
        keys=text_of(dtmf.get("pressed")) or text_of(dtmf.get("sent")),
        lateness=seconds_of(sent.get("lateness_ms")) or 0.0,
        latest=seconds_of(sent.get("latest_ms")) or 0.0,
        first_at=begin,
        last_at=begin + (number_of(sent.get("seconds")) or 0.0),
    )


def _sources(received: Data) -> tuple[Received, ...]:
    """The main source, and as many others of which nothing is known as there were."""
    packets, lost = count_of(received.get("packets")), count_of(received.get("lost"))
    main = Received(
        ssrc=0,
        packets=packets,
        octets=count_of(received.get("octets")),
        expected=count_of(received.get("expected")) or packets + lost,
        lost=lost,
        duplicates=count_of(received.get("duplicates")),
        late=count_of(received.get("reordered")),
        jitter=seconds_of(received.get("jitter_ms")) or 0.0,
        peak_jitter=seconds_of(received.get("peak_jitter_ms")) or 0.0,
        gaps=count_of(received.get("gaps")),
        longest_gap=seconds_of(received.get("longest_gap_ms")) or 0.0,
        bursts=count_of(received.get("bursts")),
        ptime=seconds_of(received.get("ptime_ms")),
        drift=number_of(received.get("drift_ppm")),
        restarts=count_of(received.get("restarts")),
        first_at=0.0,
        last_at=0.0,
        jumps=count_of(received.get("timestamp_jumps")),
    )
    nothing = Received(0, 0, 0, 0, 0, 0, 0, 0.0, 0.0, 0, 0.0, 0, None, None, 0, 0.0, 0.0)
    return (main, *[nothing] * (min(count_of(received.get("sources")), MAX_SOURCES) - 1))


def _control(rtcp: Data) -> Control:
    lost, jitter = number_of(rtcp.get("remote_lost")), seconds_of(rtcp.get("remote_jitter_ms"))
    round_trip = seconds_of(rtcp.get("round_trip_ms"))
    return Control(
        sent=count_of(rtcp.get("sent")),
        received=count_of(rtcp.get("received")),
        malformed=count_of(rtcp.get("malformed")),
        round_trips=() if round_trip is None else (round_trip,),
        remote=None if lost is None else RemoteView(0.0, 0.0, round(lost), jitter or 0.0),
        cname="",
        goodbye=rtcp.get("goodbye") is True,
        reports=count_of(rtcp.get("reports", rtcp.get("received"))),  # which earlier versions did not tell apart
    )


def _unexpected(found: Data) -> Unexpected:
    elsewhere = [
        (address, count_of(each.get("packets")))
        for each in parts_of(found, "elsewhere")[:MAX_PARTS]
        if (address := address_of(each.get("address"))) is not None
    ]
    counts = ("malformed", "wrong_type", "after_end", "unready", "handshakes", "checks", "switches", "faults")
    return Unexpected(elsewhere=tuple(elsewhere), **{name: count_of(found.get(name)) for name in counts})


def _heard(heard: Data) -> Heard:
    tones = [
        (tuple(map(count_of, hertz)), number_of(tone.get("seconds")) or 0.0)
        for tone in parts_of(heard, "tones")[:MAX_PARTS]
        if isinstance(hertz := tone.get("hertz"), list) and len(hertz) <= MAX_PARTS
    ]
    echo = heard.get("echo")
    return Heard(
        number_of(heard.get("seconds")) or 0.0,
        (number_of(heard.get("silence_percent")) or 0.0) / 100,
        tuple(tones),
        _echo(echo) if isinstance(echo, dict) else None,
    )


def _echo(echo: Data) -> Echo:
    return Echo(
        seconds_of(echo.get("delay_ms")) or 0.0,
        number_of(echo.get("gain_db")) or 0.0,
        number_of(echo.get("likeness")) or 0.0,
        (number_of(echo.get("share_percent")) or 0.0) / 100,
        (),
    )
