"""The client: what is answered, what is not and why, and what is remembered. Servers here are lines of text."""

import random

import pytest

from sipcore.auth.choice import Account, AuthPolicy, Preference
from sipcore.auth.digest import Algorithm, Exchange, Secret, response_of
from sipcore.auth.session import (
    MAX_REALMS,
    MAX_ROUNDS,
    MAX_STALE,
    AuthError,
    AuthRefusal,
    AuthSession,
    Rounds,
)
from sipcore.auth.space import ServerProof
from sipcore.errors import RemoteError
from sipcore.message.address import Address
from sipcore.message.build import Identity
from sipcore.message.build import request as build_request
from sipcore.message.build import response as build_response
from sipcore.message.fields.challenge import Challenge, Credentials
from sipcore.message.message import Request, Response
from sipcore.message.registry import AUTHORIZATION, PROXY_AUTHORIZATION
from sipcore.message.uri import parse_uri
from sipcore.tokens import Tokens

WWW, PROXY = "WWW-Authenticate", "Proxy-Authenticate"
REALM = 'Digest realm="biloxi.com", '
A = Algorithm


class Seeded(Tokens):
    """Tokens that are the same in every run."""

    def __init__(self) -> None:
        super().__init__(random.Random(1).randbytes)


class Published(Tokens):
    """The cnonce of the published examples."""

    def __init__(self) -> None:
        super().__init__(bytes)

    def cnonce(self) -> str:
        return "0a4f113b"


TOKENS = Seeded()


def account(realm: str | None = None, host: str = "biloxi.com") -> Account:
    return Account("bob", "zanzibar", hosts=[host], realm=realm)


def make_request(
    uri: str = "sip:bob@biloxi.com", *, method: str = "INVITE", call_id: str = "c1", cseq: int = 1
) -> Request:
    from_, to = Address.parse("<sip:alice@atlanta.com>;tag=1"), Address.parse("<sip:bob@biloxi.com>")
    return build_request(method, parse_uri(uri), Identity(from_, to, call_id, cseq))


def with_fields(request: Request, fields: dict[str, str]) -> Request:
    for name, text in fields.items():
        request = request.with_header(name, text)
    return request


def challenged(request: Request, *challenges: str, status: int = 401, name: str = "") -> Response:
    header = name or (PROXY if status == 407 else WWW)
    return build_response(request, status, tag="s", fields=[(header, challenge) for challenge in challenges])


def sent(request: Request, *, proxy: bool = False) -> list[Credentials]:
    return list(request[PROXY_AUTHORIZATION if proxy else AUTHORIZATION])


def refuses(
    session: AuthSession, request: Request, response: Response, address: str = "", rounds: Rounds | None = None
) -> AuthError:
    with pytest.raises(AuthError) as caught:
        session.answer(request, response, TOKENS, address=address, rounds=rounds)
    return caught.value


# The published exchange


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("", "bf57e4e0d0bffc0fbaedce64d59add5e"),
        (', qop="auth,auth-int"', "89eb0059246c02b2f6ee02c7961d5ea3"),
        (', algorithm=MD5, qop="auth"', "89eb0059246c02b2f6ee02c7961d5ea3"),
        (', algorithm=MD5-sess, qop="auth"', "e4e4ea61d186d07a92c9e1f6919902e9"),
    ],
)
def test_published_requests(rest: str, expected: str) -> None:
    """draft-smith-sipping-auth-examples-01 §3.1 to §3.4."""
    challenge = REALM + 'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"' + rest
    request = make_request()
    (credentials,) = sent(AuthSession(account()).answer(request, challenged(request, challenge), Published()))
    assert credentials.response == expected
    assert credentials.username == "bob"
    assert credentials.opaque == "5ccc069c403ebaf9f0171e9517f40e41"
    assert (credentials.nc, credentials.cnonce) == (("00000001", "0a4f113b") if "qop" in rest else (None, None))


