"""What may be wrong with a TLS server of SIP, and what comes close to it and is right."""

import re
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL

from tests.faultlab.lab import BOB, ZONE, Case
from tests.faultlab.peers import Hello, saying, silent
from tests.faultlab.setups import HOST, MIDDLE, OTHER_ROOT, ROOT, A, leaf, plain, secured, srv, tcp, usual
from tests.probes.checks.tls_servers import context_for, ocsp_response
from tests.sipcore.transports.authority import Identity

ONLY_1_2 = (SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION)
FROM_1_0 = (SSL.TLS1_VERSION, SSL.TLS1_3_VERSION)
UP_TO_1_1 = (SSL.TLS1_VERSION, SSL.TLS1_1_VERSION)
LARGE = 1000
"""Bytes of a first flight that old devices lose; what a usual client sends has some 1,500."""
_CLIENT_VERSION = slice(9, 11)
"""Where a ClientHello says what it speaks at best, or TLS 1.2 (RFC 8446 §4.1.2)."""
_OFFERS_1_3 = re.compile(rb"\x00\x2b\x00..(?:\x03.)*?\x03\x04", re.DOTALL)
"""The extension supported_versions (RFC 8446 §4.2.1), with TLS 1.3 in it."""
_ALERT = b"\x15\x03\x01\x00\x02\x02"
PROTOCOL_VERSION, HANDSHAKE_FAILURE = _ALERT + b"\x46", _ALERT + b"\x28"
"""Fatal alerts (RFC 5246 §7.2)."""
HTML = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


def _small_alone(flight: bytes) -> bytes | None:
    return b"" if len(flight) > LARGE else None


def _old_alone(flight: bytes) -> bytes | None:
    return HANDSHAKE_FAILURE if _OFFERS_1_3.search(flight) else None


def _new_alone(flight: bytes) -> bytes | None:
    """A firewall that lets nothing of TLS 1.0 pass, and says nothing about that."""
    return b"" if flight[_CLIENT_VERSION] == b"\x03\x01" else None


def tls_faults() -> list[Case]:
    return [*_certificates(), *_servers(), *_hellos(), *_ports()]


def _case(name: str, code: str, context: SSL.Context, hello: Hello | None = None, **parts: object) -> Case:
    return Case(name, "tls://DOMAIN", secured(context, hello), code, A, **parts)  # type: ignore[arg-type]


def _certificates() -> list[Case]:
    short = replace(leaf("incomplete-chain", MIDDLE), above=())
    foreign = replace(leaf("untrusted-root", OTHER_ROOT), above=(OTHER_ROOT.certificate,))
    disordered = replace(leaf("disordered-chain", MIDDLE), above=(ROOT.certificate, MIDDLE.certificate))
    identities: dict[str, tuple[str, Identity]] = {
        "expired": ("tls-expired", leaf("expired", days=(-90, -2))),
        "not-yet-valid": ("tls-not-yet-valid", leaf("not-yet-valid", days=(5, 90))),
        "self-signed": ("tls-self-signed", leaf("self-signed", None)),
        "untrusted-root": ("tls-untrusted-root", foreign),
        "incomplete-chain": ("tls-incomplete-chain", short),
        "another-name": ("tls-name-mismatch", leaf("another-name", names=["other.example"])),
        "expires-soon": ("tls-expires-soon", leaf("expires-soon", days=(-300, 9))),
        "weak-key": ("tls-weak", leaf("weak-key", key=rsa.generate_private_key(65537, 1024))),
        "another-purpose": ("tls-invalid", leaf("another-purpose", usages=[ExtendedKeyUsageOID.CLIENT_AUTH])),
        "disordered-chain": ("tls-disordered-chain", disordered),
        "staple-missing": ("tls-staple-missing", leaf("staple-missing", must_staple=True)),
    }
    cases = [_case(name, code, context_for(identity)) for name, (code, identity) in identities.items()]
    wildcard = context_for(leaf("wildcard", names=[f"*.{ZONE}"]))
    stale, revoked = leaf("staple-stale"), leaf("revoked")
    old = ocsp_response(stale.certificate, ROOT, hours=(-72, -24))
    no_more = ocsp_response(revoked.certificate, ROOT, status=ocsp.OCSPCertStatus.REVOKED)
    by_address = context_for(leaf("asked-by-address"))
    return [
        *cases,
        _case("wildcard", "tls-name-mismatch", wildcard, also=("tls-web-name-only",)),
        _case("staple-stale", "tls-staple-unusable", context_for(stale, staple=old)),
        _case("revoked", "tls-invalid", context_for(revoked, staple=no_more)),
        Case("asked-by-address", f"tls://{BOB}", secured(by_address), "tls-asked-by-address"),
    ]


