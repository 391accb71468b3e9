"""The off-site backups, read from their destinations; fetching one continues on the page of the stored backups."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post

from stocky.auth.guards import admins
from stocky.auth.schemas import Principal
from stocky.backup.admin_service import BackupAdministration
from stocky.backup.schemas import OffsiteFetch
from stocky.errors import BadRequest
from stocky.pages.backup_verdict import CONTENTS, REASONS
from stocky.pages.forms import read_form
from stocky.pages.rendering import Html, page, see_other


@get("/backups/offsite", opt=admins)
async def show_offsite(request: Request[Any, Any, Any], backups: BackupAdministration) -> Html:
    """The good copies at each destination."""
    listings = await backups.list_offsite()
    return page(request, "offsite.html", listings=listings, contents=CONTENTS, reasons=REASONS)


@post("/backups/offsite/fetch", opt=admins)
async def fetch_offsite(request: Request[Any, Any, Any], backups: BackupAdministration, user: Principal) -> Html:
    """Starts to add a copy to the stored backups."""
    form = await read_form(request, OffsiteFetch)
    if form.errors:
        raise BadRequest(form.general_error or str(form.error("filename") or form.error("destination")))
    started = await backups.start_fetch(form.data.filename, form.data.destination, user)
    return see_other(request, "/backups", job=started.job_id)


routes = [show_offsite, fetch_offsite]
