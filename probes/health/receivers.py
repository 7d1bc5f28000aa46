"""Which addresses a receiver of alerts may have, so that nobody who names one reaches what only this host reaches.

The tables are those of IANA for special purposes (RFC 6890) as of now, and not those of the Python that runs this. Of
IPv6 only what is global unicast today may be reached, 2000::/3 (RFC 4291 §2.4), less what has a special purpose in it.
"""

import ipaddress

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _table(rows: dict[str, str]) -> tuple[tuple[Network, str], ...]:
    return tuple((ipaddress.ip_network(block), what) for block, what in rows.items())


_V4 = _table(
    {
        "0.0.0.0/8": "this network",
        "10.0.0.0/8": "private",
        "100.64.0.0/10": "shared (RFC 6598), where Alibaba has its metadata",
        "127.0.0.0/8": "loopback",
        "168.63.129.16/32": "the host below a machine of Azure",
        "169.254.0.0/16": "link-local, where clouds have their metadata",
        "172.16.0.0/12": "private",
        "192.0.0.0/24": "for protocols (RFC 6890), where Oracle has its metadata",
        "192.0.2.0/24": "for documentation",
        "192.88.99.0/24": "a 6to4 relay",
        "192.168.0.0/16": "private",
        "198.18.0.0/15": "for benchmarks",
        "198.51.100.0/24": "for documentation",
        "203.0.113.0/24": "for documentation",
        "224.0.0.0/4": "multicast",
        "240.0.0.0/4": "reserved",
    }
)
_V6 = _table(
    {
        "::/128": "unspecified",
        "::1/128": "loopback",
        "fc00::/7": "private, where clouds have their metadata",
        "fe80::/10": "link-local",
        "fec0::/10": "site-local",
        "ff00::/8": "multicast",
        "64:ff9b:1::/48": "translated to IPv4 by a local prefix (RFC 8215)",
        "2001::/23": "for protocols (RFC 6890)",
        "2001:db8::/32": "for documentation",
        "3fff::/20": "for documentation",
    }
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def refusal(host: str) -> str:
    """Why an IP address is not connected to; empty for one that is. An IPv6 address that leads to an IPv4 address is
    judged by that: mapped (RFC 4291 §2.5.5.2), 6to4 (RFC 3056), or by the prefix of NAT64 (RFC 6052 §2.1).
    """
    if "%" in host:
        return "it has a zone, so it is link-local"
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv6Address):
        carried = _carried(address)
        if carried is None:
            return _why(address, _V6) or ("" if address in _GLOBAL_UNICAST else "it is not global")
        address = carried
    return _why(address, _V4)


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to, if it does."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _why(address: ipaddress.IPv4Address | ipaddress.IPv6Address, table: tuple[tuple[Network, str], ...]) -> str:
    return next((f"it is {what}" for network, what in table if address in network), "")
