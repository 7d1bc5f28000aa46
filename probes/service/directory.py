"""The trunks and numbers of all tenants: found, added, changed, removed.

Each method takes the tenant first, and knows nothing of others. What is written is on the disk when a method returns;
one that has begun is carried through though its caller is cancelled, so that `on_change` is always told.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from probes.service.errors import Conflict, DirectoryError, Invalid, NotFound
from probes.store.keyring import Keyring, key_file_of
from probes.store.store import Store
from probes.store.tenants import Tenants, tenants, used_keys
from probes.trunks.model import Number, Trunk
from probes.trunks.number import NumberError, identity_of, spellings
from probes.trunks.preflight import Refusal, anywhere, number_problems, trunk_problems
from probes.trunks.problem import Problem, error
from probes.trunks.routing import RoutePlan, dry_run
from sipcore.errors import LocalError

R = TypeVar("R")
T = TypeVar("T", Trunk, Number)
TrunkChange = Callable[[Trunk], Trunk]
NumberChange = Callable[[Number], Number]
"""What becomes of one that is there. It is called in the thread that writes: it only makes a value of a value."""
MAX_TRUNKS, MAX_NUMBERS = 1000, 20_000
"""Of one tenant: all of them are read at once."""


class Directory:
    """Trunks and numbers. Every method raises WatchError where the file cannot be read or written."""

    def __init__(self, store: Store, tenants: Tenants, clock: Callable[[], float], refusal: Refusal) -> None:
        """`open` makes one."""
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
        return cls(store, Tenants(keyring), clock, refusal)

    async def tenants(self) -> tuple[str, ...]:
        """Who has a trunk or a number, by name."""
        return await self._store.ask(tenants)

    async def trunks(self, tenant: str) -> tuple[Trunk, ...]:
        """All of them, oldest first."""
        return await self._store.ask(lambda connection: self._tenants.trunks(connection, tenant))

    async def trunk(self, tenant: str, trunk_id: str) -> Trunk:
        """One of them. Raises NotFound."""
        return await self._store.ask(lambda connection: self._trunk(connection, tenant, trunk_id))

    async def add_trunk(self, tenant: str, trunk: Trunk) -> Trunk:
        """Keep a new trunk: it gets its id, its times and revision 1. Raises Invalid, and Conflict past MAX_TRUNKS."""
        now = self._clock()
        made = replace(trunk, id=str(uuid.uuid4()), tenant=tenant, created_at=now, updated_at=now, revision=1)

        def run(connection: Connection) -> Trunk:
            self._require_sound(made)
            if self._tenants.count(connection, tenant)[0] >= MAX_TRUNKS:
                raise Conflict(f"there are {MAX_TRUNKS} trunks, and there can be no more: remove one first")
            with _storing():
                self._tenants.add_trunk(connection, made)
            return made

        return await self._written(tenant, run)

    async def change_trunk(self, tenant: str, trunk_id: str, change: TrunkChange) -> Trunk:
        """Read a trunk, change it, and keep what becomes of it, with nobody else's change between; its id, tenant and
        times stay the directory's. Raises NotFound, Invalid, and what `change` raises; nothing is written then.
        """

        def run(connection: Connection) -> Trunk:
            found = self._trunk(connection, tenant, trunk_id)
            made = self._again(found, change(found))
            self._require_sound(made)
            with _storing():
                self._tenants.put_trunk(connection, made)
            return made

        return await self._written(tenant, run)

    async def remove_trunk(self, tenant: str, trunk_id: str) -> tuple[Number, ...]:
        """Forget a trunk. Gives the numbers that were bound to it, which stay, unbound. Raises NotFound."""

        def run(connection: Connection) -> tuple[Number, ...]:
            self._trunk(connection, tenant, trunk_id)
            bound = self._tenants.numbers(connection, tenant, trunk_id)
            freed = tuple(self._again(each, replace(each, trunk_id=None)) for each in bound)
            for each in freed:
                self._tenants.put_number(connection, each)
            self._tenants.remove_trunk(connection, tenant, trunk_id)
            return freed

        return await self._written(tenant, run)

    async def numbers(self, tenant: str, trunk_id: str | None = None) -> tuple[Number, ...]:
        """All of them, or those of one trunk, oldest first."""
        return await self._store.ask(lambda connection: self._tenants.numbers(connection, tenant, trunk_id))

    async def number(self, tenant: str, number_id: str) -> Number:
        """One of them by its id. Raises NotFound."""
        return await self._store.ask(lambda connection: self._number(connection, tenant, number_id))

    async def number_named(self, tenant: str, identity: str) -> Number:
        """One of them by its identity, however it is spelled, with or without `+`. Raises NotFound."""
        found = await self._store.ask(lambda connection: self._named(connection, tenant, identity))
        if not found:
            raise NotFound("there is no such number", "identity")
        return found[0]

    async def add_numbers(self, tenant: str, numbers: Sequence[Number]) -> tuple[Number | DirectoryError, ...]:
        """Keep new numbers: each gets its id, its times, revision 1, and its identity as it is spelled. What becomes of
        each is told in its place: the number, or Conflict, NotFound (of its trunk) or Invalid; the others are kept.
        """
        now = self._clock()

        def made_of(number: Number) -> Number:
            number_id = str(uuid.uuid4())
            return replace(number, id=number_id, tenant=tenant, created_at=now, updated_at=now, revision=1)

        def run(connection: Connection) -> tuple[Number | DirectoryError, ...]:
            room = MAX_NUMBERS - self._tenants.count(connection, tenant)[1]
            told: list[Number | DirectoryError] = []
            for number in numbers:
                try:
                    if not room:
                        raise Conflict(f"there are {MAX_NUMBERS} numbers, and there can be no more: remove one first")
                    with connection.begin_nested():
                        made = self._fit(connection, made_of(number))
                        with _storing(made.identity):
                            self._tenants.add_number(connection, made)
                    told.append(made)
                    room -= 1
                except DirectoryError as refused:
                    told.append(refused.kept())
            return tuple(told)

        return await self._written(tenant, run)

    async def change_number(self, tenant: str, number_id: str, change: NumberChange) -> Number:
        """Read a number, change it, and keep what becomes of it, as `change_trunk` does; its identity and its trunk may
        change. Raises NotFound, Conflict, Invalid, and what `change` raises.
        """

        def run(connection: Connection) -> Number:
            found = self._number(connection, tenant, number_id)
            made = self._fit(connection, self._again(found, change(found)))
            with _storing(made.identity):
                self._tenants.put_number(connection, made)
            return made

        return await self._written(tenant, run)

    async def remove_number(self, tenant: str, number_id: str) -> Number:
        """Forget a number, and give what it was. Raises NotFound."""

        def run(connection: Connection) -> Number:
            found = self._number(connection, tenant, number_id)
            self._tenants.remove_number(connection, tenant, number_id)
            return found

        return await self._written(tenant, run)

    async def problems(self, tenant: str, told: Trunk | Number) -> tuple[Problem, ...]:
        """All that is odd about a trunk or number before it is saved, the errors first; nothing is written."""
        placed = replace(told, tenant=tenant)

        def answer(connection: Connection) -> tuple[Problem, ...]:
            if isinstance(placed, Trunk):
                return trunk_problems(placed, self._refusal, self._tenants.trunks(connection, tenant))
            trunk = self._tenants.trunk(connection, tenant, placed.trunk_id) if placed.trunk_id is not None else None
            return number_problems(placed, trunk, self._refusal, self._named(connection, tenant, placed.identity))

        return await self._store.ask(answer)

    async def dry_run(self, tenant: str, caller: str, callee: str, source: str = "") -> RoutePlan:
        """Which way a call would take, from the address `source` if that is known, and why; none is placed."""

        def answer(connection: Connection) -> RoutePlan:
            numbers = [*self._named(connection, tenant, callee), *self._named(connection, tenant, caller)]
            bound = {number.trunk_id for number in numbers if number.trunk_id is not None}
            trunks = [self._trunk(connection, tenant, trunk_id) for trunk_id in bound]
            return dry_run(numbers, trunks, caller, callee, source)

        return await self._store.ask(answer)

    def _trunk(self, connection: Connection, tenant: str, trunk_id: str) -> Trunk:
        found = self._tenants.trunk(connection, tenant, trunk_id)
        if found is None:
            raise NotFound("there is no such trunk", "trunk_id")
        return found

    def _number(self, connection: Connection, tenant: str, number_id: str) -> Number:
        found = self._tenants.number(connection, tenant, number_id)
        if found is None:
            raise NotFound("there is no such number", "number_id")
        return found

    def _named(self, connection: Connection, tenant: str, identity: str) -> tuple[Number, ...]:
        """The numbers that somebody may mean, the likeliest first."""
        try:
            names = spellings(identity_of(identity))
        except NumberError:
            return ()
        found = (self._tenants.number_named(connection, tenant, name) for name in names)
        return tuple(number for number in found if number is not None)

    def _again(self, found: T, changed: T) -> T:
        """What becomes of one that is there, with what is the directory's."""
        return replace(
            changed,
            id=found.id,
            tenant=found.tenant,
            created_at=found.created_at,
            updated_at=self._clock(),
            revision=found.revision + 1,
        )

    def _fit(self, connection: Connection, number: Number) -> Number:
        """A number as it can be written, its identity in its one spelling. Raises what is wrong with it."""
        trunk = None if number.trunk_id is None else self._trunk(connection, number.tenant, number.trunk_id)
        _require_none(number_problems(number, trunk, self._refusal))
        number = replace(number, identity=identity_of(number.identity))
        if self._tenants.is_claimed(connection, number):
            raise _taken(number.identity)
        return number

    def _require_sound(self, trunk: Trunk) -> None:
        _require_none(trunk_problems(trunk, self._refusal))

    async def _written(self, tenant: str, run: Callable[[Connection], R]) -> R:
        """What a transaction gives, once it is on the disk and everybody was told."""
        found = await self._store.transact(run)
        self.on_change(tenant)
        return found


def _require_none(problems: tuple[Problem, ...]) -> None:
    """Raise Invalid where some of them are errors."""
    errors = tuple(each for each in problems if each.is_error)
    if errors:
        raise Invalid(errors)


def _taken(identity: str) -> Conflict:
    return Conflict(f"{identity} is configured already", "identity")


@contextmanager
def _storing(identity: str = "") -> Iterator[None]:
    """Tell what a row cannot hold as what is wrong with it; and that a number was taken meanwhile, by another program
    that writes to the same database.
    """
    try:
        yield
    except IntegrityError:
        raise _taken(identity) from None
    except LocalError as fault:
        raise Invalid((error("document", "", fault.message, "leave some of it out"),)) from None
