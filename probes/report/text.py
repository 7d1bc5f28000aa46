"""A discovery in words: the verdict, a grid of what each port and transport did, what is wrong, what DNS said.

Readable at 80 columns and without colour, which only repeats what the words say. Everything that a peer may have
written is made printable.
"""

from collections.abc import Iterable, Mapping, Sequence

from rich.text import Text

from probes.checks.options import PLAIN_SIP, TLS
from probes.discovery.capabilities import Capabilities
from probes.discovery.habits.judge import SIZES
from probes.discovery.outcome import Discovery
from probes.report.dns_text import ladder_lines
from probes.report.findings_text import finding_lines
from probes.report.lines import WIDTH, fact, listed, wrapped
from probes.report.purposes import evidence_told
from probes.report.safe_text import printable
from probes.report.times import duration
from probes.report.tls_text import tls_blocks, tls_summary
from probes.result import Attempt, LookupStep, Reach, System
from sipcore.errors import quoted
from sipcore.resolve.target import Hop, SocketAddress, Transport

_LABEL, _PORT, _CELL = 11, 8, 18
"""Columns of a fact's name, of a port, and of one cell of the grid."""
_COLUMNS = ((Transport.UDP, Transport.TCP, Transport.TLS), (Transport.WS, Transport.WSS))
"""The columns of the grid, in two blocks: WebSockets have ports of their own, and five columns would be too wide."""

_HEADLINES = {
    Reach.SILENT: "a port is open, but nothing answers SIP",
    Reach.NO_ANSWER: "nothing answers",
    Reach.FILTERED: "nothing answers, not even with a refusal",
    Reach.REFUSED: "nothing listens there",
    Reach.UNREACHABLE: "there is no way there",
    Reach.TLS_FAILED: "TLS does not succeed",
    Reach.CERTIFICATE_WANTED: "a client certificate is wanted",
    Reach.NOT_SIP: "something answers that is not SIP",
    Reach.NOT_ALLOWED: "nothing was sent there",
    Reach.FAILED: "the probe could not be carried out",
}
_CELLS = {
    Reach.SILENT: "silent",
    Reach.TLS_FAILED: "no TLS",
    Reach.CERTIFICATE_WANTED: "certificate!",
    Reach.NOT_SIP: "not SIP",
}
"""Short forms for the grid, where the value itself is too long."""
_STYLES = {
    Reach.ANSWERED: "green",
    Reach.SILENT: "yellow",
    Reach.CERTIFICATE_WANTED: "yellow",
    Reach.TLS_FAILED: "red",
    Reach.NOT_SIP: "red",
}
_PENDING = "…"
_FAULTY = "!"
"""Marks an answer that came although something is wrong, which a note below tells."""
_UNUSED = (Reach.NO_ANSWER, Reach.FILTERED)
_OTHER = (TLS, PLAIN_SIP)
"""What is spoken in the place of the transport that was tried, which the grid tells."""
_EVIDENCE = 3
"""Pieces of evidence that are told; the strongest come first."""

Key = tuple[Transport, SocketAddress]


def discovery_lines(discovery: Discovery, width: int = WIDTH) -> list[Text]:
    """The whole result, in lines of at most `width` columns."""
    lines = wrapped(headline(discovery), width, later=" " * 6, style="bold")
    lines += _facts(discovery, width)
    attempts = {_key(attempt.hop): attempt for attempt in discovery.attempts}
    lines += grid([attempt.hop for attempt in discovery.attempts], attempts)
    lines += _notes(discovery, width)
    if discovery.findings:
        # The grid tells how far each attempt came.
        told = {f"{attempt.hop}: {attempt.reach.value}" for attempt in discovery.attempts}
        lines += [Text(), *finding_lines(discovery.findings, width, told)]
    lines += tls_blocks(discovery.tls, width)
    if discovery.dns is not None:
        lines += [Text(), *ladder_lines(discovery.dns, width)]
    else:
        lines += _dns(discovery.lookups, width)
    return lines


def headline(discovery: Discovery) -> str:
    """What it comes to, in one line."""
    return failure_line(discovery) or _verdict(discovery)


def failure_line(discovery: Discovery) -> str:
    """Why nothing was reached and what to try, in one line; "" when something answered."""
    telling = discovery.telling
    if discovery.answered:
        return ""
    if telling is None:
        return printable(discovery.failure)
    told = _HEADLINES[telling.reach]
    # What the headline says already is not worth saying twice.
    detail = f" ({telling.detail})" if telling.reach not in (Reach.REFUSED, Reach.NO_ANSWER) else ""
    return printable(f"{discovery.destination}: {told}{detail}; {discovery.advice}".rstrip("; "))


