"""Where a destination leads, as an endpoint finds it."""

from dataclasses import replace

from probes.destination import Destination
from sipcore.endpoint.endpoint import Endpoint
from sipcore.resolve.plan import Plan
from sipcore.resolve.target import Hop


async def locate(destination: Destination, endpoint: Endpoint) -> list[Hop]:
    """The places of a destination, best first (RFC 3263 §4). Raises TransportFailure when there are none."""
    if destination.is_numeric:
        # Nothing is to be asked, and the address may have a zone, which no URI can hold (RFC 4007 §6).
        hops = Plan(destination.target, chance=lambda: 0.0).hops()
    else:
        hops = await endpoint.locate(destination.uri())
    return [replace(hop, path=destination.path) if hop.transport.websocket else hop for hop in hops]
