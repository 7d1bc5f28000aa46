"""No credentials in what is written down, and all else as it was said."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.health.terms import Check
from probes.health.trunk import WatchError
from probes.store.words import MAX_TEXT, fit, kept, kept_delivery
from tests.probes.store import samples
from tests.probes.store.samples import check, delivery

SECRET = [
    ("asked sip:alice:hunter2@sip.example.com;transport=tls", "hunter2"),
    ("no answer from <sips:bob:hunter2@192.0.2.1>", "hunter2"),
    ("proxy http://user:hunter2@proxy.example.com says no", "hunter2"),
    ("sip:x@example.com?Authorization=hunter2", "hunter2"),
    ('Authorization: Digest username="alice", response="0123456789abcdef"', "0123456789abcdef"),
    ('Proxy-Authorization: Digest username="a",\r\n response="0123456789abcdef"', "0123456789abcdef"),
    ("the request had Authorization: Basic aHVudGVyMg==", "aHVudGVyMg"),
    ("{'authorization': 'Bearer hunter2'}", "hunter2"),
    ('challenge answered with response="0123456789abcdef"', "0123456789abcdef"),
    ("mailtos://relay.example.com?password=hunter2&x=1", "hunter2"),
    ("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:aHVudGVyMg==", "aHVudGVyMg"),
    ("offered inline:aHVudGVyMg==", "aHVudGVyMg"),
    ("cannot read /etc/sipprobe/keys/client.key: Permission denied", "sipprobe"),
    ("[Errno 13] Permission denied: '/srv/my keys/client.key'", "my keys"),
    ('no such file: "~/keys/client"', "keys"),
    ("no PEM in ~/keys/client.pem", "keys"),
    ("no PEM in ../keys/client", "keys"),
    ("no PEM in client-2024.key.", "client-2024"),
    ("key=/etc/ssl/private/x", "private"),
]
PLAIN = [
    "",
    "answers 200 OK",
    "no answer within 4 s",
    "tls 192.0.2.1:5061",
    "udp [2001:db8::1]:5060",
    "sip:alice@sip.example.com answers 403 Forbidden",
    "TLS fails: certificate has expired (ends 2024-01-01T00:00:00Z)",
    "10.0.0.0/24 and/or application/sdp, 3 of 4",
    "the certificate names sip.example.com, *.example.org",
    "not more than a /24, or a /64 of IPv6",
    "https://sip.example.com/help, ws://192.0.2.1:8080/sip",
    "503 Service Unavailable; Retry-After: 30",
    "it wants a password: try --password-file",
]


@pytest.mark.parametrize(("text", "secret"), SECRET)
def test_credentials_do_not_get_in(text: str, secret: str) -> None:
    spoiled = check(reason=text, detail=text, place=text)
    assert secret not in repr(kept(spoiled))
    assert secret not in repr(kept(replace(samples.change(), check=spoiled)))
    for payload in (text, json.dumps({"text": text, "lines": [text, {"more": text}]})):
        assert secret not in repr(kept_delivery(delivery(payload=payload, error=text)))


@pytest.mark.parametrize("text", PLAIN)
def test_all_else_stays(text: str) -> None:
    assert fit(text) == text


@pytest.mark.parametrize("name", ["sip:alice:hunter2@sip.example.com", "<sip:alice:hunter2@sip.example.com>"])
def test_names_may_be_uris(name: str) -> None:
    for told in (
        check(trunk=name, route=name),
        samples.change(trunk=name, route=name),
        samples.switch(trunk=name, after=name),
    ):
        assert "hunter2" not in repr(kept(told))
        assert "alice" in repr(kept(told))
    assert "hunter2" not in repr(kept_delivery(delivery(trunk=name, route=name)))


def test_channel_is_a_name() -> None:
    with pytest.raises(WatchError, match="by its name"):
        kept_delivery(delivery(channel="mailtos://user:hunter2@mail.example.com"))


def test_json_stays_json() -> None:
    text = 'asked sip:alice:hunter2@h, Authorization: Basic "abc"'
    payload = kept_delivery(delivery(payload=json.dumps({"a": [text], "b": 1.5, "c": None, "d": True}))).payload
    found = json.loads(payload)
    assert found["b"], found["d"] == (1.5, True)
    assert "hunter2" not in found["a"][0]
    untouched = '{ "as" : "written" }'
    assert kept_delivery(delivery(payload=untouched)).payload == untouched


def test_messages_do_not_get_in() -> None:
    """They hold what proves an identity."""
    told = kept(check(attempt="an attempt", call="a call"))
    assert isinstance(told, Check)
    assert told.attempt is None
    assert told.call is None


def test_what_is_long_is_cut() -> None:
    told = kept(check(detail="sip:a:hunter2@h " + "x" * 100_000))
    assert isinstance(told, Check)
    assert told.detail == "sip:a:*******@h " + "x" * (MAX_TEXT - 17) + "…"


@pytest.mark.parametrize("text", ["a.", "/", "'/", "a/", "authorization ", "../", "x=", "@:", "sip:"])
def test_hostile_text_takes_no_longer_than_other(text: str) -> None:
    """A pattern that looks back over and over would take hours for it."""
    fit(text * 100_000)


@given(st.text(st.characters(exclude_characters="/@.:=")))
def test_text_without_any_mark_of_a_credential_stays(text: str) -> None:
    assert fit(text) == text
