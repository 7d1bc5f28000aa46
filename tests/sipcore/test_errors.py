"""Errors say whose fault it is, which rule was broken, and where."""

import contextlib
import copy
import pickle
from collections.abc import Callable, Iterator

import pytest

from sipcore.errors import (
    EXCERPT_CHARACTERS,
    FailureReason,
    LimitExceeded,
    LocalError,
    NotAllowed,
    ParseError,
    RemoteError,
    SipError,
    TransportFailure,
    UnsafeValue,
    encodable,
    quoted,
)


def test_whose_fault() -> None:
    assert issubclass(ParseError, RemoteError)
    assert issubclass(LimitExceeded, ParseError)
    assert issubclass(UnsafeValue, LocalError)
    assert issubclass(TransportFailure, RemoteError)
    assert not issubclass(LocalError, RemoteError)


def test_every_error_names_its_rule() -> None:
    error = LocalError("no", section="RFC 3261 §1")
    assert (error.message, error.section, str(error)) == ("no", "RFC 3261 §1", "no [RFC 3261 §1]")
    failure = TransportFailure(FailureReason.REFUSED, "nobody there")
    assert (failure.reason, failure.section) == (FailureReason.REFUSED, "RFC 3261 §18.4")


def test_what_is_kept_leads_to_no_frame() -> None:
    def fail() -> None:
        try:
            int("x")
        except ValueError as error:
            raise LocalError("not a number", section="RFC 3261 §25.1") from error

    with pytest.raises(LocalError) as caught:
        fail()
    kept = caught.value.kept()
    assert kept is caught.value
    assert isinstance(kept.__cause__, ValueError)  # which is still told
    assert kept.__traceback__ is None
    assert kept.__cause__.__traceback__ is None


def test_keeping_an_error_changes_nothing_of_what_somebody_else_handles() -> None:
    """One failure is told to many, and each raises it in the middle of something else."""
    failure = TransportFailure(FailureReason.REFUSED, "nobody there")
    with pytest.raises(ValueError, match="x") as theirs:
        int("x")
    failure.__context__ = theirs.value  # as Python sets it
    failure.kept()
    assert theirs.value.__traceback__ is not None
    assert failure.__context__ is None


ERRORS = [
    LocalError("no", section="RFC 3261 §1"),
    UnsafeValue("a value holds CR", section="RFC 3261 §7.3.1"),
    ParseError("not a port", section="RFC 3261 §25.1", text="sip:a:b", offset=6, header="To", position=9, status=416),
    LimitExceeded("too many", section="RFC 3261 §7.3.1", status=513),
    TransportFailure(FailureReason.REFUSED, "nobody there"),
    NotAllowed("udp 10.0.0.1:5060", "it is private"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("anew", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
def test_an_error_can_be_copied_and_handed_to_another_process(
    anew: Callable[[SipError], SipError], error: SipError
) -> None:
    """A pool of processes hands on what is raised in one of them, and breaks over what cannot be read there."""
    other = anew(error)
    assert type(other) is type(error)
    assert (str(other), vars(other), other.args) == (str(error), vars(error), error.args)


def test_a_parse_error_shows_what_offends() -> None:
    error = ParseError("not a port", section="RFC 3261 §25.1", text="sip:a:b", offset=6)
    assert (error.excerpt, error.offending_bytes, error.status) == ("b", b"b", 400)
    assert str(error) == "not a port at 6: 'b' [RFC 3261 §25.1]"


def test_the_excerpt_is_short_and_never_empty_while_there_is_text() -> None:
    assert ParseError("x", section="s", text="a" * 1000).excerpt == "a" * EXCERPT_CHARACTERS
    assert ParseError("ends too early", section="s", text="abc", offset=3).excerpt == "abc"
    assert ParseError("missing", section="s").excerpt == ""


def test_bytes_that_are_not_utf8_are_shown_as_they_came() -> None:
    text = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert ParseError("x", section="s", text=text, offset=3).offending_bytes == b"\xe9"


BYTES = b"caf\xe9 \xc3\xa9\\udce9'\n".decode("utf-8", "surrogateescape")


def test_text_that_is_not_unicode_is_made_so() -> None:
    assert encodable(BYTES) == "caf\\xe9 é\\udce9'\n"
    assert encodable("\ud800é") == "\\ud800é"
    assert encodable("caf") == "caf"


def test_a_quoted_text_tells_bytes_from_characters() -> None:
    assert quoted(BYTES) == r'''"caf\xe9 é\\udce9'\n"'''
    assert quoted("\u202e\x1b") == r"'\u202e\x1b'"
    assert quoted("") == "''"


def test_what_an_error_says_is_unicode() -> None:
    error = ParseError("not caf\udce9", section="RFC 3261 §25.1", text="\udce9", header="To")
    assert (error.message, error.args) == (r"not caf\xe9", (r"not caf\xe9",))
    assert str(error) == r"To: not caf\xe9 at 0: '\xe9' [RFC 3261 §25.1]"
    assert error.offending_bytes == b"\xe9"


def test_an_error_without_text_shows_none() -> None:
    assert str(ParseError("missing", section="RFC 3261 §8.1.1", header="Via")) == "Via: missing [RFC 3261 §8.1.1]"


def test_within_tells_the_same_error_from_further_out() -> None:
    inner = LimitExceeded("too much", section="RFC 3261 §8.2.2.1", text="host", offset=1, status=414)
    outer = inner.within("To", 5, "<sip:host>")
    assert isinstance(outer, LimitExceeded)
    assert (outer.header, outer.text, outer.offset, outer.status) == ("To", "<sip:host>", 6, 414)
    assert outer.excerpt == "ost>"
    assert str(outer) == "To: too much at 6: 'ost>' [RFC 3261 §8.2.2.1]"
    outermost = outer.within(position=120)
    assert (outermost.header, outermost.position) == ("To", 120)
    assert str(outermost) == "To: too much at byte 120: 'ost>' [RFC 3261 §8.2.2.1]"


def test_within_changes_nothing_it_is_not_told() -> None:
    error = ParseError("x", section="s", text="abc", offset=1, header="Via", position=9, status=505)
    assert vars(error.within()) == vars(error)


@contextlib.contextmanager
def passing() -> Iterator[None]:
    yield


@pytest.mark.parametrize("error", [SipError("x", section="s"), ParseError("x", section="s")])
def test_errors_pass_through_context_managers(error: SipError) -> None:
    """A frozen dataclass would fail here: the context manager sets the traceback."""
    with pytest.raises(type(error)), passing():
        raise error
