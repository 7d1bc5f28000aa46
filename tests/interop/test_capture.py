"""What we write as a capture, read by Wireshark's own dissectors."""

import json
import socket
import subprocess
import time
from pathlib import Path

import pytest
import trio

from probes.calls.run import place_call
from probes.calls.script import CallScript
from probes.destination import Destination
from probes.report.hep import hep
from probes.report.packets import packets
from probes.report.pcapng import pcapng
from probes.responder.personas import Persona
from probes.responder.run import open_responder
from probes.result import CallResult
from sipcore.endpoint.endpoint import EndpointConfig
from sipcore.message.parser import parse_message
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.trace import MessageTrace
from sipcore.transports.base import TlsConfig, TransportConfig
from tests.interop.conftest import installed
from tests.interop.lab import POLL_SECONDS, START_SECONDS, Lab

FIELDS = ("sip.Method", "sip.Status-Code", "sip.Call-ID", "frame.time_epoch", "_ws.malformed", "sdp.media")
CHECKSUMS = ("ip", "udp", "tcp")


def dissected(file: Path) -> list[dict[str, list[str]]]:
    """The packets that have SIP in them, with `FIELDS`; checksums are verified, and bad ones are malformed here."""
    preferences = [part for name in CHECKSUMS for part in ("-o", f"{name}.check_checksum:TRUE")]
    fields = [part for name in (*FIELDS, *(f"{name}.checksum.status" for name in CHECKSUMS)) for part in ("-e", name)]
    command = [installed("tshark", "tshark"), "-r", str(file), *preferences, "-T", "json", *fields]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    layers = [packet["_source"]["layers"] for packet in json.loads(done.stdout)]
    for layer in layers:
        assert "_ws.malformed" not in layer
        assert {layer[f"{name}.checksum.status"][0] for name in CHECKSUMS if f"{name}.checksum.status" in layer} == {
            "1"
        }
    return [layer for layer in layers if "sip.Call-ID" in layer]


async def called(transport: Transport) -> CallResult:
    """A call over `transport` to the built-in responder."""
    config = EndpointConfig(transports=TransportConfig(tls=TlsConfig(verify=False)))
    with trio.fail_after(20):
        async with open_responder(Persona(), [(transport, SocketAddress("127.0.0.1", 0))]) as responder:
            address = responder.address(transport)
            destination = Destination("127.0.0.1", address.port, transport, "ringecho")
            return await place_call(CallScript(destination, hold=0.1), config)


def test_sngrep_takes_what_is_sent_to_collectors(tmp_path: Path, lab: Lab) -> None:
    result = trio.run(called, Transport.TLS)
    file, port = tmp_path / "hep.pcap", lab.ports(1)
    command = [installed("sngrep", "sngrep"), "-N", "-L", f"udp:127.0.0.1:{port}", "-O", str(file)]
    with (
        subprocess.Popen(command, stdout=subprocess.DEVNULL) as collecting,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
    ):
        try:
            deadline = time.monotonic() + START_SECONDS
            while not file.exists() or not _calls(file):
                assert time.monotonic() < deadline
                for packet in hep(result.records, epoch_ns=result.epoch_ns, agent=1):
                    sock.sendto(packet, ("127.0.0.1", port))
                time.sleep(POLL_SECONDS)
        finally:
            collecting.terminate()
    assert _calls(file) == {record_call_id(result)}


def _calls(file: Path) -> set[str]:
    """The Call-IDs in a capture file, which may be half written."""
    command = [installed("tshark", "tshark"), "-r", str(file), "-T", "fields", "-e", "sip.Call-ID"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return set(done.stdout.split())


def record_call_id(result: CallResult) -> str:
    first = next(record for record in result.records if isinstance(record, MessageTrace))
    return parse_message(first.data).call_id


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP, Transport.TLS], ids=lambda each: each.name)
def test_wireshark_reads_every_message_of_a_call(transport: Transport, tmp_path: Path) -> None:
    result = trio.run(called, transport)
    file = tmp_path / "call.pcapng"
    file.write_bytes(pcapng(packets(result.records), epoch_ns=result.epoch_ns))
    messages = [record for record in result.records if isinstance(record, MessageTrace)]
    found = dissected(file)
    assert len(found) == len(messages) == 6
    assert [(layer.get("sip.Method") or layer["sip.Status-Code"])[0] for layer in found] == [
        entry.label.split()[0] for entry in result.timeline if entry.direction
    ]
    assert found[0]["sdp.media"][0].startswith("audio ")
