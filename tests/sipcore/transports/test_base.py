"""What an `errno` means, and addresses as Python's `socket` has them."""

import errno
import math
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import FailureReason, LocalError
from sipcore.resolve.target import SocketAddress, is_numeric
from sipcore.transports.base import (
    REFUSALS,
    TlsConfig,
    TransportConfig,
    failure_of,
    numbered,
    socket_address,
    socket_family,
    socket_name,
)
from sipcore.transports.lookup import LookupConfig


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


ODD = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(["1", "lo", "9" * 5000, "\0"])
HOSTS = st.sampled_from(["", "127.0.0.1", "::1", "fe80::1", "localhost", "a" * 300, "::ffff:127.0.0.1"])


@given(HOSTS | ODD, st.just("") | ODD, st.integers(-2, 3) | st.integers(65_530, 2**40))
def test_whatever_is_no_address_is_refused_as_the_kernel_refuses(host: str, zone: str, port: int) -> None:
    address = SocketAddress(f"{host}%{zone}" if zone else host, port)
    refused = ""
    try:
        name = socket_name(address)
        with socket.socket(socket_family(address), socket.SOCK_DGRAM) as sock:
            sock.bind(name)  # looks the address over as sending does, and sends nothing
    except REFUSALS as error:
        refused = failure_of(error, address).message
    assert refused.startswith(str(address)) or (is_numeric(address.host) and 0 <= port <= 65_535)


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        (SocketAddress("127.0.0.1", 65_536), "65536 is no port"),
        (SocketAddress("127.0.0.1%1", 9), "127.0.0.1%1 is no address"),
        (SocketAddress("localhost", 9), "localhost is no address"),
        (SocketAddress("fe80::1%0", 9), "no such interface"),
        (SocketAddress("fe80::1%4294967296", 9), "no such interface"),
    ],
)
def test_why_an_address_is_none(address: SocketAddress, problem: str) -> None:
    with pytest.raises(OSError, match=problem):
        socket_name(address)


LO = {name: index for index, name in socket.if_nameindex()}.get("lo")


@pytest.mark.skipif(LO is None, reason="the loopback has another name")
@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("fe80::1%lo", f"fe80::1%{LO}"),
        (f"fe80::1%{LO}", f"fe80::1%{LO}"),
        ("::1%lo", "::1"),  # the kernel knows no zone of it
        ("2001:db8::1", "2001:db8::1"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_a_zone_is_told_as_the_kernel_tells_it(host: str, found: str) -> None:
    assert numbered(SocketAddress(host, 9)) == SocketAddress(found, 9)


def test_the_key_is_not_shown() -> None:
    assert "secret" not in repr(TlsConfig(key=b"secret", certificate=b"public"))


@pytest.mark.parametrize(
    ("config", "wrong", "text"),
    [
        (TransportConfig, {"idle_timeout": 0}, "idle_timeout is a time above 0 s, not 0"),
        (TransportConfig, {"connect_timeout": math.nan}, "connect_timeout is a time above 0 s, not nan"),
        (TransportConfig, {"max_connections": -1}, "max_connections is 0 or more, not -1"),
        (TransportConfig, {"receive_buffer": -1}, "receive_buffer is 0 or more"),
        (LookupConfig, {"timeout": -1.0}, "timeout is a time above 0 s, not -1.0"),
        (LookupConfig, {"lifetime": math.nan}, "lifetime is a time above 0 s"),
        (LookupConfig, {"cache_size": -1}, "cache_size is 0 or more"),
    ],
)
def test_times_and_limits_that_are_none_are_refused(config: type, wrong: dict[str, float], text: str) -> None:
    """They would fail in the middle of a lookup or a connection, as a mistake of this program."""
    with pytest.raises(LocalError, match=text):
        config(**wrong)
