"""The order in which a sweep asks: random, worked out place by place, so that it takes no memory and can be resumed.

A permutation is a small Feistel network over two numbers whose product just exceeds the range (J. Black, P. Rogaway,
"Ciphers with Arbitrary Finite Domains", 2002); what falls outside is sent through again. It is there to spread the load
over networks, and no secret, so that a multiplication is enough of a round.
"""

import json
import math

from sipcore.errors import LocalError
from sipcore.value import value

SEED_BITS = 32
"""More orders than anybody tries, and ten digits at most."""
MAX_STATE = 1 << 19
"""Characters of a state that is read: the fastest sweep waits for 1,600,000 places, four of them in a character."""
_FORMAT = "sipprobe sweep 1"
_MASK = (1 << 64) - 1
_SHIFT = 24
"""What is left of a product's 64 bits, the upper 40, depends on all bits of a factor, and is as much as a range has."""
_SECTION = "RFC 3261 §11"


class StateError(LocalError):
    """What was to be resumed is no sweep, or not this one."""

    def __init__(self, message: str) -> None:
        super().__init__(message, section=_SECTION)


class Shuffle:
    """The numbers from 0 to `count` - 1 in an order that `seed` decides; both ways in a few microseconds."""

    __slots__ = ("_count", "_height", "_rounds", "_width")

    def __init__(self, count: int, seed: int) -> None:
        self._count = count
        self._width = math.isqrt(count - 1) + 1 if count > 1 else 1
        self._height = -(-count // self._width)
        self._rounds = tuple((_mixed(seed + 2 * number) | 1, _mixed(seed + 2 * number + 1)) for number in range(4))

    def offset_at(self, index: int) -> int:
        """Which number comes in place `index`."""
        (a, b), (c, d), (e, f), (g, h) = self._rounds
        width, height = self._width, self._height
        offset = index
        while True:
            high, low = divmod(offset, width)
            low = (low + ((high * a + b & _MASK) >> _SHIFT)) % width
            high = (high + ((low * c + d & _MASK) >> _SHIFT)) % height
            low = (low + ((high * e + f & _MASK) >> _SHIFT)) % width
            high = (high + ((low * g + h & _MASK) >> _SHIFT)) % height
            offset = high * width + low
            if offset < self._count:
                return offset

    def index_of(self, offset: int) -> int:
        """In which place a number comes."""
        (a, b), (c, d), (e, f), (g, h) = self._rounds
        width, height = self._width, self._height
        index = offset
        while True:
            high, low = divmod(index, width)
            high = (high - ((low * g + h & _MASK) >> _SHIFT)) % height
            low = (low - ((high * e + f & _MASK) >> _SHIFT)) % width
            high = (high - ((low * c + d & _MASK) >> _SHIFT)) % height
            low = (low - ((high * a + b & _MASK) >> _SHIFT)) % width
            index = high * width + low
            if index < self._count:
                return index


def _mixed(number: int) -> int:
    """64 bits in which each bit of `number` has its say: the finalizer of SplitMix64 (Steele, Lea, Flood, 2014)."""
    number = (number + 1) * 0x9E3779B97F4A7C15 & _MASK
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    number = (number ^ number >> 27) * 0x94D049BB133111EB & _MASK
    return number ^ number >> 31


@value
class State:
    """How far a sweep came: all before place `index` of the order that `seed` decides is done with.

    Those from there on that are done with, too, are the bits of `done`, the lowest first. `targets` is the digest of
    the places that it goes to.
    """

    targets: str
    seed: int
    index: int = 0
    done: bytes = b""

    @classmethod
    def parse(cls, text: str) -> "State":
        """Read what `str` wrote. Raises StateError."""
        try:
            found = json.loads(text)
            if found["format"] == _FORMAT:
                targets, seed, index, done = found["targets"], found["seed"], found["index"], found["done"]
                if (
                    isinstance(targets, str)
                    and type(seed) is type(index) is int
                    and 0 <= seed < 1 << SEED_BITS
                    and index >= 0
                ):
                    return cls(targets, seed, index, bytes.fromhex(done))
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
        raise StateError("no state of a sweep")

    def __str__(self) -> str:
        """One line of JSON."""
        found = {"format": _FORMAT, "targets": self.targets, "seed": self.seed, "index": self.index}
        return json.dumps({**found, "done": self.done.hex()})

    @property
    def count(self) -> int:
        """How many places are done with."""
        return self.index + int.from_bytes(self.done).bit_count()

    def check(self, targets: str, count: int) -> None:
        """Raise StateError unless it is the state of a sweep of these targets."""
        last = int.from_bytes(self.done, "little").bit_length()
        if self.targets != targets or self.index + last > count:
            raise StateError("the state of a sweep of other ranges or ports; give those, or another file")
