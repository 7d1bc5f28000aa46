"""What handshakes with a TLS server mean: one report, and the state of its certificate in one word. RFC 5922.

Pure: the certificates are judged by the time that is passed in, not by when the library looked at them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import Enum
from itertools import pairwise

from cryptography.x509 import Certificate

from probes.checks.tls import SUITES, Handshake, Purpose, Shown, ciphers_of
from probes.checks.tls_certificate import (
    CertificateFacts,
    StapleFacts,
    StapleVerdict,
    read_certificate,
    read_staple,
)
from probes.findings.catalogue import Entry, catalogue
from sipcore.errors import TransportFailure
from sipcore.resolve.target import Hop, Transport
from sipcore.transports.base import TlsVersion
from sipcore.transports.certificates import is_for, is_for_web, sip_identities, web_identities
from sipcore.transports.tls_failure import CertificateFault, TlsFailure, TlsProblem
from sipcore.value import value

DAY = 86400.0
"""Seconds of a day."""
SOON = 30 * DAY
"""A certificate with less left than this, and less than a quarter of its life, expires soon: short-lived ones are
renewed later than others."""
OLD = (TlsVersion.TLS_1_0, TlsVersion.TLS_1_1)
"""The versions that RFC 8996 deprecates."""
_REVOKED = 23
"""X509_V_ERR_CERT_REVOKED."""
_BROKEN = frozenset({"NULL", "ADH", "AECDH", "EXP", "RC4", "DES", "IDEA", "SEED", "MD5"})
"""Parts of the names of ciphers without encryption or authentication, or with broken or abandoned algorithms."""
_FORWARD = ("TLS_", "ECDHE-", "DHE-")
"""How the names of ciphers with forward secrecy begin."""
_JUDGED_HERE = frozenset({TlsProblem.EXPIRED, TlsProblem.NOT_YET_VALID, TlsProblem.WEAK})
"""What is judged here, and not by the library, which goes by its own clock and level of security."""


_ORDER = list(TlsProblem)
"""From what explains most to what explains least."""


class Validity(Enum):
    """The state of a certificate, in one word. Each but the first has the name of a `TlsProblem`."""

    VALID = "valid"
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    SELF_SIGNED = "self-signed"
    INCOMPLETE_CHAIN = "incomplete chain"
    UNTRUSTED_ROOT = "untrusted root"
    WEAK = "weak"
    INVALID = "invalid"
    NAME_MISMATCH = "name mismatch"


class Remark(Enum):
    """What is worth telling beyond the certificate's state, by its code in the catalogue of findings."""

    OLD_ONLY = "tls-old-only"
    OLD_VERSION = "tls-old-version"
    BROKEN_CIPHER = "tls-broken-cipher"
    NO_FORWARD_SECRECY = "tls-no-forward-secrecy"
    LARGE_HELLO = "tls-large-hello"
    INTOLERANT = "tls-intolerant"
    EXPIRES_SOON = "tls-expires-soon"
    WEB_NAME_ONLY = "tls-web-name-only"
    DISORDERED_CHAIN = "tls-disordered-chain"
    STAPLE_MISSING = "tls-staple-missing"
    STAPLE_UNUSABLE = "tls-staple-unusable"
    UNFINISHED = "tls-unfinished"

    @property
    def entry(self) -> Entry:
        """What is known of it: what it means, what to do about it, the rule."""
        return catalogue()[self.value]


@value
class VersionFacts:
    """Whether a version of TLS is accepted, None if that did not come out, and its ciphers in the order of choice.

    `complete` is whether the server had no more to choose from; `why` is what it said to an offer of nothing else.
    """

    version: TlsVersion
    accepted: bool | None
    ciphers: tuple[str, ...] = ()
    complete: bool = True
    why: str = ""


@value
class Identity:
    """Whom the certificate is for: by the rules of SIP (RFC 5922 §7) and of the web (RFC 9110 §4.3.4), and whether that
    includes the name that was asked for.
    """

    sip_names: tuple[str, ...]
    web_names: tuple[str, ...]
    for_sip: bool
    for_web: bool


