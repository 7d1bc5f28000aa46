"""Scenario files: every key of a call, and every way of being wrong told with its place and its cure."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.calls.expect import Expectation
from probes.calls.keys import CREDENTIALS, KEYS
from probes.calls.number import NumberFormat
from probes.calls.scenario import MAX_CALLS, PlannedCall, read_scenario
from probes.calls.script import CallScript, Ends, Reliable
from probes.destination import Destination
from probes.entries import MAX_FILE, EntryError
from sipcore.errors import LocalError
from sipcore.media.terms import Encryption, Keying
from sipcore.message.address import Address
from sipcore.resolve.target import Transport

EXAMPLE = Path(__file__).parents[3] / "docs/examples/calls.toml"
TARGET = 'target = "sip:100@h"'


def password_of(way: str, told: str) -> str:
    if told == "MISSING":
        raise LocalError("the environment has no variable MISSING", section="RFC 3261 §22.2")
    return f"{way} {told}"


def read(text: str, **overriding: object) -> tuple[PlannedCall, ...]:
    return read_scenario(text, "calls.toml", password_of, overriding)


def script(line: str) -> CallScript:
    (call,) = read(f"[[call]]\n{TARGET}\n{line}\n")
    return call.script


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ('from = "sip:alice@h"', "caller", Address.parse("sip:alice@h")),
        ('asserted = "<sip:bob@h>"', "asserted", Address.parse("<sip:bob@h>")),
        ('privacy = ["id", "user"]', "privacy", ("id", "user")),
        ('headers = { X-One = "1", X-Two = ["2", "3"] }', "headers", (("X-One", "1"), ("X-Two", "2"), ("X-Two", "3"))),
        ('number_format = "+E164"', "number_format", NumberFormat.PLUS),
        ('codecs = ["PCMA"]', "codecs", ("PCMA",)),
        ("ptime = 40", "ptime", 40),
        ('encryption = "require"', "encryption", Encryption.REQUIRE),
        ('keys = "dtls"', "keying", Keying.DTLS),
        ("ice = true", "ice", True),
        ("early_media = false", "early_media", False),
        ('dtmf = "15#"', "digits", "15#"),
        ('prack = "off"', "reliable", Reliable.OFF),
        ("session_timer = 1800", "session_interval", 1800),
        ("ring_timeout = 5.5", "ring_timeout", 5.5),
        ("hold = 3", "hold", 3),
        ("max_hold = 20", "longest", 20),
        ('hang_up = "them"', "hangs_up", Ends.THEM),
        ('expect = "no-answer"', "expect", Expectation("no_answer")),
        ('allow = ["premium"]', "allowed", frozenset({"premium"})),
    ],
)
def test_every_key_is_a_field_of_the_script(line: str, field: str, value: object) -> None:
    assert getattr(script(line), field) == value
    assert KEYS[line.partition(" ")[0]].field == field


def test_no_field_of_the_script_is_left_out() -> None:
    fields = {key.field for key in KEYS.values()} - {""}
    assert fields | {"destination", "account"} == set(CallScript.__dataclass_fields__)


def test_target_transport_and_name() -> None:
    (call,) = read(f'[[call]]\n{TARGET}\ntransport = "TCP"\nname = "one"')
    assert call == PlannedCall("one", CallScript(Destination.parse("sip:100@h").over(Transport.TCP)))
    assert [call.name for call in read(f"[[call]]\n{TARGET}\n[[call]]\n{TARGET}\n")] == ["call 1", "call 2"]


def test_what_is_said_last_counts() -> None:
    common = '[defaults]\nhold = 1\nring_timeout = 7\nuser = "a"\npassword_env = "A"'
    text = f"{common}\n[[call]]\n{TARGET}\nhold = 2\n[[call]]\n{TARGET}\n"
    first, second = (call.script for call in read(text))
    assert (first.hold, second.hold, second.ring_timeout) == (2, 1, 7)
    changed = read(text, hold=3, user="b", password_file="B")
    assert [call.script.hold for call in changed] == [3, 3]
    assert [call.script.account.username for call in changed if call.script.account] == ["b", "b"]


@pytest.mark.parametrize(
    "line", ['password_env = "P"', 'password_file = "P"', 'password = "P"\npassword_in_clear = true\nrealm = "r"']
)
def test_credentials_stay_with_the_host(line: str) -> None:
    account = script(f'user = "alice"\n{line}').account
    assert account is not None
    assert account.username == "alice"
    assert "P" not in repr(account)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "calls.toml: no calls: write [[call]], with two brackets, above each"),
        (f"[call]\n{TARGET}", "no calls: write [[call]]"),
        ("call = [1]", "no calls: write [[call]]"),
        ("defaults = 1", "write [defaults] above what all calls have in common"),
        ("[[calls]]", "'calls' stands outside of [[call]] and [defaults]"),
        ("hold = 3\n[[call]]", "calls.toml:1: 'hold' stands outside"),
        ("[[call]]\nhold = = 3", "no TOML: Invalid value (at line 2, column 8)"),
        ("[[call]]\n\nhold = 3", "calls.toml:1: call 1: whom to call? write target = "),
        (f"[[call]]\n{TARGET}\n\nhodl = 3", "calls.toml:4: call 1: there is no key 'hodl'; did you mean hold?"),
        (f"[[call]]\n{TARGET}\nxyz = 3", "there is no key 'xyz'; there are name, target"),
        (f"[defaults]\nhodl = 3\n[[call]]\n{TARGET}", "calls.toml:2: there is no key 'hodl'; did you mean hold?"),
        (
            f'[[call]]\n{TARGET}\n[[call]]\n{TARGET}\nhold = "3"',
            "calls.toml:5: call 2: hold = a text cannot be used; write",
        ),
        (f"[[call]]\n{TARGET}\nice = 1", "write something like ice = true"),
        (f"[[call]]\n{TARGET}\nhold = true", "write something like hold = 2.5 (seconds)"),
        (f"[[call]]\n{TARGET}\nsession_timer = 90.5", "write something like session_timer = 1800 (seconds)"),
        (f'[[call]]\n{TARGET}\ncodecs = "PCMU"', 'write something like codecs = ["PCMU", "PCMA"]'),
        (f"[[call]]\n{TARGET}\nheaders = 1", 'write something like headers = { X-Test = "1" }'),
        (
            f'[[call]]\n{TARGET}\nencryption = "requires"',
            "'requires' is none of disable, allow, require; did you mean require?",
        ),
        (f'[[call]]\n{TARGET}\nallow = ["permium"]', "did you mean premium?"),
        (f'[[call]]\n{TARGET}\nexpect = "luck"', "expect: no call ends with 'luck'"),
        (f'[[call]]\n{TARGET}\nfrom = "<"', "calls.toml:3: call 1: from: "),
        ('[[call]]\ntarget = "sip:"', "calls.toml:2: call 1: "),
        ('[[call]]\ntarget = "tls://h"\ntransport = "ws"', "calls.toml:3: call 1: "),
        (f'[[call]]\n{TARGET}\ncodecs = ["GSM"]', "call 1: there is no codec GSM"),
        (f"[[call]]\n{TARGET}\nhold = 1000", "1000 s is longer than a call may last"),
        ('[[call]]\ntarget = "sip:112@h"', 'emergency numbers are allowed: allow = ["emergency"]'),
        (f'[[call]]\n{TARGET}\nuser = "a"', "user has no password: give one of password_env and password_file"),
        (f'[[call]]\n{TARGET}\nuser = "a"\npassword_env = "A"\npassword_file = "A"', "exclude each other"),
        (f'[[call]]\n{TARGET}\npassword_env = "A"', "password_env says nothing without user"),
        (f'[[call]]\n{TARGET}\nuser = "a"\npassword = "hush"', "calls.toml:4: call 1: a password in the clear"),
        (f'[[call]]\n{TARGET}\nuser = "a"\npassword = 17', "password = a text in quotes cannot be used"),
        (f'[[call]]\n{TARGET}\nuser = "a"\npassword_env = "MISSING"', "the environment has no variable MISSING"),
        (f"#{'x' * MAX_FILE}", "longer than"),
        (f"[[call]]\n{TARGET}\n" * (MAX_CALLS + 1), "1001 calls, and 1000 are the most"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(EntryError) as raised:
        read(text)
    assert said in raised.value.message
    assert raised.value.message.startswith("calls.toml")
    assert "hush" not in raised.value.message
    assert "17" not in raised.value.message or "password" not in said


@given(st.text() | st.sampled_from(sorted(KEYS)).map(lambda key: f"[[call]]\n{TARGET}\n{key} = [[{{}}]]"))
def test_any_text_is_a_scenario_or_a_named_error(text: str) -> None:
    with suppress(EntryError):
        read(text)


def test_the_documented_example_has_every_key() -> None:
    text = EXAMPLE.read_text()
    calls = read_scenario(text, str(EXAMPLE), password_of)
    assert len(calls) == 4
    assert all(call.script.account is not None for call in calls)
    assert {key for key in KEYS if f"\n{key} = " not in text} <= set(CREDENTIALS)
    assert [key for key in CREDENTIALS if key not in text] == []