def test_the_answer_is_the_same_request_but_for_what_must_change() -> None:
    request = make_request().with_last("X-Kept", "as it was").with_first("Via", "SIP/2.0/UDP a;branch=z9hG4bK1")
    answer = AuthSession(account()).answer(request, challenged(request, REALM + 'nonce="n", qop="auth"'), TOKENS)
    assert answer.cseq.number == 2
    assert answer.cseq.method == "INVITE"
    for name in ("From", "To", "Call-ID", "Max-Forwards", "X-Kept"):
        assert answer.headers.get(name) == request.headers.get(name)
    assert "Via" not in answer.headers
    assert answer.uri_text == request.uri_text


def test_parameters_go_back_as_they_were_written() -> None:
    request = make_request()
    challenge = 'Digest realm="a \\"b\\"", nonce=un/quo+ted==, opaque="\\o", algorithm="md5", qop=auth'
    answer = AuthSession(account()).answer(request, challenged(request, challenge), TOKENS)
    written = answer.headers.get("Authorization") or ""
    for part in (
        'realm="a \\"b\\""',
        'nonce="un/quo+ted=="',
        'opaque="\\o"',
        "algorithm=md5",
        "qop=auth",
        "nc=00000001",
    ):
        assert f"{part}," in written + ","
    credentials = Credentials.parse(written)  # strictly: what is sent has no deviation
    ha1 = Secret("zanzibar").ha1(A.MD5, "bob", 'a "b"')
    exchange = Exchange(
        A.MD5, "INVITE", "sip:bob@biloxi.com", "un/quo+ted==", "auth", "00000001", credentials.cnonce or ""
    )
    assert credentials.response == response_of(ha1 or "", exchange)


def test_nothing_is_sent_that_was_not_offered() -> None:
    request = make_request()
    (credentials,) = sent(AuthSession(account()).answer(request, challenged(request, REALM + 'nonce="n"'), TOKENS))
    assert [name for name, _ in credentials.params] == ["username", "realm", "nonce", "uri", "response"]


def test_a_hashed_username() -> None:
    request = make_request()
    challenge = REALM + 'nonce="n", algorithm=SHA-256, qop="auth", userhash=true'
    (credentials,) = sent(AuthSession(account()).answer(request, challenged(request, challenge), TOKENS))
    assert credentials.userhash
    assert credentials.username == A.SHA_256.digest("bob", "biloxi.com")
    plain = AuthSession(account(), policy=AuthPolicy(hash_username=False))
    (credentials,) = sent(plain.answer(request, challenged(request, challenge), TOKENS))
    assert not credentials.userhash
    assert credentials.username == "bob"


def test_the_body_is_covered_by_auth_int() -> None:
    with_body = [make_request().with_body(body, "text/plain") for body in (b"one", b"two")]
    responses = [
        sent(AuthSession(account()).answer(one, challenged(one, REALM + 'nonce="n", qop="auth-int"'), Published()))[
            0
        ].response
        for one in with_body
    ]
    assert responses[0] != responses[1]


def test_a_digest_of_the_password_by_another_algorithm_is_of_no_use() -> None:
    known = Account("bob", Secret.of_ha1({A.MD5: "0" * 32}), hosts=["biloxi.com"])
    request = make_request()
    error = refuses(AuthSession(known), request, challenged(request, REALM + 'nonce="n", algorithm=SHA-256'))
    assert error.advice == "give the account its password, or the digest of it by SHA-256"


# Choosing


