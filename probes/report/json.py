"""A discovery as data. Fields are only ever added; `discovery.schema.json` beside this file describes them."""

from collections.abc import Iterator

from probes.discovery.capabilities import Authentication, Capabilities
from probes.discovery.outcome import Discovery
from probes.findings.finding import Finding
from probes.fingerprint.banners import banner_of
from probes.report.dns_json import dns_data
from probes.report.findings_json import finding_data
from probes.report.safe_text import cover_lines
from probes.report.tls_json import tls_data
from probes.report.units import milliseconds
from probes.result import Attempt, Candidate, LookupStep, Recommendation, System
from sipcore.errors import encodable
from sipcore.message.message import Response
from sipcore.resolve.target import Hop
from sipcore.trace import FlowTrace, MessageTrace, TraceRecord

Data = dict[str, object]


def discovery_data(discovery: Discovery) -> Data:
    """The result as what `json.dumps` takes. Times are in milliseconds.

    What a peer wrote is there as it came, bytes that are not UTF-8 as `\\xNN`.
    """
    destination = discovery.destination
    conversation = _Conversation(discovery)
    return {
        "target": str(destination),
        "host": destination.host,
        "port": destination.port,
        "transport": destination.transport.value.lower() if destination.transport else None,
        "private": destination.is_private,
        "outcome": _outcome(discovery),
        "failure": discovery.failure,
        "advice": discovery.advice,
        "system": _system(discovery.system) if discovery.system else None,
        "methods": [encodable(method) for method in discovery.methods],
        "codecs": [encodable(codec) for codec in discovery.codecs],
        "recommendation": _recommendation(discovery.recommendation) if discovery.recommendation else None,
        "attempts": [attempt_data(attempt) for attempt in discovery.attempts],
        "lookups": [lookup_data(step) for step in discovery.lookups],
        "omitted": discovery.omitted,
        "findings": [finding_data(finding) | conversation.evidence(finding) for finding in discovery.findings],
        "capabilities": _capabilities(discovery.capabilities),
        "dns": dns_data(discovery.dns) if discovery.dns else None,
        "tls": [tls_data(report) for report in discovery.tls],
        "exchanges": list(conversation.exchanges()),
        "duration_ms": milliseconds(discovery.duration),
    }


class _Conversation:
    """Every message that was sent and received, and where each stands among the exchanges.

    Times are since the first message, or, without any, since the first that became of a connection.
    """

    def __init__(self, discovery: Discovery) -> None:
        self._asked = discovery.asked
        self._places: dict[TraceRecord, Data] = {}
        for number, one in enumerate(self._asked):
            for place, message in enumerate(one.messages):
                self._places.setdefault(message, {"exchange": number, "message": place})
        shown = (record.at for finding in discovery.findings for record in finding.records)
        self._begin = self._asked[0].messages[0].at if self._asked else min(shown, default=0.0)

    def exchanges(self) -> Iterator[Data]:
        """All of it, what proves an identity covered."""
        for one in self._asked:
            messages = [self._message(message) for message in one.messages]
            yield {"purpose": one.purpose, "about": one.about or None, **place_data(one.hop), "messages": messages}

    def evidence(self, finding: Finding) -> Data:
        """The messages that show a finding, by their places, and what became of the connections that it is about."""
        flows = [self._flow(record) for record in finding.records if isinstance(record, FlowTrace)]
        return {"messages": [self._places[one] for one in finding.records if one in self._places], "flows": flows}

    def _message(self, message: MessageTrace) -> Data:
        return {
            "offset_ms": self._offset(message),
            "direction": message.direction.value,
            "local": str(message.flow.local),
            "remote": str(message.flow.remote),
            "kernel_stamped": message.kernel,
            "attempt": message.attempt,
            "text": encodable(cover_lines(message.data.decode("utf-8", "surrogateescape"))),
        }

    def _flow(self, flow: FlowTrace) -> Data:
        told = {"event": flow.event, "detail": encodable(flow.detail) or None}
        return {"offset_ms": self._offset(flow), **place_data(flow.hop), **told}

    def _offset(self, record: TraceRecord) -> float | None:
        return milliseconds(record.at - self._begin)


