"""The trunks and numbers of all tenants: found, added, changed, removed.

Each method takes the tenant first, and knows nothing of others. What is written is on the disk when a method returns;
one that has begun is carried through though its caller is cancelled, so that `on_change` is always told.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self, TypeVar

from sqlalchemy import Connection

from probes.service.batch import Batch, NumberChange, TrunkChange
from probes.service.errors import DirectoryError
from probes.store.database import explaining, reading_engine
from probes.store.keyring import Keyring, key_file_of
from probes.store.store import Store
from probes.store.tenants import Tenants, tenants, used_keys
from probes.trunks.model import Number, Trunk
from probes.trunks.number import NumberError, identity_of, spellings
from probes.trunks.preflight import Refusal, anywhere, number_problems, trunk_problems
from probes.trunks.problem import Problem
from probes.trunks.routing import RoutePlan, dry_run

R = TypeVar("R")


def require_key(store: Path) -> None:
    """Raise WatchError where the key of a store's secrets is missing or cannot be used, as `Directory.open` would; the
    file has to be there, and nothing is made or changed.
    """
    engine = reading_engine(store)
    try:
        with explaining(store), engine.begin() as connection:
            used = used_keys(connection)
    finally:
        engine.dispose()
    key_file = key_file_of(store)
    if used or key_file.exists():
        Keyring.open(key_file, used)


class Directory:
    """Trunks and numbers. Every method raises WatchError where the file cannot be read or written."""

    def __init__(
        self, store: Store, keyring: Keyring, tenants: Tenants, clock: Callable[[], float], refusal: Refusal
    ) -> None:
        """`open` makes one."""
        self.derived = keyring.derived
        """Gives a key for another purpose, named by that, which is as secret and lasts as long as that of the store."""
        self._store, self._tenants, self._clock, self._refusal = store, tenants, clock, refusal
        self.on_change: Callable[[str], None] = lambda _: None
        """Told the tenant after each write; it neither waits nor raises."""

    @classmethod
    def open(
        cls,
        store: Store,
        key_file: Path | None = None,
        clock: Callable[[], float] = time.time,
        refusal: Refusal = anywhere,
    ) -> Self:
        """What is in a store. `key_file` has the key of its secrets, and is made where there are none yet; None for the
        file beside the store, with `.key` behind its name. `refusal` says why an address may not be a trunk's.

        Raises WatchError with what to do about it where the key is not the one that the secrets were encrypted with, or
        others can read it.
        """
        keyring = Keyring.open(key_file or key_file_of(store.path), store.look(used_keys))
        return cls(store, keyring, Tenants(keyring), clock, refusal)

    async def tenants(self) -> tuple[str, ...]:
        """Who has a trunk or a number, by name."""
        return await self._store.ask(tenants)

    async def trunks(self, tenant: str) -> tuple[Trunk, ...]:
        """All of them, oldest first."""
        return await self._read(tenant, lambda batch: batch.trunks())

    async def trunk(self, tenant: str, trunk_id: str) -> Trunk:
        """One of them. Raises NotFound."""
        return await self._read(tenant, lambda batch: batch.trunk(trunk_id))

    async def add_trunk(self, tenant: str, trunk: Trunk) -> Trunk:
        """Keep a new trunk: it gets its id, its times and revision 1. Raises Invalid, and Conflict past MAX_TRUNKS."""
        return await self.together(tenant, lambda batch: batch.add_trunk(trunk))

    async def change_trunk(self, tenant: str, trunk_id: str, change: TrunkChange) -> Trunk:
        """Read a trunk, change it, and keep what becomes of it, with nobody else's change between; its id, tenant and
        times stay the directory's. Raises NotFound, Invalid, and what `change` raises; nothing is written then.
        """
        return await self.together(tenant, lambda batch: batch.change_trunk(trunk_id, change))

    async def remove_trunk(self, tenant: str, trunk_id: str) -> tuple[Number, ...]:
        """Forget a trunk. Gives the numbers that were bound to it, which stay, unbound. Raises NotFound."""
        return await self.together(tenant, lambda batch: batch.remove_trunk(trunk_id))

    async def numbers(self, tenant: str, trunk_id: str | None = None) -> tuple[Number, ...]:
        """All of them, or those of one trunk, oldest first."""
        return await self._read(tenant, lambda batch: batch.numbers(trunk_id))

    async def number(self, tenant: str, number_id: str) -> Number:
        """One of them by its id. Raises NotFound."""
        return await self._read(tenant, lambda batch: batch.number(number_id))

    async def number_named(self, tenant: str, identity: str) -> Number:
        """One of them by its identity, however it is spelled, with or without `+`. Raises NotFound."""
        return await self._read(tenant, lambda batch: batch.number_named(identity))

    async def add_numbers(self, tenant: str, numbers: Sequence[Number]) -> tuple[Number | DirectoryError, ...]:
        """Keep new numbers: each gets its id, its times, revision 1, and its identity as it is spelled. What becomes of
        each is told in its place: the number, or Conflict, NotFound (of its trunk) or Invalid; the others are kept.
        """
        return await self.together(tenant, lambda batch: batch.add_numbers(numbers))

    async def change_number(self, tenant: str, number_id: str, change: NumberChange) -> Number:
        """Read a number, change it, and keep what becomes of it, as `change_trunk` does; its identity and its trunk may
        change. Raises NotFound, Conflict, Invalid, and what `change` raises.
        """
        return await self.together(tenant, lambda batch: batch.change_number(number_id, change))

    async def remove_number(self, tenant: str, number_id: str) -> Number:
        """Forget a number, and give what it was. Raises NotFound."""
        return await self.together(tenant, lambda batch: batch.remove_number(number_id))

    async def together(self, tenant: str, work: Callable[[Batch], R]) -> R:
        """Several changes as one, with nobody else's between: what `work` gives, once all of it is on the disk and
        everybody was told. Raises what it raises; nothing is written then. It is called in the thread that writes.
        """
        found = await self._store.transact(lambda connection: work(self._batch(connection, tenant)))
        self.on_change(tenant)
        return found

    async def _read(self, tenant: str, question: Callable[[Batch], R]) -> R:
        return await self._store.ask(lambda connection: question(self._batch(connection, tenant)))

    def _batch(self, connection: Connection, tenant: str) -> Batch:
        return Batch(connection, tenant, self._tenants, self._clock, self._refusal)

    async def problems(self, tenant: str, told: Trunk | Number) -> tuple[Problem, ...]:
        """All that is odd about a trunk or number before it is saved, the errors first; nothing is written."""
        placed = replace(told, tenant=tenant)

        def answer(connection: Connection) -> tuple[Problem, ...]:
            if isinstance(placed, Trunk):
                return trunk_problems(placed, self._refusal, self._tenants.trunks(connection, tenant))
            trunk = self._tenants.trunk(connection, tenant, placed.trunk_id) if placed.trunk_id is not None else None
            return number_problems(placed, trunk, self._refusal, self._meant(connection, tenant, placed.identity))

        return await self._store.ask(answer)

    async def dry_run(self, tenant: str, caller: str, callee: str, source: str = "") -> RoutePlan:
        """Which way a call would take, from the address `source` if that is known, and why; none is placed."""

        def answer(connection: Connection) -> RoutePlan:
            numbers = [*self._meant(connection, tenant, callee), *self._meant(connection, tenant, caller)]
            bound = {number.trunk_id for number in numbers if number.trunk_id is not None}
            found = (self._tenants.trunk(connection, tenant, trunk_id) for trunk_id in bound)
            return dry_run(numbers, [trunk for trunk in found if trunk is not None], caller, callee, source)

        return await self._store.ask(answer)

    def _meant(self, connection: Connection, tenant: str, identity: str) -> tuple[Number, ...]:
        """The numbers that somebody may mean, with or without `+`."""
        try:
            names = spellings(identity_of(identity))
        except NumberError:
            return ()
        found = (self._tenants.number_named(connection, tenant, name) for name in names)
        return tuple(number for number in found if number is not None)
