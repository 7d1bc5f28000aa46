"""`sipprobe uptime`: how well the trunks of a watch were, out of its history."""

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from probes.cli.common import make_console, seconds, stop, why_unreadable
from probes.cli.exit_codes import ExitCode
from probes.cli.printing import print_data
from probes.cli.watch_file import read_plan

if TYPE_CHECKING:
    from probes.store.store import History

SQLITE = b"SQLite format 3\0"
"""How a file of a store begins."""
UNITS = {"m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
"""Of --since and --until, in seconds."""
_ago = re.compile(r"([0-9]{1,6})([mhdw])")


def uptime(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file that is watched by, or the store that it names.")
    ],
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="From when on: 90m, 24h, 30d or 4w ago, or 2026-11-01[T08:00].")
    ] = "30d",
    until: Annotated[str, typer.Option(metavar="WHEN", help="Until when, likewise.", show_default="now")] = "",
    trunk: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this trunk; may be repeated.", show_default="all")
    ] = None,
    interval: Annotated[
        float, seconds("Seconds between checks, where FILE is a store.", least=1.0, most=86_400.0)
    ] = 60.0,
    utc: Annotated[bool, typer.Option("--utc", help="Tell and take times in UTC, not in this machine's zone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Tell how well trunks were: availability, incidents, round trips.

    A trunk is up while any of its routes is. A route that went down was down from the first failed check on. What
    nobody watched counts neither as up nor as down: where no check came for three intervals, nobody knows.

    Exit code 0: told; 2: the file, or an option, cannot be used.
    """
    from probes.health.days import Part, borders, parts
    from probes.health.uptime import trunk_uptime
    from probes.store.store import History

    zone = UTC if utc else None
    now = time.time()
    told = _when("--until", until, now, zone) if until else now
    begin, end = max(_when("--since", since, now, zone), 0.0), min(told, now)  # of what is to come nothing is known
    if begin > now:
        stop(ExitCode.USAGE, f"--since {since} is still to come: give a time that is past, such as 24h, a day ago")
    if not begin < end:
        stop(ExitCode.USAGE, f"--since {since} is not before --until {until or 'now'}")
    path, trunks = _source(source)
    with History.open(path) as history:
        chosen = _chosen(trunks or _known(history, interval), trunk or ())
        bounds = borders(begin, end, zone)
        found = []
        for each in chosen:
            whole = trunk_uptime(history, each.name, each.routes, begin, end, each.gap)
            days = parts(history, each.name, each.routes, bounds, each.gap) if len(bounds) > 2 else ()
            found.append((whole, days or (Part(begin, whole.spent),)))
    if as_json:
        from probes.report.uptime_json import uptime_data

        print_data(uptime_data(found, begin, end))
        return
    from probes.report.uptime_text import uptime_lines

    console = make_console()
    for line in uptime_lines(found, console.width, zone):
        console.print(line)


def _when(option: str, text: str, now: float, zone: tzinfo | None) -> float:
    """A time that an option gives, in seconds since 1970; ends the program for what is none."""
    ago = _ago.fullmatch(text)
    if ago is not None:
        return now - int(ago[1]) * UNITS[ago[2]]
    try:
        told = datetime.fromisoformat(text)
        return (told if told.tzinfo is not None else told.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError, OSError):
        stop(ExitCode.USAGE, f"{option} takes 90m, 24h, 30d, 4w, or a time such as 2026-11-01T08:00, and not {text}")


def _source(file: Path) -> "tuple[Path, tuple[_Trunk, ...]]":
    """The store, and the trunks of the file that names it; none where it is the store itself."""
    from probes.health.uptime import longest_gap

    try:
        with file.open("rb") as opened:
            is_store = opened.read(len(SQLITE)) == SQLITE
    except OSError as error:
        stop(ExitCode.USAGE, f"cannot read {file}: {why_unreadable(error)}")
    if is_store:
        return file, ()
    plan = read_plan(file, with_secrets=False)
    if not plan.store:
        stop(ExitCode.USAGE, f'{file} keeps no history: write store = "watch.db" in it, or give the store itself')
    return file.parent / plan.store, tuple(
        _Trunk(trunk.name, tuple(route.name for route in trunk.routes), longest_gap(trunk.rules))
        for trunk in plan.trunks
    )


def _known(history: "History", interval: float) -> "tuple[_Trunk, ...]":
    """The trunks of which a store knows something, whoever watched them."""
    from probes.health.trunk import Rules
    from probes.health.uptime import longest_gap

    routes: dict[str, list[str]] = {}
    for trunk, route in history.routes():
        routes.setdefault(trunk, []).append(route)
    gap = longest_gap(Rules(interval=interval, retry=min(interval, Rules().retry)))
    return tuple(_Trunk(trunk, tuple(names), gap) for trunk, names in routes.items())


def _chosen(trunks: "Sequence[_Trunk]", names: Sequence[str]) -> "Sequence[_Trunk]":
    """Those of these names, or all of them; ends the program for a name that there is not."""
    for name in names:
        if name not in [trunk.name for trunk in trunks]:
            there = ", ".join(trunk.name for trunk in trunks) or "none"
            stop(ExitCode.USAGE, f"there is no trunk {name}; there are {there}")
    return [trunk for trunk in trunks if not names or trunk.name in names]


class _Trunk(NamedTuple):
    """A trunk whose history is looked at, and for how long a check vouches for it."""

    name: str
    routes: tuple[str, ...]
    gap: float
