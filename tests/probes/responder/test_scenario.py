"""Scenario files of calls that come in."""

from pathlib import Path

import pytest

from probes.calls.expect import Expectation
from probes.calls.keys import ANSWER_KEYS
from probes.calls.script import Ends, Reliable
from probes.cli.respond_scenario import OPTIONS
from probes.entries import EntryError
from probes.responder.personas import Manner, Persona
from probes.responder.scenario import DEFAULT_WAIT, PlannedAnswer, read_answers
from sipcore.auth.digest import Algorithm, Secret
from sipcore.auth.server import ServerPolicy
from sipcore.media.terms import Encryption
from sipcore.message.uri import parse_uri
from sipcore.sdp.codecs import codecs_named

EXAMPLE = Path(__file__).parents[3] / "docs/examples/answers.toml"
BASE = Persona(server="Demo/1")


def read(text: str, **overriding: object) -> tuple[PlannedAnswer, ...]:
    return read_answers(text, "answers.toml", BASE, lambda way, told: f"{way} {told}", overriding)


def persona(line: str) -> Persona:
    (answer,) = read(f"[[answer]]\n{line}\n")
    return answer.persona


@pytest.mark.parametrize(
    ("line", "manner"),
    [
        ("", Manner()),
        ("ring = 3", Manner(ring=3)),
        ("answer_after = 1.5", Manner(delay=1.5)),
        ("early_media = true", Manner(early_media=True)),
        ("refuse = 486", Manner(status=486)),
        ('redirect = "sip:bob@h"', Manner(status=302, contact=parse_uri("sip:bob@h"))),
        ("hang_up_after = 5", Manner(hang_up_after=5)),
    ],
)
def test_how_a_call_is_dealt_with(line: str, manner: Manner) -> None:
    assert persona(line).manner == manner


def test_who_answers() -> None:
    given = persona('codecs = ["pcma"]\nencryption = "require"\nmax_hold = 9\nexpect = "no-call"')
    assert (given.server, given.codecs, given.longest) == ("Demo/1", codecs_named(["PCMA"]), 9)
    assert (given.encryption, given.expect) == (Encryption.REQUIRE, Expectation("no_call"))


def test_what_a_call_is_like_in_the_words_of_one_that_is_placed() -> None:
    given = persona('prack = "off"\ndtmf = "12#"\nptime = 30\nheaders = { X-A = ["1", "2"] }')
    assert (given.reliable, given.digits, given.ptime) == (Reliable.OFF, "12#", 30)
    assert given.headers == (("X-A", "1"), ("X-A", "2"))


def test_session_timer_and_ice() -> None:
    given = persona('session_timer = 1800\nmin_se = 120\nrefresher = "us"\nice = true')
    assert (given.session_interval, given.min_interval, given.refresher, given.ice) == (1800, 120, Ends.US, True)


def test_who_has_to_prove_who_it_is() -> None:
    text = 'user = "alice"\npassword_env = "P"\n'
    guard = persona(text).guard
    assert guard is not None
    assert guard.policy == ServerPolicy("sipprobe")
    secret = guard.users.secret_of("alice")
    assert secret is not None
    assert secret.ha1(Algorithm.MD5, "alice", "r") == Secret("password_env P").ha1(Algorithm.MD5, "alice", "r")
    other = persona(f'{text}realm = "demo"').guard
    assert other is not None
    assert other.policy.realm == "demo"


def test_names_and_waits() -> None:
    first, second = read('[defaults]\nwait = 3\ntransport = "tcp"\n[[answer]]\nname = "x"\n[[answer]]\nwait = 4\n')
    assert [(each.name, each.wait) for each in (first, second)] == [("x", 3), ("answer 2", 4)]
    assert read("[[answer]]")[0].wait == DEFAULT_WAIT


def test_what_stands_above() -> None:
    (answer,) = read("[[answer]]\nring = 3\n", ring=1.0, refuse=603)
    assert answer.persona.manner == Manner(ring=1.0, status=603)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "answers.toml: no calls: write [[answer]], with two brackets"),
        (
            '[[call]]\ntarget = "a"\n',
            "two brackets, above each; [[call]] is for `sipprobe",
        ),
        ("[[answer]]\nrnig = 3\n", "answers.toml:2: answer 1: there is no key 'rnig'; did you mean ring?"),
        (
            '[[call]]\nring = 1\n[[answer]]\nring = "x"\n',
            "answers.toml:4: answer 1: ring = a text cannot be used; write",
        ),
        ("[[answer]]\n[[answer]]\nrefuse = 200\n", "answers.toml:3: answer 2: 200 is no refusal"),
        ("[[answer]]\nrefuse = 700\n", "answers.toml:1: answer 1: a call is refused with a status from 300 to 699"),
        ("[[answer]]\nwait = -1\n", "answers.toml:2: answer 1: wait is a number of seconds"),
        ("[defaults]\nwait = nan\n[[answer]]\n", "answers.toml:2: answer 1: wait is a number of seconds"),
        ('[[answer]]\ncodecs = ["GSM"]\n', "there is no codec GSM"),
        ('[[answer]]\nexpect = "pending"\n', "answers.toml:2: answer 1: expect: no call ends with pending"),
        ("[[answer]]\nheaders = { Contact = 'x' }\n", "answers.toml:1: answer 1: Contact is written by the call"),
        ('[[answer]]\nprack = "yes"\n', "answers.toml:2: answer 1: prack: 'yes' is none of off, on, required"),
        ('[[answer]]\nuser = "a"\n', "answers.toml:2: answer 1: user has no password: give one of password_env and"),
        ('[[answer]]\nuser = "a"\npassword = "s3"\n', "answers.toml:3: answer 1: a password in the clear: name a"),
        ("[[answer]]\nmin_se = 30\n", "answers.toml:1: answer 1: a session lasts 90 s at least"),
        ('[[answer]]\ntarget = "sip:a@b"\n', "answers.toml:2: answer 1: there is no key 'target'"),
        ("answer = 3", "write [[answer]], with two brackets"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(EntryError) as raised:
        read(text)
    assert said in raised.value.message


def test_the_example_has_every_key() -> None:
    text = EXAMPLE.read_text()
    answers = read(text)
    assert len(answers) == 7
    assert [key for key in ANSWER_KEYS if f"{key} = " not in text] == []


def test_every_option_has_its_key() -> None:
    in_files = {"name", "wait", "password", "password_env", "password_in_clear"}
    assert set(OPTIONS.values()) == set(ANSWER_KEYS) - in_files
