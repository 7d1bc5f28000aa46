"""What the kernel tells beside a datagram: when it came or left, to which address, how many were lost, ICMP errors.

Linux gives all of it as ancillary data of `recvmsg`; elsewhere the options are refused and datagrams come alone.
Python's `socket` lacks most of the constants, which are those of Linux's <asm-generic/socket.h>, <linux/in.h>,
<linux/in6.h>, <linux/socket.h>, <linux/net_tstamp.h> and <linux/errqueue.h>.
"""

import os
import socket
import struct
import sys
from collections.abc import Iterable
from functools import lru_cache

from sipcore.errors import FailureReason, TransportFailure
from sipcore.resolve.target import SocketAddress
from sipcore.transports.base import failure_of, interface_index

LINUX = sys.platform.startswith("linux")

SO_TIMESTAMPNS = 35
SO_TIMESTAMPING = 37
SO_RXQ_OVFL = 40
IP_PKTINFO = 8
IP_RECVERR = 11
IPV6_RECVERR = 25
IPV6_RECVPKTINFO = 49
IPV6_PKTINFO = 50
MSG_ERRQUEUE = 0x2000

ANCILLARY_SIZE = 512
"""Bytes of room for ancillary data: timestamp, drop count, packet info and extended error together take half of it."""
TIMESPEC = struct.Struct("@ll")
DROP_COUNT = struct.Struct("@I")
_PKTINFO = struct.Struct("@I4s4s")
"""struct in_pktinfo: interface, local address, address in the datagram's header."""
_PKTINFO6 = struct.Struct("@16sI")
"""struct in6_pktinfo: address, interface."""
_EXTENDED_ERROR = struct.Struct("@IBBBBII")
"""struct sock_extended_err: errno, origin, type, code, padding, info, data; then the address of who sent the error."""

_SOFTWARE, _STAMP_ONLY, _NOT_RECEIVED = 1 << 4, 1 << 11, 1 << 17
"""SOF_TIMESTAMPING flags of a socket: the kernel's stamps, of what is sent without its bytes, not of what is received,
which SO_TIMESTAMPNS gives; older kernels do not know the last, and tell a stamp twice."""
STAMPED = (socket.SOL_SOCKET, SO_TIMESTAMPING, struct.pack("@I", 1 << 1))
"""Ancillary data that has the kernel stamp a datagram when it hands it to the device (SOF_TIMESTAMPING_TX_SOFTWARE)."""

_ICMP, _ICMP6, _STAMP = 2, 3, 4
"""Origins of an extended error."""
_EXTENDED = ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR))
"""How the ancillary data that holds one is marked."""
_PARAMETER_PROBLEM = {_ICMP: 12, _ICMP6: 4}
_SENTENCES: dict[tuple[int, int, int], tuple[FailureReason, str]] = {
    (_ICMP, 3, 0): (FailureReason.UNREACHABLE, "network unreachable"),
    (_ICMP, 3, 1): (FailureReason.UNREACHABLE, "host unreachable"),
    (_ICMP, 3, 2): (FailureReason.UNREACHABLE, "protocol unreachable"),
    (_ICMP, 3, 3): (FailureReason.REFUSED, "port unreachable: nothing listens there"),
    (_ICMP, 3, 5): (FailureReason.UNREACHABLE, "source route failed"),
    (_ICMP, 3, 6): (FailureReason.UNREACHABLE, "network unknown"),
    (_ICMP, 3, 7): (FailureReason.UNREACHABLE, "host unknown"),
    (_ICMP, 3, 9): (FailureReason.PROHIBITED, "network administratively prohibited"),
    (_ICMP, 3, 10): (FailureReason.PROHIBITED, "host administratively prohibited"),
    (_ICMP, 3, 11): (FailureReason.UNREACHABLE, "network unreachable for this type of service"),
    (_ICMP, 3, 12): (FailureReason.UNREACHABLE, "host unreachable for this type of service"),
    (_ICMP, 3, 13): (FailureReason.PROHIBITED, "communication administratively prohibited"),
    (_ICMP, 3, 14): (FailureReason.PROHIBITED, "host precedence violation"),
    (_ICMP, 3, 15): (FailureReason.PROHIBITED, "precedence cut off"),
    (_ICMP, 12, 0): (FailureReason.UNREACHABLE, "parameter problem"),
    (_ICMP6, 1, 0): (FailureReason.UNREACHABLE, "no route to the destination"),
    (_ICMP6, 1, 1): (FailureReason.PROHIBITED, "communication administratively prohibited"),
    (_ICMP6, 1, 2): (FailureReason.UNREACHABLE, "beyond the scope of the source address"),
    (_ICMP6, 1, 3): (FailureReason.UNREACHABLE, "address unreachable"),
    (_ICMP6, 1, 4): (FailureReason.REFUSED, "port unreachable: nothing listens there"),
    (_ICMP6, 1, 5): (FailureReason.PROHIBITED, "source address failed the policy"),
    (_ICMP6, 1, 6): (FailureReason.PROHIBITED, "the route to the destination rejects"),
    (_ICMP6, 4, 0): (FailureReason.UNREACHABLE, "parameter problem"),
}
"""Origin, type and code of an ICMP error, and what it means. RFC 3261 §18.4: host, network, port or protocol
unreachable and parameter problems are failures; source quench and time exceeded are to be ignored, and so is a datagram
that was too large: the kernel has learnt the path's MTU from it and fragments the retransmission."""


