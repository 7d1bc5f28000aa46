"""The server's nonces, which carry their own proof, and the counts that were used with them: RFC 7616 §3.3, §5.4, §5.5.

A nonce is a time, some chance and a MAC over both, so that handing one out costs no memory. Memory is spent only on
nonces that a valid proof came with, and no more than a limit allows.
"""

import base64
import binascii
import hmac
import math

from sipcore.errors import LocalError
from sipcore.tokens import RandomBytes

MIN_SECRET = 16
"""Bytes of the key that nonces are made with: 128 bits, as much as a MAC of this length can use."""
MAX_NONCES = 10_000
"""Nonces whose counts are remembered, some 2 MB: at 300 seconds each, 33 clients that authenticate anew each second."""
COUNT_WINDOW = 64
"""How far a count may lag behind the highest one seen: requests overtake each other over UDP."""

_TIME_BYTES = 8
_CHANCE_BYTES = 9
_MAC_BYTES = 16  # with the others 33 bytes, which are Base64 without padding


class NonceMint:
    """Makes nonces for a realm and knows its own again. `secret` should outlive the process only if `now` does."""

    __slots__ = ("_random_bytes", "_realm", "_secret")

    def __init__(self, secret: bytes, realm: str, random_bytes: RandomBytes) -> None:
        """Raises LocalError for a secret that could be guessed."""
        if len(secret) < MIN_SECRET:
            raise LocalError(f"the secret for nonces needs {MIN_SECRET} bytes", section="RFC 7616 §3.3")
        self._secret = secret
        self._realm = realm.encode("utf-8", "surrogateescape")
        self._random_bytes = random_bytes

    def __repr__(self) -> str:
        return "<NonceMint>"

    def make(self, now: float) -> str:
        """A new nonce, issued at `now` (seconds)."""
        issued = math.floor(now * 1000).to_bytes(_TIME_BYTES, "big", signed=True)
        payload = issued + self._random_bytes(_CHANCE_BYTES)
        return base64.b64encode(payload + self._mac(payload)).decode("ascii")

    def issued(self, nonce: str) -> float | None:
        """When a nonce was issued, None for one that was not made here."""
        try:
            whole = base64.b64decode(nonce.encode("ascii"), validate=True)
        except (UnicodeEncodeError, binascii.Error):
            return None
        payload, mac = whole[:-_MAC_BYTES], whole[-_MAC_BYTES:]
        one_spelling = base64.b64encode(whole).decode("ascii") == nonce
        if (
            not one_spelling
            or len(payload) != _TIME_BYTES + _CHANCE_BYTES
            or not hmac.compare_digest(mac, self._mac(payload))
        ):
            return None
        return int.from_bytes(payload[:_TIME_BYTES], "big", signed=True) / 1000

    def _mac(self, payload: bytes) -> bytes:
        return hmac.digest(self._secret, payload + self._realm, "sha256")[:_MAC_BYTES]


class _Used:
    __slots__ = ("cnonce", "highest", "issued", "window")

    def __init__(self, issued: float, cnonce: str) -> None:
        self.issued = issued
        self.cnonce = cnonce
        self.highest = 0
        self.window = 0


class NonceCounts:
    """Which counts were used with which nonce: a request whose count was seen before is a replay (RFC 7616 §3.4)."""

    __slots__ = ("_forgotten", "_limit", "_used")

    def __init__(self, limit: int = MAX_NONCES) -> None:
        self._used: dict[str, _Used] = {}
        self._limit = limit
        self._forgotten = float("-inf")

    def __len__(self) -> int:
        return len(self._used)

    def begun_with(self, nonce: str) -> str | None:
        """The cnonce of the first request with `nonce`, which keys a -sess algorithm (RFC 7616 §3.4.2 cnonce-prime)."""
        used = self._used.get(nonce)
        return used.cnonce if used else None

    def use(self, nonce: str, issued: float, count: int, cnonce: str) -> bool:
        """Note that a proven request used `count`; False when it was used already, or that can no longer be told."""
        used = self._used.get(nonce)
        if used is None:
            # A nonce as old as one that had to be forgotten may itself be one that was forgotten.
            if issued <= self._forgotten:
                return False
            self._make_room()
            used = self._used[nonce] = _Used(issued, cnonce)
        ahead = count - used.highest
        if ahead > 0:
            used.window = ((used.window << ahead) | 1) & ((1 << COUNT_WINDOW) - 1) if ahead < COUNT_WINDOW else 1
            used.highest = count
            return True
        if -ahead >= COUNT_WINDOW or used.window & (1 << -ahead):
            return False
        used.window |= 1 << -ahead
        return True

    def drop_older(self, issued: float) -> None:
        """Forget nonces issued before then: they are not accepted any more."""
        while self._used:
            oldest = next(iter(self._used))
            if self._used[oldest].issued >= issued:
                return
            del self._used[oldest]

    def _make_room(self) -> None:
        while len(self._used) >= self._limit:
            oldest = self._used.pop(next(iter(self._used)))
            self._forgotten = max(self._forgotten, oldest.issued)
