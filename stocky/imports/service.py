"""Imports as jobs: stores the upload, plans all rows, then writes them, in whichever process claims the job.

All or nothing, unless partial: when a row becomes invalid while others are written, the import is rolled back.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request

from stocky import request_context
from stocky.auth.repository import get_user
from stocky.auth.schemas import Principal, Role
from stocky.config import Config
from stocky.db import Connection, Database, Listing
from stocky.disk import disk_errors
from stocky.errors import Conflict, Forbidden, NotFound, StockyError, Unavailable
from stocky.http.uploads import Upload, UploadKind, receive_upload
from stocky.imports import presets, repository
from stocky.imports.applier import Applier, RowFailedLate
from stocky.imports.csv_reader import Sheet
from stocky.imports.drafts import Draft, copy_draft, remove_imported
from stocky.imports.files import ARRIVING, MOST_WAITING, PLAN, UPLOAD, ImportStore, open_reports, sync
from stocky.imports.options import import_key, open_sheet, options_of
from stocky.imports.parts import PartsList, check_project, find_project, write_parts
from stocky.imports.planner import CHUNK_ROWS, Plan, Planner, next_rows, store_plan
from stocky.imports.references import find_parts
from stocky.imports.repository import ImportKeys, ImportName, UnbookedRows
from stocky.imports.rollback import ImportRollback
from stocky.imports.row_parser import Columns
from stocky.imports.schemas import (
    ImportOptions,
    ImportOrder,
    ImportReport,
    LineReport,
    StartedImport,
    TakenBack,
    Written,
)
from stocky.imports.survey import Survey, survey
from stocky.jobs.jobs import Jobs
from stocky.jobs.repository import (
    get_job_parameters,
    list_ended_jobs,
    list_jobs,
    list_open_jobs,
    list_repeatable_jobs,
)
from stocky.jobs.schedule import Schedule
from stocky.jobs.schemas import Job, JobStatus
from stocky.logs import audit
from stocky.progress import ProgressCallback
from stocky.stock.recorder import Recorder
from stocky.worker.completion import opened_in_thread

KIND = "import.csv"
MAX_BYTES = 100 * 2**20
# A mapping has up to a hundred columns.
MAX_FIELD = 65_536
SWEEP_SECONDS = 3_600
_DRY_RUN = "Dry run: nothing was written"
WANTED = UploadKind("table", "items.csv", "; import it in parts", MAX_FIELD)


class Imports:
    """The imports of one process."""

    def __init__(self, config: Config, database: Database, recorder: Recorder, jobs: Jobs) -> None:
        self.store = ImportStore(config.data_dir)
        self._url = f"{config.base_path}/api/v1/imports"
        self._database = database
        self._recorder = recorder
        self._jobs = jobs
        jobs.register(KIND, self._run, repeatable=self._require_file)

    def register_tasks(self, schedule: Schedule) -> None:
        """Registers the sweep of import files."""
        schedule.every("import files", SWEEP_SECONDS, self._sweep)

    async def start(self, request: Request[Any, Any, Any], by: Principal) -> StartedImport:
        """Stores the form's file, checks its header and queues a job.

        Raises BadRequest without a form, TooLarge, Invalid for invalid options or header, Conflict for a project that
        is withdrawn, Unavailable while too many imports wait.
        """
        await self._require_room()
        import_id = uuid.uuid4().hex
        directory = await asyncio.to_thread(self.store.make, import_id)
        try:
            upload = await receive_upload(request, directory / ARRIVING, MAX_BYTES, WANTED)
            # Options in the URL count too: a dry_run that was ignored there would write.
            known = ImportOptions.__struct_fields__
            asked = {name: text for name, text in request.query_params.items() if name in known}
            options = options_of(asked | upload.fields)
            return await self._enqueue(import_id, upload, options, by)
        except BaseException:
            await asyncio.to_thread(self.store.remove, import_id)
            raise

    async def start_stored(self, draft: Draft, options: ImportOptions, by: Principal) -> StartedImport:
        """The same with the file of a draft, of which a copy is imported. Raises Invalid, Unavailable, OutOfSpace."""
        await self._require_room()
        import_id = uuid.uuid4().hex
        directory = await asyncio.to_thread(self.store.make, import_id)
        try:
            file = directory / ARRIVING
            await asyncio.to_thread(copy_draft, self.store, draft, options, file)
            return await self._enqueue(import_id, Upload(file, draft.filename, {}), options, by)
        except BaseException:
            await asyncio.to_thread(self.store.remove, import_id)
            raise

    async def _require_room(self) -> None:
        if await asyncio.to_thread(self.store.waiting) >= MOST_WAITING:
            await self._sweep()
            async with self._database.read() as read:
                ended = {each["import_id"] for each in await list_ended_jobs(read, KIND)}
            await asyncio.to_thread(self.store.make_room, ended, MOST_WAITING)
        if await asyncio.to_thread(self.store.waiting) >= MOST_WAITING:
            raise Unavailable(f"{MOST_WAITING} imports are waiting already; try again later", retry_after=30)

    async def _enqueue(self, import_id: str, upload: Upload, options: ImportOptions, by: Principal) -> StartedImport:
        if options.project_id is not None:
            async with self._database.read() as read:
                await check_project(read, options.project_id)
        found = await asyncio.to_thread(_survey, upload, options)
        order = ImportOrder(
            import_id=import_id,
            filename=upload.filename[:200],
            user_id=by.id,
            options=options,
            reading=found.reading,
        )
        job_id = await self._jobs.enqueue(KIND, msgspec.to_builtins(order), by=by.user.username)
        assert job_id is not None
        return StartedImport(
            job_id=job_id,
            status_url=f"{self._url}/{job_id}",
            events_url=f"{self._url}/{job_id}/events",
            encoding=found.sheet.encoding,
            delimiter=found.sheet.delimiter,
            header_row=found.sheet.header_row,
            preset=options.preset if options.preset in presets.BY_NAME else None,
            columns=found.columns.fields,
        )

    async def get_import(self, job_id: int, by: Principal) -> Job:
        """The user's own import, or any for an admin. Raises NotFound."""
        with suppress(NotFound):
            job = await self._jobs.look(job_id)
            if job.kind == KIND and (by.role is Role.ADMIN or await self._is_of(job, by)):
                return job
        raise NotFound(f"There is no import with id {job_id}")

    async def list_imports(
        self, read: Connection, by: Principal, *, skip: int, limit: int, listing: Listing | None = None
    ) -> list[Job]:
        """The user's own imports, or all for an admin, newest first or in the order of `listing`."""
        if by.role is Role.ADMIN:
            return await list_jobs(read, skip=skip, limit=limit, kind=KIND, listing=listing)
        since = by.user.created_at
        return await list_jobs(read, skip=skip, limit=limit, kind=KIND, user_id=by.id, since=since, listing=listing)

    async def _is_of(self, job: Job, by: Principal) -> bool:
        """Whether the user started the import. Raises NotFound.

        A username may be another user's now, and after a restore, which keeps jobs, an id may be that of a new user.
        """
        async with self._database.read() as read:
            user_id = (await get_job_parameters(read, job.id)).get("user_id")
        return user_id == by.id and job.created_at >= by.user.created_at

    async def find_file(self, job_id: int, name: str, by: Principal) -> Path:
        """A report file of an import that has ended. Raises NotFound."""
        job = await self.get_import(job_id, by)
        if isinstance(job.result, dict):
            return self.store.directory_of(job.result["import_id"]) / name
        if job.status.is_final:
            how = "was cancelled" if job.status is JobStatus.CANCELLED else "failed"
            raise NotFound(f"The import {job_id} {how} and wrote no {name}: {job.error}")
        raise NotFound(f"The import {job_id} has no {name} yet; its job is {job.status.value}")

    async def _run(self, parameters: dict[str, Any], report: ProgressCallback) -> ImportReport:
        order = msgspec.convert(parameters, ImportOrder)
        # Audit entries and log lines of the import carry its id.
        request_context.request_id.set(order.import_id)
        try:
            result = await self._import(order, report)
        except StockyError as error:
            # A server error is retried, and needs the file.
            if error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                if not order.options.partial or order.options.fills_project:
                    await self._roll_back(order, await self._user(order.user_id), report)
                await asyncio.to_thread(self.store.finish, order.import_id)
            raise
        await asyncio.to_thread(self.store.finish, order.import_id)
        if result.applied:
            await asyncio.to_thread(remove_imported, self.store, order.import_id)
        return result

    async def _import(self, order: ImportOrder, report: ProgressCallback) -> ImportReport:
        file = self.store.directory_of(order.import_id) / UPLOAD
        if not await asyncio.to_thread(file.is_file):
            raise Unavailable(
                "The uploaded file is not on this machine. Processes on one database need one data directory"
                " (STOCKY_DATA_DIR) for imports"
            )
        by = await self._principal(order.user_id)
        key, fingerprint = await asyncio.to_thread(import_key, file, order.options)
        async with self._database.read() as read:
            earlier = await repository.list_earlier_imports(read, key, fingerprint)
        names = ImportKeys(ImportName(key, fingerprint, order.import_id, earlier))
        if order.options.fills_project:
            return await self._import_parts(order, names, by, report)
        plan = await self._plan(order, names, report)
        if order.options.dry_run:
            return _report_of(order, plan, _DRY_RUN, applied=False)
        if plan.refused and not order.options.partial:
            message = _nothing_written(plan)
            # An earlier attempt may have been killed while it wrote.
            taken_back = await self._roll_back(order, by, report)
            return _report_of(order, plan, message, applied=False, taken_back=taken_back)
        # From here on the import cannot be cancelled.
        report("writing", 0, None, "rows")
        # The report uses the counts of the first attempt, made before anything was written.
        first = await asyncio.to_thread(store_plan, self.store.directory_of(order.import_id) / PLAN, plan)
        errors = {each.line: each for each in plan.errors}
        for number in plan.refusals:
            first.refuse_late(number, errors.get(number))
        try:
            refused = await self._write(order, names, plan, by, report)
        except RowFailedLate as failure:
            first.refuse_late(failure.row.line, failure.row)
            taken_back = await self._roll_back(order, by, report) or TakenBack()
            message = f"Row {failure.row.line} became invalid during the import; the import was rolled back"
            if taken_back.left:
                message += f", except for {len(taken_back.left)} records that were changed or used since"
            return _report_of(order, first, message, applied=False, taken_back=taken_back)
        for each in refused:
            first.refuse_late(each.line, each)
        written = await self._finish(order, names.own, by, plan)
        message = _summary(first)
        if first.already_imported:
            message += f"; the stock of {first.already_imported} rows was booked before and is not booked again"
        return _report_of(order, first, message, applied=True, written=written)

    async def _plan(self, order: ImportOrder, names: ImportKeys, report: ProgressCallback) -> Plan:
        directory = self.store.directory_of(order.import_id)
        async with _sheet(directory / UPLOAD, order) as (sheet, columns):
            with open_reports(directory, columns, names) as reports:
                return await Planner(self._database, columns, names).run(sheet, reports, report)

    async def _write(
        self, order: ImportOrder, names: ImportKeys, plan: Plan, by: Principal, report: ProgressCallback
    ) -> list[LineReport]:
        """Writes the planned rows; returns those refused late."""
        directory = self.store.directory_of(order.import_id)
        async with _sheet(directory / UPLOAD, order) as (sheet, columns):
            with open_reports(directory, columns, names, again=True) as reports:
                applier = Applier(self._database, self._recorder, columns, names, by)
                return await applier.run(sheet, plan, reports, report)

    async def _import_parts(
        self, order: ImportOrder, names: ImportKeys, by: Principal, report: ProgressCallback
    ) -> ImportReport:
        """Gives a project what the rows of the file need.

        Raises Invalid, NotFound or Conflict, perhaps after items were created: the caller rolls the import back.
        """
        parts = await self._list_parts(order, names, report)
        plan = parts.plan
        if order.options.dry_run:
            return _report_of(order, plan, _DRY_RUN, applied=False)
        if plan.refused and not order.options.partial:
            # An earlier attempt may have been killed while it created items.
            taken_back = await self._roll_back(order, by, report)
            return _report_of(order, plan, _nothing_written(plan), applied=False, taken_back=taken_back)
        report("writing", 0, None, "items")
        first = await asyncio.to_thread(store_plan, self.store.directory_of(order.import_id) / PLAN, plan)
        project_id = await write_parts(self._database, order, names.own, parts.needs, by, report)
        async with self._database.read() as read:
            written = await repository.count_written(read, order.import_id)
        return _report_of(order, first, _summary(first), applied=True, written=written, project_id=project_id)

    async def _list_parts(self, order: ImportOrder, names: ImportKeys, report: ProgressCallback) -> PartsList:
        """What the project needs by the rows of the file. Raises Invalid, Conflict for a project that is withdrawn."""
        directory = self.store.directory_of(order.import_id)
        async with self._database.read() as read:
            project_id = await find_project(read, order, names.own)
            current = [] if project_id is None else await check_project(read, project_id)
        async with _sheet(directory / UPLOAD, order) as (sheet, columns):
            parts = PartsList(columns, current)
            rows = (columns.line(row) for row in sheet.rows())
            while chunk := await asyncio.to_thread(next_rows, rows, CHUNK_ROWS):
                async with self._database.read() as read:
                    found = await find_parts(read, [line for line in chunk if line.values])
                await asyncio.to_thread(parts.add, chunk, found)
                report("checking", parts.row_count, None, "rows")
            with open_reports(directory, columns, names) as reports:
                await asyncio.to_thread(parts.report, reports)
        return parts

    async def _user(self, user_id: int) -> Principal:
        """Who started the import, with the present role. Raises NotFound."""
        async with self._database.read() as read:
            return Principal(await get_user(read, user_id))

    async def _principal(self, user_id: int) -> Principal:
        """The same; raises Forbidden for a user who may no longer change stock."""
        by = await self._user(user_id)
        user = by.user
        if not user.is_active or user.role not in (Role.ADMIN, Role.MEMBER):
            raise Forbidden(f"Access denied. {user.username}, who started the import, may no longer change stock")
        return by

    async def _roll_back(self, order: ImportOrder, by: Principal, report: ProgressCallback) -> TakenBack | None:
        """Rolls back what any attempt of this import wrote; None when there is nothing, or when it filled its project.

        Also for a user who may no longer change stock: an attempt may have been killed while it wrote.
        """
        if order.options.fills_project:
            async with self._database.read() as read:
                if await read.value("find_imported_project", import_id=order.import_id) is not None:
                    return None
        taken = await ImportRollback(self._database, self._recorder, order.import_id, by).run(report)
        return None if taken == TakenBack() else taken

    async def _finish(self, order: ImportOrder, name: ImportName, by: Principal, plan: Plan) -> Written:
        async with self._database.transaction() as tx:
            written = await repository.count_written(tx, order.import_id)
            details = {
                "filename": order.filename,
                "fingerprint": name.content,
                "batch_id": order.import_id,
                "rows": plan.lines,
                "left": plan.left.runs,
            }
            # The import that booked a row's stock is its record, not one that found it booked.
            action = "imported again" if name.earlier and not plan.taken else "imported"
            details |= msgspec.to_builtins(written)
            await audit.record(tx, by, action, "import", name.key, details)
            # Records for the imports that refused these rows that they are booked now.
            for origin in plan.origins:
                if taken := plan.taken_of(origin):
                    key, content = origin.split(":")
                    left = UnbookedRows.all_but(taken).runs
                    details |= {"fingerprint": content, "rows": len(taken), "left": left}
                    await audit.record(tx, by, "imported", "import", key, details)
        return written

    async def _sweep(self) -> None:
        """Removes files that no import needs, nor a user who may run it again."""
        async with self._database.read() as read:
            jobs = [*await list_open_jobs(read, KIND), *await list_repeatable_jobs(read, KIND)]
        await asyncio.to_thread(self.store.sweep, {each["import_id"] for each in jobs})

    async def _require_file(self, parameters: dict[str, Any]) -> None:
        """Raises Conflict when the file of an import is gone."""
        if not await asyncio.to_thread(self.store.touch_upload, parameters["import_id"]):
            raise Conflict("The uploaded file is not stored any more; import it again")


