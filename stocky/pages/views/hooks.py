"""Webhooks: making, changing, testing and deleting them; a secret is shown once, in the response that creates it."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.datastructures import State

from stocky.auth.guards import admins
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.http.parameters import PathId, Skip
from stocky.pages.forms import Form, filled, read_changes, read_form, shown_fields
from stocky.pages.languages import Text, _
from stocky.pages.rendering import Html, page, see_other
from stocky.webhooks import repository
from stocky.webhooks.schemas import DeliveryStatus, NewWebhook, WebhookChange, WebhookEventType, WebhookWithSecret
from stocky.webhooks.service import Webhooks
from stocky.webhooks.signing import make_secret

_PAGE = 50
_MOST_HOOKS = 1_000
EVENTS: dict[WebhookEventType, Text] = {
    WebhookEventType.STOCK_RECORDED: _("Stock was changed"),
    WebhookEventType.ALERT_RAISED: _("An alert was raised"),
    WebhookEventType.ALERT_RESOLVED: _("An alert was resolved"),
    WebhookEventType.BACKUP_FINISHED: _("A nightly backup is good"),
    WebhookEventType.BACKUP_FAILED: _("A nightly backup or an off-site copy failed"),
}
DELIVERY_STATUSES: dict[DeliveryStatus, Text] = {
    DeliveryStatus.WAITING: _("waiting"),
    DeliveryStatus.DELIVERED: _("delivered"),
    DeliveryStatus.DROPPED: _("dropped"),
}
_DONE: dict[str, Text] = {
    "saved": _("The webhook is saved."),
    "deleted": _("The webhook is deleted, with its deliveries."),
}


@get("/hooks", opt=admins)
async def show_hooks(request: Request[Any, Any, Any], read: Connection) -> Html:
    """All webhooks."""
    hooks = await repository.list_webhooks(read, skip=0, limit=_MOST_HOOKS)
    done = _DONE.get(request.query_params.get("done", ""))
    return page(request, "hooks.html", hooks=hooks, events=EVENTS, done=done)


@get("/hooks/new", opt=admins)
async def show_new_hook(request: Request[Any, Any, Any]) -> Html:
    """The form for a webhook."""
    return page(request, "hook-new.html", form=Form(), events=EVENTS)


@post("/hooks/new", opt=admins)
async def create_hook(request: Request[Any, Any, Any], state: State, webhooks: Webhooks, user: Principal) -> Html:
    """Makes a webhook and shows its secret."""
    form = await read_form(request, NewWebhook, boxes=["event_types"], without=["is_active"])
    made: WebhookWithSecret | None = None
    if not form.errors:
        with form.catching():
            made = await webhooks.add(form.data, user)
    if made is None:
        return page(request, "hook-new.html", form.status, form=form, events=EVENTS)
    return await _page(request, state, made.id, secret=made.secret)


@get("/hooks/{webhook_id:int}", opt=admins)
async def show_hook(
    request: Request[Any, Any, Any],
    state: State,
    webhook_id: PathId,
    status: DeliveryStatus | None = None,
    skip: Skip = 0,
) -> Html:
    """A webhook with its last deliveries."""
    return await _page(request, state, webhook_id, delivery_status=status, skip=skip)


@post("/hooks/{webhook_id:int}", opt=admins)
async def change_hook(
    request: Request[Any, Any, Any], state: State, webhooks: Webhooks, user: Principal, webhook_id: PathId
) -> Html:
    """Saves what was changed of a webhook."""
    boxes = ["event_types", "is_active", "skip_missed"]
    form = await read_changes(request, WebhookChange, boxes=boxes)
    form.require("url")
    if not form.errors:
        with form.catching():
            await webhooks.change(webhook_id, form.data, user)
    if form.errors:
        return await _page(request, state, webhook_id, form=form)
    return see_other(request, f"/hooks/{webhook_id}", done="saved")


@post("/hooks/{webhook_id:int}/test", opt=admins)
async def test_hook(request: Request[Any, Any, Any], webhooks: Webhooks, webhook_id: PathId) -> Html:
    """Sends a test message, and redirects to its page."""
    delivery = await webhooks.ping(webhook_id)
    return see_other(request, f"/hooks/{webhook_id}/deliveries/{delivery.id}")


@post("/hooks/{webhook_id:int}/secret", opt=admins)
async def renew_secret(request: Request[Any, Any, Any], state: State, user: Principal, webhook_id: PathId) -> Html:
    """Makes a new secret and shows it."""
    async with state.database.transaction() as tx:
        renewed = await repository.rotate_secret(tx, webhook_id, make_secret(), user)
    return await _page(request, state, webhook_id, secret=renewed.secret, is_renewed=True)


@post("/hooks/{webhook_id:int}/delete", opt=admins)
async def delete_hook(request: Request[Any, Any, Any], tx: Connection, user: Principal, webhook_id: PathId) -> Html:
    """Deletes a webhook."""
    await repository.remove_webhook(tx, webhook_id, user)
    return see_other(request, "/hooks", done="deleted")


@get("/hooks/{webhook_id:int}/deliveries/{delivery_id:int}", opt=admins)
async def show_delivery(
    request: Request[Any, Any, Any], read: Connection, webhook_id: PathId, delivery_id: PathId
) -> Html:
    """A message, and the receiver's response."""
    hook = await repository.get_webhook(read, webhook_id)
    delivery = await repository.get_delivery(read, webhook_id, delivery_id)
    return page(
        request, "delivery.html", hook=hook, delivery=delivery, statuses=DELIVERY_STATUSES, events=_event_words()
    )


