"""Real servers told by the shape of their answers and by what they do in deep mode, their banner switched off.

With SIPCORE_RECORD=FOLDER, what they answered is written there.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from probes.fingerprint.banners import banner_of
from probes.fingerprint.deep import Heard, Sender, heard_in, identify_deeply, plan
from probes.fingerprint.identify import HIGH
from probes.result import System
from sipcore.endpoint.endpoint import ANONYMOUS, Endpoint, EndpointConfig
from sipcore.errors import TransportFailure
from sipcore.events import CallAnswered
from sipcore.message.message import Request, Response
from sipcore.message.uri import SipUri
from sipcore.outgoing import Order
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.trace import MessageTrace, TraceRecord
from tests.interop import servers
from tests.interop.conftest import REQUIRED, installed
from tests.interop.lab import HOST, Lab, MissingError, Server, process, version
from tests.interop.phone import PATIENCE as PATIENCE_OF_PHONES
from tests.interop.phone import phone, told, uri
from tests.interop.sipp import Sipp, listening
from tests.interop.softphones import linphone

PATIENCE = 1.0
"""Seconds for an answer; on loopback one takes some milliseconds."""
Start = Callable[[Lab, Server], AbstractContextManager[Server]]
RECORD = os.environ.get("SIPCORE_RECORD")


async def ask(port: int) -> tuple[list[Response], Heard]:
    """What a server on this machine answers to a plain OPTIONS, and to the requests of deep mode."""
    hop = Hop(Transport.UDP, SocketAddress(HOST, port))
    server = SipUri(HOST, port=port)
    records: list[TraceRecord] = []
    async with Endpoint(EndpointConfig()) as endpoint:
        endpoint.subscribe(records.append)
        asks = plan(server, Sender(ANONYMOUS, endpoint.tokens, "sipcore"))
        plain = endpoint.new_request("OPTIONS", server)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, endpoint, plain, hop, True)
            for one in asks:
                nursery.start_soon(send, endpoint, one.request, hop, one.contact)
    heard = {one.name: heard_in(of(one.request, records)) for one in asks}
    return [one for one in heard_in(of(plain, records)) if not one.is_provisional], heard


async def send(endpoint: Endpoint, request: Request, hop: Hop, contact: bool) -> None:
    with trio.move_on_after(PATIENCE):
        try:
            await endpoint.request(Order(request, hop, "probe" if contact else None, any_size=True))
        except TransportFailure:
            pass


def of(request: Request, records: list[TraceRecord]) -> Iterator[TraceRecord]:
    call_id = request.call_id.encode()
    return (one for one in records if isinstance(one, MessageTrace) and call_id in one.data)


def record(name: str, plain: list[Response], heard: Heard) -> None:
    """Keep what was answered, where that is wanted."""
    if RECORD:
        texts = {ask: [bytes(one).decode() for one in answers] for ask, answers in {"plain": plain, **heard}.items()}
        (Path(RECORD) / f"{name}.json").write_text(json.dumps(texts, indent=1, sort_keys=True) + "\n")


def silent_kamailio(lab: Lab, gateway: Server) -> AbstractContextManager[Server]:
    running = servers.kamailio(lab, gateway)
    edit(lab.folder / "kamailio/kamailio.cfg", "debug=2", 'debug=2\nserver_signature=no\nserver_header=""')
    return running


def silent_asterisk(lab: Lab, _: Server) -> AbstractContextManager[Server]:
    running = servers.asterisk(lab)
    edit(lab.folder / "asterisk/pjsip.conf", "type=global", "type=global\nuser_agent=")
    return running


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


@contextmanager
def started(start: Start, lab: Lab, gateway: Server) -> Iterator[Server]:
    try:
        running = start(lab, gateway)
    except MissingError as missing:
        (pytest.fail if REQUIRED else pytest.skip)(str(missing))
    with running as server:
        yield server


def shown(system: System) -> tuple[str, bool]:
    return system.product, system.confidence >= HIGH


@pytest.mark.parametrize(
    ("start", "product"), [(silent_kamailio, "Kamailio"), (silent_asterisk, "Asterisk")], ids=["kamailio", "asterisk"]
)
async def test_a_server_without_a_banner_is_told(
    start: Start, product: str, lab: Lab, baresip: Server, tmp_path: Path
) -> None:
    with started(start, replace(lab, folder=tmp_path), baresip) as server, trio.fail_after(10):
        plain, heard = await ask(server.udp_port)
        assert plain
        assert not any(map(banner_of, plain))
        assert shown(identify_deeply(plain, {})) == (product, True)
        deep = identify_deeply(plain, heard)
        assert shown(deep) == (product, True)
        assert deep.candidates[0].confidence >= identify_deeply(plain, {}).candidates[0].confidence


@pytest.mark.parametrize(
    ("name", "product"), [("kamailio", "Kamailio"), ("asterisk", "Asterisk"), ("baresip", "baresip")]
)
async def test_a_server_is_told_with_and_without_its_banner(
    name: str, product: str, request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue(name)
    with trio.fail_after(10):
        plain, heard = await ask(server.udp_port)
    record(f"{name}-{server.version}", plain, heard)
    with_banner = identify_deeply(plain, heard)
    assert shown(with_banner) == (product, True)
    assert with_banner.version.startswith(server.version)
    assert not with_banner.disagreement
    stripped = {key: list(map(without_banner, answers)) for key, answers in heard.items()}
    first = identify_deeply(list(map(without_banner, plain)), {}).candidates[0]
    assert first.product == product  # a mere 404 is too little to be sure
    assert shown(identify_deeply(list(map(without_banner, plain)), stripped)) == (product, True)
    assert shown(identify_deeply([], stripped)) == (product, True)


async def test_linphone_is_told_by_its_shape_alone(lab: Lab, tmp_path: Path) -> None:
    with trio.fail_after(20):
        async with linphone(lab, tmp_path / "phone", "echo") as callee:
            plain, heard = await ask(callee.port)
    record("linphone", plain, heard)
    assert not any(map(banner_of, plain))
    assert shown(identify_deeply(plain, {})) == ("Linphone", True)
    assert shown(identify_deeply(plain, heard)) == ("Linphone", True)


async def test_sipp_is_told_by_the_answers_to_a_call_that_was_allowed(lab: Lab, tmp_path: Path) -> None:
    """Its stock callee keeps silent on everything else."""
    port = lab.ports(1)
    command = [installed("sipp", "sip-tester"), "-sn", "uas", "-i", HOST, "-p", str(port), "-nostdin"]
    callee = Sipp(lab, tmp_path)
    with trio.fail_after(PATIENCE_OF_PHONES):
        with process(command, tmp_path):
            await listening(port, Transport.UDP)
            plain, heard = await ask(port)
        async with phone(lab) as caller, callee.answer(callee.stock("uas", **{'"4000"': '"100"'})) as other:
            async with caller.call(uri("service", other, Transport.UDP)) as call:
                await told(call, CallAnswered)
            answers = [message for _, _, message in caller.tap.log if isinstance(message, Response)]
    record(f"sipp-{version([command[0], '-v'])}", plain, {**heard, "call": answers})
    assert not plain
    assert not any(heard.values())
    assert not identify_deeply(plain, heard).product
    system = identify_deeply(plain, {**heard, "call": answers})
    assert shown(system) == ("SIPp", True)


def without_banner(response: Response) -> Response:
    return response.without("Server").without("User-Agent")
