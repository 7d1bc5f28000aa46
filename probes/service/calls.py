"""Test calls of tenants: so many at once and in a while, whose results are kept."""

from collections.abc import AsyncIterator

from probes.service.job import CallJob, CallRequest, Data


class TestCalls:
    """Test calls of all tenants. Who starts one does not wait for it, and who stops waiting does not end it."""

    __test__ = False  # to pytest, which looks at names

    async def start(self, tenant: str, request: CallRequest) -> CallJob:
        """Place one. Raises Limited, LocalError for a call that cannot or must not be placed, Unavailable while the
        service ends.
        """
        raise NotImplementedError

    async def get(self, tenant: str, id: str) -> CallJob:  # noqa: A002  # the word of all interfaces
        """How one is. Raises UnknownJob."""
        raise NotImplementedError

    async def wait(self, job: CallJob, seconds: float) -> CallJob:
        """How it is when it is over, or after so many seconds."""
        raise NotImplementedError

    def events(self, job: CallJob) -> AsyncIterator[Data]:
        """Each line of its timeline, from the beginning, as it happens, until it is over or the service ends."""
        raise NotImplementedError

    async def recent(
        self,
        tenant: str,
        number_id: str | None = None,
        trunk_id: str | None = None,
        limit: int = 50,
        before: str = "",
    ) -> tuple[CallJob, ...]:
        """The last ones, newest first: of a number, of a trunk, or of all; those that were placed before the one of the
        id `before`. Raises UnknownJob.
        """
        raise NotImplementedError
