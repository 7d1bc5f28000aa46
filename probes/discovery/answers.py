"""What is wrong with an answer, found by comparing it with what was sent and with the path that it came along."""

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from probes.checks.options import ONLY_CALLS, UNFINISHED, UNREADABLE
from probes.destination import is_private_address, spelled_address
from probes.findings.catalogue import Catalogue, catalogue
from probes.findings.finding import Finding, Severity
from probes.result import Attempt, System, received_in, sent_in
from sipcore.errors import ParseError
from sipcore.message.address import Address
from sipcore.message.fields.via import Via
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.message.registry import CONTACT, DATE, RECORD_ROUTE, RETRY_AFTER, VIA
from sipcore.message.uri import SipUri, Uri
from sipcore.resolve.target import SocketAddress, is_numeric
from sipcore.trace import Direction, FlowTrace, MessageTrace
from sipcore.value import value

MAX_SKEW = 60.0
"""Seconds that a clock may be off: what signatures of callers allow (RFC 8224 §4.1)."""
PACKET = {False: 1472, True: 1452}
"""Bytes of a datagram that fit into one packet of Ethernet, over IPv4 and, True, over IPv6."""
SERVER_ERROR = 500
FINE = frozenset({501, 505, 513})
"""5xx by which a server says what it does not do, and nothing of its health (RFC 3261 §21.5)."""
_CONTENT_LENGTH = re.compile(rb"(?:^|\n)(?:content-length|l)[ \t]*+:[ \t]*+([0-9]{1,9})[ \t]*+\r?+\n", re.IGNORECASE)
_head_end = re.compile(rb"\r?+\n\r?+\n").search
"""Some end lines by LF alone, which is read all the same."""
_MAX_SHOWN = 200
"""Characters of a header field that are quoted."""


@value
class Exchanged:
    """An attempt with what crossed the wire: the request as it was sent first, and everything that came back."""

    attempt: Attempt
    sent: tuple[MessageTrace, ...]
    received: tuple[MessageTrace, ...]
    request: Request | None
    response: Response | None

    @classmethod
    def of(cls, attempt: Attempt) -> "Exchanged":
        """The messages among an attempt's records."""
        sent, received = tuple(sent_in(attempt.records)), tuple(received_in(attempt.records))
        request = _read_untrusted(sent[0].data) if sent else None
        return cls(attempt, sent, received, request if isinstance(request, Request) else None, attempt.response)

    @property
    def datagram(self) -> bool:
        """Whether it went over UDP."""
        return not self.attempt.hop.transport.reliable

    @property
    def local(self) -> SocketAddress | None:
        """Where it was sent from."""
        return self.sent[0].flow.local if self.sent else None


Found = Iterator[Finding]


def findings(attempt: Attempt, system: System | None, now: float, *, others_serve: bool = False) -> list[Finding]:
    """What is wrong with the answer to one attempt, at `now` in seconds since 1970.

    `others_serve` is whether another place answers without a server error.
    """
    seen, known = Exchanged.of(attempt), _Known(catalogue(), systems_of(system), attempt)
    found = [*_broken(seen, known), *_packets(seen, known)]
    if seen.response is not None:
        for judge in (_rewritten, _narrow, _returned):
            found += judge(seen, seen.response, known)
        found += _served(seen.response, known)
        if known.is_server_error(seen.response):
            severity = Severity.WARNING if others_serve else None
            found.append(_server_error(seen.response, known, severity))
        found += _clock(seen.response, known, now)
    return found


def findings_of_call(attempt: Attempt, messages: Sequence[MessageTrace], system: System | None) -> list[Finding]:
    """What is wrong with where the answer to a call wants to be reached, at a place whose OPTIONS was answered.

    Many say that in answers to calls alone, which are the ones that need a Contact (RFC 3261 §12.1.1).
    """
    for message in received_in(messages):
        answer = _read_untrusted(message.data)
        if isinstance(answer, Response) and not answer.is_provisional:
            called = replace(attempt, response=answer, records=(messages[0], message))
            known = _Known(catalogue(), systems_of(system), called)
            return list(_narrow(Exchanged.of(called), answer, known))
    return []


def crossed(*attempts: Attempt) -> tuple[MessageTrace, ...]:
    """Of each attempt the request, without its repetitions, and what came back: what shows anything about the answer.

    Where only the second request was answered, both are there.
    """
    records = [record for attempt in attempts for record in (*attempt.ignored, *attempt.records)]
    messages = [record for record in records if isinstance(record, MessageTrace)]
    return tuple(one for one in messages if one.direction is Direction.RECEIVED or not one.attempt)


