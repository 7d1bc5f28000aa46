"""API keys: shown once, known by their digest, each its tenant's."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.service import keys as keys_module
from probes.service.errors import Conflict, Invalid, NotFound
from probes.service.keys import USE_NOTED, Keys, require_tenant
from probes.store.shared import SharedStore
from probes.store.store import Store
from tests.probes.store.samples import NOW, Clock


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "service.db", clock=Clock(0)) as store:
        yield store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(store: Store, clock: Clock) -> Keys:
    return Keys(store, clock)


async def test_key_is_given_once_and_known_again(keys: Keys, store: Store) -> None:
    made = await keys.add("acme", "deploy", may_write=False)
    text = made.text.reveal()
    assert re.fullmatch(r"spk_[A-Za-z0-9_-]{43}", text)
    assert text not in repr(made)
    found = await keys.check(text)
    assert found is not None
    assert (found.id, found.tenant, found.name, found.may_write) == (made.key.id, "acme", "deploy", False)
    await store.transact(lambda _: None)
    content = b"".join(each.read_bytes() for each in store.path.parent.iterdir())
    assert text.encode() not in content
    assert hashlib.sha256(text.encode()).hexdigest().encode() in content
    assert (await keys.add("acme", "deploy")).text != made.text


@pytest.mark.parametrize("text", ["", "spk_", "spk_" + "x" * 43, "x", "Bearer spk_", "spk_" + "é" * 43, "\ud800", "\0"])
async def test_what_is_no_key_is_nobodys(keys: Keys, text: str) -> None:
    made = await keys.add("acme", "deploy")
    assert await keys.check(text) is None
    assert await keys.check(made.text.reveal() + "x") is None
    assert await keys.check(made.text.reveal()[:-1]) is None
    assert await keys.check(made.text.reveal().swapcase()) is None


async def test_revoked_key_holds_no_longer(keys: Keys, clock: Clock) -> None:
    made = await keys.add("acme", "one")
    clock.now += 1
    other = await keys.add("acme", "two")
    with pytest.raises(NotFound, match="there is no such key"):
        await keys.revoke("other", made.key.id)
    assert (await keys.revoke("acme", made.key.id)).revoked_at == NOW + 1
    assert await keys.check(made.text.reveal()) is None
    assert await keys.check(other.text.reveal()) is not None
    clock.now += 1
    assert (await keys.revoke("acme", made.key.id)).revoked_at == NOW + 1, "it was revoked already"
    assert [(each.name, each.revoked_at) for each in await keys.known("acme")] == [("one", NOW + 1), ("two", None)]


async def test_the_last_key_that_may_write_stays(keys: Keys) -> None:
    first, second = await keys.add("acme", "one"), await keys.add("acme", "two")
    reader = await keys.add("acme", "three", may_write=False)
    await keys.add("other", "theirs")
    await keys.revoke("acme", first.key.id)
    for _ in range(2):
        with pytest.raises(Conflict, match="the last key that may write: make another one first"):
            await keys.revoke("acme", second.key.id)
    await keys.revoke("acme", reader.key.id)
    await keys.revoke("acme", first.key.id)
    assert await keys.check(second.text.reveal()) is not None
    await keys.revoke("acme", second.key.id, even_last=True)
    assert await keys.check(second.text.reveal()) is None


async def test_the_keys_that_were_revoked_last_are_kept(
    keys: Keys, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys_module, "MAX_REVOKED", 2)
    made = [await keys.add("acme", f"{number}") for number in range(5)]
    theirs = await keys.add("other", "theirs")
    await keys.revoke("other", theirs.key.id, even_last=True)
    for each in (made[3], made[0], made[1]):
        clock.now += 1
        await keys.revoke("acme", each.key.id)
    assert {each.name for each in await keys.known("acme")} == {"0", "1", "2", "4"}
    assert [each.name for each in await keys.known("other")] == ["theirs"]
    with pytest.raises(NotFound):
        await keys.revoke("acme", made[3].key.id)
    assert await keys.check(made[3].text.reveal()) is None


async def test_keys_are_listed_by_tenant(keys: Keys) -> None:
    await keys.add("acme", "a")
    await keys.add("other", "b")
    assert [each.name for each in await keys.known("acme")] == ["a"]
    assert {each.name for each in await keys.known()} == {"a", "b"}
    assert await keys.known("nobody") == ()


async def test_use_is_noted_now_and_then(keys: Keys, clock: Clock, store: Store) -> None:
    text = (await keys.add("acme", "a")).text.reveal()

    async def noted() -> float | None:
        await store.transact(lambda _: None)
        (key,) = await keys.known()
        return key.last_used_at

    assert await noted() is None
    await keys.check(text)
    assert await noted() == NOW
    clock.now += USE_NOTED - 1
    await keys.check(text)
    assert await noted() == NOW
    clock.now += 1
    found = await keys.check(text)
    assert await noted() == clock.now
    assert found is not None
    assert found.last_used_at == clock.now


async def test_tenant_has_only_so_many_that_hold(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "MAX_KEYS", 2)
    first = await keys.add("acme", "a")
    await keys.add("acme", "b")
    with pytest.raises(Conflict, match="there are 2 keys, and there can be no more: revoke one first"):
        await keys.add("acme", "c")
    await keys.add("other", "c")
    await keys.revoke("acme", first.key.id)
    await keys.add("acme", "c")


@pytest.mark.parametrize("tenant", ["", "Acme", "a b", "a" * 33, "ä", "a\n", "../a"])
async def test_odd_tenant_is_told(keys: Keys, tenant: str) -> None:
    with pytest.raises(Invalid, match="give 1 to 32 lower-case letters, digits and hyphens"):
        await keys.add(tenant, "a")


@pytest.mark.parametrize("name", ["", "a\n", "x" * 101])
async def test_odd_name_is_told(keys: Keys, name: str) -> None:
    with pytest.raises(Invalid, match="give 1 to 100 printable characters"):
        await keys.add("acme", name)


@given(st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True))
def test_tenant_is_a_short_name(tenant: str) -> None:
    require_tenant(tenant)


async def test_command_adds_and_revokes_beside_the_service(keys: Keys, store: Store) -> None:
    with SharedStore.open(store.path) as shared:
        made = await Keys(shared).add("acme", "by hand")
        found = await keys.check(made.text.reveal())
        assert found is not None
        assert found.name == "by hand"
        await Keys(shared).revoke("acme", made.key.id, even_last=True)
        assert await keys.check(made.text.reveal()) is None
