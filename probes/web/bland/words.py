"""How this interface writes times, places, codecs, products and health."""

from collections.abc import Iterable

from probes.destination import Destination
from probes.health.board import RouteState, TrunkState
from probes.health.terms import Health
from probes.report.units import timestamp
from probes.trunks.model import Gateway
from sipcore.resolve.target import Transport

CODECS = {"G722": "G.722", "G729": "G.729", "OPUS": "Opus"}
"""Names of RFC 3551 and RFC 7587 that it spells in a way of its own."""
NO_VOICE = frozenset({"TELEPHONE-EVENT", "CN", "RED", "TONE"})
"""What stands among the codecs of a description and carries no voice."""
SYSTEMS = {"FreePBX": "Asterisk", "3CX Phone System": "3CX"}
"""Products by the names that it has for them; all else as it is called here."""
CISCO = "Cisco"
STATUSES = {
    Health.HEALTHY: "healthy",
    Health.DEGRADED: "healthy",
    Health.UNREACHABLE: "unreachable",
    Health.UNKNOWN: "unchecked",
    Health.UNCHECKED: "unchecked",
}
"""It has three words. What answers poorly answers, and silence of what was always silent says nothing."""


def stamp(at: float) -> str:
    """A time in seconds since 1970."""
    return timestamp(at).replace("+00:00", "Z")


def stamp_or_none(at: float | None) -> str | None:
    """The same, where there is one."""
    return None if at is None else stamp(at)


def transport_named(name: str) -> Transport:
    """By the names of the interface, which are in lower case."""
    return Transport[name.upper()]


def endpoint_text(gateway: Gateway) -> str:
    """A gateway as `sip_endpoint`: host and port; the transport stands among the options."""
    host = f"[{gateway.host}]" if ":" in gateway.host else gateway.host
    return f"sip:{host}" + ("" if gateway.port is None else f":{gateway.port}")


def is_private(destination: Destination) -> bool:
    """Whether it is a host that the Internet does not route; of names it is known of those of this host (RFC 6761
    §6.3).
    """
    host = destination.host
    return destination.is_private or host == "localhost" or host.endswith(".localhost")


def codecs_named(encodings: Iterable[str]) -> list[str]:
    """Codecs of a description, as `G722/8000`, by their names here; each once."""
    names = [encoding.partition("/")[0] for encoding in encodings]
    voices = [name for name in names if name.upper() not in NO_VOICE]
    return list(dict.fromkeys(CODECS.get(name.upper(), name) for name in voices))


def system_named(product: str) -> str:
    """A product by its name here."""
    return CISCO if product.startswith(f"{CISCO} ") else SYSTEMS.get(product, product)


def current_route(state: TrunkState | None) -> RouteState | None:
    """The route that calls take, or else the first one; None for what is not watched."""
    if state is None or not state.routes:
        return None
    return next((route for route in state.routes if route.route == state.active), state.routes[0])


def health_word(state: TrunkState | None) -> str:
    """How a trunk is, by the route that calls take."""
    route = current_route(state)
    return "unchecked" if route is None else STATUSES[route.health]
