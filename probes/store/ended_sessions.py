"""Sessions of browsers that were logged out, in a store, so that their cookies stay worthless after a restart."""

from sqlalchemy import Connection, delete, insert, select

from probes.store.schema import ended_sessions

MAX_ENDED = 1000
"""Of one tenant. Those that would have ended first are forgotten for others: it is its own sessions that come back."""


def add(connection: Connection, tenant: str, nonce: str, until: float, now: float) -> None:
    """One more, whose cookies would be good up to `until`, in seconds since 1970; what is over is forgotten."""
    own, at = ended_sessions.c.tenant == tenant, ended_sessions.c.until
    connection.execute(delete(ended_sessions).where((at <= now) | (ended_sessions.c.nonce == nonce)))
    connection.execute(insert(ended_sessions), {"nonce": nonce, "tenant": tenant, "until": until})
    kept = select(ended_sessions.c.nonce).where(own).order_by(at.desc(), ended_sessions.c.nonce).limit(MAX_ENDED)
    connection.execute(delete(ended_sessions).where(own, ended_sessions.c.nonce.not_in(kept)))


def of(connection: Connection, now: float) -> dict[str, float]:
    """All whose cookies would be good still, by their nonces, and until when."""
    query = select(ended_sessions.c.nonce, ended_sessions.c.until).where(ended_sessions.c.until > now)
    return {row.nonce: row.until for row in connection.execute(query)}
