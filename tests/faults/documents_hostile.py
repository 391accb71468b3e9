"""Hostile uploads (disguised, oversized, path traversal, aborted, endless) to real servers: refused, none stored."""

from __future__ import annotations

import argparse
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.documents.files import hostile, huge_png, pdf, picture
from tests.faults.shop import DIALECTS, Shop, shop
from tests.serving import Server, serve

_LARGEST = 200 * 2**20
# Concurrent uploads: more than are decoded or received at once.
_CROWD = 40


def send_all(shop: Shop) -> list[str]:
    """Uploads that were accepted, caused an error or left a file."""
    problems: list[str] = []
    with serve(shop.environ, shop.directory) as server, httpx.Client(
        base_url=server.api, headers={"X-API-Key": shop.admin_key}, timeout=120
    ) as admin:  # fmt: skip
        count = 0
        for each in hostile():
            count += 1
            answer = admin.post(
                "/documents",
                data={"item_id": str(shop.items[0])},
                files={"file": (each.filename, each.content, each.content_type)},
            )
            if answer.status_code != each.status:
                problems.append(f"{each.what}: {answer.status_code} {answer.text[:200]}")
        for what, status, body, content_type in _forms(shop.items[0]):
            count += 1
            try:
                answer = admin.post("/documents", content=body, headers={"Content-Type": content_type})
            except httpx.TransportError as error:
                problems.append(f"{what}: {error!r}")
                continue
            if answer.status_code != status:
                problems.append(f"{what}: {answer.status_code} {answer.text[:200]}")
        _break_off(server, shop)
        problems += _crowd(server, shop)
        for _ in range(50):
            if not (left := _left(shop)):
                break
            # A broken connection is noticed after a moment.
            time.sleep(0.1)
        problems += [f"{file} is left behind" for file in left]
        if admin.get("/documents").json():
            problems.append("something was taken")
        if admin.get("/items/").status_code != 200:
            problems.append("it no longer answers")
        print(f"{count} hostile uploads were sent")
    if server.process.returncode != 0:
        problems.append(f"the server ended with {server.process.returncode}")
    if "Traceback" in server.log:
        problems.append("there is a traceback in the log")
    return problems


def _forms(item: int) -> Iterator[tuple[str, int, bytes | Iterator[bytes], str]]:
    """Invalid forms: a description, the status of the response, the body and its content type."""
    kind = "multipart/form-data; boundary=b"
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n'
    name = b'--b\r\nContent-Disposition: form-data; name="item_id"\r\n\r\n%d\r\n' % item
    whole = name + head % b"a.pdf" + pdf() + b"\r\n--b--\r\n"
    yield "no boundary", 400, whole, "multipart/form-data"
    yield "another boundary", 400, whole, "multipart/form-data; boundary=c"
    yield "an endless boundary", 400, whole, "multipart/form-data; boundary=" + "b" * 20_000
    yield "JSON", 400, b"{}", "application/json"
    yield "nothing at all", 400, b"", kind
    yield "no end", 400, whole[:-20], kind
    yield "only a head", 400, head % b"a.pdf", kind
    yield "two files", 400, name + (head % b"a.pdf" + pdf() + b"\r\n") * 2 + b"--b--\r\n", kind
    yield "a thousand fields", 400, name * 1000 + whole, kind
    yield "an endless field", 400, name[:-3] + b"1" * 2**20 + b"\r\n" + whole, kind
    yield "an endless head", 400, b"--b\r\nX-Long: " + b"x" * 2**20 + b"\r\n\r\n" + whole, kind
    yield "a name with NUL", 422, whole.replace(b"a.pdf", b"a\0.pdf"), kind
    yield "a name that is no text", 400, whole.replace(b"a.pdf", b"../\xff\xfe.pdf"), kind
    yield "more than is taken", 413, _endless(name + head % b"a.pdf"), kind


def _endless(begin: bytes) -> Iterator[bytes]:
    yield begin + b"%PDF-1.7\n"
    for _ in range(_LARGEST // 2**20 + 2):
        yield bytes(2**20)
    yield b"\r\n--b--\r\n"


def _break_off(server: Server, shop: Shop) -> None:
    """Announces a large body, sends a little of it, and disconnects."""
    port = int(server.url.rpartition(":")[2])
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(
                b"POST /api/v1/documents HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n"
                b"Content-Type: multipart/form-data; boundary=b\r\nX-API-Key: " + shop.admin_key.encode() + b"\r\n\r\n"
                b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n%PDF-1.7'
                + bytes(3_000_000)
            )


def _crowd(server: Server, shop: Shop) -> list[str]:
    """Many concurrent uploads that are refused only after decoding: each response says what to do."""
    broken = picture()[:-12] + huge_png(8000, 8001)[8:33]
    bomb = huge_png(8_001, 8_000)

    def send(number: int) -> int:
        content = bomb if number % 2 else broken
        answer = httpx.post(
            f"{server.api}/documents",
            data={"item_id": str(shop.items[0])},
            files={"file": ("a.png", content)},
            headers={"X-API-Key": shop.admin_key},
            timeout=120,
        )
        return answer.status_code

    with ThreadPoolExecutor(_CROWD) as threads:
        statuses = set(threads.map(send, range(_CROWD)))
    return [f"in a crowd: {status}" for status in statuses - {422, 503}]


def _left(shop: Shop) -> list[Path]:
    return [
        *(shop.config.data_dir / "documents").glob("*/*/*"),
        *(shop.config.backup_dir.iterdir() if shop.config.backup_dir.is_dir() else []),
    ]


def run(dialect: str) -> bool:
    """Whether every one was refused."""
    begun = time.monotonic()
    with shop(dialect) as ground:
        problems = send_all(ground)
    for problem in problems:
        print(f"hostile documents on {dialect}: {problem}")
    verdict = f"FAILED, {len(problems)} problems" if problems else "all refused, nothing kept"
    print(f"hostile documents on {dialect}: {verdict}, {time.monotonic() - begun:.0f} s")
    return not problems


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dialect", choices=DIALECTS, action="append")
    wanted = parser.parse_args()
    passed = [run(each) for each in wanted.dialect or DIALECTS]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
