"""`/scan/decode`: the barcodes in a picture from a camera, for browsers that cannot find them."""

from __future__ import annotations

from litestar import post

from stocky.auth.guards import scanners
from stocky.http.request import StockyRequest
from stocky.pages.decoding import DecodedPicture, PictureDecoder
from stocky.pages.problems import FOR_SCRIPTS

_decoder = PictureDecoder()


@post("/scan/decode", opt={**scanners, FOR_SCRIPTS: True}, status_code=200, request_max_body_size=None)
async def decode(request: StockyRequest) -> DecodedPicture:
    """Decode a picture that is the body: a JPEG, PNG or WebP."""
    return await _decoder.decode(request.stream(), request.app.state.measure_rules.current)


routes = [decode]
