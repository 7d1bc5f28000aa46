"""The history of a watch, in a file: what each check found, how the health of routes changed, which routes calls took.

`Store` is what a watch writes to, one for each file; a `History` reads the same file at the same time. Both are used
from any thread, need the extra `daemon`, and load its libraries when they are opened.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Self

from probes.health.outbox import Delivery
from probes.health.terms import Change, Check, Happening, Switch
from probes.store.config import StoreConfig
from sipcore.value import value


@value
class Running:
    """Which program writes, or wrote last. Times are in seconds since 1970."""

    process: int
    version: str
    begun: float
    ended: float | None
    """None while it runs, and where it was killed."""


class History:
    """A history to be read. Each method raises WatchError where the file cannot be read."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file that `Store` writes, now or at another time. Raises WatchError with what to do about it."""
        raise NotImplementedError

    def checks(self, since: float, until: float, trunk: str = "", route: str = "") -> Iterator[Check]:
        """The checks that were begun at `since` or later and before `until`, in the order of time, of one trunk or
        route or of all; `attempt` and `call` are None. They are read as they are asked for.
        """
        raise NotImplementedError

    def changes(self, since: float, until: float, trunk: str = "", route: str = "") -> Iterator[Change]:
        """Likewise, the changes of health."""
        raise NotImplementedError

    def switches(self, since: float, until: float, trunk: str = "") -> Iterator[Switch]:
        """Likewise, the switches to another route."""
        raise NotImplementedError

    def changes_before(self, at: float, trunk: str = "", route: str = "") -> tuple[Change, ...]:
        """The last change of each route before `at`: how the routes were at the time."""
        raise NotImplementedError

    def last(self) -> tuple[Change | Switch | Check, ...]:
        """What a watch has to know after a restart, in the order of time: of each route the last change, the last check
        and the last one that was answered, of each trunk the last switch. Routes that are no longer watched are among
        them.
        """
        raise NotImplementedError

    def routes(self) -> tuple[tuple[str, str], ...]:
        """The trunks and routes of which something is known, by name."""
        raise NotImplementedError

    def running(self) -> Running | None:
        """Which program writes, or wrote last; None before the first."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Store(History):
    """A history that is written to, and the outbox of its alerts."""

    @classmethod
    def open(cls, path: Path, config: StoreConfig = StoreConfig()) -> Self:
        """Open a file, or make one. Raises WatchError with what to do about it."""
        raise NotImplementedError

    def add(self, happening: Happening) -> None:
        """Have something written down, without waiting for it."""
        raise NotImplementedError

    def keep(self, delivery: Delivery) -> None:
        """Have a delivery written down as it is now, likewise."""
        raise NotImplementedError

    def unsent(self) -> tuple[Delivery, ...]:
        """The deliveries that are still to be sent, oldest first."""
        raise NotImplementedError

    @property
    def trouble(self) -> str:
        """What keeps the store from writing at present, for people, and how many checks were lost; empty if nothing."""
        raise NotImplementedError

    async def flush(self) -> None:
        """Wait until all that was added before is on the disk. Raises WatchError where it cannot be written."""
