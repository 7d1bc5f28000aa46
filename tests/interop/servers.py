"""How each server of the lab is started. The configurations are in `fixtures/lab`.

Each function prepares one and gives back the context in which it runs. Raises MissingError where it is not installed.
"""

import math
import struct
import subprocess
import wave
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from tests.interop import debian
from tests.interop.lab import HOST, Lab, MissingError, Server, program, version
from tests.machine import HOST6, has_ipv6

ASTERISK_SUITE = "forky"
"""The Debian suite that Asterisk 22 is taken from; Debian 12 has none."""
CHAN_SIP_SUITE = "bullseye"
"""That of Asterisk 16, the last one in Debian with the old SIP channel."""
RTP_PORTS = 100
"""For each server: 50 calls at once."""
BARESIP_MODULES = ("lib/baresip/modules", "lib/*/baresip/modules")


def asterisk(lab: Lab) -> AbstractContextManager[Server]:
    """Asterisk 22: a PBX with one extension per behaviour, and users behind each kind of digest and SRTP."""
    unpacked = debian.find(ASTERISK_SUITE, "asterisk")
    if unpacked is None:
        raise MissingError(f"Asterisk 22 is not there: python3 tests/interop/debian.py {ASTERISK_SUITE} asterisk")
    command = unpacked.command("usr/sbin/asterisk")
    port, http, rtp = lab.ports(2), lab.ports(2), lab.ports(RTP_PORTS)
    folder = lab.configure(
        "asterisk",
        port=port,
        tls_port=port + 1,
        http_host="::" if has_ipv6() else HOST,
        https_host="[::]" if has_ipv6() else HOST,
        ws_port=http,
        wss_port=http + 1,
        rtp_first=rtp,
        rtp_last=rtp + RTP_PORTS - 1,
        modules=unpacked.libraries / "asterisk/modules",
        data=unpacked.root / "usr/share/asterisk",
    )
    (folder / "var").mkdir()
    server = replace(
        _server("asterisk", version([*command, "-V"]), lab, port, host6=True),
        ws_port=http,
        wss_port=http + 1,
    )
    foreground = [*command, "-f", "-n", "-C", str(folder / "asterisk.conf")]
    return booted(lab.running(server, foreground), told_to(ASTERISK_SUITE, folder, "core waitfullybooted"))


@contextmanager
def booted(running: AbstractContextManager[Server], wait: list[str]) -> Iterator[Server]:
    """An Asterisk that has read its dialplan, too: it answers OPTIONS before that. `wait` is what tells when."""
    with running as server:
        subprocess.run(wait, check=True, capture_output=True)
        yield server


def told_to(suite: str, folder: Path, line: str) -> list[str]:
    """What to run to have the Asterisk of a suite, which runs with the configuration in `folder`, do a command."""
    unpacked = debian.find(suite, "asterisk")
    assert unpacked is not None
    return [*unpacked.command("usr/sbin/asterisk"), "-C", str(folder / "asterisk.conf"), "-rx", line]


def chan_sip(lab: Lab) -> AbstractContextManager[Server]:
    """Asterisk 16 with its old SIP channel; its modules are not where those of 22 are."""
    unpacked = debian.find(CHAN_SIP_SUITE, "asterisk")
    if unpacked is None:
        raise MissingError(f"Asterisk 16 is not there: python3 tests/interop/debian.py {CHAN_SIP_SUITE} asterisk")
    command = unpacked.command("usr/sbin/asterisk")
    port, rtp = lab.ports(2), lab.ports(RTP_PORTS)
    folder = lab.configure(
        "chan-sip",
        port=port,
        tls_port=port + 1,
        rtp_first=rtp,
        rtp_last=rtp + RTP_PORTS - 1,
        modules=unpacked.root / "usr/lib/asterisk/modules",
        data=unpacked.root / "usr/share/asterisk",
    )
    (folder / "var").mkdir()
    server = _server("chan-sip", version([*command, "-V"]), lab, port)
    foreground = [*command, "-f", "-n", "-C", str(folder / "asterisk.conf")]
    return booted(lab.running(server, foreground), told_to(CHAN_SIP_SUITE, folder, "core waitfullybooted"))


