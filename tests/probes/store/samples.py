"""What a watch tells, to be written down."""

from hypothesis import strategies as st

from probes.health.outbox import Delivery
from probes.health.terms import Change, Check, Health, Kind, Switch, SwitchCause, Verdict

NOW = 1_700_000_000.0
"""A time, in seconds since 1970."""


class Clock:
    """A clock that stands until it is set."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def check(at: float = NOW, trunk: str = "berlin", route: str = "first", **other: object) -> Check:
    """A check that was answered, but for what is said."""
    facts = {"kind": Kind.OPTIONS, "verdict": Verdict.GOOD, "reason": "answered", "status": 200, "rtt": 0.012}
    return Check(trunk=trunk, route=route, at=at, **{**facts, "place": "udp 192.0.2.1:5060", **other})  # type: ignore[arg-type]


def change(at: float = NOW, trunk: str = "berlin", route: str = "first", after: Health = Health.HEALTHY) -> Change:
    """A route becomes something else by a check."""
    return Change(trunk, route, at, Health.UNCHECKED, after, at - 60, check(at, trunk, route))


def switch(at: float = NOW, trunk: str = "berlin", after: str | None = "second") -> Switch:
    """Calls take another route."""
    return Switch(trunk, at, "first", after, SwitchCause.FAILOVER)


def delivery(alert: str = "a1", at: float = NOW, **other: object) -> Delivery:
    """An alert on its way."""
    facts = {"channel": "ops", "trunk": "berlin", "route": "first", "payload": '{"text": "berlin is down"}'}
    return Delivery(alert, at=at, **{**facts, **other})  # type: ignore[arg-type]


texts = st.text(st.characters(), max_size=30)
"""Any text, with surrogates and NUL."""
times = st.floats(min_value=0, max_value=4e9)
seconds = st.none() | st.floats(min_value=0, max_value=1e10)
checks = st.builds(
    Check,
    trunk=texts,
    route=texts,
    kind=st.sampled_from(Kind),
    at=times,
    verdict=st.sampled_from(Verdict),
    reason=texts,
    detail=texts,
    status=st.none() | st.integers(100, 699),
    rtt=seconds,
    place=texts,
    certificate_ends=seconds,
    wait=st.floats(min_value=0, max_value=300),
)
healths = st.sampled_from(Health)
changes = st.builds(
    lambda check, later, before, after, since: Change(
        check.trunk, check.route, check.at + later, before, after, since, check
    ),
    checks,
    st.sampled_from([0.0, 2.5]),
    healths,
    healths,
    times,
)
switches = st.builds(
    Switch,
    trunk=texts,
    at=times,
    before=st.none() | texts,
    after=st.none() | texts,
    cause=st.sampled_from(SwitchCause),
)
