"""`sipprobe explain`, and --explain of discover."""

import pytest

from probes.cli.exit_codes import ExitCode
from probes.cli.main import main


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


@pytest.mark.parametrize("arguments", [("explain", "sip-alk"), ("discover", "--explain", "sip-alk", "example.com")])
def test_an_unknown_one_is_answered_with_others(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == ExitCode.USAGE
    assert "perhaps sip-alg" in capsys.readouterr().err
