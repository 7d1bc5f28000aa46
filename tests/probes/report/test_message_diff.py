"""What is told of two messages that differ."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.report.message_diff import HIDDEN_PART, Detail, Difference, Kind, differences
from probes.report.message_view import view_of
from tests.probes.report.messages import SECRETS, WITH_SECRETS, fixture

OPTIONS = fixture("options")


def diff(left: bytes, right: bytes) -> list[Difference]:
    return list(differences(view_of(left), view_of(right)))


def message(*fields: str) -> bytes:
    return "\r\n".join(["OPTIONS sip:a SIP/2.0", *fields, "", ""]).encode()


def test_nothing() -> None:
    assert diff(OPTIONS, OPTIONS) == []


def test_start_line() -> None:
    changed = OPTIONS.replace(b"sip:trunk.example.net SIP", b"sip:trunk.example.net;lr SIP")
    assert diff(OPTIONS, changed) == [
        Difference(
            Kind.CHANGED,
            "start line",
            "OPTIONS sip:trunk.example.net SIP/2.0",
            "OPTIONS sip:trunk.example.net;lr SIP/2.0",
            (Detail("URI lr", "", "present"),),
        )
    ]


def test_request_and_response() -> None:
    found = diff(OPTIONS, fixture("options_200"))
    assert found[0] == Difference(Kind.CHANGED, "start line", "OPTIONS sip:trunk.example.net SIP/2.0", "SIP/2.0 200 OK")


@pytest.mark.parametrize(
    ("left", "right", "found"),
    [
        (["Subject: a"], [], [Difference(Kind.REMOVED, "Subject", "Subject: a")]),
        ([], ["s: a"], [Difference(Kind.ADDED, "Subject", right="s: a")]),
        (["Subject: a"], ["Subject: b"], [Difference(Kind.CHANGED, "Subject", "Subject: a", "Subject: b")]),
        (["Subject: a"], ["s: a"], [Difference(Kind.SPELLED, "Subject", "Subject: a", "s: a")]),
        (["Subject: a"], ["Subject:  a"], [Difference(Kind.SPELLED, "Subject", "Subject: a", "Subject:  a")]),
        (["X-A: a"], ["x-a: a"], [Difference(Kind.SPELLED, "X-A", "X-A: a", "x-a: a")]),
        (
            ["Min-SE: 90;a=1"],
            ["Min-SE: 91;a=1;b"],
            [
                Difference(
                    Kind.CHANGED,
                    "Min-SE",
                    "Min-SE: 90;a=1",
                    "Min-SE: 91;a=1;b",
                    (Detail("seconds", "90", "91"), Detail("b", "", "present")),
                )
            ],
        ),
    ],
)
def test_one_field(left: list[str], right: list[str], found: list[Difference]) -> None:
    assert diff(message(*left), message(*right)) == found


def test_a_proxy_added_a_via() -> None:
    """The line that both have is known again, wherever it stands among those of its name."""
    left, right = message("Via: SIP/2.0/UDP b"), message("Via: SIP/2.0/UDP a", "Via: SIP/2.0/UDP b")
    assert diff(left, right) == [Difference(Kind.ADDED, "Via", right="Via: SIP/2.0/UDP a")]
    assert diff(right, left) == [Difference(Kind.REMOVED, "Via", "Via: SIP/2.0/UDP a")]


def test_only_what_moved_is_said_to_have_moved() -> None:
    names = ["Subject: 1", "Call-ID: 2", "Organization: 3", "Priority: 4", "Server: 5"]
    moved = [names[4], *names[:4]]
    assert diff(message(*names), message(*moved)) == [Difference(Kind.MOVED, "Server", "5", "1")]


@given(st.permutations([f"X-{number}: a" for number in range(8)]))
def test_moves_are_as_few_as_can_be(order: list[str]) -> None:
    found = diff(message(*[f"X-{number}: a" for number in range(8)]), message(*order))
    assert {difference.kind for difference in found} <= {Kind.MOVED}
    moved = {difference.where for difference in found}
    kept = [line.partition(":")[0] for line in order if line.partition(":")[0] not in moved]
    assert kept == sorted(kept)
    assert (not moved) == (order == sorted(order))


def test_body_line_by_line() -> None:
    left = fixture("invite")
    right = left.replace(b"a=ptime:20\r\n", b"").replace(b"RTP/AVP 8 0", b"RTP/AVP 8 9").replace(b"220", b"208")
    assert [(found.kind, found.left, found.right) for found in diff(left, right) if found.where == "body"] == [
        (Kind.CHANGED, "m=audio 49172 RTP/AVP 8 0 101", "m=audio 49172 RTP/AVP 8 9 101"),
        (Kind.REMOVED, "a=ptime:20", ""),
    ]


def with_body(body: bytes, media_type: str = "text/plain") -> bytes:
    fields = f"Content-Type: {media_type}\r\nContent-Length: {len(body)}".encode()
    return OPTIONS.replace(b"Content-Length: 0", fields) + body


@pytest.mark.parametrize(
    ("left", "right", "found"),
    [
        (b"a\r\n\r\nb\r\n", b"a\r\nb\r\n", [(Kind.REMOVED, "", "")]),
        (b"a\r\nb\r\n", b"a\r\n\r\nb\r\n", [(Kind.ADDED, "", "")]),
        (b"\xffa", b"\xffb", [(Kind.CHANGED, "2 bytes of text/plain", "2 bytes of text/plain")]),
        (b"\xffa", b"\xffa", []),
        (b"\xffa", b"", [(Kind.REMOVED, "2 bytes of text/plain", "")]),
        (b"", b"a", [(Kind.ADDED, "", "1 bytes of text/plain")]),
        (b"\xff", b"a", [(Kind.CHANGED, "1 bytes of text/plain", "1 bytes of text/plain")]),
    ],
)
def test_bodies(left: bytes, right: bytes, found: list[tuple[Kind, str, str]]) -> None:
    bodies = [each for each in diff(with_body(left), with_body(right)) if each.where == "body"]
    assert [(each.kind, each.left, each.right) for each in bodies] == found


def test_hidden_parts_differ_without_being_shown() -> None:
    changed = WITH_SECRETS.replace(SECRETS[1].encode(), b"f" * 32).replace(SECRETS[2].encode(), b"d" * len(SECRETS[2]))
    found = diff(WITH_SECRETS, changed)
    assert [each.where for each in found] == ["Authorization", "body"]
    assert [detail.label for each in found for detail in each.details] == [HIDDEN_PART, HIDDEN_PART]
    assert not [secret for secret in SECRETS if secret in repr(found)]


def test_time_is_bounded() -> None:
    """A thousand lines that alternate are the worst that the comparison of bodies can meet."""
    left, right = b"x\n" * 1000, b"x\ny\n" * 500
    assert diff(with_body(left), with_body(right))
