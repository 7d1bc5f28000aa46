"""Test calls as a file: TOML with one `[[call]]` for each, and `[defaults]` for what they have in common.

[defaults]
user = "alice"
password_env = "TRUNK_PASSWORD"

[[call]]
name = "an extension answers"
target = "sip:100@pbx.example.com"
expect = "connected"

What is wrong is told with the file, the line, the key and what would be right. Passwords are named and not written:
by a variable of the environment or a file; one in the clear needs `password_in_clear = true` beside it.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from typing import Any

from probes.calls.expect import Expectation
from probes.calls.number import KINDS, NumberFormat
from probes.calls.script import CallScript, Ends, Reliable
from probes.destination import Destination
from sipcore.auth.choice import Account
from sipcore.errors import LocalError, SipError
from sipcore.media.terms import Encryption, Keying
from sipcore.message.address import Address
from sipcore.resolve.target import Transport

MAX_SCENARIO = 1 << 20
"""Characters: a thousand calls with all their keys are a tenth of it."""
MAX_CALLS = 1000
"""In one file, one after the other: they take half an hour at the least."""
CALL, DEFAULTS = "call", "defaults"
NAME, TARGET, TRANSPORT = "name", "target", "transport"
CREDENTIALS = ("user", "realm", "password_env", "password_file", "password", "password_in_clear")

PasswordOf = Callable[[str, str], str]
"""The password that `password_env` or `password_file` (the first argument) names. Raises LocalError without one."""


class ScenarioError(LocalError):
    """A scenario that cannot be carried out; the message names file, line and key."""

    def __init__(self, message: str) -> None:
        super().__init__(message, section="RFC 3261 §13.2.1")


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A call of a scenario, by its name or else its number."""

    name: str
    script: CallScript


@dataclass(frozen=True, slots=True)
class Key:
    """What stands behind a key: which field of `CallScript` it is ("" for none of its own), and what it takes."""

    field: str
    example: str
    read: Callable[[Any], object]


def _text(given: Any) -> str:  # noqa: ANN401  # whatever TOML may hold, here and below
    if not isinstance(given, str):
        raise TypeError
    return given


def _number(given: Any) -> float:  # noqa: ANN401
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise TypeError
    return given


def _whole(given: Any) -> int:  # noqa: ANN401
    if isinstance(given, bool) or not isinstance(given, int):
        raise TypeError
    return given


def _boolean(given: Any) -> bool:  # noqa: ANN401
    if not isinstance(given, bool):
        raise TypeError
    return given


def _texts(given: Any) -> tuple[str, ...]:  # noqa: ANN401
    if not isinstance(given, list | tuple):
        raise TypeError
    return tuple(map(_text, given))


def _fields(given: Any) -> tuple[tuple[str, str], ...]:  # noqa: ANN401
    """Header fields: a table of names, each with a value or several."""
    if not isinstance(given, dict):
        raise TypeError
    return tuple((name, each) for name, told in given.items() for each in ((told,) if _is_text(told) else _texts(told)))


def _is_text(given: object) -> bool:
    return isinstance(given, str)


def _address(given: Any) -> Address:  # noqa: ANN401
    return Address.parse(_text(given))


def _one_of(choices: type[Enum]) -> Callable[[Any], Enum]:
    def read(given: Any) -> Enum:  # noqa: ANN401
        named = {str(choice.value).lower(): choice for choice in choices}
        return named[_known(_text(given).lower(), tuple(named))]

    return read


def _kinds(given: Any) -> frozenset[str]:  # noqa: ANN401
    return frozenset(_known(kind, tuple(KINDS)) for kind in _texts(given))


def _known(word: str, words: Sequence[str]) -> str:
    if word not in words:
        raise ScenarioError(f"{word!r} is none of {', '.join(words)}{_near(word, words)}")
    return word


def _near(word: str, words: Sequence[str]) -> str:
    close = get_close_matches(word, words, 1)
    return f"; did you mean {close[0]}?" if close else ""


