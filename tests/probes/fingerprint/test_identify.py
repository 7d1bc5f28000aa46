"""Which product answered: by shape alone, by banner alone, by both, and what is told when they do not go together."""

from hashlib import md5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.fingerprint.evidence import observe
from probes.fingerprint.identify import HIGH, LEAST, MAX_CANDIDATES, identify, shares, system_of
from probes.fingerprint.signatures import signatures
from sipcore.message.headers import headers_of
from sipcore.message.message import Response
from sipcore.message.parser import parse_message
from sipcore.resolve.target import SocketAddress
from tests.probes.fingerprint.samples import answers, banners, key_of

ANSWERS = answers()
REMOTE = SocketAddress("192.0.2.9", 5060)
AMBIGUOUS = {"fritzbox", "baresip-404", "sippy"}
"""Answers that say too little: their product comes first, and is not sure."""


@pytest.mark.parametrize("name", ANSWERS)
def test_product_by_the_shape_of_its_answer(name: str) -> None:
    system = identify(observe(ANSWERS[name]))
    first = system.candidates[0]
    assert first.product == signatures().by_key[key_of(name)].product
    assert (first.confidence >= HIGH) == (name not in AMBIGUOUS), first
    assert first.evidence
    assert (system.banner, system.version, system.disagreement) == ("", "", "")


@pytest.mark.parametrize("name", ANSWERS)
def test_banner_and_shape_confirm_each_other(name: str) -> None:
    key = key_of(name)
    banner = banners()[key][0]["banner"]
    system = identify(observe(ANSWERS[name]), banner)
    assert system.product == signatures().by_key[key].product
    assert system.confidence > identify({}, banner).confidence - 0.01
    assert not system.disagreement
    assert system.candidates[0].evidence[0] == f"banner {banner!r}"


@pytest.mark.parametrize("status", ["401 Unauthorized", "404 Not Found", "483 Too Many Hops", "503 Busy", "100 Trying"])
@pytest.mark.parametrize("last", ["", "Content-Length: 0\r\n"])
def test_an_answer_without_anything_of_its_own_names_nobody(status: str, last: str) -> None:
    """What a script of a few lines says: the request's fields copied, a short tag, and no more."""
    lines = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx;rport\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=here\r\n"
    data = f"SIP/2.0 {status}\r\n{lines}Call-ID: c\r\nCSeq: 1 OPTIONS\r\n{last}\r\n"
    response = parse_message(data.encode())
    assert isinstance(response, Response)
    system = system_of(response)
    assert system is None or not system.product


@pytest.mark.parametrize(
    "tag",
    [
        *("48213", "1928301774", "a6c85cf", "3f2504e0", "3f2504e04f89", "3f2504e04f8911d3", "3F2504E04F8911D3"),
        *("d41d8cd98f00b204e9800998ecf8427e", "D41D8CD98F00B204E9800998ECF8427E", "gX3k", "gX3kQz1", "gX3kQz1bPo2aC"),
        *(
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "12345-6789",
            "12AB34-7F",
        ),
        *("3F2504E0-4F8911D3", "z9hG4bKx", ""),
    ],
)
@pytest.mark.parametrize(
    "order",
    [
        "Via,From,To,Call-ID,CSeq,Content-Length",
        "Via,From,To,CSeq,Call-ID,Content-Length",
        "Via,To,From,Call-ID,CSeq,Content-Length",
        "Via,Call-ID,From,To,CSeq,Content-Length",
        "Via,From,To,Call-ID,CSeq,WWW-Authenticate,Content-Length",
        "Via,From,To,Call-ID,CSeq,Contact,Content-Length",
        "From,To,Call-ID,CSeq,Via,Content-Length",
    ],
)
def test_a_tag_that_anybody_may_have_made_names_nobody(tag: str, order: str) -> None:
    """MD5, a number, a UUID: together with an order and a Via that are common, they are no product's mark."""
    statuses = ("200 OK", "401 Unauthorized", "404 Not Found", "405 Method Not Allowed", "481 Call Leg Does Not Exist")
    for status in statuses:
        for via in (
            "branch=;rport=;received=",
            "branch=;received=;rport=",
            "branch=;rport=",
            "rport=;branch=;received=",
        ):
            seen = {"status-line": status, "order": order, "via": via, "spacing": "", "to-tag": tag, "names": order}
            system = identify(seen | ({"tag-is": "branch" if tag.startswith("z9hG4bK") else "its own"} if tag else {}))
            assert not system.product, (status, via, system.candidates[0])


