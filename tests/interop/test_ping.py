"""Pings to real servers, over each transport that they have."""

from dataclasses import replace

import pytest
import trio

from probes.destination import Destination
from probes.ping.results import Connected, Happening
from probes.ping.run import PingConfig, Pings
from sipcore.resolve.target import Transport
from sipcore.transports.base import TlsConfig
from tests.interop.lab import Server

SOON = PingConfig(interval=0.2, timeout=2.0, count=5)


async def ping(destination: Destination, config: PingConfig = SOON) -> tuple[Pings, list[Happening]]:
    told: list[Happening] = []
    pings = Pings(destination, config, told.append)
    with trio.fail_after(30):
        await pings.run()
    return pings, told


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP, Transport.TLS])
async def test_every_ping_is_answered(kamailio: Server, transport: Transport) -> None:
    port = kamailio.tls_port if transport is Transport.TLS else kamailio.udp_port
    config = replace(SOON, tls=TlsConfig(ca_file=str(kamailio.ca_file)))
    pings, told = await ping(Destination(kamailio.host, port, transport), config)
    tally = pings.tally
    assert (tally.answered, tally.lost, tally.retransmissions, tally.disconnections) == (5, 0, 0, 0)
    assert tally.connections == sum(isinstance(each, Connected) for each in told) == int(transport.reliable)
    assert tally.round_trips is not None
    assert 0 < tally.round_trips.least <= tally.round_trips.p95 < 2


async def test_asterisk_has_its_own_answer(asterisk: Server) -> None:
    """404 where nobody of that name is, which is alive all the same."""
    pings, _ = await ping(Destination(asterisk.host, asterisk.udp_port, user="nobody-of-that-name"))
    assert [status for status, *_ in pings.tally.statuses] == [404]
    assert pings.tally.answered == 5


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_over_a_websocket(asterisk: Server, scheme: str) -> None:
    port = asterisk.ws_port if scheme == "ws" else asterisk.wss_port
    config = replace(SOON, tls=TlsConfig(ca_file=str(asterisk.ca_file)))
    pings, told = await ping(Destination.parse(f"{scheme}://{asterisk.host}:{port}/ws"), config)
    assert (pings.tally.answered, pings.tally.connections, pings.tally.disconnections) == (5, 1, 0)
    connected = next(each for each in told if isinstance(each, Connected))
    assert connected.seconds is not None
    assert bool(connected.agreed) is (scheme == "wss")
