"""URIs, addresses, parameters and Via: what is written reads back the same, and any text is a value or our error."""

from collections.abc import Callable

import pytest
from hypothesis import given

from sipcore.deviation import Notes
from sipcore.errors import ParseError
from sipcore.grammar import split_list
from sipcore.message.address import Address
from sipcore.message.equivalence import equivalent
from sipcore.message.fields.simple import CSeq
from sipcore.message.fields.via import Via
from sipcore.message.params import Params
from sipcore.message.uri import Uri, parse_uri
from tests.property.strategies import addresses, cseqs, generic_params, near_texts, uri_params, uris, vias


@given(uris)
def test_uris(uri: Uri) -> None:
    assert parse_uri(str(uri)) == uri
    assert equivalent(parse_uri(str(uri)), uri)


@given(generic_params)
def test_generic_parameters(params: Params) -> None:
    assert Params.parse(str(params)) == params


@given(uri_params)
def test_uri_parameters(params: Params) -> None:
    assert Params.parse_uri(str(params)) == params


@given(addresses)
def test_addresses(address: Address) -> None:
    assert Address.parse(str(address)) == address
    assert split_list(f"{address}, {address}") == [str(address)] * 2


@given(vias)
def test_vias(via: Via) -> None:
    assert Via.parse(str(via)) == via


@given(cseqs)
def test_cseqs(cseq: CSeq) -> None:
    assert CSeq.parse(str(cseq)) == cseq


def check_place(error: ParseError, text: str) -> None:
    assert error.section
    assert 0 <= error.offset <= len(text)
    assert error.text in text


@pytest.mark.parametrize("parse", [parse_uri, Address.parse, Via.parse, Params.parse_uri, CSeq.parse])
@given(text=near_texts)
def test_any_text_is_a_value_or_our_error_and_a_value_reads_back(
    parse: Callable[[str, Notes | None], object], text: str
) -> None:
    notes: Notes = []
    try:
        read = parse(text, notes)
    except ParseError as error:
        check_place(error, text)
        return
    again: Notes = []
    assert parse(str(read), again) == read
    try:
        strict = parse(text, None)
    except ParseError:
        assert notes
    else:
        assert strict == read
        assert not notes
