"""How the service is set up, as its file says: every key has a default."""

from dataclasses import field
from pathlib import Path

from probes.calls.limit import SERVICE, Limits
from probes.health.alerts import AlertRules, AppriseChannel, Channel
from probes.health.trunk import Rules, Trunk
from probes.reach import PUBLIC, ReachPolicy
from sipcore.resolve.target import SocketAddress
from sipcore.value import Member, value

DEFAULT_BIND = SocketAddress("127.0.0.1", 8080)
"""Whoever wants more than this host to reach the service says so, with TLS or a proxy that has it."""
DEFAULT_STORE = Path("sipprobe.db")
MAX_BODY = 1 << 20
"""Octets of a request's body, at most: a thousand trunks are a tenth of it."""
PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
USUAL_PORTS = (32768, 60999)
"""Linux's own range, for where its file cannot be read."""


def ephemeral_ports() -> tuple[int, int]:
    """Lowest and highest of the ports that the kernel gives to sockets which ask for none: those of media."""
    try:
        low, high = map(int, PORT_RANGE.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return USUAL_PORTS
    return low, high


@value
class HttpLimits:
    """What clients may take of this host. Times are in seconds."""

    connections: int = 256
    """At once, over all clients."""
    connections_each: int = 64
    """At once, of one address. Those of trusted proxies count only among all."""
    body: int = MAX_BODY
    """Octets."""
    head_time: float = 10.0
    """Until the head of a request is there, and for how long a connection waits for the next one."""
    body_time: float = 30.0
    """Until a request's body is there."""
    end_time: float = 5.0
    """For what is under way when the service ends: requests, and then calls, which are hung up."""


@value
class OwnAddresses:
    """Where this service sends from and is reached at, as those see it who let it through their firewalls."""

    addresses: tuple[str, ...] = ()
    sip_server: str = ""
    """What a PBX registers at, or sends its calls to; empty for the first address."""
    sip_port: int = 5061
    sip_transport: str = "TLS"
    rtp_low: int = field(default_factory=lambda: ephemeral_ports()[0])
    """The kernel chooses the ports of media, so that another range is true only where a firewall maps them."""
    rtp_high: int = field(default_factory=lambda: ephemeral_ports()[1])


class Means(Member):
    """What a receiver of alerts is to those who ask for it by one word."""

    EMAIL = "email"
    SMS = "sms"


@value
class Receiver:
    """Where the alerts of one tenant go by mail or SMS, for each of its trunks that asks for that."""

    tenant: str
    means: Means
    channel: AppriseChannel


@value
class FileTrunks:
    """Trunks of a file for `sipprobe watch`, watched beside those of the directory. One tenant sees them, and cannot
    change them. `channels` are told of them alone.
    """

    tenant: str
    trunks: tuple[Trunk, ...] = ()
    alerts: tuple[tuple[str, AlertRules], ...] = ()
    channels: tuple[Channel, ...] = ()


@value
class ServiceConfig:
    """All of it."""

    store: Path = DEFAULT_STORE
    """Where everything is kept; the key of its secrets lies beside it."""
    bind: SocketAddress = DEFAULT_BIND
    certificate: Path | None = None
    key: Path | None = None
    """The certificate's."""
    behind_proxy: bool = False
    """Whether a proxy in front of it has TLS, and tells who asks."""
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    """From which addresses what a proxy tells is believed."""
    reach: ReachPolicy = PUBLIC
    """Which addresses callers of the API may have this host talk to."""
    rules: Rules = Rules()
    """How trunks of the directory are watched, but for what they say themselves."""
    nameservers: tuple[SocketAddress, ...] = ()
    """Empty for those of this host."""
    open_metrics: bool = False
    """Whether /metrics is told without a key."""
    calls: Limits = SERVICE
    """Test calls of each tenant."""
    discovery_time: float = 60.0
    """Seconds after which a discovery is given up, whatever it still waits for."""
    http: HttpLimits = HttpLimits()
    own: OwnAddresses = field(default_factory=OwnAddresses)
    receivers: tuple[Receiver, ...] = field(default=(), repr=False)
    file: FileTrunks | None = None

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach it by HTTPS, so that cookies may be kept to that."""
        return self.certificate is not None or self.behind_proxy
