"""Alerts as text: mail, SMS and chats, through one service of Apprise each, in a thread since Apprise waits.

What Apprise logs while it sends for us goes nowhere but into the reason of a failure, without any part of the URL: its
URLs are made of credentials, and what its services log has parts of them.
"""

import contextvars
import logging
import re
from collections.abc import Sequence
from inspect import signature
from typing import TYPE_CHECKING
from urllib.parse import unquote

import trio

from probes.health.alerts import Alert, AppriseChannel, Phase, Severity
from probes.health.sending import INSTALL, NotifyConfig, SendFailure
from probes.health.trunk import WatchError
from probes.report.safe_text import printable

if TYPE_CHECKING:
    import apprise

LOGGERS = ("apprise", "urllib3.connectionpool", "urllib3.util.retry")
"""Who logs URLs, or parts of them."""
MAX_WHY = 300
"""Characters of what is told of a failure."""
LEAST_SECRET = 3
"""Characters of a part of a URL that is covered: shorter ones stand in any text."""
_heard: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("heard", default=None)
"""What was logged in this thread while a message was sent; None where none is."""


class _Ear(logging.Filter):
    """Keeps what is logged on our behalf from everybody else."""

    def filter(self, record: logging.LogRecord) -> bool:
        heard = _heard.get()
        if heard is None:
            return True
        if record.levelno >= logging.WARNING:
            heard.append(record.getMessage())
        return False


_ear = _Ear()


class Messenger:
    """Sends alerts to one URL of Apprise. Raises WatchError for a channel that cannot be used."""

    def __init__(self, channel: AppriseChannel, config: NotifyConfig) -> None:
        try:
            import apprise
        except ImportError:
            raise WatchError(f"channel {channel.name}: mail, SMS and chats need Apprise: {INSTALL}") from None
        for name in LOGGERS:
            logging.getLogger(name).addFilter(_ear)  # which is there once, however often it is added
        self._channel, self._config = channel, config
        self._turn = trio.CapacityLimiter(1)
        """One thread at a time, also of those that were given up and still hang."""
        self._apprise = apprise.Apprise(asset=_asset(apprise))
        context = contextvars.copy_context()
        if not context.run(self._add):
            scheme = printable(channel.url.partition("://")[0][:32])
            raise WatchError(
                f"channel {channel.name}: Apprise makes nothing of its {scheme}:// URL; see its page on that service"
            )

    def _add(self) -> bool:
        _heard.set([])
        try:
            return bool(self._apprise.add(self._channel.url))
        except Exception:  # noqa: BLE001  # whatever a service raises for a URL, which it may quote
            return False

    async def send(self, alerts: Sequence[Alert]) -> None:
        """Send alerts, one or more, as one message. Raises SendFailure."""
        why: str | None = None
        with trio.move_on_after(self._config.message_timeout) as scope:
            why = await trio.to_thread.run_sync(self._notify, alerts, abandon_on_cancel=True, limiter=self._turn)
        if scope.cancelled_caught:
            raise SendFailure(f"Apprise did not come back within {self._config.message_timeout:g} s")
        if why:
            raise SendFailure(why)

    def _notify(self, alerts: Sequence[Alert]) -> str:
        """In a thread: why it failed, empty if it did not."""
        import apprise

        gravest = max(alerts, key=lambda alert: (alert.phase is not Phase.ENDED, alert.severity.rank))
        title, lines = _message(alerts, gravest)

        heard: list[str] = []
        _heard.set(heard)  # of this call alone, which runs in a context of its own
        try:
            is_sent = self._apprise.notify(
                title=title,
                body="\n".join(lines),
                notify_type=_kind(apprise, gravest),
                body_format=apprise.NotifyFormat.TEXT,
            )
        except Exception as error:  # noqa: BLE001  # a service of Apprise may raise anything
            return f"Apprise failed with {type(error).__name__}"
        if is_sent:
            return ""
        return self._covered("; ".join(heard))[:MAX_WHY] or "Apprise could not send it"

    def _covered(self, text: str) -> str:
        """A text without any part of the URL."""
        _, _, rest = self._channel.url.partition("://")
        parts = {part for each in (rest, unquote(rest)) for part in re.split(r"[/:@?&=#,\s]", each)}
        for part in sorted(parts, key=len, reverse=True):
            if len(part) >= LEAST_SECRET:
                text = text.replace(part, "***")
        return printable(text)


def _asset(library: "apprise") -> object:
    """How Apprise works: in the thread that calls it, which nobody waits for in the end.

    Where a service has a time limit, newer versions call it in a thread that Python waits for before it exits.
    """
    own = {"service_timeout": 0} if "service_timeout" in signature(library.AppriseAsset.__init__).parameters else {}
    return library.AppriseAsset(async_mode=False, secure_logging=True, storage_mode="memory", **own)


def _message(alerts: Sequence[Alert], gravest: Alert) -> tuple[str, Sequence[str]]:
    """Title and lines: all about one alert, or what several say in one line each."""
    if len(alerts) == 1:
        return gravest.text, gravest.lines or (gravest.text,)
    others = "one more alert" if len(alerts) == 2 else f"{len(alerts) - 1} more alerts"
    return f"{gravest.text} (and {others})", [alert.text for alert in alerts]


def _kind(library: "apprise", alert: Alert) -> object:
    """What Apprise shows by a colour or a sign."""
    if alert.phase is Phase.ENDED:
        return library.NotifyType.SUCCESS
    if alert.severity is Severity.CRITICAL:
        return library.NotifyType.FAILURE
    return library.NotifyType.WARNING if alert.severity is Severity.WARNING else library.NotifyType.INFO
