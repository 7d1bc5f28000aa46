"""Via: RFC 3261 §20.42, with rport of RFC 3581."""

import re

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import ParseError
from sipcore.grammar import TOKEN, require_safe
from sipcore.message.params import GENERIC_PARAM, MAX_PARAMETERS, NO_PARAMS, Params, matched_params
from sipcore.message.uri import HOST, MAX_PORT, PLAIN_HOST, PORT, check_host, parse_hostport
from sipcore.pattern import Pattern
from sipcore.tokens import MAGIC_COOKIE
from sipcore.value import maker, value

MAX_TTL = 255
"""RFC 3261 §25.1: a ttl is a number from 0 to 255."""

# Parameters whose values are addresses or numbers either are so plainly, or are left to the slow path. Those that most
# Vias have stand before all others, which takes half the time.
_PARAM = (
    rf"(?:branch={TOKEN}++|rport(?>(?:={PORT})?)|received=[0-9A-Fa-f:.]++|(?!(?i:rport|received|ttl)){GENERIC_PARAM})"
)
_PARAMS = rf"(?>(?:;{_PARAM}(?=[;\r]|$)){{0,{MAX_PARAMETERS}}})"
PLAIN_VIA = rf"SIP/2\.0/{TOKEN}++ {PLAIN_HOST}(?>(?::{PORT})?){_PARAMS}"
"""A Via as most are written, as a pattern: without a fault."""
_plain = Pattern(rf"({TOKEN}++)/({TOKEN}++)/({TOKEN}++)[ \t]++({HOST})(?>(?::({PORT}))?)({_PARAMS})", re.DOTALL)
_protocol = Pattern(rf"({TOKEN}++)[ \t]*+/[ \t]*+({TOKEN}++)[ \t]*+/[ \t]*+({TOKEN}++)[ \t]++")
_sent_by = Pattern(r"(\[[^\]]*+\]|[^ \t:]++)(?>(?:[ \t]*+:[ \t]*+([^ \t]++))?)")
_is_small_number = Pattern("[0-9]{1,5}")


@value
class Via:
    """One Via value: who sent it over what, and where the response goes (RFC 3261 §18.2.2)."""

    transport: str
    host: str
    port: int | None = None
    params: Params = NO_PARAMS
    name: str = "SIP"
    version: str = "2.0"

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Via":
        """Read one Via value; raises ParseError."""
        match = _plain.fullmatch(text)
        if not match:
            return _read_slowly(text, notes)
        name, version, transport, host, port, parameters = match.groups()
        if host[0] == "[":
            check_host(host, text, notes, match.start(4))
        number = int(port) if port else None
        return _make(transport, host, number, matched_params(parameters), name, version)

    @property
    def branch(self) -> str:
        """The branch parameter (RFC 3261 §8.1.1.7), "" where there is none."""
        return self.params.get("branch") or ""

    @property
    def has_cookie(self) -> bool:
        """Whether the branch is one of RFC 3261; one of RFC 2543 is matched differently (RFC 3261 §17.2.3)."""
        return self.branch[:7].lower() == MAGIC_COOKIE.lower()

    @property
    def received(self) -> str | None:
        """The address that the request came from, without brackets (RFC 3261 §18.2.1, RFC 5118 §4.5)."""
        content = self.params.get("received")
        return content.strip("[]") if content else None

    @property
    def rport(self) -> int | None:
        """The port that the request came from (RFC 3581 §4); None while it has no value."""
        content = self.params.get("rport")
        return int(content) if content else None

    @property
    def wants_rport(self) -> bool:
        """Whether the rport parameter is there, with or without a value (RFC 3581 §3)."""
        return "rport" in self.params

    @property
    def sent_by(self) -> str:
        """Host and port as written (RFC 3261 §18.1.1)."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    def with_param(self, name: str, content: str | None) -> "Via":
        """The same Via with one parameter set (None: a bare name)."""
        params = self.params.replace(name, content)
        return Via(self.transport, self.host, self.port, params, self.name, self.version)

    def __str__(self) -> str:
        return f"{self.name}/{self.version}/{self.transport} {self.sent_by}{self.params}"


_make = maker(Via)


def via_for(transport: str, host: str, port: int | None, branch: str) -> Via:
    """A Via to send: sent-by from a host without brackets, the branch, and rport (RFC 3581 §3: always)."""
    literal = f"[{host}]" if ":" in host else host
    require_safe(literal + branch, "a Via")
    return Via(transport, literal, port, Params((("branch", branch), ("rport", None))))


def _check_numbers(params: Params, text: str, offset: int, notes: Notes | None) -> None:
    """Look at the parameters whose values are addresses or numbers (RFC 3261 §20.42, RFC 3581 §4)."""
    for name, limit, section in (("rport", MAX_PORT, "RFC 3581 §4"), ("ttl", MAX_TTL, "RFC 3261 §25.1")):
        content = params.get(name)
        if content and not (_is_small_number.fullmatch(content) and int(content) <= limit):
            offset = text.index(content, offset)
            raise ParseError(f"{name} is not a number up to {limit}", section=section, text=text, offset=offset)
    received = params.get("received")
    if received and received[0] == "[":
        tolerate(notes, Deviation.BRACKETED_ADDRESS_PARAMETER, text, text.index(received, offset))


def _read_slowly(text: str, notes: Notes | None) -> Via:
    """White space around the slashes and the colon, which the grammar allows, odd hosts, and faults."""
    begin = len(text) - len(text.lstrip(" \t"))
    match = _protocol.match(text, begin)
    if not match:
        raise ParseError("not a Via", section="RFC 3261 §20.42", text=text, offset=begin)
    name, version, transport = match.groups()
    begin = match.end()
    end = len(text.rstrip(" \t"))
    if text[end - 1] == ")" and "(" in text[begin:]:
        end = len(text[: text.rindex("(")].rstrip(" \t"))
        tolerate(notes, Deviation.VIA_COMMENT, text, end)
    where, semicolon, rest = text[begin:end].partition(";")
    sent_by = _sent_by.fullmatch(where.rstrip(" \t"))
    if not sent_by:
        raise ParseError("not a host and port", section="RFC 3261 §20.42", text=text, offset=begin)
    host, digits = sent_by.groups()
    host, port = parse_hostport(host if digits is None else f"{host}:{digits}", text, notes, begin)
    begin += len(where)
    try:
        params = Params.parse(semicolon + rest.rstrip(" \t"), notes)
    except ParseError as error:
        raise error.within(text=text, offset=begin) from None
    _check_numbers(params, text, begin, notes)
    return Via(transport, host, port, params, name, version)


def tolerate_missing_branch(via: Via, notes: Notes | None) -> None:
    """Note a Via whose branch is not one of RFC 3261 (§8.1.1.7): RFC 2543 peers, and faults (RFC 4475 §3.2.1)."""
    if not via.branch or via.branch == MAGIC_COOKIE:
        tolerate(notes, Deviation.NO_BRANCH, str(via))
    elif not via.has_cookie:
        tolerate(notes, Deviation.NO_MAGIC_COOKIE, str(via))
