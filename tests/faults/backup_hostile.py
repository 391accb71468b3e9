"""R5: hostile dumps, sent to every import over HTTP: all rejected, nothing changed."""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx

from tests.architecture import schema
from tests.faults.shop import DIALECTS, Shop, shop
from tests.serving import serve

_NOW = "'2026-01-01T00:00:00.000000Z'"
_ADMIN = f"""INSERT INTO "user_account" VALUES(99,'evil','evil@example.org','x','admin',1,{_NOW},{_NOW},NULL);"""
_BOMB = 300 * 2**20


def _item(id: int, *, minimum: str = "NULL", upc_data: str = "NULL", merged: str = "NULL") -> str:
    return (
        f"INSERT INTO \"item\" VALUES({id},'Z{id}','Evil','','other',{minimum},'reject',0,0,0,0,{upc_data},1,"
        f"{_NOW},{_NOW},'',NULL,'','',NULL,{merged},NULL,NULL,NULL);"
    )


def _location(id: int, *, box: str = "NULL", made: str = _NOW, parent: str = "NULL") -> str:
    place = "NULL" if box == "NULL" else "1"
    values = f"{id},'evil','','other',{box},{place},1,{made},{_NOW},{parent},NULL,NULL,NULL,0,'place'"
    return f'INSERT INTO "location" VALUES({values});'


def _user(password_hash: str) -> str:
    return (
        'INSERT INTO "user_account" VALUES'
        f"(900,'somebody','somebody@example.org','{password_hash}','member',1,{_NOW},{_NOW},NULL);"
    )


