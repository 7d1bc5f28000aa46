"""What is wrong with a destination, found by comparing what its places, its DNS and its TLS servers did."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field, replace

from probes.checks import tls_findings
from probes.checks.dns.judge import DnsReport
from probes.checks.dns.plan import Reply
from probes.checks.dns.problems import DnsProblem
from probes.checks.options import ONLY_CALLS, PLAIN_SIP, TLS, UPGRADED
from probes.checks.tls_judge import TlsReport
from probes.destination import Destination
from probes.discovery import answers
from probes.discovery.candidates import Scope
from probes.discovery.habits.judge import CALL, OF_FORWARDING, SIZES, SMALL, Habits, sized
from probes.discovery.outcome import Asked
from probes.discovery.retry import LARGE_HELLO, USER_AGENT
from probes.findings.catalogue import catalogue
from probes.findings.finding import Finding, Severity
from probes.fingerprint.banners import banner_of
from probes.fingerprint.identify import system_of
from probes.result import Attempt, Reach, System, flow_events_in
from sipcore.message.message import Response
from sipcore.resolve.records import Address
from sipcore.resolve.target import Hop, Transport
from sipcore.trace import MessageTrace, TraceRecord
from sipcore.transports.tls_failure import TlsProblem
from sipcore.value import value

_ALIVE = frozenset({Reach.ANSWERED, Reach.CERTIFICATE_WANTED})
_UNJUDGED = _ALIVE | {Reach.NOT_ALLOWED}
"""How far an attempt got that shows nobody to be missing."""
_NOT_HERE = ("no route to the network", "no local address leads there", "does not speak that address family")
"""How this host says that it has no IPv6 (`sipcore.transports.base.FAILURES`)."""
_NOBODY = {
    Reach.SILENT: "open-but-silent",
    Reach.NO_ANSWER: "nothing-answers",
    Reach.FILTERED: "nothing-answers",
    Reach.REFUSED: "refused",
    Reach.UNREACHABLE: "no-way-there",
    Reach.NOT_SIP: "not-sip",
    Reach.NOT_ALLOWED: "not-allowed",
    Reach.FAILED: "probe-failed",
}
"""What it is when nothing answered, by the most telling attempt. TLS that fails is told by the TLS report."""
_OF_ALL = frozenset({"nothing-answers", "refused", "no-way-there"})
"""Those that say something of all places."""
_QUIET = frozenset({Reach.SILENT, Reach.NO_ANSWER, Reach.FILTERED})
"""What more time might have made something else of."""
_ONE_PACKET, _FRAGMENTED = SIZES[1], SIZES[2]
_WANTED = "tls-client-certificate-required"
_TLS_ALONE = {Reach.TLS_FAILED: "tls-silent", Reach.CERTIFICATE_WANTED: _WANTED}
"""What it is where TLS keeps everybody out, and the TLS report has nothing to say."""
_EXPLAINING = frozenset(
    {"udp-truncated", "answer-unreadable", "answer-unfinished", "websocket-refused", "plain-port-speaks-tls", _WANTED}
)
"""What says better why nothing answered."""
TOO_MANY_HOPS = 483
TOO_SHORT = 1.0
"""Seconds in which silence shows little: a request over UDP is repeated once by then (RFC 3261 §17.1.2.1)."""

Found = Iterator[Finding]


@value
class Seen:
    """What was seen besides the attempts. `now` is in seconds since 1970."""

    dns: DnsReport | None = None
    tls: tuple[TlsReport, ...] = ()
    habits: Habits = field(default_factory=Habits)
    scope: Scope = field(default_factory=Scope)
    now: float = 0.0
    omitted: int = 0
    asked: tuple[Asked, ...] = ()


def find(
    destination: Destination,
    attempts: Sequence[Attempt],
    seen: Seen,
    system: System | None,
    telling: Attempt | None,
    failure: str,
) -> tuple[Finding, ...]:
    """All that is wrong, and what is worth knowing, the worst first; what is so at several places is told once."""
    case = _Case(destination, attempts, seen, answers.systems_of(system))
    found = [*case.dns(), *case.tls(), *case.translators(list(case.in_answers(system)))]
    found += [*case.filters(), *case.published(), *case.withheld(), *case.ports()]
    found += [*case.ipv6(), *case.habits(), *case.nobody(telling, failure, found), *case.notices(system)]
    return catalogue().ranked(merged(found))


def merged(found: Iterable[Finding]) -> list[Finding]:
    """The same findings, those that say the same of several places in one."""
    known: dict[tuple[str, Severity], Finding] = {}
    for finding in found:
        key = finding.code, finding.severity
        first = known.get(key)
        if first is None:
            known[key] = finding
        elif not finding.code.startswith(("dns-", "tls-")) or first.what == finding.what:
            evidence = tuple(dict.fromkeys([*first.evidence, *finding.evidence]))
            records = tuple(dict.fromkeys([*first.records, *finding.records]))
            known[key] = replace(first, evidence=evidence, records=records)
        else:
            known[(f"{finding.code} {finding.what}", finding.severity)] = finding
    return list(known.values())


@value
class _Case:
    """Everything that is known of one destination."""

    destination: Destination
    attempts: Sequence[Attempt]
    seen: Seen
    systems: tuple[str, ...]

    @property
    def answered(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.response is not None]

    def finding(
        self, code: str, what: str, evidence: Iterable[str] = (), records: Iterable[TraceRecord] = ()
    ) -> Finding:
        return catalogue().finding(code, what, evidence, systems=self.systems, records=records)

    def asked_for(self, *purposes: str) -> list[MessageTrace]:
        """The messages of the requests that were sent for some purposes, without repetitions."""
        asked = [one for one in self.seen.asked if one.purpose in purposes]
        return [message for one in asked for message in one.messages if not message.attempt]

    def dns(self) -> Found:
        dns = self.seen.dns
        if dns is None:
            return
        for fault in dns.faults:
            explains = fault.problem is DnsProblem.SLOW and self._wants_time(dns)
            yield _explaining_silence(fault.finding, dns) if explains else fault.finding

    def _wants_time(self, dns: DnsReport) -> bool:
        """Whether more time might have made something else of it: nothing answered, or was even found."""
        silent = any(attempt.reach in _QUIET for attempt in self.attempts)
        return not self.answered and (silent if self.attempts else is_unfinished(dns))

    def tls(self) -> Found:
        """What is wrong with the TLS servers, but for those of another service: its certificate is nobody's concern."""
        secured = [one for one in self.attempts if one.hop.transport is Transport.TLS]
        foreign = {one.hop.remote for one in secured if _is_another_service(one)}
        for report in self.seen.tls:
            if report.hop.remote not in foreign:
                yield from tls_findings.findings(report, self.systems)

    def in_answers(self, system: System | None) -> Found:
        serving = [one for one in self.answered if one.response is not None and one.response.status < 500]
        for attempt in self.attempts:
            others = any(other is not attempt for other in serving)
            yield from answers.findings(attempt, system, self.seen.now, others_serve=others)
            if attempt.detail != ONLY_CALLS:
                for called in self._called_at(attempt.hop):
                    yield from answers.findings_of_call(attempt, called.messages, system)

    def _called_at(self, hop: Hop) -> list[Asked]:
        place = hop.transport, hop.remote
        return [one for one in self.seen.asked if one.purpose == CALL and (one.hop.transport, one.hop.remote) == place]

    def translators(self, found: Sequence[Finding]) -> list[Finding]:
        """The same findings; where places contradict each other about this host's address, somebody is wrong about it.

        A translator on the way is seen by all of them.
        """
        seen = {(one.hop.remote.is_ipv6, answers.seen_as(one)) for one in self.answered}
        told = [host for is_ipv6, host in seen if host and not is_ipv6]
        if len(told) < 2 or not any(finding.code == "nat-on-path" for finding in found):
            return list(found)
        what = f"places contradict each other about where requests come from: {', '.join(sorted(told))}"
        moved = [finding for finding in found if finding.code == "nat-on-path"]
        evidence = [told for finding in moved for told in finding.evidence]
        records = [record for finding in moved for record in finding.records]
        kept = [finding for finding in found if finding.code != "nat-on-path"]
        return [*kept, self.finding("wrong-received", what, evidence, records)]

    def filters(self) -> Found:
        """Places that answered a second, inconspicuous request alone."""
        for attempt in self.attempts:
            if attempt.only == USER_AGENT:
                what = "requests with this program's User-Agent are dropped, others are answered"
                evidence = f"{attempt.hop}: silence, and an answer to a request without User-Agent"
                yield self.finding("user-agent-filtered", what, [evidence], answers.crossed(attempt))
            elif attempt.only == LARGE_HELLO:
                what = f"{attempt.hop}: a usual first flight gets no answer, a small one does"
                evidence = "the ClientHello with group P-256 alone is answered"
                yield self.finding("tls-large-hello", what, [evidence], _reached(attempt))

    def published(self) -> Found:
        """Places that DNS names and where nobody answers."""
        named = [attempt for attempt in self.attempts if attempt.published]
        dead = [one for one in named if one.reach not in _UNJUDGED and not one.instead and not self._is_foreign(one)]
        if not dead or not self.answered:
            return
        evidence = [f"{attempt.hop}: {attempt.reach.value} ({attempt.hop.why})" for attempt in dead]
        if any(attempt.reach in _ALIVE for attempt in named):
            some = dead[0].hop if len(dead) == 1 else f"{len(dead)} of {len(named)} places"
            what = f"DNS names {some}, and nobody answers there"
            yield self.finding("srv-target-dead", what, evidence, _reached(*dead))
        else:
            where = self.answered[0].hop
            what = f"DNS names none of the places that answer, such as {where}"
            yield self.finding("published-dead", what, evidence, _reached(*dead))

    def withheld(self) -> Found:
        """Places that were not tried, since they must not be reached, beside some that answer."""
        places = [attempt for attempt in self.attempts if attempt.reach is Reach.NOT_ALLOWED]
        if places and self.answered:
            hosts = ", ".join(dict.fromkeys(attempt.hop.remote.host for attempt in places))
            what = f"{hosts} must not be reached from here, and was not tried"
            evidence = [f"{attempt.hop}: {attempt.reach.value}" for attempt in places]
            yield replace(self.finding("not-allowed", what, evidence), severity=Severity.NOTICE)

    def _is_foreign(self, attempt: Attempt) -> bool:
        """Whether it is about IPv6, which has findings of its own."""
        return attempt.hop.remote.is_ipv6 and any(not one.hop.remote.is_ipv6 for one in self.answered)

    def ipv6(self) -> Found:
        """RFC 6157: what is published for IPv6, where a name leads to both families."""
        own = {record.host for reply in self._own_replies() for record in reply.records if isinstance(record, Address)}
        there = [one for one in self.attempts if one.hop.remote.is_ipv6 and one.hop.remote.host not in own]
        there = [one for one in there if one.reach is not Reach.NOT_ALLOWED]
        fine = any(not attempt.hop.remote.is_ipv6 for attempt in self.answered)
        if self.destination.is_numeric or not there or not fine or any(one.reach in _ALIVE for one in there):
            return
        hosts = ", ".join(dict.fromkeys(attempt.hop.remote.host for attempt in there))
        evidence = [f"{attempt.hop}: {attempt.reach.value}" for attempt in there]
        if all(_is_without_ipv6(attempt) for attempt in there):
            what = f"{hosts} is published, and this host has no way to IPv6"
            yield self.finding("no-ipv6-here", what, evidence[:1], _reached(there[0]))
        else:
            what = f"{hosts} is published, and nobody answers there"
            yield self.finding("ipv6-dead", what, evidence, _reached(*there))

    def _own_replies(self) -> list[Reply]:
        """What this host tells itself, of `localhost` and out of its hosts file: nobody publishes that."""
        return [reply for reply in self.seen.dns.replies if reply.source != "DNS"] if self.seen.dns else []

    def ports(self) -> Found:
        """Ports that speak another protocol than whoever asked, or DNS, takes them for."""
        for attempt in self.attempts:
            hop = attempt.hop
            if attempt.response is not None or not self._is_wanted(attempt):
                continue
            if attempt.instead == TLS and hop.transport in (Transport.TCP, Transport.WS):
                what = f"{hop} speaks TLS, and should be plain"
                yield self.finding("plain-port-speaks-tls", what, [f"{hop}: {attempt.detail}"], _reached(attempt))
            elif self._is_without_tls(attempt):
                what = f"{hop} speaks SIP without TLS"
                yield self.finding("tls-port-speaks-plain", what, [f"{hop}: {attempt.detail}"], _reached(attempt))
            elif hop.transport.websocket and _opens_none(attempt):
                refused = self.finding("websocket-refused", f"{hop}: {attempt.detail}", [str(hop)], _reached(attempt))
                # Beside what answers it is one way less; alone it keeps everybody out.
                yield refused if self.answered else replace(refused, severity=Severity.ERROR)

    def _is_wanted(self, attempt: Attempt) -> bool:
        """Whether somebody says that this transport is spoken at this place, rather than a guess."""
        asked = self.destination.transport is not None and self.seen.scope.transports == (self.destination.transport,)
        return attempt.published or asked

    def _is_without_tls(self, attempt: Attempt) -> bool:
        """Whether plain SIP is spoken where TLS was tried. Without a WebSocket it may be all the same (RFC 7118)."""
        hop = attempt.hop
        same = [one.hop.transport for one in self.answered if one.hop.remote == hop.remote]
        beside = hop.transport is Transport.TLS and attempt.reach is Reach.TLS_FAILED and Transport.TCP in same
        return beside or (attempt.instead == PLAIN_SIP and hop.transport is not Transport.WS)

    def habits(self) -> Found:
        habits = self.seen.habits
        yield from self._sizes(habits)
        far, own = habits.far, habits.own
        if far is not None and is_forwarded(own, far):
            who = banner_of(far) or f"{far.status} {far.reason}"
            what = f"a request that may go no further hop was answered behind the proxy, by {who}"
            evidence = [f"Max-Forwards: 0 answered {far.start_line}"]
            evidence += [f"the proxy itself: {own.start_line}"] if own is not None else []
            evidence += [f"Record-Route: {route}" for route in far.headers.get_all("Record-Route")[:1]]
            # It is cured at the proxy, which need not be the product that answers for the user.
            proxy = replace(self, systems=answers.systems_of(system_of(own))) if own is not None else self
            yield proxy.finding("max-forwards-ignored", what, evidence, self.asked_for(*OF_FORWARDING))

    def _sizes(self, habits: Habits) -> Found:
        """What became of large requests over UDP: some get lost on the way, others are refused."""
        largest = habits.largest
        if largest is None or largest >= _FRAGMENTED:
            return
        beyond = [size for size in habits.sent_sizes if size > largest]
        refused = set(beyond) <= set(habits.refused_sizes)
        lost = ", ".join(map(str, beyond))
        if refused:
            what = f"requests over UDP of {lost} bytes are refused as too large"
        else:
            reason = "fragments get lost" if largest >= _ONE_PACKET else "large datagrams get lost"
            what = f"requests over UDP of {lost} bytes get no answer: {reason}"
        smaller = f"{largest} bytes" if largest else "a small one"
        evidence = [f"answered: {smaller}; {'refused' if refused else 'not answered'}: {lost}"]
        records = self.asked_for(*map(sized, (largest, *beyond)), SMALL)
        yield self.finding("udp-size-limited", what, evidence, records)

    def nobody(self, telling: Attempt | None, failure: str, found: Sequence[Finding]) -> Found:
        """What keeps everybody out, where nothing answered."""
        if self.answered:
            return
        if telling is None:
            if failure and not any(finding.severity is Severity.ERROR for finding in found):
                # What to try is the cure's to say.
                yield self.finding(
                    "no-address", failure.partition("; ")[0], [self.destination.server, *self._aliases()]
                )
            return
        code = _WANTED if self._wants_certificate(telling) else _NOBODY.get(telling.reach)
        broken = any(finding.code in _EXPLAINING for finding in found)
        if code is not None and not broken:
            instead = f", but {telling.instead}" if telling.instead else ""
            what = self._mixed(code) or f"{catalogue()[code].title}{instead}"
            same = [one for one in self.attempts if one.reach is telling.reach]
            yield self.finding(code, what, [f"{one.hop}: {one.reach.value}" for one in same], _reached(*same))
        elif telling.reach is Reach.TLS_FAILED and telling.detail.startswith(TlsProblem.BROKEN.text):
            yield self.finding("tls-broken", f"{telling.hop}: {telling.detail}", [str(telling.hop)], _reached(telling))
        elif telling.reach in _TLS_ALONE and not any(finding.code.startswith("tls-") for finding in found):
            spoken = telling.instead or telling.detail.startswith(TlsProblem.NOT_TLS.text)
            problem = "tls-not-tls" if spoken else _TLS_ALONE[telling.reach]
            found_alone = self.finding(
                problem, f"{telling.hop}: {telling.detail}", [str(telling.hop)], _reached(telling)
            )
            # Beside other places it is a guess that failed; alone it keeps everybody out.
            severity = Severity.ERROR if telling.reach is Reach.TLS_FAILED else found_alone.severity
            yield replace(found_alone, severity=severity)

    def _aliases(self) -> Iterator[str]:
        """Where aliases lead to of which the resolver that told them knows no more, as one of their own zone does."""
        chains = [reply.chain for reply in self.seen.dns.replies if not reply.records] if self.seen.dns else []
        for chain in dict.fromkeys(filter(None, chains)):
            yield f"{' -> '.join(chain)}, of which no address is told: ask a resolver that follows aliases"

    def _mixed(self, code: str) -> str:
        """What became of all places, where what a finding has to say holds for some of them alone; "" for all."""
        if code not in _OF_ALL or all(_NOBODY.get(one.reach) == code for one in self.attempts):
            return ""
        reaches = Counter(one.reach.value for one in self.attempts)
        return f"nobody answers SIP: {', '.join(f'{count} {reach}' for reach, count in reaches.items())}"

    def _wants_certificate(self, attempt: Attempt) -> bool:
        """Whether the silence of a TLS server is that of one that asked for a certificate and got none."""
        asking = {report.hop.remote for report in self.seen.tls if report.certificate_requested}
        return attempt.reach is Reach.SILENT and attempt.hop.transport.secure and attempt.hop.remote in asking

    def notices(self, system: System | None) -> Found:
        plain = [one for one in self.answered if not one.hop.transport.secure]
        secure = [one for one in self.answered if one.hop.transport.secure]
        if plain and secure:
            names = list(dict.fromkeys(one.hop.transport.value for one in plain))
            verb = "answer" if len(names) > 1 else "answers"
            what = f"{' and '.join(names)} {verb} in the clear, although TLS works at {secure[0].hop.remote}"
            records = answers.crossed(*plain, secure[0])
            yield self.finding("plain-beside-tls", what, [str(one.hop) for one in plain], records)
        if system is not None and system.banner and system.version:
            what = f"the banner tells the version: {system.banner}"
            yield self.finding("telling-banner", what, [system.banner], self._with_banner(system.banner))

    def _with_banner(self, banner: str) -> Sequence[MessageTrace]:
        """The messages of the first request that was answered with a banner, if need be of an odd one."""
        telling = [one for one in self.answered if one.response is not None and banner_of(one.response) == banner]
        if telling:
            return answers.crossed(telling[0])
        written = banner.encode("utf-8", "surrogateescape")
        asked = (one.messages for one in self.seen.asked if any(written in message.data for message in one.messages))
        return next(asked, ())


