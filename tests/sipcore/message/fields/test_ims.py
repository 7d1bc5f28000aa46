"""What networks of the 3GPP tell each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.message.fields.ims import AccessNetworkInfo, ChargingFunctions, ChargingVector, VisitedNetwork
from sipcore.message.params import Params
from tests.sipcore.message.fields.reading import assert_reads, assert_refuses, assert_survives, params, quoted, tokens


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("IEEE-802.11", ()),
        ("3GPP-E-UTRAN;utran-cell-id-3gpp=2620100", (("utran-cell-id-3gpp", "2620100"),)),
        ('ADSL;dsl-location="a;b";network-provided', (("dsl-location", '"a;b"'), ("network-provided", None))),
        ('DSL;";";a-b.c1;rand=l', (('";"', None), ("a-b.c1", None), ("rand", "l"))),
        ("DSL;[2001:db8::1];x=[::1]", (("[2001:db8::1]", None), ("x", "[::1]"))),
    ],
)
def test_access_network_info(text: str, items: tuple[tuple[str, str | None], ...]) -> None:
    access = text.partition(";")[0]
    assert_reads(AccessNetworkInfo.parse, text, AccessNetworkInfo(access, Params(items)))


def test_access_network_info_with_spaces() -> None:
    read = AccessNetworkInfo("DSL", Params((("a", "b"), ("network-provided", None))))
    assert_reads(AccessNetworkInfo.parse, " DSL ; a = b ; network-provided ", read, written="DSL;a=b;network-provided")
    assert read.is_network_provided
    assert not AccessNetworkInfo("DSL").is_network_provided


@pytest.mark.parametrize("text", ["", ";a=b", "two words", "DSL;;a", "DSL;", "DSL;a=", "DSL;<a>", 'DSL;"a'])
def test_access_network_info_refuses(text: str) -> None:
    assert_refuses(AccessNetworkInfo.parse, text)


def test_charging_vector() -> None:
    text = 'icid-value="1234bc; 9876";icid-generated-at=192.0.2.8;orig-ioi=home1.example'
    items = (("icid-value", '"1234bc; 9876"'), ("icid-generated-at", "192.0.2.8"), ("orig-ioi", "home1.example"))
    assert_reads(ChargingVector.parse, text, ChargingVector(Params(items)))
    assert ChargingVector.parse(text).icid == "1234bc; 9876"


def test_charging_functions() -> None:
    text = "ccf=192.0.2.1;ccf=192.0.2.2;ecf=[2001:db8::1]"
    read = ChargingFunctions(Params((("ccf", "192.0.2.1"), ("ccf", "192.0.2.2"), ("ecf", "[2001:db8::1]"))))
    assert_reads(ChargingFunctions.parse, text, read)
    assert read.addresses("ccf") == ("192.0.2.1", "192.0.2.2")
    assert read.addresses("none") == ()


def test_charging_refuses() -> None:
    for text in ("", "orig-ioi=a", "icid-value", "icid-value=", 'icid-value="a'):
        assert_refuses(ChargingVector.parse, text)
    for text in ("", 'ccf="a', "a b"):
        assert_refuses(ChargingFunctions.parse, text)


def test_visited_network() -> None:
    assert_reads(VisitedNetwork.parse, "other.net", VisitedNetwork("other.net"))
    assert_reads(
        VisitedNetwork.parse, '"Visited network 1";x', VisitedNetwork('"Visited network 1"', Params((("x", None),)))
    )
    assert_refuses(VisitedNetwork.parse, "Visited network 1")


@given(
    st.builds(AccessNetworkInfo, tokens, params),
    tokens | quoted,
    params,
    st.builds(VisitedNetwork, tokens | quoted, params),
)
def test_survive(access: AccessNetworkInfo, icid: str, others: Params, network: VisitedNetwork) -> None:
    assert_survives(AccessNetworkInfo.parse, access)
    assert_survives(ChargingVector.parse, ChargingVector(Params((("icid-value", icid), *others.items))))
    assert_survives(ChargingFunctions.parse, ChargingFunctions(Params((("ccf", icid), *others.items))))
    assert_survives(VisitedNetwork.parse, network)
