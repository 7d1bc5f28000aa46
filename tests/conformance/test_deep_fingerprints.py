"""Products told in deep mode, their banner hidden, by what real servers answered. Each test prints its figures."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from probes.fingerprint.deep import Heard, identify_deeply, observe_deeply
from probes.fingerprint.identify import HIGH
from probes.fingerprint.signatures import Signatures, signatures
from probes.result import Candidate
from sipcore.message.message import Response
from tests.conformance.batteries import Battery, Show, batteries, share, shown_by, without_banner
from tests.conformance.corpus import needs_corpus

pytestmark = needs_corpus

KNOWN = "probes.fingerprint.identify.signatures"


@dataclass(frozen=True, slots=True)
class Case:
    """Some of what one server answered."""

    name: str
    battery: Battery
    plain: tuple[Response, ...]
    heard: Heard


def hidden(battery: Battery) -> tuple[dict[str, tuple[Response, ...]], Heard]:
    """What a server would have answered with its banner switched off: to plain requests, and to those of deep mode."""
    plain = {name: tuple(map(without_banner, responses)) for name, responses in battery.plain.items()}
    return plain, {ask: tuple(map(without_banner, responses)) for ask, responses in battery.heard.items()}


def wholes(battery: Battery) -> Iterator[Case]:
    """All of deep mode, with a plain OPTIONS over each transport that was recorded."""
    plain, heard = hidden(battery)
    for name, responses in plain.items():
        yield Case(f"{battery.archive} {name}", battery, responses, heard)


def losses(battery: Battery) -> Iterator[Case]:
    """All of deep mode, but for one request that was not sent, one whose answer was lost, and the plain one."""
    plain, heard = hidden(battery)
    yield Case(f"{battery.archive} without a plain one", battery, (), heard)
    first = next(iter(plain.values()))
    for ask in heard:
        less = {name: responses for name, responses in heard.items() if name != ask}
        yield Case(f"{battery.archive} without {ask}", battery, first, less)
        yield Case(f"{battery.archive} {ask} lost", battery, first, less | {ask: ()})


def singles(battery: Battery) -> Iterator[Case]:
    """One request of deep mode alone, where it was answered."""
    _, heard = hidden(battery)
    for ask, responses in heard.items():
        if responses:
            yield Case(f"{battery.archive} {ask} alone", battery, (), {ask: responses})


def first(case: Case) -> Candidate:
    """The product that comes first, by its name."""
    candidates = identify_deeply(case.plain, case.heard).candidates
    return candidates[0] if candidates else Candidate("nothing", 0.0)


def measured(cases: list[Case], title: str, show: Show) -> tuple[float, float]:
    """Shares of the cases in which the product came first, and in which another one did that is thought sure."""
    ranked = [(case, first(case)) for case in cases]
    missed = [(case, one) for case, one in ranked if one.product != case.battery.product]
    wrong = [case for case, one in missed if one.confidence >= HIGH]
    right = len(cases) - len(missed)
    sure = sum(one.confidence >= HIGH for case, one in ranked if one.product == case.battery.product)
    show(f"{title}: ranked first in {share(right, len(cases))}, surely in {sure}; surely wrong in {len(wrong)};")
    show(f"  not first: {[f'{case.name}: {one.product} {one.confidence:.2f}' for case, one in missed]}")
    return right / len(cases), len(wrong) / len(cases)


def test_all_of_deep_mode(show: Show) -> None:
    cases = [case for battery in batteries() for case in wholes(battery)]
    right, wrong = measured(cases, "hidden banner, deep", show)
    assert len({case.battery.product for case in cases}) >= 10
    assert right >= 0.97
    assert wrong < 0.02


def test_all_but_one_of_deep_mode(show: Show) -> None:
    cases = [case for battery in batteries() for case in losses(battery)]
    right, wrong = measured(cases, "hidden banner, deep but for one request or answer", show)
    assert len(cases) > 200
    assert right >= 0.97
    assert wrong < 0.02


def test_one_request_of_deep_mode(show: Show) -> None:
    cases = [case for battery in batteries() for case in singles(battery)]
    right, wrong = measured(cases, "hidden banner, one request of deep mode", show)
    assert len(cases) > 100
    assert right >= 0.9
    assert wrong < 0.02


def test_what_the_other_versions_show_is_enough(monkeypatch: pytest.MonkeyPatch, show: Show) -> None:
    """Where several versions are recorded, each is told by those traits alone that another version shows as well."""
    every = batteries()
    right: list[bool] = []
    for battery in every:
        others = [one for one in every if one.stack == battery.stack and one.version != battery.version]
        if others:
            seen = [observe_deeply(case.plain, case.heard) for other in others for case in wholes(other)]
            known = {key: shown_by(one, battery.product, seen) for key, one in signatures().by_key.items()}
            with monkeypatch.context() as patched:
                patched.setattr(KNOWN, partial(Signatures, known))
                cases = [*wholes(battery), *losses(battery)]
                right += [first(case).product == battery.product for case in cases]
    show(f"hidden banner, deep, by what other versions show: ranked first in {share(sum(right), len(right))}")
    assert sum(right) >= 0.97 * len(right)


def test_a_product_that_is_not_known_is_taken_for_no_other(monkeypatch: pytest.MonkeyPatch, show: Show) -> None:
    """Without its signature, a server is unknown; that a product on PJSIP's stack is taken for that stack is right."""
    every, whole = batteries(), signatures()
    wrong = []
    cases = 0
    for battery in every:
        known = {key: one for key, one in whole.by_key.items() if one.product != battery.product}
        with monkeypatch.context() as patched:
            patched.setattr(KNOWN, partial(Signatures, known))
            for case in [*wholes(battery), *singles(battery)]:
                cases += 1
                one = first(case)
                if one.confidence >= HIGH and not (one.product == "PJSIP" and "pjsip" in battery.stack):
                    wrong.append(f"{case.name}: {one.product}")
    show(f"hidden banner, deep, without its signature: surely wrong in {share(len(wrong), cases)} {wrong}")
    assert len(wrong) < 0.02 * cases
