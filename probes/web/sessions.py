"""Sessions of browsers: a key was given once, and a cookie stands for it from then on.

The cookie holds no secret of its own: whose key it was and until when, with a code that only this service can make
(HMAC-SHA-256). It is worth as much as the key is: nothing once that is revoked. It and its end outlive a restart.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

from sqlalchemy import Connection

from probes.store import ended_sessions
from probes.store.store import Store
from sipcore.value import value

COOKIE = "sipprobe_session"
LIFETIME = 12 * 3600.0
"""Seconds after which a browser that shows nothing of these pages has to log in again."""
RENEWAL = 1800.0
"""Seconds after which a session that is in use gets a new cookie."""
MAX_COOKIE = 512
"""Characters."""


@value
class Session:
    """Who has logged in, by which key. `until` is in seconds since 1970."""

    tenant: str
    key_id: str
    until: float
    nonce: str


class Sessions:
    """Makes cookies, and knows its own."""

    def __init__(self, secret: bytes, store: Store, clock: Callable[[], float] = time.time) -> None:
        """`secret` is 32 random bytes, the same over restarts; the store has the sessions that were logged out. Raises
        WatchError where it cannot be read.
        """
        self._secret, self._store, self._clock = secret, store, clock
        self._ended = store.look(lambda connection: ended_sessions.of(connection, clock()))
        """Sessions that were logged out, by their nonces, until they would have ended anyway."""

    def begin(self, tenant: str, key_id: str) -> Session:
        """Somebody has given a key."""
        return Session(tenant, key_id, self._clock() + LIFETIME, secrets.token_hex(16))

    def cookie(self, session: Session) -> str:
        """What the browser keeps."""
        text = f"{session.tenant}.{session.key_id}.{session.until:.0f}.{session.nonce}"
        return f"{text}.{self._code('session', text)}"

    def session(self, cookie: str) -> Session | None:
        """Whose cookie it is; None for one that was not made here, or is over."""
        text, _, code = cookie[:MAX_COOKIE].rpartition(".")
        parts = text.split(".")
        if len(parts) != 4 or not _same(code, self._code("session", text)):
            return None
        tenant, key_id, until, nonce = parts
        if float(until) < self._clock() or nonce in self._ended:
            return None
        return Session(tenant, key_id, float(until), nonce)

    def renewed(self, session: Session) -> Session | None:
        """The same for longer, where it is time for that."""
        until = self._clock() + LIFETIME
        if until - session.until < RENEWAL:
            return None
        return Session(session.tenant, session.key_id, until, session.nonce)

    async def end(self, session: Session) -> None:
        """Somebody logs out: the cookie is worth nothing from now on. Raises WatchError where that cannot be written
        down: it holds until the next restart then.
        """
        now = self._clock()
        until = self._ended[session.nonce] = now + LIFETIME

        def run(connection: Connection) -> dict[str, float]:
            ended_sessions.add(connection, session.tenant, session.nonce, until, now)
            return ended_sessions.of(connection, now)

        self._ended = await self._store.transact(run)

    def token(self, session: Session) -> str:
        """What the forms of a session send back, which no other site knows."""
        return self._code("form", session.nonce)

    def is_token(self, session: Session, text: str) -> bool:
        """Whether a form was made for this session."""
        return _same(text, self.token(session))

    def _code(self, purpose: str, text: str) -> str:
        return hmac.new(self._secret, f"{purpose}:{text}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _same(given: str, own: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), own.encode())
