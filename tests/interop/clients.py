"""Clients that register with the test, each started with a configuration of its own and run to its end."""

import os
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import trio

from tests.interop.lab import HOST, POLL_SECONDS, Lab
from tests.interop.programs import Console, console, output_of
from tests.interop.servers import baresip_modules

USER, PASSWORD, REALM = "alice", "secret", "lab"
EXPIRES = 60
BARESIP_SECONDS = 1
"""How long baresip runs before it takes its registration back and ends."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a client is started: its program, the registrar it goes to, and who it says it is."""

    program: str
    lab: Lab
    port: int
    accepted: trio.Event
    """Set once the client has been accepted."""
    proxy: bool = False
    """Whether it is challenged as by a proxy."""
    user: str = USER
    password: str = PASSWORD

    @property
    def where(self) -> str:
        return f"{HOST}:{self.port}"

    def configure(self, name: str, **values: object) -> Path:
        """The folder with the configuration of a client."""
        known = {"user": self.user, "password": self.password, "realm": REALM, "registrar_port": self.port}
        return self.lab.configure(name, port=self.lab.ports(2), **known, **values)

    async def run(self, *options: str) -> tuple[int, str]:
        """The exit code and the output of a client that ends by itself."""
        return await output_of([self.program, *options], self.lab.folder)


async def sipsak(desk: Desk) -> bool:
    return await _sipsak(desk, "-U", "-i", "-C", f"sip:{desk.user}@{HOST}:9", "-x", str(EXPIRES))


async def sipsak_asking(desk: Desk) -> bool:
    """OPTIONS."""
    return await _sipsak(desk)


async def _sipsak(desk: Desk, *options: str) -> bool:
    code, _ = await desk.run("-s", f"sip:{desk.user}@{desk.where}", "-u", desk.user, "-a", desk.password, *options)
    return code == 0


async def sipp(desk: Desk) -> bool:
    challenge = 407 if desk.proxy else 401
    scenario = desk.configure("callers", challenge=challenge) / "register.xml"
    limits = ["-m", "1", "-timeout", "5", "-nostdin"]
    code, _ = await desk.run("-sf", str(scenario), "-i", HOST, "-p", str(desk.lab.ports(1)), *limits, desk.where)
    return code == 0


async def baresip(desk: Desk) -> bool:
    folder = desk.configure("baresip-client", modules=baresip_modules())
    _, output = await desk.run("-f", str(folder), "-t", str(BARESIP_SECONDS))
    return "200 OK () [1 binding]" in output


async def linphone(desk: Desk) -> bool:
    folder = desk.configure("linphone")
    (folder / ".local/share/linphone").mkdir(parents=True)  # without it, linphone opens no port
    command = [desk.program, "-c", str(folder / "linphonerc")]
    async with console(*command, env=os.environ | {"HOME": str(folder)}, stderr=subprocess.DEVNULL) as prompt:
        await _typed(prompt, "")
        await desk.accepted.wait()
        # It looks at its network only while nobody types.
        while "registered, identity=" not in await _typed(prompt, "status register\n"):  # noqa: ASYNC110
            await trio.sleep(POLL_SECONDS)
        await _typed(prompt, "quit\n")
        await prompt.ended()
    return True


async def _typed(prompt: Console, line: str) -> str:
    """What linphonec says to a line, up to its next prompt or its end."""
    await prompt.typed.send_all(line.encode())
    output = ""
    async for data in prompt.said:
        output += data.decode()
        if output.endswith("linphonec> "):
            break
    return output


Client = Callable[[Desk], Awaitable[bool]]
"""Runs a client to its end, and tells whether it says that it is registered, or answered."""
PROGRAMS: dict[Client, tuple[str, str]] = {
    sipsak: ("sipsak", "sipsak"),
    sipsak_asking: ("sipsak", "sipsak"),
    sipp: ("sipp", "sip-tester"),
    baresip: ("baresip", "baresip-core"),
    linphone: ("linphonec", "linphone-cli"),
}
"""The program behind each, and the Debian package that it comes with."""
