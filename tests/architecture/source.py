"""The parsed source of Stocky, for the tests of its architecture."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DRIVERS = {"sqlite3", "aiosqlite", "asyncpg", "psycopg", "yoyo"}
KNOW_A_DRIVER = ("stocky.db", "stocky.backup")
_METHODS = {"one", "all", "value", "execute", "rows", "execute_many", "page", "sorted_rows", "count_rows"}


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the package, parsed, by its dotted name."""
    return {_name(file): ast.parse(file.read_text("utf-8")) for file in sorted((ROOT / "stocky").rglob("*.py"))}


def length(module: str) -> int:
    """Lines of a module."""
    path = ROOT / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return len(file.read_text("utf-8").splitlines())


def is_in(module: str, packages: tuple[str, ...]) -> bool:
    """Whether a module is one of these packages or inside one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@cache
def imports(module: str) -> set[str]:
    """The imports of a module, as dotted names of modules (`from a import b` counts as `a` or the module `a.b`)."""
    found: set[str] = set()
    for node in ast.walk(modules()[module]):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in modules() else node.module)
    return found


@cache
def called_queries(module: str) -> set[str]:
    """The queries that a module calls by name, directly or through its own function with a parameter `query`."""
    passing_on = {
        node.name: [argument.arg for argument in node.args.args].index("query")
        for node in ast.walk(modules()[module])
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and "query" in [argument.arg for argument in node.args.args]
    }
    found = set()
    for node in ast.walk(modules()[module]):
        if isinstance(node, ast.Call):
            index = _index_of_query(node.func, passing_on)
            if index is not None and len(node.args) > index:
                name = node.args[index]
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    found.add(name.value)
    return found


def _index_of_query(function: ast.expr, passing_on: dict[str, int]) -> int | None:
    """The index of the argument that names a query, if any."""
    if isinstance(function, ast.Attribute) and function.attr in _METHODS:
        return 0
    if isinstance(function, ast.Name):
        return passing_on.get(function.id)
    return None


def _name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
