"""Scripts as values: what they refuse, and what they make of an INVITE."""

import math
from typing import Any

import pytest

from probes.calls.number import NumberFormat, RefusedNumber
from probes.calls.script import CallScript, Ends, Reliable
from probes.destination import Destination
from sipcore.errors import LocalError
from sipcore.media import voice
from sipcore.media.terms import Encryption, Keying
from sipcore.message.address import Address
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.stack_config import StackConfig

WHERE = Destination("example.com", user="2001")
HOP = Hop(Transport.UDP, SocketAddress("192.0.2.2", 5060), SocketAddress("192.0.2.1", 40000))


def script(**changes: Any) -> CallScript:  # noqa: ANN401  # the fields of a script
    return CallScript(**({"destination": WHERE} | changes))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"codecs": ("MP3",)}, "choose from PCMU"),
        ({"codecs": ()}, "needs a codec"),
        ({"hold": 601.0}, "longer than a call may last: 600 s"),
        ({"hold": 2.0, "longest": 1.0}, "longer than a call may last: 1 s"),
        ({"ptime": 5}, "cannot bring 5 ms"),
        ({"ptime": 200}, "cannot bring 200 ms"),
        ({"ptime": 50}, "no packets of PCMU with 50 ms"),
        ({"ptime": 30, "codecs": ("PCMU", "opus")}, "no packets of opus with 30 ms"),
        ({"session_interval": 30}, "90 s at least"),
        ({"session_interval": -90}, "90 s at least"),
        ({"session_interval": 2**32}, "4294967295 s at most"),
        *(({key: math.nan}, "nan s is no time") for key in ("ring_timeout", "hold", "longest")),
        *(({key: -1.0}, "-1 s is no time") for key in ("ring_timeout", "hold", "longest")),
        *(({key: math.inf}, "inf s is no time") for key in ("ring_timeout", "hold", "longest")),
        ({"digits": "12x"}, "digits are up to 64"),
        ({"digits": "1" * 65}, "digits are up to 64"),
        ({"privacy": ("much",)}, "Privacy knows no 'much'"),
        ({"headers": (("Via", "x"),)}, "written by the call itself"),
        ({"destination": Destination("example.com", user="911")}, "emergency"),
    ],
)
def test_what_cannot_be_carried_out(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(LocalError, match=told):
        script(**changes)


def test_codecs_that_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert script(codecs=("opus", "g722", "g729")).wishes.codecs
    monkeypatch.setattr(voice, "_library", lambda: None)
    assert script(codecs=("pcmu", "g729")).wishes.codecs  # which carries silence, whatever is installed
    for codec in ("opus", "g722"):
        with pytest.raises(LocalError, match=r"pip install 'sipcore\[media\]'"):
            script(codecs=(codec, "pcmu"))


def test_numbers_that_cost_are_called_when_allowed() -> None:
    where = Destination("example.com", user="+19005550100")
    with pytest.raises(RefusedNumber):
        script(destination=where)
    assert script(destination=where, allowed=frozenset({"premium"})).destination is where


def test_both_numbers_are_written_alike() -> None:
    caller = Address.parse("<sip:+15550100123@example.com>")
    where = Destination("example.com", user="+15550100124")
    plain = script(destination=where, caller=caller, number_format=NumberFormat.PLAIN)
    assert str(plain.uri(HOP)) == "sip:15550100124@example.com"
    assert str(plain.sender) == "<sip:15550100123@example.com>"
    assert script().sender is None
    assert str(script(caller=Address.parse("<tel:+15550100123>")).sender) == "<tel:+15550100123>"


def test_the_header_fields() -> None:
    fields = script(
        asserted=Address.parse("<sip:+15550100123@example.com>"),
        privacy=("id", "header"),
        reliable=Reliable.REQUIRED,
        headers=(("X-Trunk", "7"),),
    ).fields
    assert [(name, str(value)) for name, value in fields] == [
        ("P-Asserted-Identity", "<sip:+15550100123@example.com>"),
        ("Privacy", "id;header"),
        ("Require", "100rel"),
        ("X-Trunk", "7"),
    ]
    assert script().fields == ()


@pytest.mark.parametrize("reliable", list(Reliable))
def test_what_the_engine_is_told(reliable: Reliable) -> None:
    config = script(reliable=reliable, session_interval=120).stack(StackConfig())
    assert ("100rel" in config.extensions) is (reliable is not Reliable.OFF)
    assert {"timer", "replaces"} <= set(config.extensions)
    assert config.session_interval == 120


def test_the_media() -> None:
    wishes = script(codecs=("pcma",), encryption=Encryption.REQUIRE, keying=Keying.DTLS, ptime=30, ice=True).wishes
    assert [codec.encoding for codec in wishes.codecs] == ["PCMA"]
    assert (wishes.encryption, wishes.keying, wishes.ptime, wishes.ice) == (Encryption.REQUIRE, Keying.DTLS, 30, True)


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({"hold": 3.0}, 3.0),
        ({"hold": 0.0, "digits": "1234"}, 2.28),
        ({"hold": 9.0, "digits": "1234"}, 9.0),
        ({"hold": 0.0, "longest": 1.0, "digits": "1234"}, 1.0),
        ({"hangs_up": Ends.THEM, "longest": 20.0}, 20.0),
    ],
)
def test_how_long_an_answered_call_lasts(changes: dict[str, Any], seconds: float) -> None:
    assert script(**changes).talk_time == pytest.approx(seconds)
