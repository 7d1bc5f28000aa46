"""`sipprobe demo`: the whole way, from nothing to a call."""

import socket

import pytest
import trio

from probes.cli import demo
from probes.cli.exit_codes import ExitCode
from probes.cli.main import main
from tests.probes.discovery.network import HOST, free_port, ok, udp


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["demo", *arguments])
    assert isinstance(left.value.code, int)
    return left.value.code


def test_the_built_in_responder(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(demo, "CALLED", "echo")  # who does not ring before answering
    monkeypatch.setattr(demo, "HOLD", 0.1)
    assert run() == ExitCode.OK
    shown, told = capsys.readouterr()
    assert "answers SIP over UDP, TCP and TLS" in shown
    assert f"the certificate proves {HOST}" in " ".join(shown.split())
    story = shown.partition("$ sipprobe call")[2]
    places = [story.index(text) for text in ("initiated", "INVITE", "200 OK", "ACK", "BYE", "completed")]
    assert places == sorted(places)
    assert "connected: answered" in story
    assert told == ""


def test_a_target_that_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"udp://{HOST}:{free_port()}") == ExitCode.REFUSED
    assert "sipprobe call" not in capsys.readouterr().out


def test_a_target_that_does_not_take_the_call(capsys: pytest.CaptureFixture[str]) -> None:
    async def play() -> int:
        async with udp(lambda data: ok(data, status="404 Not Found")) as port:
            return await trio.to_thread.run_sync(run, f"udp://{HOST}:{port}")

    assert trio.run(play) == ExitCode.FAILED
    assert "404 Not Found" in capsys.readouterr().out.partition("$ sipprobe call")[2]


def test_a_target_that_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("not a host") == ExitCode.USAGE
    assert "cannot read 'not a host'" in capsys.readouterr().err


def test_a_port_that_is_taken_meanwhile(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        monkeypatch.setattr(demo, "_free_port", lambda: taken.getsockname()[1])
        assert run() == ExitCode.USAGE
    assert len(capsys.readouterr().err.splitlines()) == 1
