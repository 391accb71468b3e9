"""QR codes as SVG or PNG, drawn in a thread: a scanner reads exactly the given text."""

from __future__ import annotations

import asyncio
import io
from typing import Annotated, Literal

import msgspec
from litestar import Response
from litestar.params import Parameter

from stocky.barcodes.command_codes import make_short_code
from stocky.errors import Invalid
from stocky.http.request import StockyRequest

CommandForm = Annotated[
    Literal["json", "short"],
    Parameter(description="`short` draws the short code of the command, which hand scanners type with any layout"),
]


def set_location_command(location_id: int, form: Literal["json", "short"] = "short") -> str:
    """The text of a location's label; a scan of it sets the scanner's location."""
    if form == "short":
        return make_short_code("LOC", location_id)
    return msgspec.json.encode({"command": "set_location", "payload": {"location_id": location_id}}).decode()


async def qr_response(request: StockyRequest, text: str) -> Response[bytes]:
    """A QR code of `text`: PNG if the client's Accept asks for it, SVG otherwise."""
    is_png = request.accept.best_match(["image/svg+xml", "image/png"]) == "image/png"
    content = await asyncio.to_thread(draw_qr, text, "png" if is_png else "svg")
    return Response(content, media_type="image/png" if is_png else "image/svg+xml")


def draw_qr(text: str, kind: str) -> bytes:
    """Draws a QR code as svg or png. Takes milliseconds: call it in a thread. Raises Invalid for too long a text."""
    # Imported here: few requests draw, and the import would slow down every start.
    import segno

    out = io.BytesIO()
    try:
        # Quartile error correction: labels get scratched and greasy.
        code = segno.make(text, micro=False, error="q")
    except segno.DataOverflowError:
        raise Invalid("The text is too long for a QR code; about 1,500 characters fit") from None
    code.save(out, kind=kind, scale=8 if kind == "png" else 4, border=4)
    return out.getvalue()
