"""Offers with keys and paths, and what two descriptions come to."""

import random

import pytest

from sipcore.errors import ParseError
from sipcore.media.ice import IceCredentials
from sipcore.media.keys import AEAD_AES_128_GCM, AES_CM_128_HMAC_SHA1_80
from sipcore.media.terms import (
    PROFILES,
    Encryption,
    Keying,
    Terms,
    Wishes,
    agreement,
    new_terms,
    offer_of,
    refusal_of,
    terms_for,
)
from sipcore.resolve.target import SocketAddress
from sipcore.sdp.attributes import PCMA, PCMU, Fingerprint, Setup
from sipcore.sdp.build import origin_of
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.negotiation import Capability, Place, answer_to, choose

ALICE, BOB = SocketAddress("192.0.2.1", 40000), SocketAddress("198.51.100.1", 50000)
HERE, THERE = Fingerprint("sha-256", bytes(32)), Fingerprint("sha-256", bytes([1] * 32))
ICE = IceCredentials("someufra", "somepassword0123456789ab")
CHANCE = random.Random(6).randbytes


def offered(wishes: Wishes, ice: IceCredentials | None = None) -> tuple[SessionDescription, Terms]:
    terms = new_terms(wishes, CHANCE, HERE, ice)
    return SessionDescription.parse(bytes(offer_of(wishes, terms, ALICE, 7))), terms


def answered(offer: SessionDescription, wishes: Wishes) -> tuple[SessionDescription, Terms] | None:
    """Bob's answer; None where he refuses."""
    media = offer.media[0]
    terms = terms_for(media, offer, wishes, CHANCE, THERE)
    if terms is None:
        return None
    choice = choose(offer, [Capability(wishes.codecs, protocols=PROFILES, single=True)])[0]
    place = Place(BOB.host, BOB.port, terms.attributes(BOB))
    return SessionDescription.parse(bytes(answer_to(offer, [(choice, place)], origin_of(BOB.host, 8)))), terms


def wishing(encryption: Encryption, keying: Keying = Keying.SDES) -> Wishes:
    return Wishes((PCMU, PCMA), encryption, keying)


DISABLE, ALLOW, REQUIRE = Encryption.DISABLE, Encryption.ALLOW, Encryption.REQUIRE


@pytest.mark.parametrize(
    ("caller", "keying", "profile", "says"),
    [
        (DISABLE, Keying.SDES, "RTP/AVP", ()),
        (ALLOW, Keying.SDES, "RTP/AVP", ("crypto",)),
        (REQUIRE, Keying.SDES, "RTP/SAVP", ("crypto",)),
        (ALLOW, Keying.DTLS, "RTP/AVP", ("fingerprint", "setup", "rtcp-mux")),
        (REQUIRE, Keying.DTLS, "UDP/TLS/RTP/SAVP", ("fingerprint", "setup", "rtcp-mux")),
    ],
)
def test_an_offer(caller: Encryption, keying: Keying, profile: str, says: tuple[str, ...]) -> None:
    media = offered(wishing(caller, keying))[0].media[0]
    assert media.protocol == profile
    assert {name for name in ("crypto", "fingerprint", "setup", "rtcp-mux") if media.has(name)} == set(says)
    assert [codec.encoding for codec in media.codecs] == ["PCMU", "PCMA", "telephone-event"]


@pytest.mark.parametrize(
    ("caller", "keying", "callee", "expected"),
    [
        (DISABLE, Keying.SDES, DISABLE, Keying.NONE),
        (DISABLE, Keying.SDES, ALLOW, Keying.NONE),
        (DISABLE, Keying.SDES, REQUIRE, None),
        (ALLOW, Keying.SDES, DISABLE, Keying.NONE),
        (ALLOW, Keying.SDES, ALLOW, Keying.SDES),
        (ALLOW, Keying.SDES, REQUIRE, Keying.SDES),
        (REQUIRE, Keying.SDES, DISABLE, None),
        (REQUIRE, Keying.SDES, ALLOW, Keying.SDES),
        (ALLOW, Keying.DTLS, DISABLE, Keying.NONE),
        (ALLOW, Keying.DTLS, ALLOW, Keying.DTLS),
        (REQUIRE, Keying.DTLS, DISABLE, None),
        (REQUIRE, Keying.DTLS, REQUIRE, Keying.DTLS),
    ],
)
def test_both_sides_come_to_the_same(
    caller: Encryption, keying: Keying, callee: Encryption, expected: Keying | None
) -> None:
    offer, terms = offered(wishing(caller, keying))
    answer = answered(offer, wishing(callee))
    if expected is None:
        assert answer is None
        return
    assert answer is not None
    one, other = agreement(offer, answer[0], terms), agreement(answer[0], offer, answer[1])
    assert one.keying is other.keying is expected
    assert (one.plan.remote, other.plan.remote) == (BOB, ALICE)
    assert one.plan.codec == other.plan.codec == PCMU
    if expected is Keying.SDES:
        assert one.plan.keys is not None
        assert other.plan.keys == one.plan.keys[::-1]
        assert one.plan.keys[0].suite == AES_CM_128_HMAC_SHA1_80
    if expected is Keying.DTLS:
        assert one.dtls is not None
        assert other.dtls is not None
        assert (one.dtls.client, other.dtls.client) == (False, True)
        assert (one.dtls.fingerprints, other.dtls.fingerprints) == ((THERE,), (HERE,))


