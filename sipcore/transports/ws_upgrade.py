"""Opening a WebSocket for SIP: RFC 7118 §4.1 over RFC 6455 §4, by wsproto, on plain bytes or on those of an engine."""

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from h11 import LocalProtocolError as HttpLocalError
from wsproto.connection import ConnectionType
from wsproto.events import AcceptConnection, RejectConnection, Request
from wsproto.handshake import H11Handshake
from wsproto.utilities import RemoteProtocolError

from sipcore.errors import FailureReason, LocalError, TransportFailure, quoted
from sipcore.message.framing import what_speaks
from sipcore.resolve.target import Hop
from sipcore.transports.base import WsConfig
from sipcore.transports.tls_failure import TlsFailure
from sipcore.transports.ws_failure import WsFailure, WsProblem, problem_of
from sipcore.transports.ws_framing import WsFraming, printable

if TYPE_CHECKING:
    from sipcore.transports.layers import Engine

SUBPROTOCOL = "sip"
"""RFC 7118 §4: what both sides have to agree on."""
MAX_HANDSHAKE = 16 * 1024
"""Bytes of an HTTP request or answer without its body: what web servers take, cookies and all."""

_HEAD_END = re.compile(rb"\n\r?\n").search
_STATUS_LINE = b"HTTP/"


class Upgrade(ABC):
    """The opening handshake of a WebSocket (RFC 6455 §4), from either side. See `layers.Handshake`.

    `below` is the engine that it lies on, whose own handshake is complete.
    """

    def __init__(self, kind: ConnectionType, hop: Hop, below: "Engine | None") -> None:
        self.established = False
        self.hop = hop
        self.framing = WsFraming(kind)
        """What cuts messages out of plain bytes, once it is established."""
        self._handshake = H11Handshake(kind)
        self._below = below
        self._early = b""
        self._head = bytearray()
        self._out = b""

    def begin(self, early: bytes) -> None:
        """Take the plain bytes that came with the end of the handshake below."""
        self._early = early

    def receive(self, data: bytes) -> bytes:
        """Take bytes of the wire, return those that are for `framing`. Raises TransportFailure."""
        plain = self._early
        self._early = b""
        plain += data if self._below is None else self._below.receive(data)
        rest = self._take_untrusted(plain) if plain else b""
        if self._below is not None and self._below.closed and not self.established:
            raise self.explain(TransportFailure(FailureReason.CLOSED, f"{self.hop}: the peer closed the connection"))
        return rest

    def outgoing(self) -> bytes:
        """Take the bytes that are to go out on the wire. Raises TransportFailure."""
        data, self._out = self._out, b""
        if self._below is None:
            return data
        if data:
            self._below.send(data)
        return self._below.outgoing()

    def explain(self, failure: TransportFailure) -> TransportFailure:
        """What it means that the connection under this ended with `failure`."""
        return failure if self._below is None else self._below.explain(failure)

    def _take_untrusted(self, data: bytes) -> bytes:
        """Collect the peer's part of the handshake, judge it once it is complete, and return what is no part of it."""
        head = self._head
        scanned = max(len(head) - 2, 0)
        head += data
        self._check_start(bytes(head[: len(_STATUS_LINE)]))
        match = _HEAD_END(head, scanned)
        end = match.end() if match else len(head)
        if end > MAX_HANDSHAKE:
            raise WsFailure(WsProblem.HANDSHAKE, self.hop, f"more than {MAX_HANDSHAKE} bytes of header fields")
        return self._judge_untrusted(bytes(head[:end]), bytes(head[end:])) if match else b""

    def _check_start(self, start: bytes) -> None:  # noqa: B027  # to a server any first bytes may be a request's
        """Raise WsFailure for first bytes that cannot be part of the handshake."""

    @abstractmethod
    def _judge_untrusted(self, head: bytes, rest: bytes) -> bytes:
        """Judge the peer's part of the handshake, and return what of `rest` is for the framing."""


