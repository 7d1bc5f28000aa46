"""What is read and written of one tenant in a transaction: all of it, or nothing where something is raised."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from probes.service.errors import Conflict, DirectoryError, Invalid, NotFound
from probes.store.tenants import Tenants
from probes.trunks.entrusted import bound_leaks, gained, number_leaks, trunk_leaks
from probes.trunks.model import Number, Trunk
from probes.trunks.number import NumberError, claim_of, identity_of, spellings
from probes.trunks.preflight import Refusal, number_problems, trunk_problems
from probes.trunks.problem import Problem, error
from sipcore.errors import LocalError

T = TypeVar("T", Trunk, Number)
TrunkChange = Callable[[Trunk], Trunk]
NumberChange = Callable[[Number], Number]
"""What becomes of one that is there. It is called in the thread that writes: it only makes a value of a value."""
MAX_TRUNKS, MAX_NUMBERS = 1000, 20_000
"""Of one tenant: all of them are read at once."""
APART = 1e-6
"""Seconds between two numbers that are added at once, since they are listed by their times."""


class Batch:
    """The trunks and numbers of a tenant in the middle of a transaction. `Directory.together` gives one, for as long as
    what it was given runs.
    """

    def __init__(
        self, connection: Connection, tenant: str, tenants: Tenants, clock: Callable[[], float], refusal: Refusal
    ) -> None:
        """`Directory.together` makes one."""
        self._connection, self._tenant, self._tenants = connection, tenant, tenants
        self._clock, self._refusal = clock, refusal

    def trunks(self) -> tuple[Trunk, ...]:
        """All of them, oldest first."""
        return self._tenants.trunks(self._connection, self._tenant)

    def trunk(self, trunk_id: str) -> Trunk:
        """One of them. Raises NotFound."""
        found = self._tenants.trunk(self._connection, self._tenant, trunk_id)
        if found is None:
            raise NotFound("there is no such trunk", "trunk_id")
        return found

    def numbers(self, trunk_id: str | None = None) -> tuple[Number, ...]:
        """All of them, or those of one trunk, oldest first."""
        return self._tenants.numbers(self._connection, self._tenant, trunk_id)

    def number(self, number_id: str) -> Number:
        """One of them by its id. Raises NotFound."""
        found = self._tenants.number(self._connection, self._tenant, number_id)
        if found is None:
            raise NotFound("there is no such number", "number_id")
        return found

    def number_named(self, identity: str) -> Number:
        """One of them by its identity, however it is spelled, with or without `+`. Raises NotFound."""
        found = self.named(identity)
        if not found:
            raise NotFound("there is no such number", "identity")
        return found[0]

    def named(self, identity: str) -> tuple[Number, ...]:
        """The numbers that somebody may mean, the likeliest first."""
        try:
            names = spellings(identity_of(identity))
        except NumberError:
            return ()
        found = (self._tenants.number_named(self._connection, self._tenant, name) for name in names)
        return tuple(number for number in found if number is not None)

    def all_named(self, identities: Sequence[str]) -> dict[str, Number]:
        """The likeliest number for each of so many identities, without those for which there is none."""
        names = {identity: spellings(identity) for identity in identities}
        every = sorted({name for each in names.values() for name in each})
        known = {each.identity: each for each in self._tenants.numbers_named(self._connection, self._tenant, every)}
        found = {identity: [known[name] for name in each if name in known] for identity, each in names.items()}
        return {identity: numbers[0] for identity, numbers in found.items() if numbers}

    def add_trunk(self, trunk: Trunk) -> Trunk:
        """A new trunk: it gets its id, its times and revision 1. Raises Invalid, and Conflict past MAX_TRUNKS."""
        made = self._new(trunk)
        _require_none(trunk_problems(made, self._refusal))
        if self._tenants.count(self._connection, self._tenant)[0] >= MAX_TRUNKS:
            raise Conflict(f"there are {MAX_TRUNKS} trunks, and there can be no more: remove one first")
        with _storing():
            self._tenants.add_trunk(self._connection, made)
        return made

    def change_trunk(self, trunk_id: str, change: TrunkChange) -> Trunk:
        """What becomes of a trunk. Raises NotFound, Invalid, and what `change` raises."""
        found = self.trunk(trunk_id)
        made = self._again(found, change(found))
        _require_none(trunk_problems(made, self._refusal))
        _require_none(trunk_leaks(found, made))
        if gained(found, made):
            _require_none(tuple(bound_leaks(found, made, self.numbers(trunk_id))))
        with _storing():
            self._tenants.put_trunk(self._connection, made)
        return made

    def remove_trunk(self, trunk_id: str) -> tuple[Number, ...]:
        """Forget a trunk. Gives the numbers that were bound to it, which stay, unbound. Raises NotFound."""
        self.trunk(trunk_id)
        freed = self.unbind(self.numbers(trunk_id), lambda each: each)
        self._tenants.remove_trunk(self._connection, self._tenant, trunk_id)
        return freed

    def add_numbers(self, numbers: Sequence[Number]) -> tuple[Number | DirectoryError, ...]:
        """New numbers: what becomes of each is told in its place, and those that cannot be are left out."""
        room = self._room()
        told: list[Number | DirectoryError] = []
        for number in numbers:
            try:
                with self._connection.begin_nested():
                    told.append(self._add_number(number, room))
                room -= 1
            except DirectoryError as refused:
                told.append(refused.kept())
        return tuple(told)

    def add_number(self, number: Number) -> Number:
        """A new number: it gets its id, its times, revision 1, and its identity as it is spelled. Raises Conflict,
        NotFound (of its trunk) and Invalid.
        """
        return self._add_number(number, self._room())

    def _room(self) -> int:
        return MAX_NUMBERS - self._tenants.count(self._connection, self._tenant)[1]

    def add_all(self, numbers: Sequence[Number]) -> tuple[Number, ...]:
        """New numbers, however many, all of them or none. Raises as `add_number` does."""
        if len(numbers) > self._room():
            raise _too_many()
        trunks = {each: self.trunk(each) for each in {number.trunk_id for number in numbers} if each is not None}
        now = self._clock()
        made = []
        for place, number in enumerate(numbers):
            at = now + place * APART
            new = replace(self._new(number), created_at=at, updated_at=at)
            made.append(self._sound(new, trunks.get(number.trunk_id or "")))
        claims = [claim_of(self._tenant, number.identity) for number in made]
        taken = self._tenants.claimed(self._connection, claims)
        for place, claim in enumerate(claims):
            if claim in taken:
                raise _taken(made[place].identity)
        with _storing():
            self._tenants.add_numbers(self._connection, made)
        return tuple(made)

    def _add_number(self, number: Number, room: int) -> Number:
        if room < 1:
            raise _too_many()
        made = self._fit(self._new(number))
        with _storing(made.identity):
            self._tenants.add_number(self._connection, made)
        return made

    def change_number(self, number_id: str, change: NumberChange) -> Number:
        """What becomes of a number; its identity and its trunk may change. Raises NotFound, Conflict, Invalid, and what
        `change` raises.
        """
        found = self.number(number_id)
        made = self._fit(self._again(found, change(found)), found)
        with _storing(made.identity):
            self._tenants.put_number(self._connection, made)
        return made

    def unbind(self, numbers: Sequence[Number], change: NumberChange) -> tuple[Number, ...]:
        """What becomes of so many numbers that are there, bound to no trunk any more, but for their identities."""
        freed = tuple(
            self._again(each, replace(change(each), identity=each.identity, trunk_id=None)) for each in numbers
        )
        with _storing():
            self._tenants.put_numbers(self._connection, freed)
        return freed

    def remove_number(self, number_id: str) -> Number:
        """Forget a number, and give what it was. Raises NotFound."""
        found = self.number(number_id)
        self._tenants.remove_number(self._connection, self._tenant, number_id)
        return found

    def remove_all(self, number_ids: Sequence[str]) -> None:
        """Forget so many numbers; those that are not there are none the less."""
        self._tenants.remove_numbers(self._connection, self._tenant, number_ids)

    def _new(self, told: T) -> T:
        """One that is new, with what is the directory's."""
        now = self._clock()
        return replace(told, id=str(uuid.uuid4()), tenant=self._tenant, created_at=now, updated_at=now, revision=1)

    def _again(self, found: T, changed: T) -> T:
        """What becomes of one that is there, likewise."""
        return replace(
            changed,
            id=found.id,
            tenant=found.tenant,
            created_at=found.created_at,
            updated_at=self._clock(),
            revision=found.revision + 1,
        )

    def _fit(self, number: Number, found: Number | None = None) -> Number:
        """A number as it can be written, its identity in its one spelling; `found` is what it was. Raises what is wrong
        with it.
        """
        number = self._sound(number, None if number.trunk_id is None else self.trunk(number.trunk_id), found)
        if self._tenants.is_claimed(self._connection, number):
            raise _taken(number.identity)
        return number

    def _sound(self, number: Number, trunk: Trunk | None, found: Number | None = None) -> Number:
        """The same, whoever else has it."""
        _require_none(number_problems(number, trunk, self._refusal))
        old_id = found.trunk_id if found is not None else None
        old_trunk = trunk if old_id == number.trunk_id or old_id is None else self.trunk(old_id)
        _require_none(number_leaks(found, old_trunk if old_id is not None else None, number, trunk))
        return replace(number, identity=identity_of(number.identity))


def _require_none(problems: tuple[Problem, ...]) -> None:
    """Raise Invalid where some of them are errors."""
    errors = tuple(each for each in problems if each.is_error)
    if errors:
        raise Invalid(errors)


def _too_many() -> Conflict:
    return Conflict(f"there are {MAX_NUMBERS} numbers, and there can be no more: remove one first")


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
