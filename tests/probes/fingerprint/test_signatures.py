"""Signatures: the file is sound and complete, and a faulty one is refused in words."""

import pytest

from probes.fingerprint.evidence import observe
from probes.fingerprint.signatures import is_linear, read, signatures, support, unsupported
from sipcore.errors import LocalError
from tests.probes.fingerprint.samples import answers, key_of, reactions

PRODUCT = 'product = "P"\nvendor = "V"\nkind = "PBX"\nsource = "banner"\n'
SHAPE = '[[p.shapes]]\nsource = "trace"\n'


def test_each_trait_is_shown_by_an_answer_of_its_product() -> None:
    seen = [(key_of(name), observe(answer)) for name, answer in answers().items()]
    for key, signature in signatures().by_key.items():
        for shape in signature.shapes:
            for trait in shape.traits:
                own = [one[trait.feature] for owner, one in seen if owner == key and trait.feature in one]
                own += [text for feature, text in reactions().get(key, ()) if feature == trait.feature]
                shown = any(trait.pattern.fullmatch(text) for text in own)
                assert shown or (key, trait.feature) in NOT_SHOWN, f"{key} {trait}"


NOT_SHOWN = {
    ("kamailio", "address-tag"),  # no message shows it without its address
    ("kamailio", "tag-prefix"),  # nor one message what several have in common
    ("opensips", "tag-prefix"),
    ("opensips", "to-tag"),  # of the variant 1.x, which looks as Kamailio does
    ("opensips", "via"),
}
"""Traits that no answer shows by itself, or that would show another product."""


def test_names_are_told_apart() -> None:
    products = [one.product for one in signatures().by_key.values()]
    assert len(products) == len(set(products))
    assert signatures().unsupported


def test_each_reaction_that_is_shown_is_one_that_is_known() -> None:
    for key, shown in reactions().items():
        known = {trait.feature for shape in signatures().by_key[key].shapes for trait in shape.traits}
        assert {feature for feature, _ in shown} <= known, key


def test_what_each_product_is_told_by() -> None:
    told = {one.product: one for one in support()}
    assert len(told) == len(signatures().by_key) + len(signatures().unsupported)
    asterisk, freepbx, snom = told["Asterisk"], told["FreePBX"], told["Snom phone"]
    assert (asterisk.banner, asterisk.shape, asterisk.reactions, asterisk.stack) == (True, True, True, "")
    assert (freepbx.banner, freepbx.shape, freepbx.stack, freepbx.hidden) == (True, False, "Asterisk", True)
    assert (snom.banner, snom.hidden) == (True, False)
    assert (told["Vonage"].banner, told["Vonage"].hidden) == (False, False)


def test_what_cannot_be_told_without_a_banner_is_listed() -> None:
    assert {"Snom phone", "LiveKit SIP", "Oracle Communications SBC", "Vonage"} <= set(unsupported())
    assert not {"Asterisk", "FreePBX", "Kamailio"} & set(unsupported())


def test_every_signature_tells_something_of_its_own() -> None:
    for key, one in signatures().by_key.items():
        assert one.banners or one.shapes, key
        assert one.source, key


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[p", "no TOML"),
        ("p = 1", "p: needs kind, product, source, vendor"),
        ("[p]\n" + PRODUCT + "more = 1", "p: needs"),
        ("[p]\n" + PRODUCT + 'engine = "q"', "p: no product q"),
        ("[p]\n" + PRODUCT + 'engine = "p"', "p: no product p"),
        ("[p]\n" + PRODUCT + "banners = ['a.*b']", "not possessive: a.*b"),
        ("[p]\n" + PRODUCT + "banners = ['a(']", "p: missing"),
        ("[p]\n" + PRODUCT + "banners = ['a(?P<other>b)']", "a banner tells"),
        ("[p]\n" + PRODUCT + SHAPE, "a shape needs traits"),
        ("[p]\n" + PRODUCT + "[[p.shapes]]\ntraits = []", "a shape needs traits"),
        ("[p]\n" + PRODUCT + SHAPE + "traits = [{ see = 'order' }]", "not a trait"),
        ("[p]\n" + PRODUCT + SHAPE + "traits = [{ see = 'smell', like = 'a', bits = 1 }]", "not a trait"),
        ("[p]\n" + PRODUCT + SHAPE + "traits = [{ see = 'order', like = 'a', bits = 99 }]", "bits are from 0 to 40"),
        ("[p]\n" + PRODUCT + SHAPE + "traits = [{ see = 'order', like = 'a', bits = '1' }]", "bits are from 0 to 40"),
        ("[p]\n" + PRODUCT + SHAPE + "reactions = [{ like = 'a', bits = 1 }]", "not a reaction"),
        ("[p]\n" + PRODUCT + SHAPE + "reactions = [{ to = 'pray', like = 'a', bits = 1 }]", "to nothing that is asked"),
        (
            "[p]\n" + PRODUCT + SHAPE + "reactions = [{ to = 'scheme', see = 'smell', like = 'a', bits = 1 }]",
            "observes",
        ),
    ],
)
def test_faults_are_told(text: str, message: str) -> None:
    with pytest.raises(LocalError, match=message.replace("(", r"\(").replace("*", r"\*").replace(".", r"\.")):
        read(text)


LINEAR = [
    "abc",
    "a++b*+c{2,}+",
    r"\*\+[*+]",
    "a?b{1,3}",
    "a?+",
    r"[\]*]x",
    "(?>(?:a|b)+)",
    "(?>(?:a|(?>(b)*))+)",
    "(?>(?:a|b){2,})(c){1,2}",
]
BACKTRACKING = [
    "a*",
    "a+b",
    "a*?b",
    "(?:a|b)*",
    "a{2,}",
    "(a{2,}b)",
    r"\\*",
    "[a]+",
    "(?:a|b)++",
    "(?:ab)?+",
    "(?>(?:a*b)*)",
    "(?>(?:a)*b)",
    "(?>(?:a){2,}b)",
]


@pytest.mark.parametrize("pattern", LINEAR)
def test_linear_patterns(pattern: str) -> None:
    assert is_linear(pattern)


@pytest.mark.parametrize("pattern", BACKTRACKING)
def test_patterns_that_may_backtrack(pattern: str) -> None:
    assert not is_linear(pattern)
