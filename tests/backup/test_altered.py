"""Manually altered dumps with valid checksums: values that no route can decode are not restored."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from httpx import AsyncClient

from stocky.auth.credentials import Passwords
from stocky.backup.dump.objects import stocky_objects
from stocky.backup.dump.tables import is_data
from stocky.backup.load.checks import JSON_COLUMNS
from stocky.backup.load.loading import load
from stocky.backup.requests import LoadRequest, Purpose
from stocky.backup.service import verify_file
from stocky.config import Config
from stocky.errors import BadRequest
from stocky.resources import resource
from tests.backup.dumps import as_json, packed, take, text_of
from tests.backup.test_dump import fill, ignore_progress
from tests.faults.backup_hostile import ALTERED, altered
from tests.inventory import get, refused


def loaded(content: bytes, purpose: Purpose, directory: Path) -> str:
    """The reader's error for a file; empty when it is accepted."""
    file, scratch = directory / "dump.sql.gz", directory / "scratch.db"
    file.write_bytes(content)
    scratch.unlink(missing_ok=True)
    try:
        load(LoadRequest(dump=str(file), scratch=str(scratch), purpose=purpose, max_bytes=2**30), ignore_progress)
    except BadRequest as error:
        return error.detail
    return ""


@pytest.mark.one_server
@pytest.mark.usefixtures("scratch_built_once")
async def test_values_that_no_route_can_decode_are_found(admin: AsyncClient, tmp_path: Path) -> None:
    await fill(admin)
    dump = text_of(await take(admin))
    wrong = {}
    for name, (lines, expected) in ALTERED.items():
        for purpose, content in (
            ("full", altered(dump, lines)),
            ("verify", altered(dump, lines)),
            ("partial", gzip.compress(f"{lines}\n".encode())),
        ):
            message = loaded(content, purpose, tmp_path)  # type: ignore[arg-type]  # the purposes by name
            if expected not in message:
                wrong[name, purpose] = message
    assert wrong == {}
    values = "900,'Harmless','','other',NULL,NULL,1,{0},{0},NULL,NULL,NULL,NULL,0,'place'"
    harmless = f'INSERT INTO "location" VALUES({values});'
    for purpose in ("full", "verify"):
        content = altered(dump, harmless.format("'2026-01-01T00:00:00.000000Z'"))
        assert loaded(content, purpose, tmp_path) == ""  # type: ignore[arg-type]


@pytest.mark.one_server
async def test_rejected_dump_changes_nothing(admin: AsyncClient, config: Config, tmp_path: Path) -> None:
    await fill(admin)
    dump = text_of(await take(admin))
    lines, expected = ALTERED["JSON that is none"]
    before = await get(admin, "/items/")
    refused(await admin.post("/backup/import/full", json=as_json(altered(dump, lines), force=True)), 400, expected)
    lines, expected = ALTERED["an id beyond the largest"]
    partial = gzip.compress(f"{lines}\n".encode())
    refused(await admin.post("/backup/import/partial", json=as_json(partial, force=True)), 400, expected)
    assert await get(admin, "/items/") == before
    file = tmp_path / "altered.sql.gz"
    file.write_bytes(altered(dump, lines))
    assert expected in " ".join((await verify_file(config, file, ignore_progress)).problems)


@pytest.mark.one_database
@pytest.mark.parametrize("name", ["rows", "increment", "complete"])
async def test_dump_that_is_nested_too_deep_is_rejected(admin: AsyncClient, name: str) -> None:
    text = text_of(await take(admin)).replace(
        "-- rows: ", "-- increment: {}\n-- rows: " if name == "increment" else "-- rows: "
    )
    deep = '{"x":' + "[" * 100_000
    nested = re.sub(f"^-- {name}: .*$", f"-- {name}: {deep}", text, count=1, flags=re.MULTILINE)
    assert deep in nested
    answer = await admin.post("/backup/import/full", json=as_json(packed(nested), force=True))
    refused(answer, 400)


async def test_invalid_hash_matches_no_password() -> None:
    passwords = Passwords()
    for stored in ("x", "", "$argon2id$v=19$m=19456,t=2,p=0$" + "A" * 22 + "$" + "A" * 43):
        assert not await passwords.fits("x", stored)
    passwords.close()


def test_every_decoded_json_column_is_checked() -> None:
    data = {table for table in stocky_objects("sqlite").tables if is_data(table)}
    decoded = set()
    for file in resource("sql").rglob("*.sql"):
        for query in re.split(r"^-- \w+ --$", file.read_text("utf-8"), flags=re.MULTILINE):
            tables = data & set(re.findall(r"(?:FROM|JOIN|INTO|UPDATE)\s+(\w+)", query))
            decoded |= {(frozenset(tables), column) for column in re.findall(r"(?<!\.)\b(\w+) AS \w+_json\b", query)}
    assert len(decoded) > 4
    for tables, column in decoded:
        assert not tables or any((table, column) in JSON_COLUMNS for table in tables), (tables, column)
