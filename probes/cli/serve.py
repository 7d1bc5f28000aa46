"""`sipprobe serve`: the service over HTTP, until it is stopped."""

import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probes.cli.call_scenario import passwords_for
from probes.cli.common import read_content, run_interruptible, stop, why_unreadable
from probes.cli.exit_codes import ExitCode
from probes.cli.watch_file import read_plan
from sipcore.errors import LocalError

if TYPE_CHECKING:
    import trio

    from probes.health.file import WatchFile
    from probes.service.config import ServiceConfig
    from probes.web.run import Listening

INSTALL = "pip install '.[daemon]'"
LOG_LINE = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"
LOG_TIME = "%Y-%m-%dT%H:%M:%S"
"""In UTC, as all other times are told: a log without a zone cannot be laid beside those of other hosts."""


def serve(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="TOML file with the settings; docs/examples/service.toml has each key.",
            show_default="none needed",
        ),
    ] = None,
    bind: Annotated[
        str, typer.Option(metavar="ADDR:PORT", help="Serve there.", show_default="127.0.0.1:8080, or as FILE says")
    ] = "",
    store: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep everything there.", show_default="sipprobe.db, or as FILE says"),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Say what FILE means, and whether the files that it names can be used; nothing is served or sent.",
        ),
    ] = False,
) -> None:
    """Serve trunks over HTTP: configured, watched, discovered, called.

    Four REST interfaces, a dashboard, /metrics and /healthz. Who asks needs an API key of a tenant: see
    `sipprobe keys add`. Only this host can connect unless FILE has TLS, or a proxy that has it.

    SIGTERM and Ctrl-C are the ends that are meant: calls are hung up, and everything is on the disk. SIGHUP has a
    renewed certificate read, where there is no terminal; all else in FILE takes a restart.

    Exit code 0: it was stopped; 2: the file, the store or the address cannot be used.
    """
    config = _config(file, bind, store)
    _require_library()
    if check:
        _require_usable(config)
        _explain(config)
        raise typer.Exit(ExitCode.OK)
    handler = logging.StreamHandler()
    formatter = logging.Formatter(LOG_LINE, LOG_TIME)
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    log = logging.getLogger("probes")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    running = _Running(config, log)
    run_interruptible(running.until_stopped, running.reload)


class _Running:
    """A service under way."""

    def __init__(self, config: "ServiceConfig", log: logging.Logger) -> None:
        self._config = config
        self._log = log
        self._listening: Listening | None = None

    async def until_stopped(self, stopped: "trio.Event") -> bool:
        """Serve."""
        from probes.web.run import open_server

        async with open_server(self._config) as (service, listening):
            self._listening = listening
            tenants = [key.tenant for key in await service.keys.known() if key.revoked_at is None]
            _greet(self._config, listening, tenants)
            await stopped.wait()
        return True

    def reload(self) -> None:
        """Take a renewed certificate, if there is one; it is told what became of it."""
        if self._listening is None or self._listening.tls is None:
            self._log.info("SIGHUP: nothing to read again; what has changed in the settings takes a restart")
            return
        try:
            self._listening.renew()
        except LocalError as error:
            self._log.error("SIGHUP: %s; the certificate of before stays", error.message)
        else:
            self._log.info("SIGHUP: read %s again; other settings take a restart", self._config.certificate)


def _greet(config: "ServiceConfig", listening: "Listening", tenants: list[str]) -> None:
    """Say where it is, and how to begin where nobody could ask it anything."""
    print(f"serving {listening.url}")
    print(f"keeping everything in {config.store}")
    if not tenants:
        print("nobody has an API key yet: make one, for a tenant such as acme, with")
        print(f"  sipprobe keys add acme first --store {config.store}")
    sys.stdout.flush()


def _config(file: Path | None, bind: str, store: Path | None) -> "ServiceConfig":
    """What the file and the options say; ends the program for what cannot be used."""
    from probes.service.config import ServiceConfig
    from probes.service.file import read_service, require_safe

    if file is None:
        config = ServiceConfig()
    else:
        folder = file.parent

        def trunks_of(name: str) -> "WatchFile":
            return read_plan(folder / name)

        try:
            text = read_content(file).decode()
        except UnicodeDecodeError as error:
            stop(ExitCode.USAGE, f"cannot read {file}: {why_unreadable(error)}")
        config = _beside(read_service(text, str(file), passwords_for(file), trunks_of), folder)
    if store is not None:
        config = replace(config, store=store)
    if bind:
        config = _bound(config, bind)
    try:
        require_safe(config)
    except LocalError as error:
        stop(ExitCode.USAGE, f"{config.bind}: {error.message}")
    return config


def _beside(config: "ServiceConfig", folder: Path) -> "ServiceConfig":
    """The same, its paths as they are meant by a file in that folder."""
    paths = {name: getattr(config, name) for name in ("store", "certificate", "key")}
    return replace(config, **{name: folder / path for name, path in paths.items() if path is not None})


def _bound(config: "ServiceConfig", bind: str) -> "ServiceConfig":
    """The same at another address; ends the program for what is none."""
    from probes.service.file import read_bind

    try:
        address = read_bind(bind)
    except LocalError as error:
        stop(ExitCode.USAGE, f"--bind: {error.message}")
    return replace(config, bind=address, reach=replace(config.reach, own_ports=frozenset((address.port,))))


def _require_library() -> None:
    """End the program where what it serves with is not installed, and say how that is done."""
    try:
        import_module("probes.web.run")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("probes"):
            raise
        stop(ExitCode.USAGE, f"the service needs {error.name.partition('.')[0]}, which is not installed: {INSTALL}")


def _require_usable(config: "ServiceConfig") -> None:
    """Raise what serving would raise over the files that are named, of which none is made or changed."""
    from probes.service.directory import require_key
    from probes.store.migrate import require_usable
    from probes.web.run import tls_context

    tls_context(config)
    if require_usable(config.store):
        require_key(config.store)


def _explain(config: "ServiceConfig") -> None:
    """Say what the settings mean."""
    from probes.cli.common import Printer, make_console
    from probes.report.lines import fact
    from probes.report.ping_text import UNBROKEN

    printer = Printer(make_console())
    width = printer.console.width if printer.console.is_terminal else UNBROKEN
    for name, text in _facts(config):
        for line in fact(name, text, width, 13):
            printer.line(line)
    printer.close()


def _facts(config: "ServiceConfig") -> Iterator[tuple[str, str]]:
    secured = (
        "with TLS" if config.certificate is not None else "behind a proxy" if config.behind_proxy else "without TLS"
    )
    yield "address", f"{config.bind}, {secured}"
    yield "store", str(config.store)
    allowed = [str(each) for each in config.reach.allow]
    yield "reaches", f"public addresses{', and ' + ', '.join(allowed) if allowed else ' only'}"
    refused = [str(each) for each in config.reach.refuse]
    if refused:
        yield "never", ", ".join(refused)
    calls, http = config.calls, config.http
    often = f"{calls.per_period} in {calls.period / 60:g} minutes, {calls.at_once} at once, for each tenant"
    yield "test calls", often
    yield "discoveries", f"one at a time for each tenant, {config.discovery_time:g} s at most"
    yield "connections", f"{http.connections}, {http.connections_each} of one address"
    yield "metrics", "for everybody" if config.open_metrics else "with a key, of its tenant"
    if config.file is not None:
        yield "trunks", f"{len(config.file.trunks)} of a file, shown to {config.file.tenant}"
    for receiver in config.receivers:
        yield "alerts", f"by {receiver.means.value} for {receiver.tenant}"
