"""TLS without a socket: two engines joined by bytes."""

import os
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports.base import TlsConfig, TlsVersion
from sipcore.transports.certificates import KEY_PURPOSE_SIP_DOMAIN
from sipcore.transports.tls import TlsContexts
from sipcore.transports.tls_engine import TlsEngine, TlsEvidence
from sipcore.transports.tls_failure import CERTIFICATE_PROBLEMS, TlsFailure, TlsProblem, what_is_invalid
from tests.sipcore.transports.authority import Identity, issue

NAME = "sip.example.com"
HOP = Hop(Transport.TLS, SocketAddress("192.0.2.1", 5061), tls_name=NAME)

ROOT = issue("root", ca=True)
INTERMEDIATE = issue("intermediate", ROOT, ca=True)
LEAF = issue("leaf", INTERMEDIATE, names=[NAME])
DIRECT = issue("direct", ROOT, names=[NAME])
CLIENT = issue("client", ROOT, names=["client.example.com"])
STRANGER = issue("stranger", ca=True)

SERVER = TlsConfig(certificate=LEAF.chain, key=LEAF.key)
TRUSTING = TlsConfig(ca_data=ROOT.pem)


def serve(identity: Identity, **options: object) -> TlsConfig:
    return replace(TlsConfig(certificate=identity.chain, key=identity.key), **options)  # type: ignore[arg-type]


def engines(client: TlsConfig = TRUSTING, server: TlsConfig = SERVER) -> tuple[TlsEngine, TlsEngine]:
    return TlsContexts(client).client(HOP), TlsContexts(server).server(HOP)


def join(client: TlsEngine, server: TlsEngine, chunk: int = 1 << 20) -> dict[TlsEngine, TransportFailure]:
    """Carry bytes between two engines until both are quiet; the failures they ended with."""
    failures: dict[TlsEngine, TransportFailure] = {}
    client.receive(b"")
    moved = True
    while moved:
        moved = False
        for sender, taker in ((client, server), (server, client)):
            data = sender.outgoing()
            for begin in range(0, len(data), chunk):
                moved = True
                if taker in failures:
                    continue
                try:
                    taker.receive(data[begin : begin + chunk])
                except TransportFailure as failure:
                    failures[taker] = failure
    return failures


def fail(client: TlsConfig = TRUSTING, server: TlsConfig = SERVER) -> TlsFailure:
    """What a client fails with."""
    pair = engines(client, server)
    failure = join(*pair)[pair[0]]
    assert isinstance(failure, TlsFailure)
    assert failure.reason is FailureReason.TLS
    assert not pair[1].established or failure.tls is TlsProblem.CLIENT_CERTIFICATE_REQUIRED
    return failure


@pytest.mark.parametrize("chunk", [1, 100, 1 << 20])
def test_a_handshake_and_words_both_ways(chunk: int) -> None:
    client, server = engines()
    assert join(client, server, chunk) == {}
    assert (client.established, server.established) == (True, True)
    client.send(b"question")
    assert server.receive(client.outgoing()) == b"question"
    server.send(b"answer " * 10_000)
    assert client.receive(server.outgoing()) == b"answer " * 10_000
    assert (client.closed, server.closed) == (False, False)
    client.close()
    assert server.receive(client.outgoing()) == b""
    assert server.closed


def test_what_a_session_tells() -> None:
    client, server = engines()
    join(client, server)
    session = client.session
    assert session.version == "TLSv1.3"
    assert session.cipher.startswith("TLS_")
    assert session.group
    assert str(session) == f"{session.version} {session.cipher} {session.group}"
    assert session.chain == (LEAF.certificate, INTERMEDIATE.certificate)
    assert session.faults == ()
    assert session.verified
    assert not session.certificate_requested
    assert server.session.chain == ()
    assert not server.session.verified


