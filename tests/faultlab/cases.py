"""The table of the discovery fault lab: seeded faults with the finding that must come first, and healthy setups."""

import ssl
from collections.abc import Sequence
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from time import time

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from sipcore.resolve.target import Transport
from tests.faultlab.alg import SipAlg
from tests.faultlab.lab import ALICE, BOB, BOB6, BROKEN_ZONE, ZONE, Case
from tests.faultlab.peers import Asked, Behaviour, Listener, answer, answering, saying, silent, tls_context, well
from tests.impairment.boxes import Nat, SizeFilter
from tests.impairment.path import Impairment
from tests.sipcore.transports.authority import Identity, issue

UDP, TCP, TLS, WS = Transport.UDP, Transport.TCP, Transport.TLS, Transport.WS
ROOT = issue("lab root", ca=True)
OTHER_ROOT = issue("another root", ca=True)
MIDDLE = issue("lab intermediate", ROOT, ca=True)

A = f"DOMAIN A {BOB}\n"
AAAA = f"DOMAIN AAAA {BOB6}\n"
HOST = f"h.DOMAIN A {BOB}\n"


def udp(behaviour: Behaviour = well, port: int = 5060, host: str = BOB, *, elsewhere: bool = False) -> Listener:
    return Listener(UDP, port, host, behaviour, elsewhere=elsewhere)


def tcp(behaviour: Behaviour = well, port: int = 5060, host: str = BOB) -> Listener:
    return Listener(TCP, port, host, behaviour)


def plain(behaviour: Behaviour = well) -> tuple[Listener, ...]:
    return udp(behaviour), tcp(behaviour)


def srv(port: int = 5060, target: str = "h.DOMAIN", service: str = "_sip._udp") -> str:
    return f"{service}.DOMAIN SRV 1 1 {port} {target}\n"


# DNS


def dns_faults() -> list[Case]:
    zones = {
        "srv-nowhere": ("dns-srv-nowhere", srv(target="gone.DOMAIN") + A),
        "srv-no-address": ("dns-srv-no-address", srv() + 'h.DOMAIN TXT "no address"\n' + A),
        "srv-port-zero": ("dns-srv-port-zero", srv(0) + HOST + A),
        "srv-alias": ("dns-srv-alias", srv() + "h.DOMAIN CNAME other.DOMAIN\n" + f"other.DOMAIN A {BOB}\n" + A),
        "srv-address": ("dns-srv-address", srv(target=f"{BOB}.") + A),
        "srv-contradiction": ("dns-srv-contradiction", srv() + "_sip._udp.DOMAIN SRV 0 0 0 .\n" + HOST + A),
        "naptr-service": (
            "dns-naptr-service",
            'DOMAIN NAPTR 1 1 "s" "SIP+D2X" "" _sip._udp.DOMAIN\n' + srv() + HOST + A,
        ),
        "naptr-mismatch": (
            "dns-naptr-mismatch",
            'DOMAIN NAPTR 1 1 "s" "SIP+D2U" "" _sip._tcp.DOMAIN\n' + srv(service="_sip._tcp") + HOST + A,
        ),
        "naptr-regexp": (
            "dns-naptr-regexp",
            'DOMAIN NAPTR 1 1 "s" "SIP+D2U" "!^.*$!sip:info@example.com!" .\n' + srv() + HOST + A,
        ),
        "naptr-flag": ("dns-naptr-flag", 'DOMAIN NAPTR 1 1 "u" "SIP+D2U" "" _sip._udp.DOMAIN\n' + srv() + HOST + A),
        "naptr-nowhere": ("dns-naptr-nowhere", 'DOMAIN NAPTR 1 1 "s" "SIP+D2U" "" _sip._udp.gone.DOMAIN\n' + A),
        "alias-nowhere": ("dns-alias-nowhere", "DOMAIN CNAME gone.DOMAIN\n"),
        "alias-loop": ("dns-alias-loop", "DOMAIN CNAME b.DOMAIN\nb.DOMAIN CNAME DOMAIN\n"),
        "srv-target-dead": ("srv-target-dead", srv() + srv(5099) + HOST + A),
        "published-dead": ("published-dead", srv(5099) + HOST + A),
        "ipv6-dead": ("ipv6-dead", A + AAAA),
        "address-private": ("nothing-answers", "DOMAIN A 10.9.8.7\n"),
    }
    cases = [Case(name, "DOMAIN", plain(), code, zone) for name, (code, zone) in zones.items()]
    cases += [
        Case("no-such-name", f"gone.{ZONE}", plain(), "no-address"),
        Case("refused-by-resolver", "example.invalid", plain(), "dns-refused"),
        Case("zone-broken", f"sip.{BROKEN_ZONE}", plain(), "dns-servfail"),
    ]
    return cases


