"""A test of a registration as data. Fields are only ever added; `registration.schema.json` beside this file describes
them.
"""

from probes.registration.judge import Contact, RegistrationReport
from probes.registration.plan import Reply
from probes.report.call_json import entry_data
from probes.report.json import place_data
from probes.report.units import milliseconds
from sipcore.auth.session import AuthError
from sipcore.covering import cover_uris
from sipcore.errors import encodable

Data = dict[str, object]


def registration_data(report: RegistrationReport) -> Data:
    """The report as what `json.dumps` takes. Times are in milliseconds, but for the seconds of registrations.

    What a peer wrote is there as it came, bytes that are not UTF-8 as `\\xNN`; credentials are in none of it.
    """
    return {
        "aor": encodable(str(report.aor)),
        "hop": place_data(report.hop) if report.hop else None,
        "works": report.works,
        "kind": report.kind.value,
        "why": encodable(report.why),
        "advice": encodable(report.advice),
        "registered_before": None if report.before is None else [_contact(each) for each in report.before],
        "contact": encodable(report.contact) or None,
        "asked_s": report.asked,
        "granted_s": report.granted,
        "least_s": report.least,
        "removed": report.removed,
        "seen_as": encodable(report.seen_as) or None,
        "service_route": [encodable(each) for each in report.service_route],
        "path": [encodable(each) for each in report.path],
        "associated": [encodable(each) for each in report.associated],
        "oddities": [{"code": odd.code, "text": odd.text, "section": odd.section} for odd in report.oddities],
        "steps": [_step(reply) for reply in report.replies],
        "timeline": [entry_data(entry) for entry in report.timeline],
    }


def _contact(contact: Contact) -> Data:
    return {"uri": encodable(cover_uris(contact.uri)), "expires_s": contact.expires}


def _step(reply: Reply) -> Data:
    response, failure = reply.response, reply.failure
    advice = failure.advice if isinstance(failure, AuthError) else None
    told = None
    if failure is not None:
        told = {"text": encodable(failure.message), "section": failure.section, "advice": advice}
    return {
        "step": reply.question.step.value,
        "expires_s": reply.question.expires,
        "status": response.status if response else None,
        "reason": encodable(response.reason) if response else None,
        "authenticated": reply.authenticated,
        "failure": told,
        "took_ms": milliseconds(reply.took),
    }
