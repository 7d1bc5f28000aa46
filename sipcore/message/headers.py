"""The header fields of one message: verbatim, in order, and typed on demand. RFC 3261 §7.3.

A field is kept as its line, folds and white space included, so that what was not changed leaves as it came. A typed
view is parsed when it is first asked for, and remembered.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeVar, overload

from sipcore.deviation import Deviation, Notes
from sipcore.errors import LimitExceeded, LocalError, ParseError
from sipcore.grammar import (
    MAX_LIST_VALUES,
    is_token,
    raw_offset,
    require_field,
    require_lines,
    require_token,
    split_list,
    unfold,
)
from sipcore.message.fields.simple import parse_token
from sipcore.message.position import field_position
from sipcore.message.registry import FROM, KNOWN_NAMES, ROWS, TO, VIA, Listed, Repeated, Row, Single, key_of
from sipcore.value import value

T = TypeVar("T")
MAX_VALUES = 512
"""Values in all header fields of a message together. Real ones have about a hundred; each costs a parse, and a datagram
could hold ten thousand."""

MAX_SELECTIONS = 64
_UNREAD = object()
_PLANS = {key: (row, row.codec, isinstance(row, Single), isinstance(row, Listed)) for key, row in ROWS.items()}
"""What `Headers.typed` needs of each row. Rows are of three classes, and a loop that asks objects of changing classes
for their attributes is slow in CPython, which prepares for one class at a time."""

_TYPE, _LENGTH = "content-type", "content-length"
"""Those that stand before the body by custom, and by which a reader finds it."""
_OF_ONE = (VIA, FROM, TO)
"""Fields that differ between messages which are alike, beside Call-ID."""
_WITHOUT_TEXT = frozenset({type(None), bytes, bytearray, memoryview})
"""What has no text of its own: Python would write `None` or `b'...'`, and whoever gave it would not learn of it."""


@value
class Noted:
    """A deviation and where it was met: the header field's name, or what else of the message."""

    deviation: Deviation
    where: str


