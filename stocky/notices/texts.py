"""The text of a message: one line for each cause, grouped, in English or by a translator; it holds no secret."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from stocky.notices.schemas import NoticeCause

# More would be cut by the services, or by nobody be read.
MAX_LINES = 30
MAX_LINE = 300

# The text in this language, by the English one.
Translate = Callable[[str, str], str]

# The names of the causes; the pages have the same.
HEADINGS = {
    NoticeCause.BACKUP_FAILED: "Backup failed",
    NoticeCause.BACKUP_UNVERIFIED: "Backup not verified",
    NoticeCause.BACKUP_OLD: "Backup too old",
    NoticeCause.JOB_FAILED: "Job failed",
    NoticeCause.DISK_FULL: "Disk nearly full",
    NoticeCause.CLOCK_WENT_BACK: "Clock went back",
    NoticeCause.WEBHOOK_OFF: "Webhook switched off",
    NoticeCause.LOW_STOCK: "Running low",
    NoticeCause.EXPIRING: "Expires soon",
    NoticeCause.EXPIRED: "Expired",
    NoticeCause.OVERDUE: "Lent and overdue",
    NoticeCause.NEGATIVE_STOCK: "Below zero",
    NoticeCause.STORAGE_MISMATCH: "Wrong location",
}


class PendingNotice(Struct, frozen=True):
    """A cause that a channel has to send."""

    id: int
    cause: str
    message: str


class NoticeText(Struct, frozen=True):
    """A message for people."""

    subject: str
    body: str


def untranslated(language: str, text: str) -> str:
    """The translator of a process without pages."""
    return text


def compose(pending: Sequence[PendingNotice], language: str, translate: Translate) -> NoticeText:
    """The message about these causes; beyond MAX_LINES they are only counted."""
    lines: dict[NoticeCause, list[str]] = {}
    by_cause = sorted(pending, key=lambda each: list(NoticeCause).index(NoticeCause(each.cause)))
    for each in by_cause[:MAX_LINES]:
        line = " ".join(translate(language, each.message).split())
        lines.setdefault(NoticeCause(each.cause), []).append(line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}…")
    if len(pending) == 1:
        [(cause, [line])] = lines.items()
        return NoticeText(f"Stocky: {translate(language, HEADINGS[cause])}", line)
    groups = ["\n".join([translate(language, HEADINGS[cause]), *(f"- {each}" for each in found)])
              for cause, found in lines.items()]  # fmt: skip
    if (left := len(pending) - MAX_LINES) > 0:
        groups.append(translate(language, f"And {left} more; the page of alerts has all of them."))
    return NoticeText(f"Stocky: {translate(language, f'{len(pending)} notices')}", "\n\n".join(groups))


def compose_test(name: str, language: str, translate: Translate) -> NoticeText:
    """The message of the test button."""
    text = f"This is a test of the channel {name}. Notices of Stocky arrive here."
    return NoticeText(f"Stocky: {translate(language, 'Test notice')}", translate(language, text))