@pytest.mark.parametrize(
    ("policy", "algorithm", "because"),
    [
        (AuthPolicy(), A.SHA_256, "topmost supported"),
        (AuthPolicy(Preference.STRONGEST), A.SHA_512_256, "strongest supported"),
        (AuthPolicy(algorithms=frozenset({A.MD5})), A.MD5, "topmost supported"),
    ],
)
def test_the_choice_is_recorded(policy: AuthPolicy, algorithm: Algorithm, because: str) -> None:
    request, session = make_request(), AuthSession(account(), policy=policy)
    offers = [
        'Digest realm="biloxi.com", nonce="n", algorithm=AKAv1-MD5, qop="auth"',
        REALM + 'nonce="n", algorithm=SHA-256, qop="auth"',
        REALM + 'nonce="n", algorithm=SHA-512-256, qop="auth"',
        REALM + 'nonce="n", algorithm=MD5, qop="auth"',
    ]
    (credentials,) = sent(session.answer(request, challenged(request, *offers), TOKENS))
    assert credentials.algorithm == algorithm.wire_name
    (choice,) = session.choices
    assert choice.offered == tuple(Challenge.parse(offer) for offer in offers)
    assert choice.taken in choice.offered
    assert (choice.algorithm, choice.qop, choice.because, choice.retried) == (algorithm, "auth", because, "")
    assert (choice.realm, choice.proxy) == ("biloxi.com", False)


def test_challenges_that_cannot_be_read_are_passed_over() -> None:
    """RFC 8760 §2.4."""
    request = make_request()
    response = challenged(request, 'Digest realm="bro', REALM + 'nonce="n", qop="auth"')
    assert sent(AuthSession(account()).answer(request, response, TOKENS))[0].nonce == "n"


def test_challenges_that_share_a_line_are_all_seen() -> None:
    request = make_request()
    response = challenged(
        request, f'Digest realm="biloxi.com", nonce="n", algorithm=X, {REALM}nonce="n", algorithm=MD5'
    )
    assert sent(AuthSession(account()).answer(request, response, TOKENS))[0].algorithm == "MD5"


def test_several_realms_at_once() -> None:
    """RFC 3261 §22.3: a forked request collects challenges of both kinds and of several realms."""
    request = make_request()
    response = challenged(request, REALM + 'nonce="n1"', 'Digest realm="other", nonce="n2"')
    response = response.with_last(PROXY, 'Digest realm="proxy", nonce="n3"')
    session = AuthSession(account("biloxi.com"), account("proxy"))
    answer = session.answer(request, response, TOKENS)
    assert [credentials.realm for credentials in sent(answer)] == ["biloxi.com"]
    assert [credentials.realm for credentials in sent(answer, proxy=True)] == ["proxy"]
    assert [(choice.realm, choice.proxy) for choice in session.choices] == [("biloxi.com", False), ("proxy", True)]


def test_an_account_with_the_realm_goes_first() -> None:
    general, special = account(), Account("special", "x", hosts=["biloxi.com"], realm="biloxi.com")
    request = make_request()
    answer = AuthSession(general, special).answer(request, challenged(request, REALM + 'nonce="n"'), TOKENS)
    assert sent(answer)[0].username == "special"


# Refusing


@pytest.mark.parametrize(
    ("challenges", "reason", "words"),
    [
        ([], AuthRefusal.NO_CHALLENGE, "without a challenge"),
        (["Digest realm"], AuthRefusal.NO_CHALLENGE, "without a challenge"),
        (['Basic realm="biloxi.com"'], AuthRefusal.UNSUPPORTED, "offered Basic"),
        ([REALM + 'nonce="n", algorithm=CHACHA123, qop="auth"'], AuthRefusal.UNSUPPORTED, "Digest CHACHA123 auth"),
        ([REALM + 'nonce="n", algorithm=CHACHA123'], AuthRefusal.UNSUPPORTED, "offer Digest with one of MD5, "),
        ([REALM + 'nonce="n", qop="auth-conf"'], AuthRefusal.UNSUPPORTED, "Digest MD5 auth-conf"),
        ([REALM + 'nonce="n", qop="auth-conf"'], AuthRefusal.UNSUPPORTED, "let the server offer qop auth or auth-int"),
        (['Digest realm="biloxi.com"'], AuthRefusal.UNSUPPORTED, "Digest MD5"),
        (['Digest realm="biloxi.com"'], AuthRefusal.UNSUPPORTED, "let the server give a nonce"),
        (['Digest realm="other", nonce="n"'], AuthRefusal.NO_ACCOUNT, 'the realm "other"'),
    ],
)
def test_what_is_not_answered(challenges: list[str], reason: AuthRefusal, words: str) -> None:
    request = make_request()
    error = refuses(AuthSession(account("biloxi.com")), request, challenged(request, *challenges))
    assert isinstance(error, RemoteError)
    assert error.reason is reason
    assert words in str(error)
    assert error.advice in str(error)
    assert error.section in str(error)
    assert error.offered == (() if reason is AuthRefusal.NO_CHALLENGE else (Challenge.parse(challenges[0], []),))
    assert "zanzibar" not in f"{error!s} {error!r} {error.__dict__}"


