"""`sipprobe watch` as a process and in this one: what is printed, exit codes, and how it is stopped."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from probes.cli.exit_codes import ExitCode
from probes.cli.main import main
from probes.cli.watch_codes import exit_code
from probes.destination import Destination
from probes.health.board import RouteState, TrunkState
from probes.health.terms import Check, Health, Kind, Verdict
from probes.health.trunk import WatchError
from probes.result import CallKind, CallResult, CallStatus
from probes.store.store import Store
from tests.probes.cli.test_call import peer
from tests.probes.cli.test_discover import Terminal
from tests.probes.discovery.network import HOST, free_port, ok
from tests.probes.health.http_servers import Server
from tests.probes.report.schemas import load, violations
from tests.probes.report.watched import BEGIN, STATES, UNCHECKED, At

COMMAND = (sys.executable, "-u", "-m", "probes.cli.main", "watch")
QUICK = "[defaults]\ninterval = 1\nretry = 1\ntimeout = 0.5\nmisses = 2\n"


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as left:
        main(["watch", *map(str, arguments)])
    assert isinstance(left.value.code, int)
    return left.value.code


def written(folder: Path, *routes: str, head: str = "") -> Path:
    """A file with one trunk, whose routes lead there."""
    file = folder / "trunks.toml"
    named = zip(("primary", "backup"), routes, strict=False)
    entries = [f'[[trunk.route]]\nname = "{name}"\ntarget = "{target}"\ntransport = "udp"\n' for name, target in named]
    file.write_text("\n".join([head, QUICK, '[[trunk]]\nname = "carrier"\n', *entries]))
    return file


def closed() -> str:
    return f"sip:{HOST}:{free_port()}"


def test_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A trunk works while one of its routes does."""
    gone = closed()
    with peer(ok) as bob:
        assert run(written(tmp_path, gone, bob.target), "--once") == ExitCode.OK
    shown, told = capsys.readouterr()
    lines = shown.splitlines()
    assert lines[0].split() == ["says", "time", "place"]
    assert lines[1] == f"▶ carrier primary  failing      refused           udp {gone[4:]}"
    assert re.fullmatch(rf"  carrier backup   healthy      200      +[0-9.]+ ms  udp {HOST}:[0-9]+", lines[2])
    assert lines[3] == ""
    assert lines[4].startswith(f"carrier primary  udp {gone[4:]}: refused: ")
    assert (told, len(lines)) == ("", 5)


def test_once_where_nothing_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(written(tmp_path, closed()), "--once") == ExitCode.REFUSED
    shown, told = capsys.readouterr()
    assert shown.splitlines()[1].startswith("carrier  failing      refused")
    assert told == "sipprobe: carrier has no route that works (refused)\n"


def test_once_with_each_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with peer(ok) as bob:
        assert run(written(tmp_path, bob.target), "--once", "--verbose") == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"carrier  OPTIONS to {bob.target};transport=udp every 1 s"
    assert [line.split()[1:3] for line in lines[2:4]] == [["carrier", "good"], ["carrier", "healthy"]]


def test_once_as_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with peer(ok) as bob:
        assert run(written(tmp_path, closed(), bob.target), "--once", "--json") == ExitCode.OK
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [violations(each, load("watch")) for each in found] == [[]] * len(found)
    assert [found[0]["event"], found[-1]["event"]] == ["begin", "states"]
    assert sorted(each["event"] for each in found[1:-1]) == ["change", "change", "check", "check"]
    (carrier,) = found[-1]["trunks"]
    assert [carrier["works"], *(each["health"] for each in carrier["routes"])] == [True, "degraded", "healthy"]


