"""`sipprobe discover`: exit codes, JSON, one line for each error, quiet when piped, live on a terminal."""

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio
from rich.console import Console

from probes.capture.files import read_packets
from probes.cli import discover as verb
from probes.cli import main as command
from probes.cli.discover import ENDS, exit_code, find_out
from probes.cli.exit_codes import ExitCode
from probes.destination import Destination
from probes.discovery.recommend import conclude
from probes.discovery.run import DiscoveryConfig
from probes.result import Reach
from sipcore.resolve.target import Transport
from tests.probes.discovery.attempts import EXAMPLE, answered, failed
from tests.probes.discovery.network import HOST, free_port, ok, saying, silent, tcp, udp
from tests.probes.report.pages import page_of
from tests.probes.report.schemas import load, violations

ROOT = Path(__file__).parents[3]
STEP_NS = 500_000_000
"""By how much somebody may set the clock meanwhile."""


class Ran:
    """What one run of the command left."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err


@pytest.fixture
def sipprobe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "Command":
    return Command(monkeypatch, capsys)


class Command:
    """`sipprobe` in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Ran:
        self._monkeypatch.setattr(sys, "argv", ["sipprobe", *arguments])
        with pytest.raises(SystemExit) as left:
            command.main()
        captured = self._capsys.readouterr()
        assert isinstance(left.value.code, int)
        return Ran(left.value.code, captured.out, captured.err)


def test_refused(sipprobe: Command) -> None:
    port = free_port()
    ran = sipprobe("discover", f"{HOST}:{port}")
    assert ran.code == ExitCode.REFUSED
    told = f"sip:{HOST}:{port}: nothing listens there; check port and transport"
    assert ran.out.startswith(told)
    assert ran.err == f"sipprobe: {told}\n"
    assert "\x1b" not in ran.out


def test_refused_as_data(sipprobe: Command) -> None:
    ran = sipprobe("discover", HOST, "--port", str(free_port()), "--transport", "TCP", "--json")
    assert ran.code == ExitCode.REFUSED
    data = json.loads(ran.out)
    assert violations(data, load("discovery")) == []
    assert [attempt["transport"] for attempt in data["attempts"]] == ["tcp"]
    assert len(ran.err.splitlines()) == 1


def test_an_answer(sipprobe: Command) -> None:
    async def serve_while_asked() -> Ran:
        async with udp(lambda data: ok(data, "Server: baresip v1.0.0 (x86_64/Linux)")) as port:
            arguments = [f"udp://{HOST}:{port}", "--timeout", "9"]
            return await trio.to_thread.run_sync(sipprobe, "discover", *arguments)

    ran = trio.run(serve_while_asked)
    assert ran.code == ExitCode.OK
    assert "system     baresip 1.0.0 on x86_64/Linux" in ran.out
    assert ran.err == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["not a host"], "cannot read 'not a host'"),
        (["sips:example.com", "--transport", "udp"], "a sips URI goes over TLS only"),
        (["192.0.2.1", *(f"--port={number}" for number in range(1, 18))], "17 ports are too many"),
        (["192.0.2.1", "--ca-file", "/nonexistent"], "/nonexistent"),
        (["192.0.2.1", "--certificate", "/nonexistent"], "needs both --certificate and --key"),
        (["192.0.2.1", "--certificate", "/nonexistent", "--key", "/nonexistent"], "cannot read /nonexistent"),
        (["192.0.2.1", "--certificate", "/dev/null", "--key", "/dev/null"], "/dev/null is empty"),
        (["192.0.2.1", "--nameserver", "dns.example"], "--nameserver takes an address"),
        (["192.0.2.1", "--nameserver", "???"], "cannot read '???'"),
        (
            ["sip:911@192.0.2.1", "--invite"],
            "emergency numbers are allowed, for which there is `sipprobe call`; leave out",
        ),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], told: str, sipprobe: Command) -> None:
    ran = sipprobe("discover", *arguments)
    assert (ran.code, ran.out) == (ExitCode.USAGE, "")
    assert told in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize("option", ["--port=0", "--port=65536", "--transport=sctp", "--timeout=0", "--tls-minimum=3"])
def test_an_option_out_of_range(option: str, sipprobe: Command) -> None:
    ran = sipprobe("discover", "192.0.2.1", option)
    assert (ran.code, ran.out) == (ExitCode.USAGE, "")
    assert "Error: " in ran.err


