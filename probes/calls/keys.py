"""The keys of scenario files: what each is called, what it takes, and which part of a call it is."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from enum import Enum

from probes.calls.expect import Expectation
from probes.calls.number import KINDS, NumberFormat
from probes.calls.script import Ends, Reliable
from sipcore.errors import LocalError, quoted
from sipcore.media.terms import Encryption, Keying
from sipcore.message.address import Address
from sipcore.message.uri import parse_uri
from sipcore.resolve.target import Transport
from sipcore.value import value

NAME, TARGET, TRANSPORT = "name", "target", "transport"
CREDENTIALS = ("user", "realm", "password_env", "password_file", "password", "password_in_clear")


class ScenarioError(LocalError):
    """A scenario that cannot be carried out; the message names file, line and key."""

    def __init__(self, message: str) -> None:
        super().__init__(message, section="RFC 3261 §13.2.1")


@value
class Key:
    """What stands behind a key: which field of the call it is ("" for none of its own), and what it takes."""

    field: str
    example: str
    read: Callable[[object], object]


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise TypeError
    return given


def _number(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise TypeError
    return given


def _whole(given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int):
        raise TypeError
    return given


def _boolean(given: object) -> bool:
    if not isinstance(given, bool):
        raise TypeError
    return given


def _texts(given: object) -> tuple[str, ...]:
    if not isinstance(given, list | tuple):
        raise TypeError
    return tuple(map(_text, given))


def _fields(given: object) -> tuple[tuple[str, str], ...]:
    """Header fields: a table of names, each with a value or several."""
    if not isinstance(given, dict):
        raise TypeError
    return tuple((name, each) for name, told in given.items() for each in ((told,) if _is_text(told) else _texts(told)))


def _is_text(given: object) -> bool:
    return isinstance(given, str)


def _address(given: object) -> Address:
    return Address.parse(_text(given))


def _one_of(choices: type[Enum]) -> Callable[[object], Enum]:
    def read(given: object) -> Enum:
        named = {str(choice.value).lower(): choice for choice in choices}
        return named[_known(_text(given).lower(), tuple(named))]

    return read


def _kinds(given: object) -> frozenset[str]:
    return frozenset(_known(kind, tuple(KINDS)) for kind in _texts(given))


def _known(word: str, words: Sequence[str]) -> str:
    if word not in words:
        raise ScenarioError(f"{quoted(word)} is none of {', '.join(words)}{near(word, words)}")
    return word


def near(word: str, words: Sequence[str]) -> str:
    """What may be meant by a word that is none of these; empty where nothing is close."""
    close = get_close_matches(word, words, 1)
    return f"; did you mean {close[0]}?" if close else ""


EXPECT = Key("expect", '"connected", "busy", "no-answer" or a status', lambda given: Expectation.parse(_text(given)))
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
    "expect": EXPECT,
    "allow": Key("allowed", '["premium"]', _kinds),
}
"""The keys of a call that is placed."""
ANSWER_KEYS = {
    NAME: Key("", '"the carrier calls"', _text),
    "wait": Key("wait", "60 (seconds)", _number),
    "ring": Key("ring", "3 (seconds)", _number),
    "answer_after": Key("delay", "1.5 (seconds)", _number),
    "early_media": Key("early_media", "true", _boolean),
    "refuse": Key("status", "486", _whole),
    "redirect": Key("contact", '"sip:bob@example.com"', lambda given: parse_uri(_text(given))),
    "hang_up_after": Key("hang_up_after", "5 (seconds)", _number),
    "min_se": Key("min_interval", "120 (seconds)", _whole),
    "refresher": Key("refresher", '"us" or "them"', _one_of(Ends)),
    **{key: KEYS[key] for key in ("headers", *CREDENTIALS, "codecs", "ptime", "encryption", "ice", "dtmf")},
    **{key: KEYS[key] for key in ("prack", "session_timer", "max_hold")},
    "expect": EXPECT,
}
"""The keys of a call that is answered, by the names of the options of `sipprobe respond`."""
