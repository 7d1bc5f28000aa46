"""G.711 against another implementation of it, whose answers for all bytes and all samples are kept as digests."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.media.g711 import SILENCE, Law

LAWS = list(Law)
ENCODED = {Law.PCMU: "81d633c9e6972a18c74a58720b96cb8c", Law.PCMA: "38488f6fd710f4686360edc4d38639f9"}
"""SHA-256, cut, of every 16-bit sample's byte, as CPython's audioop of 3.11 gives them."""
KNOWN = [
    (Law.PCMU, 0x00, -32124),
    (Law.PCMU, 0x80, 32124),
    (Law.PCMU, 0x7F, 0),
    (Law.PCMU, 0xFF, 0),
    (Law.PCMU, 0xFE, 8),
    (Law.PCMA, 0xD5, 8),
    (Law.PCMA, 0x55, -8),
    (Law.PCMA, 0x2A, -32256),
    (Law.PCMA, 0xAA, 32256),
]


@pytest.mark.parametrize("law", LAWS)
def test_every_sample(law: Law) -> None:
    assert hashlib.sha256(law.encode(range(-32768, 32768))).hexdigest()[:32] == ENCODED[law]


@pytest.mark.parametrize(("law", "byte", "sample"), KNOWN)
def test_known_values(law: Law, byte: int, sample: int) -> None:
    assert law.decode(bytes([byte])) == [sample]


@pytest.mark.parametrize("law", LAWS)
def test_every_byte_comes_back(law: Law) -> None:
    decoded = law.decode(bytes(range(256)))
    again = law.decode(law.encode(decoded))
    assert again == decoded
    assert law.decode(bytes([law.silence])) in ([0], [8])


@given(st.sampled_from(LAWS), st.lists(st.integers(-40_000, 40_000), max_size=50))
def test_what_is_too_loud_is_as_loud_as_can_be(law: Law, samples: list[int]) -> None:
    clipped = [min(max(sample, -32768), 32767) for sample in samples]
    assert law.encode(samples) == law.encode(clipped)


@given(st.sampled_from(LAWS), st.binary(max_size=50))
def test_silence_and_coarse(law: Law, payload: bytes) -> None:
    samples = law.decode(payload)
    assert law.is_silent(payload) == all(abs(sample) <= SILENCE for sample in samples)
    assert list(law.coarse(payload)) == [(sample >> 8) + 128 for sample in samples]
