"""`sipprobe dns`: words or JSON out, and the exit code."""

import json

import pytest

from probes.checks.dns.judge import DnsReport
from probes.checks.dns.run import DnsReportConfig
from probes.cli.exit_codes import ExitCode
from probes.cli.main import main
from probes.destination import Destination
from sipcore.resolve.records import Address, Srv
from sipcore.resolve.target import SocketAddress
from tests.probes.checks.dns_values import GOOD, V4, Zone, report
from tests.probes.report.schemas import load, violations

Asked = list[tuple[Destination, DnsReportConfig]]
SRV = "SRV _sip._udp.example.com"
DEAD: Zone = V4 | {SRV: (Srv(0, 0, 0, "h1.example.com"),)}
LAME: Zone = V4 | {SRV: (Srv(0, 0, 0, "h1.example.com"), Srv(0, 0, 5060, "h1.example.com"))}


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["dns", *arguments])
    assert isinstance(left.value.code, int)
    return left.value.code


def answer_with(monkeypatch: pytest.MonkeyPatch, result: DnsReport) -> Asked:
    """Have every report be this one, and keep what was asked for."""
    asked: Asked = []

    async def made(destination: Destination, config: DnsReportConfig) -> DnsReport:
        asked.append((destination, config))
        return result

    monkeypatch.setattr("probes.checks.dns.run.report_dns", made)
    return asked


def test_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked = answer_with(monkeypatch, report(GOOD))
    assert run(" example.com ") == ExitCode.OK
    shown, told = capsys.readouterr()
    assert shown.startswith("sip:example.com leads to 3 places")
    assert max(map(len, shown.splitlines())) <= 80
    assert (told, "\x1b" in shown) == ("", False)
    assert asked == [(Destination("example.com"), DnsReportConfig())]


def test_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answer_with(monkeypatch, report(GOOD))
    assert run("example.com", "--json") == ExitCode.OK
    data = json.loads(capsys.readouterr().out)
    assert violations(data, load("dns")) == []
    assert data["works"] is True


def test_options(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer_with(monkeypatch, report(GOOD))
    resolvers = ("192.0.2.53", "[2001:db8::53]:5353", "192.0.2.53:53")
    arguments = [f"--resolver={resolver}" for resolver in resolvers]
    assert run("tel:+4930123@example.com", *arguments, "--timeout=0.5", "--pause=0") == ExitCode.OK
    ((destination, config),) = asked
    assert (destination.user, destination.host) == ("+4930123", "example.com")
    expected = (SocketAddress("192.0.2.53", 53), SocketAddress("2001:db8::53", 5353))
    assert (config.resolvers, config.timeout, config.pause) == (expected, 0.5, 0.0)


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (report(LAME), ExitCode.FAILED),
        (report(DEAD), ExitCode.UNRESOLVABLE),
        (report({}), ExitCode.UNRESOLVABLE),
    ],
)
def test_exit_codes(
    result: DnsReport,
    code: ExitCode,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer_with(monkeypatch, result)
    for arguments in ([], ["--json"]):
        assert run("example.com", *arguments) == code
        told = capsys.readouterr().err
        assert told.startswith("sipprobe: ")
        assert told.count("\n") == 1


def test_what_is_not_broken_but_worth_knowing_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer_with(monkeypatch, report({"A example.com": (Address("10.0.0.1"),)}))
    assert run("example.com") == ExitCode.OK
    shown, told = capsys.readouterr()
    assert "! notice: A example.com 10.0.0.1" in shown
    assert told == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["sip:"], "cannot read"),
        (["tel:+4930123"], "a telephone number names no host"),
        (["Microsoft Teams"], "is not a host; ports: tls 5061"),
        (["example.com", "--resolver=ns.example"], "--nameserver takes an address"),
        (["example.com", *(f"--resolver=192.0.2.{n}" for n in range(5))], "5 resolvers are too many; give at most 4"),
    ],
)
def test_what_cannot_be_used(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == ExitCode.USAGE
    shown, error = capsys.readouterr()
    assert told in error
    assert shown == ""


def test_an_address_asks_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("192.0.2.1") == ExitCode.OK
    assert "needs no DNS" in capsys.readouterr().out