def test_a_policy_may_rule_md5_out() -> None:
    request = make_request()
    session = AuthSession(account(), policy=AuthPolicy(algorithms=frozenset({A.SHA_256})))
    error = refuses(session, request, challenged(request, REALM + 'nonce="n", qop="auth"'))
    assert error.reason is AuthRefusal.UNSUPPORTED
    assert "SHA-256" in error.advice
    nothing = AuthSession(account(), policy=AuthPolicy(algorithms=frozenset()))
    assert "no algorithm" in refuses(nothing, request, challenged(request, REALM + 'nonce="n"')).advice


def test_wrong_credentials_are_not_tried_twice() -> None:
    """RFC 3261 §22.1. Some servers ask again with the same nonce, others with a new one."""
    for nonce in ("n1", "n2"):
        session, request = AuthSession(account()), make_request()
        answer = session.answer(request, challenged(request, REALM + 'nonce="n1", qop="auth"'), TOKENS)
        error = refuses(session, answer, challenged(answer, REALM + f'nonce="{nonce}", qop="auth"'))
        assert error.reason is AuthRefusal.REJECTED
        assert "password" in error.advice


def test_one_rejected_realm_outweighs_one_that_could_be_answered() -> None:
    session, request = AuthSession(account()), make_request()
    answer = session.answer(request, challenged(request, REALM + 'nonce="n1"'), TOKENS)
    error = refuses(session, answer, challenged(answer, 'Digest realm="new", nonce="x"', REALM + 'nonce="n1"'))
    assert error.reason is AuthRefusal.REJECTED


def test_a_stale_nonce_is_replaced() -> None:
    session, request = AuthSession(account()), make_request()
    answer = session.answer(request, challenged(request, REALM + 'nonce="n1", qop="auth"'), TOKENS)
    again = session.answer(answer, challenged(answer, REALM + 'nonce="n2", qop="auth", stale=TRUE'), TOKENS)
    (credentials,) = sent(again)
    assert (credentials.nonce, credentials.nc) == ("n2", "00000001")
    assert session.choices[0].retried == "stale nonce"
    assert again.cseq.number == 3


def test_a_stale_nonce_that_comes_again_is_a_loop() -> None:
    session, request = AuthSession(account()), make_request()
    answer = session.answer(request, challenged(request, REALM + 'nonce="n1"'), TOKENS)
    error = refuses(session, answer, challenged(answer, REALM + 'nonce="n1", stale=true'))
    assert error.reason is AuthRefusal.LOOP


def test_a_nonce_that_is_always_stale_is_a_loop() -> None:
    session, request, rounds = AuthSession(account()), make_request(), Rounds()
    for number in range(1 + MAX_STALE):
        response = challenged(request, REALM + f'nonce="n{number}", qop="auth", stale=true')
        request = session.answer(request, response, TOKENS, rounds=rounds)
    error = refuses(session, request, challenged(request, REALM + 'nonce="last", stale=true'), rounds=rounds)
    assert error.reason is AuthRefusal.LOOP
    assert f"calls each nonce stale, {1 + MAX_STALE} times" in str(error)
    rounds = Rounds()
    for number in range(MAX_STALE):  # the next request has its own
        response = challenged(request, REALM + f'nonce="x{number}", stale=true')
        request = session.answer(request.with_header("Call-ID", "next"), response, TOKENS, rounds=rounds)


