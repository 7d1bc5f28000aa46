"""What is told of connections that are not read, or not all of them: with TLS or without."""

from enum import Enum

from sipcore.resolve.target import SocketAddress
from sipcore.value import value


class Problem(Enum):
    """Why a connection is not read: (what is the matter, what to do about it)."""

    NO_KEYS = ("its keys are not known", "give what either end wrote as SSLKEYLOGFILE with --keylog FILE")
    NO_HANDSHAKE = ("its handshake was not captured", "begin the capture before the connection is opened")
    GAP = ("bytes of it were not captured", "capture all packets, and whole ones (snaplen 0)")
    DAMAGED = (
        "a record does not decrypt",
        "the capture is damaged there, or the key log is that of another connection",
    )
    NOT_TLS = ("what follows its hello is no TLS", "the capture is damaged there, or the peer does not speak TLS")
    SUITE = ("its cipher suite is not read here", "Wireshark reads more of them")
    VERSION = ("its version is not read here", "Wireshark reads more of them")
    COMPRESSED = ("it is compressed, which is not read here", "turn the compression of TLS off")
    EARLY = ("it begins with early data, which is not read here", "turn early data (0-RTT) off")
    ALERT = ("its handshake failed", "`sipprobe tls` tells what is wrong with a server")

    def __init__(self, text: str, advice: str) -> None:
        self.text = text
        self.advice = advice


@value
class Unread:
    """A connection that is not read, or not all of it, and why; one without TLS by the way from `client` to `server`
    on which something is missing.
    """

    client: SocketAddress
    server: SocketAddress
    problem: Problem
    detail: str = ""
    version: str = ""

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        which = f" in {self.version}" if self.version else ""
        return f"{self.client} to {self.server}{which}: {self.problem.text}{detail}: {self.problem.advice}"
