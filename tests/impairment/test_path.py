"""One way: each impairment by itself, and what the seed decides."""

import pytest

from tests.impairment.path import Departure, Impairment, Path

MANY = 20_000
SIZE = 500


def path(seed: str = "1", **impairment: float) -> Path:
    return Path(seed, Impairment(**impairment))  # type: ignore[arg-type]  # `blocked` is no number, and not given here


def dues(way: Path, count: int, every: float = 0.001) -> list[list[float]]:
    return [[departure.due for departure in way.offer(SIZE, number * every)] for number in range(count)]


def emptied(way: Path, count: int, every: float = 0.001) -> None:
    """Offer packets, and have all that is not dropped leave in the order in which it is due."""
    departures = [one for number in range(count) for one in way.offer(SIZE, number * every)]
    for departure in sorted(departures, key=lambda one: one.due):
        way.leave(departure)


def test_a_perfect_wire() -> None:
    way = path()
    assert way.offer(SIZE, 1.5) == [Departure(1.5, 1)]
    assert (way.statistics.offered, way.statistics.octets, way.statistics.loss) == (1, SIZE, 0.0)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_loss_is_what_was_asked_for(share: float) -> None:
    way = path(loss=share)
    empty = sum(not times for times in dues(way, MANY))
    assert empty == way.statistics.lost
    assert way.statistics.loss == pytest.approx(share, abs=5 * (share * (1 - share) / MANY) ** 0.5)


def test_duplication_is_what_was_asked_for() -> None:
    way = path(duplication=0.05, loss=0.1)
    twice = sum(len(times) == 2 for times in dues(way, MANY))
    assert twice == way.statistics.duplicated
    assert way.statistics.duplication == pytest.approx(0.05, abs=0.01)


def test_what_is_held_back_is_overtaken() -> None:
    way = path(reordering=0.1, held_back=0.01, duplication=0.05)
    emptied(way, MANY)
    assert way.statistics.reordered / MANY == pytest.approx(0.1, abs=0.01)


def test_jitter_keeps_the_order() -> None:
    way = path(delay=0.02, jitter=0.05)
    late = [times[0] - number * 0.001 for number, times in enumerate(dues(way, MANY))]
    assert min(late) >= 0.02 - 1e-9
    assert max(late) == pytest.approx(0.07, abs=1e-3)
    way = path(delay=0.02, jitter=0.05)
    emptied(way, MANY)
    assert way.statistics.reordered == 0


def test_bandwidth_spaces_packets_out() -> None:
    way = path(bandwidth=SIZE * 8 * 100, delay=0.5)
    assert dues(way, 3, every=0.0) == [[pytest.approx(0.51)], [pytest.approx(0.52)], [pytest.approx(0.53)]]
    assert way.offer(SIZE, 9.0)[0].due == pytest.approx(9.51)


def test_a_full_queue_drops() -> None:
    way = path(bandwidth=SIZE * 8 * 100, queue=0.05)
    passed = [bool(times) for times in dues(way, 10, every=0.0)]
    assert passed == [True] * 6 + [False] * 4
    assert way.statistics.crowded_out == 4


def test_a_blocked_way() -> None:
    way = Path("1", Impairment(blocked=True))
    assert dues(way, 5) == [[]] * 5
    assert way.statistics.blocked == 5
    assert way.statistics.lost == 0


def test_the_same_seed_decides_the_same() -> None:
    bad = {"loss": 0.1, "duplication": 0.1, "reordering": 0.1, "held_back": 0.01, "jitter": 0.1}
    assert dues(path("7", **bad), 1000) == dues(path("7", **bad), 1000)
    assert dues(path("7", **bad), 1000) != dues(path("8", **bad), 1000)


def test_the_fate_of_a_packet_does_not_depend_on_what_was_turned_on_before() -> None:
    constant, changed = path(loss=0.5), Path("1", Impairment(blocked=True))
    for way in (constant, changed):
        dues(way, 100)
        way.impairment = Impairment(loss=0.5, delay=1.0)
    after = dues(constant, 100)
    assert 20 < sum(map(len, after)) < 80
    assert dues(changed, 100) == after


@pytest.mark.parametrize(
    ("name", "nonsense"), [("loss", 1.1), ("duplication", -0.1), ("reordering", 2), ("delay", -1), ("bandwidth", 0)]
)
def test_nonsense_is_refused(name: str, nonsense: float) -> None:
    with pytest.raises(ValueError, match=r"share|leave|bandwidth"):
        path("1", **{name: nonsense})