# Each is inserted into a complete dump after its BEGIN, and sent alone to a partial import.
STATEMENTS = {
    "attach": "ATTACH DATABASE '/tmp/evil.db' AS evil;",
    "detach": "DETACH DATABASE main;",
    "a pragma": "PRAGMA writable_schema = ON;",
    "a pragma that hides": "PRAGMA foreign_keys=OFF; PRAGMA journal_mode=DELETE;",
    "a trigger": "CREATE TRIGGER evil AFTER INSERT ON item BEGIN SELECT load_extension('/tmp/evil.so'); END;",
    "a temporary trigger": "CREATE TEMP TRIGGER item AFTER INSERT ON item BEGIN DELETE FROM item; END;",
    "a view": "CREATE VIEW evil AS SELECT * FROM user_account;",
    "a table": "CREATE TABLE evil (x DEFAULT (load_extension('/tmp/evil.so')));",
    "a table as select": "CREATE TABLE evil AS SELECT * FROM user_account;",
    "a virtual table": "CREATE VIRTUAL TABLE evil USING fts5(x);",
    "a function": "CREATE FUNCTION evil() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(9); END $$;",
    "an extension": "CREATE EXTENSION dblink;",
    "a language": "CREATE LANGUAGE plpython3u;",
    "a role": "CREATE ROLE evil SUPERUSER LOGIN;",
    "a rule": "CREATE RULE evil AS ON SELECT TO item DO INSTEAD NOTHING;",
    "a dot-command": ".shell touch /tmp/evil\n",
    "a dot-command after a comment": "-- harmless\n.read /etc/passwd\n",
    "psql's backslash": "\\! touch /tmp/evil\n",
    "copy from a program": "COPY item FROM PROGRAM 'touch /tmp/evil';",
    "copy from standard input": "COPY item FROM stdin;\n\\.\n",
    "a do block": "DO $$ BEGIN DELETE FROM item; END $$;",
    "insert from select": 'INSERT INTO "item" SELECT * FROM item;',
    "a query as a value": "INSERT INTO \"setting\" VALUES('x',(SELECT password_hash FROM user_account),'x');",
    "a function as a value": "INSERT INTO \"setting\" VALUES('x',load_extension('x'),'x');",
    "an expression as a value": "INSERT INTO \"setting\" VALUES('x','1'+7,'x');",
    "with": 'WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) INSERT INTO "item" SELECT x FROM n;',
    "insert or replace": f"INSERT OR REPLACE INTO \"user_account\" VALUES(1,'evil','e','x','admin',1,{_NOW},{_NOW},0);",
    "on conflict": "INSERT INTO \"item\" VALUES(1) ON CONFLICT DO UPDATE SET name = 'evil';",
    "returning": "INSERT INTO \"setting\" VALUES('x','1','x') RETURNING value;",
    "default values": 'INSERT INTO "auth_revision" DEFAULT VALUES;',
    "update": "UPDATE user_account SET role = 'admin';",
    "delete": 'DELETE FROM "item";',
    "drop": "DROP TABLE item;",
    "truncate": "TRUNCATE item;",
    "alter": "ALTER TABLE item ADD COLUMN evil TEXT;",
    "vacuum into": "VACUUM INTO '/tmp/evil.db';",
    "reindex": "REINDEX;",
    "analyze": "ANALYZE;",
    "set role": "SET ROLE postgres;",
    "set": "SET session_replication_role = replica;",
    "set search_path": "SET search_path = pg_catalog;",
    "lock": "LOCK TABLE item;",
    "grant": "GRANT ALL ON item TO PUBLIC;",
    "a savepoint": "SAVEPOINT evil;",
    "rollback": "ROLLBACK;",
    "listen": "LISTEN evil;",
    "a query": "SELECT load_extension('/tmp/evil.so');",
    "setval of another": "SELECT setval('pg_class_oid_index', 1);",
    "sqlite's own table": "INSERT INTO \"sqlite_schema\" VALUES('table','evil','evil',0,NULL);",
    "another table": 'INSERT INTO "evil" VALUES(1);',
    "a table of postgres": 'INSERT INTO "pg_authid" VALUES(1);',
    "another schema": 'INSERT INTO "pg_catalog"."pg_class" VALUES(1);',
    "an unknown column": 'INSERT INTO "setting" ("name","evil") VALUES(\'x\',\'y\');',
    "a column twice": 'INSERT INTO "setting" ("name","name") VALUES(\'x\',\'y\');',
    "too few values": "INSERT INTO \"setting\" VALUES('x');",
    "too many values": f"INSERT INTO \"setting\" VALUES('x','1',{_NOW},NULL);",
    "a text for a number": f"INSERT INTO \"sku\" VALUES('x',1,1,NULL,0,'piece','',1,1,{_NOW},{_NOW});",
    "a number beyond 64 bits": f"INSERT INTO \"setting\" VALUES(9223372036854775808,'1',{_NOW});",
    "a box beyond 64 bits": (
        'INSERT INTO "location"'
        f" VALUES(7,'a','','other',9223372036854775808,NULL,1,{_NOW},{_NOW},NULL,NULL,NULL,NULL,0,'place');"
    ),
    "no time": "INSERT INTO \"setting\" VALUES('x','1','yesterday');",
    "a time no calendar has": "INSERT INTO \"setting\" VALUES('x','1','2026-02-30T00:00:00.000000Z');",
    "an admin": _ADMIN,
    "a session": f"INSERT INTO \"sign_in\" VALUES('s',1,1,{_NOW},{_NOW},NULL);",
    "a job": 'INSERT INTO "job" VALUES(1);',
    "an unfinished text": 'INSERT INTO "setting" VALUES(\'x',
    "an unfinished body": "CREATE FUNCTION json_each() AS $$ ;",
    "half a statement": 'INSERT INTO "item" VALUES(',
    "only a semicolon": ";",
    "binary": "\x01\x02\x03;",
    "a statement of 20 MB": "INSERT INTO \"setting\" VALUES('x','" + "y" * (20 * 2**20) + f"',{_NOW});",
}


