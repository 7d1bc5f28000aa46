"""What is under standard output: readers that go, disks that are full, encodings without lines and arrows."""

import codecs
import os
from collections.abc import Iterator
from io import BufferedWriter, TextIOWrapper
from pathlib import Path

import pytest

from probes.cli.streams import Outlet, OutputError, in_ascii, is_abandoned


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Where to read, and where to write."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(writing)


def test_what_is_read_is_written(pipe: tuple[int, int]) -> None:
    outlet = Outlet(pipe[1])
    assert outlet.write(b"hello") == 5
    assert os.read(pipe[0], 10) == b"hello"
    assert not outlet.is_abandoned
    os.close(pipe[0])
    assert outlet.is_abandoned, "although nothing was written since"


def test_a_reader_that_goes_raises_nothing(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    os.close(pipe[0])
    stream = TextIOWrapper(BufferedWriter(Outlet(pipe[1])), "utf-8")
    monkeypatch.setattr("sys.stdout", stream)
    for _ in range(2):
        stream.write("hello\n")
        stream.flush()
        assert is_abandoned()


def test_what_is_no_outlet_is_not_abandoned(capsys: pytest.CaptureFixture[str]) -> None:
    assert not is_abandoned()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full here")
def test_a_full_disk_is_told_once() -> None:
    with Path("/dev/full").open("wb") as file:
        outlet = Outlet(file.fileno())
        with pytest.raises(OutputError, match="No space left"):
            outlet.write(b"hello")
        assert not outlet.is_abandoned
        assert outlet.write(b"hello") == 5  # what the interpreter flushes when it ends


def test_a_terminal_that_is_not_utf_8() -> None:
    codecs.register_error("probe", in_ascii)
    assert "├── 200 OK é ▶│".encode("ascii", "probe") == b"+-- 200 OK \\xe9 >|"
    assert "é ▶".encode("latin-1", "probe") == b"\xe9 >"


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_bytes_that_were_not_utf_8(encoding: str) -> None:
    codecs.register_error("probe", in_ascii)
    assert "caf\udce9".encode(encoding, "probe") == rb"caf\xe9"
