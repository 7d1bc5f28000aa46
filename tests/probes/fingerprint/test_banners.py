"""Banners: product, version, model and platform of those that are known, the general rule and no guess for others."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.fingerprint.banners import MAX_BANNER, Banner, banner_of, read_banner
from probes.fingerprint.signatures import signatures
from sipcore.message.headers import headers_of
from sipcore.message.message import Response
from tests.probes.fingerprint.samples import banners

KNOWN = [(key, row) for key, rows in banners().items() for row in rows]


@pytest.mark.parametrize(("key", "row"), KNOWN, ids=[row["banner"] for _, row in KNOWN])
def test_known_products(key: str, row: dict[str, Any]) -> None:
    signature = signatures().by_key[key]
    text, told = row["banner"], (row.get("version", ""), row.get("platform", ""), row.get("model", ""))
    assert read_banner(text) == Banner(text, signature.product, *told, signature)


def test_every_product_that_has_a_banner_has_a_sample() -> None:
    assert {key for key, one in signatures().by_key.items() if one.banners} == banners().keys()


@pytest.mark.parametrize(
    ("banner", "product", "version", "platform"),
    [
        ("KPhone/4.2", "KPhone", "4.2", ""),
        ("Ekiga/4.0.1", "Ekiga", "4.0.1", ""),
        ("Phone 3000/v.1.2.3 (Linux)", "Phone 3000", "1.2.3", "Linux"),
        ("Vendor Phone 66.84.0.125", "Vendor Phone", "66.84.0.125", ""),
        ("Vendor Phone 7490", "", "", ""),
        ("Asteriskoid 1.0", "Asteriskoid", "1.0", ""),
        ("snomad/1.0", "snomad", "1.0", ""),
        ("SIP/2.0", "", "", ""),
        ("1.2.3", "", "", ""),
        ("/1.2.3", "", "", ""),
        ("", "", "", ""),
    ],
)
def test_other_products(banner: str, product: str, version: str, platform: str) -> None:
    assert read_banner(banner) == Banner(banner, product, version, platform)


@given(st.text(max_size=MAX_BANNER))
def test_any_text_is_read(text: str) -> None:
    banner = read_banner(text)
    assert banner.text == text
    assert banner.version in text


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([("Server", "Asterisk PBX 22.1.0"), ("User-Agent", "x/1")], "Asterisk PBX 22.1.0"),
        ([("User-Agent", "baresip v1.0.0 (x86_64/Linux)")], "baresip v1.0.0 (x86_64/Linux)"),
        ([("Server", ""), ("User-Agent", "x/1")], "x/1"),
        ([("Server", "x" * 1000)], "x" * MAX_BANNER),
        ([], ""),
    ],
)
def test_where_the_banner_stands(fields: list[tuple[str, str]], expected: str) -> None:
    assert banner_of(Response(200, "OK", headers_of(*fields))) == expected
