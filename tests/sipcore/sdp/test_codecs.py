"""Codecs by name."""

import pytest

from sipcore.errors import LocalError
from sipcore.sdp.attributes import PCMA, PCMU
from sipcore.sdp.codecs import CODECS, codecs_named


def test_in_any_case_and_each_once() -> None:
    assert codecs_named(["pcma", "PCMU", "PcmA"]) == (PCMA, PCMU)


def test_every_codec_has_a_payload_type_of_its_own() -> None:
    assert len({codec.payload_type for codec in CODECS.values()}) == len(CODECS)


def test_an_unknown_codec_is_told_with_what_there_is() -> None:
    with pytest.raises(LocalError, match="no codec GSM; choose from PCMU"):
        codecs_named(["GSM"])
