"""Which addresses a sweep goes to: what can be written, what is left out, the way from numbers to places and back."""

import ipaddress
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.sweep import ranges
from probes.sweep.ranges import (
    LargeRangeError,
    Range,
    RangeError,
    Targets,
    host_at,
    merged,
    ranges_in,
    ranges_of,
    spread,
    without,
)
from sipcore.resolve.target import SocketAddress

numbers = st.integers(0, 60)
spans = st.lists(st.tuples(numbers, numbers).map(lambda pair: Range(min(pair), max(pair))), max_size=8)


def addresses(given_ranges: list[Range]) -> list[int]:
    return [number for each in given_ranges for number in range(each.first, each.last + 1)]


@pytest.mark.parametrize(
    ("text", "shown", "count"),
    [
        ("192.0.2.7", "192.0.2.7", 1),
        ("192.0.2.0/24", "192.0.2.0-192.0.2.255", 256),
        ("192.0.2.77/30", "192.0.2.76-192.0.2.79", 4),
        ("192.0.2.7/32", "192.0.2.7", 1),
        ("192.0.2.250-192.0.3.4", "192.0.2.250-192.0.3.4", 11),
        ("192.0.2.1-9", "192.0.2.1-192.0.2.9", 9),
        ("2001:db8::/120", "2001:db8::-2001:db8::ff", 256),
        ("2001:db8::1-2001:db8::3", "2001:db8::1-2001:db8::3", 3),
        ("::ffff:192.0.2.7", "192.0.2.7", 1),
    ],
)
def test_a_range(text: str, shown: str, count: int) -> None:
    found = Range.parse(text)
    assert (str(found), found.count) == (shown, count)
    assert Range.parse(str(found)) == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sip.example.com", "is no address; give"),
        ("192.0.2", "is no address; give 192.0.2.7"),
        ("192.0.2.256", "is no address"),
        ("sip:alice:secret@192.0.2.7", r"'sip:alice:******@192.0.2.7' is no address"),
        ("192.0.2.0/33", "is no block"),
        ("192.0.2.0/", "is no block"),
        ("192.0.2.9-7", "ends before it begins"),
        ("192.0.2.9-x", "is no address"),
        ("192.0.2.9-", "is no address"),
        ("192.0.2.1-2001:db8::1", "from one address family to another"),
        ("::-192.0.2.1", "from one address family to another"),
        ("::1-9", "is no address"),
        ("fe80::1%eth0", "has a zone"),
        ("\x1b[2J" * 40, "\\x1b[2J"),
        ("-", "is no address"),
    ],
)
def test_what_cannot_be_read(text: str, told: str) -> None:
    with pytest.raises(RangeError) as raised:
        Range.parse(text)
    assert told in str(raised.value)
    assert len(str(raised.value)) < 400


@given(st.text(max_size=40))
def test_any_text_is_a_range_or_an_error(text: str) -> None:
    try:
        found = Range.parse(text)
    except RangeError:
        return
    assert found.count > 0


def lookup(name: str) -> list[str]:
    if name == "nowhere":
        raise RangeError("'nowhere' has no address")
    return ["192.0.2.50", "2001:db8::50"]


def test_lists_and_comments() -> None:
    assert [str(each) for each in ranges_in("192.0.2.1,192.0.2.3-4  192.0.2.9 # the lab, 10.0.0.1", lookup)] == [
        *("192.0.2.1", "192.0.2.3-192.0.2.4", "192.0.2.9")
    ]
    assert list(ranges_in("  # nothing", lookup)) == []


@pytest.mark.parametrize("name", ["sip.example.com", "localhost", "3cx.example.", "sip_1.example", "bücher.example"])
def test_host_names_are_looked_up(name: str) -> None:
    assert [str(each) for each in ranges_in(f"192.0.2.1 {name}", lookup)] == [
        *("192.0.2.1", "192.0.2.50", "2001:db8::50")
    ]


@pytest.mark.parametrize(
    "text", ["10.0.0.256", "a" * 64, "a..b", "sip:a.example", "a.example:5060", "a.example/24", "x y("]
)
def test_what_cannot_be_a_host_name_is_not_looked_up(text: str) -> None:
    with pytest.raises(RangeError, match=r"is no (address|block)"):
        list(ranges_in(text, lambda name: ["192.0.2.1"] if name == "x" else pytest.fail(name)))


@pytest.mark.parametrize(
    ("line", "told"),
    [("nowhere\n", "'nowhere' has no address"), ("{1}\n", r"'\{1\}' is no address; give 192\.0\.2\.7")],
)
def test_a_fault_in_a_file_is_told_with_its_line(line: str, told: str) -> None:
    with pytest.raises(RangeError, match=rf"^hosts\.txt, line 3: {told}"):
        list(ranges_of(["192.0.2.1\n", "\n", line], "hosts.txt", lookup))


def test_a_mark_of_the_encoding_is_no_part_of_an_address() -> None:
    assert [str(each) for each in ranges_of(["\ufeff192.0.2.1\r\n"], "hosts.txt", lookup)] == ["192.0.2.1"]


@given(spans)
def test_merged_ranges_are_the_same_addresses_once(given_ranges: list[Range]) -> None:
    found = merged(given_ranges)
    assert addresses(found) == sorted(set(addresses(given_ranges)))
    assert all(left.last + 1 < right.first for left, right in itertools.pairwise(found))


@given(spans, spans)
def test_what_is_excluded_is_left_out(given_ranges: list[Range], excluded: list[Range]) -> None:
    left = without(merged(given_ranges), merged(excluded))
    assert addresses(left) == sorted(set(addresses(given_ranges)) - set(addresses(excluded)))


