"""Files that results go to: all of one or nothing, and nothing of what was there before is lost."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer

from probes.cli.saving import write_all, write_whole

LIMIT = 1000


@contextmanager
def little_room() -> Iterator[None]:
    """No file can grow beyond LIMIT bytes, as on a disk that is full."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


def test_what_does_not_fit_leaves_what_was_there(tmp_path: Path) -> None:
    file, other = tmp_path / "call.json", tmp_path / "new.json"
    file.write_bytes(b"before")
    for each in (file, other):
        with little_room(), pytest.raises(OSError, match="large") as raised:
            write_whole(each, bytes(LIMIT + 1))
        assert raised.value.errno == errno.EFBIG
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("call.json", b"before")]


def test_each_file_is_tried_and_each_failure_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = [("--save", tmp_path / name, lambda size=size: bytes(size)) for name, size in (("a", LIMIT + 1), ("b", 1))]
    with little_room(), pytest.raises(typer.Exit) as left:
        write_all(wanted)
    assert left.value.exit_code == 2
    assert capsys.readouterr().err == f"sipprobe: --save {tmp_path / 'a'}: File too large\n"
    assert [each.name for each in tmp_path.iterdir()] == ["b"]


def test_a_file_keeps_its_mode_and_its_links(tmp_path: Path) -> None:
    file, link, new = tmp_path / "call.json", tmp_path / "link.json", tmp_path / "new.json"
    file.write_bytes(b"before")
    file.chmod(0o640)
    link.symlink_to(file)
    for each in (link, new):
        write_whole(each, b"after")
    assert link.is_symlink()
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"after", 0o640)
    mask = os.umask(0o22)
    os.umask(mask)
    assert new.stat().st_mode & 0o777 == 0o666 & ~mask


def test_what_is_no_plain_file_is_written_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole(pipe, b"content")
        assert os.read(reader, 100) == b"content"
    finally:
        os.close(reader)
    write_whole(Path("/dev/null"), b"content")
    assert Path("/dev/null").is_char_device()