# Rows that the schema accepts but no route can decode, at the end of a dump with valid checksums.
_HASHED = f"${'A' * 22}${'A' * 43}"
ALTERED = {
    "JSON that is none": (
        f"INSERT INTO \"audit_entry\" VALUES(900,{_NOW},NULL,'noted','test',NULL,'{{no json',NULL);",
        "audit_entry have invalid JSON in details",
    ),
    "JSON with half a character": (
        f"INSERT INTO \"audit_entry\" VALUES(900,{_NOW},NULL,'noted','test',NULL,'{{\"a\":\"\\ud800\"}}',NULL);",
        "audit_entry have invalid JSON in details",
    ),
    "JSON of another kind": (_item(900, upc_data="'[1]'"), "item have invalid JSON in upc_data"),
    "choices that are none": (
        f"INSERT INTO \"item_field\" VALUES(900,1,'evil','evil','choice','','{{',1,{_NOW},{_NOW});",
        "item_field have invalid JSON in choices",
    ),
    "boxes that are none": (
        f"INSERT INTO \"reorg_plan\" VALUES(900,'proposed',5,0,'\"x\"',NULL,{_NOW},{_NOW},NULL,NULL,NULL);",
        "reorg_plan have invalid JSON in freed_boxes",
    ),
    "a setting that is none": (
        f"INSERT INTO \"setting\" VALUES('backup_keep','{{',{_NOW});",
        "setting have invalid JSON in value",
    ),
    "an id beyond the largest": (_location(2**53), "location have a id that is out of bounds"),
    "an id below the first": (_location(0), "location have a id that is out of bounds"),
    "a box beyond the largest number": (_location(900, box="9007199254740992"), "a box_no that is out of bounds"),
    "locations in each other": (
        _location(900, parent="901") + "\n" + _location(901, parent="900"),
        "2 locations are in themselves (id 900)",
    ),
    "a quantity beyond all stock": (_item(900, minimum="1000000000000001"), "a min_quantity_milli that is out of"),
    "a time before all clocks": (
        _location(900, made="'0001-01-01T00:00:00.000000Z'"),
        "location have a created_at that is out of bounds",
    ),
    "a time after all clocks": (
        _location(900, made="'9999-12-31T23:59:59.999999Z'"),
        "location have a created_at that is out of bounds",
    ),
    "a password hash that is none": (_user("plain text"), "the password hash of somebody is not a usable"),
    "a password hash of a terabyte": (
        _user(f"$argon2id$v=19$m=1073741824,t=2,p=1{_HASHED}"),
        "the password hash of somebody is not a usable",
    ),
    "a password hash without lanes": (
        _user(f"$argon2id$v=19$m=19456,t=2,p=0{_HASHED}"),
        "the password hash of somebody is not a usable",
    ),
    "a refusal of no kind": (
        f"INSERT INTO \"event_refusal\" VALUES('e-900','f','evil','because',{_NOW});",
        "event_refusal have an unknown refusal",
    ),
    "an item merged into itself": (_item(900, merged="900"), "1 items are merged into one that is merged itself"),
    "items merged in a circle": (
        _item(900, merged="901") + "\n" + _item(901, merged="900"),
        "2 items are merged into one that is merged itself",
    ),
}


def altered(dump: str, lines: str) -> bytes:
    """A complete dump with these additional rows of one table, and a matching header and footer."""
    table = lines.split('"')[1]
    beginning = f'INSERT INTO "{table}" VALUES('
    rows = lines.count(beginning)
    body, _, footer_text = dump.rpartition("-- complete: ")
    footer = json.loads(footer_text)
    header = next(line for line in dump.splitlines() if line.startswith("-- rows: "))
    counts = json.loads(header.removeprefix("-- rows: "))
    counts[table] += rows
    commit = body.rindex("COMMIT;\n")
    body = (body[:commit] + lines + "\n" + body[commit:]).replace(header, f"-- rows: {json.dumps(counts)}", 1)
    inserted = "".join(line for line in body.splitlines(keepends=True) if line.startswith(beginning))
    footer["rows"] += rows
    footer["tables"][table] = {"rows": counts[table], "sha256": hashlib.sha256(inserted.encode()).hexdigest()}
    footer["sha256"] = hashlib.sha256(body.encode()).hexdigest()
    return gzip.compress(f"{body}-- complete: {json.dumps(footer)}\n".encode(), 1)


def hostile_files(dump: str, *, with_bombs: bool = True) -> Iterator[tuple[str, str, bytes]]:
    """(kind of import, description, file) of every hostile dump; `dump` is the text of a complete one.

    Each of the bombs, which unpack to hundreds of megabytes, takes a second to make.
    """
    for name, statement in STATEMENTS.items():
        begin = dump.index("BEGIN")
        after = dump.index("\n", begin) + 1
        yield "full", name, gzip.compress((dump[:after] + statement + "\n" + dump[after:]).encode(), 1)
        yield "partial", name, gzip.compress((statement + "\n").encode(), 1)
    for name, (lines, _) in ALTERED.items():
        yield "full", name, altered(dump, lines)
        yield "partial", name, gzip.compress((lines + "\n").encode(), 1)
    for kind in ("full", "partial"):
        if with_bombs:
            yield from ((kind, name, content) for name, content in _bombs(dump))
        yield kind, "NUL", gzip.compress(b"INSERT INTO \"setting\" VALUES('\0','1','x');")
        yield kind, "no UTF-8", gzip.compress(b"INSERT INTO \"setting\" VALUES('\xff','1','x');")
        yield kind, "an empty file", b""
        yield kind, "nothing, packed", gzip.compress(b"")
        yield kind, "gzip five times over", _again_and_again(dump.encode(), 5)
        yield kind, "no gzip and no SQL", b"\x01\x02" + dump.encode()
        yield kind, "SQLite's header alone", b"SQLite format 3\0" + b"\0" * 4096
        yield kind, "a SQLite file of nobody's", _database()
        yield kind, "a zip", b"PK\x03\x04" + b"x" * 100
        yield kind, "a newer schema", gzip.compress(_with(dump, "-- schema: ", "-- schema: 9999"))
        yield kind, "a newer format", gzip.compress(_with(dump, "-- format: ", "-- format: 9"))
        yield kind, "a footer before its time", gzip.compress(_moved_footer(dump))
        yield kind, "two footers", gzip.compress((dump + dump.splitlines()[-1] + "\n").encode())
        yield kind, "something after the footer", gzip.compress((dump + _ADMIN + "\n").encode())


