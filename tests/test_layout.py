"""The house: a file imports only from its own floor's folder or from floors below."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "jaxcifar"
FLOORS = {"errors": 0, "records": 0, "landscape": 0, "config": 1, "measures": 1, "models": 2, "data": 2, "claims": 2}
FLOORS |= {"training": 3, "runner": 4, "report": 4, "streams": 0, "options": 5, "cli": 6, "__main__": 7}


def room(module: str) -> str:
    return module.split(".")[1]


def _at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only a type checker sees."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from _at_run_time(child)


def imports(path: Path) -> list[str]:
    """Every module of the package that a file imports, e.g. `jaxcifar.data`."""
    found = []
    for node in _at_run_time(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += names if node.module == "jaxcifar" else [node.module]
    return [name for name in found if name.startswith("jaxcifar.") and room(name) in FLOORS]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path):
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if own == "__init__":
        return
    for module in imports(path):
        other = room(module)
        below = FLOORS[other] < FLOORS[own] and own != "landscape"
        # Rooms of one floor may know each other where the plan says so: config's types name measures, records raise
        # UserError.
        friends = (own, other) in {("config", "measures"), ("measures", "config"), ("records", "errors")}
        assert other == own or below or friends, f"{path.name} on floor {FLOORS[own]} imports {module}"


def test_a_report_needs_records_and_the_study_alone():
    allowed = {"report", "records", "config", "claims", "measures", "errors"}
    for path in (PACKAGE / "report").rglob("*.py"):
        assert {room(module) for module in imports(path)} <= allowed, path
    code = "import sys, jaxcifar.report; print(sorted({'jax', 'flax', 'orbax'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout.strip() == "[]"


def test_files_and_functions_stay_short():
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        assert text.count("\n") <= 300, f"{path} has over 300 lines"
