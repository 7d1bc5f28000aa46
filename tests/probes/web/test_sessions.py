"""Cookies of sessions: made here, held against changes, over after a while, and over when somebody logs out."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from probes.store import ended_sessions
from probes.store.store import Store
from probes.web.sessions import LIFETIME, RENEWAL, Sessions

SECRET = bytes(range(32))


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "service.db", clock=lambda: 0.0) as store:
        yield store


@pytest.fixture
def sessions(store: Store, clock: Clock) -> Sessions:
    return Sessions(SECRET, store, clock)


def test_a_cookie_says_who_it_is_and_outlives_the_process(sessions: Sessions, store: Store, clock: Clock) -> None:
    session = sessions.begin("acme", "key_1")
    assert Sessions(SECRET, store, clock).session(sessions.cookie(session)) == session


@pytest.mark.parametrize(
    "change",
    [
        lambda cookie: cookie.replace("acme", "evil"),
        lambda cookie: cookie.replace("key_1", "key_2"),
        lambda cookie: cookie.replace(".10", ".99", 1),
        lambda cookie: cookie[:-1] + ("0" if cookie[-1] != "0" else "1"),
        lambda cookie: cookie.rpartition(".")[0],
        lambda cookie: "",
        lambda cookie: "a.b.c.d.e",
        lambda cookie: "\udcff" * 5,
        lambda cookie: cookie + "." * 10_000,
    ],
)
def test_a_changed_cookie_is_nobodys(sessions: Sessions, change: object) -> None:
    cookie = sessions.cookie(sessions.begin("acme", "key_1"))
    assert sessions.session(change(cookie)) is None  # type: ignore[operator]


def test_a_cookie_of_another_service_is_nobodys(sessions: Sessions, store: Store, clock: Clock) -> None:
    other = Sessions(bytes(32), store, clock)
    assert sessions.session(other.cookie(other.begin("acme", "key_1"))) is None


def test_a_session_is_over_after_its_time_and_longer_while_it_is_used(sessions: Sessions, clock: Clock) -> None:
    session = sessions.begin("acme", "key_1")
    assert sessions.renewed(session) is None
    clock.now += RENEWAL
    longer = sessions.renewed(session)
    assert longer == replace(session, until=clock.now + LIFETIME)
    clock.now += LIFETIME - 1
    assert sessions.session(sessions.cookie(session)) is None
    assert longer is not None
    assert sessions.session(sessions.cookie(longer)) == longer


async def test_who_logs_out_is_out_with_each_cookie_of_the_session(
    sessions: Sessions, store: Store, clock: Clock
) -> None:
    session, other = sessions.begin("acme", "key_1"), sessions.begin("acme", "key_1")
    clock.now += RENEWAL
    longer = sessions.renewed(session)
    assert longer is not None
    await sessions.end(session)
    for each in (sessions, Sessions(SECRET, store, clock)):
        assert each.session(each.cookie(session)) is None
        assert each.session(each.cookie(longer)) is None
        assert each.session(each.cookie(other)) == other


async def test_so_many_ends_are_remembered_of_a_tenant_and_each_for_its_time(
    sessions: Sessions, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ended_sessions, "MAX_ENDED", 3)
    theirs = sessions.begin("globex", "key_2")
    await sessions.end(theirs)
    own = []
    for _ in range(5):
        clock.now += 1
        own.append(sessions.begin("acme", "key_1"))
        await sessions.end(own[-1])

    def known() -> list[str]:
        return sorted(store.look(lambda connection: ended_sessions.of(connection, clock.now)))

    assert known() == sorted(each.nonce for each in (theirs, *own[2:]))
    clock.now += LIFETIME - 1
    assert known() == sorted(each.nonce for each in own[-1:])
    await sessions.end(sessions.begin("globex", "key_2"))
    assert len(store.look(lambda connection: ended_sessions.of(connection, 0.0))) == 2


def test_a_form_is_of_its_session(sessions: Sessions) -> None:
    session, other = sessions.begin("acme", "key_1"), sessions.begin("acme", "key_1")
    assert sessions.is_token(session, sessions.token(session))
    assert not sessions.is_token(session, sessions.token(other))
    assert not sessions.is_token(session, "")
    assert not sessions.is_token(session, "\udcff")
