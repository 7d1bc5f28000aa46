"""`--json` where nothing good came of it: a result is JSON on standard output, a mistake in usage is text alone."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from probes.cli.exit_codes import ExitCode
from probes.cli.main import main
from sipcore.resolve.records import LookupFailure, LookupFault, Question
from sipcore.transports.lookup import Lookup
from tests.machine import one_port
from tests.probes.discovery.network import free_port
from tests.probes.report.schemas import load, violations

ROOT = Path(__file__).parents[3]
FAULTY = 'OPTIONS sip:h SIP/2.0\r\nFrom: "caf\udce9\r\nX: \udce9\r\n\r\n'.encode("utf-8", "surrogateescape")
EMPTY_CAPTURE = bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000")
"""A pcap file without a packet."""
NO_CALL = b'{"timeline": []}'


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """What takes everything and answers nothing: over UDP, and over TCP at the same port."""
    with one_port("127.0.0.1") as (udp, tcp):
        tcp.listen()
        yield udp


@pytest.fixture
def nameless(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS has no name at all."""

    async def ask(_: Lookup, question: Question) -> LookupFailure:
        return LookupFailure(question, LookupFault.NXDOMAIN)

    monkeypatch.setattr(Lookup, "ask", ask)
    monkeypatch.setattr("probes.checks.dns.run.system_resolvers", tuple)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main([*arguments, "--json"])
    assert isinstance(left.value.code, int)
    return left.value.code


def is_result(text: str, schema: str) -> object:
    """The document, which is valid and holds nothing that Unicode has not."""
    text.encode()
    data = json.loads(text)
    assert violations(data, load(schema)) == []
    return data


