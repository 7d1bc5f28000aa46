"""The DNS ladder as data. Fields are only ever added; `dns.schema.json` beside this file describes them."""

from probes.checks.dns.judge import DnsReport, Rung, Step
from probes.checks.dns.plan import Reply
from probes.checks.dns.problems import DnsFault
from sipcore.errors import encodable
from sipcore.resolve.records import Address, Naptr, Record, Srv
from sipcore.resolve.target import Hop

Data = dict[str, object]


def dns_data(report: DnsReport) -> Data:
    """The report as what `json.dumps` takes. Times are in milliseconds, TTLs in seconds."""
    destination = report.question.destination
    provider = destination.provider
    return {
        "destination": encodable(str(destination)),
        "host": encodable(destination.server),
        "numeric": destination.is_numeric,
        "private": destination.is_private,
        "provider": provider.key if provider else None,
        "guidance": list(provider.guidance) if provider else [],
        "works": report.works,
        "failure": encodable(report.failure.message) if report.failure else None,
        "resolvers": [str(resolver) for resolver in report.question.resolvers],
        "places": [_place(hop) for hop in report.places],
        "ladder": [_rung(rung) for rung in report.ladder],
        "faults": [_fault(fault) for fault in report.faults],
        "replies": [_reply(reply) for reply in report.replies],
    }


def _place(hop: Hop) -> Data:
    return {"transport": hop.transport.value.lower(), "address": hop.remote.host, "port": hop.remote.port}


def _rung(rung: Rung) -> Data:
    reply = rung.reply
    return {
        "type": rung.question.type.value,
        "name": encodable(rung.question.name),
        "why": encodable(rung.why),
        "asked": reply is not None,
        "ttl": reply.ttl if reply is not None and reply.records else None,
        "source": reply.source if reply is not None else None,
        "fault": reply.fault.name.lower() if reply is not None and reply.fault else None,
        "aliases": [{"name": a.name, "target": a.target} for a in reply.aliases] if reply is not None else [],
        "records": [_step(step) for step in rung.steps],
        "omitted": rung.omitted,
    }


def _step(step: Step) -> Data:
    return {
        **_record(step.record),
        "order": list(step.order),
        "share": None if step.share is None else round(step.share, 4),
        "note": encodable(step.note) or None,
        "leads_to": [_rung(rung) for rung in step.rungs],
    }


def _record(record: Record) -> Data:
    """The record under the name of its kind, null under the others."""
    return {
        "naptr": _naptr(record) if isinstance(record, Naptr) else None,
        "srv": _srv(record) if isinstance(record, Srv) else None,
        "address": record.host if isinstance(record, Address) else None,
    }


def _naptr(record: Naptr) -> Data:
    return {
        "order": record.order,
        "preference": record.preference,
        "flags": encodable(record.flags),
        "service": encodable(record.service),
        "regexp": encodable(record.regexp),
        "replacement": encodable(record.replacement),
    }


def _srv(record: Srv) -> Data:
    return {
        "priority": record.priority,
        "weight": record.weight,
        "port": record.port,
        "target": encodable(record.target),
    }


def _fault(fault: DnsFault) -> Data:
    return {
        "code": fault.problem.value,
        "severity": fault.severity.value,
        "type": fault.question.type.value,
        "name": encodable(fault.question.name),
        "record": None if fault.record is None else encodable(str(fault.record)),
        "text": fault.problem.entry.title,
        "detail": encodable(fault.detail) or None,
        "advice": fault.problem.entry.cure,
        "section": fault.problem.entry.rule,
    }


def _reply(reply: Reply) -> Data:
    return {
        "type": reply.query.question.type.value,
        "name": encodable(reply.query.question.name),
        "resolver": str(reply.query.resolver),
        "again": reply.query.again,
        "source": reply.source,
        "at_ms": round(reply.at * 1000.0, 3),
        "took_ms": round(reply.took * 1000.0, 3),
        "ttl": reply.ttl if reply.records else None,
        "records": [encodable(str(record)) for record in reply.records],
        "aliases": [{"name": alias.name, "target": alias.target} for alias in reply.aliases],
        "fault": reply.fault.name.lower() if reply.fault else None,
        "detail": encodable(reply.detail) or None,
        "truncated": reply.truncated,
    }
