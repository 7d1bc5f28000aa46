"""Where the sources of the corpus' DNS cases and RFC 3263 lead to different places.

The rule that the source breaks, and for each case the places that the RFC leads to instead, in an order that chance
may come to. A scenario that is listed here must differ from its source, and one that is not must not.
"""

UDP_FOR_A_SIP_URI = (
    "RFC 3263 §4.1: with a number, a port, or no SRV record, a SIP URI goes over UDP, and TCP is no second try"
)
STATED_TRANSPORT = (
    "RFC 3263 §4.1, §4.2: a transport in the URI is used as it is, with its SRV records; NAPTR is not asked"
)
SRV_STATES_TRANSPORT = "RFC 3263 §4.1: SRV records for TCP alone mean that the server has TCP"
NO_ADDRESS_BESIDE_SRV = "RFC 3263 §4.2: the domain's own addresses are looked up only if no SRV records were found"
SRV_IS_ASKED = "RFC 3263 §4.2: without a port SRV records are asked for; there is no leave to ignore them"
SIPS_FOR_TLS = "RFC 3263 §4.1: the service identifier for TLS is _sips._tcp; _sip._tls is none"
WEIGHTS_OF_ONE_SET = "RFC 3263 §4.1: the priorities and weights of different transports are not merged as in RFC 2543"
ALIASES_ARE_FOLLOWED = (
    "RFC 1034 §3.6.2: a name server restarts the query at the canonical name; no count of aliases ends it"
)
PORT_HAS_DIGITS = "RFC 3261 §25.1: a port is 1*DIGIT, so a colon without one is an error"

DISAGREEMENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "dns-ast-resolver_naptr_transport_tcp": (STATED_TRANSPORT, ()),
    "dns-ast-resolver_naptr_transport_udp": (STATED_TRANSPORT, ()),
    "dns-pjsip-03": (SRV_STATES_TRANSPORT, ("tcp 6.6.6.6:50060", "tcp 7.7.7.7:50060")),
    "dns-sipx-001": (UDP_FOR_A_SIP_URI, ("udp 1.1.0.1:101",)),
    "dns-sipx-002": (UDP_FOR_A_SIP_URI, ("udp 1.2.1.0:5060",)),
    "dns-sipx-004": (UDP_FOR_A_SIP_URI, ("udp 1.3.1.0:5060", "udp 1.3.1.1:5060")),
    "dns-sipx-009": (UDP_FOR_A_SIP_URI, ("udp 1.6.1.0:106",)),
    "dns-sipx-010": (UDP_FOR_A_SIP_URI, ("udp 1.10.1.0:106",)),
    "dns-sipx-014": (NO_ADDRESS_BESIDE_SRV, ()),
    "dns-sipx-015": (UDP_FOR_A_SIP_URI, ("udp 1.9.1.0:106",)),
    "dns-sipx-059": (SRV_IS_ASKED, ("udp 2.1.4.0:5060",)),
    "dns-sipx-060": (SRV_IS_ASKED, ("tcp 2.1.4.0:5060",)),
    "dns-sipx-061": (SRV_IS_ASKED, ("tcp 2.1.6.0:5066", "tcp 2.1.6.1:5067")),
    "dns-sipx-064": (SIPS_FOR_TLS, ("udp 2.1.4.0:8000", "tcp 2.1.4.0:8001")),
    "dns-sipx-073": (ALIASES_ARE_FOLLOWED, ("udp 1.25.1.0:5060",)),
    "dns-sipx-094": (
        WEIGHTS_OF_ONE_SET,
        ("udp 2.1.4.0:8001", "udp 2.1.4.0:8003", "tcp 2.1.4.0:8002", "tcp 2.1.4.0:8004"),
    ),
    "dns-sofia-found_a": (UDP_FOR_A_SIP_URI, ("udp 192.0.2.1:5060",)),
    "dns-sofia-found_ip/1": (UDP_FOR_A_SIP_URI, ("udp 127.21.50.37:5060",)),
    "dns-sofia-found_ip/2": (PORT_HAS_DIGITS, ()),
    "dns-sofia-found_ip/3": (UDP_FOR_A_SIP_URI, ("udp [3ff0:10:3012:c000:2c0:95ff:fee2:4b78]:5060",)),
    "dns-sofia-found_maddr_a": (UDP_FOR_A_SIP_URI, ("udp 11.12.13.14:5060",)),
    "dns-sofia-found_cname": (UDP_FOR_A_SIP_URI, ("udp 11.12.13.14:5060",)),
    "dns-sofia-found_maddr_ip/1": (UDP_FOR_A_SIP_URI, ("udp 127.21.50.37:5060",)),
    "dns-sofia-found_maddr_ip/2": (PORT_HAS_DIGITS, ()),
    "dns-sofia-found_maddr_ip/3": (PORT_HAS_DIGITS, ()),
    "dns-sofia-found_a_aaaa": (
        UDP_FOR_A_SIP_URI,
        ("udp [3ff0:10:3012:c000:2c0:95ff:fee2:4b78]:5060", "udp 12.13.14.25:5060"),
    ),
    "dns-sofia-found_bad_naptr": (UDP_FOR_A_SIP_URI, ("udp 11.12.13.14:5060",)),
}
"""The scenario's id, the rule, and where RFC 3263 leads to."""
