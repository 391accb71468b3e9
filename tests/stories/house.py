"""A new installation for a story: a real server on an empty database, an admin, a member and a scanner."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests import serving
from tests.cli.running import stocky

Json = dict[str, Any]
PASSWORD = "correct horse battery"
JOB_SECONDS = 60


class Person:
    """A client of the server; every request must succeed, except in `refused`."""

    def __init__(self, stack: ExitStack, url: str, **headers: str) -> None:
        self.http = stack.enter_context(httpx.Client(base_url=url, headers=headers, timeout=30))

    def get(self, path: str, **query: Any) -> Any:
        return self._body(self.http.get(path, params=query))

    def post(self, path: str, body: Any = None, **more: Any) -> Any:
        return self._body(self.http.post(path, json=body, **more) if body is not None else self.http.post(path, **more))

    def patch(self, path: str, **body: Any) -> Any:
        return self._body(self.http.patch(path, json=body))

    def refused(self, status: int, path: str, body: Any = None, method: str = "POST") -> str:
        """The detail of the problem."""
        answer = self.http.request(method, path, json=body)
        assert answer.status_code == status, answer.text
        detail: str = answer.json()["detail"]
        return detail

    def done(self, started: Json) -> Any:
        """Waits for a job and returns its result."""
        deadline = time.monotonic() + JOB_SECONDS
        while time.monotonic() < deadline:
            answer = self.http.get(f"/jobs/{started['job_id']}")
            # During the swap of a restore every request gets a 503.
            if answer.status_code != 503:
                job = self._body(answer)
                if job["status"] in ("done", "failed"):
                    assert job["status"] == "done", job
                    return job["result"]
            time.sleep(0.05)
        raise AssertionError(f"job {started} did not end")

    def scan(self, barcode: str, **more: Any) -> Json:
        answer: Json = self.post("/scanner/scan", {"upc": barcode, "scanner_id": "hand", **more})
        return answer

    def total(self, item: Json) -> float:
        quantity: float = self.get(f"/items/{item['id']}")["total_quantity"]
        return quantity

    @staticmethod
    def _body(answer: httpx.Response) -> Any:
        assert answer.is_success, (answer.request.method, str(answer.request.url), answer.text)
        if answer.headers.get("content-type", "").startswith("application/json"):
            return answer.json()
        return answer.content


class House:
    """The server and its users."""

    def __init__(self, environ: dict[str, str], server: serving.Server, stack: ExitStack) -> None:
        self.environ, self.server, self._stack = environ, server, stack
        made = stocky(
            environ | {"STOCKY_ADMIN_PASSWORD": PASSWORD},
            "create-admin",
            "--username",
            "ada",
            "--email",
            "a@example.org",
        )
        assert made.returncode == 0, made.stderr
        # A restore ends sessions, but not the keys that are in the backup.
        self.admin = self._with_key("ada")
        body = {"username": "max", "email": "m@example.org", "password": PASSWORD, "role": "member"}
        self.admin.post("/users/", body)
        self.member = self._signed_in("max")
        self.scanner = self._with_key("hand", "--create")

    def checked(self) -> None:
        """`stocky check` finds no fault."""
        answer = stocky(self.environ, "check")
        assert answer.returncode == 0, answer.stdout

    def state(self) -> Json:
        """All data that users can see."""
        listed = {
            path: self.admin.get(path, limit=1000)
            for path in ("/items/", "/locations/", "/skus/", "/boxes/", "/documents/", "/projects/", "/events")
        }
        return listed | {"lists": self.member.get("/shopping-lists/")}

    def backed_up(self, kind: str) -> Json:
        """A stored backup that passed its test restore."""
        timestamp = self.admin.done(self.admin.post("/system/backup", {"kind": kind}))["timestamp"]
        self.admin.done(self.admin.post(f"/system/backup/{timestamp}/verify"))
        (backup,) = (each for each in self.admin.get("/system/backup/list") if each["timestamp"] == timestamp)
        assert backup["is_good"], backup
        made: Json = backup
        return made

    def restored(self, backup: Json) -> None:
        """Restores the backup, and signs the member in again."""
        self.admin.done(self.admin.post(f"/system/backup/{backup['timestamp']}/restore?force=true"))
        self.member = self._signed_in("max")

    def _with_key(self, username: str, *options: str) -> Person:
        made = stocky(self.environ, "create-key", username, "--name", "story", "--json", *options)
        assert made.returncode == 0, made.stderr
        return Person(self._stack, self.server.api, **{"X-API-Key": json.loads(made.stdout)["api_key"]})

    def _signed_in(self, username: str) -> Person:
        body = {"username": username, "password": PASSWORD}
        tokens = Person(self._stack, self.server.api).post("/auth/login-json", body)
        return Person(self._stack, self.server.api, Authorization=f"Bearer {tokens['access_token']}")


@contextmanager
def moved_in(environ: dict[str, str], directory: Path) -> Iterator[House]:
    """The house for the length of the story."""
    with serving.serve(environ, directory) as server, ExitStack() as stack:
        yield House(environ, server, stack)