def baresip(lab: Lab, name: str = "baresip") -> AbstractContextManager[Server]:
    """baresip: a user agent that picks up by itself. As `baresip` it plays a tone, as `baresip-echo` what it hears."""
    command = program("baresip", "baresip-core")
    port, rtp = lab.ports(2), lab.ports(RTP_PORTS)
    folder = lab.configure(name, port=port, rtp_first=rtp, rtp_last=rtp + RTP_PORTS - 1, modules=baresip_modules())
    write_tone(folder / "tone.wav")
    return lab.running(_server(name, version([command, "-h"]), lab, port), [command, "-f", str(folder)])


def baresip_modules() -> Path | None:
    """The folder of baresip's modules, which depends on its version."""
    return next((path for pattern in BARESIP_MODULES for path in Path("/usr").glob(pattern)), None)


def kamailio(lab: Lab, gateway: Server, algorithm: str = "MD5") -> AbstractContextManager[Server]:
    """Kamailio: a registrar and proxy; calls to echo, silent, early and, behind digest, auth go on to `gateway`.

    Its challenges ask for `algorithm`, the same one all the time.
    """
    return lab.running(*kamailio_command(lab, gateway, algorithm))


def kamailio_command(lab: Lab, gateway: Server, algorithm: str = "MD5") -> tuple[Server, list[str]]:
    """The same before it runs, for who stops it and starts it again, and what to run."""
    command = program("kamailio", "kamailio")
    port = lab.ports(2)
    names = {"tls_port": port + 1, "gateway_port": gateway.udp_port, "algorithm": algorithm}
    folder = lab.configure("kamailio", port=port, **names)
    if not any(Path("/usr/lib").glob("*/kamailio/modules/tls.so")):
        raise MissingError("Kamailio has no TLS: apt-get install kamailio-tls-modules")
    server = _server("kamailio", version([command, "-v"]), lab, port, host6=True)
    foreground = [command, "-DD", "-E", "-m", "32", "-M", "8", "-f", str(folder / "kamailio.cfg"), "-Y", str(folder)]
    if server.host6:
        foreground += ["-A", "WITH_IPV6"]
    return server, foreground


def sipp(lab: Lab) -> AbstractContextManager[Server]:
    """SIPp: a callee that follows a scenario; one process for UDP and one for TCP, on the same port number."""
    command = program("sipp", "sip-tester")
    port, rtp = lab.ports(1), lab.ports(RTP_PORTS)
    folder = lab.configure("sipp")
    listen = [command, "-sf", str(folder / "answer.xml"), "-i", HOST, "-p", str(port), "-nostdin", "-rtp_echo"]
    udp = [*listen, "-t", "u1", "-mi", HOST, "-mp", str(rtp)]
    tcp = [*listen, "-t", "t1", "-mi", HOST, "-mp", str(rtp + RTP_PORTS // 2)]
    server = Server("sipp", version([command, "-v"]), HOST, udp_port=port, tcp_port=port)
    return lab.running(server, udp, tcp)


def _server(name: str, number: str, lab: Lab, port: int, *, host6: bool = False) -> Server:
    """A server with UDP and TCP on `port`, TLS on the next, and perhaps the same on IPv6."""
    return Server(
        name, number, HOST, port, port, port + 1, lab.certificates.ca, HOST6 if host6 and has_ipv6() else None
    )


def write_tone(path: Path, seconds: int = 60) -> None:
    """A 425 Hz tone, longer than any call: where the file ends, baresip hangs up."""
    second = b"".join(struct.pack("<h", int(8000 * math.sin(2 * math.pi * 425 * n / 8000))) for n in range(8000))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(second * seconds)
