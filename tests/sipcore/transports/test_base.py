"""What an `errno` means, and addresses as Python's `socket` has them."""

import errno
import socket

import pytest

from sipcore.errors import FailureReason
from sipcore.resolve.target import SocketAddress
from sipcore.transports.base import TlsConfig, failure_of, socket_address, socket_family, socket_name


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ECONNREFUSED, FailureReason.REFUSED),
        (errno.ECONNRESET, FailureReason.RESET),
        (errno.EPIPE, FailureReason.RESET),
        (errno.ETIMEDOUT, FailureReason.TIMED_OUT),
        (errno.EHOSTUNREACH, FailureReason.UNREACHABLE),
        (errno.ENETUNREACH, FailureReason.UNREACHABLE),
        (errno.EPERM, FailureReason.PROHIBITED),
        (errno.EACCES, FailureReason.PROHIBITED),
        (errno.EMSGSIZE, FailureReason.TOO_LARGE),
        (errno.EADDRNOTAVAIL, FailureReason.UNREACHABLE),
    ],
)
def test_each_refusal_has_its_reason(number: int, reason: FailureReason) -> None:
    failure = failure_of(OSError(number, "whatever"), "udp 192.0.2.1:5060")
    assert failure.reason is reason
    assert failure.message.startswith("udp 192.0.2.1:5060: ")


def test_an_unknown_refusal_is_told_in_the_kernels_words() -> None:
    assert failure_of(OSError(errno.ELOOP, "Too many levels"), "tcp a").message == "tcp a: Too many levels"
    assert failure_of(OSError("odd"), "tcp a").message == "tcp a: odd"


@pytest.mark.parametrize(
    ("name", "address"),
    [
        (("192.0.2.1", 5060), SocketAddress("192.0.2.1", 5060)),
        (("2001:db8::1", 5060, 0, 0), SocketAddress("2001:db8::1", 5060)),
        (("fe80::1", 5060, 0, 3), SocketAddress("fe80::1%3", 5060)),
        (("fe80::1%3", 5060, 0, 3), SocketAddress("fe80::1%3", 5060)),
    ],
)
def test_addresses_of_sockets(name: tuple[object, ...], address: SocketAddress) -> None:
    assert socket_address(name) == address
    assert socket_address(socket_name(address)) == address
    assert socket_family(address) == (socket.AF_INET6 if len(name) == 4 else socket.AF_INET)


def test_the_key_is_not_shown() -> None:
    assert "secret" not in repr(TlsConfig(key=b"secret", certificate=b"public"))
