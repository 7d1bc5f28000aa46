"""The table of the discovery fault lab: seeded faults with the finding that must come first, and healthy setups.

Here are those of answers and of the network; DNS and TLS have files of their own. What cannot be made is in
`without_case`.
"""

from collections.abc import Sequence
from email.utils import formatdate
from time import time

from tests.faultlab.alg import SipAlg
from tests.faultlab.dns_cases import dns_faults, dns_healthy
from tests.faultlab.lab import ALICE, BOB, BOB6, Case
from tests.faultlab.peers import Asked, Behaviour, Listener, answer, answering, saying, silent
from tests.faultlab.setups import AAAA, HOST, A, plain, srv, tcp, udp
from tests.faultlab.tls_cases import HTML, tls_faults, tls_healthy
from tests.impairment.boxes import Nat, SizeFilter
from tests.impairment.path import Impairment

# Answers


def _rewriting(before: str, after: str) -> Behaviour:
    """Answers right, but for a text that came with the request."""
    return lambda asked: [answer(asked).replace(before.encode(), after.encode(), 1)]


def _lossy(asked: Asked) -> list[bytes]:
    return [] if asked.count == 0 else [answer(asked)]


def _half(asked: Asked) -> list[bytes]:
    """Announces a longer body than it sends."""
    return [answer(asked).replace(b"Content-Length: 0", b"Content-Length: 9")]


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


def _dated(late: float = 0.0) -> Behaviour:
    """Tells the time, by a clock that is so many seconds late."""
    return lambda asked: [answer(asked, f"Date: {formatdate(time() - late, usegmt=True)}")]


def answer_faults() -> list[Case]:
    behaviours: dict[str, tuple[str, Behaviour]] = {
        "contact-private": ("contact-narrow", answering(contact="<sip:pbx@10.1.2.3:5060>")),
        "contact-loopback": ("contact-narrow", answering(contact="<sip:pbx@localhost>")),
        "record-route-private": ("record-route-narrow", answering("Record-Route: <sip:192.168.0.9;lr>")),
        "rport-ignored": ("rport-ignored", answering(rport=False)),
        "received-wrong": ("wrong-received", answering(received="10.0.0.1")),
        "received-no-address": ("wrong-received", answering(received="balancer.internal")),
        "telling-banner": ("telling-banner", answering(banner="Asterisk PBX 20.5.0")),
        "overloaded": ("server-error", answering("Retry-After: 120", status="503 Service Unavailable")),
        "clock-behind": ("clock-skew", _dated(7200)),
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
        Case("answer-that-nobody-can-read", f"udp://{BOB}", (udp(_beyond_status),), "answer-unreadable"),
        Case("only-trying", f"udp://{BOB}", (udp(answering(status="100 Trying")),), "only-provisional"),
        Case("answer-without-an-end", f"tcp://{BOB}", (tcp(_half),), "answer-unfinished"),
        Case("web-server", f"tcp://{BOB}", (tcp(saying(HTML)),), "not-sip"),
        Case("silent-server", f"tcp://{BOB}", (tcp(silent),), "open-but-silent"),
        Case("web-server-without-websocket", f"ws://{BOB}:80", (tcp(saying(HTML), 80),), "websocket-refused"),
        Case("calls-alone", f"udp://{BOB}", (udp(_calls_alone),), "options-ignored", config={"invite": True}),
        Case("nothing-listens", BOB, (), "refused"),
        Case("nobody-there", "198.51.100.77", (), "nothing-answers"),
        Case("no-route", "203.0.113.9", (), "no-way-there", at_alice=("route add unreachable 203.0.113.0/24",)),
    ]
    return cases


def _routing(asked: Asked) -> list[bytes]:
    """A proxy that passes on everything, and stays on the way."""
    return [answer(asked, f"Record-Route: <sip:{BOB};lr>", banner="Phone")]


def _from_tag_lost(asked: Asked) -> list[bytes]:
    tag = asked.field("From").partition(";tag=")[2]
    return [answer(asked).replace(f";tag={tag}".encode(), b"", 1)]


def _beyond_status(asked: Asked) -> list[bytes]:
    return [answer(asked, status="999 Beyond")]


def _cut_off(asked: Asked) -> list[bytes]:
    whole = answer(asked, "Content-Type: application/sdp", body=b"v=0\r\n" * 40)
    return [whole[:-150]]


# The network


def network_faults() -> list[Case]:
    twice = Impairment(duplication=1.0)
    return [
        Case(
            "host-without-ipv6",
            "DOMAIN",
            (*plain(), *plain(host=BOB6)),
            "no-ipv6-here",
            A + AAAA,
            at_alice=("-6 route del default dev net0",),
        ),
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


# What comes close, and is right


def _ringing_first(asked: Asked) -> list[bytes]:
    return [answer(asked, status="100 Trying"), answer(asked)]


def _last_hop(asked: Asked) -> list[bytes]:
    """A proxy that looks at Max-Forwards (RFC 3261 §16.3)."""
    none_left = asked.field("Max-Forwards") == "0"
    return [answer(asked, status="483 Too Many Hops") if none_left else answer(asked)]


def _loose_spelling(asked: Asked) -> list[bytes]:
    """The same answer as others spell it: compact names, in lower case."""
    text = answer(asked).decode()
    for name, short in (("Via", "v"), ("From", "f"), ("To", "t"), ("Call-ID", "i"), ("Contact", "m")):
        text = text.replace(f"\r\n{name}:", f"\r\n{short} :")
    return [text.encode()]


def healthy() -> list[Case]:
    six = plain(host=BOB6)
    balanced = (*plain(), udp(port=5080), tcp(port=5080))
    both = srv() + srv(service="_sip._tcp")
    behaviours: dict[str, Behaviour] = {
        "not-found": answering(status="404 Not Found"),
        "challenges": answering('WWW-Authenticate: Digest realm="x", nonce="y"', status="401 No"),
        "without-banner-and-contact": answering(contact="", banner=""),
        "right-clock": _dated(),
        "clock-nearly-right": _dated(20),
        "contact-by-name": answering(contact="<sip:pbx.example.com>"),
        "contact-elsewhere-and-public": answering(contact="<sip:pbx@203.0.113.8:5060>"),
        "banner-without-version": answering(banner="Asterisk PBX"),
        "options-not-allowed": answering(status="405 Method Not Allowed"),
        "trying-first": _ringing_first,
        "proxy-that-counts-hops": _last_hop,
        "other-spelling": _loose_spelling,
        "nearly-in-fragments": answering("Subject: " + "x" * 700),
    }
    return [
        Case("by-address", BOB, plain()),
        Case("udp-alone", f"udp://{BOB}", (udp(),)),
        Case("tcp-alone", f"tcp://{BOB}", (tcp(),)),
        Case("both-families", "DOMAIN", (*plain(), *six), zone=A + AAAA),
        Case("ipv6-by-address", f"[{BOB6}]", six),
        Case("two-servers", "DOMAIN", balanced, zone=both + srv(5080) + HOST + A),
        *(Case(name, BOB, plain(behaviour)) for name, behaviour in behaviours.items()),
        Case("slow-path", BOB, plain(), impairment=Impairment(delay=0.08)),
        Case("nearly-limited-in-size", f"udp://{BOB}", (udp(),), make_boxes=lambda: (SizeFilter(limit=1500),)),
    ]


def all_cases() -> Sequence[Case]:
    """Everything, faults first."""
    faults = [*dns_faults(), *tls_faults(), *answer_faults(), *network_faults()]
    return [*faults, *dns_healthy(), *tls_healthy(), *healthy()]
