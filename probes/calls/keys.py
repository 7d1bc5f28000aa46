"""The keys of scenario files: what each is called, what it takes, and which part of a call it is."""

from probes.calls.expect import Expectation
from probes.calls.number import KINDS, NumberFormat
from probes.calls.script import Ends, Reliable
from probes.entries import Key, address, boolean, known, number, one_of, text, texts, whole
from sipcore.media.terms import Encryption, Keying
from sipcore.message.uri import parse_uri
from sipcore.resolve.target import Transport

NAME, TARGET, TRANSPORT = "name", "target", "transport"
CREDENTIALS = ("user", "realm", "password_env", "password_file", "password", "password_in_clear")


def _fields(given: object) -> tuple[tuple[str, str], ...]:
    """Header fields: a table of names, each with a value or several."""
    if not isinstance(given, dict):
        raise TypeError
    return tuple((name, each) for name, told in given.items() for each in ((told,) if _is_text(told) else texts(told)))


def _is_text(given: object) -> bool:
    return isinstance(given, str)


def _kinds(given: object) -> frozenset[str]:
    return frozenset(known(kind, tuple(KINDS)) for kind in texts(given))


EXPECT = Key("expect", '"connected", "busy", "no-answer" or a status', lambda given: Expectation.parse(text(given)))
KEYS = {
    NAME: Key("", '"an extension answers"', text),
    TARGET: Key("", '"sip:100@pbx.example.com"', text),
    TRANSPORT: Key("", '"udp", "tcp", "tls", "ws" or "wss"', one_of(Transport)),
    "from": Key("caller", '"sip:alice@example.com"', address),
    "asserted": Key("asserted", '"sip:+15550100@example.com"', address),
    "privacy": Key("privacy", '["id"]', texts),
    "headers": Key("headers", '{ X-Test = "1" }', _fields),
    "number_format": Key("number_format", '"as-given", "+e164" or "e164"', one_of(NumberFormat)),
    "user": Key("", '"alice"', text),
    "realm": Key("", '"example.com"', text),
    "password_env": Key("", '"TRUNK_PASSWORD"', text),
    "password_file": Key("", '"/run/secrets/trunk"', text),
    "password": Key("", "a text, with password_in_clear = true", text),
    "password_in_clear": Key("", "true", boolean),
    "codecs": Key("codecs", '["PCMU", "PCMA"]', texts),
    "ptime": Key("ptime", "20 (milliseconds)", number),
    "encryption": Key("encryption", '"disable", "allow" or "require"', one_of(Encryption)),
    "keys": Key("keying", '"SDES" or "DTLS"', one_of(Keying)),
    "ice": Key("ice", "true", boolean),
    "early_media": Key("early_media", "false", boolean),
    "dtmf": Key("digits", '"1590#"', text),
    "prack": Key("reliable", '"off", "on" or "required"', one_of(Reliable)),
    "session_timer": Key("session_interval", "1800 (seconds)", whole),
    "ring_timeout": Key("ring_timeout", "30 (seconds)", number),
    "hold": Key("hold", "2.5 (seconds)", number),
    "max_hold": Key("longest", "600 (seconds)", number),
    "hang_up": Key("hangs_up", '"us" or "them"', one_of(Ends)),
    "expect": EXPECT,
    "allow": Key("allowed", '["premium"]', _kinds),
}
"""The keys of a call that is placed."""
ANSWER_KEYS = {
    NAME: Key("", '"the carrier calls"', text),
    "wait": Key("wait", "60 (seconds)", number),
    "ring": Key("ring", "3 (seconds)", number),
    "answer_after": Key("delay", "1.5 (seconds)", number),
    "early_media": Key("early_media", "true", boolean),
    "refuse": Key("status", "486", whole),
    "redirect": Key("contact", '"sip:bob@example.com"', lambda given: parse_uri(text(given))),
    "hang_up_after": Key("hang_up_after", "5 (seconds)", number),
    "min_se": Key("min_interval", "120 (seconds)", whole),
    "refresher": Key("refresher", '"us" or "them"', one_of(Ends)),
    **{key: KEYS[key] for key in ("headers", *CREDENTIALS, "codecs", "ptime", "encryption", "ice", "dtmf")},
    **{key: KEYS[key] for key in ("prack", "session_timer", "max_hold")},
    "expect": EXPECT,
}
"""The keys of a call that is answered, by the names of the options of `sipprobe respond`."""
