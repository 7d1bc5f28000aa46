"""Discoveries of tenants: one at a time for each, within a deadline, whose results are kept for a while."""

from collections.abc import AsyncIterator

from probes.service.job import Data, DiscoveryJob, DiscoveryRequest


class Discoveries:
    """Discoveries of all tenants. Who starts one does not wait for it, and who stops waiting does not end it."""

    async def start(self, tenant: str, request: DiscoveryRequest) -> DiscoveryJob:
        """Begin one. Raises Busy while another one of this tenant is under way, LocalError for what cannot be
        discovered, Unavailable while the service ends.
        """
        raise NotImplementedError

    async def get(self, tenant: str, id: str) -> DiscoveryJob:  # noqa: A002  # the word of all interfaces
        """How one is. Raises UnknownJob."""
        raise NotImplementedError

    async def wait(self, job: DiscoveryJob, seconds: float) -> DiscoveryJob:
        """How it is when it is over, or after so many seconds."""
        raise NotImplementedError

    def events(self, job: DiscoveryJob) -> AsyncIterator[Data]:
        """What happens in it, from the beginning, as it does, until it is over or the service ends."""
        raise NotImplementedError

    async def recent(self, tenant: str, limit: int = 50, before: str = "") -> tuple[DiscoveryJob, ...]:
        """The last ones, newest first, those that were begun before the one of the id `before`. Raises UnknownJob."""
        raise NotImplementedError
