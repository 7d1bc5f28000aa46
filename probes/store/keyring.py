"""The key of the secrets in a store, in a file of its own that only its owner reads, and what is encrypted with it.

Each secret is encrypted for itself by AES-256-GCM, bound to the row and field that it stands in, so that none can be
moved to another one. The file has one key in each line, the newest first: that one encrypts, the others still decrypt
what was encrypted with them.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import stat
from collections.abc import Collection, Mapping
from glob import escape
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from probes.health.trunk import WatchError
from probes.store.database import PRIVATE

KEY_SUFFIX = ".key"
"""Of the file beside a store."""
KEY_BYTES = 32
NONCE_BYTES = 12
"""NIST SP 800-38D §8.2.2: chosen at random, good for 2^32 secrets with one key."""
MAX_KEY_FILE = 1 << 16
"""Bytes: a thousand keys."""
_HEAD = (
    b"# The key of the secrets in the store beside: without it they are lost. Keep a copy elsewhere, keep it private.\n"
)
_PURPOSE = b"sipprobe: which key this is"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def key_file_of(store: Path) -> Path:
    """Where the key of a store is, if nobody says otherwise."""
    return store.with_name(store.name + KEY_SUFFIX)


class Keyring:
    """Keys, one of which encrypts."""

    def __init__(self, path: Path, keys: Collection[bytes]) -> None:
        """`open` makes one. `path` is for errors."""
        self._path = path
        self._keys = {_name(key): AESGCM(key) for key in keys}
        self.current = next(iter(self._keys))
        """The name of the key that encrypts, which says nothing of the key itself."""
        self._newest, *self._older = keys

    @classmethod
    def open(cls, path: Path, used: Collection[str]) -> Self:
        """Read the keys of a file; `used` are the names of those with which there are secrets. Without any, a file
        that is not there is made. Raises WatchError with what to do about it; one that is there is not changed.
        """
        try:
            keys = _read(path)
        except FileNotFoundError:
            if used:
                raise _unusable(path, "it is not there, and there are secrets that it decrypts: put it back") from None
            keys = [os.urandom(KEY_BYTES)]
            _write(path, keys, is_new=True)
        ring = cls(path, keys)
        if not set(used) <= set(ring._keys):
            text = "it has not the key that the secrets in the store were encrypted with: put back the one that has"
            raise _unusable(path, text)
        return ring

    def derived(self, purpose: str) -> bytes:
        """A key for another purpose, of 32 bytes, that says nothing of the one that encrypts (SP 800-108r1 §4)."""
        return hmac.new(self._newest, f"sipprobe: {purpose}".encode(), hashlib.sha256).digest()

    def renewed(self) -> Self:
        """These keys behind a new one, which encrypts; so they stand in the file then. Raises WatchError."""
        return self._put([os.urandom(KEY_BYTES), self._newest, *self._older])

    def without_older(self) -> Self:
        """The key that encrypts alone, likewise: whatever was encrypted with the others is lost."""
        return self._put([self._newest])

    def _put(self, keys: Collection[bytes]) -> Self:
        _write(self._path, keys, is_new=False)
        return type(self)(self._path, keys)

    def sealed(self, secrets: Mapping[str, str], row: tuple[str, ...]) -> str:
        """Secrets of a row by their fields, encrypted with the current key, as one text."""
        cipher = self._keys[self.current]
        made = {}
        for field, text in secrets.items():
            nonce = os.urandom(NONCE_BYTES)
            content = cipher.encrypt(nonce, text.encode("utf-8", "surrogatepass"), _bound(row, field))
            made[field] = base64.b64encode(nonce + content).decode()
        return json.dumps(made)

    def opened(self, sealed: str, key: str, row: tuple[str, ...]) -> dict[str, str]:
        """The secrets of a row, encrypted with the key of that name. Raises WatchError."""
        if key not in self._keys:
            raise _unusable(self._path, "it has not the key that a secret was encrypted with: put that back")
        cipher, found, field = self._keys[key], {}, "the secrets"
        try:
            for field, text in json.loads(sealed).items():
                raw = base64.b64decode(text, validate=True)
                content = cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _bound(row, field))
                found[field] = content.decode("utf-8", "surrogatepass")
        except (InvalidTag, ValueError, TypeError, AttributeError):
            raise _unusable(self._path, f"it does not decrypt {field} of a row, which somebody changed") from None
        return found


def _bound(row: tuple[str, ...], field: str) -> bytes:
    """What a secret is bound to."""
    return json.dumps([*row, field]).encode()


def _name(key: bytes) -> str:
    return hmac.new(key, _PURPOSE, hashlib.sha256).hexdigest()[:16]


def _read(path: Path) -> list[bytes]:
    """The keys in a file, which is not quoted in errors. Raises FileNotFoundError, and WatchError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            mode = os.fstat(descriptor).st_mode
            content = os.read(descriptor, MAX_KEY_FILE) if stat.S_ISREG(mode) else b""
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise _unusable(path, f"it cannot be read: {_reason(error)}") from error
    if mode & _OTHERS:
        raise _unusable(path, f"others than its owner can use it: chmod 600 {path}")
    lines = [line.strip() for line in content.splitlines()]
    keys = [_decoded(path, line) for line in lines if line and not line.startswith(b"#")]
    if not keys:
        raise _unusable(path, "there is no key in it: put back the one that was, or, without secrets, remove the file")
    return keys


def _decoded(path: Path, line: bytes) -> bytes:
    try:
        key = base64.b64decode(line, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise _unusable(path, f"each line is one key, {KEY_BYTES} random bytes in Base64: openssl rand -base64 32")
    return key


def _write(path: Path, keys: Collection[bytes], *, is_new: bool) -> None:
    """Write keys to a new file, or, as the one program that does, in place of those of one that is there: all of it or
    nothing, for the same owner.
    """
    try:
        place = path if is_new else path.resolve()  # what a link leads to is replaced, and not the link
        if not is_new:
            for left in place.parent.glob(f"{escape(place.name)}.*.part"):  # by one that was killed: it has a key in it
                left.unlink()
        part = place.with_name(f"{place.name}.{os.getpid()}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if not is_new:
                    owner = place.stat()
                    os.fchown(descriptor, owner.st_uid, owner.st_gid)
                file.write(_HEAD + b"".join(base64.b64encode(key) + b"\n" for key in keys))
                file.flush()
                os.fsync(descriptor)
            if is_new:
                os.link(part, place)  # which does not replace one that is there, as a rename does
            else:
                part.replace(place)
        finally:
            part.unlink(missing_ok=True)
        directory = os.open(place.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except (OSError, ValueError) as error:
        raise _unusable(path, f"it cannot be written: {_reason(error)}") from error


def _unusable(path: Path, text: str) -> WatchError:
    return WatchError(f"key file {path}: {text}")


def _reason(error: OSError | ValueError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
