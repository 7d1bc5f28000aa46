"""What a connection carries, told as it was on the wire."""

from dataclasses import replace

from sipcore.resolve.target import Hop, Transport
from sipcore.trace import Direction, WireTrace
from sipcore.transports.base import TlsConfig, TransportConfig
from sipcore.transports.connections import open_transports
from tests.sipcore.transports.authority import issue
from tests.sipcore.transports.recorder import LOOPBACK, OK, OPTIONS, Recorder

ROOT = issue("root", ca=True)
LEAF = issue("leaf", ROOT, names=["sip.example.com"])
SERVED = TlsConfig(certificate=LEAF.chain, key=LEAF.key)


async def told(transport: Transport, recorder: Recorder, server: Recorder) -> list[WireTrace]:
    """What a client is told of a request and its response."""
    wire: list[WireTrace] = []
    serves = TransportConfig(bind=((transport, LOOPBACK),), tls=SERVED)
    config = TransportConfig(tls=TlsConfig(ca_data=ROOT.pem), on_wire=wire.append)
    async with open_transports(serves, server) as serving, open_transports(config, recorder) as client:
        server.answer_over = serving
        address = serving.local_address(transport)
        assert address is not None
        hop = await client.prepare(Hop(transport, address, tls_name="sip.example.com"))
        client.send(hop, OPTIONS)
        message = await recorder.message()
    assert message.data == OK
    assert {replace(each.flow, serial=0) for each in wire} == {replace(message.flow, serial=0)}
    return wire


async def test_bytes_are_told_as_they_were(recorder: Recorder, server: Recorder) -> None:
    wire = await told(Transport.TCP, recorder, server)
    assert [(each.direction, each.data) for each in wire] == [(Direction.SENT, OPTIONS), (Direction.RECEIVED, OK)]
    assert wire[0].at <= wire[1].at


async def test_encrypted_ones_are_told_encrypted_with_their_handshake(recorder: Recorder, server: Recorder) -> None:
    wire = await told(Transport.TLS, recorder, server)
    assert wire[0].direction is Direction.SENT
    assert wire[0].data[:1] == b"\x16"  # RFC 8446 §5.1: a handshake
    assert not any(b"SIP/2.0" in each.data for each in wire)
