"""A result is a value: nothing that was at work for it (a socket, a TLS connection of 70 kB, a task) lives on in it."""

import gc
import socket
from collections.abc import Awaitable, Callable
from types import BuiltinFunctionType, FrameType, FunctionType, ModuleType, TracebackType

import pytest
import trio
from OpenSSL import SSL

import probes
from probes.calls.codecs.run import CodecProbe
from tests.probes.discovery.network import tcp

AT_WORK = (FrameType, TracebackType, socket.socket, SSL.Connection)
ELSEWHERE = (type, ModuleType, FunctionType, BuiltinFunctionType)
"""What leads out of a value into the program."""


def reached_from(result: object) -> set[str]:
    """The kinds of things at work that a value leads to."""
    seen: dict[int, object] = {}
    left: list[object] = [result]
    while left:
        each = left.pop()
        if id(each) not in seen and not isinstance(each, ELSEWHERE):
            seen[id(each)] = each
            left += gc.get_referents(each)
    return {type(each).__name__ for each in seen.values() if isinstance(each, AT_WORK)}


async def refuse(stream: trio.abc.Stream) -> None:
    """What a web server says to whoever speaks no HTTP."""
    await stream.receive_some(1)
    await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def discovered(port: int) -> object:
    return await probes.discover(f"127.0.0.1:{port}")


async def tls_report(port: int) -> object:
    return await probes.report_tls(probes.Destination.parse(f"tls://127.0.0.1:{port}"))


async def called(port: int) -> object:
    return await probes.place_call(probes.CallScript(probes.Destination.parse(f"tls://bob@127.0.0.1:{port}")))


async def codecs_report(port: int) -> object:
    return await probes.probe_codecs(CodecProbe(probes.Destination.parse(f"tcp://bob@127.0.0.1:{port}")))


async def registered(port: int) -> object:
    return await probes.probe_registration(
        probes.RegistrationProbe(probes.Destination.parse(f"tls://bob@127.0.0.1:{port}"))
    )


@pytest.mark.parametrize("listens", [True, False])
@pytest.mark.parametrize("ask", [discovered, tls_report, called, codecs_report, registered])
async def test_a_failure_keeps_nothing_that_was_at_work(ask: Callable[[int], Awaitable[object]], listens: bool) -> None:
    async with tcp(refuse) as port:
        result = await ask(port) if listens else None
    assert not reached_from(result or await ask(port))
