"""All of it, one after the other: `python -m tests.faults`. Exit status 1 when anything was lost or doubled."""

from __future__ import annotations

import argparse
import sys

from tests.faults import (
    backup_damage,
    backup_disk_full,
    backup_hostile,
    backup_kill,
    backup_under_load,
    csv_under_load,
    disk_full,
    documents_hostile,
    kill,
    postgres_restart,
    storm,
)
from tests.faults.shop import DIALECTS

# Servers on one Postgres, where there are several.
PROCESSES = 3
# Of each dialect. The scripts take larger numbers.
BACKUPS, DAMAGED, ROWS = 10, 200, 20_000


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=25, help="on each dialect (25)")
    parser.add_argument("--dialect", choices=DIALECTS, help="only this one")
    wanted = parser.parse_args()
    dialects = [wanted.dialect] if wanted.dialect else DIALECTS
    passed = [storm.run(each) for each in dialects] + [kill.run(each, wanted.kills) for each in dialects]
    if "sqlite" in dialects:
        passed += [disk_full.run(), backup_disk_full.run()]
    if "postgres" in dialects:
        passed += [kill.run("postgres", wanted.kills, PROCESSES), postgres_restart.run()]
    for each in dialects:
        passed += [
            backup_under_load.run(each, BACKUPS),
            backup_kill.run(each, wanted.kills),
            backup_damage.run(each, DAMAGED),
            backup_hostile.run(each),
            documents_hostile.run(each),
            csv_under_load.run(each, ROWS),
        ]
    print("Nothing was lost" if all(passed) else "SOMETHING WAS LOST")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
