"""Receivers of webhooks on loopback, by the HTTP server of the standard library."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

Answer = Callable[["Handler"], None]


@dataclass
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A server, what it got, and how it answers: in turn, the last one for ever."""

    port: int
    answers: list[Answer]
    received: list[Received] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    """Notes a POST, and answers as it is told."""

    server: Any

    def do_POST(self) -> None:
        """Called by the server."""
        receiver: Receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): content for name, content in self.headers.items()}
        receiver.received.append(Received(self.path, headers, body))
        answer = receiver.answers[min(len(receiver.received), len(receiver.answers)) - 1]
        try:
            answer(self)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base class's
        """Log nothing."""


def status(code: int, **headers: str) -> Answer:
    """Answer with a status, and nothing else."""

    def answer(handler: Handler) -> None:
        handler.send_response(code)
        for name, content in headers.items():
            handler.send_header(name.replace("_", "-"), content)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def endless(handler: Handler) -> None:
    """Answer with a body that has no end."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65536)


class Server(ThreadingHTTPServer):
    """One that asks no resolver for its own name."""

    daemon_threads = True
    block_on_close = False

    def server_bind(self) -> None:
        """Called by the base class."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]


@contextmanager
def serving(*answers: Answer, context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A server on loopback that answers so."""
    server = Server(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a handshake that fails is no error here
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver = Receiver(server.server_address[1], list(answers or [status(204)]))
    server.receiver = receiver  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
