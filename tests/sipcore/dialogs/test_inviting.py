"""Where an INVITE goes after it was refused, and as what (RFC 3261 §8.1.3.4, §21.6, RFC 4028 §7.3)."""

import pytest

from sipcore.dialogs.inviting import Inviting
from sipcore.message.build import Fields
from sipcore.message.build import response as build_response
from sipcore.message.message import Response
from tests.sipcore.wire import BOB, Wire, description

CONTACTS: Fields = [("Contact", f"<sip:carol@{BOB}>, <sip:dave@{BOB}>")]


def inviting(redirects: int = 3) -> Inviting:
    return Inviting(Wire().request("INVITE", description(BOB), "application/sdp"), redirects)


def refusal(status: int, fields: Fields = ()) -> Response:
    return build_response(Wire().request("INVITE"), status, tag="b1", fields=fields)


@pytest.mark.parametrize(
    ("redirects", "responses", "targets"),
    [
        (3, [refusal(302, CONTACTS)], [f"sip:carol@{BOB}"]),
        (3, [refusal(302, CONTACTS), None], [f"sip:carol@{BOB}", f"sip:dave@{BOB}"]),
        (3, [refusal(302, CONTACTS), refusal(486), None], [f"sip:carol@{BOB}", f"sip:dave@{BOB}", None]),
        (3, [refusal(302, CONTACTS), refusal(603)], [f"sip:carol@{BOB}", None]),
        (3, [refusal(486, CONTACTS)], [None]),
        (3, [None], [None]),
        (1, [refusal(302, CONTACTS), refusal(486)], [f"sip:carol@{BOB}", None]),
        (0, [refusal(302, CONTACTS)], [None]),
    ],
)
def test_where_it_goes_next(redirects: int, responses: list[Response | None], targets: list[str | None]) -> None:
    invite = inviting(redirects)
    found = [(invite.moves_on(response), invite.onward) for response in responses]
    assert [str(onward.uri) if onward else None for _, onward in found] == targets
    assert [moves for moves, _ in found] == [target is not None for target in targets]


def test_elsewhere_it_has_no_credentials() -> None:
    """RFC 3261 §22.1: they were for the server that it was sent to before."""
    invite = inviting()
    invite.invite = invite.invite.with_header("Authorization", 'Digest username="alice"')
    assert invite.moves_on(refusal(302, CONTACTS))
    again = invite.again(7)
    assert (str(again.target), again.invite.cseq.number) == (f"sip:carol@{BOB}", 7)
    assert "Authorization" not in again.invite.headers
    assert again.invite is invite.invite


def test_a_longer_session_is_asked_for_where_it_went_last() -> None:
    invite = inviting()
    assert invite.moves_on(refusal(302, CONTACTS))
    invite.again(2)
    assert invite.is_too_short(refusal(422, [("Min-SE", 3600)]))
    again = invite.again(3)
    assert again.target is None
    assert again.invite.uri_text == f"sip:carol@{BOB}"
    assert again.invite.headers.get("Session-Expires") == "3600"


def test_an_interval_that_cannot_be_read_is_none() -> None:
    """Its owner may well want to see what a peer makes of that."""
    invite = inviting()
    invite.invite = invite.invite.with_header("Session-Expires", "soon")
    assert invite.is_too_short(refusal(422, [("Min-SE", 3600)]))
    assert invite.again(2).invite.headers.get("Session-Expires") == "3600"


@pytest.mark.parametrize(("status", "fields"), [(422, ()), (486, [("Min-SE", 3600)])])
def test_other_refusals_ask_for_no_longer_session(status: int, fields: Fields) -> None:
    assert not inviting().is_too_short(refusal(status, fields))
