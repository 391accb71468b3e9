"""A read replica: a hot standby of the primary, used only for reads of which it has replayed what they have to see.

A position is a byte of the primary's write-ahead log. A read without a position of its client has to see everything
that was committed before it began; one with a position, at least that and what is older than the lag allowed. Where
the replica cannot give this, the primary serves the read, and no failure of the replica reaches a client.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg
from msgspec import Struct

from stocky.config import ReplicaSettings
from stocky.database_address import parse
from stocky.db.lanes import Lane
from stocky.db.maintenance_gate import Gate
from stocky.db.postgres_connect import COMMAND_SECONDS, DRIVER_ERRORS, connect, is_pooled
from stocky.errors import StockyError
from stocky.supervisor import Supervisor, wait_for

# Long reads, and short ones of clients that send a position. What finds none free is served by the primary.
CONNECTIONS = {Lane.LONG: 4, Lane.SHORT: 4}
# Between two looks at the primary and the replica.
LOOK_SECONDS = 1.0
# A replica that does not answer a look in this time is away.
ANSWER_SECONDS = 3.0
# How long a read waits for its answer to what it has replayed, which takes it a millisecond.
REPLAYED_SECONDS = 0.3
# How long a read waits for the replica to replay what it has to see: replication over a local network takes less.
REPLAY_SECONDS = 0.05
_REPLAY_POLL_SECONDS = 0.005
# A replica that is further behind is not asked by reads that have to be current.
KEEPS_UP_SECONDS = 2.5 * LOOK_SECONDS
WELL = "ok"

_START = "'0/0'::pg_lsn"
# The insert position includes commits that are visible but not flushed yet, with synchronous_commit off.
POSITION = f"SELECT (pg_current_wal_insert_lsn() - {_START})::bigint"
_PRIMARY = f"""
SELECT (pg_current_wal_lsn() - {_START})::bigint AS position,
       (SELECT system_identifier FROM pg_control_system()) AS system,
       (SELECT oid FROM pg_database WHERE datname = current_database()) AS database,
       current_schema() AS schema,
       ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int AS timeline
