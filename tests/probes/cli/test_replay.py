"""`sipprobe replay`, as a program."""

import json
import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from probes.capture.files import read_packets
from probes.cli.exit_codes import ExitCode
from probes.report.call_json import call_data
from probes.report.packets import packets
from probes.report.pcapng import pcapng
from probes.result import CallKind
from tests.probes.calls.judge.captures import pcap, report, rtp, signalling
from tests.probes.calls.judge.said import WHOLE
from tests.probes.calls.judge.test_diagnosis import stored
from tests.probes.capture.secured import secured
from tests.probes.report.recorded import BUSY, INVITE, SECRET, received, sent
from tests.probes.report.schemas import load, violations


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "probes.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def replay(*arguments: object) -> subprocess.CompletedProcess[str]:
    return run("replay", *arguments)


@pytest.fixture
def one(tmp_path: Path) -> Path:
    file = tmp_path / "one.pcapng"
    file.write_bytes(pcapng(packets([sent(0.0), sent(0.5, attempt=1), received(0.75)]), epoch_ns=10**18))
    return file


@pytest.fixture
def two(tmp_path: Path) -> Path:
    file = tmp_path / "two.pcapng"
    other = INVITE.replace(b"a@192.0.2.1", b"b@192.0.2.1")
    file.write_bytes(pcapng(packets([sent(0.0), received(0.1), sent(1.0, other)]), epoch_ns=10**18))
    return file


def test_one_call_is_shown_whole(one: Path) -> None:
    done = replay(one)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert done.stdout == (
        "   1  INVITE sip:bob@biloxi.example from sip:alice@atlanta.example\n"
        "      486 Busy <Here> & there after 750 ms; 3 messages in 0.750 s, 1 of them repeated\n"
        "       ms  192.0.2.1                                                   192.0.2.2\n"
        "      0.0  ├── INVITE sip:bob@biloxi.example ─────────────────────────────────▶│\n"
        "    500.0  ├╌╌ INVITE retransmission 1 sip:bob@biloxi.example ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌▶│\n"
        "    750.0  │◀─ 486 Busy <Here> & there to 1 INVITE ────────────────────────────┤\n"
    )


def test_several_are_listed_and_one_is_chosen(two: Path) -> None:
    listed = replay(two).stdout
    assert [line[:4].strip() for line in listed.splitlines()] == ["1", "", "2", ""]
    assert "no final response was captured; 1 messages" in listed
    assert "├── INVITE" in replay(two, "--call", 2).stdout


