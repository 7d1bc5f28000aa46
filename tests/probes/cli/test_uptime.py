"""`sipprobe uptime`: out of a store, by the file that names it or by itself."""

import json
import sys
from pathlib import Path

import pytest

from probes.cli.exit_codes import ExitCode
from probes.cli.main import main
from probes.health.board import Board
from probes.health.terms import Check, Kind, Verdict
from probes.store.store import Store
from tests.probes.report.schemas import load, violations
from tests.probes.report.watched import BEGIN, CARRIER, OFFICE, RESET

FILE = """store = "watch.db"
[[trunk]]
name = "carrier"
[[trunk.route]]
name = "primary"
target = "sip:sbc1.carrier.example"
call = { to = "echo", user = "alice", password_env = "NOT_SET_HERE" }
[[trunk.route]]
name = "backup"
target = "sip:sbc2.carrier.example"
transport = "tls"
certificate = "not-there.pem"
key = "not-there.key"
[[trunk]]
name = "office"
target = "sip:pbx.example.com"
[[alert]]
name = "on-call"
webhook_env = "NOT_SET_HERE"
secret_file = "not-there"
[[alert]]
name = "mail"
apprise_env = "NOT_SET_HERE"
"""
WINDOW = ("--since", "2026-01-01", "--until", "2026-01-01T02:00", "--utc")


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as left:
        main(["uptime", *map(str, arguments)])
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file, and the store that it names: primary was down for a quarter of an hour, and nobody watched for an hour.

    Backup was well, and the office was never watched.
    """
    (tmp_path / "trunks.toml").write_text(FILE)
    board = Board([CARRIER, OFFICE])
    with Store.open(tmp_path / "watch.db") as store:
        for minute in range(60):
            for trunk, route in (("carrier", "primary"), ("carrier", "backup")):
                at, is_down = BEGIN + minute * 60, route == "primary" and 30 <= minute < 45
                found = (Verdict.BAD, "refused", RESET) if is_down else (Verdict.GOOD, "answered", "200 OK", 200, 0.01)
                for happening in board.take(Check(trunk, route, Kind.OPTIONS, at, *found)):
                    store.add(happening)
    return tmp_path


def test_by_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which needs no password and no certificate to say where the store is."""
    assert run(folder / "trunks.toml", *WINDOW) == ExitCode.OK
    shown, told = capsys.readouterr()
    assert shown.splitlines() == [
        "2026-01-01 00:00 to 2026-01-01 02:00, 2 h, in UTC",
        "",
        "carrier: up 100 %",
        "  not watched  1 h 1 min, which counts neither as up nor as down",
        "",
        "  primary: up 72.881 %, down 16 min in 1 incident",
        "  round trip   half within 10.0 ms, 95 % within 10.0 ms, max 10.0 ms, of 45",
        "               answers",
        "  failures     15 × refused, of 60 checks",
        "  incidents    2026-01-01 00:30:00, 16 min: refused: nothing listens there (TCP",
        "               reset); is the server running, and is this its port?",
        "",
        "  backup: up 100 %",
        "  round trip   half within 10.0 ms, 95 % within 10.0 ms, max 10.0 ms, of 60",
        "               answers",
        "  failures     none, of 60 checks",
        "",
        "office: nothing is known",
        "  not watched  2 h, which counts neither as up nor as down",
    ]
    assert told == ""


def test_by_the_store_itself(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder / "watch.db", *WINDOW, "--trunk", "carrier", "--json") == ExitCode.OK
    data = json.loads(capsys.readouterr().out)
    assert violations(data, load("uptime")) == []
    assert data["until"] == "2026-01-01T02:00:00.000+00:00"
    (carrier,) = data["trunks"]
    assert {route["route"]: route["incident_count"] for route in carrier["routes"]} == {"primary": 1, "backup": 0}
    assert (carrier["availability"], len(carrier["parts"])) == (100.0, 1)


def test_a_longer_interval_of_a_store(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By which the hour after the last check counts as watched."""
    assert run(folder / "watch.db", *WINDOW, "--interval", "3600", "--json") == ExitCode.OK
    (carrier,) = json.loads(capsys.readouterr().out)["trunks"]
    assert carrier["unwatched_ms"] == 0


@pytest.mark.parametrize(
    "window", [("--since", "999999w"), ("--since", "0001-01-01T00:00+14:00"), ("--until", "9999-12-31T23:59-12:00")]
)
def test_windows_beyond_all_times(window: tuple[str, str], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """End where the times end that anything can be known of."""
    assert run(folder / "trunks.toml", *window, "--utc") == ExitCode.OK
    shown, told = capsys.readouterr()
    assert shown.startswith("1970-01-01") is (window[0] == "--since")
    assert told == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--since", "yesterday"], "--since takes 90m, 24h, 30d, 4w, or a time such as 2026-11-01T08:00, and not"),
        (["--until", "30"], "--until takes 90m"),
        (["--since", "1h", "--until", "2h"], "--since 1h is not before --until 2h"),
        (["--since", "0m"], "--since 0m is not before --until now"),
        (["--since", "2998-01-01", "--until", "2999-01-01"], "--since 2998-01-01 is still to come: give"),
        (["--interval", "nan"], "--interval"),
        (["--trunk", "carier"], "there is no trunk carier; there are carrier, office"),
    ],
)
def test_options_that_cannot_be_used(
    arguments: list[str], told: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder / "trunks.toml", *arguments) == ExitCode.USAGE
    shown, said = capsys.readouterr()
    assert shown == ""
    assert told in said.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("nowhere.toml", None, "No such file or directory"),
        ("letter.txt", b"Dear Alice", "no TOML"),
        ("bytes", b"\xff\xfe\x00", "it is no text"),
        ("no-store.toml", b'[[trunk]]\ntarget = "sip:127.0.0.1"\n', "keeps no history"),
        ("new.toml", b'store = "none.db"\n[[trunk]]\ntarget = "sip:127.0.0.1"\n', "none.db"),
        ("odd.toml", b'store = "letter.db"\n[[trunk]]\ntarget = "sip:127.0.0.1"\n', "letter.db"),
    ],
)
def test_files_that_cannot_be_used(
    name: str, content: bytes | None, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "letter.db").write_text("Dear Alice")
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert run(tmp_path / name) == ExitCode.USAGE
    shown, said = capsys.readouterr()
    assert (shown, len(said.splitlines())) == ("", 1)
    assert told in said


def test_a_database_of_another_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "other.db") as database:
        database.execute("create table t (x)")
    database.close()
    assert run(tmp_path / "other.db") == ExitCode.USAGE
    assert "other.db" in capsys.readouterr().err


def test_without_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("sqlalchemy", "alembic")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("probes.store.") and name != "probes.store.store"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    assert run(folder / "watch.db") == ExitCode.USAGE
    assert "pip install '.[daemon]'" in capsys.readouterr().err