@pytest.mark.parametrize("version", list(TlsVersion))
def test_every_version_can_be_spoken(version: TlsVersion) -> None:
    client, server = engines(
        replace(TRUSTING, minimum_version=version, maximum_version=version),
        replace(SERVER, minimum_version=TlsVersion.TLS_1_0),
    )
    assert join(client, server) == {}
    assert client.session.version == version.value


def test_ciphers_and_group_can_be_chosen() -> None:
    client, server = engines(
        replace(TRUSTING, maximum_version=TlsVersion.TLS_1_2, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256", group="P-256")
    )
    assert join(client, server) == {}
    assert client.session.cipher == "ECDHE-ECDSA-AES128-GCM-SHA256"
    assert client.session.group in ("prime256v1", "secp256r1", "P-256")


@pytest.mark.parametrize(
    ("ciphers", "version", "agreed"),
    [
        ("TLS_CHACHA20_POLY1305_SHA256", TlsVersion.TLS_1_3, "TLS_CHACHA20_POLY1305_SHA256"),
        ("TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-SHA256", TlsVersion.TLS_1_3, "TLS_AES_128_GCM_SHA256"),
        ("TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-SHA256", TlsVersion.TLS_1_2, "ECDHE-ECDSA-AES128-SHA256"),
    ],
)
def test_ciphers_of_each_version(ciphers: str, version: TlsVersion, agreed: str) -> None:
    client, server = engines(replace(TRUSTING, ciphers=ciphers, maximum_version=version))
    assert join(client, server) == {}
    assert (client.session.version, client.session.cipher) == (version.value, agreed)


def test_a_small_group_makes_a_small_hello() -> None:
    small, large = engines(replace(TRUSTING, group="P-256"))[0], engines()[0]
    for engine in (small, large):
        engine.receive(b"")
    assert len(small.outgoing()) < 600 <= len(large.outgoing())


def test_the_key_log_decrypts_a_capture() -> None:
    lines: list[bytes] = []
    assert join(*engines(replace(TRUSTING, keylog=lines.append))) == {}
    assert any(line.startswith(b"CLIENT_TRAFFIC_SECRET_0 ") for line in lines)


EXPIRED = issue("expired", INTERMEDIATE, names=[NAME], days=(-30, -2))
FUTURE = issue("future", INTERMEDIATE, names=[NAME], days=(2, 30))
SELF_SIGNED = issue(NAME, names=[NAME])
OTHER_NAME = issue("other", INTERMEDIATE, names=["other.example.com", "*.example.com"])
NO_NAME = issue("no.example.com", INTERMEDIATE, names=["https://example.com"])
WEAK = issue("weak", ROOT, names=[NAME], key=rsa.generate_private_key(65537, 1024))
NO_CA = issue("below a leaf", DIRECT, names=[NAME])


@pytest.mark.parametrize(
    ("identity", "problem", "words"),
    [
        (EXPIRED, TlsProblem.EXPIRED, "CN=expired, on 2"),
        (FUTURE, TlsProblem.NOT_YET_VALID, "CN=future, before 2"),
        (SELF_SIGNED, TlsProblem.SELF_SIGNED, "self-signed (CN=sip.example.com)"),
        (replace(LEAF, above=()), TlsProblem.INCOMPLETE_CHAIN, "CN=leaf, issued by CN=intermediate"),
        (issue("x", STRANGER, names=[NAME]), TlsProblem.INCOMPLETE_CHAIN, "issued by CN=stranger"),
        (issue("x", issue("y", STRANGER, ca=True), names=[NAME]), TlsProblem.UNTRUSTED_ROOT, "issued by CN=stranger"),
        (
            replace(issue("x", STRANGER, names=[NAME]), above=(STRANGER.certificate,)),
            TlsProblem.UNTRUSTED_ROOT,
            "CN=stranger, issued by CN=stranger",
        ),
        (OTHER_NAME, TlsProblem.NAME_MISMATCH, "for other.example.com, *.example.com, and not for sip.example.com"),
        (NO_NAME, TlsProblem.NAME_MISMATCH, "it is for no SIP domain, and not for sip.example.com"),
        (NO_CA, TlsProblem.INVALID, "its issuer may not issue certificates (OpenSSL error"),
    ],
)
def test_each_fault_of_a_certificate_is_told_apart(identity: Identity, problem: TlsProblem, words: str) -> None:
    failure = fail(server=serve(identity))
    assert failure.tls is problem
    assert problem in CERTIFICATE_PROBLEMS
    assert words in failure.message
    assert problem.advice in failure.message
    assert failure.chain == (identity.certificate, *identity.above)


def test_all_that_is_wrong_is_collected() -> None:
    failure = fail(server=serve(issue("wrong", names=["other.example.com"], days=(-30, -2))))
    assert {fault.problem for fault in failure.faults} == {
        TlsProblem.EXPIRED,
        TlsProblem.SELF_SIGNED,
        TlsProblem.NAME_MISMATCH,
    }
    assert failure.tls is TlsProblem.EXPIRED
    assert {fault.depth for fault in failure.faults} == {0}


def test_of_many_names_the_first_are_told() -> None:
    shared = issue("shared", INTERMEDIATE, names=[f"h{number}.example.com" for number in range(100)])
    (fault,) = fail(server=serve(shared)).faults
    assert str(fault).endswith("h7.example.com and 92 more, and not for sip.example.com)")
    assert "h8.example.com" not in str(fault)


def test_a_weak_key_is_told() -> None:
    # The server itself has to be talked into it.
    server = serve(WEAK, ciphers="DEFAULT:@SECLEVEL=0")
    failure = fail(replace(TRUSTING, maximum_version=TlsVersion.TLS_1_2), server)
    assert failure.tls is TlsProblem.WEAK


def test_without_verification_faults_are_kept_but_do_not_matter() -> None:
    client, server = engines(replace(TRUSTING, verify=False), serve(EXPIRED))
    assert join(client, server) == {}
    assert [fault.problem for fault in client.session.faults] == [TlsProblem.EXPIRED]
    assert not client.session.verified


@pytest.mark.parametrize(
    ("usages", "accepted"),
    [
        ([ExtendedKeyUsageOID.SERVER_AUTH], True),
        ([KEY_PURPOSE_SIP_DOMAIN], True),
        ([ExtendedKeyUsageOID.CODE_SIGNING], False),
    ],
)
def test_a_certificate_for_sip_alone_will_do(usages: list[object], accepted: bool) -> None:
    identity = issue("usage", INTERMEDIATE, names=[NAME], usages=usages)  # type: ignore[arg-type]
    assert (join(*engines(server=serve(identity))) == {}) is accepted


def test_versions_apart() -> None:
    only_old = replace(SERVER, minimum_version=TlsVersion.TLS_1_0, maximum_version=TlsVersion.TLS_1_0)
    failure = fail(server=only_old)
    assert failure.tls is TlsProblem.VERSION
    assert failure.alert == "protocol version"
    only_new = replace(SERVER, minimum_version=TlsVersion.TLS_1_3)
    assert fail(replace(TRUSTING, maximum_version=TlsVersion.TLS_1_2), only_new).tls is TlsProblem.VERSION


def test_no_cipher_in_common() -> None:
    twelve = {"maximum_version": TlsVersion.TLS_1_2}
    client = replace(TRUSTING, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256", **twelve)  # type: ignore[arg-type]
    server = replace(SERVER, ciphers="ECDHE-ECDSA-AES256-GCM-SHA384", **twelve)  # type: ignore[arg-type]
    failure = fail(client, server)
    assert failure.tls is TlsProblem.HANDSHAKE
    assert failure.alert == "handshake failure"


ASKING = replace(SERVER, require_client_certificate=True, ca_data=ROOT.pem)


@pytest.mark.parametrize("version", [TlsVersion.TLS_1_2, TlsVersion.TLS_1_3])
def test_a_client_certificate_is_wanted(version: TlsVersion) -> None:
    failure = fail(replace(TRUSTING, maximum_version=version), ASKING)
    assert failure.tls is TlsProblem.CLIENT_CERTIFICATE_REQUIRED


@pytest.mark.parametrize("version", [TlsVersion.TLS_1_2, TlsVersion.TLS_1_3])
def test_a_client_certificate_is_shown(version: TlsVersion) -> None:
    config = replace(TRUSTING, certificate=CLIENT.chain, key=CLIENT.key, maximum_version=version)
    client, server = engines(config, ASKING)
    assert join(client, server) == {}
    assert client.session.certificate_requested
    assert server.session.chain == (CLIENT.certificate,)
    assert server.session.verified


@pytest.mark.parametrize("version", [TlsVersion.TLS_1_2, TlsVersion.TLS_1_3])
@pytest.mark.parametrize(
    ("identity", "problem", "alert"),
    [
        (issue("client", STRANGER, names=["client.example.com"]), TlsProblem.INCOMPLETE_CHAIN, "unknown CA"),
        (issue("client", names=["client.example.com"]), TlsProblem.SELF_SIGNED, "unknown CA"),
        (issue("client", ROOT, names=["client.example.com"], days=(-9, -2)), TlsProblem.EXPIRED, "certificate expired"),
    ],
)
def test_a_client_certificate_may_be_refused(
    version: TlsVersion, identity: Identity, problem: TlsProblem, alert: str
) -> None:
    """Over TLS 1.3 too, where the client had its handshake before, both sides are told why."""
    config = replace(TRUSTING, certificate=identity.chain, key=identity.key, maximum_version=version)
    client, server = engines(config, ASKING)
    failures = join(client, server)
    refused, told = failures[server], failures[client]
    assert isinstance(refused, TlsFailure)
    assert refused.tls is problem
    assert isinstance(told, TlsFailure)
    assert (told.tls, told.alert) == (TlsProblem.CLIENT_CERTIFICATE_REQUIRED, alert)


def test_the_end_of_a_connection_after_a_request_for_a_certificate_is_explained() -> None:
    client, server = engines(TRUSTING, ASKING)
    client.receive(b"")
    for sender, taker in ((client, server), (server, client)):
        taker.receive(sender.outgoing())
    assert client.established
    closed = TransportFailure(FailureReason.CLOSED, "closed")
    explained = client.explain(closed)
    assert isinstance(explained, TlsFailure)
    assert explained.tls is TlsProblem.CLIENT_CERTIFICATE_REQUIRED
    timed_out = TransportFailure(FailureReason.TIMED_OUT, "timed out")
    assert client.explain(timed_out) is timed_out


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"SIP/2.0 400 Bad Request\r\n\r\n", "it speaks SIP without TLS"),
        (b"OPTIONS sip:a SIP/2.0\r\n", "it speaks SIP without TLS"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "an HTTP response"),
        (b"SSH-2.0-x\r\n", "an SSH greeting"),
        (b"\x00\x01\x02", r"it says '\x00\x01\x02'"),
    ],
)
def test_not_tls(data: bytes, words: str) -> None:
    client, server = engines()
    client.receive(b"")
    for engine in (client, server):
        with pytest.raises(TlsFailure) as caught:
            engine.receive(data)
        assert caught.value.tls is TlsProblem.NOT_TLS
        assert words in caught.value.message


