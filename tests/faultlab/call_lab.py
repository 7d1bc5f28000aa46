"""The call fault lab: test calls to real servers on the loopback, and to callees behind a network that can be made bad.

Calls that do not disturb each other are placed at the same time, a few at once, so that a slow machine keeps up.
"""

import subprocess
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import trio

from probes.calls.run import place_call
from probes.calls.script import CallScript
from probes.destination import Destination
from probes.findings.finding import Finding, Severity
from probes.responder.personas import Persona
from probes.responder.run import open_responder
from probes.result import CallKind, CallResult, CallStatus
from sipcore.endpoint.endpoint import EndpointConfig
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports.base import TlsConfig, TransportConfig
from tests.faultlab.call_incoming import AsteriskCaller, Called, be_called, be_called_over, inside
from tests.faultlab.callee import Callee, Manner
from tests.faultlab.lab import at_once, have_everything_told
from tests.impairment import namespace
from tests.impairment.boxes import Box
from tests.impairment.namespace import Namespace
from tests.impairment.network import open_network
from tests.impairment.path import Impairment
from tests.impairment.switch import Way
from tests.interop import debian, servers
from tests.interop.lab import HOST, Lab, MissingError, Server, process, program
from tests.interop.sipp import listening

BOB = "198.51.100.1"
PORT = 5060
SEED = 3261
AT_ONCE = 8
"""Calls at the same time over one network, or to the servers: each waits most of the time."""
NETWORKS = 6
"""Networks at the same time, each with a relay of its own, beside the calls to the servers. All that together takes a
quarter of two cores. With eight, on cores that others took as well, packets left so late that a pause in media could
not be told from it; and it would end little sooner, since one case takes a minute by RFC 4028.
"""
GROUP = 20
"""Callees at most over one good network."""
PATIENCE = 90.0
"""Seconds for one call, which takes ten at most where nothing else goes on."""
HOLD = 2.5
"""Seconds that calls are held: a period of the known signal, and some more."""


@dataclass(frozen=True, slots=True)
class OnServer:
    """A callee at one of the lab's servers: asterisk, kamailio, baresip or sipp.

    With `trusted` its certificate is, and it has to be for `name`, by default the address that is called.
    """

    server: str
    user: str
    transport: Transport = Transport.UDP
    trusted: bool = True
    name: str = ""


@dataclass(frozen=True, slots=True)
class OnSipp:
    """SIPp with a scenario of its own: its text."""

    scenario: str


@dataclass(frozen=True, slots=True)
class AtResponder:
    """The responder as a persona, in which a user is called."""

    persona: Persona
    user: str = "echo"


Peer = OnServer | OnSipp | AtResponder | Manner | Called | None
"""Who is called; None where nobody is there, and `Called` where it is the prober that is called."""


