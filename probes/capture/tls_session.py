"""One connection of TLS, both directions: records in, what the applications said out.

Nothing here is of either end: the keys come from a key log, and the handshake tells which of them are for what. Hellos
and changes of keys are followed as RFC 5246 §7 and RFC 8446 §4 have them, renegotiation and KeyUpdate included.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from probes.capture.tls_hello import ClientHello, ServerHello, Version
from probes.capture.tls_keys import KeyLog, Label, keys_of_master, keys_of_secret, next_secret
from probes.capture.tls_records import Content, ContentType, Opener, Record, begins_record, next_record, opener_of
from probes.capture.tls_suites import SUITES, Suite
from probes.capture.unread import Problem
from sipcore.errors import ParseError, RemoteError
from sipcore.resolve.target import SocketAddress
from sipcore.transports.tls_failure import ALERTS

MAX_WAITING = 1 << 17
"""Bytes of one direction that wait for the hello of the other, which is captured late when packets are reordered."""
MAX_HANDSHAKE = 1 << 18
"""Bytes of a handshake message: chains of certificates stay below 100 kB, what OpenSSL takes at most."""
MAX_GUESSES = 64
"""Records of a handshake whose secret was not logged: a chain of certificates has some seven."""
MESSAGE_HEAD_BYTES = 4
ALERT_BYTES = 2
_CLIENT_HELLO, _SERVER_HELLO, _FINISHED, _KEY_UPDATE = 1, 2, 20, 24
"""Handshake messages (RFC 8446 §4)."""
_FATAL = 2
_HARMLESS = frozenset({0, 90})
"""close_notify and user_canceled, which end a connection as it should (RFC 8446 §6.1)."""


class TlsError(RemoteError):
    """A connection cannot be read any further. `detail` is of the connection, never of its keys."""

    def __init__(self, problem: Problem, detail: str = "") -> None:
        super().__init__(f"{problem.text} ({detail})" if detail else problem.text, section="RFC 8446 §5")
        self.problem = problem
        self.detail = detail


@dataclass(slots=True)
class _Half:
    """One direction: bytes that are not read yet, and what opens protected records, None before there are keys."""

    buffer: bytearray = field(default_factory=bytearray, repr=False)
    handshake: bytearray = field(default_factory=bytearray, repr=False)
    opener: Opener | None = field(default=None, repr=False)
    secret: bytes = field(default=b"", repr=False)
    """The traffic secret that `opener` is made of, in TLS 1.3."""
    in_handshake: bool = False
    """Whether that is the secret of the handshake, which Finished ends (RFC 8446 §4.4.4)."""
    guesses: int = 0
    """Records that may be skipped until one opens: the secret of the handshake was not logged, the next one was."""

    @property
    def waits(self) -> bool:
        """Whether there is a whole record that could not be read."""
        return next_record(self.buffer) is not None


class TlsSession:
    """A connection, whose directions go by the address that sends."""

    def __init__(self, keys: KeyLog) -> None:
        self.client: SocketAddress | None = None
        """Which end is the client, once it has said so."""
        self._keys = keys
        self._halves: dict[SocketAddress, _Half] = {}
        self._client_hello: ClientHello | None = None
        self._server_hello: ServerHello | None = None
        self._used = False
        """Whether an application has said anything."""

    @property
    def version(self) -> str:
        """The version of TLS in words; empty before the server has chosen one."""
        return Version.words(self._server_hello.version) if self._server_hello is not None else ""

    @property
    def waits(self) -> bool:
        """Whether there are records that nobody can read who has not seen the hellos."""
        return any(half.waits for half in self._halves.values())

    def receive(self, source: SocketAddress, data: bytes) -> Iterator[tuple[SocketAddress, bytes]]:
        """Take bytes of one end; what applications say comes out, and who says it, the other end's too where it waited
        for these bytes. Raises TlsError, from when on nothing is read any more.
        """
        self._halves.setdefault(source, _Half()).buffer += data
        for end in sorted(self._halves, key=lambda each: each != source):
            for said in self._read(end, self._halves[end]):
                yield end, said

    def _read(self, end: SocketAddress, half: _Half) -> Iterator[bytes]:
        while half.buffer:
            if not begins_record(half.buffer):
                raise self._broken()
            record = next_record(half.buffer)
            if record is None:
                return
            if not self._can_open(half, record):
                if len(half.buffer) > MAX_WAITING:
                    raise TlsError(Problem.NO_HANDSHAKE)
                return
            del half.buffer[: len(record.head) + len(record.fragment)]
            kind, content = self._open(end, half, record)
            if kind == ContentType.APPLICATION_DATA and content:
                self._used = True
                yield content
            elif kind == ContentType.ALERT and content:
                self._alerted(end, content)
            elif kind == ContentType.CHANGE_CIPHER_SPEC and not self._is_1_3:
                half.opener = self._opener_of_master(end)
            elif kind == ContentType.HANDSHAKE:
                self._shake_hands(end, half, content)

    @property
    def _is_1_3(self) -> bool:
        return self._server_hello is not None and self._server_hello.version == Version.TLS_1_3

    def _can_open(self, half: _Half, record: Record) -> bool:
        """Whether it is known how to read a record: both hellos were read, or it is one of those before them."""
        if half.opener is not None or record.kind == ContentType.HANDSHAKE:
            return True
        if record.kind == ContentType.ALERT and len(record.fragment) == ALERT_BYTES:
            return True
        if self._client_hello is None or self._server_hello is None:
            return False
        return not self._server_hello.retry or record.kind == ContentType.CHANGE_CIPHER_SPEC

    def _open(self, end: SocketAddress, half: _Half, record: Record) -> Content:
        """What is in a record. In TLS 1.3 a ChangeCipherSpec means nothing (RFC 8446 §5), and what is protected is
        called application data.
        """
        if half.opener is None and record.kind == ContentType.APPLICATION_DATA and self._is_1_3:
            self._begin_1_3(end, half)
        if half.opener is None or (self._is_1_3 and record.kind == ContentType.CHANGE_CIPHER_SPEC):
            if record.kind == ContentType.APPLICATION_DATA:
                raise self._broken()
            return record.kind, record.fragment
        content = half.opener.open(record)
        if content is not None:
            half.guesses = 0
            return content
        if not half.guesses:
            raise TlsError(Problem.DAMAGED)
        half.guesses -= 1
        return ContentType.APPLICATION_DATA, b""

    def _shake_hands(self, end: SocketAddress, half: _Half, data: bytes) -> None:
        """Take bytes of handshake messages, and do what those say that are whole (RFC 8446 §4)."""
        half.handshake += data
        while len(half.handshake) >= MESSAGE_HEAD_BYTES:
            size = MESSAGE_HEAD_BYTES + int.from_bytes(half.handshake[1:MESSAGE_HEAD_BYTES])
            if size > MAX_HANDSHAKE:
                raise self._broken()
            if len(half.handshake) < size:
                return
            message = bytes(half.handshake[:size])
            del half.handshake[:size]
            try:
                self._follow(end, half, message[0], message[MESSAGE_HEAD_BYTES:])
            except ParseError:
                raise self._broken() from None

    def _follow(self, end: SocketAddress, half: _Half, kind: int, body: bytes) -> None:
        """Do what a handshake message says. Raises ParseError for a hello that cannot be read."""
        if kind == _CLIENT_HELLO:
            self._client_hello, self.client = ClientHello.parse(body), end
        elif kind == _SERVER_HELLO:
            self._server_hello = ServerHello.parse(body)
            _check(self._server_hello)
        elif kind == _FINISHED and half.in_handshake:
            half.in_handshake = False
            self._protect(half, self._secret(end, handshake=False))
        elif kind == _KEY_UPDATE and half.secret and not half.in_handshake:
            _, _, suite = self._agreed()
            self._protect(half, next_secret(suite, half.secret))

    def _agreed(self) -> tuple[ClientHello, ServerHello, Suite]:
        """What keys are made by: both hellos were read, and `_check` has found the suite."""
        if self._client_hello is None or self._server_hello is None:
            raise self._broken()
        return self._client_hello, self._server_hello, SUITES[self._server_hello.version][self._server_hello.suite]

    def _begin_1_3(self, end: SocketAddress, half: _Half) -> None:
        """Find the secret of the handshake, or, where it was not logged, the one that follows it."""
        hello, _, _ = self._agreed()
        if hello.early and end == self.client:
            raise TlsError(Problem.EARLY)
        secret = self._secret(end, handshake=True)
        half.in_handshake = secret is not None
        if secret is None:
            secret, half.guesses = self._secret(end, handshake=False), MAX_GUESSES
        self._protect(half, secret)

    def _protect(self, half: _Half, secret: bytes | None) -> None:
        """Read what follows with another traffic secret."""
        if secret is None:
            raise TlsError(Problem.NO_KEYS)
        _, _, suite = self._agreed()
        half.secret = secret
        half.opener = opener_of(suite, keys_of_secret(suite, secret), tls_1_3=True)

    def _secret(self, end: SocketAddress, *, handshake: bool) -> bytes | None:
        """The secret of what one end sends: in its handshake, or behind it."""
        hello, _, _ = self._agreed()
        if end == self.client:
            label = Label.CLIENT_HANDSHAKE if handshake else Label.CLIENT_TRAFFIC
        else:
            label = Label.SERVER_HANDSHAKE if handshake else Label.SERVER_TRAFFIC
        return self._keys.secret(label, hello.random)

    def _opener_of_master(self, end: SocketAddress) -> Opener:
        """What opens the records of one end in TLS 1.2 that come behind its ChangeCipherSpec (RFC 5246 §7.1)."""
        client, server, suite = self._agreed()
        master = self._keys.secret(Label.MASTER, client.random)
        if master is None:
            raise TlsError(Problem.NO_KEYS)
        keys = keys_of_master(suite, master, client.random, server.random)[end != self.client]
        return opener_of(suite, keys, tls_1_3=False, mac_last=server.encrypt_then_mac)

    def _alerted(self, end: SocketAddress, alert: bytes) -> None:
        """Tell of an alert that ends the handshake (RFC 8446 §6): nothing can have been said then."""
        level, code = alert[0], alert[-1]
        if level == _FATAL and code not in _HARMLESS and not self._used:
            who = "client" if end == self.client else "server"
            raise TlsError(Problem.ALERT, f"the {who} says: {ALERTS.get(code, str(code))}")

    def _broken(self) -> TlsError:
        """What is not TLS any more, or was not from the beginning."""
        heard = self._client_hello or self._server_hello
        return TlsError(Problem.NOT_TLS if heard else Problem.NO_HANDSHAKE)


def _check(hello: ServerHello) -> None:
    """Tell of what is not read here."""
    suites = SUITES.get(hello.version)
    if suites is None:
        raise TlsError(Problem.VERSION)
    if hello.suite not in suites:
        raise TlsError(Problem.SUITE, f"0x{hello.suite:04X}")
    if hello.compressed:
        raise TlsError(Problem.COMPRESSED)
