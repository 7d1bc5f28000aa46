"""The trunks and numbers of all tenants: found, added, changed, removed.

Each method takes the tenant first, and knows nothing of others. What is written is on the disk when a method returns;
one that has begun is carried through though its caller is cancelled, so that `on_change` is always told.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import trio

from probes.service.errors import Conflict, DirectoryError, NotFound
from probes.store.store import Store
from probes.trunks.model import Number, Trunk
from probes.trunks.number import NumberError, claim_of, identity_of, spellings

TrunkChange = Callable[[Trunk], Trunk]
NumberChange = Callable[[Number], Number]
"""What becomes of one that is there. It is called in the thread that writes: it only makes a value of a value."""


class Directory:
    """Trunks and numbers. Every method raises WatchError where the file cannot be read or written."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        """`open` makes one."""
        self._store, self._clock = store, clock
        self._trunks: dict[tuple[str, str], Trunk] = {}
        self._numbers: dict[tuple[str, str], Number] = {}
        self.on_change: Callable[[str], None] = lambda _: None
        """Told the tenant after each write; it neither waits nor raises."""

    @classmethod
    def open(cls, store: Store, key_file: Path | None = None, clock: Callable[[], float] = time.time) -> "Directory":
        """What is in a store. `key_file` has the key of its secrets, and is made where there are none yet; None for the
        file beside the store, with `.key` behind its name. Raises WatchError with what to do about it where it is not
        the one that they were encrypted with, or others can read it.
        """
        del key_file
        return cls(store, clock)

    async def tenants(self) -> tuple[str, ...]:
        """Who has a trunk or a number, by name."""
        await trio.lowlevel.checkpoint()
        return tuple(sorted({tenant for tenant, _ in (*self._trunks, *self._numbers)}))

    async def trunks(self, tenant: str) -> tuple[Trunk, ...]:
        """All of them, oldest first."""
        await trio.lowlevel.checkpoint()
        return tuple(each for each in self._trunks.values() if each.tenant == tenant)

    async def trunk(self, tenant: str, trunk_id: str) -> Trunk:
        """One of them. Raises NotFound."""
        await trio.lowlevel.checkpoint()
        if (tenant, trunk_id) not in self._trunks:
            raise NotFound("there is no such trunk")
        return self._trunks[tenant, trunk_id]

    async def add_trunk(self, tenant: str, trunk: Trunk) -> Trunk:
        """Keep a new trunk: it gets its id, its times and revision 1. Raises Invalid."""
        await trio.lowlevel.checkpoint()
        now = self._clock()
        made = replace(trunk, id=str(uuid.uuid4()), tenant=tenant, created_at=now, updated_at=now, revision=1)
        self._trunks[tenant, made.id] = made
        self.on_change(tenant)
        return made

    async def change_trunk(self, tenant: str, trunk_id: str, change: TrunkChange) -> Trunk:
        """Read a trunk, change it, and keep what becomes of it, with nobody else's change between; its id, tenant and
        times stay the directory's. Raises NotFound, Invalid, and what `change` raises; nothing is written then.
        """
        found = await self.trunk(tenant, trunk_id)
        now, revision, since = self._clock(), found.revision + 1, found.created_at
        made = replace(change(found), id=found.id, tenant=tenant, created_at=since, updated_at=now, revision=revision)
        self._trunks[tenant, trunk_id] = made
        self.on_change(tenant)
        return made

    async def remove_trunk(self, tenant: str, trunk_id: str) -> tuple[Number, ...]:
        """Forget a trunk. Gives the numbers that were bound to it, which stay, unbound. Raises NotFound."""
        await self.trunk(tenant, trunk_id)
        bound = await self.numbers(tenant, trunk_id)
        del self._trunks[tenant, trunk_id]
        now = self._clock()
        freed = tuple(replace(each, trunk_id=None, updated_at=now, revision=each.revision + 1) for each in bound)
        self._numbers |= {(tenant, each.id): each for each in freed}
        self.on_change(tenant)
        return freed

    async def numbers(self, tenant: str, trunk_id: str | None = None) -> tuple[Number, ...]:
        """All of them, or those of one trunk, oldest first."""
        await trio.lowlevel.checkpoint()
        own = [each for each in self._numbers.values() if each.tenant == tenant]
        return tuple(each for each in own if trunk_id is None or each.trunk_id == trunk_id)

    async def number(self, tenant: str, number_id: str) -> Number:
        """One of them by its id. Raises NotFound."""
        await trio.lowlevel.checkpoint()
        if (tenant, number_id) not in self._numbers:
            raise NotFound("there is no such number")
        return self._numbers[tenant, number_id]

    async def number_named(self, tenant: str, identity: str) -> Number:
        """One of them by its identity, however it is spelled, with or without `+`. Raises NotFound."""
        own = {each.identity: each for each in await self.numbers(tenant)}
        try:
            names = spellings(identity_of(identity))
        except NumberError:
            names = ()
        for name in names:
            if name in own:
                return own[name]
        raise NotFound("there is no such number", "identity")

    async def add_numbers(self, tenant: str, numbers: Sequence[Number]) -> tuple[Number | DirectoryError, ...]:
        """Keep new numbers: each gets its id, its times, revision 1, and its identity as it is spelled. What becomes of
        each is told in its place: the number, or Conflict, NotFound (of its trunk) or Invalid; the others are kept.
        """
        await trio.lowlevel.checkpoint()
        told: list[Number | DirectoryError] = []
        for number in numbers:
            identity, now = identity_of(number.identity), self._clock()
            if claim_of(tenant, identity) in {claim_of(each.tenant, each.identity) for each in self._numbers.values()}:
                told.append(Conflict(f"{identity} is configured already", "identity"))
                continue
            made = replace(number, id=str(uuid.uuid4()), tenant=tenant, identity=identity, created_at=now)
            made = replace(made, updated_at=now, revision=1)
            self._numbers[tenant, made.id] = made
            told.append(made)
        self.on_change(tenant)
        return tuple(told)

    async def change_number(self, tenant: str, number_id: str, change: NumberChange) -> Number:
        """Read a number, change it, and keep what becomes of it, as `change_trunk` does; its identity and its trunk may
        change. Raises NotFound, Conflict, Invalid, and what `change` raises.
        """
        found = await self.number(tenant, number_id)
        now, revision, since = self._clock(), found.revision + 1, found.created_at
        made = replace(change(found), id=found.id, tenant=tenant, created_at=since, updated_at=now, revision=revision)
        self._numbers[tenant, number_id] = made
        self.on_change(tenant)
        return made

    async def remove_number(self, tenant: str, number_id: str) -> Number:
        """Forget a number, and give what it was. Raises NotFound."""
        found = await self.number(tenant, number_id)
        del self._numbers[tenant, number_id]
        self.on_change(tenant)
        return found
