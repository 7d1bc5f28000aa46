"""What the two packages pass on to other programs: the same names wherever they are listed, and none before its use."""

import ast
import collections.abc
import importlib
import inspect
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import pytest

ROOT = Path(__file__).parents[1]
CONFIGURATIONS = ("EndpointConfig", "StackConfig", "TransportConfig", "TlsConfig", "LookupConfig", "Registration")
SET_OR_READ = {
    "sipcore": (*CONFIGURATIONS, "Wishes", "Order", "Exchange", "MediaResult"),
    "probes": (
        *("CallScript", "DiscoveryConfig", "SweepConfig", "PingConfig", "WatchConfig", "Rules", "Route", "Trunk"),
        *("CallResult", "Discovery", "Check", "Change", "Switch", "StoreConfig"),
        *("Alert", "AlertRules", "WebhookChannel", "AppriseChannel", "NotifyConfig"),
    ),
}
"""What other programs fill in, or read what came of it from: each field says what it means."""
FOR_FEW = {"Alarm", "Deviation", "PlainReader", "Wire"}
"""What functions take that nobody needs to begin with: another clock, leniency, a reader that remembers, the bytes
of everything."""


@pytest.mark.parametrize("package", ["sipcore", "probes"])
def test_every_name_is_listed_typed_and_found(package: str) -> None:
    tree = ast.parse((ROOT / package / "__init__.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    root = importlib.import_module(package)
    assert sorted(typed) == sorted(root.__all__)
    for name, module in typed.items():
        assert getattr(root, name) is getattr(importlib.import_module(str(module)), name)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        _ = root.nothing


@pytest.mark.parametrize("package", ["sipcore", "probes"])
def test_the_import_alone_loads_nothing(package: str) -> None:
    code = f"import sys, {package}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = [name for name in done.stdout.split() if name.startswith(("sipcore.", "probes.", "trio"))]
    assert loaded == ["sipcore.lazy"]


def classes_in(hint: object) -> Iterator[type]:
    """Our own classes in an annotation, those aside that a function only hands to a callback or an iterator."""
    if get_origin(hint) in (collections.abc.Callable, collections.abc.AsyncIterator):
        return
    if inspect.isclass(hint) and hint.__module__.startswith(("sipcore.", "probes.")):
        yield hint
    for part in get_args(hint):
        yield from classes_in(part)


@pytest.mark.parametrize("package", ["sipcore", "probes"])
def test_what_a_function_takes_and_gives_is_passed_on_as_well(package: str) -> None:
    roots = [importlib.import_module(name) for name in ("sipcore", "probes")]
    passed_on = {name for root in roots for name in root.__all__}
    root = importlib.import_module(package)
    for function in filter(inspect.isfunction, (getattr(root, name) for name in root.__all__)):
        named = {each.__name__ for hint in get_type_hints(function).values() for each in classes_in(hint)}
        assert named <= passed_on | FOR_FEW, function.__name__


@pytest.mark.parametrize(
    ("package", "name"), [(package, name) for package in SET_OR_READ for name in SET_OR_READ[package]]
)
def test_each_field_says_what_it_means(package: str, name: str) -> None:
    """In a text of its own, or in that of its class."""
    described = getattr(importlib.import_module(package), name)
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(described))).body
    assert isinstance(tree, ast.ClassDef)
    behind = zip(tree.body, [*tree.body[1:], None], strict=True)
    silent = {
        node.target.id
        for node, text in behind
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        if not (isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant))
    }
    told = set(re.findall(r"`(\w+)`", ast.get_docstring(tree) or ""))
    assert {each for each in silent if not each.startswith("_")} <= told
