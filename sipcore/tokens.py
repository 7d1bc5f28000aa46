"""Identifiers out of an injected random source: branches, tags, Call-IDs, cnonces.

The source is a function `bytes_of(count) -> bytes`. The endpoint passes the operating system's CSPRNG; a test passes a
seeded one, and the same seed gives byte-identical traffic.
"""

from collections.abc import Callable

MAGIC_COOKIE = "z9hG4bK"
"""What every branch of an RFC 3261 element begins with (RFC 3261 §8.1.1.7)."""

RandomBytes = Callable[[int], bytes]


POOL = 4096
"""Bytes asked of a random source at a time by `pooled`: enough for a hundred requests."""


def pooled(random_bytes: RandomBytes) -> RandomBytes:
    """The same source, asked for many bytes at a time: the system calls for the three tokens of a request would cost
    half as much as the one that sends it.

    A process that forks must not use it in both halves, which would have the same bytes in store.
    """
    store, at = b"", 0

    def take(count: int) -> bytes:
        nonlocal store, at
        if at + count > len(store):
            store, at = random_bytes(max(POOL, count)), 0
        at += count
        return store[at - count : at]

    return take


class Tokens:
    """Makes the identifiers of RFC 3261 §8.1.1 and §19.3 out of `random_bytes`."""

    __slots__ = ("_random_bytes", "_secret")

    def __init__(self, random_bytes: RandomBytes) -> None:
        self._random_bytes = random_bytes
        self._secret = b""
        """What `tag_for` makes tags with; empty until one is asked for."""

    def branch(self) -> str:
        """A branch: the magic cookie and 96 random bits (RFC 3261 §8.1.1.7 wants it unique across space and time)."""
        return MAGIC_COOKIE + self._random_bytes(12).hex()

    def tag(self) -> str:
        """A tag of 64 random bits (RFC 3261 §19.3 asks for at least 32)."""
        return self._random_bytes(8).hex()

    def tag_for(self, data: bytes) -> str:
        """The tag of whoever answers these bytes without keeping state: the same each time, and nobody else's to guess
        (RFC 3261 §8.2.7, §19.3).
        """
        import hmac  # here, since hardly any program is sent what is answered like that

        self._secret = self._secret or self._random_bytes(16)
        return hmac.digest(self._secret, data, "sha256")[:8].hex()

    def call_id(self) -> str:
        """A Call-ID of 128 random bits, without a host: it would tell the local address (RFC 3261 §8.1.1.4)."""
        return self._random_bytes(16).hex()

    def tag_and_call_id(self) -> tuple[str, str]:
        """A tag and a Call-ID, as `tag` and then `call_id` give them, drawn at once."""
        drawn = self._random_bytes(24).hex()
        return drawn[:16], drawn[16:]

    def cnonce(self) -> str:
        """A client nonce of 64 random bits (RFC 7616 §3.4)."""
        return self._random_bytes(8).hex()

    def number(self, below: int) -> int:
        """A number from 0 to `below` - 1, for first sequence numbers and weighted choices (bias under 2**-32)."""
        return int.from_bytes(self._random_bytes(8), "big") % below

    def chance(self) -> float:
        """A number from 0 to 1, which is left out: for what is decided by lot."""
        return self.number(2**32) / 2**32
