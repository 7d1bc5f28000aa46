"""SIP peers of the fault lab, none of which is ours: each answers OPTIONS as its behaviour says, well or badly."""

import re
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial

import trio
from OpenSSL import SSL

from sipcore.resolve.target import SocketAddress, Transport
from tests.faultlab.secured import Secured
from tests.impairment.namespace import Namespace

COPIED = ("via", "from", "to", "call-id", "cseq")
"""What an answer has from its request (RFC 3261 §8.2.6.2)."""
READY_SECONDS = 10.0
BANNER = "Exemplar"
Fields = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and where it came from; `count` is how many of its Call-ID came before it."""

    data: bytes
    source: SocketAddress
    at: SocketAddress
    count: int

    @property
    def text(self) -> str:
        return self.data.decode("utf-8", "replace")

    def field(self, name: str) -> str:
        """The first header field of a name; empty where there is none."""
        found = re.search(rf"(?im)^{name}[ \t]*:[ \t]*(.*?)\r?$", self.text)
        return found[1] if found else ""


Behaviour = Callable[[Asked], Sequence[bytes]]
"""What a peer says to a request."""
Hello = Callable[[bytes], bytes | None]
"""What a peer says to what a connection begins with, and then closes it, or stays silent where that is nothing; None
where it goes on as usual."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One place of a peer. `elsewhere` answers from another port, `context` is that of TLS."""

    transport: Transport
    port: int
    host: str
    behaviour: Behaviour
    context: SSL.Context | None = None
    elsewhere: bool = False
    hello: Hello | None = None


def answer(
    asked: Asked,
    *fields: str,
    status: str = "200 OK",
    contact: str | None = None,
    banner: str = BANNER,
    body: bytes = b"",
    received: str | None = None,
    rport: bool = True,
) -> bytes:
    """A right answer: what is the request's is copied, and Via says where it came from (RFC 3581 §4)."""
    lines = asked.text.partition("\r\n\r\n")[0].split("\r\n")[1:]
    kept = [line for line in lines if line.partition(":")[0].strip().lower() in COPIED]
    where = received if received is not None else asked.source.host
    via = f";received={f'[{where}]' if ':' in where else where}" if where else ""
    for number, line in enumerate(kept):
        if line.lower().startswith("via") and rport:
            kept[number] = re.sub(r";rport(?![=\w])", f";rport={asked.source.port}", line) + via
        elif line.lower().startswith("to:") and ";tag=" not in line:
            kept[number] = f"{line};tag=exemplar"
    shown = f"[{asked.at.host}]" if asked.at.is_ipv6 else asked.at.host
    named = f"<sip:{shown}:{asked.at.port}>" if contact is None else contact
    own = [f"Contact: {named}"] if named else []
    own += [f"Server: {banner}"] if banner else []
    own += ["Allow: INVITE, ACK, CANCEL, BYE, OPTIONS", "Accept: application/sdp", *fields]
    head = [f"SIP/2.0 {status}", *kept, *own, f"Content-Length: {len(body)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def well(asked: Asked) -> list[bytes]:
    """The behaviour of a peer that nothing is wrong with."""
    return [answer(asked)]


def silent(_: Asked) -> list[bytes]:
    """Says nothing."""
    return []


def saying(data: bytes) -> Behaviour:
    """Says always the same."""
    return lambda _: [data]


def answering(*fields: str, **parts: object) -> Behaviour:
    """Answers with more header fields, or with parts of `answer` made otherwise."""
    return lambda asked: [answer(asked, *fields, **parts)]  # type: ignore[arg-type]


@dataclass(slots=True)
class _Served:
    """What one peer has heard."""

    calls: dict[str, int] = field(default_factory=dict)

    def asked(self, data: bytes, source: SocketAddress, at: SocketAddress) -> Asked:
        known = Asked(data, source, at, 0)
        call_id = known.field("Call-ID")
        count = self.calls.get(call_id, 0)
        self.calls[call_id] = count + 1
        return Asked(data, source, at, count)


@asynccontextmanager
async def listening(listeners: Sequence[Listener]) -> AsyncIterator[None]:
    """All places open for the length of a block."""
    served = _Served()
    async with trio.open_nursery() as nursery:
        for one in listeners:
            await nursery.start(partial(_datagrams if one.transport is Transport.UDP else _streams, one, served))
        yield
        nursery.cancel_scope.cancel()


async def _datagrams(
    one: Listener, served: _Served, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    family = socket.AF_INET6 if ":" in one.host else socket.AF_INET
    with trio.socket.socket(family, socket.SOCK_DGRAM) as sock, trio.socket.socket(family, socket.SOCK_DGRAM) as other:
        await sock.bind((one.host, one.port))
        await other.bind((one.host, 0))
        task_status.started()
        while True:
            data, name = await sock.recvfrom(65535)
            asked = served.asked(data, SocketAddress(name[0], name[1]), SocketAddress(one.host, one.port))
            for said in one.behaviour(asked):
                await (other if one.elsewhere else sock).sendto(said, name)


async def _streams(
    one: Listener, served: _Served, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        try:
            if one.hello is not None:
                instead = one.hello(await stream.socket.recv(65535, socket.MSG_PEEK))
                if instead is not None:
                    await stream.receive_some()  # what is left unread would turn the end into a reset
                    if not instead:
                        await trio.sleep_forever()
                    await stream.send_all(instead)
                    return
            name = stream.socket.getpeername()
            talk: trio.abc.Stream = stream
            if one.context is not None:
                secured = Secured(one.context, stream)
                await secured.do_handshake()
                talk = secured
            source = SocketAddress(name[0], name[1])
            async for data in talk:
                if not bytes(data).strip():
                    continue
                for said in one.behaviour(served.asked(bytes(data), source, SocketAddress(one.host, one.port))):
                    await talk.send_all(said)
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            return
        finally:
            await trio.aclose_forcefully(stream)

    listeners = await trio.open_tcp_listeners(one.port, host=one.host)
    task_status.started()
    await trio.serve_listeners(serve, listeners)


@contextmanager
def running(site: Namespace, listeners: Sequence[Listener]) -> Iterator[None]:
    """Peers in a thread of their own, inside a site, for the length of a block."""
    ready, over = threading.Event(), threading.Event()
    failed: list[BaseException] = []

    async def serve() -> None:
        async with listening(listeners):
            ready.set()
            await trio.to_thread.run_sync(over.wait, abandon_on_cancel=True)

    def run() -> None:
        try:
            with site.entered():
                trio.run(serve)
        except BaseException as error:  # noqa: BLE001  # told to whoever waits for it
            failed.append(error)
            ready.set()

    thread = threading.Thread(target=run, daemon=True)
    with ExitStack() as stack:
        thread.start()
        stack.callback(thread.join, READY_SECONDS)
        stack.callback(over.set)
        if not ready.wait(READY_SECONDS) or failed:
            raise RuntimeError(f"the peers did not come up: {failed}")
        yield
