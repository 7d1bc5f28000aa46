"""The programs of docs/embedding.md work as they stand there, and what it names is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import probes
import sipcore

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "embedding.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
RAISED = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
TOLD = (
    ("200 INVITE, ACK", "port unreachable"),
    ("registered alice", "PCMU sent ", "EndReason.LOCAL_HANG_UP"),
    (
        "AttemptBegun\n",
        "Concluded\n",
        '{"target": "sip:echo@127.0.0.1:',
        "\nconnected\n",
        "Ping(number=1,",
        "\n3 of 3 answered\n",
    ),
    (
        "main unreachable by refused: 127.0.0.1 says by ICMP",
        "backup healthy by 200 OK",
        "calls take backup failover",
        "\nbackup\n",
    ),
    (
        "refused ",
        "not allowed udp 127.0.0.2:1: must not be reached from here, it is loopback",
        "not allowed udp 127.0.0.2:1: must not",
    ),
    ("() ['refused'",),
    (" a second, the slowest in ",),
)


@pytest.mark.parametrize(("program", "told"), list(zip(PROGRAMS, TOLD, strict=True)))
def test_a_program_runs(program: str, told: tuple[str, ...]) -> None:
    words = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert [text for text in told if text not in done.stdout] == []


@pytest.mark.parametrize("name", [name for name in RAISED if name != "OSError"])
def test_what_is_raised_can_be_caught(name: str) -> None:
    assert issubclass(getattr(sipcore, name), sipcore.SipError)
    assert issubclass(getattr(sipcore, name), sipcore.RemoteError) is (name != "LocalError")


def test_the_table_of_what_is_raised_is_read() -> None:
    assert len(RAISED) == 7
    assert issubclass(probes.RefusedNumber, sipcore.LocalError)
