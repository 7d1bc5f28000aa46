"""What the two packages pass on to other programs: the same names wherever they are listed, and none before its use."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


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
