"""A discovery as an HTML page: the verdict and what to do first, then all that shows it, messages folded."""

from collections.abc import Iterator
from dataclasses import replace

from probes.checks.dns.judge import DnsReport, Rung, Step
from probes.checks.dns.plan import FAMILIES, Reply
from probes.checks.tls_judge import TlsReport
from probes.discovery.outcome import Discovery
from probes.findings.finding import Severity, worst
from probes.report.html import TONES, Evidence, Frame, ShownMessage, page, told_facts, took
from probes.report.purposes import TITLES, evidence_told, title_of
from probes.report.text import capability_facts, destination_facts, headline, system_facts
from probes.report.tls_text import tls_facts, tls_summary
from probes.result import Attempt, Candidate, Reach
from sipcore.resolve.records import Question, Record
from sipcore.value import value

_TONES = {
    Reach.ANSWERED: "good",
    Reach.SILENT: "fair",
    Reach.CERTIFICATE_WANTED: "fair",
    Reach.TLS_FAILED: "bad",
    Reach.NOT_SIP: "bad",
    Reach.NOT_ALLOWED: "bad",
    Reach.FAILED: "bad",
}
"""What is neither here, nor told of in a finding, is just closed."""


@value
class ShownAttempt:
    """One row of what was tried."""

    place: str
    tone: str
    result: str
    took: str
    told: str
    messages: tuple[ShownMessage, ...]


@value
class ShownAsked:
    """One request that no attempt shows: its name among programs, empty where that says no more than the title; what it
    is, where it went, and why it is odd.
    """

    code: str
    title: str
    hop: str
    about: str
    messages: tuple[ShownMessage, ...]


@value
class ShownTls:
    """What was found out about one TLS server, in blocks of facts."""

    place: str
    tone: str
    summary: str
    blocks: tuple[tuple[tuple[str, str], ...], ...]


@value
class Branch:
    """A line of the DNS ladder, and the lines below it; `mark` says how bad it is where something is wrong with it."""

    text: str
    remarks: tuple[str, ...] = ()
    mark: str = ""
    tone: str = ""
    below: tuple["Branch", ...] = ()


def discovery_page(discovery: Discovery, made_at: float, frame: Frame = Frame.PAGE) -> str:
    """The page of a discovery that ended at `made_at`, in seconds since 1970."""
    evidence = Evidence()
    findings = evidence.findings(discovery.findings)
    attempts = [_attempt(attempt, evidence) for attempt in discovery.attempts]
    system = discovery.system
    ladder, empty = _ladder(discovery.dns) if discovery.dns is not None else ((), ())
    return page(
        "discovery.html",
        title=f"SIP discovery of {discovery.destination}",
        made_at=made_at,
        evidence=evidence,
        frame=frame,
        discovery=discovery,
        tone=_tone(discovery),
        headline=headline(discovery),
        recommendation=[*_recommendation(discovery), *destination_facts(discovery)],
        findings=findings,
        system=told_facts(system_facts(system)) if system else [],
        candidates=[_candidate(each) for each in system.candidates] if system else [],
        capabilities=told_facts(capability_facts(discovery.capabilities)),
        attempts=attempts,
        asked=list(_beyond(discovery, evidence)),
        ladder=ladder,
        empty=empty,
        lookups=[(step.question, ", ".join(step.answers) or step.error) for step in discovery.lookups],
        tls=[_tls(report) for report in discovery.tls],
    )


def _tone(discovery: Discovery) -> str:
    if not discovery.answered:
        return "bad"
    return "good" if worst(discovery.findings) in (None, Severity.NOTICE) else "fair"


def _recommendation(discovery: Discovery) -> Iterator[tuple[str, str]]:
    way = discovery.recommendation
    if way is not None:
        yield "connect by", f"{way.uri} ({way.hop})"
        yield "because", way.why
        yield "encrypted", "yes" if way.secure else "no"
        if way.by_dns:
            yield "trunk", "Auto (SRV): DNS leads there by itself"
        yield from told_facts([("system", way.system), ("codecs", ", ".join(way.codecs))])


