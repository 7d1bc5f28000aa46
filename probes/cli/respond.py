"""`sipprobe respond`: an answering endpoint, for tests and demonstrations. It runs until it is stopped."""

import signal
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from probes.cli import respond_options as options
from probes.cli.call_options import (
    Dtmf,
    EncryptionName,
    Expect,
    Ice,
    PasswordFile,
    Prack,
    ReliableName,
    Scenario,
    ServedEncryption,
    SessionTimer,
)
from probes.cli.common import read_headers, read_password, stop
from probes.cli.exit_codes import ExitCode
from probes.cli.respond_scenario import run_answers
from probes.cli.respond_told import Told, say
from probes.cli.saving import Collector, HepSender, HtmlTo, SaveTo, WithMedia, WithTls, read_kept, save

if TYPE_CHECKING:
    from probes.calls.story import OnEntry
    from probes.calls.wire import Wire
    from probes.responder.happening import Binding, Happening
    from probes.responder.personas import Guard, Manner, Persona

DEFAULT_HOST = "127.0.0.1"


def respond(
    context: typer.Context,
    host: options.Host = DEFAULT_HOST,
    port: options.Port = 5060,
    tls_port: options.TlsPort = 5061,
    no_tls: options.NoTls = False,
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
    realm: options.Realm = "sipprobe",
    algorithm: options.AlgorithmName = None,
    proxy_auth: options.ProxyAuth = False,
    server: options.Server = "sipprobe",
    calls: options.Calls = None,
    max_hold: options.MaxHold = 3600.0,
    expect: Expect = "",
    scenario: Scenario = None,
    save_to: SaveTo = None,
    html: HtmlTo = None,
    with_media: WithMedia = False,
    with_tls: WithTls = False,
    collector: Collector = "",
    as_json: options.AsJson = False,
) -> None:
    """Answer OPTIONS and calls, and tell of each call what a test call tells, until stopped (Ctrl-C or SIGTERM).

    Without options about calls, the called user selects what happens: echo (or any other) answers and sends the
    media back, ringecho rings first, ring rings for ever, early sends early media, hangup hangs up after two
    seconds, busy, reject, unknown and congestion refuse, and so does any status code, as in sip:603@127.0.0.1.
    With --scenario, the [[answer]] tables of the file say what happens to each call, and how it should end.
    Exit code 12: a call did not end as --expect says; 13: a call was answered, and no audio came from the caller.
    """
    wire = _read_wire(save_to or [], html, media=with_media, tls=with_tls, one=calls == 1 and scenario is None)
    endings = {"refuse": refuse, "redirect": redirect, "busy": busy, "silent": silent}
    timing = {"ring": ring, "delay": answer_after, "early_media": early_media, "hang_up_after": hang_up_after}
    more: Any = {"guard": _guard(user, password_file, realm, algorithm or [], proxy=proxy_auth), "server": server}
    more.update(longest=max_hold, expect=expect, ptime=ptime, digits=dtmf, ice=ice, headers=read_headers(header))
    more.update(session_interval=session_timer, min_interval=min_se, refresher=refresher, reliable=prack)
    persona = _persona(endings, timing, more, codec, encryption)
    binds = _binds(host, port, None if no_tls else tls_port)
    if scenario is not None:
        run_answers(scenario, context, persona, binds, _sender(collector), as_json=as_json)
    _run(persona, binds, Told(calls, _sender(collector), as_json=as_json), wire, save_to or [], html)


def _run(
    persona: "Persona", binds: "list[Binding]", told: Told, wire: "Wire", files: list[Path], html: Path | None
) -> NoReturn:
    # Loaded only here: `--help` and the other verbs should not wait for the engine.
    import trio

    trio.run(told.during, partial(_serve, persona, binds, told, wire))
    if told.last is not None:
        save(told.last, files, html, wire)
    told.close()
    raise typer.Exit(told.exit_code)


def _read_wire(
    files: list[Path], html: Path | None, media: bool, tls: bool, *, one: bool
) -> "Wire":  # as the options come
    """What is to be kept for files; ends the program where it is not for one call."""
    if (files or html) and not one:
        stop(ExitCode.USAGE, f"{'--save' if files else '--html'} is for one call: give --calls 1, without --scenario")
    return read_kept(files, html, media=media, tls=tls)