@pytest.mark.usefixtures("nameless")
@pytest.mark.parametrize(
    ("verb", "schema", "target"),
    [
        ("discover", "discovery", "nobody.example"),
        ("tls", "tls", "nobody.example"),
        ("tls", "tls", "wss://nobody.example"),
        ("dns", "dns", "nobody.example"),
        ("call", "call", "sip:bob@nobody.example"),
        ("codecs", "codecs", "sip:bob@nobody.example"),
    ],
)
def test_a_name_without_an_address(verb: str, schema: str, target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(verb, target) == ExitCode.UNRESOLVABLE
    shown, told = capsys.readouterr()
    assert "nobody.example" in json.dumps(is_result(shown, schema))
    assert told.startswith("sipprobe: ")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("verb", "schema", "options"),
    [
        ("discover", "discovery", ["--only-options"]),
        ("tls", "tls", []),
        ("call", "call", []),
        ("codecs", "codecs", []),
        ("sweep", "sweep", ["--port"]),
    ],
)
def test_a_refusal(verb: str, schema: str, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    port = str(free_port())
    where = ["127.0.0.1", *options, port] if verb == "sweep" else [f"127.0.0.1:{port}", *options]
    assert run(verb, *where) == ExitCode.REFUSED
    is_result(capsys.readouterr().out, schema)


@pytest.mark.parametrize(
    ("verb", "schema", "options", "code"),
    [
        ("discover", "discovery", ["--only-options", "--timeout=0.2"], ExitCode.NO_ANSWER),
        ("tls", "tls", ["--timeout=0.2"], ExitCode.TLS_FAILED),
        ("sweep", "sweep", ["--timeout=0.2"], ExitCode.NO_ANSWER),
    ],
)
def test_silence(
    verb: str,
    schema: str,
    options: list[str],
    code: ExitCode,
    silent: socket.socket,
    capsys: pytest.CaptureFixture[str],
) -> None:
    port = str(silent.getsockname()[1])
    where = ["127.0.0.1", "--port", port] if verb == "sweep" else [f"127.0.0.1:{port}"]
    assert run(verb, *where, *options) == code
    is_result(capsys.readouterr().out, schema)


@pytest.mark.parametrize(
    ("verb", "content", "options", "told"),
    [
        ("replay", EMPTY_CAPTURE, [], "no SIP messages"),
        ("replay", NO_CALL, ["--call=2"], "there is no call 2; it has 1"),
        ("diagnose", EMPTY_CAPTURE, [], "no calls"),
    ],
)
def test_a_file_without_such_a_call(
    verb: str, content: bytes, options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(content)
    assert run(verb, str(tmp_path / "file"), *options) == ExitCode.FAILED
    shown, error = capsys.readouterr()
    assert json.loads(shown) == []
    assert told in error


def test_a_message_that_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_bytes(FAULTY)
    assert run("parse", str(tmp_path / "file")) == ExitCode.FAILED
    text = capsys.readouterr().out
    assert is_result(text, "message")
    assert r"caf\\xe9" in text
    assert "udce9" not in text


@pytest.mark.parametrize("character", [r"\ud800", r"\udce9"])
def test_a_stored_result_that_is_no_unicode(character: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON can name what Unicode has not."""
    message = {"transport": "udp", "local": "192.0.2.1:5060", "remote": "192.0.2.2:5060", "text": f"X{character}"}
    entry = {"offset_ms": 0, "direction": "sent", "label": f"X{character}", "message": message}
    stored = json.dumps({"target": "sip:h", "why": character, "timeline": [entry]}).replace("\\\\u", "\\u")
    (tmp_path / "file").write_text(stored)
    for verb, schema in (("replay", "replay"), ("diagnose", "diagnosis")):
        assert run(verb, str(tmp_path / "file")) in (ExitCode.OK, ExitCode.FAILED)
        assert is_result(capsys.readouterr().out, schema)


MISTAKES = [
    ["discover", "sip:bob@"],
    ["discover", "192.0.2.1", "--timeout=never"],
    ["discover", "192.0.2.1", "--ca-file=/nowhere/x"],
    ["ping", "sip:"],
    ["ping", "192.0.2.1", "--interval=0"],
    ["sweep", "192.0.2.1-x"],
    ["sweep", "192.0.2.1", "--exclude=/nowhere/x"],
    ["tls", "udp://192.0.2.1"],
    ["tls", "192.0.2.1", "--deadline=nan"],
    ["dns", "tel:+4930123"],
    ["dns", "example.com", "--nameserver=ns.example"],
    ["call", "sip:"],
    ["call", "sip:bob@192.0.2.1", "--expect=nothing"],
    ["call", "--scenario=/nowhere/x"],
    ["codecs", "sip:bob@192.0.2.1", "--codec=nosuch"],
    ["respond", "--host=nowhere"],
    ["respond", "--refuse=200"],
    ["parse", "/nowhere/x"],
    ["parse", str(ROOT)],
    ["replay", "/nowhere/x"],
    ["replay", str(ROOT)],
    ["replay", __file__],
    ["diagnose", "/nowhere/x"],
    ["diagnose", str(ROOT)],
    ["diagnose", __file__],
]


@pytest.mark.parametrize("arguments", MISTAKES, ids=" ".join)
def test_a_mistake_is_told_in_words_alone(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == ExitCode.USAGE
    shown, told = capsys.readouterr()
    assert shown == ""
    assert told


def _nothing(lines: list[str]) -> bool:
    return lines == []


def _interrupted(lines: list[str]) -> bool:
    data = json.loads("".join(lines))
    return violations(data, load("call")) == [] and data["kind"] == "interrupted"


def _broken_off(lines: list[str]) -> bool:
    last = json.loads(lines[-1])
    return violations(last, load("ping")) == [] and (last["event"], last["awaited"]) == ("summary", 1)


def _summary(lines: list[str]) -> bool:
    last = json.loads(lines[-1])
    return (last["type"], last["complete"]) == ("summary", False)


@pytest.mark.parametrize(
    ("arguments", "shows"),
    [
        (["discover", "127.0.0.1:{port}", "--only-options", "--timeout=60"], _nothing),
        (["call", "sip:bob@127.0.0.1:{port}"], _interrupted),
        (["ping", "127.0.0.1:{port}", "--count=2", "--interval=60", "--timeout=32"], _broken_off),
        (["sweep", "127.0.0.1", "--port={port}", "--timeout=32"], _summary),
    ],
    ids=["discover", "call", "ping", "sweep"],
)
def test_ctrl_c(
    arguments: list[str], shows: Callable[[list[str]], bool], silent: socket.socket, tmp_path: Path
) -> None:
    """What is stopped has no result, but for what was found, or recorded, by then."""
    port = silent.getsockname()[1]
    words = [sys.executable, "-m", "probes.cli.main", *(word.format(port=port) for word in arguments), "--json"]
    pipe, environment = subprocess.PIPE, {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=pipe, stderr=pipe, text=True) as running:
        silent.recv(65535)  # it has begun
        running.send_signal(signal.SIGINT)
        shown, _ = running.communicate()
    assert running.returncode in (ExitCode.INTERRUPTED, -signal.SIGINT)
    assert shows(shown.splitlines())
