"""Files of every accepted kind, and hostile ones."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from httpx import AsyncClient, Response
from PIL import Image

from tests.inventory import Json, made

HTML = b"<html><script>alert(1)</script></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def pdf(size: int = 0, mark: str = "") -> bytes:
    """A PDF of one empty page, with `size` bytes in an unused stream."""
    parts = [b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"]
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>",
        b"<< /Length %d /Mark (%s) >>\nstream\n" % (size, mark.encode()) + bytes(size) + b"\nendstream",
    ]
    offsets, position = [], len(parts[0])
    for number, each in enumerate(objects, 1):
        offsets.append(position)
        parts.append(b"%d 0 obj\n" % number + each + b"\nendobj\n")
        position += len(parts[-1])
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    table += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    parts.append(
        table + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, position)
    )
    return b"".join(parts)


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 20), colour: str = "teal", **options: Any) -> bytes:
    """A picture of one colour."""
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, kind, **options)
    return out.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def huge_png(width: int, height: int) -> bytes:
    """A small file with a large picture of one colour."""
    lines = zlib.compressobj(9)
    row = b"\0" * (1 + width)
    packed = b"".join(lines.compress(row) for _ in range(height)) + lines.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def zipped(content: bytes = HTML) -> bytes:
    """A ZIP file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("index.html", content)
    return out.getvalue()


class Hostile(NamedTuple):
    """A file to reject, with the expected status."""

    what: str
    status: int
    content: bytes
    filename: str = "file"
    content_type: str = "application/octet-stream"


def hostile() -> Iterator[Hostile]:
    """Files that are mislabelled, hide data or are decompression bombs."""
    png, jpeg, webp = picture(), picture("JPEG"), picture("WEBP")
    yield Hostile("SVG", 415, SVG, "drawing.svg", "image/svg+xml")
    yield Hostile("SVG declared as PNG", 415, SVG, "drawing.png", "image/png")
    yield Hostile("HTML", 415, HTML, "page.html", "text/html")
    yield Hostile("HTML declared as PDF", 415, HTML, "page.pdf", "application/pdf")
    yield Hostile("a program", 415, b"MZ" + bytes(2000), "setup.exe")
    yield Hostile("a ZIP", 415, zipped(), "files.zip", "application/zip")
    yield Hostile("GIF", 415, picture("GIF"), "a.gif", "image/gif")
    yield Hostile("nothing", 422, b"", "empty.pdf")
    yield Hostile("PNG sent as PDF", 415, png, "a", "application/pdf")
    yield Hostile("PNG sent as HTML", 415, png, "a.png", "text/html")
    yield Hostile("PNG named as JPEG", 415, png, "a.jpg", "image/png")
    yield Hostile("PDF named as a page", 415, pdf(), "a.pdf.html", "application/pdf")
    yield Hostile("PDF named as a program", 415, pdf(), "a.exe")
    yield Hostile("a PDF that begins later", 415, b"\n" + pdf(), "a.pdf")
    yield Hostile("HTML before a PDF", 415, HTML + pdf(), "a.pdf")
    yield Hostile("JavaScript before a PDF", 415, b"alert(1);/*" + pdf() + b"*/", "a.pdf")
    yield Hostile("HTML behind a PDF", 415, pdf() + HTML, "a.pdf")
    yield Hostile("a ZIP behind a PDF", 415, pdf() + zipped(), "a.pdf")
    yield Hostile("a ZIP whose comment ends a PDF", 415, _zip_in_pdf(), "a.pdf")
    yield Hostile("a PDF that is cut off", 422, pdf(5000)[:3000], "a.pdf")
    for name, content in (("PNG", png), ("JPEG", jpeg), ("WebP", webp)):
        yield Hostile(f"HTML behind a {name}", 415, content + HTML)
        yield Hostile(f"a ZIP behind a {name}", 415, content + zipped())
        yield Hostile(f"a PDF behind a {name}", 415, content + pdf())
        yield Hostile(f"a program behind a {name}", 415, content + bytes(5000) + b"\x7fELF")
        yield Hostile(f"a {name} that is cut off", 422, content[: len(content) * 2 // 3])
        yield Hostile(f"only the beginning of a {name}", 422, content[:14])
    yield Hostile("a PNG that holds a ZIP", 415, png[:-12] + chunk(b"zzAp", zipped()) + png[-12:])
    yield Hostile("a PNG with a wrong checksum", 422, png[:40] + bytes([png[40] ^ 1]) + png[41:])
    yield Hostile("a PNG that shows nothing", 422, png[:33] + chunk(b"IEND", b""))
    yield Hostile("a PNG with broken pixels", 422, png[:33] + chunk(b"IDAT", b"not zlib") + chunk(b"IEND", b""))
    yield Hostile("a PNG with too few pixels", 422, png[:33] + chunk(b"IDAT", zlib.compress(b"\0")) + png[-12:])
    yield Hostile("a PNG of a billion pixels", 422, huge_png(32_000, 32_000))
    yield Hostile("a PNG that is very long", 422, huge_png(1, 100_000))
    yield Hostile("a JPEG of four billion pixels", 422, _with_size(jpeg))
    yield Hostile("a path", 422, pdf(), "../../secret-key.pdf")
    yield Hostile("a path of Windows", 422, pdf(), "..\\..\\secret-key.pdf")
    yield Hostile("an absolute path", 422, pdf(), "/etc/passwd.pdf")
    yield Hostile("only dots", 422, pdf(), "..")
    yield Hostile("a name that reads backwards", 422, pdf(), "invoice\u202efdp.exe")
    yield Hostile("a name that is too long", 422, pdf(), "x" * 300 + ".pdf")


def _zip_in_pdf() -> bytes:
    """A ZIP with its directory at the end and the end of the PDF as its comment."""
    content = pdf()[:-6] + b"\n% " + zipped()
    end = b"\nstartxref\n0\n%%EOF\n"
    return content[:-2] + struct.pack("<H", len(end)) + end


def _with_size(jpeg: bytes) -> bytes:
    place = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:place] + struct.pack(">HH", 65_000, 65_000) + jpeg[place + 4 :]


async def send(
    client: AsyncClient,
    item: Json,
    content: bytes,
    filename: str = "file",
    content_type: str = "application/octet-stream",
    **fields: str,
) -> Response:
    """The response to an upload."""
    return await client.post(
        "/documents",
        files={"file": (filename, content, content_type)},
        data={"item_id": str(item["id"]), **fields},
    )


async def uploaded(client: AsyncClient, item: Json, content: bytes, filename: str = "file", **fields: str) -> Json:
    """The document of a successful upload."""
    return made(await send(client, item, content, filename, **fields))
