"""Calls Stocky with the client that openapi-python-client made, and prints what came back as JSON.

It runs where the generator is installed, apart from Stocky; `calls.ts` makes the same calls.
"""

from __future__ import annotations

import io
import json
import os
from datetime import UTC, datetime

from stocky_client import AuthenticatedClient, Client, models
from stocky_client.api.auth import get_me, sign_in_by_form
from stocky_client.api.documents import get_content, upload_document
from stocky_client.api.events import list_events, post_events
from stocky_client.api.items import change_item, create_item, get_item
from stocky_client.api.locations import create_location, delete_location
from stocky_client.api.scanner import change_state, scan
from stocky_client.api.search import search
from stocky_client.api.shopping_lists import add_shopping_list_item, create_shopping_list
from stocky_client.api.stock import adjust_quantity, create_sku, list_skus
from stocky_client.types import File

URL = os.environ["STOCKY_URL"]
client = AuthenticatedClient(URL, os.environ["STOCKY_KEY"], prefix="", auth_header_name="X-API-Key")
PIXEL = bytes.fromhex(os.environ["STOCKY_PICTURE"])

signed_in = sign_in_by_form.sync(
    client=Client(URL), body=models.LoginForm(username="member", password=os.environ["STOCKY_PASSWORD"])
)
me = get_me.sync(client=AuthenticatedClient(URL, signed_in.access_token))
item = create_item.sync(client=client, body=models.NewItem(name="Coffee by Python", upc="4006381333931"))
shelf = create_location.sync(
    client=client, body=models.NewLocation("Shelf of Python", storage_type=models.StorageType.PANTRY)
)
sku = create_sku.sync_detailed(client=client, body=models.NewSku(item_id=item.id, location_id=shelf.id, quantity=2.5))
again = create_sku.sync_detailed(client=client, body=models.NewSku(item_id=item.id, location_id=shelf.id, quantity=1))
changed = change_item.sync(item.id, client=client, body=models.ItemChange(min_quantity=10, tags=["beans"]))
adjusted = adjust_quantity.sync(sku.parsed.id, client=client, body=models.Adjustment(delta=-0.5))
posted = post_events.sync(
    client=client,
    body=models.NewEvents(
        events=[
            models.NewEvent(
                type_=models.EventType.ADD,
                item=models.ItemReference(id=item.id),
                location=models.LocationReference(name="Shelf of Python"),
                quantity=0.3,
                occurred_at=datetime(2026, 1, 31, 12, tzinfo=UTC),
            )
        ]
    ),
)
state = change_state.sync(
    "python", client=client, body=models.StateChange(mode=models.Mode.REMOVE, location_id=shelf.id)
)
scanned = scan.sync(client=client, body=models.Scan(upc="4006381333931", scanner_id="python"))
listed = list_skus.sync(client=client, item_id=item.id, low_stock=True, expand="item,location", sort="-quantity")
events = list_events.sync(client=client, item_id=item.id, type_=models.EntryType.REMOVE)
found = search.sync(client=client, q="coffee by python")
a_list = create_shopping_list.sync(client=client, body=models.NewList(name="List of Python"))
entry = add_shopping_list_item.sync(a_list.id, client=client, body=models.NewEntry(text="Napkins"))
picture = upload_document.sync(
    client=client,
    body=models.UploadDocumentBody(
        file=File(io.BytesIO(PIXEL), "picture.png", "image/png"), item_id=str(item.id), name="Front"
    ),
)
content = get_content.sync(picture.id, client=client)
missing = get_item.sync(987_654, client=client)
kept = delete_location.sync(shelf.id, client=client)

print(
    json.dumps(
        {
            "me": [me.username, me.role.value],
            "item": [item.name, item.upc, item.min_quantity],
            "statuses": [int(sku.status_code), int(again.status_code)],
            "changed": [changed.min_quantity, changed.tags, changed.version - item.version],
            "adjusted": adjusted.quantity,
            "posted": [posted.applied, posted.results[0].status, posted.results[0].quantity_after],
            "state": [state.mode.value, state.location_name],
            "scanned": [scanned.success, scanned.event.delta, scanned.skus[0].quantity],
            "listed": [[each.item.name, each.location.name, each.quantity] for each in listed],
            "events": [len(events.events), isinstance(events.events[0].recorded_at, datetime)],
            "found": [[each.name, each.match.kind] for each in found],
            "entry": [entry.item.name, entry.item.id, entry.quantity],
            "picture": [picture.kind.value, picture.name, content.payload.read() == PIXEL],
            "missing": [missing.status, missing.type_],
            "kept": [kept.status, kept.type_],
        }
    )
)
