"""`@value`: a frozen, slotted dataclass that is made in half the time.

The standard library's frozen dataclass fills each slot through `object.__setattr__`, 1.2 µs for six fields on
CPython 3.11; going straight to the slots' own setters takes 0.7 µs. A full parse of a message makes some thirty
values, so the parser would otherwise spend most of its time there.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, dataclass_transform

T = TypeVar("T")
P = ParamSpec("P")


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def value(cls: type[T]) -> type[T]:
    """Make `cls` a frozen, slotted dataclass whose `__init__` writes its slots directly.

    Plain defaults and `default_factory` work as usual; `__post_init__` is called when there is one, and may raise.
    """
    made = dataclasses.dataclass(frozen=True, slots=True)(cls)
    names: dict[str, Any] = {"_missing": dataclasses.MISSING}
    arguments, lines = [], []
    for field in dataclasses.fields(made):  # type: ignore[arg-type]  # mypy cannot see that `made` is a dataclass
        name = given = field.name
        names[f"_set_{name}"] = getattr(made, name).__set__
        if field.default is not dataclasses.MISSING:
            names[f"_default_{name}"] = field.default
            arguments.append(f"{name}=_default_{name}")
        elif field.default_factory is not dataclasses.MISSING:
            names[f"_make_{name}"] = field.default_factory
            arguments.append(f"{name}=_missing")
            given = f"_make_{name}() if {name} is _missing else {name}"
        else:
            arguments.append(name)
        lines.append(f" _set_{name}(self, {given})")
    if hasattr(made, "__post_init__"):
        lines.append(" self.__post_init__()")
    source = f"def __init__(self, {', '.join(arguments)}):\n" + "\n".join(lines or [" pass"])
    exec(source, names)  # noqa: S102  # the text is built from this class's own field names, as dataclasses does
    type.__setattr__(made, "__init__", names["__init__"])
    return made


def maker(cls: Callable[P, T]) -> Callable[P, T]:
    """A function that makes values of the `@value` class `cls` as calling it does, `__post_init__` left out.

    It fills the slots of a class that is not frozen, which costs half, and turns the result into one of `cls`. Only
    parsers need it, for what every message has.
    """
    return _maker(cls, "")


def lazy_maker(cls: Callable[..., T], empty: str) -> Callable[..., T]:
    """As `maker`, but the slot of the field `empty` is left empty, and so is the argument for it.

    `cls` fills the slot in its `__getattr__`, which Python calls when it finds one empty.
    """
    return _maker(cls, empty)


def _maker(cls: Callable[..., T], empty: str) -> Callable[..., T]:
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]  # a class, which mypy is told to be a function
    names: dict[str, Any] = {"_new": object.__new__, "_frozen": cls}
    names["_open"] = type("_open", (), {"__slots__": tuple(field.name for field in fields)})
    filled = [field for field in fields if field.name != empty]
    arguments = []
    for field in filled:
        default = field.default is not dataclasses.MISSING
        arguments.append(f"{field.name}=_default_{field.name}" if default else field.name)
        names[f"_default_{field.name}"] = field.default
    lines = [f"def make({', '.join(arguments)}):", " made = _new(_open)"]
    lines += [f" made.{field.name} = {field.name}" for field in filled]
    lines += [" made.__class__ = _frozen", " return made"]
    exec("\n".join(lines), names)  # noqa: S102  # the text is built from this class's own field names, as dataclasses does
    return names["make"]  # type: ignore[no-any-return]  # what `exec` made
