"""What pings come to: counts, round trips that are none, and when it is told that a place answers again."""

from dataclasses import replace

from probes.ping.places import Places
from probes.ping.results import (
    MAX_COUNTED,
    TOO_SHORT,
    Connected,
    Counts,
    Disconnected,
    Happening,
    Late,
    Returned,
    Tally,
)
from probes.result import Reach
from sipcore.resolve.target import Hop, SocketAddress, Transport
from tests.probes.ping.values import BEGIN, TLS, UDP, answered, lost


def counted(*happenings: Happening, sent: int = 0) -> Tally:
    counts = Counts()
    for each in happenings:
        counts.take(each)
    return counts.tally(10.0, sent)


def returns(*happenings: Happening) -> list[Returned]:
    counts = Counts()
    return [told for each in happenings if (told := counts.take(each)) is not None]


def test_counts() -> None:
    tally = counted(
        answered(1),
        answered(2, 0.03),
        answered(3, 0.51, again=1),
        answered(4, status=503),
        lost(5),
        lost(6, Reach.REFUSED, again=0),
        lost(7),
        Late(BEGIN, 5, 4.2),
        Connected(BEGIN, TLS, 0.1),
        Disconnected(BEGIN, TLS, "the peer closed it"),
        sent=8,
    )
    assert (tally.answered, tally.lost, tally.awaited, tally.loss) == (4, 3, 1, 3 / 7)
    assert (tally.repeated, tally.retransmissions, tally.late) == (1, 7, 1)
    assert (tally.connections, tally.disconnections) == (1, 1)
    assert tally.statuses == ((200, "OK", 3), (503, "OK", 1))
    assert tally.reaches == ((Reach.NO_ANSWER, 2), (Reach.REFUSED, 1))
    assert tally.advice == "try TCP"


def test_a_request_that_was_repeated_has_no_round_trip() -> None:
    """Nobody knows which one was answered: half a second of waiting is not what the way takes."""
    assert (answered(1, 0.51, again=1).rtt, answered(1, 0.51, again=1).took) == (None, 0.51)
    spread = counted(answered(1, 0.01), answered(2, 0.51, again=1)).round_trips
    assert spread is not None
    assert (spread.count, spread.most) == (1, 0.01)


def test_an_answer_that_does_not_fit_was_not_got_by_repeating() -> None:
    """As a provisional one alone: the request is repeated whatever comes."""
    odd = answered(1, again=3)
    odd = replace(odd, attempt=replace(odd.attempt, rtt=None, detail="only a provisional answer came"))
    tally = counted(odd)
    assert (tally.answered, tally.repeated, tally.retransmissions) == (1, 0, 3)


def test_a_clock_that_is_set_back_makes_no_outage_less_than_nothing() -> None:
    back = replace(answered(4), at=BEGIN - 3600)
    assert returns(lost(2), lost(3), back) == [Returned(back.at, UDP, 0.0, 2)]


def test_where_all_answers_are_late_it_is_no_firewall() -> None:
    assert counted(lost(1), Late(BEGIN, 1, 5.0), lost(2)).advice == TOO_SHORT
    assert counted(lost(1), Late(BEGIN, 1, 5.0), answered(2), lost(3)).advice == lost(3).attempt.advice


def test_nothing_sent_is_nothing_lost() -> None:
    assert (counted().loss, counted().round_trips, counted(sent=1).awaited) == (0.0, None, 1)


def test_a_place_that_answers_again_is_told_with_what_was_lost() -> None:
    assert returns(answered(1), lost(2), lost(3), lost(4), answered(5)) == [Returned(BEGIN + 5, UDP, 3.0, 3)]


def test_one_that_is_lost_is_no_outage() -> None:
    assert returns(answered(1), lost(2), answered(3), lost(4), answered(5)) == []


def test_what_was_sent_before_the_answer_and_given_up_after_it_is_no_outage_either() -> None:
    """Pings are given up seconds after later ones may have been answered."""
    came_back = [lost(2), lost(3), answered(6), lost(4), lost(5), answered(7)]
    assert [each.lost for each in returns(answered(1), *came_back)] == [2]


def test_each_place_is_counted_by_itself() -> None:
    tally = counted(answered(1), lost(1, hop=TLS), answered(2), lost(2, hop=TLS))
    assert [(each.hop, each.answered, each.lost) for each in tally.places] == [(TLS, 0, 2), (UDP, 2, 0)]
    assert returns(lost(1, hop=TLS), answered(1), lost(2, hop=TLS), answered(2)) == []


def test_days_of_other_addresses_take_no_more_memory() -> None:
    hops = [Hop(Transport.UDP, SocketAddress("192.0.2.1", port)) for port in range(1000, 1200)]
    tally = counted(*(answered(number, hop=hop) for number, hop in enumerate(hops)))
    assert (tally.answered, len(tally.places)) == (200, MAX_COUNTED)
    assert tally.places[-1].hop == hops[-1]
    assert Places(hops).count < MAX_COUNTED
