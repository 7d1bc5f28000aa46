"""A test of a registration in words: whether the user may register, what the registrar told, and what is odd.

Readable at 80 columns and without colour. Everything that a peer may have written is made printable.
"""

from collections.abc import Iterator

from rich.text import Text

from probes.registration.judge import Contact, RegistrationReport
from probes.report.lines import WIDTH, beside, fact, folded, listed
from probes.report.safe_text import printable
from probes.report.times import span
from sipcore.covering import cover_uris

_LABEL = 15
"""Columns of a fact's name."""


def registration_lines(report: RegistrationReport, width: int = WIDTH) -> list[Text]:
    """The whole report, in lines of at most `width` columns."""
    lines = folded(f"{report.kind.value}: {cover_uris(report.why)}", width)
    lines[0].stylize("bold green" if report.works else "bold red", 0, len(report.kind.value))
    if report.advice:
        tried = folded(f"try: {printable(report.advice)}", width)
        tried[0].stylize("bold", 0, len("try:"))
        lines += tried
    lines += [line for name, text in _facts(report) for line in fact(name, text, width, _LABEL)]
    lines += [line for odd in report.oddities for line in beside("  odd: ", f"{odd.text} [{odd.section}]", width)]
    return lines


def registration_failure_line(report: RegistrationReport) -> str:
    """Why the user may not register, and what to try, in one line; "" where it may."""
    if report.works:
        return ""
    return printable(f"{cover_uris(str(report.aor))}: {cover_uris(report.why)}; {report.advice}".rstrip("; "))


def _facts(report: RegistrationReport) -> Iterator[tuple[str, str]]:
    yield "user", cover_uris(str(report.aor))
    if report.hop is not None:
        yield "registrar", f"{report.hop} ({report.hop.why})" if report.hop.why else str(report.hop)
    credentials = _credentials(report)
    if credentials:
        yield "credentials", credentials
    if report.before is not None:
        yield "registered", listed([_contact(each) for each in report.before]) or "nobody"
    if report.contact and report.granted is not None:
        yield "contact", report.contact
        least = f"; {report.least} s at least" if report.least is not None else ""
        yield "interval", f"{report.granted} s, of {report.asked} s that were asked for{least}"
    if report.seen_as:
        yield "seen as", _seen(report)
    for name, texts in (
        ("service route", report.service_route),
        ("path", report.path),
        ("also known as", report.associated),
    ):
        if texts:
            yield name, ", ".join(map(cover_uris, texts))


def _seen(report: RegistrationReport) -> str:
    """Where requests come from, and what that means where it is not where they leave from."""
    local = report.hop.local if report.hop is not None else None
    if local is None or report.seen_as in (str(local), local.host):
        return report.seen_as
    return f"{report.seen_as}, and not {local}: a translator of addresses is on the way, which must let calls in"


def _contact(contact: Contact) -> str:
    left = f" for {span(contact.expires)}" if contact.expires is not None else ""
    return f"{cover_uris(contact.uri)}{left}"


def _credentials(report: RegistrationReport) -> str:
    """What was asked for, and what was given; empty where nothing was."""
    asked = [entry.authentication for entry in report.timeline if entry.authentication is not None]
    offered = dict.fromkeys(scheme for step in asked if not step.answers for scheme in step.schemes)
    taken = dict.fromkeys(scheme for step in asked if step.answers for scheme in step.schemes)
    realms = listed([f'"{realm}"' for realm in dict.fromkeys(step.realm for step in asked)])
    if not offered:
        return ""
    given = f"; {', '.join(taken)} was given" if taken else "; none were given"
    return f"realm {realms} wants {' or '.join(offered)}{given}"