def test_each_realm_may_call_a_nonce_stale() -> None:
    """Two proxies and the server behind them, each once more: as many rounds as there may be, and no more."""
    session, request, rounds = AuthSession(account(realm=None)), make_request(), Rounds()
    realms = ["one", "two", "three"]
    for number in range(MAX_ROUNDS):
        text = f'Digest realm="{realms[number % 3]}", nonce="n{number}", stale={"true" if number >= 3 else "false"}'
        request = session.answer(request, challenged(request, text), TOKENS, rounds=rounds)
    error = refuses(session, request, challenged(request, 'Digest realm="four", nonce="last"'), rounds=rounds)
    assert error.reason is AuthRefusal.LOOP
    assert str(MAX_ROUNDS + 1) in str(error)


@pytest.mark.parametrize("stale", ["", ", stale=false"])
def test_a_nonce_that_ran_out_unannounced(stale: str) -> None:
    """Servers that forget `stale`: a nonce that worked before gets one more try, and only one."""
    session, request = AuthSession(account()), make_request(method="REGISTER")
    session.answer(request, challenged(request, REALM + 'nonce="n1", qop="auth"'), TOKENS)
    refresh = session.prepare(make_request(method="REGISTER", cseq=3), TOKENS)
    again = session.answer(refresh, challenged(refresh, REALM + f'nonce="n2", qop="auth"{stale}'), TOKENS)
    assert session.choices[0].retried == "nonce ran out unannounced"
    error = refuses(session, again, challenged(again, REALM + 'nonce="n3", qop="auth"'))
    assert error.reason is AuthRefusal.REJECTED


# Whose credentials go where


@pytest.mark.parametrize(
    ("uri", "fields"),
    [
        ("sip:bob@evil.example", {}),
        ("sip:bob@biloxi.com.evil.example", {}),
        ("sip:bob@biloxi.com;maddr=192.0.2.66", {}),
        ("sip:bob@biloxi.com", {"Route": "<sip:evil.example;lr>"}),
        ("tel:+1234567", {}),
        ("sip:evil.example", {"Route": "<sip:biloxi.com>"}),
        ("sip:bob@biloxi.com", {"Route": "<tel:+1234567>"}),
    ],
)
def test_no_proof_for_other_hosts(uri: str, fields: dict[str, str]) -> None:
    request = with_fields(make_request(uri), fields)
    for realm in (None, "biloxi.com"):
        error = refuses(AuthSession(account(realm)), request, challenged(request, REALM + 'nonce="n"'))
        assert error.reason is AuthRefusal.WRONG_HOST


def test_the_outbound_proxy_is_the_host() -> None:
    request = make_request("sip:bob@elsewhere.example").with_first("Route", "<sip:BILOXI.com;lr>")
    assert sent(AuthSession(account()).answer(request, challenged(request, REALM + 'nonce="n"'), TOKENS))


def test_an_address_may_be_given_for_the_host() -> None:
    request = make_request("tel:+1234567")
    session = AuthSession(account(host="192.0.2.1"))
    response = challenged(request, REALM + 'nonce="n"')
    assert refuses(session, request, response, "192.0.2.2:5060").reason is AuthRefusal.WRONG_HOST
    assert sent(session.answer(request, response, TOKENS, address="192.0.2.1:5060"))


def test_the_host_that_was_located_counts_and_not_what_the_uri_names() -> None:
    session, request = AuthSession(account()), make_request()
    response = challenged(request, REALM + 'nonce="n"')
    with pytest.raises(AuthError, match=r"proxy\.example asks for credentials") as caught:
        session.answer(request, response, TOKENS, located="proxy.example")
    assert caught.value.reason is AuthRefusal.WRONG_HOST
    assert sent(session.answer(request, response, TOKENS))
    assert sent(session.prepare(request, TOKENS, located="proxy.example")) == []
    assert sent(session.prepare(make_request("sip:bob@10.0.0.5"), TOKENS, located="biloxi.com"))


