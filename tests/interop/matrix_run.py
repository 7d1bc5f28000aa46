"""The interop matrix at work: the programs are started, the cells played, and what came of each is said in the words of
its expectation. Cells do not disturb each other, so that some are played at the same time."""

import math
import wave
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from probes.calls.run import place_call
from probes.calls.script import CallScript
from probes.destination import Destination
from probes.responder.happening import Happening
from probes.responder.personas import Persona
from probes.responder.run import open_responder
from probes.result import CallResult, CallRole
from sipcore.endpoint.endpoint import EndpointConfig
from sipcore.endpoint.media.media import Media, open_media
from sipcore.media.g711 import RATE, Law
from sipcore.media.listen import Recording, listen
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.sdp.terms import Direction
from sipcore.transports.base import TlsConfig, TransportConfig
from tests.interop import b2bua, pbx, servers
from tests.interop.lab import HOST, Lab, MissingError, Server, program, version
from tests.interop.matrix_cells import Cell, Verdict
from tests.interop.matrix_words import figures_of, verdict_of
from tests.interop.phone import uri
from tests.interop.sipp import Sipp
from tests.interop.softphones import baresip, linphone

HOLD = 2.5
"""Seconds that we hold calls: a period of the known signal, and some more."""
TALK = 0.5
"""Seconds that others go on once they hear something."""
PATIENCE = 30.0
"""Seconds for a cell, several times what the longest takes: a busy machine is no reason to fail."""
AT_ONCE = 12
"""Cells at the same time."""
LINPHONE: Mapping[str, Mapping[str, Any]] = {
    "echo": {},
    "sdes": {"media_encryption": "srtp", "media_encryption_mandatory": 1},
}
"""The settings of a linphone, by who is called there."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a cell. `measured` has the figures, for people."""

    cell: Cell
    obtained: Verdict
    measured: str = ""

    @property
    def right(self) -> bool:
        return self.obtained == self.cell.expected

    def __str__(self) -> str:
        told = "" if self.right else f"\n    expected {self.cell.expected}"
        return f"{'ok ' if self.right else 'BAD'} {self.cell.name:<44} {self.obtained} ({self.measured}){told}"


Tell = Callable[[Outcome], None]


@dataclass(slots=True)
class Programs:
    """What cells are played with: the servers that run, the version of each program, and what is not there."""

    lab: Lab
    servers: dict[str, Server] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    """By the program, what to install."""


@contextmanager
def started(lab: Lab, wanted: Collection[str], *, fetch: bool) -> Iterator[Programs]:
    """The wanted programs that are there, until the block ends; `fetch` is whether Sippy may be fetched."""
    programs = Programs(lab)
    running = programs.servers

    def gateway() -> Server:
        if "baresip" not in running:
            raise MissingError(programs.missing["baresip"])
        return running["baresip"]

    starts: dict[str, Callable[[], AbstractContextManager[Server]]] = {
        "asterisk": lambda: servers.asterisk(lab),
        "chan_sip": lambda: servers.chan_sip(lab),
        "baresip": lambda: servers.baresip(lab, "baresip-echo"),
        "sipp": lambda: servers.sipp(lab),
        "kamailio": lambda: servers.kamailio(lab, gateway()),
        "sippy": lambda: b2bua.sippy(lab, gateway().udp_port, fetch=fetch),
    }
    needed = {*wanted, *(["baresip"] if {"kamailio", "sippy"} & set(wanted) else [])}
    with ExitStack() as stack:
        for name, start in starts.items():
            if name in needed:
                try:
                    server = running[name] = stack.enter_context(start())
                    programs.versions[name] = server.version
                except MissingError as missing:
                    programs.missing[name] = str(missing)
        if "linphone" in needed:
            try:
                programs.versions["linphone"] = version([program("linphonec", "linphone-cli"), "-v"])
            except MissingError as missing:
                programs.missing["linphone"] = str(missing)
        yield programs


async def play(programs: Programs, cells: Sequence[Cell], tell: Tell) -> list[Outcome]:
    """Play the cells whose programs are there, and those with another outcome once more by themselves: a busy machine
    looks like a bad network."""
    cells = [cell for cell in cells if cell.program not in programs.missing]
    outcomes: dict[str, Outcome] = {}
    async with open_media() as media:

        async def play_one(cell: Cell, limiter: trio.CapacityLimiter) -> None:
            async with limiter:
                outcomes[cell.name] = await _play(programs, cell, media)
                tell(outcomes[cell.name])

        for role in CallRole:  # one after the other: the names of Asterisk's channels do not tell which way they go
            limiter = trio.CapacityLimiter(AT_ONCE)
            async with trio.open_nursery() as nursery:
                for cell in cells:
                    if cell.role is role:
                        nursery.start_soon(play_one, cell, limiter)
        for outcome in [outcome for outcome in outcomes.values() if not outcome.right]:
            await play_one(outcome.cell, trio.CapacityLimiter(1))
    return [outcomes[cell.name] for cell in cells]


