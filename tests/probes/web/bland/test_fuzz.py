"""Made-up requests to every route, away from any network."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SEED, EXAMPLES = 20261122, 6


def test_made_up_requests_are_answered_as_described() -> None:
    alone = ["unshare", "-rn"]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this host makes no network namespaces for anybody")
    command = [*alone, sys.executable, "-m", "tests.probes.web.bland.fuzz", str(SEED), str(EXAMPLES)]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[4], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert done.stdout.startswith(f"seed {SEED}, ")
    assert done.stdout.endswith(" routes\n")