def _servers() -> list[Case]:
    """What OpenSSL is told to accept."""
    by_rsa = leaf("without-forward-secrecy", key=rsa.generate_private_key(65537, 2048))
    null = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0"
    wanting = context_for(leaf("client-certificate"), accepts=OTHER_ROOT, requires=True)
    return [
        _case("old-version", "tls-old-version", context_for(leaf("old-version"), versions=FROM_1_0)),
        _case("old-only", "tls-old-only", context_for(leaf("old-only"), versions=UP_TO_1_1)),
        _case("client-certificate", "tls-client-certificate-required", wanting),
        _case(
            "without-forward-secrecy",
            "tls-no-forward-secrecy",
            context_for(by_rsa, versions=ONLY_1_2, ciphers=b"AES256-GCM-SHA384:AES128-GCM-SHA256"),
        ),
        _case("without-encryption", "tls-broken-cipher", context_for(leaf("without-encryption"), ciphers=null)),
        _case(
            "no-cipher-in-common",
            "tls-handshake",
            context_for(leaf("no-cipher-in-common"), versions=ONLY_1_2, ciphers=b"PSK-AES128-GCM-SHA256"),
        ),
    ]


def _hellos() -> list[Case]:
    """What peers, and devices before them, make of a first flight."""
    return [
        _case("large-hello", "tls-large-hello", usual("large-hello"), _small_alone),
        _case("intolerant", "tls-intolerant", context_for(leaf("intolerant"), versions=ONLY_1_2), _old_alone),
        _case("old-hello-lost", "tls-unfinished", usual("old-hello-lost"), _new_alone),
        _case("older-than-tls", "tls-version", usual("older-than-tls"), lambda _: PROTOCOL_VERSION),
    ]


def _ports() -> list[Case]:
    """Ports that speak something else than whoever asks takes them for."""
    published = srv(5061, service="_sips._tcp") + srv() + HOST + A
    beside = secured(usual("plain-beside-tls"))
    web, mute = tcp(saying(HTML), 5061), tcp(silent, 5061)
    behind = replace(secured(context_for(leaf("web-server-behind-tls", None)))[0], behaviour=saying(HTML))
    mute_behind = replace(secured(usual("silent-behind-tls"))[0], behaviour=silent)
    return [
        Case("plain-beside-tls", "DOMAIN", (*plain(), *beside), "plain-beside-tls", published),
        Case("tls-on-the-plain-port", f"tcp://{BOB}:5061", secured(usual("x")), "plain-port-speaks-tls"),
        Case("plain-on-the-tls-port", "DOMAIN", plain(), "tls-port-speaks-plain", srv(service="_sips._tcp") + HOST + A),
        Case("web-server-on-the-tls-port", "tls://DOMAIN", (web,), "tls-not-tls", A),
        Case("silent-on-the-tls-port", "tls://DOMAIN", (mute,), "tls-silent", A),
        Case("web-server-behind-tls", f"{BOB}:5061", (behind,), "not-sip"),
        Case("silent-behind-tls", f"{BOB}:5061", (mute_behind,), "open-but-silent"),
    ]


def tls_healthy() -> list[Case]:
    secure = srv(5061, service="_sips._tcp") + HOST + A
    naptr = 'DOMAIN NAPTR 1 1 "s" "SIPS+D2T" "" _sips._tcp.DOMAIN\nDOMAIN NAPTR 2 1 "s" "SIP+D2U" "" _sip._udp.DOMAIN\n'
    rooted = replace(leaf("root-is-sent", MIDDLE), above=(MIDDLE.certificate, ROOT.certificate))
    stapled = leaf("staple-good", must_staple=True)
    staple = ocsp_response(stapled.certificate, ROOT)
    both = [f"*.{ZONE}", f"wildcard-beside-the-name.{ZONE}"]
    by_rsa = rsa.generate_private_key(65537, 2048)
    contexts = {
        "only-tls-1-2": context_for(leaf("only-tls-1-2"), versions=ONLY_1_2),
        "only-tls-1-3": context_for(leaf("only-tls-1-3"), versions=(SSL.TLS1_3_VERSION, SSL.TLS1_3_VERSION)),
        "rsa-of-2048-bits": context_for(leaf("rsa-of-2048-bits", key=by_rsa)),
        "root-is-sent": context_for(rooted),
        "staple-good": context_for(stapled, staple=staple),
        "short-lived": context_for(leaf("short-lived", days=(-1, 6))),
        "sip-uri-in-the-certificate": context_for(
            leaf("sip-uri-in-the-certificate", names=[f"sip:sip-uri-in-the-certificate.{ZONE}"])
        ),
        "wildcard-beside-the-name": context_for(leaf("wildcard-beside-the-name", names=both)),
        "client-certificate-welcome": context_for(leaf("client-certificate-welcome"), accepts=OTHER_ROOT),
        "without-resumption": context_for(leaf("without-resumption"), versions=ONLY_1_2, resumes=False),
    }
    cases = [_case(name, "", context) for name, context in contexts.items()]
    with_tls = (*plain(), *secured(usual("domain-with-tls", MIDDLE)))
    return [
        *cases,
        Case("domain-with-tls", "DOMAIN", with_tls, zone=secure + srv()),
        Case("tls-alone", "tls://DOMAIN", secured(usual("tls-alone", MIDDLE)), zone=secure),
        Case("naptr", "DOMAIN", (*plain(), *secured(usual("naptr", MIDDLE))), zone=naptr + secure + srv()),
    ]
