"""Network namespaces without an uplink, each with one TUN device whose other end is a file descriptor here.

They have no name: they live as long as somebody holds them open or runs inside them, so nothing is left over, however
a run ends. Making and entering one needs root.
"""

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

INTERFACE = "net0"
MTU = 1500
QUEUE = 10_000
"""Packets that wait for the relay: seconds of traffic, so that nothing is lost but on purpose."""
TUN_DEVICE = Path("/dev/net/tun")
_OWN = "/proc/thread-self/ns/net"
_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_SEARCHED = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
_libc = ctypes.CDLL(None, use_errno=True)


class UnavailableError(Exception):
    """Namespaces cannot be made here; the message says what is missing."""


def check_available() -> None:
    """Raises UnavailableError where there is no root, no TUN device, no IPv6, no `ip` or no `nsenter`."""
    if os.geteuid() != 0:
        raise UnavailableError("making network namespaces needs root")
    for name, package in (("ip", "iproute2"), ("nsenter", "util-linux")):
        if shutil.which(name, path=_SEARCHED) is None:
            raise UnavailableError(f"{name} is not installed: apt-get install {package}")
    try:
        make("trial", "192.0.2.1", "2001:db8::1").close()
    except (OSError, subprocess.CalledProcessError) as error:
        raise UnavailableError(f"no network namespaces, TUN devices or addresses are to be had: {error}") from error


@dataclass(frozen=True, slots=True)
class Namespace:
    """One site: `ipv4` and `ipv6` are its addresses, `fd` holds the namespace open, `device` is its line's far end."""

    name: str
    ipv4: str
    ipv6: str
    fd: int
    device: int

    def command(self, *words: str) -> list[str]:
        """A command line that runs another one inside, for whatever starts processes."""
        return [_program("nsenter"), f"--net=/proc/{os.getpid()}/fd/{self.fd}", "--", *words]

    async def run(self, *words: str, cwd: Path | None = None) -> str:
        """Run a command inside; gives what it prints. Raises CalledProcessError when it fails."""
        done = await trio.run_process(self.command(*words), capture_stdout=True, cwd=cwd)
        return str(done.stdout.decode())

    def socket(self, family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
        """A socket inside, for use by this process."""
        with self.entered():
            return socket.socket(family, kind)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Put this thread inside for a block, in which nothing must be awaited."""
        with _restored():
            _check(_libc.setns(self.fd, _CLONE_NEWNET))
            yield

    def overrun(self) -> int:
        """Packets that the kernel dropped on their way out, since the relay did not keep up."""
        with self.entered():
            rows = Path("/proc/thread-self/net/dev").read_text().splitlines()
        (row,) = (row for row in rows if row.strip().startswith(f"{INTERFACE}:"))
        return int(row.split()[12])  # the fourth column of what was sent: drop

    def close(self) -> None:
        """Let go of it; it vanishes with the last process inside."""
        os.close(self.device)
        os.close(self.fd)


def make(name: str, ipv4: str, ipv6: str) -> Namespace:
    """A namespace whose traffic, loopback aside, all goes to `device`. Raises OSError, or CalledProcessError of ip."""
    with _new_namespace() as fd:
        try:
            device = _open_tun()
        except OSError:
            os.close(fd)
            raise
        namespace = Namespace(name, ipv4, ipv6, fd, device)
        try:
            _configure(ipv4, ipv6)
        except BaseException:
            namespace.close()
            raise
    return namespace


def _configure(ipv4: str, ipv6: str) -> None:
    """Give the interface of the namespace that this thread is in its addresses; no kernel greets anybody from it."""
    script = f"""\
link set lo up
link set {INTERFACE} addrgenmode none
link set {INTERFACE} mtu {MTU} txqueuelen {QUEUE} up
address add {ipv4}/24 dev {INTERFACE}
address add {ipv6}/64 dev {INTERFACE} nodad
route add default dev {INTERFACE}
-6 route add default dev {INTERFACE}
"""
    for line in script.splitlines():
        subprocess.run([_program("ip"), *line.split()], check=True)


@contextmanager
def _restored() -> Iterator[None]:
    """Bring this thread back to the namespace that it is in."""
    own = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        _check(_libc.setns(own, _CLONE_NEWNET))
        os.close(own)


@contextmanager
def _new_namespace() -> Iterator[int]:
    """A new namespace, by its descriptor, which this thread is in for a block."""
    with _restored():
        _check(_libc.unshare(_CLONE_NEWNET))
        yield os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)


def _open_tun() -> int:
    """A TUN device in the namespace that this thread is in: the end at which its packets are read and written."""
    device = os.open(TUN_DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", INTERFACE.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError:
        os.close(device)
        raise
    return device


def _program(name: str) -> str:
    return shutil.which(name, path=_SEARCHED) or name


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