def flows(*attempts: Attempt) -> tuple[FlowTrace, ...]:
    """What became of the connections of some attempts."""
    records = [record for attempt in attempts for record in (*attempt.ignored, *attempt.records)]
    return tuple(record for record in records if isinstance(record, FlowTrace))


def systems_of(system: System | None) -> tuple[str, ...]:
    """The names by which cures may be known, the most specific first: of the stack of a product, the product, and what
    it runs on.
    """
    if system is None or not system.product:
        return ()
    below = system.platform.partition(" ")[0]  # the engine of a distribution comes with its version
    return tuple(filter(None, (f"{system.product} {below}".strip(), system.product, below)))


@value
class _Known:
    """What makes findings of one attempt: each piece of evidence tells the place."""

    catalogue: Catalogue
    systems: tuple[str, ...]
    attempt: Attempt

    def finding(
        self,
        code: str,
        what: str,
        evidence: Sequence[str] = (),
        *,
        severity: Severity | None = None,
        records: Sequence[MessageTrace] = (),
    ) -> Finding:
        told = [f"{self.attempt.hop}: {one[:_MAX_SHOWN]}" for one in evidence] or [str(self.attempt.hop)]
        records = records or crossed(self.attempt)
        return self.catalogue.finding(code, what, told, systems=self.systems, severity=severity, records=records)

    @staticmethod
    def is_server_error(response: Response) -> bool:
        return response.status >= SERVER_ERROR and response.status < 600 and response.status not in FINE


# What came, as packets


def _broken(seen: Exchanged, known: _Known) -> Found:
    """An answer over UDP that ends before its Content-Length says (RFC 3261 §18.3), or that is none by the grammar."""
    for record in seen.received if seen.datagram else ():
        missing = missing_bytes(record.data)
        if missing:
            what = f"an answer over UDP lacks {missing} of the bytes that its Content-Length announces"
            yield known.finding("udp-truncated", what, [f"{len(record.data)} bytes came"], records=[record])
            return
    detail = seen.attempt.detail
    if detail.startswith(UNREADABLE):
        what = "what comes back is meant to be an answer, and cannot be read as one"
        yield known.finding("answer-unreadable", what, [detail.removeprefix(f"{UNREADABLE}: ")])
    if detail.startswith(UNFINISHED):
        what = "an answer is begun and not ended"
        yield known.finding("answer-unfinished", what, [detail.removeprefix(f"{UNFINISHED}: ")])


def missing_bytes(data: bytes) -> int:
    """How many bytes a datagram lacks by its Content-Length; 0 where it has all of them, or says nothing of it."""
    if not data.startswith(b"SIP/2.0 "):
        return 0
    blank = _head_end(data)
    stated = _CONTENT_LENGTH.search((data[: blank.start()] if blank else data) + b"\n")
    if blank is None:
        return 1 if stated is None else max(int(stated[1]), 1)
    return max(int(stated[1]) - (len(data) - blank.end()), 0) if stated else 0


def _packets(seen: Exchanged, known: _Known) -> Found:
    """What datagrams tell: answers from elsewhere, in copies, in fragments; requests that were lost."""
    answers = [record for record in seen.received if record.data.startswith(b"SIP/2.0 ")]
    if not (seen.datagram and answers):
        return
    remote = seen.attempt.hop.remote
    elsewhere = [record for record in answers if record.flow.remote != remote]
    # What goes to the unspecified address reaches this host itself, which answers from another one (RFC 1122 §3.2.1.3).
    if elsewhere and not ipaddress.ip_address(remote.host.partition("%")[0]).is_unspecified:
        came = elsewhere[0].flow.remote
        what = f"the answer comes from {came}, not from {remote}, which was asked"
        yield known.finding("answers-from-elsewhere", what, [f"sent to {remote}, answered from {came}"])
    sent = [*_lost(seen.attempt), *seen.sent]
    finals = [record.data for record in answers if not record.data.startswith(b"SIP/2.0 1")]
    copies = max(Counter(finals).values(), default=0)
    if len(finals) > len(sent):
        what = f"{len(finals)} answers came to {_times(len(sent), 'request')}"
        yield known.finding("duplicated-answers", what, [f"the same answer came {_times(copies, 'time')}"])
    elif finals and (seen.attempt.retransmissions or len(sent) > len(seen.sent)) and len(finals) < len(sent):
        what = f"the request was sent {len(sent)} times until an answer came"
        evidence = [f"{len(sent)} sent, {len(finals)} answered"]
        yield known.finding("packets-lost", what, evidence, records=[*sent, *seen.received])
    longest = max(len(record.data) for record in answers)
    most = PACKET[remote.is_ipv6]
    if longest > most:
        what = f"an answer over UDP has {longest} bytes, and a packet of Ethernet takes {most}"
        yield known.finding("udp-fragmented", what, [f"{longest} bytes in one datagram"])


