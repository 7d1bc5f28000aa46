"""The HTTP server: anycorn's connections, behind an accept loop that counts them and outlives what they do.

Anycorn's own loop takes whoever comes until descriptors run out, ends with the first error that one connection raises,
and waits for ever for a client that does not read: so connections are accepted here.
"""

import errno
import logging
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Self, cast

import anyio.abc
import trio
from anycorn.config import Config
from anycorn.events import Event, Updated
from anycorn.tcp_server import TCPServer
from anycorn.typing import ASGIFramework, ConnectionState, LifespanState
from anycorn.utils import wrap_app
from anycorn.worker_context import WorkerContext
from fastapi import FastAPI

from probes.service.config import HttpLimits, ServiceConfig
from probes.service.run import Service, open_service
from probes.service.supervisor import traceback_of
from probes.web.app import make_app
from probes.web.timed import Timed
from sipcore.errors import LocalError
from sipcore.resolve.target import SocketAddress

BACKLOG = 128
SHORT_OF = 0.2
"""Seconds until somebody is accepted again, where this host was short of something."""
MAX_HEAD = 16 << 10
"""Octets of a request's head."""
_log = logging.getLogger(__name__)


class Listening:
    """The address at which HTTP is served, and its certificate. Raises LocalError for what cannot be used."""

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self.tls = tls_context(config)
        self._socket = _listen(config.bind)
        host, port = self._socket.getsockname()[:2]
        self.address = SocketAddress(host, port)

    @property
    def url(self) -> str:
        """Where browsers find it."""
        return f"{'https' if self.tls is not None else 'http'}://{self.address}"

    def renew(self) -> None:
        """Show the certificate that is in its file now to whoever connects from now on. Raises LocalError for one that
        cannot be used: the one of before stays.
        """
        if self.tls is not None and tls_context(self._config) is not None:
            self.tls.load_cert_chain(self._config.certificate or "", self._config.key)

    async def listener(self) -> anyio.abc.SocketListener:
        """What takes connections; another one may follow it."""
        return await anyio.abc.SocketListener.from_socket(self._socket.dup())

    def close(self) -> None:
        """Take no more of them."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@asynccontextmanager
async def open_server(config: ServiceConfig, *, watching: bool = True) -> AsyncIterator[tuple[Service, Listening]]:
    """A service with its HTTP server, until the block ends: what is under way then has a while for its own end. Takes
    and raises what `open_service` does, and raises LocalError for an address or a certificate that cannot be used.
    """
    with Listening(config) as listening:
        async with open_service(config, watching=watching) as service, trio.open_nursery() as nursery:
            nursery.start_soon(service.supervisor.keep, "http", partial(serve, service, listening))
            try:
                yield service, listening
            finally:
                service.stopping.set()


async def serve(service: Service, listening: Listening) -> None:
    """Serve HTTP until the service stops, and then what is under way for a while."""
    server = _Server(make_app(service), service.config, listening.tls)
    async with await listening.listener() as listener, trio.open_nursery() as nursery:
        nursery.start_soon(server.accept, listener, nursery)
        await service.stopping.wait()
        await server.end()
        nursery.cancel_scope.cancel()


async def accepted(listener: anyio.abc.SocketListener) -> anyio.abc.SocketStream:
    """The next connection. Raises OSError where this host is short of something."""
    return await listener.accept()


def _listen(address: SocketAddress) -> socket.socket:
    found = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((address.host, address.port))
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        cure = "; end what serves there, or give another address or port" if error.errno == errno.EADDRINUSE else ""
        raise LocalError(f"cannot serve at {address}: {error.strerror}{cure}", section="RFC 9110 §4.2") from None
    found.setblocking(False)
    return found


def tls_context(config: ServiceConfig) -> ssl.SSLContext | None:
    """What a service shows its certificate by; None without one. Raises LocalError for one that cannot be used."""
    if config.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(config.certificate, config.key)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        why = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else ""
        text = (
            f"cannot use {config.certificate} with {config.key}: {why or 'they are no certificate and its key, in PEM'}"
        )
        raise LocalError(text, section="RFC 5246 §7.4.2") from None
    return context


class _Server:
    """Connections, so many at once."""

    def __init__(self, app: FastAPI, config: ServiceConfig, tls: ssl.SSLContext | None) -> None:
        self._app = wrap_app(cast(ASGIFramework, app), config.http.body, "asgi")
        self._limits, self._tls = config.http, tls
        self._unlimited = frozenset(config.trusted_proxies) if config.behind_proxy else frozenset()
        self._config = _http(config.http)
        self._context = WorkerContext(None)
        self._turns = trio.Semaphore(config.http.connections)
        self._each: Counter[str] = Counter()
        self._open: set[Timed] = set()
        self._idle = trio.Event()

    async def accept(self, listener: anyio.abc.SocketListener, nursery: trio.Nursery) -> None:
        """Take connections, each when there is room for it."""
        while True:
            await self._turns.acquire()
            try:
                stream = await accepted(listener)
            except OSError as error:
                _log.warning("cannot take another connection: %s", error.strerror)
                await trio.sleep(SHORT_OF)
                self._turns.release()
                continue
            except BaseException:
                self._turns.release()
                raise
            nursery.start_soon(self._serve, stream)

    async def end(self) -> None:
        """Have what is under way come to its end, for as long as may be, and close what is left."""
        await self._context.terminated.set()
        with trio.move_on_after(self._limits.end_time):
            while self._open:
                self._idle = trio.Event()
                await self._idle.wait()
        for stream in tuple(self._open):
            await stream.abort()

    async def _serve(self, stream: anyio.abc.SocketStream) -> None:
        """One connection, whatever comes of it."""
        address = str(stream.extra(anyio.abc.SocketAttribute.remote_address)[0])  # noqa: S610  # no database here
        self._each[address] += 1
        timed = Timed(stream, self._limits)
        self._open.add(timed)
        try:
            if self._each[address] <= self._limits.connections_each or address in self._unlimited:
                await self._speak(timed)
        except Exception as error:  # noqa: BLE001  # one connection ends no other
            _log.error("a connection of %s\n%s", address, traceback_of(error))
        finally:
            self._open.discard(timed)
            await timed.abort()
            self._each[address] -= 1
            if not self._each[address]:
                del self._each[address]
            self._turns.release()
            self._idle.set()

    async def _speak(self, timed: Timed) -> None:
        if self._tls is not None and not await timed.secure(self._tls):
            return
        state = ConnectionState(LifespanState({}))
        await _Connection(self._app, self._config, self._context, state, cast(anyio.abc.SocketStream, timed)).run()


class _Connection(TCPServer):
    """One of anycorn's connections, which would count as idle for a while after its client has gone, and speak HTTP/2
    with whoever asks: what a proxy passes on as an upgrade to that (h2c) would go around all that the proxy does.
    """

    _has_gone = False

    async def protocol_send(self, event: Event) -> None:
        """As anycorn has it; an answer that was on its way when the client went makes it no idle one."""
        if not (self._has_gone and isinstance(event, Updated)):
            await super().protocol_send(event)

    async def _read_data(self) -> None:
        self.protocol.protocol._check_protocol = _stay  # type: ignore[union-attr, method-assign]  # no setting
        await super()._read_data()
        self._has_gone = True
        await self.idle_task.stop()


async def _stay(_: object) -> None:
    """Answer a request in the version that it came in (RFC 9110 §7.8: an upgrade may be ignored)."""


def _http(limits: HttpLimits) -> Config:
    """What anycorn is told."""
    config = Config()
    config.accesslog, config.errorlog = None, _log
    config.include_server_header = False
    config.keep_alive_timeout = limits.head_time  # also for the first head of a connection
    config.h11_max_incomplete_size = MAX_HEAD
    config.h2_max_header_list_size = MAX_HEAD
    config.h2_max_concurrent_streams = 20
    config.alpn_protocols = ["http/1.1"]
    return config
