"""The shape of the code: what may import what, what may touch the world, and how large a piece may grow.

Each rule is a function from modules to violations, one line each with file and line. Imports are found wherever they
stand: at the top, inside a function, or under `if TYPE_CHECKING`, since a type that points upward is a dependency too.
"""

import ast
import graphlib
import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("sipcore", "probes")
STACK = (
    *("sipcore.events", "sipcore.outgoing", "sipcore.local_ends", "sipcore.tickets", "sipcore.invite"),
    *("sipcore.callbook", "sipcore.call_actions", "sipcore.calls", "sipcore.stack_config"),
    *("sipcore.malformed", "sipcore.uas_core", "sipcore.recovery", "sipcore.stack"),
)
"""The one object that the engine is used by, with its parts."""
LAYERS = (
    (
        *("sipcore.value", "sipcore.covering", "sipcore.errors", "sipcore.deviation", "sipcore.tokens"),
        *("sipcore.pattern", "sipcore.grammar"),
        *("sipcore.resolve.target", "sipcore.trace"),  # the words for places, and for what happened there
        "sipcore.lazy",
    ),
    ("sipcore.message", "sipcore.sdp", "sipcore.media", "sipcore.auth"),
    ("sipcore.resolve", "sipcore.transactions"),
    ("sipcore.dialogs",),
    ("sipcore.registration",),
    STACK,
    ("sipcore.transports",),
    ("sipcore.endpoint",),
    (
        *("probes.providers", "probes.destination", "probes.destination_text", "probes.result", "probes.findings"),
        *("probes.timeline", "probes.product", "probes.locate", "probes.entries", "probes.reach"),
    ),
    ("probes.checks", "probes.capture", "probes.fingerprint"),
    (
        *("probes.discovery", "probes.calls", "probes.responder", "probes.health", "probes.store", "probes.load"),
        *("probes.sweep", "probes.ping", "probes.registration", "probes.report", "probes.trunks"),
    ),
    ("probes.fleet", "probes.service"),
    ("probes.web", "probes.cli", "probes.config", "probes.daemon"),
)
"""From the bottom up: a module imports from its own layer and from those before it."""
NEVER = (
    *(("sipcore.transports", upper) for upper in (*STACK, "sipcore.transactions", "sipcore.dialogs")),
    *(
        (module, "sipcore.endpoint")
        for module in ("probes.destination", "probes.result", "probes.timeline", "probes.checks", "probes.report")
    ),
    ("probes.web", "sipcore.endpoint"),
)
"""(importer, imported): what the order of the layers alone would allow."""
WORLD = {
    *("trio", "anyio", "OpenSSL", "dns", "wsproto", "h11", "httpx", "apprise"),
    *("socket", "ssl", "select", "selectors", "asyncio", "threading", "subprocess", "signal"),
    *("time", "random", "secrets", "uuid", "os", "logging"),
}
"""Input, output, clocks and chance: top-level modules that only the edge imports."""
EDGE = (
    *("sipcore.transports", "sipcore.endpoint"),
    *(
        "probes.store",
        "probes.fleet",
        "probes.service",
        "probes.web.app",
        "probes.web.ids",
        "probes.web.auth",
        "probes.web.sessions",
        "probes.web.pages.site",
        "probes.web.guard",
        "probes.web.timed",
        "probes.web.stream",
        "probes.web.native.health",
        "probes.cli",
        "probes.config",
        "probes.daemon",
    ),
    *("probes.health.notify", "probes.health.webhook", "probes.health.messages"),
)
"""With each slice's `run` module, the modules that may touch the world."""
FILE_LINES = 500
FUNCTION_LINES = 60
STATES = 8
"""Members of one enum of states: what has more is several machines in one."""
DATA_TABLES: tuple[str, ...] = ()
"""Files that are one table of data, which no size limits: paths from the root."""


@dataclass(frozen=True, slots=True)
class Import:
    """`module` is imported in line `line`; `names` are what a `from` import takes out of it."""

    module: str
    line: int
    names: tuple[str, ...] = ()
    relative: bool = False


@dataclass(frozen=True, slots=True)
class Module:
    """One source file: its dotted name, its path from the root, its text and its syntax tree."""

    name: str
    path: Path
    text: str = field(repr=False)
    tree: ast.Module = field(repr=False)

    @property
    def imports(self) -> Iterator[Import]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (Import(alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                names = tuple(alias.name for alias in node.names)
                yield Import(node.module or "", node.lineno, names, relative=node.level > 0)

    def at(self, line: int, text: str) -> str:
        """A violation, in the form that editors and terminals make a link of."""
        return f"{self.path}:{line}: {text}"


Modules = dict[str, Module]


def load(root: Path) -> Modules:
    """All modules of the packages under `root`, by name."""
    paths = sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))
    return {module.name: module for module in (parse(path, root) for path in paths)}


