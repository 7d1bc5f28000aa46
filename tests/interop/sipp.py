"""SIPp as the other end of a call: it follows a scenario, and tells whether everything went as that says."""

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import trio

from sipcore.media.g711 import RATE, Law
from sipcore.resolve.target import Transport
from sipcore.sdp.terms import Direction
from tests.interop.conftest import installed
from tests.interop.lab import HOST, POLL_SECONDS, Lab
from tests.interop.programs import output_of

TIMEOUT_SECONDS = 20
"""After which SIPp gives a call up, and tells what it waited for: before the test does."""
SDP = """\
Content-Type: application/sdp
Content-Length: [len]

v=0
o=sipp 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio 9 RTP/AVP 0
a=rtpmap:0 PCMU/8000"""
"""What stands for @SDP@ in a scenario: the rest of a message, with a session description."""
SOUND_SECONDS = 5
"""Of silence, which SIPp plays again and again."""
MODES = {Transport.UDP: "u1", Transport.TCP: "t1"}
"""What SIPp calls the transports that it has as packaged."""


@dataclass(frozen=True, slots=True)
class Sipp:
    """Where SIPp runs; its errors and its scenarios are in `folder`."""

    lab: Lab
    folder: Path
    transport: Transport = Transport.UDP

    def scenario(self, name: str, direction: Direction = Direction.SENDRECV) -> list[str]:
        """The options for one of `fixtures/lab/sipp-peers`; one with audio describes it with that direction."""
        home, sound = self.folder / "sipp-peers", self.folder / "sound"
        if not home.exists():
            sound.write_bytes(bytes([Law.PCMU.silence]) * RATE * SOUND_SECONDS)
            values = {"sdp": SDP, "sound": sound, "direction": direction.value}
            replace(self.lab, folder=self.folder).configure("sipp-peers", **values)
        return ["-sf", str(home / f"{name}.xml"), "-mi", HOST]

    def stock(self, name: str, **changes: str) -> list[str]:
        """The options for a scenario that comes with SIPp, in which texts may be replaced: pauses, above all."""
        if not changes:
            return ["-sn", name]
        dumped = subprocess.run([self._program, "-sd", name], capture_output=True, text=True, check=False).stdout
        for old, new in changes.items():
            assert old in dumped
            dumped = dumped.replace(old, new)
        file = self.folder / f"{name}.xml"
        file.write_text(dumped)
        return ["-sf", str(file)]

    async def call(self, port: int, options: list[str]) -> None:
        """Follow a scenario that begins with a request to `port`, to its end."""
        await self._run(self.lab.ports(1), [*options, f"{HOST}:{port}"])

    @asynccontextmanager
    async def answer(self, options: list[str]) -> AsyncIterator[int]:
        """Follow a scenario that waits for a request at the port that is given; the block ends when it does."""
        port = self.lab.ports(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run, port, [*options, HOST])
            await listening(port, self.transport)
            yield port

    @property
    def _program(self) -> str:
        return installed("sipp", "sip-tester")

    async def _run(self, port: int, options: list[str]) -> None:
        limits = ["-m", "1", "-timeout", str(TIMEOUT_SECONDS), "-timeout_error", "-nostdin", "-trace_err"]
        where = ["-i", HOST, "-p", str(port), "-t", MODES[self.transport], "-s", "bob"]
        code, output = await output_of([self._program, *options, *limits, *where], self.folder)
        errors = "\n".join(log.read_text(errors="replace") for log in self.folder.glob("*_errors.log"))
        assert code == 0, f"{options} ended with {code}:\n{errors or output}"


async def listening(port: int, transport: Transport) -> None:
    """Wait until some program has `port`, which is seen without touching it."""
    while not _is_taken(port, transport):  # noqa: ASYNC110  # it does not tell
        await trio.sleep(POLL_SECONDS / 5)


def _is_taken(port: int, transport: Transport) -> bool:
    return f":{port:04X} 00000000:0000 " in Path("/proc/net", transport.name.lower()).read_text()
