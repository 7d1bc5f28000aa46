"""Captures with media, and with TLS as it was, read by Wireshark's dissectors: they count and measure as we do."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trio

from probes.calls.run import call_config, place_call
from probes.calls.script import CallScript
from probes.calls.wire import Wire
from probes.destination import Destination
from probes.report.packets import packets
from probes.report.pcapng import pcapng
from probes.responder.personas import Persona
from probes.responder.run import open_responder
from probes.result import CallMedia, CallResult
from sipcore.endpoint.media.media import open_media
from sipcore.media.plan import MediaPlan
from sipcore.media.session import Component
from sipcore.media.terms import Encryption, Keying
from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.sdp.attributes import PCMU
from sipcore.trace import Direction, WireTrace
from sipcore.transports.base import TlsConfig
from tests.interop.conftest import installed
from tests.sipcore.media.talk import ALICE, BOB, Talk, lossy
from tests.sipcore.media.talk import Path as Way

HOST = "127.0.0.1"
CHECKSUMS = ("ip", "udp", "tcp")
PRECISION = 0.002
"""Milliseconds: of what tshark prints, and of the times in a file."""


@dataclass(frozen=True)
class Stream:
    """A line of tshark's table of RTP streams; jitter in milliseconds."""

    source: int
    ssrc: int
    packets: int
    lost: int
    jitter: float


def tshark(file: Path, *arguments: str) -> str:
    preferences = [part for name in CHECKSUMS for part in ("-o", f"{name}.check_checksum:TRUE")]
    command = [installed("tshark", "tshark"), "-r", str(file), *preferences, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def streams(file: Path, *arguments: str) -> list[Stream]:
    """What tshark makes of the RTP in a file."""
    found = []
    for line in tshark(file, *arguments, "-q", "-z", "rtp,streams").splitlines():
        parts = re.sub(r"\(.*?\)", "", line).split()
        if len(parts) > 14 and parts[6].startswith("0x"):
            found.append(Stream(int(parts[3]), int(parts[6], 16), int(parts[8]), int(parts[9]), float(parts[15])))
    return found


async def called(transport: Transport, *, tls: bool, wishes: dict[str, object]) -> tuple[CallResult, Wire, int]:
    """A call to the built-in responder, whose media, and TLS, is kept; and the responder's port."""
    wire = Wire()
    config = call_config(TlsConfig(verify=False, keylog=wire.key if tls else None))
    if tls:
        config = replace(config, transports=replace(config.transports, on_wire=wire.take))
    with trio.fail_after(30):
        async with (
            open_responder(Persona(), [(transport, SocketAddress(HOST, 0))]) as responder,
            open_media(on_packet=wire.take) as media,
        ):
            port = responder.address(transport).port
            script = CallScript(
                Destination(HOST, port, transport, "ringecho"),
                hold=1.0,
                **wishes,  # type: ignore[arg-type]  # the fields of a script
            )
            return await place_call(script, config, media=media), wire, port


def media_of(result: CallResult) -> CallMedia:
    assert result.media is not None, result.why
    return result.media


SRTP = {"encryption": Encryption.REQUIRE}


@pytest.mark.parametrize(
    ("transport", "tls", "wishes"),
    [
        (Transport.UDP, False, {}),
        (Transport.TCP, False, SRTP),
        (Transport.TLS, False, SRTP | {"keying": Keying.DTLS}),
        (Transport.TLS, True, SRTP),
    ],
    ids=["RTP", "SDES", "DTLS", "TLS as it was"],
)
def test_wireshark_counts_and_measures_as_we_do(
    transport: Transport, tls: bool, wishes: dict[str, object], tmp_path: Path
) -> None:
    result, wire, port = trio.run(lambda: called(transport, tls=tls, wishes=wishes))
    media, file = media_of(result), tmp_path / "call.pcapng"
    file.write_bytes(pcapng(packets(result.records, wire.records), epoch_ns=result.epoch_ns, key_log=wire.key_log))
    # The port is any that was free: tshark may know it as another protocol's.
    reading = ("-d", f"tcp.port=={port},tls", "-d", f"tls.port=={port},sip") if tls else ()
    bad = " || ".join(f"{name}.checksum.status == 0" for name in CHECKSUMS)
    assert tshark(file, *reading, "-Y", f"_ws.malformed || {bad}") == ""
    calls = tshark(file, *reading, "-Y", "sip", "-T", "fields", "-e", "sip.Call-ID").split()
    assert (len(calls), len(set(calls))) == (6, 1)
    received = media.measured.received
    assert received is not None
    found = {each.ssrc: each for each in streams(file, *reading)}
    assert found.keys() == {media.measured.sent.ssrc, received.ssrc}
    assert found[media.measured.sent.ssrc].packets == media.measured.sent.packets
    back = found[received.ssrc]
    assert (back.packets, back.lost) == (received.packets + media.measured.unexpected.after_end, received.lost)
    assert back.jitter == pytest.approx(received.peak_jitter * 1000, abs=PRECISION)
    assert wire.omitted == 0


def test_a_message_is_there_in_the_clear_or_encrypted_but_never_both(tmp_path: Path) -> None:
    result, wire, _ = trio.run(lambda: called(Transport.TLS, tls=True, wishes={}))
    clear = pcapng(packets(result.records), epoch_ns=result.epoch_ns)
    hidden = pcapng(packets(result.records, wire.records), epoch_ns=result.epoch_ns, key_log=wire.key_log)
    assert (b"INVITE sip:" in clear, b"CLIENT_TRAFFIC_SECRET" in clear) == (True, False)
    assert (b"INVITE sip:" in hidden, b"CLIENT_TRAFFIC_SECRET" in hidden) == (False, True)


@pytest.mark.parametrize(
    "way", [lossy(0.1), lossy(0.0, jitter=0.008), lossy(0.3, jitter=0.012, seed=5)], ids=["loss", "jitter", "both"]
)
def test_wireshark_measures_a_bad_way_as_we_do(way: Way, tmp_path: Path) -> None:
    """What Alice hears of Bob over `way`, which is made up, so that it is the same each time."""
    talk = Talk(MediaPlan(BOB, PCMU, rtcp_interval=0.5), MediaPlan(ALICE, PCMU, rtcp_interval=0.5), back=way)
    came = heard_by_alice(talk)
    talk.run(6.0)
    received = talk.alice.session.result(talk.now).received
    assert received is not None
    file = tmp_path / "way.pcapng"
    file.write_bytes(pcapng(packets((), came), epoch_ns=10**18))
    (found,) = streams(file, "-d", f"udp.port=={ALICE.port},rtp")
    assert (found.ssrc, found.packets, found.lost) == (received.ssrc, received.packets, received.lost)
    assert found.jitter == pytest.approx(received.peak_jitter * 1000, abs=PRECISION)


def heard_by_alice(talk: Talk) -> Sequence[WireTrace]:
    """A list that fills with the packets that come to her."""
    came: list[WireTrace] = []
    take = talk.alice.session.receive_untrusted

    def taken(component: Component, data: bytes, remote: SocketAddress, at: float, now: float) -> None:
        if component is Component.RTP:
            came.append(WireTrace(at, Direction.RECEIVED, Flow(Transport.UDP, ALICE, remote), data))
        take(component, data, remote, at, now)

    talk.alice.session.receive_untrusted = taken  # type: ignore[method-assign]  # there is no socket to listen at
    return came