@value
class TlsReport:
    """All that was found out about one TLS server. Times are in seconds, dates seconds since 1970.

    `name` is whom the certificate must be for. `validity` is None where none was seen; `faults` is all that is wrong
    with it. `agreed` is the handshake that shows what a usual client gets, None where nothing was agreed on; `failure`
    is why there is no connection. `resumed` is whether the session was resumed, None where that did not come out;
    `resumable` is whether the server gave what that takes. `every_cipher` is whether each version was to be asked for
    all of its ciphers.
    """

    hop: Hop
    name: str
    judged_at: float
    handshakes: tuple[Handshake, ...]
    versions: tuple[VersionFacts, ...]
    agreed: Handshake | None = None
    failure: TransportFailure | None = None
    validity: Validity | None = None
    faults: tuple[CertificateFault, ...] = ()
    sent: tuple[CertificateFacts, ...] = ()
    verified: tuple[CertificateFacts, ...] = ()
    identity: Identity | None = None
    staple: StapleFacts | None = None
    resumed: bool | None = None
    resumable: bool | None = None
    remarks: tuple[Remark, ...] = ()
    every_cipher: bool = True

    @property
    def works(self) -> bool:
        """Whether a client that verifies certificates, and has none, or has the one shown here, gets a connection."""
        return self.failure is None and self.validity is Validity.VALID

    @property
    def days_left(self) -> float | None:
        """Days until the certificate expires, negative once it has; None without one."""
        return (self.sent[0].not_after - self.judged_at) / DAY if self.sent else None

    @property
    def certificate_requested(self) -> bool:
        """Whether the server asked for a client certificate."""
        return self.agreed is not None and self.agreed.shown.certificate_requested

    @property
    def certificate_required(self) -> bool:
        """Whether it went no further without one that it accepts."""
        return self.agreed is not None and self.agreed.problem is TlsProblem.CLIENT_CERTIFICATE_REQUIRED


def judge(hop: Hop, seen: Sequence[Handshake], now: float, *, every_cipher: bool = True) -> TlsReport:
    """What the handshakes with `hop` mean at `now`, in seconds since 1970; `every_cipher` is what they were to ask."""
    shows = [handshake for handshake in seen if handshake.trial.purpose is Purpose.SHOW]
    agreed = next((handshake for handshake in shows if handshake.cipher), None)
    telling = agreed or next(reversed(shows), None)
    resuming = next((handshake for handshake in seen if handshake.trial.purpose is Purpose.RESUME), None)
    report = TlsReport(
        hop,
        hop.tls_name or hop.remote.host,
        now,
        tuple(seen),
        _versions(seen, small=any(handshake.trial.small for handshake in shows)),
        agreed=agreed,
        failure=telling.failure if telling else None,
        resumed=resuming.resumed if resuming is not None and resuming.established else None,
        resumable=agreed.resumable if agreed is not None and agreed.established and agreed.failure is None else None,
        every_cipher=every_cipher,
    )
    if agreed is not None and agreed.shown.chain:
        report = _certified(report, agreed.shown)
    elif agreed is not None and agreed.shown.faults:
        # One that cannot be read is shown all the same; the library may say more often than once what it makes of it.
        faults = tuple(dict.fromkeys(agreed.shown.faults))
        report = replace(report, validity=Validity[faults[0].problem.name], faults=faults)
    return replace(report, remarks=tuple(_remarks(report)))


def _versions(seen: Sequence[Handshake], *, small: bool) -> tuple[VersionFacts, ...]:
    known = {handshake.trial: handshake for handshake in seen}
    found = []
    for version in reversed(TlsVersion):
        ciphers = ciphers_of(known, version, small=small)
        line = [handshake for handshake in seen if handshake.trial.version is version]
        line = [handshake for handshake in line if handshake.trial.purpose is Purpose.CIPHERS]
        last = line[-1] if line else None
        accepted = True if ciphers else False if last is not None and last.refused else None
        everything = version is TlsVersion.TLS_1_3 and len(ciphers) == len(SUITES)
        failure = last.failure if last is not None else None
        why = failure.alert or failure.detail if isinstance(failure, TlsFailure) else ""
        complete = everything or (last is not None and last.refused)
        found.append(VersionFacts(version, accepted, ciphers, complete, "" if ciphers else why))
    return tuple(found)


