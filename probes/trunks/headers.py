"""Header fields that a trunk sets or reads: which ones it may, and User-to-User (RFC 7433) both ways."""

from collections.abc import Iterator

from probes.calls.headers import MAX_NAME, check_header
from probes.trunks.model import HeaderKind, HeaderRule, UuiEncoding
from probes.trunks.problem import Problem, error, warning
from sipcore.deviation import Notes
from sipcore.errors import LocalError, ParseError, quoted
from sipcore.grammar import is_token, quote, unquote
from sipcore.message.fields.session import UserToUser
from sipcore.message.params import of as params_of

UUI = "User-to-User"
MAX_UUI = 1024
"""Characters of a value that is sent: what a header field may have that is set by hand."""
MAX_RULES = 64
MAX_VARIABLE = 128
"""Characters of the name of a variable."""
_SECTION = "RFC 7433 §4"
_NAME_IT = f"name a header field: a token of {MAX_NAME} characters at most, such as X-Account"


def header_problems(rules: tuple[HeaderRule, ...], field: str, *, is_inbound: bool) -> Iterator[Problem]:
    """What is odd about the rules of one direction."""
    if len(rules) > MAX_RULES:
        yield error("headers", field, f"{len(rules)} rules for header fields", f"give {MAX_RULES} at most")
        return
    seen: set[str] = set()
    for number, rule in enumerate(rules):
        place = f"{field}.{number}"
        if rule.kind is HeaderKind.UUI:
            yield from _uui_problems(rule, place)
        elif is_inbound:
            yield from _read_problems(rule, place)
        else:
            yield from _sent_problems(rule, place)
        written = _written(rule, is_inbound=is_inbound)
        if written and written in seen:
            cause = f"{rule_name(rule, is_inbound=is_inbound)} is set by another rule before"
            yield warning("header-twice", place, cause, "leave one of them out")
        seen.add(written)


def rule_name(rule: HeaderRule, *, is_inbound: bool) -> str:
    """What a rule sets: a header field that is sent, or a variable."""
    if is_inbound:
        return rule.target if rule.kind is HeaderKind.UUI else rule.key if rule.passthrough else rule.value
    return UUI if rule.kind is HeaderKind.UUI else rule.key if rule.passthrough else rule.value


def _written(rule: HeaderRule, *, is_inbound: bool) -> str:
    """The same to be compared; several User-to-User may be sent, each for a purpose of its own (RFC 7433 §4)."""
    name = rule_name(rule, is_inbound=is_inbound)
    if is_inbound:
        return name
    return f"{name.lower()} {rule.purpose.lower()}" if rule.kind is HeaderKind.UUI else name.lower()


def _sent_problems(rule: HeaderRule, place: str) -> Iterator[Problem]:
    """A field that is sent: a literal one, or a variable in a field of this name."""
    name, value = (rule.key, rule.value) if rule.passthrough else (rule.value, "")
    at = f"{place}.key" if rule.passthrough else f"{place}.value"
    problem = check_header(name, value)
    if problem:
        yield error("header", at, problem, "change it, or leave the header field out")
    if not rule.passthrough:
        yield from _variable_problems(rule.key, f"{place}.key")


def _read_problems(rule: HeaderRule, place: str) -> Iterator[Problem]:
    """A field that is read, whichever it is, into a variable; or a variable that is set."""
    if rule.passthrough:
        yield from _variable_problems(rule.key, f"{place}.key")
        return
    if len(rule.key) > MAX_NAME or not is_token(rule.key):
        yield error("header", f"{place}.key", f"{quoted(rule.key[:32])} is no name of a header field", _NAME_IT)
    yield from _variable_problems(rule.value, f"{place}.value")


def _uui_problems(rule: HeaderRule, place: str) -> Iterator[Problem]:
    yield from _variable_problems(rule.target, f"{place}.target")
    for name, word in (("purpose", rule.purpose), ("content", rule.content)):
        if word and (len(word) > MAX_NAME or not is_token(word)):
            cause = f"{quoted(word[:32])} is no {name} of {UUI}"
            yield error("uui", f"{place}.{name}", cause, "give a token: letters, digits and -.!%*_+`'~")


def _variable_problems(name: str, field: str) -> Iterator[Problem]:
    if not name or len(name) > MAX_VARIABLE or not name.isprintable():
        cause = f"{quoted(name[:32])} is no name of a variable" if name else "no variable is named"
        yield error("variable", field, cause, f"give 1 to {MAX_VARIABLE} printable characters")


def uui_value(text: str, rule: HeaderRule) -> str:
    """A text as the value of User-to-User that a rule describes, its octets in hexadecimal digits (RFC 7433 §4.2) or as
    they are. Raises LocalError for what cannot be sent.
    """
    if rule.encoding is UuiEncoding.HEX:
        data = _octets(text).hex()
    elif not all(" " <= character <= "~" for character in text):
        raise LocalError(f"{UUI} in ascii takes printable ASCII; encode it as hex", section=_SECTION)
    else:
        data = text if is_token(text) else quote(text)
    if not data:
        raise LocalError(f"{UUI} needs data: the variable {rule.target} is empty", section=_SECTION)
    params = params_of(encoding=rule.encoding.value, purpose=rule.purpose or None, content=rule.content or None)
    value = str(UserToUser(data, params))
    if len(value) > MAX_UUI:
        raise LocalError(f"{UUI} of {len(value)} characters: send {MAX_UUI} at most", section=_SECTION)
    return value


def _octets(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise LocalError(f"{UUI} takes text, and this has half a character in it", section=_SECTION) from None


def uui_text(value: str, notes: Notes | None = None) -> str:
    """What a value of User-to-User says: decoded from hexadecimal digits, which is what no encoding means (RFC 7433
    §4.2), or as it is. Octets that are no UTF-8 become surrogates, as everywhere. Raises ParseError.
    """
    found = UserToUser.parse(value, notes)
    encoding = (found.params.text("encoding") or UuiEncoding.HEX.value).lower()
    if encoding == UuiEncoding.ASCII.value:
        return unquote(found.data)
    if encoding != UuiEncoding.HEX.value:
        raise ParseError(f"{UUI} is encoded as {quoted(encoding[:32])}, not hex or ascii", section=_SECTION, text=value)
    octets = found.octets
    if octets is None:
        raise ParseError(f"{UUI} has no hexadecimal digits in pairs", section=_SECTION, text=value)
    return octets.decode("utf-8", "surrogateescape")


def is_meant(value: str, rule: HeaderRule) -> bool:
    """Whether a value that came is one that a rule reads: of its purpose and content, where it names them."""
    try:
        params = UserToUser.parse(value).params
    except ParseError:
        return False
    wanted = (("purpose", rule.purpose), ("content", rule.content))
    return all(not word or (params.text(name) or "").lower() == word.lower() for name, word in wanted)
