"""The server, against hand-made credentials and against the client of `sipcore.auth.session`."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.auth.choice import Account, AuthPolicy
from sipcore.auth.digest import AUTH, AUTH_INT, Algorithm, Exchange, Secret, response_of
from sipcore.auth.server import (
    Accepted,
    Authenticator,
    Exempt,
    Outcome,
    Refused,
    ServerPolicy,
    UserTable,
    Why,
)
from sipcore.auth.session import AuthError, AuthRefusal, AuthSession
from sipcore.auth.space import ServerProof
from sipcore.errors import LocalError
from sipcore.message.address import Address
from sipcore.message.build import Identity
from sipcore.message.build import request as build_request
from sipcore.message.build import response as build_response
from sipcore.message.fields.challenge import Challenge, Credentials
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.message.registry import AUTHORIZATION, PROXY_AUTHENTICATE, WWW_AUTHENTICATE
from sipcore.message.uri import parse_uri
from sipcore.tokens import Tokens

A = Algorithm
SECRET = b"a secret for the nonces"
BOB = UserTable({"bob": "zanzibar"})
TOKENS = Tokens(random.Random(2).randbytes)


def server(
    users: UserTable = BOB,
    *,
    realm: str = "biloxi.com",
    algorithms: tuple[Algorithm, ...] = (A.MD5,),
    qop: tuple[str, ...] = (AUTH,),
    proxy: bool = False,
    userhash: bool = False,
    next_nonce: bool = False,
) -> Authenticator:
    policy = ServerPolicy(realm, algorithms, qop, proxy=proxy, userhash=userhash, next_nonce=next_nonce, opaque="o")
    return Authenticator(policy, users, SECRET, random.Random(3).randbytes)


def client(username: str = "bob", password: str | Secret = "zanzibar", policy: AuthPolicy | None = None) -> AuthSession:
    account = Account(username, password, hosts=["biloxi.com"])
    return AuthSession(account, policy=policy) if policy else AuthSession(account)


def make_request(method: str = "INVITE", uri: str = "sip:bob@biloxi.com", body: bytes = b"", cseq: int = 1) -> Request:
    identity = Identity(
        Address.parse("<sip:alice@atlanta.com>;tag=1"), Address.parse("<sip:bob@biloxi.com>"), "c", cseq
    )
    request = build_request(
        method, parse_uri(uri), identity, body=body, content_type="text/plain" if body else ""
    ).with_header("Via", "SIP/2.0/UDP a;branch=z9hG4bK1")
    return over_the_wire(request)


def over_the_wire(request: Request) -> Request:
    again = parse_message(
        bytes(request if "Via" in request.headers else request.with_first("Via", "SIP/2.0/UDP a;branch=z9hG4bK2"))
    )
    assert isinstance(again, Request)
    return again


def challenge_of(authenticator: Authenticator, request: Request, now: float = 0.0) -> Response:
    outcome = authenticator.verify(request, now)
    assert isinstance(outcome, Refused)
    return authenticator.refusal(request, outcome, now, tag="s")


def attempt(authenticator: Authenticator, session: AuthSession, request: Request, now: float = 0.0) -> Request:
    """The request as it comes back with credentials."""
    return over_the_wire(session.answer(request, challenge_of(authenticator, request, now), TOKENS))


def why(outcome: Outcome) -> Why | None:
    return outcome.why if isinstance(outcome, Refused) else None


def forged(nonce: str, **changes: str | None) -> Request:
    """A request with credentials made by hand; a change of None leaves a parameter out."""
    base = {
        "username": '"bob"',
        "realm": '"biloxi.com"',
        "nonce": f'"{nonce}"',
        "uri": '"sip:bob@biloxi.com"',
        "qop": "auth",
        "nc": "00000001",
        "cnonce": '"c"',
        "algorithm": "MD5",
    }
    given_ = {name: text for name, text in {**base, **changes}.items() if text is not None}
    unquoted = {name: text.strip('"') for name, text in given_.items()}
    algorithm = {"SHA-256": A.SHA_256, "MD5-sess": A.MD5_SESS}.get(unquoted.get("algorithm", ""), A.MD5)
    exchange = Exchange(
        algorithm,
        "INVITE",
        unquoted.get("uri", ""),
        nonce,
        unquoted.get("qop"),
        unquoted.get("nc", ""),
        unquoted.get("cnonce", ""),
    )
    ha1 = Secret("zanzibar").ha1(algorithm, "bob", "biloxi.com") or ""
    if "response" not in changes:
        given_["response"] = f'"{response_of(ha1, exchange)}"'
    text = ", ".join(f"{name}={content}" for name, content in given_.items())
    return make_request().with_header("Authorization", f"Digest {text}")


def nonce_of(authenticator: Authenticator, now: float = 0.0) -> str:
    return authenticator.challenges(now)[0].nonce or ""


# What is asked for


def test_challenges() -> None:
    """RFC 8760 §2.3: one for each algorithm, the most preferred first; qop always."""
    authenticator = server(algorithms=(A.SHA_512_256, A.SHA_256, A.MD5), qop=(AUTH, AUTH_INT), userhash=True)
    response = challenge_of(authenticator, make_request())
    assert response.status == 401
    challenges = response[WWW_AUTHENTICATE]
    assert [challenge.algorithm for challenge in challenges] == ["SHA-512-256", "SHA-256", "MD5"]
    assert len({challenge.nonce for challenge in challenges}) == 1
    for challenge in challenges:
        assert (challenge.realm, challenge.qop_options, challenge.opaque) == ("biloxi.com", (AUTH, AUTH_INT), "o")
        assert (challenge.stale, challenge.userhash, challenge.charset) == (False, True, "UTF-8")
        assert Challenge.parse(str(challenge)) == challenge


def test_a_proxy_challenges_with_407() -> None:
    authenticator = server(proxy=True)
    request = make_request()
    response = challenge_of(authenticator, request)
    assert response.status == 407
    assert len(response[PROXY_AUTHENTICATE]) == 1
    assert response[WWW_AUTHENTICATE] == ()
    assert response.to.tag == "s"
    retried = attempt(authenticator, client(), request)
    assert isinstance(authenticator.verify(retried, 0.0), Accepted)


@pytest.mark.parametrize(
    ("algorithms", "qop"), [((), (AUTH,)), ((A.MD5, A.MD5), (AUTH,)), ((A.MD5,), ()), ((A.MD5,), ("auth-conf",))]
)
def test_policies_that_break_rules(algorithms: tuple[Algorithm, ...], qop: tuple[str, ...]) -> None:
    with pytest.raises(LocalError):
        ServerPolicy("biloxi.com", algorithms, qop)


@pytest.mark.parametrize("method", ["ACK", "CANCEL"])
def test_what_must_not_be_challenged(method: str) -> None:
    """RFC 3261 §22.1."""
    assert server().verify(make_request(method), 0.0) == Exempt()


# Both sides together

NAMES = st.text(min_size=1, max_size=12).filter(lambda name: not set("\r\n\0") & set(name))
AWKWARD = st.sampled_from(
    ['"', "\\", 'a"b\\"', "a:b", ":", "Jäsøn Doe", "a\u0308", "名前", " ", "a, b=c", "%41", "x" * 200]
)
QOPS = [(AUTH,), (AUTH_INT,), (AUTH, AUTH_INT)]


def agree(
    algorithm: Algorithm, userhash: bool, qop: tuple[str, ...], username: str, password: str, realm: str, body: bytes
) -> None:
    """A request, its challenge, the answer, the server's proof, and one more request with the same nonce."""
    users = UserTable({username: password, "someone else": "x"})
    authenticator = server(users, realm=realm, algorithms=(algorithm,), qop=qop, userhash=userhash)
    session = client(username, password, AuthPolicy(integrity=True))
    retried = attempt(authenticator, session, make_request(body=body))
    outcome = authenticator.verify(retried, 0.0)
    assert isinstance(outcome, Accepted)
    assert outcome.exchange.qop == qop[-1]
    ok = build_response(retried, 200, fields=[("Authentication-Info", authenticator.info(outcome, 0.0))])
    assert [one.proof for one in session.confirm(retried, ok)] == [ServerProof.VALID]
    again = over_the_wire(session.prepare(make_request("BYE", cseq=5), TOKENS))
    assert isinstance(authenticator.verify(again, 1.0), Accepted)


