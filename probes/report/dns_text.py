"""The DNS ladder in words: the verdict, the tree with the order of trial and TTLs, what is broken and what to do.

Readable at 80 columns and without colour. Everything that a name server may have written is made printable.
"""

from collections.abc import Iterator, Mapping, Sequence

from rich.text import Text

from probes.checks.dns.judge import DnsReport, Rung, Step
from probes.checks.dns.plan import FAMILIES, Reply
from probes.findings.finding import Severity
from probes.report.lines import WIDTH, fact, wrapped
from probes.report.safe_text import printable
from probes.report.times import duration
from sipcore.resolve.records import Question, Record

_ORDER, _TTL = 7, 10
"""Columns, at the right, of a place in the order of trial and of a TTL."""
_INDENT = 2
_LABEL = 11
"""Columns of a fact's name."""
_FAULTY = "!"
"""Marks what a line below the ladder tells of."""
_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTICE: ""}

Faulty = Mapping[tuple[Question, Record | None], Severity]


def dns_lines(report: DnsReport, width: int = WIDTH) -> list[Text]:
    """The whole report, in lines of at most `width` columns."""
    style = "bold green" if report.works else "bold red"
    lines = wrapped(_verdict(report), width, style=style)
    ladder = ladder_lines(report, width)
    for block in (list(_facts(report, width)), ladder, list(_faults(report, width)), list(_guidance(report, width))):
        lines += [Text(), *block] if block else []
    return lines


def ladder_lines(report: DnsReport, width: int = WIDTH) -> list[Text]:
    """The ladder alone, with the order of trial and TTLs."""
    faulty = {(fault.question, fault.record): fault.severity for fault in reversed(report.faults)}
    empty = [rung for rung in report.ladder if _is_empty(rung)]
    ladder = [line for rung in report.ladder if rung not in empty for line in _rung(rung, faulty, 1, width)]
    return [*ladder, *_empty(empty, width)]


def dns_failure_line(report: DnsReport) -> str:
    """Why no place was found, or the worst that is wrong and what to do, in one line; "" when all is well."""
    if report.failure is not None:
        return printable(report.failure.message)
    if report.works:
        return ""
    worst = report.faults[0]
    return printable(f"{worst}: {worst.problem.entry.cure}")


def _verdict(report: DnsReport) -> str:
    destination = report.question.destination
    if report.failure is not None:
        return printable(report.failure.message)
    first, count = report.places[0], len(report.places)
    if destination.is_numeric:
        return f"{destination} is an address, and needs no DNS: {first}"
    several = f"{count} places, {first} first" if count > 1 else f"one place, {first}"
    wrong = sum(fault.severity is Severity.ERROR for fault in report.faults)
    but = f", but {wrong} things are broken" if wrong > 1 else ", but something is broken"
    return printable(f"{destination} leads to {several}{but if wrong else ''}")


def _facts(report: DnsReport, width: int) -> Iterator[Text]:
    for resolver in report.question.resolvers:
        replies = [reply for reply in report.replies if reply.query.resolver == resolver and reply.source == "DNS"]
        if not replies:
            continue
        told = [reply.took for reply in replies if reply.told]
        fastest = f", the fastest in {duration(min(told))}" if told else ""
        answered = f"{resolver}, {len(told)} of {len(replies)} queries answered{fastest}"
        yield from fact("resolver", answered, width, _LABEL)
    if report.question.destination.is_private:
        yield from fact("address", "private: the Internet does not route it", width, _LABEL)


def _is_empty(rung: Rung) -> bool:
    """Whether there is just nothing, as at most of the places where something could be."""
    reply = rung.reply
    return reply is not None and reply.told and not (reply.records or reply.aliases)


def _empty(rungs: Sequence[Rung], width: int) -> list[Text]:
    """All of those in one sentence."""
    text = f"nothing at {', '.join(str(rung.question) for rung in rungs)}" if rungs else ""
    return wrapped(text, width, "  ", " " * 6, style="dim")


