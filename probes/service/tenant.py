"""The names of tenants."""

import re

from sipcore.errors import LocalError, quoted

_is_name = re.compile(r"[a-z0-9-]{1,32}").fullmatch


def require_tenant(name: str) -> str:
    """The name. Raises LocalError for what cannot be one."""
    if not _is_name(name):
        text = f"{quoted(name)} cannot be a tenant: give 1 to 32 lower-case letters, digits and hyphens"
        raise LocalError(text, section="RFC 3261 §13.2.1")
    return name
