"""`sipprobe serve` and `sipprobe keys`: begun, asked, stopped; and what is told of what cannot be used."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from rich.cells import cell_len

from probes.cli.exit_codes import ExitCode
from probes.cli.main import main
from tests.probes.store.test_new_key import filled

SECONDS = 20.0
FILE = 'bind = "127.0.0.1:0"\nstore = "service.db"\n[reach]\nallow = ["10.0.0.0/8"]\nrefuse = ["198.51.100.0/24"]\n'
ALERT = '[[alert]]\ntenant = "acme"\nmeans = "email"\napprise_env = "ACME_MAIL"\n'


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as left:
        main([*map(str, arguments)])
    assert isinstance(left.value.code, int)
    return left.value.code


@contextmanager
def serving(*arguments: str | Path) -> Iterator[tuple["subprocess.Popen[str]", list[str]]]:
    """A process that serves, and what it says at the beginning."""
    command = [sys.executable, "-m", "probes.cli.main", "serve", *map(str, arguments)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "TZ": "Asia/Tokyo"}  # whatever zone a host has
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            said = [process.stdout.readline().rstrip("\n") for _ in range(2)]
            yield process, said
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, store = tmp_path / "service.toml", tmp_path / "service.db"
    file.write_text(FILE)
    with serving(file) as (process, said):
        url = said[0].removeprefix("serving ")
        assert said[1] == f"keeping everything in {store}"
        assert process.stdout is not None
        assert "make one" in process.stdout.readline()
        assert process.stdout.readline() == f"  sipprobe keys add acme first --store {store}\n"
        assert httpx.get(f"{url}/healthz").status_code == 200
        assert run("keys", "add", "acme", "first", "--store", store) == ExitCode.OK
        key = capsys.readouterr().out.strip()
        told = httpx.get(f"{url}/api/v1/whoami", headers={"Authorization": key}).json()
        assert told["tenant"] == "acme"
        assert run("keys", "list", "--store", store) == ExitCode.OK
        head, line = capsys.readouterr().out.splitlines()
        assert re.fullmatch(r"TENANT  ID +NAME   MAY    MADE +LAST USED +REVOKED", head)
        time_told = r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"
        assert re.fullmatch(rf"acme    {told['key_id']}  first  write  {time_told}  (never|{time_told}) +-", line)
        assert run("keys", "revoke", "acme", told["key_id"], "--store", store) == ExitCode.OK
        assert capsys.readouterr().out == f"{told['key_id']} (first) holds no longer\n"
        assert httpx.get(f"{url}/api/v1/whoami", headers={"Authorization": key}).status_code == 401
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(SECONDS) == ExitCode.OK
        assert time.monotonic() - began < SECONDS / 2
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_hangup_without_a_terminal_ends_nothing(tmp_path: Path) -> None:
    """What daemons read again at it are certificates: `tests/probes/web/test_run.py`."""
    with serving("--bind", "127.0.0.1:0", "--store", tmp_path / "service.db") as (process, said):
        assert process.stderr is not None
        process.send_signal(signal.SIGHUP)
        line = process.stderr.readline()
        assert line.endswith("SIGHUP: nothing to read again; what has changed in the settings takes a restart\n")
        told = datetime.fromisoformat(line.split()[0])
        assert told.utcoffset() == timedelta()
        assert abs((datetime.now(UTC) - told).total_seconds()) < SECONDS
        assert httpx.get(f"{said[0].removeprefix('serving ')}/healthz").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == ExitCode.OK


def test_an_option_stands_above_the_file(tmp_path: Path) -> None:
    (tmp_path / "service.toml").write_text(FILE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    other = tmp_path / "other.db"
    with serving(tmp_path / "service.toml", "--bind", f"127.0.0.1:{port}", "--store", other) as (_, said):
        assert said == [f"serving http://127.0.0.1:{port}", f"keeping everything in {other}"]


def test_a_check_tells_what_is_meant_and_serves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_MAIL", "mailto://user:s3cret@example.com")
    (tmp_path / "service.toml").write_text(FILE + ALERT)
    assert run("serve", tmp_path / "service.toml", "--check") == ExitCode.OK
    told = capsys.readouterr().out
    assert "public addresses, and 10.0.0.0/8" in told
    assert "198.51.100.0/24" in told
    assert "10 in 15 minutes, 4 at once, for each tenant" in told
    assert "by email for acme" in told
    assert "s3cret" not in told
    assert not (tmp_path / "service.db").exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('certificate = "none.pem"\nkey = "none.key"', "cannot use none.pem with none.key: No such file or directory"),
        ('certificate = "service.toml"\nkey = "service.toml"', "they are no certificate and its key, in PEM"),
        ('store = "place"', "history place: it is a directory: name a file in it"),
        ('store = "missing/service.db"', "there is no directory missing: make it first"),
        ('store = "service.toml"', "neither sipprobe watch nor sipprobe serve wrote it"),
        ('store = "link.db"', "it is a link that leads to no file"),
    ],
)
def test_a_check_finds_files_that_cannot_be_used(
    content: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("place").mkdir()
    Path("link.db").symlink_to("nowhere.db")
    Path("service.toml").write_text(content)
    before = sorted(tmp_path.iterdir())
    assert run("serve", "service.toml", "--check") == ExitCode.USAGE
    assert told in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_a_check_of_a_store_that_is_there_changes_nothing(tmp_path: Path) -> None:
    store = tmp_path / "service.db"
    assert run("keys", "add", "acme", "first", "--store", store) == ExitCode.OK
    before = store.read_bytes()
    assert run("serve", "--store", store, "--check") == ExitCode.OK
    assert store.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "mode", "told"),
    [
        (None, 0o600, "it is not there, and there are secrets that it decrypts: put it back"),
        (b"of another store\n", 0o600, "service.db.key"),
        (b"", 0o644, "others than its owner can use it: chmod 600"),
    ],
)
async def test_a_check_finds_a_key_that_cannot_be_used(
    content: bytes | None, mode: int, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, key = tmp_path / "service.db", tmp_path / "service.db.key"
    await filled(store)
    assert run("serve", "--store", store, "--check") == ExitCode.OK
    capsys.readouterr()
    key.unlink()
    if content is not None:
        key.write_bytes(content)
        key.chmod(mode)
    assert run("serve", "--store", store, "--check") == ExitCode.USAGE
    assert told in capsys.readouterr().err
    assert key.exists() is (content is not None)


@pytest.mark.parametrize(
    ("arguments", "content", "told"),
    [
        (["service.toml"], "bond = 1", "service.toml:1: 'bond' stands outside of what a service is told"),
        (["service.toml"], ALERT, "the environment has no variable ACME_MAIL, which apprise_env names"),
        (["none.toml"], "", "cannot read none.toml: No such file or directory"),
        (["--bind", "0.0.0.0:80"], "", "0.0.0.0:80: keys and passwords would go over the network"),
        (["--bind", "nowhere"], "", "--bind: 'nowhere' is no address with a port"),
        (["--bind", "192.0.2.1:80"], "", "keys and passwords would go"),
        (["service.toml"], 'trunks = "none.toml"\ntrunks_tenant = "ops"', "cannot read none.toml"),
        (["--store", "missing/service.db"], "", "there is no directory missing: make it first"),
    ],
)
def test_what_cannot_be_used_is_told(
    arguments: list[str],
    content: str,
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("service.toml").write_text(content)
    assert run("serve", *arguments, *([] if "--bind" in arguments else ["--bind", "127.0.0.1:0"])) == ExitCode.USAGE
    assert told in capsys.readouterr().err


def test_an_address_that_is_taken_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert run("serve", "--bind", address, "--store", tmp_path / "s.db") == ExitCode.USAGE
    assert f"cannot serve at {address}: Address already in use" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["add", "Acme Inc", "first"], "that is no name of a tenant: give 1 to 32 lower-case letters"),
        (["add", "acme", "\x1b[31m"], "give 1 to 100 printable characters"),
        (["add", "acme", "  "], "the name of a key has to be told apart from others"),
        (["revoke", "acme", "key_0"], "'acme' has no key with the id 'key_0'; ids are told by: sipprobe keys list"),
        (["revoke", "acme", "key_0", "--store", "none.db"], "there is no file none.db: name the store of the service"),
        (["list", "--store", "none.db"], "there is no file none.db"),
    ],
)
def test_keys_that_cannot_be_are_told(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("keys", "add", "globex", "first", "--read-only") == ExitCode.OK
    assert run("keys", *arguments) == ExitCode.USAGE
    assert told in capsys.readouterr().err
    assert run("keys", "list") == ExitCode.OK
    assert re.search(r"\bfirst  read  ", capsys.readouterr().out)
    assert run("keys", "list", "acme") == ExitCode.OK
    assert capsys.readouterr().err == "sipprobe: there is no key of 'acme' in sipprobe.db\n"


def test_what_makes_no_key_makes_no_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "service.db"
    for tenant, name in (("Acme Inc", "first"), ("acme", "")):
        assert run("keys", "add", tenant, name, "--store", store) == ExitCode.USAGE
        assert list(tmp_path.iterdir()) == []
    assert run("keys", "add", "acme", "first", "--store", store) == ExitCode.OK
    assert f"{store} is a new store: the key holds for a service that keeps everything there" in capsys.readouterr().err
    assert run("keys", "add", "acme", "second", "--store", store) == ExitCode.OK
    assert capsys.readouterr().err == ""


def test_the_columns_of_keys_stand_below_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where a name takes two columns for each of its characters."""
    store = tmp_path / "service.db"
    for name in ("first", "\u6771\u4eac"):
        run("keys", "add", "acme", name, "--store", store)
    capsys.readouterr()
    assert run("keys", "list", "--store", store) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert (
        len({cell_len(line[: line.index(may)]) for line, may in zip(lines, ("MAY", "write", "write"), strict=True)})
        == 1
    )


