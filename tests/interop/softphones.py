"""Real phones as the other end of a call: started for one test, and told what to do as their users would tell them."""

import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import trio

from sipcore.resolve.target import Transport
from tests.interop.clients import PASSWORD
from tests.interop.conftest import installed
from tests.interop.lab import HOST, POLL_SECONDS, Lab, Server, process
from tests.interop.phone import at, uri
from tests.interop.programs import Console, console
from tests.interop.servers import RTP_PORTS, baresip_modules, write_tone

REGISTER_SECONDS = 60
"""For how long a phone registers: longer than any test."""
QUIT_SECONDS = 5.0
"""How long linphone may take to end: several times what it takes."""


@dataclass(slots=True)
class Baresip:
    """baresip, through its control port. `events` are the kinds of those that it has told so far."""

    stream: trio.SocketStream
    port: int
    events: list[str] = field(default_factory=list)

    def uri(self, user: str, transport: Transport = Transport.UDP) -> str:
        """What to call it by, without a proxy."""
        port = self.port + (transport is Transport.TLS)
        return uri(user, port, transport)

    async def dial(self, uri: str) -> None:
        """Call somebody."""
        await self.do("dial", uri)

    async def hears_ringing(self) -> None:
        """Wait until the other side rings."""
        await self.tells("CALL_RINGING")

    async def answer(self) -> None:
        """Pick up."""
        await self.tells("CALL_INCOMING")
        await self.do("accept")

    async def hang_up(self) -> None:
        """End the call, or refuse it."""
        await self.do("hangup")

    async def hold(self) -> None:
        """Put the call on hold."""
        await self.do("hold")

    async def resume(self) -> None:
        """Take it off hold."""
        await self.do("resume")

    async def transfer(self, uri: str) -> None:
        """Have the other side call somebody else."""
        await self.do("transfer", uri)

    async def do(self, command: str, params: str = "") -> None:
        """Do what its menu has."""
        text = json.dumps({"command": command, "params": params})
        await self.stream.send_all(f"{len(text)}:{text},".encode())

    async def tells(self, kind: str, count: int = 1) -> None:
        """Wait until it has told of an event so often."""
        while self.events.count(kind) < count:  # noqa: ASYNC110  # one task reads, and this one is not it
            await trio.sleep(POLL_SECONDS / 5)

    async def read(self) -> None:
        """Keep what it tells, for as long as it runs."""
        unread = b""
        async for data in self.stream:
            unread += data
            while b":" in unread:
                length, _, rest = unread.partition(b":")
                if len(rest) <= int(length):
                    break
                told = json.loads(rest[: int(length)])
                unread = rest[int(length) + 1 :]
                if told.get("event"):
                    self.events.append(told["type"])


@asynccontextmanager
async def baresip(
    lab: Lab,
    folder: Path,
    user: str,
    *,
    registrar: Server | None = None,
    transport: Transport = Transport.UDP,
    answers: str = "manual",
    calls: int = 4,
    encryption: str = "",
) -> AsyncIterator[Baresip]:
    """A baresip of its own folder, registered if it is to be, which plays a tone.

    `answers` is how it answers: manual, auto or early; `encryption` its word for how it encrypts media.
    """
    program = installed("baresip", "baresip-core")
    port, control, rtp = lab.ports(2), lab.ports(1), lab.ports(RTP_PORTS)
    home = _configure(
        lab,
        folder,
        "baresip-phone",
        port=port,
        control=control,
        calls=calls,
        rtp_first=rtp,
        rtp_last=rtp + RTP_PORTS - 1,
        modules=baresip_modules(),
        user=user,
        password=PASSWORD,
        registrar=f":{registrar.udp_port}" if registrar else "",
        outbound=at(registrar, "", transport) if registrar else "",
        regint=REGISTER_SECONDS if registrar else 0,
        answermode=answers,
        encryption=f";mediaenc={encryption}" if encryption else "",
    )
    write_tone(home / "tone.wav")
    with process([program, "-f", str(home)], home):
        async with await _connected(control) as stream, trio.open_nursery() as nursery:
            phone = Baresip(stream, port)
            nursery.start_soon(phone.read)
            while registrar and " binding" not in (home / "output.log").read_text():  # noqa: ASYNC110
                await trio.sleep(POLL_SECONDS / 5)
            yield phone
            nursery.cancel_scope.cancel()


