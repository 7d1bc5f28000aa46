"""Where destinations lead, asked beside the checks: a slow name server delays none but the first, and what it fails to
tell is known from before.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import trio

from probes.destination import Destination
from probes.health.observe import is_unsaid
from probes.locate import locate
from sipcore.endpoint.endpoint import Endpoint
from sipcore.errors import FailureReason, TransportFailure, own_fault
from sipcore.resolve.target import Hop
from sipcore.value import value


@value
class Named:
    """The places of a destination, best first, and why DNS does not tell them now, if it does not: then they are those
    that were known, or none.
    """

    hops: tuple[Hop, ...]
    failure: TransportFailure | None = None


@dataclass(slots=True)
class _Asked:
    """What is known of a destination, and who waits to know it better."""

    named: Named = field(default_factory=lambda: Named(()))
    under_way: trio.Event | None = None


class Names:
    """Locates destinations, each once at a time. DNS answers are kept by the endpoint for as long as they say."""

    def __init__(self, endpoint: Endpoint, nursery: trio.Nursery) -> None:
        """Ask by an open endpoint; what takes longer than whoever asks waits goes on in `nursery`."""
        self.endpoint = endpoint
        self._nursery = nursery
        self._asked: dict[Destination, _Asked] = {}

    async def find(self, destination: Destination, seconds: float) -> Named:
        """Where a destination leads now, as far as that is known within `seconds`."""
        asked = self._asked.setdefault(destination, _Asked())
        if asked.under_way is None:
            asked.under_way = trio.Event()
            self._nursery.start_soon(self._locate, destination, asked)
        with trio.move_on_after(seconds):
            await asked.under_way.wait()
            return asked.named
        text = f"no address for {destination}: DNS did not tell within {seconds:g} s"
        return Named(asked.named.hops, TransportFailure(FailureReason.UNRESOLVABLE, text, section="RFC 3263 §4"))

    def keep(self, destinations: Collection[Destination]) -> None:
        """Forget all other ones; what is asked of them goes on for who waits for it."""
        self._asked = {each: asked for each, asked in self._asked.items() if each in destinations}

    async def _locate(self, destination: Destination, asked: _Asked) -> None:
        try:
            await trio.lowlevel.checkpoint_if_cancelled()  # with whom the endpoint ends: it may be closed already
            asked.named = Named(tuple(await locate(destination, self.endpoint)))
        except TransportFailure as failure:
            asked.named = Named(asked.named.hops if is_unsaid(failure) else (), failure.kept())
        except Exception as error:  # noqa: BLE001  # a mistake in here costs the checks that wait for this, and no others
            self.endpoint.note_fault(error, "a lookup")
            asked.named = Named(asked.named.hops, own_fault())
        finally:
            if asked.under_way is not None:
                asked.under_way.set()
            asked.under_way = None
