"""What a number leaves open, and its trunk fills."""

from dataclasses import replace

import pytest

from probes.trunks.model import (
    AlertTerms,
    Authentication,
    Credentials,
    Encryption,
    Gateway,
    HeaderRule,
    Inbound,
    Number,
    Outbound,
    Secret,
    Trunk,
)

ASKED = Inbound(
    Authentication.DIGEST, Credentials("u", Secret("p")), headers=(HeaderRule(key="X-Case", value="X-Case"),)
)
TERMS = AlertTerms(is_enabled=True)
SHARED = Outbound((Gateway("a"),), Credentials("u", Secret("p")), alerts=TERMS)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (None, SHARED),
        (Outbound(), SHARED),
        (Outbound(codecs=("PCMA",)), replace(SHARED, codecs=("PCMA",))),
        (Outbound((Gateway("b"),)), replace(SHARED, gateways=(Gateway("b"),), credentials=None)),
        (Outbound(encryption=Encryption.DISABLE), replace(SHARED, encryption=Encryption.DISABLE)),
    ],
)
def test_what_a_number_leaves_open_is_its_trunks(own: Outbound | None, expected: Outbound) -> None:
    assert Number(outbound=own).outbound_by(Trunk(outbound=SHARED)) == expected
    assert Number(outbound=own).outbound_by(Trunk()) == own


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (None, ASKED),
        (Inbound(), ASKED),
        (Inbound(allowed_addresses=("192.0.2.1",)), {"allowed_addresses": ("192.0.2.1",)}),
        (Inbound(Authentication.REGISTER, Credentials("pbx")), {"authentication": Authentication.REGISTER}),
    ],
)
def test_likewise_for_calls_that_come_in(own: Inbound | None, expected: Inbound | dict[str, object]) -> None:
    found = Number(inbound=own).inbound_by(Trunk(inbound=ASKED))
    assert found is not None
    if isinstance(expected, dict):
        assert {key: getattr(found, key) for key in expected} == expected
        assert own is not None
        assert (found.credentials, found.headers) == (own.credentials, ASKED.headers)
    else:
        assert found == expected
