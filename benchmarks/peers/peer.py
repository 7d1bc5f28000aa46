"""What a peer is to the parse benchmarks, where to find them all, and how each is held to a right reading."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from benchmarks.harness.measure import Contender, Excluded
from benchmarks.peers.messages import Message, Plain, Route, WrongReading, check_headers, check_route, check_wire

SUBJECT = "sipcore"

PEERS = ("sipmessage", "aiosipua", "sippy", "libosip2", "sofia-sip")
"""Each has a module of its own here, spelled with an underscore for the hyphen."""

Full: TypeAlias = "tuple[dict[str, object], bytes]"
"""The typed header fields by name, and the message written out again."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A library that reads messages.

    `read_route` and `read_full` return what they read, and that is what is checked; `plain` turns a typed header
    field into its plain form. A Python library is timed doing just that. A library in C is timed by `time_route` and
    `time_full` instead, which leave out carrying the values over to Python: that would be the binding's time.
    """

    name: str
    version: str
    read_route: Callable[[bytes], Route]
    read_full: Callable[[bytes], Full]
    plain: Callable[[object], Plain]
    time_route: Callable[[bytes], object] | None = None
    time_full: Callable[[bytes], object] | None = None


def load_peer(name: str) -> Peer | Excluded:
    """The peer of that name, or why it cannot take part."""
    try:
        peer = importlib.import_module(f"benchmarks.peers.{name.replace('-', '_')}").PEER
    except (ImportError, OSError) as error:
        return Excluded(name, f"not there: {error}")
    assert isinstance(peer, Peer)
    return peer


def route_contender(peer: Peer | Excluded, messages: list[Message]) -> Contender | Excluded:
    """`peer` at the route level, if it reads every one of `messages` right."""
    return _contender(peer, messages, _try_route)


def full_contender(peer: Peer | Excluded, messages: list[Message], *, everything: bool = False) -> Contender | Excluded:
    """`peer` with every header field typed and the message written, if it does so right for every one of `messages`.

    With `everything` it may leave no header field as text.
    """
    return _contender(peer, messages, partial(_try_full, everything=everything))


def _contender(
    peer: Peer | Excluded, messages: list[Message], attempt: Callable[[Peer, Message], Contender]
) -> Contender | Excluded:
    if isinstance(peer, Excluded):
        return peer
    try:
        return [attempt(peer, message) for message in messages][-1]
    except WrongReading as error:
        return Excluded(peer.name, str(error))
    except Exception as error:  # noqa: BLE001  # whatever a library raises, it says that it cannot read the message
        return Excluded(peer.name, f"cannot read it: {error!r}")


def _try_route(peer: Peer, message: Message) -> Contender:
    check_route(message, peer.read_route(message.data))
    return Contender(peer.name, peer.time_route or peer.read_route, peer.version)


def _try_full(peer: Peer, message: Message, *, everything: bool) -> Contender:
    fields, written = peer.read_full(message.data)
    typed = check_headers(message, {name: peer.plain(value) for name, value in fields.items()})
    check_wire(message, written)
    if everything and (left := message.headers.keys() - typed):
        raise WrongReading(f"has no type for {', '.join(sorted(left))}")
    extent = "typed in C" if peer.time_full else f"{len(typed)} of {len(message.headers)} header fields typed"
    return Contender(peer.name, peer.time_full or peer.read_full, f"{peer.version}, {extent}")
