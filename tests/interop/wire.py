"""One OPTIONS over a plain socket: the lab's own eyes, which share no code with what is under test."""

import secrets
import socket
import ssl
import struct
from pathlib import Path

TIMEOUT_SECONDS = 1.0
"""For one attempt; on loopback an answer takes a few milliseconds, through a proxy some more."""


WS_PATH = "/ws"
"""Where Asterisk has its WebSockets."""


def options(host: str, port: int, transport: str, ca_file: Path | None = None, user: str = "echo") -> str:
    """Ask `user` at `host`:`port` over "udp", "tcp", "tls", "ws" or "wss" for its options, or the server, with no user.

    Gives back the head of the answer. Raises OSError.
    """
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as plain:
        plain.settimeout(TIMEOUT_SECONDS)
        plain.connect((host, port))
        if transport not in ("tls", "wss"):
            return _exchange(plain, transport, user)
        context = ssl.create_default_context(cafile=str(ca_file))
        with context.wrap_socket(plain, server_hostname=host) as secured:
            return _exchange(secured, transport, user)


def _exchange(connection: socket.socket, transport: str, user: str) -> str:
    local, remote = _address(connection.getsockname()), _address(connection.getpeername())
    token = secrets.token_hex(8)
    uri = f"sip:{user}@{remote}" if user else f"sip:{remote}"
    request = (
        f"OPTIONS {uri};transport={transport} SIP/2.0",
        f"Via: SIP/2.0/{transport.upper()} {local};branch=z9hG4bK{token};rport",
        "Max-Forwards: 70",
        f"From: <sip:lab@{local}>;tag={token}",
        f"To: <{uri}>",
        f"Call-ID: {token}",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:lab@{local};transport={transport}>",
        "Content-Length: 0",
    )
    data = "".join(f"{line}\r\n" for line in (*request, "")).encode()
    if transport in ("ws", "wss"):
        return _exchange_in_websocket(connection, remote, data)
    connection.sendall(data)
    return _head(connection).decode()


def _exchange_in_websocket(connection: socket.socket, remote: str, data: bytes) -> str:
    request = (
        f"GET {WS_PATH} HTTP/1.1",
        f"Host: {remote}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Protocol: sip",
    )
    connection.sendall("".join(f"{line}\r\n" for line in (*request, "")).encode())
    answer = _head(connection)
    if not answer.startswith(b"HTTP/1.1 101 "):
        raise ConnectionError(f"no WebSocket: {answer!r}")
    # one text frame, of 126 to 65535 bytes, masked with zeros
    connection.sendall(b"\x81\xfe" + struct.pack("!H", len(data)) + bytes(4) + data)
    return _head(connection)[4:].decode()


def _head(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        data = connection.recv(65535)
        if not data:
            raise ConnectionError(f"closed after {received!r}")
        received += data
    return received.partition(b"\r\n\r\n")[0]


def _address(name: tuple[str, int]) -> str:
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
