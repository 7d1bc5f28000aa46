"""SIGHUP: a terminal that has gone ends what goes on in order, and a watch without one reads its file again."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from probes.cli.exit_codes import ExitCode
from tests.probes.cli.test_call import Peer, Respond, accept, peer, ring
from tests.probes.cli.test_watch import ALERT, QUICK, closed, read, receiver, watching, written
from tests.probes.discovery.network import ok
from tests.probes.report.schemas import load, violations

COMMAND = (sys.executable, "-u", "-m", "probes.cli.main")
CALLED = '[trunk.call]\nto = "echo"\nhold = 30\n'


pytestmark = pytest.mark.skipif(shutil.which("setsid") is None, reason="a terminal is given by setsid (util-linux)")


def on_lost_terminal(bob: Peer, when: str, last: str, *arguments: str) -> int:
    """The exit code of a command whose terminal goes once `when` came, and which sends `last` then."""
    master, slave = pty.openpty()
    words = ["setsid", "--ctty", *COMMAND, *arguments]
    with subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave) as running:
        try:
            os.close(slave)
            bob.wait_for(when)
            os.close(master)
            bob.wait_for(last)
            return running.wait(20)
        finally:
            running.kill()


@pytest.mark.parametrize(
    ("respond", "when", "last"), [(accept, "ACK", "BYE"), (ring, "INVITE", "CANCEL")], ids=["answered", "ringing"]
)
def test_a_call_whose_terminal_has_gone_is_hung_up(respond: Respond, when: str, last: str) -> None:
    with peer(respond) as bob:
        # Its result can be written no more.
        assert on_lost_terminal(bob, when, last, "call", bob.target, "--hold", "30") == ExitCode.FAILED


def test_a_call_whose_shell_and_kernel_both_say_so_is_hung_up_in_order() -> None:
    """The second signal comes while the BYE is still to be answered."""
    ends: list[bytes] = []

    def answers_late(data: bytes) -> bytes | None:
        ends.extend([data] if data.startswith(b"BYE") else [])
        return accept(data) if not data.startswith(b"BYE") or len(ends) == 3 else None

    words = [*COMMAND, "call", "--hold", "30", "--json"]
    with peer(answers_late) as bob, subprocess.Popen([*words, bob.target], stdout=subprocess.PIPE) as call:
        bob.wait_for("ACK")
        call.send_signal(signal.SIGHUP)
        bob.wait_for("BYE")
        call.send_signal(signal.SIGHUP)
        shown, _ = call.communicate(timeout=20)
    assert (len(ends), call.returncode) == (3, -signal.SIGHUP)
    assert "interrupted here" in json.loads(shown)["why"]


def test_a_watch_whose_terminal_has_gone_ends_and_hangs_up_its_test_call(tmp_path: Path) -> None:
    with peer(accept) as bob:
        file = tmp_path / "trunks.toml"
        file.write_text(f'{QUICK}[[trunk]]\ntarget = "{bob.target}"\ntransport = "udp"\n{CALLED}')
        on_lost_terminal(bob, "ACK", "BYE", "watch", str(file))


def test_who_is_not_to_be_ended_by_it_is_not() -> None:
    """As `nohup` has it."""
    words = [*COMMAND, "ping", "--interval", "0.1"]
    with peer(ok) as bob:
        ignore = (
            "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execvp(sys.argv[1], sys.argv[1:])"
        )
        with subprocess.Popen(
            [sys.executable, "-c", ignore, *words, bob.target], stdout=subprocess.PIPE, text=True
        ) as running:
            assert running.stdout is not None
            running.stdout.readline()
            running.send_signal(signal.SIGHUP)
            for _ in range(5):
                assert running.stdout.readline()
            running.send_signal(signal.SIGINT)
            running.communicate(timeout=20)
    assert running.returncode == ExitCode.OK


def test_a_file_is_read_again(tmp_path: Path) -> None:
    """What stays goes on, what is new is checked, what cannot be used is told with its place, and changes nothing."""
    with peer(ok) as bob, watching(written(tmp_path, closed(), bob.target)) as running:
        lines = read(running, 7)
        file = tmp_path / "trunks.toml"
        good = f'{file.read_text()}\n[[trunk]]\nname = "office"\ntarget = "{bob.target}"\ntransport = "udp"\n'
        file.write_text(good)
        running.send_signal(signal.SIGHUP)
        again = read(running, 2)
        file.write_text(f"{good}misses = 0\n")
        running.send_signal(signal.SIGHUP)
        assert running.stderr is not None
        refused = running.stderr.readline()
        file.write_text(good)
        running.send_signal(signal.SIGHUP)
        same = read(running, 1)
        running.send_signal(signal.SIGINT)
        shown, told = running.communicate(timeout=20)
    assert lines[-1].split()[1:4] == ["carrier", "backup", "takes"]
    assert again[0].split(maxsplit=1)[1].strip() == f"read again   {file}: added office"
    assert again[1].split()[1:4] == ["office", "healthy", "200"]
    assert refused.startswith(f"sipprobe: {file}:")
    assert refused.endswith(
        ": trunk 2: a route goes down and comes up by one check at the least; what was watched goes on\n"
    )
    assert same[0].endswith("nothing is different")
    last = [line.split()[:4] for line in shown.splitlines()]
    assert ["▶", "carrier", "backup", "healthy"] in last
    assert ["office", "healthy"] in [words[:2] for words in last]
    assert (running.returncode, told) == (ExitCode.OK, "")


def test_a_file_that_is_read_again_as_data(tmp_path: Path) -> None:
    with peer(ok) as bob:
        file = written(tmp_path, bob.target, closed(), head='store = "watch.db"')
        before = file.read_text()
        with watching(file, "--json") as running:
            found = [json.loads(line) for line in read(running, 4)]
            other = before.replace("watch.db", "other.db").replace('name = "carrier"', 'name = "office"')
            file.write_text(f'{other}\n[[alert]]\nname = "ops"\nwebhook = "https://192.0.2.1/"\n')
            running.send_signal(signal.SIGHUP)
            while found[-1]["event"] != "change" or found[-1]["trunk"] != "office":
                found += [json.loads(line) for line in read(running, 1)]
            file.unlink()
            running.send_signal(signal.SIGHUP)
            while found[-1]["event"] != "trouble":
                found += [json.loads(line) for line in read(running, 1)]
            running.send_signal(signal.SIGTERM)
            rest, _ = running.communicate(timeout=20)
    found += [json.loads(line) for line in rest.splitlines()]
    assert [violations(each, load("watch")) for each in found] == [[]] * len(found)
    (reload,) = [each for each in found if each["event"] == "reload"]
    assert (reload["added"], reload["changed"], reload["removed"]) == (["office"], [], ["carrier"])
    assert (reload["others"], [each["trunk"] for each in reload["trunks"]]) == (["alerts"], ["office"])
    assert [each["detail"] for each in found if each["event"] == "trouble"] == [
        f"{file} names another store, which is used from the next start on",
        f"cannot read {file}: No such file or directory; what was watched goes on",
    ]
    assert not (tmp_path / "other.db").exists()
    assert [each["trunk"] for each in found[-1]["trunks"]] == ["office"]


def test_alerts_of_what_is_taken_out_are_told_as_over(tmp_path: Path) -> None:
    """To who was told that it is down, by the file that is read again and by the same process."""
    with receiver(200) as (url, came), peer(ok) as bob:
        file = written(tmp_path, closed(), bob.target)
        channel = ALERT.format(url)
        file.write_text(f"{file.read_text()}{channel}")
        with watching(file) as running:
            wait_for(came, 1)
            written(tmp_path, bob.target)
            file.write_text(f"{file.read_text().replace('carrier', 'office')}{channel}")
            running.send_signal(signal.SIGHUP)
            wait_for(came, 2)
            running.send_signal(signal.SIGINT)
            running.communicate(timeout=20)
    assert [(each["trunk"], each["kind"], each["phase"]) for each in came] == [
        ("carrier", "down", "begun"),
        ("carrier", "down", "ended"),
    ]
    assert came[0]["incident"] == came[1]["incident"]
    assert came[1]["text"] == "carrier: route primary is no longer watched"


def wait_for(came: list[dict[str, object]], count: int) -> None:
    deadline = time.monotonic() + 20
    while len(came) < count:
        assert time.monotonic() < deadline, came
        time.sleep(0.02)
