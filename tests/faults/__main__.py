"""Runs the fault scripts: all, or one by name (`python -m tests.faults [NAME] [--kills N] [--dialect D]`).

Exit status 1 when anything was lost or doubled.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from tests.faults import (
    backup_damage,
    backup_disk_full,
    backup_hostile,
    backup_kill,
    backup_under_load,
    clock,
    csv_under_load,
    disk_full,
    documents_hostile,
    door,
    failover,
    kill,
    lost_file,
    migrate_kill,
    mqtt,
    pooler,
    postgres_restart,
    slow_reads,
    storm,
)
from tests.faults.shop import DIALECTS

# Servers on one Postgres, where there are several.
PROCESSES = 3
# Of each dialect. The scripts take larger numbers.
KILLS, BACKUPS, DAMAGED, ROWS = 25, 10, 200, 20_000
# Of Mosquitto and of Stocky each.
MQTT_KILLS = 5

# Each script in the order they run: called with one dialect and the value of --kills, it returns whether it passed, or
# None when it does not apply to that dialect. A script with its own number of kills reads `kills or ITS_NUMBER`.
SCRIPTS: dict[str, Callable[[str, int | None], bool | None]] = {
    "storm": lambda dialect, _: storm.run(dialect),
    "kill": lambda dialect, kills: kill.run(dialect, kills or KILLS),
    "kill_processes": lambda dialect, kills: (
        kill.run(dialect, kills or KILLS, PROCESSES) if dialect == "postgres" else None
    ),
    "lost_file": lambda dialect, _: lost_file.run() if dialect == "sqlite" else None,
    "clock": lambda dialect, _: clock.run(dialect),
    "disk_full": lambda dialect, _: disk_full.run() if dialect == "sqlite" else None,
    "backup_disk_full": lambda dialect, _: backup_disk_full.run() if dialect == "sqlite" else None,
    "postgres_restart": lambda dialect, _: postgres_restart.run() if dialect == "postgres" else None,
    "failover": lambda dialect, kills: failover.run(kills or failover.KILLS) if dialect == "postgres" else None,
    "backup_under_load": lambda dialect, _: backup_under_load.run(dialect, BACKUPS),
    "backup_kill": lambda dialect, kills: backup_kill.run(dialect, kills or KILLS),
    "backup_damage": lambda dialect, _: backup_damage.run(dialect, DAMAGED),
    "backup_hostile": lambda dialect, _: backup_hostile.run(dialect),
    "documents_hostile": lambda dialect, _: documents_hostile.run(dialect),
    "door": lambda dialect, _: door.run(dialect),
    "migrate_kill": lambda dialect, kills: migrate_kill.run(dialect, kills or migrate_kill.KILLS),
    "csv_under_load": lambda dialect, _: csv_under_load.run(dialect, ROWS),
    "pooler": lambda dialect, _: pooler.run() if dialect == "postgres" else None,
    "mqtt": lambda dialect, kills: mqtt.run(
        dialect, kills or MQTT_KILLS, processes=1 if dialect == "sqlite" else PROCESSES
    ),
    "slow_reads": lambda dialect, _: slow_reads.run(dialect),
}


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("script", nargs="?", choices=SCRIPTS, metavar="NAME", help=f"one of {', '.join(SCRIPTS)}")
    parser.add_argument("--kills", type=int, help="on each dialect, in the scripts that kill (a few)")
    parser.add_argument("--dialect", choices=DIALECTS, help="only this one")
    wanted = parser.parse_args()
    dialects = [wanted.dialect] if wanted.dialect else DIALECTS
    scripts = [wanted.script] if wanted.script else list(SCRIPTS)
    results = [SCRIPTS[name](dialect, wanted.kills) for name in scripts for dialect in dialects]
    passed = [result for result in results if result is not None]
    if not passed:
        parser.error(f"{wanted.script} does not apply to {wanted.dialect}")
    print("Nothing was lost" if all(passed) else "SOMETHING WAS LOST")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
