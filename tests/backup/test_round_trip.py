"""A restore returns exactly the backed-up data: difficult, large and empty texts, on and across both databases."""

from __future__ import annotations

import asyncio
import gzip
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stocky.backup.dump.lines import table_digests
from stocky.backup.load.loading import load
from stocky.backup.requests import LoadRequest, LoadResult
from stocky.config import Config
from stocky.config import load as load_config
from tests.architecture import schema
from tests.backup.dumps import restore, take
from tests.cli.running import stocky
from tests.conftest import TestDatabases
from tests.conftest import settings as environment
from tests.inventory import get, made, new_item, new_location, new_stock

pytestmark = pytest.mark.one_server

HARD = [
    "it's; -- a 'quote''' \"double\"",
    "line\nbreak\r\nand\rreturn\r",
    "\\backslash \\. \\n $$ $1 :name ?",
    "emoji 👩‍👩‍👧‍👦 עברית العربية \u202eright to left",
    "lone marks \u0301\u0308 and \ufeff \u2028 \u0085",
    "'||char(13)||'\r\n''||char(13)||''",
    "NULL",
    "-- complete: {}",
    'INSERT INTO "item" VALUES(1);',
    " leading and trailing \t",
    "\x01\x7f\x1b[31m",
]
PLACES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60)


def silent(phase: str, done: int, total: int | None, unit: str) -> None:
    return None


def loaded(dump: bytes, directory: Path) -> tuple[LoadResult, Path]:
    file, scratch = directory / "dump.sql.gz", directory / "scratch.db"
    file.write_bytes(dump)
    scratch.unlink(missing_ok=True)
    request = LoadRequest(dump=str(file), scratch=str(scratch), purpose="verify", max_bytes=2**40)
    return load(request, silent), scratch


async def fill(admin: AsyncClient) -> None:
    shelf = await new_location(admin, "Shelf")
    kind = made(await admin.post("/types/", json={"name": "Kind"}))
    for field in ({"name": HARD[0][:100], "kind": "choice", "choices": ["a", "Ä"]}, {"name": "n", "kind": "number"}):
        made(await admin.post(f"/types/{kind['id']}/fields", json=field))
    made(await admin.post(f"/types/{kind['id']}/fields", json={"name": "t"}))
    merged = await new_item(admin, "Merged")
    lent = await new_stock(admin, merged, shelf, 3)
    anna = await new_location(admin, "Anna", kind="person")
    loan = {"sku_id": lent["id"], "person_id": anna["id"], "quantity": 2, "due_on": "2026-01-31", "note": HARD[0]}
    made(await admin.post("/loans/", json=loan))
    made(await admin.post("/loans/1/return", json={"quantity": 1}))
    for number, text in enumerate(HARD):
        part = {"tags": ["x", f"tag {number}"], "type_id": kind["id"], "seller": text}
        part["fields"] = {"n": -number / 1024, "t": text, HARD[0][:100]: "ä"}
        item = await new_item(admin, text, description=text, barcodes=[{"barcode": f"b-{number}"}], **part)
        await new_stock(admin, item, shelf, 0.001 if number else 999_999_999.999, notes=text)
    a_list = made(await admin.post("/shopping-lists/", json={"name": HARD[0]}))
    for needed in ({"item_id": item["id"], "quantity": 0.125}, *({"text": text} for text in HARD)):
        made(await admin.post(f"/shopping-lists/{a_list['id']}/items", json=needed))
    needs = [{"item_id": item["id"], "quantity": 0.001}, *({"text": text} for text in HARD)]
    project = made(await admin.post("/projects/", json={"name": HARD[0], "notes": "\n".join(HARD), "items": needs}))
    made(await admin.post(f"/projects/{project['id']}/withdraw"))
    # It refers to a later row.
    made(await admin.post(f"/items/{merged['id']}/merge", json={"into": item["id"]}))


def data(config: Config) -> dict[str, Any]:
    left_out = {"api_key", "sign_in", "refresh_token", "job", "audit_entry", "auth_revision"}
    return {table: rows for table, rows in schema.contents(config).items() if table not in left_out}