def _certified(report: TlsReport, shown: Shown) -> TlsReport:
    """The report with what is to be said about the certificate."""
    leaf = shown.chain[0]
    sent = tuple(map(read_certificate, shown.chain))
    verified = tuple(map(read_certificate, shown.verified))
    staple = None
    if shown.staple:
        issuer = next(iter((shown.verified or shown.chain)[1:]), None)
        staple = read_staple(shown.staple, leaf, issuer, report.judged_at)
    faults = [fault for fault in shown.faults if fault.problem not in _JUDGED_HERE]
    faults += [fault for depth, facts in enumerate(verified or sent) for fault in _faults(facts, depth, report)]
    if staple is not None and staple.verdict is StapleVerdict.REVOKED:
        detail = f"{sent[0].subject}, revoked, as its OCSP response tells"
        faults.append(CertificateFault(TlsProblem.INVALID, 0, _REVOKED, detail))
    faults.sort(key=lambda fault: _ORDER.index(fault.problem))
    return replace(
        report,
        validity=Validity[faults[0].problem.name] if faults else Validity.VALID,
        faults=tuple(faults),
        sent=sent,
        verified=verified,
        identity=_identity(leaf, report.name),
        staple=staple,
    )


def _faults(facts: CertificateFacts, depth: int, report: TlsReport) -> Iterator[CertificateFault]:
    """What is wrong with one certificate of the chain by its dates and by its strength."""
    if facts.not_after < report.judged_at:
        yield CertificateFault(TlsProblem.EXPIRED, depth, 0, f"{facts.subject}, on {day(facts.not_after)}")
    if facts.not_before > report.judged_at:
        yield CertificateFault(TlsProblem.NOT_YET_VALID, depth, 0, f"{facts.subject}, before {day(facts.not_before)}")
    if facts.weakness:
        yield CertificateFault(TlsProblem.WEAK, depth, 0, f"{facts.subject}, {facts.weakness}")


def day(when: float) -> str:
    """A time in seconds since 1970 as a date, in UTC."""
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d}"


def _identity(certificate: Certificate, name: str) -> Identity | None:
    try:
        return Identity(
            sip_identities(certificate),
            web_identities(certificate),
            is_for(certificate, name),
            is_for_web(certificate, name),
        )
    except ValueError:
        return None


def _remarks(report: TlsReport) -> Iterator[Remark]:
    """What is worth telling, in the order of `Remark`."""
    accepted = [facts for facts in report.versions if facts.accepted]
    if accepted and all(facts.version in OLD for facts in accepted):
        yield Remark.OLD_ONLY
    elif any(facts.version in OLD for facts in accepted):
        yield Remark.OLD_VERSION
    if any(_BROKEN & set(cipher.split("-")) for facts in accepted for cipher in facts.ciphers):
        yield Remark.BROKEN_CIPHER
    if any(facts.complete and not any(map(_is_secret, facts.ciphers)) for facts in accepted):
        yield Remark.NO_FORWARD_SECRECY
    if report.agreed is not None and report.agreed.trial.small:
        yield Remark.LARGE_HELLO
    if report.agreed is not None and report.agreed.trial.version is not None:
        yield Remark.INTOLERANT
    yield from _certificate_remarks(report)
    known = all(facts.complete if report.every_cipher else facts.accepted is not None for facts in report.versions)
    if report.agreed is not None and not known:
        yield Remark.UNFINISHED


def _is_secret(cipher: str) -> bool:
    return cipher.startswith(_FORWARD)


def _certificate_remarks(report: TlsReport) -> Iterator[Remark]:
    if any(_expires_soon(facts, report.judged_at) for facts in report.verified or report.sent):
        yield Remark.EXPIRES_SOON
    identity = report.identity
    if identity is not None and identity.for_web and not identity.for_sip and report.hop.transport is Transport.TLS:
        yield Remark.WEB_NAME_ONLY
    if any(lower.issuer != upper.subject for lower, upper in pairwise(report.sent)):
        yield Remark.DISORDERED_CHAIN
    if report.sent and report.sent[0].must_staple and report.staple is None:
        yield Remark.STAPLE_MISSING
    if report.staple is not None and report.staple.verdict not in (StapleVerdict.GOOD, StapleVerdict.REVOKED):
        yield Remark.STAPLE_UNUSABLE


def _expires_soon(facts: CertificateFacts, now: float) -> bool:
    return 0 <= facts.not_after - now < min(SOON, facts.lifetime / 4)