def test_requests_inside_the_dialog_go_to_an_address_that_was_trusted() -> None:
    session, request = AuthSession(account()), make_request()
    session.answer(request, challenged(request, REALM + 'nonce="n"'), TOKENS, address="192.0.2.1:5060")
    bye = make_request("sip:bob@10.0.0.5", method="BYE", cseq=3)
    response = challenged(bye, 'Digest realm="biloxi.com", nonce="n2"')
    assert refuses(session, bye, response, "192.0.2.66:5060").reason is AuthRefusal.WRONG_HOST
    assert refuses(session, bye, response).reason is AuthRefusal.WRONG_HOST
    assert sent(session.prepare(bye, TOKENS, address="192.0.2.66:5060")) == []
    assert sent(session.prepare(bye, TOKENS, address="192.0.2.1:5060"))
    assert sent(session.answer(bye, response, TOKENS, address="192.0.2.1:5060"))


def test_an_address_is_trusted_for_the_account_that_it_served() -> None:
    mine, other = account("biloxi.com"), Account("x", "y", hosts=["other.example"], realm="other")
    session, request = AuthSession(mine, other), make_request()
    session.answer(request, challenged(request, REALM + 'nonce="n"'), TOKENS, address="192.0.2.1:5060")
    error = refuses(session, request, challenged(request, 'Digest realm="other", nonce="n"'), "192.0.2.1:5060")
    assert error.reason is AuthRefusal.NO_ACCOUNT


# What is remembered


def test_a_proxy_and_then_the_server() -> None:
    """401 after 407: each further request proves itself to both, with the next count (RFC 7616 §3.4 nc)."""
    session, request = AuthSession(account()), make_request()
    second = session.answer(
        request, challenged(request, 'Digest realm="p", nonce="np", qop="auth"', status=407), TOKENS
    )
    assert sent(second) == []
    third = session.answer(second, challenged(second, REALM + 'nonce="ns", qop="auth"'), TOKENS)
    (to_proxy,), (to_server,) = sent(third, proxy=True), sent(third)
    assert (to_proxy.nonce, to_proxy.nc, to_server.nonce, to_server.nc) == ("np", "00000002", "ns", "00000001")
    bye = session.prepare(make_request(method="BYE", cseq=4), TOKENS)
    assert [one.nc for one in sent(bye, proxy=True) + sent(bye)] == ["00000003", "00000002"]
    assert len(third.headers.get_all("Proxy-Authorization")) == 1
    assert third.cseq.number == 3


def test_where_nonces_are_used_again() -> None:
    """RFC 3261 §22.2: for the same To. §22.3: for proxies, within the same Call-ID only."""
    session, request = AuthSession(account()), make_request()
    second = session.answer(request, challenged(request, 'Digest realm="p", nonce="np"', status=407), TOKENS)
    session.answer(second, challenged(second, REALM + 'nonce="ns"'), TOKENS)
    other_call = session.prepare(make_request(call_id="c2"), TOKENS)
    assert (len(sent(other_call)), len(sent(other_call, proxy=True))) == (1, 0)
    other_user = make_request("sip:carol@biloxi.com", call_id="c3").with_header("To", "<sip:carol@biloxi.com>")
    assert session.prepare(other_user, TOKENS) is other_user
    elsewhere = make_request("sip:bob@evil.example")
    assert session.prepare(elsewhere, TOKENS) is elsewhere
    assert [
        one.method for one in (session.prepare(make_request(method=method), TOKENS) for method in ("ACK", "CANCEL"))
    ]
    for method in ("ACK", "CANCEL"):
        assert sent(session.prepare(make_request(method=method), TOKENS)) == []


