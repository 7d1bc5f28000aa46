"""What was on the wire during a test call besides its messages, kept for a capture where somebody asks for it."""

from collections.abc import Sequence

from sipcore.trace import WireTrace

MAX_KEPT = 64 * 1024 * 1024
"""Bytes that are kept: twenty minutes of a call, both ways, with what each packet takes besides its content."""
OVERHEAD = 500
"""Bytes that a packet takes besides its content."""


class Wire:
    """Datagrams of `media`, and bytes of connections (`tls`) with the keys that decrypt those, where they are wanted.

    `take` and `key` are for the edge.
    """

    def __init__(self, *, media: bool = False, tls: bool = False) -> None:
        self.media = media
        self.tls = tls
        self._records: list[WireTrace] = []
        self._keys: list[bytes] = []
        self._room = MAX_KEPT
        self.omitted = 0
        """Packets that there was no room for."""

    def take(self, record: WireTrace) -> None:
        """Keep a packet, if there is room."""
        size = len(record.data) + OVERHEAD
        if size > self._room:
            self.omitted += 1
            return
        self._room -= size
        self._records.append(record)

    def key(self, line: bytes) -> None:
        """Keep a line of a TLS key log, which is a secret."""
        self._keys.append(line)

    @property
    def records(self) -> Sequence[WireTrace]:
        """What was kept, in the order in which it was told."""
        return self._records

    @property
    def key_log(self) -> bytes:
        """The key log, in the format of NSS; empty without TLS."""
        return b"".join(line + b"\n" for line in self._keys)
