"""What the attempts add up to: how to connect and why, what the endpoint is, and what to try when nothing answered."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from probes.checks.dns.problems import DnsProblem
from probes.checks.options import TLS
from probes.destination import Destination
from probes.discovery.capabilities import Capabilities, told_by
from probes.discovery.findings import Seen, find, is_unfinished
from probes.discovery.habits.judge import Habits, Interview
from probes.discovery.outcome import Discovery
from probes.findings.finding import Finding, Severity
from probes.fingerprint.deep import identify_deeply
from probes.fingerprint.identify import system_of
from probes.result import Attempt, LookupStep, Reach, Recommendation, System
from sipcore.errors import ParseError
from sipcore.message.fields.via import Via
from sipcore.resolve.records import LookupFailure, LookupFault, RecordType, Result
from sipcore.resolve.target import Transport

SERVER_ERROR = 500
"""From this status on the peer itself says that it cannot serve (RFC 3261 §21.5, §21.6)."""

_TELLING = (
    *(Reach.CERTIFICATE_WANTED, Reach.NOT_SIP, Reach.SILENT, Reach.TLS_FAILED, Reach.NO_ANSWER, Reach.FILTERED),
    *(Reach.REFUSED, Reach.UNREACHABLE, Reach.NOT_ALLOWED),
)
"""How far an attempt got, the most telling first; what is not in it tells nothing of the peer."""

_FAULTS = {
    LookupFault.NXDOMAIN: "the name does not exist; check the spelling, or give an address",
    LookupFault.NODATA: "the name has no address (A, AAAA) and no SRV record; is it the right one?",
    LookupFault.SERVFAIL: "the name server failed; try another resolver, or give an address",
    LookupFault.REFUSED: "the name server refuses to answer; try another resolver, or give an address",
    LookupFault.TRUNCATED: "the answer is cut off, and TCP to the name server fails; have its port 53 opened",
    LookupFault.TIMED_OUT: "no name server answered; check the network, or give an address",
    LookupFault.UNREACHABLE: "no name server can be reached; check the network, or give an address",
    LookupFault.NOT_ASKED: "this machine has nothing left to ask DNS with; raise its limit of open files (ulimit -n)",
    LookupFault.INVALID_NAME: "it is not a name that DNS can hold; check the spelling",
}
"""What to tell of a name without an address, by what its own lookup said."""


def conclude(
    destination: Destination,
    lookups: Sequence[LookupStep],
    results: Iterable[Result],
    attempts: Sequence[Attempt],
    *,
    duration: float,
    seen: Seen | None = None,
) -> Discovery:
    """Everything that was seen, and what it adds up to. `duration` is in seconds."""
    seen = seen or Seen()
    recommendation = recommend(destination, attempts)
    best = recommendation.hop if recommendation else None
    answered = sorted((one for one in attempts if one.response is not None), key=lambda one: one.hop is not best)
    telling = most_telling(attempts) if not answered else None
    system = _interviewed(seen.habits.interview) or _most_telling_system(answered)
    capabilities = _capabilities(answered, seen.habits)
    unfinished = seen.dns is not None and is_unfinished(seen.dns)
    failure = "" if attempts else unresolvable(destination, results, unfinished=unfinished)
    found = find(destination, attempts, seen, system, telling, failure)
    if recommendation is not None:
        recommendation = replace(
            recommendation,
            system=system.product if system is not None else "",
            methods=capabilities.methods,
            codecs=capabilities.codecs,
        )
    return Discovery(
        destination,
        tuple(lookups),
        tuple(attempts),
        recommendation,
        system=system,
        findings=found,
        capabilities=capabilities,
        dns=seen.dns,
        tls=seen.tls,
        duration=duration,
        failure=failure,
        telling=telling,
        advice=_advice(telling, found),
        omitted=seen.omitted,
        asked=seen.asked,
    )


def _advice(telling: Attempt | None, found: Sequence[Finding]) -> str:
    """What to do next: what the most telling attempt says, unless DNS left it no time to tell anything."""
    slow = next((one for one in found if one.code == DnsProblem.SLOW.value and one.severity is Severity.ERROR), None)
    if slow is not None:
        return f"{slow.evidence[-1]}: allow more time"
    return telling.advice if telling is not None else ""


def _capabilities(answered: Sequence[Attempt], habits: Habits) -> Capabilities:
    """What answers tell, and what was seen of habits. Whether rport is obeyed shows over UDP alone."""
    told = told_by([one.response for one in answered if one.response is not None])
    datagrams = [one for one in answered if not one.hop.transport.reliable and one.response is not None]
    vias = [via for via in map(_via, datagrams) if via is not None]
    return replace(
        told,
        authentication=habits.authentication or told.authentication,
        received=any(via.received is not None for via in vias) if vias else None,
        rport=any(via.rport is not None for via in vias) if vias else None,
        largest_datagram=habits.largest or None,
        keep_alive_udp=habits.stun,
        keep_alive_stream=habits.crlf,
    )


def _via(attempt: Attempt) -> Via | None:
    try:
        return attempt.response.via if attempt.response is not None else None
    except ParseError:
        return None


def recommend(destination: Destination, attempts: Sequence[Attempt]) -> Recommendation | None:
    """Which of the places that answered to use; None when none did.

    Secure comes first where the certificate proves the peer, then what is no WebSocket, what DNS names, and TCP before
    UDP; what is broken (5xx, a bad certificate) comes last.
    """
    answered = [attempt for attempt in attempts if attempt.response is not None]
    if not answered:
        return None
    best = min(answered, key=_rank)
    by_dns = _leads_by_dns(destination, best, attempts)
    return Recommendation(best.hop, _why(destination, best, answered), best.uri, by_dns)


def _leads_by_dns(destination: Destination, best: Attempt, attempts: Sequence[Attempt]) -> bool:
    """Whether whoever goes by DNS gets to the recommended place, or to one like it, and to no dead one.

    Trunks go by WebSocket nowhere.
    """
    named = [one for one in attempts if one.published and not one.hop.transport.websocket]
    if destination.port is not None or destination.transport is not None or best not in named:
        return False
    return all(one.response is not None for one in named)


def most_telling(attempts: Iterable[Attempt]) -> Attempt | None:
    """The attempt that says most about the peer when none was answered: silence of an open port beats a refusal.

    Where DNS names places it is one of these, which are where calls go to. That a plain port speaks TLS says less than
    what came of TLS there.
    """
    attempts = list(attempts)
    secured = {one.hop.remote for one in attempts if one.hop.transport is Transport.TLS}
    telling = [one for one in attempts if one.instead != TLS or one.hop.remote not in secured]
    named = [one for one in telling if one.published]
    ranked = [(_tellingness(attempt), index, attempt) for index, attempt in enumerate(named or telling)]
    return min(ranked)[2] if ranked else None


def _interviewed(interview: Interview | None) -> System | None:
    """What the answers to odd requests show, together with the one before them; None where that is nothing."""
    if interview is None:
        return None
    system = identify_deeply(interview.plain, interview.heard, interview.remote)
    return system if system.banner or system.candidates else None


def _most_telling_system(answered: Iterable[Attempt]) -> System | None:
    """What the first answer that shows its product shows, or else the first that shows anything."""
    pairs = ((one.response, one.hop.remote) for one in answered)
    systems = [system_of(response, remote) for response, remote in pairs if response is not None]
    shown = [system for system in systems if system is not None]
    return next((system for system in shown if system.product), shown[0] if shown else None)


def unresolvable(destination: Destination, results: Iterable[Result], *, unfinished: bool = False) -> str:
    """Why there is no address to try, in a sentence that says what to try. `unfinished` is whether DNS was asked for
    less than there was to ask.
    """
    addresses, results = (RecordType.A, RecordType.AAAA), list(results)
    failures = [result for result in results if isinstance(result, LookupFailure) and result.question.type in addresses]
    server = destination.server.rstrip(".").lower()
    own = [failure for failure in failures if failure.question.name.lower() == server]
    # That the name lacks one family says less than why asking for the other one failed.
    told = min(own or failures, key=lambda failure: failure.fault is LookupFault.NODATA, default=None)
    if "." not in server and destination.provider is not None:
        who = destination.provider.name
        return f"no host is called {destination.server} here; give the host name or address that you have for {who}"
    if not results:
        return f"no address for {destination.server}: {_FAULTS[LookupFault.TIMED_OUT]}"
    if unfinished:
        return f"no address for {destination.server}: DNS did not tell all there is in time; allow more time"
    if told is None:
        return f"no address for {destination.server}: the name leads nowhere; check the spelling, or give an address"
    of_target = "" if told.question.name.lower() == server else f" (SRV names {told.question.name})"
    return f"no address for {destination.server}{of_target}: {_FAULTS[told.fault]}"


def _tellingness(attempt: Attempt) -> int:
    return _TELLING.index(attempt.reach) if attempt.reach in _TELLING else len(_TELLING)


def _rank(attempt: Attempt) -> tuple[bool, bool, bool, bool, int]:
    """Lower is better; equals keep the order in which they were tried."""
    transport, trusted = attempt.hop.transport, _is_trusted(attempt)
    order = 0 if trusted else {Transport.TCP: 1, Transport.UDP: 2}.get(transport, 3)
    return _is_troubled(attempt), not trusted, transport.websocket, not attempt.published, order


def _is_trusted(attempt: Attempt) -> bool:
    return attempt.hop.transport.secure and bool(attempt.tls) and not attempt.tls_problems


def _is_troubled(attempt: Attempt) -> bool:
    response = attempt.response
    return response is None or response.is_provisional or response.status >= SERVER_ERROR


def _why(destination: Destination, best: Attempt, answered: Sequence[Attempt]) -> str:
    """The reasons for the best one, and what keeps a secure one from being it."""
    others = [attempt for attempt in answered if attempt.hop.transport is not best.hop.transport]
    reasons = [_main_reason(destination, best, others)]
    if best.response is not None and _is_troubled(best):
        reasons.append(f"but it answers {best.response.status}")
    if best.retransmissions:
        reasons.append(f"but packets are lost: the request was repeated {_times(best.retransmissions)}")
    insecure = next((other for other in others if other.hop.transport.secure and other.tls_problems), None)
    if insecure is not None:
        reasons.append(f"TLS would be better, but {insecure.tls_problems[0]}")
    return "; ".join(reasons)


def _main_reason(destination: Destination, best: Attempt, others: Sequence[Attempt]) -> str:
    transport = best.hop.transport
    if _is_trusted(best):
        return f"signalling is encrypted, and the certificate proves {destination.server}"
    if transport.secure:
        return f"only {transport.value} answers, but {'; '.join(best.tls_problems) or 'nothing proves the peer'}"
    rivals = [other for other in others if not other.hop.transport.secure]
    if not rivals:
        return (
            f"{'only ' if not others else ''}{transport.value} answers{', and DNS names it' if best.published else ''}"
        )
    rival = rivals[0]
    if rival.response is not None and _is_troubled(rival) and not _is_troubled(best):
        return f"{rival.hop.transport.value} answers {rival.response.status}"
    if best.published and not any(other.published for other in rivals):
        return f"DNS names {transport.value}, although {rival.hop.transport.value} answers too"
    if rival.hop.transport.websocket:
        return f"{transport.value} needs no WebSocket around each message"
    # RFC 3261 §18.1.1: what comes within 200 bytes of the path's MTU, or is above 1,300 bytes, must not go by UDP.
    return "TCP carries messages of any size, UDP only up to 1,300 bytes"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
