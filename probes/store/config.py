"""How long the history of a watch is kept."""

import math

from probes.health.trunk import WatchError
from sipcore.value import value

DAY = 86_400.0
"""Seconds."""
DEFAULT_KEEP_CHECKS = 30 * DAY
"""A month, over which availability is told: a hundred routes that are checked each minute take half a gigabyte."""
DEFAULT_KEEP_CHANGES = 400 * DAY
"""A year, and the month with which it is compared: they are few."""
DEFAULT_KEEP_JOBS = 30 * DAY
"""A month: a test call with its messages takes some kilobytes."""


@value
class StoreConfig:
    """How long is kept what a watch found, in seconds. Raises WatchError for what cannot be."""

    keep_checks: float = DEFAULT_KEEP_CHECKS
    """What each single check found. The last one of each route is kept however old it is, and so is the last one that
    was answered."""
    keep_changes: float = DEFAULT_KEEP_CHANGES
    """Changes of health, switches and alerts, no shorter than checks. The last change of each route and the last switch
    of each trunk are kept however old they are."""
    keep_jobs: float = DEFAULT_KEEP_JOBS
    """Discoveries and test calls of the service."""

    def __post_init__(self) -> None:
        if not 0 < self.keep_checks < math.inf:
            raise WatchError(f"checks that are kept for {self.keep_checks:g} s: give more than 0")
        if not self.keep_checks <= self.keep_changes < math.inf:
            text = f"changes that are kept for {self.keep_changes:g} s: give as long as checks are kept, or longer"
            raise WatchError(text)
        if not 0 < self.keep_jobs < math.inf:
            raise WatchError(f"jobs that are kept for {self.keep_jobs:g} s: give more than 0")