def _persona(
    endings: dict[str, Any],
    timing: dict[str, Any],
    more: dict[str, Any],
    codecs: list[str] | None,
    encryption: EncryptionName,
) -> "Persona":
    """Who the responder is. Raises LocalError; ends the program for options that do not go together."""
    from probes.calls.expect import Expectation
    from probes.calls.script import Ends, Reliable
    from probes.responder.personas import BUSY, DEFAULT_CODECS, Persona
    from sipcore.media.terms import Encryption
    from sipcore.media.voice import is_installed
    from sipcore.sdp.codecs import codecs_named

    more_codecs = codecs_named(["opus"]) if is_installed() else ()  # loaded now, and not while a call is on
    exclusive = [f"--{name}" for name, chosen in endings.items() if chosen not in (None, False, "")]
    if len(exclusive) > 1:
        stop(ExitCode.USAGE, f"{' and '.join(exclusive)} exclude each other; give one of them")
    return Persona(
        _manner(timing, BUSY if endings["busy"] else endings["refuse"], endings["redirect"]),
        silent=endings["silent"],
        codecs=codecs_named(codecs) if codecs else (*DEFAULT_CODECS, *more_codecs),
        encryption=Encryption(encryption.value),
        reliable=Reliable(more.pop("reliable").value),
        refresher=Ends(who.value) if (who := more.pop("refresher")) else None,
        expect=Expectation.parse(told) if (told := more.pop("expect")) else None,
        **more,
    )


async def _serve(
    persona: "Persona", binds: "list[Binding]", told: Told, wire: "Wire", on_entry: "OnEntry | None"
) -> None:
    """Answer, and print what happens, until a signal comes, or enough calls are over."""
    import trio

    from probes.responder.run import open_responder

    enough = trio.Event()

    def tell(happening: "Happening") -> None:
        told.tell(happening)
        if told.is_enough:
            enough.set()

    async def stop_at_signal(scope: trio.CancelScope) -> None:
        async for _ in signals:
            scope.cancel()

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        opened = open_responder(persona, binds, tell, on_entry=on_entry, wire=wire)
        async with opened as responder, trio.open_nursery() as nursery:
            say(responder.addresses, as_json=told.as_json)
            nursery.start_soon(stop_at_signal, nursery.cancel_scope)
            await enough.wait()
            nursery.cancel_scope.cancel()


def _manner(timing: "dict[str, Any]", refuse: int | None, redirect: str) -> "Manner | None":
    """How calls are dealt with; None when no option says anything, so that the called user decides."""
    from probes.responder.personas import MOVED_TEMPORARILY, OK, Manner
    from sipcore.errors import ParseError
    from sipcore.message.uri import parse_uri

    if refuse == OK:
        stop(ExitCode.USAGE, f"{OK} is no refusal; leave --refuse out to have calls answered")
    given = {name: chosen for name, chosen in timing.items() if chosen is not None and chosen is not False}
    if redirect:
        try:
            return Manner(status=MOVED_TEMPORARILY, contact=parse_uri(redirect), **given)
        except ParseError as error:
            problem = f"cannot read {redirect!r}: {error.message}"
            stop(ExitCode.USAGE, f"{problem}; --redirect takes a URI such as sip:bob@example.com")
    return Manner(status=OK if refuse is None else refuse, **given) if given or refuse is not None else None


def _sender(collector: str) -> HepSender | None:
    return HepSender(collector) if collector else None


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
    policy = ServerPolicy(realm, wanted, proxy=proxy) if wanted else ServerPolicy(realm, proxy=proxy)
    return Guard(policy, UserTable({user: read_password(user, password_file)}))


def _binds(host: str, port: int, tls_port: int | None) -> "list[Binding]":
    from sipcore.resolve.target import SocketAddress, Transport

    try:
        ip_address(host)
    except ValueError:
        stop(ExitCode.USAGE, f"--host takes an IP address of this machine, not {host}")
    binds = [(Transport.UDP, SocketAddress(host, port)), (Transport.TCP, SocketAddress(host, port))]
    return binds if tls_port is None else [*binds, (Transport.TLS, SocketAddress(host, tls_port))]
