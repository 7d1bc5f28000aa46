"""A network of user agents and servers without sockets, clock or chance: a list of what flies, and a float.

Every party has an address and a name. What one sends reaches the other DELAY later; the ladder tells all of it.
"""

from dataclasses import dataclass, field
from typing import Protocol

from sipcore.resolve.records import Answer, LookupFailure, LookupFault, Question, Record
from sipcore.resolve.target import Flow, SocketAddress, Transport

DELAY = 0.01
"""Seconds from one party to another."""


class Party(Protocol):
    """Somebody on the network."""

    name: str
    address: SocketAddress

    def receive(self, data: bytes, flow: Flow) -> None:
        """Take one message."""

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due."""

    def handle_timeout(self) -> None:
        """Do what is due by now."""


@dataclass(slots=True)
class Network:
    """Everybody, the time, and what is on its way. `zone` answers questions to DNS, by their text."""

    now: float = 0.0
    zone: dict[str, tuple[Record, ...]] = field(default_factory=dict)
    parties: dict[SocketAddress, Party] = field(default_factory=dict)
    rows: list[tuple[float, str, str, bytes]] = field(default_factory=list)
    _flying: list[tuple[float, int, Flow, bytes]] = field(default_factory=list)
    """When it arrives, in which order, how the receiver sees its way, and what it is."""
    _count: int = 0

    def join(self, party: Party) -> None:
        self.parties[party.address] = party

    def leave(self, address: SocketAddress) -> None:
        """What is sent there from now on is lost."""
        del self.parties[address]

    def send(self, data: bytes, source: SocketAddress, target: SocketAddress, transport: Transport) -> None:
        """Have a message arrive DELAY later; one for nobody is lost."""
        self.rows.append((self.now, self._name(source), self._name(target), data))
        self._count += 1
        self._flying.append((self.now + DELAY, self._count, Flow(transport, target, source), data))

    def look_up(self, question: Question) -> Answer | LookupFailure:
        """What DNS says."""
        records = self.zone.get(str(question))
        return Answer(question, records) if records else LookupFailure(question, LookupFault.NXDOMAIN)

    def _name(self, address: SocketAddress) -> str:
        party = self.parties.get(address)
        return party.name if party else str(address)

    def run(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due in it, in order."""
        end = self.now + seconds
        while True:
            due = [when for when, *_ in self._flying]
            due += [when for party in self.parties.values() if (when := party.next_timeout()) is not None]
            if not due or min(due) > end:
                break
            self.now = max(self.now, min(due))
            for item in sorted((item for item in self._flying if item[0] <= self.now), key=lambda item: item[:2]):
                self._flying.remove(item)
                _, _, flow, data = item
                if flow.local in self.parties:
                    self.parties[flow.local].receive(data, flow)
            for party in list(self.parties.values()):
                party.handle_timeout()
        self.now = end

    def ladder(self) -> str:
        """What was sent: the time, by whom and to whom, and the message's exact bytes, with bare line feeds."""
        return "\n".join(
            f"{when:.3f} {source} -> {target}\n{data.decode().replace(chr(13), '')}"
            for when, source, target, data in self.rows
        )
