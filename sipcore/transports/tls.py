"""TLS contexts from configuration: which roots, versions, ciphers and certificates. RFC 3261 §26.3.1, RFC 5922."""

import time
from typing import cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto

from sipcore.errors import LocalError
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports.base import TlsConfig, TlsVersion
from sipcore.transports.layers import Engine
from sipcore.transports.tls_engine import Resumption, TlsEngine

MAX_SESSIONS = 256
"""Peers whose sessions are kept; beyond that, the one that was kept longest is forgotten. Each takes some 10 kB."""
SESSION_LIFETIME = 3600.0
"""Seconds after which a peer has to show its certificates again, so that one which has expired is noticed."""
SECTION = "RFC 3261 §26.3.1"
_VERSIONS = {
    TlsVersion.TLS_1_0: SSL.TLS1_VERSION,
    TlsVersion.TLS_1_1: SSL.TLS1_1_VERSION,
    TlsVersion.TLS_1_2: SSL.TLS1_2_VERSION,
    TlsVersion.TLS_1_3: SSL.TLS1_3_VERSION,
}
_OLD = (TlsVersion.TLS_1_0, TlsVersion.TLS_1_1)
_OLD_CIPHERS = b"DEFAULT:@SECLEVEL=0"
"""TLS 1.0 and 1.1 sign with SHA-1, which OpenSSL allows at its lowest security level only."""
_SESSION_CONTEXT = b"sipcore"
"""What tells sessions of this server from those of others; OpenSSL fails to resume one of a verified client without."""
_NO_AUTO_CHAIN = 8
"""SSL_MODE_NO_AUTO_CHAIN: what is sent is the chain configured, and not what the trusted roots could add to it."""
_PeerKey = tuple[Transport, SocketAddress, str]
_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
_GROUPS: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}


class TlsContexts:
    """The contexts that a configuration stands for, each made when it is first needed, and the sessions of clients.

    `trust` is whether a client loads its trusted roots, which takes ten times as long as the rest of a context: who is
    not interested in certificates can do without. `staple` is whether a client asks for an OCSP response.
    """

    def __init__(self, config: TlsConfig, *, trust: bool = True, staple: bool = False) -> None:
        self._config = config
        self._trust = trust
        self._staple = staple
        self._client: SSL.Context | None = None
        self._server: SSL.Context | None = None
        self._sessions: dict[_PeerKey, Resumption] = {}

    def client(self, hop: Hop) -> TlsEngine:
        """An engine that connects to `hop`, whose certificate is to carry the hop's TLS name. Raises LocalError."""
        if self._client is None:
            self._client = _client_context(self._config, trust=self._trust)
            if self._staple:
                self._client.set_ocsp_client_callback(_take_staple)
        name = hop.tls_name or hop.remote.host
        # Each session is offered once (RFC 8446 appendix C.4), and no more to a peer that cannot cope with it.
        resume = self._sessions.pop((hop.transport, hop.remote, name), None)
        if resume is not None and time.monotonic() - resume.since > SESSION_LIFETIME:
            resume = None
        verify = self._config.verify
        return TlsEngine(self._client, hop, name=name, verify=verify, client=True, resume=resume, staple=self._staple)

    def keep(self, engine: Engine | None) -> None:
        """Remember the session of a client's connection that has ended, for the next one to the same peer."""
        if not isinstance(engine, TlsEngine) or not self._config.resume:
            return
        resumption = engine.resumption(time.monotonic())
        if resumption is None:
            return
        if len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[engine.hop.transport, engine.hop.remote, engine.name] = resumption

    def server(self, hop: Hop) -> TlsEngine:
        """An engine for a peer that has connected. Raises LocalError."""
        if self._server is None:
            self._server = _server_context(self._config)
        return TlsEngine(self._server, hop, verify=self._config.require_client_certificate, client=False)

    def check_server(self) -> None:
        """Raise LocalError when the configuration is not one that TLS can be served with."""
        if self._server is None:
            self._server = _server_context(self._config)


def _client_context(config: TlsConfig, *, trust: bool) -> SSL.Context:
    context = _context(SSL.TLS_CLIENT_METHOD, config)
    if trust:
        _trust(context, config)
    context.set_verify(SSL.VERIFY_PEER, _judge)
    return context


def _server_context(config: TlsConfig) -> SSL.Context:
    if not config.certificate:
        raise LocalError("TLS is not served without a certificate", section=SECTION)
    context = _context(SSL.TLS_SERVER_METHOD, config)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(_SESSION_CONTEXT)
    if config.require_client_certificate:
        _trust(context, config)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _judge)
    return context


