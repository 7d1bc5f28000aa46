"""Connections of TLS between two ends in memory, by OpenSSL, as captures have them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL

from probes.capture.files import CapturedPacket, read_packets
from probes.report.packets import Packet, packets
from probes.report.pcapng import pcapng
from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.trace import Direction, WireTrace
from tests.sipcore.transports.authority import Identity, issue

CLIENT, SERVER = SocketAddress("192.0.2.1", 40000), SocketAddress("192.0.2.2", 5061)
FLOW = Flow(Transport.TLS, CLIENT, SERVER)
TLS_1_2, TLS_1_3 = SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION
Said = tuple[bool, bytes]
"""Whether the client says it, and what."""


@dataclass
class Secured:
    """What crossed the wire, the client's bytes marked True, and the key log."""

    wire: list[Said] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)

    @property
    def key_log(self) -> bytes:
        return b"".join(line + b"\n" for line in self.keys)

    def packets(self, *, flow: Flow = FLOW, begin: float = 0.0, size: int = 1 << 15) -> list[Packet]:
        """Its packets, one each 10 ms, which carry `size` bytes at most."""
        pieces = [(sent, data[at : at + size]) for sent, data in self.wire for at in range(0, len(data), size)]
        return packets(
            (),
            [
                WireTrace(begin + number / 100, Direction.SENT if sent else Direction.RECEIVED, flow, data)
                for number, (sent, data) in enumerate(pieces)
            ],
        )


def captured(made: Iterable[Packet]) -> list[CapturedPacket]:
    return list(read_packets(pcapng(made, epoch_ns=10**18)))


@cache
def identity(kind: str) -> Identity:
    """A certificate, which nobody looks at, with an "ec" or an "rsa" key."""
    return issue("test", key=rsa.generate_private_key(65537, 2048) if kind == "rsa" else None)


def secured(
    said: Iterable[Said],
    version: int = TLS_1_3,
    *,
    ciphers: str = "",
    suites: str = "",
    key: str = "ec",
    prepare: Callable[[SSL.Context], object] | None = None,
    between: Callable[[SSL.Connection], object] | None = None,
) -> Secured:
    """A connection over which `said` is said. `prepare` is done with what both ends are made of, and `between` with the
    client before each thing that is said.
    """
    made = Secured()
    context = _context(version, ciphers, suites, key, made)
    if prepare is not None:
        prepare(context)
    client, server = (SSL.Connection(context, None) for _ in range(2))
    client.set_connect_state()
    server.set_accept_state()
    ends = {True: client, False: server}
    for _ in range(10):
        for is_client, end in ends.items():
            try:
                end.do_handshake()
            except SSL.WantReadError:
                pass
            _carry(end, ends[not is_client], made, is_client=is_client)
    for is_client, data in said:
        if between is not None:
            between(client)
        for _ in range(4):
            for each in (True, False):
                _drain(ends[each])
                _carry(ends[each], ends[not each], made, is_client=each)
        ends[is_client].sendall(data)
        _carry(ends[is_client], ends[not is_client], made, is_client=is_client)
        _drain(ends[not is_client])
    return made


def _context(version: int, ciphers: str, suites: str, key: str, made: Secured) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    context.set_cipher_list(f"{ciphers or 'DEFAULT'}:@SECLEVEL=0".encode())
    if suites:
        context.set_tls13_ciphersuites(suites.encode())
    context.use_privatekey(identity(key).private)
    context.use_certificate(identity(key).certificate)
    context.set_keylog_callback(lambda _, line: made.keys.append(line))
    return context


def _carry(source: SSL.Connection, target: SSL.Connection, made: Secured, *, is_client: bool) -> None:
    try:
        data = source.bio_read(1 << 20)
    except SSL.WantReadError:
        return
    made.wire.append((is_client, data))
    target.bio_write(data)


def _drain(end: SSL.Connection) -> None:
    try:
        end.recv(1 << 16)
    except SSL.WantReadError:
        return
