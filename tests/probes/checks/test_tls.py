"""Which handshakes are worth making: given those that were seen, without a network."""

import math
from functools import partial
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.checks.tls import (
    MAX_CIPHERS,
    MAX_HANDSHAKES,
    SHOW,
    SMALL,
    SUITES,
    Handshake,
    Purpose,
    TlsQuestion,
    Trial,
    act,
    ciphers_of,
    plan,
    terms,
)
from sipcore.errors import TransportFailure
from sipcore.transports.base import TlsConfig, TlsVersion
from sipcore.transports.tls_failure import TlsProblem
from tests.probes.checks.tls_values import HOP, HUNG_UP, MODERN, REFUSED, REJECTED, SILENT, Table, failing

V10, V11, V12, V13 = TlsVersion


def test_one_handshake_comes_first() -> None:
    assert plan([]) == (SHOW,)


async def test_all_ciphers_of_all_versions_are_found() -> None:
    server = Table()
    seen = await act(server, TlsQuestion(HOP))
    assert [handshake.trial for handshake in seen] == server.asked
    known = {handshake.trial: handshake for handshake in seen}
    assert {version: ciphers_of(known, version, small=False) for version in TlsVersion} == {V10: (), V11: (), **MODERN}
    assert seen[-1].trial == Trial(Purpose.RESUME)
    # one that shows, one that resumes, one for each cipher, and one for each version that there are no more
    assert len(seen) == 2 + 3 + 4
    assert len(set(server.asked)) == len(server.asked)


@pytest.mark.parametrize("failure", [REFUSED, failing(TlsProblem.NOT_TLS, "it speaks HTTP")])
def test_where_there_is_no_tls_nothing_more_is_asked(failure: TransportFailure) -> None:
    server = Table({}, rejects=failure)
    server.met()
    assert server.asked == [SHOW]


@pytest.mark.parametrize("failure", [SILENT, HUNG_UP])
def test_silence_is_met_with_a_small_handshake(failure: TransportFailure) -> None:
    server = Table({}, rejects=failure)
    server.met()
    assert server.asked == [SHOW, SMALL]


def test_what_a_small_handshake_opens_is_asked_by_small_ones() -> None:
    server = Table(small_only=True)
    seen = server.met()
    assert [trial.small for trial in server.asked] == [False] + [True] * (len(server.asked) - 1)
    known = {handshake.trial: handshake for handshake in seen}
    assert ciphers_of(known, V13, small=True) == MODERN[V13]
    assert ciphers_of(known, V13, small=False) == ()
    assert server.asked[-1] == Trial(Purpose.RESUME, small=True)


def test_a_server_that_refuses_the_offer_of_all_versions_is_asked_for_one() -> None:
    server = Table(tolerant=False)
    server.met()
    assert server.asked[-2:] == [Trial(Purpose.SHOW, V13), Trial(Purpose.RESUME, V13)]


def test_a_server_that_takes_nothing_is_asked_for_each_version_once() -> None:
    server = Table({})
    server.met()
    assert server.asked == [SHOW, *(Trial(Purpose.CIPHERS, version) for version in (V13, V12, V11, V10))]


def test_a_session_that_was_broken_off_is_not_resumed() -> None:
    server = Table(ends=failing(TlsProblem.CLIENT_CERTIFICATE_REQUIRED))
    server.met()
    assert Purpose.RESUME not in {trial.purpose for trial in server.asked}


def test_where_there_is_nothing_to_resume_with_that_is_not_tried() -> None:
    server = Table(tickets=False)
    server.met()
    assert Purpose.RESUME not in {trial.purpose for trial in server.asked}


@pytest.mark.parametrize(("seconds", "most"), [(0.0, 1), (0.015, 2), (0.02, 2), (0.025, 3), (math.inf, 8)])
def test_a_version_is_asked_for_ciphers_while_there_is_time(seconds: float, most: int) -> None:
    server = Table(dict.fromkeys(TlsVersion, "ABCDEFGH"), took=0.01)
    seen = {handshake.trial: handshake for handshake in server.met(partial(plan, cipher_seconds=seconds))}
    found = {version: len(ciphers_of(seen, version, small=False)) for version in TlsVersion}
    assert found == {V10: most, V11: most, V12: most, V13: min(most, len(SUITES))}


