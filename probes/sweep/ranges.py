"""Which addresses a sweep goes to: CIDR blocks, single addresses, ranges from one to another, and what is left out.

All addresses lie on one line of numbers, IPv4 where RFC 4291 §2.5.5.2 maps it (`::ffff:192.0.2.1`), so that a range is
two numbers however large it is. A `Targets` counts its places without listing them: the n-th one is worked out, and so
is which one an address is.
"""

import hashlib
import ipaddress
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, islice

from probes.destination_text import without_password
from sipcore.errors import EXCERPT_CHARACTERS, LocalError, quoted
from sipcore.resolve.target import SocketAddress
from sipcore.value import value

LARGE = 256
"""Addresses in a row, a /24 or a /120, beyond which the caller has to say that it is meant."""
MAX_RANGES = 1 << 18
"""Ranges of one sweep: some 30 MB, and the addresses of a carrier one by one."""
MAX_TARGETS = 1 << 40
"""Places of one sweep: at 10,000 a second they take three years. The Internet's IPv4 has 2**32, an IPv6 /64 2**64."""
MAX_PORTS = 16
"""Ports of one sweep, as many as discovery tries: it is no port scanner."""

_MAPPED = 0xFFFF << 32
"""Where IPv4 begins on the line (RFC 4291 §2.5.5.2)."""
_IPV4_END = _MAPPED | 0xFFFFFFFF
_SECTION = "RFC 4632 §3.1"
_MARK = "\ufeff"
"""What some editors put before a text in UTF-8, unseen by who wrote it."""
_FORMS = "give 192.0.2.7, 192.0.2.0/24, 192.0.2.1-192.0.2.9, 192.0.2.1-9 or 2001:db8::/120"
_ADVICE = "give the parts where hosts are, as 2001:db8::/112"
_is_name = re.compile(r"(?:[\w-]{1,63}\.)*[^\W\d_][\w-]{0,62}\.?").fullmatch
"""Labels, of which the last begins with a letter (RFC 1123 §2.1); what is not ASCII is for the look-up to judge."""

Lookup = Callable[[str], Iterable[str]]
"""The addresses of a host name. Raises RangeError where it has none."""


class RangeError(LocalError):
    """A text that names no addresses, or addresses that cannot be swept."""

    def __init__(self, message: str) -> None:
        super().__init__(message, section=_SECTION)

    def __str__(self) -> str:
        return self.message


class LargeRangeError(RangeError):
    """More addresses in a row than are probed unless the caller says that all of them are meant."""


