"""Which challenge is answered: tables of offers, accounts and policies."""

import pytest

from sipcore.auth.choice import (
    DEFAULT_POLICY,
    MAX_DESCRIBED,
    Account,
    AuthPolicy,
    Candidate,
    Preference,
    candidate_of,
    choose,
    describe,
)
from sipcore.auth.digest import Algorithm, Secret
from sipcore.errors import EXCERPT_CHARACTERS, LocalError, UnsafeValue
from sipcore.message.fields.challenge import Challenge

A = Algorithm
ALICE = Account("alice", "wonderland", hosts=["sip.example.com"])
INTEGRITY = AuthPolicy(integrity=True)
NO_MD5 = AuthPolicy(algorithms=frozenset(A) - {A.MD5, A.MD5_SESS})


def offer(rest: str) -> Challenge:
    return Challenge.parse(f'Digest realm="r", nonce="n"{rest}')


@pytest.mark.parametrize(
    ("rest", "policy", "expected"),
    [
        ("", DEFAULT_POLICY, (A.MD5, None)),
        (', qop="auth"', DEFAULT_POLICY, (A.MD5, "auth")),
        (', qop="AUTH"', DEFAULT_POLICY, (A.MD5, "auth")),
        (', qop="auth-int"', DEFAULT_POLICY, (A.MD5, "auth-int")),
        (', qop="auth-int, auth"', DEFAULT_POLICY, (A.MD5, "auth")),
        (', qop="auth,auth-int"', INTEGRITY, (A.MD5, "auth-int")),
        (', qop="auth"', INTEGRITY, (A.MD5, "auth")),
        (', qop="auth-conf,auth"', DEFAULT_POLICY, (A.MD5, "auth")),
        (', qop="auth-conf"', DEFAULT_POLICY, None),
        (', algorithm=SHA-256, qop="auth"', DEFAULT_POLICY, (A.SHA_256, "auth")),
        (", algorithm=SHA-256", DEFAULT_POLICY, (A.SHA_256, None)),
        (", algorithm=MD5-sess", DEFAULT_POLICY, (A.MD5_SESS, "auth")),
        (", algorithm=CHACHA123", DEFAULT_POLICY, None),
        (', algorithm=AKAv1-MD5, qop="auth"', DEFAULT_POLICY, None),
        (', qop="auth"', NO_MD5, None),
        (', algorithm=SHA-512-256, qop="auth"', NO_MD5, (A.SHA_512_256, "auth")),
    ],
)
def test_how_a_challenge_is_answered(
    rest: str, policy: AuthPolicy, expected: tuple[Algorithm, str | None] | None
) -> None:
    candidate = candidate_of(offer(rest), ALICE, policy)
    assert (None if candidate is None else (candidate.algorithm, candidate.qop)) == expected


@pytest.mark.parametrize("text", ['Basic realm="r"', "Negotiate abc", 'Digest realm="r"'])
def test_what_is_never_answered(text: str) -> None:
    """RFC 8760 §2.6: clients must not accept Basic."""
    assert candidate_of(Challenge.parse(text, []), ALICE, DEFAULT_POLICY) is None


def test_userhash_by_policy() -> None:
    hashed = [
        candidate_of(offer(rest), ALICE, policy)
        for rest in (", userhash=true", ", userhash=false", "")
        for policy in (DEFAULT_POLICY, AuthPolicy(hash_username=False))
    ]
    assert [candidate is not None and candidate.hash_username for candidate in hashed] == [True] + [False] * 5


def test_an_account_with_digests_answers_only_those() -> None:
    account = Account("alice", Secret.of_ha1({A.SHA_256: "00"}), hosts=["h"])
    assert candidate_of(offer(", algorithm=SHA-256"), account, DEFAULT_POLICY) is not None
    assert candidate_of(offer(", algorithm=SHA-256-sess"), account, DEFAULT_POLICY) is not None
    assert candidate_of(offer(", algorithm=MD5"), account, DEFAULT_POLICY) is None


