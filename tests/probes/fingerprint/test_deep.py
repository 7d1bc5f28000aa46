"""Deep mode: requests that are odd and legal, and what their answers add up to."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.fingerprint.deep import (
    NOBODY,
    UNKNOWN_TAG,
    Ask,
    Sender,
    heard_in,
    identify_deeply,
    observe_deeply,
    plan,
)
from probes.fingerprint.identify import HIGH, identify
from probes.fingerprint.signatures import ASKS, FEATURES, signatures
from sipcore.message.address import Address
from sipcore.message.build import Ends
from sipcore.message.headers import headers_of
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.message.registry import MAX_FORWARDS
from sipcore.message.require import inspect
from sipcore.message.uri import SipUri
from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.tokens import Tokens
from sipcore.trace import Direction, MessageTrace
from tests.probes.fingerprint.samples import answers, key_of, reactions

URI = SipUri("pbx.example.com", "alice", 5070)
_numbers = itertools.count()
SENDER = Sender(
    Address(SipUri("anonymous.invalid", "anonymous")), Tokens(lambda n: next(_numbers).to_bytes(n, "big")), "probe/1"
)
ASKED = {ask.name: ask for ask in plan(URI, SENDER)}
SAMPLES = answers()


def on_the_wire(ask: Ask) -> Request:
    contact = Address(SipUri("192.0.2.1", "probe")) if ask.contact else None
    sent = Ends("UDP", "192.0.2.1", 5060, contact).around(ask.request, "z9hG4bKx")
    message = parse_message(bytes(sent))
    assert isinstance(message, Request)
    return message


def test_each_request_is_one_that_signatures_may_speak_of() -> None:
    assert set(ASKED) | {"call"} == ASKS
    assert all(ask.why and ask.section.startswith("RFC ") for ask in ASKED.values())


@pytest.mark.parametrize("name", ASKED)
def test_each_request_is_well_formed(name: str) -> None:
    message = on_the_wire(ASKED[name])
    assert not inspect(message).errors
    assert not message.noted
    assert message.method == message.cseq.method
    assert message[MAX_FORWARDS] == (0 if name == "no-hops" else 70)


def test_no_request_calls_anybody_or_changes_anything() -> None:
    assert {ask.request.method for ask in ASKED.values()} == {"OPTIONS", "FOO", "REGISTER"}
    for ask in ASKED.values():
        message = on_the_wire(ask)
        assert not message.body
        assert "Authorization" not in message.headers
        assert "Proxy-Authorization" not in message.headers
    assert "Contact" not in on_the_wire(ASKED["registrations"]).headers


def test_each_request_has_an_identity_of_its_own() -> None:
    assert len({ask.request.call_id for ask in ASKED.values()}) == len(ASKED)
    assert len({ask.request.from_tag for ask in ASKED.values()}) == len(ASKED)


@pytest.mark.parametrize(
    ("name", "uri", "to"),
    [
        ("no-hops", "sip:pbx.example.com:5070", "<sip:pbx.example.com>"),
        ("dialog", "sip:pbx.example.com:5070", f"<sip:pbx.example.com>;tag={UNKNOWN_TAG}"),
        ("stranger", f"sip:{NOBODY}@pbx.example.com:5070", f"<sip:{NOBODY}@pbx.example.com>"),
        ("scheme", "foo:bar", "<sip:pbx.example.com>"),
        ("elsewhere", f"sip:{NOBODY}@foreign.invalid", f"<sip:{NOBODY}@foreign.invalid>"),
        ("registrations", "sip:pbx.example.com:5070", "<sip:alice@pbx.example.com>"),
    ],
)
def test_whom_a_request_is_for(name: str, uri: str, to: str) -> None:
    request = ASKED[name].request
    assert (request.uri_text, request.headers.get("To")) == (uri, to)


def test_who_asks_for_registrations_is_whose_they_are() -> None:
    request = ASKED["registrations"].request
    assert str(request.from_.uri) == str(request.to.uri)


def test_spelling_is_odd_on_the_wire() -> None:
    names = [name for name, _ in on_the_wire(ASKED["spelling"]).headers.raw_items()]
    assert names == ["Via", "Max-Forwards", "f ", "t ", "i ", "cSEQ ", "User-Agent", "l "]


def test_without_a_product_there_is_no_user_agent() -> None:
    anonymous = Sender(SENDER.from_, SENDER.tokens)
    assert not any("User-Agent" in ask.request.headers for ask in plan(URI, anonymous))


def answer(status: int, reason: str, *fields: tuple[str, str]) -> Response:
    return Response(status, reason, headers_of(*fields))


def trace(data: bytes, direction: Direction = Direction.RECEIVED) -> MessageTrace:
    place = SocketAddress("192.0.2.9", 5060)
    return MessageTrace(0.0, direction, Flow(Transport.UDP, place, place), data)


def test_what_was_heard_is_told_once_and_in_order() -> None:
    trying, final = b"SIP/2.0 100 Trying\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n"
    sent = trace(b"OPTIONS sip:a SIP/2.0\r\n\r\n", Direction.SENT)
    heard = heard_in([sent, trace(trying), trace(final), trace(b"x"), trace(final)])
    assert [response.status for response in heard] == [100, 200]
    assert heard_in([trace(b"OPTIONS sip:a SIP/2.0\r\n\r\n")]) == ()


def test_silence_and_provisional_answers_are_told() -> None:
    seen = observe_deeply((), {"scheme": (), "timestamp": (answer(100, "Trying"), answer(200, "OK"))})
    assert seen["scheme status-line"] == ""
    assert seen["timestamp status-line"] == "200 OK"
    assert seen["timestamp provisional"] == "100 Trying"
    assert seen["scheme provisional"] == ""
    assert "method status-line" not in seen


def test_features_of_several_answers_stand_together() -> None:
    one, other = answer(200, "OK", ("To", "<sip:a@b>;tag=1")), answer(404, "No", ("To", "<sip:a@b>;tag=2"))
    seen = observe_deeply((one,), {"stranger": (other,)})
    assert seen["to-tag"] == ("1", "2")
    assert seen["status-line"] == ("200 OK", "404 No")


def test_what_deep_mode_put_there_itself_is_no_evidence() -> None:
    repeated = answer(481, "Gone", ("To", f"<sip:a@b>;tag={UNKNOWN_TAG}"))
    respelled = answer(200, "OK", ("f", "<sip:a@b>;tag=1"))
    seen = observe_deeply((), {"dialog": (repeated,), "spelling": (respelled,)})
    assert "to-tag" not in seen
    assert seen["order"] == ("To",)
    assert seen["spelling names"] == "f"


@pytest.mark.parametrize(
    ("tags", "shared"),
    [
        (["abcd1", "abcd2", "abce3"], ("abcd",)),
        (["abcd1", "abcd12", "wxyz1", "wxyz2"], ("abcd1", "wxyz")),
        (["abcd1", "bcde1"], ("",)),
        (["z9hG4bK1", "z9hG4bK1"], ("",)),
    ],
)
def test_what_tags_have_in_common(tags: list[str], shared: tuple[str, ...]) -> None:
    plain = [answer(200, "OK", ("To", f"<sip:a@b>;tag={tag}")) for tag in tags]
    assert observe_deeply(plain, {"scheme": ()})["tag-prefix"] == shared
    assert "tag-prefix" not in observe_deeply(plain, {})


@pytest.mark.parametrize("key", reactions())
def test_reactions_add_to_the_shape(key: str) -> None:
    """Nothing is less sure once the reactions are known, of whatever variant."""
    product = signatures().by_key[key].product
    for name, response in SAMPLES.items():
        if key_of(name) == key:
            plain = observe_deeply((response,), {})
            deep = identify(dict(plain) | dict(reactions()[key]))
            assert deep.candidates[0].product == product
            assert deep.candidates[0].confidence >= min(HIGH, identify(plain).candidates[0].confidence)


def test_reactions_alone_tell_a_product() -> None:
    heard = {
        "method": (answer(501, "Method Not Implemented"),),
        "scheme": (answer(416, "Unsupported URI scheme"),),
    }
    system = identify_deeply((), heard)
    assert system.product == "Asterisk"
    assert "to method: status-line '501 Method Not Implemented'" in system.candidates[0].evidence


def test_silence_is_told_as_evidence() -> None:
    system = identify_deeply((SAMPLES["asterisk-chan_pjsip"],), {"scheme": ()})
    assert "to scheme: no answer" in system.candidates[0].evidence


def test_the_banner_of_any_answer_counts() -> None:
    heard = {"scheme": (), "method": (answer(501, "x", ("Server", "YATE/6.4.0")),)}
    system = identify_deeply((answer(200, "OK"),), heard)
    assert (system.product, system.version) == ("Yate", "6.4.0")


def test_a_kamailio_is_proven_by_its_address_in_deep_mode_too() -> None:
    proof = "5cf38246301506ee07d1ee2fc2bb373b"
    response = answer(200, "OK", ("To", f"<sip:a@b>;tag={proof}.0a1b2c3d"))
    system = identify_deeply((), {"no-hops": (response,)}, SocketAddress("127.0.0.1", 15070))
    assert system.product == "Kamailio"
    assert system.candidates[0].evidence[0] == "address-tag 'KAMAILIO-stateless'"


@given(st.dictionaries(st.sampled_from(sorted(ASKS)), st.lists(st.sampled_from(sorted(SAMPLES)), max_size=2)))
def test_whatever_is_heard_is_weighed(names: dict[str, list[str]]) -> None:
    heard = {ask: [SAMPLES[name] for name in chosen] for ask, chosen in names.items()}
    system = identify_deeply((), heard)
    assert 0.0 <= system.confidence <= 1.0
    assert {name.rpartition(" ")[2] for name in observe_deeply((), heard)} <= FEATURES
