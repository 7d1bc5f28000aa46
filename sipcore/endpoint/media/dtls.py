"""A DTLS handshake between datagrams and keys for SRTP: pyOpenSSL over memory buffers. RFC 5763, RFC 5764, RFC 6347."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sipcore.media.keys import EXPORTER_LABEL, SUITES, SrtpKeys, Suite, exported_keys, suite_of_profile
from sipcore.sdp.attributes import Fingerprint
from sipcore.transports.certificates import self_signed
from sipcore.value import value

if TYPE_CHECKING:
    from cryptography import x509

MTU = 1200
"""Bytes of a datagram: certificates are cut to fit, so that no path has to put fragments of IP together."""
PATIENCE = 15.0
"""Seconds after which a handshake has failed: four retransmissions, at 1, 3, 7 and 15 s (RFC 6347 §4.2.4.1)."""
_RECORD_HEADER = 13
"""RFC 6347 §4.1: type, version, epoch, sequence number and, in the last two bytes, the length."""
_CHUNK = 64 * 1024
_HASHES = {"sha-1": "sha1", "sha-224": "sha224", "sha-256": "sha256", "sha-384": "sha384", "sha-512": "sha512"}
"""RFC 8122 §5: hash functions by their names there; those that are broken for certificates are left out, SHA-1 aside,
which old gateways still show."""


@value
class DtlsIdentity:
    """The certificate for a call, which nobody but its fingerprint vouches for, and its key: both PEM."""

    certificate: bytes
    key: bytes

    @classmethod
    def make(cls) -> "DtlsIdentity":
        """A new one."""
        return cls(*self_signed(("sipcore",)))

    @property
    def fingerprint(self) -> Fingerprint:
        """What the description says of it (RFC 8122 §5)."""
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding

        encoded = x509.load_pem_x509_certificate(self.certificate).public_bytes(Encoding.DER)
        return Fingerprint("sha-256", hashlib.sha256(encoded).digest())

    def __repr__(self) -> str:
        return "DtlsIdentity()"


class DtlsHandshake:
    """One handshake (`sipcore.media.keys.Handshake`). `client` is whether it is begun here (setup:active).

    The peer is whoever has a certificate with one of `fingerprints`.
    """

    def __init__(
        self,
        identity: DtlsIdentity,
        fingerprints: Sequence[Fingerprint],
        *,
        client: bool,
        suites: Sequence[Suite] = SUITES,
    ) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
        from OpenSSL import SSL

        self._ssl = SSL
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_options(SSL.OP_NO_QUERY_MTU)
        context.use_certificate(x509.load_pem_x509_certificate(identity.certificate))
        context.use_privatekey(load_pem_private_key(identity.key, None))  # type: ignore[arg-type]  # it is one for EC
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        context.set_tlsext_use_srtp(":".join(suite.dtls_profile for suite in suites).encode())
        self._connection = SSL.Connection(context, None)
        self._connection.set_ciphertext_mtu(MTU)
        self._client = client
        self._fingerprints = tuple(fingerprints)
        self._done = False
        self._began: float | None = None
        self._timeout_at: float | None = 0.0 if client else None
        self.keys: tuple[SrtpKeys, SrtpKeys] | None = None
        self.failure = ""
        if client:
            self._connection.set_connect_state()
        else:
            self._connection.set_accept_state()

    def receive_untrusted(self, data: bytes, now: float) -> None:
        """Take a datagram."""
        if self.failure:
            return
        self._connection.bio_write(data)
        self._step(now)

    def next_timeout(self) -> float | None:
        """When to come back."""
        return None if self.failure or self._done else self._timeout_at

    def handle_timeout(self, now: float) -> None:
        """Begin, or send again what got no answer."""
        if self.failure or self._done or self._timeout_at is None or now < self._timeout_at:
            return
        if self._began is not None and now - self._began >= PATIENCE:
            self.failure = f"the DTLS handshake got no answer in {PATIENCE:.0f} s"
            return
        if self._began is not None:
            try:
                self._connection.DTLSv1_handle_timeout()
            except self._ssl.Error as error:
                self.failure = _why(error)
                return
        self._step(now)

    def drain(self) -> list[bytes]:
        """The datagrams to send: one for each record, since the library's buffer does not keep them apart."""
        try:
            data = self._connection.bio_read(_CHUNK)
        except self._ssl.WantReadError:
            return []
        datagrams = []
        while data:
            end = _RECORD_HEADER + int.from_bytes(data[_RECORD_HEADER - 2 : _RECORD_HEADER], "big")
            datagrams.append(data[:end])
            data = data[end:]
        return datagrams

    def _step(self, now: float) -> None:
        if self._began is None:
            self._began = now
        try:
            if self._done:
                self._connection.recv(_CHUNK)  # which answers a peer that has not had the last flight
            else:
                self._connection.do_handshake()
                self._finish()
        except (self._ssl.WantReadError, self._ssl.ZeroReturnError):
            pass
        except self._ssl.Error as error:
            if not self._done:
                self.failure = _why(error)
        left = self._connection.DTLSv1_get_timeout()
        self._timeout_at = now + left if left is not None else None

    def _finish(self) -> None:
        self._done = True
        peer = self._connection.get_peer_certificate(as_cryptography=True)
        if peer is None or not any(_is_of(peer, fingerprint) for fingerprint in self._fingerprints):
            self.failure = "the certificate is not the one of the description (RFC 5763 §5)"
            return
        profile = self._connection.get_selected_srtp_profile().decode()
        suite = suite_of_profile(profile)
        if suite is None:
            self.failure = f"no SRTP profile in common{f': {profile}' if profile else ''}"
            return
        material = self._connection.export_keying_material(EXPORTER_LABEL, 2 * suite.length)
        self.keys = exported_keys(suite, material, client=self._client)


def _is_of(certificate: "x509.Certificate", fingerprint: Fingerprint) -> bool:
    from cryptography.hazmat.primitives.serialization import Encoding

    name = _HASHES.get(fingerprint.algorithm)
    return name is not None and hashlib.new(name, certificate.public_bytes(Encoding.DER)).digest() == fingerprint.digest


def _why(error: Exception) -> str:
    reasons = [entry[-1] for entry in error.args[0]] if error.args and isinstance(error.args[0], list) else []
    return f"the DTLS handshake failed: {', '.join(reason for reason in reasons if reason) or 'broken off'}"
