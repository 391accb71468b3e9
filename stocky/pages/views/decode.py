"""`/scan/decode`: the barcodes in a picture from a camera, for browsers that cannot find them."""

from __future__ import annotations

from litestar import post

from stocky.auth.guards import scanners
from stocky.http.request import StockyRequest
from stocky.pages.decoding import DecodedPicture, PictureDecoder

_decoder = PictureDecoder()


@post("/scan/decode", opt=scanners, status_code=200, request_max_body_size=None, include_in_schema=False)
async def decode(request: StockyRequest) -> DecodedPicture:
    """Decode a picture that is the body: a JPEG, PNG or WebP."""
    return await _decoder.decode(request.stream())


routes = [decode]
