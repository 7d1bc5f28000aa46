"""What may be wrong with the DNS of a SIP domain, and what comes close to it and is right."""

from itertools import count, pairwise

import dns.message
import dns.rdatatype
import dns.rrset

from sipcore.resolve.target import SocketAddress
from sipcore.transports.lookup import LookupConfig
from tests.faultlab.boxes import PortFilter
from tests.faultlab.lab import BOB, BROKEN_ZONE, DNS_PORT, PRIVATE, SECOND_PORT, ZONE, Case, asking
from tests.faultlab.peers import Asked, Behaviour
from tests.faultlab.setups import AAAA, HOST, A, plain, srv, udp
from tests.impairment.path import Impairment

FIRST, SECOND = SocketAddress(BOB, DNS_PORT), SocketAddress(BOB, SECOND_PORT)
MOVING = SocketAddress(BOB, 5355)
NOBODY, CLOSED = SocketAddress("198.51.100.77", 53), SocketAddress(BOB, 5399)
MANY = "".join(f'DOMAIN NAPTR 9 {n} "u" "E2U+email" "!^.*$!mailto:info-{n}@example.com!" .\n' for n in range(40))
"""More records than fit into a datagram of DNS; none of them is about SIP."""


def dns_faults() -> list[Case]:
    return [*_zones(), *_resolvers()]


def _zones() -> list[Case]:
    """What a zone can have that is wrong, or worth knowing."""
    zones = {
        "srv-nowhere": ("dns-srv-nowhere", srv(target="gone.DOMAIN") + A),
        "srv-no-address": ("dns-srv-no-address", srv() + 'h.DOMAIN TXT "no address"\n' + A),
        "srv-port-zero": ("dns-srv-port-zero", srv(0) + HOST + A),
        "srv-alias": ("dns-srv-alias", srv() + "h.DOMAIN CNAME other.DOMAIN\n" + f"other.DOMAIN A {BOB}\n" + A),
        "srv-address": ("dns-srv-address", srv(target=f"{BOB}.") + A),
        "srv-contradiction": ("dns-srv-contradiction", srv() + "_sip._udp.DOMAIN SRV 0 0 0 .\n" + HOST + A),
        "srv-not-offered": ("dns-srv-not-offered", "_sips._tcp.DOMAIN SRV 0 0 0 .\n" + srv() + HOST + A),
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
        "alias-long": ("dns-alias-long", _aliases(9)),
        "srv-target-dead": ("srv-target-dead", srv() + srv(5099) + HOST + A),
        "published-dead": ("published-dead", srv(5099) + HOST + A),
        "ipv6-dead": ("ipv6-dead", A + AAAA),
        "address-private": ("nothing-answers", "DOMAIN A 10.9.8.6\n"),
        "address-of-nobody": ("dns-no-host", "DOMAIN A 0.0.0.0\n"),
        "address-of-a-group": ("dns-no-host", "DOMAIN A 224.0.0.251\n" + A),
        "large-answer": ("dns-truncated", MANY + A),
    }
    cases = [Case(name, "DOMAIN", plain(), code, zone) for name, (code, zone) in zones.items()]
    cases += [
        Case("private-and-alive", "DOMAIN", plain(host=PRIVATE), "dns-private-address", f"DOMAIN A {PRIVATE}\n"),
        Case("no-such-name", f"gone.{ZONE}", plain(), "no-address"),
        Case("name-too-long", f"{'a' * 64}.{ZONE}", plain(), "dns-invalid-name"),
        Case("refused-by-resolver", "example.invalid", plain(), "dns-refused"),
        Case("zone-broken", f"sip.{BROKEN_ZONE}", plain(), "dns-servfail"),
    ]
    return cases


def _aliases(count: int) -> str:
    """The domain's address, behind so many aliases."""
    names = ["DOMAIN", *(f"n{number}.DOMAIN" for number in range(count))]
    return "".join(f"{name} CNAME {target}\n" for name, target in pairwise(names)) + f"{names[-1]} A {BOB}\n"