def _bombs(dump: str) -> Iterator[tuple[str, bytes]]:
    yield "a bomb", gzip.compress(b" " * _BOMB)
    yield "a bomb in a text", gzip.compress(b'INSERT INTO "setting" VALUES(\'' + b"x" * _BOMB)
    yield "a bomb of comments", gzip.compress(b"--\n" * (_BOMB // 3))
    yield "a dump behind a bomb", gzip.compress(b" " * _BOMB) + gzip.compress(dump.encode())
    yield "a bomb in gzip in gzip", gzip.compress(gzip.compress(b"--\n" * (_BOMB // 3)))


def _again_and_again(content: bytes, times: int) -> bytes:
    for _ in range(times):
        content = gzip.compress(content)
    return content


def _database() -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)")
        connection.execute("CREATE VIEW user_account AS SELECT * FROM item")
        connection.commit()
        return connection.serialize()


def _with(dump: str, start: str, line: str) -> bytes:
    lines = [line if each.startswith(start) else each for each in dump.split("\n")]
    assert line in lines
    return "\n".join(lines).encode()


def _moved_footer(dump: str) -> bytes:
    lines = dump.rstrip("\n").split("\n")
    return ("\n".join([*lines[:12], lines[-1], *lines[12:-1]]) + "\n").encode()


def send_all(shop: Shop) -> list[str]:
    """The dumps that were accepted, broke something, or changed data."""
    problems: list[str] = []
    with serve(shop.environ, shop.directory) as server, httpx.Client(
        base_url=server.api, headers={"X-API-Key": shop.admin_key}, timeout=120
    ) as admin:  # fmt: skip
        dump = gzip.decompress(admin.post("/backup/create/full/download").raise_for_status().content).decode()
        before = _contents(shop)
        count = 0
        for kind, name, content in hostile_files(dump):
            count += 1
            form: dict[str, Any] = {"files": {"file": ("evil.sql.gz", content)}}
            answer = admin.post(f"/backup/upload/import/{kind}?force=true", **form)
            if not 400 <= answer.status_code < 500:
                problems.append(f"{kind}, {name}: {answer.status_code} {answer.text[:200]}")
        if _contents(shop) != before:
            problems.append("something has changed")
        if admin.get("/items/").status_code != 200:
            problems.append("it no longer answers")
        print(f"{count} hostile dumps were sent")
    if server.process.returncode != 0:
        problems.append(f"the server ended with {server.process.returncode}")
    if left := [file.name for file in shop.config.backup_dir.iterdir()]:
        problems.append(f"{', '.join(left)} is left behind")
    return problems


def _contents(shop: Shop) -> Any:
    return {table: rows for table, rows in schema.contents(shop.config).items() if table not in ("api_key", "job")}


def run(dialect: str) -> bool:
    """Whether every dump was rejected."""
    begun = time.monotonic()
    with shop(dialect) as ground:
        problems = send_all(ground)
    for problem in problems:
        print(f"hostile dumps on {dialect}: {problem}")
    verdict = f"FAILED, {len(problems)} problems" if problems else "all refused, nothing changed"
    print(f"hostile dumps on {dialect}: {verdict}, {time.monotonic() - begun:.0f} s")
    return not problems


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dialect", choices=DIALECTS, action="append")
    wanted = parser.parse_args()
    passed = [run(each) for each in wanted.dialect or DIALECTS]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
