"""A TLS report as data. Fields are only ever added; `tls.schema.json` beside this file describes them."""

from datetime import UTC, datetime

from probes.checks.tls import Handshake
from probes.checks.tls_certificate import CertificateFacts, StapleFacts
from probes.checks.tls_findings import code_of
from probes.checks.tls_judge import Identity, Remark, TlsReport, VersionFacts
from probes.destination import Destination
from probes.findings.catalogue import catalogue
from sipcore.errors import TransportFailure, encodable
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports.tls_failure import CertificateFault, TlsFailure

Data = dict[str, object]


def tls_data(report: TlsReport) -> Data:
    """The report as what `json.dumps` takes. Times are in milliseconds, dates in ISO 8601 and UTC.

    What a peer wrote is there as it came, bytes that are not UTF-8 as `\\xNN`.
    """
    agreed = report.agreed
    return {
        "transport": report.hop.transport.value.lower(),
        "address": report.hop.remote.host,
        "port": report.hop.remote.port,
        "why": encodable(report.hop.why),
        "name": encodable(report.name),
        "judged_at": _date(report.judged_at),
        "works": report.works,
        "validity": report.validity.name.lower() if report.validity else None,
        "failure": _failure(report.failure) if report.failure else None,
        "agreed": _agreed(agreed) if agreed else None,
        "days_left": None if report.days_left is None else round(report.days_left, 2),
        "identity": _identity(report.identity) if report.identity else None,
        "faults": [_fault(fault) for fault in report.faults],
        "remarks": [_remark(remark) for remark in report.remarks],
        "chain_sent": [_certificate(facts) for facts in report.sent],
        "chain_verified": [_certificate(facts) for facts in report.verified],
        "ocsp_staple": _staple(report.staple) if report.staple else None,
        "client_certificate": {
            "requested": report.certificate_requested,
            "required": report.certificate_required,
            "authorities": [encodable(name) for name in agreed.shown.authorities] if agreed else [],
        },
        "resumed": report.resumed,
        "resumable": report.resumable,
        "versions": [_version(facts) for facts in report.versions],
        "handshakes": [_handshake(handshake) for handshake in report.handshakes],
    }


def unlocated_data(destination: Destination, name: str, failure: TransportFailure, now: float) -> Data:
    """The same for a destination that has no address, as `failure` tells: there is nobody to ask at `now`, in seconds
    since 1970. `name` is as in `TlsReportConfig`.
    """
    hop = Hop(destination.transport or Transport.TLS, SocketAddress(destination.host, 0))
    report = TlsReport(hop, name or destination.host, now, (), (), failure=failure)
    return {**tls_data(report), "address": None, "port": None}


def _agreed(handshake: Handshake) -> Data:
    return {"version": handshake.version, "cipher": handshake.cipher, "group": handshake.group or None}


def _identity(identity: Identity) -> Data:
    return {
        "sip_names": [encodable(name) for name in identity.sip_names],
        "web_names": [encodable(name) for name in identity.web_names],
        "for_sip": identity.for_sip,
        "for_web": identity.for_web,
    }


def _fault(fault: CertificateFault) -> Data:
    return {
        "problem": fault.problem.name.lower(),
        "depth": fault.depth,
        "detail": encodable(fault.detail),
        "advice": catalogue()[code_of(fault.problem)].cure,
        "code": code_of(fault.problem),
    }


def _remark(remark: Remark) -> Data:
    entry = remark.entry
    return {"code": entry.code, "text": entry.title, "advice": entry.cure, "section": entry.rule}


def _certificate(facts: CertificateFacts) -> Data:
    return {
        "subject": encodable(facts.subject),
        "issuer": encodable(facts.issuer),
        "serial": facts.serial,
        "not_before": _date(facts.not_before),
        "not_after": _date(facts.not_after),
        "names": [encodable(name) for name in facts.names],
        "key": facts.key,
        "signature": facts.signature,
        "weakness": facts.weakness or None,
        "ca": facts.is_ca,
        "self_signed": facts.self_signed,
        "must_staple": facts.must_staple,
        "sha256": facts.fingerprint,
    }


def _staple(staple: StapleFacts) -> Data:
    return {
        "verdict": staple.verdict.name.lower(),
        "this_update": _date(staple.this_update),
        "next_update": _date(staple.next_update),
        "revoked_at": _date(staple.revoked),
    }


def _version(facts: VersionFacts) -> Data:
    return {
        "version": facts.version.value,
        "accepted": facts.accepted,
        "ciphers": list(facts.ciphers),
        "complete": facts.complete,
        "why": encodable(facts.why),
    }


def _handshake(handshake: Handshake) -> Data:
    trial = handshake.trial
    return {
        "purpose": trial.purpose.name.lower(),
        "offered_version": trial.version.value if trial.version else None,
        "left_out": list(trial.without),
        "small": trial.small,
        "version": handshake.version or None,
        "cipher": handshake.cipher or None,
        "group": handshake.group or None,
        "established": handshake.established,
        "resumable": handshake.resumable,
        "resumed": handshake.resumed,
        "failure": _failure(handshake.failure) if handshake.failure else None,
        "took_ms": round(handshake.took * 1000.0, 3),
    }


def _failure(failure: TransportFailure) -> Data:
    tls = failure if isinstance(failure, TlsFailure) else None
    return {
        "reason": failure.reason.name.lower(),
        "tls_problem": tls.tls.name.lower() if tls else None,
        "alert": (tls.alert or None) if tls else None,
        "text": encodable(failure.message),
        "section": failure.section,
    }


def _date(when: float | None) -> str | None:
    return None if when is None else f"{datetime.fromtimestamp(when, UTC):%Y-%m-%dT%H:%M:%SZ}"