def test_a_file_of_roots_that_holds_none(sipprobe: Command, tmp_path: Path) -> None:
    file = tmp_path / "roots.pem"
    file.write_text("nothing")
    ran = sipprobe("discover", f"tls://{HOST}:{free_port()}", "--ca-file", str(file))
    assert ran.code == ExitCode.USAGE
    assert str(file) in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_client_certificate_is_read(monkeypatch: pytest.MonkeyPatch, sipprobe: Command, tmp_path: Path) -> None:
    seen: list[DiscoveryConfig] = []

    async def carry_out(destination: Destination, config: DiscoveryConfig, console: object) -> object:
        seen.append(config)
        return conclude(destination, [], [], [], duration=0.0)

    monkeypatch.setattr(verb, "find_out", carry_out)
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    certificate.write_bytes(b"certificate")
    key.write_bytes(b"key")
    arguments = ["--certificate", str(certificate), "--key", str(key), "--tls-minimum", "1.0"]
    ran = sipprobe("discover", "192.0.2.1", *arguments, "--nameserver", "[2001:db8::53]", "--resolver=192.0.2.53")
    assert ran.code == ExitCode.UNRESOLVABLE
    tls = seen[0].tls
    assert (tls.certificate, tls.key, tls.minimum_version.value) == (b"certificate", b"key", "TLSv1")
    assert [str(server) for server in seen[0].lookup.nameservers] == ["[2001:db8::53]:53", "192.0.2.53:53"]


@pytest.mark.parametrize(
    ("reach", "code"),
    [
        (Reach.SILENT, ExitCode.NO_ANSWER),
        (Reach.NO_ANSWER, ExitCode.NO_ANSWER),
        (Reach.REFUSED, ExitCode.REFUSED),
        (Reach.UNREACHABLE, ExitCode.UNREACHABLE),
        (Reach.TLS_FAILED, ExitCode.TLS_FAILED),
        (Reach.NOT_SIP, ExitCode.NOT_SIP),
        (Reach.FAILED, ExitCode.FAILED),
    ],
)
def test_exit_codes(reach: Reach, code: ExitCode) -> None:
    attempt = failed("tcp 192.0.2.1:5060", reach)
    assert exit_code(conclude(EXAMPLE, [], [], [attempt], duration=1.0)) == code


def test_a_report_is_written(sipprobe: Command, tmp_path: Path) -> None:
    file, port = tmp_path / "report", free_port()
    ran = sipprobe("discover", f"udp://{HOST}:{port}", "--html", str(file))
    assert ran.code == ExitCode.REFUSED
    assert f"udp {HOST}:{port}" in page_of(file.read_text()).text


async def test_files_are_written(sipprobe: Command, tmp_path: Path) -> None:
    files = [tmp_path / f"found{end}" for end in ENDS]
    options = [word for file in files for word in ("--save", str(file))]
    begun = time.time_ns()
    async with udp(ok) as port:
        command = ("discover", f"udp://{HOST}:{port}", "--only-options", *options)
        ran = await trio.to_thread.run_sync(sipprobe, *command)
    assert ran.code == ExitCode.OK
    page, capture, data = files
    assert f"udp {HOST}:{port}" in page_of(page.read_text()).text
    packets = list(read_packets(capture.read_bytes()))
    assert [packet.data[28:].split()[0] for packet in packets] == [b"OPTIONS", b"SIP/2.0"]
    assert begun - STEP_NS < packets[0].at_ns < packets[1].at_ns < time.time_ns() + STEP_NS
    assert violations(json.loads(data.read_text()), load("discovery")) == []


@pytest.mark.parametrize(
    ("option", "name"),
    [("--html", "no/such/report.html"), ("--html", "."), ("--save", "no/such.json"), ("--save", "found.svg")],
)
def test_a_file_that_cannot_be_written(sipprobe: Command, tmp_path: Path, option: str, name: str) -> None:
    ran = sipprobe("discover", f"udp://{HOST}:{free_port()}", option, str(tmp_path / name))
    assert ran.code == ExitCode.USAGE
    assert option in ran.err


def test_exit_code_of_an_answer_and_of_no_address() -> None:
    found = conclude(EXAMPLE, [], [], [answered("udp 192.0.2.1:5060", 503)], duration=1.0)
    assert exit_code(found) == ExitCode.OK
    assert exit_code(conclude(EXAMPLE, [], [], [], duration=1.0)) == ExitCode.UNRESOLVABLE


