"""SIP in TLS between OpenSSL's own programs, and from our own calls, read as tshark reads it with the same key log."""

import subprocess
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import rsa

from probes.calls.judge.diagnosis import calls_of_capture, diagnoses_of_capture
from probes.capture.unread import Problem, Unread
from probes.report.packets import packets
from probes.report.pcapng import pcapng
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.trace import Direction, MessageTrace, WireTrace
from tests.interop.conftest import installed
from tests.interop.lab import HOST, START_SECONDS, Lab
from tests.interop.programs import Console, console
from tests.interop.test_capture_media import called
from tests.probes.report.recorded import BUSY, INVITE
from tests.sipcore.transports.authority import issue

TALK = [(True, INVITE), (False, BUSY), (True, INVITE.replace(b"INVITE", b"ACK")), (False, BUSY.replace(b"486", b"487"))]
TOLD = ["INVITE", "486", "ACK", "487"]
RSA, KEY_UPDATE, RETRY = "rsa", "key update", "retry"
"""What is particular about a connection: the key of its server, that its client changes keys in the middle, or that the
server asks for another hello first.
"""
CONNECTIONS = [
    *(("-tls1_3", "-ciphersuites", f"TLS_{name}", "") for name in ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384")),
    ("-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256", KEY_UPDATE),
    ("-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256", RETRY),
    ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256", ""),
    ("-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305", ""),
    ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384", ""),
    ("-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384", RSA),
    ("-tls1_2", "-cipher", "AES128-GCM-SHA256", RSA),
    ("-tls1_2", "-cipher", "AES128-SHA", RSA),
]


@dataclass
class Relay:
    """A relay in front of a port of this machine, and what went through it."""

    target: int
    wire: list[WireTrace] = field(default_factory=list)

    async def carry(self, client: trio.SocketStream) -> None:
        """Serve one connection."""
        local, port = (SocketAddress(*address[:2]) for address in (client.socket.getpeername(), (HOST, self.target)))
        flow = Flow(Transport.TLS, local, port)
        async with client, await trio.open_tcp_stream(HOST, self.target) as server, trio.open_nursery() as nursery:
            nursery.start_soon(self._pass, client, server, Direction.SENT, flow)
            nursery.start_soon(self._pass, server, client, Direction.RECEIVED, flow)

    async def _pass(self, source: trio.SocketStream, target: trio.SocketStream, way: Direction, flow: Flow) -> None:
        try:
            async for data in source:
                self.wire.append(WireTrace(trio.current_time(), way, flow, bytes(data)))
                await target.send_all(data)
        except trio.BrokenResourceError:
            return


async def awaited(end: Console, text: bytes, said: bytearray) -> None:
    """Wait until a program has printed `text`, which is added to what it `said`."""
    with trio.fail_after(START_SECONDS):
        while text not in said:
            said += await end.said.receive_some()


async def talk(lab: Lab, folder: Path, *options: str, particular: str) -> tuple[list[WireTrace], bytes]:
    """What went over the wire while a server and a client said `TALK`, and the client's key log."""
    openssl, port, key_log = installed("openssl", "openssl"), lab.ports(1), folder / "keys.log"
    identity = issue("localhost", key=rsa.generate_private_key(65537, 2048) if particular == RSA else None)
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(identity.pem)
    key.write_bytes(identity.key)
    serve = (openssl, "s_server", "-accept", f"{HOST}:{port}", "-cert", str(certificate), "-key", str(key), *options)
    if particular == RETRY:
        serve += ("-groups", "P-384")  # of which clients send no key share unless they are asked to
    relay = Relay(port)
    async with console(*serve) as server, trio.open_nursery() as nursery:
        await awaited(server, b"ACCEPT", heard := bytearray())
        listeners = await nursery.start(partial(trio.serve_tcp, relay.carry, 0, host=HOST))
        near = f"{HOST}:{listeners[0].socket.getsockname()[1]}"
        async with console(openssl, "s_client", "-connect", near, "-keylogfile", str(key_log), *options) as client:
            outputs = {True: (server, heard), False: (client, bytearray())}
            for number, (is_client, data) in enumerate(TALK):
                source = client if is_client else server
                if particular == KEY_UPDATE and number == 2:
                    await source.typed.send_all(b"K\n")
                    await awaited(client, b"KEYUPDATE", outputs[False][1])
                await source.typed.send_all(data)
                await awaited(outputs[is_client][0], data.splitlines()[0], outputs[is_client][1])
        nursery.cancel_scope.cancel()
    return relay.wire, key_log.read_bytes()


def seen_by_tshark(file: Path, port: int, *options: str, inside: str = "sip") -> list[str]:
    """The method, or the status, of each message that tshark reads in a file."""
    command = [
        installed("tshark", "tshark"),
        "-r",
        str(file),
        "-d",
        f"tcp.port=={port},tls",  # any that was free, which tshark may know as another protocol's
        "-d",
        f"tls.port=={port},{inside}",
        *options,
        "-Y",
        "sip",
    ]
    fields = ["-T", "fields", "-e", "sip.Method", "-e", "sip.Status-Code"]
    return subprocess.run([*command, *fields], capture_output=True, text=True, timeout=60, check=True).stdout.split()


def seen_by_us(
    data: bytes, key_log: bytes = b"", transport: Transport = Transport.TLS
) -> tuple[list[str], list[Unread]]:
    """The same of the one call that we read, and what we do not read."""
    unread: list[Unread] = []
    (call,) = calls_of_capture(data, key_log, unread)
    assert {record.flow.transport for record in call.records} == {transport}
    messages = [parse_message(record.data) for record in call.records]
    return [each.method if isinstance(each, Request) else str(each.status) for each in messages], unread


@pytest.mark.parametrize(("version", "kind", "suite", "particular"), CONNECTIONS)
def test_what_openssl_says_to_itself(
    lab: Lab, tmp_path: Path, version: str, kind: str, suite: str, particular: str
) -> None:
    options = (version, kind, f"{suite}:@SECLEVEL=0" if kind == "-cipher" else suite)
    wire, key_log = trio.run(partial(talk, lab, tmp_path, *options, particular=particular))
    data = pcapng(packets((), wire), epoch_ns=10**18)
    file = tmp_path / "talk.pcapng"
    file.write_bytes(data)
    port = wire[0].flow.remote.port
    assert seen_by_us(data, key_log) == (TOLD, [])
    assert seen_by_tshark(file, port, "-o", f"tls.keylog_file:{tmp_path / 'keys.log'}") == TOLD
    unread: list[Unread] = []
    assert calls_of_capture(data, b"", unread) == []
    assert [(each.problem, each.server.port) for each in unread] == [(Problem.NO_KEYS, port)]
    assert seen_by_tshark(file, port) == []


@pytest.mark.parametrize(("transport", "inside"), [(Transport.TLS, "sip"), (Transport.WSS, "http")])
def test_our_own_call_is_read_out_of_its_ciphertext(transport: Transport, inside: str, tmp_path: Path) -> None:
    result, wire, port = trio.run(lambda: called(transport, tls=True, wishes={}))
    file = tmp_path / "call.pcapng"
    data = pcapng(packets(result.records, wire.records), epoch_ns=result.epoch_ns, key_log=wire.key_log)
    file.write_bytes(data)
    said, unread = seen_by_us(data, transport=transport)
    assert (said, unread) == (seen_by_tshark(file, port, inside=inside), [])
    assert len(said) == 6
    (call,) = calls_of_capture(data)
    assert [record.data for record in call.records] == [
        record.data for record in result.records if isinstance(record, MessageTrace)
    ]
    (diagnosis,) = diagnoses_of_capture(data)
    assert diagnosis.said == "200 OK"