@dataclass(frozen=True, slots=True)
class CallCase:
    """One call: who is called how, over which network, and which finding must come first; "" for a healthy one.

    `script` are fields of the `CallScript`. `make_boxes` makes what stands on the caller's line.
    """

    name: str
    expected: str
    peer: Peer
    script: Mapping[str, object] = field(default_factory=dict)
    make_boxes: Callable[[], tuple[Box, ...]] = tuple
    ways: tuple[tuple[Way, Impairment], ...] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong with the network."""
        return self.make_boxes is tuple and not self.ways

    @property
    def over_network(self) -> bool:
        """Whether it needs a network of its own, and with it root."""
        if isinstance(self.peer, Called):
            return self.peer.over_network
        return not isinstance(self.peer, OnServer | OnSipp)

    @property
    def made_with(self) -> str:
        """What makes the fault, for the table."""
        if isinstance(self.peer, Called) and self.clean:
            return self.peer.made_with
        if not self.clean:
            return "the network"
        match self.peer:
            case OnServer(server=server):
                return {"asterisk": "Asterisk", "kamailio": "Kamailio", "sipp": "SIPp"}.get(server, server)
            case OnSipp():
                return "SIPp"
            case AtResponder():
                return "the responder"
            case Manner():
                return "a scripted callee"
        return "nobody"


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """What a call came to."""

    case: CallCase
    result: CallResult

    @property
    def first(self) -> Finding | None:
        return self.result.findings[0] if self.result.findings else None

    @property
    def right(self) -> bool:
        """Whether the fault's finding is the first and has a cure, or, without a fault, the call was connected and
        nothing above a notice was found.
        """
        if self.case.expected:
            return self.first is not None and self.first.code == self.case.expected and bool(self.first.cure)
        quiet = all(finding.severity is Severity.NOTICE for finding in self.result.findings)
        return quiet and self.result.status.value == "connected"

    @property
    def codes(self) -> str:
        """The findings, but for that of this machine being busy, which comes and goes."""
        told = [one for one in self.result.findings if one.code != "busy-here" or one is self.first]
        return ", ".join(f"{one.severity.value[0].upper()} {one.code}" for one in told) or "nothing"

    def __str__(self) -> str:
        mark = "ok " if self.right else "BAD"
        told = "" if self.right else f"  ({self.result.status.value}: {self.result.why})"
        return f"{mark} {self.case.name:<32} {self.case.expected or '(healthy)':<26} {self.codes}{told}"


Tell = Callable[[CallOutcome], None]


async def run_calls(cases: Sequence[CallCase], lab: Lab, *, tell: Tell) -> list[CallOutcome]:
    """Play some cases, and what is wrong once more by itself: a busy machine looks like a bad network."""
    outcomes = {outcome.case.name: outcome for outcome in await _play(cases, lab, tell)}
    for case in [outcome.case for outcome in outcomes.values() if not outcome.right]:
        (outcomes[case.name],) = await _play([case], lab, tell)
    return [outcomes[case.name] for case in cases]


async def _play(cases: Sequence[CallCase], lab: Lab, tell: Tell) -> list[CallOutcome]:
    """Play some cases: those at servers, and those over networks meanwhile."""
    outcomes: list[CallOutcome] = []

    def note(outcome: CallOutcome) -> None:
        outcomes.append(outcome)
        tell(outcome)

    lab = replace(lab, folder=Path(tempfile.mkdtemp(dir=lab.folder)))  # one may be played in several rounds
    at_servers = [case for case in cases if not case.over_network]
    async with trio.open_nursery() as nursery:
        if at_servers:
            nursery.start_soon(_play_at_servers, lab, at_servers, note)
        # In a thread: making a network waits for `ip`, and the packets of calls to servers must not wait for that.
        elsewhere = partial(_play_over_networks, [case for case in cases if case.over_network], note)
        nursery.start_soon(trio.to_thread.run_sync, trio.run, elsewhere)
    return outcomes


# Real servers, on the loopback


async def _play_at_servers(lab: Lab, cases: Sequence[CallCase], note: Tell) -> None:
    wanted = {case.peer.server for case in cases if isinstance(case.peer, OnServer)}
    if any(isinstance(case.peer, Called) and isinstance(case.peer.by, AsteriskCaller) for case in cases):
        wanted.add("asterisk")
    with ExitStack() as stack:
        running = _start(lab, wanted, stack)  # here: they end with the thread that started them

        async def play(case: CallCase) -> None:
            note(await _play_at_server(lab, running, case))

        # Calls that come here are first: the longest of all is among them, and goes on beside the others.
        await at_once(AT_ONCE, sorted(cases, key=lambda case: not isinstance(case.peer, Called)), play)


def _start(lab: Lab, wanted: set[str], stack: ExitStack) -> dict[str, Server]:
    """The servers that are wanted. Raises MissingError for one that is not installed."""
    running: dict[str, Server] = {}
    needed = wanted | ({"baresip"} if "kamailio" in wanted else set())
    for name in ("asterisk", "baresip", "sipp"):
        if name in needed:
            prepare = {"asterisk": servers.asterisk, "baresip": servers.baresip, "sipp": servers.sipp}[name]
            running[name] = stack.enter_context(prepare(lab))
    if "kamailio" in needed:
        running["kamailio"] = stack.enter_context(servers.kamailio(lab, running["baresip"]))
    return running


async def _play_at_server(lab: Lab, running: Mapping[str, Server], case: CallCase) -> CallOutcome:
    peer = case.peer
    if isinstance(peer, OnSipp):
        port = lab.ports(2)
        with _sipp(lab, case.name, peer.scenario, port):
            with trio.fail_after(PATIENCE):
                await listening(port, Transport.UDP)
            return await _call(case, Destination(HOST, port, Transport.UDP, "bob"))
    if isinstance(peer, Called):
        return await _in_time(case, partial(be_called, lab, case.name, peer))
    assert isinstance(peer, OnServer)
    server = running[peer.server]
    port = {Transport.TLS: server.tls_port, Transport.TCP: server.tcp_port}.get(peer.transport) or server.udp_port
    tls = TlsConfig(ca_file=str(server.ca_file) if server.ca_file and peer.trusted else None)
    named = Hop(peer.transport, SocketAddress(server.host, port), tls_name=peer.name) if peer.name else None
    return await _call(case, Destination(server.host, port, peer.transport, peer.user), tls, named)


@contextmanager
def _sipp(lab: Lab, name: str, scenario: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    folder = lab.folder / f"sipp-{name}"
    folder.mkdir()
    (folder / "scenario.xml").write_text(scenario)
    command = [program("sipp", "sip-tester"), "-sf", "scenario.xml", "-i", HOST, "-p", str(port), "-nostdin"]
    media = lab.ports(4)
    options = ["-t", "u1", "-m", "1", "-rtp_echo", "-mi", HOST, "-mp", str(media), "-timeout", str(int(PATIENCE))]
    with process([*command, *options, "-pause_msg_ign", HOST], folder) as started:
        yield started


# Callees behind a network


async def _play_over_networks(cases: Sequence[CallCase], note: Tell) -> None:
    alone = [case for case in cases if not case.clean or isinstance(case.peer, Called)]
    others = [case for case in cases if case not in alone]
    alone.sort(key=lambda case: not isinstance(case.peer, Called))  # the longest first, as at servers
    groups = [others[start : start + GROUP] for start in range(0, len(others), GROUP)] + [[case] for case in alone]
    await at_once(NETWORKS, groups, partial(_play_over_network, note=note))


async def _play_over_network(cases: Sequence[CallCase], note: Tell) -> None:
    """Play cases over one network, each callee at a port of its own."""
    async with open_network("alice", "bob", seed=SEED, boxes={"alice": cases[0].make_boxes()}) as network:
        have_everything_told(network["bob"])
        for way, impairment in cases[0].ways:
            await network.impair(impairment, way=way)
        called = cases[0].peer
        if isinstance(called, Called):
            note(await _in_time(cases[0], partial(be_called_over, network["bob"], network["alice"], called)))
            return
        places = {case.name: SocketAddress(BOB, PORT + 2 * number) for number, case in enumerate(cases)}

        async def place_all() -> list[CallOutcome]:
            outcomes: list[CallOutcome] = []

            async def place(case: CallCase) -> None:
                at = places[case.name]
                user = case.peer.user if isinstance(case.peer, AtResponder) else "bob"
                outcomes.append(await _call(case, Destination(at.host, at.port, Transport.UDP, user)))

            await at_once(AT_ONCE, cases, place)
            return outcomes

        with _peers(network["bob"], [(case.peer, places[case.name]) for case in cases]):
            for outcome in await trio.to_thread.run_sync(inside, network["alice"], place_all):
                note(outcome)


@contextmanager
def _peers(site: Namespace, peers: Sequence[tuple[Peer, SocketAddress]]) -> Iterator[None]:
    """Callees in a thread of their own, inside a site, for the length of a block."""
    ready, over = threading.Event(), threading.Event()
    failed: list[BaseException] = []

    async def serve() -> None:
        async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
            for peer, at in peers:
                if isinstance(peer, Manner):
                    await nursery.start(Callee(peer, at).serve)
                elif isinstance(peer, AtResponder):
                    await stack.enter_async_context(open_responder(peer.persona, [(Transport.UDP, at)]))
            ready.set()
            await trio.to_thread.run_sync(over.wait, abandon_on_cancel=True)
            nursery.cancel_scope.cancel()

    def run() -> None:
        try:
            with site.entered():
                trio.run(serve)
        except BaseException as error:  # noqa: BLE001  # told to whoever waits for it
            failed.append(error)
            ready.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        if not ready.wait(PATIENCE) or failed:
            raise RuntimeError(f"the callees did not come up: {failed}")
        yield
    finally:
        over.set()
        thread.join(PATIENCE)


async def _call(
    case: CallCase, destination: Destination, tls: TlsConfig | None = None, hop: Hop | None = None
) -> CallOutcome:
    script = CallScript(destination, **({"hold": HOLD, "ring_timeout": 20.0} | dict(case.script)))  # type: ignore[arg-type]
    config = EndpointConfig(transports=TransportConfig(tls=tls or TlsConfig()))
    return await _in_time(case, partial(place_call, script, config, hop=hop))


async def _in_time(case: CallCase, play: Callable[[], Awaitable[CallResult]]) -> CallOutcome:
    """What a case comes to. One that takes too long comes to nothing, and that is never right."""
    with trio.move_on_after(PATIENCE):
        return CallOutcome(case, await play())
    why = f"not over after {PATIENCE:.0f} s"
    return CallOutcome(case, CallResult(Destination(HOST), None, CallStatus.PENDING, CallKind.NO_CALL, why))


def missing(cases: Sequence[CallCase]) -> str:
    """What is not here that these cases need; empty when they can be played."""
    needed = {"kamailio": "kamailio", "baresip": "baresip-core", "sipp": "sip-tester", "setpriv": "util-linux"}
    try:
        if any(case.over_network for case in cases):
            namespace.check_available()
        if all(case.over_network for case in cases):
            return ""
        for name, package in needed.items():
            program(name, package)
        if debian.find(servers.ASTERISK_SUITE, "asterisk") is None:
            return f"Asterisk 22 is not there: python3 tests/interop/debian.py {servers.ASTERISK_SUITE} asterisk"
    except (MissingError, namespace.UnavailableError) as error:
        return str(error)
    return ""
