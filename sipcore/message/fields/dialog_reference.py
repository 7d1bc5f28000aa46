"""References to another dialog: Replaces (RFC 3891), Join (RFC 3911) and Target-Dialog (RFC 4538)."""

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import ParseError
from sipcore.message.fields.parameterized import cut
from sipcore.message.fields.simple import parse_call_id
from sipcore.message.params import NO_PARAMS, Params
from sipcore.value import value


@value
class Replaces:
    """The dialog that a new one takes the place of, or in Join is added to; tags as the recipient of it sees them."""

    call_id: str
    params: Params = NO_PARAMS

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Replaces":
        """Read a Replaces or a Join; raises ParseError."""
        return cls(*_read(text, notes, ("to-tag", "from-tag")))

    @property
    def to_tag(self) -> str | None:
        """The recipient's own tag (RFC 3891 §3); None when it is missing."""
        return self.params.get("to-tag")

    @property
    def from_tag(self) -> str | None:
        """The tag of the recipient's peer (RFC 3891 §3); None when it is missing."""
        return self.params.get("from-tag")

    @property
    def early_only(self) -> bool:
        """Whether it must fail once the other dialog is confirmed (RFC 3891 §3)."""
        return "early-only" in self.params

    def __str__(self) -> str:
        return f"{self.call_id}{self.params}"


@value
class TargetDialog:
    """A dialog that authorises the request (RFC 4538 §7), its tags seen from the sender of the request."""

    call_id: str
    params: Params = NO_PARAMS

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "TargetDialog":
        """Read a Target-Dialog; raises ParseError."""
        return cls(*_read(text, notes, ("local-tag", "remote-tag")))

    @property
    def local_tag(self) -> str | None:
        """The tag of the request's sender; None when it is missing."""
        return self.params.get("local-tag")

    @property
    def remote_tag(self) -> str | None:
        """The tag of the request's recipient; None when it is missing."""
        return self.params.get("remote-tag")

    def __str__(self) -> str:
        return f"{self.call_id}{self.params}"


def _read(text: str, notes: Notes | None, tags: tuple[str, str]) -> tuple[str, Params]:
    """Call-ID and parameters, among which each of `tags` must stand exactly once (RFC 3891 §6.1)."""
    head, params = cut(text, notes)
    names = [name.lower() for name, content in params if content]
    if any(names.count(tag) > 1 for tag in tags):
        raise ParseError("a tag stands twice", section="RFC 3891 §6.1", text=text)
    if any(tag not in names for tag in tags):
        tolerate(notes, Deviation.NO_DIALOG_TAGS, text)
    return parse_call_id(head, notes), params
