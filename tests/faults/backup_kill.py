"""R2: kill -9 at random moments of restores and backups: the data is completely old or new, without leftovers.

The same two states are restored over each other again and again; whichever is there after a kill has to be one of them
to the last row.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from tests.architecture import schema
from tests.cli.running import stocky
from tests.faults.client import Client
from tests.faults.shop import DIALECTS, Shop, shop, verdict
from tests.serving import Server, serve

EVENTS = 20_000
# Tables that a restore does not change, or writes itself.
NOT_COMPARED = {"sign_in", "refresh_token", "job", "audit_entry", "auth_revision", "api_key", "setting"}


class Kills:
    """One shop with two states of its data, and the findings after each kill."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._dumps: list[Path] = []
        self._states: list[Any] = []
        self.problems: list[str] = []
        self.found = [0, 0]
        self._seconds = 1.0

    def prepare(self) -> None:
        """Creates the two states, and measures the duration of a restore."""
        with serve(self._shop.environ, self._shop.directory) as server:
            asyncio.run(self._record_events(server, EVENTS))
            self._keep_state(server, 0)
            asyncio.run(self._record_events(server, EVENTS // 4))
            with self._admin(server) as admin:
                admin.patch(f"/items/{self._shop.items[0]}", json={"name": "The other state"}).raise_for_status()
            self._keep_state(server, 1)
            begun = time.monotonic()
            self._restore(server, 0)
            self._seconds = time.monotonic() - begun
        self._look("before any kill", {0})

    def kill_restore(self) -> None:
        """Restores the other state, and kills the server at a random moment."""
        now = self._state()
        self._kill_while(lambda server: self._restore(server, 1 - now if now is not None else 0))
        self._look("after a restore was killed", {0, 1})

    def kill_backup(self) -> None:
        """Backs up, and kills the server at a random moment."""
        now = self._state()
        self._kill_while(self._back_up)
        self._look("after a backup was killed", {0, 1} if now is None else {now})

    def look_at_backups(self) -> None:
        """Checks that every named backup is complete."""
        for file in sorted(self._shop.config.backup_dir.glob("*.gz")):
            verified = stocky(self._shop.environ, "verify", str(file))
            if verified.returncode:
                self.problems.append(f"{file.name} has its name and is not whole: {verified.stderr}")

    def _kill_while(self, work: Any) -> None:
        with serve(self._shop.environ, self._shop.directory) as server:
            task = threading.Thread(target=_ignoring_the_end, args=(work, server))
            task.start()
            time.sleep(random.uniform(0, self._seconds * 1.6))
            server.kill()
            task.join()
        # Leftovers of a killed server are removed by the next.
        with serve(self._shop.environ, self._shop.directory):
            pass

    def _look(self, when: str, expected: set[int]) -> None:
        state = self._state()
        if state is None:
            self.problems.append(f"{when} the data is neither the one nor the other")
        elif state not in expected:
            self.problems.append(f"{when} the data is the other")
        else:
            self.found[state] += 1
        checked = stocky(self._shop.environ, "check")
        if checked.returncode:
            self.problems.append(f"{when} stocky check says: {checked.stdout}{checked.stderr}")
        directory = self._shop.config.backup_dir
        for file in directory.iterdir() if directory.is_dir() else ():
            named = file.name.removesuffix(".json").endswith((".sql.gz", ".zip"))
            if file.name.startswith(".") or not named:
                self.problems.append(f"{when} {file.name} is left behind")
        if self._shop.config.dialect == "postgres" and (left := schema.other_schemas(self._shop.config)):
            self.problems.append(f"{when} the schemas {', '.join(left)} are left behind")

    def _state(self) -> int | None:
        contents = self._contents()
        return self._states.index(contents) if contents in self._states else None

    def _contents(self) -> Any:
        tables = schema.contents(self._shop.config)
        return {table: rows for table, rows in tables.items() if table not in NOT_COMPARED}

    def _keep_state(self, server: Server, number: int) -> None:
        file = self._shop.directory / f"state-{number}.sql.gz"
        with self._admin(server) as admin:
            file.write_bytes(admin.post("/backup/create/full/download").raise_for_status().content)
        self._dumps.append(file)
        self._states.append(self._contents())

    def _restore(self, server: Server, state: int) -> None:
        with self._admin(server) as admin, self._dumps[state].open("rb") as file:
            admin.post("/backup/upload/import/full?force=true", files={"file": file}).raise_for_status()

    def _back_up(self, server: Server) -> None:
        with self._admin(server) as admin:
            admin.post("/backup/create/full").raise_for_status()

    def _admin(self, server: Server) -> httpx.Client:
        return httpx.Client(base_url=server.api, headers={"X-API-Key": self._shop.admin_key}, timeout=120)

    async def _record_events(self, server: Server, count: int) -> None:
        client = Client(int(server.url.rpartition(":")[2]), self._shop.key)
        for _ in range(count // 500):
            await self._shop.until_answered(client, [self._shop.new_event(is_scan=False) for _ in range(500)])
        await client.close()


def _ignoring_the_end(work: Any, server: Server) -> None:
    with suppress(httpx.TransportError):
        work(server)


def run(dialect: str, kills: int = 50) -> bool:
    """Whether the data was intact after each kill; four of five kills hit a restore."""
    begun = time.monotonic()
    with shop(dialect) as ground:
        fault = Kills(ground)
        fault.prepare()
        for number in range(kills):
            (fault.kill_backup if number % 5 == 4 else fault.kill_restore)()
        fault.look_at_backups()
        took = time.monotonic() - begun
        print(f"{kills} kills in {took:.0f} s; the data was the one {fault.found[0]}, the other {fault.found[1]} times")
        return verdict(f"kill -9 while restoring on {dialect}", ground, fault.problems)


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="on each dialect")
    parser.add_argument("--dialect", choices=DIALECTS, action="append")
    wanted = parser.parse_args()
    passed = [run(each, wanted.kills) for each in wanted.dialect or DIALECTS]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
