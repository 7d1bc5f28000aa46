"""`sipprobe tls`: words or JSON out, and the exit code."""

import json
from pathlib import Path

import pytest

from probes.checks.run import TlsReportConfig
from probes.checks.tls_judge import TlsReport
from probes.cli.exit_codes import ExitCode
from probes.cli.main import main
from probes.destination import Destination
from sipcore.errors import FailureReason, TransportFailure
from sipcore.transports.tls_failure import TlsProblem
from tests.probes.checks.tls_values import HOP, NOW, REFUSED, SILENT, Table, failing
from tests.probes.discovery.network import free_port
from tests.probes.report.schemas import load, violations

Asked = list[tuple[Destination, TlsReportConfig]]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["tls", *arguments])
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    return answer_with(monkeypatch, Table().report())


def answer_with(monkeypatch: pytest.MonkeyPatch, result: TlsReport | TransportFailure) -> Asked:
    """Have every report be this one, and keep what was asked for."""
    asked: Asked = []

    async def report(destination: Destination, config: TlsReportConfig) -> TlsReport:
        asked.append((destination, config))
        if isinstance(result, TransportFailure):
            raise result
        return result

    monkeypatch.setattr("probes.checks.run.report_tls", report)
    return asked


def test_words(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("sip.example.com") == ExitCode.OK
    shown, told = capsys.readouterr()
    assert "its certificate is valid" in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 80
    assert (told, "\x1b" in shown) == ("", False)
    assert asked[0][0] == Destination("sip.example.com")


def test_json(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("sip.example.com", "--json") == ExitCode.OK
    data = json.loads(capsys.readouterr().out)
    assert violations(data, load("tls")) == []
    assert data["validity"] == "valid"


def test_options(asked: Asked, tmp_path: Path) -> None:
    for name in ("ca", "certificate", "key"):
        (tmp_path / name).write_text(name)
    files = [f"--{name}={tmp_path / file}" for name, file in (("ca-file", "ca"), ("certificate", "certificate"))]
    arguments = ["--name=x.example", "--timeout=2", "--deadline=9", *files, f"--key={tmp_path / 'key'}"]
    assert run("[2001:db8::1]:5071", *arguments, "--nameserver=192.0.2.53") == ExitCode.OK
    ((destination, config),) = asked
    assert (destination.host, destination.port) == ("2001:db8::1", 5071)
    assert (config.name, config.timeout, config.deadline) == ("x.example", 2.0, 9.0)
    assert (config.tls.ca_file, config.tls.certificate, config.tls.key) == (
        str(tmp_path / "ca"),
        b"certificate",
        b"key",
    )
    assert [str(server) for server in config.lookup.nameservers] == ["192.0.2.53:53"]


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (Table().report(NOW + 1e9), ExitCode.TLS_FAILED),
        (Table(ends=failing(TlsProblem.CLIENT_CERTIFICATE_REQUIRED)).report(), ExitCode.TLS_FAILED),
        (Table({}).report(), ExitCode.TLS_FAILED),
        (Table({}, rejects=SILENT).report(), ExitCode.TLS_FAILED),
        (Table({}, rejects=REFUSED).report(), ExitCode.REFUSED),
        (Table({}, rejects=TransportFailure(FailureReason.UNREACHABLE, f"{HOP}: x")).report(), ExitCode.UNREACHABLE),
        (Table({}, rejects=TransportFailure(FailureReason.PROHIBITED, f"{HOP}: x")).report(), ExitCode.UNREACHABLE),
        (Table({}, rejects=TransportFailure(FailureReason.TIMED_OUT, f"{HOP}: x")).report(), ExitCode.NO_ANSWER),
        (TransportFailure(FailureReason.UNRESOLVABLE, "no address"), ExitCode.UNRESOLVABLE),
    ],
)
def test_exit_codes(
    result: TlsReport | TransportFailure,
    code: ExitCode,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer_with(monkeypatch, result)
    for arguments in ([], ["--json"]):
        assert run("sip.example.com", *arguments) == code
        told = capsys.readouterr().err
        assert told.startswith("sipprobe: ")
        assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["udp://192.0.2.1"], "no TLS over udp"),
        (["sip:"], "cannot read"),
        (["192.0.2.1", "--certificate=x"], "needs both"),
        (["192.0.2.1", "--certificate=/nowhere/x", "--key=/nowhere/y"], "cannot read /nowhere/x"),
        (["192.0.2.1", "--nameserver=ns.example"], "takes an address"),
        (["192.0.2.1", "--ca-file=/nowhere/x"], "cannot read /nowhere/x: No such file"),
    ],
)
def test_what_cannot_be_used(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == ExitCode.USAGE
    shown, error = capsys.readouterr()
    assert told in error
    assert shown == ""


def test_over_a_socket(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"127.0.0.1:{free_port()}") == ExitCode.REFUSED
    assert "nothing listens there" in capsys.readouterr().err
