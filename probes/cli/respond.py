"""`sipprobe respond`: an answering endpoint, for tests and demonstrations. It runs until it is stopped."""

from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from probes.cli import respond_options as options
from probes.cli.call_options import (
    Dtmf,
    EncryptionName,
    EndsName,
    Expect,
    Ice,
    PasswordFile,
    Prack,
    ReliableName,
    ServedEncryption,
    SessionTimer,
)
from probes.cli.common import (
    ClientCa,
    ServerCertificate,
    ServerKey,
    read_headers,
    read_password,
    run_until_stopped,
    server_tls,
    stop,
)
from probes.cli.exit_codes import ExitCode
from probes.cli.respond_register import Enrolment, end_refused, enrolled, read_enrolment
from probes.cli.respond_scenario import run_answers
from probes.cli.respond_told import Told, say
from probes.cli.saving import Collector, HtmlTo, SaveTo, WithMedia, WithTls, read_kept, save, sender_to
from sipcore.errors import ParseError, quoted
from sipcore.value import value

if TYPE_CHECKING:
    from probes.calls.story import OnEntry
    from probes.calls.wire import Wire
    from probes.responder.happening import Binding, Happening
    from probes.responder.personas import Guard, Manner, Persona
    from sipcore.message.uri import Uri
    from sipcore.transports.base import TlsConfig

DEFAULT_HOST = "127.0.0.1"
DEFAULT_REALM = "sipprobe"


def respond(
    context: typer.Context,
    host: options.Host = DEFAULT_HOST,
    port: options.Port = 5060,
    tls_port: options.TlsPort = 5061,
    no_tls: options.NoTls = False,
    certificate: ServerCertificate = None,
    key: ServerKey = None,
    client_ca: ClientCa = None,
    ring: options.Ring = None,
    answer_after: options.AnswerAfter = None,
    early_media: options.EarlyMedia = False,
    refuse: options.Refuse = None,
    redirect: options.Redirect = "",
    busy: options.Busy = False,
    silent: options.Silent = False,
    hang_up_after: options.HangUpAfter = None,
    codec: options.CodecName = None,
    ptime: options.Ptime = None,
    encryption: ServedEncryption = EncryptionName.ALLOW,
    ice: Ice = False,
    dtmf: Dtmf = "",
    prack: Prack = ReliableName.ON,
    session_timer: SessionTimer = 0,
    min_se: options.MinSe = 90,
    refresher: options.Refresher = None,
    header: options.Header = None,
    user: options.User = "",
    password_file: PasswordFile = None,
    realm: options.Realm = "",
    algorithm: options.AlgorithmName = None,
    proxy_auth: options.ProxyAuth = False,
    server: options.Server = "sipprobe",
    register: options.Register = "",
    calls: options.Calls = None,
    max_hold: options.MaxHold = 3600.0,
    expect: Expect = "",
    scenario: options.Scenario = None,
    save_to: SaveTo = None,
    html: HtmlTo = None,
    with_media: WithMedia = False,
    with_tls: WithTls = False,
    collector: Collector = "",
    as_json: options.AsJson = False,
) -> None:
    """Answer OPTIONS and calls, until stopped (Ctrl-C or SIGTERM).

    Without options about calls, the called user decides, as in sip:603@127.0.0.1: a status code, busy, reject, unknown
    and congestion refuse, ring never answers, early sends early media, hangup hangs up after 2 s, ringecho rings first;
    all others hear themselves. Exit code 12: not as --expect says; 13: no audio came; 1, 9: the registrar refuses.
    """
    given = _CallOptions(ring, answer_after, early_media, hang_up_after, refuse, redirect, busy, silent)
    details = _Details(server, max_hold, ptime, dtmf, ice, read_headers(header), session_timer, min_se)
    guard, enrolment = _credentials(register, user, password_file, realm, algorithm or [], proxy=proxy_auth)
    persona = _persona(given, _Wanted(codec, encryption, prack, refresher, guard), expect, details)
    wire = _read_wire(save_to or [], html, media=with_media, tls=with_tls, one=calls == 1 and scenario is None)
    served = _served(host, port, None if no_tls else tls_port, _tls(certificate, key, client_ca, no_tls), enrolment)
    if scenario is not None:
        run_answers(scenario, context, persona, served, sender_to(collector), as_json=as_json)
    _run(persona, served, Told(calls, sender_to(collector), as_json=as_json), wire, save_to or [], html)


