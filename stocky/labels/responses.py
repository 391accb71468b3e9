"""Sheets of labels as the body of a response; the number of sheets is in its X-Total-Count."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Response

from stocky.labels.drawing import FileFormat, draw_file, in_turn
from stocky.labels.layout import Label, Sheet

MEDIA_TYPES: dict[FileFormat, str] = {"svg": "image/svg+xml", "pdf": "application/pdf"}


async def file_response(
    wanted: Sequence[Label], paper: Sheet, file: FileFormat, *, used: int = 0, page: int = 1
) -> Response[bytes]:
    """Sheets as a file. Raises Invalid, NotFound, Unavailable."""
    content, count = await in_turn(draw_file, wanted, paper, file, used=used, page=page)
    name = "labels.pdf" if file == "pdf" else f"labels-{page}.svg"
    return Response(
        content,
        media_type=MEDIA_TYPES[file],
        headers={"X-Total-Count": str(count), "Content-Disposition": f'inline; filename="{name}"'},
    )