def test_what_a_file_means(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Is told without asking anybody."""
    came: list[bytes] = []

    def note(data: bytes) -> bytes | None:
        came.append(data)
        return None

    with peer(note) as bob:
        file = written(tmp_path, bob.target, bob.target, head='store = "watch.db"')
        file.write_text(f'{file.read_text()}{ALERT.format("https://192.0.2.1/")}trunks = ["carrier"]\n')
        assert run(file, "--check") == ExitCode.OK
    shown = capsys.readouterr().out
    assert "1 trunk, 2 routes" in shown
    assert f"history      {tmp_path}/watch.db" in shown
    assert "alerts       to ops (of carrier)" in shown
    assert "carrier primary and carrier backup both lead to" in shown
    assert (came, (tmp_path / "watch.db").exists()) == ([], False)


@contextmanager
def watching(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    words = [*COMMAND, *map(str, arguments)]
    pipe, none = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(words, stdin=none, stdout=pipe, stderr=pipe, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def read(running: subprocess.Popen[str], lines: int) -> list[str]:
    assert running.stdout is not None
    return [running.stdout.readline().rstrip("\n") for _ in range(lines)]


@contextmanager
def receiver(status: int) -> Iterator[tuple[str, list[dict[str, object]]]]:
    """A webhook that answers so, and what came there."""
    came: list[dict[str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with Server((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_address[1]}/", came
        finally:
            server.shutdown()
            thread.join()


ALERT = '[[alert]]\nname = "ops"\nwebhook = "{}"\nallow_private = true\n'


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_stops_it_gets_the_table(number: signal.Signals, tmp_path: Path) -> None:
    """And the exit code tells of the trunks."""
    with peer(ok) as bob, watching(written(tmp_path, bob.target)) as running:
        lines = read(running, 3)
        running.send_signal(number)
        shown, told = running.communicate(timeout=20)
    assert lines[0] == f"carrier  OPTIONS to {bob.target};transport=udp every 1 s"
    assert lines[2].split()[1:4] == ["carrier", "healthy", "200"]
    assert [line.split()[:2] for line in shown.splitlines()][-1] == ["carrier", "healthy"]
    assert (running.returncode, told) == (ExitCode.OK, "")


def test_a_failover_as_it_happens(tmp_path: Path) -> None:
    with peer(ok) as bob, watching(written(tmp_path, closed(), bob.target)) as running:
        lines = read(running, 7)
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=20)
    assert [line.split()[1:4] for line in lines[-2:]] == [
        ["carrier", "primary", "unreachable"],
        ["carrier", "backup", "takes"],
    ]
    assert running.returncode == ExitCode.OK


def test_on_a_terminal(tmp_path: Path) -> None:
    """A table stands beneath what is told, and trouble is told above it."""
    with receiver(410) as (url, _), peer(ok) as bob:
        file = written(tmp_path, closed(), bob.target)
        file.write_text(f"{file.read_text()}{ALERT.format(url)}")
        terminal = Terminal("watch", str(file), NO_COLOR="1")
        for shown in (
            "▶ carrier primary",
            "instead of primary, which is down",
            "▶ carrier backup",
            "sipprobe: channel ops",
        ):
            terminal.read_until(shown)
        terminal.interrupt()
        terminal.read_until("")
    assert terminal.close() == ExitCode.OK
    last = terminal.output.rpartition("place")[2].splitlines()
    assert [row.split()[:4] for row in last if row[:2] in ("  ", "▶ ")][1] == ["▶", "carrier", "backup", "healthy"]
    assert last[-2].startswith("carrier primary  udp 127.0.0.1:")


def test_a_history_outlives_a_restart(tmp_path: Path) -> None:
    file = written(tmp_path, closed(), head='store = "watch.db"')
    for told_by_then in (4, 2):
        with watching(file) as running:
            lines = read(running, told_by_then)
            running.send_signal(signal.SIGINT)
            _, told = running.communicate(timeout=20)
    assert lines[1].startswith("carrier  unreachable  since 2")
    assert running.returncode == ExitCode.REFUSED
    assert told == "sipprobe: carrier has no route that works (refused)\n"


def test_a_store_in_trouble_does_not_end_the_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Store, "trouble", property(lambda _: "the disk is full: make room"))
    with peer(ok) as bob:
        assert run(written(tmp_path, bob.target), "--once", "--store", tmp_path / "w.db", "--json") == ExitCode.OK
    shown, told = capsys.readouterr()
    assert told == "sipprobe: the disk is full: make room\n"
    data = [json.loads(line) for line in shown.splitlines()]
    assert [each["detail"] for each in data if each["event"] == "trouble"] == ["the disk is full: make room"]
    assert [violations(each, load("watch")) for each in data] == [[]] * len(data)


def test_people_are_told(tmp_path: Path) -> None:
    with receiver(200) as (url, came):
        file = written(tmp_path, closed())
        file.write_text(f"{file.read_text()}{ALERT.format(url)}")
        with watching(file, "--json") as running:
            assert running.stdout is not None
            found = next(each for line in running.stdout if (each := json.loads(line))["event"] == "alert")
            while not came:
                time.sleep(0.05)
            running.send_signal(signal.SIGINT)
            _, told = running.communicate(timeout=20)
    assert violations(found, load("watch")) == []
    assert [came[0]["id"], came[0]["kind"]] == [found["id"], found["kind"]] == [found["id"], "all-down"]
    assert told == "sipprobe: carrier has no route that works (refused)\n"


def test_an_alert_that_nobody_takes_does_not_end_the_watch(tmp_path: Path) -> None:
    with receiver(410) as (url, _):
        file = written(tmp_path, closed())
        file.write_text(f"{file.read_text()}{ALERT.format(url)}")
        with watching(file, "--json") as running:
            assert running.stdout is not None
            found = next(each for line in running.stdout if (each := json.loads(line))["event"] == "trouble")
            assert json.loads(running.stdout.readline())["event"] == "check"
            running.send_signal(signal.SIGINT)
            _, told = running.communicate(timeout=20)
    assert violations(found, load("watch")) == []
    assert str(found["detail"]).startswith("channel ops: an alert of carrier was not sent, and is given up: ")
    assert told.splitlines()[0] == f"sipprobe: {found['detail']}"
    assert running.returncode == ExitCode.REFUSED


class Troubled:
    """What trouble a store has, each time that somebody looks: checks are lost one by one, then it is over."""

    def __init__(self) -> None:
        self.looks = 0

    def __get__(self, *_: object) -> str:
        self.looks += 1
        return f"the disk is full ({self.looks} checks were given up)" if self.looks < 4 else ""


def test_trouble_that_lasts_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Store, "trouble", Troubled())
    monkeypatch.setattr("probes.cli.watch.LOOK", 0.05)
    with peer(lambda _: None) as bob:  # nothing comes back for half a second
        assert run(written(tmp_path, bob.target), "--once", "--store", tmp_path / "w.db") == ExitCode.NO_ANSWER
    assert capsys.readouterr().err.splitlines()[:2] == [
        "sipprobe: the disk is full (1 checks were given up)",
        "sipprobe: the history is kept again",
    ]


def test_what_is_lost_at_the_end_says_nothing_of_the_trunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closing = Store.close

    def close(store: Store) -> None:
        closing(store)
        raise WatchError("the last 3 checks are lost: the disk is full")

    monkeypatch.setattr(Store, "close", close)
    with peer(ok) as bob:
        assert run(written(tmp_path, bob.target), "--once", "--store", tmp_path / "w.db") == ExitCode.OK
    assert capsys.readouterr().err == "sipprobe: the last 3 checks are lost: the disk is full\n"


def test_a_channel_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Is told before anything is sent."""
    file = written(tmp_path, closed())
    secret = tmp_path / "mail"
    secret.write_text("nothing://s3cret\n")
    file.write_text(f'{file.read_text()}[[alert]]\nname = "ops"\napprise_file = "mail"\n')
    for how in ((), ("--check",)):
        assert run(file, *how) == ExitCode.USAGE
        shown, told = capsys.readouterr()
        assert (shown, len(told.splitlines())) == ("", 1)
        assert "ops" in told
        assert "s3cret" not in told


def test_nobody_is_asked_for_a_reader_that_has_gone(tmp_path: Path) -> None:
    with peer(ok) as bob, watching(written(tmp_path, bob.target), "--verbose") as running:
        read(running, 1)
        assert running.stdout is not None
        running.stdout.close()
        assert running.wait(20) == ExitCode.OK


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk is one of Linux")
@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_nobody_is_asked_when_nothing_can_be_printed(as_json: tuple[str, ...], tmp_path: Path) -> None:
    with peer(ok) as bob, Path("/dev/full").open("w") as full:
        words = [*COMMAND, str(written(tmp_path, bob.target)), *as_json]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (1, "sipprobe: cannot write the result: No space left on device\n")


def test_a_target_in_place_of_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("sip:alice:secret@127.0.0.1") == ExitCode.USAGE
    assert capsys.readouterr().err == (
        "sipprobe: no file is called sip:alice:******@127.0.0.1: give one with trunks, as docs/examples/trunks.toml; "
        "`sipprobe ping` looks at one endpoint without\n"
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file or directory"),
        (b"\xff\xfe", "it is no text"),
        (b"not TOML", "no TOML"),
        (b"", "no trunks: write [[trunk]]"),
        (b'[[trunk]]\ntarget = "sip:127.0.0.1"\nintervall = 3\n', "did you mean interval?"),
        (b'[[trunk]]\ntarget = "sip:127.0.0.1"\ninterval = 0.1\n', "an interval of 0.1 s"),
        (
            b'[[trunk]]\ntarget = "sip:127.0.0.1"\ncall = { to = "a", user = "b", password_env = "NO_SUCH" }\n',
            "NO_SUCH",
        ),
    ],
)
def test_a_file_that_cannot_be_used(
    content: bytes | None, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "trunks.toml"
    if content is not None:
        file.write_bytes(content)
    assert run(file) == ExitCode.USAGE
    shown, said = capsys.readouterr()
    assert (shown, len(said.splitlines())) == ("", 1)
    assert told in said


def test_a_store_of_something_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "watch.db").write_text("a letter")
    assert run(written(tmp_path, closed(), head='store = "watch.db"')) == ExitCode.USAGE
    shown, told = capsys.readouterr()
    assert (shown, len(told.splitlines())) == ("", 1)
    assert "watch.db" in told
    assert (tmp_path / "watch.db").read_text() == "a letter"