def _context(method: int, config: TlsConfig) -> SSL.Context:
    if _VERSIONS[config.minimum_version] > _VERSIONS[config.maximum_version]:
        text = f"the minimum TLS version {config.minimum_version.value} is above the maximum"
        raise LocalError(f"{text} {config.maximum_version.value}", section=SECTION)
    context = SSL.Context(method)
    context.set_min_proto_version(_VERSIONS[config.minimum_version])
    context.set_max_proto_version(_VERSIONS[config.maximum_version])
    context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
    context.set_mode(_NO_AUTO_CHAIN)
    context.set_info_callback(_note)
    if config.minimum_version in _OLD:
        context.set_options(SSL.OP_LEGACY_SERVER_CONNECT)
    if config.group:
        if config.group not in _GROUPS:
            raise LocalError(f"no key exchange group is called {config.group!r}", section=SECTION)
        context.set_tmp_ecdh(_GROUPS[config.group])
    if config.keylog is not None:
        keylog = config.keylog
        context.set_keylog_callback(lambda _, line: keylog(line))
    _choose_ciphers(context, config)
    if config.certificate:
        _use_certificate(context, config)
    return context


def _choose_ciphers(context: SSL.Context, config: TlsConfig) -> None:
    """Those configured, of TLS 1.3 and of what stands before it; the library's choice where none is named."""
    names = config.ciphers.split(":") if config.ciphers else []
    suites = ":".join(name for name in names if name.startswith("TLS_")).encode()
    older = ":".join(name for name in names if not name.startswith("TLS_")).encode()
    older = older or (_OLD_CIPHERS if config.minimum_version in _OLD else b"")
    try:
        if suites:
            context.set_tls13_ciphersuites(suites)
        if older:
            context.set_cipher_list(older)
    except SSL.Error as error:
        raise LocalError(f"no TLS cipher is selected by {config.ciphers!r}", section=SECTION) from error


def _use_certificate(context: SSL.Context, config: TlsConfig) -> None:
    """Load the local certificate with its key. Raises LocalError, which says what of them is wrong."""
    try:
        first, *others = x509.load_pem_x509_certificates(config.certificate)
    except ValueError as error:
        raise _unusable("the certificate is none in PEM") from error
    key = _private_key(config.key)
    try:
        context.use_certificate(first)
        for certificate in others:
            context.add_extra_chain_cert(certificate)
    except SSL.Error as error:
        raise _unusable("OpenSSL does not take the certificate, whose key may be too small") from error
    try:
        context.use_privatekey(key)
        context.check_privatekey()
    except SSL.Error as error:
        raise _unusable("the key is not that of the first certificate") from error


def _private_key(pem: bytes) -> _Key:
    try:
        key = load_pem_private_key(pem, None)
    except TypeError as error:
        raise _unusable("the key is encrypted; give it without its passphrase") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unusable("the key is none in PEM") from error
    if not isinstance(key, _Key):
        raise _unusable(f"a {type(key).__name__} cannot sign a handshake")
    return key


def _unusable(why: str) -> LocalError:
    return LocalError(f"the TLS certificate and key cannot be used: {why}", section=SECTION)


def _trust(context: SSL.Context, config: TlsConfig) -> None:
    """Load the trusted roots: those configured, else the system's."""
    try:
        if config.ca_file is not None:
            context.load_verify_locations(config.ca_file)
        if config.ca_data:
            store = cast(crypto.X509Store, context.get_cert_store())  # a context has one from the start
            for certificate in x509.load_pem_x509_certificates(config.ca_data):
                store.add_cert(crypto.X509.from_cryptography(certificate))
        if config.ca_file is None and not config.ca_data:
            context.set_default_verify_paths()
    except (SSL.Error, ValueError) as error:
        where = config.ca_file or "the configuration"
        text = f"the trusted roots of {where} cannot be read: they are certificates in PEM"
        raise LocalError(text, section=SECTION) from error


def _judge(connection: SSL.Connection, certificate: crypto.X509, code: int, depth: int, ok: int) -> bool:
    return TlsEngine.of(connection).judge(certificate, code, depth, bool(ok))


def _note(connection: SSL.Connection, where: int, code: int) -> None:
    TlsEngine.of(connection).note(where, code)


def _take_staple(connection: SSL.Connection, data: bytes, _: None) -> bool:
    return TlsEngine.of(connection).take_staple(data)
