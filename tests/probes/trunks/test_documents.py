"""Trunks and numbers as JSON, and back."""

import json

import pytest
from hypothesis import given

from probes.trunks.documents import MAX_DEPTH, Document, document_of, number_of, trunk_of
from probes.trunks.model import AlertTerms, Credentials, Gateway, Json, Number, Outbound, Secret, Trunk
from sipcore.errors import LocalError
from tests.probes.trunks.samples import some_numbers, trunks


def through_json(document: Document) -> Document:
    return Document(json.loads(json.dumps(document.data)), json.loads(json.dumps(document.secrets)))


@given(trunks)
def test_any_trunk_comes_back(trunk: Trunk) -> None:
    assert trunk_of(through_json(document_of(trunk))) == trunk


@given(some_numbers)
def test_any_number_comes_back(number: Number) -> None:
    assert number_of(through_json(document_of(number))) == number


def test_secrets_stand_apart() -> None:
    extras: dict[str, Json] = {"watsonx": {"api/key": Secret("k1"), "list": [{"~": Secret("k2")}], "plain": "shown"}}
    outbound = Outbound(credentials=Credentials("u", Secret("pw")), alerts=AlertTerms(webhook="https://hook"))
    document = document_of(Trunk(name="x", outbound=outbound, extras=extras))
    assert document.secrets == {
        "/outbound/credentials/password": "pw",
        "/outbound/alerts/webhook": "https://hook",
        "/extras/watsonx/api~1key": "k1",
        "/extras/watsonx/list/0/~0": "k2",
    }
    text = json.dumps(document.data)
    assert not any(secret in text for secret in document.secrets.values())
    assert "shown" in text
    assert "https://hook" not in repr(document)


def test_what_rows_are_found_by_is_no_part_of_it() -> None:
    document = document_of(Number("id", "acme", "2001", trunk_id="t", created_at=1.0, revision=3))
    assert sorted(document.data) == ["extras", "inbound", "label", "outbound"]


def test_field_that_an_older_version_did_not_have_has_its_default() -> None:
    found = trunk_of(Document({"name": "x", "outbound": {"gateways": [{"host": "gw"}]}}, {}))
    assert found == Trunk(name="x", outbound=Outbound((Gateway("gw"),)))


def test_what_is_no_json_is_refused() -> None:
    deep: Json = None
    for _ in range(MAX_DEPTH):
        deep = [deep]
    with pytest.raises(LocalError, match=f"lists and objects more than {MAX_DEPTH} deep"):
        document_of(Trunk(extras={"bland": deep}))
    for odd, name in ((object(), "object"), ({1: 2}, "dict"), (b"", "bytes")):
        with pytest.raises(LocalError, match=f"JSON has nothing for a {name}"):
            document_of(Trunk(extras={"bland": odd}))  # type: ignore[dict-item]
