"""The form of a trunk, there and back."""

from typing import Any

import pytest

from probes.trunks.model import (
    AlertTerms,
    Authentication,
    Credentials,
    Encryption,
    Failover,
    Gateway,
    HeaderRule,
    Inbound,
    Outbound,
    Secret,
    Trigger,
    Trunk,
)
from probes.web.pages.facts import groups_of
from probes.web.pages.form import FormError, TrunkForm, form_in, form_of, trunk_of, with_rows

WHOLE = Trunk(
    "id-1",
    "acme",
    "Carrier",
    "where calls go",
    "twilio",
    Inbound(
        Authentication.DIGEST,
        Credentials("us", Secret("inbound secret")),
        ("192.0.2.0/28", "198.51.100.7"),
        Encryption.REQUIRE,
        "sip:agent@example.com",
        (HeaderRule(key="X-A", value="a"),),
    ),
    Outbound(
        (
            Gateway.parse("tls://sbc1.example.com"),
            Gateway.parse("[2001:db8::1]:5070", 3),
            Gateway.parse("sbc3.example.com", 1),
        ),
        Credentials("them", Secret("outbound secret"), "example.com"),
        Encryption.DISABLE,
        (HeaderRule(key="X-B", value="b"),),
        Failover(True, frozenset({Trigger.TIMEOUT}), False),
        ("PCMU", "Opus"),
        alerts=AlertTerms(True, 5.0, 20.5, 60.0, None, True, False, "https://example.com/hook"),
    ),
    {"bland": {"agent": "a"}},
    revision=4,
)


def sent(form: TrunkForm, **changes: Any) -> dict[str, list[str]]:  # noqa: ANN401
    """What a browser sends of a form."""
    fields: dict[str, list[str]] = {}
    for name in TrunkForm.__dataclass_fields__:
        found = getattr(form, name)
        if isinstance(found, str):
            fields[name] = [found]
        elif found is True and not name.startswith("has_"):
            fields[name] = ["on"]
    fields |= {"gateway": [row.target for row in form.gateways], "priority": [row.priority for row in form.gateways]}
    fields |= {"codec": list(form.codecs), "trigger": list(form.triggers)}
    return fields | changes


@pytest.mark.parametrize("trunk", [WHOLE, Trunk(name="a", outbound=Outbound()), Trunk(name="b", inbound=Inbound())])
def test_a_form_that_is_sent_back_changes_nothing(trunk: Trunk) -> None:
    fields = sent(form_of(trunk))
    assert trunk_of(form_in(fields, form_of(trunk)), fields, trunk) == trunk


def test_no_secret_is_in_the_form_nor_in_what_is_shown() -> None:
    shown = f"{form_of(WHOLE)!r} {groups_of(WHOLE)!r}"
    for secret in ("inbound secret", "outbound secret", "example.com/hook"):
        assert secret not in shown
    assert "********" in shown


def test_a_password_is_kept_until_another_is_given() -> None:
    fields = sent(form_of(WHOLE), outbound_password=[" new secret "])
    made = trunk_of(form_in(fields, form_of(WHOLE)), fields, WHOLE)
    assert made.outbound is not None
    assert made.outbound.credentials == Credentials("them", Secret(" new secret "), "example.com")
    assert made.inbound == WHOLE.inbound
    fields = sent(form_of(WHOLE), outbound_username=[""])
    made = trunk_of(form_in(fields, form_of(WHOLE)), fields, WHOLE)
    assert made.outbound is not None
    assert made.outbound.credentials is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (True, False, "https://example.com/hook")),
        ({"webhook": ["https://example.org/new"]}, (True, False, "https://example.org/new")),
        ({"no_webhook": ["on"], "email": [], "sms": ["on"]}, (True, True, "")),
        ({"no_webhook": ["on"], "webhook": ["https://example.org/new"]}, (True, False, "https://example.org/new")),
    ],
)
def test_who_is_told_of_troubles(changes: dict[str, list[str]], expected: tuple[bool, bool, str]) -> None:
    fields = sent(form_of(WHOLE), **changes)
    made = trunk_of(form_in(fields, form_of(WHOLE)), fields, WHOLE)
    assert made.outbound is not None
    terms = made.outbound.alerts
    assert terms is not None
    assert (terms.email, terms.sms, terms.webhook) == expected


def test_the_first_webhook_is_enough_to_have_terms() -> None:
    trunk = Trunk(name="a", outbound=Outbound())
    fields = sent(form_of(trunk), webhook=["https://example.com/hook"])
    made = trunk_of(form_in(fields, form_of(trunk)), fields, trunk)
    assert made.outbound is not None
    assert made.outbound.alerts == AlertTerms(webhook="https://example.com/hook")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": [""]}, "name"),
        ({"gateway": ["a b", "ok.example.com"]}, "gateway-0"),
        ({"gateway": ["", "sip:user@ok.example.com"]}, "gateway-1"),
        ({"gateway": ["", "ok.example.com"], "priority": ["0", "first"]}, "priority-1"),
        ({"gateway": ["ok.example.com"], "priority": ["-1"]}, "priority-0"),
        ({"gateway": ["ok.example.com"], "priority": ["65536"]}, "priority-0"),
        ({"outbound_username": [""], "outbound_password": ["x"]}, "outbound_username"),
        ({"outbound_encryption": ["much"]}, "outbound_encryption"),
        ({"authentication": ["trust"]}, "authentication"),
        ({"failure_rate_percent": ["nan"]}, "failure_rate_percent"),
        ({"response_time_ms": ["-1"]}, "response_time_ms"),
    ],
)
def test_what_is_wrong_is_told_at_its_field(changes: dict[str, list[str]], field: str) -> None:
    fields = sent(form_of(WHOLE), **changes)
    with pytest.raises(FormError) as caught:
        trunk_of(form_in(fields, form_of(WHOLE)), fields, WHOLE)
    assert list(caught.value.errors) == [field]


def test_a_trunk_without_a_direction_is_none() -> None:
    fields = sent(form_of(WHOLE))
    del fields["outbound"], fields["inbound"]
    with pytest.raises(FormError, match="choose one"):
        trunk_of(form_in(fields, form_of(WHOLE)), fields, WHOLE)


def test_gateways_are_added_behind_the_others_and_removed() -> None:
    form = form_of(WHOLE)
    more = with_rows(form, "add")
    assert more is not None
    assert (more.gateways[-1].target, more.gateways[-1].priority) == ("", "4")
    less = with_rows(more, "remove-1")
    assert less is not None
    assert [row.target for row in less.gateways] == ["tls://sbc1.example.com", "sbc3.example.com", ""]
    assert with_rows(form, "save") is None
    assert with_rows(form, "remove-x") is None


def test_an_odd_form_is_read_within_limits() -> None:
    fields = {
        "gateway": ["x" * 10_000] * 1000,
        "name": ["n" * 10_000],
        "codec": ["PCMU", "nonsense"],
        "trigger": ["no"],
    }
    form = form_in(fields, TrunkForm())
    assert len(form.gateways) == 32
    assert len(form.name) == 2000
    assert (form.codecs, form.triggers) == (("PCMU",), ())
