"""The house: a file imports only from its own floor's folder or from floors below."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "jaxcifar"
FLOORS = {"config": 0, "records": 0, "landscape": 1, "models": 2, "data": 2, "training": 3, "studies": 4, "report": 5}
FLOORS |= {"process": 0, "cli": 6}


def room(module: str) -> str:
    return module.split(".")[1]


def imports(path: Path) -> list[str]:
    """Every module of the package that a file imports, e.g. `jaxcifar.data`."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
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
        same_floor = FLOORS[own] == 0 and FLOORS[other] == 0
        assert other == own or below or same_floor, f"{path.name} on floor {FLOORS[own]} imports {module}"


def test_files_and_functions_stay_short():
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        assert text.count("\n") <= 300, f"{path} has over 300 lines"