def test_the_end_in_the_middle_of_a_handshake_is_explained() -> None:
    client, server = engines()
    client.receive(b"")
    reset = TransportFailure(FailureReason.RESET, "reset")
    silent = client.explain(reset)
    assert isinstance(silent, TlsFailure)
    assert silent.tls is TlsProblem.SILENT
    assert client.explain(silent) is silent
    server.receive(client.outgoing())
    client.receive(server.outgoing()[:20])
    broken = client.explain(reset)
    assert isinstance(broken, TlsFailure)
    assert (broken.tls, broken.detail) == (TlsProblem.HANDSHAKE, "reset, after it had begun")


def test_a_record_that_is_too_small_is_no_weak_key() -> None:
    client, _ = engines()
    client.receive(b"")
    with pytest.raises(TlsFailure, match="record too small") as caught:
        client.receive(b"\x16\x03\x03\x00\x00" * 99)
    assert caught.value.tls is TlsProblem.HANDSHAKE


@pytest.mark.parametrize(
    ("code", "words"),
    [(26, "its extended key usage is for something else (OpenSSL error 26)"), (1, "OpenSSL verification error 1")],
)
def test_what_makes_a_chain_invalid_is_told_in_words(code: int, words: str) -> None:
    assert what_is_invalid(code) == words