def test_a_capture_out_of_a_pipe_is_saved(one: Path, tmp_path: Path) -> None:
    """It can be read once."""
    saved, piped = tmp_path / "file.html", tmp_path / "pipe.html"
    assert replay(one, "--save", saved).returncode == ExitCode.OK
    command = [sys.executable, "-m", "probes.cli.main", "replay", "/dev/stdin", "--save", str(piped)]
    done = subprocess.run(command, input=one.read_bytes(), capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (ExitCode.OK, b"")
    told = [re.sub(r"[0-9-]+ [0-9:]+ UTC", "", file.read_text()) for file in (saved, piped)]
    assert "callee-busy" in told[1]
    assert told[0] == told[1]


@pytest.mark.parametrize("end", [".html", ".svg", ".mmd", ".pcapng"])
def test_a_call_is_saved(two: Path, tmp_path: Path, end: str) -> None:
    file = tmp_path / f"call{end}"
    assert replay(two, "--call", 1, "--save", file).returncode == ExitCode.OK
    data = file.read_bytes()
    assert data.startswith((b"<!DOCTYPE html>", b"<svg ", b"sequenceDiagram", b"\n\r\r\n"))
    assert SECRET.encode() not in data
    assert end != ".pcapng" or BUSY in data


def test_a_call_is_saved_in_several_ways_at_once(one: Path, tmp_path: Path) -> None:
    files = [tmp_path / "call.svg", tmp_path / "call.mmd"]
    assert replay(one, *(word for file in files for word in ("--save", file))).returncode == ExitCode.OK
    assert all(file.stat().st_size for file in files)


@pytest.mark.parametrize("end", [".html", ".svg", ".mmd", ".pcapng"])
def test_a_stored_result_is_replayed(tmp_path: Path, end: str) -> None:
    result = stored(*WHOLE, kind=CallKind.CONNECTED)
    file, saved = tmp_path / "call.json", tmp_path / f"call{end}"
    file.write_text(json.dumps(call_data(result)))
    done = replay(file, "--save", saved)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert "200 OK after" in done.stdout
    assert b"INVITE" in saved.read_bytes()


def test_calls_as_data_which_are_replayed_again(two: Path, tmp_path: Path) -> None:
    done = replay(two, "--json")
    data = json.loads(done.stdout)
    assert not violations(data, load("replay"))
    assert [call["call_id"] for call in data] == ["a@192.0.2.1", "b@192.0.2.1"]
    assert SECRET not in done.stdout
    assert data[0]["began_at"].startswith("2001-09-09T01:4")
    file = tmp_path / "calls.json"
    file.write_text(done.stdout)
    assert replay(file).stdout == replay(two).stdout
    assert json.loads(replay(file, "--json").stdout)[0]["began_at"] == data[0]["began_at"]


def whole_call() -> bytes:
    """A capture of a call with its audio, of which every tenth packet from the callee is missing."""
    back = [packet for number, packet in enumerate(rtp(sent=False)) if number % 10 != 5]
    first, last = signalling(*WHOLE[:4]), signalling(*WHOLE[4:])
    ending = [replace(each, at_ns=each.at_ns + 2 * 10**9) for each in last]
    return pcap([*first, *rtp(sent=True), *back, report(1.0, 3), *ending])


def test_the_audio_of_a_captured_call_is_part_of_its_ladder(tmp_path: Path) -> None:
    file = tmp_path / "call.pcap"
    file.write_bytes(whole_call())
    rows = replay(file).stdout.splitlines()
    assert rows[2].split() == ["ms", "192.0.2.1", "198.51.100.1"]
    order = [next(n for n, row in enumerate(rows) if part in row) for part in ("├━━", "◀━ RTP", "┌─", "└─", "BYE")]
    assert order == sorted(order)
    told = "".join(rows)
    for part in ("RTP PCMU 60 packets", "10.0 % lost", "received 54, lost 6 (10.0 %)", "the peer lost 3", "MOS "):
        assert part in told


@pytest.mark.parametrize("end", [".html", ".svg", ".mmd"])
def test_the_audio_of_a_captured_call_is_drawn(tmp_path: Path, end: str) -> None:
    file, saved = tmp_path / "call.pcap", tmp_path / f"call{end}"
    file.write_bytes(whole_call())
    assert replay(file, "--save", saved).returncode == ExitCode.OK
    text = saved.read_text()
    assert "received 54, lost 6" in text
    assert end == ".mmd" or 'class="box"' in text
    assert end != ".html" or "opinion score" in text


def test_the_audio_of_a_captured_call_is_data_that_is_replayed_again(tmp_path: Path) -> None:
    file, stored = tmp_path / "call.pcap", tmp_path / "call.json"
    file.write_bytes(whole_call())
    stored.write_text(replay(file, "--json").stdout)
    (data,) = json.loads(stored.read_text())
    assert not violations([data], load("replay"))
    assert not violations(data["media"], load("call")["$defs"]["media"], load("call"))
    assert [entry["event"] for entry in data["timeline"]].count("first packet received") == 1
    assert replay(stored).stdout == replay(file).stdout


def test_the_messages_go_to_a_collector(one: Path) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as collector:
        collector.bind(("127.0.0.1", 0))
        collector.settimeout(10)
        assert replay(one, "--hep", f"127.0.0.1:{collector.getsockname()[1]}").returncode == ExitCode.OK
        assert [collector.recv(65535)[:4] for _ in range(3)] == [b"HEP3"] * 3


def test_all_that_a_stored_result_tells_is_shown(tmp_path: Path) -> None:
    data = call_data(stored(*WHOLE, kind=CallKind.CONNECTED))
    note = {"offset_ms": 0.5, "direction": None, "label": "DNS", "detail": "A bob.example: 192.0.2.2", "message": None}
    file = tmp_path / "call.json"
    file.write_text(json.dumps(data | {"timeline": [note, *data["timeline"]]}))  # type: ignore[misc]  # a list it is
    assert "      0.5  │ DNS A bob.example: 192.0.2.2  " in replay(file).stdout


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["{two}", "--save", "x.svg"], ExitCode.USAGE, "choose it with --call"),
        (["{two}", "--call", "0"], ExitCode.USAGE, "Invalid value for '--call'"),
        (["{two}", "--call", "3"], ExitCode.FAILED, "there is no call 3; it has 2"),
        (["{two}", "--call", "1", "--save", "x.txt"], ExitCode.USAGE, "has to end in .html, .svg"),
        (["{two}", "--call", "1", "--save", "no/such/x.svg"], ExitCode.USAGE, "there is no directory no/such"),
        (["/nowhere.pcap"], ExitCode.USAGE, "No such file"),
        ([__file__], ExitCode.USAGE, "neither a capture (pcap or pcapng) nor the JSON of"),
        (["{empty}"], ExitCode.FAILED, "no SIP messages"),
    ],
)
def test_what_cannot_be_done_is_told(
    two: Path, tmp_path: Path, arguments: list[str], code: ExitCode, told: str
) -> None:
    empty = tmp_path / "empty.pcapng"
    empty.write_bytes(pcapng([], epoch_ns=0))
    done = replay(*(argument.format(two=two, empty=empty) for argument in arguments))
    assert done.returncode == code
    assert told in done.stderr


