"""Replaces, Join and Target-Dialog."""

import pytest
from hypothesis import given

from sipcore.deviation import Deviation
from sipcore.message.fields.dialog_reference import Replaces, TargetDialog
from sipcore.message.params import Params
from sipcore.message.uri import parse_uri
from tests.sipcore.message.fields.reading import assert_reads, assert_refuses, assert_survives, params, tokens


def test_replaces() -> None:
    read = Replaces("12@example.com", Params((("to-tag", "a"), ("from-tag", "b"), ("early-only", None))))
    assert_reads(Replaces.parse, "12@example.com;to-tag=a;from-tag=b;early-only", read)
    assert (read.to_tag, read.from_tag, read.early_only) == ("a", "b", True)
    assert not Replaces("12").early_only


def test_replaces_out_of_a_uri() -> None:
    uri = parse_uri("sip:b@example.com?Replaces=1%402%3Bto-tag%3Da%3Bfrom-tag%3Db")
    (_, content) = uri.header_items()[0]  # type: ignore[union-attr]  # it is a SipUri
    assert Replaces.parse(content) == Replaces("1@2", Params((("to-tag", "a"), ("from-tag", "b"))))


def test_target_dialog() -> None:
    read = TargetDialog("12", Params((("local-tag", "a"), ("remote-tag", "b"))))
    assert_reads(TargetDialog.parse, "12;local-tag=a;remote-tag=b", read)
    assert (read.local_tag, read.remote_tag) == ("a", "b")


@pytest.mark.parametrize("items", [(), (("to-tag", "a"),), (("from-tag", "b"), ("to-tag", None))])
def test_tags_that_are_missing(items: tuple[tuple[str, str | None], ...]) -> None:
    found = Params(items)
    assert_reads(Replaces.parse, f"12{found}", Replaces("12", found), [Deviation.NO_DIALOG_TAGS])
    assert_reads(TargetDialog.parse, f"12{found}", TargetDialog("12", found), [Deviation.NO_DIALOG_TAGS])


@pytest.mark.parametrize(
    "text", ["", ";to-tag=a;from-tag=b", "1 2;to-tag=a;from-tag=b", "1;to-tag=a;TO-tag=b;from-tag=c"]
)
def test_refuse(text: str) -> None:
    assert_refuses(Replaces.parse, text)


@given(tokens, tokens, tokens, params)
def test_survive(call_id: str, first: str, second: str, others: Params) -> None:
    tags = (("to-tag", first), ("from-tag", second))
    assert_survives(Replaces.parse, Replaces(call_id, Params((*tags, *others.items))))
    tags = (("remote-tag", first), ("local-tag", second))
    assert_survives(TargetDialog.parse, TargetDialog(call_id, Params((*others.items, *tags))))
