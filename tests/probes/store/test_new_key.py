"""A new key for the secrets of a store: with all of them, or with none, wherever it is killed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from probes.health.trunk import WatchError
from probes.service.directory import Directory
from probes.store.keyring import key_file_of
from probes.store.new_key import encrypt_anew
from probes.store.store import Store
from probes.store.tenants import used_keys
from probes.trunks.model import Credentials, Gateway, Number, Outbound, Secret, Trunk

ROOT = Path(__file__).parents[3]
GATEWAY = (Gateway.parse("sbc.example.com"),)
KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from probes.store.keyring import Keyring
from probes.store.new_key import encrypt_anew

store, place, left = sys.argv[1], sys.argv[2], int(sys.argv[3])

def die(*_):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

def dying(act):
    return lambda *given, **named: (die(), act(*given, **named))[1]

if place == "commit":
    event.listen(Engine, "commit", die)
else:
    owner = {"fsync": os, "fchown": os, "replace": Path, "unlink": Path, "sealed": Keyring}[place]
    setattr(owner, place, dying(getattr(owner, place)))
encrypt_anew(Path(store), forget=True)
"""
"""A program that is killed before it does something for the nth time."""


async def filled(path: Path) -> None:
    """A store with a trunk and a number that have passwords, and others that have none."""
    with Store.open(path) as store:
        directory = Directory.open(store)
        for name in ("first", "second"):
            credentials = Credentials("us", Secret(f"of the {name} trunk"))
            await directory.add_trunk("acme", Trunk(name=name, outbound=Outbound(GATEWAY, credentials)))
        await directory.add_trunk("acme", Trunk(name="open", outbound=Outbound(GATEWAY)))
        credentials = Credentials("us", Secret("of the number"))
        await directory.add_numbers("acme", [Number(identity="2001", outbound=Outbound(GATEWAY, credentials))])


async def secrets(path: Path) -> list[str]:
    """What is found with the keys that there are."""
    with Store.open(path) as store:
        directory = Directory.open(store)
        owners: list[Trunk | Number] = [*await directory.trunks("acme"), *await directory.numbers("acme")]
        assert len(store.look(used_keys)) == 1
    told = [owner.outbound.credentials for owner in owners if owner.outbound is not None]
    return sorted(each.password.reveal() for each in told if each is not None)


def keys(path: Path) -> list[str]:
    """The lines of the file that are keys."""
    return [line for line in key_file_of(path).read_text().splitlines() if not line.startswith("#")]


def left_over(folder: Path) -> list[Path]:
    """Files that were not finished."""
    return list(folder.glob("*.part"))


ALL = ["of the first trunk", "of the number", "of the second trunk"]


async def test_all_secrets_are_encrypted_anew_and_nothing_else_changes(tmp_path: Path) -> None:
    path = tmp_path / "service.db"
    await filled(path)
    before, sealed = keys(path), path.read_bytes()
    assert encrypt_anew(path) == 3
    assert keys(path)[1:] == before
    assert await secrets(path) == ALL
    path.write_bytes(sealed)  # a copy from before
    assert await secrets(path) == ALL
    assert encrypt_anew(path, forget=True) == 3
    assert len(keys(path)) == 1
    assert not set(keys(path)) & set(before)
    assert await secrets(path) == ALL
    path.write_bytes(sealed)
    with pytest.raises(WatchError, match="it has not the key"):
        await secrets(path)


@pytest.mark.parametrize(
    ("place", "count"),
    [
        ("fchown", 1),  # the new key in its own file, which is not written yet
        ("fsync", 1),
        ("replace", 1),
        ("fsync", 2),  # the new file in place
        ("sealed", 1),
        ("sealed", 3),  # some encrypted, and not committed
        ("commit", 2),
        ("fsync", 3),  # all encrypted, with the old key in the file
        ("replace", 2),
        ("fsync", 4),
    ],
)
async def test_killed_anywhere_nothing_is_lost_and_it_can_be_done_again(place: str, count: int, tmp_path: Path) -> None:
    path = tmp_path / "service.db"
    await filled(path)
    before = keys(path)
    arguments = [sys.executable, "-c", KILLED, str(path), place, str(count)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, check=False)  # noqa: ASYNC221  # nothing else runs
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert await secrets(path) == ALL
    assert encrypt_anew(path, forget=True) == 3
    assert await secrets(path) == ALL
    assert len(keys(path)) == 1
    assert keys(path) != before
    assert left_over(tmp_path) == []
    assert key_file_of(path).stat().st_mode & 0o777 == 0o600


async def test_it_is_refused_while_a_service_uses_the_store(tmp_path: Path) -> None:
    path = tmp_path / "service.db"
    await filled(path)
    before = keys(path)
    with Store.open(path), pytest.raises(WatchError, match="another sipprobe writes to it"):
        encrypt_anew(path)
    assert keys(path) == before


async def test_a_secret_that_is_not_read_leaves_all_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "service.db"
    await filled(path)
    key_file_of(path).rename(tmp_path / "away")
    with pytest.raises(WatchError, match="put it back"):
        encrypt_anew(path)
    assert not key_file_of(path).exists()
    (tmp_path / "away").rename(key_file_of(path))
    assert await secrets(path) == ALL


async def test_a_link_to_the_file_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "service.db"
    await filled(path)
    elsewhere = tmp_path / "private" / "key"
    elsewhere.parent.mkdir()
    key_file_of(path).rename(elsewhere)
    key_file_of(path).symlink_to(elsewhere)
    assert encrypt_anew(path) == 3
    assert key_file_of(path).is_symlink()
    assert len(keys(path)) == 2
    assert await secrets(path) == ALL