@pytest.mark.parametrize("algorithm", list(A))
@pytest.mark.parametrize("userhash", [False, True])
@pytest.mark.parametrize("qop", QOPS)
def test_client_and_server_agree(algorithm: Algorithm, userhash: bool, qop: tuple[str, ...]) -> None:
    agree(algorithm, userhash, qop, "Jäsøn Doe", "Secret, or not?", "biloxi.com", b"v=0\r\n")


@given(
    algorithm=st.sampled_from(A),
    userhash=st.booleans(),
    qop=st.sampled_from(QOPS),
    username=NAMES | AWKWARD,
    password=st.text(max_size=12) | AWKWARD,
    realm=NAMES | AWKWARD,
    body=st.binary(max_size=9),
)
def test_client_and_server_agree_on_odd_names(
    algorithm: Algorithm,
    userhash: bool,
    qop: tuple[str, ...],
    username: str,
    password: str,
    realm: str,
    body: bytes,
) -> None:
    agree(algorithm, userhash, qop, username, password, realm, body)


@pytest.mark.parametrize("algorithm", [A.MD5, A.SHA_256, A.SHA_512_256])
def test_a_stored_digest_does_for_the_password(algorithm: Algorithm) -> None:
    ha1 = Secret("zanzibar").ha1(algorithm, "bob", "biloxi.com") or ""
    authenticator = server(UserTable({"bob": Secret.of_ha1({algorithm: ha1})}), algorithms=(algorithm, A.MD5_SESS))
    retried = attempt(authenticator, client(), make_request())
    assert isinstance(authenticator.verify(retried, 0.0), Accepted)


