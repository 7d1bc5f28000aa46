"""The ICE-lite agent: which checks it answers, and how."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.media.ice import CheckOutcome, IceCredentials, LiteAgent, new_credentials
from sipcore.media.stun import Attr, StunMessage, StunType, read_xor_address
from sipcore.resolve.target import SocketAddress
from sipcore.tokens import Tokens

REMOTE = SocketAddress("198.51.100.7", 40000)
AGENT = LiteAgent(IceCredentials("local", "password"))
NAME = (Attr.USERNAME, b"local:remote")
CONTROLLING = (Attr.ICE_CONTROLLING, bytes(8))


def check(*attributes: tuple[int, bytes], kind: int = StunType.REQUEST) -> StunMessage:
    return StunMessage(kind, bytes(range(12)), attributes)


@pytest.mark.parametrize("remote", [REMOTE, SocketAddress("2001:db8::7", 40000), SocketAddress("fe80::1%2", 1)])
@pytest.mark.parametrize("nominates", [False, True])
def test_a_check_is_answered(remote: SocketAddress, nominates: bool) -> None:
    more = [(Attr.USE_CANDIDATE, b"")] if nominates else []
    answer = AGENT.answer_untrusted(check(NAME, CONTROLLING, *more).encode("password"), remote)
    assert answer.outcome is (CheckOutcome.NOMINATED if nominates else CheckOutcome.ANSWERED)
    reply = StunMessage.parse(answer.data)
    assert (reply.type, reply.transaction) == (StunType.SUCCESS, bytes(range(12)))
    assert reply.is_from("password")
    mapped = reply.get(Attr.XOR_MAPPED_ADDRESS)
    assert mapped is not None
    assert read_xor_address(mapped, reply.transaction) == SocketAddress(remote.host.partition("%")[0], remote.port)


@pytest.mark.parametrize(
    ("request_", "password", "status", "signed"),
    [
        (check(NAME), None, 400, False),
        (check(CONTROLLING), "password", 400, False),
        (check((Attr.USERNAME, b"other:remote")), "password", 401, False),
        (check(NAME), "wrong", 401, False),
        (check(NAME, (0x7FFF, b"")), "password", 420, True),
        (check(NAME, (Attr.ICE_CONTROLLED, bytes(8))), "password", 487, True),
    ],
)
def test_a_check_is_refused(request_: StunMessage, password: str | None, status: int, signed: bool) -> None:
    answer = AGENT.answer_untrusted(request_.encode(password), REMOTE)
    assert answer.outcome is CheckOutcome.REFUSED
    reply = StunMessage.parse(answer.data)
    code = reply.get(Attr.ERROR_CODE)
    assert code is not None
    assert (reply.type, code[2] * 100 + code[3]) == (StunType.ERROR, status)
    assert reply.is_from("password") is signed
    if status == 420:
        assert reply.get(Attr.UNKNOWN_ATTRIBUTES) == b"\x7f\xff"


@pytest.mark.parametrize("kind", [StunType.INDICATION, StunType.SUCCESS, StunType.ERROR])
def test_what_is_no_request_is_ignored(kind: StunType) -> None:
    assert AGENT.answer_untrusted(check(kind=kind).encode(), REMOTE).outcome is CheckOutcome.IGNORED


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    assert AGENT.answer_untrusted(data, REMOTE).outcome is CheckOutcome.IGNORED


def test_credentials() -> None:
    made = new_credentials(Tokens(lambda count: bytes(range(count))))
    assert made == IceCredentials("00010203", "000102030405060708090a0b0c0d0e0f")
    assert made.password not in repr(made)
