"""TLS between bytes and bytes: pyOpenSSL over memory buffers, without a socket. RFC 3261 §26.2.1, RFC 5922 §7.

The handshake is not stopped by the first thing that is wrong with the peer's certificates: all of it is collected, and
then, where verification is on, the handshake is refused as a whole. The alert that OpenSSL sends in that case is
`internal error`, since a collected error is no longer the library's own. What a peer sent can be inspected afterwards.
"""

from typing import TYPE_CHECKING
from weakref import ref

from cryptography import x509
from OpenSSL import SSL

from sipcore.errors import FailureReason, TransportFailure
from sipcore.message.framing import what_speaks
from sipcore.resolve.target import Hop, Transport, is_numeric
from sipcore.transports.base import TlsVersion
from sipcore.transports.certificates import (
    UNREADABLE,
    ascii_name,
    is_for,
    is_for_sip,
    is_for_web,
    sip_identities,
    web_identities,
)
from sipcore.transports.tls_failure import (
    ALERTS,
    CertificateFault,
    TlsFailure,
    TlsProblem,
    first_of,
    problem_of,
    what_is_invalid,
    worst,
)
from sipcore.value import value

if TYPE_CHECKING:
    from OpenSSL import crypto

CHUNK = 64 * 1024
"""Bytes taken from the library at once."""
RECORD_TYPES = range(20, 25)
"""First bytes of a TLS record: change cipher spec, alert, handshake, application data, heartbeat (RFC 8446 §5.1)."""
ALERT_PROTOCOL_VERSION = 70
CERTIFICATE_ALERTS = frozenset({42, 43, 44, 45, 46, 48, 49, 116})
"""RFC 8446 §6.2: those by which a server says that it does not accept the client's certificate, or misses one."""
_INVALID_PURPOSE = 26
"""X509_V_ERR_INVALID_PURPOSE."""
_CERTIFICATE_REQUEST_READ = b"server certificate request"
"""Part of the name of the handshake state in which a client has read a request for its certificate."""
_TICKET_READ = b"session ticket"
"""Part of that in which it has read what the session can be resumed with."""

_REASONS = (
    ("wrong version number", TlsProblem.NOT_TLS),
    ("http request", TlsProblem.NOT_TLS),
    ("unsupported protocol", TlsProblem.VERSION),
    ("no protocols available", TlsProblem.VERSION),
    ("version too low", TlsProblem.VERSION),
    ("key too small", TlsProblem.WEAK),
    ("key size too small", TlsProblem.WEAK),
    ("too weak", TlsProblem.WEAK),
    ("unsafe legacy renegotiation", TlsProblem.WEAK),
    ("did not return a certificate", TlsProblem.CLIENT_CERTIFICATE_REQUIRED),
)
"""Parts of OpenSSL's reason texts, and what they mean; whatever is not in it is a handshake that failed."""


@value
class TlsSession:
    """What a handshake agreed on and showed.

    `faults` is what is wrong with the peer's chain: with verification off it may well be there. `verified` is whether
    the peer showed a certificate and nothing is wrong with it. A handshake that `resumed` an earlier session shows no
    certificates: those are the earlier one's, with what was found wrong then.
    """

    version: str
    cipher: str
    group: str
    chain: tuple[x509.Certificate, ...]
    faults: tuple[CertificateFault, ...]
    certificate_requested: bool
    resumed: bool = False

    @property
    def verified(self) -> bool:
        """Whether the peer is who its certificate says, by a root that is trusted here."""
        return bool(self.chain) and not self.faults

    def __str__(self) -> str:
        resumed = "resumed" if self.resumed else ""
        return " ".join(part for part in (self.version, self.cipher, self.group, resumed) if part)


@value
class TlsEvidence:
    """What a server showed beyond what its session tells, for those who inspect it.

    `verified` is the chain as the library put it together, from the peer's own certificate as far up as it came.
    `authorities` are the names of the CAs whose certificates the server would accept, as it listed them. `staple` is
    the OCSP response that came with the certificate (RFC 6066 §8), DER; empty for none.
    """

    verified: tuple[x509.Certificate, ...] = ()
    authorities: tuple[str, ...] = ()
    staple: bytes = b""