def test_banner_alone() -> None:
    system = identify({}, "Yealink SIP-T46S 66.85.0.5")
    told = (system.vendor, system.product, system.model, system.version, system.kind)
    assert told == ("Yealink", "Yealink phone", "SIP-T46S", "66.85.0.5", "VoIP phone")
    assert system.confidence >= HIGH


def test_banner_of_an_unknown_product() -> None:
    system = identify({}, "KPhone/4.2")
    assert (system.product, system.version, system.vendor) == ("KPhone", "4.2", "")
    assert system.candidates[0].evidence == ("banner 'KPhone/4.2'",)


def test_stack_under_a_distribution_is_no_disagreement() -> None:
    system = identify(observe(ANSWERS["asterisk-chan_sip"]), "FPBX-16.0.40(18.9)")
    assert (system.product, system.platform, system.disagreement) == ("FreePBX", "Asterisk 18.9", "")
    assert "Asterisk" not in [one.product for one in system.candidates]


def test_which_stack_of_the_product_answered() -> None:
    assert identify(observe(ANSWERS["asterisk-chan_pjsip"])).platform == "chan_pjsip"
    assert identify(observe(ANSWERS["asterisk-chan_sip"])).platform == "chan_sip"


def test_banner_and_shape_that_do_not_go_together() -> None:
    system = identify(observe(ANSWERS["kamailio"]), "Asterisk PBX 20.1.0")
    assert system.disagreement.startswith("the banner says Asterisk, but the answer has the shape of Kamailio: to-tag ")
    assert {"Asterisk", "Kamailio"} <= {one.product for one in system.candidates}


def test_banner_that_hides_the_product() -> None:
    system = identify(observe(ANSWERS["freeswitch"]), "MyPBX/1.0")
    assert (system.product, system.version) == ("FreeSWITCH", "")
    assert "MyPBX" in system.disagreement


def test_address_proves_kamailio() -> None:
    digest = md5(b"KAMAILIO-stateless192.0.2.95060", usedforsecurity=False).hexdigest()
    response = Response(200, "OK", headers_of(("To", f"<sip:a@b>;tag={digest}.0a1b2c3d")))
    system = system_of(response, REMOTE)
    assert system is not None
    assert system.product == "Kamailio"
    assert system.confidence > 0.999999
    assert system.candidates[0].evidence[0] == "address-tag 'KAMAILIO-stateless'"


def test_unknown_rather_than_guessed() -> None:
    response = Response(200, "OK", headers_of(("Via", "SIP/2.0/UDP a;branch=z9hG4bKx"), ("To", "<sip:a@b>;tag=42")))
    system = identify(observe(response))
    assert (system.product, system.confidence) == ("", 0.0)
    assert system_of(Response(200, "OK", headers_of(("To", "<sip:a@b>")))) is None


def test_a_banner_without_a_product_is_told_all_the_same() -> None:
    system = system_of(Response(200, "OK", headers_of(("Server", "x"))))
    assert system is not None
    assert (system.banner, system.product, system.candidates) == ("x", "", ())


@given(st.dictionaries(st.sampled_from("abcdef"), st.floats(-60, 60)))
def test_shares_add_up_to_at_most_one(bits: dict[str, float]) -> None:
    made = shares(bits)
    assert sum(made.values()) <= 1.0000001
    ranked = sorted(bits, key=lambda key: bits[key])
    assert [made[key] for key in ranked] == sorted(made.values())


@given(st.text(max_size=60), st.sampled_from(sorted(ANSWERS)))
def test_any_banner_over_any_shape(banner: str, name: str) -> None:
    system = identify(observe(ANSWERS[name]), banner)
    assert system.banner == banner
    assert len(system.candidates) <= MAX_CANDIDATES
    assert all(LEAST <= one.confidence <= 1 for one in system.candidates)