class Headers:
    """An immutable, ordered collection of header fields."""

    __slots__ = ("_extra", "_failed", "_keys", "_lines", "_notes", "_origin", "_typed")

    def __init__(
        self,
        lines: list[str],
        keys: list[str],
        origin: bytes | None = None,
        typed: dict[Row[object], object] | None = None,
    ) -> None:
        """Take fields as written and their keys, side by side; nobody changes either list from here on.

        A field is one text, name, colon and value with its folds, without a line end: a program with thousands of calls
        keeps as many messages, and what the garbage collector takes goes by how many objects those are made of.
        `origin` is the message that they were read from: with it, an error can tell its byte. `typed` is what is known
        already to come out of reading some of them.
        """
        self._lines = lines
        self._keys = keys
        self._origin = origin
        self._typed: dict[Row[object], object] = {} if typed is None else typed
        self._notes: dict[Row[object], Notes] | None = None
        self._failed: dict[Row[object], ParseError] | None = None
        self._extra = 0

    @overload
    def __getitem__(self, row: Single[T]) -> T | None: ...
    @overload
    def __getitem__(self, row: Listed[T] | Repeated[T]) -> tuple[T, ...]: ...
    @overload
    def __getitem__(self, row: Row[object]) -> object: ...
    def __getitem__(self, row: Row[object]) -> object:
        """The typed value of a header field; for Listed and Repeated rows a tuple of all its values.

        Raises ParseError, which names the header field, when it cannot be read.
        """
        typed = self._typed.get(row, _UNREAD)
        if typed is not _UNREAD:
            return typed
        keys, key = self._keys, row.key
        if key not in keys:
            return row.absent
        if self._failed and row in self._failed:
            raise self._failed[row].within()
        notes: Notes = []
        try:
            if keys.count(key) > 1:
                places = self._places(key)
                single = isinstance(row, Single)
                typed = (self._read_single if single else self._read_values)(row, places, notes)
            else:
                typed = self._read_only(row, keys.index(key), notes)
        except ParseError as error:
            self._failed = {**(self._failed or {}), row: error.within()}
            raise
        self._typed[row] = typed
        if notes:
            self._note(row, notes)
        return typed

    def _note(self, row: Row[object], notes: Notes) -> None:
        if self._notes is None:
            self._notes = {}
        self._notes.setdefault(row, []).extend(notes)

    def typed(self) -> Mapping[Row[object], object]:
        """Every known header field typed, by its row, in order: what asking for each of `known_rows()` gives.

        Raises ParseError for the first that cannot be read. It takes half the time of asking for one after the other,
        since it goes through the fields once, and reads one value on one line, as nearly all are, on the spot.
        """
        known = self._typed
        found: dict[Row[object], Any] = {}
        notes: Notes = []
        plans, lines = _PLANS.get, self._lines
        for index, key in enumerate(self._keys):
            plan = plans(key)
            if plan is None:
                continue
            row, codec, single, listed = plan
            if known and row in known:
                found[row] = known[row]
                continue
            text = lines[index].partition(":")[2].strip(" \t")
            if text and "\n" not in text and not (row in found if single else listed and "," in text):
                try:
                    value = codec(text, notes)
                except ParseError as error:
                    raise self.placed(error, row, index) from None
                if single:
                    found[row] = value
                else:
                    found[row] = (*found[row], value) if row in found else (value,)
            elif single:  # known from here on, so that however many lines there are, they are compared once
                known[row] = found[row] = self._read_single(row, self._places(key), notes)
            else:
                text = self._text(index) if "\n" in text else text
                found[row] = (*found.get(row, ()), *self._values_in(row, index, text, notes))
            if notes:
                self._note(row, notes)
                notes.clear()
        if len(self._keys) + self._extra > MAX_LIST_VALUES:
            for row, values in found.items():
                if not isinstance(row, Single) and len(values) > MAX_LIST_VALUES:
                    raise self.placed(_too_many(), row, self._keys.index(row.key))
        known.update(found)
        return MappingProxyType(found)

    def _places(self, key: str) -> Sequence[int]:
        """Where the fields of a key stand."""
        count = self._keys.count(key)
        if count < 2:
            return (self._keys.index(key),) if count else ()
        return [index for index, found in enumerate(self._keys) if found == key]

    def _read_only(self, row: Row[object], index: int, notes: Notes) -> object:
        """What the one field of a row says, as most have one: a value, or a tuple of values where it may be a list."""
        text = self._text(index)
        single = isinstance(row, Single)
        if not single and (not text or ("," in text and isinstance(row, Listed))):
            return self._read_values(row, (index,), notes)
        try:
            value = row.codec(text, notes)
        except ParseError as error:
            raise self.placed(error, row, index) from None
        return value if single else (value,)

    def _read_single(self, row: Row[object], places: Sequence[int], notes: Notes) -> object:
        text = self._text(places[0])
        try:
            # RFC 3261 §7.3.1: only lists may be repeated. The same value twice says nothing else, though.
            if len(places) > 1:
                if any(self._text(index) != text for index in places):
                    message = "stands more than once, with different values"
                    raise ParseError(message, section="RFC 3261 §7.3.1", text=text)
                notes.append(Deviation.DUPLICATE_HEADER)
            return row.codec(text, notes)
        except ParseError as error:
            raise self.placed(error, row, places[0]) from None

    def _read_values(self, row: Row[object], places: Sequence[int], notes: Notes) -> tuple[object, ...]:
        values: list[object] = []
        for index in places:
            values += self._values_in(row, index, self._text(index), notes)
            if len(values) > MAX_LIST_VALUES:
                raise self.placed(_too_many(), row, index)
        return tuple(values)

    def _values_in(self, row: Row[object], index: int, text: str, notes: Notes) -> list[object]:
        """The values of the field `index`, whose value is `text`."""
        values: list[object] = []
        try:
            if text and not ("," in text and isinstance(row, Listed)):
                values.append(row.codec(text, notes))
            else:
                self._read_line(row, text, values, notes)
        except ParseError as error:
            raise self.placed(error, row, index, len(values)) from None
        return values

    def _read_line(self, row: Row[object], text: str, values: list[object], notes: Notes) -> None:
        """Add to `values` what one line of a list holds: several values, or none at all."""
        if not text:
            if not (isinstance(row, Listed) and row.empty):
                raise ParseError("no value", section=row.section)
            return
        tokens = _plain_tokens(text) if row.codec is parse_token else []
        pieces = tokens or _pieces(row, text, notes)
        self._extra += len(pieces)
        if self._extra + len(self._keys) > MAX_VALUES:
            message = f"more than {MAX_VALUES} values in all header fields"
            raise LimitExceeded(message, section="RFC 3261 §7.3.1", text=text, status=513)
        if tokens:
            values += tokens  # as many as Allow and Supported have are cheaper checked at once
        else:
            for piece in pieces:
                values.append(row.codec(piece, notes))  # one by one: an error counts those before it

    def _text(self, index: int) -> str:
        """A field's value, folds replaced, white space around it left out."""
        text = self._lines[index].partition(":")[2].strip(" \t")
        return unfold(text).strip(" \t") if "\n" in text else text

    def placed(self, error: ParseError, row: Row[object], index: int, done: int = 0) -> ParseError:
        """An error out of the value of the field `index`, after `done` values of it, told where it stands."""
        text = self._text(index)
        start = 0
        for piece in [piece for piece in split_list(text) if piece][:done] if done else ():
            start = text.index(piece, start) + len(piece)
        offset = max(text.find(error.text, start), start) if error.text else start
        if self._origin is None:
            return error.within(row.name, offset, text)
        begin = field_position(self._origin, index)
        end = field_position(self._origin, index + 1)
        field = self._origin[begin:end].rstrip(b"\r\n").decode("utf-8", "surrogateescape")
        name, colon, raw = field.partition(":")
        before = name + colon + raw[: raw_offset(raw, offset + error.offset)]
        return error.within(row.name, offset, text, begin + len(before.encode("utf-8", "surrogateescape")))

    def first(self, row: Listed[T]) -> T | None:
        """The first value of a list, the lines below the one it stands in not looked at; None where there is none.

        What is unusual about it is noted once the whole list is read.
        """
        places = () if row in self._typed else self._places(row.key)
        if places:
            index = places[0]
            text = self._text(index)
            if text and "," not in text:
                try:
                    return row.codec(text, [])
                except ParseError as error:
                    raise self.placed(error, row, index) from None
        whole = self[row]
        return whole[0] if whole else None

    def envelope(self) -> tuple[str, bool] | None:
        """The first Via, From, To, Call-ID and CSeq, as written, a line each, and whether there are several Vias; None
        where one is missing.

        These five are asked for of every message, before anything else and together.
        """
        lines, index = self._lines, self._keys.index
        if "via" not in self._keys:  # as in each request that is not sent yet
            return None
        try:
            return (
                f"{lines[index('via')]}\n{lines[index('from')]}\n{lines[index('to')]}\n"
                f"{lines[index('call-id')]}\n{lines[index('cseq')]}",
                self._keys.count("via") > 1,
            )
        except ValueError:
            return None

    def get(self, name: str) -> str | None:
        """The first value of `name` (any case, long or compact), folds replaced, white space around it left out."""
        key = KNOWN_NAMES.get(name) or key_of(name)
        return self._text(self._keys.index(key)) if key in self._keys else None

    def get_all(self, name: str) -> list[str]:
        """Every value of `name`, one for each line that carries it."""
        return [self._text(index) for index in self._places(KNOWN_NAMES.get(name) or key_of(name))]

    def noted(self) -> tuple[Noted, ...]:
        """The deviations met in the header fields that were read so far."""
        noted = (self._notes or {}).items()
        return tuple(Noted(note, row.name) for row, notes in noted for note in dict.fromkeys(notes))

    def has_read(self, row: Row[object]) -> bool:
        """Whether a row was read already, without an error."""
        return row in self._typed

    def known_rows(self) -> list[Row[object]]:
        """The rows of the header fields that are there and known, in order, each once."""
        return [row for row in map(ROWS.get, dict.fromkeys(self._keys)) if row is not None]

    def raw_items(self) -> list[tuple[str, str]]:
        """(name, value) exactly as written: white space, folds and case kept."""
        return [(name, content) for name, _, content in [line.partition(":") for line in self._lines]]

    def replaced(self, name: str, *values: object) -> "Headers":
        """The same fields with `name` having just `values`, where the first one stood, or at the end.

        Raises UnsafeValue on a name that is not a token and on a value that `grammar.require_field` refuses.
        """
        key = key_of(require_token(name, "a header field's name"))
        added = [_line(name, item) for item in values]
        at = self._keys.index(key) if key in self._keys else len(self._keys)
        after = [index for index in range(at, len(self._keys)) if self._keys[index] != key]
        lines = [*self._lines[:at], *added, *[self._lines[index] for index in after]]
        keys = [*self._keys[:at], *[key] * len(added), *[self._keys[index] for index in after]]
        return self._derived(lines, keys, (key,))

    def with_first(self, name: str, content: object, *, instead: bool = False) -> "Headers":
        """The same fields with one more `name`: before the first one, or `instead` of it, or before all fields."""
        key = key_of(require_token(name, "a header field's name"))
        at = self._keys.index(key) if key in self._keys else 0
        lines = [*self._lines[:at], _line(name, content), *self._lines[at + instead :]]
        return self._derived(lines, [*self._keys[:at], key, *self._keys[at + instead :]], (key,))

    def with_last(self, name: str, content: object) -> "Headers":
        """The same fields with one more `name` at the end."""
        key = key_of(require_token(name, "a header field's name"))
        return self._derived([*self._lines, _line(name, content)], [*self._keys, key], (key,))

    def only(self, *names: str) -> "Headers":
        """The fields of these names, as they were written and in their order."""
        return Headers(*self.written(_keys_of(names)))

    def written(self, wanted: Container[str]) -> tuple[list[str], list[str]]:
        """The fields with these keys as they were written and in their order, and their keys, to build others of."""
        lines, keys = [], []
        for line, key in zip(self._lines, self._keys, strict=True):
            if key in wanted:
                lines.append(line)
                keys.append(key)
        return lines, keys

    def __add__(self, other: "Headers") -> "Headers":
        return Headers(self._lines + other._lines, self._keys + other._keys)

    def before_body(self, other: "Headers") -> "Headers":
        """The same fields with those of `other` put in where the fields of the body begin."""
        at, keys, added = self._body_at(), self._keys, other._keys
        return self._derived(self._lines[:at] + other._lines + self._lines[at:], keys[:at] + added + keys[at:], added)

    def written_around(self, above: str, other: "Headers | None") -> str:
        """How the same fields are written with one more on top, a line that is known to be safe, and those of `other`
        as `before_body` has them.
        """
        lines = self._lines
        if other is None:
            return "\r\n".join([above, *lines, ""])
        at = self._body_at()
        return "\r\n".join([above, *lines[:at], *other._lines, *lines[at:], ""])

    def _body_at(self) -> int:
        """Where the fields of the body begin."""
        keys = self._keys
        at = keys.index(_LENGTH) if _LENGTH in keys else len(keys)
        return min(at, keys.index(_TYPE)) if _TYPE in keys else at

    def _derived(self, lines: list[str], keys: list[str], changed: Container[str]) -> "Headers":
        """Fields made of these, of which those with other keys than `changed` are the same.

        What was read of those stays read, save what was noted about, which is noted once more when it is read again.
        """
        derived, noted = Headers(lines, keys), self._notes or ()
        derived._typed = {
            row: typed for row, typed in self._typed.items() if row.key not in changed and row not in noted
        }
        return derived

    def alike(self, lines: list[str], origin: bytes, typed: Mapping[Row[object], object]) -> "Headers":
        """Fields that are the same as these, but for what Via, From, To and Call-ID say: what was read of the others,
        save what was noted about, says the same there. `typed` is known besides.
        """
        known = {**self._typed, **typed}
        for row in (*_OF_ONE, *(self._notes or ())):
            known.pop(row, None)
        return Headers(lines, self._keys, origin, known)

    def has_any(self, *names: str) -> bool:
        """Whether one of these names is there at least."""
        return not _keys_of(names).isdisjoint(self._keys)

    def __contains__(self, name: str) -> bool:
        return (KNOWN_NAMES.get(name) or key_of(name)) in self._keys

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """(name as written, value) in order, folds replaced and white space around them left out."""
        return ((name.rstrip(" \t"), self._text(index)) for index, (name, _) in enumerate(self.raw_items()))

    def __len__(self) -> int:
        return len(self._keys)

    def __str__(self) -> str:
        """All fields as they go on the wire, each ended by CRLF."""
        return "\r\n".join([*self._lines, ""])