def _moving() -> Behaviour:
    """A name server that knows an address for a day, and the next time another one."""
    told = count()

    def behave(asked: Asked) -> list[bytes]:
        query = dns.message.from_wire(asked.data)
        response = dns.message.make_response(query)
        question = query.question[0]
        if question.rdtype == dns.rdatatype.A:
            host = f"198.51.100.{min(next(told), 1) + 1}"
            response.answer.append(dns.rrset.from_text(question.name, 86400, "IN", "A", host))
        return [response.to_wire()]

    return behave


def _resolvers() -> list[Case]:
    """What resolvers, and the way to them, do wrong."""
    moved = f"DOMAIN A {BOB}\nDOMAIN A 198.51.100.2\n"
    steps = 'DOMAIN NAPTR 1 1 "s" "SIP+D2U" "" _sip._udp.x.DOMAIN\n_sip._udp.x.DOMAIN SRV 1 1 5060 h.DOMAIN\n'
    slow = LookupConfig(nameservers=(FIRST,), timeout=2.0, hosts_file="")
    return [
        Case("resolver-silent", "DOMAIN", plain(), "dns-timed-out", A, config=asking(NOBODY)),
        Case("resolver-absent", "DOMAIN", plain(), "dns-unreachable", A, config=asking(CLOSED)),
        Case("second-resolver-silent", "DOMAIN", plain(), "dns-timed-out", A, config=asking(FIRST, NOBODY)),
        Case(
            "resolvers-disagree",
            "DOMAIN",
            plain(),
            "dns-disagreement",
            A,
            zone_elsewhere=moved,
            config=asking(FIRST, SECOND),
        ),
        Case(
            "address-moves",
            "DOMAIN",
            (*plain(), udp(_moving(), MOVING.port)),
            "dns-changed",
            config=asking(MOVING) | {"deep": True},
        ),
        Case(
            "large-answer-without-tcp",
            "DOMAIN",
            plain(),
            "dns-truncated-only",
            MANY + A,
            make_boxes=lambda: (PortFilter(53),),
        ),
        Case(
            "last-step-too-late",
            "DOMAIN",
            plain(),
            "no-address",
            steps + HOST,
            also=("dns-unfinished",),
            impairment=Impairment(delay=0.45),
            config={"lookup": slow, "timeout": 1.2},
        ),
        Case(
            "dns-far-away",
            "DOMAIN",
            (udp(),),
            "dns-slow",
            steps + HOST,
            impairment=Impairment(delay=0.42),
            config={"lookup": slow, "timeout": 4.0},
        ),
    ]


def dns_healthy() -> list[Case]:
    both = srv() + srv(service="_sip._tcp")
    others = 'DOMAIN NAPTR 1 1 "u" "E2U+email" "!^.*$!mailto:info@example.com!" .\n'
    ranked = "_sip._udp.DOMAIN SRV 10 70 5060 h.DOMAIN\n_sip._udp.DOMAIN SRV 20 0 5080 h.DOMAIN\n"
    alias = f"DOMAIN CNAME h.DOMAIN\nh.DOMAIN A {BOB}\n"
    return [
        Case("domain", "DOMAIN", plain(), zone=both + HOST + A),
        Case("alias-of-the-domain", "DOMAIN", plain(), zone=alias),
        Case("naptr-of-other-applications", "DOMAIN", plain(), zone=others + both + HOST + A),
        Case("srv-ranked", "DOMAIN", (*plain(), udp(port=5080)), zone=ranked + HOST),
        Case("srv-on-another-port", "DOMAIN", (udp(port=5066),), zone=srv(5066) + HOST),
        Case("nearly-large-answer", "DOMAIN", plain(), zone="".join(MANY.splitlines(keepends=True)[:12]) + A),
        Case(
            "resolvers-agree",
            "DOMAIN",
            plain(),
            zone=both + HOST + A,
            zone_elsewhere=both + HOST + A,
            config=asking(FIRST, SECOND),
        ),
    ]