@pytest.mark.parametrize(
    ("offered", "preference", "expected"),
    [
        ([A.SHA_256, A.MD5], Preference.TOPMOST, A.SHA_256),
        ([A.MD5, A.SHA_256], Preference.TOPMOST, A.MD5),
        ([A.MD5, A.SHA_256], Preference.STRONGEST, A.SHA_256),
        ([A.MD5, A.SHA_512_256, A.SHA_256], Preference.STRONGEST, A.SHA_512_256),
        ([A.SHA_256_SESS, A.SHA_256], Preference.STRONGEST, A.SHA_256_SESS),
        ([A.MD5], Preference.STRONGEST, A.MD5),
    ],
)
def test_which_of_several(offered: list[Algorithm], preference: Preference, expected: Algorithm) -> None:
    candidates = [Candidate(offer(""), algorithm, "auth", False, ALICE) for algorithm in offered]
    assert choose(candidates, AuthPolicy(preference)).algorithm is expected


@pytest.mark.parametrize(
    ("hosts", "asked", "trusted"),
    [
        (["sip.example.com"], "sip.example.com", True),
        (["SIP.Example.COM."], "sip.example.com", True),
        (["sip.example.com"], "SIP.EXAMPLE.COM.", True),
        (["sip.example.com"], "evil.example.com", False),
        (["example.com"], "sip.example.com", False),
        (["sip.example.com", "192.0.2.1"], "192.0.2.1", True),
        (["[2001:db8:0::1]"], "2001:DB8::1", True),
        (["2001:db8::1"], "[2001:0db8::1]", True),
        (["fe80::1%eth0"], "fe80::1%2", True),
        (["fe80::1%eth0"], "fe80::1", True),
        (["sip.example.com"], "", False),
    ],
)
def test_hosts(hosts: list[str], asked: str, trusted: bool) -> None:
    assert Account("a", "b", hosts=hosts).trusts(asked) is trusted


def test_a_text_is_one_host() -> None:
    assert Account("a", "b", hosts="Sip.example.com").hosts == {"sip.example.com"}
    with pytest.raises(LocalError, match="names the hosts"):
        Account("a", "b", hosts="")


@pytest.mark.parametrize("hosts", [[], [""], ["", "[]"]])
def test_an_account_is_for_some_host(hosts: list[str]) -> None:
    with pytest.raises(LocalError):
        Account("a", "b", hosts=hosts)


@pytest.mark.parametrize("username", ["a\r\nX: y", "a\0", "\ud800"])
def test_a_username_stays_on_its_line(username: str) -> None:
    with pytest.raises(UnsafeValue):
        Account(username, "b", hosts=["h"])


def test_an_account_shows_no_secret() -> None:
    assert repr(Account("alice", "wonderland", hosts=["b", "a"], realm="r")) == "<Account for r at a, b>"
    assert repr(ALICE) == "<Account for any realm at sip.example.com>"
    assert Account("alice", "wonderland", hosts=["sip.example.com"]) != ALICE


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (['Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth,auth-int"'], "Digest SHA-256 auth, auth-int"),
        (['Digest realm="r", nonce="n"', 'Basic realm="r"'], "Digest MD5; Basic"),
        (['Digest realm="r", nonce="n", qop="\x1b[2Jä"'], "Digest MD5 \\x1b[2J\\xe4"),
        (['Digest realm="r", nonce="n"'] * (MAX_DESCRIBED + 2), "; ".join(["Digest MD5"] * MAX_DESCRIBED + ["2 more"])),
        ([f"X{'x' * 100} abc"], "X" + "x" * (EXCERPT_CHARACTERS - 1)),
    ],
)
def test_words(texts: list[str], words: str) -> None:
    assert describe(tuple(Challenge.parse(text) for text in texts)) == words
