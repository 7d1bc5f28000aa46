"""How a package passes on names without loading what defines them before somebody uses them."""

import importlib
from collections.abc import Callable, Mapping, Sequence


def passing_on(package: str, names: Mapping[str, Sequence[str]]) -> Callable[[str], object]:
    """The `__getattr__` of a package (PEP 562) that passes on the names given, by the modules that define them."""
    places = {name: module for module, defined in names.items() for name in defined}

    def found(name: str) -> object:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(places[name]), name)

    return found