def parse(path: Path, root: Path) -> Module:
    relative, text = path.relative_to(root), path.read_text()
    name = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
    return Module(name, relative, text, ast.parse(text))


def within(name: str, parent: str) -> bool:
    return name == parent or name.startswith(parent + ".")


def rank(name: str) -> int | None:
    """The layer that `name` stands in, by the longest entry that covers it."""
    covering = [(entry, number) for number, layer in enumerate(LAYERS) for entry in layer if within(name, entry)]
    return max(covering, key=lambda found: len(found[0]))[1] if covering else None


def is_edge(name: str) -> bool:
    return name.endswith(".run") or any(within(name, edge) for edge in EDGE)


def dependencies(module: Module, modules: Modules) -> Iterator[tuple[str, int]]:
    """The modules of ours that `module` imports, with the line; `from package import module` counts as the module."""
    for imported in module.imports:
        submodules = [name for name in (f"{imported.module}.{name}" for name in imported.names) if name in modules]
        for name in submodules or [imported.module]:
            if name in modules:
                yield name, imported.line


def absolute_imports(modules: Modules) -> Iterator[str]:
    """Imports are absolute and name the module that defines the thing, never a package that passes it on."""
    for module in modules.values():
        for imported in module.imports:
            if imported.relative:
                yield module.at(imported.line, "relative import")
            elif imported.module in PACKAGES:
                yield module.at(imported.line, f"imports from the package root {imported.module}")
            elif (target := modules.get(imported.module)) and target.path.name == "__init__.py":
                taken = [name for name in imported.names if f"{imported.module}.{name}" not in modules]
                if taken:
                    yield module.at(imported.line, f"takes {', '.join(taken)} from the package {imported.module}")


def layers(modules: Modules) -> Iterator[str]:
    """Imports point down: a module knows its own layer and those below it; the packages' roots are above them all."""
    for module in modules.values():
        own = rank(module.name)
        if own is None and module.tree.body and module.name not in PACKAGES:
            yield module.at(1, f"{module.name} stands in no layer")
        for name, line in dependencies(module, modules):
            if own is not None and (other := rank(name)) is not None and other > own:
                yield module.at(line, f"{module.name} imports upward: {name}")


def never(modules: Modules) -> Iterator[str]:
    """Pairs that must not know each other although the layers would let them."""
    for module in modules.values():
        for name, line in dependencies(module, modules):
            if any(within(module.name, importer) and within(name, imported) for importer, imported in NEVER):
                yield module.at(line, f"{module.name} must never import {name}")


def world(modules: Modules) -> Iterator[str]:
    """Only the edge touches the world; everything else is told the time, and given its tokens."""
    for module in modules.values():
        for imported in module.imports:
            if imported.module.partition(".")[0] in WORLD and not is_edge(module.name):
                yield module.at(imported.line, f"{module.name} touches the world: {imported.module}")


def cycles(modules: Modules) -> Iterator[str]:
    """No module imports itself by way of others."""
    graph = {name: dict(dependencies(module, modules)) for name, module in modules.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        ring: list[str] = error.args[1][::-1]  # each is imported by the next, so backwards each imports the next
        for importer, imported in itertools.pairwise(ring):
            yield modules[importer].at(graph[importer][imported], f"in a cycle: {' imports '.join(ring)}")


def sizes(modules: Modules) -> Iterator[str]:
    """Small pieces: files and functions that can be read in one go."""
    for module in modules.values():
        if str(module.path) in DATA_TABLES:
            continue
        if (lines := module.text.count("\n")) > FILE_LINES:
            yield module.at(lines, f"{lines} lines, more than {FILE_LINES}")
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES:
                    yield module.at(node.lineno, f"{node.name} has {length} lines, more than {FUNCTION_LINES}")


def states(modules: Modules) -> Iterator[str]:
    """Several small machines, not one big one."""
    for module in modules.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef) and node.name.endswith("State") and any(map(_is_enum, node.bases)):
                count = sum(isinstance(line, ast.Assign) for line in node.body)
                if count > STATES:
                    yield module.at(node.lineno, f"{node.name} has {count} members, more than {STATES}")


def _is_enum(base: ast.expr) -> bool:
    return ast.unparse(base).rpartition(".")[2] in ("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag")


