"""What the kernel tells beside a datagram, from packed structures as Linux lays them out."""

import errno
import socket
import struct

import pytest

from sipcore.errors import FailureReason
from sipcore.resolve.target import SocketAddress
from sipcore.transports import ancillary as kernel

REMOTE = SocketAddress("192.0.2.1", 5060)
REPORTER = struct.pack("@HH4s8x", socket.AF_INET, 0, socket.inet_aton("192.0.2.254"))
REPORTER6 = struct.pack("@HHI16sI", socket.AF_INET6, 0, 0, socket.inet_pton(socket.AF_INET6, "2001:db8::fe"), 0)

linux = pytest.mark.skipif(not kernel.LINUX, reason="Linux gives this, other systems do not")


def entry(number: int, origin: int, kind: int, code: int, reporter: bytes = REPORTER) -> tuple[int, int, bytes]:
    packed = struct.pack("@IBBBBII", number, origin, kind, code, 0, 0, 0) + reporter
    if origin == 3:
        return (socket.IPPROTO_IPV6, kernel.IPV6_RECVERR, packed)
    return (socket.IPPROTO_IP, kernel.IP_RECVERR, packed)


@pytest.mark.parametrize(
    ("origin", "kind", "code", "reason"),
    [
        (2, 3, 0, FailureReason.UNREACHABLE),
        (2, 3, 1, FailureReason.UNREACHABLE),
        (2, 3, 2, FailureReason.UNREACHABLE),
        (2, 3, 3, FailureReason.REFUSED),
        (2, 3, 9, FailureReason.PROHIBITED),
        (2, 3, 13, FailureReason.PROHIBITED),
        (2, 12, 0, FailureReason.UNREACHABLE),
        (2, 12, 2, FailureReason.UNREACHABLE),
        (3, 1, 0, FailureReason.UNREACHABLE),
        (3, 1, 1, FailureReason.PROHIBITED),
        (3, 1, 3, FailureReason.UNREACHABLE),
        (3, 1, 4, FailureReason.REFUSED),
        (3, 4, 1, FailureReason.UNREACHABLE),
    ],
)
def test_icmp_errors_are_failures(origin: int, kind: int, code: int, reason: FailureReason) -> None:
    failure = kernel.queued_failure([entry(errno.ECONNREFUSED, origin, kind, code)], REMOTE)
    assert failure is not None
    assert failure.reason is reason
    assert failure.section == "RFC 3261 §18.4"
    assert failure.message.startswith("udp 192.0.2.1:5060: 192.0.2.254 says by ICMP: ")


@pytest.mark.parametrize(
    ("origin", "kind", "code"),
    [
        (2, 4, 0),  # source quench
        (2, 11, 0),  # time exceeded
        (2, 3, 4),  # fragmentation needed
        (3, 3, 0),  # time exceeded
        (3, 2, 0),  # packet too big
        (2, 99, 99),
    ],
)
def test_what_rfc_3261_has_ignored_is_ignored(origin: int, kind: int, code: int) -> None:
    assert kernel.queued_failure([entry(errno.EHOSTUNREACH, origin, kind, code)], REMOTE) is None


def test_the_kernel_reports_errors_of_its_own() -> None:
    failure = kernel.queued_failure([entry(errno.EHOSTUNREACH, 1, 0, 0)], REMOTE)
    assert failure is not None
    assert failure.reason is FailureReason.UNREACHABLE
    assert kernel.queued_failure([entry(errno.EMSGSIZE, 1, 0, 0)], REMOTE) is None


def test_who_reported_is_told() -> None:
    six = kernel.queued_failure([entry(errno.ECONNREFUSED, 3, 1, 4, REPORTER6)], SocketAddress("2001:db8::1", 5060))
    assert six is not None
    assert "2001:db8::fe says by ICMP" in six.message
    nobody = kernel.queued_failure([entry(errno.ECONNREFUSED, 2, 3, 3, b"")], REMOTE)
    assert nobody is not None
    assert "the network says by ICMP" in nobody.message


def test_other_ancillary_data_is_passed_over() -> None:
    assert kernel.queued_failure([(socket.SOL_SOCKET, kernel.SO_TIMESTAMPNS, bytes(16))], REMOTE) is None
    assert kernel.queued_failure([], REMOTE) is None


@linux
@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
def test_a_local_address_goes_both_ways(host: str) -> None:
    ((_, _, packed),) = kernel.sent_from(host)
    assert kernel.local_host(packed) == host


@linux
def test_a_link_local_address_keeps_its_interface() -> None:
    index = socket.if_nametoindex("lo")
    ((_, _, packed),) = kernel.sent_from("fe80::1%lo")
    assert kernel.local_host(packed) == f"fe80::1%{index}"
    assert kernel.sent_from(f"fe80::1%{index}") == kernel.sent_from("fe80::1%lo")


def test_other_systems_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "LINUX", False)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        kernel.enable(sock, wildcard=True)
        assert sock.getsockopt(socket.SOL_SOCKET, kernel.SO_TIMESTAMPNS) == 0
    assert kernel.sent_from.__wrapped__("192.0.2.1") == ()


def test_an_option_that_the_kernel_lacks_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "LINUX", True)
    monkeypatch.setattr(kernel, "SO_TIMESTAMPNS", 9999)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        kernel.enable(sock, wildcard=False)


STAMP = (socket.SOL_SOCKET, kernel.SO_TIMESTAMPING, struct.pack("@llllll", 1_700_000_000, 5, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("ancillary", "stamp"),
    [
        ([STAMP, entry(errno.ENOMSG, 4, 0, 0)], 1_700_000_000_000_000_005),
        ([entry(errno.ENOMSG, 4, 0, 0), STAMP], 1_700_000_000_000_000_005),
        ([STAMP, entry(errno.ECONNREFUSED, 2, 3, 3)], None),
        ([STAMP], None),
        ([entry(errno.ENOMSG, 4, 0, 0)], None),
        ([], None),
    ],
)
def test_the_stamp_of_what_was_sent(ancillary: list[tuple[int, int, bytes]], stamp: int | None) -> None:
    assert kernel.sent_stamp(ancillary) == stamp


@linux
def test_stamps_are_done_without_where_the_kernel_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Refusing:
        def setsockopt(self, level: int, option: int, setting: int) -> None:
            asked.append(setting)
            if setting in refused:
                raise OSError(errno.EINVAL, "unknown flags")

    refused: tuple[int, ...] = ()
    assert kernel.enable_sent_stamps(Refusing())  # type: ignore[arg-type]
    refused = tuple(asked)
    assert kernel.enable_sent_stamps(Refusing())  # type: ignore[arg-type]
    refused = tuple(asked)
    assert not kernel.enable_sent_stamps(Refusing())  # type: ignore[arg-type]
    monkeypatch.setattr(kernel, "LINUX", False)
    refused = ()
    assert not kernel.enable_sent_stamps(Refusing())  # type: ignore[arg-type]
