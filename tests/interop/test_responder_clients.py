"""Real callers and probes against the built-in responder, which runs as a user starts it."""

import subprocess
import sys
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.conftest import REQUIRED
from tests.interop.lab import CONFIGURATIONS, HOST, Lab, MissingError, Server, program
from tests.interop.servers import BARESIP_MODULES, RTP_PORTS

USER, PASSWORD = "alice", "lab-secret"
CALLS = 5
TIMEOUT = 30.0
BARESIP_SECONDS = 3
"""How long baresip runs: the responder rings for one, and the call is held for the rest."""
BARESIP = """\
net_interface {host}
sip_listen {host}:{port}
audio_player aufile,{folder}/received.wav
audio_source aufile,{folder}/tone.wav
audio_alert none
ausrc_srate 8000
auplay_srate 8000
rtp_ports {rtp}-{last}
module_path {modules}
module g711.so
module aufile.so
module_tmp account.so
module_app menu.so
"""


def _start(lab: Lab, name: str, *options: str) -> Iterator[Server]:
    port = lab.ports(1)
    (lab.folder / name).mkdir()
    server = Server(name, "", HOST, port, port)
    command = [sys.executable, "-m", "probes.cli.main", "respond", "--port", str(port), "--no-tls", *options]
    with _environment(PYTHONPATH=str(Path(__file__).parents[2])), lab.running(server, command):
        yield server


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def responder(lab: Lab) -> Iterator[Server]:
    """One that lets the called user decide."""
    yield from _start(lab, "responder")


@pytest.fixture(scope="module")
def guarded(lab: Lab) -> Iterator[Server]:
    """One behind digest; the clients here know MD5 only, and look no further than the first challenge."""
    password = lab.folder / "password"
    password.write_text(PASSWORD)
    options = ["--user", USER, "--password-file", str(password), "--realm", "lab", "--algorithm", "MD5"]
    yield from _start(lab, "guarded", *options)


def installed(name: str, package: str) -> str:
    """The path of a client; where it is missing, the test is skipped, or fails where nothing may be missing."""
    try:
        return program(name, package)
    except MissingError as missing:
        if REQUIRED:
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


def run(command: list[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )


def sipp(lab: Lab, folder: Path, server: Server, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [installed("sipp", "sip-tester"), "-i", HOST, "-p", str(lab.ports(1)), "-nostdin", "-trace_err"]
    command += ["-timeout", f"{TIMEOUT / 2:g}", "-timeout_error"]
    return run([*command, *options, f"{server.host}:{server.udp_port}"], folder)


@pytest.mark.parametrize("transport", ["u1", "t1"])
@pytest.mark.parametrize("user", ["echo", "ringecho"])
def test_sipp_calls(responder: Server, lab: Lab, tmp_path: Path, user: str, transport: str) -> None:
    """SIPp's own caller: every call is set up, held and ended."""
    many = ["-m", str(CALLS), "-r", str(CALLS), "-d", "200"]
    done = sipp(lab, tmp_path, responder, "-sn", "uac", "-s", user, "-t", transport, *many)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("user", ["busy", "404"])
def test_sipp_is_refused(responder: Server, lab: Lab, tmp_path: Path, user: str) -> None:
    done = sipp(lab, tmp_path, responder, "-sn", "uac", "-s", user, "-m", "1")
    assert done.returncode == 1
    errors = next(tmp_path.glob("*_errors.log")).read_text()
    assert f"SIP/2.0 {'486 Busy Here' if user == 'busy' else '404 Not Found'}" in errors


def test_sipp_with_digest(guarded: Server, lab: Lab, tmp_path: Path) -> None:
    scenario = (CONFIGURATIONS / "callers" / "digest.xml").read_text().replace("@PASSWORD@", PASSWORD)
    (tmp_path / "digest.xml").write_text(scenario)
    uri = f"echo@{guarded.host}:{guarded.udp_port}"  # SIPp would leave the user out of it
    done = sipp(lab, tmp_path, guarded, "-sf", "digest.xml", "-auth_uri", uri, "-m", "2")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(("user", "code"), [("echo", 0), ("busy", 1)])
def test_sipsak_asks(responder: Server, tmp_path: Path, user: str, code: int, transport: str) -> None:
    uri = f"sip:{user}@{responder.host}:{responder.udp_port}"
    done = run([installed("sipsak", "sipsak"), "-vv", "-E", transport, "-s", uri], tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    assert f"SIP/2.0 {'200 OK' if code == 0 else '486 Busy Here'}" in done.stdout


@pytest.mark.parametrize(("password", "code"), [(PASSWORD, 0), ("wrong", 2)])
def test_sipsak_with_digest(guarded: Server, tmp_path: Path, password: str, code: int) -> None:
    uri = f"sip:echo@{guarded.host}:{guarded.udp_port}"
    done = run([installed("sipsak", "sipsak"), "-s", uri, "-u", USER, "-a", password], tmp_path)
    assert done.returncode == code, done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["responder", "guarded"])
def test_baresip_calls(lab: Lab, tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    """A phone calls: it is answered, and hears itself."""
    server: Server = request.getfixturevalue(kind)
    command = installed("baresip", "baresip-core")
    modules = next(path for pattern in BARESIP_MODULES for path in Path("/usr").glob(pattern))
    rtp = lab.ports(RTP_PORTS)
    names = {"host": HOST, "port": lab.ports(2), "folder": tmp_path, "modules": modules}
    (tmp_path / "config").write_text(BARESIP.format(**names, rtp=rtp, last=rtp + RTP_PORTS - 1))
    (tmp_path / "accounts").write_text(f'<sip:{USER}@{HOST}>;regint=0;auth_user={USER};auth_pass="{PASSWORD}"\n')
    with wave.open(str(tmp_path / "tone.wav"), "wb") as tone:
        tone.setnchannels(1)
        tone.setsampwidth(2)
        tone.setframerate(8000)
        tone.writeframes(bytes(2 * 8000 * 2 * BARESIP_SECONDS))  # longer than the call: where it ends, so does that
    dial = f"/dial sip:ringecho@{server.host}:{server.udp_port}"
    done = run([command, "-f", str(tmp_path), "-e", dial, "-t", str(BARESIP_SECONDS)], tmp_path)
    for said in ("180 Ringing", "Call established", "incoming rtp for 'audio' established"):
        assert said in done.stdout, done.stdout + done.stderr


def test_the_responder_tells_of_them(responder: Server, lab: Lab) -> None:
    told = (lab.folder / responder.name / "output.log").read_text()
    assert told.startswith(f"listening on udp {HOST}:{responder.udp_port}, tcp {HOST}:{responder.tcp_port}\n")
    assert "OPTIONS" in told
