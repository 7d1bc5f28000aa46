"""The examples of embedding work: a service on trio and one on asyncio call each other."""

import asyncio
import gc
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import trio

from probes.destination import Destination
from probes.health.trunk import Rules
from sipcore.dialogs.effects import EndReason
from sipcore.endpoint.call import CallFailure, IncomingCall
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.endpoint.media.media import open_media
from sipcore.errors import LocalError, TransportFailure
from sipcore.media.report import MediaResult
from sipcore.message.uri import parse_uri
from sipcore.outgoing import Order
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.sdp.attributes import G722
from sipcore.sdp.build import audio_description
from sipcore.sdp.terms import SDP
from sipcore.trace import TraceRecord
from sipcore.transports.base import TransportConfig
from tests.machine import one_port

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SECONDS = 0.3
OTHER_CODEC = audio_description(address="127.0.0.1", port=40000, session_id=1, session_version=1, codecs=[G722])


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


on_trio, on_asyncio, watching = load("trio_service"), load("asyncio_service"), load("trunk_watch")


def listening() -> EndpointConfig:
    bind = ((Transport.UDP, SocketAddress("127.0.0.1", 0)),)
    return EndpointConfig(transports=TransportConfig(bind=bind), takes_incoming=True)


def uri_of(endpoint: Endpoint) -> str:
    return f"sip:service@{endpoint.transports.local_address(Transport.UDP)}"


async def test_two_services_in_one_process_call_each_other() -> None:
    with trio.fail_after(10):
        async with open_media() as media, Endpoint(listening()) as first, Endpoint(listening()) as second:
            services = [on_trio.Service(endpoint, media, SECONDS) for endpoint in (first, second)]
            async with trio.open_nursery() as nursery:
                for service in services:
                    nursery.start_soon(service.run)
                for service, other in zip(services, (second, first), strict=True):
                    assert (await service.call(uri_of(other))).codec == "PCMU"  # what came back
                nursery.cancel_scope.cancel()
    assert [service.answered for service in services] == [1, 1]


async def test_what_cannot_be_answered_is_refused_and_the_service_goes_on() -> None:
    with trio.fail_after(10):
        async with open_media() as media, Endpoint(listening()) as endpoint, Endpoint() as other:
            service = on_trio.Service(endpoint, media, SECONDS)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(service.run)
                target = parse_uri(uri_of(endpoint))
                for body in (b"", b"v=0\r\n", bytes(OTHER_CODEC)):
                    invite = other.new_request("INVITE", target, body=body, content_type=SDP if body else "")
                    with pytest.raises(CallFailure, match="488"):
                        async with other.call(Order(invite, target, contact="caller")) as call:
                            await call.answered()
                await on_trio.Service(other, media, SECONDS).call(uri_of(endpoint))
                nursery.cancel_scope.cancel()
    assert service.answered == 1


async def call_from_elsewhere(target: str) -> str:
    """Have the service call from an endpoint of its own; tells the codec of what it heard."""
    async with Endpoint() as other, open_media() as media:
        result: MediaResult = await on_trio.Service(other, media, SECONDS).call(target)
        return result.codec


async def uri(endpoint: Endpoint) -> str:
    return uri_of(endpoint)


async def call_on_asyncio() -> tuple[str, int]:
    services = []

    async def run(endpoint: Endpoint) -> None:
        async with open_media() as media:
            services.append(on_trio.Service(endpoint, media, SECONDS))
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


async def wait_for_ever(_: Endpoint) -> None:
    await trio.sleep_forever()


async def leave_while_asking() -> list[str]:
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
    async with on_asyncio.open_sip() as sip:
        asking = asyncio.ensure_future(sip.ask(wait_for_ever))
        await asyncio.sleep(0)
    with pytest.raises(TransportFailure, match="the endpoint was closed"):
        await asyncio.wait_for(asking, 10)
    with pytest.raises(LocalError, match="the endpoint is closed"):
        await asyncio.wait_for(sip.ask(uri), 10)
    del asking
    gc.collect()  # asyncio complains of a result that nobody took when it is thrown away
    return complaints


def test_leaving_ends_what_goes_on_and_says_so() -> None:
    assert asyncio.run(leave_while_asking()) == []


async def ask_while_leaving() -> None:
    leaving = asyncio.Event()

    async def linger() -> None:
        leaving.set()
        await trio.sleep(0.1)

    async def wait_for_leaving(endpoint: Endpoint) -> None:
        endpoint.on_leaving(linger)

    async def ask_late() -> None:
        await leaving.wait()
        with pytest.raises(TransportFailure, match="the endpoint was closed"):
            await sip.ask(uri)

    async with on_asyncio.open_sip() as sip:
        await sip.ask(wait_for_leaving)
        late = asyncio.ensure_future(ask_late())
    await asyncio.wait_for(late, 10)


