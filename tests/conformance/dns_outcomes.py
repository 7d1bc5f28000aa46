"""What the corpus' DNS cases ask and expect, where it stands there in prose, in a program, or not in full.

By case: each URI that is located, and the places that the source expects to be tried, in order. The transports stand in
the order in which the source prefers them where DNS says nothing.
"""

from dataclasses import dataclass

from sipcore.resolve.plan import DEFAULT_FAMILIES, DEFAULT_SUPPORTED
from sipcore.resolve.records import RecordType
from sipcore.resolve.target import Transport

UDP_TCP = (Transport.UDP, Transport.TCP)
TCP_UDP = (Transport.TCP, Transport.UDP)
UDP = (Transport.UDP,)
IPV4 = (RecordType.A,)
IPV6 = (RecordType.AAAA,)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A URI, and where it leads by the source of the case."""

    uri: str
    places: tuple[str, ...]
    supported: tuple[Transport, ...] = DEFAULT_SUPPORTED
    families: tuple[RecordType, ...] = DEFAULT_FAMILIES


def _asterisk(
    uri: str, *places: str, supported: tuple[Transport, ...] = TCP_UDP, families: tuple[RecordType, ...] = IPV4
) -> Outcome:
    """Asterisk prefers TCP; `families` are those that the listeners of the case are bound to."""
    return Outcome(uri, places, supported, families)


def _sofia(uri: str, *places: str) -> Outcome:
    """Sofia-SIP prefers UDP and IPv6."""
    return Outcome(uri, places)


_NUMERIC6 = "[3ff0:10:3012:c000:2c0:95ff:fee2:4b78]:5060"

OUTCOMES: dict[str, tuple[Outcome, ...]] = {
    "dns-ast-resolver_aaaa": (_asterisk("sip:pbx.example.com:5061", "udp [::1]:5061", supported=UDP, families=IPV6),),
    "dns-ast-resolver_naptr_preference": (
        _asterisk("sip:example.com", "tcp 127.0.0.1:5061", "udp 127.0.0.1:5061", supported=UDP_TCP),
    ),
    "dns-ast-resolver_naptr_preference_failover": (_asterisk("sip:example.com", "udp 127.0.0.1:5061"),),
    "dns-ast-resolver_naptr_transport_tcp": (_asterisk("sip:naptr.example.com;transport=tcp", "tcp 127.0.0.1:5061"),),
    "dns-ast-resolver_naptr_transport_udp": (_asterisk("sip:naptr.example.com;transport=udp", "udp 127.0.0.1:5061"),),
    "dns-ast-resolver_naptr_transport_unspecified": (
        _asterisk("sip:naptr.example.com", "tcp 127.0.0.1:5061", "udp 127.0.0.1:5061"),
    ),
    "dns-ast-resolver_srv_explicit_transport_configured": (
        _asterisk("sip:example.com", "udp [::1]:5061", supported=UDP, families=IPV6),
    ),
    "dns-ast-resolver_srv_failover_in_dialog_timeout": (
        _asterisk("sip:example.com;transport=udp", "udp 127.0.0.1:5062", "udp 127.0.0.1:5063"),
        _asterisk("sip:example.com;transport=tcp", "tcp 127.0.0.1:5064", "tcp 127.0.0.1:5065"),
    ),
    "dns-ast-resolver_srv_failover_in_dialog_transport_udp": (
        _asterisk("sip:example.com;transport=udp", "udp 127.0.0.1:5061", "udp 127.0.0.1:5062", supported=UDP),
    ),
    "dns-ast-resolver_srv_failover_out_of_dialog_timeout": (
        _asterisk("sip:example.com;transport=udp", "udp 127.0.0.1:5062", "udp 127.0.0.1:5063"),
        _asterisk("sip:example.com;transport=tcp", "tcp 127.0.0.1:5064", "tcp 127.0.0.1:5065"),
    ),
    "dns-ast-resolver_srv_failover_out_of_dialog_transport_tcp": (
        _asterisk("sip:example.com;transport=tcp", "tcp 127.0.0.1:5061", "tcp 127.0.0.1:5062"),
    ),
    "dns-ast-resolver_srv_failover_out_of_dialog_transport_udp": (
        _asterisk("sip:example.com;transport=udp", "udp 127.0.0.1:5061", "udp 127.0.0.1:5062", supported=UDP),
    ),
    "dns-ast-resolver_srv_failover_out_of_dialog_transport_unspecified": (
        _asterisk("sip:example.com", "tcp 127.0.0.1:5062", "udp 127.0.0.1:5063"),
    ),
    "dns-ast-resolver_srv_priority": (
        _asterisk("sip:example.com", "udp 127.0.0.1:5061", "udp 127.0.0.1:5062", supported=UDP),
        _asterisk("sip:example.com", "udp [::1]:5061", "udp [::1]:5062", supported=UDP, families=IPV6),
    ),
    "dns-ast-resolver_srv_transport_tcp": (_asterisk("sip:example.com;transport=tcp", "tcp 127.0.0.1:5061"),),
    "dns-ast-resolver_srv_transport_udp": (_asterisk("sip:example.com;transport=udp", "udp 127.0.0.1:5061"),),
    "dns-ast-resolver_srv_transport_unspecified": (
        _asterisk("sip:example.com", "tcp 127.0.0.1:5061", "udp 127.0.0.1:5061"),
    ),
    "dns-rfc3263-numeric": (
        Outcome("sip:user@192.0.2.7", ("udp 192.0.2.7:5060",)),
        Outcome("sips:user@192.0.2.7", ("tls 192.0.2.7:5061",)),
    ),
    "dns-sofia-failure": (_sofia("sip:timeout.example.net"),),
    "dns-sofia-found_a": (_sofia("sip:test.example.com", "udp 192.0.2.1:5060", "tcp 192.0.2.1:5060"),),
    "dns-sofia-found_ip": (
        _sofia("sip:127.21.50.37", "udp 127.21.50.37:5060", "tcp 127.21.50.37:5060"),
        _sofia("sip:127.21.50.37:", "udp 127.21.50.37:5060", "tcp 127.21.50.37:5060"),
        _sofia("sip:[3ff0:10:3012:c000:2c0:95ff:fee2:4b78]", f"udp {_NUMERIC6}", f"tcp {_NUMERIC6}"),
    ),
    "dns-sofia-found_maddr_a": (
        _sofia(
            "sip:test.example.com;lr=1;maddr=maddr.example.com;more", "udp 11.12.13.14:5060", "tcp 11.12.13.14:5060"
        ),
    ),
    "dns-sofia-found_cname": (_sofia("sip:cname1.example.com", "udp 11.12.13.14:5060", "tcp 11.12.13.14:5060"),),
    "dns-sofia-found_maddr_ip": (
        _sofia("sip:not.existing.net;maddr=127.21.50.37", "udp 127.21.50.37:5060", "tcp 127.21.50.37:5060"),
        _sofia(
            "sip:test.example.com:;maddr=3ff0:0010:3012:c000:02c0:95ff:fee2:4b78",
            f"udp {_NUMERIC6}",
            f"tcp {_NUMERIC6}",
        ),
        _sofia(
            "sip:test.example.com:;maddr=[3ff0:10:3012:c000:2c0:95ff:fee2:4b78]",
            f"udp {_NUMERIC6}",
            f"tcp {_NUMERIC6}",
        ),
    ),
    "dns-sofia-found_a_aaaa": (
        _sofia(
            "sip:ip6ip4.example.com",
            "udp [3ff0:10:3012:c000:2c0:95ff:fee2:4b78]:5060",
            "tcp [3ff0:10:3012:c000:2c0:95ff:fee2:4b78]:5060",
            "udp 12.13.14.25:5060",
            "tcp 12.13.14.25:5060",
        ),
    ),
    "dns-sofia-found_naptr": (_sofia("sip:example.com", "tcp 12.13.14.15:5060"),),
    "dns-sofia-found_naptr_nohint": (_sofia("sip:example.com"),),
    "dns-sofia-found_bad_naptr": (_sofia("sip:example.com", "udp 11.12.13.14:5060", "tcp 11.12.13.14:5060"),),
    "dns-sofia-found_naptr_with_a": (
        _sofia("sip:example.com", "udp 12.13.14.15:5060", "tcp 12.13.14.15:5060", "tls 12.13.14.15:5061"),
    ),
}
"""The case's id, and what it asks and expects."""

SERVED: dict[str, tuple[str, ...] | None] = {
    "dns-sofia-failure": None,
    "dns-sofia-found_a": ("test A 192.0.2.1",),
    "dns-sofia-found_maddr_a": ("maddr A 11.12.13.14",),
    "dns-sofia-found_cname": ("cname1 CNAME a", "a A 11.12.13.14"),
    "dns-sofia-found_a_aaaa": ("ip6ip4 A 12.13.14.25", "ip6ip4 AAAA 3ff0:10:3012:c000:2c0:95ff:fee2:4b78"),
}
"""The records below example.com that a case needs, where the corpus lost their names; None: nobody answers."""