@lru_cache(MAX_SELECTIONS)
def _keys_of(names: tuple[str, ...]) -> frozenset[str]:
    """The keys of names that the program itself selects header fields by, which are few and always the same."""
    return frozenset(map(key_of, names))


def headers_of(*items: tuple[str, object]) -> Headers:
    """Header fields out of (name, value) pairs. Raises UnsafeValue as `Headers.replaced` does."""
    return headers_below([], [], items, {})


def headers_below(
    lines: list[str],
    keys: list[str],
    items: Iterable[tuple[str, object]],
    typed: Mapping[Row[object], object],
    as_written: int = 0,
) -> Headers:
    """Header fields of which the first are written already, and the others are (name, value) pairs. Raises UnsafeValue
    as `Headers.replaced` does; lines and keys belong to the new object, as all do that are given to it.

    `typed` are values among them that are what reading them would give, and so need not be read. What stands more than
    once is read all the same. The first `as_written` lines were checked, or received like that, and go out as they are.
    """
    for name, content in items:
        if type(content) in _WITHOUT_TEXT:
            raise _without_text(name, content)
        text = str(content)
        lines.append(f"{name}: {text}" if text else f"{name}:")
        keys.append(KNOWN_NAMES.get(name) or key_of(require_token(name, "a header field's name")))
    require_lines(lines[as_written:])
    if not typed:
        return Headers(lines, keys)
    if len(set(keys)) == len(keys):
        return Headers(lines, keys, None, dict(typed))
    return Headers(lines, keys, None, {row: known for row, known in typed.items() if keys.count(row.key) == 1})


