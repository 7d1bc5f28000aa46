"""`@value`: a frozen, slotted dataclass that is defined in a tenth of the time and made in half.

The standard library compiles up to eight functions for each frozen dataclass, 0.8 ms on CPython 3.11, which a program
that defines a hundred of them pays each time it starts. Here only `__new__` is compiled, when the first value is made,
and the others are shared; what the fields are is left to the standard library, once somebody asks.
Its `__init__` fills each slot through `object.__setattr__`, 1.2 µs for six fields; filling the slots of a class that is
not frozen, and turning the result into one of the class, takes 0.6 µs. A full parse of a message makes some thirty
values, so the parser would otherwise spend most of its time there. Where even that counts, `maker` takes 0.4 µs.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from operator import attrgetter
from types import FunctionType
from typing import Any, ClassVar, ParamSpec, Protocol, TypeVar, dataclass_transform

T = TypeVar("T")
P = ParamSpec("P")
Field = dataclasses.Field[Any]
Written = tuple[list[str], list[str], dict[str, Any]]
"""A function as text: its arguments, its lines, and the globals that they use."""
_DEFAULTS = "__defaults_by_name__"
"""Where a class keeps what stands behind the name of each of its fields."""


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Field]]


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def value(cls: type[T]) -> type[T]:
    """Make `cls` a frozen, slotted dataclass whose slots are filled before it is frozen.

    Plain defaults and `default_factory` work as usual, and so does `init=False` beside a default; `__post_init__` is
    called when there is one, and may raise. Each annotation is a field, and no class that has fields is derived from
    another one.
    """
    own = _content(cls)
    given = {name: own.pop(name, dataclasses.MISSING) for name in cls.__annotations__}
    if own.get("__hash__") is None:  # as in a class with an `__eq__` of its own
        own.pop("__hash__", None)
    content = _METHODS | _comparing(_names(given, "compare")) | own
    content |= {"__slots__": tuple(given), "__match_args__": tuple(_names(given, "init")), _DEFAULTS: given}
    content |= {"__dataclass_fields__": _OnDemand(cls), "__dataclass_params__": _OnDemand(cls)}
    content["__new__"] = staticmethod(_written_on_call("__new__", lambda: _creator(made), cls.__qualname__))
    made = _class_of(cls, content)
    return made


class _OnDemand:
    """What the standard library keeps with a dataclass, for a class that it has not seen until somebody asks for it."""

    __slots__ = ("_name", "_owner", "_written")

    def __init__(self, written: type) -> None:
        """Take the class as it was written."""
        self._written = written

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner, self._name = owner, name

    def __get__(self, _: object, owner: type | None = None) -> object:
        # Of a copy, since the class is changed by it: another thread may ask for the same at the same time.
        copied: type = _class_of(self._written, _content(self._written))
        found = dataclasses.dataclass(init=False, repr=False, eq=False)(copied).__dict__[self._name]
        type.__setattr__(self._owner, self._name, found)
        return found


def _names(given: Mapping[str, Any], part: str) -> list[str]:
    """The fields that have a part in something, as all have of which nothing else is said."""
    return [name for name, found in given.items() if not isinstance(found, dataclasses.Field) or getattr(found, part)]


def _fields_of(cls: object) -> list[Field]:
    """The fields of a class, as far as making its values goes; those of the standard library take a tenth of a
    millisecond.
    """
    made = []
    for name, found in getattr(cls, _DEFAULTS).items():
        field: Field = found if isinstance(found, dataclasses.Field) else dataclasses.field(default=found)
        field.name = name
        made.append(field)
    return made


def _class_of(cls: type[T], content: dict[str, Any]) -> type[T]:
    """A class like this one, with another content."""
    make: Callable[..., type[T]] = type(cls)
    return make(cls.__name__, cls.__bases__, content)


def _content(cls: type) -> dict[str, Any]:
    """What a class is made of."""
    content = {**cls.__dict__, "__qualname__": cls.__qualname__}
    for name in ("__dict__", "__weakref__"):
        content.pop(name, None)
    return content


def _creator(made: type) -> Written:
    """The `__new__` of a class."""
    fields = _fields_of(made)
    arguments, given, names = _arguments(fields)
    names["_open"] = _open_class(made, fields)
    lines = ["made = _open()", *(f"made.{field.name} = {given[field.name]}" for field in fields)]
    lines.append("made.__class__ = cls")
    if hasattr(made, "__post_init__"):
        lines.append("made.__post_init__()")
    return ["cls", *arguments], [*lines, "return made"], names


def _open_class(frozen: Callable[..., Any], fields: Iterable[Field]) -> type:
    """A class with the slots of `frozen` that is not frozen, and that is called without anything.

    Both have the same base, without which objects of one cannot become objects of the other.
    """
    base: type = frozen.__base__  # type: ignore[attr-defined]  # a class, which mypy is told to be a function
    # Calling a class that has no `__init__` in Python is quicker than `object.__new__`.
    content = {"__slots__": tuple(field.name for field in fields), "__init__": object.__init__}
    return type("_open", (base,), content)


def _comparing(compared: list[str]) -> dict[str, Callable[..., Any]]:
    """`__eq__` and `__hash__` over the fields named."""
    content: Callable[[object], Any] = attrgetter(*compared) if compared else _no_content

    def equal(self: object, other: object) -> bool:
        return bool(content(self) == content(other)) if other.__class__ is self.__class__ else NotImplemented

    def content_hash(self: object) -> int:
        return hash(content(self))

    return {"__eq__": equal, "__hash__": content_hash}


def _no_content(_: object) -> tuple[()]:
    return ()


def _repr(self: _Dataclass) -> str:
    shown = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse_to_set(_: object, name: str, _content: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_: object, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _reduce(self: _Dataclass) -> tuple[object, ...]:
    return _restore, (type(self), [getattr(self, field.name) for field in dataclasses.fields(self)])


def _replace(self: _Dataclass, /, **changes: object) -> object:
    return dataclasses.replace(self, **changes)


_METHODS: dict[str, Any] = {
    "__repr__": _repr,
    "__setattr__": _refuse_to_set,
    "__delattr__": _refuse_to_delete,
    "__reduce__": _reduce,
    "__replace__": _replace,
}


def _restore(cls: type[_Dataclass], state: list[object]) -> _Dataclass:
    """What was copied or pickled; nobody checks again what was checked when it was made."""
    made = object.__new__(cls)
    for field, content in zip(dataclasses.fields(cls), state, strict=True):
        object.__setattr__(made, field.name, content)
    return made


class Member(Enum):
    """An Enum whose members hash by what they are, not by their names: those that look-ups go by, such as tables.

    Enum's own hash is written in Python, and takes longer than the look-up.
    """

    __hash__ = object.__hash__


def maker(cls: Callable[P, T]) -> Callable[P, T]:
    """A function that makes values of the `@value` class `cls` as calling it does, `__post_init__` left out.

    It fills the slots of a class that is not frozen, and turns the result into one of `cls`. Only parsers need it, for
    what every message has.
    """
    return _written_on_call("make", lambda: _maker(cls, ""))


def lazy_maker(cls: Callable[..., T], empty: str) -> Callable[..., T]:
    """As `maker`, but the slot of the field `empty` is left empty, and so is the argument for it.

    `cls` fills the slot in its `__getattr__`, which Python calls when it finds one empty.
    """
    return _written_on_call("make", lambda: _maker(cls, empty))


def _maker(cls: Callable[..., T], empty: str) -> Written:
    fields = _fields_of(cls)
    filled = [field for field in fields if field.name != empty]
    arguments, given, names = _arguments(filled)
    names |= {"_frozen": cls, "_open": _open_class(cls, fields)}
    lines = ["made = _open()", *(f"made.{field.name} = {given[field.name]}" for field in filled)]
    return arguments, [*lines, "made.__class__ = _frozen", "return made"], names


def _arguments(fields: Iterable[Field]) -> tuple[list[str], dict[str, str], dict[str, Any]]:
    """The arguments for `fields`, what to put into each slot, and the names that both of them use."""
    names: dict[str, Any] = {"_missing": dataclasses.MISSING}
    arguments: list[str] = []
    given: dict[str, str] = {}
    for field in fields:
        name = field.name
        if field.default is not dataclasses.MISSING:
            names[f"_default_{name}"] = field.default
        if not field.init:
            given[name] = f"_default_{name}"
            continue
        arguments.append(name)
        given[name] = name
        if field.default is not dataclasses.MISSING:
            arguments[-1] = f"{name}=_default_{name}"
        elif field.default_factory is not dataclasses.MISSING:
            names[f"_make_{name}"] = field.default_factory
            arguments[-1] = f"{name}=_missing"
            given[name] = f"_make_{name}() if {name} is _missing else {name}"
    return arguments, given, names


def _written_on_call(name: str, write: Callable[[], Written], shown: str = "") -> Callable[..., Any]:
    """A function out of text that is made of a class's own field names, as the standard library's dataclasses are.

    It is written and compiled when it is first called, since most programs make values of few classes; from then on it
    is like any other function, and the same object. `shown` is what Python calls it in the errors of wrong arguments.
    """
    names: dict[str, Any] = {}
    function = FunctionType(_FIRST_CALL, names, name)
    function.__qualname__ = shown or name

    def call_first(args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        arguments, lines, used = write()
        names.update(used)
        source = f"def {name}({', '.join(arguments)}):\n" + "".join(f" {line}\n" for line in lines)
        exec(source, names)  # noqa: S102  # see above
        written: FunctionType = names[name]
        # In this order, since another thread may call it in between.
        function.__defaults__ = written.__defaults__
        function.__code__ = written.__code__
        return function(*args, **kwargs)

    names["_call_first"] = call_first
    return function


def _first_call(*args: object, **kwargs: object) -> object:
    return _call_first(args, kwargs)  # type: ignore[name-defined]  # noqa: F821  # a global of `_written_on_call`'s


_FIRST_CALL = _first_call.__code__
