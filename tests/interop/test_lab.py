"""The lab itself: every server is up, wherever it says it listens."""

import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.interop import wire
from tests.interop.lab import Lab, Server, StartError


def test_answers_wherever_it_listens(server: Server) -> None:
    for host, port, transport in server.listens:
        answer = wire.options(host, port, transport, server.ca_file)
        assert answer.startswith("SIP/2.0 200 "), (host, port, transport)


def test_knows_the_version(server: Server) -> None:
    banner = re.search(r"^Server: (.*)$", wire.options(server.host, server.udp_port, "udp", user=""), re.MULTILINE)
    if server.name == "sipp":
        assert banner is None  # it says only what its scenario says
    else:
        assert banner
        assert server.version in banner[1]


def test_asterisk_is_recent(asterisk: Server) -> None:
    assert int(asterisk.version.partition(".")[0]) >= 22


def test_kamailio_relays_to_the_gateway(kamailio: Server) -> None:
    assert "baresip" in wire.options(kamailio.host, kamailio.udp_port, "udp", user="echo")


def test_shows_the_output_of_a_server_that_does_not_start(lab: Lab) -> None:
    server = Server("broken", "0", "127.0.0.1", lab.ports(2), lab.ports(2))
    (lab.folder / server.name).mkdir()
    starting = lab.running(server, ["sh", "-c", "echo no such setting"])
    with pytest.raises(StartError, match=r"ended by itself.*\n.*no such setting"), starting:
        pytest.fail("it is not up")


def test_no_server_outlives_a_killed_run(tmp_path: Path) -> None:
    run = f"""
        import os, pathlib
        from tests.interop.lab import process
        with process(["sleep", "60"], pathlib.Path({str(tmp_path)!r})) as server:
            print(server.pid, flush=True)
            os.read(0, 1)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as killed:
        assert killed.stdout
        pid = int(killed.stdout.readline())
        while Path(f"/proc/{pid}/comm").read_text() != "sleep\n":  # setpriv becomes it
            time.sleep(0.01)
        killed.kill()
    deadline = time.monotonic() + 5
    while _is_running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _is_running(pid: int) -> bool:
    """Whether `pid` runs; an orphan that ended may stay a zombie for as long as its new parent likes."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