@value
class Resumption:
    """What it takes to resume a session: the library's part, what the full handshake showed, and when that was.

    `since` is in seconds, on the clock of whoever keeps it.
    """

    session: SSL.Session
    seen: TlsSession
    since: float


class TlsEngine:
    """One TLS connection: bytes of the wire in and out, plain bytes out and in. See `tcp.Engine`.

    `name` is whom the peer's certificate must be for and, unless it is an address, what goes out as SNI; a server has
    none. `verify` is whether the handshake is refused for what is wrong with the peer's chain. `resume` is a session of
    the same context and name that is offered to the peer. `staple` is whether a client asks for an OCSP response, which
    the context is to hand to `take_staple`.
    """

    def __init__(
        self,
        context: SSL.Context,
        hop: Hop,
        *,
        name: str = "",
        verify: bool,
        client: bool,
        resume: Resumption | None = None,
        staple: bool = False,
    ) -> None:
        self.hop = hop
        self.established = False
        self.closed = False
        self._name = name
        self._verify = verify
        self._client = client
        self._web = hop.transport is Transport.WSS
        self._resume = resume
        self._judged = False
        self._faults: list[CertificateFault] = []
        self._alert = 0
        self._certificate_requested = False
        self._ticketed = False
        self._staple = b""
        self._heard = False
        self._heard_plain = False
        self._deferred: TlsFailure | None = None
        self._agreed: TlsSession | None = None
        self._connection = SSL.Connection(context, None)
        self._connection.set_app_data(ref(self))  # not itself: a circle would keep both, some 50 kB, until it is found
        if client:
            sni = ascii_name(name).rstrip(".")  # RFC 6066 §3: neither a final dot nor an address
            if sni.isascii() and sni.isprintable() and not is_numeric(name):
                self._connection.set_tlsext_host_name(sni.encode())
            if resume is not None:
                self._connection.set_session(resume.session)
            if staple:
                self._connection.request_ocsp()
            self._connection.set_connect_state()
        else:
            self._connection.set_accept_state()

    @property
    def name(self) -> str:
        """Whom the peer's certificate must be for; empty for a server."""
        return self._name

    @property
    def resuming(self) -> bool:
        """Whether an earlier session was offered to the peer."""
        return self._resume is not None

    @property
    def resumable(self) -> bool:
        """Whether a client could go on with the session: one of TLS 1.3, once the server has sent what that takes."""
        ready = self._client and self.established
        return ready and (self._ticketed or self.session.version != TlsVersion.TLS_1_3.value)

    @property
    def session(self) -> TlsSession:
        """What the handshake agreed on and showed, as far as it came."""
        if self._agreed is not None:
            return self._agreed
        connection = self._connection
        earlier = self._earlier()
        session = TlsSession(
            version=connection.get_protocol_version_name(),
            cipher=connection.get_cipher_name() or "",
            group=connection.get_group_name() or "",
            chain=earlier.chain if earlier else self._chain(),
            faults=earlier.faults if earlier else tuple(self._faults),
            certificate_requested=earlier.certificate_requested if earlier else self._certificate_requested,
            resumed=earlier is not None,
        )
        if self.established:
            self._agreed = session
        return session

    @property
    def evidence(self) -> TlsEvidence:
        """What the server showed to a client, as far as it came."""
        try:
            verified = tuple(self._connection.get_verified_chain(as_cryptography=True) or ())
        except UNREADABLE:
            verified = ()  # a certificate that cannot be read
        names = self._connection.get_client_ca_list() if self._certificate_requested else []
        return TlsEvidence(verified, tuple(_written(name) for name in names), self._staple)

    def resumption(self, now: float) -> Resumption | None:
        """What a later connection can go on with, None where there is nothing; best asked for at the end.

        A TLS 1.3 server sends what it takes after the handshake.
        """
        session = self._connection.get_session() if self.resumable else None
        if session is None:
            return None
        earlier = self._resume if self._earlier() is not None else None
        return Resumption(session, self.session, earlier.since if earlier is not None else now)

    def receive(self, data: bytes) -> bytes:
        """Take bytes of the wire, return plain bytes. Raises TlsFailure."""
        if self._deferred is not None:
            raise self._deferred
        if data:
            if not self._heard and data[0] not in RECORD_TYPES:
                raise self._not_tls(data)
            self._heard = True
            self._connection.bio_write(data)
        if not self.established and not self._shake_hands():
            return b""
        plain: list[bytes] = []
        try:
            while True:
                plain.append(self._connection.recv(CHUNK))
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.closed = True
        except SSL.Error as error:
            failure = self._failure(error)
            if not plain:
                raise failure from error
            # What the peer said before it is delivered first.
            self._deferred = failure
        self._heard_plain = self._heard_plain or bool(plain)
        return b"".join(plain)

    def send(self, data: bytes) -> None:
        """Take plain bytes, for `outgoing`. Raises TlsFailure."""
        try:
            self._connection.sendall(data)
        except SSL.Error as error:
            raise self._failure(error) from error

    def outgoing(self) -> bytes:
        """Take the bytes that are to go out on the wire."""
        chunks: list[bytes] = []
        try:
            while True:
                chunks.append(self._connection.bio_read(CHUNK))
        except SSL.WantReadError:
            return b"".join(chunks)

    def close(self) -> None:
        """Say, in `outgoing`, that nothing more will be sent."""
        try:
            self._connection.shutdown()
        except SSL.Error:
            return  # nothing was established that could be closed

    def explain(self, failure: TransportFailure) -> TransportFailure:
        """What it means that the connection under this one ended with `failure`."""
        if self._deferred is not None or isinstance(failure, TlsFailure):
            return self._deferred or failure
        if not self.established:
            if not self._heard:
                return self._made(TlsProblem.SILENT, failure.reason.value)
            return self._made(TlsProblem.HANDSHAKE, f"{failure.reason.value}, after it had begun")
        if self._certificate_requested and not self._heard_plain and failure.reason is not FailureReason.TIMED_OUT:
            # Under TLS 1.3 the handshake is over for a client before the server has looked for its certificate.
            return self._made(TlsProblem.CLIENT_CERTIFICATE_REQUIRED, failure.reason.value)
        return failure

    # Called by OpenSSL through the context

    @staticmethod
    def of(connection: SSL.Connection) -> "TlsEngine":
        """The engine that has made this connection of the library, which calls back while the engine works on it."""
        engine = connection.get_app_data()()
        assert isinstance(engine, TlsEngine)  # noqa: S101  # what works is still there
        return engine

    def judge(self, certificate: "crypto.X509", code: int, depth: int, ok: bool) -> bool:
        """Take the library's finding on one certificate of the chain; the last is about the peer's own, and `ok`."""
        self._judged = True
        try:
            read = certificate.to_cryptography()
            if not ok:
                self._judge_error(read, code, depth)
            elif depth == 0 and self._name:
                self._judge_name(read)
        except UNREADABLE as error:
            self._faults.append(CertificateFault(TlsProblem.INVALID, depth, 0, f"it cannot be read: {error}"))
        if not self._verify or not self._faults:
            return True
        # A client goes on to the end, so as to tell all that is wrong. A server stops where the library has found it:
        # then that is what its alert says, and not an internal error.
        return self._client and not (ok and depth == 0)

    def take_staple(self, data: bytes) -> bool:
        """Take the OCSP response that came with the peer's certificate, empty for none; whoever asked judges it."""
        self._staple = data
        return True

    def note(self, where: int, code: int) -> None:
        """Take what the library tells of the handshake's course."""
        if where & SSL.SSL_CB_READ_ALERT == SSL.SSL_CB_READ_ALERT:
            self._alert = code & 0xFF
        elif self._client and not (self._certificate_requested and self._ticketed):
            state = self._connection.get_state_string()
            self._certificate_requested = self._certificate_requested or _CERTIFICATE_REQUEST_READ in state
            self._ticketed = self._ticketed or _TICKET_READ in state

    def _earlier(self) -> TlsSession | None:
        """What the handshake of the session that was resumed showed; None where none was.

        In a full handshake a server shows a certificate, and the library asks here about it.
        """
        return self._resume.seen if self._resume is not None and self.established and not self._judged else None

    def _shake_hands(self) -> bool:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            raise self._failure(error) from error
        self.established = True
        return True

    def _judge_name(self, certificate: x509.Certificate) -> None:
        # RFC 7118 §9.1: over WSS the rules of the web count, and not those of SIP domains.
        matches, names_of = (is_for_web, web_identities) if self._web else (is_for, sip_identities)
        if not matches(certificate, self._name):
            names = first_of(names_of(certificate)) or ("no host name" if self._web else "no SIP domain")
            detail = f"it is for {names}, and not for {self._name}"
            self._faults.append(CertificateFault(TlsProblem.NAME_MISMATCH, 0, 0, detail))

    def _judge_error(self, certificate: x509.Certificate, code: int, depth: int) -> None:
        if code == _INVALID_PURPOSE and not self._web and is_for_sip(certificate):
            return  # OpenSSL looks for the purpose of a web server; RFC 5924 §4 has one of SIP's own
        problem = problem_of(code, depth)
        if any(fault.problem is problem and fault.depth == depth for fault in self._faults):
            return
        self._faults.append(CertificateFault(problem, depth, code, _detail(problem, certificate, code)))

    def _failure(self, error: SSL.Error) -> TlsFailure:
        """What an error of the library means."""
        reasons = [entry[-1] for entry in error.args[0]] if error.args and isinstance(error.args[0], list) else []
        text = ", ".join(reason for reason in reasons if reason) or "broken off"
        if self._verify and self._faults:
            return self._made(worst(self._faults), text)
        if self._alert == ALERT_PROTOCOL_VERSION:
            return self._made(TlsProblem.VERSION, text)
        if self._certificate_requested and (self._alert in CERTIFICATE_ALERTS or not self.established):
            return self._made(TlsProblem.CLIENT_CERTIFICATE_REQUIRED, text)
        if self.established and not self._alert:  # what the peer has to say of the handshake may still come as an alert
            return self._made(TlsProblem.BROKEN, text)
        found = next((problem for part, problem in _REASONS if part in text), TlsProblem.HANDSHAKE)
        return self._made(found, text)

    def _made(self, problem: TlsProblem, detail: str) -> TlsFailure:
        faults = self._faults if self._verify else []
        alert = ALERTS.get(self._alert, str(self._alert)) if self._alert else ""
        section = "RFC 7118 §9.1" if self._web else "RFC 5922 §7.3"
        chain = self._chain()
        return TlsFailure(problem, self.hop, detail, faults=faults, chain=chain, alert=alert, section=section)

    def _not_tls(self, data: bytes) -> TlsFailure:
        return self._made(TlsProblem.NOT_TLS, what_speaks(data, "TLS"))

    def _chain(self) -> tuple[x509.Certificate, ...]:
        try:
            chain = self._connection.get_peer_cert_chain(as_cryptography=True) or []
            if not self._client:
                # To a server, the library counts the peer's own certificate not among the chain.
                own = self._connection.get_peer_certificate(as_cryptography=True)
                chain = [own, *chain] if own is not None else chain
        except UNREADABLE:
            return ()
        return tuple(chain)


def _written(name: "crypto.X509Name") -> str:
    """A name as `rfc4514_string` writes those of certificates, the most specific part first."""
    parts = [(kind.decode("ascii", "replace"), text.decode("utf-8", "replace")) for kind, text in name.get_components()]
    return ",".join(f"{kind}={text}" for kind, text in reversed(parts))


def _detail(problem: TlsProblem, certificate: x509.Certificate, code: int) -> str:
    """Names and dates for a fault."""
    name = certificate.subject.rfc4514_string()
    if problem is TlsProblem.EXPIRED:
        return f"{name}, on {certificate.not_valid_after_utc:%Y-%m-%d}"
    if problem is TlsProblem.NOT_YET_VALID:
        return f"{name}, before {certificate.not_valid_before_utc:%Y-%m-%d}"
    if problem in (TlsProblem.INCOMPLETE_CHAIN, TlsProblem.UNTRUSTED_ROOT):
        return f"{name}, issued by {certificate.issuer.rfc4514_string()}"
    if problem is TlsProblem.INVALID:
        return ", ".join(part for part in (name, what_is_invalid(code)) if part)
    return name