Rule = Callable[[Modules], Iterator[str]]
RULES: tuple[Rule, ...] = (absolute_imports, layers, never, world, cycles, sizes, states)


@pytest.fixture(scope="module")
def project() -> Modules:
    return load(ROOT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_project(rule: Rule, project: Modules) -> None:
    violations = list(rule(project))
    assert not violations, "\n" + "\n".join(violations)


def test_engine_loads_nothing_of_the_command_line(project: Modules) -> None:
    names = [name for name in project if within(name, "sipcore")]
    assert loaded_by(names) & {"typer", "rich", "pylibsrtp"} == set()


def test_pure_part_loads_no_network(project: Modules) -> None:
    names = [name for name in project if within(name, "sipcore") and not is_edge(name)]
    assert loaded_by(names) & {"trio", "OpenSSL", "dns", "cryptography"} == set()


def loaded_by(names: list[str]) -> set[str]:
    """The top-level modules that a fresh interpreter holds once it has imported `names`."""
    code = f"import sys, {', '.join(names)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name for name in done.stdout.split() if "." not in name}


PLANTED: list[tuple[Rule, dict[str, str], list[str]]] = [
    (absolute_imports, {"sipcore/stack.py": "from . import errors"}, ["sipcore/stack.py:1: relative import"]),
    (absolute_imports, {"probes/result.py": "import sipcore"}, ["imports from the package root sipcore"]),
    (
        absolute_imports,
        {"sipcore/sdp/__init__.py": "from sipcore.sdp.offer import Offer", "sipcore/sdp/offer.py": "class Offer: ..."}
        | {"sipcore/stack.py": "x = 1\nfrom sipcore.sdp import Offer\nfrom sipcore.sdp import offer"},
        ["sipcore/stack.py:2: takes Offer from the package sipcore.sdp"],
    ),
    (
        layers,
        {"sipcore/errors.py": "def f():\n  import sipcore.stack", "sipcore/stack.py": ""},
        ["sipcore/errors.py:2: sipcore.errors imports upward: sipcore.stack"],
    ),
    (
        layers,
        {"sipcore/sdp/x.py": "if TYPE_CHECKING:\n  from sipcore import stack", "sipcore/stack.py": ""},
        ["sipcore/sdp/x.py:2: sipcore.sdp.x imports upward: sipcore.stack"],
    ),
    (
        layers,
        {"sipcore/trace.py": "import sipcore.resolve.target\nimport sipcore.resolve.plan"}
        | {"sipcore/resolve/target.py": "", "sipcore/resolve/plan.py": ""},
        ["sipcore/trace.py:2: sipcore.trace imports upward: sipcore.resolve.plan"],
    ),
    (layers, {"sipcore/new.py": "x = 1"}, ["sipcore/new.py:1: sipcore.new stands in no layer"]),
    (
        never,
        {"sipcore/transports/udp.py": "from sipcore.stack import Stack", "sipcore/stack.py": ""},
        ["sipcore/transports/udp.py:1: sipcore.transports.udp must never import sipcore.stack"],
    ),
    (world, {"sipcore/stack.py": "import time"}, ["sipcore/stack.py:1: sipcore.stack touches the world: time"]),
    (world, {"sipcore/sdp/x.py": "from os.path import join"}, ["sipcore.sdp.x touches the world: os.path"]),
    (world, {"sipcore/transports/udp.py": "import socket", "probes/calls/run.py": "import trio"}, []),
    (
        cycles,
        {"sipcore/sdp/a.py": "\nimport sipcore.sdp.b", "sipcore/sdp/b.py": "import sipcore.sdp.a"},
        ["sipcore/sdp/a.py:2: in a cycle", "sipcore/sdp/b.py:1: in a cycle"],
    ),
    (sizes, {"sipcore/stack.py": "\n" * 501}, ["sipcore/stack.py:501: 501 lines, more than 500"]),
    (sizes, {"sipcore/stack.py": "def f():\n" + "  x = 1\n" * 60}, ["sipcore/stack.py:1: f has 61 lines"]),
    (
        states,
        {"sipcore/stack.py": "class CallState(enum.Enum):\n" + "".join(f"  S{n} = {n}\n" for n in range(9))},
        ["sipcore/stack.py:1: CallState has 9 members"],
    ),
]


@pytest.mark.parametrize(("rule", "files", "expected"), PLANTED)
def test_planted_violation_is_reported(rule: Rule, files: dict[str, str], expected: list[str], tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    violations = list(rule(load(tmp_path)))
    assert len(violations) == len(expected)
    assert all(any(part in line for line in violations) for part in expected), violations
