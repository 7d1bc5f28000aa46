"""A registrar written by hand, which is none of ours: what it lists, wants and forgets is up to each test."""

from dataclasses import dataclass, field

from sipcore.message.parser import parse_message
from tests.probes.discovery.network import ok


@dataclass
class Desk:
    """Keeps contacts of one user, and answers as it is told to."""

    contacts: dict[str, int] = field(default_factory=dict)
    """Seconds by URI."""
    statuses: dict[str, str] = field(default_factory=dict)
    """How it refuses to `ask`, `bind` or `remove`, with further fields on lines of their own; "" is silence."""
    least: int = 0
    fields: tuple[str, ...] = ()
    takes_one: bool = False
    keeps: bool = False
    """Whether it says that a contact is removed, and keeps it."""
    is_terse: bool = False
    """Whether it tells nothing of the contacts it has."""
    came: list[str] = field(default_factory=list)
    """What each REGISTER was for, in order."""

    def __call__(self, data: bytes) -> bytes | None:
        """Answer one REGISTER."""
        contact = parse_message(data).headers.get("Contact")
        expires = int(parse_message(data).headers.get("Expires") or 0)
        step = "ask" if contact is None else "bind" if expires else "remove"
        self.came.append(step)
        if step in self.statuses:
            status, *fields = self.statuses[step].split("\n")
            return ok(data, *fields, status=status) if status else None
        if contact is not None:
            uri = contact.strip("<>")
            if expires and expires < self.least:
                return ok(data, f"Min-Expires: {self.least}", status="423 Interval Too Brief")
            if self.takes_one:
                self.contacts.clear()
            if expires:
                self.contacts[uri] = expires
            elif not self.keeps:
                self.contacts.pop(uri, None)
        told = () if self.is_terse else (f"Contact: <{uri}>;expires={left}" for uri, left in self.contacts.items())
        return ok(data, *told, *self.fields)
