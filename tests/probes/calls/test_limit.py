"""How many calls may be placed: values and times."""

import pytest

from probes.calls.limit import SERVICE, Limiter, Limits


def test_without_limits_everything_is_admitted() -> None:
    limiter = Limiter(Limits())
    assert [limiter.admit(0.0) for _ in range(1000)] == [None] * 1000


def test_so_many_at_once() -> None:
    limiter = Limiter(Limits(at_once=2))
    assert [limiter.admit(0.0) for _ in range(3)] == [None, None, 0.0]
    limiter.release()
    assert limiter.admit(0.0) is None


def test_so_many_in_any_period() -> None:
    limiter = Limiter(Limits(per_period=2, period=10.0))
    assert limiter.admit(0.0) is None
    assert limiter.admit(4.0) is None
    assert limiter.admit(9.0) == pytest.approx(1.0)
    assert limiter.admit(10.0) is None
    assert limiter.admit(10.0) == pytest.approx(4.0)


def test_who_is_refused_is_not_counted() -> None:
    limiter = Limiter(Limits(at_once=1, per_period=2, period=10.0))
    assert limiter.admit(0.0) is None
    assert limiter.admit(1.0) == 0.0
    limiter.release()
    assert limiter.admit(2.0) is None


def test_none_at_all() -> None:
    assert Limiter(Limits(per_period=0, period=10.0)).admit(5.0) == 10.0


def test_a_service_allows_ten_in_a_quarter_of_an_hour() -> None:
    limiter = Limiter(SERVICE)
    for number in range(10):
        assert limiter.admit(float(number)) is None
        limiter.release()
    assert limiter.admit(10.0) == pytest.approx(890.0)