def test_what_is_to_be_typed_next_can_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "our service.db"
    run("keys", "add", "acme", "first", "--store", store)
    assert run("keys", "revoke", "acme", "key_0", "--store", store) == ExitCode.USAGE
    assert f"sipprobe keys list --store '{store}'" in capsys.readouterr().err


def test_a_key_that_was_revoked_before_is_told_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "service.db"
    run("keys", "add", "acme", "first", "--store", store)
    run("keys", "list", "--store", store)
    key_id = re.findall(r"key_\w+", capsys.readouterr().out)[-1]
    assert run("keys", "revoke", "acme", key_id, "--store", store) == ExitCode.OK
    run("keys", "list", "--store", store)
    revoked = capsys.readouterr().out.splitlines()[-1].rpartition("  ")[2]
    assert revoked.endswith(" UTC")
    assert run("keys", "revoke", "acme", key_id, "--store", store) == ExitCode.OK
    assert capsys.readouterr().out == f"{key_id} (first) was revoked already, at {revoked}\n"
    assert run("keys", "revoke", "globex", key_id, "--store", store) == ExitCode.USAGE


@pytest.mark.parametrize(("verb", "missing"), [("serve", "fastapi"), ("serve", "anycorn"), ("keys", "sqlalchemy")])
def test_what_is_not_installed_is_named(verb: str, missing: str, tmp_path: Path) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from probes.cli.main import main; main(sys.argv[1:])"
    words = [verb, *(["add", "acme", "first"] if verb == "keys" else []), "--store", str(tmp_path / "s.db")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.USAGE
    assert f"{missing}, which is not installed: pip install '.[daemon]'" in done.stderr


def test_the_command_line_loads_nothing_of_it() -> None:
    code = "import sys; from probes.cli.main import make_app; make_app(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"fastapi", "anycorn", "pydantic", "sqlalchemy", "trio"}.isdisjoint(done.stdout.split())
