"""A trunk's configuration as facts for people, in groups; secrets are covered by their own class."""

from collections.abc import Iterator

from probes.trunks.model import HIDDEN, AlertTerms, Credentials, Encryption, HeaderRule, Inbound, Outbound, Trunk
from probes.web.pages.tones import gateway_text
from sipcore.value import value

ENCRYPTIONS = {Encryption.DISABLE: "off", Encryption.ALLOW: "where it is offered", Encryption.REQUIRE: "always"}
"""Whether media is encrypted, in words for people."""


@value
class Group:
    """Some facts under one heading."""

    heading: str
    facts: tuple[tuple[str, tuple[str, ...]], ...]
    """Each with its lines."""


def groups_of(trunk: Trunk) -> tuple[Group, ...]:
    """All that is configured."""
    found = []
    if trunk.outbound is not None:
        found.append(Group("Calls that go out", tuple(_told(_outbound(trunk.outbound)))))
    if trunk.inbound is not None:
        found.append(Group("Calls that come in", tuple(_told(_inbound(trunk.inbound)))))
    terms = trunk.outbound.alerts if trunk.outbound is not None else None
    if terms is not None:
        found.append(Group("Alerts", tuple(_told(_alerts(terms)))))
    return tuple(found)


def _told(facts: Iterator[tuple[str, str]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    return ((name, tuple(fact.split("\n"))) for name, fact in facts if fact)


def _outbound(out: Outbound) -> Iterator[tuple[str, str]]:
    yield "gateways", "\n".join(gateway_text(each) for each in out.ordered) or "none yet"
    yield "signs in as", _credentials(out.credentials)
    yield "media encryption", ENCRYPTIONS[out.encryption]
    yield "codecs", ", ".join(out.codecs) or "any"
    if out.failover.is_enabled:
        triggers = ", ".join(sorted(each.value for each in out.failover.triggers)) or "any failure"
        back = "returns by itself" if out.failover.fails_back else "returns by hand"
        yield "failover", f"on {triggers}; {back}"
    else:
        yield "failover", "off"
    yield "header fields", _headers(out.headers)


def _inbound(coming: Inbound) -> Iterator[tuple[str, str]]:
    yield "known by", {"ip": "address", "register": "registration", "digest": "password"}[coming.authentication.value]
    yield "allowed from", "\n".join(coming.allowed_addresses) or "nowhere yet"
    yield "signs in as", _credentials(coming.credentials)
    yield "media encryption", ENCRYPTIONS[coming.encryption]
    yield "forwarded to", coming.forward_to
    yield "codecs", ", ".join(coming.codecs)
    yield "header fields", _headers(coming.headers)


def _alerts(terms: AlertTerms) -> Iterator[tuple[str, str]]:
    yield "alerts", "on" if terms.is_enabled else "off"
    if terms.unreachable_minutes is not None:
        yield "down for", f"{terms.unreachable_minutes:g} min"
    if terms.failure_rate_percent is not None:
        window = f" in {terms.failure_rate_window_minutes:g} min" if terms.failure_rate_window_minutes else ""
        yield "failures", f"{terms.failure_rate_percent:g} %{window}"
    if terms.response_time_ms is not None:
        yield "slower than", f"{terms.response_time_ms:g} ms"
    channels = (("e-mail", terms.email), ("SMS", terms.sms), ("webhook", bool(terms.webhook)))
    yield "told by", ", ".join(name for name, is_used in channels if is_used)


def _credentials(given: Credentials | None) -> str:
    if given is None:
        return ""
    realm = f" in {given.realm}" if given.realm else ""
    return f"{given.username}{realm}\npassword {HIDDEN if given.password else 'not set'}"


def _headers(rules: tuple[HeaderRule, ...]) -> str:
    return ", ".join(rule.key or rule.target for rule in rules)