def test_a_call_over_tls_is_shown_where_its_keys_are(tmp_path: Path) -> None:
    made = secured([(True, INVITE), (False, BUSY)])
    inside, outside, keys = (tmp_path / name for name in ("inside.pcapng", "outside.pcapng", "keys.log"))
    inside.write_bytes(pcapng(made.packets(), epoch_ns=10**18, key_log=made.key_log))
    outside.write_bytes(pcapng(made.packets(), epoch_ns=10**18))
    keys.write_bytes(made.key_log)
    shown = [replay(inside), replay(outside, "--keylog", keys)]
    assert [(done.returncode, done.stderr) for done in shown] == [(ExitCode.OK, "")] * 2
    assert shown[0].stdout == shown[1].stdout
    assert "◀─ 486 Busy" in shown[0].stdout
    saved = tmp_path / "call.html"
    told = replay(outside, "--keylog", keys, "--json", "--save", saved).stdout
    (data,) = json.loads(told)
    assert not violations([data], load("replay"))
    assert [entry["message"]["transport"] for entry in data["timeline"]] == ["tls", "tls"]
    assert "callee-busy" in saved.read_text()
    assert not any(secret.decode() in told + saved.read_text() for line in made.keys for secret in line.split()[1:])


@pytest.mark.parametrize("verb", ["replay", "diagnose"])
def test_a_call_over_tls_without_its_keys_is_told_of(tmp_path: Path, verb: str) -> None:
    file, other = tmp_path / "call.pcapng", tmp_path / "other"
    file.write_bytes(pcapng(secured([(True, INVITE)]).packets(), epoch_ns=10**18))
    other.write_bytes(b"INVITE sip:bob@biloxi.example SIP/2.0\r\n")
    done = run(verb, file)
    assert done.returncode == ExitCode.FAILED
    first, last = done.stderr.splitlines()
    assert first == (
        f"sipprobe: {file}: 192.0.2.1:40000 to 192.0.2.2:5061 in TLS 1.3: its keys are not known: "
        "give what either end wrote as SSLKEYLOGFILE with --keylog FILE"
    )
    assert last.startswith(f"sipprobe: {file}: no ")
    for wrong, told in ((other, "no keys of TLS are in it"), (tmp_path / "none", "No such file")):
        done = run(verb, file, "--keylog", wrong)
        assert done.returncode == ExitCode.USAGE
        assert told in done.stderr


def test_the_audio_of_one_call_goes_with_it_where_that_is_wanted(tmp_path: Path) -> None:
    source, plain, whole = (tmp_path / name for name in ("all.pcap", "plain.pcapng", "whole.pcapng"))
    source.write_bytes(pcap([*signalling(*WHOLE[:3]), *rtp(sent=True), *rtp(sent=False)]))
    for file, options in ((plain, []), (whole, ["--with-media"])):
        assert replay(source, "--save", file, *options).returncode == ExitCode.OK
    assert [len(list(read_packets(file.read_bytes()))) for file in (plain, whole)] == [3, 3 + 2 * 60]


def test_audio_goes_from_captures_into_captures_only(tmp_path: Path) -> None:
    stored_call = tmp_path / "call.json"
    stored_call.write_text(json.dumps(call_data(stored(*WHOLE, kind=CallKind.CONNECTED))))
    for name, told in (("call.svg", "--with-media goes with --save FILE.pcapng"), ("a.pcapng", "no packets of media")):
        done = replay(stored_call, "--with-media", "--save", tmp_path / name)
        assert done.returncode == ExitCode.USAGE
        assert told in done.stderr
