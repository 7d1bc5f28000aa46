"""Trunks that are watched on loopback, by a clock that jumps, and what is told of them."""

from collections.abc import Callable, Sequence

import trio

from probes.destination import Destination
from probes.health.run import Watch, WatchConfig
from probes.health.terms import Change, Check, Happening, Switch
from probes.health.trunk import Route, Rules, Trunk
from sipcore.transports.base import TlsConfig
from tests.probes.discovery.network import HOST, Respond, ok

RULES = Rules(interval=10.0, retry=2.0, timeout=1.0, misses=3, recoveries=2)


class Peer:
    """Answers as it is told to at the moment, and keeps what it was asked."""

    def __init__(self, respond: Respond = ok) -> None:
        self.respond = respond
        self.asked: list[bytes] = []

    def __call__(self, data: bytes) -> bytes | None:
        self.asked.append(data)
        return self.respond(data)


class Told:
    """What a watch tells, each with the seconds since this was made."""

    def __init__(self) -> None:
        self._began = trio.current_time()
        self.timed: list[tuple[float, Happening]] = []

    def __call__(self, happening: Happening) -> None:
        self.timed.append((trio.current_time() - self._began, happening))

    @property
    def all(self) -> list[Happening]:
        return [happening for _, happening in self.timed]

    @property
    def checks(self) -> list[Check]:
        return [each for each in self.all if isinstance(each, Check)]

    @property
    def changes(self) -> list[Change]:
        return [each for each in self.all if isinstance(each, Change)]

    @property
    def switches(self) -> list[Switch]:
        return [each for each in self.all if isinstance(each, Switch)]

    @property
    def story(self) -> list[str]:
        """The changes and switches in few words."""
        return [_word(each) for each in self.all if not isinstance(each, Check)]

    def seconds(self, which: Callable[[Happening], bool]) -> list[float]:
        return [at for at, happening in self.timed if which(happening)]


def _word(happening: Happening) -> str:
    match happening:
        case Change():
            return f"{happening.route} {happening.after.value}"
        case Switch():
            return f"{happening.cause.value} to {happening.after}"
    return happening.reason


def route(port: int, name: str = "main", scheme: str = "udp", tls: TlsConfig | None = None) -> Route:
    return Route(name, Destination.parse(f"{scheme}://{HOST}:{port}"), tls or TlsConfig())


def trunk(*routes: Route, rules: Rules = RULES, name: str = "acme") -> Trunk:
    return Trunk(name, routes, rules)


async def watch(trunks: Sequence[Trunk], seconds: float, config: WatchConfig | None = None) -> Told:
    """Watch for so long."""
    told = Told()
    with trio.move_on_after(seconds):
        await Watch(trunks, told, config).run()
    return told


async def once(trunks: Sequence[Trunk], config: WatchConfig | None = None) -> Told:
    """Check everything once."""
    told = Told()
    await Watch(trunks, told, config).check_once()
    return told
