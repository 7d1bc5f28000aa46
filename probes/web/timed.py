"""A connection whose peer has to read, and can be left without it."""

import ssl
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import anyio.abc
import trio
from anyio.streams.tls import TLSStream

from probes.service.config import HttpLimits

SLICE = 1 << 16
"""Octets that a peer has to take within HttpLimits.body_time."""


class Timed(anyio.abc.ByteStream):
    """A connection. Who does not take what is sent within a time is left: `send` raises then as if he had gone."""

    def __init__(self, stream: anyio.abc.SocketStream, limits: HttpLimits) -> None:
        self._stream: anyio.abc.ByteStream = stream
        self._socket, self._limits = stream, limits

    async def secure(self, context: ssl.SSLContext) -> bool:
        """Shake hands; whether that was done in time."""
        with trio.move_on_after(self._limits.head_time):
            try:
                self._stream = await TLSStream.wrap(self._socket, server_side=True, ssl_context=context)
                return True
            except (OSError, anyio.BrokenResourceError, anyio.EndOfStream):
                return False
        return False

    async def send(self, item: bytes) -> None:
        """Raises BrokenResourceError for a peer that is gone, or reads too slowly."""
        for start in range(0, len(item), SLICE):
            with trio.move_on_after(self._limits.body_time, shield=True) as scope:
                await self._stream.send(item[start : start + SLICE])
            if scope.cancelled_caught:
                await self.abort()
                raise anyio.BrokenResourceError

    async def receive(self, max_bytes: int = SLICE) -> bytes:
        """What comes next. Raises EndOfStream."""
        return await self._stream.receive(max_bytes)

    async def send_eof(self) -> None:
        """Nothing more is sent."""
        with trio.move_on_after(self._limits.head_time):
            await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close it; a peer that does not read makes nobody wait."""
        with trio.move_on_after(self._limits.head_time):
            await self._stream.aclose()

    async def abort(self) -> None:
        """Close it at once."""
        await anyio.aclose_forcefully(self._socket)

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        """What is known of the connection below."""
        return self._stream.extra_attributes
