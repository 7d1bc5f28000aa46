"""What this project makes of a labelled case.

"Accept" means that no ParseError stands in the way; deviations are allowed. Malformed header fields that are not needed
are ignored, as RFC 3261 §8.2.2 has it, so a message is refused when its structure, its Request-URI or a field that
every message is routed and matched by cannot be read. A message that somebody rejects must at least be found faulty:
required fields, the method that CSeq names, and the fields that are not needed are checks on top, made by `inspect`.
"""

from dataclasses import dataclass

from sipcore.deviation import Deviation, Notes
from sipcore.errors import ParseError
from sipcore.message.headers import Headers
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.message.registry import CALL_ID, CONTENT_LENGTH, CSEQ, FROM, MAX_FORWARDS, ROWS, TO, VIA, key_of
from sipcore.message.require import inspect
from sipcore.message.uri import parse_uri
from tests.conformance.corpus import Case
from tests.conformance.disagreements import sentence_for

NEEDED = tuple(row.key for row in (VIA, FROM, TO, CALL_ID, CSEQ, MAX_FORWARDS, CONTENT_LENGTH))

GRAMMARS = {"Via value": "Via", "name-addr/addr-spec *(;param)": "Contact"}
"""The header field that a case without a name is read as."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Ours on a case: the error that refuses it, or else what was noted."""

    case: Case
    error: ParseError | None
    noted: frozenset[Deviation] = frozenset()

    @property
    def agrees(self) -> bool:
        return (self.error is None) == (self.case.expect == "accept")

    @property
    def backing(self) -> str | None:
        """The sentence that backs a verdict which differs from the label."""
        return sentence_for(self.case.id, None if self.error is None else str(self.error), set(self.noted))


def judge(case: Case, kind: str) -> Verdict:
    """Our verdict; any exception other than ParseError is a bug of ours."""
    read = {"uri": _read_uri, "header": _read_header, "message": _read_message}[kind]
    try:
        return Verdict(case, None, frozenset(read(case)))
    except ParseError as error:
        return Verdict(case, error)


def _read_uri(case: Case) -> Notes:
    notes: Notes = []
    parse_uri(case.text, notes)
    return notes


def _read_header(case: Case) -> Notes:
    text = f"{GRAMMARS[case.checks['grammar']]}: {case.text}" if case.checks.get("value_only") else case.text
    key = key_of(text.partition(":")[0])
    if key == CONTENT_LENGTH.key:  # a body to match is not part of the case
        headers = Headers([text.rstrip("\r\n")], [key])
    else:
        field = text.rstrip("\r\n").encode("utf-8", "surrogateescape")
        headers = parse_message(b"OPTIONS sip:a@b SIP/2.0\r\n" + field + b"\r\n\r\n").headers
    for row in headers.known_rows():
        headers[row]
    return [note.deviation for note in headers.noted()]


def _read_message(case: Case) -> Notes:
    message = parse_message(case.data)
    assert bytes(message) == case.data
    inspection = inspect(message)
    if case.expect == "reject" and inspection.errors:
        raise inspection.errors[0]
    for key in NEEDED:
        message.headers[ROWS[key]]
    if isinstance(message, Request):
        assert str(message.uri)
    return [note.deviation for note in inspection.noted]