def test_what_is_asked_while_leaving_is_told_so() -> None:
    asyncio.run(ask_while_leaving())


async def break_on_asyncio() -> tuple[list[object], list[str]]:
    """What `ask` tells while the endpoint breaks and after that, and the block; and what asyncio complains of."""
    told: list[object] = []
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))

    def broken(record: TraceRecord) -> None:
        raise BrokenPipeError("nobody reads")

    async def subscribe(endpoint: Endpoint) -> str:
        endpoint.subscribe(broken)
        return uri_of(endpoint)

    async def use() -> None:
        async with on_asyncio.open_sip(listening()) as sip:
            waiting = asyncio.ensure_future(sip.ask(wait_for_ever))
            target = parse_uri(await sip.ask(subscribe))
            asking = sip.ask(lambda endpoint: endpoint.options(target))
            told.extend(await asyncio.wait_for(asyncio.gather(asking, waiting, return_exceptions=True), 10))
            told.extend(await asyncio.wait_for(asyncio.gather(sip.ask(uri), return_exceptions=True), 10))

    told.extend(await asyncio.wait_for(asyncio.gather(use(), return_exceptions=True), 10))
    gc.collect()
    return told, complaints


def test_an_endpoint_that_breaks_says_why_to_everybody() -> None:
    """A subscriber raises, in the middle of somebody's request."""
    told, complaints = asyncio.run(break_on_asyncio())
    assert [(type(error), str(error)) for error in told] == [(BrokenPipeError, "nobody reads")] * 4
    assert complaints == []


async def leave_while_opening(steps: int) -> list[str]:
    """Cancel whoever opens an endpoint after so many turns of the loop; gives what asyncio complains of then."""
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(str(context)))

    async def use() -> None:
        async with on_asyncio.open_sip():
            await asyncio.sleep(60)

    task = asyncio.create_task(use())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10), on_asyncio.open_sip():  # trio runs once at a time in a thread: it has left
        return complaints


@pytest.mark.parametrize("steps", range(1, 6))
def test_whoever_opens_an_endpoint_may_be_cancelled(steps: int) -> None:
    assert asyncio.run(leave_while_opening(steps)) == []


async def leave_in_a_hurry() -> list[str]:
    """Cancel whoever uses an endpoint, and once more while it is being closed; gives what asyncio complains of then."""
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(str(context)))

    async def use() -> None:
        async with on_asyncio.open_sip():
            await asyncio.sleep(60)

    task = asyncio.create_task(use())
    await asyncio.sleep(0.1)
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.1)
    return complaints


def test_whoever_closes_an_endpoint_may_be_cancelled() -> None:
    assert asyncio.run(leave_in_a_hurry()) == []


async def bind_the_impossible() -> None:
    bind = ((Transport.UDP, SocketAddress("192.0.2.1", 5060)),)
    async with on_asyncio.open_sip(EndpointConfig(transports=TransportConfig(bind=bind))):
        pass


def test_an_endpoint_that_cannot_be_opened_says_so() -> None:
    with pytest.raises(Exception, match=r"192\.0\.2\.1"):
        asyncio.run(bind_the_impossible())


async def test_calls_take_a_route_that_works() -> None:
    lines: list[str] = []
    switched = trio.Event()

    def say(line: str) -> None:
        lines.append(line)
        if line.startswith("calls take"):
            switched.set()

    rules = Rules(interval=1, retry=1, timeout=0.5, misses=1, recoveries=1)
    with one_port("127.0.0.1") as (closed, _):
        first = "tcp://{}:{}".format(*closed.getsockname())
    async with Endpoint(listening()) as other, trio.open_nursery() as nursery:
        second = f"udp://{other.transports.local_address(Transport.UDP)}"
        trunking = watching.Trunking([first, second], say, rules)
        nursery.start_soon(trunking.run)
        with trio.fail_after(10):
            await switched.wait()
        assert trunking.destination == Destination.parse(second)
        nursery.cancel_scope.cancel()
    assert f"{first} is unreachable: refused: nothing listens there; check port and transport" in lines
    assert f"calls take {second} (failover)" in lines


@pytest.mark.parametrize("name", ["trio_service", "asyncio_service", "trunk_watch"])
def test_it_can_be_imported_without_running(name: str) -> None:
    subprocess.run(
        [sys.executable, "-c", f"import runpy; runpy.run_path({str(EXAMPLES / name) + '.py'!r})"], check=True
    )