def _rung(rung: Rung, faulty: Faulty, depth: int, width: int) -> Iterator[Text]:
    """A question and what is below it; one that found nothing is one line."""
    reply = rung.reply
    mark = (rung.question, None) in faulty or not (reply is None or reply.told)
    why = f" ({rung.why})" if depth == 1 else ""
    told = f"{rung.question}{why}{_nothing(reply)}{' ' + _FAULTY if mark else ''}"
    style = _STYLES[faulty.get((rung.question, None), Severity.ERROR)] if mark else "" if rung.order else "dim"
    yield from _row(told, "", _held(reply), depth, width, style)
    if reply is not None and reply.aliases:
        yield from _row(f"alias {' -> '.join(reply.chain)}", "", "", depth + 1, width, style)
    for step in rung.steps:
        yield from _step(rung.question, step, faulty, depth + 1, width)
    if rung.omitted:
        yield from _row(f"and {rung.omitted} more, which are not followed", "", "", depth + 1, width, "dim")


def _step(question: Question, step: Step, faulty: Faulty, depth: int, width: int) -> Iterator[Text]:
    mark = (question, step.record) in faulty
    share = f", first for {step.share:.0%}" if step.share is not None and step.share < 1 else ""
    note = f" ({step.note})" if step.note else ""
    told = f"{step.record}{share}{note}{' ' + _FAULTY if mark else ''}"
    style = _STYLES[faulty[question, step.record]] if mark else "" if step.order else "dim"
    order = "" if step.rungs else _ordinals(step.order)
    yield from _row(told, order, "", depth, width, style)
    hosts = [rung for rung in step.rungs if rung.question.type in FAMILIES]
    some = any(rung.steps for rung in hosts)
    for rung in step.rungs:
        if rung in hosts and rung.steps:
            yield from _addresses(rung, faulty, depth + 1, width)
        elif not (some and rung in hosts and rung.reply is not None and rung.reply.told):
            yield from _rung(rung, faulty, depth + 1, width)


def _addresses(rung: Rung, faulty: Faulty, depth: int, width: int) -> Iterator[Text]:
    """A host's addresses, a line each: its name stands above them."""
    for step in rung.steps:
        mark = (rung.question, step.record) in faulty
        told = f"{rung.question.type.value} {step.record}{' ' + _FAULTY if mark else ''}"
        style = "" if step.order else "dim"
        yield from _row(told, _ordinals(step.order), _held(rung.reply), depth, width, style)


def _row(text: str, order: str, ttl: str, depth: int, width: int, style: str) -> Iterator[Text]:
    """A line of the tree with its columns at the right; what is too long goes on below, further in."""
    indent = " " * (_INDENT * depth)
    room = width - _ORDER - _TTL if order or ttl else width
    for number, line in enumerate(wrapped(text, room, indent, f"{indent}    ")):
        right = f"{order.rjust(_ORDER)}{ttl.rjust(_TTL)}" if number == 0 else ""
        yield Text(f"{line.plain.ljust(room)}{right}".rstrip(), style=style)


def _nothing(reply: Reply | None) -> str:
    if reply is None:
        return ": not asked"
    return f": {reply.fault.value}" if reply.fault is not None else ""


def _held(reply: Reply | None) -> str:
    """For how long a reply holds."""
    if reply is None or not reply.records:
        return ""
    return f"{reply.ttl:.0f} s" if reply.source == "DNS" else reply.source


def _ordinals(places: tuple[int, ...]) -> str:
    return ", ".join(f"{place}{_ending(place)}" for place in places[:1])


def _ending(number: int) -> str:
    if 10 < number % 100 < 20:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _faults(report: DnsReport, width: int) -> Iterator[Text]:
    for fault in report.faults:
        entry = fault.problem.entry
        text = f"{_FAULTY} {fault.severity.value}: {fault}: {entry.cure} [{entry.code}, {entry.rule}]"
        yield from wrapped(text, width, "  ", " " * 6, style=_STYLES[fault.severity])


def _guidance(report: DnsReport, width: int) -> Iterator[Text]:
    """What is known of the provider whose host it is."""
    provider = report.question.destination.provider
    if provider is not None:
        for text in (*provider.guidance, f"see {provider.source}"):
            yield from fact(provider.key, text, width, _LABEL)
