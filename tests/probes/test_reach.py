"""Which addresses somebody else may have this host talk to."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.reach import PUBLIC, ReachPolicy, network
from sipcore.errors import LocalError
from sipcore.resolve.target import SocketAddress

PRIVATE = ["10.0.0.0/8", "127.0.0.0/8", "fd00::/8"]


def refusal(host: str, policy: ReachPolicy = PUBLIC, port: int = 5060, *, own: bool = False) -> str:
    return policy.refusal(SocketAddress(host, port), own)


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


@pytest.mark.parametrize(
    "host", ["", "localhost", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.01", "[::1]"]
)
def test_what_is_no_address_is_refused(host: str) -> None:
    assert refusal(host) == "it is no IP address"


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("10.1.2.3", ""),
        ("::ffff:10.1.2.3", ""),
        ("64:ff9b::10.1.2.3", ""),
        ("10.9.0.1", "the operator of this host refuses its network"),
        ("::ffff:10.9.0.1", "the operator of this host refuses its network"),
        ("64:ff9b::10.9.0.1", "the operator of this host refuses its network"),
        ("2002:a09:1::", "the operator of this host refuses its network"),
        ("192.168.1.1", "it is private"),
        ("8.8.8.8", "the operator of this host refuses its network"),
        ("64:ff9b::8.8.8.8", "the operator of this host refuses its network"),
        ("8.8.4.4", ""),
        ("fd00::1", ""),
        ("fd00::1%2", ""),
        ("fe80::1%2", "it is link-local"),
        ("2a00:1450::1%2", "it has a zone, so it is link-local"),
        ("2606:4700::1", "the operator of this host refuses its network"),
    ],
)
def test_an_operator_allows_and_refuses_networks(host: str, why: str) -> None:
    assert refusal(host, ReachPolicy.of(PRIVATE, ["10.9.0.0/16", "8.8.8.8", "2606:4700::/32"])) == why


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("0.0.0.0", "it is this network"),
        ("::", "it is unspecified"),
        ("255.255.255.255", "it is reserved"),
        ("224.0.0.1", "it is multicast"),
        ("::ffff:224.0.0.1", "it is multicast"),
        ("ff02::1", "it is multicast"),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("169.254.169.254", ""),
    ],
)
def test_what_no_host_has_is_refused_whatever_is_allowed(host: str, why: str) -> None:
    assert refusal(host, ReachPolicy.of(["0.0.0.0/0", "::/0"])) == why


def test_this_machine_is_reached_where_its_network_is_allowed_but_not_this_program() -> None:
    assert refusal("8.8.8.8", own=True) == "it is an address of this machine"
    policy = ReachPolicy.of(["8.8.8.8", "127.0.0.0/8", "::1"], own_ports=[8443])
    assert refusal("8.8.8.8", policy, own=True) == ""
    assert refusal("8.8.8.8", policy, 8443) == ""
    assert refusal("8.8.8.8", policy, 8443, own=True) == "this program itself serves there"
    assert refusal("127.0.0.1", policy, 8443) == "this program itself serves there"
    assert refusal("127.0.0.1", policy, 5060) == ""
    assert refusal("::1", policy, 8443) == "this program itself serves there"
    assert refusal("::ffff:127.0.0.1", policy, 8443) == "this program itself serves there"
    assert refusal("64:ff9b::127.0.0.1", policy, 8443) == "this program itself serves there"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
        ("10.0.0.1", "10.0.0.1/32"),
        ("2001:DB8:0::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
        ("::/0", "::/0"),
    ],
)
def test_a_network_is_read_as_operators_write_it(text: str, read: str) -> None:
    assert str(network(text)) == read


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "'' is no network: write it as 10.0.0.0/8 or 2001:db8::/32"),
        ("private", "'private' is no network"),
        ("10.0.0.0/33", "'10.0.0.0/33' is no network"),
        ("10/8", "'10/8' is no network"),
        ("10.0.0.1/8", "has bits set behind its prefix: write 10.0.0.0/8, or 10.0.0.1 for the one address"),
        ("2001:db8::1/32", "write 2001:db8::/32, or 2001:db8::1 for the one address"),
        ("::ffff:10.0.0.0/104", "matches no address that is judged: write IPv4 networks as such"),
        ("fe80::%eth0/64", "matches no address that is judged"),
    ],
)
def test_what_is_no_network_is_told_with_what_to_write(text: str, told: str) -> None:
    with pytest.raises(LocalError) as caught:
        ReachPolicy.of([text])
    assert told in str(caught.value)


def spellings(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[str]:
    """Texts that a socket might take for an address, or for one that leads there."""
    if isinstance(address, ipaddress.IPv6Address):
        return [str(address), address.exploded, address.exploded.upper(), f"{address}%1", f"{address.exploded}%eth0"]
    a, b, c, d = address.packed
    number = int(address)
    mapped, translated = (ipaddress.IPv6Address(base | number) for base in (0xFFFF << 32, 0x64FF9B << 96))
    sixtofour = ipaddress.IPv6Address(0x2002 << 112 | number << 80 | 1)
    return [
        *(str(address), f"::ffff:{address}", f"::FFFF:{address}", f"64:ff9b::{address}"),
        *(f"{mapped}", mapped.exploded, translated.exploded.upper(), f"{sixtofour}", f"{mapped}%1"),
        *(f"::{address}", f"::ffff:0:{address}", f"0{a:o}.{b}.{c}.{d}", f"0x{number:08x}", str(number), f"0{number:o}"),
        *(
            f"{a}.{number & 0xFFFFFF}",
            f"{a}.{b}.{c << 8 | d}",
            f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}",
            f"{address}.",
            f" {address}",
        ),
    ]


@st.composite
def refused(draw: st.DrawFn) -> tuple[ReachPolicy, str]:
    """A policy that allows all but one network, and some spelling of an address in that."""
    address = draw(st.ip_addresses().filter(lambda one: not getattr(one, "ipv4_mapped", None)))  # which is IPv4
    size = draw(st.integers(min_value=0, max_value=address.max_prefixlen))
    block = ipaddress.ip_network((address, size), strict=False)
    policy = ReachPolicy.of(["0.0.0.0/0", "::/0"], [str(block)])
    return policy, draw(st.sampled_from(spellings(address)))


@given(refused())
def test_no_spelling_of_an_address_in_a_refused_network_passes(case: tuple[ReachPolicy, str]) -> None:
    policy, text = case
    assert refusal(text, policy)


@given(
    st.ip_addresses(network="127.0.0.0/8")
    | st.ip_addresses(network="10.0.0.0/8")
    | st.just(ipaddress.ip_address("::1"))
)
def test_no_spelling_of_a_private_address_passes(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert all(refusal(text) for text in spellings(address))
