"""`sipprobe explain`, and --explain of discover."""

import json

import pytest

from probes.cli.exit_codes import ExitCode
from probes.cli.main import main
from probes.findings.catalogue import catalogue
from tests.probes.report.schemas import load, violations


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    code = ended.value.code
    assert isinstance(code, int)
    return code


@pytest.mark.parametrize("arguments", [("explain", "sip-alg"), ("discover", "--explain", "SIP_ALG")])
def test_a_finding_is_explained(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == ExitCode.OK
    assert "SIP ALG" in capsys.readouterr().out


def test_without_a_code_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain") == ExitCode.OK
    assert "dns-srv-nowhere" in capsys.readouterr().out


def test_a_finding_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "SIP_ALG", "--json") == ExitCode.OK
    data = json.loads(capsys.readouterr().out)
    assert violations(data, load("finding")) == []
    assert (data["code"], data["title"]) == ("sip-alg", catalogue()["sip-alg"].title)


def test_all_of_them_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "--json") == ExitCode.OK
    data = json.loads(capsys.readouterr().out)
    assert [violations(each, load("finding")) for each in data] == [[]] * len(data)
    assert [each["code"] for each in data] == list(catalogue().entries)


@pytest.mark.parametrize(
    "arguments",
    [("explain", "sip-alk"), ("discover", "--explain", "sip-alk", "example.com"), ("explain", "sip-alk", "--json")],
)
def test_an_unknown_one_is_answered_with_others(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == ExitCode.USAGE
    assert "perhaps sip-alg" in capsys.readouterr().err
