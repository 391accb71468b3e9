"""Every route of the application, with an address and a valid body."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

API = "/api/v1"


class Route(NamedTuple):
    """A route as declared: `PUT` and `/api/v1/items/{item_id:int}`."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path.removeprefix(API)}"


def routes(app: Litestar) -> dict[Route, HTTPRouteHandler]:
    """Every route, except the OPTIONS routes that Litestar adds."""
    return {
        Route(method, route.path): handler
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        if method != "OPTIONS"
    }


def pages(app: Litestar) -> dict[Route, HTTPRouteHandler]:
    """The routes of the pages for people and of what they load."""
    return {
        route: handler for route, handler in routes(app).items() if handler.fn.__module__.startswith("stocky.pages")
    }


def api_routes(app: Litestar) -> dict[Route, HTTPRouteHandler]:
    """The routes for programs: all but those of the pages."""
    of_pages = pages(app)
    return {route: handler for route, handler in routes(app).items() if route not in of_pages}


def address(route: Route, id: object = 1, text: str = "s1") -> str:
    """The path of a route below `/api/v1`, with an id and a text for its parameters."""
    return re.sub(r"\{\w+:str\}", lambda _: text, re.sub(r"\{\w+:int\}", str(id), route.path.removeprefix(API)))


# A valid body for each route that takes one, as far as possible without knowing the database. None is an optional
# body.
BODIES: dict[str, dict[str, Any] | None] = {
    "POST /auth/login-json": {"username": "member", "password": "wrong"},
    "POST /auth/refresh": None,
    "POST /auth/logout": None,
    "POST /auth/change-password": {"current_password": "wrong", "new_password": "another one"},
    "POST /users": {"username": "ada", "email": "ada@example.org", "password": "correct horse"},
    "PUT /users/{user_id:int}": {"username": "ada"},
    "POST /api-keys": {"name": "phone"},
    "POST /users/{user_id:int}/api-keys": {"name": "phone"},
    "POST /items": {"name": "Tea", "description": "Green", "barcodes": [{"barcode": "x"}]},
    "PUT /items/{item_id:int}": {"name": "Tea"},
    "PATCH /items/{item_id:int}": {"name": "Tea"},
    "POST /items/{item_id:int}/barcodes": {"barcode": "y"},
    "POST /items/{item_id:int}/merge": {"into": 2},
    "POST /types": {"name": "Screws"},
    "PUT /types/{type_id:int}": {"name": "Screws"},
    "PATCH /types/{type_id:int}": {"name": "Screws"},
    "POST /types/{type_id:int}/fields": {"name": "Voltage", "kind": "number", "unit": "V"},
    "PUT /types/{type_id:int}/fields/{field_id:int}": {"name": "Voltage"},
    "PATCH /types/{type_id:int}/fields/{field_id:int}": {"name": "Voltage"},
    "POST /tags": {"name": "metric"},
    "PUT /tags/{tag_id:int}": {"name": "metric"},
    "PATCH /tags/{tag_id:int}": {"name": "metric"},
    "POST /locations": {"name": "Cellar"},
    "PUT /locations/{location_id:int}": {"name": "Cellar"},
    "PATCH /locations/{location_id:int}": {"name": "Cellar"},
    "PUT /labels/sheets/{name:str}": {
        "width": 100,
        "height": 50,
        "columns": 2,
        "rows": 1,
        "label_width": 50,
        "label_height": 50,
    },
    "POST /settings/measure-rules/try": {"barcode": "2812345004567"},
    "POST /boxes": {"capacity": 4, "name": "Screws"},
    "PUT /boxes/{box_no:int}": {"name": "Screws"},
    "PATCH /boxes/{box_no:int}": {"name": "Screws"},
    "POST /reorg/plans": None,
    "POST /skus": {"item_id": 1, "location_id": 1, "quantity": 1, "unit_price": 2.49},
    "PUT /skus/{sku_id:int}": {"quantity": 2, "notes": "x"},
    "PATCH /skus/{sku_id:int}": {"quantity": 2, "notes": "x"},
    "PUT /skus/{sku_id:int}/quantity": {"quantity": 2},
    "POST /skus/{sku_id:int}/adjust": {"delta": 1},
    "POST /items/{item_id:int}/prices": {"unit_price": 2.49, "unit": "piece", "sku_id": 1, "seller": "x"},
    "PATCH /prices/{price_id:int}": {"unit_price": 2.49, "unit": "piece", "seller": "x"},
    "POST /skus/{sku_id:int}/open": {"quantity": 1},
    "POST /loans": {"item_id": 1, "person_id": 1, "quantity": 1},
    "PUT /loans/{loan_id:int}": {"due_on": "2026-12-31"},
    "PATCH /loans/{loan_id:int}": {"due_on": "2026-12-31"},
    "POST /loans/{loan_id:int}/return": None,
    "POST /scanner/scan": {"upc": "x", "scanner_id": "s1"},
    "PUT /scanner/{scanner_id:str}/state": {"mode": "add"},
    "POST /scanner/associate": {"scanner_id": "s1", "user_id": 1},
    "POST /scanner/qr/command": {"command": "set_mode", "payload": {"mode": "add"}},
    "POST /scanner/activity": {"scanner_id": "s1"},
    "POST /events": {"events": [{"type": "add", "item": {"id": 1}, "location": {"id": 1}, "quantity": 1}]},
    "POST /events/{event_id:int}/undo": None,
    "POST /events/batches/{batch_id:str}/undo": None,
    "POST /documents/links": {"item_id": 1, "url": "https://example.org/lm317.pdf"},
    "PATCH /documents/{document_id:int}": {"name": "Data sheet"},
    "POST /backup/import/partial": {"backup_data": "eA==", "tables": ["x"]},
    "POST /backup/import/full": {"backup_data": "eA==", "force": True},
    "POST /system/backup": {"kind": "nothing"},
    "POST /system/encryption/passphrase": {"passphrase": "not the one that is set"},
    "POST /system/offsite/fetch": {"filename": "stocky_backup_20260101_000000.sql.gz"},
    "PATCH /settings": {"backup_schedule_time": "25:00"},
    "POST /webhooks": {
        # A reserved address, to which nothing is ever sent.
        "url": "http://169.254.169.254/hook",
        "event_types": ["stock.recorded"],
        "description": "x",
        "secret": "s" * 32,
    },
    "PATCH /webhooks/{webhook_id:int}": {"description": "x"},
    # Without a mail server in the settings it is refused.
    "POST /notices/channels": {"name": "Mail", "recipients": ["anna@example.org"]},
    "PATCH /notices/channels/{channel_id:int}": {"name": "Mail"},
    "POST /shopping-lists": {"name": "Weekly"},
    "PUT /shopping-lists/{list_id:int}": {"name": "Monthly"},
    "POST /shopping-lists/{list_id:int}/duplicate": None,
    "POST /shopping-lists/{list_id:int}/items": {"text": "Candles", "quantity": 2},
    "PUT /shopping-lists/{list_id:int}/items/{item_id:int}": {"quantity": 2},
    "POST /shopping-lists/{list_id:int}/items/{item_id:int}/bought": None,
    "PUT /shopping-lists/{list_id:int}/placeholders/{entry_id:int}": {"text": "Candles", "quantity": 2},
    "POST /shopping-lists/{list_id:int}/fill-low-stock": None,
    "POST /projects": {"name": "Lamp", "notes": "x", "items": [{"text": "Glue", "quantity": 1}]},
    "PUT /projects/{project_id:int}": {"name": "Lamp"},
    "PATCH /projects/{project_id:int}": {"name": "Lamp"},
    "POST /projects/{project_id:int}/items": {"item_id": 1, "quantity": 1},
    "PUT /projects/{project_id:int}/items/{item_id:int}": {"quantity": 2},
    "PUT /projects/{project_id:int}/placeholders/{entry_id:int}": {"text": "Glue", "quantity": 2},
    "POST /projects/{project_id:int}/shopping-list": None,
    "POST /projects/{project_id:int}/withdraw": None,
    "POST /alerts": {"alert_type": "other", "message": "Look"},
}
