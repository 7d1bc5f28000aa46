"""What is odd about a trunk or a number before it is saved."""

from sipcore.value import Member, value


class Gravity(Member):
    """What a problem means for what is to be saved."""

    ERROR = "error"
    """It is not saved."""
    WARNING = "warning"
    """It is saved, and this is told."""


@value
class Problem:
    """One thing that is odd. `code` names it for programs."""

    gravity: Gravity
    code: str
    field: str
    """Where it is, as in `outbound.gateways.0.host`; empty for the whole."""
    cause: str
    """What is odd, for people."""
    cure: str
    """What to change, for people."""

    @property
    def is_error(self) -> bool:
        """Whether it keeps something from being saved."""
        return self.gravity is Gravity.ERROR

    @property
    def text(self) -> str:
        """Both in one line."""
        return f"{self.cause}: {self.cure}"


def error(code: str, field: str, cause: str, cure: str) -> Problem:
    """One that refuses."""
    return Problem(Gravity.ERROR, code, field, cause, cure)


def warning(code: str, field: str, cause: str, cure: str) -> Problem:
    """One that is told."""
    return Problem(Gravity.WARNING, code, field, cause, cure)
