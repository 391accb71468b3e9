"""QR codes as SVG or PNG, made in a thread: what a scanner reads is exactly the text given."""

from __future__ import annotations

import asyncio
import io

import msgspec
from litestar import Response

from stocky.errors import Invalid
from stocky.http.request import StockyRequest


def set_location_command(location_id: int) -> str:
    """What the label of a location says; scanned, it sets the scanner's location."""
    return msgspec.json.encode({"command": "set_location", "payload": {"location_id": location_id}}).decode()


async def qr_response(request: StockyRequest, text: str) -> Response[bytes]:
    """A QR code of `text`: PNG where the client asks for that in Accept, SVG otherwise."""
    is_png = request.accept.best_match(["image/svg+xml", "image/png"]) == "image/png"
    content = await asyncio.to_thread(draw_qr, text, "png" if is_png else "svg")
    return Response(content, media_type="image/png" if is_png else "image/svg+xml")


def draw_qr(text: str, kind: str) -> bytes:
    """The picture, `kind` svg or png. Takes milliseconds: call it in a thread. Raises Invalid for too much text."""
    # Imported here: only few requests draw, and every start would pay.
    import segno

    out = io.BytesIO()
    try:
        # Quartile correction: labels get scratched and greasy.
        code = segno.make(text, micro=False, error="q")
    except segno.DataOverflowError:
        raise Invalid("This is too much text for a QR code; about 1,500 characters fit") from None
    code.save(out, kind=kind, scale=8 if kind == "png" else 4, border=4)
    return out.getvalue()
