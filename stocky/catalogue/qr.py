"""QR codes as SVG or PNG, drawn in a thread: a scanner reads exactly the given text."""

from __future__ import annotations

import asyncio
import io

import msgspec
from litestar import Response

from stocky.errors import Invalid
from stocky.http.request import StockyRequest


def set_location_command(location_id: int) -> str:
    """The text of a location's label; a scan of it sets the scanner's location."""
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
