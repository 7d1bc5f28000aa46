"""TLS of a server as a stream: OpenSSL itself, whose contexts staple OCSP responses, too; nothing of ours."""

from collections.abc import Callable
from typing import TypeVar

import trio
from OpenSSL import SSL

CHUNK = 65_536
T = TypeVar("T")


class Secured(trio.abc.Stream):
    """The server's side of TLS over another stream. Raises trio.BrokenResourceError where it fails or ends early."""

    def __init__(self, context: SSL.Context, stream: trio.abc.Stream) -> None:
        self._connection = SSL.Connection(context, None)
        self._connection.set_accept_state()
        self._stream = stream

    async def do_handshake(self) -> None:
        """Shake hands."""
        await self._carry_out(self._connection.do_handshake)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What the peer says next; nothing once it has closed in order."""
        try:
            return await self._carry_out(lambda: self._connection.recv(max_bytes or CHUNK))
        except SSL.ZeroReturnError:
            return b""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Say something."""
        self._connection.sendall(bytes(data))
        await self._flush()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the stream below."""
        await self._stream.aclose()

    async def _carry_out(self, act: Callable[[], T]) -> T:
        """Do something, for which as much is heard and said as the library asks for."""
        while True:
            try:
                return act()
            except SSL.WantReadError:
                pass
            except SSL.ZeroReturnError:
                raise
            except SSL.Error as error:
                raise trio.BrokenResourceError("TLS has failed") from error
            finally:
                await self._flush()
            data = await self._stream.receive_some()
            if not data:
                raise trio.BrokenResourceError("the peer has left")
            self._connection.bio_write(data)

    async def _flush(self) -> None:
        try:
            await self._stream.send_all(self._connection.bio_read(1 << 20))
        except SSL.WantReadError:
            return