KEYS = {
    NAME: Key("", '"an extension answers"', _text),
    TARGET: Key("", '"sip:100@pbx.example.com"', _text),
    TRANSPORT: Key("", '"udp", "tcp", "tls", "ws" or "wss"', _one_of(Transport)),
    "from": Key("caller", '"sip:alice@example.com"', _address),
    "asserted": Key("asserted", '"sip:+15550100@example.com"', _address),
    "privacy": Key("privacy", '["id"]', _texts),
    "headers": Key("headers", '{ X-Test = "1" }', _fields),
    "number_format": Key("number_format", '"as-given", "+e164" or "e164"', _one_of(NumberFormat)),
    "user": Key("", '"alice"', _text),
    "realm": Key("", '"example.com"', _text),
    "password_env": Key("", '"TRUNK_PASSWORD"', _text),
    "password_file": Key("", '"/run/secrets/trunk"', _text),
    "password": Key("", "a text, with password_in_clear = true", _text),
    "password_in_clear": Key("", "true", _boolean),
    "codecs": Key("codecs", '["PCMU", "PCMA"]', _texts),
    "ptime": Key("ptime", "20 (milliseconds)", _number),
    "encryption": Key("encryption", '"disable", "allow" or "require"', _one_of(Encryption)),
    "keys": Key("keying", '"SDES" or "DTLS"', _one_of(Keying)),
    "ice": Key("ice", "true", _boolean),
    "early_media": Key("early_media", "false", _boolean),
    "dtmf": Key("digits", '"1590#"', _text),
    "prack": Key("reliable", '"off", "on" or "required"', _one_of(Reliable)),
    "session_timer": Key("session_interval", "1800 (seconds)", _whole),
    "ring_timeout": Key("ring_timeout", "30 (seconds)", _number),
    "hold": Key("hold", "2.5 (seconds)", _number),
    "max_hold": Key("longest", "600 (seconds)", _number),
    "hang_up": Key("hangs_up", '"us" or "them"', _one_of(Ends)),
    "expect": Key(
        "expect", '"connected", "busy", "no-answer" or a status', lambda given: Expectation.parse(_text(given))
    ),
    "allow": Key("allowed", '["premium"]', _kinds),
}
"""The keys of a call, and of the defaults."""


def read_scenario(
    text: str, source: str, password_of: PasswordOf, overriding: Mapping[str, object] | None = None
) -> tuple[PlannedCall, ...]:
    """The calls of the file `source`, in their order. What is `overriding` stands above what the file says.

    Raises ScenarioError.
    """
    return tuple(_Reader(text, source, password_of, overriding or {}).calls())


