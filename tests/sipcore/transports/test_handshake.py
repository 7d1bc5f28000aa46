"""Handshakes driven over sockets, and what they leave to go on with."""

import errno

import pytest

from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.resolve.target import Hop
from sipcore.transports.base import TlsConfig
from sipcore.transports.handshake import _send_farewell, check_tls, drive
from tests.sipcore.transports.recorder import LOOPBACK
from tests.sipcore.transports.streams import TCP, pair

HOP = Hop(TCP, LOOPBACK)


class Handshake:
    """An engine whose handshake is a word each way; any other word of the peer fails it."""

    established = False
    closed = False

    def __init__(self) -> None:
        self._out = b"hello"

    def receive(self, data: bytes) -> bytes:
        if data not in (b"", b"hello"):
            raise TransportFailure(FailureReason.TLS, "not a hello")
        self.established = data == b"hello"
        return b""

    def send(self, data: bytes) -> None:
        raise NotImplementedError

    def outgoing(self) -> bytes:
        data, self._out = self._out, b""
        return data

    def close(self) -> None:
        self._out = b""

    def explain(self, failure: TransportFailure) -> TransportFailure:
        return TransportFailure(FailureReason.TLS, f"explained: {failure.message}")


async def test_a_handshake_waits_for_the_socket() -> None:
    async with pair(recv=[BlockingIOError()], send=[BlockingIOError()]) as (left, right):
        right.sendall(b"hello")
        assert await drive(left, Handshake(), HOP) == b""
        assert right.recv(100) == b"hello"


async def test_a_handshake_that_fails_is_explained() -> None:
    async with pair(recv=[ConnectionResetError(errno.ECONNRESET, "reset")]) as (left, right):
        right.sendall(b"hello")
        with pytest.raises(TransportFailure, match=r"explained: .* reset"):
            await drive(left, Handshake(), HOP)


async def test_a_farewell_that_cannot_be_said_is_dropped() -> None:
    async with pair(send=[BrokenPipeError()]) as (left, _):
        await _send_farewell(left, Handshake())


def test_tls_settings_are_checked_before_there_is_a_connection() -> None:
    check_tls(TlsConfig())
    with pytest.raises(LocalError, match="they are certificates in PEM"):
        check_tls(TlsConfig(ca_data=b"nonsense"))
