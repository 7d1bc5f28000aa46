"""Test calls as a file: TOML with one `[[call]]` for each that is placed, one `[[answer]]` for each that is answered,
and `[defaults]` for what they have in common.

[defaults]
user = "alice"
password_env = "TRUNK_PASSWORD"

[[call]]
name = "an extension answers"
target = "sip:100@pbx.example.com"
expect = "connected"

What is wrong is told with the file, the line, the key and what would be right. Passwords are named and not written:
by a variable of the environment or a file; one in the clear needs `password_in_clear = true` beside it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field

from probes.calls.keys import ANSWER_KEYS, CREDENTIALS, KEYS, NAME, TARGET, TRANSPORT
from probes.calls.number import RefusedNumber
from probes.calls.script import CallScript
from probes.destination import Destination
from probes.entries import EntryError, EntryFile, Key, fields_of
from sipcore.auth.choice import Account
from sipcore.errors import LocalError, SipError
from sipcore.resolve.target import Transport
from sipcore.value import value

MAX_CALLS = 1000
"""In one file, one after the other: they take half an hour at the least."""
CALL, ANSWER, DEFAULTS = "call", "answer", "defaults"
VERBS = {CALL: "call", ANSWER: "respond"}
"""Who reads which part of a file."""

PasswordOf = Callable[[str, str], str]
"""The secret that `password_env` or `password_file` names, or another key that ends so (the first argument). Raises
LocalError without one."""


@value
class PlannedCall:
    """A call of a scenario, by its name or else its number."""

    name: str
    script: CallScript


@value
class Credentials:
    """A user, and the realm that the password is for; "" for any."""

    user: str
    password: str = field(repr=False)
    realm: str

    def account_for(self, destination: Destination) -> Account:
        """They are proven to the hosts of a destination, and to nobody else."""
        return Account(self.user, self.password, hosts=destination.hosts, realm=self.realm or None)


def read_scenario(
    text: str, source: str, password_of: PasswordOf, overriding: Mapping[str, object] | None = None
) -> tuple[PlannedCall, ...]:
    """The calls that the file `source` has placed, in their order. What is `overriding` stands above what it says.

    Raises EntryError.
    """
    part = Part(text, source, CALL, KEYS, overriding or {})
    return tuple(_call(part, read, number, password_of) for number, read in part.entries())


class Part:
    """The entries of one kind in a file."""

    def __init__(
        self, text: str, source: str, kind: str, keys: Mapping[str, Key], overriding: Mapping[str, object]
    ) -> None:
        self._file = EntryFile(text, source, "a scenario")
        self._kind = kind
        self._keys = keys
        self._overriding = overriding

    def entries(self) -> Iterator[tuple[int, dict[str, object]]]:
        """Each entry by its number, from 1, its keys read. Raises EntryError."""
        data = self._file.parsed((*VERBS, DEFAULTS), f"[[{self._kind}]] and [{DEFAULTS}]")
        defaults = data.get(DEFAULTS, {})
        if not isinstance(defaults, dict):
            raise self.error(f"write [{DEFAULTS}] above what all calls have in common", key=DEFAULTS)
        self._file.check_keys(defaults, {**KEYS, **ANSWER_KEYS})
        common = {key: told for key, told in defaults.items() if key in self._keys}
        entries = data.get(self._kind)
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            other = next((kind for kind in VERBS if kind != self._kind and kind in data), None)
            hint = f"; [[{other}]] is for `sipprobe {VERBS[other]}`" if other else ""
            raise self.error(f"no calls: write [[{self._kind}]], with two brackets, above each{hint}", key=self._kind)
        if len(entries) > MAX_CALLS:
            raise self.error(f"{len(entries)} calls, and {MAX_CALLS} are the most")
        for number, given in enumerate(entries, 1):
            self._file.check_keys(given, self._keys, self._kind, number)
            merged = overlaid(common, given, self._overriding)
            read = self._file.read
            yield number, {key: read(self._keys, key, told, self._kind, number) for key, told in merged.items()}

    def error(self, problem: str, number: int = 0, key: str = "") -> EntryError:
        """An error with its place: an entry by its number, 0 for none, and a key of it."""
        return self._file.error(problem, self._kind, number, key)


def _call(part: Part, read: Mapping[str, object], number: int, password_of: PasswordOf) -> PlannedCall:
    if TARGET not in read:
        raise part.error(f"whom to call? write {TARGET} = {KEYS[TARGET].example}", number)
    key = TARGET
    try:
        destination = Destination.parse(str(read[TARGET]))
        transport = read.get(TRANSPORT)
        if isinstance(transport, Transport):
            key = TRANSPORT
            destination = destination.over(transport)
        account = _account(part, destination, read, number, password_of)
        key = ""
        script = CallScript(destination, account=account, **fields_of(KEYS, read))
    except EntryError:
        raise
    except RefusedNumber as error:
        raise part.error(f'{error.message}: allow = ["{error.kind}"]', number, TARGET) from None
    except SipError as error:
        raise part.error(error.message, number, key) from None
    return PlannedCall(str(read.get(NAME, f"call {number}")), script)


def _account(
    part: Part, destination: Destination, read: Mapping[str, object], number: int, password_of: PasswordOf
) -> Account | None:
    found = credentials_of(read, password_of, lambda problem, key: part.error(problem, number, key))
    return found.account_for(destination) if found is not None else None


def credentials_of(
    read: Mapping[str, object], password_of: PasswordOf, wrong: Callable[[str, str], EntryError]
) -> Credentials | None:
    """Who is named in an entry, for a challenge; None for nobody. Raises the error that `wrong` makes of a problem and
    the key that it is with.
    """
    ways = [key for key in ("password_env", "password_file", "password") if key in read]
    if "user" not in read:
        for key in CREDENTIALS:
            if key in read:
                raise wrong(f"{key} says nothing without user", key)
        return None
    if len(ways) != 1:
        text = f"{' and '.join(ways)} exclude each other" if ways else "user has no password"
        raise wrong(f"{text}: give one of password_env and password_file", "user")
    way, told = ways[0], str(read[ways[0]])
    if way == "password" and read.get("password_in_clear") is not True:
        text = "a password in the clear: name a variable by password_env or a file by password_file"
        raise wrong(f"{text}, or write password_in_clear = true beside it", way)
    try:
        password = told if way == "password" else password_of(way, told)
    except LocalError as error:
        raise wrong(error.message, way) from None
    return Credentials(str(read["user"]), password, str(read.get("realm", "")))


def overlaid(*given: Mapping[str, object]) -> dict[str, object]:
    """What is said of a call, the last word counting; credentials go together, and all come from one place."""
    merged: dict[str, object] = {}
    for each in given:
        if any(key in CREDENTIALS for key in each):
            merged = {key: value for key, value in merged.items() if key not in CREDENTIALS}
        merged |= each
    return merged
