"""The house's law, read from docs/architecture.md and held against the syntax tree of every module."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mlcli

PACKAGE = Path(mlcli.__file__).parent
PAGE = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"
MODULES = sorted(
    ".".join(("mlcli", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
)
BUILTIN = {*sys.stdlib_module_names, "tomllib"} - {"sqlite3"}  # tomllib: from 3.11 on, and tomli before


def section(title: str) -> list[list[str]]:
    """The rows of the table below a heading: each cell's words in code marks, or its text where it has none."""
    text = PAGE.read_text().partition(f"\n## {title}")[2].partition("\n## ")[0]
    rows = [line.strip().strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def words(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


FLOORS = {words(room).pop(): (floor, words(allowed)) for floor, room, allowed in section("Floors")}
DOORS = {words(package).pop(): (words(door), where) for package, door, where in section("Doors")}


def tree_of(module: str) -> tuple[ast.Module, str]:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return (
        (ast.parse((path / "__init__.py").read_text()), module)
        if path.is_dir()
        else (ast.parse(path.with_suffix(".py").read_text()), module.rpartition(".")[0])
    )


def imports_of(module: str) -> Iterator[tuple[str, bool]]:
    """Each module that `module` imports, absolute, and whether it does so inside a function."""
    tree, package = tree_of(module)
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or "", id(node) in inside
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1])
            named = [f"{above}.{node.module}"] if node.module else [f"{above}.{alias.name}" for alias in node.names]
            yield from ((name, id(node) in inside) for name in named)


def room_of(module: str) -> str:
    """`mlcli.store.files` lies in `store`; the package itself, and the names it gives, in `mlcli`."""
    first = module.partition(".")[2].partition(".")[0] or "__init__"
    return (
        first if (PACKAGE / first).is_dir() or (first != "__init__" and (PACKAGE / f"{first}.py").exists()) else "mlcli"
    )


def named_calls(module: str, *names: str) -> list[str]:
    """Calls and uses of a dotted name in a module, each as `module:line name`."""
    return [
        f"{module}:{node.lineno} {ast.unparse(node)}"
        for node in ast.walk(tree_of(module)[0])
        if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in names
    ]


def test_the_page_tells_of_every_room():
    assert {room_of(module) for module in MODULES} == set(FLOORS)


def test_the_floors_hold_no_circle():
    order = list(TopologicalSorter({room: allowed for room, (_, allowed) in FLOORS.items()}).static_order())
    assert (order[0], order[-1]) == ("errors", "__main__")


def test_no_room_may_import_one_that_lies_higher():
    higher = [
        (room, other)
        for room, (floor, allowed) in FLOORS.items()
        for other in allowed
        if FLOORS[other][0][0] > floor[0]
    ]
    # Both want the package's version.
    assert higher == [("doctor", "mlcli")]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_the_rooms_that_its_floor_allows(module: str):
    room = room_of(module)
    reached = {room_of(name) for name, _ in imports_of(module) if name.split(".")[0] == "mlcli"}
    assert reached - FLOORS[room][1] - {room} == set()


@pytest.mark.parametrize("module", MODULES)
def test_a_package_of_others_comes_in_by_its_door_only(module: str):
    allowed = {
        package
        for package, (doors, _) in DOORS.items()
        if not doors or any(module == f"mlcli.{door}" or module.startswith(f"mlcli.{door}.") for door in doors)
    }
    foreign = {name.split(".")[0] for name, _ in imports_of(module)} - BUILTIN - {"mlcli"}
    assert foreign - allowed == set()


@pytest.mark.parametrize("module", MODULES)
def test_a_heavy_package_is_imported_inside_functions_only(module: str):
    heavy = {package for package, (_, where) in DOORS.items() if where == "inside"}
    at_top = {name.split(".")[0] for name, inside in imports_of(module) if not inside}
    assert at_top & heavy == set()


@pytest.mark.parametrize("module", [name for name in MODULES if room_of(name) not in {"cli", "__main__"}])
def test_only_the_terminal_face_prints(module: str):
    assert named_calls(module, "print", "sys.stdout", "sys.stdout.write") == []


@pytest.mark.parametrize(
    "module",
    [
        name
        for name in MODULES
        if room_of(name) not in {"workspace", "fluent", "cli", "gitrepo", "bootstrap", "__main__"}
    ],
)
def test_the_environment_and_the_directory_are_read_at_the_doors_only(module: str):
    assert named_calls(module, "os.environ", "os.getenv", "os.getcwd", "os.chdir") == []


@pytest.mark.parametrize("module", [name for name in MODULES if room_of(name) == "domain"])
def test_the_domain_reads_no_clock_and_opens_no_file(module: str):
    ambient = ("open", "datetime.now", "datetime.utcnow", "time.time", "os.path.exists", "random.random", "uuid.uuid4")
    assert named_calls(module, *ambient) == []
    assert {"os", "time", "random", "subprocess", "pathlib"} & {name for name, _ in imports_of(module)} == set()


WRITING = (
    "open", "os.open", "os.write", "os.replace", "os.rename", "os.link", "os.symlink", "os.unlink", "os.remove", "os.mkdir",
    "os.makedirs", "os.rmdir", "os.truncate", "os.ftruncate", "os.chmod", "os.fchmod", "shutil.move", "shutil.rmtree",
)  # fmt: skip


@pytest.mark.parametrize(
    "module",
    [
        name
        for name in MODULES
        if room_of(name) == "store" and name.rpartition(".")[2] not in {"files", "objects", "locks"}
    ],
)
def test_one_hand_writes_below_the_store(module: str):
    assert named_calls(module, *WRITING) == []


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_what_it_is_and_each_public_thing_in_it_too(module: str):
    tree, _ = tree_of(module)
    public = [
        node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    assert [node.name for node in public if not ast.get_docstring(node)] == []
    assert ast.get_docstring(tree)


@pytest.mark.parametrize("module", [name for name in MODULES if name != "mlcli.__main__"])
def test_a_module_imports_alone_in_a_fresh_interpreter(module: str):
    done = subprocess.run([sys.executable, "-W", "error", "-c", f"import {module}"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
