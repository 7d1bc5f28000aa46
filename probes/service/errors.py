"""What the directory refuses, and why."""

from probes.trunks.problem import Problem
from sipcore.errors import LocalError

SECTION = "RFC 3261 §13.2.1"


class DirectoryError(LocalError):
    """Something cannot be written, or found. `field` is its place, as in `outbound.gateways.0.host`; empty for all."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message, section=SECTION)
        self.field = field

    def __str__(self) -> str:
        return self.message


class NotFound(DirectoryError):
    """There is none, or it is another tenant's: the two look the same."""


class Conflict(DirectoryError):
    """There is one already that excludes it: a number that is taken."""


class Invalid(DirectoryError):
    """It makes no sense as it is. `problems` are all that is wrong; the message and `field` are those of the first."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        """Take one problem at least."""
        super().__init__(problems[0].text, problems[0].field)
        self.problems = problems
