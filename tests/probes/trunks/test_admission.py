"""Addresses that calls may come from: what cannot be read lets nobody in, and is told before it is saved."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.trunks.admission import admission_problems, admits

GIVE = "give an address, or a block such as 192.0.2.0/28"
NAME = f"{GIVE}; a name would be compared with what the caller writes himself"


@pytest.mark.parametrize(
    ("allowed", "source", "is_let_in"),
    [
        ((), "192.0.2.1", False),
        (("192.0.2.0/28",), "192.0.2.1", True),
        (("192.0.2.0/28",), "192.0.2.16", False),
        (("192.0.2.1",), "192.0.2.1", True),
        (("192.0.2.1",), "::ffff:192.0.2.1", True),
        (("2001:db8::/32",), "2001:db8::5", True),
        (("2001:db8::/32",), "192.0.2.1", False),
        (("192.0.2.1/99", "nonsense", "", "192.0.2.5/28"), "192.0.2.1", False),
        (("gw.example.net",), "192.0.2.1", False),
        (("192.0.2.0/28",), "gw.example.net", False),
        (("192.0.2.0/28",), "", False),
    ],
)
def test_only_who_is_named_is_let_in(allowed: tuple[str, ...], source: str, is_let_in: bool) -> None:
    assert admits(allowed, source) is is_let_in


@given(st.lists(st.text() | st.from_regex(r"[0-9./:a-f]{0,12}", fullmatch=True)), st.ip_addresses())
def test_list_that_has_problems_lets_nobody_in_by_them(allowed: list[str], source: ipaddress.IPv4Address) -> None:
    """An entry that cannot be read is never another way to say `any`."""
    wrong = {int(each.field.removeprefix("a.")) for each in admission_problems(tuple(allowed), "a") if each.is_error}
    bad = [allowed[number] for number in wrong if not allowed[number].endswith("/0")]
    assert not admits(bad, str(source)) or source.is_multicast or source.is_unspecified


@pytest.mark.parametrize("good", ["192.0.2.1", "192.0.2.0/28", "192.0.2.1/32", "2001:db8::1", "2001:db8::/48"])
def test_address_and_block_are_sound(good: str) -> None:
    assert [*admission_problems((good,), "a")] == []


@pytest.mark.parametrize(
    ("wrong", "cause", "cure"),
    [
        ("192.0.2.5/28", "has bits beyond its prefix of 28", "give 192.0.2.0/28 for the block, or 192.0.2.5"),
        ("2001:db8::1/32", "has bits beyond its prefix of 32", "give 2001:db8::/32 for the block, or 2001:db8::1"),
        ("192.0.2.0/33", "is no IP address, nor a block of them", GIVE),
        ("192.0.2.0/", "has no length of its prefix behind the slash", GIVE),
        ("192.0.2.0/255.255.255.0", "has no length of its prefix behind the slash", "give 192.0.2.0/24 for the block"),
        ("192.0.2.0/0.0.0.255", "has no length of its prefix behind the slash", "give 192.0.2.0/24 for the block"),
        ("192.0.2", "is no IP address, nor a block of them", GIVE),
        ("192.0.2.010", "is no IP address, nor a block of them", GIVE),
        (" 192.0.2.1", "is no IP address, nor a block of them", GIVE),
        ("", "is no IP address, nor a block of them", GIVE),
        ("gw.example.net", "is no IP address, nor a block of them", NAME),
        ("*", "is no IP address, nor a block of them", NAME),
        ("fe80::1%eth0", "has a zone, which means something on one machine only", GIVE),
        ("::ffff:192.0.2.1", "is an IPv4 address as IPv6 carries it", "give 192.0.2.1"),
        ("::ffff:192.0.2.0/124", "is an IPv4 address as IPv6 carries it", "give 192.0.2.0/28"),
    ],
)
def test_what_is_no_block_is_refused_with_a_cure(wrong: str, cause: str, cure: str) -> None:
    (problem,) = admission_problems((wrong,), "inbound.allowed_addresses")
    assert problem.is_error
    assert problem.field == "inbound.allowed_addresses.0"
    assert problem.cause.endswith(cause)
    assert problem.cure.startswith(cure)


@pytest.mark.parametrize("wrong", ["0.0.0.0/0", "::/0", "0.0.0.0", "224.0.0.1", "ff00::/8"])
def test_everybody_and_nobody_are_refused(wrong: str) -> None:
    (problem,) = admission_problems((wrong,), "a")
    assert problem.is_error


def test_wide_and_overlapping_blocks_are_told() -> None:
    found = [*admission_problems(("10.0.0.0/8", "198.51.100.0/24", "198.51.100.7"), "a")]
    codes = [(each.code, each.field, each.is_error) for each in found]
    assert codes == [("allowed-wide", "a.0", False), ("allowed-twice", "a.2", False)]
    assert found[0].text == "10.0.0.0/8 has 16,777,216 addresses: give the blocks that their SBCs are in"
