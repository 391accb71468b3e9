"""The structure of the package: allowed imports, and the maximum length of a module."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib import import_module

from stocky.worker.messages import Request
from tests.architecture.source import DRIVERS, KNOW_A_DRIVER, ROOT, called_queries, imports, is_in, length, modules

LONGEST = 600
PAGES = ("stocky.pages",)


def test_every_module_has_a_docstring() -> None:
    assert [name for name, tree in modules().items() if not ast.get_docstring(tree)] == []


def test_no_module_is_too_long() -> None:
    assert {name: length(name) for name in modules() if length(name) > LONGEST} == {}


def test_only_the_database_layer_imports_a_driver() -> None:
    assert {
        name: known
        for name in modules()
        if not is_in(name, KNOW_A_DRIVER)
        and (known := {imported.partition(".")[0] for imported in imports(name)} & DRIVERS)
    } == {}


def test_the_database_layer_imports_no_feature() -> None:
    below = {
        "stocky.clock",
        "stocky.config",
        "stocky.database_address",
        "stocky.disk",
        "stocky.errors",
        "stocky.names",
        "stocky.new_database",
        "stocky.resources",
        "stocky.struct_types",
        "stocky.supervisor",
    }
    assert {
        name: above
        for name in modules()
        if is_in(name, ("stocky.db",))
        and (
            above := {each for each in imports(name) if is_in(each, ("stocky",)) and not is_in(each, ("stocky.db",))}
            - below
        )
    } == {}


def test_http_and_worker_import_no_feature() -> None:
    general = ("stocky.db", "stocky.http", "stocky.worker")
    assert {
        name: features
        for name in modules()
        if is_in(name, ("stocky.http", "stocky.worker"))
        and (
            features := {
                each for each in imports(name) & modules().keys() if each.count(".") > 1 and not is_in(each, general)
            }
        )
    } == {}


def test_only_the_application_imports_handlers() -> None:
    assert {
        name: handlers
        for name in modules()
        if name != "stocky.app"
        and (handlers := {each for each in imports(name) & modules().keys() if each.endswith("handlers")})
    } == {}


def test_handlers_leave_queries_to_repositories() -> None:
    assert {name: asked for name in modules() if name.endswith("handlers") and (asked := called_queries(name))} == {}


def test_pages_leave_queries_to_repositories() -> None:
    assert {name: asked for name in modules() if is_in(name, PAGES) and (asked := called_queries(name))} == {}


def test_only_the_application_imports_pages() -> None:
    assert {
        name: pages
        for name in modules()
        if name != "stocky.app"
        and not is_in(name, PAGES)
        and (pages := {each for each in imports(name) & modules().keys() if is_in(each, PAGES)})
    } == {}


def test_application_starts_without_what_only_pages_need() -> None:
    code = "import sys, stocky.app; sys.exit(' '.join({'jinja2', 'babel', 'markupsafe'} & sys.modules.keys()) or 0)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_repositories_do_not_import_litestar() -> None:
    assert {
        name: http
        for name in modules()
        if name.endswith("repository") and (http := {each for each in imports(name) if is_in(each, ("litestar",))})
    } == {}


def test_imports_have_no_cycles() -> None:
    TopologicalSorter({name: (imports(name) & modules().keys()) - {name} for name in modules()}).prepare()


def test_child_processes_and_commands_start_without_the_web_framework() -> None:
    entries = {cls.entry.partition(":")[0] for cls in _requests()}
    assert len(entries) > 5
    code = f"import sys, {', '.join(sorted(entries))}, stocky.config, stocky.db.migrate, stocky.backup.service\n"
    code += "sys.exit('litestar' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def _requests() -> Iterator[type[Request]]:
    for name, tree in modules().items():
        if any(isinstance(node, ast.ClassDef) and _is_request(node) for node in tree.body):
            module = import_module(name)
            yield from (each for each in vars(module).values() if isinstance(each, type) and hasattr(each, "entry"))


def _is_request(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id.endswith("Request") for base in node.bases)
