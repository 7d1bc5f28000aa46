"""What the service has told of late, in a store."""

from sqlalchemy import Connection, delete, insert, select

from probes.store.schema import alerts

MAX_ALERTS = 200
"""Of each tenant. Older ones are forgotten, and so are those that `StoreConfig.keep_changes` says are old."""


def add(connection: Connection, tenant: str, alert_id: str, at: float, data: str) -> None:
    """One more, as JSON, told at `at` (in seconds since 1970); one of the same id is replaced."""
    own = alerts.c.tenant == tenant
    connection.execute(delete(alerts).where(own, alerts.c.id == alert_id))
    connection.execute(insert(alerts), {"tenant": tenant, "id": alert_id, "at": at, "data": data})
    kept = select(alerts.c.id).where(own).order_by(alerts.c.at.desc(), alerts.c.id).limit(MAX_ALERTS)
    connection.execute(delete(alerts).where(own, alerts.c.id.not_in(kept)))


def every(connection: Connection) -> tuple[tuple[str, str], ...]:
    """All of them, oldest first: whose, and as JSON."""
    query = select(alerts.c.tenant, alerts.c.data).order_by(alerts.c.at, alerts.c.id)
    return tuple((row.tenant, row.data) for row in connection.execute(query))
