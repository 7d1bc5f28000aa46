"""A timer for one task, set anew as often as need be. Where the kernel has a `timerfd`, it is a tenth of a ms late.

trio sleeps until the next whole millisecond of epoll, which is a twentieth of the time between two packets of voice.
"""

import ctypes
import math
import os
from typing import Protocol

import trio

_CLOCK_MONOTONIC = 1
_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
SOONEST = 1e-6
"""Seconds: a timerfd that is set to nothing at all would never ring."""


class Alarm(Protocol):
    """Rings once at a time of trio's clock. One task waits for it; `set` may be called by any."""

    def set(self, at: float) -> None:
        """Ring at that time instead of any other; `math.inf` for never."""

    async def wait(self) -> None:
        """Return when it has rung."""

    def close(self) -> None:
        """Give back what it holds."""


class TrioAlarm:
    """An alarm by trio alone, on any system and with any clock."""

    def __init__(self) -> None:
        self._at = math.inf
        self._scope: trio.CancelScope | None = None

    def set(self, at: float) -> None:
        """See `Alarm`."""
        self._at = at
        if self._scope is not None:
            self._scope.deadline = at

    async def wait(self) -> None:
        """See `Alarm`."""
        with trio.CancelScope(deadline=self._at) as self._scope:
            await trio.sleep_forever()
        self._scope = None
        self._at = math.inf

    def close(self) -> None:
        """Nothing is held."""


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class KernelAlarm:
    """An alarm by Linux's timerfd. Raises OSError where there is none."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)
        try:
            create = self._library.timerfd_create
        except AttributeError:
            raise OSError("no timerfd") from None
        self._fd = int(create(_CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC))
        if self._fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self._spec = _TimerSpec()

    def set(self, at: float) -> None:
        """See `Alarm`."""
        after = 0.0 if at == math.inf else max(at - trio.current_time(), SOONEST)
        self._spec.value.seconds = int(after)
        self._spec.value.nanoseconds = int(after % 1 * 1e9)
        self._library.timerfd_settime(self._fd, 0, ctypes.byref(self._spec), None)

    async def wait(self) -> None:
        """See `Alarm`."""
        while True:
            await trio.lowlevel.wait_readable(self._fd)
            try:
                os.read(self._fd, 8)
            except BlockingIOError:
                continue  # it was set anew after it had rung
            return

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._fd)


def new_alarm() -> Alarm:
    """The best alarm for real time that there is here."""
    try:
        return KernelAlarm()
    except OSError:
        return TrioAlarm()