# TLS


def _secured(context: ssl.SSLContext, *, small_flights: bool = False) -> tuple[Listener, ...]:
    return (replace(tcp(port=5061), transport=TLS, context=context, small_flights=small_flights),)


def _leaf(name: str, issuer: Identity | None = ROOT, days: tuple[float, float] = (-1, 90), **parts: object) -> Identity:
    names = parts.pop("names", [f"{name}.{ZONE}"])
    return issue(name, issuer, names=names, days=days, **parts)  # type: ignore[arg-type]


def tls_faults(folder: Path) -> list[Case]:
    weak = rsa.generate_private_key(65537, 1024)
    short = replace(_leaf("incomplete-chain", MIDDLE), above=())
    foreign = replace(_leaf("untrusted-root", OTHER_ROOT), above=(OTHER_ROOT.certificate,))
    identities: dict[str, tuple[str, Identity]] = {
        "expired": ("tls-expired", _leaf("expired", days=(-90, -2))),
        "not-yet-valid": ("tls-not-yet-valid", _leaf("not-yet-valid", days=(5, 90))),
        "self-signed": ("tls-self-signed", _leaf("self-signed", None)),
        "untrusted-root": ("tls-untrusted-root", foreign),
        "incomplete-chain": ("tls-incomplete-chain", short),
        "another-name": ("tls-name-mismatch", _leaf("another-name", names=["other.example"])),
        "wildcard": ("tls-name-mismatch", _leaf("wildcard", names=[f"*.{ZONE}"])),
        "expires-soon": ("tls-expires-soon", _leaf("expires-soon", days=(-300, 9))),
        "weak-key": ("tls-weak", _leaf("weak-key", key=weak)),
        "another-purpose": ("tls-invalid", _leaf("another-purpose", usages=[ExtendedKeyUsageOID.CLIENT_AUTH])),
    }
    cases = [
        Case(name, "tls://DOMAIN", _secured(tls_context(identity, folder)), code, A)
        for name, (code, identity) in identities.items()
    ]
    old, middle = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    contexts = {
        "old-version": ("tls-old-version", tls_context(_leaf("old-version"), folder, oldest=old)),
        "old-only": ("tls-old-only", tls_context(_leaf("old-only"), folder, oldest=old, newest=middle)),
        "client-certificate": (
            "tls-client-certificate-required",
            tls_context(_leaf("client-certificate"), folder, client_ca=OTHER_ROOT),
        ),
    }
    cases += [Case(name, "tls://DOMAIN", _secured(context), code, A) for name, (code, context) in contexts.items()]
    large = tls_context(_leaf("large-hello"), folder)
    beside = _secured(tls_context(_leaf("plain-beside-tls"), folder))
    published = srv(5061, service="_sips._tcp") + srv() + HOST + A
    cases += [
        Case("plain-beside-tls", "DOMAIN", (*plain(), *beside), "plain-beside-tls", published),
        Case("large-hello", "tls://DOMAIN", _secured(large, small_flights=True), "tls-large-hello", A),
        Case("tls-on-the-plain-port", f"tcp://{BOB}:5061", _secured(large), "plain-port-speaks-tls"),
        Case("plain-on-the-tls-port", "DOMAIN", plain(), "tls-port-speaks-plain", srv(service="_sips._tcp") + HOST + A),
    ]
    return cases


