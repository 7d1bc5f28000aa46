"""`sipprobe keys reencrypt`; what else it does is tried beside a service, in `test_serve`."""

from pathlib import Path

import pytest

from probes.cli.exit_codes import ExitCode
from probes.cli.main import main
from probes.store.keyring import key_file_of
from probes.store.store import Store
from tests.probes.store.test_new_key import filled, keys


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(each) for each in arguments])
    assert isinstance(left.value.code, int)
    return left.value.code


async def test_passwords_get_a_new_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "service.db"
    await filled(path)
    assert run("keys", "reencrypt", "--store", path) == ExitCode.OK
    told = capsys.readouterr()
    assert told.out == "3 trunks and numbers have their passwords encrypted with a new key\n"
    kept = "it is the first one in the file, before those that copies of the store from before need"
    assert told.err == f"sipprobe: keep a copy of {key_file_of(path)}: {kept}\n"
    assert len(keys(path)) == 2
    assert run("keys", "reencrypt", "--forget-old", "--store", path) == ExitCode.OK
    kept = "it is the only one in the file, and copies of the store from before cannot be read by it"
    assert capsys.readouterr().err == f"sipprobe: keep a copy of {key_file_of(path)}: {kept}\n"
    assert len(keys(path)) == 1


async def test_a_store_that_is_in_use_or_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "service.db"
    await filled(path)
    with Store.open(path):
        assert run("keys", "reencrypt", "--store", path) == ExitCode.USAGE
    told = capsys.readouterr().err
    assert "another sipprobe writes to it" in told
    assert "stop that one first, and start it again afterwards" in told
    assert "a file of its own" not in told
    assert len(keys(path)) == 1
    assert run("keys", "reencrypt", "--store", tmp_path / "none.db") == ExitCode.USAGE
    assert "there is no file" in capsys.readouterr().err
    assert not key_file_of(tmp_path / "none.db").exists()
