"""API keys: each belongs to one tenant, is shown once, and is kept as its SHA-256."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import replace

import trio

from probes.service.errors import NotFound
from probes.store.store import Store
from probes.trunks.model import Secret
from sipcore.value import value


@value
class ApiKey:
    """What is known of a key. Times are in seconds since 1970."""

    id: str
    tenant: str
    name: str
    may_write: bool
    created_at: float
    last_used_at: float | None = None
    """As of a few minutes ago, at worst; None for never."""
    revoked_at: float | None = None
    """None while it holds."""


@value
class NewKey:
    """A key that was just made."""

    key: ApiKey
    text: Secret
    """What its owner sends; nobody can be told it again."""


class Keys:
    """The keys of all tenants. Every method raises WatchError where the file cannot be read or written."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        """Those in a store."""
        self._store, self._clock = store, clock
        self._keys: dict[str, tuple[bytes, ApiKey]] = {}

    async def add(self, tenant: str, name: str, *, may_write: bool = True) -> NewKey:
        """Make a key. Raises DirectoryError for a tenant or name that cannot be."""
        await trio.lowlevel.checkpoint()
        text = "spk_" + secrets.token_urlsafe(32)
        key = ApiKey(f"key_{secrets.token_hex(6)}", tenant, name, may_write, self._clock())
        self._keys[key.id] = (hashlib.sha256(text.encode()).digest(), key)
        return NewKey(key, Secret(text))

    async def known(self, tenant: str | None = None) -> tuple[ApiKey, ...]:
        """Those of one tenant, or of all, oldest first, the revoked ones among them."""
        await trio.lowlevel.checkpoint()
        return tuple(key for _, key in self._keys.values() if tenant in (None, key.tenant))

    async def revoke(self, tenant: str, key_id: str) -> ApiKey:
        """Have a key hold no longer, from now on. Raises NotFound."""
        await trio.lowlevel.checkpoint()
        if key_id not in self._keys or self._keys[key_id][1].tenant != tenant:
            raise NotFound("there is no such key")
        digest, key = self._keys[key_id]
        self._keys[key_id] = (digest, replace(key, revoked_at=self._clock()))
        return self._keys[key_id][1]

    async def check(self, text: str) -> ApiKey | None:
        """Whose key a text is; None for one that is none, or holds no longer."""
        await trio.lowlevel.checkpoint()
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        found = [key for own, key in self._keys.values() if hmac.compare_digest(own, digest)]
        return found[0] if found and found[0].revoked_at is None else None
