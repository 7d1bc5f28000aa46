"""Products told by what servers of the lab answered (`fixtures/fingerprints/recorded`), their banner taken away."""

import json
from dataclasses import replace
from functools import cache, partial
from itertools import combinations

import pytest

from probes.fingerprint.banners import banner_of
from probes.fingerprint.deep import Heard, identify_deeply, observe_deeply
from probes.fingerprint.identify import HIGH
from probes.fingerprint.signatures import Shape, Signatures, signatures
from sipcore.message.message import Response
from sipcore.message.parser import parse_message
from tests.probes.fingerprint.samples import FOLDER

Battery = tuple[list[Response], Heard]
PRODUCTS = {
    "asterisk": "Asterisk",
    "baresip": "baresip",
    "kamailio": "Kamailio",
    "linphone": "Linphone",
    "sipp": "SIPp",
}
UNSURE = {"baresip-1.0.0"}
"""One that has but a 404 for a plain OPTIONS without a user."""


@cache
def read(name: str) -> Battery:
    texts = json.loads((FOLDER / "recorded" / f"{name}.json").read_text("utf-8"))
    heard = {ask: [response(text) for text in answers] for ask, answers in texts.items()}
    return heard.pop("plain"), heard


def response(text: str) -> Response:
    message = parse_message(text.encode())
    assert isinstance(message, Response)
    return message


def hidden(battery: Battery) -> Battery:
    plain, heard = battery
    return [without_banner(one) for one in plain], {
        ask: [without_banner(one) for one in answers] for ask, answers in heard.items()
    }


def without_banner(one: Response) -> Response:
    return one.without("Server").without("User-Agent")


NAMES = sorted(path.stem for path in (FOLDER / "recorded").glob("*.json"))
ANSWERING = [name for name in NAMES if read(name)[0]]
"""Those that answer a plain OPTIONS, as SIPp's stock callee does not: it knows calls alone."""


def product_of(name: str) -> str:
    return PRODUCTS[name.partition("-")[0]]


@pytest.mark.parametrize("name", NAMES)
def test_with_its_banner(name: str) -> None:
    plain, heard = read(name)
    system = identify_deeply(plain, heard)
    assert (system.product, system.disagreement) == (product_of(name), "")
    if plain and banner_of(plain[0]):
        assert system.version.startswith(name.rpartition("-")[2])


@pytest.mark.parametrize("name", ANSWERING)
def test_by_one_options(name: str) -> None:
    plain, _ = hidden(read(name))
    first = identify_deeply(plain, {}).candidates[0]
    assert first.product == product_of(name)
    assert (first.confidence >= HIGH) == (name not in UNSURE)


@pytest.mark.parametrize("name", NAMES)
def test_by_deep_mode(name: str) -> None:
    plain, heard = hidden(read(name))
    system = identify_deeply(plain, heard)
    assert (system.product, system.confidence >= HIGH) == (product_of(name), True)


@pytest.mark.parametrize("name", NAMES)
def test_by_each_two_of_the_requests_of_deep_mode(name: str) -> None:
    """Even where most answers are lost, another product is not thought sure."""
    _, heard = hidden(read(name))
    pairs = list(combinations(heard, 2))
    right = silent = 0
    for pair in pairs:
        candidates = identify_deeply((), {ask: heard[ask] for ask in pair}).candidates
        silent += not any(heard[ask] for ask in pair)
        right += bool(candidates) and candidates[0].product == product_of(name)
        assert not candidates or candidates[0].product == product_of(name) or candidates[0].confidence < HIGH, pair
    assert right >= 0.97 * (len(pairs) - silent)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("asterisk")])
def test_by_what_other_versions_show(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family = name.partition("-")[0]
    others = [observe_deeply(*hidden(read(one))) for one in NAMES if one != name and one.startswith(f"{family}-")]
    shown = {(feature, text) for seen in others for feature in seen for text in texts(seen[feature])}

    def known(shape: Shape) -> Shape:
        kept = (
            trait
            for trait in shape.traits
            if any(trait.feature == feature and trait.pattern.fullmatch(text) for feature, text in shown)
        )
        return replace(shape, traits=tuple(kept))

    by_key = dict(signatures().by_key)
    by_key[family] = replace(by_key[family], shapes=tuple(known(shape) for shape in by_key[family].shapes))
    monkeypatch.setattr("probes.fingerprint.identify.signatures", partial(Signatures, by_key))
    plain, heard = hidden(read(name))
    assert not plain or identify_deeply(plain, {}).candidates[0].product == product_of(name)
    system = identify_deeply(plain, heard)
    assert (system.product, system.confidence >= HIGH) == (product_of(name), True)


def texts(seen: str | tuple[str, ...]) -> tuple[str, ...]:
    return (seen,) if isinstance(seen, str) else seen
