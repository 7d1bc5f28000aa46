"""`sipprobe parse`: files in, words or JSON out, and the exit code."""

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from probes.cli.exit_codes import ExitCode
from probes.cli.main import main
from sipcore.message.parser import MAX_MESSAGE
from tests.probes.report import schemas
from tests.probes.report.messages import FIXTURES, SECRETS, WITH_SECRETS

OPTIONS, INVITE = str(FIXTURES / "options.sip"), str(FIXTURES / "invite.sip")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["parse", *arguments])
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.fixture
def broken(tmp_path: Path) -> str:
    file = tmp_path / "broken.sip"
    file.write_bytes(Path(OPTIONS).read_bytes().replace(b"4711 OPTIONS", b"4711"))
    return str(file)


def test_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(INVITE) == ExitCode.OK
    shown, told = capsys.readouterr()
    lines = shown.splitlines()
    assert lines[0] == "INVITE sip:bob@203.0.113.4;transport=udp SIP/2.0"
    assert "        8 PCMA/8000" in lines
    assert max(map(len, lines)) <= 80
    assert (told, "\x1b" in shown) == ("", False)


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(INVITE, "--json") == ExitCode.OK
    data = json.loads(capsys.readouterr().out)
    assert schemas.violations(data, schemas.load("message")) == []
    assert data["start"]["method"] == "INVITE"


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    data = Path(OPTIONS).read_bytes().replace(b"\r\n", b"\n")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    assert run("-") == ExitCode.OK
    assert "a line ends in LF instead of CRLF" in capsys.readouterr().out


def test_a_message_with_an_error(broken: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(broken) == ExitCode.FAILED
    assert "error: CSeq, byte 268: CSeq is a number and a method [RFC 3261 §20.16]" in capsys.readouterr().out
    assert run(broken, "--json") == ExitCode.FAILED
    assert json.loads(capsys.readouterr().out)["errors"][0]["where"] == "CSeq"


def test_what_is_no_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_bytes(b"\x1b[31m\0\xff")
    assert run(str(tmp_path / "x")) == ExitCode.FAILED
    shown = capsys.readouterr().out
    assert "not a SIP message" in shown
    assert "\x1b" not in shown


def test_secrets_stay_in_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, other = tmp_path / "a", tmp_path / "b"
    file.write_bytes(WITH_SECRETS)
    other.write_bytes(WITH_SECRETS.replace(b"5ecret", b"6ecret"))
    for arguments in ([], ["--json"], ["--diff", str(other)], ["--diff", str(other), "--json"]):
        run(str(file), *arguments)
    shown = "".join(capsys.readouterr())
    assert not [secret for secret in SECRETS if secret in shown]


def test_files_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "large").write_bytes(b"x" * (MAX_MESSAGE + 1))
    for file, reason in (
        ("nowhere", "No such file or directory"),
        (str(tmp_path), "Is a directory"),
        ("a\0b", "embedded null byte"),
        (str(tmp_path / "large"), "cut the message out of it"),
    ):
        assert run(file) == ExitCode.USAGE
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert reason in told


def test_differences(broken: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(OPTIONS, "--diff", broken) == ExitCode.FAILED
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{broken}:"
    assert lines[1].startswith("error: CSeq")
    assert lines[-3:] == ["- CSeq: 4711 OPTIONS", "+ CSeq: 4711", "1 difference: 1 changed"]


def test_no_differences(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(OPTIONS, "--diff", OPTIONS) == ExitCode.OK
    assert capsys.readouterr().out == "no differences\n"


def test_differences_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(OPTIONS, "--diff", INVITE, "--json") == ExitCode.FAILED
    data = json.loads(capsys.readouterr().out)
    assert schemas.violations(data, schemas.load("message_diff")) == []
    assert data["equal"] is False


def test_standard_input_cannot_be_read_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("-", "--diff", "-") == ExitCode.USAGE
    assert "give a file for one" in capsys.readouterr().err
