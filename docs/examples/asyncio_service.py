"""The same in a program that runs on asyncio: trio is its guest, in the same thread (trio's guest mode).

    async with open_sip() as sip:
        exchange = await sip.ask(lambda endpoint: endpoint.options(parse_uri("sip:example.com")))

`ask` takes what is to be done on trio's side and gives what comes of it; cancelling it on asyncio's side cancels it on
trio's side too, so that a call is hung up.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import outcome
import trio

from sipcore.endpoint.endpoint import Endpoint, EndpointConfig, open_endpoint

T = TypeVar("T")
Job = Callable[[Endpoint], Awaitable[T]]


class Sip:
    """An endpoint on trio, to be used from asyncio."""

    def __init__(self, endpoint: Endpoint, nursery: trio.Nursery) -> None:
        self._endpoint = endpoint
        self._nursery = nursery
        self.token = trio.lowlevel.current_trio_token()

    async def ask(self, job: Job[T]) -> T:
        """Carry out `job` on trio's side, and wait for it. Raises what it raises."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        scope = trio.CancelScope()

        async def carry_out() -> None:
            try:
                with scope:
                    answer.set_result(await job(self._endpoint))
            except Exception as error:  # noqa: BLE001  # raised on asyncio's side
                answer.set_exception(error)
            finally:
                if not answer.done():  # cancelled, there or together with the endpoint
                    answer.cancel()

        self.token.run_sync_soon(self._nursery.start_soon, carry_out)
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            self.token.run_sync_soon(scope.cancel)
            await asyncio.wait([answer])
            raise


@asynccontextmanager
async def open_sip(config: EndpointConfig | None = None) -> AsyncIterator[Sip]:
    """Run an endpoint beside asyncio for the length of the block: one at a time in a thread, as trio wants it.

    Raises what opening it raises. More endpoints can be opened by a job of `Sip.ask`.
    """
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[Sip] = loop.create_future()
    over: asyncio.Future[None] = loop.create_future()
    stop = trio.Event()

    async def guest() -> None:
        async with open_endpoint(config) as endpoint, trio.open_nursery() as nursery:
            sip = Sip(endpoint, nursery)
            opened.set_result(sip)
            await stop.wait()
            nursery.cancel_scope.cancel()

    def done(result: "outcome.Outcome[None]") -> None:
        if isinstance(result, outcome.Error) and not opened.done():
            opened.set_exception(result.error)
        elif isinstance(result, outcome.Error):
            over.set_exception(result.error)
            return
        over.set_result(None)

    trio.lowlevel.start_guest_run(
        guest,
        run_sync_soon_threadsafe=loop.call_soon_threadsafe,
        run_sync_soon_not_threadsafe=loop.call_soon,
        done_callback=done,
        host_uses_signal_set_wakeup_fd=True,
    )
    sip = await opened
    try:
        yield sip
    finally:
        sip.token.run_sync_soon(stop.set)
        await over


async def main() -> None:
    """Ask the service of `trio_service.py` what it can do."""
    from sipcore.message.uri import parse_uri

    async with open_sip() as sip:
        exchange = await sip.ask(lambda endpoint: endpoint.options(parse_uri("sip:127.0.0.1:5070")))
        print(exchange.response.status, exchange.response.reason)  # noqa: T201  # what a person sees who runs it


if __name__ == "__main__":
    asyncio.run(main())
