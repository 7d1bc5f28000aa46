"""Which messages belong together: RFC 3261 §17.1.3, §17.2.3, §8.2.2.2, §9.2."""

from typing import TypedDict, Unpack

import pytest

from sipcore.errors import ParseError
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.transactions.key import (
    ClientKey,
    LegacyKey,
    MergeKey,
    ServerKey,
    cancelled_keys,
    client_key,
    merge_key,
    server_key,
)
from tests.sipcore.transactions.rig import answer, request


class Change(TypedDict, total=False):
    """What differs from the request that the tables start from."""

    via: str
    branch: str
    to_tag: str
    from_tag: str
    call_id: str
    cseq: int
    uri: str


NEW_VIA = "SIP/2.0/UDP host.example.com:5070;branch=z9hG4bKabc"
OLD_VIA = "SIP/2.0/UDP host.example.com:5070"


def test_a_response_has_the_key_of_its_request() -> None:
    sent = request("INVITE", "z9hG4bKAbC")
    assert client_key(sent) == client_key(answer(sent, 200)) == ClientKey("z9hg4bkabc", "INVITE")
    assert client_key(sent) == client_key(request("INVITE", "Z9HG4BKaBc")), "tokens compare without case (§7.3.1)"


def test_a_cancel_shares_the_branch_and_is_told_apart_by_its_method() -> None:
    assert client_key(request("INVITE")) != client_key(request("CANCEL"))
    assert client_key(answer(request("INVITE"), 200)) != client_key(answer(request("CANCEL"), 200))


def test_methods_compare_by_case() -> None:
    assert client_key(request("FOO")) != client_key(request("foo"))


@pytest.mark.parametrize(
    "via",
    [
        NEW_VIA,
        "SIP/2.0/UDP HOST.example.com:5070;branch=Z9HG4BKABC",
        "SIP/2.0/UDP host.example.com:5070;branch=z9hG4bKabc;rport;received=192.0.2.9",
        "SIP/2.0/TCP host.example.com:5070;branch=z9hG4bKabc",
        "SIP / 2.0 / UDP host.example.com : 5070 ;branch=z9hG4bKabc",
    ],
)
def test_requests_match_by_branch_and_sent_by(via: str) -> None:
    expected = ServerKey("z9hg4bkabc", "host.example.com:5070", "OPTIONS")
    assert server_key(request(via=via, call_id="other", cseq=9, from_tag="x", uri="sip:x@y")) == expected


@pytest.mark.parametrize(
    "via",
    [
        "SIP/2.0/UDP host.example.com:5070;branch=z9hG4bKabd",
        "SIP/2.0/UDP host.example.com;branch=z9hG4bKabc",
        "SIP/2.0/UDP other.example.com:5070;branch=z9hG4bKabc",
    ],
)
def test_requests_differ_by_branch_or_sent_by(via: str) -> None:
    assert server_key(request(via=via)) != server_key(request(via=NEW_VIA))


@pytest.mark.parametrize("via", [NEW_VIA, OLD_VIA])
def test_an_ack_has_the_key_of_its_invite_and_a_cancel_does_not(via: str) -> None:
    invite = server_key(request("INVITE", via=via))
    assert server_key(request("ACK", via=via, to_tag="t")) == invite
    assert server_key(request("CANCEL", via=via)) != invite
    assert cancelled_keys(server_key(request("CANCEL", via=via)))[0] == invite


def test_a_cancel_may_be_for_any_method_but_ack_and_cancel() -> None:
    methods = [key.method for key in cancelled_keys(server_key(request("CANCEL")))]
    assert "OPTIONS" in methods
    assert not {"ACK", "CANCEL"} & set(methods)


@pytest.mark.parametrize(
    "via",
    [
        OLD_VIA,
        OLD_VIA + ";branch=1.2",
        OLD_VIA + ";branch=z9hG4bK",  # RFC 4475 §3.2.1
        OLD_VIA + ";hidden;branch=xyz",
    ],
)
def test_without_the_cookie_the_fields_of_rfc_2543_match(via: str) -> None:
    key = server_key(request("INVITE", via=via))
    assert isinstance(key, LegacyKey)
    assert key == server_key(request("INVITE", via=via)) == server_key(request("INVITE", via=via.upper()))
    changes: list[Change] = [{"uri": "sip:carol@example.com"}, {"from_tag": "g"}, {"call_id": "d"}, {"cseq": 2}]
    for change in changes:
        assert server_key(request("INVITE", **with_via(via, change))) != key
    assert server_key(request("INVITE", via=via + ";x=y")) != key
    assert server_key(request("OPTIONS", via=via)) != key


def with_via(via: str, change: Change) -> Change:
    return {"via": via, **change}


def test_the_order_of_parameters_does_not_matter() -> None:
    """RFC 3261 §20.42: the same set of parameters."""
    one, other = f"{OLD_VIA};a=1;branch=7;b", f"{OLD_VIA};b;branch=7;a=1"
    assert server_key(request(via=one)) == server_key(request(via=other))


def test_keys_of_different_kinds_never_meet() -> None:
    keys = [client_key(request()), server_key(request()), server_key(request(via=OLD_VIA))]
    assert len({len(key) for key in keys}) == len(set(keys)) == 3


def test_keys_print_as_words() -> None:
    assert str(client_key(request("BYE", "z9hG4bK7"))) == "z9hg4bk7 BYE"
    assert str(server_key(request("BYE", "z9hG4bK7"))) == "z9hg4bk7 192.0.2.1 BYE"
    assert str(server_key(request("BYE", via=OLD_VIA))).endswith("sip:bob@example.com f c@local 1 BYE")


def merged(method: str = "INVITE", **change: Unpack[Change]) -> MergeKey | None:
    return merge_key(request(method, **change))


def test_merged_requests_differ_in_their_branch_only() -> None:
    assert merged(branch="z9hG4bK1") == MergeKey("f", "c@local", 1, "INVITE")
    assert merged(branch="z9hG4bK1") == merged(branch="z9hG4bK2", uri="sip:x@y")
    assert merged() != merged(from_tag="g")
    assert merged() != merged(call_id="d")
    assert merged() != merged(cseq=2)
    assert merged() != merged("OPTIONS")


def test_requests_in_a_dialog_and_cancels_are_not_merged() -> None:
    assert merged(to_tag="t") is None
    assert merged("CANCEL") is None


def test_what_cannot_be_read_is_a_parse_error() -> None:
    message = parse_message(b"OPTIONS sip:x@y SIP/2.0\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
    assert isinstance(message, Request)
    for key_of in (client_key, server_key):
        with pytest.raises(ParseError, match="Via"):
            key_of(message)