def test_a_digest_that_is_not_stored() -> None:
    authenticator = server(UserTable({"bob": Secret.of_ha1({A.SHA_256: "00"})}))
    assert why(authenticator.verify(attempt(authenticator, client(), make_request()), 0.0)) is Why.UNKNOWN_USER


def test_a_hashed_username_that_nobody_has() -> None:
    authenticator = server(userhash=True)
    retried = attempt(authenticator, client("nobody"), make_request())
    assert why(authenticator.verify(retried, 0.0)) is Why.UNKNOWN_USER


@pytest.mark.parametrize(("username", "password"), [("bob", "wrong"), ("nobody", "zanzibar"), ("BOB", "zanzibar")])
def test_wrong_credentials_end_the_exchange(username: str, password: str) -> None:
    """And the two reasons look alike from outside."""
    authenticator, session, request = server(), client(username, password), make_request()
    retried = attempt(authenticator, session, request)
    outcome = authenticator.verify(retried, 0.0)
    assert why(outcome) in (Why.WRONG_RESPONSE, Why.UNKNOWN_USER)
    response = challenge_of(authenticator, retried)
    assert not response[WWW_AUTHENTICATE][0].stale
    with pytest.raises(AuthError) as caught:
        session.answer(retried, response, TOKENS)
    assert caught.value.reason is AuthRefusal.REJECTED


def test_a_nonce_that_is_too_old() -> None:
    authenticator, session, request = server(), client(), make_request()
    retried = attempt(authenticator, session, request, now=100.0)
    assert why(authenticator.verify(retried, 400.5)) is Why.EXPIRED
    again = attempt(authenticator, session, retried, now=400.5)
    assert session.choices[0].retried == "stale nonce"
    assert isinstance(authenticator.verify(again, 401.0), Accepted)


def test_a_nonce_of_another_server() -> None:
    """After a restart with a new secret: the proof is right, only the nonce is not ours (RFC 7616 §3.3 stale)."""
    before, session, request = server(), client(), make_request()
    retried = attempt(before, session, request)
    after = Authenticator(before.policy, BOB, b"another secret for it", random.Random(4).randbytes)
    assert why(after.verify(retried, 0.0)) is Why.UNKNOWN_NONCE
    assert isinstance(after.verify(attempt(after, session, retried), 0.0), Accepted)


def test_a_clock_that_began_again() -> None:
    authenticator = server()
    assert why(authenticator.verify(forged(nonce_of(authenticator, 500.0)), 3.0)) is Why.EXPIRED


def test_only_a_right_proof_learns_that_its_nonce_is_old() -> None:
    authenticator = server()
    request = forged(nonce_of(authenticator), response=f'"{"0" * 32}"')
    assert why(authenticator.verify(request, 1e6)) is Why.WRONG_RESPONSE


def test_a_replay() -> None:
    authenticator, session = server(), client()
    retried = attempt(authenticator, session, make_request())
    assert isinstance(authenticator.verify(retried, 0.0), Accepted)
    outcome = authenticator.verify(retried, 0.0)
    assert why(outcome) is Why.REPLAYED
    assert challenge_of(authenticator, retried)[WWW_AUTHENTICATE][0].stale


