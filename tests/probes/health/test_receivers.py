"""Which addresses alerts may be sent to."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.health.receivers import refusal


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
        *("169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16", "198.18.0.1", "224.0.0.1"),
        *("255.255.255.255", "240.0.0.1", "192.0.2.1", "192.88.99.1"),
        *("::", "::1", "fd00:ec2::254", "fc00::1", "fe80::1", "fe80::1%eth0", "fe80::1%1", "ff02::1", "fec0::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1", "::127.0.0.1", "::ffff:0:127.0.0.1"),
        *("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
        *("2001::1", "2001:0:7f00:1::", "2001:db8::1", "100::1", "5f00::1", "4000::1"),
    ],
)
def test_what_only_this_host_may_reach_is_refused(host: str) -> None:
    assert refusal(host).startswith("it ")


@pytest.mark.parametrize(
    "host",
    [
        "8.8.8.8",
        "172.32.0.1",
        "100.128.0.1",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
    ],
)
def test_what_is_public_is_not(host: str) -> None:
    assert refusal(host) == ""


@given(st.ip_addresses(v=4))
def test_an_address_is_judged_alike_however_it_is_spelled(address: ipaddress.IPv4Address) -> None:
    carried = [
        f"::ffff:{address}",
        f"64:ff9b::{address}",
        str(ipaddress.IPv6Address(0x2002 << 112 | int(address) << 80)),
    ]
    assert {refusal(host) for host in carried} == {refusal(str(address))}


@given(st.ip_addresses())
def test_what_python_takes_for_private_is_refused(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    is_odd = address.is_private or address.is_loopback or address.is_link_local or address.is_multicast
    carried = isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped or address.sixtofour)
    if is_odd and not carried:
        assert refusal(str(address))
