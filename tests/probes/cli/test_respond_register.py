"""`sipprobe respond --register`: told, taken back, refused, tried again; and every command line that cannot work."""

import signal
from pathlib import Path

import pytest

from probes.cli.exit_codes import ExitCode
from probes.cli.main import main
from tests.probes.cli.test_call import peer, sipprobe
from tests.probes.cli.test_register import place
from tests.probes.cli.test_respond import TIMEOUT, ask, data_of, line_of, responding
from tests.probes.registration.desk import Desk


@pytest.fixture(autouse=True)
def no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIPPROBE_PASSWORD", raising=False)


def test_registered_and_taken_back() -> None:
    desk = Desk()
    with peer(desk) as bob, responding("--no-tls", "--register", f"alice@{place(bob)}") as process:
        port = line_of(process).partition(",")[0].rpartition(":")[2]
        told = line_of(process)
        assert told == f"registered as sip:alice@{place(bob)} for 300 s at a time, at sip:alice@127.0.0.1:{port}"
        assert desk.contacts == {f"sip:alice@127.0.0.1:{port}": 300}
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == ExitCode.OK
        assert process.communicate() == ("", "")
        assert (desk.came, desk.contacts) == (["bind", "remove"], {})


def test_for_programs_and_tried_again() -> None:
    desk = Desk(statuses={"bind": "503 Busy\nRetry-After: 0"})

    def busy_once(data: bytes) -> bytes | None:
        answer = desk(data)
        desk.statuses.clear()
        return answer

    with (
        peer(busy_once) as bob,
        responding("--no-tls", "--json", "--register", f"alice@{place(bob)};transport=udp") as process,
    ):
        assert data_of(process)["event"] == "listening"
        failed, registered = data_of(process), data_of(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == ExitCode.OK
        _, told = process.communicate()
    assert (failed["event"], failed["retry_s"]) == ("registration_failed", 0)
    assert failed["why"] == "503 Busy, and asks to wait 0 s (Retry-After)"
    assert told.startswith(f"sipprobe: sip:alice@{place(bob)}: 503 Busy")
    assert told.endswith("; tried again in 0 s\n")
    assert (registered["event"], registered["granted_s"]) == ("registered", 300)
    assert registered["contact"] == next(iter(desk.contacts), registered["contact"])


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("403 Forbidden", ExitCode.FAILED),
        ("401 Unauthorized\nWWW-Authenticate: Digest realm=r, nonce=n", ExitCode.AUTHENTICATION),
    ],
)
@pytest.mark.parametrize("with_scenario", [False, True])
def test_refused_for_good(status: str, code: ExitCode, with_scenario: bool, tmp_path: Path) -> None:
    file = tmp_path / "answers.toml"
    file.write_text('[[answer]]\nname = "first"\n')
    more = ["--scenario", str(file)] if with_scenario else []
    with peer(Desk(statuses={"bind": status})) as bob:
        ended = sipprobe("respond", "--port", "0", "--no-tls", "--register", f"alice@{place(bob)}", *more)
    assert ended.returncode == code
    assert ended.stderr.startswith(f"sipprobe: sip:alice@{place(bob)}: {status.partition(chr(10))[0]}")
    assert ended.stdout.count("\n") == 1


def test_a_scenario_is_taken_back_and_challenges_nobody(tmp_path: Path) -> None:
    file, password = tmp_path / "answers.toml", tmp_path / "password"
    file.write_text('[[answer]]\nname = "first"\nrefuse = 603\n')
    password.write_text("secret")
    desk = Desk()
    with peer(desk) as bob:
        arguments = ("--register", f"alice@{place(bob)}", "--user", "bob", "--password-file", str(password))
        with responding("--no-tls", *arguments, "--scenario", str(file)) as process:
            port = int(line_of(process).partition(",")[0].rpartition(":")[2])
            assert line_of(process).startswith("registered as ")
            assert ask(port, "INVITE").startswith("SIP/2.0 603 ")
            told, _ = process.communicate(timeout=TIMEOUT)
    assert (desk.came, desk.contacts) == (["bind", "remove"], {})
    assert "call 1 of 1: first" in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--register", "pbx.example"], "whom to register? give sip:user@host, or --user"),
        (["--register", "pbx.example", "--user", "a"], "no password for a: set SIPPROBE_PASSWORD"),
        (["--register", "a@127.0.0.1", "--algorithm", "MD5"], "--algorithm says nothing with --register"),
        (["--register", "a@127.0.0.1", "--proxy-auth"], "--proxy-auth says nothing with --register"),
        (["--register", "a@b c"], "cannot read 'a@b c'"),
        (["--register", "a@127.0.0.1", "--silent"], "who answers nothing is not registered"),
    ],
)
def test_what_cannot_work(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["respond", "--port", "0", "--no-tls", *arguments])
    assert left.value.code == ExitCode.USAGE
    assert said in capsys.readouterr().err


def test_credentials_are_the_registrars(tmp_path: Path) -> None:
    """Callers are not challenged with them: the password would be asked of whom it does not concern."""
    file = tmp_path / "password"
    file.write_text("secret")
    seen: list[bytes] = []
    desk = Desk(statuses={"bind": "401 Unauthorized\nWWW-Authenticate: Digest realm=r, nonce=n"})

    def listening(data: bytes) -> bytes | None:
        seen.append(data)
        if b"Authorization:" in data:
            desk.statuses.clear()
        return desk(data)

    with peer(listening) as bob:
        options = ("--register", f"alice@{place(bob)}", "--user", "bob", "--password-file", str(file))
        with responding("--no-tls", *options) as process:
            port = int(line_of(process).partition(",")[0].rpartition(":")[2])
            assert line_of(process).startswith("registered as ")
            assert ask(port, "INVITE", "603").startswith("SIP/2.0 603 ")
            process.send_signal(signal.SIGINT)
            assert process.wait(TIMEOUT) == ExitCode.OK
    assert any(b'username="bob"' in data for data in seen)