def grid(hops: Iterable[Hop], attempts: Mapping[Key, Attempt]) -> list[Text]:
    """For each address: ports down, transports across."""
    hops = list(hops)
    tried = {hop.transport for hop in hops}
    lines: list[Text] = []
    for host in dict.fromkeys(hop.remote.host for hop in hops):
        lines += [Text(), Text(f"  {host}", style="bold")]
        for block in _COLUMNS:
            columns = [transport for transport in block if transport in tried]
            here = [hop for hop in hops if hop.remote.host == host and hop.transport in columns]
            lines += _block(columns, here, attempts) if here else []
    return lines


def _block(columns: Sequence[Transport], hops: Sequence[Hop], attempts: Mapping[Key, Attempt]) -> list[Text]:
    names = "".join(transport.value.ljust(_CELL) for transport in columns)
    lines = [Text(f"    {'port'.ljust(_PORT)}{names}".rstrip(), style="dim")]
    for port in sorted({hop.remote.port for hop in hops}):
        known = {hop.transport: attempts.get(_key(hop)) for hop in hops if hop.remote.port == port}
        lines.append(_row(port, columns, known))
    return lines


def _row(port: int, columns: Sequence[Transport], known: Mapping[Transport, Attempt | None]) -> Text:
    line = Text(f"    {str(port).ljust(_PORT)}")
    for transport in columns:
        text, style = _cell(known[transport]) if transport in known else ("", "")
        line.append(text.ljust(_CELL), style=style)
    line.rstrip()
    return line


def _cell(attempt: Attempt | None) -> tuple[str, str]:
    if attempt is None:
        return _PENDING, "dim"
    style = _STYLES.get(attempt.reach, "dim")
    if attempt.response is None:
        return attempt.instead or _CELLS.get(attempt.reach, attempt.reach.value), style
    time = f" in {duration(attempt.rtt)}" if attempt.rtt is not None else ""
    return f"{attempt.response.status}{time}{f' {_FAULTY}' if attempt.detail else ''}", style


def _verdict(discovery: Discovery) -> str:
    spoken = [hop.transport for hop in (attempt.hop for attempt in discovery.answered)]
    names = [transport.value for transport in Transport if transport in spoken]
    return f"{printable(str(discovery.destination))} answers SIP over {listed(names)}"


def _facts(discovery: Discovery, width: int) -> list[Text]:
    facts = destination_facts(discovery)
    if discovery.system is not None:
        facts += system_facts(discovery.system)
    recommended = discovery.recommendation
    if recommended is not None:
        best = next(attempt for attempt in discovery.answered if attempt.hop == recommended.hop)
        facts.append(("answer", _answer(best)))
    facts += capability_facts(discovery.capabilities)
    # Where no handshake succeeds anywhere, the headline says why.
    met = [report for report in discovery.tls if discovery.answered or report.agreed is not None]
    facts += [("TLS", tls_summary(report)) for report in met]
    if recommended is not None:
        facts.append(("connect by", f"{recommended.uri} ({recommended.hop}): {recommended.why}"))
        facts.append(("trunk", "Auto (SRV): DNS leads there by itself" if recommended.by_dns else ""))
    if discovery.omitted:
        facts.append(("left out", f"{discovery.omitted} more places: narrow it with --port and --transport"))
    lines = [line for name, text in facts if text for line in fact(name, text, width, _LABEL)]
    return [Text(), *lines] if lines else []


def destination_facts(discovery: Discovery) -> list[tuple[str, str]]:
    """What is known of the place before anything is sent to it."""
    facts: list[tuple[str, str]] = []
    if discovery.destination.is_private:
        facts.append(("address", "private: reached from its own network, and not over the Internet"))
    provider = discovery.destination.provider
    if provider is not None and not discovery.answered:
        facts += [("provider", provider.name), *(("", guidance) for guidance in provider.guidance)]
    return facts


def system_facts(system: System) -> list[tuple[str, str]]:
    """What it is; why, where no banner says so; what it may be, where nothing is sure."""
    model = "" if system.model in system.product else f", {system.model}"
    platform = f" on {system.platform}" if system.platform else ""
    named = (
        f"{' '.join(filter(None, [system.product, system.version]))}{model}{platform}" if system.product else "unknown"
    )
    facts = [("system", named), ("banner", system.banner)]
    if system.product and not system.banner:
        evidence = "; ".join(map(evidence_told, system.candidates[0].evidence[:_EVIDENCE]))
        facts.append(("known by", f"{evidence} ({system.confidence:.0%} sure)"))
    elif not system.product and system.candidates:
        facts.append(("perhaps", ", ".join(f"{one.product} ({one.confidence:.0%})" for one in system.candidates)))
    return [*facts, ("but", system.disagreement)]


