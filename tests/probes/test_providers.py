"""The catalogue of providers: it is sound, names and hosts lead into it, and a faulty one is refused in words."""

import pytest

from probes.destination import Destination
from probes.providers import OTHER, Listening, providers, read
from sipcore.errors import LocalError
from sipcore.resolve.target import Transport

GOOD = 'name = "P"\nnames = ["p"]\ndomains = []\nplaces = ["tls 5061"]\nwatch = ["x"]\nsource = "y"\n'


def test_everybody_expected_is_there() -> None:
    expected = "twilio vonage asterisk freepbx 3cx cucm cube ringcentral teams other"
    assert all(providers().named(name) for name in expected.split())


def test_each_can_be_told_of() -> None:
    for key, one in providers().by_key.items():
        assert one.key == key
        assert one.source.startswith("https://") or key == OTHER
        assert all(text == text.strip() and text.isprintable() for text in one.guidance)
        assert all(name == " ".join(name.lower().split()) for name in one.names)
        assert providers().named(one.name) is one
        assert all(Destination.parse(domain).host == domain for domain in one.domains)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Twilio", "twilio"),
        (" Microsoft  TEAMS ", "teams"),
        ("FreePBX", "asterisk"),
        ("Asterisk/FreePBX", "asterisk"),
        ("Cisco", "cisco-ucm"),
        ("Cisco UCM/CUBE", "cisco-ucm"),
        ("Acme", None),
        ("", None),
    ],
)
def test_named(name: str, key: str | None) -> None:
    found = providers().named(name)
    assert (found and found.key) == key


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("acme.pstn.twilio.com", "twilio"),
        ("SIP.PSTNHub.Microsoft.com.", "teams"),
        ("pstn.twilio.com", "twilio"),
        ("acme.sip-us.vonage.com", "vonage"),
        ("notnexmo.com", None),
        ("twilio.com", None),
        ("192.0.2.1", None),
        ("", None),
    ],
)
def test_serving(host: str, key: str | None) -> None:
    found = providers().serving(host)
    assert (found and found.key) == key


def test_guidance() -> None:
    teams = providers().named("teams")
    assert teams is not None
    assert teams.guidance[0] == "ports: tls 5061"
    assert "certified SBC" in teams.guidance[1]
    assert providers().by_key["ringcentral"].guidance[0] == "ports: told to each user"
    assert providers().by_key["asterisk"].places[-1] == Listening(Transport.WSS, 8089, "/ws")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[p", "no TOML"),
        ("p = 1", "p: needs domains, name, names, places, source, watch, and no more"),
        ("[p]\n" + GOOD + "more = 1", "and no more"),
        ("[p]\n" + GOOD.replace('"y"', '""'), "needs a source"),
        ("[P]\n" + GOOD, "a key in lower case"),
        ("[p]\n" + GOOD.replace('["x"]', "[]"), "something to watch for"),
        ("[p]\n" + GOOD.replace('["p"]', "[1]"), "the others lists of texts"),
        ("[p]\n" + GOOD.replace('"P"', "1"), "are texts"),
        ("[p]\n" + GOOD + "[q]\n" + GOOD, "p is the name of two providers"),
        *(
            ("[p]\n" + GOOD.replace("tls 5061", place), "is no transport and port")
            for place in ("tls", "sctp 5060", "tls 0", "tls 65536", "tls ²")
        ),
    ],
)
def test_a_faulty_catalogue_is_refused(text: str, message: str) -> None:
    with pytest.raises(LocalError, match=message):
        read(text)
