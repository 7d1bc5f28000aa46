"""A codec report as data. Fields are only ever added; `codecs.schema.json` beside this file describes them."""

from collections.abc import Iterable

from probes.checks.codecs import Reply
from probes.checks.codecs_answer import Answer
from probes.checks.codecs_judge import Capability, CodecReport, Remark, told
from probes.report.call_json import entry_data
from sipcore.auth.session import AuthError
from sipcore.errors import encodable
from sipcore.sdp.attributes import Codec

Data = dict[str, object]


def codecs_data(report: CodecReport) -> Data:
    """The report as what `json.dumps` takes. Times are in milliseconds.

    What a peer wrote is there as it came, bytes that are not UTF-8 as `\\xNN`; keys of SRTP are in none of it.
    """
    hop = report.hop
    return {
        "uri": encodable(str(report.uri)),
        "transport": hop.transport.value.lower() if hop else None,
        "address": hop.remote.host if hop else None,
        "port": hop.remote.port if hop else None,
        "why": encodable(hop.why) if hop else "",
        "works": report.works,
        "kind": report.kind.name.lower(),
        "codecs": [_capability(report, one) for one in report.codecs],
        "securities": [_capability(report, one) for one in report.securities],
        "ptime_ms": report.ptime,
        "maxptime_ms": report.maxptime,
        "own_offer": None if report.own is None else _codecs(report.own),
        "unasked": _codecs(report.unasked),
        "invites": report.invites,
        "rang": report.rang,
        "unfinished": encodable(report.unfinished),
        "advice": report.advice,
        "questions": [_reply(reply) for reply in report.replies],
        "remarks": [_remark(remark) for remark in report.remarks],
        "timeline": [entry_data(entry) for entry in report.timeline],
    }


def _capability(report: CodecReport, one: Capability) -> Data:
    return {
        "name": one.name,
        "support": one.support.value,
        "format": _codec(one.format) if one.format else None,
        "key": encodable(one.key) or None,
        "evidence": list(report.numbers(one)),
    }


def _reply(reply: Reply) -> Data:
    offer, response = reply.question.offer, reply.response
    return {
        "way": reply.question.way.value,
        "profile": offer.security.profile if offer.codecs else None,
        "offered": list(offer.codecs),
        "outcome": reply.outcome.value,
        "status": response.status if response else None,
        "reason": encodable(response.reason) if response else None,
        "warnings": [encodable(text) for text in response.headers.get_all("Warning")] if response else [],
        "statuses": list(reply.statuses),
        "told": encodable(told(reply)),
        "answer": _answer(reply.answer) if reply.answer else None,
        "failure": _failure(reply),
        "call": reply.standing.value,
        "took_ms": round(reply.took * 1000.0, 3),
    }


def _failure(reply: Reply) -> Data | None:
    failure = reply.failure
    if failure is None:
        return None
    advice = failure.advice if isinstance(failure, AuthError) else None
    return {"text": encodable(failure.message), "section": failure.section, "advice": advice}


def _answer(answer: Answer) -> Data:
    return {
        "line": encodable(answer.line),
        "problem": encodable(answer.problem) or None,
        "rejected": answer.is_rejected,
        "codecs": _codecs(answer.codecs),
        "taken": [encodable(name) for name in answer.taken],
        "key": encodable(answer.key) or None,
        "ptime_ms": answer.ptime,
        "maxptime_ms": answer.maxptime,
    }


def _codecs(codecs: Iterable[Codec]) -> list[Data]:
    return [_codec(codec) for codec in codecs]


def _codec(codec: Codec) -> Data:
    return {
        "payload_type": codec.payload_type,
        "encoding": encodable(codec.encoding),
        "clock_rate": codec.clock_rate,
        "channels": codec.channels,
        "fmtp": encodable(codec.fmtp) if codec.fmtp else None,
    }


def _remark(remark: Remark) -> Data:
    return {"code": remark.code, "text": remark.text, "section": remark.section}