@pytest.mark.parametrize(("setup", "client"), [("active", False), ("passive", True), ("actpass", True), (None, True)])
def test_who_begins_the_handshake(setup: str | None, client: bool) -> None:
    offer, terms = offered(wishing(REQUIRE, Keying.DTLS))
    answer = answered(offer, wishing(ALLOW))
    assert answer is not None
    media = answer[0].media[0]
    media = media.without_attribute("setup") if setup is None else media.with_attribute("setup", setup)
    agreed = agreement(offer, answer[0].with_media(0, media), terms)
    assert agreed.dtls is not None
    assert agreed.dtls.client is client


def test_who_wants_to_be_active_is() -> None:
    offer, _ = offered(wishing(REQUIRE, Keying.DTLS))
    media = offer.media[0].with_attribute("setup", "active")
    terms = terms_for(media, offer, wishing(ALLOW), CHANCE, THERE)
    assert terms is not None
    assert terms.setup is Setup.PASSIVE


def test_only_the_suites_that_are_wished_for_are_offered() -> None:
    wishes = Wishes((PCMU,), REQUIRE, suites=(AEAD_AES_128_GCM,))
    assert [crypto.suite for crypto in offered(wishes)[0].media[0].crypto] == ["AEAD_AES_128_GCM"]


def test_keys_that_are_not_understood_are_refused() -> None:
    offer, _ = offered(wishing(REQUIRE))
    media = offer.media[0].without_attribute("crypto").with_attribute("crypto", "1 F8_128_HMAC_SHA1_80 inline:AAAA")
    assert terms_for(media, offer, wishing(ALLOW), CHANCE, THERE) is None


def test_an_answer_without_keys_is_none() -> None:
    offer, terms = offered(wishing(REQUIRE))
    answer = answered(offer, wishing(ALLOW))
    assert answer is not None
    bare = answer[0].with_media(0, answer[0].media[0].without_attribute("crypto"))
    with pytest.raises(ParseError, match="no keys for SRTP"):
        agreement(offer, bare, terms)


def test_an_answer_that_refuses_the_stream() -> None:
    offer, terms = offered(wishing(DISABLE))
    refused = offer.with_media(0, offer.media[0].replace(port=0))
    with pytest.raises(ParseError, match="no audio was agreed on"):
        agreement(offer, refused, terms)


def test_a_lite_agent_says_so_and_answers_who_does_ice() -> None:
    offer, terms = offered(wishing(DISABLE), ICE)
    assert offer.ice_lite
    assert offer.ice_credentials_of(offer.media[0]) == (ICE.ufrag, ICE.password)
    assert [(each.component, each.port) for each in offer.media[0].candidates] == [(1, 40000), (2, 40001)]
    answer = answered(offer, wishing(DISABLE))
    assert answer is not None
    assert agreement(offer, answer[0], terms).plan.ice is None
    media = answer[0].media[0].with_attribute("ice-ufrag", "abcd").with_attribute("ice-pwd", "0123456789abcdef012345")
    assert agreement(offer, answer[0].with_media(0, media), terms).plan.ice == ICE


def test_the_packet_time_is_the_peers_wish_or_else_the_own() -> None:
    offer, terms = offered(Wishes((PCMU,), ptime=30))
    answer = answered(offer, Wishes((PCMU,)))
    assert answer is not None
    assert agreement(offer, answer[0], terms).plan.ptime == 0.03
    wished = answer[0].with_media(0, answer[0].media[0].with_attribute("ptime", "40"))
    assert agreement(offer, wished, terms).plan.ptime == 0.04


@pytest.mark.parametrize(
    ("protocol", "lines", "encryption", "told"),
    [
        ("RTP/AVP", (), REQUIRE, "media over RTP/AVP cannot be taken: encryption is to require"),
        ("RTP/SAVP", ("AES_CM_128_HMAC_SHA1_80",), DISABLE, "encryption is to disable"),
        (
            "RTP/SAVP",
            ("F8_128_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_80"),
            ALLOW,
            "SRTP with F8_128_HMAC_SHA1_80, AES_256_CM",
        ),
        ("RTP/SAVP", (), REQUIRE, "it has no keys that can be used"),
    ],
)
def test_why_an_offer_is_refused(protocol: str, lines: tuple[str, ...], encryption: Encryption, told: str) -> None:
    keys = "".join(f"a=crypto:{tag} {suite} inline:{'A' * 40}\r\n" for tag, suite in enumerate(lines, 1))
    text = (
        f"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 {protocol} 0\r\n{keys}"
    )
    offer = SessionDescription.parse(text)
    assert terms_for(offer.media[0], offer, wishing(encryption), CHANCE, None) is None
    assert told in refusal_of(offer.media[0], wishing(encryption))
