"""Providers and products by the names that people call them, as data: one table each in `providers.toml`.

A name such as `Twilio` is no destination: what can be probed is the host that the provider gave to its user. Whoever
gives the name is told how to come by that, and whoever gives the host what to watch for.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from sipcore.errors import LocalError
from sipcore.resolve.target import Transport
from sipcore.value import value

OTHER = "other"
"""The key of the provider that stands for all that are not in the catalogue."""
_LISTS = {"names", "domains", "places", "watch"}
_TEXTS = {"name", "source"}


@value
class Listening:
    """Where a provider listens: a transport, a port, and for a WebSocket the path."""

    transport: Transport
    port: int
    path: str = ""

    def __str__(self) -> str:
        return f"{self.transport.value.lower()} {self.port}{self.path}"


@value
class Provider:
    """What is known of one provider. `places` are where it listens, the best first; `watch` is what to watch for.

    `names` are what people call it, `domains` those that its SIP hosts are under. `source` says where that is written.
    """

    key: str
    name: str
    names: tuple[str, ...]
    domains: tuple[str, ...]
    places: tuple[Listening, ...]
    watch: tuple[str, ...]
    source: str

    @property
    def guidance(self) -> tuple[str, ...]:
        """What to tell whoever wants to reach it, a sentence each."""
        places = ", ".join(map(str, self.places)) or "told to each user"
        return (f"ports: {places}", *self.watch)


@value
class Providers:
    """The catalogue, by key."""

    by_key: Mapping[str, Provider]

    def named(self, name: str) -> Provider | None:
        """The provider that people call so, whatever the case and the blanks; None where nobody does."""
        wanted = " ".join(name.lower().split())
        return next((one for one in self.by_key.values() if wanted in (*one.names, one.name.lower())), None)

    def serving(self, host: str) -> Provider | None:
        """The provider whose host this is, by its domain; None where that is nobody's in the catalogue."""
        name = f".{host.rstrip('.').lower()}"
        fitting = (one for one in self.by_key.values() if any(name.endswith(f".{domain}") for domain in one.domains))
        return next(fitting, None)


@cache
def providers() -> Providers:
    """The catalogue that is installed."""
    return read(files("probes").joinpath("providers.toml").read_text("utf-8"))


def read(text: str) -> Providers:
    """A catalogue out of a TOML text. Raises LocalError on whatever is wrong with it."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _wrong(f"the providers are no TOML: {error}") from None
    found = {key: _provider(key, table) for key, table in data.items()}
    names = [name for one in found.values() for name in one.names]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise _wrong(f"{twice} is the name of two providers")
    return Providers(found)


def _provider(key: str, table: Any) -> Provider:  # noqa: ANN401  # whatever TOML has
    if not isinstance(table, dict) or table.keys() != _LISTS | _TEXTS:
        raise _wrong(f"{key}: needs {', '.join(sorted(_LISTS | _TEXTS))}, and no more")
    if not all(_is_texts(table[name]) for name in _LISTS) or not all(isinstance(table[name], str) for name in _TEXTS):
        raise _wrong(f"{key}: {', '.join(sorted(_TEXTS))} are texts, the others lists of texts")
    if not table["source"] or not table["watch"] or key.lower() != key:
        raise _wrong(f"{key}: needs a source, something to watch for, and a key in lower case")
    return Provider(
        key,
        table["name"],
        tuple(table["names"]),
        tuple(table["domains"]),
        tuple(_listening(key, place) for place in table["places"]),
        tuple(table["watch"]),
        table["source"],
    )


def _is_texts(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(one, str) for one in found)


def _listening(key: str, text: str) -> Listening:
    """A place as `tls 5061` or `wss 8089/ws`."""
    name, _, where = text.partition(" ")
    digits, slash, path = where.partition("/")
    if name.upper() not in Transport.__members__ or not (
        digits.isascii() and digits.isdigit() and 0 < int(digits) < 65536
    ):
        raise _wrong(f"{key}: {text!r} is no transport and port, as in 'tls 5061'")
    return Listening(Transport[name.upper()], int(digits), slash + path)


def _wrong(message: str) -> LocalError:
    return LocalError(message, section="RFC 3261 §19.1.2")
