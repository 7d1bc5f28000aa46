"""Session-ID and User-to-User."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.deviation import Deviation
from sipcore.message.fields.session import NIL, SessionId, UserToUser
from sipcore.message.params import Params
from tests.sipcore.message.fields.reading import assert_reads, assert_refuses, assert_survives, params, quoted, tokens

LOCAL = "ab30317f1a784dc48ff824d0d3715d86"


def test_session_id() -> None:
    read = SessionId(LOCAL, Params((("remote", NIL),)))
    assert_reads(SessionId.parse, f"{LOCAL};remote={NIL}", read)
    assert read.remote == NIL
    assert_reads(SessionId.parse, LOCAL, SessionId(LOCAL))
    assert SessionId(LOCAL).remote is None


def test_session_id_in_upper_case() -> None:
    upper = LOCAL.upper()
    note = Deviation.UPPER_CASE_SESSION_ID
    assert_reads(SessionId.parse, upper, SessionId(upper), [note])
    both = SessionId(upper, Params((("remote", upper),)))
    assert_reads(SessionId.parse, f"{upper};remote={upper}", both, [note, note])


@pytest.mark.parametrize(
    "text", ["", LOCAL[:-1], f"{LOCAL}0", f"{LOCAL};remote=1", f"g{LOCAL[1:]}", f";remote={LOCAL}", f'"{LOCAL}"']
)
def test_session_id_refuses(text: str) -> None:
    assert_refuses(SessionId.parse, text)


def test_user_to_user() -> None:
    read = UserToUser("56a390f3", Params((("encoding", "hex"), ("purpose", "isdn-uui"))))
    assert_reads(UserToUser.parse, "56a390f3;encoding=hex;purpose=isdn-uui", read)
    assert read.octets == bytes.fromhex("56a390f3")
    assert_reads(UserToUser.parse, '"a; b" ;x', UserToUser('"a; b"', Params((("x", None),))), written='"a; b";x')


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("0aFF", b"\x0a\xff"),
        ('"0a"', b"\x0a"),
        ("0af", None),
        ("xyz", None),
        ("0a;encoding=HEX", b"\x0a"),
        ("0a;encoding=utf8", None),
    ],
)
def test_octets(text: str, octets: bytes | None) -> None:
    assert UserToUser.parse(text).octets == octets


@pytest.mark.parametrize("text", ["", "a b", '"a', ";encoding=hex"])
def test_user_to_user_refuses(text: str) -> None:
    assert_refuses(UserToUser.parse, text)


identifiers = st.text("0123456789abcdef", min_size=32, max_size=32)


@given(st.builds(SessionId, identifiers, params), st.builds(UserToUser, tokens | quoted, params))
def test_survive(session: SessionId, data: UserToUser) -> None:
    assert_survives(SessionId.parse, session)
    assert_survives(UserToUser.parse, data)
