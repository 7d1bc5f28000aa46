"""Diversion and History-Info."""

import pytest
from hypothesis import given

from sipcore.deviation import Deviation
from sipcore.message.address import Address
from sipcore.message.fields.diversion import Diversion, HistoryInfo
from sipcore.message.fields.reason import Reason
from sipcore.message.params import Params
from sipcore.message.uri import SipUri, TelUri
from tests.sipcore.message.fields.reading import addresses, assert_reads, assert_refuses, assert_survives

URI = SipUri("b", "a")


def test_diversion() -> None:
    items = (("reason", '"user-busy"'), ("counter", "2"), ("limit", "5"), ("privacy", "off"), ("screen", "yes"))
    read = Diversion(Address(URI, '"A"', Params(items)))
    assert_reads(Diversion.parse, '"A" <sip:a@b>;reason="user-busy";counter=2;limit=5;privacy=off;screen=yes', read)
    assert (read.reason, read.counter, read.limit, read.privacy, read.screen) == ("user-busy", 2, 5, "off", "yes")
    plain = Diversion(Address(URI))
    assert (plain.reason, plain.counter, plain.limit, plain.privacy, plain.screen) == (None,) * 5


def test_odd_diversion() -> None:
    bare = Diversion(Address(URI, "", Params((("reason", "away"),)), bracketed=False))
    assert_reads(Diversion.parse, "sip:a@b;reason=away", bare, [Deviation.ADDRESS_WITHOUT_BRACKETS])
    counted = Diversion(Address(URI, "", Params((("counter", "many"),))))
    assert_reads(Diversion.parse, "<sip:a@b>;counter=many", counted, [Deviation.ODD_PARAMETER_VALUE])
    assert_refuses(Diversion.parse, "a@b")


def test_history_info() -> None:
    read = HistoryInfo(Address(URI, "", Params((("index", "1.2.10"), ("rc", "1.2")))))
    assert_reads(HistoryInfo.parse, "<sip:a@b>;index=1.2.10;rc=1.2", read)
    assert (read.index, read.reason) == ("1.2.10", None)


def test_history_info_with_a_reason() -> None:
    read = HistoryInfo.parse("<sip:a@b?Privacy=history&reason=SIP%3Bcause%3D302>;index=1")
    assert read.reason is not None
    assert Reason.parse(read.reason).cause == 302
    assert HistoryInfo(Address(TelUri("+1"))).reason is None


@pytest.mark.parametrize("index", ["x", "1.", ".1", "1..2", '"1"'])
def test_odd_index(index: str) -> None:
    expected = HistoryInfo(Address(URI, "", Params((("index", index),))))
    assert_reads(HistoryInfo.parse, f"<sip:a@b>;index={index}", expected, [Deviation.ODD_PARAMETER_VALUE])


def test_history_info_without_index() -> None:
    assert_reads(HistoryInfo.parse, "<sip:a@b>", HistoryInfo(Address(URI)), [Deviation.NO_HISTORY_INDEX])
    assert_refuses(HistoryInfo.parse, "")


@given(addresses)
def test_survive(address: Address) -> None:
    assert_survives(Diversion.parse, Diversion(address))
    indexed = address.replace(params=address.params.replace("index", "1.1"))
    assert_survives(HistoryInfo.parse, HistoryInfo(indexed))
