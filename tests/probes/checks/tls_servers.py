"""TLS servers on loopback, made as each test wants them: OpenSSL itself, without anything of ours."""

import datetime
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from OpenSSL import SSL, crypto

from sipcore.resolve.target import Hop, SocketAddress, Transport
from tests.probes.discovery.network import HOST, tcp
from tests.sipcore.transports.authority import Identity, issue

NAME = "sip.example.com"
ROOT = issue("root", ca=True)
INTERMEDIATE = issue("intermediate", ROOT, ca=True)
LEAF = issue("leaf", INTERMEDIATE, names=[NAME], days=(-1, 90))
EVERYTHING = b"ALL:COMPLEMENTOFALL:@SECLEVEL=0"


def context_for(
    identity: Identity = LEAF,
    *,
    versions: tuple[int, int] = (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION),
    ciphers: bytes = b"DEFAULT:@SECLEVEL=0",
    accepts: Identity | None = None,
    requires: bool = False,
    staple: bytes = b"",
    resumes: bool = True,
) -> SSL.Context:
    """A server's context. `accepts` is whose client certificates it asks for."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(versions[0])
    context.set_max_proto_version(versions[1])
    context.set_cipher_list(ciphers)
    context.use_certificate(identity.certificate)
    for certificate in identity.above:
        context.add_extra_chain_cert(certificate)
    context.use_privatekey(identity.private)
    context.set_session_id(b"test")
    if accepts is not None:
        required = SSL.VERIFY_FAIL_IF_NO_PEER_CERT if requires else 0
        store = context.get_cert_store()
        assert store is not None
        store.add_cert(crypto.X509.from_cryptography(accepts.certificate))
        context.add_client_ca(accepts.certificate)
        context.set_verify(SSL.VERIFY_PEER | required, lambda *arguments: bool(arguments[4]))
    if staple:
        context.set_ocsp_server_callback(lambda *_: staple)
    if not resumes:
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_options(SSL.OP_NO_TICKET)
    return context


@asynccontextmanager
async def serving(context: SSL.Context) -> AsyncIterator[Hop]:
    """A server that shakes hands, and then listens until its peer leaves."""
    async with tcp(partial(_serve, context)) as port:
        yield hop_to(port)


def hop_to(port: int) -> Hop:
    return Hop(Transport.TLS, SocketAddress(HOST, port), tls_name=NAME)


async def _serve(context: SSL.Context, stream: trio.abc.Stream) -> None:
    connection = SSL.Connection(context, None)
    connection.set_accept_state()
    try:
        while True:
            ended = _advance(connection)
            await stream.send_all(_outgoing(connection))
            data = b"" if ended else await stream.receive_some()
            if not data:
                return
            connection.bio_write(data)
    except trio.BrokenResourceError:
        return


def _advance(connection: SSL.Connection) -> bool:
    """Take what has come; whether that was the end."""
    try:
        connection.do_handshake()
        connection.recv(1000)
    except SSL.WantReadError:
        return False
    except SSL.Error:
        return True
    return False


def _outgoing(connection: SSL.Connection) -> bytes:
    try:
        return connection.bio_read(1 << 20)
    except SSL.WantReadError:
        return b""


def ocsp_response(
    about: x509.Certificate,
    issuer: Identity,
    *,
    signer: Identity | None = None,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    hours: tuple[float, float] = (-1, 24),
    delegates: tuple[x509.Certificate, ...] = (),
) -> bytes:
    """An OCSP response about a certificate, signed by its issuer unless another one is named."""
    signer = signer or issuer
    now = datetime.datetime.now(datetime.UTC)
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=about,
            issuer=issuer.certificate,
            algorithm=hashes.SHA256(),
            cert_status=status,
            this_update=now + datetime.timedelta(hours=hours[0]),
            next_update=now + datetime.timedelta(hours=hours[1]),
            revocation_time=now - datetime.timedelta(days=1) if revoked else None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
    )
    if delegates:
        builder = builder.certificates(list(delegates))
    return builder.sign(signer.private, hashes.SHA256()).public_bytes(Encoding.DER)
