"""The file with the key: made once, never changed, refused where it is another one or open to others."""

import base64
from pathlib import Path

import pytest

from probes.health.trunk import WatchError
from probes.store.keyring import Keyring

ROW = ("trunk", "acme", "t1")


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "service.db.key"


def test_key_is_made_once_and_only_its_owner_reads_it(key_file: Path) -> None:
    ring = Keyring.open(key_file, ())
    assert key_file.stat().st_mode & 0o777 == 0o600
    content = key_file.read_bytes()
    assert [each.name for each in key_file.parent.iterdir()] == [key_file.name]
    sealed = ring.sealed({"/password": "hunter2\ud800"}, ROW)
    assert "hunter2" not in sealed
    again = Keyring.open(key_file, [ring.current])
    assert again.opened(sealed, ring.current, ROW) == {"/password": "hunter2\ud800"}
    assert key_file.read_bytes() == content


def test_other_key_is_told_and_left_alone(key_file: Path, tmp_path: Path) -> None:
    ring = Keyring.open(key_file, ())
    other = tmp_path / "other.key"
    Keyring.open(other, ())
    content = other.read_bytes()
    with pytest.raises(
        WatchError, match="it has not the key that the secrets in the store were encrypted with: put back"
    ):
        Keyring.open(other, [ring.current])
    assert other.read_bytes() == content


def test_key_that_is_gone_is_not_made_again(key_file: Path) -> None:
    ring = Keyring.open(key_file, ())
    key_file.unlink()
    with pytest.raises(WatchError, match="it is not there, and there are secrets that it decrypts: put it back"):
        Keyring.open(key_file, [ring.current])
    assert not key_file.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o622, 0o777])
def test_file_that_others_can_use_is_refused(key_file: Path, mode: int) -> None:
    Keyring.open(key_file, ())
    key_file.chmod(mode)
    with pytest.raises(WatchError, match="others than its owner can use it: chmod 600 "):
        Keyring.open(key_file, ())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "there is no key in it"),
        (b"# a comment\n\n", "there is no key in it"),
        (b"s3cr3t\n", "each line is one key, 32 random bytes in Base64: openssl rand -base64 32"),
        (base64.b64encode(b"s3cr3t") + b"\n", "each line is one key"),
        (base64.b64encode(bytes(16)), "each line is one key"),
        (b"\xff" * 44, "each line is one key"),
    ],
)
def test_file_without_a_key_is_told_and_not_quoted(key_file: Path, content: bytes, message: str) -> None:
    key_file.write_bytes(content)
    key_file.chmod(0o600)
    with pytest.raises(WatchError, match=message) as caught:
        Keyring.open(key_file, ())
    assert "s3cr3t" not in str(caught.value)
    assert key_file.read_bytes() == content


def test_place_where_no_key_can_be_is_told(tmp_path: Path) -> None:
    with pytest.raises(WatchError, match="it cannot be written: No such file or directory"):
        Keyring.open(tmp_path / "nowhere" / "key", ())
    (tmp_path / "directory").mkdir(mode=0o700)
    with pytest.raises(WatchError, match="there is no key in it"):
        Keyring.open(tmp_path / "directory", ())
    with pytest.raises(WatchError, match="cannot be read"):
        Keyring.open(tmp_path / ("x" * 300), ())


def test_keys_do_not_show(key_file: Path) -> None:
    ring = Keyring.open(key_file, ())
    key = key_file.read_text().splitlines()[-1]
    assert key not in repr(ring)
    assert base64.b64decode(key).hex()[:16] != ring.current


def test_a_key_for_another_purpose_is_the_same_over_restarts_and_says_nothing_of_the_first(key_file: Path) -> None:
    ring = Keyring.open(key_file, ())
    derived = ring.derived("sessions")
    assert len(derived) == 32
    assert derived == Keyring.open(key_file, ()).derived("sessions")
    assert derived != ring.derived("others")
    assert base64.b64encode(derived).decode() not in key_file.read_text()


def test_secret_that_somebody_changed_is_told(key_file: Path) -> None:
    ring = Keyring.open(key_file, ())
    sealed = ring.sealed({"/password": "hunter2"}, ROW)
    for row in (("number", "acme", "t1"), ("trunk", "other", "t1"), ("trunk", "acme", "t2")):
        with pytest.raises(WatchError, match="it does not decrypt /password of a row"):
            ring.opened(sealed, ring.current, row)
    with pytest.raises(WatchError, match="it does not decrypt /other of a row"):
        ring.opened(sealed.replace("/password", "/other"), ring.current, ROW)
    with pytest.raises(WatchError, match="it has not the key that a secret was encrypted with"):
        ring.opened(sealed, "0" * 16, ROW)