def test_credentials_of_the_caller_stay() -> None:
    request = make_request().with_header("Authorization", "Bearer token")
    session = AuthSession(account())
    answer = session.answer(request, challenged(request, REALM + 'nonce="n"'), TOKENS)
    assert [credentials.scheme for credentials in sent(answer)] == ["Bearer", "Digest"]
    assert answer.headers.get_all("Authorization")[0] == "Bearer token"
    again = session.prepare(answer, TOKENS)
    assert [credentials.scheme for credentials in sent(again)] == ["Bearer", "Digest"]


def test_made_up_realms_are_forgotten() -> None:
    session = AuthSession(account())
    for number in range(3 * MAX_REALMS):
        request = make_request(cseq=1 + 2 * number)
        answer = session.answer(request, challenged(request, f'Digest realm="r{number}", nonce="n"'), TOKENS)
    assert len(sent(answer)) == MAX_REALMS
    assert repr(session) == f"<AuthSession, 1 accounts, {MAX_REALMS} realms>"


def test_a_session_algorithm_keeps_its_key_over_requests() -> None:
    """RFC 7616 §3.4.2: H(A1) is made once, of the first nonce and cnonce."""
    session, request = AuthSession(account()), make_request()
    challenge = REALM + 'nonce="n1", algorithm=SHA-256-sess, qop="auth"'
    first = session.answer(request, challenged(request, challenge), TOKENS)
    ok = build_response(first, 200, fields=[("Authentication-Info", 'nextnonce="n2"')])
    assert session.confirm(first, ok)[0].has_nextnonce
    bye = session.prepare(make_request(method="BYE", cseq=3), TOKENS)
    (begun,), (later,) = sent(first), sent(bye)
    assert later.nonce == "n2"
    assert later.cnonce != begun.cnonce
    ha1 = Secret("zanzibar").ha1(A.SHA_256, "bob", "biloxi.com") or ""
    exchange = Exchange(
        A.SHA_256_SESS,
        "BYE",
        "sip:bob@biloxi.com",
        "n2",
        "auth",
        "00000001",
        later.cnonce or "",
        session=("n1", begun.cnonce or ""),
    )
    assert later.response == response_of(ha1, exchange)


# What the server proves


def answered(qop: str = "auth", *, proxy: bool = False) -> tuple[AuthSession, Request, str]:
    """A session whose request was accepted, that request, and the rspauth for a 200 without a body."""
    session, request = AuthSession(account()), make_request()
    challenge = REALM + f'nonce="n", qop="{qop}"' if qop else REALM + 'nonce="n"'
    answer = session.answer(request, challenged(request, challenge, status=407 if proxy else 401), TOKENS)
    (credentials,) = sent(answer, proxy=proxy)
    ha1 = Secret("zanzibar").ha1(A.MD5, "bob", "biloxi.com") or ""
    exchange = Exchange(
        A.MD5, "", "sip:bob@biloxi.com", "n", qop or None, credentials.nc or "", credentials.cnonce or ""
    )
    return session, answer, response_of(ha1, exchange)


@pytest.mark.parametrize("qop", ["auth", "auth-int", ""])
@pytest.mark.parametrize("name", ["Authentication-Info", "Proxy-Authentication-Info"])
def test_the_proof_of_the_server(qop: str, name: str) -> None:
    session, request, rspauth = answered(qop, proxy=name.startswith("Proxy"))
    said = f', qop={qop}, cnonce="x", nc=00000001' if qop else ""
    for proof, expected in (
        (rspauth, ServerProof.VALID),
        (rspauth.upper(), ServerProof.VALID),
        ("0" * 32, ServerProof.WRONG),
    ):
        ok = build_response(request, 200, fields=[(name, f'rspauth="{proof}"{said}')])
        (confirmation,) = session.confirm(request, ok)
        assert (confirmation.proof, confirmation.proxy, confirmation.has_nextnonce) == (
            expected,
            name.startswith("Proxy"),
            False,
        )


