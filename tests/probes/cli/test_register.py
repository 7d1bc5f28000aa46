"""`sipprobe register` as a process and in this one: what is printed, exit codes, and what is left behind."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from probes.capture.files import read_packets
from probes.cli.call_codes import registration_exit_code
from probes.cli.exit_codes import ExitCode
from probes.cli.main import main
from probes.cli.saving import MESSAGE_ENDS
from probes.registration.judge import RegistrationKind, judge
from tests.probes.cli.test_call import Peer, peer, sipprobe
from tests.probes.discovery.network import HOST, free_port
from tests.probes.registration.desk import Desk
from tests.probes.registration.test_plan import PROBE
from tests.probes.report.schemas import load, violations

COMMAND = (sys.executable, "-u", "-m", "probes.cli.main", "register")
STEP_NS = 500_000_000
"""By how much somebody may set the clock meanwhile."""
OTHER = "sip:alice@198.51.100.7"


@pytest.fixture(autouse=True)
def no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIPPROBE_PASSWORD", raising=False)


def place(one: Peer) -> str:
    """Address and port."""
    return one.target.partition("@")[2]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["register", *arguments])
    assert isinstance(left.value.code, int)
    return left.value.code


def test_words(capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk()
    with peer(desk) as bob:
        assert run(f"alice@{place(bob)}") == ExitCode.OK
    shown, told = capsys.readouterr()
    lines = shown.splitlines()
    assert sum("REGISTER sip:" in line for line in lines) == 3
    assert "registered: accepted for 60 s, and removed again" in lines
    assert "  registered     nobody" in lines
    assert told == ""
    assert desk.contacts == {}


def test_data(capsys: pytest.CaptureFixture[str]) -> None:
    with peer(Desk({OTHER: 300})) as bob:
        assert run(f"alice@{place(bob)}", "--json") == ExitCode.OK
    data = json.loads(capsys.readouterr().out)
    assert violations(data, load("registration")) == []
    assert (data["kind"], data["registered_before"]) == ("accepted", [{"uri": OTHER, "expires_s": 300}])


def test_files(tmp_path: Path) -> None:
    files = [tmp_path / f"alice{end}" for end in MESSAGE_ENDS]
    with peer(Desk()) as bob:
        begun = time.time_ns()
        assert run(f"alice@{place(bob)}", *(word for file in files for word in ("--save", str(file)))) == ExitCode.OK
    capture, picture, diagram, data = files
    packets = list(read_packets(capture.read_bytes()))
    assert [packet.data.count(b"REGISTER sip:") for packet in packets] == [1, 0] * 3
    assert begun - STEP_NS < packets[0].at_ns < packets[-1].at_ns < time.time_ns() + STEP_NS
    assert "Registration of sip:alice@" in picture.read_text()
    assert diagram.read_text().count("REGISTER sip#58;") == 3
    assert violations(json.loads(data.read_text()), load("registration")) == []


@pytest.mark.parametrize(
    ("file", "told"), [("alice.html", "has to end in .pcapng, .svg, .mmd, .json"), ("no/alice.svg", "no directory")]
)
def test_files_that_cannot_be(file: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk()
    with peer(desk) as bob:
        assert run(f"alice@{place(bob)}", "--save", str(tmp_path / file)) == ExitCode.USAGE
    assert told in capsys.readouterr().err
    assert desk.came == []


def test_options(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIPPROBE_PASSWORD", "secret")
    desk = Desk({OTHER: 300})
    with peer(desk) as bob:
        assert run(place(bob), "--user", "al ice", "--beside", "--expires", "90", "--timeout", "2", "--json") == 0
        data = json.loads(capsys.readouterr().out)
        assert run(f"alice@{place(bob)}", "--only-ask") == 0
    assert (data["aor"], data["asked_s"]) == (f"sip:al%20ice@{place(bob)}", 90)
    assert desk.came == ["ask", "bind", "remove", "ask"]


def test_somebody_is_expected(capsys: pytest.CaptureFixture[str]) -> None:
    absent, present = Desk(), Desk({OTHER: 300})
    with peer(absent) as bob:
        assert run(f"alice@{place(bob)}", "--expect-contact", "--json") == ExitCode.FAILED
    told = capsys.readouterr()
    data = json.loads(told.out)
    assert violations(data, load("registration")) == []
    assert (data["kind"], data["works"], data["registered_before"]) == ("nobody", False, [])
    assert "nobody is registered, so that no call gets there; see at the phone or PBX why" in told.err
    with peer(present) as bob:
        assert run(f"alice@{place(bob)}", "--expect-contact") == ExitCode.OK
        assert run(f"alice@{place(bob)}", "--expect-contact", "--beside") == ExitCode.USAGE
    told = capsys.readouterr()
    assert "1 contact is registered, as expected" in told.out
    assert "leave one out" in told.err
    assert (absent.came, present.came) == (["ask"], ["ask"])


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ({"ask": "401 Unauthorized\nWWW-Authenticate: Digest realm=r, nonce=n"}, ExitCode.AUTHENTICATION),
        ({"ask": "404 Not Found"}, ExitCode.FAILED),
        ({"bind": "403 Forbidden"}, ExitCode.FAILED),
        ({"ask": ""}, ExitCode.NO_ANSWER),
    ],
)
@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_exit_codes(
    statuses: dict[str, str], code: ExitCode, as_json: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with peer(Desk(statuses=statuses)) as bob:
        assert run(f"alice@{place(bob)}", "--timeout", "0.3", *as_json) == code
    told = capsys.readouterr().err
    assert told.startswith(f"sipprobe: sip:alice@{place(bob)}: ")
    assert told.count("\n") == 1


@pytest.mark.parametrize("kind", RegistrationKind)
def test_every_ending_has_one(kind: RegistrationKind) -> None:
    report = replace(judge(PROBE, None, [], interrupted=True), kind=kind)
    assert (registration_exit_code(report) == ExitCode.OK) == (
        kind in (RegistrationKind.REGISTERED, RegistrationKind.ACCEPTED)
    )


def test_a_closed_port() -> None:
    assert run(f"alice@{HOST}:{free_port()}") == ExitCode.REFUSED


def test_whom(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("pbx.example") == ExitCode.USAGE
    assert capsys.readouterr().err == "sipprobe: whom to register? give sip:user@host, or --user\n"


def test_the_password_is_that_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "password"
    file.write_text("secret\n")
    challenge = "401 Unauthorized\nWWW-Authenticate: Digest realm=r, nonce=n"
    seen: list[bytes] = []
    desk = Desk(statuses={"ask": challenge})

    def listening(data: bytes) -> bytes | None:
        seen.append(data)
        return desk(data)

    with peer(listening) as bob:
        assert run(f"al%20ice@{place(bob)}", "--password-file", str(file)) == ExitCode.AUTHENTICATION
        assert run(f"alice@{place(bob)}", "--password-file", str(file), "--user", "bob") == ExitCode.AUTHENTICATION
        monkeypatch.setenv("SIPPROBE_PASSWORD", "secret")
        assert run(f"carol@{place(bob)}") == ExitCode.AUTHENTICATION
    proofs = [data for data in seen if b"Authorization:" in data]
    assert [name in proof for name, proof in zip((b'"al ice"', b'"bob"', b'"carol"'), proofs, strict=True)] == [
        True
    ] * 3


def test_ctrl_c_leaves_nothing() -> None:
    desk = Desk()

    def losing(data: bytes) -> bytes | None:
        answer = desk(data)
        if desk.came[-1] == "bind":
            running.send_signal(signal.SIGINT)
            return None
        return answer

    with peer(losing) as bob:
        running = subprocess.Popen(
            [*COMMAND, f"alice@{place(bob)}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        shown, _ = running.communicate(timeout=30)
    assert running.returncode == ExitCode.INTERRUPTED
    assert desk.contacts == {}
    assert "interrupted: interrupted here" in shown


def test_a_pipe_gets_words() -> None:
    with peer(Desk()) as bob:
        ended = sipprobe("register", f"alice@{place(bob)}")
    assert ended.returncode == 0
    assert "\x1b" not in ended.stdout