# Answers


def _rewriting(before: str, after: str) -> Behaviour:
    """Answers right, but for a text that came with the request."""
    return lambda asked: [answer(asked).replace(before.encode(), after.encode(), 1)]


def _lossy(asked: Asked) -> list[bytes]:
    return [] if asked.count == 0 else [answer(asked)]


def _choosy(asked: Asked) -> list[bytes]:
    return [] if "sipprobe" in asked.field("User-Agent") else [answer(asked)]


def _calls_alone(asked: Asked) -> list[bytes]:
    is_call = asked.text.startswith("INVITE ")
    return [answer(asked, status="486 Busy Here")] if is_call else []


def _careless_proxy(asked: Asked) -> list[bytes]:
    """Relays what is for a user to a phone behind it, however far it may go."""
    has_user = "@" in asked.text.partition("\r\n")[0]
    return [answer(asked, banner="Phone", contact="<sip:bob@198.51.100.9>") if has_user else answer(asked)]


def _mistaken_over_tcp() -> tuple[Listener, ...]:
    return udp(), tcp(answering(received="203.0.113.77"))


def _late_date() -> str:
    return f"Date: {formatdate(time() - 7200, usegmt=True)}"


def answer_faults() -> list[Case]:
    html = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    behaviours: dict[str, tuple[str, Behaviour]] = {
        "contact-private": ("contact-narrow", answering(contact="<sip:pbx@10.1.2.3:5060>")),
        "contact-loopback": ("contact-narrow", answering(contact="<sip:pbx@localhost>")),
        "record-route-private": ("record-route-narrow", answering("Record-Route: <sip:192.168.0.9;lr>")),
        "rport-ignored": ("rport-ignored", answering(rport=False)),
        "received-wrong": ("wrong-received", answering(received="10.0.0.1")),
        "received-no-address": ("wrong-received", answering(received="balancer.internal")),
        "telling-banner": ("telling-banner", answering(banner="Asterisk PBX 20.5.0")),
        "overloaded": ("server-error", answering("Retry-After: 120", status="503 Service Unavailable")),
        "clock-behind": ("clock-skew", answering(_late_date())),
        "user-agent-filter": ("user-agent-filtered", _choosy),
        "from-tag-lost": ("answer-does-not-fit", _from_tag_lost),
        "forwards-anything": ("max-forwards-ignored", _careless_proxy),
    }
    target = {"forwards-anything": f"sip:bob@{BOB}"}
    cases = [
        Case(name, target.get(name, f"sip:{BOB}"), plain(behaviour), code)
        for name, (code, behaviour) in behaviours.items()
    ]
    large = answering("Subject: " + "x" * 1600)
    cases += [
        Case("received-contradicted", BOB, _mistaken_over_tcp(), "wrong-received"),
        Case("proxy-without-end", BOB, (udp(_routing),), "max-forwards-ignored"),
        Case("first-request-lost", f"udp://{BOB}", (udp(_lossy),), "packets-lost", config={"timeout": 2.0}),
        Case("answered-from-elsewhere", f"udp://{BOB}", (udp(elsewhere=True),), "answers-from-elsewhere"),
        Case("answer-in-fragments", f"udp://{BOB}", (udp(large),), "udp-fragmented"),
        Case("answer-cut-off", f"udp://{BOB}", (udp(_cut_off),), "udp-truncated"),
        Case("only-trying", f"udp://{BOB}", (udp(answering(status="100 Trying")),), "only-provisional"),
        Case("web-server", f"tcp://{BOB}", (tcp(saying(html)),), "not-sip"),
        Case("silent-server", f"tcp://{BOB}", (tcp(silent),), "open-but-silent"),
        Case("web-server-without-websocket", f"ws://{BOB}:80", (tcp(saying(html), 80),), "websocket-refused"),
        Case("calls-alone", f"udp://{BOB}", (udp(_calls_alone),), "options-ignored", config={"invite": True}),
        Case("nothing-listens", BOB, (), "refused"),
        Case("nobody-there", "198.51.100.77", (), "nothing-answers"),
    ]
    return cases