def test_without_qop_a_nonce_is_good_once() -> None:
    """RFC 2069 clients have no count (RFC 3261 §22.4 item 8)."""
    authenticator = server()
    bare: dict[str, str | None] = {"qop": None, "nc": None, "cnonce": None}
    request = forged(nonce_of(authenticator), **bare)
    assert isinstance(authenticator.verify(request, 0.0), Accepted)
    assert why(authenticator.verify(request, 0.0)) is Why.REPLAYED
    strict = Authenticator(replace(authenticator.policy, accept_without_qop=False), BOB, SECRET, bytes)
    assert why(strict.verify(forged(nonce_of(strict), **bare), 0.0)) is Why.QOP


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"username": '"bob"', "algorithm": None}, None),
        ({"algorithm": '"MD5"'}, None),
        ({"qop": '"auth"'}, None),
        ({"uri": '"sip:bob@BILOXI.com:5060;transport=tcp"'}, None),
        ({"uri": '"sip:%62ob@biloxi.com"'}, None),
        ({"realm": '"other.com"'}, Why.NO_CREDENTIALS),
        ({"username": '"carol"'}, Why.UNKNOWN_USER),
        ({"response": '"756933f735fcd93f90a4bbdd5467f263"'}, Why.WRONG_RESPONSE),
        ({"response": '"größe"'}, Why.WRONG_RESPONSE),
        ({"response": '""'}, Why.WRONG_RESPONSE),
        ({"algorithm": "SHA-256"}, Why.ALGORITHM),
        ({"algorithm": "CHACHA123"}, Why.ALGORITHM),
        ({"qop": "auth-int"}, Why.QOP),
        ({"qop": "auth-conf"}, Why.QOP),
        ({"uri": '"sip:carol@biloxi.com"'}, Why.OTHER_URI),
        ({"uri": '"sip:bob@atlanta.com"'}, Why.OTHER_URI),
        ({"uri": '"tel:+1"'}, Why.OTHER_URI),
        ({"uri": '"not a uri"'}, Why.OTHER_URI),
        ({"uri": None}, Why.MALFORMED),
        ({"username": None}, Why.MALFORMED),
        ({"response": None}, Why.MALFORMED),
        ({"cnonce": None}, Why.MALFORMED),
        ({"nc": None}, Why.MALFORMED),
        ({"nc": "xyz"}, Why.MALFORMED),
        ({"username*": "UTF-8''bob"}, Why.MALFORMED),
    ],
)
def test_credentials_made_by_hand(changes: dict[str, str | None], expected: Why | None) -> None:
    authenticator = server()
    request = forged(nonce_of(authenticator), **changes)
    assert why(authenticator.verify(request, 0.0)) is expected


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (make_request(), 401),
        (make_request().with_header("Authorization", "Basic Ym9iOnphbnppYmFy"), 401),
        (make_request().with_header("Authorization", 'Digest realm="bil'), 400),
        (forged("n", uri='"sip:carol@biloxi.com"'), 400),
        (forged("n", response='"0"'), 401),
    ],
)
def test_what_the_client_is_told(request_: Request, status: int) -> None:
    """RFC 3261 §22.4: Basic is neither asked for nor taken. RFC 7616 §3.4: what is improper gets a 400."""
    assert challenge_of(server(), request_).status == status


def test_one_right_proof_of_several_will_do() -> None:
    """RFC 3261 §22.3: credentials for other realms are for others, and one realm may be given several."""
    authenticator = server()
    good = forged(nonce_of(authenticator)).headers.get("Authorization") or ""
    bad = good.replace("response=", "response=0")
    other = 'Digest username="x", realm="other", nonce="n", uri="sip:x", response="0"'
    request = make_request().with_header("Authorization", "Digest ?", other, bad, good)
    assert isinstance(authenticator.verify(request, 0.0), Accepted)


def test_tampering() -> None:
    """Whatever the proof covers cannot be changed: method, URI, body, counts, nonce."""
    authenticator, session = server(qop=(AUTH_INT,)), client()
    good = attempt(authenticator, session, make_request(body=b"v=0"))
    text = good.headers.get("Authorization") or ""
    (credentials,) = good[AUTHORIZATION]
    tampered = [
        good.with_body(b"v=1"),
        good.with_body(b""),
        make_request("BYE", body=b"v=0").with_header("Authorization", text),
        make_request(uri="sip:carol@biloxi.com", body=b"v=0").with_header("Authorization", text),
        *(
            good.with_header("Authorization", text.replace(old, new))
            for old, new in (
                ("nc=00000001", "nc=00000002"),
                (f'cnonce="{credentials.cnonce}"', 'cnonce="x"'),
                (f'nonce="{credentials.nonce}"', f'nonce="{nonce_of(authenticator)}"'),
                ("qop=auth-int", "qop=auth"),
                ('username="bob"', 'username="carol"'),
            )
        ),
    ]
    assert [isinstance(authenticator.verify(one, 0.0), Refused) for one in tampered] == [True] * len(tampered)
    assert isinstance(authenticator.verify(good, 0.0), Accepted)


