"""By what the book finds a call, and until when; which call is due, and when somebody has to look again."""

from dataclasses import dataclass
from typing import Any, cast

from sipcore.callbook import MAX_STALE, Call, CallBook, ReceivedCall
from sipcore.transactions.key import AnyServerKey, ServerKey
from sipcore.transactions.timers import NEVER
from tests.sipcore.wire import Wire

FAR = 2.0**31
"""Half of the longest session that Session-Expires can ask for (RFC 4028 §4)."""


@dataclass
class Machine:
    """The part of a call's machine that the book asks."""

    at: float = NEVER

    def next_timeout(self) -> float:
        return self.at


def entered(book: CallBook, at: float) -> Call:
    """One more call, which wants to be woken at `at`."""
    call = Call(book.next_number(), cast("Any", Machine(at)), "alice")
    book.add(call)
    book.schedule(call)
    return call


def test_a_book_without_calls_waits_for_nothing() -> None:
    book = CallBook()
    assert book.next_timeout() is None
    assert book.pop_due(FAR) is None


def test_the_first_call_that_is_due_comes_first_and_once() -> None:
    book = CallBook()
    late, early = entered(book, 5.0), entered(book, 2.0)
    assert book.next_timeout() == 2.0
    assert book.pop_due(5.0) is early
    assert book.pop_due(5.0) is late
    assert book.pop_due(5.0) is None
    assert book.next_timeout() is None


def test_nobody_waits_for_a_call_that_is_over() -> None:
    book = CallBook()
    call = entered(book, FAR)
    book.remove(call)
    assert book.next_timeout() is None


def test_a_call_that_is_due_earlier_is_waited_for_once() -> None:
    book = CallBook()
    call = entered(book, FAR)
    cast("Machine", call.machine).at = 1.0
    book.schedule(call)
    assert book.next_timeout() == 1.0
    assert book.pop_due(1.0) is call
    assert book.next_timeout() is None


def test_calls_that_are_over_leave_no_more_than_a_few_timers() -> None:
    book = CallBook()
    staying = entered(book, 1.0)
    for _ in range(10 * MAX_STALE):
        book.remove(entered(book, FAR))
    assert len(book._heap) <= 2 * len(book) + MAX_STALE
    assert book.pop_due(FAR) is staying


def received(book: CallBook, key: AnyServerKey) -> ReceivedCall:
    call = ReceivedCall(book.next_number(), cast("Any", Machine()), "bob", None, key)
    book.add(call)
    return call


def key(branch: str) -> AnyServerKey:
    return ServerKey(branch, "192.0.2.1:5060", "INVITE")


def test_a_call_is_found_by_its_invite_and_by_what_is_asked_in_it() -> None:
    book = CallBook()
    call = received(book, key("first"))
    for branch in ("second", "third"):
        book.ask(call, key(branch), Wire().request("INFO"))
    book.answered(key("second"))
    assert book.by_key == {key("first"): call, key("third"): call}
    book.remove(call)
    assert book.by_key == {}


def test_an_invite_that_comes_again_belongs_to_the_call_that_it_began_last() -> None:
    """Its first server transaction is over by then, or it would have been a retransmission (RFC 3261 §17.2.3)."""
    book = CallBook()
    first, second = received(book, key("same")), received(book, key("same"))
    book.remove(first)
    assert book.by_key == {key("same"): second}
