"""SRTP: the reference packets of libsrtp, and what is refused."""

import pytest

from sipcore.media.keys import (
    AEAD_AES_128_GCM,
    AES_CM_128_HMAC_SHA1_80,
    SUITES,
    SrtpKeys,
    Suite,
)
from sipcore.media.rtp import RtpPacket
from sipcore.media.srtp import SrtpSession

KEY = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de4139")
SALT = bytes.fromhex("0ec675ad498afeebb6960b3aabe6")
RTP = bytes.fromhex("800f1234decafbadcafebabe" + "ab" * 16)
RTCP = bytes.fromhex("81c8000bcafebabe" + "ab" * 16)
PROTECTED = [
    (
        SrtpKeys(AES_CM_128_HMAC_SHA1_80, KEY, SALT),
        "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb",
        "81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798",
    ),
    (
        SrtpKeys(AEAD_AES_128_GCM, bytes(range(16)), bytes(range(0xA0, 0xAC))),
        "800f1234decafbadcafebabec5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392",
        "81c8000bcafebabec98b8b5df0392a55852b6c21ac8e7025c52c6fbea2b3b446ea31123ba88ce61e80000001",
    ),
]


def keys(suite: Suite, first: int = 0) -> SrtpKeys:
    octets = bytes(range(first, first + suite.length))
    return SrtpKeys(suite, octets[: suite.key_length], octets[suite.key_length :])


@pytest.mark.parametrize(("known", "rtp", "rtcp"), PROTECTED)
def test_reference_packets(known: SrtpKeys, rtp: str, rtcp: str) -> None:
    session = SrtpSession(known, known)
    assert session.protect(RTP).hex() == rtp
    assert session.protect_rtcp(RTCP).hex() == rtcp
    assert session.unprotect_untrusted(bytes.fromhex(rtp)) == RTP
    assert session.unprotect_untrusted(bytes.fromhex(rtcp), rtcp=True) == RTCP
    assert session.failures.total == 0


@pytest.mark.parametrize("suite", SUITES)
def test_between_two_ends(suite: Suite) -> None:
    alice = SrtpSession(keys(suite), keys(suite, 100))
    bob = SrtpSession(keys(suite, 100), keys(suite))
    for number in (65_534, 65_535, 0, 1):  # over the end of the sequence numbers
        packet = bytes(RtpPacket(0, number, 160 * number, 7, bytes(160)))
        protected = alice.protect(packet)
        assert packet[12:] not in protected
        assert bob.unprotect_untrusted(protected) == packet
    assert bob.suite == suite


def test_what_is_refused_is_counted() -> None:
    alice = SrtpSession(keys(AES_CM_128_HMAC_SHA1_80), keys(AES_CM_128_HMAC_SHA1_80, 100))
    bob = SrtpSession(keys(AES_CM_128_HMAC_SHA1_80, 100), keys(AES_CM_128_HMAC_SHA1_80))
    protected = alice.protect(RTP)
    assert bob.unprotect_untrusted(RTP) is None
    assert bob.unprotect_untrusted(protected[:-1] + b"x") is None
    assert bob.unprotect_untrusted(protected) == RTP
    assert bob.unprotect_untrusted(protected) is None
    assert bob.unprotect_untrusted(b"\x80") is None
    assert bob.unprotect_untrusted(bytes(3000)) is None
    assert bob.unprotect_untrusted(RTCP + bytes(14), rtcp=True) is None
    failures = bob.failures
    assert failures.total == 6
    assert (failures.authentication, failures.replayed, failures.malformed) == (2, 1, 3)