# -sess, nextnonce


def test_a_session_key_of_the_first_or_of_the_current_cnonce() -> None:
    """RFC 7616 §3.4.2 says the first; many clients take the current one."""
    authenticator = server(algorithms=(A.MD5_SESS,))
    nonce = nonce_of(authenticator)
    first = forged(nonce, algorithm="MD5-sess", cnonce='"c1"')
    assert isinstance(authenticator.verify(first, 0.0), Accepted)
    current = forged(nonce, algorithm="MD5-sess", cnonce='"c2"', nc="00000002")
    assert isinstance(authenticator.verify(current, 0.0), Accepted)
    ha1 = Secret("zanzibar").ha1(A.MD5, "bob", "biloxi.com") or ""
    exchange = Exchange(
        A.MD5_SESS, "INVITE", "sip:bob@biloxi.com", nonce, "auth", "00000003", "c3", session=(nonce, "c1")
    )
    by_the_book = forged(
        nonce, algorithm="MD5-sess", cnonce='"c3"', nc="00000003", response=f'"{response_of(ha1, exchange)}"'
    )
    assert isinstance(authenticator.verify(by_the_book, 0.0), Accepted)
    wrong = forged(nonce, algorithm="MD5-sess", cnonce='"c4"', nc="00000004", response='"00"')
    assert why(authenticator.verify(wrong, 0.0)) is Why.WRONG_RESPONSE


@pytest.mark.parametrize("algorithm", [A.SHA_256, A.SHA_256_SESS])
def test_next_nonces(algorithm: Algorithm) -> None:
    authenticator, session = server(algorithms=(algorithm,), next_nonce=True), client()
    request = attempt(authenticator, session, make_request())
    for cseq in range(3, 6):
        outcome = authenticator.verify(request, 0.0)
        assert isinstance(outcome, Accepted)
        info = authenticator.info(outcome, 0.0)
        assert (info.nextnonce is None) == algorithm.is_session
        session.confirm(request, build_response(request, 200, fields=[("Authentication-Info", info)]))
        request = over_the_wire(session.prepare(make_request("BYE", cseq=cseq), TOKENS))
        (credentials,) = request[AUTHORIZATION]
        assert credentials.nc == ("00000001" if info.nextnonce else f"{cseq - 1:08x}")


def test_information_for_a_client_of_rfc_2069() -> None:
    authenticator = server()
    bare: dict[str, str | None] = {"qop": None, "nc": None, "cnonce": None}
    outcome = authenticator.verify(forged(nonce_of(authenticator), **bare), 0.0)
    assert isinstance(outcome, Accepted)
    info = authenticator.info(outcome, 0.0)
    assert (info.qop, info.nc, info.cnonce, info.rspauth is None) == (None, None, None, False)


def test_outcomes_show_no_secret() -> None:
    authenticator = server()
    outcome = authenticator.verify(forged(nonce_of(authenticator)), 0.0)
    assert isinstance(outcome, Accepted)
    assert outcome.ha1 not in repr(outcome)
    refused = authenticator.verify(forged("n", username='"my password"'), 0.0)
    assert "my password" not in repr(refused)
    assert repr(BOB) == "<UserTable of 1>"
    assert "zanzibar" not in repr(vars(authenticator))


@given(st.text(alphabet='Digest realm="bloxi.com",usern=\\:;\t é', max_size=80))
def test_any_credentials_get_an_outcome(text: str) -> None:
    request = make_request().with_header("Authorization", "Digest " + text.strip())
    assert isinstance(server().verify(request, 0.0), Refused)


@given(
    st.dictionaries(st.sampled_from(["username", "nonce", "uri", "response", "cnonce", "opaque"]), st.text(max_size=9))
)
def test_any_parameters_get_an_outcome(texts: dict[str, str]) -> None:
    safe = {name: text.translate({10: None, 13: None, 0: None, 34: None, 92: None}) for name, text in texts.items()}
    items = {
        "realm": "biloxi.com",
        "username": "bob",
        "nonce": "n",
        "uri": "sip:bob@biloxi.com",
        "response": "0",
        **safe,
    }
    text = ", ".join(f'{name}="{content}"' for name, content in items.items() if content.isprintable())
    Credentials.parse(f"Digest {text}", [])
    assert isinstance(server().verify(make_request().with_header("Authorization", f"Digest {text}"), 0.0), Refused)