@asynccontextmanager
async def _sheet(file: Path, order: ImportOrder) -> AsyncIterator[tuple[Sheet, Columns]]:
    async with opened_in_thread(partial(open_sheet, file, order.options), Sheet.close) as sheet:
        yield sheet, Columns(sheet.header, order.options, sheet.delimiter, order.reading)


def _nothing_written(plan: Plan) -> str:
    return f"Nothing was written: {plan.refused} of {plan.lines} rows are refused"


def _summary(plan: Plan) -> str:
    count = plan.created + plan.changed
    message = f"{count} row{' was' if count == 1 else 's were'} imported, {plan.refused} refused"
    if plan.unchanged:
        message += f", {plan.unchanged} unchanged"
    if plan.skipped:
        several = plan.skipped > 1
        message += f"; {plan.skipped} row{'s' * several} about no item {'were' if several else 'was'} skipped"
    return message


def _survey(upload: Upload, options: ImportOptions) -> Survey:
    """Surveys an upload and stores it durably. Raises Invalid, QuestionAsked, OutOfSpace or Unavailable."""
    found = survey(upload.file, options)
    with disk_errors():
        sync(upload.file.rename(upload.file.with_name(UPLOAD)))
    return found


def _report_of(
    order: ImportOrder,
    plan: Plan,
    message: str,
    *,
    applied: bool,
    written: Written | None = None,
    taken_back: TakenBack | None = None,
    project_id: int | None = None,
) -> ImportReport:
    counts = {
        name: getattr(plan, name)
        for name in ("lines", "created", "changed", "unchanged", "refused", "skipped", "repaired", "already_imported")
    }
    return ImportReport(
        import_id=order.import_id,
        filename=order.filename,
        applied=applied,
        dry_run=order.options.dry_run,
        partial=order.options.partial,
        message=message,
        **counts,
        new_locations=plan.new_locations,
        new_types=plan.new_types,
        errors=plan.errors,
        changes=plan.changes,
        batch_id=order.import_id if written is not None and written.stock_events else None,
        project_id=project_id or order.options.project_id,
        written=written,
        taken_back=taken_back,
    )
