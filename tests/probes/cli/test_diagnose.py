"""`sipprobe diagnose`: the verdict on a stored result and on a capture, in words and as data."""

import json
from pathlib import Path

import pytest

from probes.cli.main import main
from probes.report.call_json import call_data
from probes.result import CallKind
from tests.probes.calls.judge.captures import pcap, signalling
from tests.probes.calls.judge.said import INVITE, WHOLE, response
from tests.probes.calls.judge.test_diagnosis import stored


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["diagnose", *map(str, arguments)])
    code = ended.value.code
    assert isinstance(code, int)
    return code


@pytest.fixture
def refused(tmp_path: Path) -> Path:
    file = tmp_path / "refused.pcap"
    file.write_bytes(pcap(signalling(INVITE, response("403 Forbidden", "Server: Asterisk"))))
    return file


def test_a_capture_in_words(refused: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(refused) == 1
    told = capsys.readouterr().out
    assert "failed (403 Forbidden)" in told
    assert "source-not-trusted" in told
    assert "cure: " in told
    assert max(map(len, told.splitlines())) <= 80


def test_a_capture_as_data(refused: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(refused, "--json") == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["status"], found["findings"][0]["code"]) == ("failed", "source-not-trusted")


def test_a_stored_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "call.json"
    file.write_text(json.dumps(call_data(stored(*WHOLE, kind=CallKind.CONNECTED))))
    assert run(file) == 0
    assert "nothing is wrong with it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        (b"", 2, "cannot read"),
        (b"{", 2, "no JSON"),
        (b"{}", 2, "no timeline"),
        (b"[" * 100_000, 2, "cannot read"),
        (b'{"a":' * 100_000, 2, "no JSON"),
        (pcap([]), 1, "no calls"),
    ],
)
def test_what_cannot_be_judged(
    content: bytes, code: int, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    assert run(file) == code
    assert told in capsys.readouterr().err


def test_a_call_that_is_not_there(refused: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(refused, "--call", 2) == 1
    assert "there is no call 2" in capsys.readouterr().err
    assert run(refused, "--call", 1) == 1


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "none") == 2
    assert "cannot read" in capsys.readouterr().err
