"""Products told by what they say and by how they say it: banners of many hands, answers of real servers.

Each test prints its figures, and names what it got wrong.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import pytest

from probes.fingerprint.banners import read_banner
from probes.fingerprint.evidence import Evidence, observe
from probes.fingerprint.identify import HIGH, identify, system_of
from probes.fingerprint.signatures import Signature, Signatures, Trait, signatures
from probes.result import System
from sipcore.errors import ParseError
from sipcore.message.message import Response
from sipcore.message.parser import parse_message
from tests.conformance.corpus import ROOT, needs_corpus, read_jsonl, recorded
from tests.conformance.products import is_right, is_version

pytestmark = needs_corpus

Show = Callable[[str], None]
SERVERS = {
    "asterisk": "Asterisk",
    "baresip": "baresip",
    "freeswitch": "FreeSWITCH",
    "kamailio": "Kamailio",
    "linphone": "Linphone",
    "opensips": "OpenSIPS",
    "repro": "repro",
    "sipp": "SIPp",
    "sippy": "Sippy B2BUA",
    "yate": "Yate",
}
"""What we call the products that were recorded, by how the archives' names begin."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One recorded final answer to one OPTIONS outside of a dialog."""

    name: str
    product: str
    version: str
    stack: str
    """The program and, where it has several SIP stacks, which: versions of one can be compared."""
    response: Response


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Show:
    def printed(text: str) -> None:
        with capsys.disabled():
            print(f"\n  {text}", end="")  # noqa: T201  # the figures are what the test is run for

    return printed


def share(part: int, whole: int) -> str:
    return f"{part}/{whole} = {part / whole:.1%}"


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


def answers() -> Iterator[Answer]:
    """The final answers to the recorded battery's OPTIONS, one for each request; what was relayed is left out."""
    seen = set()
    for name, data in recorded():
        found = re.match(
            r"(?P<archive>(?P<server>[a-z]+)[^/]*?(?P<version>[0-9.]+)(?P<stack>-chan_[a-z]+)?[^/]*)\.tar\.gz/.*/(?P<test>options[a-z0-9-]*)\.[0-9]+-[2-6]",
            name,
        )
        if found is None or (found["archive"], found["test"]) in seen:
            continue
        try:
            message = parse_message(data)
        except ParseError:
            continue
        assert isinstance(message, Response)
        seen.add((found["archive"], found["test"]))
        stack = found["server"] + (found["stack"] or "")
        yield Answer(f"{found['archive']} {found['test']}", SERVERS[found["server"]], found["version"], stack, message)


def without_banner(response: Response) -> Response:
    return response.without("Server").without("User-Agent")


def test_hidden_banners(show: Show) -> None:
    cases = [(answer, system_of(without_banner(answer.response)) or System("")) for answer in answers()]
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
        system = system_of(answer.response)
        relayed = system is not None and system.banner and read_banner(system.banner).product != answer.product
        if system is not None and not relayed:
            assert not system.disagreement, answer.name
            assert system.product == answer.product or not (system.banner or system.product), answer.name


def test_signatures_hold_for_a_version_that_they_were_not_made_from(
    monkeypatch: pytest.MonkeyPatch, show: Show
) -> None:
    """Where several versions are recorded, each is told by those traits alone that another version shows as well."""
    cases = [(answer, observe(without_banner(answer.response))) for answer in answers()]
    whole = signatures()
    first: list[bool] = []
    for stack, version in sorted({(answer.stack, answer.version) for answer, _ in cases}):
        held_out = [(answer, seen) for answer, seen in cases if (answer.stack, answer.version) == (stack, version)]
        others = [seen for answer, seen in cases if answer.stack == stack and answer.version != version]
        if others:
            product = held_out[0][0].product
            known = {key: shown_by(one, product, others) for key, one in whole.by_key.items()}
            monkeypatch.setattr("probes.fingerprint.identify.signatures", partial(Signatures, known))
            ranked = [identify(seen).candidates for _, seen in held_out]
            first += [bool(candidates) and candidates[0].product == product for candidates in ranked]
    show(f"hidden banner, by what other versions show: ranked first in {share(sum(first), len(first))}")
    assert sum(first) >= 0.9 * len(first)


def shown_by(signature: Signature, product: str, seen: list[Evidence]) -> Signature:
    """A product's signature less the traits that none of these messages shows; other products' as they are."""
    if signature.product != product:
        return signature
    shapes = tuple(
        replace(shape, traits=tuple(trait for trait in shape.traits if is_shown(trait, seen)))
        for shape in signature.shapes
    )
    return replace(signature, shapes=shapes)


def is_shown(trait: Trait, seen: list[Evidence]) -> bool:
    return any(trait.pattern.fullmatch(one.get(trait.feature, "\0")) for one in seen)


def test_whatever_was_recorded_is_observed() -> None:
    for name, data in recorded():
        if not data.startswith(b"SIP/2.0 "):
            continue
        message = parse_message(data)
        assert isinstance(message, Response), name
        assert observe(message)["status-line"].startswith(str(message.status)), name
