"""Alerts of a watch on the command line: sent to the channels of its file, and told on the screen."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from probes.health.alerter import Alerter
from probes.health.alerts import Alert
from probes.health.notify import Alarms, Notifier, Tell

if TYPE_CHECKING:
    from probes.health.file import WatchFile
    from probes.health.outbox import Outbox

Show = Callable[[Alert], None]


def open_alarms(plan: "WatchFile", outbox: "Outbox | None", show: Show, tell_trouble: Tell) -> Alarms:
    """The alerts of a file, each shown when it comes up. Raises WatchError for channels that cannot be used.

    What an earlier run could not send is in the outbox.
    """
    notifier = _Showing(show, plan, outbox, tell_trouble)
    return Alarms(Alerter(plan.trunks, of_trunk=dict(plan.alerts)), notifier)


class _Showing(Notifier):
    """A notifier whose alerts are seen here as well."""

    def __init__(self, show: Show, plan: "WatchFile", outbox: "Outbox | None", tell_trouble: Tell) -> None:
        super().__init__(plan.channels, outbox, tell_trouble)
        self._show = show

    def send(self, alert: Alert) -> None:
        """Show it, and have it sent."""
        self._show(alert)
        super().send(alert)
