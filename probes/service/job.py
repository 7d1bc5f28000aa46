"""What is done for a tenant in the background: a discovery or a test call, how far it is, and what came of it."""

from dataclasses import field
from typing import Any

from probes.destination import Destination
from probes.discovery.outcome import Discovery
from probes.result import CallResult
from probes.trunks.model import Outbound
from sipcore.errors import LocalError
from sipcore.resolve.target import Transport
from sipcore.value import Member, value

Data = dict[str, Any]
"""JSON as `probes.report` makes it."""
STOPPED = "the service was stopped before this was done: start it again"
"""Of a job that a restart has cut off."""


class Kind(Member):
    """What a job is."""

    DISCOVERY = "discovery"
    CALL = "call"


class JobState(Member):
    """How far a job is."""

    RUNNING = "running"
    COMPLETED = "completed"
    """It has a result, whatever that says of the peer."""
    FAILED = "failed"
    """It could not be carried out here, or was cut off: `error` says why."""


class JobError(LocalError):
    """A job that is not begun, or that there is not."""

    def __init__(self, message: str) -> None:
        super().__init__(message, section="RFC 3261 §11")


class CallRefused(JobError):
    """A call that cannot, or must not, be placed. `field` is the one of `CallRequest` that is in the way; empty for how
    the trunk is set up.
    """

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class UnknownJob(JobError):
    """There is no job of this id, or it is another tenant's, or its result is no longer kept."""


class Busy(JobError):
    """Another one is under way, and a tenant has one at a time: `running` is its id."""

    def __init__(self, message: str, running: str) -> None:
        super().__init__(message)
        self.running = running


class Limited(JobError):
    """Too many of late. Ask again in so many `seconds`, 0 where that depends on when another one ends."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class Unavailable(JobError):
    """Nothing is begun at the moment: the service is starting, or about to end."""


@value
class DiscoveryRequest:
    """What is to be discovered. `ports` and `transports` replace the usual ones; empty for those."""

    destination: Destination
    ports: tuple[int, ...] = ()
    transports: tuple[Transport, ...] = ()
    deep: bool = False
    """Whether odd requests that tell products apart are sent, too."""


@value
class CallRequest:
    """A test call over the first gateway of `outbound` that is up, as far as that is known.

    `to` is the user part that is called, `caller` that of From, empty for an anonymous call. `hold` is in seconds.
    """

    outbound: Outbound = field(repr=False)
    to: str
    caller: str = ""
    trunk_id: str | None = None
    """The trunk that it is a test of, and the number, by their ids: what `TestCalls.recent` finds it by."""
    number_id: str | None = None
    hold: float = 2.0
    digits: str = ""


@value
class DiscoveryJob:
    """A discovery. Times are in seconds since 1970."""

    id: str
    """`disc_…`"""
    tenant: str
    target: str
    """What was asked for, as text."""
    state: JobState
    started_at: float
    completed_at: float | None = None
    data: Data | None = field(default=None, repr=False)
    """The result as `sipprobe discover --json` has it (`discovery.schema.json`); None before the end."""
    result: Discovery | None = field(default=None, repr=False)
    """The same as a value, as long as this process lives and remembers it."""
    error: str = ""


@value
class CallJob:
    """A test call, likewise."""

    id: str
    """`tc_…`"""
    tenant: str
    target: str
    state: JobState
    started_at: float
    trunk_id: str | None = None
    number_id: str | None = None
    completed_at: float | None = None
    progress: str = "queued"
    """How far the call is: queued, initiated, ringing, in-progress, completed, failed, busy or no-answer."""
    timeline: tuple[Data, ...] = field(default=(), repr=False)
    """What happened by now, as `timeline` of `call.schema.json` has it."""
    data: Data | None = field(default=None, repr=False)
    """The result as `sipprobe call --json` has it (`call.schema.json`); None before the end."""
    result: CallResult | None = field(default=None, repr=False)
    """The same as a value: out of `data`, once this process remembers nothing else."""
    error: str = ""
