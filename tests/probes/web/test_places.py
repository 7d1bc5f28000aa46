"""Where something is odd, in the words of the form."""

import html
from pathlib import Path

import pytest

from probes.trunks.model import AlertTerms, Credentials, Failover, Gateway, HeaderRule, Inbound, Outbound, Trunk
from probes.trunks.preflight import trunk_problems
from probes.web.pages.places import ALERTS, IN, LABELS, OUT, place_told

FORM = html.unescape((Path(__file__).parents[3] / "probes/web/templates/edit.html").read_text())


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("", ""),
        ("name", "Name"),
        ("outbound.gateways.0.host", "Calls that go out: Gateway 1"),
        ("outbound.gateways.1", "Calls that go out: Gateway 2"),
        ("outbound.gateways", "Calls that go out: Gateway"),
        ("outbound.credentials.password", "Calls that go out: Password"),
        ("inbound.credentials", "Calls that come in"),
        ("inbound.allowed_addresses.3", "Calls that come in: Allowed addresses"),
        ("outbound.alerts.webhook", "Alerts: Webhook"),
        ("outbound.headers.2.key", "Calls that go out: Header fields, which the API sets"),
        ("something.else", "something.else"),
    ],
)
def test_a_place_is_told_in_the_words_of_the_form(field: str, told: str) -> None:
    assert place_told(field) == told


def test_the_form_has_these_words() -> None:
    for label in LABELS.values():
        assert f'"{label}"' in FORM or f">{label}" in FORM, label
    for part in (OUT, IN, ALERTS):
        assert f"<legend>{part}</legend>" in FORM


def test_no_place_is_told_by_names_of_the_model() -> None:
    odd = Trunk(
        name="",
        description="\x00",
        inbound=Inbound(credentials=Credentials(""), allowed_addresses=("x",), forward_to="x y", codecs=("x",)),
        outbound=Outbound(
            gateways=(Gateway("localhost"), Gateway("a b", 5061), Gateway("sbc.lan", 0)),
            credentials=Credentials("", realm="\x00"),
            headers=(HeaderRule(key="Via", value="x"),),
            failover=Failover(is_enabled=True),
            codecs=("x",),
            alerts=AlertTerms(is_enabled=True, unreachable_minutes=-1.0, webhook="x"),
        ),
    )
    found = trunk_problems(odd)
    assert len({each.field for each in found}) > 10
    for each in found:
        told = place_told(each.field)
        assert told != each.field or not each.field, each
        assert "_" not in told