def _is_another_service(attempt: Attempt) -> bool:
    """Whether another protocol than SIP was spoken at a place, once the connection was there."""
    return attempt.reach is Reach.NOT_SIP and bool(attempt.instead)


def _opens_none(attempt: Attempt) -> bool:
    """Whether a port is open, and no WebSocket came about there."""
    return attempt.reach in (Reach.NOT_SIP, Reach.SILENT) and UPGRADED not in flow_events_in(attempt.records)


def _reached(*attempts: Attempt) -> tuple[TraceRecord, ...]:
    """How far attempts came: what was sent and came back, and then what became of their connections."""
    return (*answers.crossed(*attempts), *answers.flows(*attempts))


def is_unfinished(dns: DnsReport) -> bool:
    """Whether there was more to ask of DNS."""
    return any(fault.problem is DnsProblem.UNFINISHED for fault in dns.faults)


def _explaining_silence(slow: Finding, dns: DnsReport) -> Finding:
    """The finding that DNS is slow, where nothing answered: where it left little time, silence shows nothing else."""
    whole = dns.question.deadline + dns.question.pause
    told = f"DNS took {dns.took:.1f} of the {whole:.1f} s that there were for everything"
    severity = Severity.ERROR if whole - dns.took < TOO_SHORT or is_unfinished(dns) else slow.severity
    return replace(slow, severity=severity, evidence=(*slow.evidence, told))


def _is_without_ipv6(attempt: Attempt) -> bool:
    return attempt.reach is Reach.UNREACHABLE and any(text in attempt.detail for text in _NOT_HERE)


def is_forwarded(own: Response | None, far: Response) -> bool:
    """Whether a request with Max-Forwards 0 was answered by somebody else than the server itself (RFC 3261 §16.3).

    Record-Route comes from a proxy on the way (RFC 3261 §16.6). Somebody else has another banner, or another Contact;
    that a server answers differently for a user says nothing.
    """
    if far.status == TOO_MANY_HOPS or far.is_provisional:
        return False
    if "Record-Route" in far.headers:
        return True
    if own is None:
        return False
    return any(here and there and here != there for here, there in zip(_signs(own), _signs(far), strict=True))


def _signs(response: Response) -> tuple[str, str]:
    """Banner and Contact, empty for what it has not."""
    return banner_of(response), next((uri.address for uri in answers.contacts_of(response)), "")
