"""How many TLS peers can be asked in a second: connect, handshake, verify, OPTIONS, close?

The responder is a C program on OpenSSL that serves one connection after the other; the peer is a C client that does the
same as ours. What counts is the client's CPU time for one.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import trio

from benchmarks.harness.measure import Benchmark, Sampled
from benchmarks.harness.program import asked, lacking, responder
from benchmarks.options_udp import HOST
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.message.uri import parse_uri
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports.base import TlsConfig, TransportConfig
from sipcore.transports.certificates import self_signed

WARM_UP, COUNT, PEER_COUNT = 20, 200, 400


def handshakes(port: int, ca_file: str) -> float:
    """Microseconds of CPU time for a connection, its handshake and one OPTIONS."""
    uri = parse_uri(f"sip:{HOST}:{port};transport=tls")
    hop = Hop(Transport.TLS, SocketAddress(HOST, port), tls_name=HOST)
    config = EndpointConfig(TransportConfig(tls=TlsConfig(ca_file=ca_file)))

    async def measured() -> float:
        async with Endpoint(config) as endpoint:
            begin = 0.0
            for number in range(WARM_UP + COUNT):
                if number == WARM_UP:
                    begin = time.process_time()
                exchange = await endpoint.options(uri, hop=hop)
                assert exchange.response.is_success
                endpoint.transports.close(exchange.flow)
            return (time.process_time() - begin) / COUNT * 1e6

    return trio.run(measured)


def benchmarks() -> Iterator[Benchmark]:
    """One, against the C client."""
    name = "options.tls.handshake"
    lack = lacking("tls")
    if lack is not None:
        yield Benchmark(name, lack, ())
        return
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = (Path(folder, file) for file in ("certificate.pem", "key.pem"))
        for file, content in zip((certificate, key), self_signed([HOST]), strict=True):
            file.write_bytes(content)
        with responder("tls", str(certificate), str(key)) as port:
            yield Benchmark(
                name,
                Sampled("sipcore", lambda: handshakes(port, str(certificate))),
                (Sampled("C client", lambda: asked("tls", port, PEER_COUNT, certificate)),),
            )
