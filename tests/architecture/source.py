"""The source of Stocky, parsed, for the tests that keep its rules."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DRIVERS = {"sqlite3", "aiosqlite", "asyncpg", "psycopg", "yoyo"}
KNOW_A_DRIVER = ("stocky.db", "stocky.backup")
_ASKING = {"one", "all", "value", "execute"}


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
    """Whether a module is one of these packages or lies in one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def imports(module: str) -> set[str]:
    """What a module imports, as dotted names of modules (`from a import b` counts as `a` or as the module `a.b`)."""
    found: set[str] = set()
    for node in ast.walk(modules()[module]):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in modules() else node.module)
    return found


def called_queries(module: str) -> set[str]:
    """The queries a module asks for by name."""
    return {
        node.args[0].value
        for node in ast.walk(modules()[module])
        if isinstance(node, ast.Call)
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
        and (
            (isinstance(node.func, ast.Attribute) and node.func.attr in _ASKING)
            or (isinstance(node.func, ast.Name) and node.func.id == "Ask")
        )
    }


def _name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
