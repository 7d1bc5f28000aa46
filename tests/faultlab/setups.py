"""The pieces that the cases of the discovery fault lab are made of: places, records, certificates and TLS servers."""

from OpenSSL import SSL

from sipcore.resolve.target import Transport
from tests.faultlab.lab import BOB, BOB6, ZONE
from tests.faultlab.peers import Behaviour, Hello, Listener, well
from tests.probes.checks.tls_servers import context_for
from tests.sipcore.transports.authority import Identity, issue

UDP, TCP, TLS = Transport.UDP, Transport.TCP, Transport.TLS
ROOT = issue("lab root", ca=True)
"""The one root that discovery trusts in the lab."""
OTHER_ROOT = issue("another root", ca=True)
MIDDLE = issue("lab intermediate", ROOT, ca=True)

A = f"DOMAIN A {BOB}\n"
AAAA = f"DOMAIN AAAA {BOB6}\n"
HOST = f"h.DOMAIN A {BOB}\n"


def udp(behaviour: Behaviour = well, port: int = 5060, host: str = BOB, *, elsewhere: bool = False) -> Listener:
    return Listener(UDP, port, host, behaviour, elsewhere=elsewhere)


def tcp(behaviour: Behaviour = well, port: int = 5060, host: str = BOB) -> Listener:
    return Listener(TCP, port, host, behaviour)


def plain(behaviour: Behaviour = well, host: str = BOB) -> tuple[Listener, ...]:
    """UDP and TCP on the usual port."""
    return udp(behaviour, host=host), tcp(behaviour, host=host)


def secured(context: SSL.Context, hello: Hello | None = None) -> tuple[Listener, ...]:
    """TLS on the usual port."""
    return (Listener(TLS, 5061, BOB, well, context, hello=hello),)


def srv(port: int = 5060, target: str = "h.DOMAIN", service: str = "_sip._udp") -> str:
    return f"{service}.DOMAIN SRV 1 1 {port} {target}\n"


def leaf(name: str, issuer: Identity | None = ROOT, days: tuple[float, float] = (-1, 90), **parts: object) -> Identity:
    """The certificate of the case `name`, for its domain unless `names` say otherwise."""
    names = parts.pop("names", [f"{name}.{ZONE}"])
    return issue(name, issuer, names=names, days=days, **parts)  # type: ignore[arg-type]


def usual(name: str, issuer: Identity | None = ROOT) -> SSL.Context:
    """The context of a server that nothing is wrong with, for the case `name`."""
    return context_for(leaf(name, issuer))
