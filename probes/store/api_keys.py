"""API keys in a store: never a key itself, but its digest."""

from sqlalchemy import Connection, delete, insert, select, update

from probes.store.rows import Row
from probes.store.schema import api_keys
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
    """As of some minutes ago, at worst; None for never."""
    revoked_at: float | None = None
    """None while it holds."""


def add(connection: Connection, key: ApiKey, digest: str) -> None:
    """Write a new one."""
    row = {
        "id": key.id,
        "tenant": key.tenant,
        "name": key.name,
        "digest": digest,
        "may_write": key.may_write,
        "created_at": key.created_at,
    }
    connection.execute(insert(api_keys), row)


def of(connection: Connection, tenant: str | None) -> tuple[ApiKey, ...]:
    """Those of a tenant, or all for None, oldest first."""
    query = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id)
    if tenant is not None:
        query = query.where(api_keys.c.tenant == tenant)
    return tuple(_key_of(row) for row in connection.execute(query).mappings())


def by_digest(connection: Connection, digest: str) -> ApiKey | None:
    """The one with this digest. A digest is looked up like any other text: who measures how long that takes learns of
    the digest, and nothing of the key.
    """
    row = connection.execute(select(api_keys).where(api_keys.c.digest == digest)).mappings().first()
    return None if row is None else _key_of(row)


def revoke(connection: Connection, tenant: str, key_id: str, at: float) -> ApiKey | None:
    """Have one of a tenant hold no longer, if it still does; None if it has none of this id."""
    own = (api_keys.c.tenant == tenant) & (api_keys.c.id == key_id)
    connection.execute(update(api_keys).where(own, api_keys.c.revoked_at.is_(None)).values(revoked_at=at))
    row = connection.execute(select(api_keys).where(own)).mappings().first()
    return None if row is None else _key_of(row)


def forget_revoked(connection: Connection, tenant: str, keep: int) -> None:
    """Delete those of a tenant that hold no longer, but for so many that were revoked last."""
    own = (api_keys.c.tenant == tenant) & api_keys.c.revoked_at.is_not(None)
    last = select(api_keys.c.id).where(own).order_by(api_keys.c.revoked_at.desc(), api_keys.c.id).limit(keep)
    connection.execute(delete(api_keys).where(own, api_keys.c.id.not_in(last)))


def note_use(connection: Connection, key_id: str, at: float) -> None:
    """Write down when one was used."""
    connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=at))


def _key_of(row: Row) -> ApiKey:
    return ApiKey(
        id=row["id"],
        tenant=row["tenant"],
        name=row["name"],
        may_write=row["may_write"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        revoked_at=row["revoked_at"],
    )
