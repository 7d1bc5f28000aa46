"""`sipprobe keys`: the API keys of a service's store, whether that service runs or not."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from probes.cli.common import stop
from probes.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from probes.service.keys import ApiKey, Keys

T = TypeVar("T")
STORE = Path("sipprobe.db")
INSTALL = "pip install '.[daemon]'"
Store = Annotated[Path, typer.Option(metavar="FILE", help="The store of the service.")]
keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke the API keys of a service.")


@keys.command()
def add(
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="Whose: 1 to 32 of a-z, 0-9 and -.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people know it by.")],
    store: Store = STORE,
    read_only: Annotated[bool, typer.Option("--read-only", help="It changes nothing, and places no calls.")] = False,
) -> None:
    """Make a key, and print it: nobody can be told it again."""
    made = _with_keys(store, lambda found: found.add(tenant, name, may_write=not read_only))
    print(made.text.reveal())


@keys.command("list")
def show(
    tenant: Annotated[str, typer.Argument(metavar="[TENANT]", help="Whose.", show_default="all")] = "",
    store: Store = STORE,
) -> None:
    """List the keys, and not what they are."""
    _require(store)
    for key in _with_keys(store, lambda found: found.known(tenant or None)):
        print(_line(key))


@keys.command()
def revoke(
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="Whose.")],
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Which one, as `keys list` tells it.")],
    store: Store = STORE,
) -> None:
    """Have a key hold no longer, even the last one that may write."""
    _require(store)
    _with_keys(store, lambda found: found.revoke(tenant, key_id, even_last=True))


def _with_keys(store: Path, act: "Callable[[Keys], Awaitable[T]]") -> T:
    """Do something with the keys; ends the program where the library is missing."""
    try:
        from probes.service.keys import Keys
        from probes.store.shared import SharedStore
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("probes"):
            raise
        stop(
            ExitCode.USAGE,
            f"the keys of a service need {error.name.partition('.')[0]}, which is not installed: {INSTALL}",
        )
    import trio

    async def run() -> T:
        with SharedStore.open(store) as opened:
            return await act(Keys(opened))

    return trio.run(run)


def _require(store: Path) -> None:
    """End the program where there is no store to look into."""
    if not store.is_file():
        stop(ExitCode.USAGE, f"there is no file {store}: name the store of the service by --store")


def _line(key: "ApiKey") -> str:
    used = f"used {_day(key.last_used_at)}" if key.last_used_at is not None else "never used"
    how = "" if key.may_write else ", only reads"
    revoked = f", revoked {_day(key.revoked_at)}" if key.revoked_at is not None else ""
    return f"{key.tenant}  {key.id}  {key.name}  (made {_day(key.created_at)}, {used}{how}{revoked})"


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