async def test_the_live_table() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, highlight=False)
    async with tcp(saying(silent)) as port, udp(ok) as other:
        config = DiscoveryConfig((port, other), (Transport.UDP, Transport.TCP), 0.3)
        found = await find_out(Destination.parse(HOST), config, console)
    assert [attempt.reach for attempt in found.answered] == [Reach.ANSWERED]
    assert "3 of 4 probes done" in file.getvalue()


class Terminal:
    """`sipprobe` as a process on a terminal of 80 columns."""

    def __init__(self, *arguments: str, **variables: str) -> None:
        self._master, slave = pty.openpty()
        os.set_inheritable(slave, True)
        environment = {"PATH": os.environ["PATH"], "TERM": "xterm", "COLUMNS": "80", "LINES": "40", **variables}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "probes.cli.main", *arguments],
            stdin=slave, stdout=slave, stderr=slave, cwd=ROOT, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.output = ""

    def read_until(self, text: str, patience: float = 20.0) -> None:
        """Read until `text` was shown; "" reads to the end."""
        deadline = time.monotonic() + patience
        while not text or text not in self.output:
            ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, self.output
            try:
                data = os.read(self._master, 65536)
            except OSError:  # how Linux says that nobody has the other end open any more
                data = b""
            if not data:
                assert not text, self.output
                return
            self.output += data.decode()

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def close(self) -> int:
        try:
            return self._process.wait(20)
        finally:
            os.close(self._master)


async def on_terminal(*transports: str) -> tuple[str, int]:
    """What is shown on a terminal while one port is silent, interrupted by Ctrl-C, and the exit code."""
    async with tcp(saying(silent)) as port:
        options = [option for name in transports for option in ("--transport", name)]

        def watch() -> tuple[str, int]:
            terminal = Terminal("discover", f"{HOST}:{port}", "--timeout", "30", *options, NO_COLOR="1")
            terminal.read_until("1 of 2 probes done")
            terminal.interrupt()
            terminal.read_until("")
            return terminal.output, terminal.close()

        return await trio.to_thread.run_sync(watch)


async def test_a_live_table_and_an_interruption() -> None:
    output, code = await on_terminal("udp", "tcp")
    assert code == ExitCode.INTERRUPTED
    stays = output.rpartition("\x1b[2K")[2]
    assert "1 of 2 probes done" in stays
    assert "refused" in stays
    assert "interrupted: what was seen by then is not judged" in stays
    assert "Traceback" not in output
    assert "\x1b[32m" not in output  # NO_COLOR


def test_a_terminal_shows_the_result_and_no_second_line_of_error() -> None:
    port = free_port()
    terminal = Terminal("discover", f"{HOST}:{port}", "--transport", "udp")
    terminal.read_until("")
    assert terminal.close() == ExitCode.REFUSED
    shown = terminal.output.rpartition("\x1b[2K")[2]
    assert shown.count("nothing listens there") == 1
    assert "sipprobe: " not in shown


def test_output_that_cannot_be_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of another time has no `…`, and is no reason to fail."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict"))
    monkeypatch.setattr(sys, "argv", ["sipprobe", "discover", f"udp://{HOST}:{free_port()}"])
    with pytest.raises(SystemExit) as left:
        command.main()
    assert left.value.code == ExitCode.REFUSED


def test_options_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the options that widen and narrow discovery come to."""
    configs: list[DiscoveryConfig] = []

    async def find(_: Destination, config: DiscoveryConfig, __: Console | None) -> object:
        await trio.lowlevel.checkpoint()
        configs.append(config)
        return conclude(EXAMPLE, [], [], [answered("udp 192.0.2.1:5060")], duration=1.0)

    monkeypatch.setattr(verb, "find_out", find)
    for arguments in (["example.com"], ["example.com", "--only-options"], ["example.com", "--challenge"]):
        monkeypatch.setattr(sys, "argv", ["sipprobe", "discover", *arguments])
        with pytest.raises(SystemExit):
            command.main()
    chosen = [(config.retry, config.habits, config.tls_report, config.challenge) for config in configs]
    assert chosen == [(True, True, True, False), (False, False, False, False), (True, True, True, True)]
