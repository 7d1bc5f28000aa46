"""The connections of a capture with TLS taken off: what goes in are the bytes that were on the wire."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from probes.capture.network import Datagram, Segment
from probes.capture.tls_keys import KeyLog
from probes.capture.tls_records import begins_record
from probes.capture.tls_session import TlsError, TlsSession
from probes.capture.unread import Problem, Unread
from sipcore.resolve.target import SocketAddress, Transport

MAX_CONNECTIONS = 16_384
"""Connections that are followed; beyond it the oldest is forgotten."""


def decrypted(
    payloads: Iterable[Datagram | Segment], keys: KeyLog, unread: list[Unread] | None = None
) -> Iterator[Datagram | Segment]:
    """What applications sent, with TLS taken off where `keys` allow it. Connections that are not read are added to
    `unread`, each once.
    """
    connections = _Connections(keys, unread if unread is not None else [])
    for payload in payloads:
        if isinstance(payload, Datagram):
            yield payload
        else:
            yield from connections.take(payload)
    connections.finish()


@dataclass(slots=True)
class _Connection:
    """A connection by what was met of it first; `session` is None once it cannot be read any further."""

    first: Segment = field(repr=False)
    session: TlsSession | None
    heard: set[SocketAddress] = field(default_factory=set)
    """Who has sent anything."""
    said: set[SocketAddress] = field(default_factory=set)
    """Whose application has said anything."""


class _Connections:
    """All that begin with a record of TLS, or go on with one; the others pass."""

    def __init__(self, keys: KeyLog, unread: list[Unread]) -> None:
        self._keys = keys
        self._unread = unread
        self._open: dict[frozenset[SocketAddress], _Connection] = {}

    def take(self, segment: Segment) -> Iterator[Segment]:
        """What is said with this segment, by either end."""
        ends = frozenset((segment.source, segment.destination))
        connection = self._open.get(ends)
        if connection is not None and segment.begins and segment.source in connection.heard:
            self._forget(ends)  # the same ports again
            connection = None
        if connection is None:
            if not begins_record(segment.data):
                yield segment
                return
            if len(self._open) >= MAX_CONNECTIONS:
                self._forget(next(iter(self._open)))
            connection = self._open[ends] = _Connection(segment, TlsSession(self._keys))
        yield from self._take(connection, segment)

    def finish(self) -> None:
        """Tell of connections whose handshake never came."""
        for ends in list(self._open):
            self._forget(ends)

    def _take(self, connection: _Connection, segment: Segment) -> Iterator[Segment]:
        session = connection.session
        connection.heard.add(segment.source)
        if session is None:
            return
        try:
            if segment.gap:
                raise TlsError(Problem.GAP)
            for source, said in session.receive(segment.source, segment.data):
                other = segment.destination if source == segment.source else segment.source
                begins = source not in connection.said
                connection.said.add(source)
                yield Segment(segment.at_ns, source, other, said, begins=begins, transport=Transport.TLS)
        except TlsError as error:
            self._tell(connection, session, error)
            connection.session = None

    def _forget(self, ends: frozenset[SocketAddress]) -> None:
        connection = self._open.pop(ends)
        if connection.session is not None and connection.session.waits:
            self._tell(connection, connection.session, TlsError(Problem.NO_HANDSHAKE))

    def _tell(self, connection: _Connection, session: TlsSession, error: TlsError) -> None:
        client, server = connection.first.source, connection.first.destination
        if session.client == server or (session.client is None and client.port < server.port):
            client, server = server, client
        self._unread.append(Unread(client, server, error.problem, error.detail, session.version))
