"""A router with an application layer gateway for SIP: it writes another address into what its site sends over UDP."""

import struct
from dataclasses import dataclass

from tests.impairment import packet as ip

_HEADER = 20
"""Bytes of an IPv4 header without options."""


@dataclass(slots=True)
class SipAlg:
    """Replaces `before` by `after` in datagrams from and to SIP's port, one way only, as broken gateways do."""

    before: bytes
    after: bytes
    port: int = 5060

    @property
    def addresses(self) -> tuple[str, ...]:
        return ()

    def outbound(self, packet: bytes, now: float) -> bytes | None:
        places = ip.ports(packet)
        if places is None or packet[9] != ip.UDP or places[1].port != self.port or self.before not in packet[28:]:
            return packet
        return with_payload(packet, packet[28:].replace(self.before, self.after))

    def inbound(self, packet: bytes, now: float) -> bytes | None:
        return packet


def with_payload(packet: bytes, payload: bytes) -> bytes:
    """A datagram over IPv4 with another payload, and without the checksum that UDP may go without (RFC 768)."""
    changed = bytearray(packet[: _HEADER + 8] + payload)
    struct.pack_into("!H", changed, 2, len(changed))
    struct.pack_into("!H", changed, 10, 0)
    struct.pack_into("!HH", changed, _HEADER + 4, 8 + len(payload), 0)
    struct.pack_into("!H", changed, 10, ip.checksum(bytes(changed[:_HEADER])))
    return bytes(changed)
