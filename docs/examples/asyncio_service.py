"""The same in a program that runs on asyncio: trio is its guest, in the same thread (trio's guest mode).

    async with open_sip() as sip:
        exchange = await sip.ask(lambda endpoint: endpoint.options(parse_uri("sip:example.com")))

`ask` takes what is to be done on trio's side and gives what comes of it; cancelling it on asyncio's side cancels it on
trio's side too, so that a call is hung up. When the endpoint ends, it raises what ended it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import outcome
import trio

from sipcore import Endpoint, EndpointConfig
from sipcore.transports.base import closed, was_closed

T = TypeVar("T")
Job = Callable[[Endpoint], Awaitable[T]]


class Sip:
    """An endpoint on trio, to be used from asyncio."""

    def __init__(self, endpoint: Endpoint, nursery: trio.Nursery) -> None:
        self._endpoint = endpoint
        self._nursery = nursery
        self._token = trio.lowlevel.current_trio_token()
        self._stop = trio.Event()
        self._stopping = False
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answers: set[asyncio.Future[Any]] = set()

    async def ask(self, job: Job[T]) -> T:
        """Carry out `job` on trio's side, and wait for it. Raises what it raises, or what ended the endpoint.

        That is TransportFailure where the block has ended meanwhile, and LocalError where it had before.
        """
        if self._over.done():
            self._over.result()  # raises it
            raise closed()
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)
        scope = trio.CancelScope()

        async def carry_out() -> None:
            try:
                with scope:
                    answer.set_result(await job(self._endpoint))
            except Exception as error:  # noqa: BLE001  # raised on asyncio's side
                answer.set_exception(error)
            if scope.cancelled_caught:  # what is cancelled together with the endpoint is told why when that is over
                answer.cancel()

        def begin() -> None:
            if not self._stopping:
                self._nursery.start_soon(carry_out)

        self._token.run_sync_soon(begin)
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            if not self._over.done():
                self._token.run_sync_soon(scope.cancel)
            await asyncio.wait([answer])
            raise

    async def run(self) -> None:
        """Carry out what is asked, on trio's side, until `stop`."""
        try:
            await self._stop.wait()
        finally:
            self._stopping = True
            self._nursery.cancel_scope.cancel()

    async def stop(self) -> None:
        """End it, and wait for that. Raises what ended it before."""
        if not self._over.done():
            self._token.run_sync_soon(self._stop.set)
        await asyncio.shield(self._over)

    def ended(self, error: BaseException | None) -> None:
        """Tell who waits that the run is over, and why."""
        for answer in tuple(self._answers):
            if not answer.done():
                answer.set_exception(error or was_closed())
        if error is None:
            self._over.set_result(None)
        else:
            self._over.set_exception(error)


@asynccontextmanager
async def open_sip(config: EndpointConfig | None = None) -> AsyncIterator[Sip]:
    """Run an endpoint beside asyncio for the length of the block: one at a time in a thread, as trio wants it.

    Raises what opening it raises. More endpoints can be opened by a job of `Sip.ask`.
    """
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[Sip] = loop.create_future()
    ended = asyncio.Event()

    async def guest() -> None:
        async with Endpoint(config) as endpoint, trio.open_nursery() as nursery:
            if not opened.cancelled():  # nobody may be waiting any more
                opened.set_result(Sip(endpoint, nursery))
                await opened.result().run()

    def done(result: "outcome.Outcome[None]") -> None:
        error = result.error if isinstance(result, outcome.Error) else None
        ended.set()
        if opened.cancelled():
            return
        if opened.done():
            opened.result().ended(error)
        elif error is not None:
            opened.set_exception(error)

    trio.lowlevel.start_guest_run(
        guest,
        run_sync_soon_threadsafe=loop.call_soon_threadsafe,
        run_sync_soon_not_threadsafe=loop.call_soon,
        done_callback=done,
        host_uses_signal_set_wakeup_fd=True,
    )
    try:
        sip = await opened
    except asyncio.CancelledError:
        await ended.wait()  # for the next one may begin only when trio has left this thread
        raise
    try:
        yield sip
    finally:
        await sip.stop()


async def main() -> None:
    """Ask the service of `trio_service.py` what it can do."""
    from sipcore import parse_uri

    async with open_sip() as sip:
        exchange = await sip.ask(lambda endpoint: endpoint.options(parse_uri("sip:127.0.0.1:5070")))
        print(exchange.response.status, exchange.response.reason)  # noqa: T201  # what a person sees who runs it


if __name__ == "__main__":
    asyncio.run(main())
