"""`sipprobe diagnose`: the verdict on a stored result and on a capture, in words and as data."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from probes.cli.main import main
from probes.report.call_json import call_data
from probes.result import CallKind
from tests.probes.calls.judge.captures import pcap, signalling
from tests.probes.calls.judge.said import INVITE, WHOLE, response
from tests.probes.calls.judge.test_diagnosis import stored
from tests.probes.report import schemas


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
    data = json.loads(capsys.readouterr().out)
    assert schemas.violations(data, schemas.load("diagnosis")) == []
    (found,) = data
    assert (found["status"], found["findings"][0]["code"]) == ("failed", "source-not-trusted")


def test_a_stored_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "call.json"
    file.write_text(json.dumps(call_data(stored(*WHOLE, kind=CallKind.CONNECTED))))
    assert run(file) == 0
    assert "nothing is wrong with it\n" in capsys.readouterr().out


def test_a_call_that_came_to_no_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "call.json"
    result = stored(INVITE, response("180 Ringing"), kind=CallKind.INTERRUPTED)
    file.write_text(json.dumps(call_data(replace(result, why="interrupted here after 2.0 s, while it rang"))))
    assert run(file) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "nothing is wrong with it as far as it went: interrupted here after 2.0 s, while it rang" in told
    file.write_bytes(pcap(signalling(INVITE, response("180 Ringing"))))
    assert run(file) == 0
    assert "as far as it went: no final response was seen" in " ".join(capsys.readouterr().out.split())


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


@pytest.mark.parametrize("verb", ["diagnose", "replay"])
def test_packets_that_are_cut_off_are_told(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As whoever captures headers only has them: what is missing looks like silence otherwise."""
    whole = signalling(INVITE, response("200 OK"))
    file = tmp_path / "cut.pcap"
    for packets, told in (
        ([replace(each, data=each.data[:200]) for each in whole], "2 packets are cut off"),
        ([whole[0], replace(whole[1], data=whole[1].data[:200])], "one packet is cut off"),
    ):
        file.write_bytes(pcap(packets, lengths=[len(each.data) for each in whole]))
        with pytest.raises(SystemExit):
            main([verb, str(file)])
        assert told in capsys.readouterr().err


def test_a_link_layer_that_is_not_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "air.pcap"
    data = pcap(signalling(INVITE, response("200 OK")))
    file.write_bytes(data[:20] + (105).to_bytes(4, "little") + data[24:])
    assert run(file) == 1
    assert "no calls; 2 packets are of link type 105, which is not read here" in capsys.readouterr().err


def test_a_compressed_capture(refused: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = refused.with_suffix(".pcap.gz")
    packed.write_bytes(gzip.compress(refused.read_bytes()))
    assert run(packed) == 1
    assert "source-not-trusted" in capsys.readouterr().out
    packed.write_bytes(b"\x1f\x8b\x09" + bytes(20))
    assert run(packed) == 2
    assert "cannot be unpacked" in capsys.readouterr().err