def _tls(certificate: Path | None, key: Path | None, client_ca: Path | None, no_tls: bool) -> "TlsConfig":
    """How TLS is served; ends the program for options that contradict each other."""
    if no_tls and (certificate or client_ca):
        stop(ExitCode.USAGE, f"--no-tls leaves nothing to do for {'--certificate' if certificate else '--client-ca'}")
    return server_tls(certificate, key, client_ca)


@value
class _CallOptions:
    """The options that say what becomes of a call, as they come."""

    ring: float | None = None
    answer_after: float | None = None
    early_media: bool = False
    hang_up_after: float | None = None
    refuse: int | None = None
    redirect: str = ""
    busy: bool = False
    silent: bool = False


@value
class _Wanted:
    """The options that choose among names, by their names, and who may call."""

    codecs: list[str] | None
    encryption: EncryptionName
    prack: ReliableName
    refresher: EndsName | None
    guard: "Guard | None"
    """What is asked of callers as proof of who they are."""


@value
class _Details:
    """The options that say who answers, as they come: parts of the persona, by their names there."""

    server: str
    longest: float
    ptime: float | None
    digits: str
    ice: bool
    headers: tuple[tuple[str, str], ...]
    session_interval: int
    min_interval: int


def _run(
    persona: "Persona", served: options.Served, told: Told, wire: "Wire", files: list[Path], html: Path | None
) -> NoReturn:
    run_until_stopped(partial(told.during, partial(_serve, persona, served, told, wire)))
    if told.last is not None:
        save(told.last, files, html, wire)
    told.close()
    if told.refusal is not None:
        end_refused(told.refusal)
    raise typer.Exit(told.exit_code)


def _read_wire(
    files: list[Path], html: Path | None, media: bool, tls: bool, *, one: bool
) -> "Wire":  # as the options come
    """What is to be kept for files; ends the program where it is not for one call."""
    if (files or html) and not one:
        stop(ExitCode.USAGE, f"{'--save' if files else '--html'} is for one call: give --calls 1, without --scenario")
    return read_kept(files, html, media=media, tls=tls)


def _persona(given: _CallOptions, wanted: _Wanted, expect: str, details: _Details) -> "Persona":
    """Who the responder is. Raises LocalError; ends the program for options that do not go together."""
    from probes.calls.expect import Expectation
    from probes.calls.script import Ends, Reliable
    from probes.responder.personas import DEFAULT_CODECS, Persona
    from sipcore.media.terms import Encryption
    from sipcore.media.voice import is_installed
    from sipcore.sdp.codecs import codecs_named

    more_codecs = codecs_named(["opus"]) if is_installed() else ()  # loaded now, and not while a call is on
    return Persona(
        _manner(given),
        silent=given.silent,
        codecs=codecs_named(wanted.codecs) if wanted.codecs else (*DEFAULT_CODECS, *more_codecs),
        encryption=Encryption(wanted.encryption.value),
        reliable=Reliable(wanted.prack.value),
        refresher=Ends(wanted.refresher.value) if wanted.refresher else None,
        expect=Expectation.parse(expect) if expect else None,
        guard=wanted.guard,
        server=details.server,
        longest=details.longest,
        ptime=details.ptime,
        digits=details.digits,
        ice=details.ice,
        headers=details.headers,
        session_interval=details.session_interval,
        min_interval=details.min_interval,
    )


async def _serve(
    persona: "Persona", served: options.Served, told: Told, wire: "Wire", on_entry: "OnEntry | None"
) -> None:
    """Answer, and print what happens, until it is stopped, or enough calls are over."""
    import trio

    from probes.responder.run import open_responder

    enough = trio.Event()

    def tell(happening: "Happening") -> None:
        told.tell(happening)
        if told.is_enough:
            enough.set()

    opened = open_responder(persona, served.binds, tell, served.tls, on_entry=on_entry, wire=wire)
    async with opened as responder:
        say(responder.addresses, as_json=told.as_json)
        async with enrolled(responder, served.enrolment, as_json=told.as_json) as refusal:
            told.refusal = refusal
            if refusal is None:
                await enough.wait()


