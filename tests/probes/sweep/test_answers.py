"""What an answer says: the same whether it was read in full or known by its form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.sweep import answers
from probes.sweep.answers import MAX_FORM, REFLECTED, Reader, read_untrusted

VIA = "Via: SIP/2.0/UDP 198.51.100.1:40000;rport=40000;branch=z9hG4bK{}.00ff;received=198.51.100.1"
REST = ["CSeq: 1 OPTIONS", "Server: kamailio (5.6.3 (x86_64/linux))", "Allow: INVITE", "Content-Length: 0", "", ""]


def usual(number: int, *, early: bool = False, status: str = "200 OK", via: str = VIA, rest: list[str] = REST) -> bytes:
    """An answer of the usual form, with everything in it that differs from place to place."""
    call_id = f"Call-ID: {number}@x"
    ends = [f"From: <sip:a@b>;tag={number}", f"To: <sip:192.0.2.{number}>;tag=x{number}"]
    four = [via.format(f"{number:x}"), *([call_id, *ends] if early else [*ends, call_id])]
    return "\r\n".join([f"SIP/2.0 {status}", *four, *rest]).encode()


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What was read in full."""
    found: list[bytes] = []

    def reading(data: bytes) -> object:
        found.append(data)
        return read_untrusted(data)

    monkeypatch.setattr(answers, "read_untrusted", reading)
    return found


@pytest.mark.parametrize("early", [False, True])
def test_answers_that_differ_in_what_always_does_are_read_once(early: bool, parsed: list[bytes]) -> None:
    reader = Reader()
    for number in range(1, 20):
        answer, branch = reader.read_untrusted(usual(number, early=early))
        assert answer is not None
        assert (answer.status, answer.reason, branch) == (200, "OK", f"{number:x}.00ff")
        assert answer.banner == "kamailio (5.6.3 (x86_64/linux))"
        assert not answer.is_provisional
    assert parsed == [usual(1, early=early)]


OTHERS = [
    usual(1, status="404 Not Found"),
    usual(1, status="100 Trying"),
    usual(1, early=True),
    usual(1, rest=["CSeq: 1 OPTIONS", "", ""]),
    usual(1, rest=["CSeq: 1 OPTIONS", "Content-Length: 2", "", "ab"]),
    usual(1, rest=["CSeq: 1 OPTIONS", "Server: b\xfc", "", ""]),
    usual(1, via="via: SIP/2.0/UDP a;branch=z9hG4bK{}.00ff"),
    usual(1, via='Via: SIP/2.0/UDP a;x=";branch=z9hG4bK0.0";branch=z9hG4bK{}.00ff'),
    usual(1, via="Via: SIP/2.0/UDP a;x, SIP/2.0/UDP b;branch=z9hG4bK{}.00ff"),
    usual(1, via="Via: SIP/2.0/UDP a;Branch=z9hG4bK{}.00ff"),
    usual(1, via="Via: SIP/2.0/UDP a;branch=Z9HG4BK{}.00ff"),
    usual(1, via="Via: SIP/2.0/UDP a;xbranch=z9hG4bK0.0;branch=z9hG4bK{}.00ff"),
    usual(1, via="Via: SIP/2.0/UDP a;branch=z9hG4bK{}.00ff\r\nVia: SIP/2.0/UDP b;branch=z9hG4bK2"),
    usual(1, via="Via: SIP/2.0/UDP a;branch=z9hG4bK{}.00ff,SIP/2.0/UDP b;branch=z9hG4bK2"),
    usual(1, via="Via: SIP/2.0/UDP a"),
    usual(1).replace(b"From: ", b"From:\r\n "),
    usual(1).replace(b"From: ", b"X: \nFrom: "),
    usual(1).replace(b"From: ", b"From: \0"),
    usual(1).replace(b"\r\n", b"\n"),
    usual(1).replace(b"Server: ", b"Server: \r\n"),
    usual(1) + b"more",
    usual(1)[:-2],
    usual(1, rest=["CSeq: 1 OPTIONS", f"X: {'x' * MAX_FORM}", "", ""]),
    b"OPTIONS sip:a SIP/2.0\r\n\r\n",
    b"nonsense",
]


def same(reader: Reader, data: bytes) -> None:
    answer, text = reader.read_untrusted(data)
    whole, whole_text = read_untrusted(data)
    assert text == whole_text
    assert (answer is None) == (whole is None)
    if answer is not None and whole is not None:
        assert (answer.status, answer.reason, answer.banner) == (whole.status, whole.reason, whole.banner)
        assert answer.looks == whole.looks


@pytest.mark.parametrize("data", OTHERS)
def test_what_differs_is_not_taken_for_the_usual(data: bytes) -> None:
    reader = Reader()
    for each in (usual(1), usual(2, early=True), data, data):
        same(reader, each)


@given(st.data())
def test_however_an_answer_is_mutilated(data: st.DataObject) -> None:
    reader = Reader()
    reader.read_untrusted(usual(1))
    whole = usual(2)
    begin = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, 30))
    put = data.draw(
        st.sampled_from([b"", b"\r\n", b"\n", b";", b",", b'"', b" ", b"x", b"\0", b"\xff", b"branch=z9hG4bK1.2"])
    )
    cut = whole[:begin] + put + whole[begin + length :]
    answer, _ = reader.read_untrusted(cut)
    full, _ = read_untrusted(cut)
    assert (answer is None) == (full is None)
    if answer is not None and full is not None:
        assert (answer.status, answer.banner, answer.looks) == (full.status, full.banner, full.looks)


def test_a_provisional_answer() -> None:
    answer, _ = Reader().read_untrusted(usual(1, status="100 Trying"))
    assert answer is not None
    assert answer.is_provisional


def test_what_is_made_up_fills_no_memory(monkeypatch: pytest.MonkeyPatch, parsed: list[bytes]) -> None:
    monkeypatch.setattr(answers, "MAX_FORMS", 2)
    reader = Reader()
    for letter in "aabbcca":
        reader.read_untrusted(usual(1, rest=["CSeq: 1 OPTIONS", f"Server: {letter}", "", ""]))
    assert len(parsed) == 4


def test_a_request_is_no_answer() -> None:
    assert Reader().read_untrusted(b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n") == (None, REFLECTED)
