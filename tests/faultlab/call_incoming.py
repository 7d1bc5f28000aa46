"""Calls that come in, for the call fault lab: somebody calls the responder, which tells what it finds.

Real programs call over the loopback, and a prober over a network that can be made bad.
"""

import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio

from probes.calls.run import place_call
from probes.calls.script import CallScript
from probes.destination import Destination
from probes.responder.happening import Binding
from probes.responder.personas import Persona
from probes.responder.run import Responder, open_responder
from probes.result import CallResult, CallStatus
from sipcore.resolve.target import SocketAddress, Transport
from tests.impairment.namespace import Namespace
from tests.interop import pbx, programs
from tests.interop.lab import HOST, Lab, program
from tests.interop.phone import uri
from tests.interop.softphones import baresip

SOUND_SECONDS = 5
"""Of silence, which SIPp plays again and again."""
SILENCE = b"\xff" * 8000 * SOUND_SECONDS
WAIT = 20.0
"""Seconds within which a call comes: what a program takes on a busy machine."""
TALK = 2.0
"""Seconds that baresip is left to talk."""
HOLD = 2.5
"""Seconds that the prober holds a call."""
PORT = 5060
CANNOT_BIND = 254
"""How SIPp ends when somebody else has taken its port since that was looked for."""
TRIES = 3
OUTPUT = "output.log"
"""What a caller says, in its folder."""
MAX_SAID = 1000
"""Characters of that, from its end, which are told where its call did not come."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SippCaller:
    """SIPp, with a scenario of its own: its text, in which @SOUND@ is a file that can be played."""

    scenario: str


@dataclass(frozen=True, slots=True)
class AsteriskCaller:
    """Asterisk, in one of the ways of its pjsip.conf; who answers gets to an extension, which hangs up by itself."""

    kind: str
    extension: str = "brieftone"


@dataclass(frozen=True, slots=True)
class BaresipCaller:
    """baresip, with its word for how media is encrypted."""

    encryption: str = ""


@dataclass(frozen=True, slots=True)
class ProberCaller:
    """A test call over a network: fields of its `CallScript`."""

    script: Mapping[str, object] = field(default_factory=dict)


Caller = SippCaller | AsteriskCaller | BaresipCaller | ProberCaller | None


@dataclass(frozen=True, slots=True)
class Called:
    """A call that comes here: from whom (None: it never does), who deals with it, and how long it is waited for."""

    by: Caller
    persona: Persona = field(default_factory=Persona)
    wait: float = WAIT

    @property
    def over_network(self) -> bool:
        """Whether it comes over a network that can be made bad."""
        return isinstance(self.by, ProberCaller)

    @property
    def made_with(self) -> str:
        """Who calls."""
        match self.by:
            case SippCaller():
                return "SIPp, which calls"
            case AsteriskCaller():
                return "Asterisk, which calls"
            case BaresipCaller():
                return "baresip, which calls"
            case ProberCaller():
                return "the prober, which calls"
        return "nobody, who should call"


async def be_called(lab: Lab, name: str, called: Called) -> CallResult:
    """What the responder tells of a call over the loopback."""
    folder = lab.folder / f"from-{name}"
    folder.mkdir()
    bind = (Transport.UDP, SocketAddress(HOST, 0))
    async with open_responder(called.persona, [bind]) as responder, trio.open_nursery() as nursery:
        turn = responder.expect(called.persona)
        nursery.start_soon(_call, lab, folder, called.by, responder)
        result = await turn.result(called.wait)
        nursery.cancel_scope.cancel()
    said = folder / OUTPUT
    if result.status is CallStatus.FAILED and said.exists():
        end = said.read_text(errors="replace")[-MAX_SAID:].strip()
        return replace(result, why=f"{result.why}; the caller said: {end or 'nothing'}")
    return result


async def be_called_over(here: Namespace, there: Namespace, called: Called) -> CallResult:
    """What the responder at one site tells of a call from another."""
    assert isinstance(called.by, ProberCaller)
    listens = threading.Event()
    bind: Binding = (Transport.UDP, SocketAddress(here.ipv4, PORT))
    destination = Destination(here.ipv4, PORT, Transport.UDP, "bob")
    script = CallScript(destination, **({"hold": HOLD, "ring_timeout": 20.0} | dict(called.by.script)))  # type: ignore[arg-type]

    async def answer() -> CallResult:
        try:
            async with open_responder(called.persona, [bind]) as responder:
                turn = responder.expect(called.persona)
                listens.set()
                return await turn.result(called.wait)
        finally:
            listens.set()

    results: list[CallResult] = []

    async def be_answered() -> None:
        results.append(await trio.to_thread.run_sync(inside, here, answer))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(be_answered)
        await trio.to_thread.run_sync(listens.wait)
        await trio.to_thread.run_sync(inside, there, partial(place_call, script))
    return results[0]


def inside(site: Namespace, function: Callable[[], Awaitable[T]]) -> T:
    """Run something of trio in a thread that is inside a site; every socket that it opens is there."""
    with site.entered():
        return trio.run(function)


async def _call(lab: Lab, folder: Path, caller: Caller, responder: Responder) -> None:
    """Have a program call, and do what it does until it is stopped."""
    port = responder.address(Transport.UDP).port
    match caller:
        case SippCaller(scenario):
            await _sipp(lab, folder, scenario, port)
        case AsteriskCaller(kind, extension):
            await pbx.dial(lab, uri("echo", port, Transport.UDP), kind=kind, extension=extension)
        case BaresipCaller(encryption):
            async with baresip(lab, folder, "caller", encryption=encryption) as phone:
                await phone.dial(uri("echo", port, Transport.UDP))
                await phone.tells("CALL_RTPESTAB")
                await trio.sleep(TALK)
                await phone.hang_up()
                await phone.tells("CALL_CLOSED")


async def _sipp(lab: Lab, folder: Path, scenario: str, port: int) -> None:
    (folder / "sound").write_bytes(SILENCE)
    (folder / "scenario.xml").write_text(scenario.replace("@SOUND@", str(folder / "sound")))
    sipp = program("sipp", "sip-tester")
    for _ in range(TRIES):
        where = ["-i", HOST, "-p", str(lab.ports(2)), "-mi", HOST, "-mp", str(lab.ports(4)), "-s", "bob"]
        options = ["-sf", "scenario.xml", "-t", "u1", "-m", "1", "-nostdin", *where, f"{HOST}:{port}"]
        with (folder / OUTPUT).open("ab") as log:
            code = await programs.ended([sipp, *options], folder, log)
        if code != CANNOT_BIND:
            return