def test_a_body_that_was_changed_on_the_way() -> None:
    session, request, rspauth = answered("auth-int")
    ok = build_response(request, 200, fields=[("Authentication-Info", f'rspauth="{rspauth}", qop=auth-int')])
    changed = ok.with_body(b"v=0\r\n", "application/sdp")
    assert [session.confirm(request, one)[0].proof for one in (ok, changed)] == [ServerProof.VALID, ServerProof.WRONG]


def test_the_next_nonce_is_used() -> None:
    session, request, rspauth = answered()
    info = f'nextnonce="next \\"one\\"", rspauth="{rspauth}"'
    session.confirm(request, build_response(request, 200, fields=[("Authentication-Info", info)]))
    (credentials,) = sent(session.prepare(make_request(method="BYE", cseq=3), TOKENS))
    assert (credentials.nonce, credentials.nc) == ('next "one"', "00000001")
    refused = make_request(method="BYE", cseq=3)
    prepared = session.prepare(refused, TOKENS)
    session.answer(prepared, challenged(prepared, REALM + 'nonce="n3", qop="auth"'), TOKENS)
    assert session.choices[0].retried == "nonce ran out unannounced"


def test_the_next_nonce_of_an_impostor_is_not_used() -> None:
    session, request, _ = answered()
    info = f'nextnonce="evil", rspauth="{"0" * 32}"'
    session.confirm(request, build_response(request, 200, fields=[("Authentication-Info", info)]))
    assert sent(session.prepare(make_request(method="BYE", cseq=3), TOKENS))[0].nonce == "n"


@pytest.mark.parametrize("info", ['nextnonce="n2"', ""])
def test_no_proof(info: str) -> None:
    session, request, _ = answered()
    fields = [("Authentication-Info", info)] if info else []
    confirmations = session.confirm(request, build_response(request, 200, fields=fields))
    assert [one.proof for one in confirmations] == ([ServerProof.ABSENT] if info else [])


def test_information_that_fits_nothing_is_left_alone() -> None:
    session, request, rspauth = answered()
    fields = [("Authentication-Info", f'rspauth="{rspauth}"'), ("Proxy-Authentication-Info", f'rspauth="{rspauth}"')]
    assert session.confirm(make_request(), build_response(request, 200, fields=fields)) == ()
    broken = build_response(request, 200, fields=[("Authentication-Info", "what?")])
    assert session.confirm(request, broken) == ()


def test_the_cnonce_tells_which_of_two_realms_is_meant() -> None:
    session, request = AuthSession(account()), make_request()
    both = challenged(request, REALM + 'nonce="n1", qop="auth"', 'Digest realm="second", nonce="n2", qop="auth"')
    answer = session.answer(request, both, TOKENS)
    second = sent(answer)[1]
    info = f'nextnonce="new", cnonce="{second.cnonce}"'
    assert session.confirm(answer, build_response(answer, 200, fields=[("Authentication-Info", info)]))
    later = sent(session.prepare(make_request(method="BYE", cseq=3), TOKENS))
    assert [credentials.nonce for credentials in later] == ["n1", "new"]
    unclear = build_response(answer, 200, fields=[("Authentication-Info", 'nextnonce="x", cnonce="?"')])
    assert session.confirm(answer, unclear) == ()


def test_a_realm_that_is_no_longer_known_when_it_asks_again() -> None:
    """Credentials of an earlier session in the request: their nonce may have run out."""
    request = make_request()
    earlier = AuthSession(account()).answer(request, challenged(request, REALM + 'nonce="n1"'), TOKENS)
    session = AuthSession(account())
    assert sent(session.answer(earlier, challenged(earlier, REALM + 'nonce="n2"'), TOKENS))[0].nonce == "n2"
    assert session.choices[0].retried == "nonce ran out unannounced"