def test_a_history_without_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("sqlalchemy", "alembic")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("probes.store.") and name != "probes.store.store"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    monkeypatch.setitem(sys.modules, "alembic", None)
    assert run(written(tmp_path, closed(), head='store = "watch.db"')) == ExitCode.USAGE
    assert "pip install '.[daemon]'" in capsys.readouterr().err


def test_two_things_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(written(tmp_path, closed()), "--once", "--check") == ExitCode.USAGE
    assert "leave one of them out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["watch", "--help"], {"trio", "rich", "sqlalchemy", "httpx", "apprise"}),
        (["uptime", "--help"], {"trio", "rich", "sqlalchemy", "httpx", "apprise"}),
        (["watch", "FILE", "--check"], {"sqlalchemy", "alembic", "httpx", "apprise"}),
        (["watch", "FILE", "--once"], {"sqlalchemy", "alembic", "httpx", "apprise"}),
    ],
)
def test_only_what_is_used_is_loaded(arguments: list[str], heavy: set[str], tmp_path: Path) -> None:
    words = [str(written(tmp_path, closed())) if word == "FILE" else word for word in arguments]
    code = (
        f"import sys\nfrom probes.cli.main import main\ntry: main({words!r})\n"
        "except SystemExit: print('loaded:', *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert heavy & set(done.stdout.rpartition("loaded:")[2].split()) == set()


def down(reason: str, status: int | None = None) -> RouteState:
    check = Check("t", "r", Kind.OPTIONS, BEGIN, Verdict.BAD, reason, status=status)
    return RouteState("r", Health.DEGRADED, BEGIN, 1, check, options=check)


UP = STATES[0].routes[1]
RETURNING = replace(UP, health=Health.UNREACHABLE)
BUSY = CallResult(Destination("example.com"), None, CallStatus.BUSY, CallKind.BUSY, "486 Busy Here", final_status=486)
CALLED_IN_VAIN = replace(down("silent"), call=replace(At(1).call(Verdict.BAD, "call"), call=BUSY))


@pytest.mark.parametrize(
    ("trunks", "code"),
    [
        ([[UP]], ExitCode.OK),
        ([[down("refused"), UP]], ExitCode.OK),
        ([[UP], [down("refused")]], ExitCode.REFUSED),
        ([[down("name")]], ExitCode.UNRESOLVABLE),
        ([[down("unreachable")]], ExitCode.UNREACHABLE),
        ([[down("silent")]], ExitCode.NO_ANSWER),
        ([[down("tls")]], ExitCode.TLS_FAILED),
        ([[down("client-certificate")]], ExitCode.TLS_FAILED),
        ([[down("not-sip")]], ExitCode.NOT_SIP),
        ([[down("status", 403)]], ExitCode.FAILED),
        ([[down("own")]], ExitCode.FAILED),
        ([[RETURNING]], ExitCode.FAILED),
        ([[CALLED_IN_VAIN]], ExitCode.BUSY),
        ([UNCHECKED[0].routes], ExitCode.NO_ANSWER),
        ([[down("name"), down("tls")]], ExitCode.TLS_FAILED),
        ([[down("status", 403)], [down("refused"), down("silent")]], ExitCode.NO_ANSWER),
        ([], ExitCode.OK),
    ],
)
def test_exit_codes(trunks: Sequence[Sequence[RouteState]], code: ExitCode) -> None:
    """The worst trunk counts, and of its routes the best."""
    states = [TrunkState("t", None, tuple(routes)) for routes in trunks]
    assert exit_code(states) == code


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('ca_file = "a\\u0000b"', "no file can have that name"),
        ('call = { to = "echo", user = "a", password_file = "a\\u0000b" }', "no file can have that name"),
        ('ca_file = "."', "Is a directory"),
    ],
)
def test_files_that_cannot_be_there(more: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "trunks.toml"
    file.write_text(f'[[trunk]]\ntarget = "{closed()}"\n{more}\n')
    assert run("--check", file) == ExitCode.USAGE
    assert told in capsys.readouterr().err
