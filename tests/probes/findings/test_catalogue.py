"""The catalogue of findings: what is installed is whole, what is wrong is refused, findings are made and ordered."""

import pytest

from probes.checks.tls_judge import Remark
from probes.findings.catalogue import AREAS, catalogue, read
from probes.findings.finding import Finding, Severity, Side, worst
from probes.fingerprint.signatures import signatures
from sipcore.errors import LocalError
from sipcore.transports.tls_failure import TlsProblem

ONE = """
[odd]
severity = "warning"
side = "peer"
title = "it is odd"
why = "It matters."
cure = "make it even"
rule = "RFC 3261 §1"

[odd.cures]
Acme = "set even=yes"

[worse]
severity = "error"
side = "network"
title = "it is worse"
why = "It matters more."
cure = "repair it"
rule = "RFC 3261 §2"
"""
KNOWN = read({"discovery": ONE})


def test_what_is_installed_is_whole() -> None:
    entries = catalogue().entries
    assert {"dns", "tls", "discovery"} <= {entry.area for entry in entries.values()}
    for entry in entries.values():
        assert entry.rule.startswith("RFC "), entry.code
        assert entry.why.endswith("."), entry.code
        assert not entry.cure.endswith("."), entry.code
        assert not entry.title.endswith("."), entry.code


def test_areas_come_in_their_order() -> None:
    areas = list(dict.fromkeys(entry.area for entry in catalogue().entries.values()))
    assert areas == [area for area in AREAS if area in areas] + [area for area in areas if area not in AREAS]


@pytest.mark.parametrize("problem", [*TlsProblem, *Remark], ids=lambda problem: problem.name)
def test_every_problem_of_tls_has_an_entry(problem: TlsProblem | Remark) -> None:
    entry = catalogue()[f"tls-{problem.name}"]
    assert entry.area == "tls"
    if isinstance(problem, TlsProblem):  # the engine has no catalogue, and says the same
        assert (entry.title, entry.cure) == (problem.text, problem.advice)


def test_a_finding_has_severity_side_cure_and_rule_from_the_catalogue() -> None:
    finding = KNOWN.finding("odd", "3 is odd", ["3 came"], systems=["Other", "ACME"])
    expected = Finding("odd", Severity.WARNING, Side.PEER, "3 is odd", ("3 came",), "set even=yes", "RFC 3261 §1")
    assert finding == expected
    assert str(finding) == "warning odd: 3 is odd"
    assert KNOWN.finding("odd", "", systems=["Other"]).cure == "make it even"
    assert KNOWN.finding("worse", "", severity=Severity.NOTICE).severity is Severity.NOTICE


def test_the_worst_comes_first_and_each_once() -> None:
    odd, worse, mild = (
        KNOWN.finding("odd", "a"),
        KNOWN.finding("worse", "b"),
        KNOWN.finding("worse", "c", severity=Severity.WARNING),
    )
    assert KNOWN.ranked([mild, odd, worse, odd]) == (worse, odd, mild)
    assert (worst([odd, worse]), worst([])) == (Severity.ERROR, None)


@pytest.mark.parametrize("code", ["Dns_Srv_Nowhere", "dns srv nowhere", "DNS-SRV-NOWHERE"])
def test_codes_are_found_however_they_are_written(code: str) -> None:
    assert catalogue()[code].code == "dns-srv-nowhere"


@pytest.mark.parametrize(("code", "meant"), [("sip-alk", "sip-alg"), ("expired", "tls-expired"), ("zzz", ""), ("", "")])
def test_an_unknown_code_suggests_others(code: str, meant: str) -> None:
    with pytest.raises(LocalError) as caught:
        catalogue()[code]
    assert meant in caught.value.message
    assert ("perhaps" in caught.value.message) is bool(meant)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[", "no TOML"),
        ("odd = 1", "needs"),
        (ONE.replace("[odd]", "[Odd]").replace("[odd.cures]", "[Odd.cures]"), "lower case"),
        (ONE.replace('cure = "repair it"', ""), "needs"),
        (ONE.replace('"peer"', '"moon"'), "moon is none of peer"),
        (ONE.replace('"error"', '"fatal"'), "fatal is none of error"),
        (ONE.replace('"it is odd"', '" "'), "none of them empty"),
        (ONE.replace('"it is odd"', "3"), "none of them empty"),
        (ONE.replace('"set even=yes"', "3"), "by the name of a product"),
        (ONE + "\nmore = 1", "needs"),
    ],
)
def test_what_is_wrong_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(LocalError, match=complaint):
        read({"discovery": text})


def test_a_code_stands_in_one_area_only() -> None:
    with pytest.raises(LocalError, match="odd stands in tls and in dns"):
        read({"dns": ONE, "tls": ONE})


def test_cures_are_for_products_that_are_recognised() -> None:
    """A name that discovery never gives is a cure that nobody ever reads."""
    known = {signature.product.lower() for signature in signatures().by_key.values()}
    for entry in catalogue().entries.values():
        for name in entry.cures:
            assert any(f"{name.lower()} ".startswith(f"{product} ") for product in known), (entry.code, name)


def test_cures_in_the_words_of_one_channel_of_asterisk_are_not_told_of_the_other() -> None:
    for entry in catalogue().entries.values():
        assert "pjsip" not in entry.cure_for("Asterisk chan_sip", "Asterisk"), entry.code


def test_no_finding_says_its_cure_twice() -> None:
    for entry in catalogue().entries.values():
        assert entry.cure not in entry.title, entry.code
        assert len(entry.cure.split()) > 1, entry.code
