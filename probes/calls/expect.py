"""How a test call is expected to end, and whether it did."""

from probes.result import CallKind, CallResult, CallStatus
from sipcore.errors import LocalError, quoted
from sipcore.value import value

_STATUSES = {status.value: status for status in CallStatus}
_KINDS = {kind.value.lower().replace(" ", "_"): kind for kind in CallKind}
PENDING = CallStatus.PENDING.value
_NO_ENDINGS = (PENDING, CallKind.INTERRUPTED.value)
WORDS = tuple(word for word in dict.fromkeys((*_STATUSES, *_KINDS)) if word not in _NO_ENDINGS)
"""The endings that have a name; a final status is one, too, by its number. `pending` is none: what is told of a call
before it has ended. Nor is what only the keyboard can bring about.
"""


@value
class Expectation:
    """One ending: a word of WORDS, or the code of a final response."""

    text: str

    @classmethod
    def parse(cls, text: str) -> "Expectation":
        """Read it, in any case, with spaces, hyphens or underscores. Raises LocalError, which says what there is."""
        word = text.strip().lower().replace(" ", "_").replace("-", "_")
        if word == PENDING:
            text = "no call ends with pending: that is what is told of it while it goes on, or where nobody saw its end"
            raise LocalError(f"{text}; for one that nobody answers expect no-answer", section="RFC 3261 §21")
        is_code = len(word) == 3 and word.isascii() and word.isdecimal() and "200" <= word < "700"
        if word not in WORDS and not is_code:
            words = ", ".join(WORDS)
            raise LocalError(
                f"no call ends with {quoted(text)}; give a status from 200 to 699, or {words}", section="RFC 3261 §21"
            )
        return cls(word)

    def unmet(self, result: CallResult) -> str:
        """What is different, in a sentence; empty when the call ended as expected."""
        if self.text.isdecimal():
            met = result.final_status == int(self.text)
        else:
            met = _KINDS.get(self.text) is result.kind or (
                # A call that was connected without media is not what somebody wants who expects a connected one.
                self.text != CallStatus.CONNECTED.value and _STATUSES.get(self.text) is result.status
            )
        if met:
            return ""
        said = f" ({result.final_status})" if result.final_status else ""
        return f"expected was {self.text.replace('_', ' ')}, and it ended with {result.kind.value}{said}"
