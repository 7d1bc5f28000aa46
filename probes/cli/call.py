"""`sipprobe call`: one real call, its timeline as it happens, and how it ended."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypedDict

import typer

from probes.cli import call_options as options
from probes.cli.call_codes import exit_code
from probes.cli.call_scenario import run_scenario
from probes.cli.common import (
    CaFile,
    Certificate,
    Key,
    Nameservers,
    Printer,
    calling_config,
    make_console,
    read_account,
    read_address,
    read_destination,
    read_headers,
    run_interruptible,
    tell,
    telling_allow,
)
from probes.cli.exit_codes import ExitCode
from probes.cli.printing import print_data
from probes.cli.saving import (
    Collector,
    HtmlTo,
    SaveTo,
    WithMedia,
    WithTls,
    hand_over,
    read_kept,
    sender_to,
)
from sipcore.value import value

if TYPE_CHECKING:
    import trio

    from probes.calls.script import CallScript
    from probes.calls.story import OnEntry
    from probes.calls.wire import Wire
    from probes.destination import Destination
    from probes.result import CallResult
    from sipcore.auth.choice import Account
    from sipcore.endpoint.endpoint import EndpointConfig
    from sipcore.message.address import Address


def call(
    context: typer.Context,
    target: options.Target = "",
    scenario: options.Scenario = None,
    user: options.User = "",
    password_file: options.PasswordFile = None,
    realm: options.Realm = "",
    caller: options.Caller = "",
    asserted: options.Asserted = "",
    privacy: options.Privacy = None,
    header: options.Header = None,
    number_format: options.NumberFormat = options.FormatName.AS_GIVEN,
    transport: options.Transport = None,
    codec: options.CodecName = None,
    ptime: options.Ptime = 20,
    encryption: options.Encryption = options.EncryptionName.DISABLE,
    keys: options.Keys = options.KeyingName.SDES,
    ice: options.Ice = False,
    no_early_media: options.NoEarlyMedia = False,
    dtmf: options.Dtmf = "",
    prack: options.Prack = options.ReliableName.ON,
    session_timer: options.SessionTimer = 0,
    ring_timeout: options.RingTimeout = 30.0,
    hold: options.Hold = 2.0,
    max_hold: options.MaxHold = 600.0,
    hang_up: options.HangUp = options.EndsName.US,
    expect: options.Expect = "",
    allow: options.Allow = None,
    ca_file: CaFile = None,
    certificate: Certificate = None,
    key: Key = None,
    insecure: options.Insecure = False,
    nameserver: Nameservers = None,
    save_to: SaveTo = None,
    html: HtmlTo = None,
    with_media: WithMedia = False,
    with_tls: WithTls = False,
    collector: Collector = "",
    as_json: options.AsJson = False,
) -> None:
    """Place a real call, measure its audio, and show its timeline.

    A known signal is sent, and looked for in what comes back. Emergency and premium numbers take --allow.

    Exit code 0: connected, or ended as --expect says; 12: it did not; 13: no media came; others as for discover.
    """
    config = calling_config(ca_file, certificate, key, nameserver, insecure=insecure)
    if scenario is not None:
        run_scenario(scenario, context, config, collector, as_json=as_json)
    wire, sender = read_kept(files := save_to or [], html, media=with_media, tls=with_tls), sender_to(collector)
    wanted = _Wanted(encryption, keys, prack, number_format, hang_up, frozenset(kind.value for kind in allow or ()))
    destination = read_destination(target, transport)
    details: _Details = {"ring_timeout": ring_timeout, "hold": hold, "longest": max_hold, "digits": dtmf}
    details |= {"ptime": ptime, "session_interval": session_timer, "ice": ice, "early_media": not no_early_media}
    details |= {"privacy": tuple(privacy or ()), "headers": read_headers(header)}
    details |= {"caller": read_address("--from", caller), "asserted": read_address("--asserted", asserted)}
    details |= {"account": read_account(destination, user, realm, password_file)}
    script = _script(destination, codec, wanted, expect, details)
    raise typer.Exit(_place(script, config, wire, lambda result: hand_over(result, files, html, wire, sender), as_json))


@value
class _Wanted:
    """The options that choose among names, by their names."""

    encryption: options.EncryptionName
    keys: options.KeyingName
    prack: options.ReliableName
    number_format: options.FormatName
    hang_up: options.EndsName
    allowed: frozenset[str]


class _Details(TypedDict, total=False):
    """The options that say what a call is like as they come: parts of its script, by their names there."""

    ring_timeout: float
    hold: float
    longest: float
    digits: str
    ptime: float
    session_interval: int
    ice: bool
    early_media: bool
    privacy: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]
    caller: "Address | None"
    asserted: "Address | None"
    account: "Account | None"


def _script(
    destination: "Destination", codecs: list[str] | None, wanted: _Wanted, expect: str, details: _Details
) -> "CallScript":
    """The script; its mistakes are told by whoever runs the command."""
    # Loaded only here: `--help` and the other verbs should not wait for the engine.
    from probes.calls.expect import Expectation
    from probes.calls.number import NumberFormat
    from probes.calls.script import DEFAULT_CODECS, CallScript, Ends, Reliable
    from sipcore.media.terms import Encryption, Keying

    with telling_allow():
        return CallScript(
            destination,
            codecs=tuple(codecs or DEFAULT_CODECS),
            encryption=Encryption(wanted.encryption.value),
            keying=Keying(wanted.keys.value),
            reliable=Reliable(wanted.prack.value),
            number_format=NumberFormat(wanted.number_format.value),
            hangs_up=Ends(wanted.hang_up.value),
            allowed=wanted.allowed,
            expect=Expectation.parse(expect) if expect else None,
            **details,
        )


async def _call(
    script: "CallScript", config: "EndpointConfig", wire: "Wire", stop: "trio.Event", show: "OnEntry | None" = None
) -> "CallResult":
    """Place the call, and keep of it what is wanted for a capture."""
    from probes.calls.run import place_call
    from sipcore.endpoint.media.media import open_media

    if wire.tls:
        transports = config.transports
        transports = replace(transports, tls=replace(transports.tls, keylog=wire.key), on_wire=wire.take)
        config = replace(config, transports=transports)
    if not wire.media:
        return await place_call(script, config, show, stop=stop)
    async with open_media(on_packet=wire.take) as media:
        return await place_call(script, config, show, media=media, stop=stop)


def _place(
    script: "CallScript", config: "EndpointConfig", wire: "Wire", hand_on: "Callable[[CallResult], None]", as_json: bool
) -> ExitCode:
    """Place the call and print it, as it happens and at the end; what came of it is handed on then, also of one that
    was interrupted, which ends the program.
    """
    from probes.cli.live import Live
    from probes.report.call_json import call_data
    from probes.report.call_text import failure_line

    printer = Printer(make_console())

    async def place(stop: "trio.Event") -> "CallResult":
        work = partial(_call, script, config, wire, stop)
        return await (work() if as_json else Live(printer).during(work))

    result, end = run_interruptible(place)
    if as_json:
        print_data(call_data(result))
        tell(failure_line(result))
    else:
        print_result(result, printer)
    hand_on(result)
    end()
    return exit_code(result)


def print_result(result: "CallResult", printer: Printer) -> None:
    """Print how it ended. A failure goes to standard error too, in one line, unless it was just read on the screen."""
    from probes.report.call_text import failure_line, result_lines

    for line in result_lines(result, printer.console.width):
        printer.line(line)
    printer.close()
    if not printer.console.is_terminal:
        tell(failure_line(result))