class ClientUpgrade(Upgrade):
    """Asks for a WebSocket, and for SIP over it. Raises LocalError for a name or path that HTTP cannot carry."""

    def __init__(self, hop: Hop, below: "Engine | None", config: WsConfig) -> None:
        super().__init__(ConnectionType.CLIENT, hop, below)
        fields = [(name.encode(), value.encode()) for name, value in config.headers]
        path = hop.path or config.path
        if not path.startswith("/"):
            raise LocalError(f"the path of a WebSocket begins with a slash: {quoted(path)}", section="RFC 6455 §3")
        try:
            request = Request(host_of(hop), path, subprotocols=[SUBPROTOCOL], extra_headers=fields)
            self._out = self._handshake.send(request)
        except (HttpLocalError, UnicodeError) as error:
            text = f"a WebSocket cannot be asked for at {quoted(host_of(hop))}, path {quoted(path)}: {error}"
            raise LocalError(text, section="RFC 6455 §4.1") from error

    def explain(self, failure: TransportFailure) -> TransportFailure:
        """As by the engine below, or how far the handshake came."""
        failure = super().explain(failure)
        if isinstance(failure, TlsFailure | WsFailure):
            return failure
        problem = WsProblem.HANDSHAKE if self._head else WsProblem.SILENT
        return WsFailure(problem, self.hop, failure.reason.value, reason=failure.reason)

    def _check_start(self, start: bytes) -> None:
        if not _STATUS_LINE.startswith(start):
            raise WsFailure(WsProblem.NOT_HTTP, self.hop, what_speaks(bytes(self._head), "WebSocket"))

    def _judge_untrusted(self, head: bytes, rest: bytes) -> bytes:
        try:
            self._handshake.receive_data(head)
        except (RemoteProtocolError, UnicodeError) as error:
            other = _field(head, b"sec-websocket-protocol")
            if other and other != SUBPROTOCOL:
                raise self._without_sip(other) from error
            raise WsFailure(WsProblem.HANDSHAKE, self.hop, str(error)) from error
        event = next(self._handshake.events(), None)
        if isinstance(event, RejectConnection):
            raise self._refused(event.status_code, head)
        agreed = event.subprotocol if isinstance(event, AcceptConnection) else None
        if agreed != SUBPROTOCOL:
            raise self._without_sip(agreed)
        self.established = True
        return rest

    def _without_sip(self, agreed: str | None) -> WsFailure:
        # RFC 7118 §4.1: the 101 must name "sip".
        detail = f"it offers {quoted(agreed)}" if agreed else "its answer names no subprotocol"
        return WsFailure(WsProblem.NO_SIP, self.hop, detail, status=101)

    def _refused(self, status: int, head: bytes) -> WsFailure:
        phrase = printable(b"".join(head.splitlines()[0].split(b" ", 2)[2:]))
        detail = f"HTTP {status} {phrase}".rstrip()
        location = _field(head, b"location")
        if location and 300 <= status < 400:
            detail += f", to {location}"
        return WsFailure(problem_of(status), self.hop, detail, status=status, phrase=phrase)


class ServerUpgrade(Upgrade):
    """Opens a WebSocket, at any path, for a client that wants to speak SIP over it; refuses all others."""

    def __init__(self, hop: Hop, below: "Engine | None") -> None:
        super().__init__(ConnectionType.SERVER, hop, below)

    def _judge_untrusted(self, head: bytes, rest: bytes) -> bytes:
        refusal = RejectConnection(status_code=400)
        try:
            self._handshake.receive_data(head)
        except (RemoteProtocolError, UnicodeError) as error:
            hint = getattr(error, "event_hint", None)
            refusal = hint if isinstance(hint, RejectConnection) else refusal
            raise self._refuse(refusal, WsProblem.HANDSHAKE, str(error)) from error
        request = next(self._handshake.events(), None)
        offered = request.subprotocols if isinstance(request, Request) else []
        if SUBPROTOCOL not in offered:
            raise self._refuse(refusal, WsProblem.NO_SIP, f"it asks for {', '.join(offered) or 'none'}")
        if rest:
            # RFC 6455 §4.1: a client waits for the answer.
            raise self._refuse(refusal, WsProblem.HANDSHAKE, "more than a request was sent")
        self._out = self._handshake.send(AcceptConnection(subprotocol=SUBPROTOCOL))
        self.established = True
        return rest

    def _refuse(self, refusal: RejectConnection, problem: WsProblem, detail: str) -> WsFailure:
        """Say so over HTTP too, where that is still possible."""
        try:
            self._out = self._handshake.send(refusal)
        except HttpLocalError:
            self._out = b""
        return WsFailure(problem, self.hop, printable(detail.encode()), status=refusal.status_code)


def host_of(hop: Hop) -> str:
    """The Host of a WebSocket's request (RFC 6455 §4.1): the name that was asked for, else the address."""
    name = (hop.tls_name or hop.remote.host).partition("%")[0]  # RFC 6874 §4: a zone stays on its machine
    literal = f"[{name}]" if ":" in name else name
    return literal if hop.remote.port == hop.transport.default_port else f"{literal}:{hop.remote.port}"


def _field(head: bytes, name: bytes) -> str:
    """The value of a header field, empty where there is none."""
    for line in head.splitlines()[1:]:
        key, _, text = line.partition(b":")
        if key.lower() == name:
            return printable(text)
    return ""