def _lost(attempt: Attempt) -> list[MessageTrace]:
    """The requests that were sent in vain before the one that was answered, which did not differ from them."""
    if attempt.only or attempt.detail == ONLY_CALLS:
        return []
    return sent_in(attempt.ignored)


def _times(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"


# What must come back as it was sent


def _rewritten(seen: Exchanged, response: Response, known: _Known) -> Found:
    """RFC 3261 §8.2.6.2: From, To, Call-ID, CSeq and Via are the request's.

    Where addresses differ, somebody who knows addresses has been at it: a gateway on the way, which TLS keeps out. What
    else differs is the peer's doing.
    """
    if seen.request is None:
        return
    records = [*seen.sent[:1], *seen.received[:1]]
    try:
        changed = list(_changes(seen.request, response))
    except ParseError as error:
        what = f"{error.header or 'a header field'} of the answer cannot be read, and must be the request's"
        yield known.finding("answer-does-not-fit", what, [str(error)], records=records)
        return
    if not changed:
        return
    addresses = [name for name, _, _ in changed if name in ("Via", "From", "To")]
    code = "sip-alg" if addresses and not seen.attempt.hop.transport.secure else "answer-does-not-fit"
    evidence = [f"{name} sent: {before}; came back: {after}" for name, before, after in changed]
    named = ", ".join(dict.fromkeys(name for name, _, _ in changed))
    verb = "were" if "," in named else "was"
    what = f"{named} {verb} not the same in the answer as in the request"
    yield known.finding(code, what, evidence, records=records)


def _changes(request: Request, response: Response) -> Iterator[tuple[str, str, str]]:
    """What differs: the header field, what was sent, and what came back. Raises ParseError."""
    sent, back = request.via, response.via
    if (sent.host, sent.port) != (back.host, back.port):
        yield "Via", sent.sent_by, back.sent_by
    if len(response[VIA]) > 1:
        yield "Via", "one", f"{len(response[VIA])} of them"
    if sent.branch != back.branch:
        yield "branch", sent.branch, back.branch
    for name, before, after in (("From", request.from_, response.from_), ("To", request.to, response.to)):
        if _host_of(before.uri) != _host_of(after.uri):
            yield name, str(before.uri), str(after.uri)
    if request.from_tag != response.from_tag:
        yield "From tag", request.from_tag or "none", response.from_tag or "none"
    if request.call_id != response.call_id:
        yield "Call-ID", request.call_id, response.call_id
    if request.cseq != response.cseq:
        yield "CSeq", str(request.cseq), str(response.cseq)


def _host_of(uri: Uri) -> tuple[str, int | None] | str:
    return (uri.address.lower(), uri.port) if isinstance(uri, SipUri) else str(uri)


# Addresses


def reaches_less(host: str, path: str) -> bool:
    """Whether an address does not reach as far as the one that a path leads to: no for any name but `localhost`."""
    known = is_numeric(path) and (is_numeric(host) or _is_localhost(host))
    return known and scope_of(host) < scope_of(path)


_SCOPES = ("of the host itself", "of its link", "of a private net", "public")


def scope_of(host: str) -> int:
    """How far an address reaches: 0 this host, 1 this link, 2 a private net, 3 the Internet (RFC 6890)."""
    address = ipaddress.ip_address("127.0.0.1" if _is_localhost(host) else host.partition("%")[0])
    if address.is_loopback or address.is_unspecified:
        return 0
    if address.is_link_local:
        return 1
    return 2 if is_private_address(host) else 3


def _scope(host: str) -> str:
    return _SCOPES[scope_of(host)]


def _is_localhost(host: str) -> bool:
    return host.lower() == "localhost"


def _narrow(seen: Exchanged, response: Response, known: _Known) -> Found:
    """Addresses that the peer wants to be reached at, and that reach less far than the path to it."""
    path = seen.attempt.hop.remote.host
    for code, name, read in _REACHED_AT:
        for uri in _uris(response, read):
            if reaches_less(uri.address, path):
                what = f"{name} has {uri.address}, which is {_scope(uri.address)}; the path to it is {_scope(path)}"
                yield known.finding(code, what, [f"{name}: {uri}"], records=seen.received[:1])
                break


def contacts_of(response: Response) -> list[SipUri]:
    """The SIP URIs of Contact; none where it cannot be read."""
    return _uris(response, _contacts)


def _contacts(response: Response) -> list[Uri]:
    return [contact.uri for contact in response[CONTACT] if isinstance(contact, Address)]


def _routes(response: Response) -> list[Uri]:
    return [route.uri for route in response[RECORD_ROUTE]]


_REACHED_AT: tuple[tuple[str, str, Callable[[Response], list[Uri]]], ...] = (
    ("record-route-narrow", "Record-Route", _routes),
    ("contact-narrow", "Contact", _contacts),
)


def _uris(response: Response, read: Callable[[Response], list[Uri]]) -> list[SipUri]:
    try:
        return [uri for uri in read(response) if isinstance(uri, SipUri)]
    except ParseError:
        return []


def _returned(seen: Exchanged, response: Response, known: _Known) -> Found:
    """What the peer says of where the request came from: `received` and `rport` (RFC 3261 §18.2.1, RFC 3581 §4)."""
    try:
        via = response.via
    except ParseError:
        return
    local = seen.local
    asked = seen.request is not None and "rport" in seen.request.via.params
    if seen.datagram and asked and via.rport is None:
        yield known.finding(
            "rport-ignored", "rport came back without the port that the request came from", [f"Via: {via}"]
        )
    received = _received_in(via)
    if local is None or not received:
        return
    wrong = _wrong_received(via, local, seen.attempt.hop.remote, datagram=seen.datagram)
    if wrong:
        yield known.finding("wrong-received", f"received says {wrong}", [f"Via: {via}", f"sent from {local}"])
    elif received != local.host:
        what = f"the peer sees {received} where the request was sent from {local.host}"
        yield known.finding("nat-on-path", what, [f"Via: {via}", f"sent from {local}"])


def seen_as(attempt: Attempt) -> str:
    """The address that the peer says the request came from; empty where it says none."""
    try:
        via = attempt.response.via if attempt.response is not None else None
    except ParseError:
        return ""
    return _received_in(via) if via is not None else ""


def _received_in(via: Via) -> str:
    """The address of `received` in its one spelling. What is no address is left as it is, and nothing is ""."""
    received = via.received or ""
    return spelled_address(received) if is_numeric(received) else received


def _wrong_received(via: Via, local: SocketAddress, remote: SocketAddress, *, datagram: bool) -> str:
    """What cannot be about it, in words; empty where nothing is. Where a translator may stand, much can be."""
    received = _received_in(via)
    if not is_numeric(received):
        return f"{received}, which is no address"
    if received == local.host:
        moved = datagram and via.rport is not None and via.rport != local.port
        return f"{received}, rightly, but rport says {via.rport}, and {local.port} was it" if moved else ""
    if reaches_less(received, remote.host):
        return f"{received}, which is {_scope(received)} and did not come along this path"
    return ""


# What the peer says of itself


def _served(response: Response, known: _Known) -> Found:
    if known.attempt.detail == ONLY_CALLS:
        what = (
            f"a call is {_received_how(response)} with {response.status} {response.reason}, and OPTIONS is not answered"
        )
        yield known.finding("options-ignored", what, [f"INVITE: {response.start_line}"])
    elif response.is_provisional:
        yield known.finding("only-provisional", f"after {response.status} {response.reason} nothing more came")


def _received_how(response: Response) -> str:
    """What an answer to an INVITE does with the call, in a word; one that asks for credentials decides nothing yet."""
    if response.status in (401, 407):
        return "challenged"
    return "refused" if response.status >= 300 else "answered"


def _server_error(response: Response, known: _Known, severity: Severity | None) -> Finding:
    try:
        after = response[RETRY_AFTER]
    except ParseError:
        after = None
    when = f", and to come back in {after.seconds} s" if after is not None else ""
    evidence = [response.start_line, *([f"Retry-After: {after}"] if after is not None else [])]
    what = f"it answers {response.status} {response.reason}{when}"
    return known.finding("server-error", what, evidence, severity=severity)


def _clock(response: Response, known: _Known, now: float) -> Found:
    try:
        date = response[DATE]
    except ParseError:
        return
    if date is None:
        return
    skew = date.when.timestamp() - now
    if abs(skew) > MAX_SKEW:
        here = f"{datetime.fromtimestamp(now, UTC):%a, %d %b %Y %H:%M:%S} GMT"
        what = f"the peer's clock is {_duration(abs(skew))} {'ahead' if skew > 0 else 'behind'}"
        yield known.finding("clock-skew", what, [f"Date: {date}", f"it was {here} here"])


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _read_untrusted(data: bytes) -> Request | Response | None:
    try:
        return parse_message(data)
    except ParseError:
        return None
