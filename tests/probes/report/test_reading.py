"""Typed values as plain data, and that data in pairs for people."""

import pytest

from probes.report.reading import Pair, Tree, pairs_of, tree_of
from sipcore.message.registry import ROWS
from sipcore.message.uri import parse_uri

CASES: list[tuple[str, str, Tree, list[Pair]]] = [
    ("max-forwards", "70", 70, [("", "70")]),
    ("call-id", "abc@host", "abc@host", [("", "abc@host")]),
    ("cseq", "7 INVITE", {"number": 7, "method": "INVITE"}, [("number", "7"), ("method", "INVITE")]),
    ("contact", "*", "*", [("", "*")]),
    (
        "via",
        "SIP/2.0/UDP h:5062;rport;branch=z9hG4bK1",
        {"transport": "UDP", "host": "h", "port": 5062, "params": {"rport": None, "branch": "z9hG4bK1"}},
        [("transport", "UDP"), ("host", "h"), ("port", "5062"), ("rport", ""), ("branch", "z9hG4bK1")],
    ),
    (
        "via",
        "SIP/3.0/TCP h",
        {"transport": "TCP", "host": "h", "name": "SIP", "version": "3.0"},
        [("transport", "TCP"), ("host", "h"), ("name", "SIP"), ("version", "3.0")],
    ),
    (
        "from",
        '"Alice \\"A\\"" <sip:alice@h;lr>;tag=1;tag=2',
        {
            "display_name": 'Alice "A"',
            "uri": {"scheme": "sip", "user": "alice", "host": "h", "params": {"lr": None}},
            "params": {"tag": "1"},
        },
        [
            ("display name", 'Alice "A"'),
            ("scheme", "sip"),
            ("user", "alice"),
            ("host", "h"),
            ("URI lr", ""),
            ("tag", "1"),
        ],
    ),
    (
        "to",
        "<tel:+1-201-555-0123;phone-context=x>",
        {
            "uri": {
                "scheme": "tel",
                "number": "+1-201-555-0123",
                "params": {"phone-context": "x"},
                "text": "tel:+1-201-555-0123;phone-context=x",
            }
        },
        [
            ("scheme", "tel"),
            ("number", "+1-201-555-0123"),
            ("URI phone-context", "x"),
            ("text", "tel:+1-201-555-0123;phone-context=x"),
        ],
    ),
    ("content-type", "application/SDP", {"type": "application/sdp"}, [("type", "application/sdp")]),
    ("date", "Thu, 21 Nov 2024 13:02:03 GMT", "2024-11-21T13:02:03+00:00", [("", "2024-11-21T13:02:03+00:00")]),
    ("refer-sub", "false", {"wanted": False}, [("wanted", "false")]),
    (
        "warning",
        '370 host "too slow"',
        {"code": 370, "agent": "host", "text": "too slow"},
        [("code", "370"), ("agent", "host"), ("text", "too slow")],
    ),
]


@pytest.mark.parametrize(
    ("key", "text", "tree", "pairs"), CASES, ids=lambda case: case if isinstance(case, str) else ""
)
def test_value(key: str, text: str, tree: Tree, pairs: list[Pair]) -> None:
    found = tree_of(ROWS[key].codec(text, None))
    assert found == tree
    assert pairs_of(found) == pairs


def test_uri_without_its_password() -> None:
    tree = tree_of(parse_uri("sip:alice:secret@h?Authorization=x&Subject=hi"))
    assert tree == {
        "scheme": "sip",
        "user": "alice",
        "password": "(hidden)",
        "host": "h",
        "headers": {"authorization": "(hidden)", "subject": "hi"},
    }
    assert tree_of(parse_uri("http://a:secret@h/")) == {"scheme": "http", "text": "http://a:******@h/"}


@pytest.mark.parametrize(
    ("key", "text", "tree"),
    [
        (
            "authorization",
            'Digest username="a", realm="r", nonce="n", uri="sip:h", response="0123"',
            {
                "scheme": "Digest",
                "params": {"username": "a", "realm": "r", "nonce": "n", "uri": "sip:h", "response": "(hidden)"},
            },
        ),
        ("authorization", "Basic c2VjcmV0", {"scheme": "Basic", "params": {}}),
        ("authorization", 'Other token="0123"', {"scheme": "Other", "params": {"token": "(hidden)"}}),
        ("authentication-info", 'rspauth="0123", nc=00000001', {"params": {"rspauth": "(hidden)", "nc": "00000001"}}),
    ],
)
def test_proofs_are_hidden(key: str, text: str, tree: Tree) -> None:
    assert tree_of(ROWS[key].codec(text, None)) == tree


def test_every_known_value_becomes_data() -> None:
    """No class of values is shown as something other than its parts."""
    samples = {
        "accept-contact": "*;audio",
        "alert-info": "<http://h/a>",
        "event": "presence;id=1",
        "reason": 'Q.850;cause=16;text="x"',
        "replaces": "a@b;to-tag=1;from-tag=2",
        "session-expires": "1800;refresher=uac",
        "subscription-state": "active;expires=1",
        "timestamp": "54 1",
        "p-access-network-info": "3GPP-GERAN;np",
        "identity": "abc;info=<http://h>",
        "privacy": "id;user",
        "remote-party-id": "<sip:a@h>;screen=yes",
        "session-id": "a" * 32,
        "user-to-user": "00;encoding=hex",
        "diversion": "<sip:a@h>;reason=unconditional",
        "history-info": "<sip:a@h>;index=1",
        "rack": "1 2 INVITE",
        "retry-after": "18 (later)",
        "resource-priority": "dsn.flash",
    }
    for key, text in samples.items():
        tree = tree_of(ROWS[key].codec(text, None))
        assert isinstance(tree, dict), key
        assert "text" not in tree or key == "reason", key
        assert pairs_of(tree), key
