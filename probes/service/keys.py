"""API keys: each belongs to one tenant, is shown once, and is kept as its SHA-256.

A key is 256 random bits, so that nobody guesses it, and a digest without salt is enough.
"""

import hashlib
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from probes.service.errors import Conflict, Invalid, NotFound
from probes.store import api_keys
from probes.store.api_keys import ApiKey as ApiKey  # noqa: PLC0414  # what this module gives out
from probes.trunks.model import Secret
from probes.trunks.problem import error
from sipcore.value import value

PREFIX = "spk_"
"""What keys begin with, so that who finds one knows what it is, scanners of repositories among them."""
KEY_BYTES = 32
USE_NOTED = 300.0
"""Seconds in which the use of a key is written down once."""
MAX_NAME = 100
MAX_KEYS = 100
"""Of one tenant that hold."""
MAX_REVOKED = 200
"""Of one tenant that are kept, so that it is known who had which; those of longest ago are forgotten."""
LAST_KEY = "this is the last key that may write: make another one first, or revoke it by `sipprobe keys revoke`"
_is_key = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}").fullmatch
_is_tenant = re.compile(r"[a-z0-9-]{1,32}").fullmatch
T = TypeVar("T")


class Ledger(Protocol):
    """Where keys are kept: a `Store`, or a `SharedStore`."""

    def ask(self, question: Callable[[Connection], T]) -> Awaitable[T]:
        """Read."""

    def transact(self, run: Callable[[Connection], T]) -> Awaitable[T]:
        """Write."""

    def enqueue(self, run: Callable[[Connection], object]) -> None:
        """Write, sometime soon."""


@value
class NewKey:
    """A key that was just made."""

    key: ApiKey
    text: Secret
    """What its owner sends; nobody can be told it again."""


class Keys:
    """The keys of all tenants. Every method raises WatchError where the file cannot be read or written."""

    def __init__(self, store: Ledger, clock: Callable[[], float] = time.time) -> None:
        """Those in a store."""
        self._store, self._clock = store, clock
        self._noted: dict[str, float] = {}
        """When the use of each was written down last."""

    async def add(self, tenant: str, name: str, *, may_write: bool = True) -> NewKey:
        """Make a key. Raises Invalid for a tenant or name that cannot be, and Conflict past MAX_KEYS."""
        require_tenant(tenant)
        require_name(name)
        text = PREFIX + secrets.token_urlsafe(KEY_BYTES)
        key = ApiKey(f"key_{secrets.token_hex(8)}", tenant, name, may_write, self._clock())

        def run(connection: Connection) -> None:
            holding = [each for each in api_keys.of(connection, tenant) if each.revoked_at is None]
            if len(holding) >= MAX_KEYS:
                raise Conflict(f"there are {MAX_KEYS} keys, and there can be no more: revoke one first")
            api_keys.add(connection, key, _digest(text))

        await self._store.transact(run)
        return NewKey(key, Secret(text))

    async def known(self, tenant: str | None = None) -> tuple[ApiKey, ...]:
        """Those of one tenant, or of all, oldest first, the revoked ones among them."""
        return await self._store.ask(lambda connection: api_keys.of(connection, tenant))

    async def revoke(self, tenant: str, key_id: str, *, even_last: bool = False) -> ApiKey:
        """Have a key hold no longer, from now on. Raises NotFound, and Conflict for the last one of a tenant that may
        write, after which nobody could make another: `even_last` is for who can do so on this host.
        """
        at = self._clock()

        def run(connection: Connection) -> ApiKey:
            holding = [each for each in api_keys.of(connection, tenant) if each.revoked_at is None and each.may_write]
            if not even_last and [each.id for each in holding] == [key_id]:
                raise Conflict(LAST_KEY, "key_id")
            found = api_keys.revoke(connection, tenant, key_id, at)
            if found is None:
                raise NotFound("there is no such key", "key_id")
            api_keys.forget_revoked(connection, tenant, MAX_REVOKED)
            return found

        return await self._store.transact(run)

    async def check(self, text: str) -> ApiKey | None:
        """Whose key a text is; None for one that is none, or holds no longer. That it was used is noted."""
        if not _is_key(text):
            return None
        digest = _digest(text)
        found = await self._store.ask(lambda connection: api_keys.by_digest(connection, digest))
        if found is None or found.revoked_at is not None:
            return None
        return self._used(found)

    def _used(self, key: ApiKey) -> ApiKey:
        now = self._clock()
        if abs(now - self._noted.get(key.id, key.last_used_at or 0.0)) >= USE_NOTED:
            self._noted[key.id] = now
            self._store.enqueue(lambda connection: api_keys.note_use(connection, key.id, now))
        return replace(key, last_used_at=self._noted.get(key.id, key.last_used_at))


def require_tenant(tenant: str) -> None:
    """Raise Invalid for what is no name of a tenant."""
    if not _is_tenant(tenant):
        cure = "give 1 to 32 lower-case letters, digits and hyphens"
        raise Invalid((error("tenant", "tenant", "that is no name of a tenant", cure),))


def require_name(name: str) -> None:
    """Raise Invalid for what no key can be called."""
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        cause = "the name of a key has to be told apart from others"
        raise Invalid((error("name", "name", cause, f"give 1 to {MAX_NAME} printable characters"),))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
