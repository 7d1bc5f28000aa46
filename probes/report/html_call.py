"""A call as an HTML page: how it ended and why, its measures, its ladder, and its timeline with the messages folded."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from markupsafe import Markup

from probes.capture.calls import CapturedCall
from probes.findings.finding import Finding, Severity, worst
from probes.report.call_text import part_line
from probes.report.html import Evidence, Frame, ShownMessage, page, plural, told_facts, took
from probes.report.ladder import Tone, ladder_of, tone_of
from probes.report.replay_text import ending, title_of
from probes.report.svg import svg
from probes.result import CallMedia, CallResult, CallRole, CallStatus, TimelineEntry
from sipcore.media.emodel import is_wideband
from sipcore.media.report import MediaResult
from sipcore.media.terms import Keying
from sipcore.media.voice import HEARD
from sipcore.trace import MessageTrace
from sipcore.value import value

MAX_LINES = 1000
"""Lines of a timeline that are shown: a call has some twenty, a flood of messages has no end."""
MAX_LADDER = 400
"""Lines of it that are drawn: what is taller, nobody scrolls through."""

_STATUS_TONES = {CallStatus.CONNECTED: "good", CallStatus.FAILED: "bad"}
_TONES = {Tone.SUCCESS: "good", Tone.REDIRECTION: "fair", Tone.FAILURE: "bad", Tone.ODD: "bad"}


@value
class ShownLine:
    """A line of the timeline, `after` being how long after the one before it."""

    offset_ms: float
    after: str
    way: str
    tone: str
    label: str
    detail: str
    message: ShownMessage | None


def call_page(result: CallResult, made_at: float, frame: Frame = Frame.PAGE) -> str:
    """The page of a test call that ended at `made_at`, in seconds since 1970."""
    evidence = Evidence()
    ladder = ladder_of(result.timeline[:MAX_LADDER], media=result.media)
    title = title_of_call(result)
    return page(
        "call.html",
        title=title,
        made_at=made_at,
        evidence=evidence,
        frame=frame,
        kind="Test call" if result.role is CallRole.CALLER else "Test call that came in",
        whom=result.destination,
        tone=_tone(result),
        lead=f"{result.status.value.replace('_', ' ')}: {result.why}",
        remarks=list(_remarks(result)),
        findings=evidence.findings(result.findings, result.start),
        figures=_figures(result),
        media=_streams(result.media) if result.media else [],
        audio=told_facts(_audio(result.media)) if result.media else [],
        picture=Markup(svg(ladder, title)),  # noqa: S704  # who draws it escapes what stands in it
        lines=_lines(result.timeline, evidence),
        more=max(len(result.timeline) - MAX_LINES, 0),
    )


def title_of_call(result: CallResult) -> str:
    """What pages and pictures of a test call are called."""
    return f"Test call {'to' if result.role is CallRole.CALLER else 'from'} {result.destination}"


def replayed_page(
    call: CapturedCall, made_at: float, findings: Iterable[Finding] | None = None, frame: Frame = Frame.PAGE
) -> str:
    """The page of a call that is replayed: of a test call's stored result, or of a call in somebody's capture.

    `findings` are what is wrong with it, None where nobody has judged it.
    """
    if call.result is not None:
        return call_page(replace(call.result, findings=tuple(findings or ())), made_at, frame)
    return _captured_page(call, made_at, findings, frame)


def title_of_replay(call: CapturedCall) -> str:
    """What pages and pictures of a call that is replayed are called."""
    return title_of_call(call.result) if call.result is not None else f"Call-ID {call.call_id}"


def _captured_page(call: CapturedCall, made_at: float, findings: Iterable[Finding] | None, frame: Frame) -> str:
    evidence = Evidence(outside=True)
    timeline, media = call.timeline(), call.media
    ladder = ladder_of(timeline[:MAX_LADDER], here="", media=media)
    succeeded = call.answer is not None and 200 <= call.answer.status < 300
    title = title_of_replay(call)
    return page(
        "call.html",
        title=title,
        made_at=made_at,
        evidence=evidence,
        frame=frame,
        kind="Captured call",
        whom=title_of(call),
        tone="good" if succeeded else "none" if call.answer is None else "fair",
        lead=ending(call),
        remarks=[title],
        findings=evidence.findings(findings, 0.0) if findings is not None else None,
        figures=told_facts(_media_figures(media)) if media is not None else [],
        media=_streams(media) if media is not None else [],
        audio=told_facts(_audio(media)) if media is not None else [],
        picture=Markup(svg(ladder, title)),  # noqa: S704  # who draws it escapes what stands in it
        lines=_lines(timeline, evidence),
        more=max(len(timeline) - MAX_LINES, 0),
    )


def _tone(result: CallResult) -> str:
    if result.unmet is not None:
        return "bad" if result.unmet else "good"
    if result.status is CallStatus.CONNECTED and worst(result.findings) not in (None, Severity.NOTICE):
        return "fair"
    return _STATUS_TONES.get(result.status, "fair")


def _remarks(result: CallResult) -> Iterator[str]:
    if result.advice:
        yield f"Try: {result.advice}"
    if result.hop is not None:
        yield f"Over {result.hop}{f' ({result.hop.why})' if result.hop.why else ''}"
    if result.role is CallRole.CALLEE and result.called:
        yield f"Called was {result.called}"
    if result.media_problem:
        yield f"No media: {result.media_problem}"
    if result.unmet is not None:
        yield f"Not as expected: {result.unmet}" if result.unmet else "It ended as expected."


def _figures(result: CallResult) -> list[tuple[str, str]]:
    return told_facts(
        (
            ("post-dial delay", took(result.post_dial_delay)),
            ("rang for", took(result.ring_time)),
            ("answered after", took(result.answer_time)),
            ("held for", took(result.duration)),
            *(_media_figures(result.media) if result.media else ()),
        )
    )


def _media_figures(media: CallMedia) -> Iterator[tuple[str, str]]:
    measured = media.measured
    received = measured.received
    scale = ", on the wideband scale" if is_wideband(measured.codec) else ""
    yield "lost on the way here", f"{100 * received.loss:.1f} %" if received else ""
    yield "jitter", took(received.jitter) if received else ""
    yield "round trip", took(measured.control.round_trip)
    yield f"opinion score (an estimate{scale})", f"{measured.opinion:.1f}" if measured.opinion is not None else ""


def _streams(media: CallMedia) -> list[tuple[str, str, str]]:
    """The table of both streams; what only one of them has leaves a blank at the other."""
    measured = media.measured
    sent, received = measured.sent, measured.received
    rows = [
        ("codec", media.codec, measured.codec if received else "nothing was received"),
        ("packets", str(sent.packets), str(received.packets) if received else "0"),
        ("bytes of sound", str(sent.octets), str(received.octets) if received else ""),
        ("first packet after", took(media.first_sent), took(media.first_received)),
        ("packet time", took(media.ptime), took(received.ptime) if received else ""),
    ]
    view = measured.control.remote
    rows.append(("lost", f"{view.lost}, as the peer reports" if view else "", ""))
    if received is not None:
        bursts = f", in {plural(received.bursts, 'burst')}" if received.bursts else ""
        lost = f"{received.lost} of {received.expected} ({100 * received.loss:.1f} %){bursts}"
        rows[-1] = ("lost", rows[-1][1], lost)
        peak = f"{took(received.jitter)}, at most {took(received.peak_jitter)}"
        rows.append(("jitter", took(view.jitter) if view else "", peak))
        rows.append(("out of order, twice", "", f"{received.late}, {received.duplicates}"))
        gap = f", the longest {took(received.longest_gap)}" if received.gaps else ""
        rows.append(("gaps", "", f"{received.gaps}{gap}"))
    rows.append(("left late by", f"{took(sent.lateness)} (99 of 100), at most {took(sent.latest)}", ""))
    rows.append(("address", str(media.local), str(measured.remote)))
    return rows


def _audio(media: CallMedia) -> Iterator[tuple[str, object]]:
    measured = media.measured
    control = measured.control
    without = "none: RTP in the clear" if media.keying == Keying.NONE.value else "none: no keys came about"
    yield "encryption", measured.security_failure or media.encryption.removeprefix("SRTP ") or without
    yield "RTCP", f"{control.sent} sent, {control.received} received{', with a goodbye' if control.goodbye else ''}"
    if media.digits:
        yield "DTMF", f"{measured.sent.keys or 'nothing'} sent, {media.keys or 'nothing'} came back"
    yield "heard", _heard(measured)
    for number, part in enumerate(media.parts, 1):
        yield f"stream {number}", part_line(part).strip()
    yield "early media", "yes" if media.early else ""
    yield "after the end", plural(media.late, "packet") if media.late else ""
    elsewhere = ", ".join(f"{count} packets from {address}" for address, count in measured.unexpected.elsewhere)
    yield "from elsewhere", elsewhere


def _heard(measured: MediaResult) -> str:
    heard = measured.heard
    if heard is None:
        known = not measured.codec or measured.codec.upper() in HEARD
        return "" if known else f"the sound of {measured.codec} is not judged"
    told = [f"{heard.silence:.0%} of {heard.seconds:.1f} s silent"]
    if heard.echo is not None:
        told.insert(0, f"what was sent, after {took(heard.echo.delay)} and {heard.echo.gain:+.1f} dB")
    told += [f"a tone of {'+'.join(map(str, tone))} Hz for {seconds:.1f} s" for tone, seconds in heard.tones]
    return "; ".join(told)


def _lines(timeline: Sequence[TimelineEntry], evidence: Evidence) -> list[ShownLine]:
    lines, before = [], 0.0
    for entry in timeline[:MAX_LINES]:
        message, tone, way = None, "none", ""
        if isinstance(entry.record, MessageTrace):
            start = entry.record.at - entry.offset_ms / 1000.0
            message = next(iter(evidence.of([entry.record], start)), None)
            tone, way = _TONES.get(tone_of(entry.label), "none"), evidence.way(entry.record)
        since = (entry.offset_ms - before) / 1000.0
        lines.append(ShownLine(entry.offset_ms, took(since), way, tone, entry.label, entry.detail, message))
        before = entry.offset_ms
    return lines