def test_what_was_said_before_an_error_is_delivered_first() -> None:
    client, server = engines()
    join(client, server)
    client.send(b"words")
    assert server.receive(client.outgoing() + b"\x17\x03\x03\x00\x20" + bytes(32)) == b"words"
    with pytest.raises(TlsFailure, match="after its handshake had succeeded") as caught:
        server.receive(b"")
    assert caught.value.tls is TlsProblem.BROKEN
    closed = TransportFailure(FailureReason.CLOSED, "closed")
    assert isinstance(server.explain(closed), TlsFailure)
    assert client.explain(closed) is closed


def test_sending_after_the_end_is_an_error_of_ours() -> None:
    client, server = engines()
    join(client, server)
    with pytest.raises(TlsFailure):
        client.receive(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(TlsFailure):
        client.send(b"too late")
    client.close()


def test_closing_before_the_handshake_is_no_error() -> None:
    client, _ = engines()
    client.close()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (TlsConfig(certificate=b"nonsense", key=LEAF.key), "the certificate is none in PEM"),
        (TlsConfig(certificate=LEAF.key, key=LEAF.pem), "the certificate is none in PEM"),
        (TlsConfig(certificate=LEAF.pem, key=b"nonsense"), "the key is none in PEM"),
        (TlsConfig(certificate=LEAF.pem, key=LEAF.pem), "the key is none in PEM"),
        (TlsConfig(certificate=LEAF.pem, key=DIRECT.key), "the key is not that of the first certificate"),
        (TlsConfig(certificate=WEAK.pem, key=WEAK.key), "OpenSSL does not take the certificate"),
        (replace(SERVER, ciphers="NO-SUCH-CIPHER"), "no TLS cipher"),
        (replace(SERVER, ciphers="TLS_NO_SUCH_SUITE"), "no TLS cipher"),
        (replace(SERVER, group="P-42"), "no key exchange group"),
        (TlsConfig(ca_file=os.devnull), "trusted roots of /dev/null cannot be read: they are certificates in PEM"),
        (TlsConfig(ca_file="/nonexistent"), "/nonexistent"),
        (TlsConfig(ca_data=b"nonsense"), "trusted roots"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(config: TlsConfig, words: str) -> None:
    with pytest.raises(LocalError, match=words):
        TlsContexts(config).client(HOP)


def test_a_key_that_cannot_be_used_is_refused() -> None:
    from cryptography.hazmat.primitives import serialization as packing
    from cryptography.hazmat.primitives.asymmetric import x25519

    form, own = (packing.Encoding.PEM, packing.PrivateFormat.PKCS8), packing.load_pem_private_key(LEAF.key, None)
    agreeing = x25519.X25519PrivateKey.generate().private_bytes(*form, packing.NoEncryption())
    encrypted = own.private_bytes(*form, packing.BestAvailableEncryption(b"pass"))
    for key, words in ((agreeing, "X25519PrivateKey cannot sign"), (encrypted, "encrypted; give it without its pass")):
        with pytest.raises(LocalError, match=words):
            TlsContexts(TlsConfig(certificate=LEAF.pem, key=key)).client(HOP)


def test_the_systems_roots_do_not_trust_us() -> None:
    assert fail(TlsConfig()).tls is TlsProblem.UNTRUSTED_ROOT


def name_asked_for(hop: Hop) -> bytes | None:
    """The name in a client's first flight (SNI), as a server reads it; None for none."""
    client, server = TlsContexts(TRUSTING).client(hop), TlsContexts(SERVER).server(hop)
    client.receive(b"")
    server.receive(client.outgoing())
    return server._connection.get_servername()


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_an_address_is_verified_but_not_sent_as_a_name(address: str) -> None:
    """RFC 6066 §3; whether it was named or is where the hop leads."""
    hop = Hop(Transport.TLS, SocketAddress(address, 5061))
    identity = issue("address", ROOT, names=[address])
    client, server = TlsContexts(TRUSTING).client(hop), TlsContexts(serve(identity)).server(hop)
    assert join(client, server) == {}
    assert client.session.verified
    assert name_asked_for(hop) is None
    assert name_asked_for(replace(hop, tls_name=address)) is None


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        (NAME, NAME.encode()),
        (NAME + ".", NAME.encode()),
        ("bücher.example", b"xn--bcher-kva.example"),
        ("b\u00fc" * 80, None),
        ("a\0b", None),
    ],
)
def test_a_name_goes_out_as_sni(name: str, sent: bytes | None) -> None:
    assert name_asked_for(replace(HOP, tls_name=name)) == sent


