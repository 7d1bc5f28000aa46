"""The messages that are timed, and the check that a reader reads them right."""

import pytest

from benchmarks.peers.messages import (
    NAMES,
    VARIANTS,
    Message,
    Plain,
    WrongReading,
    check_headers,
    check_route,
    check_wire,
    load,
    split_list,
)

SIZES = {"options": 443, "options_200": 635, "invite": 1165, "invite_407": 570}


@pytest.fixture
def invite() -> Message:
    return load("invite")[0]


@pytest.mark.parametrize("name", NAMES)
def test_variants_differ_and_are_of_one_size(name: str) -> None:
    messages = load(name)
    assert len({message.data for message in messages}) == VARIANTS
    assert {len(message.data) for message in messages} == {SIZES[name]}
    assert len({message.route for message in messages}) == VARIANTS


@pytest.mark.parametrize("name", NAMES)
def test_messages_are_well_framed(name: str) -> None:
    message = load(name)[0]
    head, _, body = message.data.partition(b"\r\n\r\n")
    assert message.data.count(b"\n") == message.data.count(b"\r\n")
    assert message.raw["content-length"] == [str(len(body))]
    assert {line.partition(":")[0].lower() for line in head.decode().split("\r\n")[1:]} == message.raw.keys()
    assert {name.lower() for name in message.headers} == message.raw.keys()


def test_invite_is_as_described(invite: Message) -> None:
    assert len(invite.raw["via"]) == 3
    assert len(invite.raw["record-route"]) == 2
    assert b"\r\n\r\nv=0\r\n" in invite.data


def test_check_route(invite: Message) -> None:
    check_route(invite, invite.route)
    with pytest.raises(WrongReading, match="reads from_tag as None"):
        check_route(invite, (*invite.route[:3], None, *invite.route[4:]))


def test_check_headers(invite: Message) -> None:
    assert check_headers(invite, {**invite.headers}) == invite.headers.keys()
    read: dict[str, Plain] = {"Max-Forwards": 68, "Min-SE": "90", "Record-Route": [*invite.raw["record-route"]]}
    assert check_headers(invite, read) == {"Max-Forwards"}  # the others are there, but as text
    with pytest.raises(WrongReading, match="reads Max-Forwards as 69"):
        check_headers(invite, {"Max-Forwards": 69})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Max-Forwards: 68\r\n", b"max-forwards:68\r\n"),
        (b"<sip:edge.example.net;lr>\r\nRecord-Route: <", b"<sip:edge.example.net;lr>,<"),
        (b"To: Bob <", b'To: "Bob" <'),
        (b"1800;refresher", b"1800 ; refresher"),
    ],
)
def test_check_wire_allows_what_is_free(invite: Message, old: bytes, new: bytes) -> None:
    assert old in invite.data
    check_wire(invite, invite.data.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b"INVITE sip:bob", b"INVITE sip:bOb", "the start line"),
        (b"a=sendrecv\r\n", b"", "another body"),
        (b"Min-SE: 90\r\n", b"", "min-se as nothing"),
        (b"Min-SE: 90\r\n", b"Min-SE: 90\r\nEvil: 1\r\n", "evil as 1"),
        (b";tag=", b";gat=", "from as"),
    ],
)
def test_check_wire_finds_changes(invite: Message, old: bytes, new: bytes, complaint: str) -> None:
    with pytest.raises(WrongReading, match=complaint):
        check_wire(invite, invite.data.replace(old, new, 1))


@pytest.mark.parametrize(
    ("line", "items"),
    [
        ("a, b ,c", ["a", "b", "c"]),
        ('"a,b" <sip:x,y>, <sip:z>', ['"a,b" <sip:x,y>', "<sip:z>"]),
        ("", [""]),
    ],
)
def test_split_list(line: str, items: list[str]) -> None:
    assert split_list(line) == items
