"""A watch tells its alarms: endpoints on loopback come and go, and an HTTP server is told of it."""

import json

import trio

from probes.destination import Destination
from probes.health.alerter import Alerter
from probes.health.alerts import WebhookChannel
from probes.health.notify import Alarms, Notifier
from probes.health.run import Watch
from probes.health.trunk import Route, Rules, Trunk
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.transports.base import TransportConfig
from tests.probes.health.http_servers import Receiver, serving

RULES = Rules(misses=1, recoveries=1)


def on(port: int = 0) -> Endpoint:
    return Endpoint(
        EndpointConfig(transports=TransportConfig(bind=((Transport.UDP, SocketAddress("127.0.0.1", port)),)))
    )


async def lead_here(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def port_of(endpoint: Endpoint) -> int:
    address = endpoint.transports.local_address(Transport.UDP)
    assert address
    return address.port


async def heard(receiver: Receiver, count: int) -> None:
    while len(receiver.received) < count:  # noqa: ASYNC110  # the server has a thread of its own
        await trio.sleep(0.02)


async def test_a_route_that_goes_down_and_comes_back_is_told() -> None:
    async with on() as first:
        port = port_of(first)
    with serving() as receiver, trio.fail_after(20):
        async with on() as standby, trio.open_nursery() as nursery:
            places = {"sbc1": port, "sbc2": port_of(standby)}
            routes = (
                Route(name, Destination.parse(f"sip:127.0.0.1:{place};transport=udp")) for name, place in places.items()
            )
            trunk = Trunk("carrier", tuple(routes), RULES)
            channel = WebhookChannel("ops", f"http://ops.example.com:{receiver.port}/", "hush", allow_private=True)
            alarms = Alarms(Alerter([trunk]), Notifier([channel], resolve=lead_here))
            watch = Watch([trunk], alarms.take)
            nursery.start_soon(alarms.run)
            async with on(port):
                await watch.check_once()
            await watch.check_once()
            await heard(receiver, 1)
            async with on(port):
                await watch.check_once()
                await heard(receiver, 2)
            nursery.cancel_scope.cancel()
    told = [json.loads(got.body) for got in receiver.received]
    assert [(each["kind"], each["phase"], each["route"], each["also"]) for each in told] == [
        ("down", "begun", "sbc1", ["failover"]),
        ("down", "ended", "sbc1", ["failback"]),
    ]
    assert told[0]["incident"] == told[1]["incident"]
    assert told[0]["check"]["reason"] == "refused"
    assert told[0]["active_route"] == "sbc2"