async def _play(programs: Programs, cell: Cell, media: Media) -> Outcome:
    """Play one cell, whatever happens."""
    obtained, measured = Verdict("no end"), f"after {PATIENCE:g} s"
    with trio.move_on_after(PATIENCE):
        try:
            if cell.role is CallRole.CALLEE:
                result, heard = await _answer(programs.lab, cell)
            elif cell.program == "linphone":
                result, heard = await _call_linphone(programs.lab, cell, media)
            else:
                result, heard = await _call(cell, programs.servers[cell.program], media), False
            obtained, measured = verdict_of(result, heard_there=heard), figures_of(result)
        except Exception as error:  # noqa: BLE001  # told beside what came of the other cells
            obtained, measured = Verdict("nothing"), repr(error)
    return Outcome(cell, obtained, measured)


# We call


async def _call(cell: Cell, server: Server, media: Media) -> CallResult:
    port = {Transport.TLS: server.tls_port, Transport.TCP: server.tcp_port}.get(cell.transport) or server.udp_port
    destination = Destination(server.host, port, cell.transport, cell.user)
    script = CallScript(destination, **({"hold": HOLD} | dict(cell.script)))  # type: ignore[arg-type]  # its fields
    tls = TlsConfig(ca_file=str(server.ca_file) if server.ca_file else None)
    return await place_call(script, EndpointConfig(transports=TransportConfig(tls=tls)), media=media)


async def _call_linphone(lab: Lab, cell: Cell, media: Media) -> tuple[CallResult, bool]:
    """Its user picks up, plays a tone, and records what it hears."""
    folder = _folder(lab, cell)
    servers.write_tone(folder / "tone.wav")
    results: list[CallResult] = []
    async with linphone(lab, folder, cell.user, **LINPHONE[cell.user]) as phone:
        await phone.plays(folder / "tone.wav")
        await phone.records(folder / "heard.wav")

        async def call() -> None:
            server = Server("linphone", "", HOST, phone.port, phone.port)
            results.append(await _call(cell, server, media))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            await phone.answer()
        await phone.says(" ended (")
        await phone.quit()
    return results[0], await trio.to_thread.run_sync(_holds_signal, folder / "heard.wav")  # others need this thread


def _holds_signal(file: Path) -> bool:
    """Whether the known signal is in a file of sound."""
    with wave.open(str(file), "rb") as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, RATE)
        samples = memoryview(sound.readframes(sound.getnframes())).cast("h")
    recording = Recording(Law.PCMU)
    recording.add(0, Law.PCMU.encode(samples), 0.0)
    return listen(recording, Law.PCMU, 0.0).echo is not None


# They call


async def _answer(lab: Lab, cell: Cell) -> tuple[CallResult, bool]:
    """The responder answers; the program ends the call once it has heard something, where it can tell."""
    certificates = lab.certificates
    tls = TlsConfig(certificate=certificates.certificate.read_bytes(), key=certificates.key.read_bytes())
    told, tells = trio.open_memory_channel[Happening](math.inf)
    bind = (cell.transport, SocketAddress(HOST, 0))
    async with open_responder(Persona(), [bind], told.send_nowait, tls) as responder:
        port = responder.address(cell.transport).port
        heard = await CALLERS[cell.program](lab, cell, port)
        result = (await tells.receive()).result
    assert result is not None
    return result, heard


async def _asterisk(lab: Lab, cell: Cell, port: int) -> bool:
    """As one of the ways of its pjsip.conf."""
    await pbx.dial(lab, uri("echo", port, cell.transport), kind=cell.user, extension="tone")
    channel = await pbx.hears(lab, cell.user)
    await trio.sleep(TALK)
    await pbx.hang_up(lab, channel)
    return True


async def _baresip(lab: Lab, cell: Cell, port: int) -> bool:
    """With one of its words for how media is encrypted."""
    async with baresip(lab, _folder(lab, cell), "caller", encryption=cell.user) as phone:
        await phone.dial(uri("echo", port, cell.transport))
        await phone.tells("CALL_RTPESTAB")
        await trio.sleep(TALK)
        await phone.hang_up()
        await phone.tells("CALL_CLOSED")
    return True


async def _sipp(lab: Lab, cell: Cell, port: int) -> bool:
    """With a description of that direction; it cannot tell what it hears."""
    peer = Sipp(lab, _folder(lab, cell), cell.transport)
    await peer.call(port, peer.scenario("caller-audio", Direction(cell.user)))
    return False


CALLERS: Mapping[str, Callable[[Lab, Cell, int], Awaitable[bool]]] = {
    "asterisk": _asterisk,
    "baresip": _baresip,
    "sipp": _sipp,
}
"""How each program is made to call us, with a port; whether it tells that it has heard something."""


def _folder(lab: Lab, cell: Cell) -> Path:
    """A folder for the programs of one cell, which may be played twice."""
    folder = lab.folder / f"{cell.name.replace(' ', '-').replace(',', '')}-{lab.ports(2)}"
    folder.mkdir()
    return folder