class _Reader:
    """One file while it is read."""

    def __init__(self, text: str, source: str, password_of: PasswordOf, overriding: Mapping[str, object]) -> None:
        self._text = text
        self._source = source
        self._password_of = password_of
        self._overriding = overriding

    def calls(self) -> Iterator[PlannedCall]:
        data = self._parsed()
        defaults = data.get(DEFAULTS, {})
        if not isinstance(defaults, dict):
            raise self._error(f"write [{DEFAULTS}] above what all calls have in common", key=DEFAULTS)
        self._check_keys(defaults, 0)
        calls = data.get(CALL)
        if not isinstance(calls, list) or not all(isinstance(each, dict) for each in calls):
            raise self._error(f"no calls: write [[{CALL}]], with two brackets, above each", key=CALL)
        if len(calls) > MAX_CALLS:
            raise self._error(f"{len(calls)} calls, and {MAX_CALLS} are the most")
        for number, given in enumerate(calls, 1):
            self._check_keys(given, number)
            yield self._call(self._merged(defaults, given), number)

    def _parsed(self) -> dict[str, Any]:
        if len(self._text) > MAX_SCENARIO:
            raise self._error(f"longer than the {MAX_SCENARIO} characters that a scenario may have")
        try:
            data = tomllib.loads(self._text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise self._error(f"no TOML: {error}") from None
        for key in data:
            if key not in (CALL, DEFAULTS):
                raise self._error(f"{key!r} stands outside of [[{CALL}]] and [{DEFAULTS}]", key=key)
        return data

    def _merged(self, *given: Mapping[str, object]) -> dict[str, object]:
        """What is said of a call, the last word counting; credentials go together, and all come from one place."""
        merged: dict[str, object] = {}
        for each in (*given, self._overriding):
            if any(key in CREDENTIALS for key in each):
                merged = {key: value for key, value in merged.items() if key not in CREDENTIALS}
            merged |= each
        return merged

    def _check_keys(self, given: Mapping[str, object], number: int) -> None:
        for key in given:
            if key not in KEYS:
                near = _near(key, tuple(KEYS)) or f"; there are {', '.join(KEYS)}"
                raise self._error(f"there is no key {key!r}{near}", number, key)

    def _call(self, given: Mapping[str, object], number: int) -> PlannedCall:
        read = {key: self._read(key, value, number) for key, value in given.items()}
        if TARGET not in read:
            raise self._error(f"whom to call? write {TARGET} = {KEYS[TARGET].example}", number)
        key = TARGET
        try:
            destination = Destination.parse(str(read[TARGET]))
            transport = read.get(TRANSPORT)
            if isinstance(transport, Transport):
                key = TRANSPORT
                destination = destination.over(transport)
            fields = {KEYS[key].field: value for key, value in read.items() if KEYS[key].field}
            account = self._account(destination, read, number)
            key = ""
            script = CallScript(destination, account=account, **fields)  # type: ignore[arg-type]  # by their keys
        except ScenarioError:
            raise
        except SipError as error:
            raise self._error(error.message, number, key) from None
        return PlannedCall(str(read.get(NAME, f"call {number}")), script)

    def _read(self, key: str, value: object, number: int) -> object:
        try:
            return KEYS[key].read(value)
        except TypeError:
            told = "a text in quotes" if key.startswith("password") else repr(value)
            problem = f"{key} = {told} cannot be used; write something like {key} = {KEYS[key].example}"
            raise self._error(problem, number, key) from None
        except SipError as error:
            raise self._error(f"{key}: {error.message}", number, key) from None

    def _account(self, destination: Destination, read: Mapping[str, object], number: int) -> Account | None:
        ways = [key for key in ("password_env", "password_file", "password") if key in read]
        if "user" not in read:
            for key in CREDENTIALS:
                if key in read:
                    raise self._error(f"{key} says nothing without user", number, key)
            return None
        if len(ways) != 1:
            text = f"{' and '.join(ways)} exclude each other" if ways else "user has no password"
            raise self._error(f"{text}: give one of password_env and password_file", number, "user")
        way, told = ways[0], str(read[ways[0]])
        if way == "password" and read.get("password_in_clear") is not True:
            text = "a password in the clear: name a variable by password_env or a file by password_file"
            raise self._error(f"{text}, or write password_in_clear = true beside it", number, way)
        try:
            password = told if way == "password" else self._password_of(way, told)
        except LocalError as error:
            raise self._error(error.message, number, way) from None
        return Account(str(read["user"]), password, hosts=[destination.host], realm=str(read.get("realm", "")) or None)

    def _error(self, problem: str, number: int = 0, key: str = "") -> ScenarioError:
        line = self._line_of(number, key)
        where = f"{self._source}:{line}" if line else self._source
        which = f"call {number}: " if number else ""
        return ScenarioError(f"{where}: {which}{problem}")

    def _line_of(self, number: int, key: str) -> int:
        """Where a key of a call stands, or else that of the defaults, or else the call; 0 for what is not found."""
        found = calls = common = 0
        for place, line in enumerate(self._text.splitlines(), 1):
            head = _HEAD.match(line)
            if head and line.lstrip().startswith("[["):
                calls += 1
                found = place if calls == number else found
            elif key and _key_of(line) == key and calls in (0, number):
                if calls == number:
                    return place
                common = place
        return common or found


_HEAD = re.compile(r"\s*\[\[\s*call\s*\]\]")


def _key_of(line: str) -> str:
    """The key that a line begins with, in its own quotes or without."""
    return line.partition("=")[0].strip().strip("\"'").partition(".")[0] if "=" in line else ""