def granted_buffer(sock: socket.socket) -> int:
    """The bytes of a socket's receive buffer. Linux grants no more than net.core.rmem_max without a word, and tells
    twice what it grants, since as much again is for its own records (socket(7)).
    """
    size = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    return size // 2 if LINUX else size


def short_of_buffer(asked: int, granted: float) -> str:
    """What to change where the kernel has granted a socket less than it was asked for; "" where it has not."""
    if granted >= asked:
        return ""
    told = f"the kernel grants a receive buffer of {granted} bytes, and {asked} were asked for"
    return f"{told}: sysctl -w net.core.rmem_max={asked}, as root" if LINUX else told


def enable(sock: socket.socket, *, wildcard: bool) -> None:
    """Ask the kernel for all that it can tell of datagrams; `wildcard` is whether `sock` is bound to no address."""
    if not LINUX:
        return
    options = [(socket.SOL_SOCKET, SO_TIMESTAMPNS), (socket.SOL_SOCKET, SO_RXQ_OVFL)]
    if sock.family == socket.AF_INET6:
        options.append((socket.IPPROTO_IPV6, IPV6_RECVERR))
        options += [(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO)] if wildcard else []
    else:
        options.append((socket.IPPROTO_IP, IP_RECVERR))
        options += [(socket.IPPROTO_IP, IP_PKTINFO)] if wildcard else []
    for level, option in options:
        _try(sock, level, option, 1)


def enable_sent_stamps(sock: socket.socket) -> bool:
    """Have datagrams that are sent with STAMPED put their stamps into the error queue; False where that cannot be."""
    flags = _SOFTWARE | _STAMP_ONLY
    return LINUX and any(
        _try(sock, socket.SOL_SOCKET, SO_TIMESTAMPING, each) for each in (flags | _NOT_RECEIVED, flags)
    )


def _try(sock: socket.socket, level: int, option: int, setting: int) -> bool:
    """Set an option. What an old or emulated kernel cannot tell is done without, as on other systems."""
    try:
        sock.setsockopt(level, option, setting)
    except OSError:
        return False
    return True


def local_host(packet_info: bytes) -> str:
    """The local address that a datagram came to."""
    if len(packet_info) == _PKTINFO.size:
        return socket.inet_ntop(socket.AF_INET, _PKTINFO.unpack(packet_info)[1])
    packed, interface = _PKTINFO6.unpack(packet_info)
    host = socket.inet_ntop(socket.AF_INET6, packed)
    return f"{host}%{interface}" if host.startswith("fe80:") else host


@lru_cache
def sent_from(host: str) -> tuple[tuple[int, int, bytes], ...]:
    """The ancillary data that makes a datagram leave from `host` on a socket that is bound to no address."""
    if not LINUX:
        return ()
    if ":" not in host:
        return ((socket.IPPROTO_IP, IP_PKTINFO, _PKTINFO.pack(0, socket.inet_aton(host), bytes(4))),)
    host, _, zone = host.partition("%")
    packed = _PKTINFO6.pack(socket.inet_pton(socket.AF_INET6, host), interface_index(zone))
    return ((socket.IPPROTO_IPV6, IPV6_PKTINFO, packed),)


def sent_stamp(ancillary: Iterable[tuple[int, int, bytes]]) -> int | None:
    """When a datagram left, in nanoseconds of the wall clock; None where an entry of the error queue is no such stamp.

    Entries that tell of an error are stamped as well, with the time at which it came.
    """
    at, is_stamp = None, False
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPING):
            seconds, nanoseconds = TIMESPEC.unpack_from(data)
            at = int(seconds * 1_000_000_000 + nanoseconds)
        elif (level, kind) in _EXTENDED:
            is_stamp = _EXTENDED_ERROR.unpack_from(data)[1] == _STAMP
    return at if is_stamp else None


def queued_failure(ancillary: Iterable[tuple[int, int, bytes]], remote: SocketAddress) -> TransportFailure | None:
    """The failure that an entry of a socket's error queue tells of, None for one that is to be ignored."""
    for level, kind, data in ancillary:
        if (level, kind) in _EXTENDED:
            number, origin, type_, code, *_ = _EXTENDED_ERROR.unpack_from(data)
            if origin in (_ICMP, _ICMP6):
                return _icmp_failure(origin, type_, code, _reporter(data[_EXTENDED_ERROR.size :]), remote)
            # The kernel's own: only that a datagram was larger than a path's MTU is no failure.
            failure = failure_of(OSError(number, os.strerror(number)), f"udp {remote}")
            return None if failure.reason is FailureReason.TOO_LARGE else failure
    return None


def _icmp_failure(origin: int, type_: int, code: int, reporter: str, remote: SocketAddress) -> TransportFailure | None:
    if type_ == _PARAMETER_PROBLEM[origin]:
        code = 0
    known = _SENTENCES.get((origin, type_, code))
    if known is None:
        return None
    reason, sentence = known
    return TransportFailure(reason, f"udp {remote}: {reporter} says by ICMP: {sentence}")


def _reporter(packed: bytes) -> str:
    """Who sent an ICMP error: the struct sockaddr behind the extended error."""
    family = int.from_bytes(packed[:2], sys.byteorder)
    if family == socket.AF_INET and len(packed) >= 8:
        return socket.inet_ntop(socket.AF_INET, packed[4:8])
    if family == socket.AF_INET6 and len(packed) >= 24:
        return socket.inet_ntop(socket.AF_INET6, packed[8:24])
    return "the network"