class Unreadable:
    """A certificate that the library cannot take apart."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def to_cryptography(self) -> None:
        raise self.error


UNREADABLE = [ValueError("odd bytes"), x509.InvalidVersion("odd bytes", 1)]


@pytest.mark.parametrize("error", UNREADABLE, ids=repr)
def test_a_certificate_that_cannot_be_read_is_a_fault(error: Exception) -> None:
    client, _ = engines()
    assert not client.judge(Unreadable(error), 0, 0, True)  # type: ignore[arg-type]
    (fault,) = client.session.faults
    assert (fault.problem, fault.detail) == (TlsProblem.INVALID, "it cannot be read: odd bytes")


@pytest.mark.parametrize("error", UNREADABLE, ids=repr)
def test_a_chain_that_cannot_be_read_is_left_out(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    client, server = engines()
    join(client, server)

    def fail(**options: object) -> None:
        raise error

    monkeypatch.setattr(client._connection, "get_peer_cert_chain", fail)
    monkeypatch.setattr(client._connection, "get_verified_chain", fail)
    assert client.session.chain == ()
    assert client.evidence == TlsEvidence()


def test_what_a_server_shows_is_evidence() -> None:
    client, server = engines()
    join(client, server)
    assert client.evidence == TlsEvidence((LEAF.certificate, INTERMEDIATE.certificate, ROOT.certificate))


def test_without_trust_no_root_is_known() -> None:
    client, server = TlsContexts(replace(TRUSTING, verify=False), trust=False).client(HOP), engines()[1]
    assert join(client, server) == {}
    assert [fault.problem for fault in client.session.faults] == [TlsProblem.UNTRUSTED_ROOT]


CONTEXTS = TlsContexts(TRUSTING)
SERVER_CONTEXTS = TlsContexts(SERVER)


@given(st.binary(min_size=1, max_size=200), st.integers(0, 3000), st.booleans())
def test_any_bytes_anywhere_are_an_error_of_ours_or_harmless(garbage: bytes, place: int, into_client: bool) -> None:
    client, server = CONTEXTS.client(HOP), SERVER_CONTEXTS.server(HOP)
    client.receive(b"")
    data = client.outgoing()
    victim = server
    if into_client:
        server.receive(data)
        victim, data = client, server.outgoing()
    place = min(place, len(data))
    try:
        victim.receive(data[:place] + garbage + data[place:])
        victim.receive(garbage)
    except TlsFailure as failure:
        assert failure.message  # noqa: PT017  # both ways are fine; no other exception is
    victim.outgoing()
    victim.close()


def test_versions_the_wrong_way_round() -> None:
    config = replace(TRUSTING, minimum_version=TlsVersion.TLS_1_3, maximum_version=TlsVersion.TLS_1_2)
    with pytest.raises(LocalError, match=r"the minimum TLS version TLSv1.3 is above the maximum TLSv1.2"):
        TlsContexts(config).client(HOP)