def capability_facts(found: Capabilities) -> list[tuple[str, str]]:
    """What it can do, as far as it came out."""
    challenges = [
        f"{one.method} {one.status}: {one.scheme}{f' {one.algorithm}' if one.algorithm else ''}"
        f"{f', realm {quoted(one.realm)}' if one.realm else ''}"
        for one in found.authentication
    ]
    alive = [
        name
        for name, answers in (("STUN over UDP", found.keep_alive_udp), ("CRLF over TCP", found.keep_alive_stream))
        if answers
    ]
    return [
        ("methods", ", ".join(found.methods)),
        ("extensions", ", ".join(found.extensions)),
        ("requires", ", ".join(found.required)),
        ("events", ", ".join(found.events)),
        ("codecs", ", ".join(found.codecs)),
        ("wants", "; ".join(challenges)),
        ("over UDP", _over_udp(found)),
        ("keep-alive", ", ".join(alive)),
    ]


def _over_udp(found: Capabilities) -> str:
    """How large a request may be, and whether answers find their way back through a translator (RFC 3581 §4)."""
    more = " or more" if found.largest_datagram == SIZES[-1] else ""
    size = f"requests of {found.largest_datagram} bytes{more}" if found.largest_datagram else ""
    rport = {True: "obeys rport", False: "ignores rport", None: ""}[found.rport]
    received = "tells the address that requests come from" if found.received else ""
    return ", ".join(filter(None, [size, rport, received]))


def _answer(attempt: Attempt) -> str:
    response = attempt.response
    said = f"{response.status} {response.reason}".strip() if response is not None else ""
    time = f" in {duration(attempt.rtt)}" if attempt.rtt is not None else ""
    kernel = " (by the kernel's clock)" if attempt.kernel_stamped else ""
    tls = f", {attempt.tls}" if attempt.tls else ""
    return f"{said}{time}{kernel}{tls}"


def _notes(discovery: Discovery, width: int) -> list[Text]:
    """What went wrong and what to try, each once with all the places it is true of."""
    several = len({attempt.hop.remote.host for attempt in discovery.attempts}) > 1
    spoken = {attempt.hop.remote for attempt in discovery.answered if attempt.hop.transport.reliable}
    alive = {attempt.hop.remote.host for attempt in discovery.answered}
    telling = discovery.telling
    headline = (telling.detail, telling.advice) if telling is not None else None
    reported = {_key(report.hop) for report in discovery.tls}
    places: dict[str, list[Hop]] = {}
    for attempt in discovery.attempts:
        text = "; ".join(part for part in (attempt.detail, attempt.advice) if part)
        # A refusal explains itself, and so does TLS that fails where plain TCP is spoken, or the other way round.
        # What is wrong with a certificate is among the findings.
        known = attempt.response is None and attempt.hop.transport.reliable and attempt.hop.remote in spoken
        known = known or attempt.instead in _OTHER or bool(attempt.tls_problems and _key(attempt.hop) in reported)
        # At an address that answers, silence is what a firewall makes of a port that is not in use.
        guessed = attempt.reach in _UNUSED and not attempt.published and attempt.hop.remote.host in alive
        known = known or guessed or (not several and (attempt.detail, attempt.advice) == headline)
        if text and attempt.reach is not Reach.REFUSED and not known:
            places.setdefault(text, []).append(attempt.hop)
    lines: list[Text] = []
    for text, hops in places.items():
        lines += wrapped(f"  {_places(hops, several=several)}: {text}", width, later=" " * 6)
    return [Text(), *lines] if lines else []


def _places(hops: Sequence[Hop], *, several: bool) -> str:
    """`UDP 5060 and 5061, TLS 5061`, or with their addresses where there are several."""
    by_transport: dict[str, list[str]] = {}
    for hop in hops:
        by_transport.setdefault(hop.transport.value, []).append(str(hop.remote if several else hop.remote.port))
    return "; ".join(f"{name} {', '.join(remotes)}" for name, remotes in by_transport.items())


def _dns(lookups: Sequence[LookupStep], width: int) -> list[Text]:
    lines: list[Text] = []
    for step in lookups:
        lines += wrapped(f"  {step.question}: {', '.join(step.answers) or step.error}", width, later=" " * 6)
    return [Text(), *lines] if lines else []


def _key(hop: Hop) -> Key:
    return hop.transport, hop.remote
