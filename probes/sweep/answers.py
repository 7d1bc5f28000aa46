"""What an answer says. Answers that differ only in what tells requests apart are parsed once.

A network's hosts answer much alike: what is not in Via, From, To and Call-ID is mostly the same to the byte. So those
four are cut out, and what is left is looked up; only what was not met before is read in full.
"""

import re

from probes.fingerprint.banners import banner_of
from sipcore.errors import EXCERPT_CHARACTERS, ParseError
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.tokens import MAGIC_COOKIE
from sipcore.value import value

MAX_FORMS = 256
"""Answers that are remembered, so as not to be parsed again; forgotten all at once beyond that."""
MAX_FORM = 2048
"""Bytes of an answer that is tried as a usual one: one without a body seldom has half as many."""

REFLECTED = "it sends back what it receives"

_line = "[ -~]*+\r\n"
_plain = r"[ !#-+\--:<-~]*+"  # neither quoted nor a list, and no semicolon
# Via, From, To, Call-ID and CSeq in the order of RFC 3261 §7.3.1, or with Call-ID before From, as pjproject has it.
_usual = re.compile(
    (
        rf"(SIP/2\.0 {_line})Via: SIP/2\.0/UDP {_plain};(?>(?:(?!branch=){_plain};)*)branch={MAGIC_COOKIE}([0-9a-f.]++)"
        rf"(?:;{_line}|\r\n)(?>(Call-ID: {_line})?)From: {_line}To: {_line}(?(3)|Call-ID: {_line})CSeq: "
    ).encode()
).match


@value
class Answer:
    """A response: what it says, and `looks`, which is the same for all answers of a kind.

    `sample` is a response of its form, whose Via, From, To and Call-ID may be those of another place.
    """

    status: int
    reason: str
    banner: str
    looks: tuple[str, ...]
    sample: Response

    @property
    def is_provisional(self) -> bool:
        """Whether a final one is to follow (RFC 3261 §8.2.6.1)."""
        return self.status < 200


class Reader:
    """Reads answers, and remembers what the usual ones say."""

    def __init__(self) -> None:
        self._forms: dict[tuple[bytes, bool, bytes], Answer] = {}

    def read_untrusted(self, data: bytes) -> tuple[Answer | None, str]:
        """The answer in a datagram, with its branch behind the magic cookie; or None and, in words, what else it is."""
        usual = _usual(data) if len(data) <= MAX_FORM else None
        if usual is None:
            return read_untrusted(data)
        status_line, branch, early = usual.groups()
        form = status_line, early is None, data[usual.end() :]
        answer = self._forms.get(form)
        if answer is not None:
            return answer, branch.decode("ascii")
        answer, text = read_untrusted(data)
        if answer is not None:
            if len(self._forms) >= MAX_FORMS:
                self._forms.clear()
            self._forms[form] = answer
        return answer, text


def read_untrusted(data: bytes) -> tuple[Answer | None, str]:
    """As `Reader.read_untrusted`, without a memory. The branch is "" where there is none that can be read."""
    try:
        message = parse_message(data)
    except ParseError as error:
        if data.lstrip()[:8].upper().startswith(b"SIP/2.0 "):
            return None, f"a response that cannot be read: {error.message}"
        begin = data[:EXCERPT_CHARACTERS].decode("ascii", "backslashreplace").partition("\n")[0].rstrip()
        return None, f"{len(data)} bytes: {begin}" if begin.isprintable() and begin else f"{len(data)} bytes"
    if isinstance(message, Request):
        return None, REFLECTED
    try:
        branch = message.branch
    except ParseError:
        branch = ""
    headers, banner = message.headers, banner_of(message)
    looks = (message.reason, banner, headers.get("Allow") or "", *[name for name, _ in headers.raw_items()])
    return Answer(message.status, message.reason, banner, looks, message), branch.removeprefix(MAGIC_COOKIE)
