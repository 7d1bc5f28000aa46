"""What is done in a transaction of the thread that writes, for somebody who waits for it."""

from collections.abc import Callable
from typing import Generic, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")


class Work(Generic[T]):
    """Something to be done by a connection, under a savepoint, so that what it raises undoes it alone.

    Its outcome is told once, by `tell`, in the thread that writes: when it is on the disk, or nothing of it is.
    """

    __slots__ = ("_error", "_result", "_run", "_tell", "is_over")

    def __init__(self, run: Callable[[Connection], T], tell: Callable[[], None]) -> None:
        """`run` changes nothing but what it is given the connection for."""
        self._run, self._tell = run, tell
        self._result: list[T] = []
        self._error: BaseException | None = None
        self.is_over = False
        """Whether it was told."""

    def act(self, connection: Connection, is_fatal: Callable[[Exception], bool]) -> None:
        """Do it. Raises what is fatal for all that the transaction holds; whatever else it raises is its outcome."""
        try:
            with connection.begin_nested():
                self._result = [self._run(connection)]
        except Exception as error:
            if is_fatal(error):
                raise
            self._error = error

    def end(self, error: Exception | None = None) -> None:
        """Tell that it is over; with an error if nothing of it is on the disk."""
        self._error = error or self._error
        self.is_over = True
        self._tell()

    def outcome(self) -> T:
        """What `run` gave. Raises what it raised, or why it could not be written."""
        error, self._error = self._error, None  # else the two would hold each other
        if error is not None:
            raise error
        return self._result[0]
