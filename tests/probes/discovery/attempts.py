"""Attempts to make up discoveries from."""

from probes.destination import Destination
from probes.result import Attempt, Reach
from sipcore.message.headers import headers_of
from sipcore.message.message import Response
from sipcore.message.uri import SipUri
from sipcore.resolve.target import Hop, SocketAddress, Transport

EXAMPLE = Destination("example.com")
ANY_URI = SipUri("example.com")


def hop(text: str) -> Hop:
    """`tcp 192.0.2.1:5060` as a hop."""
    transport, _, remote = text.partition(" ")
    host, _, port = remote.rpartition(":")
    return Hop(Transport[transport.upper()], SocketAddress(host.strip("[]"), int(port)))


def answered(where: str, status: int = 200, *fields: tuple[str, str], body: bytes = b"", **parts: object) -> Attempt:
    """An attempt that got a response; `parts` are other fields of the attempt."""
    response = Response(status, "OK" if status == 200 else "Whatever", headers_of(*fields), body)
    tls = "TLSv1.3" if where.startswith("tls") else ""
    given: dict[str, object] = {"rtt": 0.0012, "response": response, "tls": tls}
    return Attempt(hop(where), ANY_URI, Reach.ANSWERED, **(given | parts))  # type: ignore[arg-type]


def failed(where: str, reach: Reach, detail: str = "what happened", advice: str = "what to try") -> Attempt:
    """An attempt that got none."""
    return Attempt(hop(where), ANY_URI, reach, detail, advice)
