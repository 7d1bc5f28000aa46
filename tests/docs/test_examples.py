"""The examples of embedding work: a service on trio and one on asyncio call each other."""

import asyncio
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import trio

from sipcore.dialogs.effects import EndReason
from sipcore.endpoint.call import CallFailure, IncomingCall
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig, open_endpoint
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.transports.base import TransportConfig

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SECONDS = 0.05


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


on_trio, on_asyncio = load("trio_service"), load("asyncio_service")


def listening() -> EndpointConfig:
    bind = ((Transport.UDP, SocketAddress("127.0.0.1", 0)),)
    return EndpointConfig(transports=TransportConfig(bind=bind), takes_incoming=True)


def uri_of(endpoint: Endpoint) -> str:
    return f"sip:service@{endpoint.transports.local_address(Transport.UDP)}"


async def test_two_services_in_one_process_call_each_other() -> None:
    with trio.fail_after(10):
        async with open_endpoint(listening()) as first, open_endpoint(listening()) as second:
            services = [on_trio.Service(endpoint, SECONDS) for endpoint in (first, second)]
            async with trio.open_nursery() as nursery:
                for service in services:
                    nursery.start_soon(service.run)
                assert await services[0].call(uri_of(second)) == "PCMU"
                assert await services[1].call(uri_of(first)) == "PCMU"
                nursery.cancel_scope.cancel()
    assert [service.answered for service in services] == [1, 1]


async def call_from_elsewhere(target: str) -> str:
    """Have the service call from an endpoint of its own."""
    async with open_endpoint() as other:
        codec: str = await on_trio.Service(other, SECONDS).call(target)
        return codec


async def uri(endpoint: Endpoint) -> str:
    return uri_of(endpoint)


async def call_on_asyncio() -> tuple[str, int]:
    services = []

    async def run(endpoint: Endpoint) -> None:
        services.append(on_trio.Service(endpoint, SECONDS))
        await services[0].run()

    async with on_asyncio.open_sip(listening()) as sip:
        running = asyncio.ensure_future(sip.ask(run))
        target = await sip.ask(uri)
        codec = await asyncio.wait_for(sip.ask(lambda _: call_from_elsewhere(target)), 10)
        running.cancel()
        await asyncio.wait([running])
    return codec, services[0].answered


def test_a_call_on_asyncio() -> None:
    assert asyncio.run(call_on_asyncio()) == ("PCMU", 1)


async def take_call(endpoint: Endpoint) -> IncomingCall:
    incoming = await endpoint.incoming().receive()
    assert isinstance(incoming, IncomingCall)
    return incoming


async def fail_on_asyncio() -> None:
    async def refuse(endpoint: Endpoint) -> None:
        (await take_call(endpoint)).reject(486)

    async with on_asyncio.open_sip(listening()) as sip:
        refusing = asyncio.ensure_future(sip.ask(refuse))
        target = await sip.ask(uri)
        with pytest.raises(CallFailure, match="486"):
            await sip.ask(lambda _: call_from_elsewhere(target))
        await refusing


def test_what_goes_wrong_is_raised_on_the_other_side() -> None:
    asyncio.run(fail_on_asyncio())


async def give_up_on_asyncio() -> EndReason | None:
    async def ring(endpoint: Endpoint) -> EndReason | None:
        call = await take_call(endpoint)
        call.ring()
        await call.over()
        return call.end_reason

    async with on_asyncio.open_sip(listening()) as sip:
        ringing = asyncio.ensure_future(sip.ask(ring))
        target = await sip.ask(uri)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(sip.ask(lambda _: call_from_elsewhere(target)), 0.3)
        return await asyncio.wait_for(ringing, 10)


def test_cancelling_on_one_side_ends_the_call_on_the_other() -> None:
    assert asyncio.run(give_up_on_asyncio()) is EndReason.CANCELLED


async def bind_the_impossible() -> None:
    bind = ((Transport.UDP, SocketAddress("192.0.2.1", 5060)),)
    async with on_asyncio.open_sip(EndpointConfig(transports=TransportConfig(bind=bind))):
        pass


def test_an_endpoint_that_cannot_be_opened_says_so() -> None:
    with pytest.raises(Exception, match=r"192\.0\.2\.1"):
        asyncio.run(bind_the_impossible())


@pytest.mark.parametrize("name", ["trio_service", "asyncio_service"])
def test_it_can_be_imported_without_running(name: str) -> None:
    subprocess.run(
        [sys.executable, "-c", f"import runpy; runpy.run_path({str(EXAMPLES / name) + '.py'!r})"], check=True
    )
