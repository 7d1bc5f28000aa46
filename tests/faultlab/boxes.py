"""What may stand on the line of a site in the fault labs, besides the boxes of `tests.impairment`."""

import re
from dataclasses import dataclass

from tests.faultlab.alg import with_payload
from tests.impairment import packet as ip
from tests.impairment.packet import Place

SIP_PORTS = range(5060, 5100)
"""The ports that signalling goes to in the lab; all other datagrams are media."""
_HEADERS = 28


def is_media(packet: bytes) -> bool:
    """Whether a packet is a datagram with media."""
    places = ip.ports(packet)
    return places is not None and packet[9] == ip.UDP and not any(place.port in SIP_PORTS for place in places)


@dataclass(slots=True)
class Address:
    """Nothing but one more address that leads to the site."""

    host: str

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.host,)

    def outbound(self, packet: bytes, now: float) -> bytes | None:
        return packet

    inbound = outbound


@dataclass(slots=True)
class OneToOne:
    """A translator that has one public address for one inside, and leaves the ports alone (RFC 3022 §2.1)."""

    public: str
    inside: str

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.public,)

    def outbound(self, packet: bytes, now: float) -> bytes | None:
        places = ip.ports(packet)
        if places is None or places[0] != Place.parse(self.inside, places[0].port):
            return packet
        return ip.readdressed(packet, source=Place.parse(self.public, places[0].port))

    def inbound(self, packet: bytes, now: float) -> bytes | None:
        places = ip.ports(packet)
        if places is None or places[1] != Place.parse(self.public, places[1].port):
            return packet
        return ip.readdressed(packet, target=Place.parse(self.inside, places[1].port))


@dataclass(slots=True)
class PortFilter:
    """Drops what the site sends over TCP to a port."""

    port: int

    @property
    def addresses(self) -> tuple[str, ...]:
        return ()

    def outbound(self, packet: bytes, now: float) -> bytes | None:
        places = ip.ports(packet)
        return None if places is not None and packet[9] == ip.TCP and places[1].port == self.port else packet

    def inbound(self, packet: bytes, now: float) -> bytes | None:
        return packet


@dataclass(slots=True)
class MediaFilter:
    """Drops media one way or both, `after` so many packets went that way."""

    out: bool = False
    back: bool = False
    after: int = 0
    rtcp: bool = True
    """Whether reports are dropped as well."""

    @property
    def addresses(self) -> tuple[str, ...]:
        return ()

    def outbound(self, packet: bytes, now: float) -> bytes | None:
        return self._pass(packet) if self.out else packet

    def inbound(self, packet: bytes, now: float) -> bytes | None:
        return self._pass(packet) if self.back else packet

    def _pass(self, packet: bytes) -> bytes | None:
        if not is_media(packet) or (not self.rtcp and 192 <= packet[_HEADERS + 1] <= 223):
            return packet
        self.after -= 1
        return packet if self.after >= 0 else None


@dataclass(slots=True)
class SipFilter:
    """Drops messages with `needle`, each way that is told, at most `count` of them."""

    needle: bytes
    out: bool = True
    back: bool = False
    count: int = 1_000_000

    @property
    def addresses(self) -> tuple[str, ...]:
        return ()

    def outbound(self, packet: bytes, now: float) -> bytes | None:
        return self._pass(packet) if self.out else packet

    def inbound(self, packet: bytes, now: float) -> bytes | None:
        return self._pass(packet) if self.back else packet

    def _pass(self, packet: bytes) -> bytes | None:
        if is_media(packet) or self.needle not in packet or self.count <= 0:
            return packet
        self.count -= 1
        return None


@dataclass(slots=True)
class Editor:
    """A gateway that edits what goes through it over UDP: a pattern is replaced in SIP, one way."""

    pattern: bytes
    replacement: bytes
    back: bool = False

    @property
    def addresses(self) -> tuple[str, ...]:
        return ()

    def outbound(self, packet: bytes, now: float) -> bytes | None:
        return packet if self.back else self._edit(packet)

    def inbound(self, packet: bytes, now: float) -> bytes | None:
        return self._edit(packet) if self.back else packet

    def _edit(self, packet: bytes) -> bytes:
        places = ip.ports(packet)
        if places is None or packet[9] != ip.UDP or is_media(packet):
            return packet
        payload = packet[_HEADERS:]
        changed = re.sub(self.pattern, self.replacement, payload)
        return packet if changed == payload else with_payload(packet, _counted(changed))


def _counted(message: bytes) -> bytes:
    """The message with the Content-Length that its body has now."""
    head, blank, body = message.partition(b"\r\n\r\n")
    length = b"\\g<1>%d" % len(body)
    return re.sub(rb"(?im)^(Content-Length:[ \t]*)\d+", length, head) + blank + body