def test_all_suites_of_tls_1_3_leave_nothing_to_ask() -> None:
    server = Table({V13: SUITES})
    server.met()
    asked = [trial for trial in server.asked if trial.version is V13]
    assert [len(trial.without) for trial in asked] == [0, 1, 2, 3, 4]


def test_a_server_that_chooses_without_end_is_left() -> None:
    endless = Table({version: [f"C{n}" for n in range(1000)] for version in TlsVersion})
    assert len(endless.met()) <= MAX_HANDSHAKES
    assert max(len(trial.without) for trial in endless.asked) == MAX_CIPHERS - 1


def test_a_server_that_chooses_what_was_not_offered_is_left() -> None:
    def meet(trial: Trial) -> Handshake:
        return Handshake(trial, 0.1, "TLSv1.2", "X")

    seen: dict[Trial, Handshake] = {}
    while new := [trial for trial in plan(list(seen.values())) if trial not in seen]:
        seen |= {trial: meet(trial) for trial in new}
    assert ciphers_of(seen, V12, small=False) == ("X",)
    assert len(seen) == 1 + 2 * 4


TABLES = st.builds(
    Table,
    st.dictionaries(st.sampled_from(list(TlsVersion)), st.lists(st.sampled_from("ABCD"), unique=True)),
    rejects=st.sampled_from([REJECTED, SILENT, HUNG_UP, REFUSED, failing(TlsProblem.VERSION)]),
    ends=st.sampled_from([None, REJECTED]),
    small_only=st.booleans(),
    tolerant=st.booleans(),
)


@given(TABLES, st.randoms(use_true_random=False))
def test_more_knowledge_only_adds(server: Table, random: Random) -> None:
    """Whatever order the answers come in, nothing that was worth asking stops being so, and the end is the same."""
    seen: dict[Trial, Handshake] = {}
    before: set[Trial] = set()
    while True:
        wanted = plan(list(seen.values()))
        assert len(wanted) <= MAX_HANDSHAKES
        assert before <= set(wanted)
        before = set(wanted)
        new = [trial for trial in wanted if trial not in seen]
        if not new:
            break
        trial = random.choice(new)
        seen[trial] = server.meet(trial)
    assert set(seen) == {handshake.trial for handshake in server.met()}


@pytest.mark.parametrize(
    ("trial", "versions", "ciphers", "group"),
    [
        (SHOW, (V10, V13), "DEFAULT:@SECLEVEL=0", ""),
        (SMALL, (V10, V13), "DEFAULT:@SECLEVEL=0", "P-256"),
        (Trial(Purpose.RESUME, V12), (V12, V12), "DEFAULT:@SECLEVEL=0", ""),
        (Trial(Purpose.CIPHERS, V11, ("A", "B")), (V11, V11), "ALL:COMPLEMENTOFALL:!PSK:!SRP:!A:!B:@SECLEVEL=0", ""),
        (Trial(Purpose.CIPHERS, V13, SUITES[1:]), (V13, V13), f"{SUITES[0]}:DEFAULT:@SECLEVEL=0", ""),
    ],
)
def test_what_a_trial_offers(trial: Trial, versions: tuple[TlsVersion, TlsVersion], ciphers: str, group: str) -> None:
    given_ = TlsConfig(ca_data=b"roots", certificate=b"mine", key=b"secret", ciphers="X", group="P-521", resume=False)
    made = terms(trial, given_)
    assert (made.minimum_version, made.maximum_version, made.ciphers, made.group) == (*versions, ciphers, group)
    assert (made.verify, made.resume) == (False, True)
    assert (made.ca_data, made.certificate, made.key) == (b"roots", b"mine", b"secret")


@pytest.mark.parametrize(
    ("trial", "text"),
    [
        (SHOW, "show the certificate"),
        (SMALL, "show the certificate, small"),
        (Trial(Purpose.CIPHERS, V12, ("A", "B")), "choose a cipher by TLSv1.2, 2 left out"),
    ],
)
def test_a_trial_in_words(trial: Trial, text: str) -> None:
    assert str(trial) == text


@pytest.mark.parametrize(
    ("failure", "cipher", "refused"),
    [
        (REJECTED, "", True),
        (HUNG_UP, "", True),
        (SILENT, "", False),
        (REFUSED, "", False),
        (REJECTED, "X", False),
        (None, "X", False),
    ],
)
def test_what_is_a_refusal(failure: TransportFailure | None, cipher: str, refused: bool) -> None:
    assert Handshake(SHOW, 0.1, cipher=cipher, failure=failure).refused is refused
