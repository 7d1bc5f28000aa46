"""Codings, languages, security mechanisms, features and priorities."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.deviation import Deviation
from sipcore.message.fields.preference import (
    FeatureSet,
    Preference,
    ResourcePriority,
    parse_language,
    parse_language_range,
)
from sipcore.message.params import Params
from tests.sipcore.message.fields.reading import assert_reads, assert_refuses, assert_survives, params, tokens


def test_preference() -> None:
    assert_reads(Preference.parse, "gzip", Preference("gzip"))
    assert_reads(Preference.parse, "*;q=0", Preference("*", Params((("q", "0"),))))
    assert_reads(Preference.parse, "gzip;q=x", Preference("gzip", Params((("q", "x"),))), [Deviation.ODD_Q])
    assert Preference.parse("tls;q=0.2").q == 0.2
    for text in ("", "a b", ";q=1"):
        assert_refuses(Preference.parse, text)


@pytest.mark.parametrize("text", ["da", "en-gb", "*", "es-419", "zh-Hant-TW", "i-klingon"])
def test_language_range(text: str) -> None:
    assert_reads(parse_language_range, text, Preference(text))
    assert_reads(parse_language_range, f"{text};q=0.8", Preference(text, Params((("q", "0.8"),))))


@pytest.mark.parametrize("text", ["", "en-", "-gb", "12", "overlonglanguage", "en_GB", "en gb"])
def test_languages_refuse(text: str) -> None:
    assert_refuses(parse_language, text)
    assert_refuses(parse_language_range, text)


def test_language() -> None:
    assert_reads(parse_language, " fr ", "fr", written="fr")
    assert_refuses(parse_language, "*")


def test_feature_set() -> None:
    items = (("audio", None), ("type", '"<video/H263>"'), ("require", None))
    read = FeatureSet(Params(items))
    assert_reads(FeatureSet.parse, '*;audio;type="<video/H263>";require', read)
    assert (read.is_required, read.is_explicit) == (True, False)
    assert FeatureSet.parse("*;explicit").is_explicit
    assert_refuses(FeatureSet.parse, "*\x01;audio")
    assert_reads(FeatureSet.parse, "*;q=7", FeatureSet(Params((("q", "7"),))), [Deviation.ODD_Q])


@pytest.mark.parametrize("target", ["video", "Joe <sip:192.0.2.1:5060>", "sip:192.0.2.1"])
def test_feature_set_without_star(target: str) -> None:
    expected = FeatureSet(Params((("audio", None),)), target)
    assert_reads(FeatureSet.parse, f"{target};audio", expected, [Deviation.FEATURES_WITHOUT_STAR])


def test_resource_priority() -> None:
    assert_reads(ResourcePriority.parse, "dsn.flash-override", ResourcePriority("dsn", "flash-override"))
    for text in ("", "dsn", ".flash", "dsn.", "a.b.c", "a b.c"):
        assert_refuses(ResourcePriority.parse, text)


without_dot = st.text("abcXYZ019-!%*_+`'~", min_size=1, max_size=8)


@given(
    st.builds(Preference, tokens, params),
    st.builds(FeatureSet, params),
    st.builds(ResourcePriority, without_dot, without_dot),
)
def test_survive(preference: Preference, features: FeatureSet, priority: ResourcePriority) -> None:
    assert_survives(Preference.parse, preference)
    assert_survives(FeatureSet.parse, features)
    assert_survives(ResourcePriority.parse, priority)