def test_no_more_ranges_than_can_be_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "MAX_RANGES", 2)
    with pytest.raises(RangeError, match="more than 2 ranges"):
        merged(Range(number, number) for number in (1, 3, 5))
    assert merged(Range(number, number) for number in (9, 1, 2, 8, 3, 3, 7)) == [Range(1, 3), Range(7, 9)]


@given(spans, st.integers(1, 30))
def test_addresses_spread_over_all_of_them(given_ranges: list[Range], count: int) -> None:
    whole = merged(given_ranges)
    all_of_them = list(map(host_at, addresses(whole)))
    found = list(spread(whole, count))
    assert len(found) == min(count, len(all_of_them))
    places = [all_of_them.index(host) for host in found]
    steps = {right - left for left, right in itertools.pairwise([*places, len(all_of_them)])}
    assert not steps or (min(steps) >= 1 and max(steps) - min(steps) <= 1)
    assert places[:1] == [0][: len(places)]


@given(
    st.lists(st.sampled_from(["192.0.2.0/29", "192.0.2.4-20", "203.0.113.9", "2001:db8::/125", "::1"]), min_size=1),
    st.lists(st.integers(1, 65535), min_size=1, max_size=3, unique=True),
)
def test_places_have_numbers(texts: list[str], ports: list[int]) -> None:
    targets = Targets(map(Range.parse, texts), ports)
    places = [targets.at(offset) for offset in range(targets.count)]
    wanted = {host for text in texts for host in _hosts(text)}
    assert {(place.host, place.port) for place in places} == {(host, port) for host in wanted for port in ports}
    assert len(set(places)) == targets.count == targets.addresses * len(ports)
    assert [targets.offset_of(place) for place in places] == list(range(targets.count))


def _hosts(text: str) -> list[str]:
    found = Range.parse(text)
    return [ranges.host_at(number) for number in range(found.first, found.last + 1)]


@pytest.mark.parametrize(
    "place",
    [
        SocketAddress("192.0.2.3", 5060),
        SocketAddress("192.0.2.8", 5060),
        SocketAddress("192.0.2.4", 5061),
        SocketAddress("2001:db8::1", 5060),
        SocketAddress("fe80::1%1", 5060),
        SocketAddress("0.0.0.1", 5060),
    ],
)
def test_other_places_have_none(place: SocketAddress) -> None:
    assert Targets([Range.parse("192.0.2.4/30")], [5060]).offset_of(place) is None


def test_large_ranges_have_to_be_meant() -> None:
    with pytest.raises(LargeRangeError, match=r"192\.0\.2\.0-192\.0\.3\.255 are 512 addresses"):
        Targets([Range.parse("192.0.2.0/23")], [5060])
    halves = [Range.parse("192.0.2.0/24"), Range.parse("192.0.3.0")]
    with pytest.raises(LargeRangeError):
        Targets(halves, [5060])
    assert Targets(halves, [5060], allow_large=True).count == 257
    with pytest.raises(LargeRangeError):
        Targets([Range.parse("2001:db8::/119")], [5060])
    assert Targets([Range.parse("192.0.2.0/24"), Range.parse("192.0.4.0/24")], [5060, 5061]).count == 1024


def test_what_is_no_host_is_never_probed() -> None:
    everything = Targets([Range.parse("0.0.0.0/0")], [5060], allow_large=True)
    for host in ("0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255", "255.255.255.255"):
        assert everything.offset_of(SocketAddress(host, 5060)) is None
    assert everything.addresses == 2**32 - 2**24 - 2**28 - 1
    for text in ("ff02::1", "::", "224.0.0.1"):
        with pytest.raises(RangeError, match="nothing is left to probe"):
            Targets([Range.parse(text)], [5060])


@pytest.mark.parametrize(
    ("texts", "ports", "told"),
    [
        ([], [5060], "no addresses given"),
        (["192.0.2.1"], [], "1 to 16 ports"),
        (["192.0.2.1"], [0], "from 1 to 65535"),
        (["192.0.2.1"], list(range(1, 18)), "1 to 16 ports"),
        (["2001:db8::/64"], [5060], "no sweep gets to the end of them; give the parts where hosts are"),
        (["2001:db8::/88"], [5060, 5061], "these are 2,199,023,255,552 places, and no sweep"),
    ],
)
def test_what_cannot_be_swept(texts: list[str], ports: list[int], told: str) -> None:
    with pytest.raises(RangeError, match=told):
        Targets(map(Range.parse, texts), ports, allow_large=True)


def test_nobody_is_told_to_allow_what_cannot_be_swept() -> None:
    with pytest.raises(RangeError, match="no sweep gets to the end") as raised:
        Targets([Range.parse("2001:db8::/32")], [5060])
    assert not isinstance(raised.value, LargeRangeError)


def test_the_digest_is_of_the_places() -> None:
    def digest(*texts: str, ports: tuple[int, ...] = (5060,)) -> str:
        return Targets(map(Range.parse, texts), ports).digest

    assert digest("192.0.2.0/30") == digest("192.0.2.2-3", "192.0.2.0-1")
    assert len({digest("192.0.2.0/30"), digest("192.0.2.0/29"), digest("192.0.2.0/30", ports=(5061,))}) == 3


@given(st.ip_addresses())
def test_every_address_is_on_the_line(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    found = Range.parse(str(address))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    assert ipaddress.ip_address(ranges.host_at(found.first)) == (mapped or address)
