"""What becomes of trunks when the process is killed, or its disk is full."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from probes.service.directory import Directory
from probes.store.store import Store
from tests.probes.trunks.samples import OUTBOUND

ROOT = Path(__file__).parents[3]
WRITES = """
import sys, trio
from dataclasses import replace
from pathlib import Path
from probes.service.directory import Directory
from probes.store.store import Store
from tests.probes.trunks.samples import TRUNK

async def main():
    directory = Directory.open(Store.open(Path(sys.argv[1])))
    async def write(name):
        for number in range(10_000):
            made = await directory.add_trunk("acme", replace(TRUNK, name=f"{name} {number}"))
            made = await directory.change_trunk("acme", made.id, lambda one: replace(one, description="changed"))
            print(made.id, flush=True)
    async with trio.open_nursery() as nursery:
        for name in "abc":
            nursery.start_soon(write, name)

trio.run(main)
"""
FILLS = """
import os, sys, trio
from dataclasses import replace
from pathlib import Path
from probes.health.trunk import WatchError
from probes.service.directory import Directory
from probes.store.store import Store
from tests.probes.trunks.samples import TRUNK

async def main():
    place = Path(sys.argv[1])
    with Store.open(place / "service.db") as store:
        directory = Directory.open(store)
        kept = [await directory.add_trunk("acme", TRUNK)]
        filler = place / "filler"
        try:
            filler.write_bytes(bytes(4 << 20))
        except OSError:
            pass
        try:
            for _ in range(1000):
                kept.append(await directory.add_trunk("acme", replace(TRUNK, description="x" * 4000)))
        except WatchError as error:
            print(error.message)
        print(await directory.trunks("acme") == tuple(kept))
        filler.unlink()
        kept.append(await directory.add_trunk("acme", TRUNK))
    with Store.open(place / "service.db") as store:
        found = await Directory.open(store).trunks("acme")
        print({each.id for each in found} == {each.id for each in kept})

trio.run(main)
"""


@pytest.mark.parametrize("times", [3])
def test_killing_it_loses_nothing_that_was_told(tmp_path: Path, times: int) -> None:
    path, known = tmp_path / "service.db", set()
    for number in range(times):
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", WRITES, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
            assert child.stdout
            known |= {child.stdout.readline().strip() for _ in range(10 * (number + 1))}
            child.send_signal(signal.SIGKILL)
            known |= {line.strip() for line in child.stdout if line.endswith("\n")}
    with Store.open(path) as store:
        found = {each.id: each for each in trio.run(Directory.open(store).trunks, "acme")}
    assert known <= set(found)
    assert all(found[key].description == "changed" and found[key].revision == 2 for key in known)
    assert all(each.outbound == OUTBOUND for each in found.values())


def can_mount() -> bool:
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    return bool(shutil.which("unshare")) and not subprocess.run(command, capture_output=True, check=False).returncode


@pytest.mark.skipif(not can_mount(), reason="mounting a small disk takes a mount namespace: allow user namespaces")
def test_full_disk_is_told_and_what_was_told_stays(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=2000k none "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "-rm", "sh", "-c", mount, "sh", str(tmp_path), sys.executable, FILLS]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    full = f"history {tmp_path}/service.db: its disk is full: make room there"
    assert done.stdout.splitlines() == [full, "True", "True"]