async def test_difficult_texts_survive_a_round_trip(admin: AsyncClient, config: Config) -> None:
    await fill(admin)
    before = data(config)
    dump = await take(admin)
    await new_item(admin)
    await restore(admin, dump)
    assert data(config) == before
    names = {item["name"] for item in await get(admin, "/items/")}
    assert names == set(HARD)


async def test_megabyte_note_survives_a_round_trip(admin: AsyncClient, config: Config, tmp_path: Path) -> None:
    item = await new_item(admin)
    known = json.dumps({"text": "ü'\n" * 350_000}, ensure_ascii=False)
    assert len(known) > 1_000_000
    statement = "UPDATE item SET upc_data = '{}' WHERE id = {}".format(known.replace("'", "''"), item["id"])
    await schema.run_beside(config, statement)
    dump = await take(admin)
    assert loaded(dump, tmp_path)[0].problems == []
    await restore(admin, dump)
    ((found,),) = await schema.run_beside(config, "SELECT upc_data FROM item")
    assert found == known


async def test_dump_restores_on_the_other_database(
    admin: AsyncClient, config: Config, dialect: str, databases: TestDatabases, tmp_path: Path
) -> None:
    await fill(admin)
    (tmp_path / "all.sql.gz").write_bytes(await take(admin))
    # Postgres and SQLite store times and booleans differently, so the lines of one dialect are compared.
    before = table_proofs_of((tmp_path / "all.sql.gz").read_bytes(), tmp_path)
    other = "sqlite" if dialect != "sqlite" else "postgres-embedded"
    (tmp_path / "other").mkdir()
    with databases.empty(other, tmp_path / "other") as url:
        environ = environment(url, tmp_path / "other")
        done = await asyncio.to_thread(stocky, environ, "restore", str(tmp_path / "all.sql.gz"), "--force")
        assert done.returncode == 0, done.stderr
        assert (await asyncio.to_thread(stocky, environ, "check")).returncode == 0
        back = tmp_path / "back.sql.gz"
        assert (await asyncio.to_thread(stocky, environ, "backup", "-o", str(back))).returncode == 0
        assert load_config(environ).dialect != config.dialect
    after = table_proofs_of(back.read_bytes(), tmp_path)
    # A restore raises the auth revision, and nothing else.
    assert {table for table in before if before[table] != after[table]} <= {"auth_revision"}


def table_proofs_of(dump: bytes, directory: Path) -> dict[str, Any]:
    result, scratch = loaded(dump, directory)
    assert result.problems == []
    connection = sqlite3.connect(scratch)
    proofs = table_digests(connection, "sqlite")
    connection.close()
    return dict(proofs)


async def test_empty_database_is_backed_up_and_verified(empty_environ: dict[str, str], tmp_path: Path) -> None:
    assert (await asyncio.to_thread(stocky, empty_environ, "migrate")).returncode == 0
    file = tmp_path / "empty.sql.gz"
    assert (await asyncio.to_thread(stocky, empty_environ, "backup", "-o", str(file))).returncode == 0
    done = await asyncio.to_thread(stocky, empty_environ, "verify", str(file))
    assert done.returncode == 0, done.stdout
    refused = await asyncio.to_thread(stocky, empty_environ, "restore", str(file), "--force")
    assert refused.returncode == 1
    assert "no active admin" in refused.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("scratch_built_once")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(PLACES, min_size=1, max_size=8, unique=True))
def test_any_text_is_read_unchanged(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("any")
    lines = [
        'INSERT INTO "location"'
        " VALUES({},'{}','{}','other',NULL,NULL,1,{},{},NULL,NULL,NULL,NULL,0,'place');\n".format(
            number, text.replace("'", "''"), text.replace("'", "''"), "'2026-01-01T00:00:00.000000Z'",
            "'2026-12-31T23:59:59.999999Z'",
        )
        for number, text in enumerate(texts, 1)
    ]  # fmt: skip
    file, scratch = directory / "some.sql.gz", directory / "some.db"
    file.write_bytes(gzip.compress("".join(lines).encode()))
    load(LoadRequest(dump=str(file), scratch=str(scratch), purpose="partial", max_bytes=2**40), silent)
    connection = sqlite3.connect(scratch)
    found = [row[0] for row in connection.execute("SELECT name FROM location ORDER BY id")]
    connection.close()
    assert found == texts