def _routing(asked: Asked) -> list[bytes]:
    """A proxy that passes on everything, and stays on the way."""
    return [answer(asked, f"Record-Route: <sip:{BOB};lr>", banner="Phone")]


def _from_tag_lost(asked: Asked) -> list[bytes]:
    tag = asked.field("From").partition(";tag=")[2]
    return [answer(asked).replace(f";tag={tag}".encode(), b"", 1)]


def _cut_off(asked: Asked) -> list[bytes]:
    whole = answer(asked, "Content-Type: application/sdp", body=b"v=0\r\n" * 40)
    return [whole[:-150]]


# The network


def network_faults() -> list[Case]:
    twice = Impairment(duplication=1.0)
    return [
        Case("behind-a-translator", BOB, plain(), "nat-on-path", make_boxes=lambda: (Nat(),)),
        Case("packets-doubled", f"udp://{BOB}", (udp(),), "duplicated-answers", impairment=twice),
        Case(
            "sip-alg",
            f"udp://{BOB}",
            (udp(),),
            "sip-alg",
            make_boxes=lambda: (SipAlg(ALICE.encode(), b"203.0.113.254"),),
        ),
        Case(
            "large-packets-lost",
            f"udp://{BOB}",
            (udp(),),
            "udp-size-limited",
            make_boxes=lambda: (SizeFilter(limit=1200),),
        ),
        Case(
            "fragments-lost",
            f"udp://{BOB}",
            (udp(),),
            "udp-size-limited",
            make_boxes=lambda: (SizeFilter(fragments=True),),
        ),
    ]


def healthy(folder: Path) -> list[Case]:
    records = srv() + srv(service="_sip._tcp") + HOST + A
    secure = srv(5061, service="_sips._tcp") + HOST + A
    six = tuple(replace(one, host=BOB6) for one in plain())
    balanced = (*plain(), udp(port=5080), tcp(port=5080))

    def identity(name: str) -> ssl.SSLContext:
        return tls_context(_leaf(name, MIDDLE), folder)

    naptr = 'DOMAIN NAPTR 1 1 "s" "SIPS+D2T" "" _sips._tcp.DOMAIN\nDOMAIN NAPTR 2 1 "s" "SIP+D2U" "" _sip._udp.DOMAIN\n'
    return [
        Case("by-address", BOB, plain()),
        Case("udp-alone", f"udp://{BOB}", (udp(),)),
        Case("tcp-alone", f"tcp://{BOB}", (tcp(),)),
        Case("domain", "DOMAIN", plain(), zone=records),
        Case("domain-with-tls", "DOMAIN", (*plain(), *_secured(identity("domain-with-tls"))), zone=secure + srv()),
        Case("tls-alone", "tls://DOMAIN", _secured(identity("tls-alone")), zone=secure),
        Case("naptr", "DOMAIN", (*plain(), *_secured(identity("naptr"))), zone=naptr + secure + srv()),
        Case("both-families", "DOMAIN", (*plain(), *six), zone=A + AAAA),
        Case("ipv6-by-address", f"[{BOB6}]", six),
        Case("two-servers", "DOMAIN", balanced, zone=records + srv(5080)),
        Case("not-found", f"sip:nobody@{BOB}", plain(answering(status="404 Not Found"))),
        Case("challenges", BOB, plain(answering('WWW-Authenticate: Digest realm="x", nonce="y"', status="401 No"))),
        Case("without-banner-and-contact", BOB, plain(answering(contact="", banner=""))),
        Case("right-clock", BOB, plain(answering(f"Date: {formatdate(time(), usegmt=True)}"))),
        Case("slow-path", BOB, plain(), impairment=Impairment(delay=0.08)),
    ]


def all_cases(folder: Path) -> Sequence[Case]:
    """Everything, faults first; certificates go into `folder`."""
    return [*dns_faults(), *tls_faults(folder), *answer_faults(), *network_faults(), *healthy(folder)]