def _attempt(attempt: Attempt, evidence: Evidence) -> ShownAttempt:
    response = attempt.response
    result = f"{response.status} {response.reason}".strip() if response is not None else attempt.reach.value
    again = f"after {attempt.retransmissions} retransmissions" if attempt.retransmissions else ""
    only = f"answered only without {attempt.only}" if attempt.only else ""
    instead = f"{attempt.instead} is spoken there" if attempt.instead else ""
    published = "named by DNS" if attempt.published else ""
    told = (attempt.detail, attempt.advice, instead, only, again, attempt.tls, *attempt.tls_problems, published)
    start = attempt.records[0].at if attempt.records else 0.0
    return ShownAttempt(
        str(attempt.hop),
        "fair" if response is not None and attempt.detail else _TONES.get(attempt.reach, "none"),
        result,
        took(attempt.rtt),
        "; ".join(filter(None, told)),
        evidence.of(attempt.records, start),
    )


def _candidate(found: Candidate) -> Candidate:
    """A product that comes into question, its evidence as people read it."""
    return replace(found, evidence=tuple(map(evidence_told, found.evidence)))


def _beyond(discovery: Discovery, evidence: Evidence) -> Iterator[ShownAsked]:
    """What was asked that no attempt shows, and why, each with its messages."""
    shown = {id(record) for attempt in discovery.attempts for record in attempt.records}
    for asked in discovery.asked:
        messages = [one for one in asked.messages if id(one) not in shown]
        if messages:
            about = f"It {asked.about}." if asked.about else ""
            code = asked.purpose if asked.purpose in TITLES else ""
            yield ShownAsked(code, title_of(asked.purpose), str(asked.hop), about, evidence.of(messages))


def _tls(report: TlsReport) -> ShownTls:
    blocks = tuple(tuple(block) for block in tls_facts(report))
    return ShownTls(str(report.hop.remote), "good" if report.works else "bad", tls_summary(report), blocks)


Faulty = dict[tuple[Question, Record | None], Severity]


def _ladder(report: DnsReport) -> tuple[tuple[Branch, ...], tuple[str, ...]]:
    """The ladder, and the questions that there is nothing at."""
    faulty: Faulty = {(fault.question, fault.record): fault.severity for fault in reversed(report.faults)}
    empty = [rung for rung in report.ladder if _is_empty(rung) and (rung.question, None) not in faulty]
    ladder = tuple(_rung(rung, faulty, top=True) for rung in report.ladder if rung not in empty)
    return ladder, tuple(str(rung.question) for rung in empty)


def _is_empty(rung: Rung) -> bool:
    reply = rung.reply
    return reply is not None and reply.told and not (reply.records or reply.aliases)


def _rung(rung: Rung, faulty: Faulty, *, top: bool = False) -> Branch:
    reply = rung.reply
    remarks = [rung.why] if rung.why and top else []
    if reply is None:
        remarks.append("not asked")
    elif reply.fault is not None:
        remarks.append(reply.fault.value)
    elif reply.records:
        remarks.append(_held(reply))
    if reply is not None and reply.aliases:
        remarks.append(f"alias {' -> '.join(reply.chain)}")
    if rung.omitted:
        remarks.append(f"{rung.omitted} more are not followed")
    below = tuple(_step(rung.question, step, faulty) for step in rung.steps)
    return _branch(str(rung.question), remarks, faulty.get((rung.question, None)), below)


def _step(question: Question, step: Step, faulty: Faulty) -> Branch:
    remarks = [step.note] if step.note else []
    if step.share is not None and step.share < 1:
        remarks.append(f"first for {step.share:.0%}")
    if step.order and not step.rungs:
        remarks.append(f"place {step.order[0]}")
    below: list[Branch] = []
    for rung in step.rungs:
        if rung.question.type in FAMILIES and rung.steps:
            below += _addresses(rung, faulty)
        elif not _is_empty(rung) or (rung.question, None) in faulty:  # of two families one is often empty
            below.append(_rung(rung, faulty))
    return _branch(str(step.record), remarks, faulty.get((question, step.record)), tuple(below))


def _addresses(rung: Rung, faulty: Faulty) -> Iterator[Branch]:
    """A host's addresses, a line each: its name stands above them."""
    for step in rung.steps:
        remarks = [f"place {step.order[0]}"] if step.order else []
        remarks += [_held(rung.reply)] if rung.reply is not None else []
        severity = faulty.get((rung.question, step.record))
        yield _branch(f"{rung.question.type.value} {step.record}", remarks, severity, ())


def _held(reply: Reply) -> str:
    """For how long a reply holds, or who else told it."""
    return f"holds for {reply.ttl:.0f} s" if reply.source == "DNS" else f"from {reply.source}"


def _branch(text: str, remarks: list[str], severity: Severity | None, below: tuple[Branch, ...]) -> Branch:
    mark, tone = (severity.value, TONES[severity]) if severity is not None else ("", "")
    return Branch(text, tuple(remarks), mark, tone, below)
