"""What sending an alert may come to, whichever way it goes."""

from email.utils import parsedate_to_datetime

from sipcore.errors import require_counts, require_times
from sipcore.value import value

INSTALL = "pip install '.[daemon]'"
"""What brings the libraries that alerts are sent with."""


@value
class NotifyConfig:
    """How alerts are sent. Times are in seconds. Raises LocalError for times and numbers that are none."""

    connect_timeout: float = 5.0
    """Until a connection to one address of a receiver is up, TLS included."""
    timeout: float = 20.0
    """Until a receiver has answered, from the lookup of its name on."""
    message_timeout: float = 60.0
    """Until a service of Apprise has taken a message; mail servers are slow on purpose."""
    message_pause: float = 20.0
    """Between two messages through one service of Apprise: what comes up meanwhile is joined to one message, since
    somebody reads them, and pays for an SMS."""
    message_alerts: int = 50
    """Alerts that are joined to one message, at most."""
    first_wait: float = 2.0
    """After the first failure; it doubles with each further one."""
    longest_wait: float = 300.0
    """After any failure, unless the receiver asks for more."""
    give_up: float = 4 * 3600.0
    """After an alert came up: from then on it is not tried again."""
    queue: int = 1000
    """Alerts that wait for one channel, at most; then the oldest is given up."""

    def __post_init__(self) -> None:
        require_times(self, "connect_timeout", "timeout", "message_timeout", "first_wait", "longest_wait", "give_up")
        require_counts(self, "message_pause")
        require_counts(self, "message_alerts", "queue", least=1)


class SendFailure(Exception):
    """An alert could not be sent. `why` is for people, and holds no secrets."""

    def __init__(self, why: str, *, retry_after: float | None = None, is_final: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.retry_after = retry_after
        """Seconds for which the receiver asks to be left alone."""
        self.is_final = is_final
        """Whether the same would come of it again."""


def retry_after(text: str, now: float) -> float | None:
    """How many seconds a Retry-After stands for (RFC 9110 §10.2.3), `now` in seconds since 1970; None for none, or for
    what is none.
    """
    text = text.strip()
    if text.isdecimal() and text.isascii():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
