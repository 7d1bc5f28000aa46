"""Credentials as they are written, and the server's proof, realm by realm."""

import pytest

from sipcore.auth.choice import DEFAULT_POLICY, Account, candidate_of
from sipcore.auth.space import ServerProof, Space
from sipcore.message.address import Address
from sipcore.message.build import Identity, request, response
from sipcore.message.fields.challenge import AuthenticationInfo, Challenge, Credentials
from sipcore.message.uri import parse_uri
from sipcore.tokens import Tokens

BOB = Account("bob", "zanzibar", hosts=["biloxi.com"])
ALICE = Address.parse("<sip:alice@atlanta.com>;tag=1")
INVITE = request(
    "INVITE", parse_uri("sip:bob@biloxi.com"), Identity(ALICE, Address.parse("<sip:bob@biloxi.com>"), "c1")
)
NONCE = 'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'


class Counted(Tokens):
    """Cnonces c1, c2, ..."""

    def __init__(self) -> None:
        super().__init__(bytes)
        self.made = 0

    def cnonce(self) -> str:
        self.made += 1
        return f"c{self.made}"


def space(rest: str) -> tuple[Space, Counted]:
    candidate = candidate_of(Challenge.parse(f'Digest realm="biloxi.com", {NONCE}{rest}', []), BOB, DEFAULT_POLICY)
    assert candidate is not None
    tokens = Counted()
    return Space(candidate, INVITE, tokens), tokens


@pytest.mark.parametrize(
    ("rest", "names"),
    [
        ("", "username realm nonce uri response"),
        (', opaque="", algorithm=MD5', "username realm nonce uri response algorithm opaque"),
        (', qop="auth"', "username realm nonce uri response cnonce qop nc"),
        (
            ', qop="auth", userhash=true, charset=UTF-8, algorithm=SHA-256',
            "username realm nonce uri response algorithm cnonce qop nc userhash",
        ),
    ],
)
def test_what_is_sent(rest: str, names: str) -> None:
    """What the server asked for, no more, and written as RFC 7616 §3.4 wants it: it reads back strictly."""
    one, tokens = space(rest)
    credentials = one.credentials(INVITE, tokens)
    assert " ".join(name for name, _ in credentials.params) == names
    assert Credentials.parse(str(credentials)) == credentials


def test_counts_and_cnonces() -> None:
    one, tokens = space(', qop="auth"')
    first, second = (one.credentials(INVITE, tokens) for _ in range(2))
    assert (first.nc, first.cnonce, second.nc, second.cnonce) == ("00000001", "c1", "00000002", "c1")
    assert first.response != second.response
    assert one.was_reused
    one.renew("next")
    assert one.was_reused
    third = one.credentials(INVITE, tokens)
    assert (third.nonce, third.nc, third.cnonce) == ("next", "00000001", "c2")


def test_a_first_answer_was_not_reused() -> None:
    one, tokens = space("")
    assert not one.was_reused
    one.credentials(INVITE, tokens)
    assert not one.was_reused


@pytest.mark.parametrize(
    ("info", "proof"),
    [
        ("nc=00000001", ServerProof.ABSENT),
        ('rspauth="00"', ServerProof.WRONG),
        # MD5(HA1:nonce:MD5(":sip:bob@biloxi.com")) by RFC 2069, worked out with md5sum
        ('rspauth="748e424548c73d52e3bde6eef2d03c69"', ServerProof.VALID),
    ],
)
def test_proofs(info: str, proof: ServerProof) -> None:
    one, tokens = space("")
    credentials = one.credentials(INVITE, tokens)
    ok = response(INVITE, 200)
    assert one.proof_of(AuthenticationInfo.parse(info), credentials, INVITE, ok) is proof


def test_the_secret_is_not_shown() -> None:
    one, tokens = space("")
    assert "zanzibar" not in repr(one)
    assert one.credentials(INVITE, tokens).response not in (None, repr(one))
