"""Kinds of answers: what tells them apart, that each is identified once, and that nobody fills the memory with them."""

import pytest

from probes.sweep import found
from probes.sweep.answers import Answer, read_untrusted
from probes.sweep.found import Kinds
from sipcore.resolve.target import SocketAddress

PLACE = SocketAddress("192.0.2.1", 5060)


def answer(number: int, *fields: str, status: str = "200 OK") -> Answer:
    head = [
        *(f"SIP/2.0 {status}", f"Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{number}", "From: <sip:a@b>;tag=1"),
        *(f"To: <sip:a@b>;tag={number}", f"Call-ID: {number}", "CSeq: 1 OPTIONS", *fields, "Content-Length: 0"),
    ]
    found, _ = read_untrusted("\r\n".join([*head, "", ""]).encode())
    assert found is not None
    return found


def test_answers_that_differ_in_what_always_does_are_of_one_kind() -> None:
    kinds = Kinds()
    assert {kinds.add(answer(number, "Server: baresip v1.0.0"), PLACE) for number in range(5)} == {0}
    others = [
        *(answer(1), answer(1, "X: 1"), answer(1, "Allow: INVITE"), answer(1, "Allow: BYE")),
        answer(1, status="404 Not Found"),
    ]
    assert [kinds.add(each, PLACE) for each in others] == [1, 2, 3, 4, 5]
    assert [(kind.number, kind.places) for kind in kinds.identified()] == [
        (0, 5),
        *((number, 1) for number in range(1, 6)),
    ]


def test_a_kind_shows_the_product() -> None:
    kinds = Kinds()
    kinds.add(answer(1, "Server: kamailio (5.6.3 (x86_64/linux))"), PLACE)
    (kind,) = kinds.identified()
    assert kind.system is not None
    assert (kind.banner, kind.system.product, kind.system.version) == (kind.system.banner, "Kamailio", "5.6.3")


def test_made_up_kinds_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found, "MAX_KINDS", 2)
    monkeypatch.setattr(found, "MAX_SAMPLE", 400)
    kinds = Kinds()
    assert kinds.add(answer(1, f"X: {'x' * 400}"), PLACE) is None
    assert [kinds.add(answer(1, f"Server: {banner}"), PLACE) for banner in "abcab"] == [0, 1, None, 0, 1]
    assert [kind.places for kind in kinds.identified()] == [2, 2]