"""  # noqa: S608 - only constants
_REPLICA = """
SELECT pg_is_in_recovery() AS is_standby,
       (SELECT system_identifier FROM pg_control_system()) AS system,
       (SELECT oid FROM pg_database WHERE datname = current_database()) AS database,
       current_schema() AS schema,
       (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline
"""
_REPLAYED = f"SELECT pg_is_in_recovery(), (pg_last_wal_replay_lsn() - {_START})::bigint"

_log = logging.getLogger(__name__)


class _Primary(Struct, frozen=True):
    """What the replica is compared with. `asked_at` is from before the question, on the monotonic clock."""

    asked_at: float
    position: int
    system: int
    database: int
    schema: str | None
    timeline: int


class _NotUsable(Exception):
    """Why the replica cannot be used, for the operator."""


class Held(Struct):
    """A connection in use, the pool it belongs to, and the lane that it was taken from."""

    connection: Any
    pool: asyncpg.Pool[asyncpg.Record]
    free: asyncio.Semaphore


class Replica:
    """The replica of one process: its connections, and whether they may be used."""

    def __init__(
        self,
        settings: ReplicaSettings,
        ask_primary: Callable[[str], Awaitable[Any]],
        gate: Gate,
        supervisor: Supervisor,
    ) -> None:
        """`ask_primary` returns the row of a query on the primary."""
        self._address = parse(settings.url)
        self._max_lag = settings.max_lag
        self._ask_primary = ask_primary
        self._gate = gate
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._free = {lane: asyncio.Semaphore(size) for lane, size in CONNECTIONS.items()}
        # The primary's positions of the last seconds, the oldest first.
        self._samples: deque[_Primary] = deque()
        # What this process found at its start, or after a restore: from here on, the tables are those it knows.
        self._floor: int | None = None
        # When all that had been replayed at the last look was current, on the monotonic clock.
        self._current_at: float | None = None
        self.state = "not looked at yet"
        # Reads that began on the replica, and those that the primary served instead, also after a failure.
        self.served = 0
        self.passed_on = 0
        self._woken = asyncio.Event()
        self._task = supervisor.task("read replica", self._look, lambda: wait_for(self._woken, LOOK_SECONDS))
        gate.on_data_replaced(self._forget)

    @property
    def is_available(self) -> bool:
        """Whether reads may use it."""
        return self.state == WELL

    @property
    def lag_seconds(self) -> float:
        """How old the replica's data is at most, beyond the time between two looks; infinity while that is unknown."""
        if self._current_at is None:
            return float("inf")
        return max(0.0, time.monotonic() - self._current_at - LOOK_SECONDS)

    def start(self) -> None:
        self._task.start()

    async def close(self) -> None:
        await self._task.close()
        self._disconnect()

    async def acquire(self, lane: Lane, position: int | None) -> Held | None:
        """A connection for a read that has to see `position`, or what is current; None where the primary has to serve.

        The caller gives it to `release`.
        """
        if lane is Lane.BACKGROUND:
            lane = Lane.LONG
        free = self._free.get(lane)
        if free is None or (lane is Lane.SHORT and position is None):
            # Finding out what is current costs as much as a short read.
            return None
        held = None
        if self.is_available and not free.locked():
            await free.acquire()
            try:
                held = await self._connection_at(position, free)
            finally:
                if held is None:
                    free.release()
        if held is None:
            self.passed_on += 1
        else:
            self.served += 1
        return held

    async def release(self, held: Held) -> None:
        """Takes a connection back, also one that was lost."""
        try:
            await self._give_back(held.pool, held.connection)
        finally:
            held.free.release()

    def failed(self, error: BaseException) -> None:
        """Notes that a read failed on the replica and is repeated on the primary; the replica is looked at at once."""
        self.passed_on += 1
        _log.debug("A read failed on the read replica and is repeated on the primary", exc_info=error)
        self._woken.set()

    async def _connection_at(self, position: int | None, free: asyncio.Semaphore) -> Held | None:
        required = self._required(position)
        if required is None and position is not None:
            return None
        try:
            if required is None:
                if self.lag_seconds > KEEPS_UP_SECONDS:
                    return None
                required = (await self._ask_primary(POSITION))[0]
            pool = self._pool
            if pool is None:
                return None
            connection = await pool.acquire(timeout=ANSWER_SECONDS)
            try:
                is_good = await self._replays(connection, required)
            except BaseException:
                _end(connection)
                raise
            if is_good:
                return Held(connection, pool, free)
            await self._give_back(pool, connection)
        except (*DRIVER_ERRORS, StockyError, _NotUsable) as error:
            self._woken.set()
            _log.debug("The read replica does not serve a read", exc_info=error)
        return None

    def _required(self, position: int | None) -> int | None:
        """What a read with the position of its client has to see, by what is known; None where that is not enough."""
        if position is None or self._floor is None:
            return None
        oldest = time.monotonic() - self._max_lag
        within = next((each.position for each in self._samples if each.asked_at >= oldest), None)
        return None if within is None else max(position, self._floor, within)

    async def _replays(self, connection: Any, required: int) -> bool:
        """Whether it has replayed `required`, or does so at once. Raises _NotUsable when it is no standby any more."""
        until = time.monotonic() + REPLAY_SECONDS
        while True:
            is_standby, replayed = await connection.fetchrow(_REPLAYED, timeout=REPLAYED_SECONDS)
            if not is_standby or replayed is None:
                raise _NotUsable("it is not a standby any more")
            if replayed >= required:
                return True
            if time.monotonic() >= until:
                return False
            await asyncio.sleep(_REPLAY_POLL_SECONDS)

    async def _give_back(self, pool: asyncpg.Pool[asyncpg.Record], connection: Any) -> None:
        was_ended = pool is not self._pool
        if was_ended:
            _end(connection)
            return
        with suppress(*DRIVER_ERRORS):
            await pool.release(connection)

    async def _look(self) -> None:
        """One round: the primary's position, and whether the replica can be used."""
        await self._gate.opened()
        epoch, asked_at = self._gate.epoch, time.monotonic()
        try:
            row = await self._ask_primary(_PRIMARY)
        except DRIVER_ERRORS as error:
            # Such as a missing privilege, or a primary that is itself a standby.
            self._set_state(f"it cannot be compared with the primary ({_reason(error)})")
            return
        if epoch != self._gate.epoch:
            # Perhaps asked before the data was replaced.
            return
        primary = _Primary(asked_at, **dict(row))
        self._samples.append(primary)
        while self._samples[0].asked_at < asked_at - self._max_lag - LOOK_SECONDS:
            self._samples.popleft()
        if self._floor is None:
            self._floor = primary.position
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                replayed = await self._check(primary)
        except (_NotUsable, StockyError, *DRIVER_ERRORS) as error:
            self._disconnect()
            self._current_at = None
            self._set_state(_reason(error))
            return
        if epoch == self._gate.epoch:
            self._note(replayed)

    def _note(self, replayed: int) -> None:
        seen = [each.asked_at for each in self._samples if each.position <= replayed]
        if seen:
            self._current_at = seen[-1]
        elif self._current_at is None:
            self._current_at = self._samples[0].asked_at - self._max_lag
        is_behind = self.lag_seconds > self._max_lag
        self._set_state(f"it is more than {self._max_lag} seconds behind" if is_behind else WELL)

    async def _check(self, primary: _Primary) -> int:
        """What the replica has replayed. Raises _NotUsable, or what the driver raises."""
        pool = self._pool
        if pool is None:
            await self._refuse_pooler()
            pool = self._pool = await asyncpg.create_pool(
                min_size=0,
                max_size=sum(CONNECTIONS.values()) + 1,
                command_timeout=COMMAND_SECONDS,
                server_settings={"jit": "off"},
                connect=self._connect,
            )
        connection = await pool.acquire(timeout=ANSWER_SECONDS)
        try:
            await self._compare(connection, primary)
            replayed: int | None = (await connection.fetchrow(_REPLAYED))[1]
        except BaseException:
            _end(connection)
            raise
        await self._give_back(pool, connection)
        if replayed is None:
            # Such as a reader of a service whose servers share their storage.
            raise _NotUsable("it does not say what it has replayed")
        return replayed

    async def _refuse_pooler(self) -> None:
        """Raises _NotUsable: a pooler may have a read done by another server than the one that was asked before."""
        connection = await connect(self._address, statement_cache_size=0)
        try:
            if await is_pooled(connection):
                raise _NotUsable("its address is that of a pooler; give the standby's own")
        finally:
            connection.terminate()

    async def _connect(self, dsn: None, **arguments: Any) -> Any:
        """The pool's connect callback: a name may lead to another server with each connection."""
        connection = await connect(self._address, **arguments)
        try:
            if not self._samples:
                raise _NotUsable("the data was replaced")
            await self._compare(connection, self._samples[-1])
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _compare(self, connection: Any, primary: _Primary) -> None:
        """Raises _NotUsable for anything but a standby of this primary's database."""
        found = await connection.fetchrow(_REPLICA)
        if (found["system"], found["database"]) != (primary.system, primary.database):
            raise _NotUsable("it is another database than the one of STOCKY_DATABASE_URL")
        if not found["is_standby"]:
            raise _NotUsable("it is not a standby: it is the primary itself, or was promoted")
        if found["schema"] != primary.schema:
            raise _NotUsable("its address leads to another schema than STOCKY_DATABASE_URL")
        if found["timeline"] != primary.timeline:
            # A standby of the server that was the primary before may have more of the log than its successor.
            raise _NotUsable("it has not followed the primary's last failover yet")

    def _disconnect(self) -> None:
        """Ends all connections: the reads on them are repeated on the primary."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    def _forget(self) -> None:
        """The data was replaced: what was replayed before is of no use."""
        self._floor = None
        self._samples.clear()
        self._current_at = None
        self.state = "not looked at since a restore"

    def _set_state(self, state: str) -> None:
        if state == self.state:
            return
        self.state = state
        if state == WELL:
            _log.info("The read replica %s serves reads", self._address.shown)
        else:
            _log.warning(
                "The read replica %s is not used: %s. The primary serves all reads", self._address.shown, state
            )


def _end(connection: Any) -> None:
    """Ends a connection of a pool at once: giving it back waits for the answer of a server that may be silent."""
    # One that was ended with its pool.
    with suppress(*DRIVER_ERRORS):
        connection.terminate()


def _reason(error: BaseException) -> str:
    """Why the replica cannot be used, in one line without secrets."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    reason = getattr(error, "reason", None)
    if reason is None:
        reason = error.detail if isinstance(error, StockyError) else str(error)
    return str(reason).strip().splitlines()[0] if str(reason).strip() else type(error).__name__
