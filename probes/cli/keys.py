"""`sipprobe keys`: the API keys of a service's store, whether that service runs or not, and the key of its secrets."""

import shlex
from collections.abc import Awaitable, Callable
from datetime import UTC
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from probes.cli.common import stop, tell
from probes.cli.exit_codes import ExitCode
from probes.cli.given import Command
from probes.report.times import moment
from sipcore.errors import quoted

if TYPE_CHECKING:
    from probes.service.keys import ApiKey, Keys

T = TypeVar("T")
STORE = Path("sipprobe.db")
INSTALL = "pip install '.[daemon]'"
HEAD = ("TENANT", "ID", "NAME", "MAY", "MADE", "LAST USED", "REVOKED")
"""Of the list."""
Store = Annotated[Path, typer.Option(metavar="FILE", help="The store of the service.")]
keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke the API keys of a service.")


@keys.command(cls=Command)
def add(
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="Whose: 1 to 32 of a-z, 0-9 and -.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people know it by.")],
    store: Store = STORE,
    read_only: Annotated[bool, typer.Option("--read-only", help="It changes nothing, and places no calls.")] = False,
) -> None:
    """Make a key, and print it: nobody can be told it again. A store that is not there yet is made."""
    _require_library()
    from probes.service.keys import require_name, require_tenant

    require_tenant(tenant)  # before there is a store that nobody wants
    require_name(name)
    is_new = not store.exists()
    made = _with_keys(store, lambda found: found.add(tenant, name, may_write=not read_only))
    if is_new:
        tell(f"{store} is a new store: the key holds for a service that keeps everything there, and for no other")
    print(made.text.reveal())


@keys.command("list", cls=Command)
def show(
    tenant: Annotated[str, typer.Argument(metavar="[TENANT]", help="Whose.", show_default="all")] = "",
    store: Store = STORE,
) -> None:
    """List the keys, and not what they are. Times are in UTC."""
    from rich.cells import cell_len, set_cell_size

    _require_store(store)
    rows = [HEAD, *map(_row, _with_keys(store, lambda found: found.known(tenant or None)))]
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(HEAD))]
    for row in rows:
        print("  ".join(set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if len(rows) == 1:
        tell(f"there is no key{f' of {quoted(tenant)}' if tenant else ''} in {store}")


@keys.command(cls=Command)
def revoke(
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="Whose.")],
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Which one, as `keys list` tells it.")],
    store: Store = STORE,
) -> None:
    """Have a key hold no longer, even the last one that may write.

    Exit code 0: it holds no longer, or did not before; 2: the tenant has no key of this id.
    """
    _require_store(store)
    known = _with_keys(store, lambda found: found.known(tenant))
    key = next((each for each in known if each.id == key_id), None)
    if key is None:
        where = "" if store == STORE else f" --store {shlex.quote(str(store))}"
        problem = (
            f"{quoted(tenant)} has no key with the id {quoted(key_id)}; ids are told by: sipprobe keys list{where}"
        )
        stop(ExitCode.USAGE, problem)
    if key.revoked_at is not None:
        print(f"{key.id} ({key.name}) was revoked already, at {_time(key.revoked_at)}")
        return
    _with_keys(store, lambda found: found.revoke(tenant, key_id, even_last=True))
    print(f"{key.id} ({key.name}) holds no longer")


@keys.command(cls=Command)
def reencrypt(
    store: Store = STORE,
    forget_old: Annotated[
        bool,
        typer.Option(
            "--forget-old", help="Take the keys of before out of the file: copies of the store from before need them."
        ),
    ] = False,
) -> None:
    """Encrypt the passwords in a store with a new key.

    That key is none of the API keys: it is in the file beside the store. The service has to be stopped before. Nothing
    is lost wherever this is cut off, and it can be done again. Who is logged in to the dashboard has to log in again.

    Exit code 0: all are encrypted with the new key; 2: none is, and it is said why.
    """
    _require_library()
    _require_store(store)
    from probes.store.keyring import key_file_of
    from probes.store.new_key import encrypt_anew

    count = encrypt_anew(store, forget=forget_old)
    print(f"{count} trunks and numbers have their passwords encrypted with a new key")
    kept = "first one in the file, before those that copies of the store from before need"
    if forget_old:
        kept = "only one in the file, and copies of the store from before cannot be read by it"
    tell(f"keep a copy of {key_file_of(store)}: it is the {kept}")


def _require_library() -> None:
    """End the program where the library of stores is missing, and say how it is installed."""
    try:
        import_module("probes.service.keys")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("probes"):
            raise
        missing = error.name.partition(".")[0]
        stop(ExitCode.USAGE, f"the keys of a service need {missing}, which is not installed: {INSTALL}")


def _with_keys(store: Path, act: "Callable[[Keys], Awaitable[T]]") -> T:
    """Do something with the keys."""
    _require_library()
    import trio

    from probes.service.keys import Keys
    from probes.store.shared import SharedStore

    async def run() -> T:
        with SharedStore.open(store) as opened:
            return await act(Keys(opened))

    return trio.run(run)


def _require_store(store: Path) -> None:
    """End the program where there is no store to look into."""
    if not store.is_file():
        stop(ExitCode.USAGE, f"there is no file {store}: name the store of the service by --store")


def _row(key: "ApiKey") -> tuple[str, ...]:
    """A key under `HEAD`."""
    may = "write" if key.may_write else "read"
    used = _time(key.last_used_at) if key.last_used_at is not None else "never"
    revoked = _time(key.revoked_at) if key.revoked_at is not None else "-"
    return key.tenant, key.id, key.name, may, _time(key.created_at), used, revoked


def _time(at: float) -> str:
    return f"{moment(at, UTC):%Y-%m-%d %H:%M} UTC"
