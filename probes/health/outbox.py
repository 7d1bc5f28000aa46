"""Alerts on their way: what has to outlive a restart, so that none is lost, and none sent twice without need."""

from typing import Protocol

from sipcore.value import Member, value


class DeliveryState(Member):
    """What became of an alert at one channel."""

    PENDING = "pending"
    """It is still to be sent for the first time."""
    SENT = "sent"
    FAILED = "failed"
    """It could not be sent, and is tried again at `Delivery.next_attempt`."""
    GIVEN_UP = "given up"
    """It could not be sent, and is not tried again."""


UNSENT = (DeliveryState.PENDING, DeliveryState.FAILED)
"""What is still to be sent."""


@value
class Delivery:
    """One alert on its way to one channel, of which `alert` and `channel` together are the name."""

    alert: str
    """The id of the alert, which its receiver knows a repetition by."""
    channel: str
    """The name of the channel, never its address, which may be a secret (that of a webhook, or of a mail server with
    its password)."""
    at: float
    """When the alert came up, in seconds since 1970."""
    trunk: str
    route: str
    """Empty for what concerns all routes of the trunk."""
    payload: str
    """What is sent: a text, or JSON, whose form is the sender's own affair."""
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    """How often it was tried to be sent."""
    next_attempt: float | None = None
    """When it is tried next, in seconds since 1970; None for at once, and where it is not tried again."""
    error: str = ""
    """What the last attempt failed of."""


class Outbox(Protocol):
    """Where deliveries are kept. `probes.store.store.Store` is one."""

    def keep(self, delivery: Delivery) -> None:
        """Keep a delivery as it is now: a new one, or one of which something is known that was not before. It does not
        wait for a disk.
        """

    def unsent(self) -> tuple[Delivery, ...]:
        """Those of an earlier run that are still to be sent, oldest first. They may have been sent, where that run
        ended before it could say so.
        """