@value
class Range:
    """Addresses from `first` to `last`, both included, as numbers on the one line."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> "Range":
        """Read an address, a CIDR block, or a range. Raises RangeError, which says what to write instead.

        A block may be named by any address in it. Behind the dash of an IPv4 range its last number is enough.
        """
        if "/" in text:
            return cls._of_network(text)
        first, dash, last = text.partition("-")
        begin = _number(first.strip(), text)
        if not dash:
            return cls(begin, begin)
        last = last.strip()
        if last.isdecimal() and last.isascii() and len(last) <= 3 and "." in first:
            last = f"{first.strip().rpartition('.')[0]}.{last}"
        end = _number(last, text)
        if (begin <= _IPV4_END) != (end <= _IPV4_END) or (begin < _MAPPED) != (end < _MAPPED):
            raise RangeError(f"{shown(text)} is a range from one address family to another; {_FORMS}")
        if end < begin:
            raise RangeError(f"{shown(text)} ends before it begins; write it the other way round")
        return cls(begin, end)

    @classmethod
    def _of_network(cls, text: str) -> "Range":
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise RangeError(f"{shown(text)} is no block of addresses; {_FORMS}") from None
        return cls(_on_line(network.network_address), _on_line(network.broadcast_address))

    @property
    def count(self) -> int:
        """How many addresses it has."""
        return self.last - self.first + 1

    def __str__(self) -> str:
        first = host_at(self.first)
        return first if self.first == self.last else f"{first}-{host_at(self.last)}"


def ranges_in(text: str, lookup: Lookup) -> Iterator[Range]:
    """The ranges of a line, and the addresses of the host names in it, apart by commas or white space.

    What follows a `#` is a comment. Raises RangeError.
    """
    for word in text.partition("#")[0].replace(",", " ").split():
        if _is_name(word):
            yield from map(Range.parse, lookup(word))
        else:
            yield Range.parse(word)


def ranges_of(lines: Iterable[str], source: str, lookup: Lookup) -> Iterator[Range]:
    """The ranges of many lines. Raises RangeError, which names `source` and the line."""
    for number, line in enumerate(lines, 1):
        try:
            yield from ranges_in(line.removeprefix(_MARK), lookup)
        except RangeError as error:
            raise RangeError(f"{source}, line {number}: {error.message}") from None


def merged(ranges: Iterable[Range]) -> list[Range]:
    """The same addresses, each once, in order. Raises RangeError where there are too many ranges to hold; as many as
    somebody likes may be given of those that touch, such as the addresses of a network one by one.
    """
    rest = iter(ranges)
    found: list[Range] = []
    while more := list(islice(rest, MAX_RANGES)):
        found = _joined([*found, *more])
        if len(found) > MAX_RANGES:
            raise RangeError(f"more than {MAX_RANGES:,} ranges are too many for one sweep; divide them")
    return found


def _joined(ranges: Iterable[Range]) -> list[Range]:
    """The same addresses, each once, in order."""
    found: list[Range] = []
    for each in sorted(ranges, key=lambda one: one.first):
        if found and each.first <= found[-1].last + 1:
            found[-1] = Range(found[-1].first, max(found[-1].last, each.last))
        else:
            found.append(each)
    return found


def without(ranges: Iterable[Range], excluded: Iterable[Range]) -> list[Range]:
    """What is left of `ranges`; both are merged."""
    left: list[Range] = []
    out = list(excluded)
    at = 0
    for each in ranges:
        first = each.first
        while at < len(out) and out[at].last < first:
            at += 1
        for gap in range(at, len(out)):
            if out[gap].first > each.last:
                break
            if first < out[gap].first:
                left.append(Range(first, out[gap].first - 1))
            first = out[gap].last + 1
        if first <= each.last:
            left.append(Range(first, each.last))
    return left


def spread(ranges: Sequence[Range], count: int) -> Iterator[str]:
    """At most `count` of their addresses, evenly spread; all of them where there are no more."""
    before = [0, *accumulate(each.count for each in ranges)]
    for number in range(min(count, before[-1])):
        place = number * before[-1] // min(count, before[-1])
        found = bisect_right(before, place) - 1
        yield host_at(ranges[found].first + place - before[found])


def host_at(number: int) -> str:
    """The address with a number on the line."""
    if _MAPPED <= number <= _IPV4_END:
        first, second, third, fourth = (number & 0xFFFFFFFF).to_bytes(4)
        return f"{first}.{second}.{third}.{fourth}"
    return str(ipaddress.IPv6Address(number))


class Targets:
    """The places of a sweep: each address with each port, by number from 0 to `count` - 1."""

    def __init__(
        self,
        ranges: Iterable[Range],
        ports: Sequence[int],
        excluded: Iterable[Range] = (),
        *,
        allow_large: bool = False,
    ) -> None:
        """Take ranges in any order, overlapping or not. What is multicast, broadcast or no address is left out.

        Raises RangeError when nothing is left or there are too many, and LargeRangeError when more than LARGE
        addresses in a row are asked for without `allow_large`; blocks that touch count as one.
        """
        wanted = merged(ranges)
        if not wanted:
            raise RangeError(f"no addresses given; {_FORMS}")
        for each in wanted:
            if each.count > MAX_TARGETS:
                raise RangeError(
                    f"{each} are {each.count:,} addresses, and no sweep gets to the end of them; {_ADVICE}"
                )
            if each.count > LARGE and not allow_large:
                message = (
                    f"{each} are {each.count:,} addresses; more than {LARGE} in a row are probed only when allowed"
                )
                raise LargeRangeError(message)
        self.ports = tuple(dict.fromkeys(ports))
        if not 0 < len(self.ports) <= MAX_PORTS or not all(0 < port < 1 << 16 for port in self.ports):
            raise RangeError(f"a sweep takes 1 to {MAX_PORTS} ports, each from 1 to 65535")
        self.ranges = without(without(wanted, merged(excluded)), _NEVER)
        self._firsts = [each.first for each in self.ranges]
        self._before = [0, *accumulate(each.count for each in self.ranges)]
        self.addresses = self._before[-1]
        self.count = self.addresses * len(self.ports)
        if not self.count:
            raise RangeError("nothing is left to probe: all of it is excluded, multicast, broadcast or no address")
        if self.count > MAX_TARGETS:
            raise RangeError(f"these are {self.count:,} places, and no sweep gets to the end of them; {_ADVICE}")

    @property
    def digest(self) -> str:
        """What tells these targets from others, whatever words they were given in."""
        text = ",".join([*(f"{each.first:x}-{each.last:x}" for each in self.ranges), *map(str, self.ports)])
        return hashlib.sha256(text.encode()).hexdigest()

    def at(self, offset: int) -> SocketAddress:
        """The place with a number from 0 to `count` - 1."""
        place, port = divmod(offset, len(self.ports))
        found = bisect_right(self._before, place) - 1
        return SocketAddress(host_at(self._firsts[found] + place - self._before[found]), self.ports[port])

    def offset_of(self, remote: SocketAddress) -> int | None:
        """The number of a place; None where it is none of these."""
        if remote.port not in self.ports or "%" in remote.host:
            return None
        number = _on_line(ipaddress.ip_address(remote.host))
        found = bisect_right(self._firsts, number) - 1
        if found < 0 or number > self.ranges[found].last:
            return None
        place = self._before[found] + number - self._firsts[found]
        return place * len(self.ports) + self.ports.index(remote.port)


def _number(text: str, whole: str) -> int:
    try:
        return _on_line(ipaddress.ip_address(text))
    except ValueError:
        pass
    raise RangeError(f"{shown(whole)} is no address; {_FORMS}")


def _on_line(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise RangeError(f"{address} has a zone, which a sweep cannot use; try `sipprobe discover`")
        return int(address)
    return _MAPPED | int(address)


def shown(text: str) -> str:
    """A text that somebody gave, for a message: quoted, printable, cut, and without the password of a URI."""
    return quoted(without_password(text)[:EXCERPT_CHARACTERS])


_NEVER = [
    Range.parse("::"),
    Range.parse("0.0.0.0/8"),
    Range.parse("224.0.0.0/4"),
    Range.parse("255.255.255.255"),
    Range.parse("ff00::/8"),
]
"""What is never probed: no host (RFC 1122 §3.2.1.3 a and b), all hosts (c), and groups of them (RFC 4291 §2.7)."""
