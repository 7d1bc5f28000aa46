"""The directory: what is written is read back, by its tenant alone, and nothing is lost between two who write."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from probes.health.trunk import WatchError
from probes.service import batch as batch_module
from probes.service.batch import Batch
from probes.service.directory import Directory
from probes.service.errors import Conflict, DirectoryError, Invalid, NotFound
from probes.store.keyring import key_file_of
from probes.store.store import Store
from probes.trunks.model import Gateway, Number, Outbound, Secret, Trunk
from probes.trunks.routing import Direction
from sipcore.resolve.target import SocketAddress
from tests.probes.store.samples import NOW, Clock
from tests.probes.trunks.samples import NUMBER, OUTBOUND, TRUNK

ROOT = Path(__file__).parents[3]
PRIVATE = Outbound((Gateway("10.0.0.1"),))


def private(remote: SocketAddress) -> str:
    return "it is private" if remote.host.startswith("10.") else ""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "service.db", clock=Clock(0)) as store:
        yield store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def directory(store: Store, clock: Clock) -> Directory:
    return Directory.open(store, clock=clock, refusal=private)


async def test_trunk_is_added_changed_and_removed(directory: Directory, clock: Clock) -> None:
    told: list[str] = []
    directory.on_change = told.append
    made = await directory.add_trunk("acme", TRUNK)
    assert made == replace(TRUNK, id=made.id, tenant="acme", created_at=NOW, updated_at=NOW, revision=1)
    assert await directory.trunk("acme", made.id) == made
    assert await directory.trunks("acme") == (made,)
    clock.now += 5
    changed = await directory.change_trunk("acme", made.id, lambda one: replace(one, name="new", id="x", tenant="y"))
    assert changed == replace(made, name="new", updated_at=NOW + 5, revision=2)
    assert await directory.trunk("acme", made.id) == changed
    assert await directory.tenants() == ("acme",)
    assert await directory.remove_trunk("acme", made.id) == ()
    assert await directory.trunks("acme") == ()
    assert told == ["acme"] * 3
    for attempt in (
        directory.trunk("acme", made.id),
        directory.change_trunk("acme", made.id, lambda one: one),
        directory.remove_trunk("acme", made.id),
    ):
        with pytest.raises(NotFound, match="there is no such trunk"):
            await attempt
    assert told == ["acme"] * 3


async def test_all_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "service.db"
    with Store.open(path) as store:
        trunk = await Directory.open(store).add_trunk("acme", replace(TRUNK, extras={"bland": {"k": [1, Secret("s")]}}))
        told = await Directory.open(store).add_numbers("acme", [replace(NUMBER, trunk_id=trunk.id)])
    with Store.open(path) as store:
        directory = Directory.open(store)
        assert await directory.trunks("acme") == (trunk,)
        assert await directory.numbers("acme") == told


async def test_numbers_are_added_each_by_itself(directory: Directory) -> None:
    trunk = await directory.add_trunk("acme", TRUNK)
    foreign = await directory.add_trunk("other", TRUNK)
    await directory.add_numbers("other", [Number(identity="+4930901821"), Number(identity="2001")])
    given = (
        Number(identity="+49 30 901820", trunk_id=trunk.id, label="main"),
        Number(identity="+4930901820"),
        Number(identity="2001"),
        Number(identity="+4930901821"),
        Number(identity="2002", trunk_id=foreign.id),
        Number(identity="+49"),
        Number(identity="2003", outbound=PRIVATE),
        Number(identity="2004", outbound=OUTBOUND),
    )
    told = await directory.add_numbers("acme", given)
    assert [getattr(each, "identity", type(each).__name__) for each in told] == [
        *("+4930901820", "Conflict", "2001", "Conflict", "NotFound", "Invalid", "Invalid", "2004"),
    ]
    fields = [each.field for each in told if isinstance(each, DirectoryError)]
    assert fields == ["identity", "identity", "trunk_id", "identity", "outbound.gateways.0.host"]
    assert str(told[3]) == "+4930901821 is configured already"
    assert "other" not in repr(told[3])
    kept = await directory.numbers("acme")
    assert {each.identity for each in kept} == {"+4930901820", "2001", "2004"}
    assert await directory.numbers("acme", trunk.id) == (told[0],)
    assert await directory.numbers("acme", foreign.id) == ()


@pytest.mark.parametrize("spelled", ["+4930901820", "4930901820", "+49 (30) 901820", " +49-30-901820"])
async def test_number_is_found_however_it_is_spelled(directory: Directory, spelled: str) -> None:
    (made,) = await directory.add_numbers("acme", [NUMBER])
    assert await directory.number_named("acme", spelled) == made
    for tenant, identity in (("other", spelled), ("acme", "+4930901829"), ("acme", "+"), ("acme", "")):
        with pytest.raises(NotFound, match="there is no such number"):
            await directory.number_named(tenant, identity)


async def test_number_is_changed_and_removed(directory: Directory, clock: Clock) -> None:
    trunk = await directory.add_trunk("acme", TRUNK)
    first, second = await directory.add_numbers("acme", [NUMBER, Number(identity="2001")])
    assert isinstance(first, Number)
    assert isinstance(second, Number)
    clock.now += 1
    changed = await directory.change_number(
        "acme", first.id, lambda one: replace(one, identity="+49 30 901829", trunk_id=trunk.id)
    )
    assert changed == replace(first, identity="+4930901829", trunk_id=trunk.id, updated_at=NOW + 1, revision=2)
    assert await directory.number("acme", first.id) == changed
    with pytest.raises(Conflict, match="2001 is configured already"):
        await directory.change_number("acme", first.id, lambda one: replace(one, identity="2001"))
    with pytest.raises(NotFound, match="there is no such trunk"):
        await directory.change_number("acme", first.id, lambda one: replace(one, trunk_id="none"))
    with pytest.raises(Invalid, match="it is private"):
        await directory.change_number("acme", first.id, lambda one: replace(one, outbound=PRIVATE))
    assert await directory.number("acme", first.id) == changed
    await directory.change_number("acme", first.id, lambda one: replace(one, identity=first.identity))
    assert await directory.remove_number("acme", second.id) == second
    assert len(await directory.numbers("acme")) == 1
    (again,) = await directory.add_numbers("other", [Number(identity="+4930901829")])
    assert isinstance(again, Number), "it was given up"
    with pytest.raises(NotFound, match="there is no such number"):
        await directory.remove_number("acme", second.id)


async def test_numbers_of_a_trunk_that_is_removed_stay(directory: Directory) -> None:
    trunk = await directory.add_trunk("acme", TRUNK)
    bound, free = await directory.add_numbers("acme", [replace(NUMBER, trunk_id=trunk.id), Number(identity="2001")])
    assert isinstance(bound, Number)
    (freed,) = await directory.remove_trunk("acme", trunk.id)
    assert freed == replace(bound, trunk_id=None, revision=2)
    assert {each.id: each for each in await directory.numbers("acme")} == {freed.id: freed, free.id: free}  # type: ignore[union-attr]


async def test_what_is_odd_is_refused_with_its_place(directory: Directory) -> None:
    with pytest.raises(Invalid, match=r"^10\.0\.0\.1 is not reached: it is private: give a public address") as caught:
        await directory.add_trunk("acme", replace(TRUNK, outbound=PRIVATE))
    assert caught.value.field == "outbound.gateways.0.host"
    with pytest.raises(Invalid, match="the name is empty") as caught:
        await directory.add_trunk("acme", replace(TRUNK, name="", outbound=PRIVATE))
    assert [each.field for each in caught.value.problems] == ["name", "outbound.gateways.0.host"]
    assert await directory.trunks("acme") == ()
    deep: Any = "x"
    for _ in range(99):
        deep = [deep]
    with pytest.raises(Invalid, match="more than 32 deep"):
        await directory.add_trunk("acme", replace(TRUNK, extras={"bland": deep}))
    with pytest.raises(Invalid, match="takes more than 262144 characters"):
        await directory.add_trunk("acme", replace(TRUNK, extras={"bland": "x" * 300_000}))
    problems = await directory.problems("acme", replace(TRUNK, outbound=Outbound((Gateway("pbx"), *PRIVATE.gateways))))
    assert [each.code for each in problems] == ["reach", "local-name"]
    (problem,) = await directory.problems("acme", replace(NUMBER, trunk_id="none"))
    assert problem.code == "no-direction"


async def test_change_that_raises_changes_nothing(directory: Directory) -> None:
    made = await directory.add_trunk("acme", TRUNK)

    def refuses(_: Trunk) -> Trunk:
        raise KeyError("no such field")

    with pytest.raises(KeyError):
        await directory.change_trunk("acme", made.id, refuses)
    assert await directory.trunk("acme", made.id) == made


async def test_a_hundred_who_change_one_trunk_lose_nothing(directory: Directory) -> None:
    made = await directory.add_trunk("acme", replace(TRUNK, extras={"count": 0, "seen": []}))
    revisions = []

    async def change(number: int) -> None:
        def more(one: Trunk) -> Trunk:
            count, seen = one.extras["count"], one.extras["seen"]
            assert isinstance(count, int)
            assert isinstance(seen, list)
            return replace(one, extras={"count": count + 1, "seen": [*seen, number]})

        revisions.append((await directory.change_trunk("acme", made.id, more)).revision)

    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(change, number)
    found = await directory.trunk("acme", made.id)
    assert found.extras["count"] == 100
    assert isinstance(found.extras["seen"], list)
    assert {*range(100)} == {each for each in found.extras["seen"] if isinstance(each, int)}
    assert (found.revision, sorted(revisions)) == (101, [*range(2, 102)])


async def test_one_of_many_who_want_a_number_gets_it(directory: Directory) -> None:
    told: list[object] = []

    async def take(tenant: str) -> None:
        told.extend(await directory.add_numbers(tenant, [NUMBER]))

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(take, f"tenant-{number}")
    assert sorted(type(each).__name__ for each in told) == ["Conflict"] * 19 + ["Number"]


async def test_tenant_has_only_so_many(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_module, "MAX_TRUNKS", 1)
    monkeypatch.setattr(batch_module, "MAX_NUMBERS", 2)
    await directory.add_trunk("acme", TRUNK)
    with pytest.raises(Conflict, match="there are 1 trunks, and there can be no more: remove one first"):
        await directory.add_trunk("acme", TRUNK)
    await directory.add_trunk("other", TRUNK)
    told = await directory.add_numbers("acme", [Number(identity=f"{number}") for number in (1, 1, 2, 3)])
    assert [type(each).__name__ for each in told] == ["Number", "Conflict", "Number", "Conflict"]
    assert str(told[3]) == "there are 2 numbers, and there can be no more: remove one first"


async def test_dry_run_knows_the_tenants_own_numbers(directory: Directory) -> None:
    trunk = await directory.add_trunk("acme", TRUNK)
    await directory.add_numbers("acme", [replace(NUMBER, trunk_id=trunk.id)])
    plan = await directory.dry_run("acme", "4930901820", "+4930123456")
    assert (plan.direction, plan.trunk, plan.gateways) == (Direction.OUTBOUND, trunk, OUTBOUND.gateways)
    assert (await directory.dry_run("acme", "+4930123456", NUMBER.identity, "192.0.2.1")).forward_to == ""
    assert (await directory.dry_run("other", "4930901820", "+4930123456")).direction is Direction.NONE


async def test_who_is_cancelled_still_has_the_change_told(directory: Directory) -> None:
    told: list[str] = []
    directory.on_change = told.append
    made = await directory.add_trunk("acme", TRUNK)
    with trio.CancelScope() as scope:

        def change(one: Trunk) -> Trunk:
            trio.from_thread.run_sync(scope.cancel, trio_token=token)
            return replace(one, name="new")

        token = trio.lowlevel.current_trio_token()
        await directory.change_trunk("acme", made.id, change)
    assert (await directory.trunk("acme", made.id)).name == "new"
    assert told == ["acme", "acme"]


async def test_another_key_is_told_at_start(tmp_path: Path) -> None:
    path = tmp_path / "service.db"
    with Store.open(path) as store:
        trunk = await Directory.open(store).add_trunk("acme", TRUNK)
    key = key_file_of(path).read_bytes()
    key_file_of(path).unlink()
    other = tmp_path / "other.key"
    other.write_text("A" * 43 + "=\n")
    other.chmod(0o600)
    with Store.open(path) as store:
        for file, message in ((None, "it is not there, and there are secrets"), (other, "it has not the key")):
            with pytest.raises(WatchError, match=message):
                Directory.open(store, file)
        assert not key_file_of(path).exists()
        key_file_of(path).write_bytes(key)
        key_file_of(path).chmod(0o600)
        assert await Directory.open(store).trunks("acme") == (trunk,)


async def test_changes_are_made_together_or_not_at_all(directory: Directory) -> None:
    told: list[str] = []
    directory.on_change = told.append

    def half(batch: Batch) -> None:
        trunk = batch.add_trunk(TRUNK)
        batch.add_number(replace(NUMBER, trunk_id=trunk.id))
        assert batch.numbers(trunk.id) == batch.numbers()
        batch.add_number(NUMBER)

    with pytest.raises(Conflict, match=r"\+4930901820 is configured already"):
        await directory.together("acme", half)
    assert await directory.tenants() == ()
    assert told == []

    def whole(batch: Batch) -> Number:
        trunk = batch.add_trunk(TRUNK)
        batch.add_numbers([replace(NUMBER, trunk_id=trunk.id), NUMBER])
        batch.change_trunk(trunk.id, lambda one: replace(one, name="new"))
        batch.remove_number(batch.number_named("4930901820").id)
        return batch.change_number(batch.add_number(NUMBER).id, lambda one: replace(one, label="main"))

    made = await directory.together("acme", whole)
    assert await directory.numbers("acme") == (made,)
    assert [each.name for each in await directory.trunks("acme")] == ["new"]
    assert told == ["acme"]


async def test_many_numbers_are_added_together_or_not_at_all(directory: Directory) -> None:
    trunk = await directory.add_trunk("acme", TRUNK)
    many = [Number(identity=str(each), trunk_id=trunk.id) for each in range(1000, 2200)]
    await directory.together("acme", lambda batch: batch.add_all(many))
    kept = await directory.numbers("acme", trunk.id)
    assert [each.identity for each in kept] == [each.identity for each in many]
    assert {each.revision for each in kept} == {1}
    refused: list[tuple[list[Number], type[DirectoryError], str]] = [
        ([Number(identity="3000"), Number(identity="1500")], Conflict, "1500 is configured already"),
        ([Number(identity="3000"), Number(identity="3000")], Conflict, "configured already"),
        ([Number(identity="3000"), Number(identity="two words")], Invalid, "white space"),
        ([Number(identity="3000"), Number(identity="3001", trunk_id="elsewhere")], NotFound, "no such trunk"),
    ]
    for numbers, kind, why in refused:
        with pytest.raises(kind, match=why):
            await directory.together("acme", lambda batch, numbers=numbers: batch.add_all(numbers))  # type: ignore[misc]  # a default
    assert await directory.numbers("acme") == kept
    await directory.together("other", lambda batch: batch.add_all([Number(identity="1500")]))
    names = ["1000", "+1000", "2199", "3000", *map(str, range(1100, 2000))]
    found = await directory.together("acme", lambda batch: batch.all_named(names))
    assert found.keys() == set(names) - {"3000"}
    assert found["+1000"] == found["1000"] == kept[0]
    await directory.together("acme", lambda batch: batch.remove_all([each.id for each in kept[1:]]))
    await directory.together("other", lambda batch: batch.remove_all([kept[0].id]))
    assert await directory.numbers("acme") == kept[:1]
    assert [each.identity for each in await directory.numbers("other")] == ["1500"]


async def test_numbers_of_a_trunk_that_goes_stay_as_they_are(directory: Directory, clock: Clock) -> None:
    trunk, other = await directory.add_trunk("acme", TRUNK), await directory.add_trunk("other", TRUNK)
    bound = [replace(NUMBER, identity=str(each), trunk_id=trunk.id) for each in range(1000, 1600)]
    kept = await directory.together("acme", lambda batch: batch.add_all(bound))
    await directory.add_numbers("other", [Number(identity="1000", trunk_id=other.id)])
    clock.now += 5
    freed = await directory.remove_trunk("acme", trunk.id)
    assert freed == tuple(replace(each, trunk_id=None, updated_at=NOW + 5, revision=2) for each in kept)
    assert await directory.numbers("acme") == freed
    assert [each.trunk_id for each in await directory.numbers("other")] == [other.id]


async def test_there_is_no_room_for_one_number_too_many(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_module, "MAX_NUMBERS", 2)
    with pytest.raises(Conflict, match="there are 2 numbers, and there can be no more"):
        await directory.together("acme", lambda batch: batch.add_all([Number(identity=each) for each in "123"]))
    await directory.together("acme", lambda batch: batch.add_all([Number(identity=each) for each in "12"]))
    with pytest.raises(Conflict, match="there are 2 numbers, and there can be no more"):
        await directory.together("acme", lambda batch: batch.add_number(Number(identity="3")))
