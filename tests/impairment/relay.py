"""The impairment relay: the process that carries the packets of a bad network between the interfaces of its sites.

It holds one end of each site's TUN device, so that what a site sends is read here, one packet at a time, and what is
written here arrives there. It ends when whoever started it does: its control socket says so.
"""

import os
import pickle
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass, replace

from tests.impairment.path import Impairment, Passage
from tests.impairment.switch import Report, Site, Switch, Way

BATCH = 64
"""Packets read from one site before the others get their turn, and what is due leaves."""
MAX_PACKET = 65_536
MAX_COMMAND = 128 * 1024
PAGE = 500
"""Packets of a log in one message, which is half of MAX_COMMAND at most."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The first command: the sites, in the order of their file descriptors."""

    sites: tuple[Site, ...]
    seed: int


@dataclass(frozen=True, slots=True)
class Impair:
    """Change one way, or all of them."""

    impairment: Impairment
    way: Way | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """Tell what has happened so far. Every command is answered with that."""


@dataclass(frozen=True, slots=True)
class AskLog:
    """Tell what became of the packets of one way as well: of PAGE of them, from this one on."""

    way: Way
    begin: int


Command = Setup | Impair | Ask | AskLog


def encode(message: Command | Report) -> bytes:
    """A message for the other end of the control socket, which keeps messages apart."""
    return pickle.dumps(message)


def decode(data: bytes) -> Command | Report:
    """The message that the other end sent."""
    message: Command | Report = pickle.loads(data)
    return message


class Relay:
    """The loop between the control socket, the devices and the switch."""

    def __init__(self, control: socket.socket, devices: list[int]) -> None:
        self._control = control
        self._devices = devices
        setup = decode(control.recv(MAX_COMMAND))
        assert isinstance(setup, Setup)
        self._switch = Switch(setup.sites, setup.seed)
        self._answer()

    def run(self) -> None:
        """Carry packets until the control socket is closed at the other end."""
        sources = {device: number for number, device in enumerate(self._devices)}
        watched = [self._control.fileno(), *self._devices]
        while True:
            readable, _, _ = select.select(watched, [], [], self._patience())
            for ready in readable:
                if ready in sources:
                    self._take(ready, sources[ready])
                elif not self._obey():
                    return
            for target, packet in self._switch.drain(time.monotonic()):
                os.write(self._devices[target], packet)

    def _patience(self) -> float | None:
        due = self._switch.next_departure()
        return None if due is None else max(0.0, due - time.monotonic())

    def _take(self, device: int, source: int) -> None:
        for _ in range(BATCH):
            try:
                packet = os.read(device, MAX_PACKET)
            except BlockingIOError:
                return
            self._switch.receive(source, packet, time.monotonic())

    def _obey(self) -> bool:
        data = self._control.recv(MAX_COMMAND)
        if not data:
            return False
        command = decode(data)
        if isinstance(command, Impair):
            self._switch.impair(command.impairment, command.way)
        passages = self._switch.log(command.way)[command.begin :][:PAGE] if isinstance(command, AskLog) else []
        self._answer(tuple(passages))
        return True

    def _answer(self, log: tuple[Passage, ...] = ()) -> None:
        self._control.send(encode(replace(self._switch.report(), log=log)))


def main() -> None:
    """Run on inherited file descriptors: the arguments are the control socket's and the devices'."""
    control, *devices = map(int, sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started it, who then closes the socket
    with socket.socket(fileno=control) as channel:
        Relay(channel, devices).run()
