"""What the tests of transactions share: messages written by hand, and a layer on a clock that is a float."""

from dataclasses import dataclass, field

from sipcore.message.build import response as build_response
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.transactions.effects import Effect, Terminated, Transmit
from sipcore.transactions.key import AnyServerKey, Key
from sipcore.transactions.layer import TransactionLayer
from sipcore.transactions.timers import DEFAULT_TIMERS, Timers

LOCAL = SocketAddress("192.0.2.1", 5060)
REMOTE = SocketAddress("192.0.2.2", 5060)
BRANCH = "z9hG4bK-1"


def request(
    method: str = "OPTIONS",
    branch: str = BRANCH,
    *,
    via: str = "",
    to_tag: str = "",
    from_tag: str = "f",
    call_id: str = "c@local",
    cseq: int = 1,
    uri: str = "sip:bob@example.com",
) -> Request:
    """A request as it comes off the wire; `via` replaces the whole of its topmost Via."""
    via = via or f"SIP/2.0/UDP 192.0.2.1;branch={branch};rport"
    tag = f";tag={to_tag}" if to_tag else ""
    text = (
        f"{method} {uri} SIP/2.0\r\n"
        f"Via: {via}\r\n"
        "Max-Forwards: 70\r\n"
        f"From: <sip:alice@example.com>;tag={from_tag}\r\n"
        f"To: <sip:bob@example.com>{tag}\r\n"
        f"Call-ID: {call_id}\r\n"
        f"CSeq: {cseq} {method}\r\n"
        "Content-Length: 0\r\n\r\n"
    )
    message = parse_message(text.encode())
    assert isinstance(message, Request)
    return message


def answer(to: Request, status: int, tag: str = "t") -> Response:
    """A response as it comes off the wire."""
    message = parse_message(bytes(build_response(to, status, tag="" if status == 100 else tag)))
    assert isinstance(message, Response)
    return message


def hop(transport: Transport = Transport.UDP, remote: SocketAddress = REMOTE) -> Hop:
    """A hop to the peer."""
    return Hop(transport, remote, LOCAL)


def flow(transport: Transport = Transport.UDP, remote: SocketAddress = REMOTE) -> Flow:
    """A flow between here and the peer."""
    return Flow(transport, LOCAL, remote)


@dataclass
class Rig:
    """A layer, the time, and everything that came about with the time at which it did."""

    timers: Timers = DEFAULT_TIMERS
    transport: Transport = Transport.UDP
    tracing: bool = False
    now: float = 0.0
    log: list[tuple[float, Effect]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.layer = TransactionLayer(self.timers, tracing=self.tracing)

    def take(self) -> list[Effect]:
        """What came about since the last call, logged."""
        effects = self.layer.drain()
        self.log += [(self.now, effect) for effect in effects]
        return effects

    def send(self, message: Request) -> list[Effect]:
        """The transaction user sends a request."""
        self.layer.send_request(message, hop(self.transport), self.now)
        return self.take()

    def receive(self, message: Request | Response) -> list[Effect]:
        """A message comes in."""
        self.layer.receive(message, flow(self.transport), self.now)
        return self.take()

    def respond(self, key: AnyServerKey, response: Response) -> list[Effect]:
        """The transaction user answers."""
        self.layer.respond(key, response, self.now)
        return self.take()

    def advance(self, until: float) -> list[Effect]:
        """Let the time pass, and every timer fire when it is due."""
        effects: list[Effect] = []
        while (when := self.layer.next_timeout()) is not None and when <= until:
            assert when >= self.now, "the next timeout lies in the past"
            self.now = when
            self.layer.handle_timeout(self.now)
            effects += self.take()
        self.now = until
        return effects

    def sent(self) -> list[tuple[float, str, int]]:
        """(time, first word or status, attempt) of everything that was sent."""
        found = [(at, effect) for at, effect in self.log if isinstance(effect, Transmit)]
        return [(at, start_word(effect.data), effect.attempt) for at, effect in found]

    def sent_at(self) -> list[float]:
        """When something was sent."""
        return [at for at, _, _ in self.sent()]

    def ended_at(self, key: Key) -> float | None:
        """When the transaction was terminated."""
        return next((at for at, effect in self.log if effect == key), None)

    def assert_empty(self) -> None:
        """Nothing is left of any transaction."""
        assert len(self.layer) == 0
        assert self.layer.next_timeout() is None
        assert not any(
            (
                self.layer._towards,
                self.layer._answering,
                self.layer._merged,
                self.layer._server_count,
                len(self.layer._alarms),
            )
        )


def start_word(data: bytes) -> str:
    """The method of a request, or the status code of a response."""
    words = data.split(maxsplit=2)
    return (words[1] if words[0] == b"SIP/2.0" else words[0]).decode()


def names(effects: list[Effect]) -> list[str]:
    """The types of effects, by name."""
    return ["Terminated" if isinstance(effect, Terminated) else type(effect).__name__ for effect in effects]
