"""Texts of jobs on pages, and a job as the progress card shows it; every phase of `PHASES` has a text."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from stocky.db import Connection
from stocky.jobs import repository
from stocky.jobs.jobs import Jobs
from stocky.jobs.schemas import Job, JobPriority, JobStatus, WaitReason
from stocky.pages.filters import filesize, number
from stocky.pages.languages import Text, _

KINDS: dict[str, Text] = {
    "alerts.loans": _("Check for overdue loans"),
    "alerts.look": _("Check for alerts"),
    "assistance.fetch": _("Fetch a datasheet"),
    "assistance.suggest": _("Ask for suggestions"),
    "backup.create": _("Backup"),
    "backup.fetch": _("Fetch an off-site backup"),
    "backup.import": _("Add rows of a backup"),
    "backup.offsite": _("Off-site copy"),
    "backup.restore": _("Restore"),
    "backup.scheduled": _("Nightly backup"),
    "backup.validate": _("Check a backup"),
    "backup.verify": _("Test-restore"),
    "catalogue.bump": _("Renew versions of items"),
    "demo.fill": _("Add demo data"),
    "documents.collect": _("Remove unused files"),
    "import.csv": _("CSV import"),
    "lookup.missing": _("Look up products"),
    "lookup.stubs": _("Look up unknown barcodes"),
    "reorg.plan": _("Plan a reorganisation"),
}
# More than can run at once.
_MOST_RUNNING = 20
COMPARE = _("Compare with a backup")
PHASES: dict[str, Text] = {
    "adding documents": _("Documents"),
    "adding rows": _("Adding rows"),
    "asking": _("Asking the model"),
    "backing up the current data": _("Backing up the current data"),
    "building indexes": _("Indexes"),
    "changing": _("Changing"),
    "checking": _("Checking"),
    "comparing": _("Comparing"),
    "copying": _("Copying"),
    "deleting": _("Deleting"),
    "dumping": _("Writing rows"),
    "events": _("Four weeks of history"),
    "fetching": _("Fetching"),
    "indexing the copy": _("Indexing the copy"),
    "items": _("Items and locations"),
    "loading": _("Loading it into a scratch database"),
    "looking": _("Looking"),
    "looking up": _("Looking up"),
    "planning": _("Planning"),
    "reading": _("Reading"),
    "reading back": _("Reading the copy back"),
    "replacing": _("Putting it in place"),
    "restoring documents": _("Documents"),
    "tidying up": _("Tidying up"),
    "uploading": _("Copying it there"),
    "writing": _("Writing"),
}
UNITS: dict[str, Text] = {
    "events": _("events"),
    "files": _("files"),
    "indexes": _("indexes"),
    "items": _("items"),
    "items and locations": _("items and locations"),
    "lots": _("lots"),
    "rows": _("rows"),
    "tables": _("tables"),
}
STATUSES: dict[JobStatus, Text] = {
    JobStatus.QUEUED: _("waiting"),
    JobStatus.RUNNING: _("running"),
    JobStatus.DONE: _("done"),
    JobStatus.FAILED: _("failed"),
    JobStatus.CANCELLED: _("cancelled"),
}
PRIORITIES: dict[JobPriority, Text] = {
    JobPriority.HIGH: _("high"),
    JobPriority.NORMAL: _("normal"),
    JobPriority.LOW: _("low"),
}


WAITS_FOR: dict[WaitReason, Text] = {
    WaitReason.TURN: _("Waits for its turn"),
    WaitReason.KEY: _("Waits until another job of this kind has ended"),
    WaitReason.TIME: _("Waits for its next attempt"),
}


class JobCard(Struct, frozen=True):
    """A job in words; `phases` are pairs of name and label, `current` is the phase it is in or ended in."""

    job: Job
    title: Text
    status_word: Text
    phases: list[tuple[str, Text | str]]
    current: str
    percent: float | None

    @property
    def status(self) -> str:
        """How the card is drawn: running, done, failed or cancelled."""
        return "running" if not self.job.status.is_final else self.job.status.value

    @property
    def waits_for(self) -> Text | str:
        """What a job that waits is waiting for; empty for one that does not."""
        return "" if self.job.waits_for is None else WAITS_FOR[self.job.waits_for]

    @property
    def next_attempt_at(self) -> datetime | None:
        """The moment that a job is waiting for, if it is that."""
        return self.job.next_attempt_at if self.job.waits_for is WaitReason.TIME else None

    @property
    def is_stopping(self) -> bool:
        """Whether it runs, but was asked to stop."""
        return self.job.status is JobStatus.RUNNING and self.job.cancel_requested_at is not None

    @property
    def can_dismiss(self) -> bool:
        return self.job.status is JobStatus.FAILED and self.job.dismissed_at is None

    @property
    def amount(self) -> Text | str:
        """The progress in the language of the page: `4,180 of 6,751 rows`."""
        return _amount(self.job) if self.job.status is JobStatus.RUNNING else ""

    @property
    def is_running(self) -> bool:
        return not self.job.status.is_final

    @property
    def seconds(self) -> int | None:
        """How long it took."""
        if self.job.started_at is None or self.job.finished_at is None:
            return None
        return round((self.job.finished_at - self.job.started_at).total_seconds())


def job_card(job: Job) -> JobCard:
    """A job for the macro `progress`. A job without phases has none."""
    title = COMPARE if job.kind == "backup.restore" and job.dry_run else kind_word(job.kind)
    current = next((each.name for each in job.phases if each.state in ("current", "failed")), "")
    if not current and job.phases and job.status is not JobStatus.DONE:
        # The job has not reported a phase yet.
        current = job.phases[0].name
    return JobCard(
        job=job,
        title=title,
        status_word=STATUSES[job.status],
        phases=[(each.name, PHASES.get(each.name, each.name)) for each in job.phases],
        current=current,
        percent=job.progress.percent,
    )


async def running_backups(read: Connection, jobs: Jobs) -> list[JobCard]:
    """The running jobs of backups, of all users, with their latest progress."""
    running = await repository.list_jobs(read, skip=0, limit=_MOST_RUNNING, status=JobStatus.RUNNING)
    found = [
        await repository.get_job(read, each.id, jobs.progress_here(each.id))
        for each in running
        if each.kind.startswith("backup.")
    ]
    return [job_card(each) for each in found if not each.status.is_final]


def kind_word(kind: str) -> Text:
    """The name of a job of this kind."""
    return KINDS.get(kind) or Text(kind, {})


def _amount(job: Job) -> Text | str:
    progress = job.progress
    if not progress.unit:
        return ""
    if progress.unit == "bytes":
        if progress.total is None:
            return filesize(progress.done)
        return _("%(done)s of %(total)s", done=filesize(progress.done), total=filesize(progress.total))
    unit = UNITS.get(progress.unit, progress.unit)
    if progress.total is None:
        return _("%(done)s %(unit)s", done=number(progress.done), unit=unit)
    return _("%(done)s of %(total)s %(unit)s", done=number(progress.done), total=number(progress.total), unit=unit)