def _too_many() -> LimitExceeded:
    return LimitExceeded(f"more than {MAX_LIST_VALUES} values", section="RFC 3261 §7.3.1", status=513)


def _line(name: str, content: object) -> str:
    if type(content) in _WITHOUT_TEXT:
        raise _without_text(name, content)
    text = str(content)
    return f"{name}: {require_field(text, name)}" if text else f"{name}:"


def _without_text(name: str, content: object) -> LocalError:
    kind = "None" if content is None else type(content).__name__
    return LocalError(f"{name} wants a text or a value that is one, not {kind}", section="RFC 3261 §7.3.1")


def _plain_tokens(text: str) -> list[str]:
    """The tokens of a line that holds nothing but them and a comma between each two; none of any other line."""
    pieces = text.replace(", ", ",").split(",")
    return pieces if is_token("".join(pieces)) and "" not in pieces else []


def _pieces(row: Row[object], text: str, notes: Notes) -> list[str]:
    """The values of one line that has a comma; a comma with nothing beside it is noted."""
    pieces = split_list(text)
    if "" in pieces:
        pieces = [piece for piece in pieces if piece]
        if not pieces and not (isinstance(row, Listed) and row.empty):
            raise ParseError("no value", section=row.section, text=text)
        notes.append(Deviation.EMPTY_LIST_VALUE)
    return pieces