@post("/hooks/{webhook_id:int}/deliveries/{delivery_id:int}/send", opt=admins)
async def send_again(
    request: Request[Any, Any, Any], webhooks: Webhooks, webhook_id: PathId, delivery_id: PathId
) -> Html:
    """Sends a message again."""
    await webhooks.redeliver(webhook_id, delivery_id)
    return see_other(request, f"/hooks/{webhook_id}/deliveries/{delivery_id}")


async def _page(
    request: Request[Any, Any, Any],
    state: State,
    webhook_id: int,
    *,
    form: Form[Any] | None = None,
    secret: str = "",
    is_renewed: bool = False,
    delivery_status: DeliveryStatus | None = None,
    skip: int = 0,
) -> Html:
    async with state.database.read() as read:
        hook = await repository.get_webhook(read, webhook_id)
        deliveries = await repository.list_deliveries(
            read, webhook_id, status=delivery_status, skip=skip, limit=_PAGE + 1
        )
    form = form or filled(hook)
    fields = {
        "url": hook.url,
        "description": hook.description,
        "event_types": [each.value for each in hook.event_types],
        "is_active": hook.is_active,
    }
    return page(
        request,
        "hook.html",
        form.status,
        hook=hook,
        form=form,
        shown=shown_fields(form, fields),
        secret=secret,
        is_renewed=is_renewed,
        events=EVENTS,
        event_words=_event_words(),
        deliveries=deliveries[:_PAGE],
        has_more=len(deliveries) > _PAGE,
        delivery_status="" if delivery_status is None else delivery_status.value,
        statuses=DELIVERY_STATUSES,
        skip=skip,
        size=_PAGE,
        done=_DONE.get(request.query_params.get("done", "")),
    )


def _event_words() -> dict[str, Text]:
    """The words of every type of message, by its name."""
    own = {"ping": _("Test"), "data.restored": _("A backup was restored")}
    return {**{each.value: text for each, text in EVENTS.items()}, **own}


routes = [
    show_hooks,
    show_new_hook,
    create_hook,
    show_hook,
    change_hook,
    test_hook,
    renew_secret,
    delete_hook,
    show_delivery,
    send_again,
]