def _outcome(discovery: Discovery) -> str:
    if discovery.answered:
        return "answered"
    return discovery.telling.reach.name.lower() if discovery.telling is not None else "unresolvable"


def attempt_data(attempt: Attempt) -> Data:
    """A place that was tried."""
    return {
        **place_data(attempt.hop),
        "uri": str(attempt.uri),
        "published": attempt.published,
        "result": attempt.reach.name.lower(),
        "detail": encodable(attempt.detail),
        "advice": attempt.advice,
        "response_time_ms": milliseconds(attempt.rtt),
        "kernel_stamped": attempt.kernel_stamped,
        "retransmissions": attempt.retransmissions,
        "tls": attempt.tls or None,
        "tls_problems": [encodable(problem) for problem in attempt.tls_problems],
        "response": _response(attempt.response) if attempt.response is not None else None,
        "banner": encodable(banner_of(attempt.response)) or None if attempt.response is not None else None,
        "instead": attempt.instead or None,
        "answered_without": attempt.only or None,
    }


def _response(response: Response) -> Data:
    return {
        "status": response.status,
        "reason": encodable(response.reason),
        "raw": bytes(response).decode("utf-8", "backslashreplace"),
    }


def _system(system: System) -> Data:
    return {
        "banner": encodable(system.banner),
        "product": encodable(system.product) or None,
        "version": encodable(system.version) or None,
        "platform": encodable(system.platform) or None,
        "vendor": encodable(system.vendor) or None,
        "kind": encodable(system.kind) or None,
        "model": encodable(system.model) or None,
        "confidence": round(system.confidence, 4),
        "candidates": [_candidate(candidate) for candidate in system.candidates],
        "disagreement": encodable(system.disagreement) or None,
    }


def _candidate(candidate: Candidate) -> Data:
    return {
        "product": encodable(candidate.product),
        "vendor": encodable(candidate.vendor) or None,
        "kind": encodable(candidate.kind) or None,
        "variant": encodable(candidate.variant) or None,
        "confidence": round(candidate.confidence, 4),
        "evidence": [encodable(told) for told in candidate.evidence],
    }


def _recommendation(recommendation: Recommendation) -> Data:
    return place_data(recommendation.hop) | {
        "why": encodable(recommendation.why),
        "uri": str(recommendation.uri),
        "secure": recommendation.secure,
        "by_dns": recommendation.by_dns,
        "system": encodable(recommendation.system) or None,
        "methods": [encodable(method) for method in recommendation.methods],
        "codecs": [encodable(codec) for codec in recommendation.codecs],
    }


def _capabilities(found: Capabilities) -> Data:
    return {
        "methods": [encodable(name) for name in found.methods],
        "extensions": [encodable(name) for name in found.extensions],
        "required": [encodable(name) for name in found.required],
        "events": [encodable(name) for name in found.events],
        "codecs": [encodable(name) for name in found.codecs],
        "authentication": [_authentication(one) for one in found.authentication],
        "received": found.received,
        "rport": found.rport,
        "largest_datagram": found.largest_datagram,
        "keep_alive_udp": found.keep_alive_udp,
        "keep_alive_stream": found.keep_alive_stream,
    }


def _authentication(asked: Authentication) -> Data:
    return {
        "method": asked.method,
        "status": asked.status,
        "scheme": encodable(asked.scheme),
        "realm": encodable(asked.realm),
        "algorithm": encodable(asked.algorithm) or None,
        "qop": encodable(asked.qop) or None,
    }


def lookup_data(step: LookupStep) -> Data:
    """A question to DNS, and what it said."""
    answers = [encodable(answer) for answer in step.answers]
    return {"question": encodable(step.question), "answers": answers, "error": encodable(step.error)}


def place_data(hop: Hop) -> Data:
    """Where something went, and why there."""
    return {
        "transport": hop.transport.value.lower(),
        "address": hop.remote.host,
        "port": hop.remote.port,
        "why": encodable(hop.why),
    }
