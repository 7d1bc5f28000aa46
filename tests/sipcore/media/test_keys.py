"""Keys for SRTP: out of a description, out of a handshake; and what is not supported."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import ParseError
from sipcore.media.keys import (
    AEAD_AES_256_GCM,
    AES_CM_128_HMAC_SHA1_32,
    AES_CM_128_HMAC_SHA1_80,
    SUITES,
    Suite,
    UnsupportedCrypto,
    choose_crypto,
    exported_keys,
    keys_of,
    new_crypto,
    suite_of_profile,
)
from sipcore.sdp.attributes import Crypto

INLINE = "inline:" + base64.b64encode(bytes(range(30))).decode()


def crypto(text: str) -> Crypto:
    return Crypto.parse(text)


@pytest.mark.parametrize("suite", SUITES)
def test_what_is_offered_can_be_read(suite: Suite) -> None:
    offered = new_crypto(suite, 3, lambda count: bytes(range(count)))
    keys = keys_of(Crypto.parse(str(offered)))
    assert (offered.tag, keys.suite) == (3, suite)
    assert keys.key + keys.salt == bytes(range(suite.length))
    assert (len(keys.key), len(keys.salt)) == (suite.key_length, suite.salt_length)
    assert "00" not in repr(keys)


@pytest.mark.parametrize("parameters", ["", " WSH=64", " -unknown=1"])
def test_what_need_not_be_understood(parameters: str) -> None:
    assert keys_of(crypto(f"1 AES_CM_128_HMAC_SHA1_80 {INLINE}|2^31{parameters}")).key == bytes(range(16))


@pytest.mark.parametrize(
    "text",
    [
        f"1 AES_256_CM_HMAC_SHA1_80 {INLINE}",
        f"1 F8_128_HMAC_SHA1_80 {INLINE}",
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE}|1:4",
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE};{INLINE}",
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE} UNENCRYPTED_SRTP",
        f"1 AES_CM_128_HMAC_SHA1_80 {INLINE} KDR=1",
        "1 AES_CM_128_HMAC_SHA1_80 other:key",
    ],
)
def test_what_is_not_supported(text: str) -> None:
    with pytest.raises(UnsupportedCrypto):
        keys_of(crypto(text))
    assert choose_crypto([crypto(text)]) is None


def test_it_is_said_what_is_not_supported_of_a_key() -> None:
    with pytest.raises(UnsupportedCrypto, match="MKI"):
        keys_of(crypto(f"1 AES_CM_128_HMAC_SHA1_80 {INLINE}|2^31|1:4"))


@pytest.mark.parametrize("key", ["AAAA", INLINE[7:-2] + "A", INLINE[7:] + "AAAA"])
def test_keys_that_are_wrong(key: str) -> None:
    with pytest.raises(ParseError) as caught:
        keys_of(crypto(f"1 AES_CM_128_HMAC_SHA1_80 inline:{key}"))
    assert key not in str(caught.value)


def test_the_first_that_is_supported() -> None:
    offered = [
        crypto(f"1 AES_256_CM_HMAC_SHA1_80 {INLINE}"),
        crypto("2 AES_CM_128_HMAC_SHA1_80 inline:AAAA"),
        crypto(f"3 AES_CM_128_HMAC_SHA1_32 {INLINE}"),
        crypto(f"4 AES_CM_128_HMAC_SHA1_80 {INLINE}"),
    ]
    chosen = choose_crypto(offered)
    assert chosen is offered[2]
    assert keys_of(chosen).suite == AES_CM_128_HMAC_SHA1_32


@given(st.sampled_from(SUITES), st.binary(min_size=88, max_size=88))
def test_both_ends_of_a_handshake(suite: Suite, material: bytes) -> None:
    material = material[: 2 * suite.length]
    local, remote = exported_keys(suite, material, client=True)
    assert exported_keys(suite, material, client=False) == (remote, local)
    assert local.key + remote.key + local.salt + remote.salt == material


def test_profiles() -> None:
    assert suite_of_profile("SRTP_AES128_CM_SHA1_80") == AES_CM_128_HMAC_SHA1_80
    assert suite_of_profile("SRTP_AEAD_AES_256_GCM") == AEAD_AES_256_GCM
    assert suite_of_profile("") is None
