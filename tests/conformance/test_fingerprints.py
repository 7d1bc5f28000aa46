"""Products told by what they say and by how they say it: banners of many hands, answers of real servers.

Each test prints its figures, and names what it got wrong.
"""

from functools import partial

import pytest

from probes.fingerprint.evidence import observe
from probes.fingerprint.identify import HIGH, identify, system_of
from probes.fingerprint.signatures import Signatures, signatures
from probes.result import System
from sipcore.message.message import Response
from sipcore.message.parser import parse_message
from tests.conformance.batteries import SERVERS, Show, answers, share, shown_by, without_banner
from tests.conformance.corpus import ROOT, needs_corpus, read_jsonl, recorded
from tests.conformance.products import is_right, is_version

pytestmark = needs_corpus


def test_banners(show: Show) -> None:
    rows = list(read_jsonl(ROOT / "banners.jsonl"))
    read = [(row, identify({}, row["banner"])) for row in rows]
    right = [is_right(row, system) for row, system in read]
    gold = [one for one, row in zip(right, rows, strict=True) if row.get("gold")]
    wrong = [
        f"{row['banner']!r} ({row.get('product')}): {system.product} {system.model}"
        for (row, system), one in zip(read, right, strict=True)
        if not one and system.product
    ]
    stated = [(row["version"], system.version, row["banner"]) for row, system in read if row.get("version")]
    versions = [is_version(label, version) for label, version, _ in stated]
    exact = sum(label == version for label, version, _ in stated)
    misread = [text for text, one in zip(stated, versions, strict=True) if not one]
    show(f"banners: product right for {share(sum(gold), len(gold))} of gold, {share(sum(right), len(right))} of all,")
    show(f"  wrong for {share(len(wrong), len(rows))}: {wrong}")
    show(f"  version right for {share(sum(versions), len(versions))} (to the letter {share(exact, len(stated))})")
    assert sum(gold) >= 0.97 * len(gold)
    assert sum(right) >= 0.95 * len(right)
    assert len(wrong) <= 0.01 * len(rows)
    assert sum(versions) >= 0.95 * len(versions), misread


def test_hidden_banners(show: Show) -> None:
    cases = [
        (answer, system_of(without_banner(answer.response), asked_tag=answer.asked_tag) or System(""))
        for answer in answers()
    ]
    first, unsure, wrong = [], [], []
    for answer, system in cases:
        leader = system.candidates[0] if system.candidates else None
        if leader is not None and leader.product == answer.product:
            first.append(leader.confidence)
            continue
        told = f"{leader.product} {leader.confidence:.2f}" if leader else "nothing"
        unsure.append(f"{answer.name} {answer.response.status}: {told}")
        if leader is not None and leader.confidence >= HIGH:
            wrong.append(answer.name)
    sure = sum(confidence >= HIGH for confidence in first)
    show(f"hidden banner, one OPTIONS: ranked first in {share(len(first), len(cases))}, surely in {sure};")
    show(f"  surely wrong in {share(len(wrong), len(cases))}; not first: {unsure}")
    assert len(cases) > 200
    assert len(first) >= 0.9 * len(cases)
    assert len(wrong) < 0.02 * len(cases)


def test_every_recorded_product_is_told_from_its_plain_options() -> None:
    for answer in answers():
        if answer.name.endswith((" options-udp", " options-tcp", " options-tls")):
            system = system_of(without_banner(answer.response))
            assert system is not None, answer.name
            assert (system.product, system.banner) == (answer.product, ""), answer.name


def test_banner_and_shape_of_a_recorded_server_agree() -> None:
    for answer in answers():
        system = system_of(answer.response, asked_tag=answer.asked_tag)
        if system is not None:
            assert not system.disagreement, answer.name
            assert system.product == answer.product or not (system.banner or system.product), answer.name


def test_signatures_hold_for_a_version_that_they_were_not_made_from(
    monkeypatch: pytest.MonkeyPatch, show: Show
) -> None:
    """Where several versions are recorded, each is told by those traits alone that another version shows as well."""
    cases = [(answer, observe(without_banner(answer.response), asked_tag=answer.asked_tag)) for answer in answers()]
    whole = signatures()
    first: list[bool] = []
    for stack, version in sorted({(answer.stack, answer.version) for answer, _ in cases}):
        held_out = [(answer, seen) for answer, seen in cases if (answer.stack, answer.version) == (stack, version)]
        others = [seen for answer, seen in cases if answer.stack == stack and answer.version != version]
        if others:
            product = SERVERS[stack.partition("-")[0]]
            known = {key: shown_by(one, product, others) for key, one in whole.by_key.items()}
            monkeypatch.setattr("probes.fingerprint.identify.signatures", partial(Signatures, known))
            ranked = [identify(seen).candidates for answer, seen in held_out if answer.product == product]
            first += [bool(candidates) and candidates[0].product == product for candidates in ranked]
    show(f"hidden banner, by what other versions show: ranked first in {share(sum(first), len(first))}")
    assert sum(first) >= 0.9 * len(first)


def test_whatever_was_recorded_is_observed() -> None:
    for name, data in recorded():
        if not data.startswith(b"SIP/2.0 "):
            continue
        message = parse_message(data)
        assert isinstance(message, Response), name
        assert observe(message)["status-line"].startswith(str(message.status)), name
