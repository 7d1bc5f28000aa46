"""Two tenants who do as they like: each sees what it has made, and nothing of the other."""

import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from probes.service.directory import Directory
from probes.service.errors import Conflict, Invalid, NotFound
from probes.store.store import Store
from probes.trunks.model import Credentials, Inbound, Number, Secret, Trunk
from probes.trunks.number import claim_of
from tests.probes.trunks.samples import OUTBOUND, TRUNK

T = TypeVar("T")
Made = str | MultipleResults[str]


class Tenants(RuleBasedStateMachine):
    """What both have made by now, in its last state."""

    trunks = Bundle("trunks")
    numbers = Bundle("numbers")
    tenants = st.sampled_from(["acme", "other"])

    @initialize()
    def begin(self) -> None:
        self.place = Path(tempfile.mkdtemp())
        self.store = Store.open(self.place / "service.db")
        self.directory = Directory.open(self.store)
        self.known_trunks: dict[str, Trunk] = {}
        self.known_numbers: dict[str, Number] = {}

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.place)

    def run(self, method: Callable[..., Awaitable[T]], *arguments: object) -> T:
        return trio.run(method, *arguments)

    @rule(target=trunks, tenant=tenants, name=st.text(min_size=1, max_size=3))
    def add_trunk(self, tenant: str, name: str) -> Made:
        trunk = replace(TRUNK, name=name)
        try:
            made = self.run(self.directory.add_trunk, tenant, trunk)
        except Invalid:
            assert not name.isprintable() or not name.strip()
            return multiple()
        self.known_trunks[made.id] = made
        return made.id

    @rule(tenant=tenants, trunk_id=trunks, password=st.text(min_size=8, max_size=9))
    def change_trunk(self, tenant: str, trunk_id: str, password: str) -> None:
        known = self.known_trunks.get(trunk_id)
        inbound = Inbound(credentials=Credentials("u", Secret(password)), allowed_addresses=("192.0.2.1",))
        try:
            made = self.run(self.directory.change_trunk, tenant, trunk_id, lambda one: replace(one, inbound=inbound))
        except NotFound:
            assert known is None or known.tenant != tenant
        except Invalid:
            assert not password.isprintable()
        else:
            assert known is not None
            assert known.tenant == tenant
            assert made.revision == known.revision + 1
            self.known_trunks[trunk_id] = made

    @rule(tenant=tenants, trunk_id=trunks)
    def remove_trunk(self, tenant: str, trunk_id: str) -> None:
        known = self.known_trunks.get(trunk_id)
        try:
            freed = self.run(self.directory.remove_trunk, tenant, trunk_id)
        except NotFound:
            assert known is None or known.tenant != tenant
            return
        assert self.known_trunks.pop(trunk_id).tenant == tenant
        bound = {each.id for each in self.known_numbers.values() if each.trunk_id == trunk_id}
        assert {each.id for each in freed} == bound
        self.known_numbers |= {each.id: each for each in freed}

    @rule(
        target=numbers,
        tenant=tenants,
        identity=st.sampled_from(["+4930901820", "+4930901821", "2001", "2002"]),
        trunk_id=st.none() | trunks,
    )
    def add_number(self, tenant: str, identity: str, trunk_id: str | None) -> Made:
        number = Number(identity=identity, trunk_id=trunk_id, outbound=OUTBOUND)
        (made,) = self.run(self.directory.add_numbers, tenant, [number])
        claims = {claim_of(each.tenant, each.identity) for each in self.known_numbers.values()}
        owner = self.known_trunks.get(trunk_id) if trunk_id is not None else None
        if trunk_id is not None and (owner is None or owner.tenant != tenant):
            assert isinstance(made, NotFound)
        elif claim_of(tenant, identity) in claims:
            assert isinstance(made, Conflict)
        else:
            assert isinstance(made, Number)
            self.known_numbers[made.id] = made
            return made.id
        return multiple()

    @rule(tenant=tenants, number_id=consumes(numbers))
    def remove_number(self, tenant: str, number_id: str) -> None:
        known = self.known_numbers[number_id]
        try:
            assert self.run(self.directory.remove_number, tenant, number_id) == known
        except NotFound:
            assert known.tenant != tenant
        else:
            del self.known_numbers[number_id]

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = Store.open(self.place / "service.db")
        self.directory = Directory.open(self.store)

    @invariant()
    def each_sees_its_own(self) -> None:
        if not hasattr(self, "store"):
            return

        async def see() -> None:
            for tenant in ("acme", "other"):
                trunks = {each.id: each for each in await self.directory.trunks(tenant)}
                assert trunks == {key: each for key, each in self.known_trunks.items() if each.tenant == tenant}
                numbers = {each.id: each for each in await self.directory.numbers(tenant)}
                assert numbers == {key: each for key, each in self.known_numbers.items() if each.tenant == tenant}
                for number in self.known_numbers.values():
                    if number.tenant != tenant:
                        with pytest.raises(NotFound):
                            await self.directory.number(tenant, number.id)

        trio.run(see)


TestTenants = Tenants.TestCase
TestTenants.settings = settings(max_examples=8, stateful_step_count=20, deadline=None)
