"""What is known of the places of one discovery while they are tried."""

import pytest

from probes.discovery import candidates as of_places
from probes.discovery.candidates import Candidate
from probes.discovery.places import Places, is_silent
from probes.result import Reach
from tests.probes.discovery.attempts import ANY_URI, answered, failed, hop

UDP, TCP, OTHER = "udp 192.0.2.1:5060", "tcp 192.0.2.1:5060", "udp 192.0.2.1:5080"


def candidate(where: str = UDP, *, published: bool = False) -> Candidate:
    return Candidate(hop(where), ANY_URI, published)


@pytest.mark.parametrize("reach", list(Reach))
def test_silence_is_no_answer_and_an_open_connection_without_one(reach: Reach) -> None:
    assert is_silent(failed(UDP, reach)) is (reach in (Reach.NO_ANSWER, Reach.SILENT))


def test_a_place_is_begun_once() -> None:
    places = Places()
    assert not places.is_tried(candidate().key)
    assert places.begin(candidate())
    assert not places.begin(candidate(published=True))
    assert places.is_tried(candidate().key)
    assert places.attempt(candidate().key) is None


def test_what_dns_names_finds_room_where_guesses_find_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_places, "MAX_GUESSED", 1)
    monkeypatch.setattr(of_places, "MAX_CANDIDATES", 2)
    places = Places()
    assert places.begin(candidate("udp 192.0.2.1:1"))
    assert not places.begin(candidate("udp 192.0.2.1:2"))
    assert not places.is_tried(candidate("udp 192.0.2.1:2").key)
    assert places.begin(candidate("udp 192.0.2.1:3", published=True))
    assert not places.begin(candidate("udp 192.0.2.1:4", published=True))


def test_attempts_are_kept_in_the_order_in_which_they_were_begun() -> None:
    places, udp, tcp, other = Places(), candidate(UDP), candidate(TCP), candidate(OTHER)
    for one in (udp, tcp, other):
        places.begin(one)
    assert places.attempts == []
    assert places.without_a_word == [udp.key, tcp.key, other.key]
    refused, alive, silent = failed(OTHER, Reach.REFUSED), answered(UDP), failed(TCP, Reach.SILENT)
    places.end(other, refused)
    assert [places.is_answered, places.attempts] == [False, [refused]]
    places.end(udp, alive)
    assert [places.is_answered, places.attempts] == [True, [alive, refused]]
    assert places.at(tcp.hop.remote) == [alive]
    assert places.without_a_word == [tcp.key]
    places.end(tcp, silent)
    assert places.attempt(tcp.key) is silent
    assert places.at(tcp.hop.remote) == [alive, silent]
    assert places.without_a_word == [tcp.key]