def _manner(given: _CallOptions) -> "Manner | None":
    """How calls are dealt with; None when no option says anything, so that the called user decides."""
    from probes.responder.personas import BUSY, MOVED_TEMPORARILY, OK, Manner

    endings = {"--refuse": given.refuse is not None, "--redirect": given.redirect}
    endings |= {"--busy": given.busy, "--silent": given.silent}
    exclusive = [option for option, chosen in endings.items() if chosen]
    if len(exclusive) > 1:
        stop(ExitCode.USAGE, f"{' and '.join(exclusive)} exclude each other; give one of them")
    if given.refuse == OK:
        stop(ExitCode.USAGE, f"{OK} is no refusal; leave --refuse out to have calls answered")
    if replace(given, silent=False) == _CallOptions():
        return None
    status = OK if given.refuse is None else given.refuse
    return Manner(
        ring=given.ring,
        delay=given.answer_after or 0.0,
        early_media=given.early_media,
        status=BUSY if given.busy else MOVED_TEMPORARILY if given.redirect else status,
        contact=_read_contact(given.redirect) if given.redirect else None,
        hang_up_after=given.hang_up_after,
    )


def _read_contact(text: str) -> "Uri":
    from sipcore.message.uri import parse_uri

    try:
        return parse_uri(text)
    except ParseError as error:
        problem = f"cannot read {quoted(text)}: {error.message}"
        stop(ExitCode.USAGE, f"{problem}; --redirect takes a URI such as sip:bob@example.com")


def _credentials(
    target: str, user: str, password_file: Path | None, realm: str, names: list[str], *, proxy: bool
) -> tuple["Guard | None", Enrolment | None]:
    """What callers are asked for, or, with somebody to register, what this side gives its registrar."""
    if not target:
        return _guard(user, password_file, realm, names, proxy=proxy), None
    if names or proxy:
        stop(ExitCode.USAGE, f"{'--algorithm' if names else '--proxy-auth'} says nothing with --register")
    return None, read_enrolment(target, user, realm, password_file)


def _guard(user: str, password_file: Path | None, realm: str, names: list[str], *, proxy: bool) -> "Guard | None":
    """The digest authentication that is asked for; None without a user."""
    if not user:
        return None
    from probes.responder.personas import Guard
    from sipcore.auth.digest import Algorithm, algorithm_named
    from sipcore.auth.server import ServerPolicy, UserTable

    algorithms = tuple(algorithm_named(name) for name in names)
    for name, found in zip(names, algorithms, strict=True):
        if found is None:
            known = ", ".join(algorithm.wire_name for algorithm in Algorithm)
            stop(ExitCode.USAGE, f"no digest algorithm {name}; there are {known}")
    wanted = tuple(found for found in algorithms if found is not None)
    named = realm or DEFAULT_REALM
    policy = ServerPolicy(named, wanted, proxy=proxy) if wanted else ServerPolicy(named, proxy=proxy)
    return Guard(policy, UserTable({user: read_password(user, password_file)}))


def _served(
    host: str, port: int, tls_port: int | None, tls: "TlsConfig", enrolment: Enrolment | None
) -> options.Served:
    return options.Served(_binds(host, port, tls_port), tls, enrolment)


def _binds(host: str, port: int, tls_port: int | None) -> "list[Binding]":
    from sipcore.resolve.target import SocketAddress, Transport

    try:
        ip_address(host)
    except ValueError:
        stop(ExitCode.USAGE, f"--host takes an IP address of this machine, not {host}")
    if port == tls_port != 0:
        stop(
            ExitCode.USAGE,
            f"TCP and TLS need a port each, and both have {port}: choose another --tls-port, or --no-tls",
        )
    binds = [(Transport.UDP, SocketAddress(host, port)), (Transport.TCP, SocketAddress(host, port))]
    return binds if tls_port is None else [*binds, (Transport.TLS, SocketAddress(host, tls_port))]
