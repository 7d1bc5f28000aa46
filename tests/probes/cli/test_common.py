"""What the verbs share: what is said on standard error."""

import os
import sys
from pathlib import Path

import pytest
import typer

from probes.cli import common
from probes.cli.common import read_content, tell
from probes.cli.main import main

LONG = f"cannot read {' '.join(['well-known'] * 12)}"


def test_a_pipe_is_read() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"all of it")
    os.close(writing)
    assert read_content(Path(f"/dev/fd/{reading}")) == b"all of it"
    os.close(reading)


def test_a_device_without_an_end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(common, "MAX_UNSIZED", 1 << 20)
    with pytest.raises(typer.Exit):
        read_content(Path("/dev/zero"))
    assert "cannot read /dev/zero: it does not end within 1 MiB; write it to a file" in capsys.readouterr().err


def as_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))


def test_a_program_reads_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    tell(LONG, "here")
    assert capsys.readouterr().err == f"sipprobe: {LONG}\n"


def test_nothing_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    tell("")
    assert capsys.readouterr().err == ""


def test_a_person_reads_whole_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    as_terminal(monkeypatch, 40)
    tell(LONG, "here\n^")
    lines = capsys.readouterr().err.splitlines()
    assert max(map(len, lines)) <= 40
    assert " ".join(line.strip() for line in lines[:-2]) == f"sipprobe: {LONG}"
    assert lines[1].startswith("  well-known")
    assert lines[-2:] == ["  here", "  ^"]


def test_a_person_sees_the_place(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    as_terminal(monkeypatch, 80)
    with pytest.raises(SystemExit):
        main(["dns", "sip:bob@"])
    assert capsys.readouterr().err.splitlines()[-2:] == ["  sip:bob@", "          ^"]