def _configure(lab: Lab, folder: Path, name: str, **values: object) -> Path:
    folder.mkdir(exist_ok=True)
    return replace(lab, folder=folder).configure(name, **values)


async def _connected(port: int) -> trio.SocketStream:
    while True:
        try:
            return await trio.open_tcp_stream(HOST, port)
        except OSError:
            await trio.sleep(POLL_SECONDS / 5)


@dataclass(slots=True)
class Linphone:
    """linphonec, at its prompt."""

    console: Console
    port: int
    heard: str = ""

    def uri(self, user: str, transport: Transport = Transport.UDP) -> str:
        """What to call it by, without a proxy."""
        return uri(user, self.port, transport)

    async def dial(self, uri: str) -> None:
        """Call somebody."""
        await self.do(f"call {uri}")

    async def hears_ringing(self) -> None:
        """Wait until the other side rings."""
        await self.says("ringing")

    async def answer(self) -> None:
        """Pick up."""
        await self.says("Receiving new incoming call")
        await self.do("answer")

    async def hang_up(self) -> None:
        """End the call, or refuse it."""
        await self.do("terminate")

    async def hold(self) -> None:
        """Put the call on hold."""
        await self.do("pause")
        await self.says("is now paused")

    async def resume(self) -> None:
        """Take it off hold."""
        await self.do("resume")

    async def transfer(self, uri: str) -> None:
        """Have the other side call somebody else."""
        await self.do(f"transfer {uri}")

    async def plays(self, file: Path) -> None:
        """Have it play a file in calls."""
        await self.do(f"play {file}")

    async def records(self, file: Path) -> None:
        """Have it write what it hears in calls to a file."""
        await self.do(f"record {file}")

    async def quit(self) -> None:
        """Have it end by itself, so that its files are whole. It may not do so, and is killed then."""
        await self.do("quit")
        with trio.move_on_after(QUIT_SECONDS):
            await self.console.ended()

    async def do(self, line: str) -> None:
        """Type a line."""
        await self.console.typed.send_all(f"{line}\n".encode())

    async def says(self, text: str) -> None:
        """Wait until it has said something; it looks at its network only while nobody types."""
        while text not in self.heard:  # noqa: ASYNC110  # one task reads, and this one is not it
            await trio.sleep(POLL_SECONDS / 5)

    async def read(self) -> None:
        """Keep what it says, for as long as it runs."""
        async for data in self.console.said:
            self.heard += data.decode()


@asynccontextmanager
async def linphone(
    lab: Lab,
    folder: Path,
    user: str,
    *,
    registrar: Server | None = None,
    transport: Transport = Transport.UDP,
    **settings: object,
) -> AsyncIterator[Linphone]:
    """A linphone of its own folder, registered if it is to be; `settings` go into the section of SIP."""
    linphonec = installed("linphonec", "linphone-cli")
    port = lab.ports(2)
    home = _configure(
        lab,
        folder,
        "linphone-phone",
        port=port,
        rtp_port=lab.ports(2),
        user=user,
        password=PASSWORD,
        registrar_port=registrar.udp_port if registrar else 0,
        registrar=at(registrar, "", transport) if registrar else "",
        proxy=0 if registrar else -1,
        expires=REGISTER_SECONDS,
        settings="\n".join(f"{name}={text}" for name, text in settings.items()),
    )
    (home / ".local/share/linphone").mkdir(parents=True)  # without it, linphone opens no port
    command = [linphonec, "-S", "-c", str(home / "linphonerc")]
    async with (
        console(*command, env=os.environ | {"HOME": str(home)}, stderr=subprocess.DEVNULL) as prompt,
        trio.open_nursery() as nursery,
    ):
        phone = Linphone(prompt, port)
        nursery.start_soon(phone.read)
        await phone.says("linphonec> ")
        await phone.do("soundcard use files")
        while registrar and "registered, identity=" not in phone.heard:
            await phone.do("status register")
            await trio.sleep(POLL_SECONDS)
        yield phone
        nursery.cancel_scope.cancel()
