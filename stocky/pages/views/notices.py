"""Notices: the channels by which Stocky reports to people; the address of a service is never shown again."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.datastructures import State

from stocky.auth.guards import admins
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.http.parameters import PathId
from stocky.notices import repository
from stocky.notices.schemas import (
    AT_ONCE,
    DAILY,
    NewNoticeChannel,
    NoticeCause,
    NoticeChannel,
    NoticeChannelChange,
    NoticeTest,
)
from stocky.notices.service import Notices
from stocky.notices.service_client import NOT_INSTALLED, is_available
from stocky.pages.forms import Form, Values, changed_values, filled, parse_form, read_values, shown_fields
from stocky.pages.languages import LANGUAGES, Text, _, language_of
from stocky.pages.rendering import Html, page, see_other

CAUSES: dict[NoticeCause, Text] = {
    NoticeCause.BACKUP_FAILED: _("Backup failed"),
    NoticeCause.BACKUP_UNVERIFIED: _("Backup not verified"),
    NoticeCause.BACKUP_OLD: _("Backup too old"),
    NoticeCause.JOB_FAILED: _("Job failed"),
    NoticeCause.DISK_FULL: _("Disk nearly full"),
    NoticeCause.CLOCK_WENT_BACK: _("Clock went back"),
    NoticeCause.WEBHOOK_OFF: _("Webhook switched off"),
    NoticeCause.LOW_STOCK: _("Running low"),
    NoticeCause.EXPIRING: _("Expires soon"),
    NoticeCause.EXPIRED: _("Expired"),
    NoticeCause.OVERDUE: _("Lent and overdue"),
    NoticeCause.NEGATIVE_STOCK: _("Below zero"),
    NoticeCause.STORAGE_MISMATCH: _("Wrong location"),
}
_WHEN: list[tuple[str, Text]] = [("at_once", _("at once")), ("daily", _("once a day")), ("", _("not at all"))]
_DONE: dict[str, Text] = {
    "added": _("The channel is added. Send a test to see whether it works."),
    "saved": _("The channel is saved."),
    "deleted": _("The channel is deleted."),
}
_SEPARATORS = re.compile(r"[\s,;]+")


@get("/notices", opt=admins)
async def show_channels(request: Request[Any, Any, Any], read: Connection) -> Html:
    """All channels."""
    channels = await repository.list_channels(read, skip=0, limit=repository.MAX_CHANNELS)
    done = _DONE.get(request.query_params.get("done", ""))
    return page(request, "notices.html", channels=channels, done=done)


@get("/notices/new", opt=admins)
async def show_new_channel(request: Request[Any, Any, Any], state: State) -> Html:
    """The form for a channel."""
    usual = msgspec.to_builtins({"at_once": AT_ONCE, "daily": DAILY, "daily_at": "08:00"})
    usual["language"] = language_of(request)
    return _form_page(request, state, filled(usual))


@post("/notices/new", opt=admins)
async def create_channel(request: Request[Any, Any, Any], state: State, notices: Notices, user: Principal) -> Html:
    """Adds a channel."""
    form = parse_form(
        _as_fields(await read_values(request)), NewNoticeChannel, without=["is_active"], language=language_of(request)
    )
    made: NoticeChannel | None = None
    if not form.errors:
        with form.catching():
            made = await notices.add(form.data, user)
    if made is None:
        return _form_page(request, state, form)
    return see_other(request, f"/notices/{made.id}", done="added")


@get("/notices/{channel_id:int}", opt=admins)
async def show_channel(request: Request[Any, Any, Any], state: State, channel_id: PathId) -> Html:
    """A channel and its state."""
    return await _page(request, state, channel_id)


@post("/notices/{channel_id:int}", opt=admins)
async def change_channel(
    request: Request[Any, Any, Any], state: State, notices: Notices, user: Principal, channel_id: PathId
) -> Html:
    """Saves what was changed of a channel; an empty address of a service leaves it as it is."""
    values = {"is_active": [""], **await read_values(request)}
    form = parse_form(_changed_fields(values), NoticeChannelChange, language=language_of(request))
    form.values = _as_fields(values)
    form.require("name")
    if not form.errors:
        with form.catching():
            await notices.change(channel_id, form.data, user)
    if form.errors:
        return await _page(request, state, channel_id, form=form)
    return see_other(request, f"/notices/{channel_id}", done="saved")


@post("/notices/{channel_id:int}/test", opt=admins)
async def test_channel(request: Request[Any, Any, Any], state: State, notices: Notices, channel_id: PathId) -> Html:
    """Sends a test notice and shows the outcome."""
    return await _page(request, state, channel_id, tested=await notices.test(channel_id))


@post("/notices/{channel_id:int}/delete", opt=admins)
async def delete_channel(request: Request[Any, Any, Any], tx: Connection, user: Principal, channel_id: PathId) -> Html:
    """Deletes a channel."""
    await repository.remove_channel(tx, channel_id, user)
    return see_other(request, "/notices", done="deleted")


def _as_fields(values: Values) -> dict[str, list[str]]:
    """The fields of the API from those of the form: recipients of one text, and a choice for each cause."""
    fields = {name: found for name, found in values.items() if not name.startswith("cause_")}
    chosen = {each: (values.get(f"cause_{each.value}") or [""])[-1] for each in NoticeCause}
    for when in ("at_once", "daily"):
        fields[when] = [each.value for each, choice in chosen.items() if choice == when]
    recipients = [each for each in _SEPARATORS.split(" ".join(fields.pop("recipients", []))) if each]
    if recipients:
        fields["recipients"] = recipients
    if not "".join(fields.get("url", [])).strip():
        fields.pop("url", None)
    return fields


def _changed_fields(values: Values) -> dict[str, list[str]]:
    """The fields of the API that differ from what the form showed; the causes of both lists are one field."""
    changed = changed_values(values)
    if any(name.startswith("cause_") for name in changed):
        return _as_fields({**changed, **{name: each for name, each in values.items() if name.startswith("cause_")}})
    return {name: each for name, each in _as_fields(changed).items() if name not in ("at_once", "daily")}


def _fields_of(channel: NoticeChannel) -> dict[str, Any]:
    """What the form of a channel shows."""
    lists = (("at_once", channel.at_once), ("daily", channel.daily))
    causes = {f"cause_{each.value}": next((when for when, chosen in lists if each in chosen), "") for each in CAUSES}
    return causes | {
        "name": channel.name,
        "recipients": ", ".join(channel.recipients),
        "language": channel.language.value,
        "daily_at": channel.daily_at,
        "quiet_from": channel.quiet_from,
        "quiet_until": channel.quiet_until,
        "timezone": channel.timezone,
        "is_active": channel.is_active,
    }


def _form_page(request: Request[Any, Any, Any], state: State, form: Form[Any]) -> Html:
    return page(request, "notice-new.html", form.status, form=form, kind="", **_choices(state))


async def _page(
    request: Request[Any, Any, Any],
    state: State,
    channel_id: int,
    *,
    form: Form[Any] | None = None,
    tested: NoticeTest | None = None,
) -> Html:
    async with state.database.read() as read:
        channel = await repository.get_channel(read, channel_id)
    form = form or filled(msgspec.to_builtins(channel))
    return page(
        request,
        "notice-channel.html",
        form.status,
        channel=channel,
        kind=channel.kind.value,
        form=form,
        shown=shown_fields(form, _fields_of(channel)),
        tested=tested,
        done=_DONE.get(request.query_params.get("done", "")),
        **_choices(state),
    )


def _choices(state: State) -> dict[str, Any]:
    return {
        "causes": CAUSES,
        "when": _WHEN,
        "languages": list(LANGUAGES.items()),
        "timezone": state.timezone,
        "has_mail": state.config.mail is not None,
        "not_installed": "" if is_available() else NOT_INSTALLED,
    }


routes = [
    show_channels,
    show_new_channel,
    create_channel,
    show_channel,
    change_channel,
    test_channel,
    delete_channel,
]
